"""The page of a pipeline's features: what each is, where it comes from, what it holds, and what it is worth."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from include.core.errors import RunMissing
from include.core.formatting import number, share
from include.core.html_page import html_page
from include.features.build import FeatureTable, read_feature_rows
from include.features.column_stats import column_stats
from include.features.lineage import column_lineage
from include.lake import run_files
from include.reports.feature_table import STYLE, column_table, learned_columns

if TYPE_CHECKING:
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.evaluation.importance import ChampionImportance
    from include.features.column_stats import ColumnStats


def newest_features(pipeline: Pipeline) -> FeatureTable:
    """Return the newest feature table that a run has built.

    Raises
    ------
    RunMissing
        If none has.
    """
    root = run_files.run_folder(pipeline.name, "any").parent
    found = []
    for path in root.glob("*/features.json") if root.is_dir() else []:
        try:
            found.append(FeatureTable(**run_files.read_json(path, "the feature table")))
        except (TypeError, RunMissing):
            continue  # of a run of an older Nightshift, or one that was just cleaned up
    if not found:
        raise RunMissing(
            f"{pipeline.name}: no run has built features yet, so there is nothing to document; run the DAG "
            f"{pipeline.name}.retrain, or ./nightshift run {pipeline.name}"
        )
    return max(found, key=lambda table: table.version)


def write_feature_page(pipeline: Pipeline, table: FeatureTable, champion: ChampionImportance | None) -> UPath:
    """Write the page of a pipeline's features, whole or not at all, and return where.

    Raises
    ------
    LakeError
        If the table cannot be read, or the page not written; the last page stands.
    """
    path = run_files.feature_page(pipeline.name)
    run_files.write_bytes(path, feature_page(pipeline, table, champion).encode())
    return path


def feature_page(pipeline: Pipeline, table: FeatureTable, champion: ChampionImportance | None) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    champion
        None where there is no champion yet.

    Raises
    ------
    RunMissing
        If the table was built for another label.
    """
    figures = column_stats(read_feature_rows(table))
    if pipeline.features.label not in figures:
        raise RunMissing(
            f"{pipeline.name}: the feature table, version {table.version}, has no column '{pipeline.features.label}', "
            f"since pipeline.yaml has changed after it was built; run the DAG {pipeline.name}.retrain first"
        )
    lineage = column_lineage(pipeline)
    body = [
        f"<header><h1>{escape(pipeline.name)}: features</h1><p>{escape(pipeline.description)}</p></header>",
        _facts(pipeline, table, figures, champion),
        f'<p class="warning">Of {escape(pipeline.features.query)}: {escape(lineage.note)}.</p>' if lineage.note else "",
        column_table(pipeline, table.rows, figures, lineage, champion),
        _legend(champion, set(figures)),
    ]
    return html_page(f"{pipeline.name}: features", "\n".join(body), STYLE)


def _facts(
    pipeline: Pipeline, table: FeatureTable, figures: dict[str, ColumnStats], champion: ChampionImportance | None
) -> str:
    label, asked = figures[pipeline.features.label], figures["prediction_time"]
    known = table.rows - label.nulls
    if pipeline.training.task == "multiclass":
        told = f"{label.distinct} classes"
    elif pipeline.training.task == "binary":
        told = f"of which {share(label.mean)} are 1"
    else:
        told = f"on average {number(label.mean)}"
    facts = {
        "owner": pipeline.owner,
        "table": f"version {table.version}",
        "rows": f"{table.rows:,}",
        "prediction times": f"{asked.low:%Y-%m-%d} to {asked.high:%Y-%m-%d}" if asked.low else "none",
        "label": f"{label.name}, known in {share(known / table.rows if table.rows else None)} of the rows"
        + (f", {told}" if known else ""),
        "features": f"{len(learned_columns(pipeline, figures))}",
        "champion": f"version {champion.version}" if champion else "none yet",
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()) + "</dl>"


def _legend(champion: ChampionImportance | None, columns: set[str]) -> str:
    """Say what the figures of the table mean, and what the champion has that the table has not."""
    lines = [
        "From: the sources that a value is made of, by the columns that are read and by what they are grouped, "
        "partitioned and ordered by; a source that only joins rows is not named."
    ]
    if champion and champion.features:
        lines.append(
            f"Importance: by how much {champion.metric or 'the metric'} of the champion, version {champion.version}, "
            "got worse on held-out rows when the values of the feature were shuffled, with the standard deviation "
            "over the repeats. Of features that say the same, each may seem worth little."
        )
        gone = [name for name in champion.learned_from or [] if name not in columns]
        if gone:
            lines.append(f"The champion also learned from {', '.join(gone)}, which the table no longer has.")
    elif champion:
        lines.append(f"The run of the champion, version {champion.version}, recorded no importance of features.")
    return "".join(f'<p class="soft">{escape(line)}</p>' for line in lines)
