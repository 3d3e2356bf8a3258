"""A profile describes a day's rows without keeping them, and is the same each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.config.sources.files_source import FilesSource
from include.ingestion.arrow_types import arrow_type
from include.profiling.profile import SAMPLE_ROWS, profile_rows, profile_schema

if TYPE_CHECKING:
    from pathlib import Path

DAY, NEXT = "2024-03-01", "2024-03-02"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)

#: Names that SQL has a meaning for, or the query could have chosen itself.
COLUMNS = {
    "id": "string",
    "order": "string",
    "value": "integer",
    "day": "float",
    "position": "boolean",
    "at": "timestamp",
}


def source(**changes: Any) -> FilesSource:
    """Return a source with a column of each type."""
    fields = {
        "kind": "files",
        "connection": "landing",
        "path": "{ds}.csv",
        "key": ["id"],
        "available_at": "at",
        "columns": COLUMNS,
    }
    return FilesSource(**fields | changes)


def rows(count: int, ds: str | None = DAY, **columns: list[Any]) -> pa.Table:
    """Return this many rows of a day, with some of their columns given."""
    given: dict[str, Any] = {
        "id": [f"{ds}-{number}" for number in range(count)],
        "order": [f"kind-{number % 3}" for number in range(count)],
        "value": list(range(count)),
        "day": [number / 2 for number in range(count)],
        "position": [number % 4 == 0 for number in range(count)],
        "at": [NOON] * count,
    }
    given |= columns
    table = pa.table({name: pa.array(given[name], arrow_type(declared)) for name, declared in COLUMNS.items()})
    return table if ds is None else table.append_column("ds", pa.array([ds] * count))


def profile(
    folder: Path, *tables: pa.Table, days: tuple[str, ...] = (DAY,), left_out: tuple[int, ...] = (), **changes: Any
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the profile of some rows by day and column."""
    path = folder / "batch.parquet"
    pq.write_table(pa.concat_tables(tables), path)
    found = profile_rows(path, source(**changes), list(days), set(left_out))
    assert found.schema == profile_schema()
    return {(row["day"], row["column"]): row for row in found.to_pylist()}


def counts(row: dict[str, Any]) -> dict[str, int]:
    """Return a profile's values with their counts."""
    return dict(zip(row["values"], row["counts"], strict=True))


def test_the_values_of_a_column_of_few_are_counted(tmp_path: Path) -> None:
    """Whatever their type, and without null."""
    found = profile(tmp_path, rows(6, value=[3, 3, None, 3, 10, 10], day=[0.5, 0.5, 2.0, 2.0, 2.0, None]))

    assert counts(found[DAY, "order"]) == {"kind-0": 2, "kind-1": 2, "kind-2": 2}
    assert counts(found[DAY, "value"]) == {"3": 3, "10": 2}
    assert counts(found[DAY, "day"]) == {"0.5": 2, "2.0": 3}
    assert counts(found[DAY, "position"]) == {"true": 2, "false": 4}
    assert [found[DAY, name]["nulls"] for name in COLUMNS] == [0, 0, 1, 1, 0, 0]
    assert [found[DAY, name]["distinct"] for name in ("order", "value", "day", "position")] == [3, 2, 2, 2]


def test_many_numbers_have_quantiles_and_many_texts_have_nothing(tmp_path: Path) -> None:
    """The boundary is fifty values; of names and ids only the number is estimated."""
    found = profile(tmp_path, rows(50), rows(1001, NEXT), days=(DAY, NEXT))

    assert len(counts(found[DAY, "id"])) == 50
    assert found[DAY, "value"]["quantiles"] is None
    assert found[NEXT, "value"]["values"] is None
    assert found[NEXT, "value"]["quantiles"] == pytest.approx([10.0 * n for n in range(101)], abs=1)
    assert found[NEXT, "id"]["values"] is found[NEXT, "id"]["quantiles"] is None
    assert found[NEXT, "id"]["distinct"] == pytest.approx(1001, rel=0.1)


def test_times_have_quantiles_in_seconds(tmp_path: Path) -> None:
    """A day's times are treated as numbers."""
    at = [NOON + timedelta(seconds=number) for number in range(1001)]

    found = profile(tmp_path, rows(1001, at=at))[DAY, "at"]

    assert found["quantiles"][0] == pytest.approx(NOON.timestamp(), abs=1)
    assert found["quantiles"][50] == pytest.approx(NOON.timestamp() + 500, abs=1)
    assert found["newest"] == at[-1]


