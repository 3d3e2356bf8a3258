"""Everything that a run has found, read from its folder: for MLflow, the model card and the decision record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.workflows.retrain import files
from include.workflows.retrain.explain import explanations

if TYPE_CHECKING:
    from include.evaluation.evidence import Evidence
    from include.evaluation.importance import Importance
    from include.features.feature_table import FeatureTable
    from include.gate.verdict import Verdict
    from include.training.tuning_result import TuningResult
    from include.workflows.retrain.documents import FittedChallenger
    from include.workflows.retrain.plan import RunPlan


@dataclass(frozen=True)
class RunResults:
    """What the steps of a run have found up to the verdict.

    Attributes
    ----------
    tuning
        The result of the search by family.
    explanations
        Curves and contributions as JSON types, see `explanations`.
    """

    plan: RunPlan
    features: FeatureTable
    tuning: dict[str, TuningResult]
    challenger: FittedChallenger
    importance: list[Importance]
    evidence: Evidence
    verdict: Verdict
    explanations: dict[str, Any]

    @classmethod
    def read(cls, plan: RunPlan) -> RunResults:
        """Read the results from the run's folder.

        Raises
        ------
        RunMissing
            If a step has not left its file yet.
        OtherRelease
            If another release of Nightshift wrote a file that this one cannot read.
        """
        return cls(
            plan=plan,
            features=files.features(plan),
            tuning=files.tuning(plan),
            challenger=files.challenger(plan),
            importance=files.importance(plan),
            evidence=files.evidence(plan),
            verdict=files.verdict(plan),
            explanations=explanations(plan),
        )

    def to_json(self) -> dict[str, Any]:
        """Return each result as JSON types, by the name of its file in MLflow without the ending."""
        return {
            "plan": self.plan.to_json(),
            "features": self.features.to_json(),
            "tuning": {family: result.to_json() for family, result in self.tuning.items()},
            "challenger": self.challenger.to_json(),
            "importance": [each.to_json() for each in self.importance],
            "evidence": self.evidence.to_json(),
            "verdict": self.verdict.to_json(),
            **self.explanations,
        }
