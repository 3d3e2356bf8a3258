"""Infers expectations of a column from its values, each with a comment on what was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from include.profiling.survey import RANGES, NumberFacts, TextFacts, distinct_values, outside, within

if TYPE_CHECKING:
    from include.config.sources import Source
    from include.profiling.rows import Rows
    from include.profiling.survey import Column, Day
    from include.validation.arguments import Arguments

#: A set is suggested for texts of at most this many distinct values, with at least this many rows each on average.
SET_VALUES, SET_ROWS = 20, 5

#: Longer texts get neither a set nor a pattern.
TEXT_LENGTH = 100

#: The fewest numbers for quartiles, and the fewest texts for a pattern.
ENOUGH_NUMBERS, ENOUGH_TEXTS = 100, 20

#: A number is far off if it lies this many interquartile ranges beyond a quartile.
FAR_OFF = 10

#: If more than this share is far off, it is a long tail.
TAIL = 0.01

#: With at least this share of zeros and no negative number, zero is taken for the natural minimum.
ZEROS = 0.01

#: Bounds are wider than the seen range by this share of it, at either end.
MARGIN = Decimal("0.25")

#: The least and the greatest value of an integer column.
INTEGERS = (-(2**63), 2**63 - 1)

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
MATCH_REGEX = "expect_column_values_to_match_regex"


@dataclass(frozen=True)
class Suggestion:
    """A suggested expectation with a comment on what was seen; without a name it is only a comment."""

    comment: str
    name: str | None = None
    arguments: Arguments = field(default_factory=dict)


def infer(rows: Rows, column: Column, source: Source, day: str) -> list[Suggestion]:
    """Return the suggestions for one column."""
    if not column.not_null:
        remark = f"column '{shown(column.name)}': only nulls in {column.seen(column.rows)}, which suggest nothing"
        return [Suggestion(remark)]
    found = []
    if column.name not in {*source.key, source.available_at.column, source.day}:
        found.append(_suggest_not_null(column))
    if isinstance(column.facts, NumberFacts):
        found += _suggest_bounds(rows, column, column.facts, source, day)
    elif isinstance(column.facts, TextFacts):
        found += _suggest_set_or_pattern(rows, column, column.facts, day)
    return found


def _suggest_not_null(column: Column) -> Suggestion:
    nulls = column.rows - column.not_null
    arguments = {"column": column.name}
    if not nulls:
        return Suggestion(f"no nulls in {column.seen()}", NOT_NULL, arguments)
    worst = max(column.days, key=lambda day: 1 - day.not_null / day.rows)
    share = 1 - worst.not_null / worst.rows
    comment = f"{_percent(nulls / column.rows)} nulls in {column.seen(column.rows)}"
    if len(column.days) > 1:
        comment += f", at most {_percent(share)} on a day ({worst.day})"
    mostly = math.floor(100 * (1 - 1.25 * share) - 1) / 100
    if mostly <= 0:
        return Suggestion(f"column '{shown(column.name)}': {comment}: no share is worth a warning")
    return Suggestion(comment, NOT_NULL, arguments | {"mostly": mostly, "severity": "warning"})


def _suggest_set_or_pattern(rows: Rows, column: Column, facts: TextFacts, day: str) -> list[Suggestion]:
    """Suggest a set for a few values that recur, or else the pattern of codes."""
    distinct, named = facts.distinct, f"column '{shown(column.name)}'"
    shortest, longest = facts.shortest or 0, facts.longest or 0
    length = f"{shortest} to {longest}" if shortest < longest else f"{longest}"
    remark = f"about {min(distinct, column.not_null):,} different texts of {length} characters"
    if distinct <= 2 * SET_VALUES and longest <= TEXT_LENGTH:  # the number is an estimate
        values = distinct_values(rows, column, day, SET_VALUES + 1)
        if len(values) <= SET_VALUES and column.not_null >= SET_ROWS * len(values):
            late = [text for text, first in values if first > _settled(column.days)]
            if not late:
                comment = (
                    f"{len(values)} value{'s'[: len(values) > 1]} in {column.seen()}; make it critical if another one"
                )
                arguments = {"column": column.name, "value_set": [text for text, _ in values], "severity": "warning"}
                return [Suggestion(f"{comment} is always a mistake", IN_SET, arguments)]
            remark = (
                f"{len(values)} values in {column.seen()}, {len(late)} of them first seen after "
                f"{_settled(column.days)}, so there may be more to come"
            )
    pattern, alphabet = _pattern(column, facts)
    if pattern is None:
        return [Suggestion(f"{named}: {remark}: neither a set nor a pattern is suggested")]
    arguments = {"column": column.name, "regex": pattern, "severity": "warning"}
    return [Suggestion(f"{remark}, only of the characters {alphabet}, in {column.seen()}", MATCH_REGEX, arguments)]


def _settled(days: list[Day]) -> str:
    """Return the day by which each value of a set must have been seen, so that the last quarter brings none."""
    return days[min((3 * len(days) - 1) // 4, max(len(days) - 2, 0))].day


def _pattern(column: Column, facts: TextFacts) -> tuple[str | None, str]:
    """Return the pattern of codes and their characters, or None if the values are not codes."""
    shortest, longest = facts.shortest or 0, facts.longest or 0
    *has, other = facts.has
    digits, _, lower, *_ = has
    fixed = shortest == longest
    if other or not shortest or longest > TEXT_LENGTH or column.not_null < ENOUGH_TEXTS:
        return None, ""
    if not fixed and not (column.mostly_distinct and (digits or not lower)):
        return None, ""  # words, whose length says nothing
    ranges = [each for each, there in zip(RANGES, has, strict=True) if there]
    return f"^[{''.join(ranges)}]{f'{{{longest}}}' if fixed else '+'}$", " ".join(ranges)


def _suggest_bounds(rows: Rows, column: Column, facts: NumberFacts, source: Source, day: str) -> list[Suggestion]:
    """Suggest round bounds around the seen numbers, except those that are far off."""
    named = f"column '{shown(column.name)}'"
    whole, finite = facts.whole, [each for each in column.days if each.low is not None]
    if not finite:
        return [Suggestion(f"{named}: no finite number in {column.seen()}: no bounds are suggested")]
    if whole and column.name in source.key and column.mostly_distinct and column.not_null >= ENOUGH_NUMBERS:
        return [Suggestion(f"{named}: numbers that identify: no bounds are suggested")]
    if len(finite) > 2 and all(later.low > earlier.high for earlier, later in pairwise(finite)):
        return [Suggestion(f"{named}: each day's numbers are above those of the day before: no bounds are suggested")]
    low, high = min(each.low for each in finite), max(each.high for each in finite)
    comment = f"always {_number(low)}" if low == high else f"seen {_number(low)} to {_number(high)}"
    comment += f" in {column.seen()}"
    infinite = column.not_null - facts.finite
    if not infinite and (low, high) == (0, 1) and whole:
        arguments = {"column": column.name, "min_value": 0, "max_value": 1}
        return [
            Suggestion(f"only 0 and 1 in {column.seen()}; critical, since it is taken for a flag", BETWEEN, arguments)
        ]
    natural = not infinite and low == 0 and facts.zeros >= max(10, ZEROS * column.not_null)
    is_share = not whole and low >= 0 and high <= 1 and high - low >= 0.5 and column.not_null >= ENOUGH_NUMBERS
    low, high, tail = _without_far_off(rows, column, facts, low, high)
    least, most = (0, 1) if is_share else _widened(low, high, whole)
    comment += tail + ("; taken for a share" if is_share else "")
    arguments = {"column": column.name}
    found = []
    if natural:
        zeros = f"{facts.zeros:,} of {column.not_null:,} numbers are 0 and none is negative; critical, since a negative"
        found.append(Suggestion(f"{zeros} one is taken for a mistake", BETWEEN, arguments | {"min_value": 0}))
        least = None
    bounds = {name: bound for name, bound in (("min_value", least), ("max_value", most)) if bound is not None}
    if not bounds:
        return [*found, Suggestion(f"{named}: {comment}: no bounds are suggested")]
    beyond, share, farthest = outside(rows, column, least, most, day)
    if share > Decimal("0.4"):
        return [*found, Suggestion(f"{named}: {comment}; {beyond:,} are not finite: no bounds are suggested")]
    if beyond:
        examples = " and ".join(map(_number, farthest))
        bounds["mostly"] = float(1 - _round_up(2 * share))
        comment += (
            f"; {beyond:,} far off, such as {examples}, did not set the bounds, and `mostly` lets twice as many of a "
            "day pass: see whether they are mistakes"
        )
    else:
        comment += "; critical once the bounds are what can be at all"
    return [*found, Suggestion(comment, BETWEEN, arguments | bounds | {"severity": "warning"})]


def _without_far_off(rows: Rows, column: Column, facts: NumberFacts, low: Any, high: Any) -> tuple[Any, Any, str]:
    """Return the least and the greatest number that are not far off, and a remark on a long tail."""
    first, third = facts.quartiles or (math.nan, math.nan)
    reach = FAR_OFF * (third - first)
    fences = first - reach, third + reach
    if column.not_null < ENOUGH_NUMBERS or not reach or not all(map(math.isfinite, fences)):
        return low, high, ""
    if fences[0] <= low and high <= fences[1]:
        return low, high, ""
    count, least, most = within(rows, column, *fences)
    far = (facts.finite - count) / column.not_null
    if far > TAIL:
        return low, high, f", {_percent(far)} of them far from the rest: a long tail, which the bounds include"
    return least, most, ""


def _widened(low: Any, high: Any, whole: bool) -> tuple[Any, Any]:
    """Return round bounds around the seen numbers, without crossing zero if these have one sign; None if none fits."""
    least, most = Decimal(repr(low)), Decimal(repr(high))
    span = (most - least) or abs(most) or Decimal(1)
    power = Decimal(1).scaleb((span / 4).adjusted())
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= span / 4)
    if whole:
        step = max(step, Decimal(1))
    below = ((least - MARGIN * span) / step).to_integral_value(ROUND_FLOOR) * step
    above = ((most + MARGIN * span) / step).to_integral_value(ROUND_CEILING) * step
    below = max(below, Decimal(0)) if least >= 0 else below
    above = min(above, Decimal(0)) if most <= 0 and least < 0 else above
    return _bound(below, whole), _bound(above, whole)


def _bound(bound: Decimal, whole: bool) -> int | float | None:
    """Return a bound as YAML should show it, or None if no number of the column can be beyond it."""
    if whole:
        return int(bound) if INTEGERS[0] < bound < INTEGERS[1] else None
    if bound == bound.to_integral_value() and abs(bound) < 10**15:
        return int(bound)
    return float(bound) if math.isfinite(float(bound)) else None


def _round_up(share: Decimal) -> Decimal:
    """Round a share up to one significant digit, to 0.99 at most."""
    return min(share.quantize(Decimal(1).scaleb(share.adjusted()), ROUND_CEILING), Decimal("0.99"))


def shown(name: str) -> str:
    """Return a name with escapes for line ends and control characters, which would break a comment."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _number(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"
