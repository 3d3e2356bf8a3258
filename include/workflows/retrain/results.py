"""Everything that a run has found, read from its folder: for MLflow, the model card and the decision record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.json_document import field_values, to_json_types
from include.reports.card.described_run import DescribedRun
from include.workflows.retrain import files
from include.workflows.retrain.explain import Explanations, read_explanations

if TYPE_CHECKING:
    from include.core.json_value import JsonObject
    from include.evaluation.evidence import Evidence
    from include.evaluation.importance import Importance
    from include.features.feature_table import FeatureTable
    from include.gate.answer import Answer
    from include.gate.verdict import Verdict
    from include.training.fitted_challenger import FittedChallenger
    from include.training.tuning_result import TuningResult
    from include.workflows.retrain.documents import RegistrationResult
    from include.workflows.retrain.plan import RunPlan


@dataclass(frozen=True)
class RunResults:
    """What the steps of a run have found up to the verdict.

    Attributes
    ----------
    tuning
        The result of the search by family.
    """

    plan: RunPlan
    features: FeatureTable
    tuning: dict[str, TuningResult]
    challenger: FittedChallenger
    importance: list[Importance]
    evidence: Evidence
    verdict: Verdict
    explanations: Explanations

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
            explanations=read_explanations(plan),
        )

    def documents(self) -> JsonObject:
        """Return each result as JSON types, by the name of its file in MLflow without the ending."""
        documents = to_json_types(field_values(self))
        return documents | documents.pop("explanations")

    def described(self, registration: RegistrationResult, answer: Answer | None) -> DescribedRun:
        """Return what the model card is written from."""
        return DescribedRun(
            run_key=self.plan.run_key,
            as_of=self.plan.as_of,
            snapshot=self.plan.snapshot,
            code_version=self.plan.code_version,
            lock=self.plan.lock,
            seed=self.plan.seed,
            features=self.features,
            challenger=self.challenger,
            evidence=self.evidence,
            verdict=self.verdict,
            importance=self.importance,
            curves=self.explanations.curves,
            contributions=self.explanations.contributions,
            version=registration.version,
            alias=registration.alias,
            note=registration.note,
            answer=answer,
        )
