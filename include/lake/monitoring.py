"""What the monitor of a pipeline has found: a partition a day, of one row for each thing that it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core import settings
from include.lake.daily import publish_day, read_published

if TYPE_CHECKING:
    import pyarrow as pa

    from include.lake.tables import TableVersion


def monitoring_uri(pipeline: str) -> str:
    """Return the address of the table of what a pipeline's monitor has found."""
    return f"{settings.lake_uri()}/{pipeline}/monitoring"


def publish_monitoring(
    uri: str, ds: str, rows: pa.Table, build: str, about: dict[str, Any], *, moment: int
) -> TableVersion:
    """Replace what was found as of a day, as `publish_day` does."""
    return publish_day(uri, ds, rows, build, about, moment=moment)


def read_monitoring(uri: str, first_ds: str, last_ds: str) -> pa.Table | None:
    """Read what was found as of some days, both ends included; None where there is no table yet."""
    return read_published(uri, first_ds, last_ds)
