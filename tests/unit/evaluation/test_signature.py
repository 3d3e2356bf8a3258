"""The features of the challenger compared with the champion's."""

from __future__ import annotations

from include.evaluation.signature import Signature, compare_signatures, feature_kinds

CHALLENGER = feature_kinds(["hour", "age"], ["carrier", "origin"])


def test_a_feature_is_a_number_or_text() -> None:
    """Each feature has the kind of its column."""
    assert CHALLENGER == {"hour": "number", "age": "number", "carrier": "text", "origin": "text"}


def test_the_same_features_do_not_differ() -> None:
    """The order in which they come is of no matter."""
    champion = dict(reversed(CHALLENGER.items()))

    assert compare_signatures(CHALLENGER, champion) == Signature(CHALLENGER, added=[], missing=[], changed=[])


def test_differences_are_named() -> None:
    """New, dropped and changed features are distinguished."""
    champion = feature_kinds(["age", "carrier", "distance"], ["origin"])

    found = compare_signatures(CHALLENGER, champion)

    assert found == Signature(CHALLENGER, added=["hour"], missing=["distance"], changed=["carrier"])


def test_without_a_champion_there_is_no_difference() -> None:
    """The first version is compared with nothing, which is not the same as with a champion of no features."""
    assert compare_signatures(CHALLENGER, None) == Signature(CHALLENGER, None, None, None)
    assert compare_signatures(CHALLENGER, {}).added == list(CHALLENGER)
