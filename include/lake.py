"""The Delta Lake tables: the only module that imports deltalake."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import LakeError, NightshiftError, PublishConflict, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset

log = logging.getLogger(__name__)

#: Every version stays readable, however many come: a run can be repeated on the tables that it read.
#: A checkpoint every so many commits keeps opening a table of years as quick as opening a young one.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "20"}


@dataclass(frozen=True)
class Partition:
    """One published day of a raw table: its day, the batch it came from, and its rows."""

    ds: str
    batch: str | None
    rows: int


@dataclass(frozen=True)
class TableVersion:
    """A table as it was at one version; what steps hand each other instead of data."""

    uri: str
    version: int
    rows: int
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Vacuumed:
    """How many files were removed and of what size, and the versions that stay readable, from the first on."""

    files: int
    size_bytes: int
    first_version: int
    last_version: int


@dataclass(frozen=True)
class Slices:
    """What is published at once: days, each as a whole, of one batch.

    Attributes
    ----------
    column
        Column of the table by which a day is replaced: `ds`, or `delivered`.
    days
        ISO days, in order and without a gap; a day without rows is published as empty.
    batch
        Digest of the rows.
    moment
        When they were read or last decided about, in microseconds since 1970; the later stands.
    rows
        Number of rows by day.
    """

    column: str
    days: list[str]
    batch: str
    moment: int
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """The number of all rows."""
        return sum(self.rows.values())


def raw_uri(pipeline: str, source: str) -> str:
    """Return the address of a source's raw table."""
    return f"{settings.lake_uri()}/{pipeline}/raw/{source}"


def quarantine_uri(pipeline: str, source: str) -> str:
    """Return the address of the table with a source's rows that are not fit to be published."""
    return f"{settings.lake_uri()}/{pipeline}/quarantine/{source}"


def features_uri(pipeline: str) -> str:
    """Return the address of a pipeline's feature table."""
    return f"{settings.lake_uri()}/{pipeline}/features"


def latest_version(uri: str) -> int | None:
    """Return the newest version of a table, or None where there is no table yet."""
    table = _open(uri)
    return None if table is None else table.version()


def partitions(uri: str, column: str = "ds", days: Collection[str] | None = None) -> dict[str, Partition]:
    """Return the days of a raw table that have rows, by day, from its metadata alone.

    Parameters
    ----------
    column
        What a day is told by: `ds`, a row's own day, or `delivered`, the day on which it came.
    days
        The days that are asked for; None means all.

    A day that several batches had a part in has the batch None. Of a file with rows that came on several days,
    the columns `batch` and `column` are read, since its statistics do not tell them apart.
    """
    table = _open(uri)
    return {} if table is None else _partitions(table, column, days)


def published_at(uri: str, days: Iterable[str]) -> dict[str, int]:
    """Return, of those days that were published, the moment of the publication that stands.

    It is read from the table's application transactions, so a day without rows is known as well.

    Returns
    -------
    dict of str to int
        By ISO day, microseconds since 1970, as `publish_days` was given them.
    """
    table = _open(uri)
    if table is None:
        return {}
    found = {ds: table.transaction_version(_transaction(ds)) for ds in days}
    return {ds: moment for ds, moment in found.items() if moment is not None}


