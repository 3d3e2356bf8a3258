"""The table of a pipeline's predictions: one partition for each day that its champion has scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core import settings
from include.core.names import PROBABILITY
from include.lake.daily import publish_day, read_published

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from include.core.json_value import JsonValue
    from include.lake.tables import TableVersion


def predictions_uri(pipeline: str) -> str:
    """Return the address of the table of a pipeline's predictions."""
    return f"{settings.lake_uri()}/{pipeline}/predictions"


def publish_predictions(
    uri: str, ds: str, rows: pa.Table, build: str, about: Mapping[str, JsonValue], *, moment: int
) -> TableVersion:
    """Replace the predictions that were made as of a day, as `publish_day` does.

    Parameters
    ----------
    rows
        The key columns, `prediction_time`, `prediction` and `model_version`; for a binary task also `decision`, for a
        multiclass task also `predicted_class` and a `probability_<class>` for each class.
    """
    return publish_day(uri, ds, rows, build, about, moment=moment, varying=PROBABILITY)


def read_predictions(uri: str, first_ds: str, last_ds: str, version: int | None = None) -> pa.Table | None:
    """Return the predictions as of the days from first to last, both included; None where there is no table yet."""
    return read_published(uri, first_ds, last_ds, version)
