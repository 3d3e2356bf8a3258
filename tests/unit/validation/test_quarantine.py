"""Rows that break an expectation are quarantined until somebody decides, and none of them is lost."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.core.errors import ExpectationsFailed, PublishConflict, QuarantineRefused
from include.ingestion import quarantine
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.quarantine import quarantined
from include.validation.broken_rows import no_rows
from include.validation.decide import decide_rows
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from include.ingestion.stage import StagedBatch

FIRST = factories.FIRST_DAY
SECOND = FIRST + timedelta(days=1)

#: One of a day's five rows may be wrong.
TOLERANT = """\
expectations:
  - expect_column_values_to_be_between: {column: revenue, min_value: 0, max_value: 100000, mostly: 0.8}
"""


@pytest.fixture
def database(shop: Path) -> Path:
    """Let the shop tolerate one row in five, and return its database."""
    factories.write_shop(shop.parent, sales_expectations=TOLERANT)
    return shop.parent.parent / "shop.db"


def sell(database: Path, *stores: str, revenue: float = -1.0, day: str = "2024-01-01") -> pd.DataFrame:
    """Let some stores report a revenue on a day."""
    frame = factories.sales()
    frame.loc[frame["day"].str.startswith(day) & frame["store"].isin(stores), "revenue"] = revenue
    factories.write_sales(database, frame)
    return frame


def ingest(start: Any = FIRST, end: Any = None, run: str = "night") -> None:
    """Extract, validate and publish the shop's sales."""
    pipeline = load_pipeline("shop")
    batch = extract_source(pipeline, "sales", start, end or start, EnvironmentConnections())
    validate_batch(pipeline, batch, run)
    publish_batch(pipeline, batch)


def decide(status: Any, *row_ids: str, end: Any = FIRST) -> int:
    """Decide about rows of the shop's first day."""
    chosen = set(row_ids) or None
    return decide_rows(load_pipeline("shop"), "sales", FIRST, end, status, row_ids=chosen, by="kim", note="seen")


def held() -> list[dict[str, Any]]:
    """Return the rows in quarantine."""
    return quarantined("shop", "sales").to_pylist()


def published(day: str = "2024-01-01") -> dict[str, float]:
    """Return the published revenue of each store on a day."""
    uri = lake.raw_uri("shop", "sales")
    version = lake.latest_version(uri)
    rows = lake.read_table(uri, version).to_pylist() if version is not None else []
    return {row["store"]: row["revenue"] for row in rows if row["ds"] == day}


def test_a_tolerated_row_is_quarantined_with_its_reason_and_the_rest_is_published(database: Path) -> None:
    """The row stays out of the lake, and a person sees which row it was, why, and from which run."""
    sell(database, "store-1")

    ingest(run="manual__2024")

    [row] = held()
    assert (row["day"], row["status"], row["run"], row["releasable"]) == ("2024-01-01", "held", "manual__2024", True)
    assert row["reason"].startswith("revenue: expect_column_values_to_be_between (min_value=0")
    assert json.loads(row["row"])["store"] == "store-1"
    assert sorted(published()) == ["store-0", "store-2", "store-3", "store-4"]


def test_beyond_what_is_tolerated_nothing_is_published_and_the_rows_are_held(database: Path) -> None:
    """Two of five are more than one of five: the day waits, and the sentence says where its rows are."""
    sell(database, "store-1", "store-2")

    with pytest.raises(ExpectationsFailed, match=r"failed for 2 of 5 rows \(40 %\).*2 of them also in quarantine"):
        ingest()
    assert [json.loads(row["row"])["store"] for row in held()] == ["store-1", "store-2"]
    assert published() == {}


def test_a_released_row_is_published_and_the_rest_of_its_day_stays(database: Path) -> None:
    """Somebody looked, and the revenue was a real refund."""
    sell(database, "store-1")
    ingest()
    before = published()

    assert decide("released") == 1

    assert published() == before | {"store-1": -1.0}
    [row] = held()
    assert (row["status"], row["decided_by"], row["note"]) == ("released", "kim", "seen")


def test_a_held_back_day_is_published_when_its_rows_are_discarded(database: Path) -> None:
    """The two bad rows are dropped and no longer count, so the three good ones are published."""
    sell(database, "store-1", "store-2")
    with pytest.raises(ExpectationsFailed):
        ingest()

    assert decide("discarded") == 2

    assert sorted(published()) == ["store-0", "store-3", "store-4"]
    assert [row["status"] for row in held()] == ["discarded", "discarded"]


def test_one_of_two_rows_decided_lets_the_other_be_tolerated(database: Path, shop: Path) -> None:
    """A decision may be about single rows; the rest, now one of four, is judged as usual."""
    factories.write_shop(shop.parent, sales_expectations=TOLERANT.replace("0.8", "0.7"))
    sell(database, "store-1", "store-2")
    with pytest.raises(ExpectationsFailed):
        ingest()

    decide("released", held()[0]["row_id"])

    assert sorted(published()) == ["store-0", "store-1", "store-3", "store-4"]
    assert sorted(row["status"] for row in held()) == ["held", "released"]


def test_a_decision_holds_when_the_day_is_ingested_again(database: Path) -> None:
    """A backfill delivers the same row, and nobody has to decide twice."""
    sell(database, "store-1")
    ingest()
    decide("released")
    before = published()

    ingest(FIRST, SECOND, run="backfill")

    assert published() == before
    assert [row["status"] for row in held()] == ["released"]


def test_a_discarded_row_stays_out_when_the_day_is_ingested_again(database: Path) -> None:
    """A backfill does not bring a dropped row back."""
    sell(database, "store-1")
    ingest()
    decide("discarded")

    ingest(FIRST, SECOND, run="backfill")

    assert "store-1" not in published()


