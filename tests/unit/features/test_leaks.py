"""A leak is explained in one sentence: which feature, how many rows, an example, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.config.loader import load_pipeline
from include.features.compare import ColumnDifference
from include.features.leaks import Cause, Leak, explain, leak_sentence, leaks_sentence
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = "store_day 's-1' at prediction_time 2024-01-09 00:00:00 UTC"


def differs(feature: str = "x", rows: int = 1, compared: int = 10, example: str = EXAMPLE) -> ColumnDifference:
    """Return a feature that differs."""
    return ColumnDifference("value", feature, rows, compared, example, "1.5", "null")


@pytest.mark.parametrize(
    ("leaks", "short", "chance", "expected"),
    [
        (["x"], [], [], [("future", "x")]),
        (["x"], ["x"], [], [("either", "x")]),
        (["x"], ["x"], ["x"], [("chance", "x")]),
        ([], ["x"], [], [("lookback", "x")]),
        (["y"], ["x"], [], [("future", "y"), ("lookback", "x")]),
    ],
)
def test_the_cause_follows_from_what_else_differs(
    leaks: list[str], short: list[str], chance: list[str], expected: list[tuple[str, str]]
) -> None:
    """A difference from all of the past is the future or chance; one only within the lookback is the lookback."""
    all_of_it = [differs(name) for name in dict.fromkeys([*leaks, *short])]
    explained = explain(all_of_it, [*map(differs, leaks)], [*map(differs, short)], [*map(differs, chance)])

    assert [(leak.cause, leak.difference.feature) for leak in explained] == expected


@pytest.mark.parametrize(
    ("cause", "first", "expected"),
    [
        ("future", "lookback", "new"),
        ("lookback", "future", "old"),
        ("future", "future", "old"),
        ("chance", "future", "new"),
    ],
)
def test_cut_offs_are_merged_into_the_stronger_one(cause: Cause, first: Cause, expected: str) -> None:
    """Rows add up; the example is that of the stronger cause."""
    merged = Leak(cause, differs(rows=2, example="new")).merge(Leak(first, differs(rows=3, compared=7, example="old")))

    assert (merged.difference.rows, merged.difference.compared, merged.difference.example) == (5, 17, expected)
    assert merged.cause == (cause if expected == "new" else first)


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (
            Leak("future", differs(rows=1200, compared=3000)),
            f"'x' knows the future: 1,200 of 3,000 rows differ when only what was known then is read, such as "
            f"{EXAMPLE}, which has 1.5 in the table and null then; use only rows with available_at <= prediction_time",
        ),
        (
            Leak("own_label", differs()),
            f"'x' knows the row's own label: 1 of 10 rows differ when the labels of the rows at that "
            f"prediction_time are changed, such as {EXAMPLE}, which has 1.5 in the table and null then; from the "
            "source of the spine, use only rows with available_at < prediction_time, or declare with label_known_after "
            "when the label becomes known (docs/how-to/one-table-with-its-labels.md)",
        ),
        (
            Leak("lookback", differs()),
            f"'x' reads further back than features.lookback_days (7): 1 of 10 rows differ when only the partitions of "
            f"7 days are read, such as {EXAMPLE}, which has 1.5 in the table and null then; raise "
            "features.lookback_days, or limit in the query how old the rows may be",
        ),
        (
            Leak("future", ColumnDifference("missing", "", 2, 10, EXAMPLE)),
            f"2 of 10 rows are missing when only what was known then is read, such as {EXAMPLE}; the spine must come "
            "from what is known at prediction_time",
        ),
        (
            Leak("future", ColumnDifference("extra", "", 2, 10, EXAMPLE)),
            f"2 more rows appear when only what was known then is read, such as {EXAMPLE}; the spine must come from "
            "what is known at prediction_time",
        ),
        (
            Leak("chance", differs()),
            f"'x' changes each time the query runs: 1 of 10 rows differ when the query runs again, such as "
            f"{EXAMPLE}, which has 1.5 in the table and null then; order by columns that make the "
            "order unique, and do not use random() or now()",
        ),
    ],
    ids=["a feature", "a label", "a lookback", "rows missing", "rows more", "chance"],
)
def test_a_leak_is_one_sentence(shop: Path, leak: Leak, words: str) -> None:
    """It names the file, what differs, how many rows, an example, and the repair."""
    yaml = factories.SHOP_YAML.replace("label: revenue", "label: revenue\n  lookback_days: 7")
    factories.write_shop(shop.parent, pipeline=yaml)

    assert leak_sentence(load_pipeline("shop"), leak) == f"shop/features.sql: {words}"


def test_many_leaks_are_one_bounded_sentence(shop: Path) -> None:
    """The first is explained, some others are named, and the rest are counted; a long name is cut."""
    leaks = [Leak("future", differs(f"{'long' * 20}{number}")) for number in range(1000)]

    sentence = leaks_sentence(load_pipeline("shop"), leaks)

    assert sentence.startswith(leak_sentence(load_pipeline("shop"), leaks[0]) + "; ")
    assert sentence.endswith("and 994 more also differ")
    assert len(sentence) < 1000
