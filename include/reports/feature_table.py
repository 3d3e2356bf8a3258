"""The table of a feature page: one row for each column of the feature table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from include.core.formatting import format_number, format_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.config.pipeline import Pipeline
    from include.evaluation.importance import ChampionImportance
    from include.features.column_stats import ColumnStats
    from include.features.lineage import Lineage


@dataclass(frozen=True)
class ImportanceText:
    """A feature's importance as it is shown: mean, standard deviation, and its share of the greatest in percent."""

    mean: str
    std: str
    percent: int


@dataclass(frozen=True)
class FeatureRow:
    """One column of the feature table as the page shows it.

    Attributes
    ----------
    role
        What the column is for where models do not learn from it, such as `label`; empty for a feature.
    comment, expression
        The query's comment and SQL for the column; empty where there is none.
    sources
        Names of the sources that its values come from; None where they are not known.
    stats
        Type, share of nulls, distinct values, minimum, mean and maximum.
    learned
        Whether models learn from it.
    """

    name: str
    role: str
    comment: str
    expression: str
    sources: tuple[str, ...] | None
    stats: tuple[str, ...]
    learned: bool


@dataclass(frozen=True)
class FeatureGroup:
    """Rows that stand below one heading; the title is empty for columns without one."""

    title: str
    rows: list[FeatureRow]


def feature_groups(
    pipeline: Pipeline, rows: int, stats: Mapping[str, ColumnStats], lineage: Lineage
) -> list[FeatureGroup]:
    """Return a row for each column in the order of the feature table, grouped as the comments of the query say."""
    learned, roles = set(learned_columns(pipeline, stats)), _roles(pipeline)
    groups = []
    for title, names in groupby(stats, key=lambda name: lineage.of(name).group):
        group = FeatureGroup(title, [])
        for name in names:
            column = lineage.of(name)
            group.rows.append(
                FeatureRow(
                    name=name,
                    role=roles.get(name, ""),
                    comment=column.comment,
                    expression=column.expression,
                    sources=column.sources,
                    stats=_stats(stats[name], rows),
                    learned=name in learned,
                )
            )
        groups.append(group)
    return groups


def learned_columns(pipeline: Pipeline, columns: Iterable[str]) -> list[str]:
    """Return the columns that a model learns from."""
    return [name for name in columns if name not in pipeline.kept_out]


def _roles(pipeline: Pipeline) -> dict[str, str]:
    """Return the roles of the columns that are no features; the last of several roles counts."""
    return {
        **dict.fromkeys(pipeline.features.exclude, "excluded"),
        **({pipeline.training.group: "group"} if pipeline.training.group else {}),
        **dict.fromkeys(pipeline.features.key, "key"),
        pipeline.features.label: "label",
        "prediction_time": "time",
    }


def _stats(column: ColumnStats, rows: int) -> tuple[str, ...]:
    numeric = column.kind in ("integer", "float")
    return (
        column.kind,
        format_share(column.nulls / rows if rows else None),
        f"{column.distinct:,}" if column.exact else f"≈ {format_number(float(f'{column.distinct:.1e}'))}",
        *(format_number(each) if numeric else "" for each in (column.low, column.mean, column.high)),
    )


def importance_text(row: FeatureRow, champion: ChampionImportance | None) -> ImportanceText | str:
    """Return a column's importance, or the reason why there is none, which may be empty."""
    name = row.name
    if champion is None or not row.learned:
        return ""
    if champion.learned_from is not None and name not in champion.learned_from:
        return "not in the champion"
    if champion.features is None or name not in champion.features:
        return "not measured"
    mean, std = champion.features[name]
    greatest = max(each for each, _ in champion.features.values())
    decimals, percent = 4, 0.0
    if greatest > 0:
        decimals = min(max(2 - math.floor(math.log10(greatest)), 0), 9)
        percent = max(0.0, 100 * mean / greatest)
    return ImportanceText(f"{mean:.{decimals}f}", f"{std:.{decimals}f}", round(percent))
