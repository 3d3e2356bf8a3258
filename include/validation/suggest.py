"""Suggest: a first suite from how a source's rows look, with what was seen as comments, for a person to edit."""

from __future__ import annotations

import math
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import yaml

from include import lake
from include.duck import open_duckdb
from include.errors import LakeError, SourceEmpty
from include.ingestion.days import count_days, shown_range
from include.ingestion.stage import local_file
from include.validation.counting import NUMBERS, literal, quoted, value
from include.validation.rows import MEMORY, Rows, rows_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow.dataset import Dataset

    from include.config import Pipeline, Source
    from include.ingestion.stage import StagedBatch

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

#: Which characters a text may have, as RE2 and Python both write them; the last stands for all others.
_CHARACTERS = ["[0-9]", "[A-Z]", "[a-z]", "_", "[.]", ":", "/", "-", "[^0-9A-Za-z_.:/-]"]

#: The same, but for the last, as they are written in a class.
_RANGES = ["0-9", "A-Z", "a-z", "_", ".", ":", "/", "-"]


@dataclass(frozen=True)
class Suggestion:
    """One expectation with what was seen; without a name it is a remark alone."""

    comment: str
    name: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SuggestedSuite:
    """A suite's file.

    Attributes
    ----------
    seen
        What it was made from, in words.
    expectations
        How many there are in it.
    text
        The YAML.
    """

    seen: str
    expectations: int
    text: str


@dataclass(frozen=True)
class _Day:
    """The values of one column on one day: how many rows and values, the least and greatest finite number."""

    day: str
    rows: int
    there: int
    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class _Column:
    """One column: how it looks by day, and what was counted of all its values."""

    name: str
    sql: str
    days: list[_Day]
    facts: dict[str, Any]

    @property
    def there(self) -> int:
        """The number of values that are not null."""
        return sum(day.there for day in self.days)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(day.rows for day in self.days)

    @property
    def mostly_distinct(self) -> bool:
        """Whether nearly every value is there once."""
        return self.facts["distinct"] >= 0.9 * self.there

    def seen(self, count: int | None = None) -> str:
        """Return what was looked at, in words."""
        return f"{self.there if count is None else count:,} rows of {count_days([day.day for day in self.days])}"


