"""Run one step of a retraining run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from plugins.operators.page_links import FeaturePageLink
from plugins.operators.step import PipelineStepOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline

StepName = Literal[
    "build", "validate", "prove", "select", "tune", "train", "evaluate", "judge", "register", "summarize"
]

#: What Airflow's UI says about a step, by its function in include.workflows.retrain.steps.
DOCUMENTATION: dict[StepName, str] = {
    "build": "Runs features.sql over the table versions that the plan pins.",
    "validate": "Checks the feature table against expectations/features.yaml.",
    "prove": "Checks for leakage: rebuilds some rows from what was known at their prediction time, and compares them "
    "with the feature table.",
    "select": "Drops the automated features that do not help, before the candidates are tuned.",
    "tune": "Searches the candidates' parameters on time-ordered folds, within the run's budget.",
    "train": "Fits the best tuned candidate on all rows before the holdout: the challenger.",
    "evaluate": "Scores the challenger, the champion and the baseline on the same holdout rows.",
    "judge": "Decides by the gate's checks whether the challenger may be promoted.",
    "register": "Registers the challenger in MLflow with its evidence, as champion where the verdict and the approval "
    "allow it.",
    "summarize": "Logs the verdict as a table, and where to look further.",
}

#: Steps whose task links to the page of the features.
LINKED_TO_FEATURES = ("build", "summarize")


class RetrainingStepOperator(PipelineStepOperator):
    """Run one step of a retraining run, by the plan that the run's first task made.

    Airflow's UI shows the task's id as words in place of this class's name, such as "Build features".

    Parameters
    ----------
    step
        Name of the step's function in `include.workflows.retrain.steps`.
    """

    def __init__(self, *, step: StepName, **kwargs: Any) -> None:
        super().__init__(**{"doc_md": DOCUMENTATION[step]} | kwargs)
        self.step = step
        self.custom_operator_name = self.task_id.replace("_", " ").capitalize()
        if step in LINKED_TO_FEATURES:
            self.operator_extra_links = (FeaturePageLink(),)

    def run_step(self, pipeline: Pipeline, context: Context) -> Any:
        """Return what came of the step."""
        return self.call_step(pipeline, context)

    def call_step(self, pipeline: Pipeline, context: Context, **arguments: Any) -> Any:
        """Call the step's function with the run's plan."""
        from include.workflows.retrain import steps
        from include.workflows.retrain.plan import RunPlan

        plan = RunPlan.load(pipeline.name, context["dag_run"].run_id)
        return getattr(steps, self.step)(pipeline, plan, **arguments)


class TuneCandidatesOperator(RetrainingStepOperator):
    """Search all candidates' parameters as one of several workers.

    Parameters
    ----------
    worker
        Number of this task among those that share the search.
    """

    custom_operator_name = "Tune candidates"  # Airflow asks the class of a mapped task for it

    def __init__(self, *, worker: int, **kwargs: Any) -> None:
        super().__init__(step="tune", **kwargs)
        self.worker = worker

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, float | None]:
        """Return the best score of each family."""
        return self.call_step(pipeline, context, worker=self.worker)
