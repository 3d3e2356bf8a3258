"""Checks features for leakage: builds some rows again from what was known at their prediction time, and compares."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from include import lake
from include.core.errors import FeatureLeak
from include.core.json_document import JsonDocument
from include.features.build import build_features
from include.features.compare import compare, shown
from include.features.cut_offs import choose_cut_offs
from include.features.leaks import STRONGEST_FIRST, Leak, explain, leak_sentence, leaks_sentence
from include.features.own_label import label_columns
from include.features.query import PREDICTION_TIME
from include.features.rebuild import Rebuilder
from include.features.snapshot import pin_day

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    import numpy as np
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.features.compare import ColumnDifference
    from include.features.feature_table import FeatureTable

log = logging.getLogger(__name__)

#: Cut-offs of a nightly check: few, since each may cost as much as a build. Every night draws others.
CUT_OFFS = 2


@dataclass(frozen=True)
class LeakageReport(JsonDocument):
    """What a leakage check compared without finding a leak.

    Attributes
    ----------
    cut_offs
        In ISO form.
    rows, features
        How many were compared.
    own_labels
        Rows whose own label was known at the cut-off and was changed, without changing a feature.
    unchanged_labels
        Rows whose own label was known but could not be changed, so that the check says nothing about them.
    """

    cut_offs: list[str]
    rows: int
    features: int
    own_labels: int = 0
    unchanged_labels: int = 0

    def __str__(self) -> str:
        if not self.cut_offs:
            return "no rows, so there is nothing to check"
        plural = "" if len(self.cut_offs) == 1 else "s"
        text = (
            f"{len(self.cut_offs)} cut-off{plural}, {self.rows:,} rows, {self.features} features: "
            "nothing from the future"
        )
        if self.own_labels:
            text += f", and no feature changed with the labels of {self.own_labels:,} rows"
        if self.unchanged_labels:
            text += (
                f"; {self.unchanged_labels:,} rows already have a label at their prediction time, but no change of raw "
                "values changed it, so it is unknown whether their features depend on it"
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
    """Build the features of the lake's newest snapshot unless they exist, and run `check_leakage` on them.

    Raises
    ------
    NotIngested
        If the lake does not hold every source up to `as_of`; None means the last day that all sources have.
    """
    day, snapshot = pin_day(pipeline, as_of, needed_by="the leakage check", instead="check")
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
    """Compare rows of a feature table with the same rows built from what was known at some cut-offs.

    At each cut-off the rows of the 24 hours up to it are compared. If they already have labels then, these are changed
    in the raw tables, and no feature may change with them. Columns that no model learns from are not compared: the
    label, which may become known later, and excluded columns.

    Parameters
    ----------
    table
        The feature table of `snapshot` and `as_of`, from `build_features`.
    cut_offs
        How many to draw with `seed`, see `choose_cut_offs`.
    report_line
        Called with a line for each cut-off, and then with one for each feature that differs, or with a last one.

    Raises
    ------
    FeatureLeak
        If a feature differs, or a row is missing on one side.
    FeatureQueryFailed
        If the query does not run on what was known at a cut-off.
    """
    check = _Check(pipeline, Rebuilder(pipeline, table, snapshot, as_of), lake.dataset(table.uri, table.version))
    chosen = choose_cut_offs(check.prediction_times(), cut_offs, seed)
    origins = label_columns(pipeline) if chosen else {}
    for at in chosen:
        report_line(check.compare_at(at, origins))
    for name, made_of in check.shared.items():
        report_line(
            f"{pipeline.name}: {shown(name)} is computed from {made_of}, and so is the label; if these become known "
            "after prediction_time, declare it with label_known_after"
        )
    if check.leaks:
        worst_first = sorted(check.leaks.values(), key=lambda leak: STRONGEST_FIRST.index(leak.cause))
        for leak in worst_first:
            report_line(leak_sentence(pipeline, leak))
        raise FeatureLeak(leaks_sentence(pipeline, worst_first))
    report = LeakageReport(
        cut_offs=[at.isoformat() for at in chosen],
        rows=check.rows,
        features=check.features,
        own_labels=check.own_labels,
        unchanged_labels=check.unchanged_labels,
    )
    report_line(f"{pipeline.name}: {report}")
    return report


@dataclass
class _Check:
    """Compares rows at one cut-off after another and adds up what it finds."""

    pipeline: Pipeline
    rebuilder: Rebuilder
    table: Dataset
    leaks: dict[tuple[str, str], Leak] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    features: int = 0
    own_labels: int = 0
    unchanged_labels: int = 0

    def prediction_times(self) -> np.ndarray:
        """Return the distinct prediction times of the window in order, of shape (n_times,)."""
        import numpy as np
        import pyarrow.compute as pc

        in_window = pc.field(PREDICTION_TIME) >= self.rebuilder.window_start
        times = self.table.to_table(columns=[PREDICTION_TIME], filter=in_window)
        return np.sort(times[PREDICTION_TIME].unique().to_numpy().astype("datetime64[us]"))

    def compare_at(self, at: datetime, origins: dict[str, list[str]]) -> str:
        """Compare the rows of a cut-off, then change their labels; return the line to report.

        Parameters
        ----------
        origins
            The raw columns that the label is computed from, see `label_columns`.
        """
        key = self.pipeline.features.key
        again = self.rebuilder.rows(at)
        names = [name for name in again.column_names if name not in self.pipeline.kept_out]
        full = self.rebuilder.stored_rows(self.table, at, [*key, PREDICTION_TIME, *names])
        differences = compare(full, again, key, names)
        if differences:
            self._add_leaks(at, names, differences, full, again)
        leaking = {feature for _, feature in self.leaks}
        own = self.rebuilder.check_own_labels(
            at, again, self.table, origins, [name for name in names if name not in leaking]
        )
        for difference in own.leaks:
            self.leaks[difference.about] = Leak("own_label", difference)
        self.shared |= {name: ", ".join(map(".".join, made_of)) for name, made_of in own.shared.items()}
        self.rows, self.features = self.rows + full.num_rows, len(names)
        self.own_labels += own.changed
        self.unchanged_labels += 0 if own.changed else own.rows
        return f"{at} UTC: {full.num_rows:,} rows of the 24 hours before: {_outcome(differences)}"

    def _add_leaks(
        self, at: datetime, names: list[str], differences: list[ColumnDifference], full: pa.Table, again: pa.Table
    ) -> None:
        """Find the cause of each difference and add it to the leaks."""
        same = partial(compare, key=self.pipeline.features.key, columns=names)
        # only rows built from all that was known, beyond the lookback too, tell a leak from a short lookback
        whole = self.rebuilder.rows(at, bounded=False) if self.pipeline.features.lookback_days else again
        leaks = same(full, whole)
        chance = same(whole, self.rebuilder.rows(at, bounded=False)) if leaks else []
        for leak in explain(differences, leaks, same(whole, again), chance):
            about = leak.difference.about
            self.leaks[about] = leak.merge(self.leaks.get(about))


def _outcome(differences: list[ColumnDifference]) -> str:
    names = [shown(each.feature) if each.feature else "the rows" for each in differences]
    return f"{', '.join(names)} differ" if names else "the same"
