"""Tests of `benchmarks.point_in_time`: all systems build the same, and the page says what was not measured."""

from __future__ import annotations

from benchmarks.point_in_time import PointInTime, compare_point_in_time, section


def test_all_systems_build_the_same_features() -> None:
    """The comparison refuses results that differ, and has a figure of each system."""
    (found,) = compare_point_in_time({3_000: 1})
    assert found.stopped == {}
    assert found.seconds.keys() == found.gigabytes.keys() == {"nightshift", "duckdb", "pandas"}
    assert [each.limit for each in found.comparisons()] == [1.3, 0.33]


def test_a_system_that_was_stopped_is_not_compared() -> None:
    """A round that pandas had before it was stopped is no reason to compare with it."""
    seconds = {"nightshift": [1.0, 1.0], "duckdb": [1.0, 1.0], "pandas": [9.0]}
    found = PointInTime(3_000, seconds, dict.fromkeys(seconds, 0.5), {"pandas": "more than 600 s"})
    assert [each.name for each in found.comparisons()] == ["0.003 million events, beside DuckDB by hand"]
    assert "| more than 600 s | - |" in section([found])
