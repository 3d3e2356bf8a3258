"""The files of a lake that a backup copies: references before their objects, and logs without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from include.core.errors import BackupFailed
from include.ops.production.archive import Archive, move_in, unpack
from include.ops.production.lake_files import add_named_files, add_naming_files, refuse_torn_tables

if TYPE_CHECKING:
    from pathlib import Path


def publish(table: Path, *days: str) -> None:
    """Publish days of a table, each by a commit."""
    for day in days:
        rows = pa.table({"ds": [day], "x": [1]})
        write_deltalake(table, rows, mode="append", partition_by=["ds"])


def copy(lake: Path, to: Path) -> Archive:
    """Archive the files that MLflow's versions refer to."""
    with Archive(to) as archive:
        add_named_files(archive, lake)
    return archive


def test_logs_are_copied_before_data_and_features_before_raw_tables(tmp_path: Path) -> None:
    """A log that is copied first only needs files that are copied later."""
    for name in ("raw/sales", "features"):
        publish(tmp_path / "lake" / "shop" / name, "2024-01-01", "2024-01-02")
    (tmp_path / "lake" / "shop" / "manifests").mkdir()
    (tmp_path / "lake" / "shop" / "manifests" / "m-1.json").write_text("{}")

    copied = list(copy(tmp_path / "lake", tmp_path / "tables.tar").sizes)

    kinds = ["features/_delta_log", "features/ds", "raw/sales/_delta_log", "raw/sales/ds", "manifests"]
    found = [next(index for index, kind in enumerate(kinds) if path.startswith(f"shop/{kind}")) for path in copied]
    assert found == sorted(found)
    assert set(found) == set(range(len(kinds)))


def test_each_file_is_in_one_of_the_two_parts_except_leases_and_scratch_files(tmp_path: Path) -> None:
    """An unknown folder of a future release may refer to versions, so it is copied early."""
    lake = tmp_path / "lake"
    early = ["shop/records/00000001.json", "shop/runs/night/plan.json", "shop/features.html", "shop/predictions/file"]
    late = ["shop/staged/sales/batch.json", "shop/manifests/m-1.json"]
    left = ["shop/locks/champion-000000001.json", f"shop/runs/night/.plan.json.{'0' * 32}"]
    for path in (*early, *late, *left):
        (lake / path).parent.mkdir(parents=True, exist_ok=True)
        (lake / path).write_text("{}")

    with Archive(tmp_path / "decisions.tar") as decisions:
        add_naming_files(decisions, lake)

    assert sorted(decisions.sizes) == sorted(early)
    assert sorted(copy(lake, tmp_path / "tables.tar").sizes) == sorted(late)


def test_a_commit_after_one_that_the_listing_missed_is_cut_off(tmp_path: Path) -> None:
    """The copy opens as the table before the gap."""
    table = tmp_path / "lake" / "shop" / "raw" / "sales"
    publish(table, "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")
    (table / "_delta_log" / f"{2:020}.json").rename(tmp_path / "written while it was listed")

    copy(tmp_path / "lake", tmp_path / "tables.tar")
    move_in(unpack(tmp_path / "tables.tar", tmp_path / "again"), tmp_path / "again")

    again = DeltaTable(tmp_path / "again" / "shop" / "raw" / "sales")
    assert again.version() == 1
    assert sorted(again.to_pyarrow_table()["ds"].to_pylist()) == ["2024-01-01", "2024-01-02"]


def test_a_checkpointed_table_opens_at_every_version(tmp_path: Path) -> None:
    """Its checkpoint is copied; the pointer to it, which is overwritten, is not."""
    table = tmp_path / "lake" / "shop" / "raw" / "sales"
    publish(table, "2024-01-01", "2024-01-02")
    DeltaTable(table).create_checkpoint()
    publish(table, "2024-01-03")

    sizes = copy(tmp_path / "lake", tmp_path / "tables.tar").sizes
    move_in(unpack(tmp_path / "tables.tar", tmp_path / "again"), tmp_path / "again")

    assert [path for path in sizes if path.endswith(".checkpoint.parquet")]
    assert not [path for path in sizes if path.endswith("_last_checkpoint")]
    rows = [
        DeltaTable(tmp_path / "again/shop/raw/sales", version=version).to_pyarrow_table().num_rows
        for version in range(3)
    ]
    assert rows == [1, 2, 3]


def test_a_table_with_an_incomplete_file_is_refused(tmp_path: Path) -> None:
    """A missing file and a file of another size are refused; names with spaces and signs are found."""
    lake = tmp_path / "lake"
    publish(lake / "shop" / "raw" / "sales", "a day/with: signs %")
    sizes = copy(lake, tmp_path / "tables.tar").sizes
    assert refuse_torn_tables(sizes, lake) == 1
    [data] = [path for path in sizes if path.endswith(".parquet")]

    with pytest.raises(BackupFailed, match="the file is missing"):
        refuse_torn_tables({path: size for path, size in sizes.items() if path != data}, lake)
    with pytest.raises(BackupFailed, match="7 bytes of it were copied"):
        refuse_torn_tables(sizes | {data: 7}, lake)
