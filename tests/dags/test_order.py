"""Which waiting tasks Airflow's scheduler starts first, and how many training tasks it runs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAITING = [
    ("shop.maintain", ["maintain_files"]),
    ("shop.retrain", ["tune_candidates"]),
    ("second.retrain", ["tune_candidates", "register_model"]),
    ("shop.score", ["score_rows"]),
    ("shop.ingest", ["sales.extract"]),
    ("shop.rollback", ["change_champion"]),
]
BEFORE_TRAINING = [
    "shop.rollback change_champion",
    "shop.ingest sales.extract",
    "shop.score score_rows",
    "second.retrain register_model",
]


@pytest.fixture
def started(schedule_tasks: Callable[..., Any], tmp_path: Path) -> Callable[[dict[str, str]], list[list[str]]]:
    """Return a function that lets the scheduler start four tasks, and then all others, while two shops tune.

    Each of them has three tasks that search at once; the pool `training` has two slots.
    """
    text = factories.SHOP_YAML.replace("{seconds: 60,", "{seconds: 2, parallel: 3,")
    for name in ("shop", "second"):
        factories.write_shop(tmp_path / "pipelines", name, pipeline=text)

    def ask(environment: dict[str, str]) -> list[list[str]]:
        return schedule_tasks(tmp_path, environment, WAITING, slots=[4, 100], pools={"training": 2})

    return ask


def test_training_cannot_keep_ingestion_from_starting(started: Callable[[dict[str, str]], list[list[str]]]) -> None:
    """With a pool, its slots limit the training tasks, and all other tasks start before or beside them."""
    four, others = started({"NIGHTSHIFT_TRAINING_POOL": "training"})

    assert four == BEFORE_TRAINING
    assert [task.partition(" ")[2] for task in others] == ["tune_candidates"] * 2 + ["maintain_files"]


def test_without_a_pool_the_order_is_the_same(started: Callable[[dict[str, str]], list[list[str]]]) -> None:
    """An Airflow without the pool runs as many tasks at once as it can."""
    four, others = started({})

    assert four == BEFORE_TRAINING
    assert [task.partition(" ")[2] for task in others] == ["tune_candidates"] * 6 + ["maintain_files"]
