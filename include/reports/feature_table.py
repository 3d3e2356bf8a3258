"""The table of a feature page: a row for each column of the feature table."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from include.core.formatting import format_number, format_share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.config.pipeline import Pipeline
    from include.evaluation.importance import ChampionImportance
    from include.features.column_stats import ColumnStats
    from include.features.lineage import ColumnLineage, Lineage

_HEAD = ("feature", "what it is", "from", "type", "null", "values", "min", "mean", "max", "importance")

#: The style of the table, beside that of every page.
STYLE = """
table { font-size: .93em; }
thead th { position: sticky; top: 0; background: Canvas; white-space: nowrap; z-index: 1; }
tbody th { background: var(--soft); }
td:nth-child(n+5):nth-child(-n+9), thead th:nth-child(n+5):nth-child(-n+9) { text-align: right; white-space: nowrap; }
td:nth-child(n+5) { font-variant-numeric: tabular-nums; }
td:first-child { min-width: 11rem; }
td:nth-child(2) { min-width: 13rem; width: 30%; }
td:last-child { white-space: nowrap; min-width: 8rem; }
td .badge { display: inline-block; font-size: .85em; margin: 0 .2rem .1rem 0; }
summary { cursor: pointer; opacity: .7; font-size: .9em; width: max-content; }
pre { white-space: pre-wrap; margin: .2rem 0; padding: .4rem .6rem; background: var(--soft); border-radius: .3rem; }
.bar { display: block; height: .3rem; border-radius: .2rem; background: var(--bar); margin-top: .15rem; }
.scroll { overflow-x: auto; }
@media (min-width: 75rem) { .scroll { overflow-x: visible; } }
"""


def column_table(
    pipeline: Pipeline,
    rows: int,
    figures: dict[str, ColumnStats],
    lineage: Lineage,
    champion: ChampionImportance | None,
) -> str:
    """Return the table of all columns, in the order of the feature table, with a heading above each group."""
    learned = learned_columns(pipeline, figures)
    parts, group = [], ""
    for name, column in figures.items():
        traced = lineage.of(name)
        if traced.group != group:
            group = traced.group
            heading = f'<tr><th colspan="{len(_HEAD)}" scope="rowgroup">{escape(group)}</th></tr>' if group else ""
            parts.append(f"</tbody><tbody>{heading}")
        parts.append(
            f"<tr><td>{_name(pipeline, name)}</td><td>{_meaning(traced)}</td><td>{_sources(traced)}</td>"
            f"{_measured(column, rows)}"
            f"<td>{_importance(name, champion) if name in learned else ''}</td></tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(parts)}</tbody></table></div>'
    ).replace("<tbody></tbody>", "")


def _name(pipeline: Pipeline, name: str) -> str:
    """Return a column's name, which may be broken behind its words, and what it is where it is no feature."""
    roles = {
        **dict.fromkeys(pipeline.features.exclude, "excluded"),
        **({pipeline.training.group: "group"} if pipeline.training.group else {}),
        **dict.fromkeys(pipeline.features.key, "key"),
        pipeline.features.label: "label",
        "prediction_time": "time",
    }
    role = f' <span class="badge soft">{roles[name]}</span>' if name in roles else ""
    return f"<code>{escape(name).replace('_', '_<wbr>')}</code>{role}"


def _meaning(traced: ColumnLineage) -> str:
    sql = escape(traced.expression)
    folded = f"<details><summary>SQL</summary><pre>{sql}</pre></details>" if sql else ""
    return escape(traced.comment) + folded


def _sources(traced: ColumnLineage) -> str:
    if traced.sources is None:
        return '<span class="soft">not known</span>'
    return "".join(f'<span class="badge">{escape(name)}</span>' for name in traced.sources)


def _measured(column: ColumnStats, rows: int) -> str:
    numbers = column.kind in ("integer", "float")
    cells = [
        column.kind,
        format_share(column.nulls / rows if rows else None),
        f"{column.distinct:,}" if column.exact else f"≈ {format_number(float(f'{column.distinct:.1e}'))}",
        *(format_number(each) if numbers else "" for each in (column.low, column.mean, column.high)),
    ]
    return "".join(f"<td>{escape(each)}</td>" for each in cells)


def _importance(name: str, champion: ChampionImportance | None) -> str:
    """Return a feature's importance with a bar as long as its share of the greatest."""
    if champion is None:
        return ""
    if champion.learned_from is not None and name not in champion.learned_from:
        return '<span class="soft">not in the champion</span>'
    if champion.features is None or name not in champion.features:
        return '<span class="soft">not measured</span>'
    mean, std = champion.features[name]
    greatest = max(each for each, _ in champion.features.values())
    decimals, width = 4, 0.0
    if greatest > 0:
        decimals = min(max(2 - math.floor(math.log10(greatest)), 0), 9)
        width = max(0.0, 100 * mean / greatest)
    bar = f'<span class="bar" style="width:{width:.0f}%"></span>'
    return f'{mean:.{decimals}f} <span class="soft">± {std:.{decimals}f}</span>{bar}'


def learned_columns(pipeline: Pipeline, columns: Iterable[str]) -> list[str]:
    """Return the columns that a model learns from."""
    return [name for name in columns if name not in pipeline.kept_out]
