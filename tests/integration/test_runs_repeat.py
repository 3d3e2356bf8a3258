"""Execution at least once, publication exactly once: killed, repeated and contested runs of the shop."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from include import lake
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import ModelRefused, TrainingImpossible
from include.registry.client import mlflow_client
from include.registry.records.chain import read_all
from include.workflows.retrain import steps
from include.workflows.retrain.plan import RunPlan
from include.workflows.retrain.run import retrain, run
from tests import factories
from tests.forked import Forked
from tests.integration.killed_run import AS_OF, RUN_KEY, TUNING_SECONDS, run_and_die

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline


def registered() -> dict[str, object]:
    """Return what MLflow holds of the shop."""
    with mlflow_client("testing") as client:
        experiment = client.get_experiment_by_name("shop")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return {
            "runs": len(runs),
            "states": {run.data.tags["nightshift.state"] for run in runs},
            "versions": [version.version for version in client.search_model_versions("name = 'shop'")],
            "models": len(client.search_logged_models([experiment.experiment_id])),
            "aliases": {name: int(at) for name, at in client.get_registered_model("shop").aliases.items()},
        }


ONE_CHAMPION = {"runs": 1, "states": {"completed"}, "versions": [1], "models": 1, "aliases": {"champion": 1}}


#: Where a run dies: a function, before or after its call of this number; in the order of a run's steps.
DEATHS = [
    ("include.lake.publish_days", "before", 1),
    ("include.lake.run_files.write_bytes", "before", 3),
    ("include.lake.publish_days", "after", 1),
    ("include.lake.write_features", "after", 1),
    ("include.training.challenger.fit_challenger", "after", 1),
    ("mlflow.sklearn.log_model", "after", 1),
    ("mlflow.MlflowClient.create_model_version", "after", 1),
    ("mlflow.MlflowClient.set_registered_model_alias", "after", 1),
]


def test_a_run_that_is_killed_again_and_again_is_finished_by_its_last_try(shop: Path) -> None:
    """Each try dies at a later step than the one before, and the last one ends as if undisturbed."""
    for death in DEATHS:
        killed = Forked(run_and_die, *death)
        printed = killed.wait()
        assert killed.returncode == 137, f"{death}: {printed[-2000:]}"

    run_to_its_end()

    assert scratch_files() <= 1  # a write that is killed may leave its scratch file, never a part of a real one


@pytest.mark.slow
@pytest.mark.parametrize(("function", "when", "number"), DEATHS)
def test_a_killed_run_is_finished_by_its_next_try(shop: Path, function: str, when: str, number: int) -> None:
    """Wherever a run is killed, running it again ends with one run, one version and no row twice."""
    killed = Forked(run_and_die, function, when, number)
    printed = killed.wait()
    assert killed.returncode == 137, printed[-2000:]

    run_to_its_end()

    assert scratch_files() <= (when == "before")


def run_to_its_end() -> None:
    """Run the shop, and check that there is one run, one version and no row twice."""
    result = run(load_pipeline("shop"), RUN_KEY, AS_OF, EnvironmentConnections())

    assert (result.verdict, result.version, result.alias) == ("promote", 1, "champion")
    assert registered() == ONE_CHAMPION
    uri = lake.raw_uri("shop", "sales")
    assert {part.rows for part in lake.partitions(uri).values()} == {5}


def scratch_files() -> int:
    """Return the number of scratch files that were left in the home."""
    return sum(path.is_file() and path.suffix != ".crc" for path in settings.home().rglob(".*"))


def test_the_record_has_the_metric_in_its_own_interval(retrained: Pipeline) -> None:
    """What `history` shows beside the metric is the metric's interval, not that of the difference."""
    (record,) = read_all("shop")
    metric = record.content["metric"]

    assert metric["name"] == retrained.training.metric
    assert metric["low"] <= metric["value"] <= metric["high"]
    assert metric["better_by"] == record.content["evidence"]["baseline"]["difference"]


def without(pipeline: Pipeline, *features: str) -> Pipeline:
    """Return the pipeline with some features excluded."""
    changed = pipeline.features.model_copy(update={"exclude": list(features)})
    copy = pipeline.model_copy(update={"features": changed})
    copy._folder = pipeline.folder
    return copy


