"""Staged batches: what is known of the rows that were read, its manifest, and the verdict of its validation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from include.core.json_document import JsonDocument
from include.ingestion.days import days_between
from include.ingestion.source_reader import read_record
from include.lake import run_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upath import UPath

    from include.config.sources import ColumnType
    from include.core.json_value import JsonValue
    from include.ingestion.read_record import ReadRecord


@dataclass(frozen=True)
class StagedBatch(JsonDocument):
    """A source's rows for a range of days, read at one time and not yet published.

    Attributes
    ----------
    digest
        The first 16 characters of the Parquet file's SHA-256, which are also its name.
    extracted_at
        The time in UTC at which reading began; if two batches have the same day, the one read later is published.
    """

    pipeline: str
    source: str
    start: date
    end: date
    digest: str
    rows: int
    extracted_at: datetime

    @property
    def days(self) -> list[str]:
        """The ISO days of the batch, including days without rows."""
        return days_between(self.start, self.end)

    @property
    def moment(self) -> int:
        """`extracted_at` in microseconds since 1970."""
        return int(self.extracted_at.timestamp() * 1_000_000)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields as JSON types."""
        return asdict(self) | {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "extracted_at": self.extracted_at.isoformat(timespec="microseconds"),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> StagedBatch:
        """Return the batch that `to_json` made the fields of; a manifest's other fields are ignored."""
        return cls(
            pipeline=fields["pipeline"],
            source=fields["source"],
            start=date.fromisoformat(fields["start"]),
            end=date.fromisoformat(fields["end"]),
            digest=fields["digest"],
            rows=fields["rows"],
            extracted_at=datetime.fromisoformat(fields["extracted_at"]),
        )


@dataclass(frozen=True)
class BatchManifest(JsonDocument):
    """The record of a staged batch, in a JSON file with the batch's name.

    Attributes
    ----------
    columns
        The declared type of each column.
    delivered
        The kinds of values that each column had at the source.
    changes
        The changes of the source that its contract allowed, as clauses.
    read_from
        What was read, as the kind's reader records it.
    """

    batch: StagedBatch
    rows_by_day: dict[str, int]
    columns: dict[str, ColumnType]
    delivered: dict[str, list[str]]
    changes: list[str]
    kind: str
    connection: str
    read_from: ReadRecord
    ended_at: datetime

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields as JSON types, those of the batch at the same level as the others."""
        return self.batch.to_json() | {
            "rows_by_day": self.rows_by_day,
            "columns": self.columns,
            "delivered": self.delivered,
            "changes": self.changes,
            "kind": self.kind,
            "connection": self.connection,
            "read_from": self.read_from.to_json(),
            "ended_at": self.ended_at.isoformat(timespec="microseconds"),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> BatchManifest:
        """Return the manifest that `to_json` made the fields of."""
        return cls(
            batch=StagedBatch.from_json(fields),
            rows_by_day=fields["rows_by_day"],
            columns=fields["columns"],
            delivered=fields["delivered"],
            changes=fields["changes"],
            kind=fields["kind"],
            connection=fields["connection"],
            read_from=read_record(fields["kind"], fields["read_from"]),
            ended_at=datetime.fromisoformat(fields["ended_at"]),
        )


@dataclass(frozen=True)
class BatchVerdict:
    """Whether a staged batch passed its validation, and how many of its rows the validation left in quarantine."""

    passed: bool
    quarantined: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> BatchVerdict:
        """Return the verdict from the JSON of a batch's validation."""
        return cls(passed=fields["passed"], quarantined=fields["quarantined"])


def write_manifest(manifest: BatchManifest) -> None:
    """Write a batch's manifest, which completes its staging."""
    batch = manifest.batch
    run_files.write_json(_manifest_path(batch.pipeline, batch.source, batch.digest), manifest.to_json())


def read_manifest(pipeline: str, source: str, digest: str) -> BatchManifest:
    """Return the manifest of a staged batch.

    Raises
    ------
    RunMissing
        If the manifest does not exist.
    OtherRelease
        If this release cannot read it.
    """
    path, what = _manifest_path(pipeline, source, digest), f"the manifest of batch {digest} of source '{source}'"
    fields = run_files.read_json(path, what)
    with run_files.refuse_other_release(what, path):
        return BatchManifest.from_json(fields)


def _manifest_path(pipeline: str, source: str, digest: str) -> UPath:
    return run_files.staged_folder(pipeline, source) / f"{digest}.json"


def verdict_path(batch: StagedBatch) -> UPath:
    """Return where a batch's validation writes its verdict."""
    return run_files.staged_folder(batch.pipeline, batch.source) / f"{batch.digest}.validation.json"


def read_verdict(batch: StagedBatch) -> BatchVerdict:
    """Return the verdict of a batch's validation.

    Raises
    ------
    RunMissing
        If the batch was not validated.
    """
    return BatchVerdict.from_json(
        run_files.read_json(verdict_path(batch), f"the validation of batch {batch.digest} of source '{batch.source}'")
    )