def test_a_row_that_the_source_corrected_leaves_the_quarantine(database: Path) -> None:
    """After a fix upstream the day is whole, and nothing waits for a decision."""
    sell(database, "store-1")
    ingest()
    sell(database, "store-1", revenue=77.0)

    ingest()

    assert published()["store-1"] == 77.0
    assert held() == []


def test_after_the_expectation_is_corrected_the_rows_are_published(database: Path, shop: Path) -> None:
    """A refund is not a mistake: the suite was wrong, and the day is validated again."""
    sell(database, "store-1", "store-2")
    with pytest.raises(ExpectationsFailed):
        ingest()
    factories.write_shop(shop.parent, sales_expectations=TOLERANT.replace("min_value: 0", "min_value: -10"))

    ingest()

    assert len(published()) == 5
    assert held() == []


def test_a_warning_quarantines_nothing(database: Path, shop: Path) -> None:
    """Rows that only break a warning are published."""
    factories.write_shop(shop.parent, sales_expectations=TOLERANT.replace("mostly: 0.8", "severity: warning"))
    sell(database, "store-1", "store-2")

    ingest()

    assert len(published()) == 5
    assert held() == []


def test_deciding_again_changes_nothing(database: Path) -> None:
    """If the command was killed after its first commit, the second run ends with the same tables."""
    sell(database, "store-1")
    ingest()
    decide("released")
    uri = lake.raw_uri("shop", "sales")
    before = (published(), held(), lake.latest_version(uri))

    assert decide("released") == 0
    assert (published(), held(), lake.latest_version(uri)) == before


def test_a_decision_that_was_killed_before_it_published_is_finished_by_the_next(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are marked in one commit and published in another; a process may die between them."""
    sell(database, "store-1")
    ingest()
    with monkeypatch.context() as dying:
        dying.setattr("include.validation.decide.publish_batch", lambda *_: exit(137))
        with pytest.raises(SystemExit):
            decide("released")
    assert "store-1" not in published()

    decide("released")

    assert published()["store-1"] == -1.0


def test_rows_that_share_their_key_cannot_be_released(database: Path) -> None:
    """The lake holds a key once; of two rows with one key a person may discard one."""
    frame = factories.sales()
    twice = frame[(frame["store"] == "store-1") & frame["day"].str.startswith("2024-01-01")].assign(revenue=5.0)
    import pandas as pd

    factories.write_sales(database, pd.concat([frame, twice]))
    with pytest.raises(ExpectationsFailed, match="expect_compound_columns_to_be_unique"):
        ingest()

    with pytest.raises(QuarantineRefused, match="share their key with another row"):
        decide("released")
    wrong = next(row["row_id"] for row in held() if json.loads(row["row"])["revenue"] == 5.0)
    decide("discarded", wrong)

    assert len(published()) == 5
    assert published()["store-1"] != 5.0


def test_nothing_is_decided_if_nothing_is_held(database: Path) -> None:
    """A day without a row in quarantine has nothing to decide, and the sentence says so."""
    ingest()

    with pytest.raises(QuarantineRefused, match="no such row is in quarantine"):
        decide("released")


def test_a_decision_can_be_taken_back(database: Path) -> None:
    """A row that was released by mistake is held again and leaves the lake."""
    sell(database, "store-1")
    ingest()
    decide("released")

    assert decide("held") == 1

    assert "store-1" not in published()
    assert [row["status"] for row in held()] == ["held"]


def test_days_that_meet_their_first_bad_rows_at_once_are_all_held(database: Path) -> None:
    """Ten days of a backfill create the quarantine table together, and none needs a retry."""
    days = [FIRST + timedelta(days=number) for number in range(10)]
    pipeline = load_pipeline("shop")
    batches = [extract_source(pipeline, "sales", day, day, EnvironmentConnections()) for day in days]
    together = threading.Barrier(len(days))
    failed: list[Exception] = []

    def hold(batch: StagedBatch) -> None:
        rows = quarantine_row(batch.start.isoformat())
        together.wait()
        try:
            quarantine.quarantine_rows(batch, rows, no_rows(), "backfill")
        except PublishConflict as error:
            failed.append(error)

    threads = [threading.Thread(target=hold, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert [row["day"] for row in held()] == [day.isoformat() for day in days]


def quarantine_row(day: str) -> pa.Table:
    """Return a row in the form in which a validation finds it."""
    row = {"day": day, "row_id": day, "row": "{}", "reason": "wrong", "position": 0, "releasable": True}
    return pa.Table.from_pylist([row], no_rows().schema)


def test_an_unknown_row_is_refused(database: Path) -> None:
    """A mistyped id decides about no other row."""
    sell(database, "store-1")
    ingest()

    with pytest.raises(QuarantineRefused, match="there is no row beef in quarantine"):
        decide("released", "beef")
    assert [row["status"] for row in held()] == ["held"]


def test_an_old_delivery_does_not_come_back_by_a_release(database: Path) -> None:
    """If a later delivery of the day is published, releasing rows of the earlier one must not undo it."""
    sell(database, "store-1", "store-2")
    pipeline = load_pipeline("shop")
    old = extract_source(pipeline, "sales", FIRST, FIRST, EnvironmentConnections())
    sell(database, "store-1", revenue=50.0)
    ingest()
    with pytest.raises(ExpectationsFailed):
        validate_batch(pipeline, old)

    with pytest.raises(QuarantineRefused, match="a later delivery of 2024-01-01 is already published"):
        decide("released")
    assert published()["store-1"] == 50.0
