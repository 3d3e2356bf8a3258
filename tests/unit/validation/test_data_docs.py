"""The page of a validation shows what failed, loads nothing, and runs nothing that a source delivered."""

from __future__ import annotations

import re

import great_expectations.expectations as gxe
import pyarrow as pa
from markupsafe import escape

from include.core.html_page import POLICY
from include.profiling.rows import rows_of_table
from include.validation.data_docs import page_path, render_page
from include.validation.judge import failures, run_suite
from include.validation.report import Failure, ValidationReport

EVIL = "<script>alert(1)</script>"


def page(value: str = "fine", *more: Failure) -> str:
    """Return the page of a column whose only value breaks an expectation."""
    suite = [
        gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=["fine", "good"]),
        gxe.ExpectColumnDistinctValuesToBeInSet(column="kind", value_set=["fine"]),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["kind", "number"]),
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
    ]
    with rows_of_table(pa.table({"kind": [value] * 2, "number": [1, 1]})) as rows:
        judged = run_suite(rows, suite)
        report = ValidationReport(2, 9, [*failures(judged), *more], quarantined=2)
    return render_page("shop: source 'sales', 2024-01-01", judged, report, {"batch": "beef", "run": "<night>"})


def test_a_page_says_what_failed_and_where() -> None:
    """The reader sees the verdict, the rule, the examples and the batch."""
    text = page("wrong", Failure("history_volume", "table", "warning", "(limit 40 %) 2 rows, 99 % below the mean"))

    assert "Failed: nothing was published" in text
    assert "expect_column_values_to_be_in_set" in text
    assert "values must belong to this set" in text
    assert "99 % below the mean" in text
    assert "<dd>beef</dd>" in text


def test_a_page_loads_nothing_from_elsewhere() -> None:
    """It looks the same on a machine without internet, and nobody learns that it was read."""
    text = page("wrong")

    assert re.findall(r"(?:src|href)\s*=", text) == []
    assert "http" not in text.replace("http-equiv", "")


def test_a_delivered_value_is_shown_and_never_run() -> None:
    """A script in a value is text on the page, and the page's policy forbids scripts as well."""
    text = page(EVIL)

    assert EVIL not in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<night>" not in text
    assert f'content="{escape(POLICY)}"' in text
    assert "script-src" not in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_each_run_of_a_source_has_a_page_of_its_own(home: object) -> None:
    """Two runs do not share a page if their ids differ only in a character that file names cannot have."""
    paths = {
        str(page_path("shop", "sales", run)) for run in ("manual__2024-01-01T00:00:00+00:00", "manual__2024", "a/b")
    }

    assert len(paths) == 3
    assert all(path.count("/validations/sales/") == 1 for path in paths)
