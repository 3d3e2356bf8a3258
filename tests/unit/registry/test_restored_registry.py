"""MLflow's database of yesterday under today's lake: no version number ever names two models."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from include.core.errors import ModelRefused
from include.registry import promotion
from include.registry.champion import find_champion, find_version
from include.registry.mlflow_storage import verify_stored_models
from include.registry.records import chain
from include.registry.register import RESERVED
from include.registry.verification import champion_note, find_recorded_champion, verify_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow import MlflowClient

    from include.registry.run_record import Registration
    from tests.unit.registry.conftest import Shop


@contextmanager
def restored_afterwards(home: Path) -> Iterator[None]:
    """Restore MLflow's database when the block ends to its state now; its files and the lake stay."""
    database = home / "mlflow" / "mlflow.db"
    saved = database.with_suffix(".saved")
    shutil.copyfile(database, saved)
    yield
    shutil.copyfile(saved, database)


def record(shop: Shop, run_key: str, registered: Registration, *, older_release: bool = False) -> None:
    """Record a retraining as its summary does; an older release recorded no digests of the registered model."""
    content = {
        "run": run_key,
        "challenger": {"sha256": shop.sha256},
        "challenger_version": registered.version,
        "champion_after": registered.champion,
    }
    if not older_release:
        content["registered_model"] = {"sha256": registered.sha256, "manifest": registered.manifest}
    now = datetime(2024, 3, 21, tzinfo=UTC)
    chain.append(shop.name, "retrain", f"retrain {run_key}", by="shop.retrain", content=content, now=now)


@pytest.fixture
def forgotten(shop_model: Shop, mlflow_home: Path) -> Shop:
    """Register versions 1 and 2 with their records, and let MLflow forget the second."""
    record(shop_model, "night-1", shop_model.register("night-1"))
    with restored_afterwards(mlflow_home):
        record(shop_model, "night-2", shop_model.register("night-2", expected_champion=1))
    return shop_model


def test_a_number_that_a_record_names_is_not_given_again(forgotten: Shop, client: MlflowClient) -> None:
    """Version 2 was given to another model, and `verify` found nothing wrong with either."""
    third = forgotten.register("night-3", expected_champion=1)

    assert third.version == 3
    assert {int(each.version) for each in client.search_model_versions(f"name = '{forgotten.name}'")} == {1, 3}
    [problem] = verify_models(forgotten.name, chain.read_all(forgotten.name))
    assert problem.startswith(f"record 2: {forgotten.name} has no version 2 in MLflow")


def test_a_killed_reservation_is_cleared_away(forgotten: Shop, client: MlflowClient) -> None:
    """An attempt was killed after it had used up the number and before it deleted that version."""
    source = find_version(forgotten.name, 1).source
    client.create_model_version(forgotten.name, source=source, tags={RESERVED: "true"})

    assert forgotten.register("night-3", expected_champion=1).version == 3
    assert {int(each.version) for each in client.search_model_versions(f"name = '{forgotten.name}'")} == {1, 3}


def test_a_new_registry_goes_on_counting(shop_model: Shop) -> None:
    """A pipeline that has moved to another MLflow has records up to version 5 and no version there."""
    now = datetime(2024, 3, 21, tzinfo=UTC)
    content = {"champion_before": 5, "champion_after": 4}
    chain.append(shop_model.name, "rollback", "rollback", by="ada", content=content, now=now)

    assert shop_model.register("night-1").version == 6


@pytest.mark.parametrize("older_release", [False, True])
def test_another_model_under_a_recorded_number_is_found(
    shop_model: Shop, mlflow_home: Path, monkeypatch: pytest.MonkeyPatch, older_release: bool
) -> None:
    """The number was given twice by an older release: `verify`, a restore and a promotion all refuse it."""
    record(shop_model, "night-1", shop_model.register("night-1"))
    with restored_afterwards(mlflow_home):
        second = shop_model.register("night-2", expected_champion=1)
    assert shop_model.register("night-3", expected_champion=1, promote=False).version == 2
    record(shop_model, "night-2", second, older_release=older_release)
    records = chain.read_all(shop_model.name)

    [problem] = verify_models(shop_model.name, records)
    assert problem.startswith(
        f"record 2: version 2 of {shop_model.name} in MLflow is another model than in record 2: the "
        "run is night-2 in the record and night-3 in MLflow"
    )
    database = f"sqlite:///{mlflow_home / 'mlflow' / 'mlflow.db'}"
    assert verify_stored_models(shop_model.name, records, database, mlflow_home / "mlflow" / "artifacts") == [problem]
    with pytest.raises(ModelRefused, match="is another model than in record 2"):
        promotion.promote(shop_model.name, 2, reason="it is better", by="ada")
    champion = find_champion(shop_model.name)
    assert champion is not None
    assert champion.version == 1


def test_a_champion_that_differs_from_the_record_is_logged(forgotten: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The restored registry has yesterday's champion; a run that compares to it logs a warning."""
    champion = find_recorded_champion(forgotten.name)

    assert champion is not None
    assert champion.version == 1
    [warning] = caplog.messages
    assert warning.startswith(
        f"{forgotten.name}: record 2 says that version 2 is the champion, and MLflow says version 1: "
    )
    assert champion_note(forgotten.name, 2, chain.read_all(forgotten.name)) is None


def test_a_version_whose_tags_were_changed_is_found(shop_model: Shop, client: MlflowClient) -> None:
    """With write access to MLflow, a version can name another manifest, but the record still has the first."""
    record(shop_model, "night-1", shop_model.register("night-1"))
    client.set_model_version_tag(shop_model.name, "1", "nightshift.manifest", "0" * 64)

    [problem] = verify_models(shop_model.name, chain.read_all(shop_model.name))

    assert "the manifest's SHA-256 is" in problem
    assert "000000000000… in MLflow" in problem
