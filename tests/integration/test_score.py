"""The champion of a retrained shop predicts day after day, each day once, and no other model does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from include import lake
from include.cli import main
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import ExpectationsFailed, LakeError, ModelRefused, ScoringImpossible
from include.features.build import build_features, read_feature_rows
from include.features.snapshot import pin_snapshot
from include.registry.champion import find_champion
from include.registry.load_model import load_champion
from include.training.fit import predict
from include.workflows.retrain.run import ingest
from include.workflows.score.plan import plan_scoring
from include.workflows.score.score import score_rows
from tests import factories
from tests.forked import Forked
from tests.integration.killed_run import AS_OF
from tests.integration.killed_score import RUN_KEY, score_and_die

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from include.config.pipeline import Pipeline

NEXT = AS_OF + timedelta(days=1)


def score(pipeline: Pipeline, as_of: date | None = AS_OF, run_key: str = RUN_KEY) -> dict[str, Any]:
    """Score a day as the DAG does."""
    return score_rows(pipeline, plan_scoring(pipeline, run_key, as_of))


def published(first: date = AS_OF, last: date = NEXT) -> pa.Table | None:
    """Return the predictions of some days."""
    return lake.read_predictions(lake.predictions_uri("shop"), first.isoformat(), last.isoformat())


def of_the_champion(pipeline: Pipeline, as_of: date) -> pa.Table:
    """Return the key and the prediction of each row of the next day, of the features that a build makes."""
    rows = read_feature_rows(build_features(pipeline, pin_snapshot(pipeline), as_of))
    rows = rows.filter(pc.greater(rows["prediction_time"], datetime(as_of.year, as_of.month, as_of.day)))
    champion = find_champion("shop")
    assert champion is not None
    predicted = predict(load_champion(champion), rows.to_pandas(), pipeline.training)
    return pa.table({"store_day": rows["store_day"], "prediction": predicted})


def test_two_days_are_predicted_by_the_champion(retrained: Pipeline) -> None:
    """Each day has the rows that are asked at the midnight at its end, with what the champion says of them."""
    first = score(retrained)
    ingest(retrained, NEXT, NEXT, EnvironmentConnections())
    second = score(retrained, None, "the-next")

    assert [first.as_of, second.as_of] == [AS_OF, NEXT]
    for day in (AS_OF, NEXT):
        found, expected = published(day, day), of_the_champion(retrained, day)
        assert found is not None
        assert found["store_day"].to_pylist() == [f"store-{each}-{day + timedelta(days=1)}" for each in range(5)]
        assert found.select(["store_day", "prediction"]) == expected
        assert set(found["prediction_time"].to_pylist()) == {datetime(day.year, day.month, day.day) + timedelta(days=1)}
        assert found["model_version"].to_pylist() == [1] * 5
    both = published()
    assert both is not None
    assert both.schema.names == ["store_day", "prediction_time", "prediction", "model_version", "ds"]
    assert np.isclose(first.mean_prediction, pc.mean(published(AS_OF, AS_OF)["prediction"]).as_py())
    assert "rows             5" in first.table
    assert "version          1 (" in first.table


def test_the_features_are_left_as_they_were(retrained: Pipeline) -> None:
    """Nothing but the table of predictions and the run's own folder has changed in the lake."""
    table = lake.latest_version(lake.features_uri("shop"))
    before = {path for path in settings.home().rglob("*") if path.is_file()}

    score(retrained)

    new = {path.relative_to(settings.home()) for path in settings.home().rglob("*") if path.is_file()} - {
        path.relative_to(settings.home()) for path in before
    }
    assert lake.latest_version(lake.features_uri("shop")) == table
    assert {path.parts[:3] for path in new} == {("lake", "shop", "predictions"), ("lake", "shop", "runs")}


def test_a_cleared_run_publishes_nothing_anew(retrained: Pipeline) -> None:
    """The same plan again finds its rows, also after a newer day was published."""
    score(retrained)
    ingest(retrained, NEXT, NEXT, EnvironmentConnections())
    score(retrained, NEXT, "the-next")
    before = DeltaTable(lake.predictions_uri("shop")).version()

    again = score(retrained)

    assert not again.changed
    assert again.table_version == before
    assert "unchanged: these predictions or newer ones" in again.table


