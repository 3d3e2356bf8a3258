"""History: the profile of each day, compared with those of the days before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from include.ingestion.days import some
from include.profiling.profile import SAMPLE_ROWS
from include.validation.population import Sample, population_shift
from include.validation.report import HISTORY, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from include.config.sources import Source

#: With fewer days of history nothing is usual yet; of snapshots, the last alone says how the next should look.
MIN_DAYS = 7

#: Same weekdays whose mean is the volume to expect, and how many of them there must be.
WEEKDAYS, MIN_WEEKDAYS = 4, 2

#: Values that were never seen before are told where they are more than this share, and so many rows.
NEW_SHARE, NEW_ROWS = 0.01, 5

#: A column with more values than this in its history has no known set of them.
KNOWN_VALUES = 50

#: So many times the most unusual day's stability index is still usual: by chance, each month has a new record.
MARGIN = 1.25

_WEEKDAY_NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class _Finding:
    """What one check found on one day; of several days, the one with the greatest `size` is the worst."""

    check: str
    limit: str
    column: str
    day: str
    size: float
    clause: str


@dataclass(frozen=True)
class _ColumnDay:
    """One column of one day; `sample` is None where its values are not known, and `counted` where all are."""

    rows: int
    nulls: int
    distinct: int
    newest: datetime | None
    sample: Sample | None
    counted: bool

    @property
    def there(self) -> int:
        """The rows that have a value."""
        return self.rows - self.nulls


#: The columns of one day by their name.
_Day = dict[str, _ColumnDay]


@dataclass(frozen=True)
class _Case:
    """One column of a day to judge, and the same column on the days of its history."""

    ds: str
    column: str
    now: _ColumnDay
    past: list[_ColumnDay]
    source: Source

    @property
    def with_values(self) -> list[_ColumnDay]:
        """The days of the history on which the column has values."""
        return [day for day in self.past if day.there]

    def enough(self, past: list[_ColumnDay]) -> bool:
        """Return whether so much of the history says what is usual."""
        return len(past) >= _min_history(self.source)

    def last(self, past: list[_ColumnDay]) -> str:
        """Return in words how much of the history is meant."""
        unit = "snapshot" if self.source.arrives == "snapshot" else "day"
        return f"the last {unit}" if len(past) == 1 else f"the last {len(past)} {unit}s"

    def finding(self, check: str, limit: str, size: float, clause: str) -> _Finding:
        """Return what a check found."""
        return _Finding(check, limit, f"column '{self.column}'", self.ds, size, clause)


def compare(now: pa.Table, before: pa.Table, days: list[str], source: Source) -> list[Failure]:
    """Compare some days of a source with the days before each.

    A day's history are the days with rows within `history.days` before it, of `before` and, where a batch has
    several, of `now`; of a snapshot it is the last `history.days` snapshots, however old they are.

    Parameters
    ----------
    now, before
        Profiles of the batch, and of what is published; of a day in both, that of the batch counts.
    days
        The days to judge.

    Returns
    -------
    list of Failure
        One a check and column, whatever the number of days on which it fails.
    """
    judged = _by_day(now, source)
    profiles = _by_day(before, source) | judged
    with_rows = sorted(ds for ds, day in profiles.items() if _any(day).rows)
    found: list[_Finding] = []
    for ds in days:
        if ds not in judged:
            continue
        day, past = judged[ds], {each: profiles[each] for each in _history(with_rows, ds, source)}
        found += _volume(ds, day, past, source)
        if not _any(day).rows or len(past) < _min_history(source):
            continue
        found += _freshness(ds, day, past, source)
        for column in source.columns:
            its_past = [other[column] for other in past.values() if column in other]
            if len(its_past) >= _min_history(source):
                found += _judge_column(_Case(ds, column, day[column], its_past, source))
    return _merge(found, days, source)


def _min_history(source: Source) -> int:
    return 1 if source.arrives == "snapshot" else MIN_DAYS


def _history(with_rows: list[str], ds: str, source: Source) -> list[str]:
    if source.arrives == "snapshot":
        return [each for each in with_rows if each < ds][-source.history.days :]
    first = (date.fromisoformat(ds) - timedelta(days=source.history.days)).isoformat()
    return [each for each in with_rows if first <= each < ds]


def _volume(ds: str, day: _Day, past: dict[str, _Day], source: Source) -> Iterator[_Finding]:
    """Hold a day's rows against the same weekdays before it; a snapshot's against the last snapshot."""
    limit, rows = source.history.volume.limit, _any(day).rows
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
    expected = fmean(_any(past[each]).rows for each in same)
    change = rows / expected - 1
    if abs(change) > limit:
        side = "above" if change > 0 else "below"
        clause = f"{rows:,} rows, {_percent(abs(change))} {side} {against} ({expected:,.0f})"
        yield _Finding("volume", f"limit {_percent(limit)}", "table", ds, abs(change), clause)


def _freshness(ds: str, day: _Day, past: dict[str, _Day], source: Source) -> Iterator[_Finding]:
    """Hold how long before its day's end the newest row became known against what is usual.

    A snapshot is not judged: its newest row grows older until something changes in it.
    """
    newest, limit = _any(day).newest, source.history.freshness.limit
    usual = [_hours_before_end(each, other) for each, other in past.items() if _any(other).newest]
    if source.arrives == "snapshot" or newest is None or len(usual) < MIN_DAYS:
        return
    earlier = _hours_before_end(ds, day) - median(usual)
    if earlier > limit:
        clause = (
            f"the newest row is of {newest:%Y-%m-%d %H:%M} UTC, {earlier:.1f} hours earlier in its day than the median "
            f"of the last {len(usual)} days"
        )
        column = f"column '{source.available_at.column}'"
        yield _Finding("freshness", f"limit {limit:g} hours", column, ds, earlier, clause)


def _judge_column(case: _Case) -> Iterator[_Finding]:
    """Hold one column of a day against its history; times move on by nature, and the values of a key as well."""
    declared = case.source.columns[case.column]
    yield from _nulls(case)
    if declared == "timestamp" or not case.now.there:
        return
    yield from _distinct(case, is_measured=declared == "float")
    if declared != "float":
        yield from _new_values(case)
    if case.column not in case.source.key:
        yield from _distribution(case, is_number=declared in ("integer", "float"))


def _nulls(case: _Case) -> Iterator[_Finding]:
    """Hold the share of nulls, and of numbers that are not finite, against the highest so far."""
    limit, share = case.source.history.nulls.limit, case.now.nulls / case.now.rows
    highest = max(day.nulls / day.rows for day in case.past)
    if share - highest > limit:
        usual = f"at most {_percent(highest)} in {case.last(case.past)}"
        clause = f"{_percent(share)} of {case.now.rows:,} rows are null, {usual}"
        yield case.finding("nulls", f"limit {_percent(limit)} more", share - highest, clause)


def _distinct(case: _Case, is_measured: bool) -> Iterator[_Finding]:
    """Hold the number of distinct values against the fewest and the most so far.

    With more rows, a column of a few values keeps their number and one of names keeps their share of the rows.
    So a column has too many or too few where both the number and the share are. One value more than the limit
    allows is nothing, and what is measured (a float) may have any number of values, but not suddenly few.
    """
    limit, now, past = case.source.history.distinct.limit, case.now, case.with_values
    if not case.enough(past):
        return
    share, numbers = now.distinct / now.there, [day.distinct for day in past]
    shares = [day.distinct / day.there for day in past]
    more = now.distinct > max(numbers) * (1 + limit) + 1 and share > max(shares) * (1 + limit)
    fewer = now.distinct < min(numbers) * (1 - limit) and share < min(shares) * (1 - limit)
    if fewer or (more and not is_measured):
        usual = f"{min(numbers):,}" if min(numbers) == max(numbers) else f"{min(numbers):,} to {max(numbers):,}"
        values = "value" if now.distinct == 1 else "values"
        clause = f"{now.distinct:,} distinct {values} in {now.there:,} rows, {usual} in {case.last(past)}"
        yield case.finding("distinct", f"limit {_percent(limit)}", abs(now.distinct / median(numbers) - 1), clause)


def _new_values(case: _Case) -> Iterator[_Finding]:
    """Tell values that were never seen, where all that were are known."""
    now, past = case.now, case.with_values
    if not case.enough(past) or not now.counted or not all(day.counted for day in past):
        return
    known = {value for day in past for value in day.sample.values}
    new = {
        value: int(count)
        for value, count in zip(now.sample.values, now.sample.weights, strict=True)
        if value not in known
    }
    rows = sum(new.values())
    if len(known) <= KNOWN_VALUES and rows > NEW_SHARE * now.there and rows >= NEW_ROWS:
        named = some([_quoted(value) for value in sorted(new, key=lambda value: -new[value])])
        clause = f"never seen in {case.last(past)}: {named}, {_percent(rows / now.there)} of {now.there:,} rows"
        yield case.finding("distinct", f"limit {_percent(NEW_SHARE)} of the rows", rows / now.there, clause)


def _distribution(case: _Case, is_number: bool) -> Iterator[_Finding]:
    """Hold the population stability index against its limit.

    The limit is what may come on top of noise, or of what is usual, whichever is greater: so a day of few rows
    does not fail by chance, nor a Saturday for being one.
    """
    check = case.source.history.distribution
    past = [day for day in case.with_values if day.sample]
    if check.severity == "off" or case.now.sample is None or not case.enough(past):
        return
    shift = population_shift(case.now.sample, [day.sample for day in past], is_number)
    excess = shift.psi - max(shift.noise, MARGIN * shift.usual)
    if excess > check.limit:
        usual = f", of which none had more than {shift.usual:.2f}" if len(past) > 1 else ""
        clause = (
            f"PSI {shift.psi:.2f} against {case.last(past)}{usual}: most of it in {shift.where} "
            f"({_percent(shift.share)} of the rows, before {_percent(shift.before)})"
        )
        yield case.finding("distribution", f"limit {check.limit:g} more than usual", excess, clause)


def _merge(found: list[_Finding], days: list[str], source: Source) -> list[Failure]:
    """Return one failure a check and column, which tells the worst of its days."""
    together: dict[tuple[str, str, str], list[_Finding]] = {}
    for finding in found:
        together.setdefault((finding.check, finding.limit, finding.column), []).append(finding)
    failures = []
    for (check, limit, column), its in together.items():
        severity = getattr(source.history, check).severity
        if severity == "off":
            continue
        worst = max(its, key=lambda finding: finding.size)
        on = ""
        if len(its) > 1:
            on = f"on {len(its)} days ({some([finding.day for finding in its])}), worst on {worst.day}: "
        elif len(days) > 1:
            on = f"on {worst.day}: "
        failures.append(Failure(f"{HISTORY}{check}", column, severity, f"({limit}) {on}{worst.clause}"))
    return failures


def _by_day(profile: pa.Table, source: Source) -> dict[str, _Day]:
    found: dict[str, _Day] = {}
    for row in profile.to_pylist():
        declared = source.columns.get(row["column"])
        if declared:
            found.setdefault(row["day"], {})[row["column"]] = _column_day(row, declared in ("integer", "float"))
    return found


def _column_day(row: dict[str, Any], is_number: bool) -> _ColumnDay:
    import numpy as np

    nulls = row["nulls"] + row["not_finite"]
    there = row["rows"] - nulls
    sample = None
    if row["values"]:
        values = _numbers(row["values"]) if is_number else row["values"]
        if values is not None:
            sample = Sample(values, np.array(row["counts"], dtype=float), there)
    elif row["quantiles"] and is_number:
        weights = np.ones(len(row["quantiles"]))
        weights[[0, -1]] = 0.5  # each of the others stands for the rows on either side of it
        sample = Sample(np.array(row["quantiles"]), weights * there / weights.sum(), min(there, SAMPLE_ROWS))
    return _ColumnDay(
        row["rows"], nulls, row["distinct"], row["newest"], sample, counted=sample is not None and bool(row["values"])
    )


def _numbers(texts: list[str]) -> np.ndarray | None:
    """Return texts as numbers, or None where the column was of another type then."""
    import numpy as np

    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        return None


def _any(day: _Day) -> _ColumnDay:
    """Return one column of a day, for what all of them tell."""
    return next(iter(day.values()))


def _hours_before_end(ds: str, day: _Day) -> float:
    newest = _any(day).newest
    assert newest is not None, "asked for of days that have one only"
    end = datetime.combine(date.fromisoformat(ds), time(), UTC) + timedelta(days=1)
    return (end - newest) / timedelta(hours=1)


def _quoted(value: str | float) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if abs(share) < 0.0995 else 0}f} %".replace(".0 %", " %")
