"""The drawings of a card, as SVG within the page.

They are drawn without a library: see docs/decisions/0034-charts.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.formatting import format_number, format_share
from include.reports.card.svg import Axes, Drawing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from include.evaluation.curves import Bin, Confusion, ResidualGroup, Roc
    from include.evaluation.importance import Importance
    from include.reports.card.blocks import Plot, PlotKind
    from include.training.contribution_summary import ContributionSummary

#: Longer names of features are cut; the table beside the drawing has them whole.
MAX_NAME_CHARACTERS = 30


def draw(plot: Plot) -> Markup:
    """Return a drawing as SVG."""
    drawing = Drawing(*_size(plot.kind, plot.data), plot.title)
    _DRAW[plot.kind](drawing, plot.data)
    return drawing.markup()


def _size(kind: PlotKind, data: Any) -> tuple[int, int]:
    if kind == "bars":
        return 680, 30 + 22 * len(data)
    if kind == "swarm":
        return 680, 66 + 28 * len(data.features)
    if kind == "confusion":
        side = len(data.classes)
        return 190 + 62 * side, 58 + 34 * side
    return (640, 340) if kind == "residuals" else (460, 400)


def _unit_square() -> Axes:
    return Axes(left=54, right=440, top=24, bottom=352, x_from=0, x_to=1)


def _draw_roc(drawing: Drawing, curves: Sequence[Roc]) -> None:
    axes = _unit_square()
    axes.draw_frame(drawing, "false positive rate", "true positive rate")
    drawing.line("even", axes.points([(0, 0), (1, 1)]))
    for place, curve in reversed(list(enumerate(curves))):  # the challenger is drawn above the champion
        kind, y = ("line", "other")[place > 0], 300 + 20 * place
        drawing.line(kind, axes.points(curve.points))
        drawing.line(kind, [(236, y), (262, y)])
        drawing.text(270, y + 4, f"{curve.model}, area {format_number(curve.area)}")


def _draw_calibration(drawing: Drawing, bins: Sequence[Bin]) -> None:
    axes, most = _unit_square(), max(each.rows for each in bins)
    axes.draw_frame(drawing, "mean predicted probability", "share of positives")
    for each in bins:
        left, top = axes.x(each.low), axes.y(each.rows / most * 0.3)
        width, height = round(axes.x(each.high) - left - 2, 2), round(axes.bottom - top, 2)
        drawing.bar("count", left + 1, top, width, height, tip=f"{each.rows:,} rows")
    drawing.line("even", axes.points([(0, 0), (1, 1)]))
    points = axes.points((each.predicted, each.observed) for each in bins)
    drawing.line("line", points)
    for x, y in points:
        drawing.dot(x, y, radius=4)
    drawing.text(54, 14, "grey: the number of rows in each bin", faint=True)


def _draw_residuals(drawing: Drawing, groups: Sequence[ResidualGroup]) -> None:
    predicted = [each.predicted for each in groups]
    low, high = _widened(min(predicted), max(predicted), 0)
    bottom, top = _widened(min(0, *(each.low for each in groups)), max(0, *(each.high for each in groups)), 0.05)
    axes = Axes(left=70, right=620, top=26, bottom=296, x_from=low, x_to=high, y_from=bottom, y_to=top)
    axes.draw_frame(drawing, "prediction", "label minus prediction")
    upper = [(each.predicted, each.high) for each in groups]
    lower = [(each.predicted, each.low) for each in reversed(groups)]
    drawing.line("area", axes.points(upper + lower))
    drawing.line("even", axes.points([(low, 0), (high, 0)]))
    medians = axes.points((each.predicted, each.median) for each in groups)
    drawing.line("line", medians)
    for x, y in medians:
        drawing.dot(x, y, radius=3)
    drawing.text(70, 14, "line: median; area: eight of ten rows", faint=True)


def _widened(low: float, high: float, by: float) -> tuple[float, float]:
    """Return the ends moved apart by a share of their distance; equal ends become a range around them."""
    extent = high - low
    if extent <= abs(high) * 1e-9:
        extent = max(abs(high), 1.0)
        return low - extent / 2, high + extent / 2
    return low - by * extent, high + by * extent


def _draw_confusion(drawing: Drawing, found: Confusion) -> None:
    names = found.classes
    drawing.text(186, 16, "predicted", faint=True)
    for place, name in enumerate(names):
        x, y = 182 + 62 * place, 66 + 34 * place
        drawing.text(x + 30, 40, _shortened(name, 9), anchor="middle")
        drawing.text(174, y + 4, _shortened(name, 24), anchor="end")
        for other, share in enumerate(found.shares[place]):
            left = 182 + 62 * other
            drawing.bar("fill", left, y - 16, 60, 32, opacity=0.04 + 0.6 * share)
            drawing.text(left + 30, y + 4, format_share(share), anchor="middle")


def _draw_bars(drawing: Drawing, features: Sequence[Importance]) -> None:
    greatest = max((each.mean for each in features), default=0) or 1
    for place, each in enumerate(features):
        y, width = 24 + 22 * place, round(max(0.0, 340 * each.mean / abs(greatest)), 1)
        drawing.text(214, y + 4, _shortened(each.feature, MAX_NAME_CHARACTERS), anchor="end")
        drawing.bar("fill", 222, y - 7, width, 14)
        drawing.text(round(228 + width, 1), y + 4, format_number(each.mean), faint=True)


def _draw_swarm(drawing: Drawing, found: ContributionSummary) -> None:
    features = found.features
    values = [value for each in features for value, _ in each.points]
    low, high = _widened(min(0, *values, 0), max(0, *values, 0), 0.05)
    axes = Axes(left=222, right=660, top=14, bottom=26 + 28 * len(features), x_from=low, x_to=high)
    axes.draw_x_ticks(drawing)
    drawing.line("axis", [(axes.x(0), axes.top), (axes.x(0), axes.bottom)])
    for place, each in enumerate(features):
        y = 32 + 28 * place
        drawing.text(214, y + 4, _shortened(each.feature, MAX_NAME_CHARACTERS), anchor="end")
        _draw_points(drawing, axes, y, each.points)
    drawing.text(222, axes.bottom + 34, "the value of the feature:", faint=True)
    for place, (rank, name) in enumerate([(0.0, "low"), (1.0, "high"), (None, "text or missing")]):
        x = 384 + 70 * place
        drawing.dot(x, axes.bottom + 30, radius=4, colour=_rank_colour(rank))
        drawing.text(x + 8, axes.bottom + 34, name)


def _draw_points(drawing: Drawing, axes: Axes, y: float, points: Sequence[Sequence[Any]]) -> None:
    """Draw a feature's points along a line; points that would cover each other stand above and below it."""
    drawn: dict[int, int] = {}
    for value, rank in points:
        x = axes.x(value)
        column = round(x / 5)
        place = drawn.get(column, 0)
        drawn[column] = place + 1
        aside = min((place + 1) // 2, 5) * 2 * (-1 if place % 2 else 1)
        drawing.dot(x, y + aside, radius=2.6, colour=_rank_colour(rank), opacity=0.8)


def _rank_colour(rank: float | None) -> str:
    """Return a colour from blue for the lowest values to red for the highest; all suit light and dark pages."""
    return "#888888" if rank is None else f"hsl({210 + 140 * rank:.0f} 75% 55%)"


def _shortened(name: str, characters: int) -> str:
    return name if len(name) <= characters else name[: characters - 1] + "…"


_DRAW: dict[PlotKind, Callable[[Drawing, Any], None]] = {
    "roc": _draw_roc,
    "calibration": _draw_calibration,
    "residuals": _draw_residuals,
    "confusion": _draw_confusion,
    "bars": _draw_bars,
    "swarm": _draw_swarm,
}
