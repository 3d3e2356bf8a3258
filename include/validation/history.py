"""Compares the profile of each day with those of earlier days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.ingestion.days import some
from include.profiling.profile import SAMPLE_ROWS, column_profiles
from include.validation.history_checks import (
    Case,
    ColumnDay,
    Day,
    Finding,
    any_column,
    check_column,
    check_freshness,
    check_volume,
    min_history,
)
from include.validation.population import Sample
from include.validation.report import HISTORY, Failure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from include.config.sources import Source
    from include.profiling.profile import ColumnProfile


def compare(now: pa.Table, before: pa.Table, days: list[str], source: Source) -> list[Failure]:
    """Compare each of some days of a source with its history.

    The history of a day is the days with rows among the `history.days` before it, from `before` and, if a batch has
    several days, from `now`. The history of a snapshot is the last `history.days` snapshots, however old they are.

    Parameters
    ----------
    now, before
        Profiles of the batch, and of the published days; for a day in both, that of the batch counts.
    days
        The days to judge.

    Returns
    -------
    list of Failure
        One for each check and column, whatever the number of days on which it fails.
    """
    judged = _columns_by_day(now, source)
    profiles = _columns_by_day(before, source) | judged
    with_rows = sorted(ds for ds, day in profiles.items() if any_column(day).rows)
    found: list[Finding] = []
    for ds in days:
        if ds not in judged:
            continue
        day, past = judged[ds], {each: profiles[each] for each in _history_days(with_rows, ds, source)}
        found += check_volume(ds, day, past, source)
        if not any_column(day).rows or len(past) < min_history(source):
            continue
        found += check_freshness(ds, day, past, source)
        for column in source.columns:
            column_past = [other[column] for other in past.values() if column in other]
            if len(column_past) >= min_history(source):
                found += check_column(Case(ds, column, day[column], column_past, source))
    return _merge(found, days, source)


def _history_days(with_rows: list[str], ds: str, source: Source) -> list[str]:
    if source.arrives == "snapshot":
        return [each for each in with_rows if each < ds][-source.history.days :]
    first = (date.fromisoformat(ds) - timedelta(days=source.history.days)).isoformat()
    return [each for each in with_rows if first <= each < ds]


def _merge(found: list[Finding], days: list[str], source: Source) -> list[Failure]:
    """Return one failure for each check and column, with the worst of its days."""
    grouped: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        grouped.setdefault((finding.check, finding.limit, finding.column), []).append(finding)
    failures = []
    for (check, limit, column), findings in grouped.items():
        severity = getattr(source.history, check).severity
        if severity == "off":
            continue
        worst = max(findings, key=lambda finding: finding.size)
        on = ""
        if len(findings) > 1:
            on = f"on {len(findings)} days ({some([finding.day for finding in findings])}), worst on {worst.day}: "
        elif len(days) > 1:
            on = f"on {worst.day}: "
        failures.append(Failure(f"{HISTORY}{check}", column, severity, f"({limit}) {on}{worst.clause}"))
    return failures


def _columns_by_day(profile: pa.Table, source: Source) -> dict[str, Day]:
    found: dict[str, Day] = {}
    for each in column_profiles(profile):
        declared = source.columns.get(each.column)
        if declared:
            found.setdefault(each.day, {})[each.column] = _column_day(each, declared in ("integer", "float"))
    return found


def _column_day(profile: ColumnProfile, is_number: bool) -> ColumnDay:
    import numpy as np

    nulls = profile.nulls + profile.not_finite
    not_null = profile.rows - nulls
    sample = None
    if profile.values:
        values = _numbers(profile.values) if is_number else profile.values
        if values is not None:
            sample = Sample(values, np.array(profile.counts, dtype=float), not_null)
    elif profile.quantiles and is_number:
        weights = np.ones(len(profile.quantiles))
        weights[[0, -1]] = 0.5  # every inner quantile stands for the rows on both sides of it
        sample = Sample(np.array(profile.quantiles), weights * not_null / weights.sum(), min(not_null, SAMPLE_ROWS))
    counted = sample is not None and bool(profile.values)
    return ColumnDay(profile.rows, nulls, profile.distinct, profile.newest, sample, counted)


def _numbers(texts: list[str]) -> np.ndarray | None:
    """Return texts as numbers, or None if the column had another type on that day."""
    import numpy as np

    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        return None
