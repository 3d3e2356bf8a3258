"""A day of predictions is replaced as a whole, once, and never by an older run or by other columns."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from include import lake
from include.core.errors import LakeError, PublishConflict, SchemaMismatch
from include.lake import daily

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND, THIRD = "2024-03-30", "2024-03-31", "2024-04-01"
#: Digests of what predictions are made from.
A, B = "a1" * 8, "b2" * 8


@pytest.fixture
def uri(home: object) -> str:
    """Return the address of the predictions of two days."""
    uri = lake.predictions_uri("shop")
    publish(uri, FIRST, rows(FIRST, 1.0), A, 10)
    publish(uri, SECOND, rows(SECOND, 2.0), A, 20)
    return uri


def rows(day: str, value: float = 0.0, number: int = 3, **more: Any) -> pa.Table:
    """Return predictions that were made as of a day, in order."""
    columns: dict[str, Any] = {
        "key": pa.array([f"{day}-{each}" for each in range(number)], pa.string()),
        "prediction_time": pa.array([datetime.fromisoformat(day) + timedelta(days=1)] * number, pa.timestamp("us")),
        "prediction": pa.array([value] * number, pa.float64()),
        "model_version": pa.array([1] * number, pa.int64()),
    }
    return pa.table(columns | more)


def publish(uri: str, ds: str, table: pa.Table, build: str, moment: int) -> lake.TableVersion:
    """Publish a day."""
    return lake.publish_predictions(uri, ds, table, build, {"champion": 1}, moment=moment)


def values(uri: str, first: str = FIRST, last: str = THIRD) -> list[float]:
    """Return the published predictions of some days."""
    found = lake.read_predictions(uri, first, last)
    assert found is not None
    return found["prediction"].to_pylist()


def versions(uri: str) -> int:
    """Return how many versions the table has."""
    return len(DeltaTable(uri).history())


def test_a_missing_table_has_no_predictions(home: object) -> None:
    """A missing table is not an error."""
    assert lake.read_predictions(lake.predictions_uri("shop"), FIRST, THIRD) is None


def test_days_come_back_in_order_with_their_day(uri: str) -> None:
    """Any range of days can be read, both ends included."""
    assert lake.read_predictions(uri, SECOND, SECOND) == rows(SECOND, 2.0, ds=[SECOND] * 3)
    assert values(uri) == [1.0] * 3 + [2.0] * 3
    assert values(uri, THIRD, THIRD) == []


def test_a_day_is_replaced_as_a_whole(uri: str) -> None:
    """None of the day's old rows is left, and the other day is unchanged."""
    done = publish(uri, FIRST, rows(FIRST, 9.0, number=1), B, 30)

    assert done.changed
    assert values(uri) == [9.0] + [2.0] * 3


def test_the_same_build_again_makes_no_version(uri: str) -> None:
    """Publications of other days in between make no difference."""
    before = versions(uri)
    again = publish(uri, FIRST, rows(FIRST, 1.0), A, 10)

    assert not again.changed
    assert again.rows == 3
    assert versions(uri) == before


def test_a_build_is_still_known_after_upkeep(uri: str) -> None:
    """A checkpoint and a vacuum lie between the two publications."""
    lake.checkpoint(uri)
    lake.vacuum(uri, keep_days=7)

    assert not publish(uri, FIRST, rows(FIRST, 1.0), A, 10).changed


def test_another_query_of_the_same_plan_replaces_the_day(uri: str) -> None:
    """Somebody who corrects features.sql and clears the task gets the corrected predictions."""
    assert publish(uri, FIRST, rows(FIRST, 5.0), B, 10).changed
    assert values(uri, FIRST, FIRST) == [5.0] * 3


def test_an_earlier_plan_does_not_replace_a_later_one(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """A task that is repeated late would otherwise restore the predictions of an older champion."""
    publish(uri, FIRST, rows(FIRST, 5.0), B, 30)
    late = publish(uri, FIRST, rows(FIRST, 1.0), A, 10)

    assert not late.changed
    assert values(uri, FIRST, FIRST) == [5.0] * 3
    assert "kept the published rows of" in caplog.text


def test_a_day_without_rows_is_published(uri: str) -> None:
    """The day loses its old rows, and publishing it again changes nothing."""
    assert publish(uri, SECOND, rows(SECOND, number=0), B, 30).changed
    assert values(uri) == [1.0] * 3
    assert not publish(uri, SECOND, rows(SECOND, number=0), B, 30).changed


def test_the_first_day_may_be_without_rows(home: object) -> None:
    """The table exists with its columns."""
    uri = lake.predictions_uri("shop")
    publish(uri, FIRST, rows(FIRST, number=0), A, 10)

    assert lake.read_predictions(uri, FIRST, FIRST) == rows(FIRST, number=0, ds=pa.array([], pa.string()))


def test_the_commit_names_its_build(uri: str) -> None:
    """The version of a day can be traced to its inputs."""
    commit = DeltaTable(uri).history(1)[0]

    assert commit["nightshift.build"] == A
    assert commit["nightshift.about"] == '{"champion": 1}'


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (rows(THIRD, decision=[True] * 3), "the column 'decision' is not in the table but bool in the new rows"),
        (
            rows(THIRD).drop_columns(["prediction"]),
            "the column 'prediction' is double in the table but not in the new rows",
        ),
        (
            rows(THIRD).set_column(0, "key", pa.array([1, 2, 3])),
            "the column 'key' is string in the table but int64 in the new rows",
        ),
    ],
)
def test_other_columns_are_refused(uri: str, changed: pa.Table, sentence: str) -> None:
    """A pipeline that predicts something else needs another table, and the sentence says so."""
    before = versions(uri)
    with pytest.raises(SchemaMismatch, match=sentence) as refused:
        publish(uri, THIRD, changed, A, 30)

    assert "move the table" in str(refused.value)
    assert versions(uri) == before


