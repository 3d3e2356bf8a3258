"""Finds features that know their row's own label: the label is changed where it comes from, and no feature may move.

A row's label may stand in the raw tables when the question is asked, as where one table already has its outcomes.
Leaving out what became known later then leaves it there.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.core.errors import FeatureQueryFailed
from include.features.compare import compare, moved_at
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

#: Builds that tell a row's own label from labels of earlier rows, which are history.
MOMENTS = 3
#: About as many rows as labels are taken from.
LABELLED_ROWS = 100_000
#: Builds that tell which of the label's columns moves a feature.
COLUMNS = 6


@dataclass
class OwnLabels:
    """What was seen when the labels of rows were changed.

    Attributes
    ----------
    rows
        Rows whose labels were known at the cut-off.
    changed
        Those whose labels could be changed.
    leaks
        Features that moved with the label of their own row, or of a row asked at the same moment.
    shared
        Features that moved with a part of what the label is computed from, with those columns: with some of its
        columns and not with others, or with what was known when a part became known later. They may be what is
        asked about (the amount that is due) as well as what is answered (the amount that was paid).
    """

    rows: int = 0
    changed: int = 0
    leaks: list[ColumnDifference] = field(default_factory=list)
    shared: dict[str, list[Column]] = field(default_factory=dict)


def label_columns(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return the columns that the label is computed from, by the table that the query reads.

    Those that name a row, or say when it was, are left out.
    """
    lineage = column_lineage(pipeline)
    label = lineage.of(pipeline.features.label)
    asked = {origin for name in [*pipeline.features.key, PREDICTION_TIME] for origin in lineage.of(name).origins}
    origins = set(label.values) or set(label.origins)
    if label.sources is None:
        behind = columns_behind(pipeline, pipeline.features.label)
        origins = {(name, column.lower()) for name, columns in behind.items() for column in columns}
    found: dict[str, list[str]] = {}
    for name, table in query_tables(pipeline).items():
        source = pipeline.sources[table.source]
        rest = {*source.key, source.available_at.column, source.day, *table.hidden}
        columns = [each for each in source.columns if each not in rest]
        chosen = [each for each in columns if (name, each.lower()) in origins - asked]
        if chosen:
            found[name] = chosen
    return found


