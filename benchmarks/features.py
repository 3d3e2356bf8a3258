"""The feature table: Nightshift's step beside the same SQL by hand."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, start_afresh, take_turns
from include import lake
from include.core import settings
from include.features.build import build_features
from include.features.feature_table import read_features
from include.features.macros import create_macros
from include.features.snapshot import pin_snapshot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from include.config.pipeline import Pipeline

AS_OF = date(2013, 11, 30)
LIMIT = 1.3


def bare_features(pipeline: Pipeline, snapshot: dict[str, int]) -> pa.Table:
    """Make the feature table as one would by hand for these four tables, and write it to a Delta table.

    It has what Nightshift's has and the query does not say: rows known in time only, times in plain UTC
    and tables in place of views (either without which the query takes many times as long), and the order.
    """
    import duckdb
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for name, version in snapshot.items():
            raw = DeltaTable(lake.raw_uri(pipeline.name, name), version=version).to_pyarrow_dataset()
            con.register("raw", raw)
            times = ", ".join(
                f"make_timestamp(epoch_us({field.name})) AS {field.name}"
                for field in raw.schema
                if pa.types.is_timestamp(field.type)
            )
            con.execute(
                f"CREATE TABLE {name} AS SELECT * REPLACE ({times}) FROM raw"
                f" WHERE available_at < TIMESTAMPTZ '{AS_OF + timedelta(days=1)} 00:00:00+00'"
            )
        create_macros(con)  # what features.sql may call
        rows = con.sql(
            "SELECT * REPLACE (CAST(flight_number_flights_28d AS DOUBLE) AS flight_number_flights_28d)"
            f" FROM ({pipeline.text('features.sql')}) ORDER BY prediction_time, flight_id"
        ).to_arrow_table()
    write_deltalake(str(settings.home() / "bare" / "features"), rows, mode="overwrite")
    return rows


def compare_features(pipeline: Pipeline) -> Comparison:
    """Time both, after a look that they yield the same."""
    snapshot = pin_snapshot(pipeline)

    def ours() -> None:
        build_features(pipeline, snapshot, AS_OF)

    def bare() -> None:
        bare_features(pipeline, snapshot)

    def fresh() -> None:
        start_afresh()
        shutil.rmtree(settings.home() / "bare" / "features", ignore_errors=True)

    _assert_equal(read_features(build_features(pipeline, snapshot, AS_OF)), bare_features(pipeline, snapshot))
    taken = take_turns(ours, bare, prepare=fresh)
    return Comparison("feature table", *taken, limit=LIMIT)


def _assert_equal(ours: pd.DataFrame, bare: pa.Table) -> None:
    from pandas.testing import assert_frame_equal

    # numbers to the precision of sums that threads add up in any order
    assert_frame_equal(*(rows.sort_values("flight_id", ignore_index=True) for rows in (ours, bare.to_pandas())))
