"""The monitor's table: the worst first, with its reasons."""

from __future__ import annotations

from datetime import date

from include.workflows.monitor.check import MonitoringResult as Result
from include.workflows.monitor.report import SHOWN, monitoring_lines, monitoring_table, outcome, summary, worst_first

RESULTS = [
    Result("nulls", "visitors", 0.05, 0.15, "ok", 300, "5.0% of 300 rows are null"),
    Result("feature_shift", "store", None, 0.25, "unknown", 20, "there are 20 rows, which say nothing"),
    Result("nulls", "store", None, 0.1, "unknown", 20, "there are 20 rows, which say nothing"),
    Result("feature_shift", "visitors", 0.5, 0.25, "alert", 300, "a stability index of 0.50"),
    Result("feature_shift", "weekday", 1.5, 0.25, "alert", 300, "a stability index of 1.50"),
    Result("metric", "mae", 60.0, 50.0, "alert", 300, "mae 60.0000 over 300 rows is above gate.minimum"),
]


def test_alerts_come_first_and_the_metric_before_features() -> None:
    """Within a kind, the result furthest beyond its limit comes first."""
    assert [(line.kind, line.name) for line in worst_first(RESULTS)] == [
        ("metric", "mae"),
        ("feature_shift", "weekday"),
        ("feature_shift", "visitors"),
        ("feature_shift", "store"),
        ("nulls", "store"),
        ("nulls", "visitors"),
    ]


def test_the_table_says_why_and_the_same_reason_once() -> None:
    """A result with the state ok has only its numbers."""
    assert monitoring_table(RESULTS).splitlines() == [
        "state    kind           name        value    limit  rows",
        "alert    metric         mae       60.0000  50.0000   300",
        "         mae 60.0000 over 300 rows is above gate.minimum",
        "alert    feature_shift  weekday    1.5000   0.2500   300",
        "         a stability index of 1.50",
        "alert    feature_shift  visitors   0.5000   0.2500   300",
        "         a stability index of 0.50",
        "unknown  feature_shift  store           -   0.2500    20",
        "         there are 20 rows, which say nothing",
        "unknown  nulls          store           -   0.1000    20",
        "ok       nulls          visitors   0.0500   0.1500   300",
    ]


def test_a_long_table_has_all_alerts() -> None:
    """Hundreds of features do not bury the alerts, and the last line counts the results left out."""
    alerts = [Result("nulls", f"a{number}", 0.5, 0.1, "alert", 300, "half are null") for number in range(SHOWN + 5)]
    fine = [Result("nulls", f"b{number}", 0.0, 0.1, "ok", 300, "") for number in range(SHOWN + 7)]

    told = monitoring_table([*fine, *alerts]).splitlines()

    assert sum(line.startswith("alert") for line in told) == SHOWN + 5
    assert sum(line.startswith("ok") for line in told) == SHOWN
    assert told[-1] == "and 7 ok more, which the table in the lake has"


def test_the_states_are_counted() -> None:
    """One alert is an alert, and two are alerts."""
    assert summary(RESULTS) == "3 alerts, 2 unknown, 1 ok"
    assert summary(RESULTS[-1:]) == "1 alert, 0 unknown, 0 ok"
    left_out = Result("feature_shift", "month", None, None, "not applicable", 300, "a calendar feature")
    assert summary([left_out, *RESULTS]) == "3 alerts, 2 unknown, 1 ok, 1 not applicable"
    assert worst_first([left_out, *RESULTS])[-1] == left_out


def test_the_lines_of_an_alert_are_known_as_such() -> None:
    """The log makes them warnings: the line of the result and its reason, and no other line."""
    warned = [line for is_alert, line in monitoring_lines(RESULTS) if is_alert]

    assert [line.split()[0] for line in warned[::2]] == ["alert"] * 3
    assert warned[1] == "         mae 60.0000 over 300 rows is above gate.minimum"
    assert len(warned) == 6


def test_the_outcome_is_one_line_with_the_worst_alerts() -> None:
    """It is the note of the run."""
    more = [*RESULTS, Result("volume", "predictions", 0.9, 1.0, "alert", 300, "")]

    assert outcome(RESULTS[:1], date(2024, 3, 20), 3) == "0 alerts, 0 unknown, 1 ok as of 2024-03-20 for version 3"
    assert outcome(more, date(2024, 3, 20), 3) == (
        "4 alerts, 2 unknown, 1 ok as of 2024-03-20 for version 3: volume predictions, metric mae, "
        "feature_shift weekday, 1 more"
    )
