"""A run becomes one version in MLflow, however often it is tried, and the alias moves last."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pytest
import yaml
from sklearn.base import clone

from include.config.pipeline import Pipeline
from include.core.errors import ModelRefused, TrackingUnavailable
from include.registry import log_model
from include.registry.champion import aliases, find_champion
from include.registry.load_model import load_champion
from include.registry.run_record import json_files
from include.training.combine import build_model
from include.training.fit import fit_model, predict
from include.training.model_file import trusted_of
from tests import factories
from tests.unit.registry.conftest import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run


class Killed(BaseException):
    """The process of an attempt ends here."""


def _runs(client: MlflowClient, name: str) -> list[Run]:
    return client.search_runs([client.get_experiment_by_name(name).experiment_id])


def _versions(client: MlflowClient, name: str) -> list[Any]:
    return client.search_model_versions(f"name = '{name}'")


def test_a_promoted_model_is_the_champion(shop_model: Shop, client: MlflowClient) -> None:
    """The first promotion makes version 1 the champion, and the completed run has every document."""
    registration = shop_model.register("night-1")

    assert (registration.version, registration.alias, registration.note) == (1, "champion", "")
    assert aliases(client, shop_model.name) == {"champion": "1"}
    (run,) = _runs(client, shop_model.name)
    assert run.info.run_id == registration.mlflow_run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["nightshift.state"] == "completed"
    assert run.data.tags["nightshift.owner"] == "shop-team"
    assert run.data.metrics == {"holdout.mae": 4.5, "baseline.mae": 9.25}
    assert run.data.params == {"family": "linear", "strength": "1.0"}
    assert {each.path for each in client.list_artifacts(run.info.run_id)} == {
        "verdict.txt",
        "plan.json",
        "evidence.json",
    }


def test_the_champion_predicts_what_the_challenger_did(shop_model: Shop) -> None:
    """The loaded champion predicts the same as the registered model, to the last bit."""
    shop_model.register("night-1")

    champion = find_champion(shop_model.name)

    assert champion is not None
    loaded = predict(load_champion(champion), shop_model.example, shop_model.training)
    assert np.array_equal(loaded, predict(shop_model.model, shop_model.example, shop_model.training))


def test_a_model_of_an_estimator_of_ones_own_is_registered(
    mlflow_home: Path, name: str, example: pd.DataFrame, tmp_path: Path
) -> None:
    """A team's own class passed the gate each night, and MLflow refused its type: "check that the server is up"."""
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["features"] = {"key": ["row"], "label": "revenue"}
    own = {
        "mean": {"estimator": "tests.unit.training.team_models.Mean"},
        "near": {"estimator": "sklearn.neighbors.KNeighborsRegressor"},
    }
    fields["training"] |= {"candidates": [], "own_candidates": own}
    pipeline = Pipeline.model_validate(fields)
    rows, trusted = example.assign(revenue=100 + 10 * example["visitors"]), trusted_of(pipeline.training)
    models = [(family, 0.5, fit_model(pipeline, rows, family, {}, 1)) for family in own]
    shop = Shop(name, build_model(models, "regression"), example, tmp_path)

    with pytest.raises(
        ModelRefused, match=r"the model of run night-0 was not logged \(.*team_models\.Mean.*trusted_types"
    ):
        shop.register("night-0")
    registration = shop.register("night-1", trusted=trusted)

    assert registration.alias == "champion"
    champion = find_champion(name)
    assert champion is not None
    loaded = predict(load_champion(champion, trusted), example, shop.training)
    assert np.array_equal(loaded, predict(shop.model, example, shop.training))
    with pytest.raises(ModelRefused, match=r"tests\.unit\.training\.team_models\.Mean"):
        load_champion(champion, [each for each in trusted if "team_models" not in each])


def test_the_same_run_registers_one_version(shop_model: Shop, client: MlflowClient) -> None:
    """Registering twice under one run key gives one run and one version, and the same answer."""
    first, second = shop_model.register("night-1"), shop_model.register("night-1")

    assert first == second
    assert len(_runs(client, shop_model.name)) == 1
    assert len(_versions(client, shop_model.name)) == 1
    assert _runs(client, shop_model.name)[0].info.status == "FINISHED"


def test_another_run_registers_another_version(shop_model: Shop, client: MlflowClient) -> None:
    """Each run key has a run and a version of its own, though the model is the same."""
    shop_model.register("night-1")

    second = shop_model.register("night-2", expected_champion=1)

    assert second.version == 2
    assert len(_runs(client, shop_model.name)) == 2
    assert aliases(client, shop_model.name) == {"champion": "2"}