def suggest_from_lake(pipeline: Pipeline, name: str, days: int) -> SuggestedSuite | None:
    """Suggest a suite from the last published days of a source, or return None where it has none.

    Of a snapshot only the last one is read, which is the whole table.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    source = pipeline.sources[name]
    uri = lake.raw_uri(pipeline.name, name)
    published = list(lake.partitions(uri, source.slice_column))
    chosen = published[-1:] if source.arrives == "snapshot" else published[-days:]
    version = lake.latest_version(uri)
    if not chosen or version is None:
        return None
    with _published(lake.dataset(uri, version), source, chosen) as rows:
        return _suite(pipeline, name, rows, quoted(source.slice_column), "published in the lake")


def suggest_from_batch(pipeline: Pipeline, batch: StagedBatch) -> SuggestedSuite:
    """Suggest a suite from a staged batch.

    Raises
    ------
    RunMissing, SourceEmpty
        If the batch is not there, or has no rows.
    """
    source = pipeline.sources[batch.source]
    day = literal(batch.end) if source.arrives == "snapshot" else quoted(source.slice_column)
    with local_file(batch) as path, rows_of_file(path) as rows:
        return _suite(pipeline, batch.source, rows, day, f"read from the source and staged as batch {batch.digest}")


@contextmanager
def _published(table: Dataset, source: Source, days: list[str]) -> Iterator[Rows]:
    """Open some days of a raw table; DuckDB reads the columns that it needs, a piece at a time."""
    by = source.slice_column
    columns = [name for name in source.columns if name in table.schema.names]
    chosen = ", ".join(map(quoted, dict.fromkeys([*columns, by])))
    with open_duckdb(MEMORY) as con:
        con.register("raw", table)
        con.execute(f"CREATE VIEW rows AS SELECT {chosen} FROM raw WHERE {by} BETWEEN '{days[0]}' AND '{days[-1]}'")
        yield Rows(con)


def _suite(pipeline: Pipeline, name: str, rows: Rows, day: str, where_from: str) -> SuggestedSuite:
    """Look at rows and write down what they suggest.

    Parameters
    ----------
    day
        SQL of the day that a row was delivered for.
    where_from
        How the rows came, for the file's first comment.
    """
    import duckdb

    source, where = pipeline.sources[name], f"{pipeline.name}: source '{name}'"
    try:
        columns = _columns(rows, source, day)
        suggestions = {column.name: _suggest(rows, column, source, day) for column in columns}
    except duckdb.Error as error:
        raise LakeError(
            f"{where}: the rows {where_from} could not be looked at ({str(error).splitlines()[0]}); nothing was "
            "suggested; run this command again, for fewer days where memory or room on the disk ran out"
        ) from error
    if not columns or not columns[0].rows:
        raise SourceEmpty(f"{where}: there are no rows to look at; nothing was suggested; name other days")
    seen = [each.day for each in columns[0].days]
    span = shown_range(date.fromisoformat(seen[0]), date.fromisoformat(seen[-1]))
    told = f"{columns[0].rows:,} rows of {count_days(seen)} ({span}), {where_from}"
    absent = [each for each in source.columns if each not in suggestions]
    suggestions |= {each: [Suggestion(f"column '{_shown(each)}': not published yet")] for each in absent}
    written = [each for column in source.columns for each in suggestions[column]]
    count = sum(each.name is not None for each in written)
    return SuggestedSuite(told, count, _written(pipeline, name, written, told))


def _columns(rows: Rows, source: Source, day: str) -> list[_Column]:
    """Look at the declared columns of all rows, in two passes."""
    names = [name for name in source.columns if name in rows.types]
    daily = ", ".join(_daily_sql(name, rows.types) for name in names)
    by_day = rows.con.execute(f"SELECT {day}, count(*), {daily} FROM rows GROUP BY 1 ORDER BY 1").fetchall()
    overall = rows.con.execute(f"SELECT {', '.join(_facts_sql(name, rows.types) for name in names)} FROM rows")
    facts = overall.fetchone()
    assert facts is not None, "an aggregate has one row"
    return [
        _Column(
            name, value(name, rows.types), [_Day(ds, count, **told[at]) for ds, count, *told in by_day], facts[at] or {}
        )
        for at, name in enumerate(names)
    ]


def _daily_sql(name: str, types: dict[str, str]) -> str:
    each = value(name, types)
    told = f"'there': count({each})"
    if types[name] in NUMBERS:
        finite = _finite(name, types)
        told += f", 'low': min({each}) FILTER (WHERE {finite}), 'high': max({each}) FILTER (WHERE {finite})"
    return f"{{{told}}}"


def _facts_sql(name: str, types: dict[str, str]) -> str:
    each, distinct = value(name, types), f"'distinct': approx_count_distinct({value(name, types)})"
    if types[name] in NUMBERS:
        finite = _finite(name, types)
        return (
            f"{{{distinct}, 'whole': {'false' if types[name] in ('DOUBLE', 'FLOAT') else 'true'}, "
            f"'zeros': count(*) FILTER (WHERE {each} = 0), 'finite': count(*) FILTER (WHERE {finite}), "
            f"'quartiles': approx_quantile(({each})::DOUBLE, [0.25, 0.75]) FILTER (WHERE {finite})}}"
        )
    if types[name] == "VARCHAR":
        has = ", ".join(f"bool_or(regexp_matches({each}, '{characters}'))" for characters in _CHARACTERS)
        return f"{{{distinct}, 'shortest': min(length({each})), 'longest': max(length({each})), 'has': [{has}]}}"
    return "NULL"


def _finite(name: str, types: dict[str, str]) -> str:
    return f"isfinite({quoted(name)})" if types[name] in ("DOUBLE", "FLOAT") else f"{quoted(name)} IS NOT NULL"


def _suggest(rows: Rows, column: _Column, source: Source, day: str) -> list[Suggestion]:
    """Return what one column suggests."""
    if not column.there:
        told = f"column '{_shown(column.name)}': only nulls in {column.seen(column.rows)}, which suggest nothing"
        return [Suggestion(told)]
    found = []
    if column.name not in {*source.key, source.available_at.column, source.day}:
        found.append(_not_null(column))
    if "quartiles" in column.facts:
        found += _numbers(rows, column, source, day)
    elif "has" in column.facts:
        found += _texts(rows, column, day)
    return found


def _not_null(column: _Column) -> Suggestion:
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
        return Suggestion(f"column '{_shown(column.name)}': {told}: no share is worth a warning")
    return Suggestion(told, NOT_NULL, arguments | {"mostly": mostly, "severity": "warning"})


def _texts(rows: Rows, column: _Column, day: str) -> list[Suggestion]:
    """Suggest a set where there are a few values that come again and again, else the form of codes."""
    distinct, named = column.facts["distinct"], f"column '{_shown(column.name)}'"
    longest = column.facts["longest"]
    length = f"{column.facts['shortest']} to {longest}" if column.facts["shortest"] < longest else f"{longest}"
    remark = f"about {min(distinct, column.there):,} different texts of {length} characters"
    if distinct <= 2 * SET_VALUES and longest <= TEXT_LENGTH:  # the number is an estimate
        values = rows.con.execute(
            f"SELECT {column.sql}, min({day}) FROM rows WHERE {column.sql} IS NOT NULL"
            f" GROUP BY 1 ORDER BY 1 LIMIT {SET_VALUES + 1}"
        ).fetchall()
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


def _settled(days: list[_Day]) -> str:
    """Return the day until which each value of a set must have been seen: the last quarter brings none."""
    return days[min((3 * len(days) - 1) // 4, max(len(days) - 2, 0))].day


def _pattern(column: _Column) -> tuple[str | None, str]:
    """Return the pattern of codes and the characters in them, or None where the values are no codes."""
    shortest, longest = column.facts["shortest"], column.facts["longest"]
    *has, other = column.facts["has"]
    digits, _, lower, *_ = has
    fixed = shortest == longest
    if other or not shortest or longest > TEXT_LENGTH or column.there < ENOUGH_TEXTS:
        return None, ""
    if not fixed and not (column.mostly_distinct and (digits or not lower)):
        return None, ""  # words are as long as they are
    ranges = [each for each, there in zip(_RANGES, has, strict=True) if there]
    return f"^[{''.join(ranges)}]{f'{{{longest}}}' if fixed else '+'}$", " ".join(ranges)


def _numbers(rows: Rows, column: _Column, source: Source, day: str) -> list[Suggestion]:
    """Suggest round bounds around what was seen; what is far off does not set them."""
    facts, named = column.facts, f"column '{_shown(column.name)}'"
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
    outside, share, examples = _outside(rows, column, least, most, day)
    if share > Decimal("0.4"):
        return [*found, Suggestion(f"{named}: {told}; {outside:,} are not finite: no bounds are suggested")]
    if outside:
        bounds["mostly"] = float(1 - _round_up(2 * share))
        told += (
            f"; {outside:,} far off, such as {examples}, did not set the bounds, and `mostly` lets twice as many of a "
            "day pass: see whether they are mistakes"
        )
    else:
        told += "; critical once the bounds are what can be at all"
    return [*found, Suggestion(told, BETWEEN, arguments | bounds | {"severity": "warning"})]


def _without_far_off(rows: Rows, column: _Column, low: Any, high: Any) -> tuple[Any, Any, str]:
    """Return the least and the greatest number that is not far off, and a remark on a long tail."""
    first, third = column.facts["quartiles"]
    reach = FAR_OFF * (third - first)
    fences = first - reach, third + reach
    if column.there < ENOUGH_NUMBERS or not reach or not all(map(math.isfinite, fences)):
        return low, high, ""
    if fences[0] <= low and high <= fences[1]:
        return low, high, ""
    within = f"{column.sql} BETWEEN {literal(fences[0])} AND {literal(fences[1])}"
    answer = rows.con.execute(
        f"SELECT count(*), min({column.sql}), max({column.sql}) FROM rows WHERE {within}"
    ).fetchone()
    assert answer is not None, "an aggregate has one row"
    count, least, most = answer
    far = (column.facts["finite"] - count) / column.there
    if far > TAIL:
        return low, high, f", {_percent(far)} of it far off the rest: a long tail, which the bounds hold too"
    return least, most, ""


def _outside(rows: Rows, column: _Column, least: Any, most: Any, day: str) -> tuple[int, Decimal, str]:
    """Return how many numbers lie outside of bounds, their share on the worst day, and the farthest two.

    A day that is broken as a whole does not count, so that the share stays one that tells something.
    """
    sides = (("<", least), (">", most))
    condition = " OR ".join(f"{column.sql} {sign} {literal(bound)}" for sign, bound in sides if bound is not None)
    by_day = rows.con.execute(
        f"SELECT {day}, count(*) FILTER (WHERE {condition}), count({column.sql}) FROM rows GROUP BY 1"
    ).fetchall()
    outside = sum(count for _, count, _ in by_day)
    if not outside:
        return 0, Decimal(0), ""
    share = max(Decimal(count) / there for _, count, there in by_day if there)
    if share >= Decimal("0.25"):
        share = Decimal(outside) / column.there
    farthest = rows.con.execute(
        f"SELECT DISTINCT {column.sql}, abs(({column.sql})::DOUBLE) FROM rows WHERE {condition}"
        " ORDER BY 2 DESC, 1 LIMIT 2"
    ).fetchall()
    return outside, share, " and ".join(_number(number) for number, _ in farthest)


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


def _written(pipeline: Pipeline, name: str, suggestions: list[Suggestion], seen: str) -> str:
    """Return the suite's file."""
    source = pipeline.sources[name]
    key = ", ".join(map(_shown, source.key))
    head = [
        f"Suggested by ./nightshift suggest-expectations {pipeline.name} {name} from {seen}.",
        "A comment says what was seen; you know what can be. Edit the bounds, sets and severities: an expectation is "
        "critical unless it says `severity: warning`, which only tells. How: docs/how-to/write-expectations.md",
        f"Not here, since Nightshift checks it anyway: the key ({key}) is not null and unique, "
        f"{_shown(source.available_at.column)} is not null, the rows of a day (rows_per_day), the columns and their "
        "types (contract), and each day beside the days before it (history).",
    ]
    lines = [line for sentence in head for line in _comment(sentence, "")]
    lines.append("expectations:" if any(each.name for each in suggestions) else "expectations: []")
    for each in suggestions:
        lines += _comment(each.comment, "  ")
        if each.name:
            lines.append(textwrap.indent(_item(each), "  "))
    return "\n".join(lines) + "\n"


def _item(suggestion: Suggestion) -> str:
    """Return an expectation as an item of a YAML list; a set is wrapped, any other stays on one line."""
    width = 100 if suggestion.name == IN_SET else float("inf")
    item = [{suggestion.name: suggestion.arguments}]
    return yaml.safe_dump(item, default_flow_style=None, sort_keys=False, allow_unicode=True, width=width).rstrip("\n")


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False
    )


def _shown(name: str) -> str:
    """Return a name for a comment, in which a line end or a control character would end or break it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _number(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"
