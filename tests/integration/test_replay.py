"""A registered version is made again from what its run recorded, and predicts the same to the last bit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from include.cli import main
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import LakeError, ModelRefused
from include.workflows.retrain.replay import replay
from include.workflows.retrain.run import run, silent
from tests import factories

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.training.folds import Folds
    from include.workflows.retrain.replay import Replay

AS_OF = date(2024, 3, 20)

CLASSIFIES = (
    factories.SHOP_YAML.replace("task: regression", "task: binary")
    .replace("metric: mae", "metric: roc_auc")
    .replace("label: revenue", "label: is_good")
    .replace("minimum: 50", "minimum: 0.5")
    .replace("{seconds: 60, trials: 2, folds: 2, sample_rows: 1000}", "{trials: 3, folds: 2}\n  deterministic: true")
    .replace("[lightgbm, linear]", "[lightgbm, extra_trees, linear]")
)
GOOD_DAYS = factories.SHOP_FEATURES.replace("sales.revenue,", "CAST(sales.revenue > 180 AS INTEGER) AS is_good,")


def _again() -> Replay:
    return replay("shop", 1, silent)


def test_a_version_is_made_again_to_the_last_bit(retrained: Pipeline) -> None:
    """The same table versions, parameters and seed give the same predictions of every held-out row."""
    again = _again()

    assert again.identical
    assert again.largest_difference == 0
    assert again.compared_rows == 70  # five stores on fourteen days
    assert again.train_rows > 300


def test_a_calibrated_ensemble_is_made_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was weighed and calibrated on the folds is fitted on them again, without looking at their scores."""
    from include.training import challenger

    factories.write_shop(settings.pipelines_folder(), pipeline=CLASSIFIES, features=GOOD_DAYS)
    whole = challenger.choose_challenger

    def together(pipeline: Pipeline, folds: Folds, tuned: list[challenger.TunedCandidate]) -> challenger.ChallengerSpec:
        members = [challenger.Member(each.family, 0.5, each.params, each.fold_rounds, each.score) for each in tuned[:2]]
        return replace(whole(pipeline, folds, tuned), members=members, calibration="sigmoid")

    monkeypatch.setattr(challenger, "choose_challenger", together)
    result = run(load_pipeline("shop"), "first", AS_OF, EnvironmentConnections())
    assert result.version == 1

    assert _again().identical


def test_the_chain_of_records_says_what_a_version_was_made_from(
    retrained: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What MLflow keeps beside it may have been changed, and is not looked at."""
    from include.registry import version_record

    read = version_record.read_record

    def changed(name: str, version: int) -> version_record.VersionRecord:
        found = read(name, version)
        features = factories.SHOP_FEATURES.replace("ROWS 6 PRECEDING", "ROWS 2 PRECEDING")
        return replace(
            found,
            plan=found.plan | {"as_of": "2024-03-01", "seed": 4711},
            challenger=found.challenger | {"members": []},
            definition=found.definition | {"features.sql": features},
        )

    monkeypatch.setattr(version_record, "read_record", changed)

    assert _again().identical


def test_a_run_that_was_killed_before_its_record_is_made_again_from_mlflow(retrained: Pipeline) -> None:
    """Its version is there, and MLflow's documents say what it was made from."""
    shutil.rmtree(Path(settings.lake_uri()) / "shop" / "records")

    assert _again().identical


def test_what_the_folder_says_today_does_not_matter(retrained: Pipeline) -> None:
    """A version is made again by its own pipeline.yaml and features.sql, whatever they have become."""
    changed = factories.SHOP_FEATURES.replace("ROWS 6 PRECEDING", "ROWS 2 PRECEDING")
    factories.write_shop(settings.pipelines_folder(), features=changed)

    assert _again().identical


def test_nothing_is_written(retrained: Pipeline) -> None:
    """A replay leaves no version in the lake and none in MLflow."""
    from include import lake
    from include.registry.champion import find_champion

    before = lake.latest_version(lake.features_uri("shop"))

    _again()

    assert lake.latest_version(lake.features_uri("shop")) == before
    assert find_champion("shop").version == 1  # type: ignore[union-attr]
    with pytest.raises(ModelRefused, match="has no version 2 in MLflow; there are 1"):
        replay("shop", 2, silent)


def test_raw_data_that_is_gone_is_one_sentence(retrained: Pipeline) -> None:
    """Without the recorded table versions nothing can be made again, and the error says so."""
    shutil.rmtree(settings.home() / "lake" / "shop" / "raw")

    with pytest.raises(LakeError, match="there is no such table"):
        _again()


def test_the_command_says_what_agrees(retrained: Pipeline) -> None:
    """`./nightshift replay` ends with a line that can be quoted."""
    result = CliRunner().invoke(main, ["replay", "shop", "1"])

    assert result.exit_code == 0, result.output
    assert "all 70 held-out rows are predicted the same, to the last bit" in result.output


def test_the_command_fails_where_predictions_differ(retrained: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that cannot be made again is an error, with what has changed since."""
    monkeypatch.setenv("NIGHTSHIFT_CODE_VERSION", "f" * 40)
    from include.training import fit

    whole = fit.fit_model
    monkeypatch.setattr(
        fit, "fit_model", lambda pipeline, rows, *rest: whole(pipeline, rows.iloc[: len(rows) // 2], *rest)
    )

    result = CliRunner().invoke(main, ["replay", "shop", "1"])

    assert result.exit_code == 1
    assert "differ by up to" in result.output
    assert "the code was" in result.output
