"""Finds features that know their row's own label, by changing the label in the raw tables.

The raw tables may hold a row's label at its prediction time, such as when one table comes with its outcomes. Then
leaving out what became known later does not remove it, and only a change of the label reveals the leak.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.core.errors import FeatureQueryFailed
from include.features.compare import compare, differing_times
from include.features.lineage import column_lineage
from include.features.perturb import Perturbation
from include.features.query import PREDICTION_TIME, columns_behind
from include.features.query_tables import query_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    import pyarrow as pa

    from include.config.pipeline import Pipeline
    from include.features.compare import ColumnDifference
    from include.features.perturb import Column

log = logging.getLogger(__name__)

#: At most this many prediction times are perturbed alone, to tell a row's own label from the labels of earlier rows.
TIMES = 3
#: About this many rows supply labels to swap in.
LABELLED_ROWS = 100_000
#: At most this many of the label's columns are perturbed alone.
COLUMNS = 6


@dataclass
class OwnLabels:
    """The result of changing the labels of rows at one cut-off.

    Attributes
    ----------
    rows
        How many rows had a label at the cut-off.
    changed
        How many of these labels could be changed.
    leaks
        Features that changed with the label of their own row, or of a row with the same prediction time.
    shared
        Features that changed with only a part of what the label is computed from, each with these columns. The part
        may be some of the label's columns, or those that were known before the rest. Such a feature may be legitimate
        (the amount due) or a leak (the amount paid).
    """

    rows: int = 0
    changed: int = 0
    leaks: list[ColumnDifference] = field(default_factory=list)
    shared: dict[str, list[Column]] = field(default_factory=dict)


def label_columns(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return the raw columns that the label is computed from, by the table that the query reads.

    Keys and times are left out.
    """
    lineage = column_lineage(pipeline)
    label = lineage.of(pipeline.features.label)
    spine = {origin for name in [*pipeline.features.key, PREDICTION_TIME] for origin in lineage.of(name).origins}
    origins = set(label.values) or set(label.origins)
    if label.sources is None:
        behind = columns_behind(pipeline, pipeline.features.label)
        origins = {(name, column.lower()) for name, columns in behind.items() for column in columns}
    found: dict[str, list[str]] = {}
    for name, table in query_tables(pipeline).items():
        source = pipeline.sources[table.source]
        rest = {*source.key, source.available_at.column, source.day, *table.hidden}
        columns = [each for each in source.columns if each not in rest]
        chosen = [each for each in columns if (name, each.lower()) in origins - spine]
        if chosen:
            found[name] = chosen
    return found


