"""Tell what a proof found: which feature, in how many rows, with an example, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from include.features.compare import shown

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.features.compare import ColumnDifference

Cause = Literal["chance", "own_label", "future", "either", "lookback"]

#: Which cause stands where cut-offs tell several of one feature: what one of them proves holds for all.
STRONGEST_FIRST: tuple[Cause, ...] = ("chance", "own_label", "future", "either", "lookback")


@dataclass(frozen=True)
class Leak:
    """A difference and where it comes from.

    Attributes
    ----------
    cause
        `chance`: the query, which tells another each time. `own_label`: the label of the row itself, or of one asked
        at the same moment. `future`: what became known after the question.
        `lookback`: rows that are older than `features.lookback_days`. `either`: one of the last two.
    """

    cause: Cause
    difference: ColumnDifference

    def together_with(self, other: Leak | None) -> Leak:
        """Return the leak with the rows that another cut-off has of the same, and the stronger one's example."""
        if other is None:
            return self
        first, second = sorted((other, self), key=lambda leak: STRONGEST_FIRST.index(leak.cause))
        rows, of = first.difference.rows + second.difference.rows, first.difference.of + second.difference.of
        return replace(first, difference=replace(first.difference, rows=rows, of=of))


def explain(
    differences: list[ColumnDifference],
    leaks: list[ColumnDifference],
    short: list[ColumnDifference],
    chance: list[ColumnDifference],
) -> list[Leak]:
    """Tell what comes of the future from what comes of a lookback that is too short, or of chance.

    Parameters
    ----------
    differences
        Between the feature table and the rows from what was known, within the lookback.
    leaks
        Between the feature table and the rows from all that was known, however old.
    short
        Between the rows from all that was known, and those within the lookback.
    chance
        Between two runs of the query on the same.
    """
    is_leak, is_short, is_chance = ({each.about for each in found} for found in (leaks, short, chance))
    explained = []
    for each in leaks:
        cause: Cause = "chance" if each.about in is_chance else "either" if each.about in is_short else "future"
        explained.append(Leak(cause, each))
    return explained + [Leak("lookback", each) for each in differences if each.about not in is_leak]


def leak_sentence(pipeline: Pipeline, leak: Leak) -> str:
    """Return what is wrong with a feature, or with which rows there are, where, and what to do."""
    found, lookback = leak.difference, pipeline.features.lookback_days
    read = f"only the partitions of {lookback} days are" if leak.cause == "lookback" else "only what was known then is"
    rows, times = f"{found.rows:,} of {found.of:,} rows", "when the query runs again" if leak.cause == "chance" else ""
    when = times or f"when {read} read"
    if leak.cause == "own_label":
        when = "when the labels of the rows asked at that moment are changed"
    subject = {
        "own_label": "knows the row's own label",
        "future": "knows the future",
        "either": f"knows the future, or reads further back than features.lookback_days ({lookback})",
        "lookback": f"reads further back than features.lookback_days ({lookback})",
        "chance": "is another each time the query runs",
    }[leak.cause]
    if found.kind == "missing":
        problem = f"{rows} are not there {when}, such as {found.example}"
    elif found.kind == "extra":
        problem = f"{found.rows:,} more rows are there {when}, such as {found.example}"
    else:
        problem = (
            f"{shown(found.feature)} {subject}: {rows} differ {when}, such as {found.example}, "
            f"which has {found.in_table} in the table and {found.again} then"
        )
    repair = {
        "own_label": "of the source that the rows come from, use only rows with available_at < prediction_time, or say "
        "with label_known_after when its label becomes known (docs/how-to/one-table-with-its-labels.md)",
        "future": "use only rows with available_at <= prediction_time",
        "either": "use only rows with available_at <= prediction_time, and bound how old they may be",
        "lookback": "set features.lookback_days to more, or bound in the query how old the rows may be",
        "chance": "order by columns that tell rows apart, and use no random() and no now()",
    }[leak.cause]
    if found.kind != "value" and leak.cause in ("future", "either"):
        repair = "the spine must come from what is known at prediction_time"
    return f"{pipeline.name}/{pipeline.features.query}: {problem}; {repair}"


def leaks_sentence(pipeline: Pipeline, leaks: list[Leak], most: int = 5) -> str:
    """Return one sentence, of bounded length, of all that was found; the first tells its example."""
    sentence = leak_sentence(pipeline, leaks[0])
    names = [
        shown(leak.difference.feature) if leak.difference.feature else "which rows there are" for leak in leaks[1:]
    ]
    if not names:
        return sentence
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{sentence}; {', '.join(names[:most])}{more} differ{'s' if len(names) == 1 else ''} as well"