def test_numbers_that_are_not_finite_are_counted_apart(tmp_path: Path) -> None:
    """An infinite quantile would hide all others."""
    wrong = [float("nan"), float("inf"), float("-inf"), None]

    few = profile(tmp_path, rows(6, day=[*wrong, 1.0, 1.0]))[DAY, "day"]
    many = profile(tmp_path, rows(104, day=[*wrong, *map(float, range(100))]))[DAY, "day"]
    none = profile(tmp_path, rows(4, day=wrong))[DAY, "day"]

    assert (few["nulls"], few["not_finite"], few["distinct"], counts(few)) == (1, 3, 1, {"1.0": 2})
    assert (many["nulls"], many["not_finite"]) == (1, 3)
    assert (many["quantiles"][0], many["quantiles"][-1]) == (0.0, 99.0)
    assert (none["rows"], none["distinct"], none["values"]) == (4, 0, None)


def test_rows_that_are_left_out_do_not_count(tmp_path: Path) -> None:
    """Rows in quarantine are not part of the published day."""
    found = profile(tmp_path, rows(2), rows(4, NEXT), days=(DAY, NEXT), left_out=(0, 1, 3))

    assert found[DAY, "order"]["rows"] == 0
    assert found[NEXT, "order"]["rows"] == 3
    assert counts(found[NEXT, "order"]) == {"kind-0": 2, "kind-2": 1}


def test_a_day_without_rows_is_in_the_profile(tmp_path: Path) -> None:
    """Otherwise nobody could see that its rows are missing."""
    found = profile(tmp_path, rows(2), days=(DAY, NEXT))

    assert len(found) == 2 * len(COLUMNS)
    assert (found[NEXT, "id"]["rows"], found[NEXT, "id"]["newest"]) == (0, None)


def test_the_newest_row_is_the_one_that_became_known_last(tmp_path: Path) -> None:
    """The delay is added, as in the lake."""
    at = [NOON, NOON + timedelta(hours=2), None]

    found = profile(tmp_path, rows(3, at=at), available_at={"column": "at", "delay": "01:00:00"})

    assert {row["newest"] for row in found.values()} == {NOON + timedelta(hours=3)}


def test_the_sample_of_a_large_day_is_stable_and_meets_no_rhythm(tmp_path: Path) -> None:
    """Rows in key order often repeat with a period, which a sample of every n-th row would coincide with."""
    count, period = 5 * SAMPLE_ROWS, 60
    value = [number % period for number in range(count)]
    table = rows(count, value=value, day=np.random.default_rng(3).normal(0, 1, count).tolist())

    found = profile(tmp_path, table)
    again = profile(tmp_path, table)

    assert found == again
    assert found[DAY, "value"]["quantiles"] == pytest.approx([0.6 * n for n in range(101)], abs=1.2)
    assert found[DAY, "day"]["quantiles"][50] == pytest.approx(0, abs=0.05)


def test_a_snapshot_counts_as_the_last_of_its_days(tmp_path: Path) -> None:
    """Its rows have no day of their own."""
    found = profile(tmp_path, rows(3, ds=None), days=(DAY, NEXT), arrives="snapshot", path="all.csv")

    assert {ds for ds, _ in found} == {NEXT}
    assert found[NEXT, "id"]["rows"] == 3


def test_late_rows_count_on_the_day_that_delivered_them(tmp_path: Path) -> None:
    """With `arrives: append` the delivery can be faulty, not the day of its rows."""
    table = pa.concat_tables([rows(2), rows(3, NEXT)])
    table = table.append_column("delivered", pa.array([NEXT] * 5))

    found = profile(
        tmp_path,
        table.append_column("seen", table["at"]),
        days=(NEXT,),
        arrives="append",
        day="at",
        available_at="seen",
        columns=COLUMNS | {"seen": "timestamp"},
    )

    assert found[NEXT, "id"]["rows"] == 5


def test_a_wide_source_is_profiled_as_a_narrow_one(tmp_path: Path) -> None:
    """Some 250 columns of numbers ended the task with SIGFPE; in portions each column keeps its profile."""
    few = [rows(400, value=list(range(400))), rows(3, NEXT)]
    narrow = profile(tmp_path, *few, days=(DAY, NEXT))
    added = {f"c{number}": "float" for number in range(300)}
    many = []
    for table in few:
        for name in added:
            table = table.append_column(name, table["day"])
        many.append(table)

    wide = profile(tmp_path, *many, days=(DAY, NEXT), columns=added | COLUMNS)

    assert {at: wide[at] for at in narrow} == narrow
    for ds in (DAY, NEXT):
        for name in added:
            assert wide[ds, name] == narrow[ds, "day"] | {"column": name}
