"""Register the run's model in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config import Pipeline


class RegisterModelOperator(PipelineStepOperator):
    """Register the challenger with all that explains it, as champion or challenger.

    Parameters
    ----------
    plan
        What PlanRunOperator returned.
    features
        What BuildFeaturesOperator returned.
    challenger
        What TrainChallengerOperator returned.
    evidence
        What EvaluateChallengerOperator returned.
    verdict
        What ApplyGateOperator returned.
    """

    template_fields = ("plan", "features", "challenger", "evidence", "verdict")

    def __init__(
        self, *, plan: Any, features: Any, challenger: Any, evidence: Any, verdict: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.features = features
        self.challenger = challenger
        self.evidence = evidence
        self.verdict = verdict

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, Any]:
        """Return the version and its alias."""
        from include.retraining import steps
        from include.retraining.plan import RunPlan

        plan = RunPlan.from_json(self.plan)
        return steps.register(pipeline, plan, self.features, self.challenger, self.evidence, self.verdict)