class OwnLabelCheck:
    """Changes labels of the rows of one cut-off and compares.

    Parameters
    ----------
    rebuild
        Builds the rows of the cut-off again with a perturbation, or, given None, without one.
    rebuild_later
        Builds the same rows with a perturbation, of all that is known by now.
    rows
        What it builds without one.
    labelled
        Rows of the feature table up to the cut-off, with the labels that are known by now and what the raw rows may
        be found by.
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
        # rows of all times, to take values from
        self.labelled = labelled.take([*range(0, labelled.num_rows, labelled.num_rows // LABELLED_ROWS + 1)])
        self.key, self.label = pipeline.features.key, pipeline.features.label

    def run(self) -> OwnLabels:
        """Change the labels of all rows that have one, and then those of single moments where a feature moved.

        Where the query gives the rows no label yet, the raw tables may have it all the same.
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
            # the query has run on the values as they are
            log.warning("%s: the labels could not be changed: %s", self.pipeline.name, error)
            return OwnLabels(targets.num_rows)
        return result

    def _change_labels(self, targets: pa.Table, result: OwnLabels, known_by: datetime | None = None) -> None:
        for by_key in (True, False):
            every = Perturbation(
                self.pipeline, self.origins, targets, self.labelled, by_key, copies=None, known_by=known_by
            )
            built = self.rebuild(every)
            moments = self._label_moved(every, built) if every.changed else {}
            if moments:
                break
        else:
            return
        result.changed = sum(moments.values())
        leaks, result.shared = self._leaks(every, built, moments)
        if len(every.changed) > 1:
            result.shared |= self._shared(every, leaks)
        result.leaks = [found for name, (_, found) in leaks.items() if name not in result.shared]

    def _change_copies(self, result: OwnLabels) -> None:
        """Where the label is not known yet, change columns that are known and say the same, if there are any.

        Who declares that a label becomes known later may have forgotten another column that was written with it.
        """
        every = Perturbation(self.pipeline, {}, self.rows, self.labelled)
        built = self.rebuild(every)
        if every.changed:
            moments = dict(Counter(self.rows[PREDICTION_TIME].to_pylist()))
            result.leaks = [found for _, found in self._leaks(every, built, moments)[0].values()]

    def _leaks(
        self, every: Perturbation, built: pa.Table, moments: dict[datetime, int]
    ) -> tuple[dict[str, tuple[datetime, ColumnDifference]], dict[str, list[Column]]]:
        """Return the features that move with labels of their own moment alone, each with one such moment.

        A feature may know the labels of earlier rows, and a label may lie in a later row. So the labels of single
        moments are changed. Returned beside them are features of moments whose label says also what became known
        later, such as how much more it is than the last one.
        """
        moved = [each.feature for each in self._moved(built, moments, self.columns)]
        if not moved:
            return {}, {}
        moved_when = moved_at(self.rows, built, self.key, moved)
        leaks: dict[str, tuple[datetime, ColumnDifference]] = {}
        shared: dict[str, list[Column]] = {}
        tried: set[datetime] = set()
        every_at_once = len(every.targets[PREDICTION_TIME].unique()) == 1
        for attempt in range(MOMENTS):
            open_still = [name for name in moved if name not in leaks]
            where: Counter[datetime] = Counter()
            for name in open_still[:MOMENTS]:
                where.update(at for at in moved_when[name] if at in moments and at not in tried)
            if not where:
                break
            # a tie, where a row sees another of the same moment, shows only where several are asked at once
            at = min(where) if attempt == 0 else max(where, key=lambda each: (moments[each], where[each], each))
            tried.add(at)
            alone = self._alone(every, at)
            again = built if every_at_once else self.rebuild(alone)
            found = {each.feature: (at, each) for each in self._moved(again, [at], open_still)}
            if not found or (every.columns and at not in self._label_moved(alone, again)):
                continue
            if every.columns and self._is_known_in_part(alone, at):
                shared |= dict.fromkeys(found, every.changed)
            else:
                leaks |= found
        if leaks:
            chance = {each.feature for each in compare(self.rows, self.rebuild(None), self.key, list(leaks))}
            leaks = {name: found for name, found in leaks.items() if name not in chance}
        return leaks, {name: columns for name, columns in shared.items() if name not in leaks}

    def _is_known_in_part(self, alone: Perturbation, at: datetime) -> bool:
        """Return whether the labels of a moment are also made of what other rows say that became known later."""
        forgetting = replace(alone, forget_after=at, copies=set(), changed=[])
        return at in self._label_moved(forgetting, self.rebuild(forgetting))

    def _shared(
        self, every: Perturbation, leaks: dict[str, tuple[datetime, ColumnDifference]]
    ) -> dict[str, list[Column]]:
        """Return the features that do not move with every column that moves the label, with those that they move with.

        One that moves with a copy of the label knows the label.
        """
        copies = every.copies or set()
        moves: dict[str, list[Column]] = {name: [] for name in leaks}
        rests: set[str] = set()
        for at in sorted({at for at, _ in leaks.values()}):
            names = [name for name, (moment, _) in leaks.items() if moment == at]
            for column in every.changed[:COLUMNS]:
                alone = self._alone(every, at, column)
                built = self.rebuild(alone)
                moved = {each.feature for each in self._moved(built, [at], names)}
                for name in moved:
                    moves[name].append(column)
                if column not in copies and at in self._label_moved(alone, built):
                    rests |= {*names} - moved
        return {name: moves[name] for name in rests if not copies.intersection(moves[name])}

    def _alone(self, every: Perturbation, at: datetime, only: Column | None = None) -> Perturbation:
        """Return the perturbation of the rows of one moment, or of one column of theirs."""
        return replace(every, targets=_at(every.targets, [at]), only=only, changed=[])

    def _label_moved(self, perturbation: Perturbation, built: pa.Table) -> dict[datetime, int]:
        """Return the moments at which labels differ, each with how many.

        A label that is known later is looked for in the rows of all that is known by now.
        """
        rows = self.rows
        if perturbation.known_by:
            rows, built = self.rows_later, self.rebuild_later(replace(perturbation, changed=[]))
        return moved_at(rows, built, self.key, [self.label])[self.label]

    def _moved(self, built: pa.Table, moments: Iterable[datetime], names: Collection[str]) -> list[ColumnDifference]:
        """Return what differs at some moments; which rows there are may follow from a label."""
        asked = list(moments)
        found = compare(_at(self.rows, asked), _at(built, asked), self.key, names)
        return [each for each in found if each.kind == "value"]


def _at(rows: pa.Table, moments: list[datetime]) -> pa.Table:
    """Return the rows asked at some moments."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = rows[PREDICTION_TIME]
    return rows.filter(pc.is_in(times, pa.array(moments, times.type)))
