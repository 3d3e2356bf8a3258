"""What a check of the gate is: a small rule with a stable code, from evidence to an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from include.config.pipeline import Gate, Severity
    from include.evaluation.evidence import Evidence

    Numbers = Mapping[str, JsonValue]


class NotApplicable(Exception):
    """A check has nothing to judge in this evidence; the message says why."""


class Check:
    """One rule of the gate.

    Attributes
    ----------
    code
        Never changes its meaning; Nightshift's own begin with GATE.
    title
        What holds where the rule is kept.
    severity
        What a broken rule leads to: `keep` the champion; `inconclusive`, since this evidence cannot tell; or
        `warn`, which is told and hinders nothing.
    essential
        Whether a promise of the gate rests on it, so that pipeline.yaml cannot lower its severity.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity] = "keep"
    essential: ClassVar[bool] = False

    @property
    def documentation(self) -> str:
        """Where the check is explained; a path in the repository, or an address."""
        return f"docs/checks/{self.code}.md"

    def explain(self, evidence: Evidence, gate: Gate) -> str | None:
        """Return why the rule is broken, or None where it holds.

        Raises
        ------
        NotApplicable
            If there is nothing to judge.
        """
        raise NotImplementedError

    def numbers(self, evidence: Evidence, gate: Gate) -> Numbers:
        """Return the numbers that it judges by, as JSON types, for the record; NaN is kept as null."""
        return {}


def is_number(value: float | None) -> bool:
    """Return whether there is a value, and it is neither NaN nor infinite."""
    return value is not None and abs(value) < float("inf")  # a NaN compares as false
