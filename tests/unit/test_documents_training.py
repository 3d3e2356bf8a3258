"""The pages on candidates and training say what is so: blocks are valid; lists, numbers and outputs are the code's."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from include.cli import main
from include.config.loader import load_pipeline
from include.config.pipeline import Pipeline
from include.config.training import BUILT_IN, EXTRAS, METRICS, Task, Training, Tuning
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import TrainingImpossible
from include.training import calibrate, studies
from include.training.candidates import candidates_of
from include.training.candidates.built_in.linear import MAX_QUANTILE_ROWS
from include.training.check import check_candidates, check_trainable
from include.training.columns import groups_of
from include.training.fit import fit_model, predict
from include.training.split import split_by_time, time_ordered_folds
from include.training.trial_storage import open_storage
from include.training.tune import Search
from include.training.tuning_result import tuning_table
from include.workflows.retrain.compare import IMPORTANCE_SECONDS
from include.workflows.retrain.replay import TOLERANCE
from include.workflows.retrain.run import run
from tests import factories
from tests.unit.training.conftest import untidy_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

PAGE = (settings.root() / "docs" / "how-to" / "choose-candidates.md").read_text(encoding="utf-8")
BLOCKS: list[dict[str, Any]] = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def _pipeline(block: dict[str, Any]) -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] = {"window_days": 100} | block["training"]
    fields["features"] = {"key": ["row"], "label": "label"}
    return Pipeline.model_validate(fields)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: "-".join(block["training"]))
def test_every_block_can_be_fitted(block: dict[str, Any]) -> None:
    """Each block, in the shop's pipeline, gives candidates that are built, fitted with their defaults and predict."""
    pipeline = _pipeline(block)
    frame = untidy_frame(pipeline.training.task, days=20).assign(patient="one")

    check_candidates(pipeline)
    for family, candidate in candidates_of(pipeline.training).items():
        params = candidate.defaults | ({candidate.rounds: 5} if candidate.rounds else {})
        model = fit_model(pipeline, frame, family, params, 1)
        assert np.isfinite(predict(model, frame, pipeline.training)).all()


def test_every_family_is_in_the_table() -> None:
    """The table names each family, and says which are extras."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE)

    assert sorted(family for family, told in rows if "an extra" not in told) == BUILT_IN
    assert sorted(family for family, told in rows if "an extra" in told) == EXTRAS


def test_the_default_is_what_the_page_says() -> None:
    """The first block names the families that a pipeline has which names none."""
    named = _pipeline(BLOCKS[0]).training.candidates
    default = _pipeline({"training": {"task": "regression", "metric": "mae"}}).training.candidates

    assert sorted(named) == default


def test_the_draw_of_a_line_is_what_the_page_says() -> None:
    """The number of rows that the page names is the one in the code."""
    assert f"a sample of {MAX_QUANTILE_ROWS:,} rows" in PAGE


# --- tune and train

TRAINING = (settings.root() / "docs" / "how-to" / "tune-and-train.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```text\n(.*?)```", TRAINING, re.DOTALL)
TRAINING_BLOCKS = [yaml.safe_load(block)["training"] for block in re.findall(r"```yaml\n(.*?)```", TRAINING, re.DOTALL)]


def test_every_task_has_its_metrics_in_the_table() -> None:
    """The table has each task with the metrics of the schema, in its order."""
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", TRAINING, re.MULTILINE))

    assert tuple(rows) == get_args(Task)
    assert rows.pop("forecasting").strip() == "as for regression"
    for task, told in rows.items():
        assert re.findall(r"`(\w+)`", told) == list(METRICS[task])
    assert METRICS["forecasting"] == METRICS["regression"]


def test_the_days_of_the_folds_are_those_of_the_page() -> None:
    """The first block, as of the day and from the day that the page names, gives the days of its table."""
    training = Training(task="regression", metric="mae", **TRAINING_BLOCKS[0])
    assert "as of 20 March 2024" in TRAINING
    assert "with history from 2 January" in " ".join(TRAINING.split())
    days = np.arange("2024-01-02", "2024-03-21", dtype="datetime64[D]")

    through = date(2024, 3, 20) - timedelta(days=training.gap_days)
    split = split_by_time(days, np.ones(len(days), dtype=bool), training, through)
    learned = days[split.train]
    folds = time_ordered_folds(learned, training.tuning.folds, training.gap_days, training.holdout_days)
    parts = [(learned[fit], learned[judged]) for fit, judged in folds] + [(learned, days[split.holdout])]

    table = re.findall(r"^\| (?:fold \d|challenger) \| (\S+) to (\S+) \| (\S+) to (\S+) \|$", TRAINING, re.MULTILINE)
    assert table == [tuple(str(day) for part in parts_of for day in part[[0, -1]]) for parts_of in parts]


def test_the_defaults_of_the_search_are_those_of_the_page() -> None:
    """The block that says it has the values of what is left out has them, and all of them."""
    assert "tuning: # these are the defaults" in TRAINING
    assert TRAINING_BLOCKS[1]["tuning"] == Tuning().model_dump(exclude={"trials"})
    assert f"{studies.MAX_TRIALS:,}" in TRAINING
    for name in ("ensemble", "calibrate"):
        assert TRAINING_BLOCKS[2][name] is Training.model_fields[name].default is True


def test_the_table_of_the_search_has_the_form_of_the_page(shop: Path, tmp_path: Path) -> None:
    """A search of the default candidates is told under the page's heading, in the page's order."""
    training = Training(task="regression", metric="mae")
    pipeline = load_pipeline("shop").model_copy(update={"training": training})
    search = Search(pipeline, tmp_path / "journal", "page")

    told = tuning_table({family: search._result(family) for family in search.studies}, "mae").splitlines()

    shown = next(block for block in SHOWN if block.startswith("candidate")).splitlines()
    assert told[0] == shown[0]
    assert [line.split()[0] for line in told] == [line.split()[0] for line in shown]


def test_the_numbers_of_training_are_those_of_the_code() -> None:
    """What the page says of limits is what the code has."""
    text = " ".join(TRAINING.split())

    assert f"drops a candidate after {({2: 'two'})[studies.MAX_FAILURES]} failures in a row" in text
    assert f"it needs {calibrate.MIN_CLASS_ROWS} rows of the rarest class" in text
    assert f"{calibrate.MIN_ISOTONIC_ROWS:,} rows in all for isotonic regression" in text
    assert f"at most {IMPORTANCE_SECONDS} seconds" in text
    assert f"at most {({1e-6: 'a millionth'})[TOLERANCE]} counts" in text


def test_what_replay_prints_is_as_the_page_shows(shop: Path) -> None:
    """The shop's first version, made again, ends with the lines of the page."""
    run(load_pipeline("shop"), "page", date(2024, 3, 20), EnvironmentConnections(), 1)

    printed = CliRunner().invoke(main, ["replay", "shop", "1"])

    assert printed.exit_code == 0, printed.output
    shown = next(block for block in SHOWN if "predicted the same" in block)
    lines = [line for line in printed.output.splitlines() if not re.search(r"\d s$|since then:", line)]
    assert lines == shown.splitlines()


