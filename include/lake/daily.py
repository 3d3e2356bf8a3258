"""Daily result tables, such as predictions and monitoring results, whose every day one run writes.

`publish_day` replaces one day of such a table. Raw tables of sources are published by `include.lake.publication`,
which takes a batch of several days, and read by `include.lake.days`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from include.core.errors import LakeError, PublishConflict, SchemaMismatch
from include.core.sql_text import literal
from include.lake.days import transaction_of
from include.lake.tables import (
    PROPERTIES,
    TableVersion,
    dataset_of,
    existing_table,
    first_line,
    open_pinned,
    open_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from deltalake import DeltaTable

    from include.core.json_value import JsonValue

log = logging.getLogger(__name__)

#: The partition column: the day of the run that wrote the row.
DAY = "ds"


def publish_day(
    uri: str,
    ds: str,
    rows: pa.Table,
    build: str,
    about: Mapping[str, JsonValue],
    *,
    moment: int,
    varying: str | None = None,
) -> TableVersion:
    """Replace one day of a table with the rows of a run, in one commit.

    Publishing the same build again changes nothing. Neither does a run that was planned before the published one.

    Parameters
    ----------
    ds
        ISO day, which is added to the rows as the column `ds`.
    rows
        All rows of the day without the column `ds`; may be empty.
    build
        Hexadecimal digest of all inputs of the rows.
    about
        Further metadata of the commit, as JSON types.
    moment
        When the run was planned, in microseconds since 1970.
    varying
        Prefix of the columns that may come and go; they are null in days that lack them.

    Raises
    ------
    SchemaMismatch
        If the columns of the rows differ from those of the table.
    PublishConflict, LakeError
        If the day cannot be published; the table is unchanged.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    rows = _with_day(rows, ds)
    _check_names(uri, rows.schema.names)
    try:
        # created empty, so that of two first writers the second conflicts with the first and is refused
        DeltaTable.create(uri, schema=rows.schema, partition_by=[DAY], mode="ignore", configuration=PROPERTIES)
        table = existing_table(uri)
        # the commit fails if the table has changed since it was opened, so these checks hold for it too
        _check_columns(uri, table, rows.schema, varying)
        _check_names(uri, [*(field.name for field in table.schema().fields), *rows.schema.names])
        if _is_published(table, ds, build, moment):
            return TableVersion(uri, table.version(), rows.num_rows, changed=False)
        write_deltalake(
            table,
            rows.combine_chunks(),  # several chunks would be written in parallel, in any order
            mode="overwrite",
            predicate=f"{DAY} = {literal(ds)}",
            schema_mode="merge",
            commit_properties=CommitProperties(
                custom_metadata={"nightshift.build": build, "nightshift.about": json.dumps(about)},
                app_transactions=[
                    Transaction(transaction_of(ds), moment),
                    Transaction(_build_transaction(ds), _as_number(build)),
                ],
            ),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run published the day {ds} at the same time and its rows were kept; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the day {ds} could not be written ({first_line(error)}); the table is unchanged; check the lake's "
            "permissions and free space, then run this task again"
        ) from error
    return TableVersion(uri, table.version(), rows.num_rows, changed=True)


def read_published(uri: str, first_ds: str, last_ds: str, version: int | None = None) -> pa.Table | None:
    """Read the rows from `first_ds` to `last_ds`, both included, ordered by day and within a day as published.

    Parameters
    ----------
    version
        Version of the table; by default the newest.

    Returns
    -------
    pyarrow.Table or None
        The rows with the column `ds`; None where there is no table yet.
    """
    import pyarrow.dataset as dataset
    from pyarrow.dataset import FileSystemDataset

    table, newest = (open_table(uri), True) if version is None else open_pinned(uri, version)
    if table is None:
        return None
    found = dataset_of(table, newest, f"{DAY} >= {literal(first_ds)} AND {DAY} <= {literal(last_ds)}")
    # the paths begin with the day
    fragments = sorted(found.get_fragments(), key=lambda fragment: fragment.path)
    in_order = FileSystemDataset(fragments, found.schema, found.format, found.filesystem)
    return in_order.to_table(filter=(dataset.field(DAY) >= first_ds) & (dataset.field(DAY) <= last_ds))


def days_with_rows(uri: str, version: int | None = None) -> list[str]:
    """Return the days that have rows, in order, from metadata alone; an empty list where there is no table yet."""
    table = open_table(uri, version)
    return [] if table is None else _days_of(table)


def newest_day(table: DeltaTable) -> str | None:
    """Return the last day of an opened table that has rows, or None where there is none."""
    return max(_days_of(table), default=None)


def read_newest_day(table: DeltaTable) -> pa.Table | None:
    """Return the rows of the last day of an opened table at its newest version, or None where there is none."""
    day = newest_day(table)
    return None if day is None else dataset_of(table, True, f"{DAY} = {literal(day)}").to_table()


def _days_of(table: DeltaTable) -> list[str]:
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True))
    return sorted(set(actions[f"partition.{DAY}"].to_pylist())) if actions.num_rows else []


def _is_published(table: DeltaTable, ds: str, build: str, moment: int) -> bool:
    """Return whether the table already has these rows of a day, or newer ones."""
    published = table.transaction_version(transaction_of(ds))
    if published is not None and published > moment:
        log.warning("%s: kept the published rows of %s, which a later run wrote", table.table_uri, ds)
        return True
    # the build is in the table's state too: searching a history of years is slow, and upkeep writes to it as well
    return published == moment and table.transaction_version(_build_transaction(ds)) == _as_number(build)


def _build_transaction(ds: str) -> str:
    return f"build={ds}"


def _as_number(build: str) -> int:
    return int(build[:15], 16)  # fits into 64 bits with a sign


def _with_day(rows: pa.Table, ds: str) -> pa.Table:
    import pyarrow as pa

    return rows.append_column(DAY, pa.array([ds] * rows.num_rows, pa.string()))


def _check_names(uri: str, names: Iterable[str]) -> None:
    """Refuse column names that differ in case only, which Delta does not distinguish."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SchemaMismatch(
                f"{uri}: the columns '{other}' and '{name}' differ in upper and lower case only, which Delta does not "
                "distinguish; nothing was published; spell the class that they are named after in one way in "
                f"features.sql, or move the table elsewhere if published days already have '{other}'"
            )


def _check_columns(uri: str, table: DeltaTable, schema: pa.Schema, varying: str | None) -> None:
    """Refuse rows whose columns differ from the table's in name or type."""
    import pyarrow as pa
    from deltalake import Schema

    there = {field.name: field.type for field in pa.schema(table.schema().to_arrow())}
    # the types as the table would return them: Delta has fewer types than Arrow
    new = {field.name: field.type for field in pa.schema(Schema.from_arrow(schema).to_arrow())}
    for name in [*there, *(name for name in new if name not in there)]:
        may_lack = varying is not None and name.startswith(varying)
        if there.get(name) == new.get(name) or (may_lack and (name not in there or name not in new)):
            continue
        was = f"is {there[name]} in the table" if name in there else "is not in the table"
        now = f"{new[name]} in the new rows" if name in new else "not in the new rows"
        raise SchemaMismatch(
            f"{uri}: the column '{name}' {was} but {now}, so the new rows do not match the published days; nothing was "
            "published; move the table elsewhere, so that this task starts a new one, or rename the pipeline's folder"
        )
