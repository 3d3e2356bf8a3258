"""The section of a card that tells what the model goes by: contributions in sum, and the most important features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.formatting import number
from include.reports.card.blocks import Block, Plot, Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Features that are told, the weightiest ones.
TOLD = 15


def explained_section(
    contributions: Mapping[str, Any] | None, importance: Sequence[Mapping[str, Any]], metric: str
) -> Section:
    """Return the summary of the contributions and the importance of the features.

    Parameters
    ----------
    contributions
        As `ContributionSummary.to_json` gives them; None or empty where there are none.
    importance
        As `Importance.to_json` gives each feature's.
    metric
        In whose unit the importance is.
    """
    blocks: list[Block] = []
    if contributions and contributions.get("features"):
        blocks += _contributions(contributions)
    else:
        blocks.append(Text("What the features add to predictions was not measured in this run.", "soft"))
    known = [each for each in importance if each["mean"] is not None]
    if known:
        blocks += _importance(known, metric)
    else:
        blocks.append(Text("The importance of the features was not measured in this run.", "soft"))
    return Section("What it goes by", blocks)


def _contributions(found: Mapping[str, Any]) -> list[Block]:
    features = found["features"]
    rows = [[each["feature"], number(each["mean"]), _direction(each["direction"])] for each in features[:TOLD]]
    before = " before calibration" if found.get("before_calibration") else ""
    told = (
        f"What each feature adds to a prediction, in {_unit(found['unit'])}{before}, on {found['rows']:,} rows that "
        f"the model has not learned from ({found['method']}). The base is {number(found['base'])}."
    )
    head = ["feature", "adds or takes on average", "as its value rises"]
    drawn = {**found, "features": [each for each in features if each.get("points")]}
    return [
        Text(told),
        Plot("swarm", "Contributions: each point is a row", drawn, Table(head, rows, (1,))),
        *_left_out(len(features), len(drawn["features"])),
    ]


def _importance(known: Sequence[Mapping[str, Any]], metric: str) -> list[Block]:
    rows = [[each["feature"], f"{each['mean']:.4g} ± {each['std']:.2g}"] for each in known[:TOLD]]
    told = (
        f"By how much {metric} gets worse on held-out rows when the values of a feature are shuffled. Of features that "
        "say the same, each may seem worth little."
    )
    table = Table(["feature", f"{metric} gets worse by"], rows, (1,))
    return [
        Text(told),
        Plot("bars", f"Importance, in {metric}", [dict(each) for each in known[:TOLD]], table),
        *_left_out(len(known), len(known[:TOLD])),
    ]


def _left_out(features: int, drawn: int) -> list[Block]:
    """Say how many features a plot and its table leave out."""
    tabled = min(features, TOLD)
    if features == drawn:
        return []
    more = f"; the table has {tabled}" if tabled > drawn else ""
    return [Text(f"The {drawn} weightiest of {features} features{more}.", "soft")]


def _unit(unit: str) -> str:
    return "the unit of the label" if unit == "value" else unit


def _direction(correlation: float | None) -> str:
    """Say where a prediction moves as the value rises."""
    if correlation is None:
        return "-"
    if abs(correlation) < 0.3:
        return "neither"
    return "rises" if correlation > 0 else "falls"