def publish_days(
    uri: str, parts: Iterable[pa.Table], schema: pa.Schema, slices: Slices, retired: Iterable[str] = ()
) -> TableVersion:
    """Replace some days of a raw table by what a batch has for them, in one commit.

    The commit carries an application transaction for each day, whose version is the moment of the batch.
    A batch that was published before changes nothing, and neither does one that is older than what was
    published of a day since.

    Parameters
    ----------
    parts
        Tables with `schema`, one after another; they are not asked for where nothing is to be written.
    schema
        Has the columns `batch` and `ds`, and the column by which days are replaced.
    retired
        Published columns that may be absent from the schema; they are null in the new rows.

    Raises
    ------
    PublishConflict
        If another run wrote to the same days at the same time; nothing of the batch is then visible.
    LakeError, SchemaMismatch
        With the table as it was.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    failures: list[NightshiftError] = []
    try:
        table = _open(uri)
        if table is None:
            # created empty, so that even of two first writers one meets the other's commit and is refused
            DeltaTable.create(uri, schema=schema, partition_by=["ds"], mode="ignore", configuration=PROPERTIES)
            table = _existing(uri)
        # what is checked below is checked again, against the version that was opened, at the commit
        _check_schema(uri, table, schema, set(retired))
        days = _older_than(uri, table, slices)
        if not days or _holds(table, slices, days):
            return TableVersion(uri, table.version(), slices.total, changed=False)
        kept = (_only(part, slices.column, days, slices.days) for part in parts)
        write_deltalake(
            table,
            _as_reader(kept, schema, failures),
            mode="overwrite",
            predicate=_predicate(slices.column, days),
            schema_mode="merge",
            commit_properties=CommitProperties(
                custom_metadata={"nightshift.batch": slices.batch},
                app_transactions=[Transaction(_transaction(ds), slices.moment) for ds in days],
            ),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run changed the days {slices.days[0]} to {slices.days[-1]} at the same time, and its "
            "change stands; nothing of this batch was published; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        if failures:  # the batch could not be read, which says more than that it could not be written
            raise failures[0] from error
        raise LakeError(
            f"{uri}: the days {slices.days[0]} to {slices.days[-1]} could not be written ({_first_line(error)}); the "
            "table is as it was before; check the lake's permissions and free space, then run this task again"
        ) from error
    return TableVersion(uri, table.version(), slices.total, changed=True)


def replace_days(uri: str, rows: pa.Table, column: str, days: list[str], version: int | None) -> None:
    """Replace some days of a table that is partitioned by `column`, in one commit.

    Parameters
    ----------
    version
        The version that the rows were made from, None where there was no table; what another run changed of
        these days since is not overwritten.

    Raises
    ------
    PublishConflict, LakeError
        With the table as it was.
    """
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        DeltaTable.create(uri, schema=rows.schema, partition_by=[column], mode="ignore", configuration=PROPERTIES)
        table = _existing(uri, version or 0)
        write_deltalake(table, rows.combine_chunks(), mode="overwrite", predicate=_predicate(column, days))
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run changed the same days at the same time, and its change stands; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the days {days[0]} to {days[-1]} could not be written ({_first_line(error)}); the table is as "
            "it was before; check the lake's permissions and free space, then run this task again"
        ) from error


def read_days(uri: str, column: str, days: list[str] | None = None) -> pa.Table | None:
    """Read the rows of some days (None: of all), or return None where there is no table yet."""
    import pyarrow.dataset as ds

    table = _open(uri)
    if table is None:
        return None
    condition = None if days is None else (ds.field(column) >= days[0]) & (ds.field(column) <= days[-1])
    return table.to_pyarrow_dataset().to_table(filter=condition)


def write_table(uri: str, rows: pa.Table, build: str) -> TableVersion:
    """Write a whole table as its next version, or return the version that this build already made.

    Parameters
    ----------
    build
        Digest of everything that the rows are made from.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    try:
        write_deltalake(
            uri,
            rows.combine_chunks(),  # several chunks are written side by side, in any order
            mode="overwrite",
            schema_mode="overwrite",
            configuration=PROPERTIES,
            commit_properties=CommitProperties(custom_metadata={"nightshift.build": build}),
        )
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the table could not be written ({_first_line(error)}); its last version stands; "
            "check the lake's permissions and free space, then run this task again"
        ) from error
    found = find_build(uri, build)
    if found is None:
        raise LakeError(f"{uri}: the version just written is not in the table's history; run this task again")
    return TableVersion(uri, found, rows.num_rows, changed=True)


