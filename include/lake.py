"""The Delta Lake tables: the only module that imports deltalake."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include import settings
from include.errors import LakeError, PublishConflict, SchemaMismatch

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset

#: Every version stays readable, however many come: a run can be repeated on the tables that it read.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}


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


def raw_uri(pipeline: str, source: str) -> str:
    """Return the address of a source's raw table."""
    return f"{settings.lake_uri()}/{pipeline}/raw/{source}"


def features_uri(pipeline: str) -> str:
    """Return the address of a pipeline's feature table."""
    return f"{settings.lake_uri()}/{pipeline}/features"


def latest_version(uri: str) -> int | None:
    """Return the newest version of a table, or None where there is no table yet."""
    table = _open(uri)
    return None if table is None else table.version()


def partitions(uri: str) -> dict[str, Partition]:
    """Return the published days of a raw table, by day, from its metadata alone.

    A day that several batches had a part in has the batch None.
    """
    import pyarrow as pa

    table = _open(uri)
    if table is None:
        return {}
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    found: dict[str, Partition] = {}
    for action in actions:
        ds, batch = action["partition.ds"], action.get("min.batch")
        if batch != action.get("max.batch"):
            batch = None
        before = found.get(ds)
        if before is not None:
            batch = batch if before.batch == batch else None
        rows = action["num_records"] + (before.rows if before else 0)
        found[ds] = Partition(ds, batch, rows)
    return dict(sorted(found.items()))


def replace_partitions(uri: str, rows: pa.Table, start: str, end: str, batch: str) -> TableVersion:
    """Replace the days from `start` to `end` by `rows`, in one commit.

    Parameters
    ----------
    rows
        Table with the column `ds` (ISO day, from `start` to `end`) and the column `batch`.
    start, end
        First and last day that are replaced, both inclusive.
    batch
        Digest of the batch. Where exactly this batch is what the days hold already, nothing is written.

    Raises
    ------
    PublishConflict
        If another run wrote to the same days at the same time; nothing of `rows` is then visible.
    """
    from deltalake import CommitProperties, DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    there = {ds: (part.batch, part.rows) for ds, part in partitions(uri).items() if start <= ds <= end}
    wanted = {each["values"]: (batch, each["counts"]) for each in rows["ds"].value_counts().to_pylist()}
    if wanted and there == wanted:
        return TableVersion(uri, _version(uri), rows.num_rows, changed=False)
    try:
        # created empty, so that even of two first writers one meets the other's commit and is refused
        DeltaTable.create(uri, schema=rows.schema, partition_by=["ds"], mode="ignore", configuration=PROPERTIES)
        _check_schema(uri, rows.schema)
        write_deltalake(
            uri,
            rows,
            mode="overwrite",
            predicate=f"ds >= '{start}' AND ds <= '{end}'",
            partition_by=["ds"],
            schema_mode="merge",
            commit_properties=CommitProperties(custom_metadata={"nightshift.batch": batch}),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run changed the days {start} to {end} at the same time, and its change stands; "
            "nothing of this batch was published; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the days {start} to {end} could not be written ({_first_line(error)}); the table is as "
            "it was before; check the lake's permissions and free space, then run this task again"
        ) from error
    return TableVersion(uri, _version(uri), rows.num_rows, changed=True)


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
    """Return a table at one version as an Arrow dataset, which is read lazily."""
    return _existing(uri, version).to_pyarrow_dataset()


def read_table(uri: str, version: int) -> pa.Table:
    """Read a whole table at one version."""
    return dataset(uri, version).to_table()


def _check_schema(uri: str, schema: pa.Schema) -> None:
    """Refuse rows that lack a column of the table, or have one in another type; new columns may come."""
    import pyarrow as pa

    published = pa.schema(_existing(uri).schema().to_arrow())
    for field in published:
        at = schema.get_field_index(field.name)
        declared = "is not declared" if at < 0 else f"is declared as {schema.field(at).type}"
        if at < 0 or schema.field(at).type != field.type:
            raise SchemaMismatch(
                f"{uri}: the published column '{field.name}' ({field.type}) {declared} in pipeline.yaml now; "
                "nothing was published; declare it as before, or give the source a new name, which starts a "
                "new table"
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
    return str(error).splitlines()[0] if str(error) else type(error).__name__
