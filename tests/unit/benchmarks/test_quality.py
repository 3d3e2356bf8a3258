"""Tests of `benchmarks.quality`: what was measured is kept, counted and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.quality import page_of, read

if TYPE_CHECKING:
    from pathlib import Path


def measured(system: str, value: float | None, table: str = "wine", higher: bool = False) -> dict[str, Any]:
    """Return a line as a system's process prints it."""
    found = {"system": system, "table": table, "budget": 60, "took": 61.0, "value": value, "model": f"{system}'s"}
    if value is None:
        return found
    told = {"metric": "roc_auc" if higher else "log_loss", "higher_is_better": higher}
    return found | told | {"rows": 133, "held_rows": 45}


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    """An interrupted run leaves half a line, and the run after it goes on with what is whole."""
    kept = tmp_path / "lines.jsonl"
    kept.write_text(json.dumps(measured("flaml", 0.2)) + "\n" + json.dumps(measured("nightshift", 0.1))[:30])
    assert list(read(kept)) == [("wine", 60, "flaml")]


def test_of_two_lines_of_the_same_the_last_counts(tmp_path: Path) -> None:
    """A line that was measured anew replaces the one before."""
    kept = tmp_path / "lines.jsonl"
    kept.write_text("\n".join(json.dumps(measured("flaml", value)) for value in (0.2, 0.1)))
    assert [each["value"] for each in read(kept).values()] == [0.1]


def test_equal_to_three_decimals_counts_as_at_least_as_good() -> None:
    """Beyond the third place a difference is noise, and both values are the best."""
    page = page_of([measured("nightshift", 0.12344), measured("flaml", 0.12341)], "")
    assert "at least as good as FLAML in 1 of 1 cases" in page
    assert "**0.1234**" in page
    assert page.count("**") == 4


def test_the_direction_of_the_metric_decides() -> None:
    """Of roc_auc more is better, of log_loss less."""
    lines = [measured(system, value) for system, value in (("nightshift", 0.2), ("flaml", 0.1))]
    lines += [
        measured(system, value, "flights", higher=True) for system, value in (("nightshift", 0.7), ("flaml", 0.6))
    ]
    page = page_of(lines, "")
    assert "at least as good as FLAML in 1 of 2 cases" in page
    assert "**0.7000**" in page
    assert "**0.1000**" in page


def test_a_system_that_was_stopped_is_shown_without_a_value() -> None:
    """Its row has the table's metric from the others, and it is never the best."""
    page = page_of([measured("nightshift", 0.2), measured("flaml", None)], "")
    assert "| wine | 133, 45 | log_loss | 60 | FLAML | - | 61 | flaml's |" in page
    assert "at least as good as FLAML in 1 of 1 cases" in page
