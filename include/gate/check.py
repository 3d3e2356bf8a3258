"""The base class of the gate's checks: a rule with a stable code that explains, from evidence, why it is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from include.config.gate import Gate, Severity
    from include.evaluation.evidence import Evidence

    Numbers = Mapping[str, JsonValue]


class NotApplicable(Exception):
    """The check has nothing to judge in this evidence; the message says why."""


class NotMeasured(Exception):
    """The check applies, and the run has not measured what it judges; the message says why and what to change."""


class Check:
    """One rule of the gate.

    Attributes
    ----------
    code
        Identifies the check and never changes its meaning; Nightshift's own codes begin with GATE.
    title
        What is true while the rule holds.
    severity
        The consequence of a broken rule: `keep` the champion; `inconclusive`, because this evidence cannot decide; or
        `warn`, which is reported and blocks nothing.
    essential
        Whether the gate's promises depend on the check, so that pipeline.yaml cannot lower its severity.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity] = "keep"
    essential: ClassVar[bool] = False

    @property
    def documentation(self) -> str:
        """Path in the repository, or address, of the page that explains the check."""
        return f"docs/checks/{self.code}.md"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Return why the rule is broken; None if it holds.

        Raises
        ------
        NotApplicable
            If the evidence has nothing to judge.
        NotMeasured
            If the evidence lacks what this pipeline's gate asks for; the verdict then has a warning.
        """
        raise NotImplementedError

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the numbers that the check judges by, as JSON types, for the record; NaN becomes null."""
        return {}


def is_number(value: float | None) -> bool:
    """Return whether a value is neither None, NaN nor infinite."""
    return value is not None and abs(value) < float("inf")  # comparisons with NaN are false
