"""The models of recorded versions are compared to those that were registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.registry.champion import find_champion
from include.registry.load_model import load_with_inputs
from include.registry.verification import verify_models
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.registry.conftest import Shop


def test_an_unchanged_model_is_no_problem(shop_model: Shop) -> None:
    """Nor are records that name no version, or a version that another record names."""
    shop_model.register("night-1")

    records = [factories.record(1), factories.record(None), factories.record(1, "rollback")]
    assert verify_models(shop_model.name, records) == []


def test_a_changed_file_is_reported_with_its_record(shop_model: Shop, mlflow_home: Path) -> None:
    """Every file of the model counts."""
    shop_model.register("night-1")
    champion = find_champion(shop_model.name)
    assert champion is not None
    model_id = champion.source.rpartition("/")[2]
    (described,) = (mlflow_home / "mlflow" / "artifacts").glob(f"**/{model_id}/**/MLmodel")
    described.write_text(described.read_text() + "#")

    (problem,) = verify_models(shop_model.name, [factories.record(1)])

    assert problem.startswith("record 4: ")
    assert "MLmodel" in problem


def test_a_missing_version_is_reported(shop_model: Shop) -> None:
    """The record outlives the version."""
    shop_model.register("night-1")

    (problem,) = verify_models(shop_model.name, [factories.record(7)])

    assert problem.startswith("record 4: ")
    assert "no version 7" in problem


def test_the_champion_has_the_kinds_of_its_columns(shop_model: Shop) -> None:
    """Each column by its kind, from the signature that MLflow keeps."""
    shop_model.register("night-1")
    champion = find_champion(shop_model.name)
    assert champion is not None

    _, inputs = load_with_inputs(champion)

    assert inputs
    assert set(inputs.values()) <= {"number", "text"}
