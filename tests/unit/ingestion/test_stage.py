"""A staged batch's manifest and verdict have one way to JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.ingestion.files import FileRead, FilesRead
from include.ingestion.http import HttpRead
from include.ingestion.kafka import KafkaRead
from include.ingestion.read_record import ReadRecord
from include.ingestion.sql import SqlRead
from include.ingestion.stage import BatchManifest, BatchVerdict, StagedBatch

#: A manifest as releases have written it since batches are staged.
MANIFEST = {
    "pipeline": "shop",
    "source": "sales",
    "start": "2024-01-01",
    "end": "2024-01-02",
    "digest": "0123456789abcdef",
    "rows": 3,
    "extracted_at": "2024-01-03T00:15:00.000000+00:00",
    "rows_by_day": {"2024-01-01": 1, "2024-01-02": 2},
    "columns": {"store": "string", "revenue": "float"},
    "delivered": {"store": ["string"], "revenue": ["decimal", "integer"]},
    "changes": [],
    "kind": "kafka",
    "connection": "shop",
    "read_from": {
        "topic": "sales",
        "offsets": {"2024-01-01": {"0": [0, 1]}},
        "messages": 1,
        "tombstones": 0,
        "skipped": {"0": [0]},
    },
    "ended_at": "2024-01-03T00:15:01.000000+00:00",
}


def test_a_manifest_survives_json() -> None:
    """The fields and their order stay those of earlier releases, whose files are read too."""
    manifest = BatchManifest.from_json(json.loads(json.dumps(MANIFEST)))

    assert manifest.batch == StagedBatch(
        pipeline="shop",
        source="sales",
        start=date(2024, 1, 1),
        end=date(2024, 1, 2),
        digest="0123456789abcdef",
        rows=3,
        extracted_at=datetime(2024, 1, 3, 0, 15, tzinfo=UTC),
    )
    assert json.dumps(manifest.batch.to_json()) == json.dumps({name: MANIFEST[name] for name in list(MANIFEST)[:7]})
    assert manifest.rows_by_day == {"2024-01-01": 1, "2024-01-02": 2}
    assert json.dumps(manifest.to_json()) == json.dumps(MANIFEST)


#: What was read, as releases have written it, and as a release that did not yet know of skipped messages.
FILE = {"path": "2024-01-01.csv", "bytes": 9, "sha256": "ab", "rows": 1}
READ_FROM: list[tuple[str, dict[str, Any], ReadRecord]] = [
    (
        "sql",
        {
            "query": "sql/sales.sql",
            "sha256": "ab",
            "start": "2024-01-01T00:00:00+00:00",
            "end": "2024-01-03T00:00:00+00:00",
            "rows": 3,
        },
        SqlRead("sql/sales.sql", "ab", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), 3),
    ),
    (
        "files",
        {
            "files": [FILE, FILE | {"as_declared_by": ["2024-01-01.csv.md5"]}],
            "missing": ["2024-01-02.csv"],
            "folder": "/data/landing",
        },
        FilesRead(
            [
                FileRead("2024-01-01.csv", 9, "ab", 1),
                FileRead("2024-01-01.csv", 9, "ab", 1, as_declared_by=["2024-01-01.csv.md5"]),
            ],
            ["2024-01-02.csv"],
            "/data/landing",
        ),
    ),
    (
        "http",
        {"requests": 2, "records": 3, "path": "/v1/sales", "params": {"from": "2024-01-01"}},
        HttpRead(2, 3, "/v1/sales", {"from": "2024-01-01"}),
    ),
    (
        "kafka",
        {"topic": "sales", "offsets": {"2024-01-01": {"0": [0, 1]}}, "messages": 1, "tombstones": 0, "skipped": {}},
        KafkaRead("sales", {"2024-01-01": {0: (0, 1)}}, 1, 0),
    ),
]


@pytest.mark.parametrize(("kind", "fields", "record"), READ_FROM, ids=[kind for kind, _, _ in READ_FROM])
def test_what_was_read_survives_json(kind: str, fields: dict[str, Any], record: ReadRecord) -> None:
    """Each kind's record has the keys and values of earlier releases."""
    manifest = BatchManifest.from_json(MANIFEST | {"kind": kind, "read_from": fields})

    assert manifest.read_from == record
    assert json.dumps(manifest.to_json()["read_from"]) == json.dumps(fields)


def test_what_an_earlier_release_did_not_record_is_empty() -> None:
    """A manifest that was written before messages could be skipped is read."""
    fields = {"topic": "sales", "offsets": {}, "messages": 1, "tombstones": 0}
    manifest = BatchManifest.from_json(MANIFEST | {"read_from": fields})

    assert manifest.read_from == KafkaRead(topic="sales", offsets={}, messages=1, tombstones=0, skipped={})


def test_a_manifest_of_a_kind_that_is_gone_is_read() -> None:
    """A team that removes a kind of its own can still publish the source's next batch."""
    manifest = BatchManifest.from_json(MANIFEST | {"kind": "ledger", "read_from": {"ledger": "blue"}})

    assert manifest.read_from == ReadRecord()


def test_a_verdict_is_read_from_a_validations_json() -> None:
    """A validation writes more fields than publication needs."""
    fields = {"rows": 3, "expectations": 9, "failures": [], "quarantined": 1, "passed": True, "run": "r", "at": "t"}

    assert BatchVerdict.from_json(fields) == BatchVerdict(passed=True, quarantined=1)
