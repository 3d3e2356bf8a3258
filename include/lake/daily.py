"""Tables of which a run makes one day: a day is replaced as a whole, once, and never by what is older."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Iterable

    import pyarrow as pa
    from deltalake import DeltaTable

log = logging.getLogger(__name__)

#: The partition of a row: the day of the run that made it.
DAY = "ds"


def publish_day(
    uri: str, ds: str, rows: pa.Table, build: str, about: dict[str, Any], *, moment: int, varying: str | None = None
) -> TableVersion:
    """Replace one day of a table by what a run has made for it, in one commit.

    The same build again changes nothing, and neither does one that was planned before the one that stands.

    Parameters
    ----------
    ds
        ISO day, which becomes the rows' column of that name.
    rows
        All rows of the day, maybe none, without the column `ds`.
    build
        Digest, in hexadecimal, of everything that the rows are made from.
    about
        More that the commit says of itself, as JSON types.
    moment
        When the run was planned, in microseconds since 1970.
    varying
        How the names begin of columns that may come and go: they are null in the days that have none of them.

    Raises
    ------
    SchemaMismatch
        If the rows have other columns than the table.
    PublishConflict, LakeError
        With the table as it was.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError, DeltaError

    rows = _with_day(rows, ds)
    _check_names(uri, rows.schema.names)
    try:
        # created empty, so that even of two first writers one meets the other's commit and is refused
        DeltaTable.create(uri, schema=rows.schema, partition_by=[DAY], mode="ignore", configuration=PROPERTIES)
        table = existing_table(uri)
        # what is checked below is checked again, against the version that was opened, at the commit
        _check_columns(uri, table, rows.schema, varying)
        _check_names(uri, [*(field.name for field in table.schema().fields), *rows.schema.names])
        if _stands(table, ds, build, moment):
            return TableVersion(uri, table.version(), rows.num_rows, changed=False)
        write_deltalake(
            table,
            rows.combine_chunks(),  # several chunks are written side by side, in any order
            mode="overwrite",
            predicate=f"{DAY} = {literal(ds)}",
            schema_mode="merge",
            commit_properties=CommitProperties(
                custom_metadata={"nightshift.build": build, "nightshift.about": json.dumps(about)},
                app_transactions=[
                    Transaction(transaction_of(ds), moment),
                    Transaction(_build_of(ds), _as_number(build)),
                ],
            ),
        )
    except CommitFailedError as error:
        raise PublishConflict(
            f"{uri}: another run wrote the day {ds} at the same time, and its rows stand; run this task again"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"{uri}: the day {ds} could not be written ({first_line(error)}); the table is as it was before; check "
            "the lake's permissions and free space, then run this task again"
        ) from error
    return TableVersion(uri, table.version(), rows.num_rows, changed=True)


def read_published(uri: str, first_ds: str, last_ds: str, version: int | None = None) -> pa.Table | None:
    """Read the rows of the days from `first_ds` to `last_ds`, both included, day by day and as they were published.

    Parameters
    ----------
    version
        Of the table; by default the newest.

    Returns
    -------
    pyarrow.Table or None
        With the column `ds`; None where there is no table yet.
    """
    import pyarrow.dataset as dataset
    from pyarrow.dataset import FileSystemDataset

    table, newest = (open_table(uri), True) if version is None else open_pinned(uri, version)
    if table is None:
        return None
    found = dataset_of(table, newest, f"{DAY} >= {literal(first_ds)} AND {DAY} <= {literal(last_ds)}")
    # the paths begin with the days
    fragments = sorted(found.get_fragments(), key=lambda fragment: fragment.path)
    in_order = FileSystemDataset(fragments, found.schema, found.format, found.filesystem)
    return in_order.to_table(filter=(dataset.field(DAY) >= first_ds) & (dataset.field(DAY) <= last_ds))


def days_with_rows(uri: str, version: int | None = None) -> list[str]:
    """Return the days that have rows, in order and from the metadata alone; none where there is no table yet."""
    import pyarrow as pa

    table = open_table(uri, version)
    if table is None:
        return []
    actions = pa.table(table.get_add_actions(flatten=True))
    return sorted(set(actions[f"partition.{DAY}"].to_pylist())) if actions.num_rows else []


def _stands(table: DeltaTable, ds: str, build: str, moment: int) -> bool:
    """Return whether a day has these rows already, or newer ones."""
    published = table.transaction_version(transaction_of(ds))
    if published is not None and published > moment:
        log.warning(
            "%s: of %s something is published that was planned after this run, and it stands", table.table_uri, ds
        )
        return True
    # kept in the table's state, since a history of years is slow to search, and upkeep writes to it as well
    return published == moment and table.transaction_version(_build_of(ds)) == _as_number(build)


def _build_of(ds: str) -> str:
    return f"build={ds}"


def _as_number(build: str) -> int:
    return int(build[:15], 16)  # what fits into 64 bits with a sign


def _with_day(rows: pa.Table, ds: str) -> pa.Table:
    import pyarrow as pa

    return rows.append_column(DAY, pa.array([ds] * rows.num_rows, pa.string()))


def _check_names(uri: str, names: Iterable[str]) -> None:
    """Refuse columns that Delta does not tell apart."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SchemaMismatch(
                f"{uri}: the columns '{other}' and '{name}' differ in upper and lower case alone, which Delta does not "
                "tell apart; nothing was published; write the class that they are called after in one way in "
                f"features.sql, or, if '{other}' is of days that are published, move the table to another place"
            )


def _check_columns(uri: str, table: DeltaTable, schema: pa.Schema, varying: str | None) -> None:
    """Refuse rows that lack a column of the table, have one more, or one in another type."""
    import pyarrow as pa
    from deltalake import Schema

    there = {field.name: field.type for field in pa.schema(table.schema().to_arrow())}
    # as the table would give them back: Delta has fewer types than Arrow
    new = {field.name: field.type for field in pa.schema(Schema.from_arrow(schema).to_arrow())}
    for name in [*there, *(name for name in new if name not in there)]:
        may_lack = varying is not None and name.startswith(varying)
        if there.get(name) == new.get(name) or (may_lack and (name not in there or name not in new)):
            continue
        was = f"is {there[name]} there" if name in there else "is not there"
        now = f"is {new[name]} in the new rows" if name in new else "is not in the new rows"
        raise SchemaMismatch(
            f"{uri}: the column '{name}' {was} and {now}, so they answer another question than the days that are "
            "published; nothing was published; move the table to another place, and this task starts a new one, or "
            "give the pipeline's folder a new name"
        )
