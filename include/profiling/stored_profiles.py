"""Stores the profile of each batch, and reads those of published days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.core.scratch import scratch_folder
from include.lake import run_files
from include.profiling.profile import profile_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.ingestion.stage import StagedBatch


def write_profile(batch: StagedBatch, profile: pa.Table) -> None:
    """Write a batch's profile next to the batch."""
    import pyarrow.parquet as pq

    with scratch_folder("profile-") as scratch:
        file = scratch / "profile.parquet"
        pq.write_table(profile, file, compression="zstd")
        run_files.put_file(file, _profile_path(batch.pipeline, batch.source, batch.digest))


def read_profiles(pipeline: Pipeline, name: str, days: Iterable[str], raw: lake.RawTable | None = None) -> pa.Table:
    """Return the profiles of the days that a source has published with rows, ordered by day.

    A day has no profile if it was published from several batches or by a release without profiles. `raw` is the
    source's raw table, if the caller has it open.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = set(days)
    by_digest: dict[str, list[str]] = {}
    raw = raw or lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
    for ds, part in raw.partitions(pipeline.sources[name].slice_column, wanted).items():
        if part.batch:
            by_digest.setdefault(part.batch.partition("-")[0], []).append(ds)
    tables = [profile_schema().empty_table()]
    for digest, its_days in by_digest.items():
        try:
            with run_files.local_copy(_profile_path(pipeline.name, name, digest)) as file:
                profile = pq.read_table(file, schema=profile_schema())
        except FileNotFoundError:
            continue
        tables.append(profile.filter(pc.is_in(profile["day"], pa.array(its_days))))
    return pa.concat_tables(tables).sort_by("day")


def earlier_days(pipeline: Pipeline, name: str, first: str, raw: lake.RawTable | None = None) -> list[str]:
    """Return the days before `first` that later days are compared with.

    For a snapshot these are the last `history.days` published days, since an unchanged snapshot is not published; for
    any other source they are calendar days. `raw` is as for `read_profiles`.
    """
    source = pipeline.sources[name]
    if source.arrives == "snapshot":
        raw = raw or lake.RawTable(lake.raw_uri(pipeline.name, name)).refresh()
        there = [ds for ds in raw.partitions() if ds < first]
        return there[-source.history.days :]
    day = date.fromisoformat(first)
    return [(day - timedelta(days=back)).isoformat() for back in range(source.history.days, 0, -1)]


def _profile_path(pipeline: str, source: str, digest: str) -> UPath:
    return run_files.staged_folder(pipeline, source) / f"{digest}.profile.parquet"
