"""The holdout's labels are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.evaluation.label_coverage import Coverage, LabelCoverage
from include.gate.check import NotApplicable
from include.gate.checks.labels import KnownLabels
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.evidence import Evidence

#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE020": ({"labels": LabelCoverage(Coverage("", 5000, 3692, 0.98, 0.0))}, {}),
}


def _evidence(labels: LabelCoverage | None) -> Evidence:
    return factories.evidence(labels=labels)


class TestGATE020:
    """The holdout's labels are known."""

    check = KnownLabels()

    def test_it_fires(self, gate: Gate) -> None:
        """A champion was once promoted on 332 of 706 rows, while half of the labels were missing."""
        evidence = _evidence(LabelCoverage(Coverage("", 706, 332, 1.0, 0.0)))

        assert self.check.explain(evidence, gate) == (
            "332 of 706 rows have a label, and on the days before each has one: 53% of the expected labels are "
            "missing, and gate.max_missing_labels allows 10%; find out why they are missing, or raise "
            "training.gap_days if they take longer"
        )

    def test_a_slice_is_named(self, gate: Gate) -> None:
        """All labels of one store are missing, although they are less than a tenth of all labels."""
        slices = [Coverage("store = west", 400, 0, 0.97, 0.0), Coverage("store = east", 4600, 4600, 1.0)]
        evidence = _evidence(LabelCoverage(Coverage("", 5000, 4600, 0.99, 0.0), slices))

        assert "0 of 400 rows with store = west have a label" in str(self.check.explain(evidence, gate))

    def test_rows_that_never_get_a_label_are_quiet(self, gate: Gate) -> None:
        """A third of the rows has a label, as on the days before."""
        assert self.check.explain(_evidence(LabelCoverage(Coverage("", 5000, 1650, 0.33, 0.4))), gate) is None

    def test_it_stays_quiet_where_chance_explains_it(self, gate: Gate) -> None:
        """Four of twenty rows have a label, and six were expected."""
        assert self.check.explain(_evidence(LabelCoverage(Coverage("", 20, 4, 0.3, 0.24))), gate) is None

    def test_the_limit_is_the_pipelines(self, gate: Gate) -> None:
        """A pipeline can raise the limit."""
        labels = LabelCoverage(Coverage("", 706, 332, 1.0, 0.0))

        assert self.check.explain(_evidence(labels), gate.model_copy(update={"max_missing_labels": 0.6})) is None

    def test_evidence_of_an_earlier_release_is_not_judged(self, gate: Gate) -> None:
        """Evidence of an earlier release does not record missing labels."""
        with pytest.raises(NotApplicable, match="not measured"):
            self.check.explain(_evidence(None), gate)

    def test_its_numbers_are_kept(self, gate: Gate) -> None:
        """The record has the share of missing labels and the number of days left out."""
        labels = LabelCoverage(Coverage("", 100, 45, 0.9), [Coverage("store = west", 10, 0, 1.0)], ["2024-02-28"], 7)

        assert self.check.numbers(_evidence(labels), gate) == {
            "rows": 100,
            "labelled": 45,
            "missing": pytest.approx(0.5),
            "worst_slice": {"name": "store = west", "missing": 1.0},
            "days_left_out": 1,
        }
