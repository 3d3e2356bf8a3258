"""The comparisons of one day with its history: volume, freshness, and each column's values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean, median
from typing import TYPE_CHECKING

from include.ingestion.days import some
from include.validation.population import population_shift

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.config.sources import Source
    from include.validation.population import Sample

#: Fewer days of history are too few to compare with; for a snapshot the last one is enough.
MIN_DAYS = 7

#: The expected volume is the mean of this many same weekdays; and the fewest that are needed.
WEEKDAYS, MIN_WEEKDAYS = 4, 2

#: New values are reported if they have more than this share of the rows, and at least this many rows.
NEW_SHARE, NEW_ROWS = 0.01, 5

#: The most values in a column's history for new ones to be reported.
KNOWN_VALUES = 50

#: A PSI up to this many times the highest of the history is usual, since every month brings a new record by chance.
MARGIN = 1.25

_WEEKDAY_NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class Finding:
    """What one check found on one day; the day with the greatest `size` is the worst."""

    check: str
    limit: str
    column: str
    day: str
    size: float
    clause: str


@dataclass(frozen=True)
class ColumnDay:
    """One column on one day; `sample` is None if its values are unknown, and `counted` says that all are known."""

    rows: int
    nulls: int
    distinct: int
    newest: datetime | None
    sample: Sample | None
    counted: bool

    @property
    def not_null(self) -> int:
        """The number of rows that have a value."""
        return self.rows - self.nulls


#: The columns of one day by their name.
Day = dict[str, ColumnDay]


@dataclass(frozen=True)
class Case:
    """One column on a day to judge, and the same column on the days of its history."""

    ds: str
    column: str
    now: ColumnDay
    past: list[ColumnDay]
    source: Source

    @property
    def with_values(self) -> list[ColumnDay]:
        """The days of the history on which the column has values."""
        return [day for day in self.past if day.not_null]

    def is_enough(self, past: list[ColumnDay]) -> bool:
        """Return whether these days of the history are enough to compare with."""
        return len(past) >= min_history(self.source)

    def describe_span(self, past: list[ColumnDay]) -> str:
        """Return in words how many days of the history these are."""
        unit = "snapshot" if self.source.arrives == "snapshot" else "day"
        return f"the last {unit}" if len(past) == 1 else f"the last {len(past)} {unit}s"

    def finding(self, check: str, limit: str, size: float, clause: str) -> Finding:
        """Return a finding on this column and day."""
        return Finding(check, limit, f"column '{self.column}'", self.ds, size, clause)


def min_history(source: Source) -> int:
    """Return the fewest days of history that a source is compared with."""
    return 1 if source.arrives == "snapshot" else MIN_DAYS


def check_volume(ds: str, day: Day, past: dict[str, Day], source: Source) -> Iterator[Finding]:
    """Compare a day's rows with the same weekdays before it; compare a snapshot's rows with the last snapshot."""
    limit, rows = source.history.volume.limit, any_column(day).rows
    if source.arrives == "snapshot":
        same = list(past)[-1:]
        against = f"those of the last snapshot, of {''.join(same)}"
        enough = bool(same)
    else:
        weekday = date.fromisoformat(ds).weekday()
        same = [each for each in past if date.fromisoformat(each).weekday() == weekday][-WEEKDAYS:]
        against = f"the mean of the last {len(same)} {_WEEKDAY_NAMES[weekday]}"
        enough = len(same) >= MIN_WEEKDAYS
    if not enough:
        return
    expected = fmean(any_column(past[each]).rows for each in same)
    change = rows / expected - 1
    if abs(change) > limit:
        side = "above" if change > 0 else "below"
        clause = f"{rows:,} rows, {_percent(abs(change))} {side} {against} ({expected:,.0f})"
        yield Finding("volume", f"limit {_percent(limit)}", "table", ds, abs(change), clause)


def check_freshness(ds: str, day: Day, past: dict[str, Day], source: Source) -> Iterator[Finding]:
    """Compare how long before the end of its day the newest row became available with what is usual.

    A snapshot is not checked, since its newest row grows older until something changes.
    """
    newest, limit = any_column(day).newest, source.history.freshness.limit
    usual = [_hours_before_end(each, other) for each, other in past.items() if any_column(other).newest]
    if source.arrives == "snapshot" or newest is None or len(usual) < MIN_DAYS:
        return
    earlier = _hours_before_end(ds, day) - median(usual)
    if earlier > limit:
        clause = (
            f"the newest row is of {newest:%Y-%m-%d %H:%M} UTC, {earlier:.1f} hours earlier in its day than the median "
            f"of the last {len(usual)} days"
        )
        column = f"column '{source.available_at.column}'"
        yield Finding("freshness", f"limit {limit:g} hours", column, ds, earlier, clause)


def check_column(case: Case) -> Iterator[Finding]:
    """Compare one column of a day with its history; times and the values of keys change by nature."""
    declared = case.source.columns[case.column]
    yield from _check_nulls(case)
    if declared == "timestamp" or not case.now.not_null:
        return
    yield from _check_distinct(case, is_measured=declared == "float")
    if declared != "float":
        yield from _check_new_values(case)
    if case.column not in case.source.key:
        yield from _check_distribution(case, is_number=declared in ("integer", "float"))


def _check_nulls(case: Case) -> Iterator[Finding]:
    """Compare the share of nulls and of numbers that are not finite with the highest so far."""
    limit, share = case.source.history.nulls.limit, case.now.nulls / case.now.rows
    highest = max(day.nulls / day.rows for day in case.past)
    if share - highest > limit:
        usual = f"at most {_percent(highest)} in {case.describe_span(case.past)}"
        clause = f"{_percent(share)} of {case.now.rows:,} rows are null, {usual}"
        yield case.finding("nulls", f"limit {_percent(limit)} more", share - highest, clause)


def _check_distinct(case: Case, is_measured: bool) -> Iterator[Finding]:
    """Compare the number of distinct values with the fewest and the most so far.

    As rows are added, a column of categories keeps its number of values, and a column of names keeps their share of
    the rows. So both the number and the share must be out of bounds. One value above the limit is tolerated. A float
    may have any number of values, but not suddenly few.
    """
    limit, now, past = case.source.history.distinct.limit, case.now, case.with_values
    if not case.is_enough(past):
        return
    share, numbers = now.distinct / now.not_null, [day.distinct for day in past]
    shares = [day.distinct / day.not_null for day in past]
    more = now.distinct > max(numbers) * (1 + limit) + 1 and share > max(shares) * (1 + limit)
    fewer = now.distinct < min(numbers) * (1 - limit) and share < min(shares) * (1 - limit)
    if fewer or (more and not is_measured):
        usual = f"{min(numbers):,}" if min(numbers) == max(numbers) else f"{min(numbers):,} to {max(numbers):,}"
        values = "value" if now.distinct == 1 else "values"
        clause = f"{now.distinct:,} distinct {values} in {now.not_null:,} rows, {usual} in {case.describe_span(past)}"
        yield case.finding("distinct", f"limit {_percent(limit)}", abs(now.distinct / median(numbers) - 1), clause)


def _check_new_values(case: Case) -> Iterator[Finding]:
    """Report values that were never seen, if all values of the history are known."""
    now, past = case.now, case.with_values
    samples = [day.sample for day in past if day.sample and day.counted]
    if not case.is_enough(past) or now.sample is None or not now.counted or len(samples) < len(past):
        return
    known = {value for sample in samples for value in sample.values}
    counts = zip(now.sample.values, now.sample.weights, strict=True)
    new = {value: int(count) for value, count in counts if value not in known}
    rows = sum(new.values())
    if len(known) <= KNOWN_VALUES and rows > NEW_SHARE * now.not_null and rows >= NEW_ROWS:
        named = some([_quoted(value) for value in sorted(new, key=lambda value: -new[value])])
        share = rows / now.not_null
        clause = f"never seen in {case.describe_span(past)}: {named}, {_percent(share)} of {now.not_null:,} rows"
        yield case.finding("distinct", f"limit {_percent(NEW_SHARE)} of the rows", share, clause)


def _check_distribution(case: Case, is_number: bool) -> Iterator[Finding]:
    """Compare the population stability index with its limit.

    The limit applies to the excess over noise or over the usual index, whichever is greater, so that neither a day of
    few rows nor a Saturday fails.
    """
    check = case.source.history.distribution
    past = [day for day in case.with_values if day.sample]
    if check.severity == "off" or case.now.sample is None or not case.is_enough(past):
        return
    shift = population_shift(case.now.sample, [day.sample for day in past if day.sample], is_number)
    excess = shift.psi - max(shift.noise, MARGIN * shift.usual)
    if excess > check.limit:
        usual = f" (at most {shift.usual:.2f} among themselves)" if len(past) > 1 else ""
        clause = (
            f"PSI {shift.psi:.2f} against {case.describe_span(past)}{usual}: most of it in {shift.where} "
            f"({_percent(shift.share)} of the rows, before {_percent(shift.before)})"
        )
        yield case.finding("distribution", f"limit {check.limit:g} more than usual", excess, clause)


def any_column(day: Day) -> ColumnDay:
    """Return any column of a day, for the rows and the newest time, which all columns share."""
    return next(iter(day.values()))


def _hours_before_end(ds: str, day: Day) -> float:
    newest = any_column(day).newest
    assert newest is not None, "only called for days with rows"
    end = datetime.combine(date.fromisoformat(ds), time(), UTC) + timedelta(days=1)
    return (end - newest) / timedelta(hours=1)


def _quoted(value: str | float) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if abs(share) < 0.0995 else 0}f} %".replace(".0 %", " %")
