"""The drawings of a card, as SVG within the page: they take its colours, in the light and in the dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from include.core.formatting import format_number, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from include.reports.card.blocks import Plot

#: The style of the drawings, beside that of the page.
STYLE = """
svg { max-width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; }
svg text { fill: currentColor; }
svg .axis { stroke: currentColor; stroke-opacity: .5; fill: none; }
svg .grid { stroke: var(--line); stroke-width: .5; }
svg .even { stroke: currentColor; stroke-opacity: .5; stroke-dasharray: 4 4; fill: none; }
svg .line { stroke: var(--bar); stroke-width: 2; fill: none; }
svg .other { stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 6 3; fill: none; }
svg .area { fill: var(--bar); fill-opacity: .2; }
svg .fill { fill: var(--bar); }
svg .count { fill: currentColor; fill-opacity: .12; }
svg .faint { fill-opacity: .7; }
"""
#: Names are cut after so many letters; the table beside the drawing has them whole.
LETTERS = 30


def draw(plot: Plot) -> str:
    """Return a drawing as SVG."""
    functions: dict[str, Callable[[Any], str]] = {
        "roc": _roc,
        "calibration": _calibration,
        "residuals": _residuals,
        "confusion": _confusion,
        "bars": _bars,
        "swarm": _swarm,
    }
    width, height = _size(plot.kind, plot.data)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(plot.title, quote=True)}">{functions[plot.kind](plot.data)}</svg>'
    )


def _size(kind: str, data: Any) -> tuple[int, int]:
    if kind in ("bars", "swarm"):
        lines = len(data if kind == "bars" else data["features"])
        return 680, 30 + lines * (22 if kind == "bars" else 28) + (36 if kind == "swarm" else 0)
    if kind == "confusion":
        side = len(data["classes"])
        return 190 + 62 * side, 80 + 34 * side
    return (640, 340) if kind == "residuals" else (460, 400)


@dataclass(frozen=True)
class _Axes:
    """A field to draw in: its ends in pixels, and what they stand for."""

    left: float
    right: float
    top: float
    bottom: float
    x_from: float
    x_to: float
    y_from: float
    y_to: float

    def x(self, value: float) -> float:
        return round(self.left + (value - self.x_from) / (self.x_to - self.x_from) * (self.right - self.left), 2)

    def y(self, value: float) -> float:
        return round(self.bottom - (value - self.y_from) / (self.y_to - self.y_from) * (self.bottom - self.top), 2)

    def path(self, points: Sequence[Sequence[float]], kind: str) -> str:
        """Return a line through points."""
        told = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
        return f'<polyline class="{kind}" points="{told}"/>'

    def frame(self, x_name: str, y_name: str) -> str:
        """Return the axes with their marks and names."""
        parts = []
        for value in _marks(self.x_from, self.x_to):
            at = self.x(value)
            parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{self.top}" y2="{self.bottom}"/>')
            parts.append(f'<text x="{at}" y="{self.bottom + 16}" text-anchor="middle">{_mark(value)}</text>')
        for value in _marks(self.y_from, self.y_to):
            at = self.y(value)
            parts.append(f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{at}" y2="{at}"/>')
            parts.append(f'<text x="{self.left - 6}" y="{at + 4}" text-anchor="end">{_mark(value)}</text>')
        parts.append(f'<path class="axis" d="M{self.left} {self.top}V{self.bottom}H{self.right}"/>')
        middle, height = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        parts.append(f'<text x="{middle}" y="{self.bottom + 36}" text-anchor="middle">{escape(x_name)}</text>')
        turned = f'transform="rotate(-90 14 {height})"'
        parts.append(f'<text x="14" y="{height}" text-anchor="middle" {turned}>{escape(y_name)}</text>')
        return "".join(parts)


def _marks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values between two ends."""
    rough = (high - low) / about
    step = 10 ** math.floor(math.log10(rough))
    step *= next(each for each in (1, 2, 5, 10) if each * step >= rough * 0.999)
    return [place * step for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _mark(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def _unit_square() -> _Axes:
    return _Axes(54, 440, 24, 352, 0, 1, 0, 1)


def _roc(curves: Sequence[Mapping[str, Any]]) -> str:
    axes = _unit_square()
    parts = [axes.frame("share of negatives taken for positive", "share of positives found")]
    parts.append(axes.path([(0, 0), (1, 1)], "even"))
    for place, curve in reversed(list(enumerate(curves))):  # the challenger above the champion
        kind, at = ("line", "other")[place > 0], 300 + 20 * place
        parts.append(axes.path(curve["points"], kind))
        told = f"{curve['model']}, area {format_number(curve['area'])}"
        parts.append(f'<line class="{kind}" x1="236" x2="262" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="270" y="{at + 4}">{escape(told)}</text>')
    return "".join(parts)


def _calibration(bins: Sequence[Mapping[str, Any]]) -> str:
    axes, most = _unit_square(), max(each["rows"] for each in bins)
    parts = [axes.frame("mean probability", "share of positives")]
    for each in bins:
        left, top = axes.x(each["low"]), axes.y(each["rows"] / most * 0.3)
        parts.append(
            f'<rect class="count" x="{left + 1}" y="{top}" width="{round(axes.x(each["high"]) - left - 2, 2)}" '
            f'height="{round(axes.bottom - top, 2)}"><title>{each["rows"]:,} rows</title></rect>'
        )
    parts.append(axes.path([(0, 0), (1, 1)], "even"))
    points = [(each["predicted"], each["observed"]) for each in bins]
    parts.append(axes.path(points, "line"))
    parts += [f'<circle class="fill" cx="{axes.x(x)}" cy="{axes.y(y)}" r="4"/>' for x, y in points]
    parts.append('<text class="faint" x="54" y="14">grey: how many rows there are of each</text>')
    return "".join(parts)


def _residuals(groups: Sequence[Mapping[str, Any]]) -> str:
    at = [each["predicted"] for each in groups]
    low, high = _wider(min(at), max(at), 0)
    bottom, top = _wider(min(0, *(each["low"] for each in groups)), max(0, *(each["high"] for each in groups)), 0.05)
    axes = _Axes(70, 620, 26, 296, low, high, bottom, top)
    band = [(each["predicted"], each["high"]) for each in groups]
    band += [(each["predicted"], each["low"]) for each in reversed(groups)]
    middle = [(each["predicted"], each["median"]) for each in groups]
    return "".join(
        [
            axes.frame("prediction", "label minus prediction"),
            axes.path(band, "area"),
            axes.path([(low, 0), (high, 0)], "even"),
            axes.path(middle, "line"),
            *(f'<circle class="fill" cx="{axes.x(x)}" cy="{axes.y(y)}" r="3"/>' for x, y in middle),
            '<text class="faint" x="70" y="14">line: median; area: eight of ten rows</text>',
        ]
    )


def _wider(low: float, high: float, by: float) -> tuple[float, float]:
    """Return two ends that are apart."""
    extent = high - low
    if extent <= abs(high) * 1e-9:
        extent = max(abs(high), 1.0)
        return low - extent / 2, high + extent / 2
    return low - by * extent, high + by * extent


def _confusion(found: Mapping[str, Any]) -> str:
    parts, names = ['<text class="faint" x="186" y="16">predicted</text>'], found["classes"]
    for at, name in enumerate(names):
        x, y = 182 + 62 * at, 66 + 34 * at
        parts.append(f'<text x="{x + 30}" y="40" text-anchor="middle">{_cut(name, 9)}</text>')
        parts.append(f'<text x="174" y="{y + 4}" text-anchor="end">{_cut(name, 24)}</text>')
        for other, part in enumerate(found["shares"][at]):
            left = 182 + 62 * other
            parts.append(
                f'<rect class="fill" fill-opacity="{0.04 + 0.6 * part:.3f}" x="{left}" y="{y - 16}" width="60" '
                f'height="32"/><text x="{left + 30}" y="{y + 4}" text-anchor="middle">'
                f"{escape(format_share(part))}</text>"
            )
    return "".join(parts)


def _bars(features: Sequence[Mapping[str, Any]]) -> str:
    greatest = max((each["mean"] for each in features), default=0) or 1
    parts = []
    for at, each in enumerate(features):
        y, width = 24 + 22 * at, max(0.0, 340 * each["mean"] / abs(greatest))
        parts.append(f'<text x="214" y="{y + 4}" text-anchor="end">{_cut(each["feature"], LETTERS)}</text>')
        parts.append(f'<rect class="fill" x="222" y="{y - 7}" width="{width:.1f}" height="14" rx="2"/>')
        parts.append(f'<text class="faint" x="{228 + width:.1f}" y="{y + 4}">{format_number(each["mean"])}</text>')
    return "".join(parts)


def _swarm(found: Mapping[str, Any]) -> str:
    features = found["features"]
    values = [point[0] for each in features for point in each["points"]]
    bottom = 26 + 28 * len(features)
    axes = _Axes(222, 660, 14, bottom, *_wider(min(0, *values, 0), max(0, *values, 0), 0.05), 0, 1)
    parts = []
    for value in _marks(axes.x_from, axes.x_to):
        at = axes.x(value)
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="14" y2="{bottom}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{_mark(value)}</text>')
    parts.append(f'<line class="axis" x1="{axes.x(0)}" x2="{axes.x(0)}" y1="14" y2="{bottom}"/>')
    for line, each in enumerate(features):
        y = 32 + 28 * line
        parts.append(f'<text x="214" y="{y + 4}" text-anchor="end">{_cut(each["feature"], LETTERS)}</text>')
        taken: dict[int, int] = {}
        for value, rank in each["points"]:
            x = axes.x(value)
            place = taken[round(x / 5)] = taken.get(round(x / 5), -1) + 1
            # points that would lie upon each other stand above and below it
            aside = min((place + 1) // 2, 5) * 2 * (-1 if place % 2 else 1)
            parts.append(f'<circle cx="{x}" cy="{y + aside}" r="2.6" fill="{_colour(rank)}" fill-opacity=".8"/>')
    parts.append(f'<text x="222" y="{bottom + 34}" class="faint">the value of the feature: </text>')
    for at, (rank, name) in enumerate([(0.0, "low"), (1.0, "high"), (None, "text or missing")]):
        x = 384 + 70 * at
        parts.append(f'<circle cx="{x}" cy="{bottom + 30}" r="4" fill="{_colour(rank)}"/>')
        parts.append(f'<text x="{x + 8}" y="{bottom + 34}">{name}</text>')
    return "".join(parts)


def _colour(rank: float | None) -> str:
    """Return a colour from blue, of the lowest values, to red; each is seen in the light and in the dark."""
    return "#888888" if rank is None else f"hsl({210 + 140 * rank:.0f} 75% 55%)"


def _cut(name: str, letters: int) -> str:
    return escape(name if len(name) <= letters else name[: letters - 1] + "…")