# --- what cannot be learned from


def _refused(task: str = "regression", change: Callable[..., Any] | None = None, **training: Any) -> str:
    """Return what is said of a table that nothing can be learned from."""
    rows, days = training.pop("rows_per_day", 10), training.pop("days", 60)
    frame: pd.DataFrame = untidy_frame(task, days=days, rows_per_day=rows)
    frame = frame.assign(**change(frame)) if change else frame
    fields = yaml.safe_load(factories.SHOP_YAML)
    metric = {"binary": "roc_auc"}.get(task, "mae")
    fields["training"] |= {"task": task, "metric": metric} | training
    fields["features"] = {"key": ["row"], "label": "label"}
    pipeline = Pipeline.model_validate(fields)
    through = factories.FIRST_DAY + timedelta(days=days - 1)
    times, labelled = frame["prediction_time"].to_numpy(), frame["label"].notna().to_numpy()
    with pytest.raises(TrainingImpossible) as refused:
        check_trainable(
            pipeline, frame, split_by_time(times, labelled, pipeline.training, through, groups_of(pipeline, frame))
        )
    return str(refused.value)


def _first(count: int, value: object, other: object) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda frame: np.where(np.arange(len(frame)) < count, value, other)


NO_ROWS_AFTER = np.datetime64(factories.FIRST_DAY + timedelta(days=40))
REFUSED: list[Callable[[], str]] = [
    lambda: _refused(change=lambda frame: {"label": np.nan}),
    lambda: _refused(rows_per_day=2),
    lambda: _refused(change=lambda frame: {"prediction_time": frame["prediction_time"].clip(upper=NO_ROWS_AFTER)}),
    lambda: _refused(days=18, rows_per_day=60),
    lambda: _refused("binary", lambda frame: {"label": _first(300, 1.0, 2.0)(frame)}),
    lambda: _refused(change=lambda frame: {"label": 3.0}),
    lambda: _refused(change=lambda frame: {"noise": np.nan}),
    lambda: _refused(change=lambda frame: {"noise": _first(3, np.inf, 1.0)(frame)}),
    lambda: _refused(change=lambda frame: {"store": [f"ticket {number}" for number in range(len(frame))]}),
    lambda: _refused(change=lambda frame: {"patient": [None, None, *["p"] * (len(frame) - 2)]}, group="patient"),
    lambda: _refused("binary", lambda frame: {"label": _first(440, 0.0, 1.0)(frame)}),
]


def test_each_sentence_that_refuses_a_table_is_one_that_is_said() -> None:
    """The table of 'Read a failed run' has parts of the sentences by which such tables are refused, in its order."""
    page = (settings.root() / "docs" / "how-to" / "read-a-failed-run.md").read_text(encoding="utf-8")
    section = page.partition("## What cannot be learned from")[2].partition("\n## ")[0]
    parts = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)

    *refused, without_score, not_kept = parts
    for part, said in zip(refused, REFUSED, strict=True):
        assert part in said().replace("'label'", "'late'")
    assert [without_score, not_kept] == ["no candidate has a finite mae", "the trials cannot be stored in"]


def test_the_other_sentences_are_said_too(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search without a result, and a database that is not there, are told as on the page."""
    with pytest.raises(TrainingImpossible, match="no candidate has a finite mae"):
        Search(load_pipeline("shop"), tmp_path / "journal", "page").results()
    monkeypatch.setenv("NIGHTSHIFT_TUNING_STORAGE", f"sqlite:///{tmp_path}/nowhere/trials.db")
    with pytest.raises(TrainingImpossible, match="the trials cannot be stored in"):
        open_storage(tmp_path / "journal")