def test_classes_may_come_and_go(home: object) -> None:
    """A new champion may know other classes than the one before."""
    uri = lake.predictions_uri("shop")
    publish(uri, FIRST, rows(FIRST, probability_x=[0.5] * 3, probability_y=[0.5] * 3), A, 10)
    publish(uri, SECOND, rows(SECOND, probability_y=[0.2] * 3, probability_z=[0.8] * 3), B, 20)
    found = lake.read_predictions(uri, FIRST, SECOND)

    assert found is not None
    assert found["probability_x"].to_pylist() == [0.5] * 3 + [None] * 3
    assert found["probability_y"].to_pylist() == [0.5] * 3 + [0.2] * 3
    assert found["probability_z"].to_pylist() == [None] * 3 + [0.8] * 3


def test_times_and_booleans_keep_their_types(home: object) -> None:
    """Times without a zone and unknown decisions keep their types, even where all are null."""
    uri = lake.predictions_uri("shop")
    undecided = pa.array([None] * 3, pa.bool_())
    publish(uri, FIRST, rows(FIRST, decision=undecided), A, 10)
    publish(uri, SECOND, rows(SECOND, decision=[True, False, True]), A, 20)
    found = lake.read_predictions(uri, FIRST, SECOND)

    assert found is not None
    assert found["decision"].to_pylist() == [None] * 3 + [True, False, True]
    assert found.schema.field("prediction_time").type == pa.timestamp("us")


@pytest.mark.parametrize(
    ("table", "ds"),
    [("predictions", SECOND), ("predictions", THIRD), ("new", FIRST)],
    ids=["a day that is there", "a new day", "the first day of all"],
)
def test_the_slower_of_two_writers_of_a_day_is_refused(
    uri: str, monkeypatch: pytest.MonkeyPatch, table: str, ds: str
) -> None:
    """The slower writer has not seen the faster one's rows, and finds them when it runs again."""
    uri = uri.replace("predictions", table)
    looked = daily._is_published

    def overtaken(*args: Any) -> bool:
        monkeypatch.setattr(daily, "_is_published", looked)
        publish(uri, ds, rows(ds, 7.0), B, 40)
        return looked(*args)

    monkeypatch.setattr(daily, "_is_published", overtaken)
    with pytest.raises(PublishConflict, match=f"another run published the day {ds} at the same time") as refused:
        publish(uri, ds, rows(ds, 5.0), A, 30)

    assert refused.value.retryable
    assert values(uri, ds, ds) == [7.0] * 3
    assert not publish(uri, ds, rows(ds, 5.0), A, 30).changed


def test_writers_of_two_days_do_not_conflict(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backfill writes its days in parallel."""
    looked = daily._is_published

    def beside(*args: Any) -> bool:
        monkeypatch.setattr(daily, "_is_published", looked)
        publish(uri, THIRD, rows(THIRD, 7.0), B, 40)
        return looked(*args)

    monkeypatch.setattr(daily, "_is_published", beside)
    publish(uri, SECOND, rows(SECOND, 5.0), A, 30)

    assert values(uri) == [1.0] * 3 + [5.0] * 3 + [7.0] * 3


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file lies in the place of the table."""
    (tmp_path / "lake").write_text("")
    with pytest.raises(LakeError, match=f"the day {FIRST} could not be written") as refused:
        publish(str(tmp_path / "lake" / "predictions"), FIRST, rows(FIRST), A, 10)

    assert refused.value.retryable


def test_classes_that_differ_in_case_only_are_refused(home: object) -> None:
    """Delta cannot keep two such columns, neither in one day nor in two."""
    uri, late = lake.predictions_uri("shop"), pa.array([0.5] * 3)

    with pytest.raises(SchemaMismatch, match="'probability_late' and 'probability_Late' differ in upper and lower"):
        publish(uri, FIRST, rows(FIRST, probability_late=late, probability_Late=late), A, 10)
    assert lake.latest_version(uri) is None
    publish(uri, FIRST, rows(FIRST, probability_late=late), A, 10)
    with pytest.raises(SchemaMismatch, match=r"'probability_late' and 'probability_Late'.*move the table elsewhere"):
        publish(uri, SECOND, rows(SECOND, probability_Late=late), A, 20)
    assert values(uri) == [0.0] * 3
