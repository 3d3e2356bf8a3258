"""SVG elements for the drawings of a card; the card's style sheet gives their classes light and dark colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    Anchor = Literal["start", "middle", "end"]


class Drawing:
    """An SVG drawing, whose texts and attributes are escaped when it is written."""

    def __init__(self, width: int, height: int, label: str) -> None:
        self._root = ElementTree.Element(
            "svg",
            {
                "viewBox": f"0 0 {width} {height}",
                "width": str(width),
                "height": str(height),
                "role": "img",
                "aria-label": label,
            },
        )

    def markup(self) -> Markup:
        """Return the drawing as an element for an HTML page."""
        return Markup(ElementTree.tostring(self._root, encoding="unicode"))  # noqa: S704  ElementTree escapes it

    def text(self, x: float, y: float, text: str, *, anchor: Anchor = "start", faint: bool = False) -> None:
        """Write a text whose baseline is at y."""
        attributes = {"x": str(x), "y": str(y)}
        if anchor != "start":
            attributes["text-anchor"] = anchor
        if faint:
            attributes["class"] = "faint"
        self._add("text", attributes, text)

    def turned_text(self, x: float, y: float, text: str) -> None:
        """Write a text upwards, with its middle at y."""
        attributes = {"x": str(x), "y": str(y), "text-anchor": "middle", "transform": f"rotate(-90 {x} {y})"}
        self._add("text", attributes, text)

    def line(self, kind: str, points: Iterable[tuple[float, float]]) -> None:
        """Draw a line through points; the style decides whether it is filled."""
        self._add("polyline", {"class": kind, "points": " ".join(f"{x},{y}" for x, y in points)})

    def bar(
        self, kind: str, x: float, y: float, width: float, height: float, opacity: float = 1, tip: str = ""
    ) -> None:
        """Draw a rectangle, with a text that appears under the pointer."""
        attributes = {"class": kind, "x": str(x), "y": str(y), "width": str(width), "height": str(height)}
        if opacity != 1:
            attributes["fill-opacity"] = f"{opacity:.3f}"
        bar = self._add("rect", attributes)
        if tip:
            ElementTree.SubElement(bar, "title").text = tip

    def dot(self, x: float, y: float, radius: float, colour: str = "", opacity: float = 1) -> None:
        """Draw a dot, in the colour of the style unless another is given."""
        attributes = {"cx": str(x), "cy": str(y), "r": str(radius)}
        attributes |= {"fill": colour} if colour else {"class": "fill"}
        if opacity != 1:
            attributes["fill-opacity"] = str(opacity)
        self._add("circle", attributes)

    def _add(self, tag: str, attributes: dict[str, str], text: str | None = None) -> ElementTree.Element:
        element = ElementTree.SubElement(self._root, tag, attributes)
        element.text = text
        return element


@dataclass(frozen=True)
class Axes:
    """The field of a drawing: its edges in pixels, and the values at these edges."""

    left: float
    right: float
    top: float
    bottom: float
    x_from: float
    x_to: float
    y_from: float = 0
    y_to: float = 1

    def x(self, value: float) -> float:
        """Return the horizontal pixel of a value."""
        return round(self.left + (value - self.x_from) / (self.x_to - self.x_from) * (self.right - self.left), 2)

    def y(self, value: float) -> float:
        """Return the vertical pixel of a value."""
        return round(self.bottom - (value - self.y_from) / (self.y_to - self.y_from) * (self.bottom - self.top), 2)

    def points(self, values: Iterable[Iterable[float]]) -> list[tuple[float, float]]:
        """Return the pixels of pairs of values."""
        return [(self.x(x), self.y(y)) for x, y in values]

    def draw_frame(self, drawing: Drawing, x_name: str, y_name: str) -> None:
        """Draw both axes with their ticks and names."""
        self.draw_x_ticks(drawing)
        for value in ticks(self.y_from, self.y_to):
            y = self.y(value)
            drawing.line("grid", [(self.left, y), (self.right, y)])
            drawing.text(self.left - 6, y + 4, _format_tick(value), anchor="end")
        drawing.line("axis", [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)])
        drawing.text((self.left + self.right) / 2, self.bottom + 36, x_name, anchor="middle")
        drawing.turned_text(14, (self.top + self.bottom) / 2, y_name)

    def draw_x_ticks(self, drawing: Drawing) -> None:
        """Draw the ticks of the horizontal axis with their values."""
        for value in ticks(self.x_from, self.x_to):
            x = self.x(value)
            drawing.line("grid", [(x, self.top), (x, self.bottom)])
            drawing.text(x, self.bottom + 16, _format_tick(value), anchor="middle")


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return about so many round values between two ends."""
    rough = (high - low) / about
    step = 10 ** math.floor(math.log10(rough))
    step *= next(each for each in (1, 2, 5, 10) if each * step >= rough * 0.999)
    return [place * step for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _format_tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
