"""The report of a leakage check says what was compared."""

from __future__ import annotations

from include.features.leakage_check import LeakageReport


def test_a_report_says_what_was_compared() -> None:
    """One line for a person, and JSON for the record; a check that compared nothing says so."""
    report = LeakageReport(["2024-01-09T00:00:00", "2024-02-01T00:00:00"], 12000, 7)

    assert str(report) == "2 cut-offs, 12,000 rows, 7 features: nothing from the future"
    assert report.to_json() == {
        "cut_offs": ["2024-01-09T00:00:00", "2024-02-01T00:00:00"],
        "rows": 12000,
        "features": 7,
        "own_labels": 0,
        "unchanged_labels": 0,
    }
    assert str(LeakageReport([], 0, 0)) == "no rows, so there is nothing to check"


def test_a_report_counts_the_rows_whose_labels_were_changed() -> None:
    """Changed labels are counted, and so are those that could not be changed."""
    changed = LeakageReport(["2024-01-09T00:00:00"], 120, 7, own_labels=90)
    unchanged = LeakageReport(["2024-01-09T00:00:00"], 120, 7, unchanged_labels=90)

    assert str(changed).endswith("from the future, and no feature changed with the labels of 90 rows")
    assert "90 rows already have a label at their prediction time, but no change of raw values changed it" in str(
        unchanged
    )