def find_build(uri: str, build: str, commits: int = 50) -> int | None:
    """Return the version that a build made, if it is among the newest commits of the table."""
    table = _open(uri)
    if table is None:
        return None
    for commit in table.history(commits):
        if commit.get("nightshift.build") == build:
            return int(commit["version"])
    return None


def dataset(uri: str, version: int) -> Dataset:
    """Return a table at one version as an Arrow dataset, which is read lazily.

    Raises
    ------
    LakeError
        If there is no such version, or its files were removed since; no retry can mend the latter.
    """
    found = _existing(uri, version).to_pyarrow_dataset()
    if version != _version(uri):
        _check_files(found, uri, version)
    return found


def read_table(uri: str, version: int) -> pa.Table:
    """Read a whole table at one version."""
    return dataset(uri, version).to_table()


def count_files(uri: str) -> int:
    """Return how many files the newest version of a table consists of."""
    return len(_existing(uri).file_uris())


def compact(uri: str, late_days: int) -> bool:
    """Merge the files of each day that has several, in one commit; the rows stay the same.

    Days within `late_days` of the newest are left for later, since rows of them may still come: so each day is
    merged once, and a publication of the night's days never meets it. A table without partitions by day stays
    as it is.

    Returns
    -------
    bool
        Whether anything was merged; where another run changed the same days at the same time, nothing is.

    Raises
    ------
    LakeError
        With the table as it was.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    table = _existing(uri)
    column = next(iter(table.metadata().partition_columns), None)
    days = _settled_days(table, column, late_days) if column else []
    if not days:
        return False
    try:
        merged = table.optimize.compact(partition_filters=[(column, "in", days)])
    except CommitFailedError:
        log.warning("%s: another run changed the same days at the same time, so they are merged next time", uri)
        return False
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the files of {len(days)} days could not be merged ({_first_line(error)}); the table is as it was "
            "before; check the lake's permissions and free space, then run this task again"
        ) from error
    return bool(merged["numFilesRemoved"])


def vacuum(uri: str, keep_days: int) -> Vacuumed:
    """Remove the files that no version of the last `keep_days` days needs, and those that no version ever had.

    Every version that was the newest at some time in these days stays readable. They are given to delta-rs by
    their numbers: its own rule, by the time of a file's removal, loses sight of removals that a checkpoint
    leaves out, after a week.

    Raises
    ------
    LakeError
        With every version of these days as it was.
    """
    from deltalake.exceptions import DeltaError

    table = _existing(uri)
    kept = _versions_of_last(table, keep_days)
    try:
        removed = table.vacuum(retention_hours=24 * keep_days, dry_run=False, full=True, keep_versions=kept)
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the files of old versions could not be removed ({_first_line(error)}); every version of the last "
            f"{keep_days} days is as it was; check the lake's permissions, then run this task again"
        ) from error
    return Vacuumed(len(removed), _size_of_removed(uri) if removed else 0, min(kept), max(kept))


def checkpoint(uri: str) -> None:
    """Write the state of a table's newest version down, so that opening it reads one file instead of many commits.

    Raises
    ------
    LakeError
        With the table as it was.
    """
    from deltalake.exceptions import DeltaError

    try:
        _existing(uri).create_checkpoint()
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the checkpoint could not be written ({_first_line(error)}); the table is as it was before; check "
            "the lake's permissions and free space, then run this task again"
        ) from error


def _partitions(table: DeltaTable, column: str, days: Collection[str] | None = None) -> dict[str, Partition]:
    found: dict[str, Partition] = {}
    for ds, batch, rows in _pieces(table, column, days):
        before = found.get(ds)
        if before is not None:
            found[ds] = Partition(ds, batch if before.batch == batch else None, before.rows + rows)
        else:
            found[ds] = Partition(ds, batch, rows)
    return dict(sorted(found.items()))


def _pieces(table: DeltaTable, column: str, days: Collection[str] | None) -> Iterator[tuple[str, str | None, int]]:
    """Yield day, batch and number of rows of each part of a raw table, from its metadata where that tells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    actions = pa.table(table.get_add_actions(flatten=True))
    low, high = ("partition.ds", "partition.ds") if column == "ds" else (f"min.{column}", f"max.{column}")
    names = dict.fromkeys(["path", "num_records", "min.batch", "max.batch", low, high])
    actions = actions.select([name for name in names if name in actions.column_names])
    if days is not None and low in actions.column_names:
        # a table of years has thousands of files, and a night asks for few days
        before, after = (pc.less(actions[high], min(days, default="")), pc.greater(actions[low], max(days, default="")))
        actions = actions.filter(pc.invert(pc.fill_null(pc.or_(before, after), False)))
    mixed = []
    for action in actions.to_pylist():
        batch = action.get("min.batch") if action.get("min.batch") == action.get("max.batch") else None
        ds = action.get(low)
        if ds != action.get(high):
            mixed.append(action["path"])
        elif ds is not None and (days is None or ds in days):
            yield ds, batch, action["num_records"]
    if mixed:
        rows = _some_files(table, set(mixed)).to_table(columns=[column, "batch"])
        counted = rows.group_by([column, "batch"]).aggregate([([], "count_all")])
        for each in counted.to_pylist():
            if days is None or each[column] in days:
                yield each[column], each["batch"], each["count_all"]


