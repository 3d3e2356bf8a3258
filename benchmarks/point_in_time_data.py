"""The pipeline, the events and the questions of a point-in-time build, written into a lake of their own."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include import lake
from include.config.loader import load_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

NAME = "bench_events"
FIRST, DAYS = date(2024, 1, 1), 60
AS_OF = FIRST + timedelta(days=DAYS - 1)
DAY = 86_400_000_000  # microseconds

_YAML = """\
description: What does a point-in-time build cost?
owner: benchmark
history_days: 90
sources:
  events:
    kind: files
    connection: none
    path: "events/{ds}.csv"
    key: [event]
    available_at: known_at
    columns: {event: integer, entity: integer, value: float, known_at: timestamp}
  questions:
    kind: files
    connection: none
    path: "questions/{ds}.csv"
    key: [question]
    available_at: asked_at
    columns: {question: integer, entity: integer, answer: float, asked_at: timestamp}
features: {key: [question], label: answer, exclude: [entity]}
training: {task: regression, metric: mae, window_days: 60, holdout_days: 7, gap_days: 1, candidates: [linear]}
gate: {minimum: 1}
"""

_FEATURES = """\
-- each question is also a row without a value, so that its window ends at the question, not at the event before
WITH history AS (
    SELECT entity, known_at, value, CAST(NULL AS BIGINT) AS question FROM events
    UNION ALL
    SELECT entity, asked_at, NULL, question FROM questions
),
windows AS (
    SELECT
        question,
        trailing_sum(value, entity, known_at, INTERVAL 7 DAYS) AS sum_7d,
        trailing_mean(value, entity, known_at, INTERVAL 7 DAYS) AS mean_7d,
        trailing_count(value, entity, known_at, INTERVAL 7 DAYS) AS count_7d
    FROM history
)
SELECT
    questions.question,
    questions.entity,
    questions.asked_at AS prediction_time,
    questions.answer,
    events.value AS last_value,
    days_since(events.known_at, questions.asked_at) AS days_since_last,
    windows.sum_7d,
    windows.mean_7d,
    windows.count_7d
FROM questions
JOIN windows USING (question)
ASOF LEFT JOIN events ON events.entity = questions.entity AND events.known_at <= questions.asked_at
"""


def write(folder: Path, events: int) -> None:
    """Write the pipeline, and seeded events and questions into its lake, a partition a day; no two share a moment."""
    import numpy as np
    import pyarrow as pa

    pipeline = folder / "pipelines" / NAME
    pipeline.mkdir(parents=True)
    (pipeline / "pipeline.yaml").write_text(_YAML)
    (pipeline / "features.sql").write_text(_FEATURES)
    draw = np.random.default_rng(0)
    questions, entities = events // 3, max(1, events // 100)
    step = DAYS * DAY // events
    for name, number, rows in (("events", "value", events), ("questions", "answer", questions)):
        # questions lie between two events each, so nothing depends on an order of rows at the same moment
        moments = np.sort(draw.permutation(events)[:rows]) * step + (step // 2 if name == "questions" else 0)
        numbers = draw.permutation(rows)
        table = pa.table(
            {
                name.removesuffix("s"): numbers,
                "entity": draw.integers(0, entities, rows),
                number: draw.uniform(1, 100, rows),
            }
        )
        _publish(name, table, moments, "asked_at" if name == "questions" else "known_at")


def _publish(name: str, table: pa.Table, moments: np.ndarray, moment: str) -> None:
    """Publish rows whose moments, microseconds since the first day, ascend; within a day by their numbers."""
    import numpy as np
    import pyarrow as pa

    from include.ingestion.publish import _schema

    source = load_pipeline(NAME).sources[name]
    start = (FIRST - date(1970, 1, 1)).days * DAY
    bounds = np.searchsorted(moments, np.arange(DAYS + 1) * DAY)
    days = [(FIRST + timedelta(days=day)).isoformat() for day in range(DAYS)]
    schema = _schema(source)

    def parts() -> Iterator[pa.Table]:
        for day, ds in enumerate(days):
            first, size = int(bounds[day]), int(bounds[day + 1] - bounds[day])
            times = pa.array(moments[first : first + size] + start).cast(pa.timestamp("us", tz="UTC"))
            part = table.slice(first, size)
            for column, values in (("batch", pa.array(["one"] * size)), ("ds", pa.array([ds] * size))):
                part = part.append_column(column, values)
            for column in (moment, "available_at"):
                part = part.append_column(column, times)
            yield part.sort_by(source.key[0]).select(schema.names).cast(schema)

    counts = dict(zip(days, np.diff(bounds).tolist(), strict=True))
    lake.publish_days(lake.raw_uri(NAME, name), parts(), schema, lake.Slices("ds", days, "one", 1, counts))
