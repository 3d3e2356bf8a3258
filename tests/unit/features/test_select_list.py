"""A select list is read as it is written: each column with the comments that belong to it."""

from __future__ import annotations

import pytest

from include.features.select_list import Item, read_select_lists


def test_a_comment_above_a_block_is_its_heading() -> None:
    """Columns between blank lines share the comment above the first, and each keeps its own."""
    found = read_select_lists(
        """
        SELECT
            id,

            -- ---- the plane ----
            seats, -- how many may sit
            -- of the year
            -- in which it was built
            age,
            kind,

            other
        FROM planes
        """
    )

    assert found[""] == [
        Item("id"),
        Item("seats", "how many may sit", "the plane"),
        Item("age", "of the year in which it was built", "the plane"),
        Item("kind", "", "the plane"),
        Item("other"),
    ]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("SELECT a -- of a\n , b -- of b\nFROM t", [Item("a", "of a"), Item("b", "of b")]),
        ("SELECT a, /* of b */ b, c FROM t", [Item("a"), Item("b", "of b"), Item("c")]),
        ("SELECT\n  -- of a\n  a,\n  -- of b\n  b\nFROM t", [Item("a", "of a"), Item("b", "of b")]),
        ("SELECT a,\n\n  -- of b alone\n  b\nFROM t", [Item("a"), Item("b", "of b alone")]),
        (
            "SELECT a,\n\n  -- both\n\n  -- of b\n  b,\n  c\nFROM t",
            [Item("a"), Item("b", "of b", "both"), Item("c", "", "both")],
        ),
        ("SELECT DISTINCT ON (x, y) a, b", [Item("a"), Item("b")]),
        ("FROM t SELECT a, b,", [Item("a"), Item("b")]),
        ("SELECT a IS DISTINCT FROM b AS x, t.limit, * EXCLUDE (c) FROM t", None),
        (
            "SELECT f(a, [b, c]) AS x, '--no, comment' AS y FROM t",
            [Item("f(a, [b, c]) AS x"), Item("'--no, comment' AS y")],
        ),
        ("SELECT a FROM t UNION ALL SELECT b FROM u", [Item("a")]),
    ],
    ids=[
        *("commas first", "inline", "each its own", "alone", "heading and comment"),
        *("distinct on", "from first", "words", "brackets", "union"),
    ],
)
def test_styles_of_writing(text: str, items: list[Item] | None) -> None:
    """Whatever the layout, a comment goes to the column that a reader would give it to."""
    expected = items or [Item("a IS DISTINCT FROM b AS x"), Item("t.limit"), Item("* EXCLUDE (c)")]

    assert read_select_lists(text)[""] == expected


def test_a_column_of_several_lines_keeps_its_indents() -> None:
    """A folded item on the page reads as in the file."""
    text = "SELECT\n    CASE -- why\n        WHEN x THEN 1\n    END AS y, -- what\n    z\nFROM t"

    assert read_select_lists(text)[""][0] == Item("CASE -- why\n    WHEN x THEN 1\nEND AS y", "what")


def test_ctes_have_lists_of_their_own() -> None:
    """Each CTE is found by its name in lower case; other brackets and renamed columns are not."""
    text = (
        "WITH First AS (SELECT a, (SELECT max(b) FROM u) AS m FROM t), second AS MATERIALIZED (SELECT c FROM first),"
        " renamed (x) AS (SELECT d FROM t) SELECT e FROM second WHERE e IN (SELECT f FROM t)"
    )

    found = read_select_lists(text)

    assert found == {
        "first": [Item("a"), Item("(SELECT max(b) FROM u) AS m")],
        "second": [Item("c")],
        "": [Item("e")],
    }
