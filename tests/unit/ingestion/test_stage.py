"""A staged batch's manifest and verdict have one way to JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

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
    "read_from": {"topic": "sales", "offsets": {"2024-01-01": {"0": [0, 1]}}},
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


def test_a_verdict_is_read_from_a_validations_json() -> None:
    """A validation writes more fields than publication needs."""
    fields = {"rows": 3, "expectations": 9, "failures": [], "quarantined": 1, "passed": True, "run": "r", "at": "t"}

    assert BatchVerdict.from_json(fields) == BatchVerdict(passed=True, quarantined=1)
