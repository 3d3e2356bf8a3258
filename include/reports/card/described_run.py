"""What a card is written from: the results of a run, and the facts of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from include.evaluation.curves import Curves
    from include.evaluation.evidence import Evidence
    from include.evaluation.importance import Importance
    from include.features.feature_table import FeatureTable
    from include.gate.answer import Answer
    from include.gate.verdict import Verdict
    from include.training.contribution_summary import ContributionSummary
    from include.training.fitted_challenger import FittedChallenger


@dataclass(frozen=True)
class DescribedRun:
    """The run that a card describes; the card says which of the optional results are missing.

    Attributes
    ----------
    snapshot
        Version of each source's raw table.
    importance
        Empty where it was not measured.
    curves, contributions
        None where they were not measured.
    version
        None where the model is not registered.
    alias, note
        The version's alias, and why it was not promoted, if there is more to say than the verdict does.
    answer
        None where nobody was asked.
    """

    run_key: str
    as_of: date
    snapshot: Mapping[str, int]
    code_version: str
    lock: str
    seed: int
    features: FeatureTable
    challenger: FittedChallenger
    evidence: Evidence
    verdict: Verdict
    importance: Sequence[Importance] = ()
    curves: Curves | None = None
    contributions: ContributionSummary | None = None
    version: int | None = None
    alias: str | None = None
    note: str = ""
    answer: Answer | None = None
