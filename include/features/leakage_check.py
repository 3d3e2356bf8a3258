"""Prove that no feature knows the future: build some rows again from what was known when they were asked."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from include import lake
from include.core.as_of import ONE_DAY, ONE_MOMENT, midnight
from include.core.errors import FeatureLeak, FeatureQueryFailed
from include.features.build import build_features
from include.features.compare import compare, shown
from include.features.leaks import STRONGEST_FIRST, Leak, explain, leak_sentence, leaks_sentence
from include.features.own_label import OwnLabelCheck, label_columns
from include.features.query import PREDICTION_TIME, run_features_query
from include.features.snapshot import pin_day, pinned_tables, raw_datasets

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.features.build import FeatureTable
    from include.features.compare import ColumnDifference
    from include.features.own_label import OwnLabels
    from include.features.perturb import Perturbation

log = logging.getLogger(__name__)

#: Cut-offs of a night: few, since each may cost as much as building the features. Every night draws others.
CUT_OFFS = 2


@dataclass(frozen=True)
class LeakageReport:
    """What was compared and found the same.

    Attributes
    ----------
    cut_offs
        In ISO form.
    rows, features
        How many were compared.
    own_labels
        Rows whose own label was known at the cut-off and was changed, which moved no feature.
    unchanged_labels
        Rows whose own label was known and could not be changed, so nothing is known of them.
    """

    cut_offs: list[str]
    rows: int
    features: int
    own_labels: int = 0
    unchanged_labels: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.cut_offs:
            return "no rows, so there is nothing to check"
        several = "" if len(self.cut_offs) == 1 else "s"
        text = (
            f"{len(self.cut_offs)} cut-off{several}, {self.rows:,} rows, {self.features} features: "
            "nothing from the future"
        )
        if self.own_labels:
            text += f", and no feature moved when the labels of {self.own_labels:,} rows were changed"
        if self.unchanged_labels:
            text += (
                f"; {self.unchanged_labels:,} rows have a label when they are asked, and changing raw values did not "
                "change it, so it is not known whether their features know it"
            )
        return text


def check_newest_features(
    pipeline: Pipeline,
    as_of: date | None = None,
    *,
    cut_offs: int,
    seed: int | str,
    report_line: Callable[[str], object],
) -> LeakageReport:
    """Build or find the features of the lake's newest snapshot, and check them as `check_leakage` does.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of` (None: the last day that each of them has).
    """
    day, snapshot = pin_day(pipeline, as_of, asked="the leakage check is asked", instead="check")
    table = build_features(pipeline, snapshot, day)
    return check_leakage(pipeline, table, snapshot, day, cut_offs=cut_offs, seed=seed, report_line=report_line)


def check_leakage(
    pipeline: Pipeline,
    table: FeatureTable,
    snapshot: dict[str, int],
    as_of: date,
    *,
    cut_offs: int = CUT_OFFS,
    seed: int | str = 0,
    report_line: Callable[[str], object] = log.info,
) -> LeakageReport:
    """Build the rows of the day up to each of some cut-offs again, of the raw rows known by then, and compare.

    Where rows have a label already then, it is changed in the raw tables, and no feature of theirs may move.
    What no model learns from (the label, which may become known later, and excluded columns) is not compared.

    Parameters
    ----------
    table
        What `build_features` made of `snapshot` and `as_of`.
    cut_offs
        How many; they are drawn by `choose_cut_offs` with `seed`.
    report_line
        Is given a line for each cut-off, and then one for each feature that differs, or one for all.

    Raises
    ------
    FeatureLeak
        If a feature differs, or rows are in one of the two only.
    FeatureQueryFailed
        If the query does not run on less than everything.
    """
    key = pipeline.features.key
    rebuilding = _Rebuilding(pipeline, table, snapshot, as_of)
    features = lake.dataset(table.uri, table.version)
    chosen = choose_cut_offs(_times(features, rebuilding.window_start), cut_offs, seed)
    found: dict[tuple[str, str], Leak] = {}
    rows, columns, own_labels, unchanged = 0, list[str](), 0, 0
    origins = label_columns(pipeline) if chosen else {}
    shared: dict[str, str] = {}
    for at in chosen:
        again = rebuilding.rows(at)
        columns = [name for name in again.column_names if name not in pipeline.kept_out]
        full = _read(features, [*key, PREDICTION_TIME, *columns], rebuilding.after(at), at)
        same = partial(compare, key=key, columns=columns)
        differences = same(full, again)
        rows += full.num_rows
        report_line(f"{at} UTC: {full.num_rows:,} rows of the day up to then: {_outcome(differences)}")
        if differences:
            # what is read within the lookback is less: only all that was known tells the future from the past
            whole = rebuilding.rows(at, bounded=False) if pipeline.features.lookback_days else again
            leaks = same(full, whole)
            chance = same(whole, rebuilding.rows(at, bounded=False)) if leaks else []
            for leak in explain(differences, leaks, same(whole, again), chance):
                about = leak.difference.about
                found[about] = leak.together_with(found.get(about))
        clean = [name for name in columns if name not in {feature for _, feature in found}]
        own = rebuilding.check_own_labels(at, again, features, origins, clean)
        own_labels, unchanged = own_labels + own.changed, unchanged + (0 if own.changed else own.rows)
        shared |= {name: ", ".join(".".join(each) for each in made_of) for name, made_of in own.shared.items()}
        for difference in own.leaks:
            found[difference.about] = Leak("own_label", difference)
    for name, made_of in shared.items():
        report_line(
            f"{pipeline.name}: {shown(name)} is made of {made_of}, as the label is; if that is not known when the row "
            "is asked, say so with label_known_after"
        )
    if found:
        worst_first = sorted(found.values(), key=lambda leak: STRONGEST_FIRST.index(leak.cause))
        for leak in worst_first:
            report_line(leak_sentence(pipeline, leak))
        raise FeatureLeak(leaks_sentence(pipeline, worst_first))
    report = LeakageReport([at.isoformat() for at in chosen], rows, len(columns), own_labels, unchanged)
    report_line(f"{pipeline.name}: {report}")
    return report


def choose_cut_offs(times: np.ndarray, count: int, seed: int | str) -> list[datetime]:
    """Draw cut-offs from prediction times: one of the newest week, the others from equal parts of those before.

    The last day is left out where there is another: little or nothing that could leak is known after it.

    Parameters
    ----------
    times : of shape (n_times,)
        Distinct times in order, as datetime64[us] in UTC.

    Returns
    -------
    list of datetime
        In order; fewer than `count` where there are fewer times.
    """
    import numpy as np

    if len(times) == 0 or count < 1:
        return []
    draw = np.random.default_rng(list(str(seed).encode()))
    earlier = times[times <= times[-1] - np.timedelta64(1, "D")]
    times = earlier if len(earlier) else times
    newest = times[times > times[-1] - np.timedelta64(7, "D")]
    chosen = [draw.choice(newest)]
    others = times[times < newest[0]]
    if len(others) < count - 1:  # a short table: the newest week gives more than one
        others = times[times != chosen[0]]
    parts = min(count - 1, len(others))
    chosen += [draw.choice(part) for part in np.array_split(others, parts)] if parts else []
    return np.sort(np.array(chosen, dtype="datetime64[us]")).tolist()


class _Rebuilding:
    """Builds rows of a feature table again, from less than was read for the table."""

    def __init__(self, pipeline: Pipeline, table: FeatureTable, snapshot: dict[str, int], as_of: date) -> None:
        self.pipeline, self.as_of = pipeline, as_of
        self.tables = pinned_tables(pipeline, snapshot)
        # older rows may lie in the table, and are none of it
        self.first_day = date.fromisoformat(table.first_day) if table.first_day else date.min
        self.window_start = midnight(self.first_day)
        self.history_start = as_of - timedelta(days=pipeline.history_days - 1)

    def after(self, at: datetime) -> datetime:
        """Return the first moment of the rows that a cut-off stands for."""
        return max(at - ONE_DAY + ONE_MOMENT, self.window_start)

    def check_own_labels(
        self, at: datetime, rows: pa.Table, features: Dataset, origins: dict[str, list[str]], columns: list[str]
    ) -> OwnLabels:
        """Change the labels that rows of a cut-off have already, and return which of some features moved.

        Parameters
        ----------
        rows
            What `rows` returns for the cut-off.
        """
        declared = self.pipeline.features
        found_by = [*declared.key, *(key for source in self.pipeline.sources.values() for key in source.key)]
        named = [name for name in [PREDICTION_TIME, *found_by, declared.label] if name in rows.column_names]
        labelled = _read(features, named, self.window_start, at)
        changed, changed_later = partial(self._changed, at), partial(self._changed_later, at)
        return OwnLabelCheck(self.pipeline, origins, changed, changed_later, rows, labelled, columns).run()

    def _changed(self, at: datetime, perturbation: Perturbation | None) -> pa.Table:
        return self.rows(at, perturbation=perturbation)

    def _changed_later(self, at: datetime, perturbation: Perturbation) -> pa.Table:
        """Return the rows of a cut-off with a perturbation, from what is known by now."""
        since, lookback = self.history_start, self.pipeline.features.lookback_days
        if lookback:
            since = max(since, self.first_day - timedelta(days=lookback))
        return run_features_query(
            self.pipeline,
            raw_datasets(self.pipeline, self.tables, since),
            as_of=self.as_of,
            raw_since=since,
            rows_from=self.after(at),
            rows_until=at,
            perturbation=perturbation,
        )

    def rows(self, at: datetime, *, bounded: bool = True, perturbation: Perturbation | None = None) -> pa.Table:
        """Return the rows of a cut-off from what was known then.

        The partitions are those that building all rows reads, or, where `bounded`, those that these rows may read.
        """
        since, lookback = self.history_start, self.pipeline.features.lookback_days
        if lookback:
            first = self.after(at).date() if bounded else self.first_day
            since = max(since, first - timedelta(days=lookback))
        try:
            return run_features_query(
                self.pipeline,
                raw_datasets(self.pipeline, self.tables, since),
                known_before=at + ONE_MOMENT,
                as_of=self.as_of,
                raw_since=since,
                rows_from=self.after(at),
                rows_until=at,
                perturbation=perturbation,
            )
        except FeatureQueryFailed as error:
            raise FeatureQueryFailed(
                f"{error}; the query was run on what was known at {at} UTC alone, as it is when a row is predicted"
            ) from error


def _times(features: Dataset, start: datetime) -> np.ndarray:
    """Return the distinct prediction times from a moment on, in order, of shape (n_times,)."""
    import numpy as np
    import pyarrow.compute as pc

    times = features.to_table(columns=[PREDICTION_TIME], filter=pc.field(PREDICTION_TIME) >= start)
    return np.sort(times[PREDICTION_TIME].unique().to_numpy().astype("datetime64[us]"))


def _read(features: Dataset, columns: list[str], after: datetime, until: datetime) -> pa.Table:
    """Return the table's rows with a prediction time between two moments, both inclusive."""
    import pyarrow.compute as pc

    asked = pc.field(PREDICTION_TIME)
    return features.to_table(columns=list(dict.fromkeys(columns)), filter=(asked >= after) & (asked <= until))


def _outcome(differences: list[ColumnDifference]) -> str:
    names = [shown(each.feature) if each.feature else "the rows" for each in differences]
    return f"{', '.join(names)} differ" if names else "the same"
