"""Facts about a table are read once for each of its versions."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from include import lake
from include.core.errors import LakeError

if TYPE_CHECKING:
    from pathlib import Path


def publish(uri: str, ds: str) -> None:
    """Publish a day of predictions."""
    rows = pa.table({"number": [1], "prediction": [2.0]})
    lake.publish_predictions(uri, ds, rows, "beef", {}, moment=1)


def test_the_newest_day_is_read_again_only_after_a_commit(tmp_path: Path) -> None:
    """A page of hundreds of tables opens each once."""
    uri, opened = str(tmp_path / "predictions"), []
    facts = lake.NewestFacts(lambda table: opened.append(table.version()) or lake.newest_day(table))

    assert facts.of(uri) is None
    publish(uri, "2024-03-01")
    assert [facts.of(uri), facts.of(uri)] == ["2024-03-01"] * 2
    publish(uri, "2024-03-02")
    assert [facts.of(uri), facts.of(uri)] == ["2024-03-02"] * 2
    assert len(opened) == 2


def test_another_table_at_the_same_address_is_read_anew(tmp_path: Path) -> None:
    """A lake that was restored or emptied has other days at the same version."""
    uri = str(tmp_path / "predictions")
    facts = lake.NewestFacts(lake.newest_day)
    publish(uri, "2024-03-09")
    assert facts.of(uri) == "2024-03-09"

    shutil.rmtree(uri)
    assert facts.of(uri) is None
    publish(uri, "2024-03-02")

    assert facts.of(uri) == "2024-03-02"


def test_the_rows_of_the_newest_day_are_read(tmp_path: Path) -> None:
    """Other days are not."""
    uri = str(tmp_path / "predictions")
    publish(uri, "2024-03-01")
    publish(uri, "2024-03-02")

    rows = lake.NewestFacts(lake.read_newest_day).of(uri)

    assert rows is not None
    assert rows["ds"].to_pylist() == ["2024-03-02"]


def test_a_table_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """The sentence names the table."""
    log = tmp_path / "predictions" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("broken")

    with pytest.raises(LakeError, match="predictions: the table cannot be opened"):
        lake.NewestFacts(lake.newest_day).of(str(tmp_path / "predictions"))