def test_clearing_any_task_changes_nothing(retrained: Pipeline) -> None:
    """Each step run again, in any order, finds what it left: the same tables, one run, one version."""
    plan = RunPlan.load("shop", RUN_KEY)
    table = lake.latest_version(lake.features_uri("shop"))
    again = [
        lambda: steps.summarize(retrained, plan),
        lambda: steps.register(retrained, plan),
        lambda: steps.judge(retrained, plan),
        lambda: steps.evaluate(retrained, plan),
        lambda: steps.train(retrained, plan),
        lambda: steps.tune(retrained, plan),
        lambda: steps.prove(retrained, plan),
        lambda: steps.validate(retrained, plan),
        lambda: steps.build(retrained, plan),
    ]
    for step in again:
        step()
    retrain(retrained, RUN_KEY, AS_OF)

    assert lake.latest_version(lake.features_uri("shop")) == table
    assert registered() == ONE_CHAMPION


def test_the_same_night_again_is_a_tie_and_keeps(retrained: Pipeline) -> None:
    """A challenger that is exactly as good as the champion does not replace it."""
    result = retrain(retrained, "again", AS_OF, TUNING_SECONDS)

    assert result.verdict == "keep"
    assert "GATE005 exactly as good as the champion (version 1)" in result.reason
    assert registered()["aliases"] == {"champion": 1, "challenger": 2}


def test_a_worse_challenger_keeps_the_champion(retrained: Pipeline) -> None:
    """A challenger that learned from the weekday only is worse, and is told so in numbers."""
    blind = without(retrained, "store", "revenue_last_day", "revenue_mean_7d")

    result = retrain(blind, "blind", AS_OF)

    assert result.verdict == "keep"
    assert "GATE005 worse than the champion (version 1) by" in result.reason
    assert registered()["aliases"] == {"champion": 1, "challenger": 2}


def test_a_run_whose_exclusions_change_does_not_use_what_it_found(retrained: Pipeline) -> None:
    """A challenger that learned from the column is not the answer once it is excluded."""
    with pytest.raises(TrainingImpossible, match="no candidate has a finite"):
        steps.train(without(retrained, "revenue_last_day"), RunPlan.load("shop", RUN_KEY))


def test_a_run_as_of_an_earlier_day_does_not_replace_the_champion(retrained: Pipeline) -> None:
    """A model of older data than the champion's is kept out, however it scores."""
    result = retrain(retrained, "older", date(2024, 3, 1))

    assert result.verdict == "keep"
    assert "GATE007 this run is as of 2024-03-01" in result.reason


def test_a_champion_whose_feature_is_gone_is_kept_and_named(retrained: Pipeline, shop: Path) -> None:
    """When the query drops a column that the champion needs, nothing is promoted over it unseen."""
    query = factories.SHOP_FEATURES.replace(",\n    history.revenue_mean_7d", "")
    (shop / "features.sql").write_text(query)

    result = retrain(retrained, "dropped", AS_OF)

    assert result.verdict == "keep"
    assert "cannot be scored (EvaluationFailed: the model was fitted on revenue_mean_7d" in result.reason


def test_a_run_changed_after_its_registration_is_refused(retrained: Pipeline, shop: Path) -> None:
    """A registered version is never changed: the repeated run says so and asks for a new one."""
    query = factories.SHOP_FEATURES.replace("ROWS 6 PRECEDING", "ROWS 13 PRECEDING")
    (shop / "features.sql").write_text(query)

    with pytest.raises(ModelRefused, match="has already registered version 1"):
        retrain(retrained, RUN_KEY, AS_OF)

    assert registered()["aliases"] == {"champion": 1}


def test_a_day_delivered_again_with_changes_replaces_the_day(retrained: Pipeline, tmp_path: Path) -> None:
    """Ingesting a range again publishes what changed, a day as a whole, and no row twice."""
    from include.workflows.retrain.run import ingest

    corrected = factories.sales()
    corrected.loc[corrected["day"] == "2024-03-20 00:00:00", "revenue"] = 500.0
    factories.write_sales(tmp_path / "shop.db", corrected)

    ingest(retrained, date(2024, 3, 20), date(2024, 3, 20), EnvironmentConnections())

    uri = lake.raw_uri("shop", "sales")
    rows = lake.read_table(uri, lake.latest_version(uri)).to_pandas()
    assert (rows[rows["ds"] == "2024-03-20"]["revenue"] == 500.0).sum() == 5
    assert not rows.duplicated(["store", "day"]).any()