def _some_files(table: DeltaTable, paths: set[str]) -> Dataset:
    """Return some of a table's files as an Arrow dataset."""
    from pyarrow.dataset import FileSystemDataset

    whole = table.to_pyarrow_dataset()
    fragments = [fragment for fragment in whole.get_fragments() if fragment.path in paths]
    return FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)


def _settled_days(table: DeltaTable, column: str, late_days: int) -> list[str]:
    """Return the days of several files of which no more rows are expected."""
    from collections import Counter
    from datetime import date, timedelta

    import pyarrow as pa

    files = Counter(pa.table(table.get_add_actions(flatten=True))[f"partition.{column}"].to_pylist())
    if not files:
        return []
    newest = date.fromisoformat(max(files))
    last = (newest - timedelta(days=late_days)).isoformat()
    return sorted(ds for ds, count in files.items() if count > 1 and ds < last)


def _versions_of_last(table: DeltaTable, keep_days: int) -> list[int]:
    """Return the versions that were a table's newest at some time in the last days, the newest first."""
    from datetime import UTC, datetime, timedelta

    since = (datetime.now(UTC) - timedelta(days=keep_days)).timestamp() * 1000
    limit = 100
    commits = table.history(limit)
    while len(commits) == limit and commits[-1]["timestamp"] >= since:
        limit *= 4
        commits = table.history(limit)
    first = next((commit["version"] for commit in commits if commit["timestamp"] < since), 0)
    return [commit["version"] for commit in commits if commit["version"] >= first]


def _size_of_removed(uri: str) -> int:
    """Return the bytes that the last vacuum of a table removed."""
    for commit in _existing(uri).history(50):
        if commit["operation"] == "VACUUM START":
            return int(commit["operationMetrics"]["sizeOfDataToDelete"])
    return 0


def _check_files(found: Dataset, uri: str, version: int) -> None:
    """Refuse a version of which files were removed."""
    from pyarrow.fs import FileType

    if any(each.type == FileType.NotFound for each in found.filesystem.get_file_info(found.files)):
        gone = LakeError(
            f"{uri}: version {version} is older than the keep_days of pipeline.yaml, and its files are gone, so what "
            "was made from it cannot be made again; start a new run, which reads the newest version"
        )
        gone.retryable = False
        raise gone


def _transaction(ds: str) -> str:
    """Return the name under which a raw table keeps the moment of a day's publication."""
    return f"day={ds}"


