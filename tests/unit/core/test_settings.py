"""A folder that some library cannot work in is refused before anything is done, and every other one works."""

from __future__ import annotations

import re
import tempfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from click.testing import CliRunner

from include import lake
from include.cli import main
from include.config.loader import load_pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.duckdb_connection import open_duckdb
from include.core.errors import ConfigError
from include.core.sql_text import literal
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = ["a[b]c", "a]b", "#x", "what?", "a|b", "a^b", "a\\b", "%41", "50%2525", "a\tb", "a\nb"]
WORKING = ["it's", "a b", "100%", "st*r", "ünï", "日本", "😀", 'a"b', "a&b=c;d", "{a}$b", "a:b@c", "`~<x>"]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("variable", ["LAKE_URI", "NIGHTSHIFT_HOME"])
def test_a_path_that_delta_cannot_work_in_is_refused_at_the_start(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """A bracket ended the process in another library's panic, `#` lost the table's history, `%41` was read as A."""
    monkeypatch.setenv(variable, str(tmp_path / name))

    with pytest.raises(ConfigError, match=f"^{variable} is .*Delta Lake cannot keep tables under a path with"):
        settings.check_paths()
    answer = CliRunner().invoke(main, ["validate-config", "shop"])
    assert answer.exit_code == 1
    assert answer.output.startswith(f"Error: ConfigError: {variable} is ")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", WORKING)
def test_a_day_is_published_under_any_other_path(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An apostrophe in a folder's name once ended the SQL that was made from it."""
    (tmp_path / name / "tmp").mkdir(parents=True)
    monkeypatch.setenv("LAKE_URI", str(tmp_path / name / "lake"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name / "tmp"))
    pipeline = load_pipeline("shop")

    for day in (factories.FIRST_DAY, factories.FIRST_DAY + timedelta(days=1)):
        batch = extract_source(pipeline, "sales", day, day, EnvironmentConnections())
        validate_batch(pipeline, batch)
        published = publish_batch(pipeline, batch)

    assert (tmp_path / name / "lake" / "shop" / "raw" / "sales" / "_delta_log").is_dir()
    assert lake.read_table(published.uri, published.version).num_rows == 10
    written = lake.write_table(lake.features_uri("shop"), pa.table({"x": [1]}), "first")
    assert lake.find_build(written.uri, "first") == written.version


def test_an_encoded_address_of_a_folder_is_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`file:///my%20lake` was one folder for Delta and another one for the files beside the tables."""
    monkeypatch.setenv("LAKE_URI", f"{tmp_path.as_uri()}/my%20lake/")
    assert settings.lake_uri() == f"{tmp_path}/my lake"
    monkeypatch.setenv("LAKE_URI", f"{tmp_path.as_uri()}/my%23lake/")
    with pytest.raises(ConfigError, match=r"path with '#'"):
        settings.lake_uri()
    monkeypatch.setenv("LAKE_URI", "s3://bucket/my lake")
    assert settings.lake_uri() == "s3://bucket/my lake"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("file:/data/lake", "begin it with file:///, or write only the path"),
        ("FILE:///data/lake", "begin it with file:///"),
        ("file://lake", "begin it with file:///"),
        ("s3:bucket/lake", "begin it with s3://"),
        (
            "ftp://nightshift:secret@host/lake",
            "is 'ftp://host/lake', but the lake cannot be in a store of the kind 'ftp'",
        ),
        ("~/lake", "no shell expands it"),
        ('"/data/lake"', "no shell expands it"),
        (" /data/lake", "no shell expands it"),
    ],
)
def test_an_address_that_would_be_a_folder_of_the_project_is_refused(
    monkeypatch: pytest.MonkeyPatch, place: str, sentence: str
) -> None:
    """`file:/data/lake` and `~/lake` were created below the project's root, where nobody looked for the tables."""
    monkeypatch.setenv("LAKE_URI", place)
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        settings.lake_uri()


@pytest.mark.parametrize("name", ["a\\b", "%41"])
def test_a_temporary_folder_with_a_misread_path_is_refused(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """DuckDB spilled to a missing folder, and MLflow looked for a model in the wrong one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"^TMPDIR is .* misread a path with"):
        settings.check_paths()


@pytest.mark.usefixtures("shop")
def test_duckdb_reads_back_what_is_quoted() -> None:
    """SQL reads every quoted text as the same text."""
    with open_duckdb("100MB") as con:
        for text in (*REFUSED, *WORKING, "'", "''", "\\'", "a';--"):
            assert con.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]
