"""The champion is found by its alias and loaded only if it is what was registered."""

from __future__ import annotations

import hashlib
import json
import traceback
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from include.core.errors import ModelRefused, TrackingUnavailable
from include.registry import load_model as load_module
from include.registry.champion import Champion, aliases, find_champion
from include.registry.load_model import load_champion, read_extra_file

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from tests.unit.registry.conftest import Shop

PASSWORD = "hunter2"


def _champion(shop_model: Shop) -> Champion:
    """Register the shop's model as champion and return it."""
    shop_model.register("night-1")
    champion = find_champion(shop_model.name)
    assert champion is not None
    return champion


def _model_file(home: Path, champion: Champion) -> Path:
    """Return the champion's file where MLflow keeps it."""
    model_id = champion.source.rpartition("/")[2]
    (path,) = (home / "mlflow" / "artifacts").glob(f"**/{model_id}/**/model.skops")
    return path


def test_an_extra_file_is_registered_with_the_model(shop_model: Shop, mlflow_home: Path) -> None:
    """It is read unchanged, refused after a change, and None for another name."""
    shop_model.register("night-1", model_files={"reference.json": b'{"rows": 5}'})
    champion = find_champion(shop_model.name)
    assert champion is not None

    assert read_extra_file(champion, "reference.json") == b'{"rows": 5}'
    assert read_extra_file(champion, "other.json") is None
    assert load_champion(champion) is not None

    (_model_file(mlflow_home, champion).parent / "extra_files" / "reference.json").write_bytes(b'{"rows": 6}')
    with pytest.raises(ModelRefused, match=r"^extra_files/reference\.json has the SHA-256"):
        read_extra_file(champion, "reference.json")


def test_a_version_that_was_registered_without_a_file_has_none(shop_model: Shop) -> None:
    """Versions of an earlier release have none."""
    assert read_extra_file(_champion(shop_model), "reference.json") is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's own, of integers
def test_a_column_without_a_value_in_the_example_is_of_no_kind(tmp_path: Path) -> None:
    """MLflow gives it the type `any`; the other columns have their kinds."""
    import pandas as pd
    from mlflow.models import Model as Logged
    from mlflow.models import infer_signature

    example = pd.DataFrame(
        {"weekday": [1.0, 2.0], "store": ["s-1", "s-2"], "plane": pd.Series([None, None], dtype=object)}
    )
    Logged(signature=infer_signature(example)).save(str(tmp_path / "MLmodel"))

    assert load_module._inputs(tmp_path) == {"weekday": "number", "store": "text"}


def test_before_the_first_version_there_is_no_champion(mlflow_home: Path, name: str) -> None:
    """A pipeline without a registered model has no champion, and that is no error."""
    assert find_champion(name) is None


def test_without_the_alias_there_is_no_champion(shop_model: Shop) -> None:
    """A registered version is a champion only once it was promoted."""
    shop_model.register("night-1", promote=False)

    assert find_champion(shop_model.name) is None


def test_the_champion_has_the_facts_of_its_training(shop_model: Shop) -> None:
    """Version, run, family, digest and days are those that were registered, and come back from JSON."""
    champion = _champion(shop_model)

    assert (champion.version, champion.run_key, champion.family) == (1, "night-1", "linear")
    days = (champion.as_of, champion.train_start, champion.train_end)
    assert days == (date(2024, 2, 29), date(2023, 3, 1), date(2024, 1, 30))
    assert Champion.from_json(json.loads(json.dumps(champion.to_json()))) == champion


def test_a_day_that_is_none_is_refused(shop_model: Shop, client: MlflowClient) -> None:
    """Somebody changed the tag; the sentence names it, its value and the way out."""
    shop_model.register("night-1")
    client.set_model_version_tag(shop_model.name, "1", "nightshift.as_of", "last week")

    with pytest.raises(ModelRefused, match=r"has the tag nightshift\.as_of 'last week', which is no day such as"):
        find_champion(shop_model.name)


def test_the_alias_decides_and_not_the_number(shop_model: Shop, client: MlflowClient) -> None:
    """An operator who moves the alias back to an older version has rolled back."""
    shop_model.register("night-1")
    shop_model.register("night-2", expected_champion=1)

    client.set_registered_model_alias(shop_model.name, "champion", "1")

    champion = find_champion(shop_model.name)
    assert champion is not None
    assert champion.version == 1


def test_a_name_that_begins_alike_is_another_pipeline(shop_model: Shop) -> None:
    """The champion of one pipeline is not that of another whose name begins with it."""
    shop_model.register("night-1")

    assert find_champion(shop_model.name[:-1]) is None


