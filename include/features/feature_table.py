"""A version of a pipeline's feature table, which the steps of a run hand each other, and its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from include import lake
from include.core.as_of import midnight
from include.core.json_document import JsonDocument
from include.features.query_checks import PREDICTION_TIME

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class FeatureTable(JsonDocument):
    """A version of a pipeline's feature table.

    Attributes
    ----------
    first_day
        The ISO day of the oldest rows that count; readers leave out older ones.
    feature_types
        The Arrow type of each column that a model may learn from, by name.
    """

    uri: str
    version: int
    key: list[str]
    rows: int
    labelled_rows: int
    columns: int
    build: str
    first_day: str | None = None
    feature_types: dict[str, str] = field(default_factory=dict)


def read_feature_rows(table: FeatureTable) -> pa.Table:
    """Read a feature table, in the order of `prediction_time` and key.

    The order matters: samples are drawn by position, and trees sum in the order of rows.
    """
    since = midnight(date.fromisoformat(table.first_day)) if table.first_day else None
    rows = lake.read_features(table.uri, table.version, since)
    order = list(dict.fromkeys([PREDICTION_TIME, *table.key]))
    return rows if _is_in_order(rows, order) else rows.sort_by([(name, "ascending") for name in order])


def read_features(table: FeatureTable) -> pd.DataFrame:
    """Read a feature table for training, as `read_feature_rows` does; an unknown label is NaN."""
    return read_feature_rows(table).to_pandas()


def _is_in_order(rows: pa.Table, names: list[str]) -> bool:
    """Return whether rows are sorted by some columns, by the first column first."""
    import pyarrow.compute as pc

    tied = None
    for name in names:
        earlier, later = rows[name].slice(0, max(0, rows.num_rows - 1)), rows[name].slice(1)
        falls = pc.greater(earlier, later)
        if pc.any(falls if tied is None else pc.and_(falls, tied)).as_py():
            return False
        tied = pc.equal(earlier, later) if tied is None else pc.and_(tied, pc.equal(earlier, later))
    return True
