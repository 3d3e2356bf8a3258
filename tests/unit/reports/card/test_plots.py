"""The drawings of a card escape their texts, fit their field, and accept unusual numbers."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from include.evaluation.curves import ResidualGroup
from include.evaluation.importance import Importance
from include.reports.card.blocks import Plot, Table
from include.reports.card.plots import MAX_NAME_CHARACTERS, draw
from include.reports.card.svg import Axes, Drawing, ticks

TABLE = Table([], [])


def bars(*features: tuple[str, float]) -> ElementTree.Element:
    """Return the drawing of the importance of some features."""
    data = [Importance(name, mean, 0.0) for name, mean in features]
    return ElementTree.fromstring(draw(Plot("bars", "Importance", data, TABLE)))  # noqa: S314  our own drawing


def test_texts_and_labels_are_escaped() -> None:
    """A feature's name is whatever a team's query calls it."""
    svg = draw(Plot("bars", 'a "b" <c>', [Importance("<script>", 1.0, 0.0)], TABLE))

    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg
    assert ElementTree.fromstring(svg).get("aria-label") == 'a "b" <c>'  # noqa: S314  our own drawing


def test_long_names_are_cut() -> None:
    """The table beside the drawing has the whole name."""
    name, *_ = [text.text for text in bars(("x" * 100, 1.0)).iter("text")]

    assert name == "x" * (MAX_NAME_CHARACTERS - 1) + "…"


def test_a_negative_importance_has_no_bar() -> None:
    """The greatest importance has the longest bar, and its number stands at the end."""
    widths = [float(bar.get("width", "")) for bar in bars(("a", 2.0), ("b", 1.0), ("c", -1.0)).iter("rect")]

    assert widths == [340.0, 170.0, 0.0]


def test_equal_residuals_are_drawn() -> None:
    """A constant model has one predicted value, which must not divide by 0."""
    group = ResidualGroup(rows=3, predicted=5.0, low=0.0, median=0.0, high=0.0)

    svg = draw(Plot("residuals", "Residuals", [group], TABLE))

    assert "nan" not in svg
    assert "inf" not in svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-2, 2, [-2, -1, 0, 1, 2]), (0, 12_000, [0, 5000, 10_000])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    """About five values lie between the ends."""
    assert ticks(low, high) == pytest.approx(expected)


def test_axes_turn_values_into_pixels() -> None:
    """The vertical axis points upwards, as pixels do not."""
    axes = Axes(left=10, right=110, top=20, bottom=220, x_from=0, x_to=10)

    assert axes.points([(0, 0), (5, 0.5), (10, 1)]) == [(10, 220), (60, 120), (110, 20)]


def test_a_bar_may_have_a_tip() -> None:
    """The text appears under the pointer."""
    drawing = Drawing(10, 10, "label")
    drawing.bar("count", 0, 0, 1, 1, tip="3 rows")

    assert "<title>3 rows</title></rect>" in drawing.markup()