def test_a_version_that_nightshift_did_not_register_is_refused(name: str, client: MlflowClient, tmp_path: Path) -> None:
    """A champion registered by hand lacks what the gate needs; the sentence names the tags and the way out."""
    client.create_registered_model(name)
    client.create_model_version(name, source=tmp_path.as_uri(), tags={"nightshift.as_of": "2024-02-29"})
    client.set_registered_model_alias(name, "champion", "1")

    with pytest.raises(
        ModelRefused,
        match=rf"^{name} version 1 is the champion in MLflow and lacks the tags nightshift\.run_key, .*"
        r"nightshift\.train_end, so Nightshift did not register it; give the alias champion",
    ) as refused:
        find_champion(name)

    assert "nightshift.as_of" not in str(refused.value)


def test_a_changed_file_is_refused(shop_model: Shop, mlflow_home: Path) -> None:
    """One byte more in MLflow's store, and the champion is not loaded."""
    champion = _champion(shop_model)
    path = _model_file(mlflow_home, champion)
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(ModelRefused, match=r"^model\.skops has the SHA-256 .*the file was changed"):
        load_champion(champion)


def test_code_in_place_of_the_model_is_refused(shop_model: Shop, mlflow_home: Path, client: MlflowClient) -> None:
    """A file that would run code is refused, even where its digest in MLflow was changed too."""
    path = _model_file(mlflow_home, _champion(shop_model))
    skops.io.dump(FunctionTransformer(eval), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    client.set_model_version_tag(shop_model.name, "1", "nightshift.sha256", digest)
    champion = find_champion(shop_model.name)
    assert champion is not None

    with pytest.raises(ModelRefused, match=r"^model\.skops has the SHA-256 .*the file was changed"):
        load_champion(champion)
    # nor would it be of a version from before there were manifests
    with pytest.raises(ModelRefused, match=r"holds types that no model of Nightshift has \(.*eval"):
        load_champion(replace(champion, pipeline=None, manifest=None))


@pytest.mark.parametrize("is_there", ["the folder", "nothing"])
def test_the_error_of_a_lost_file_names_the_version(is_there: str, shop_model: Shop, mlflow_home: Path) -> None:
    """Where MLflow's store has lost the file or the whole model, the error names the version."""
    champion = _champion(shop_model)
    path = _model_file(mlflow_home, champion)
    path.unlink()
    if is_there == "nothing":
        for each in path.parent.iterdir():
            each.unlink()
        path.parent.rmdir()

    with pytest.raises((ModelRefused, TrackingUnavailable), match="version 1") as refused:
        load_champion(champion)

    assert "\n" not in str(refused.value)


def test_no_alias_is_no_error(name: str, client: MlflowClient) -> None:
    """A model without a version has no alias."""
    assert aliases(client, name) == {}
    client.create_registered_model(name)
    assert aliases(client, name) == {}


def _unavailable(monkeypatch: pytest.MonkeyPatch, uri: str) -> TrackingUnavailable:
    """Look for a champion where MLflow does not answer, and return the error."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailable) as refused:
        find_champion("shop")
    return refused.value


def test_a_server_that_is_down_is_one_sentence(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the address, the action and the remedy, and the task may be retried."""
    error = _unavailable(monkeypatch, f"http://127.0.0.1:{closed_port}")

    assert str(error).startswith(
        f"MLflow at http://127.0.0.1:{closed_port} failed while looking for the champion of shop: "
    )
    assert str(error).endswith("MLFLOW_TRACKING_URI is right, then run this task again")
    assert "\n" not in str(error)
    assert error.retryable


def test_an_invalid_address_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheme that MLflow does not know raises TrackingUnavailable too."""
    error = _unavailable(monkeypatch, "carrier-pigeon://roof")

    assert str(error).startswith("MLflow at carrier-pigeon://roof refused looking for the champion of shop: ")
    assert not error.retryable


@pytest.mark.parametrize("password", [PASSWORD, f"{PASSWORD}@home", f"{PASSWORD}/home"])
def test_a_password_is_never_shown(password: str, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error's sentence has the address without its password, also where MLflow repeats it."""
    error = _unavailable(monkeypatch, f"http://nightshift:{password}@127.0.0.1:{closed_port}")

    assert PASSWORD not in str(error)
    assert "home" not in str(error)


def test_a_password_is_not_in_the_tasks_log(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback that Airflow writes to a task's log does not show the password either."""
    error = _unavailable(monkeypatch, f"http://nightshift:{PASSWORD}@127.0.0.1:{closed_port}")

    assert PASSWORD not in "".join(traceback.format_exception(error))


def test_a_database_that_cannot_be_opened_is_the_same_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracking database that is not a database raises TrackingUnavailable in one sentence."""
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)

    error = _unavailable(monkeypatch, f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert "\n" not in str(error)
