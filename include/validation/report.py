"""The result of a validation, and whether it stops a run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from include.core.errors import ExpectationsFailed
from include.core.json_document import JsonDocument

log = logging.getLogger(__name__)

#: Prefix of the names of the comparisons with earlier days.
HISTORY = "history_"


@dataclass(frozen=True)
class Failure:
    """A failed expectation: its name, its column, and an explanation with counts and examples."""

    expectation: str
    column: str
    severity: str
    explanation: str

    def __str__(self) -> str:
        """Return the failure as a clause of a sentence."""
        return f"{self.column}: {self.expectation} {self.explanation}"


@dataclass(frozen=True)
class ValidationReport(JsonDocument):
    """The result of a validation.

    Attributes
    ----------
    rows
        Number of rows that were judged.
    expectations
        Number of expectations and of comparisons with earlier days.
    failures
        The critical ones first.
    quarantined
        Number of rows that are not published.
    """

    rows: int
    expectations: int
    failures: list[Failure] = field(default_factory=list)
    quarantined: int = 0

    @property
    def critical(self) -> list[Failure]:
        """The failures that stop a run."""
        return [failure for failure in self.failures if failure.severity == "critical"]

    @property
    def held(self) -> int:
        """How many expectations hold; a comparison with earlier days counts once, whatever the number of columns."""
        of_history = {each.expectation for each in self.failures if each.expectation.startswith(HISTORY)}
        others = sum(not each.expectation.startswith(HISTORY) for each in self.failures)
        return self.expectations - others - len(of_history)


def conclude(report: ValidationReport, where: str, consequence: str) -> None:
    """Log the result of a validation.

    Parameters
    ----------
    consequence
        What a critical failure leads to, and what to do; the end of the error's sentence.

    Raises
    ------
    ExpectationsFailed
        If a critical expectation failed.
    """
    for failure in report.failures:
        log.log(logging.ERROR if failure.severity == "critical" else logging.WARNING, "%s: %s", where, failure)
    log.info("%s: %s rows, %s of %s expectations hold", where, f"{report.rows:,}", report.held, report.expectations)
    if report.quarantined:
        log.warning("%s: %s rows are in quarantine and not published", where, f"{report.quarantined:,}")
    if report.critical:
        first = "; ".join(map(str, report.critical[:3]))
        more = f"; and {len(report.critical) - 3} more, listed above" if len(report.critical) > 3 else ""
        raise ExpectationsFailed(
            f"{where}: {len(report.critical)} critical expectation{'s' * (len(report.critical) > 1)} failed: "
            f"{first}{more}; {consequence}"
        )
