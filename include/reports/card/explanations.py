"""The section of a card that explains the model: a summary of contributions, and the most important features."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from include.core.formatting import format_number
from include.reports.card.blocks import Block, CardSection, Plot, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.evaluation.importance import Importance
    from include.training.contribution_summary import ContributionSummary

#: Number of features in a table, the most important ones.
SHOWN_FEATURES = 15
#: Correlations of a feature's value with its contribution that are weaker than this have no direction.
MIN_CORRELATION = 0.3


def explanations_section(
    contributions: ContributionSummary | None, importance: Sequence[Importance], metric: str
) -> CardSection:
    """Return the summary of the contributions and the importance of the features.

    Parameters
    ----------
    contributions
        None where they were not measured.
    metric
        The metric that gives the importance its unit.
    """
    blocks: list[Block] = []
    if contributions and contributions.features:
        blocks += _contributions(contributions)
    else:
        blocks.append(Text("The contributions of the features were not measured in this run.", "soft"))
    known = [each for each in importance if math.isfinite(each.mean)]
    if known:
        blocks += _importance(known, metric)
    else:
        blocks.append(Text("The importance of the features was not measured in this run.", "soft"))
    return CardSection("Explanations", blocks)


def _contributions(found: ContributionSummary) -> list[Block]:
    features = found.features
    rows = [[each.feature, format_number(each.mean), _direction(each.direction)] for each in features[:SHOWN_FEATURES]]
    before = " before calibration" if found.before_calibration else ""
    summary = (
        f"Contribution of each feature to a prediction, in {_unit(found.unit)}{before}, on {found.rows:,} rows "
        f"that the model has not learned from ({found.method}). The base is {format_number(found.base)}."
    )
    head = ["feature", "mean absolute contribution", "as its value rises"]
    drawn = replace(found, features=[each for each in features if each.points])
    return [
        Text(summary),
        Plot("swarm", "Contributions: each point is a row", drawn, Table(head, rows, (1,))),
        *_left_out(len(features), len(drawn.features)),
    ]


def _importance(known: Sequence[Importance], metric: str) -> list[Block]:
    rows = [[each.feature, f"{each.mean:.4g} ± {each.std:.2g}"] for each in known[:SHOWN_FEATURES]]
    summary = (
        f"How much worse {metric} becomes on held-out rows when the values of a feature are shuffled. Features that "
        "carry the same information may each seem worth little."
    )
    table = Table(["feature", f"{metric} gets worse by"], rows, (1,))
    return [
        Text(summary),
        Plot("bars", f"Importance, in {metric}", known[:SHOWN_FEATURES], table),
        *_left_out(len(known), len(known[:SHOWN_FEATURES])),
    ]


def _left_out(features: int, drawn: int) -> list[Block]:
    """Say how many features a chart and its table leave out."""
    tabled = min(features, SHOWN_FEATURES)
    if features == drawn:
        return []
    more = f"; the table has {tabled}" if tabled > drawn else ""
    return [Text(f"The {drawn} most important of {features} features{more}.", "soft")]


def _unit(unit: str) -> str:
    return "the unit of the label" if unit == "value" else unit


def _direction(correlation: float | None) -> str:
    """Say whether the prediction rises or falls as the value of the feature rises."""
    if correlation is None:
        return "-"
    if abs(correlation) < MIN_CORRELATION:
        return "neither"
    return "rises" if correlation > 0 else "falls"
