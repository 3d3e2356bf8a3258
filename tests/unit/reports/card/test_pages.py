"""A card as Markdown and as HTML is complete, escaped, and drawn without a script."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from include.core.html_page import POLICY
from include.reports.card.blocks import Bullets, Card, CardSection, Facts, Table, Text
from include.reports.card.card import model_card
from include.reports.card.html import html_card
from include.reports.card.markdown import markdown_card
from tests.unit.reports.card.facts import described_run, shop_of

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline
    from include.reports.card.described_run import DescribedRun

EVIL = '<script>alert("1")</script>'
TASKS = ["binary", "multiclass", "regression", "forecasting"]


class _Balance(HTMLParser):
    """Notes the elements, and that each that is opened is closed."""

    VOID = frozenset({"meta", "br", "wbr", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def evil_run(folder: Path, task: str, explanation: str = EVIL) -> tuple[Pipeline, DescribedRun]:
    """Return a pipeline and a run in which every name and text from outside is hostile."""
    pipeline = shop_of(task, folder, slices=["store"], sensitive=["store"])
    pipeline = pipeline.model_copy(update={"description": EVIL, "owner": EVIL})
    run = described_run(pipeline)
    [member] = run.challenger.chosen.members
    chosen = replace(run.challenger.chosen, members=[replace(member, family=EVIL)], features=[EVIL], reasons=[EVIL])
    evidence = replace(
        run.evidence,
        slices=[replace(run.evidence.slices[0], column=EVIL, value=EVIL)],
        champion=replace(run.evidence.champion, name=EVIL, error=EVIL),
    )
    result, *results = run.verdict.results
    verdict = replace(
        run.verdict, reason=EVIL, results=[replace(result, explanation=explanation, outcome="fail"), *results]
    )
    first, *features = run.contributions.features
    curves = run.curves
    if task == "multiclass":
        classes = [EVIL, *curves.confusion.classes[1:]]
        curves = replace(curves, confusion=replace(curves.confusion, classes=classes))
    return pipeline, replace(
        run,
        challenger=replace(run.challenger, chosen=chosen),
        evidence=evidence,
        verdict=verdict,
        importance=[replace(run.importance[0], feature=EVIL), *run.importance[1:]],
        contributions=replace(run.contributions, features=[replace(first, feature=EVIL), *features]),
        curves=curves,
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_page_runs_and_loads_nothing_whatever_it_shows(task: str, tmp_path: Path) -> None:
    """Names and texts from data stay texts; all elements are closed, and there is no script."""
    page = html_card(model_card(*evil_run(tmp_path, task)))

    parsed = _Balance()
    parsed.feed(page)
    assert parsed.open == []
    assert not parsed.seen & {"script", "img", "link", "iframe", "object", "form"}
    assert all(each.startswith("#part-") for each in parsed.loads)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 8
    assert f'content="{escape(POLICY)}"' in page


@pytest.mark.parametrize("task", TASKS)
def test_every_chart_is_a_valid_drawing_with_a_table(task: str, tmp_path: Path) -> None:
    """Each SVG is well-formed and named, has no NaN, and draws inside its area."""
    pipeline = shop_of(task, tmp_path)

    page = html_card(model_card(pipeline, described_run(pipeline)))

    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == {"binary": 4}.get(task, 3)
    assert page.count("<summary>as a table</summary>") == len(drawings)
    for drawing in drawings:
        svg = ElementTree.fromstring(drawing)  # noqa: S314  our own drawing
        assert svg.get("aria-label")
        assert "nan" not in drawing.lower()
        _, _, width, height = (float(each) for each in svg.get("viewBox", "").split())
        for circle in svg.iter("circle"):
            assert 0 <= float(circle.get("cx", "")) <= width
            assert 0 <= float(circle.get("cy", "")) <= height


def test_a_page_starts_with_the_verdict_and_links_to_its_sections(tmp_path: Path) -> None:
    """A reader sees the decision first."""
    pipeline = shop_of("binary", tmp_path, minimum=0.99)

    card = model_card(pipeline, described_run(pipeline))
    page = html_card(card)

    assert '<p class="verdict keep">verdict: keep</p>' in page
    for number, section in enumerate(card.sections, start=1):
        assert f'<a href="#part-{number}">{section.title}</a>' in page
        assert f'<section id="part-{number}"><h2>{section.title}</h2>' in page


@pytest.mark.parametrize("task", TASKS)
def test_markdown_has_every_section_and_complete_tables(task: str, tmp_path: Path) -> None:
    """Each line of a table has as many cells as its head, whatever the values contain."""
    card = model_card(*evil_run(tmp_path, task, explanation="a | b\n\n# c"))
    text = markdown_card(card)

    for section in card.sections:
        assert f"\n## {section.title}\n" in text
    assert "<script" not in re.sub(r"\\<", "", text)
    cells = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line))
        assert cells in (0, found), line
        cells = found
    assert "a \\| b \\# c" in text


def test_markdown_escapes_special_characters_and_keeps_names_readable() -> None:
    """Emphasis, links, code and lists stay texts; an underscore within a word is not escaped."""
    blocks = [
        Text("- *a* [b](c) `d` _e_ revenue_mean_7d"),
        Text("1. one"),
        Bullets(["# two"]),
        Facts({"x|y": "<z>"}),
        Table(["n"], [["1"]], (0,)),
    ]

    text = markdown_card(Card("t_t", "s", "keep", [CardSection("S", blocks)]))

    assert "\\- \\*a\\* \\[b\\](c) \\`d\\` \\_e\\_ revenue_mean_7d" in text
    assert "1\\. one" in text
    assert "- \\# two" in text
    assert "| x\\|y | \\<z\\> |" in text
    assert "| n |\n| ---: |\n| 1 |" in text
