"""Explains a leak in one sentence: which feature, in how many rows, an example, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from include.features.compare import shown

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.features.compare import ColumnDifference

Cause = Literal["chance", "own_label", "future", "either", "lookback"]

#: The cause to report if cut-offs find several for one feature comes first: it is the most certain one.
STRONGEST_FIRST: tuple[Cause, ...] = ("chance", "own_label", "future", "either", "lookback")


@dataclass(frozen=True)
class Leak:
    """A difference and its cause.

    Attributes
    ----------
    cause
        `chance`: the query gives another result each time. `own_label`: the label of the row itself, or of a row with
        the same prediction time. `future`: what became known after the prediction time. `lookback`: rows older than
        `features.lookback_days`. `either`: one of the last two.
    """

    cause: Cause
    difference: ColumnDifference

    def merge(self, other: Leak | None) -> Leak:
        """Add the rows of the same leak at another cut-off, and keep the example of the stronger cause."""
        if other is None:
            return self
        first, second = sorted((other, self), key=lambda leak: STRONGEST_FIRST.index(leak.cause))
        rows = first.difference.rows + second.difference.rows
        compared = first.difference.compared + second.difference.compared
        return replace(first, difference=replace(first.difference, rows=rows, compared=compared))


def explain(
    differences: list[ColumnDifference],
    leaks: list[ColumnDifference],
    short: list[ColumnDifference],
    chance: list[ColumnDifference],
) -> list[Leak]:
    """Return each difference with its cause: the future, a lookback that is too short, or chance.

    Parameters
    ----------
    differences
        Between the feature table and the rows built from what was known then, within the lookback.
    leaks
        Between the feature table and the rows built from all that was known then, however old.
    short
        Between the rows built from all that was known then, and those built within the lookback.
    chance
        Between two runs of the query on the same rows.
    """
    is_leak, is_short, is_chance = ({each.about for each in found} for found in (leaks, short, chance))
    explained = []
    for each in leaks:
        cause: Cause = "chance" if each.about in is_chance else "either" if each.about in is_short else "future"
        explained.append(Leak(cause, each))
    return explained + [Leak("lookback", each) for each in differences if each.about not in is_leak]


def leak_sentence(pipeline: Pipeline, leak: Leak) -> str:
    """Return what is wrong with a feature or with the spine, where, and what to do."""
    found, lookback = leak.difference, pipeline.features.lookback_days
    read = f"only the partitions of {lookback} days are" if leak.cause == "lookback" else "only what was known then is"
    rows = f"{found.rows:,} of {found.compared:,} rows"
    when = {
        "chance": "when the query runs again",
        "own_label": "when the labels of the rows at that prediction_time are changed",
    }.get(leak.cause, f"when {read} read")
    subject = {
        "own_label": "knows the row's own label",
        "future": "knows the future",
        "either": f"knows the future, or reads further back than features.lookback_days ({lookback})",
        "lookback": f"reads further back than features.lookback_days ({lookback})",
        "chance": "changes each time the query runs",
    }[leak.cause]
    if found.kind == "missing":
        problem = f"{rows} are missing {when}, such as {found.example}"
    elif found.kind == "extra":
        problem = f"{found.rows:,} more rows appear {when}, such as {found.example}"
    else:
        problem = (
            f"{shown(found.feature)} {subject}: {rows} differ {when}, such as {found.example}, "
            f"which has {found.in_table} in the table and {found.again} then"
        )
    repair = {
        "own_label": "from the source of the spine, use only rows with available_at < prediction_time, or declare with "
        "label_known_after when the label becomes known (docs/how-to/one-table-with-its-labels.md)",
        "future": "use only rows with available_at <= prediction_time",
        "either": "use only rows with available_at <= prediction_time, and limit how old they may be",
        "lookback": "raise features.lookback_days, or limit in the query how old the rows may be",
        "chance": "order by columns that make the order unique, and do not use random() or now()",
    }[leak.cause]
    if found.kind != "value" and leak.cause in ("future", "either"):
        repair = "the spine must come from what is known at prediction_time"
    return f"{pipeline.name}/{pipeline.features.query}: {problem}; {repair}"


def leaks_sentence(pipeline: Pipeline, leaks: list[Leak], most: int = 5) -> str:
    """Return one sentence of bounded length on all leaks; only the first has an example."""
    sentence = leak_sentence(pipeline, leaks[0])
    names = [shown(leak.difference.feature) if leak.difference.feature else "the spine" for leak in leaks[1:]]
    if not names:
        return sentence
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{sentence}; {', '.join(names[:most])}{more} also differ{'s' if len(names) == 1 else ''}"
