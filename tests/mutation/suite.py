"""Runs the planted challengers through the gate, and says how many of either kind it told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.mutation.bad import MUTANTS
from tests.mutation.good import GOOD
from tests.mutation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: What the gate must reach: all bad ones are kept out, and hardly any good one is.
GOAL_KILLED, GOAL_FALSE_KEEP = 1.0, 0.05

_PAGE = """\
<!-- Written by `make gate-proof`; do not edit. -->
# What the gate catches

`make gate-proof` plants challengers in a small seeded world (tests/mutation/) and asks the gate about each, beside a
champion that learned from few rows: {bad} bad ones, each with one fault, and {good} good ones, which a night might
bring; in {worlds} worlds. A bad one is caught where the verdict is not `promote`.

- Bad challengers that were caught: **{killed} of {of_bad}** ({killed_share:.1%}; the goal is all).
- Good challengers that were kept out: **{kept} of {of_good}** ({kept_share:.1%}; the goal is under {goal:.0%}).

| planted | bad because it | caught by | worlds |
|---|---|---|---:|
{bad_lines}

| planted | good because it | promoted in |
|---|---|---:|
{good_lines}

*Caught by* has the checks that did not pass in any of the worlds; one would have been enough.
"""


@dataclass(frozen=True)
class Told:
    """What the gate said of one planted challenger."""

    name: str
    fault: str
    bad: bool
    verdict: str
    codes: tuple[str, ...]
    reason: str


def judge_all(seeds: Iterable[int], folder: Path) -> list[Told]:
    """Ask the gate about every planted challenger in a world of each seed."""
    told = []
    for seed in seeds:
        world = World(seed, folder)
        for mutant, champion_told in MUTANTS:
            told.append(_told(world, mutant, champion_told, bad=True))
        for good in GOOD:
            told.append(_told(world, good, {}, bad=False))
    return told


def _told(world: World, planted: object, champion_told: dict[str, object], *, bad: bool) -> Told:
    verdict = world.verdict(planted(world), champion_told)  # type: ignore[operator]
    codes = tuple(each.code for each in verdict.results if each.outcome in ("fail", "inconclusive", "broken"))
    name = planted.__name__.replace("_", " ")  # type: ignore[attr-defined]
    return Told(name, (planted.__doc__ or "").strip(), bad, verdict.verdict, codes, verdict.reason)


def page(told: Sequence[Told], worlds: int) -> str:
    """Return the page of what was caught."""
    bad, good = [each for each in told if each.bad], [each for each in told if not each.bad]
    killed = sum(each.verdict != "promote" for each in bad)
    kept = sum(each.verdict != "promote" for each in good)
    return _PAGE.format(
        bad=len({each.name for each in bad}),
        good=len({each.name for each in good}),
        worlds=worlds,
        killed=killed,
        of_bad=len(bad),
        killed_share=killed / len(bad),
        kept=kept,
        of_good=len(good),
        kept_share=kept / len(good),
        goal=GOAL_FALSE_KEEP,
        bad_lines="\n".join(_bad_line(name, bad) for name in dict.fromkeys(each.name for each in bad)),
        good_lines="\n".join(_good_line(name, good) for name in dict.fromkeys(each.name for each in good)),
    )


def _bad_line(name: str, bad: Sequence[Told]) -> str:
    mine = [each for each in bad if each.name == name]
    codes = ", ".join(sorted({code for each in mine for code in each.codes})) or "-"
    caught = sum(each.verdict != "promote" for each in mine)
    return f"| {name} | {_phrase(mine[0].fault)} | {codes} | {caught} of {len(mine)} |"


def _good_line(name: str, good: Sequence[Told]) -> str:
    mine = [each for each in good if each.name == name]
    promoted = sum(each.verdict == "promote" for each in mine)
    return f"| {name} | {_phrase(mine[0].fault)} | {promoted} of {len(mine)} |"


def _phrase(sentence: str) -> str:
    """Return the sentence of a docstring as a part of a table: without its full stop, and in one line."""
    text = " ".join(sentence.split()).rstrip(".")
    return text[0].lower() + text[1:]
