"""The page on one table with its labels: its model runs, its leak is found, and so are the others that it names."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from include.cli import main
from include.config.loader import load_pipeline
from include.config.pipeline import Pipeline
from include.core import settings
from include.core.connections import EnvironmentConnections
from include.core.errors import FeatureLeak
from include.features.leakage_check import check_newest_features
from include.workflows.retrain.run import ingest, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = (settings.root() / "docs" / "how-to" / "one-table-with-its-labels.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:yaml|sql)\n(?:#|--) include/pipelines/lending/(\S+)\n(.*?)```", TEXT, re.DOTALL))
[LEAK] = re.findall(r"```sql\n-- leaks: .*?\n(.*?)```", TEXT, re.DOTALL)
AS_OF, DAYS, LOANS = date(2024, 4, 29), 120, 20


def loans() -> pd.DataFrame:
    """Return the loans of four months, two and more of a moment, with their outcomes."""
    draw = np.random.default_rng(5)
    number = np.arange(DAYS * LOANS)
    branch, amount = draw.integers(0, 4, len(number)), draw.gamma(2, 400, len(number)).round()
    minutes = number // LOANS * 24 * 60 + 8 * 60 + 10 + number % LOANS // 3 * 45
    chance = 1 / (1 + np.exp(3.5 - 0.9 * branch - amount / 700))
    return pd.DataFrame(
        {
            "loan": [f"l-{each:05}" for each in number],
            "branch": pd.Series(branch).map({0: "north", 1: "south", 2: "east", 3: "west"}),
            "customer": [f"c-{each:02}" for each in draw.integers(0, 60, len(number))],
            "amount": amount,
            "applied_at": (pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")).astype(str),
            "defaulted": (draw.uniform(size=len(number)) < chance).astype(int),
        }
    )


def write(folder: Path, **changed: str) -> None:
    """Write the page's files, or others in their place."""
    for path, text in {**FILES, **changed}.items():
        target = folder / "pipelines" / "lending" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the page's model and a database of loans, and be at home there."""
    folder = tmp_path_factory.mktemp("bank")
    with pytest.MonkeyPatch.context() as patch, closing(sqlite3.connect(folder / "bank.db")) as database:
        loans().to_sql("loans", database, index=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("NIGHTSHIFT_HOME", str(folder / "var"))
        patch.setenv("NIGHTSHIFT_THREADS", "1")
        patch.setenv("NIGHTSHIFT_PIPELINES", str(folder / "pipelines"))
        patch.setenv("AIRFLOW_CONN_BANK", f"sqlite:///{folder / 'bank.db'}")
        write(folder)
        ingest(load_pipeline("lending"), date(2024, 1, 1), AS_OF, EnvironmentConnections())
        yield folder


@pytest.fixture(autouse=True)
def at_the_bank(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be at home at the bank in each test."""
    monkeypatch.delenv("LAKE_URI", raising=False)
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(bank / "var"))
    monkeypatch.setenv("NIGHTSHIFT_PIPELINES", str(bank / "pipelines"))
    monkeypatch.setenv("AIRFLOW_CONN_BANK", f"sqlite:///{bank / 'bank.db'}")


def test_the_model_of_the_page_runs(bank: Path) -> None:
    """Its files, as they are printed, make a model that passes the gate, honestly: no label is there to be changed."""
    assert len(FILES) == 3
    assert CliRunner().invoke(main, ["validate-config", "lending"]).output == "lending: ok\n"

    result = run(load_pipeline("lending"), "printed", AS_OF, EnvironmentConnections(), 5)

    assert result.verdict == "promote"
    report = check_newest_features(load_pipeline("lending"), AS_OF, cut_offs=5, seed=0, report_line=print)
    assert (report.own_labels, report.unchanged_labels) == (0, 0)


LEAKS = {
    "the page's": LEAK,
    "an as-of join": """\
        SELECT loans.loan, loans.applied_at AS prediction_time, loans.defaulted, loans.amount, h.share AS planted
        FROM loans ASOF LEFT JOIN (
            SELECT branch, available_at, trailing_mean(defaulted, branch, available_at, INTERVAL 60 DAYS) AS share
            FROM loans
        ) AS h ON h.branch = loans.branch AND h.available_at <= loans.applied_at""",
    "a mean over the minute": """\
        SELECT loan, applied_at AS prediction_time, defaulted, amount,
            avg(defaulted) OVER (PARTITION BY date_trunc('minute', applied_at)) AS planted FROM loans""",
    "a rank": """\
        SELECT loan, applied_at AS prediction_time, defaulted, amount, rank() OVER (
            PARTITION BY branch ORDER BY defaulted, applied_at, loan) AS planted FROM loans""",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_leaks_that_the_page_names_are_found(bank: Path, leak: str) -> None:
    """Without label_known_after the label stands beside the question, and the check of a night finds who reads it."""
    yaml = re.sub(r" +label_known_after: .*\n", "", FILES["pipeline.yaml"])
    assert yaml != FILES["pipeline.yaml"]
    write(bank, **{"pipeline.yaml": yaml, "features.sql": LEAKS[leak]})
    try:
        with pytest.raises(FeatureLeak) as error:
            check_newest_features(load_pipeline("lending"), AS_OF, cut_offs=2, seed="night", report_line=print)
    finally:
        write(bank)

    feature = "branch_default_share" if leak == "the page's" else "planted"
    said = str(error.value)
    assert f"'{feature}' knows the row's own label" in said or (
        leak == "a rank" and f"'{feature}' knows the fut" in said
    )
    if leak == "the page's":
        printed = " ".join(TEXT.split("FeatureLeak: ")[1].split("```")[0].split())
        shape = re.sub(r"\d[\d.,:-]*", "N", printed)
        assert re.sub(r"\d[\d.,:-]*", "N", said) == shape


def test_a_strict_join_passes(bank: Path) -> None:
    """Labels of earlier rows are history: the page says that no check knows how long they take."""
    yaml = re.sub(r" +label_known_after: .*\n", "", FILES["pipeline.yaml"])
    write(bank, **{"pipeline.yaml": yaml, "features.sql": LEAKS["an as-of join"].replace("<=", "<")})
    try:
        report = check_newest_features(load_pipeline("lending"), AS_OF, cut_offs=2, seed="night", report_line=print)
    finally:
        write(bank)

    assert report.own_labels > 10


def test_each_fragment_of_the_page_is_valid() -> None:
    """The second way to declare it fits into the page's pipeline.yaml, in a table that has the columns."""
    import yaml

    fields = yaml.safe_load(FILES["pipeline.yaml"])
    [fragment] = re.findall(r"```yaml\n(label_known_after: .*?)```", TEXT, re.DOTALL)
    loans = fields["sources"]["loans"]
    loans |= yaml.safe_load(fragment)
    loans["columns"] |= {"recovered_amount": "float", "closed_by": "string"}
    Pipeline.model_validate(fields)


def test_the_page_is_found() -> None:
    """The README and the pages on features and models link to it."""
    name = "one-table-with-its-labels.md"
    assert f"(docs/how-to/{name})" in (settings.root() / "README.md").read_text(encoding="utf-8")
    for page in ("add-a-model.md", "write-features.md"):
        assert f"({name})" in (settings.root() / "docs" / "how-to" / page).read_text(encoding="utf-8")
