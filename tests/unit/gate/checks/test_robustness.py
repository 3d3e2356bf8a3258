"""GATE013: the challenger is robust against perturbed rows."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.evaluation.robustness import PerturbationResult
from include.gate.check import NotApplicable
from include.gate.checks.robustness import Robust
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate
    from include.evaluation.robustness import Name

NAN = math.nan
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE013": (
        {
            "robustness": [
                PerturbationResult("missing values", None, 0.5812, 0.594),
                PerturbationResult("numeric noise", None, 0.69, 0.05),
            ]
        },
        {},
    ),
}


def _stood(**changes: PerturbationResult) -> list[PerturbationResult]:
    """Return perturbations with small losses; keyword arguments replace them by their first word."""
    found = {
        "missing": PerturbationResult("missing values", None, 0.66, 0.2),
        "unseen": PerturbationResult("unseen categories", None, 0.52, 0.9),
        "shuffled": PerturbationResult("shuffled rows", None, 0.7, 0.0),
        "numeric": PerturbationResult("numeric noise", None, 0.69, 0.05),
        "one": PerturbationResult("one row at a time", None, NAN, NAN),
    }
    return list((found | changes).values())


def _evidence(robustness: list[PerturbationResult] | None, **changes: Any) -> Any:
    return SimpleNamespace(**vars(factories.evidence(**changes)) | {"robustness": robustness})


def _of_no_gain(value: float) -> Any:
    nothing = [replace(each, share_lost=NAN) for each in _stood()]
    return _evidence(nothing, challenger=factories.challenger(value))


def test_it_stays_quiet_where_little_is_lost(gate: Gate) -> None:
    """Only unseen categories may cost a lot: they carry no information."""
    assert Robust().explain(_evidence(_stood()), gate) is None


@pytest.mark.parametrize("name", ["missing values", "unseen categories", "shuffled rows", "one row at a time"])
def test_it_fires_on_every_error(name: Name, gate: Gate) -> None:
    """A model that fails on rows of production fires with its error, whatever it gains elsewhere."""
    broken = PerturbationResult(name, "ValueError: Input X contains NaN.", NAN, NAN)
    told = Robust().explain(_evidence(_stood(**{name.split()[0]: broken})), gate)

    assert told is not None
    assert told.startswith(f"the challenger fails on perturbed rows: {name}: ValueError: Input X contains NaN.; let ")


def test_an_error_fires_without_a_gain_too(gate: Gate) -> None:
    """A model that breaks fires even if it is bad anyway."""
    broken = _stood(shuffled=PerturbationResult("shuffled rows", "it predicts 5 rows for 7 rows", NAN, NAN))

    assert Robust().explain(_evidence(broken, challenger=factories.challenger(0.5)), gate) is not None


@pytest.mark.parametrize("name", ["missing values", "numeric noise"])
@pytest.mark.parametrize(("lost", "fires"), [(0.5, False), (0.501, True), (math.inf, True), (-0.1, False)])
def test_it_fires_above_the_limit_only(name: Name, lost: float, fires: bool, gate: Gate) -> None:
    """A loss of exactly gate.max_robustness_loss is allowed, and not more."""
    perturbed = PerturbationResult(name, None, 0.6, lost)

    told = Robust().explain(_evidence(_stood(**{name.split()[0]: perturbed})), gate)

    assert (told is not None) is fires


def test_it_names_each_loss(gate: Gate) -> None:
    """The sentence has the shares, the metric, and the limit."""
    told = Robust().explain(
        _evidence(
            _stood(
                missing=PerturbationResult("missing values", None, 0.59, 0.55),
                numeric=PerturbationResult("numeric noise", None, 0.54, 0.8),
            )
        ),
        gate,
    )

    assert told is not None
    assert told.startswith(
        "the challenger loses part of its gain over the baseline: 55% by missing values (roc_auc 0.5900) and 80% by "
        "numeric noise (roc_auc 0.5400); gate.max_robustness_loss allows 50%; "
    )


def test_a_loss_that_is_not_known_does_not_pass(gate: Gate) -> None:
    """A NaN does not pass where there is a gain to lose."""
    told = Robust().explain(_evidence(_stood(missing=PerturbationResult("missing values", None, NAN, NAN))), gate)

    assert told is not None
    assert told.startswith("the loss by missing values is unknown, because the challenger's roc_auc is not defined")


@pytest.mark.parametrize("value", [0.5, 0.4, NAN])
def test_it_stays_quiet_without_a_gain(value: float, gate: Gate) -> None:
    """Without a gain over the baseline GATE004 fires, and this check has nothing to add."""
    assert Robust().explain(_of_no_gain(value), gate) is None


def test_the_gain_of_an_error_is_that_it_is_lower(gate: Gate) -> None:
    """Where lower is better, a higher value is no gain."""
    baseline = replace(factories.evidence().baseline, metrics={"mae": 2.0})
    unknown = _stood(missing=PerturbationResult("missing values", None, NAN, NAN))

    def told(value: float) -> str | None:
        challenger = replace(factories.challenger(), metrics={"mae": value})
        changed = {"metric": "mae", "higher_is_better": False, "baseline": baseline, "challenger": challenger}
        return Robust().explain(_evidence(unknown, **changed), gate)

    assert told(3.0) is None
    assert told(1.0) is not None


@pytest.mark.parametrize("robustness", [None, []], ids=["of an older run", "of no rows"])
def test_it_does_not_apply_where_nothing_was_measured(robustness: list[PerturbationResult] | None, gate: Gate) -> None:
    """Evidence without the measurement is neither good nor bad."""
    with pytest.raises(NotApplicable):
        Robust().explain(_evidence(robustness), gate)


def test_the_record_has_every_number(gate: Gate) -> None:
    """Metric and share lost of each disturbance are kept."""
    numbers = Robust().numbers(_evidence(_stood()), gate)

    assert numbers["numeric noise"] == {"metric": 0.69, "share_lost": 0.05}
    assert len(numbers) == 5
