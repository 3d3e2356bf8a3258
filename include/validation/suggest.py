"""Suggests a first suite from a source's rows, with comments on what was seen, for a person to edit."""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from include import lake
from include.core.duckdb_connection import open_duckdb
from include.core.errors import LakeError, SourceEmpty
from include.core.sql_text import identifier, identifiers, literal
from include.core.yaml_file import write_yaml
from include.ingestion.days import count_days, shown_range
from include.ingestion.staged_file import local_file
from include.profiling.rows import MEMORY, Rows, rows_of_file
from include.profiling.survey import survey
from include.validation.infer import IN_SET, Suggestion, infer, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow.dataset import Dataset

    from include.config.pipeline import Pipeline
    from include.config.sources import Source
    from include.ingestion.stage import StagedBatch


@dataclass(frozen=True)
class SuggestedSuite:
    """The file of a suggested suite.

    Attributes
    ----------
    seen
        The rows that it was made from, in words.
    expectations
        How many expectations it has.
    text
        The YAML.
    """

    seen: str
    expectations: int
    text: str


def suggest_from_lake(pipeline: Pipeline, name: str, days: int) -> SuggestedSuite | None:
    """Suggest a suite from the last published days of a source; return None if it has none.

    Only the last day of a snapshot is read, since it is the whole table.

    Raises
    ------
    LakeError
        If the lake cannot be read.
    """
    source = pipeline.sources[name]
    uri = lake.raw_uri(pipeline.name, name)
    published = list(lake.partitions(uri, source.slice_column))
    chosen = published[-1:] if source.arrives == "snapshot" else published[-days:]
    version = lake.latest_version(uri)
    if not chosen or version is None:
        return None
    with _published(lake.dataset(uri, version), source, chosen) as rows:
        return _suite(pipeline, name, rows, identifier(source.slice_column), "published in the lake")


def suggest_from_batch(pipeline: Pipeline, batch: StagedBatch) -> SuggestedSuite:
    """Suggest a suite from a staged batch.

    Raises
    ------
    RunMissing, SourceEmpty
        If the batch is missing or has no rows.
    """
    source = pipeline.sources[batch.source]
    day = literal(batch.end.isoformat()) if source.arrives == "snapshot" else identifier(source.slice_column)
    with local_file(batch) as path, rows_of_file(path) as rows:
        return _suite(pipeline, batch.source, rows, day, f"read from the source and staged as batch {batch.digest}")


@contextmanager
def _published(table: Dataset, source: Source, days: list[str]) -> Iterator[Rows]:
    """Open some days of a raw table; DuckDB reads the columns that it needs, piece by piece."""
    by = source.slice_column
    columns = [name for name in source.columns if name in table.schema.names]
    chosen = identifiers(dict.fromkeys([*columns, by]))
    of_days = f"{identifier(by)} BETWEEN {literal(days[0])} AND {literal(days[-1])}"
    with open_duckdb(MEMORY) as con:
        con.register("raw", table)
        con.execute(f"CREATE VIEW rows AS SELECT {chosen} FROM raw WHERE {of_days}")
        yield Rows(con)


def _suite(pipeline: Pipeline, name: str, rows: Rows, day: str, where_from: str) -> SuggestedSuite:
    """Survey rows and write the suite that they suggest.

    Parameters
    ----------
    day
        SQL of the day that a row was delivered for.
    where_from
        Where the rows come from, for the file's first comment.
    """
    import duckdb

    source, where = pipeline.sources[name], f"{pipeline.name}: source '{name}'"
    try:
        columns = survey(rows, source, day)
        suggestions = {column.name: infer(rows, column, source, day) for column in columns}
    except duckdb.Error as error:
        raise LakeError(
            f"{where}: the rows {where_from} could not be surveyed ({str(error).splitlines()[0]}); nothing was "
            "suggested; run this command again, for fewer days if memory or disk ran out"
        ) from error
    if not columns or not columns[0].rows:
        raise SourceEmpty(f"{where}: there are no rows to survey; nothing was suggested; name other days")
    seen = [each.day for each in columns[0].days]
    span = shown_range(date.fromisoformat(seen[0]), date.fromisoformat(seen[-1]))
    surveyed = f"{columns[0].rows:,} rows of {count_days(seen)} ({span}), {where_from}"
    missing = [each for each in source.columns if each not in suggestions]
    suggestions |= {each: [Suggestion(f"column '{shown(each)}': not published yet")] for each in missing}
    written = [each for column in source.columns for each in suggestions[column]]
    count = sum(each.name is not None for each in written)
    return SuggestedSuite(surveyed, count, _suite_text(pipeline, name, written, surveyed))


def _suite_text(pipeline: Pipeline, name: str, suggestions: list[Suggestion], seen: str) -> str:
    """Return the text of the suite's file."""
    source = pipeline.sources[name]
    key = ", ".join(map(shown, source.key))
    head = [
        f"Suggested by ./nightshift suggest-expectations {pipeline.name} {name} from {seen}.",
        "A comment says what was seen; you know what is possible. Edit the bounds, sets and severities: an expectation "
        "is critical unless it says `severity: warning`. How: docs/how-to/write-expectations.md",
        f"Left out, since Nightshift checks it anyway: the key ({key}) is not null and unique, "
        f"{shown(source.available_at.column)} is not null, the rows of a day (rows_per_day), the columns and their "
        "types (contract), and each day against earlier days (history).",
    ]
    lines = [line for sentence in head for line in _comment(sentence, "")]
    lines.append("expectations:" if any(each.name for each in suggestions) else "expectations: []")
    for each in suggestions:
        lines += _comment(each.comment, "  ")
        if each.name:
            lines.append(textwrap.indent(_item(each), "  "))
    return "\n".join(lines) + "\n"


def _item(suggestion: Suggestion) -> str:
    """Return an expectation as an item of a YAML list; only a set is wrapped."""
    width = 100 if suggestion.name == IN_SET else float("inf")
    item = [{suggestion.name: suggestion.arguments}]
    return write_yaml(item, width).rstrip("\n")


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False
    )
