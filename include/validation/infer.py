"""Infer: what a column's values let expect of those to come, each with what was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from include.profiling.survey import RANGES, distinct_values, outside, within

if TYPE_CHECKING:
    from include.config.sources import Source
    from include.profiling.rows import Rows
    from include.profiling.survey import Column, Day

#: Texts of at most so many distinct values are suggested as a set, where each has so many rows on average.
SET_VALUES, SET_ROWS = 20, 5

#: Texts longer than that are in no set and have no pattern.
TEXT_LENGTH = 100

#: Values of which quartiles, and those of which the form of a text, tell something.
ENOUGH_NUMBERS, ENOUGH_TEXTS = 100, 20

#: A number is far off where it lies so many interquartile ranges beyond a quartile.
FAR_OFF = 10

#: Where more than this share is far off, it is a long tail.
TAIL = 0.01

#: From this share of zeros on, and without a negative number, zero is the least that there can be.
ZEROS = 0.01

#: Bounds are so much of the seen range wider than it, at either end.
MARGIN = Decimal("0.25")

#: What an integer column can hold.
INTEGERS = (-(2**63), 2**63 - 1)

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
MATCH_REGEX = "expect_column_values_to_match_regex"


@dataclass(frozen=True)
class Suggestion:
    """One expectation with what was seen; without a name it is a remark alone."""

    comment: str
    name: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


def infer(rows: Rows, column: Column, source: Source, day: str) -> list[Suggestion]:
    """Return what one column suggests."""
    if not column.there:
        told = f"column '{shown(column.name)}': only nulls in {column.seen(column.rows)}, which suggest nothing"
        return [Suggestion(told)]
    found = []
    if column.name not in {*source.key, source.available_at.column, source.day}:
        found.append(_not_null(column))
    if "quartiles" in column.facts:
        found += _numbers(rows, column, source, day)
    elif "has" in column.facts:
        found += _texts(rows, column, day)
    return found


def _not_null(column: Column) -> Suggestion:
    nulls = column.rows - column.there
    arguments: dict[str, Any] = {"column": column.name}
    if not nulls:
        return Suggestion(f"no nulls in {column.seen()}", NOT_NULL, arguments)
    worst = max(column.days, key=lambda day: 1 - day.there / day.rows)
    share = 1 - worst.there / worst.rows
    told = f"{_percent(nulls / column.rows)} nulls in {column.seen(column.rows)}"
    if len(column.days) > 1:
        told += f", at most {_percent(share)} on a day ({worst.day})"
    mostly = math.floor(100 * (1 - 1.25 * share) - 1) / 100
    if mostly <= 0:
        return Suggestion(f"column '{shown(column.name)}': {told}: no share is worth a warning")
    return Suggestion(told, NOT_NULL, arguments | {"mostly": mostly, "severity": "warning"})


def _texts(rows: Rows, column: Column, day: str) -> list[Suggestion]:
    """Suggest a set where there are a few values that come again and again, else the form of codes."""
    distinct, named = column.facts["distinct"], f"column '{shown(column.name)}'"
    longest = column.facts["longest"]
    length = f"{column.facts['shortest']} to {longest}" if column.facts["shortest"] < longest else f"{longest}"
    remark = f"about {min(distinct, column.there):,} different texts of {length} characters"
    if distinct <= 2 * SET_VALUES and longest <= TEXT_LENGTH:  # the number is an estimate
        values = distinct_values(rows, column, day, SET_VALUES + 1)
        if len(values) <= SET_VALUES and column.there >= SET_ROWS * len(values):
            late = [text for text, first in values if first > _settled(column.days)]
            if not late:
                told = (
                    f"{len(values)} value{'s'[: len(values) > 1]} in {column.seen()}; make it critical if another one"
                )
                arguments = {"column": column.name, "value_set": [text for text, _ in values], "severity": "warning"}
                return [Suggestion(f"{told} is always a mistake", IN_SET, arguments)]
            remark = (
                f"{len(values)} values in {column.seen()}, {len(late)} of them first seen after "
                f"{_settled(column.days)}, so there may be more to come"
            )
    pattern, alphabet = _pattern(column)
    if pattern is None:
        return [Suggestion(f"{named}: {remark}: neither a set nor a pattern is suggested")]
    arguments = {"column": column.name, "regex": pattern, "severity": "warning"}
    return [Suggestion(f"{remark}, all of {alphabet} alone, in {column.seen()}", MATCH_REGEX, arguments)]


def _settled(days: list[Day]) -> str:
    """Return the day until which each value of a set must have been seen: the last quarter brings none."""
    return days[min((3 * len(days) - 1) // 4, max(len(days) - 2, 0))].day


def _pattern(column: Column) -> tuple[str | None, str]:
    """Return the pattern of codes and the characters in them, or None where the values are no codes."""
    shortest, longest = column.facts["shortest"], column.facts["longest"]
    *has, other = column.facts["has"]
    digits, _, lower, *_ = has
    fixed = shortest == longest
    if other or not shortest or longest > TEXT_LENGTH or column.there < ENOUGH_TEXTS:
        return None, ""
    if not fixed and not (column.mostly_distinct and (digits or not lower)):
        return None, ""  # words are as long as they are
    ranges = [each for each, there in zip(RANGES, has, strict=True) if there]
    return f"^[{''.join(ranges)}]{f'{{{longest}}}' if fixed else '+'}$", " ".join(ranges)


def _numbers(rows: Rows, column: Column, source: Source, day: str) -> list[Suggestion]:
    """Suggest round bounds around what was seen; what is far off does not set them."""
    facts, named = column.facts, f"column '{shown(column.name)}'"
    whole, finite = facts["whole"], [each for each in column.days if each.low is not None]
    if not finite:
        return [Suggestion(f"{named}: no finite number in {column.seen()}: no bounds are suggested")]
    if whole and column.name in source.key and column.mostly_distinct and column.there >= ENOUGH_NUMBERS:
        return [Suggestion(f"{named}: numbers that identify: no bounds are suggested")]
    if len(finite) > 2 and all(later.low > earlier.high for earlier, later in pairwise(finite)):
        return [Suggestion(f"{named}: each day's numbers are above those of the day before: no bounds are suggested")]
    low, high = min(each.low for each in finite), max(each.high for each in finite)
    told = f"always {_number(low)}" if low == high else f"seen {_number(low)} to {_number(high)}"
    told += f" in {column.seen()}"
    infinite = column.there - facts["finite"]
    if not infinite and (low, high) == (0, 1) and whole:
        arguments = {"column": column.name, "min_value": 0, "max_value": 1}
        return [
            Suggestion(f"only 0 and 1 in {column.seen()}; critical, since it is taken for a flag", BETWEEN, arguments)
        ]
    natural = not infinite and low == 0 and facts["zeros"] >= max(10, ZEROS * column.there)
    is_share = not whole and low >= 0 and high <= 1 and high - low >= 0.5 and column.there >= ENOUGH_NUMBERS
    low, high, tail = _without_far_off(rows, column, low, high)
    least, most = (0, 1) if is_share else _widened(low, high, whole)
    told += tail + ("; taken for a share" if is_share else "")
    arguments = {"column": column.name}
    found = []
    if natural:
        zeros = f"{facts['zeros']:,} of {column.there:,} numbers are 0 and none is negative; critical, since a negative"
        found.append(Suggestion(f"{zeros} one is taken for a mistake", BETWEEN, arguments | {"min_value": 0}))
        least = None
    bounds = {name: bound for name, bound in (("min_value", least), ("max_value", most)) if bound is not None}
    if not bounds:
        return [*found, Suggestion(f"{named}: {told}: no bounds are suggested")]
    beyond, share, farthest = outside(rows, column, least, most, day)
    if share > Decimal("0.4"):
        return [*found, Suggestion(f"{named}: {told}; {beyond:,} are not finite: no bounds are suggested")]
    if beyond:
        examples = " and ".join(map(_number, farthest))
        bounds["mostly"] = float(1 - _round_up(2 * share))
        told += (
            f"; {beyond:,} far off, such as {examples}, did not set the bounds, and `mostly` lets twice as many of a "
            "day pass: see whether they are mistakes"
        )
    else:
        told += "; critical once the bounds are what can be at all"
    return [*found, Suggestion(told, BETWEEN, arguments | bounds | {"severity": "warning"})]


def _without_far_off(rows: Rows, column: Column, low: Any, high: Any) -> tuple[Any, Any, str]:
    """Return the least and the greatest number that is not far off, and a remark on a long tail."""
    first, third = column.facts["quartiles"]
    reach = FAR_OFF * (third - first)
    fences = first - reach, third + reach
    if column.there < ENOUGH_NUMBERS or not reach or not all(map(math.isfinite, fences)):
        return low, high, ""
    if fences[0] <= low and high <= fences[1]:
        return low, high, ""
    count, least, most = within(rows, column, *fences)
    far = (column.facts["finite"] - count) / column.there
    if far > TAIL:
        return low, high, f", {_percent(far)} of it far off the rest: a long tail, which the bounds hold too"
    return least, most, ""


def _widened(low: Any, high: Any, whole: bool) -> tuple[Any, Any]:
    """Return round bounds around the seen numbers, of the same sign where all have one; None where none fits."""
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
    """Return a bound as YAML should show it, or None where no number of the column could be beyond it."""
    if whole:
        return int(bound) if INTEGERS[0] < bound < INTEGERS[1] else None
    if bound == bound.to_integral_value() and abs(bound) < 10**15:
        return int(bound)
    return float(bound) if math.isfinite(float(bound)) else None


def _round_up(share: Decimal) -> Decimal:
    """Return a share with one significant digit, not less than it was."""
    return min(share.quantize(Decimal(1).scaleb(share.adjusted()), ROUND_CEILING), Decimal("0.99"))


def shown(name: str) -> str:
    """Return a name for a comment, in which a line end or a control character would end or break it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _number(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"