@pytest.mark.parametrize(
    ("function", "when"),
    [
        ("include.lake.run_files.write_bytes", "after"),
        ("include.lake.publish_predictions", "before"),
        ("deltalake.DeltaTable.create", "after"),
        ("deltalake.write_deltalake", "after"),
    ],
)
def test_a_killed_run_is_finished_by_its_next_try(retrained: Pipeline, function: str, when: str) -> None:
    """Wherever it is killed, running it again ends with one version of the day, and no row twice."""
    killed = Forked(score_and_die, function, when, 1)
    printed = killed.wait()
    assert killed.returncode == 137, printed[-2000:]

    result = score(retrained)

    found = published()
    assert found is not None
    assert result.rows == found.num_rows == 5
    operations = [commit["operation"] for commit in DeltaTable(lake.predictions_uri("shop")).history()]
    assert operations == ["WRITE", "CREATE TABLE"]
    assert result.changed == (function != "deltalake.write_deltalake")


def test_two_tasks_of_one_plan_at_once_publish_once(retrained: Pipeline) -> None:
    """A task that was taken for dead may still run beside its second try."""
    plan_scoring(retrained, RUN_KEY, AS_OF)
    both = [Forked(score_and_die, "include.lake.run_files.put_file", "before", 0) for _ in range(2)]
    told = [process.wait() for process in both]

    ended = [process.returncode for process in both]
    assert 0 in ended, told
    assert all(code == 0 or "PublishConflict" in error for code, error in zip(ended, told, strict=True)), told
    assert not score(retrained).changed
    operations = [commit["operation"] for commit in DeltaTable(lake.predictions_uri("shop")).history()]
    assert operations == ["WRITE", "CREATE TABLE"]


def test_a_champion_whose_file_was_changed_does_not_predict(retrained: Pipeline, completed_run: Path) -> None:
    """A byte of the model is another one, and nothing is published."""
    [model] = completed_run.glob("mlflow/artifacts/**/model.skops")
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(ModelRefused, match="was changed after it was written"):
            score(retrained)
    finally:
        model.write_bytes(content)

    assert published() is None
    assert score(retrained).rows == 5  # once it is restored, the run goes on


def test_a_feature_that_is_gone_is_told(retrained: Pipeline, shop: Path) -> None:
    """The sentence names the column; nothing is published."""
    (shop / "features.sql").write_text(factories.SHOP_FEATURES.replace(",\n    history.revenue_mean_7d", ""))

    with pytest.raises(ScoringImpossible, match="version 1, was trained on revenue_mean_7d, which") as refused:
        score(retrained)

    assert not refused.value.retryable
    assert published() is None


def test_rows_that_break_an_expectation_are_not_predicted(retrained: Pipeline, shop: Path) -> None:
    """As a retraining would not learn from them."""
    (shop / "expectations" / "features.yaml").write_text(
        "expectations:\n  - expect_column_values_to_be_between: {column: revenue_mean_7d, max_value: 1}\n"
    )

    with pytest.raises(ExpectationsFailed, match=r"revenue_mean_7d.*nothing was predicted"):
        score(retrained)

    assert published() is None


def test_a_day_without_rows_is_published_with_a_warning(
    retrained: Pipeline, shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A query that yields a row only once its label is known has none to predict, and the log says so."""
    (shop / "features.sql").write_text(f"{factories.SHOP_FEATURES}WHERE sales.revenue IS NOT NULL\n")

    result = score(retrained)

    found = published()
    assert found is not None
    assert (result.rows, result.mean_prediction, found.num_rows) == (0, None, 0)
    assert result.changed
    assert "the query may return rows only after an event" in caplog.text
    assert not score(retrained).changed


def test_a_failed_commit_leaves_the_day_as_it_was(retrained: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails while it is written to shows the rows of before, and the next try publishes the new ones."""
    import deltalake

    score(retrained)
    before, write = published(), deltalake.write_deltalake

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(deltalake, "write_deltalake", fail)
    with pytest.raises(LakeError, match="could not be written"):
        score(retrained, run_key="again")
    assert published() == before

    monkeypatch.setattr(deltalake, "write_deltalake", write)
    assert score(retrained, run_key="again").changed


def test_the_command_scores_the_last_day(retrained: Pipeline) -> None:
    """It prints what was published, and another time publishes the same day anew."""
    done = CliRunner().invoke(main, ["score", "shop"])

    assert done.exit_code == 0, done.output
    assert f"PREDICTED  shop as of {AS_OF}" in done.output
    assert "version          1 (" in done.output
    found = published()
    assert found is not None
    assert found["ds"].to_pylist() == [AS_OF.isoformat()] * 5


def test_the_page_of_scoring_reads_what_was_published(retrained: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """The Python block of 'Score', run as it is printed, where the command has been."""
    score(retrained)
    page = (settings.root() / "docs" / "how-to" / "score.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    exec(block, {})  # noqa: S102  our own page

    assert "store-4-2024-03-21" in capsys.readouterr().out
