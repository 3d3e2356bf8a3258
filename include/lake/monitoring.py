"""The table of a pipeline's monitoring results: one partition per day, one row per check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core import settings
from include.lake.daily import publish_day, read_published

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from include.core.json_value import JsonValue
    from include.lake.tables import TableVersion


def monitoring_uri(pipeline: str) -> str:
    """Return the address of the table of a pipeline's monitoring results."""
    return f"{settings.lake_uri()}/{pipeline}/monitoring"


def publish_monitoring(
    uri: str, ds: str, rows: pa.Table, build: str, about: Mapping[str, JsonValue], *, moment: int
) -> TableVersion:
    """Replace the results as of a day, as `publish_day` does."""
    return publish_day(uri, ds, rows, build, about, moment=moment)


def read_monitoring(uri: str, first_ds: str, last_ds: str) -> pa.Table | None:
    """Return the results as of the days from first to last, both included; None where there is no table yet."""
    return read_published(uri, first_ds, last_ds)
