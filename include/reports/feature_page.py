"""The page of a pipeline's features: meaning, sources, statistics and importance of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from include.core.errors import RunMissing
from include.core.formatting import format_number, format_share
from include.core.html_page import render_html
from include.features.column_stats import column_stats
from include.features.feature_table import FeatureTable, read_feature_rows
from include.features.lineage import column_lineage
from include.lake import run_files
from include.reports.feature_table import FeatureGroup, feature_groups, importance_text, learned_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.evaluation.importance import ChampionImportance
    from include.features.column_stats import ColumnStats


def newest_features(pipeline: Pipeline) -> FeatureTable:
    """Return the newest feature table that a run has built.

    Raises
    ------
    RunMissing
        If no run has built one.
    """
    root = run_files.run_folder(pipeline.name, "any").parent
    found = []
    for path in root.glob("*/features.json") if root.is_dir() else []:
        try:
            found.append(FeatureTable(**run_files.read_json(path, "the feature table")))
        except (TypeError, RunMissing):
            continue  # an older release wrote it, or the run was just cleaned up
    if not found:
        raise RunMissing(
            f"{pipeline.name}: no run has built features yet, so there is nothing to document; run the DAG "
            f"{pipeline.name}.retrain, or ./nightshift run {pipeline.name}"
        )
    return max(found, key=lambda table: table.version)


@dataclass(frozen=True)
class FeaturePage:
    """What a feature page shows but the champion, who may change after the page was made.

    Attributes
    ----------
    note
        Why some or all columns have no lineage; empty if all have one.
    """

    name: str
    description: str
    query: str
    facts: dict[str, str]
    note: str
    groups: list[FeatureGroup]

    @property
    def columns(self) -> set[str]:
        """The names of the columns of the feature table."""
        return {row.name for group in self.groups for row in group.rows}


def write_feature_page(pipeline: Pipeline, table: FeatureTable, champion: ChampionImportance | None) -> UPath:
    """Write the feature page as HTML with today's champion, and its content without one; return the path of the HTML.

    Each file is written whole or not at all.

    Raises
    ------
    LakeError
        If the table cannot be read or the page cannot be written; the previous page stays.
    """
    page, path = describe_features(pipeline, table), run_files.feature_page(pipeline.name)
    content = json.dumps(asdict(page))  # in the order of the page, which write_json would sort
    run_files.write_bytes(run_files.feature_page_content(pipeline.name), content.encode())
    run_files.write_bytes(path, render_feature_page(page, champion).encode())
    return path


def read_feature_page(name: str) -> FeaturePage | None:
    """Return the content of a pipeline's newest feature page; None where this release has written none."""
    try:
        content = json.loads(run_files.feature_page_content(name).read_text(encoding="utf-8"))
        return TypeAdapter(FeaturePage).validate_python(content)
    except (FileNotFoundError, ValueError):
        return None


def feature_page(pipeline: Pipeline, table: FeatureTable, champion: ChampionImportance | None) -> str:
    """Return the feature page as HTML.

    Parameters
    ----------
    champion
        None where there is no champion yet.

    Raises
    ------
    RunMissing
        If the table was built for another label.
    """
    return render_feature_page(describe_features(pipeline, table), champion)


def describe_features(pipeline: Pipeline, table: FeatureTable) -> FeaturePage:
    """Return the content of the feature page.

    Raises
    ------
    RunMissing
        If the table was built for another label.
    """
    stats = column_stats(read_feature_rows(table))
    if pipeline.features.label not in stats:
        raise RunMissing(
            f"{pipeline.name}: the feature table, version {table.version}, has no column '{pipeline.features.label}', "
            f"because pipeline.yaml changed after it was built; run the DAG {pipeline.name}.retrain first"
        )
    lineage = column_lineage(pipeline)
    return FeaturePage(
        name=pipeline.name,
        description=pipeline.description,
        query=pipeline.features.query,
        facts=_facts(pipeline, table, stats),
        note=lineage.note,
        groups=feature_groups(pipeline, table.rows, stats, lineage),
    )


def render_feature_page(page: FeaturePage, champion: ChampionImportance | None, unknown: str = "") -> str:
    """Return the feature page as HTML.

    Parameters
    ----------
    champion
        None where there is no champion yet, or where it is not known.
    unknown
        Why the champion is not known; empty where it is.
    """
    named = f"version {champion.version}" if champion else f"not known: {unknown}" if unknown else "none yet"
    return render_html(
        "reports/templates/feature_page.html.jinja",
        page=page,
        facts=page.facts | {"champion": named},
        importance={row.name: importance_text(row, champion) for group in page.groups for row in group.rows},
        legend=_legend(champion, page.columns),
    )


def _facts(pipeline: Pipeline, table: FeatureTable, stats: Mapping[str, ColumnStats]) -> dict[str, str]:
    label, times = stats[pipeline.features.label], stats["prediction_time"]
    labelled = table.rows - label.nulls
    if pipeline.training.task == "multiclass":
        summary = f"{label.distinct} classes"
    elif pipeline.training.task == "binary":
        summary = f"{format_share(label.mean)} of them are 1"
    else:
        summary = f"mean {format_number(label.mean)}"
    return {
        "owner": pipeline.owner,
        "table": f"version {table.version}",
        "rows": f"{table.rows:,}",
        "prediction times": f"{times.low:%Y-%m-%d} to {times.high:%Y-%m-%d}" if times.low else "none",
        "label": f"{label.name}, known in {format_share(labelled / table.rows if table.rows else None)} of the rows"
        + (f", {summary}" if labelled else ""),
        "features": f"{len(learned_columns(pipeline, stats))}",
    }


def _legend(champion: ChampionImportance | None, columns: set[str]) -> list[str]:
    """Explain the columns of the table, and name the champion's features that the table lacks."""
    lines = [
        "From: the sources that a value is computed from, including the columns that its rows are grouped, partitioned "
        "and ordered by. A source that only joins rows is not named."
    ]
    if champion and champion.features:
        lines.append(
            f"Importance: how much worse {champion.metric or 'the metric'} of the champion, version "
            f"{champion.version}, became on held-out rows when the values of the feature were shuffled, with the "
            "standard deviation over the repeats. Features that carry the same information may each seem worth little."
        )
        gone = [name for name in champion.learned_from or [] if name not in columns]
        if gone:
            lines.append(f"The champion also learned from {', '.join(gone)}, which the table no longer has.")
    elif champion:
        lines.append(f"The run of the champion, version {champion.version}, recorded no importance of features.")
    return lines