def _older_than(uri: str, table: DeltaTable, slices: Slices) -> list[str]:
    """Return the days of which nothing as new as the batch was published."""
    moments = {ds: table.transaction_version(_transaction(ds)) for ds in slices.days}
    newer = [ds for ds, moment in moments.items() if moment is not None and moment > slices.moment]
    if newer:
        log.warning(
            "%s: of %s day%s, from %s to %s, something newer than this batch is published and stands",
            *(uri, len(newer), "s"[: len(newer) > 1], newer[0], newer[-1]),
        )
    return [ds for ds, moment in moments.items() if moment is None or moment < slices.moment]


def _holds(table: DeltaTable, slices: Slices, days: list[str]) -> bool:
    """Return whether these days hold exactly this batch already."""
    if not any(slices.rows.get(ds) for ds in days):
        return False
    there = {ds: (part.batch, part.rows) for ds, part in _partitions(table, slices.column, set(days)).items()}
    return there == {ds: (slices.batch, slices.rows[ds]) for ds in days if slices.rows.get(ds)}


def _predicate(column: str, days: list[str]) -> str:
    """Return the condition that selects days; runs without a gap are ranges, since thousands of names are slow."""
    from datetime import date, timedelta

    runs: list[list[str]] = []
    for ds in days:
        follows = runs and date.fromisoformat(runs[-1][1]) + timedelta(days=1) == date.fromisoformat(ds)
        if follows:
            runs[-1][1] = ds
        else:
            runs.append([ds, ds])
    return " OR ".join(f"({column} >= '{first}' AND {column} <= '{last}')" for first, last in runs)


def _only(part: pa.Table, column: str, days: list[str], all_days: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(days) == len(all_days):
        return part
    return part.filter(pc.is_in(part[column], pa.array(days)))


def _as_reader(parts: Iterable[pa.Table], schema: pa.Schema, failures: list[NightshiftError]) -> pa.RecordBatchReader:
    """Return a reader of all parts; a named error on the way is kept, since deltalake raises one of its own for it."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for part in parts:
                # one record batch a part: deltalake writes several side by side, in any order
                yield from part.select(schema.names).combine_chunks().to_batches()
        except NightshiftError as error:
            failures.append(error)
            raise

    return pa.RecordBatchReader.from_batches(schema, batches())


def _check_schema(uri: str, table: DeltaTable, schema: pa.Schema, retired: set[str]) -> None:
    """Refuse rows that lack a column of the table, or have one in another type; new columns may come."""
    import pyarrow as pa

    for field in pa.schema(table.schema().to_arrow()):
        at = schema.get_field_index(field.name)
        if at < 0 and field.name in retired:
            continue
        declared = "is not declared" if at < 0 else f"is declared as {schema.field(at).type}"
        if at < 0 or schema.field(at).type != field.type:
            raise SchemaMismatch(
                f"{uri}: the published column '{field.name}' ({field.type}) {declared} in pipeline.yaml "
                "now; nothing was published; declare it as before, name it in the source's contract.retired, or "
                "give the source a new name, which starts a new table"
            )


def _existing(uri: str, version: int | None = None) -> DeltaTable:
    table = _open(uri, version)
    if table is None:
        raise LakeError(f"{uri}: there is no such table; ingest its source first")
    return table


def _open(uri: str, version: int | None = None) -> DeltaTable | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError, ValueError) as error:
        at = "" if version is None else f" at version {version}"
        raise LakeError(f"{uri}: the table cannot be opened{at} ({_first_line(error)})") from error


def _version(uri: str) -> int:
    return _existing(uri).version()


def _first_line(error: Exception) -> str:
    """Return what an error says in one line; delta-rs may tell each cause on its own, behind a coloured arrow."""
    told = re.sub(r"\s*(\x1b\[\d+m)*↳(\x1b\[\d+m)*\s*", ": ", str(error)).strip()
    return told.splitlines()[0] if told else type(error).__name__