def test_a_registration_logs_what_a_person_needs(
    shop_model: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """In an image without git and pip, 50 of 65 lines were MLflow's complaints about both."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("mlflow.utils.environment._get_package_version", lambda _: None)
    for module in [name for name in sys.modules if name == "git" or name.startswith("git.")]:
        monkeypatch.delitem(sys.modules, module)
    caplog.set_level("INFO")

    shop_model.register("night-1")

    assert capfd.readouterr().err == ""
    assert [message.split(",")[0] for message in caplog.messages if "champion" in message or "version" in message] == [
        f"{shop_model.name}: registered as version 1",
        f"{shop_model.name}: version 1 is now the champion",
    ]


def test_documents_can_name_the_version(shop_model: Shop, client: MlflowClient) -> None:
    """The card is written after the registration, and again when the same run promotes the version."""

    def card(registration: Any) -> dict[str, str]:
        return {"model_card.md": f"version {registration.version}, {registration.alias}"}

    told = []
    for promote in (False, True):
        registration = shop_model.register("night-1", promote=promote, documents_after=card)
        path = f"runs:/{registration.mlflow_run_id}/model_card.md"
        told.append(mlflow.artifacts.load_text(path))

    assert told == ["version 1, challenger", "version 1, champion"]


def test_a_model_that_is_not_promoted_is_the_challenger(shop_model: Shop, client: MlflowClient) -> None:
    """A kept-out model is registered for people to look at, and the champion stays."""
    shop_model.register("night-1")

    kept_out = shop_model.register("night-2", promote=False, expected_champion=1)

    assert (kept_out.version, kept_out.alias) == (2, "challenger")
    assert aliases(client, shop_model.name) == {"champion": "1", "challenger": "2"}


def test_a_promotion_removes_the_challenger(shop_model: Shop, client: MlflowClient) -> None:
    """Once a newer model is champion, no older one is its challenger."""
    shop_model.register("night-1", promote=False)

    shop_model.register("night-2", promote=True)

    assert aliases(client, shop_model.name) == {"champion": "2"}


def test_an_older_challenger_does_not_replace_a_newer_one(shop_model: Shop, client: MlflowClient) -> None:
    """A run that is repeated after a newer one leaves the newer one's alias where it is."""
    shop_model.register("night-1", promote=False)
    shop_model.register("night-2", promote=False)

    again = shop_model.register("night-1", promote=False)

    assert (again.version, again.alias) == (1, None)
    assert aliases(client, shop_model.name) == {"challenger": "2"}


@pytest.mark.parametrize("expected", [None, 1], ids=["there was none", "there was another"])
def test_another_champion_meanwhile_is_not_replaced(
    expected: int | None, shop_model: Shop, client: MlflowClient
) -> None:
    """A champion that this run did not compare to stays, and the note names it and the remedy."""
    for number in range(1, 2 if expected is None else 3):
        shop_model.register(f"night-{number}", expected_champion=number - 1 or None)
    now = 1 if expected is None else 2

    late = shop_model.register("late", promote=True, expected_champion=expected)

    assert (late.version, late.alias) == (now + 1, "challenger")
    found = f"compared to version {expected}" if expected else "found no champion"
    assert late.note == f"not promoted: version {now} has become the champion since this run {found}; start a new run"
    assert late.champion == now
    assert aliases(client, shop_model.name) == {"champion": str(now), "challenger": str(now + 1)}


def test_a_champion_that_was_taken_away_meanwhile_is_not_replaced(shop_model: Shop, client: MlflowClient) -> None:
    """Where somebody removed the champion after the comparison, no version is promoted."""
    shop_model.register("night-1")
    client.delete_registered_model_alias(shop_model.name, "champion")

    late = shop_model.register("night-2", expected_champion=1)

    assert late.alias == "challenger"
    assert late.note.startswith("not promoted: ")
    assert "champion" not in aliases(client, shop_model.name)


def test_the_note_does_not_call_none_a_version(shop_model: Shop, client: MlflowClient) -> None:
    """Where somebody removed the champion, the note says that no version is the champion."""
    shop_model.register("night-1")
    client.delete_registered_model_alias(shop_model.name, "champion")

    late = shop_model.register("night-2", expected_champion=1)

    assert "version None" not in late.note


@pytest.mark.parametrize(
    "dies_at",
    [
        "create_run",
        "log_batch",
        "log_text",
        "log_model_artifacts",
        "finalize_logged_model",
        "create_registered_model",
        "create_model_version",
        "set_registered_model_alias",
        "set_tag",
        "set_terminated",
    ],
)
def test_a_killed_attempt_is_completed_by_the_next(
    dies_at: str, shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the first attempt was killed, the second leaves one complete run, one version and one champion."""
    with monkeypatch.context() as patch:

        def die(*args: Any, **kwargs: Any) -> None:
            raise Killed

        patch.setattr(mlflow.MlflowClient, dies_at, die)
        with pytest.raises(Killed):
            shop_model.register("night-1")

    registration = shop_model.register("night-1")

    assert (registration.version, registration.alias) == (1, "champion")
    (run,) = _runs(client, shop_model.name)
    assert (run.info.status, run.data.tags["nightshift.state"]) == ("FINISHED", "completed")
    (version,) = _versions(client, shop_model.name)
    assert version.run_id == run.info.run_id
    assert aliases(client, shop_model.name) == {"champion": "1"}
    models = client.search_logged_models([run.info.experiment_id])
    assert [f"models:/{each.model_id}" for each in models] == [version.source]
    champion = find_champion(shop_model.name)
    assert champion is not None
    assert np.isfinite(predict(load_champion(champion), shop_model.example, shop_model.training)).all()


@pytest.mark.parametrize("dies_at", ["log_batch", "create_model_version"])
def test_a_half_written_run_is_not_called_completed(
    dies_at: str, shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run has the state `started`, and no alias names it."""

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(mlflow.MlflowClient, dies_at, die)
    with pytest.raises(Killed):
        shop_model.register("night-1")

    (run,) = _runs(client, shop_model.name)
    assert run.data.tags["nightshift.state"] == "started"
    assert find_champion(shop_model.name) is None


def test_a_killed_promotion_removes_the_challenger_in_the_end(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that ended between the two aliases is completed: a champion, and no older challenger."""
    shop_model.register("night-1", promote=False)
    with monkeypatch.context() as patch:

        def die(*args: Any, **kwargs: Any) -> None:
            raise Killed

        patch.setattr(mlflow.MlflowClient, "delete_registered_model_alias", die)
        with pytest.raises(Killed):
            shop_model.register("night-2")

    shop_model.register("night-2")

    assert aliases(client, shop_model.name) == {"champion": "2"}


def test_a_run_that_registered_another_model_is_refused(shop_model: Shop, client: MlflowClient) -> None:
    """A version is never changed: another model under the same run key is an error, and nothing moves."""
    shop_model.register("night-1", promote=False)

    with pytest.raises(
        ModelRefused, match=rf"^{shop_model.name}: run night-1 has already registered version 1, .*start a new run$"
    ):
        shop_model.register("night-1", promote=True, sha256="0" * 64)

    assert len(_versions(client, shop_model.name)) == 1
    assert aliases(client, shop_model.name) == {"challenger": "1"}


def test_the_version_has_the_tags_that_the_next_run_needs(shop_model: Shop, client: MlflowClient) -> None:
    """The tags of the version name its run, its days and the digest of its file."""
    registration = shop_model.register("night-1")

    version = client.get_model_version(shop_model.name, "1")

    tags = {key.removeprefix("nightshift."): value for key, value in version.tags.items()}
    assert tags["run_key"] == "night-1"
    assert tags["challenger_sha256"] == shop_model.sha256
    assert len(tags["sha256"]) == 64
    assert {"as_of", "verdict", "family", "train_start", "train_end"} <= set(tags)
    assert "owner" not in tags
    assert version.description == "What will each store take tomorrow?"
    assert version.run_id == registration.mlflow_run_id


def test_the_model_can_be_served(shop_model: Shop, client: MlflowClient) -> None:
    """MLflow knows the raw columns that the model takes, and its requirements at exact versions."""
    shop_model.register("night-1")

    info = mlflow.models.get_model_info(client.get_model_version(shop_model.name, "1").source)

    assert info.signature.inputs.input_names() == ["visitors", "store"]
    needed = mlflow.pyfunc.get_model_dependencies(f"models:/{shop_model.name}@champion")
    with open(needed, encoding="utf-8") as file:  # noqa: PTH123  MLflow gives the path as text
        assert all("==" in line for line in file.read().split())


def test_documents_are_the_same_text_for_the_same_content() -> None:
    """JSON documents are sorted, and named for what they hold."""
    found = json_files({"plan": {"b": 1, "a": [1, None]}, "verdict": {}})

    assert list(found) == ["plan.json", "verdict.json"]
    assert json.loads(found["plan.json"]) == {"a": [1, None], "b": 1}
    assert found["plan.json"] == json_files({"plan": {"a": [1, None], "b": 1}})["plan.json"]


def test_a_server_that_is_down_changes_nothing(
    shop_model: Shop, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without MLflow the registration fails in one sentence with the run and the remedy."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(
        TrackingUnavailable,
        match=rf"^MLflow at http://127\.0\.0\.1:{closed_port} failed while registering the model of run night-1: "
        r"[^\n]*; the champion is unchanged; check that the server is up .*run this task again$",
    ):
        shop_model.register("night-1")


def test_a_twin_that_was_quicker_keeps_its_version(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two simultaneous attempts of a run registers; the other finds the version and deletes nothing."""
    logged = mlflow.MlflowClient.log_batch
    twins: list[Any] = []

    def overtaken(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        if not twins:
            twins.append(None)
            twins[0] = shop_model.register("night-1")
        return logged(self, *args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", overtaken)

    late = shop_model.register("night-1")

    assert (late.version, late.alias) == (twins[0].version, twins[0].alias) == (1, "champion")
    assert len(_versions(client, shop_model.name)) == len(_runs(client, shop_model.name)) == 1
    champion = find_champion(shop_model.name)
    assert champion is not None
    assert len(predict(load_champion(champion), shop_model.example, shop_model.training)) == len(shop_model.example)


def test_a_champion_whose_model_is_missing_is_refused(shop_model: Shop, client: MlflowClient) -> None:
    """A deleted model is not an outage that passes: the sentence names the remedy."""
    shop_model.register("night-1")
    client.delete_logged_model(client.get_model_version(shop_model.name, "1").source.removeprefix("models:/"))
    champion = find_champion(shop_model.name)
    assert champion is not None

    with pytest.raises(ModelRefused, match="is missing from MLflow; promote a version that has one"):
        load_champion(champion)


def test_a_run_whose_task_is_ended_is_closed_as_killed(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow distinguishes a task that was stopped or timed out from a task that failed."""

    def ended(*args: Any, **kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", ended)
    with pytest.raises(Killed):
        shop_model.register("night-1")

    (run,) = _runs(client, shop_model.name)
    assert (run.info.status, run.data.tags["nightshift.state"]) == ("KILLED", "started")


def test_a_run_is_not_called_finished_before_it_is(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after the model is logged leaves no run that seems complete."""
    seen: list[str] = []
    create = mlflow.MlflowClient.create_model_version

    def looks(*args: Any, **kwargs: Any) -> Any:
        seen.extend(run.info.status for run in _runs(client, shop_model.name))
        return create(*args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", looks)
    shop_model.register("night-1")

    assert seen == ["RUNNING"]


@pytest.mark.parametrize(
    "changes",
    [
        {"version_tags": {"snapshot": "sales=8"}},
        {"version_tags": {"code_version": "other"}},
        {"version_tags": {"seed": "8"}},
        {"params": {"strength": 2.0}},
        {"run_key": "night-2"},
    ],
    ids=["snapshot", "code", "seed", "parameters", "run"],
)
def test_the_key_of_a_version_follows_from_its_inputs(changes: dict[str, Any], shop_model: Shop) -> None:
    """Another snapshot, code, parameter, seed or run is another key; the same ones are the same."""
    record = shop_model.record("night-1")

    assert shop_model.record("night-1").key == record.key
    assert replace(record, **changes).key != record.key


def test_a_retry_whose_parameters_differ_does_not_find_the_version(shop_model: Shop, client: MlflowClient) -> None:
    """A version is found by the digest of its inputs, and not by its run alone."""
    shop_model.register("night-1", promote=False)

    with pytest.raises(ModelRefused, match=r"has already registered version 1, .*start a new run$"):
        shop_model.register("night-1", params={"family": "linear", "strength": 2.0})

    assert len(_versions(client, shop_model.name)) == 1


def test_a_model_that_mlflow_changed_is_not_registered(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logged model is downloaded and must predict the same before it becomes a version."""
    other = clone(shop_model.model).fit(shop_model.example, np.arange(len(shop_model.example)))
    monkeypatch.setattr("include.registry.log_model.load_model", lambda *args: other)

    with pytest.raises(TrackingUnavailable, match="predicts otherwise after MLflow has stored it"):
        shop_model.register("night-1")

    assert _versions(client, shop_model.name) == []


def test_an_attempt_whose_model_a_quicker_one_deleted_finds_the_version(
    shop_model: Shop, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quicker attempt deletes models without a version; the slower one then finds the run's version."""
    download = log_model.download_model
    twins: list[Any] = []

    def overtaken(*args: Any) -> Any:
        if not twins:
            twins.append(None)
            twins[0] = shop_model.register("night-1")
        return download(*args)

    monkeypatch.setattr(log_model, "download_model", overtaken)

    late = shop_model.register("night-1")

    assert late == twins[0]
    assert len(_versions(client, shop_model.name)) == len(_runs(client, shop_model.name)) == 1
    assert _runs(client, shop_model.name)[0].info.status == "FINISHED"