class OwnLabelCheck:
    """Changes the labels of the rows of one cut-off and compares their features.

    Parameters
    ----------
    origins
        The raw columns that the label is computed from, see `label_columns`.
    rebuild
        Builds the rows of the cut-off again with a perturbation; without one if it is None.
    rebuild_later
        Builds the same rows with a perturbation, from all that is known now.
    rows
        The rows of the cut-off without a perturbation.
    labelled
        Rows of the feature table up to the cut-off, with their keys and the labels that are known now.
    columns
        The features to compare.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        origins: dict[str, list[str]],
        rebuild: Callable[[Perturbation | None], pa.Table],
        rebuild_later: Callable[[Perturbation], pa.Table],
        rows: pa.Table,
        labelled: pa.Table,
        columns: Collection[str],
    ) -> None:
        self.pipeline, self.origins = pipeline, origins
        self.rebuild, self.rebuild_later = rebuild, rebuild_later
        self.rows, self.columns = rows, columns
        self.rows_later = _at(labelled, rows[PREDICTION_TIME].unique().to_pylist())
        # rows of all times, as a supply of labels
        self.labelled = labelled.take([*range(0, labelled.num_rows, labelled.num_rows // LABELLED_ROWS + 1)])
        self.key, self.label = pipeline.features.key, pipeline.features.label

    def run(self) -> OwnLabels:
        """Change the labels of all rows that have one; if a feature changes, change those of single prediction times.

        Even if the query gives the rows no label yet, the raw tables may hold it.
        """
        import pyarrow.compute as pc

        targets = self.rows.filter(pc.is_valid(self.rows[self.label]))
        result = OwnLabels(targets.num_rows)
        try:
            if targets.num_rows:
                self._change_labels(targets, result)
            elif self.rows.num_rows:
                later = self.rows_later.filter(pc.is_valid(self.rows_later[self.label]))
                self._change_labels(later, result, pc.max(self.rows[PREDICTION_TIME]).as_py())
                if not result.leaks:
                    self._change_copies(result)
        except FeatureQueryFailed as error:
            # the query runs on unchanged values, so only the changed ones break it
            log.warning(
                "%s: own labels were not checked, since the query failed on changed labels: %s",
                self.pipeline.name,
                error,
            )
            return OwnLabels(targets.num_rows)
        return result

    def _change_labels(self, targets: pa.Table, result: OwnLabels, known_by: datetime | None = None) -> None:
        """Change the labels of some rows and add what is found to the result."""
        for by_key in (True, False):
            every = Perturbation(
                self.pipeline, self.origins, targets, self.labelled, by_key, copies=None, known_by=known_by
            )
            built = self.rebuild(every)
            times = self._changed_labels(every, built) if every.changed else {}
            if times:
                break
        else:
            return
        result.changed = sum(times.values())
        leaks, result.shared = self._find_leaks(every, built, times)
        if len(every.changed) > 1:
            result.shared |= self._find_shared(every, leaks)
        result.leaks = [found for name, (_, found) in leaks.items() if name not in result.shared]

    def _change_copies(self, result: OwnLabels) -> None:
        """Change columns that are known and equivalent to the label, while the label itself is not known yet.

        Whoever declares when a label becomes known may forget another column that is written with it.
        """
        every = Perturbation(self.pipeline, {}, self.rows, self.labelled)
        built = self.rebuild(every)
        if every.changed:
            times = dict(Counter(self.rows[PREDICTION_TIME].to_pylist()))
            result.leaks = [found for _, found in self._find_leaks(every, built, times)[0].values()]

    def _find_leaks(
        self, every: Perturbation, built: pa.Table, times: dict[datetime, int]
    ) -> tuple[dict[str, tuple[datetime, ColumnDifference]], dict[str, list[Column]]]:
        """Return the features that change with the labels of their own prediction time, each with one such time.

        A feature may know the labels of earlier rows, so the labels of single prediction times are changed alone. The
        second dictionary has the features at times whose label also depends on what became known later, such as an
        increase over the previous row.

        Parameters
        ----------
        times
            How many labels changed at each prediction time.
        """
        changed = [each.feature for each in self._differences(built, times, self.columns)]
        if not changed:
            return {}, {}
        changed_at = differing_times(self.rows, built, self.key, changed)
        leaks: dict[str, tuple[datetime, ColumnDifference]] = {}
        shared: dict[str, list[Column]] = {}
        tried: set[datetime] = set()
        every_at_once = len(every.targets[PREDICTION_TIME].unique()) == 1
        for attempt in range(TIMES):
            unexplained = [name for name in changed if name not in leaks]
            candidates: Counter[datetime] = Counter()
            for name in unexplained[:TIMES]:
                candidates.update(at for at in changed_at[name] if at in times and at not in tried)
            if not candidates:
                break
            # a row that sees another one of the same time shows only at a time with several rows
            busiest = max(candidates, key=lambda each: (times[each], candidates[each], each))
            at = min(candidates) if attempt == 0 else busiest
            tried.add(at)
            alone = self._alone(every, at)
            again = built if every_at_once else self.rebuild(alone)
            found = {each.feature: (at, each) for each in self._differences(again, [at], unexplained)}
            if not found or (every.columns and at not in self._changed_labels(alone, again)):
                continue
            if every.columns and self._is_partly_known(alone, at):
                shared |= dict.fromkeys(found, every.changed)
            else:
                leaks |= found
        if leaks:
            chance = {each.feature for each in compare(self.rows, self.rebuild(None), self.key, list(leaks))}
            leaks = {name: found for name, found in leaks.items() if name not in chance}
        return leaks, {name: columns for name, columns in shared.items() if name not in leaks}

    def _is_partly_known(self, alone: Perturbation, at: datetime) -> bool:
        """Return whether the labels of a prediction time also depend on other rows that became known later."""
        forgetting = replace(alone, forget_after=at, copies=set(), changed=[])
        return at in self._changed_labels(forgetting, self.rebuild(forgetting))

    def _find_shared(
        self, every: Perturbation, leaks: dict[str, tuple[datetime, ColumnDifference]]
    ) -> dict[str, list[Column]]:
        """Return the leaks that change with only some of the label's columns, each with these columns.

        A feature that changes with a copy of the label is a leak and not among them.
        """
        copies = every.copies or set()
        changes_with: dict[str, list[Column]] = {name: [] for name in leaks}
        stays: set[str] = set()
        for at in sorted({at for at, _ in leaks.values()}):
            names = [name for name, (time, _) in leaks.items() if time == at]
            for column in every.changed[:COLUMNS]:
                alone = self._alone(every, at, column)
                built = self.rebuild(alone)
                changed = {each.feature for each in self._differences(built, [at], names)}
                for name in changed:
                    changes_with[name].append(column)
                if column not in copies and at in self._changed_labels(alone, built):
                    stays |= {*names} - changed
        return {name: changes_with[name] for name in stays if not copies.intersection(changes_with[name])}

    def _alone(self, every: Perturbation, at: datetime, only: Column | None = None) -> Perturbation:
        """Return the perturbation of the rows of one prediction time, or of only one of their columns."""
        return replace(every, targets=_at(every.targets, [at]), only=only, changed=[])

    def _changed_labels(self, perturbation: Perturbation, built: pa.Table) -> dict[datetime, int]:
        """Return the prediction times at which labels changed, each with the number of labels.

        A label that becomes known later is compared in the rows built from all that is known now.
        """
        rows = self.rows
        if perturbation.known_by:
            rows, built = self.rows_later, self.rebuild_later(replace(perturbation, changed=[]))
        return differing_times(rows, built, self.key, [self.label])[self.label]

    def _differences(
        self, built: pa.Table, times: Iterable[datetime], names: Collection[str]
    ) -> list[ColumnDifference]:
        """Return the features that differ at some times; rows may be missing, since the spine may depend on a label."""
        at = list(times)
        found = compare(_at(self.rows, at), _at(built, at), self.key, names)
        return [each for each in found if each.kind == "value"]


def _at(rows: pa.Table, times: list[datetime]) -> pa.Table:
    """Return the rows with some prediction times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows[PREDICTION_TIME]
    return rows.filter(pc.is_in(column, pa.array(times, column.type)))
