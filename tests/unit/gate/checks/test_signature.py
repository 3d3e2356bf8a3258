"""GATE015: the challenger takes the champion's features."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.evaluation.signature import Signature, compare_signatures, feature_kinds
from include.gate.check import NotApplicable
from include.gate.checks.signature import TakesTheSame
from tests import factories

if TYPE_CHECKING:
    from include.config.gate import Gate

ADVICE = (
    "; once every caller of the model sends them like this, let it through with gate.severities: {GATE015: warn}, and "
    "remove that again after the promotion"
)
CHAMPION = feature_kinds(["hour", "age"], ["carrier", "origin"])
#: The failure of each page's example: changes to good evidence, and to the gate's settings.
EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "GATE015": ({"signature": Signature({"wind_speed": "number"}, added=["wind_speed"], missing=[], changed=[])}, {}),
}


def _evidence(signature: Signature | None) -> Any:
    return SimpleNamespace(**vars(factories.evidence()) | {"signature": signature})


@pytest.mark.parametrize("dropped", [[], ["hour", "origin"]], ids=["the same", "fewer"])
def test_it_stays_quiet_without_new_features(dropped: list[str], gate: Gate) -> None:
    """A challenger that ignores some features needs nothing new from its callers."""
    challenger = {name: kind for name, kind in CHAMPION.items() if name not in dropped}

    assert TakesTheSame().explain(_evidence(compare_signatures(challenger, CHAMPION)), gate) is None


@pytest.mark.parametrize(
    ("challenger", "told"),
    [
        (
            CHAMPION | feature_kinds(["wind", "rain"], []),
            "the challenger takes wind, rain, which the champion does not take",
        ),
        (
            CHAMPION | feature_kinds(["carrier"], ["age"]),
            "the challenger takes age as a text, carrier as a number, which the champion takes as another kind",
        ),
        (
            CHAMPION | feature_kinds(["wind"], ["age"]),
            "the challenger takes wind, which the champion does not take and takes age as a text, which the champion "
            "takes as another kind",
        ),
    ],
    ids=["new", "another kind", "both"],
)
def test_it_fires_on_what_callers_do_not_send(challenger: dict[str, Any], told: str, gate: Gate) -> None:
    """A new or changed feature is named, with the way to let it through once."""
    assert TakesTheSame().explain(_evidence(compare_signatures(challenger, CHAMPION)), gate) == told + ADVICE


def test_many_features_make_a_sentence_all_the_same(gate: Gate) -> None:
    """Ten are named and the others counted; the record has all."""
    evidence = _evidence(compare_signatures(feature_kinds([f"f{number}" for number in range(25)], []), {}))

    told = TakesTheSame().explain(evidence, gate)

    assert told is not None
    assert "takes f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 15 more, which" in told
    assert len(TakesTheSame().numbers(evidence, gate)["added"]) == 25


@pytest.mark.parametrize(
    "signature", [None, compare_signatures(CHAMPION, None)], ids=["of an older run", "no champion yet"]
)
def test_it_does_not_apply_where_there_is_nothing_to_compare(signature: Signature | None, gate: Gate) -> None:
    """The first version has no callers yet."""
    with pytest.raises(NotApplicable):
        TakesTheSame().explain(_evidence(signature), gate)


def test_a_new_feature_is_inconclusive() -> None:
    """It is no fault of the model, so that the verdict is inconclusive, and a team may let it through."""
    assert TakesTheSame.severity == "inconclusive"
    assert not TakesTheSame.essential
