"""How long the page of all models takes, with 300 pipelines and a year of nights behind each."""

from __future__ import annotations

import os
import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from benchmarks.measure import seconds_of, use_home
from include import lake
from include.core import settings
from include.lake.run_files import records_folder
from include.registry.client import mlflow_client
from include.registry.records.record import sha256, write_record
from include.reports.model_row import Schedule, model_row
from include.reports.models_page import View, models_page
from include.workflows.overview import read_overview

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPELINES, NIGHTS = 300, 365
ROUNDS = 7
#: Seconds that reading and rendering may take once the process has seen all tables.
LIMIT = 0.3
FIRST = date(2025, 1, 1)
#: Bytes of the part of a record that the page does not show, as in the demo's records.
REST = 30_000

_YAML = """\
description: How long does the page of all models take?
owner: benchmark
sources:
  sales: {kind: sql, connection: bench, query: sales.sql, key: [number], available_at: sold_at,
    columns: {number: integer, price: float, sold_at: timestamp}}
features: {key: [number], label: price}
training: {task: regression, metric: mae, window_days: 30, holdout_days: 7, gap_days: 1, candidates: [linear]}
gate: {minimum: 1}
"""


@dataclass(frozen=True)
class PageSeconds:
    """Seconds of the page: of the first view in a process, and of reading and rendering at later views."""

    first: float
    reading: list[float]
    rendering: list[float]

    @property
    def warm(self) -> float:
        """Seconds of the quickest later view, which other work on the machine disturbed least."""
        return min(self.reading) + min(self.rendering)


def models_page_seconds() -> PageSeconds:
    """Return what the page costs without Airflow's own database, which the API server asks besides."""
    with _many_pipelines():
        first = seconds_of(_read)
        reading = [seconds_of(_read) for _ in range(ROUNDS)]
        overview = read_overview()
        assert len(overview.models) == PIPELINES, "every pipeline has a row"
        assert not any(model.errors for model in overview.models), overview.models[0].errors
        return PageSeconds(first, reading, [seconds_of(lambda: _render(overview)) for _ in range(ROUNDS)])


def section(measured: PageSeconds) -> str:
    """Return the section of the page of benchmarks."""
    reading, rendering = (
        f"{statistics.median(taken):.2f} ({min(taken):.2f})" for taken in (measured.reading, measured.rendering)
    )
    return f"""\
## The page of all models

Seconds of reading and rendering the page **Models** for {PIPELINES} pipelines with {NIGHTS} nights of records,
predictions and monitoring each, in one process, with MLflow on SQLite: median (least) of {ROUNDS}. Airflow's own
database, which the API server asks besides, is not in it. A later view may take {LIMIT} s; the least took
{measured.warm:.2f} s. The first view in a process opens every table and reads each chain of records back to its last
promotion.

| view | s |
|---|---:|
| first | {measured.first:.1f} |
| later: reading | {reading} |
| later: rendering | {rendering} |

"""


def _read() -> None:
    read_overview()


def _render(overview: Any) -> None:
    now = datetime.combine(FIRST + timedelta(days=NIGHTS), time(6), UTC)
    rows = [model_row(model, Schedule(), now.date()) for model in overview.models]
    models_page(rows, View(), now=now, root="../../", nonce="bench")


@contextmanager
def _many_pipelines() -> Iterator[None]:
    """Let the block be at home where every pipeline has the tables and records of a year.

    The tables of one pipeline are made and linked into the folders of the others: each is read by its own address.
    """
    names = ("NIGHTSHIFT_PIPELINES", "NIGHTSHIFT_HOME", "LAKE_URI")
    before = {name: os.environ.get(name) for name in names}
    try:
        with TemporaryDirectory(prefix="bench-models-") as folder:
            use_home(Path(folder) / "home")
            os.environ["NIGHTSHIFT_PIPELINES"] = str(Path(folder) / "pipelines")
            _make(Path(folder) / "pipelines")
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _make(pipelines: Path) -> None:
    names = [f"model_{number:03}" for number in range(PIPELINES)]
    for name in names:
        (pipelines / name).mkdir(parents=True)
        (pipelines / name / "pipeline.yaml").write_text(_YAML)
        for query in ("features.sql", "sales.sql"):
            (pipelines / name / query).write_text("SELECT 1")
    _make_tables(names[0])
    for number, changes_every in ((0, 30), (1, NIGHTS)):  # the champion of every tenth has been so for the year
        _make_records(names[number], changes_every)
    at = Path(settings.lake_uri())
    for number, name in enumerate(names):
        (at / name).mkdir(parents=True, exist_ok=True)
        links = {"records": names[1 if number % 10 == 1 else 0]}
        links |= dict.fromkeys(("raw", "predictions", "monitoring"), names[0])
        for part, source in links.items():
            if source != name:
                (at / name / part).symlink_to(at / source / part)
    with mlflow_client("registering the models") as client:
        for number, name in enumerate(names):
            client.create_registered_model(name)
            client.create_model_version(name, f"{pipelines / name}")
            client.create_model_version(name, f"{pipelines / name}")
            client.set_registered_model_alias(name, "champion", "1" if number % 10 == 1 else "2")


def _make_tables(name: str) -> None:
    for number in range(NIGHTS):
        day = FIRST + timedelta(days=number)
        ds, moment = day.isoformat(), int(datetime.combine(day, time(1), UTC).timestamp() * 1_000_000)
        sold = pa.table({"number": [1, 2], "price": [1.0, 2.0], "ds": [ds] * 2, "batch": ["b"] * 2})
        slices = lake.Slices(column="ds", days=[ds], batch="b", moment=moment, rows={ds: 2})
        lake.publish_days(lake.RawTable(lake.raw_uri(name, "sales")), [sold], sold.schema, slices, set())
        predicted = pa.table({"number": [1, 2], "prediction": [1.0, 2.0]})
        lake.publish_predictions(lake.predictions_uri(name), ds, predicted, "beef", {}, moment=moment)
        found = [{"kind": "feature", "name": f"f{each}", "state": "alert" if each == 0 else "ok"} for each in range(30)]
        results = pa.Table.from_pylist([each | {"sentence": "PSI 0.31 is above 0.25"} for each in found])
        lake.publish_monitoring(lake.monitoring_uri(name), ds, results, "beef", {}, moment=moment)


def _make_records(name: str, changes_every: int) -> None:
    """Write the record of every night; the newest champion is version 2, or version 1 where it never changed."""
    folder = Path(str(records_folder(name)))
    folder.mkdir(parents=True)
    previous = None
    for number in range(1, NIGHTS + 1):
        night = datetime.combine(FIRST + timedelta(days=number - 1), time(2), UTC)
        changes = (NIGHTS - number) % changes_every == changes_every - 1
        champion = 1 if changes_every == NIGHTS else 2
        content = {
            "as_of": night.date().isoformat(),
            "challenger_version": champion if changes else 3,
            "champion_after": champion,
            "champion_before": None if changes else champion,
            "metric": {"name": "mae", "value": 5.1, "low": 4.9, "high": 5.3},
            "reason": "keep (the champion stays version 2): GATE005 the challenger is better by less than noise",
            "verdict": "promote" if changes else "keep",
            "tuning": "x" * REST,
        }
        fields = {"by": f"{name}.retrain", "kind": "retrain", "key": f"retrain {number}", "number": number}
        raw = write_record(fields | {"content": content, "previous": previous, "recorded_at": night.isoformat()})
        (folder / f"{number:08}.json").write_bytes(raw)
        previous = sha256(raw)
