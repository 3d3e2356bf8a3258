"""The feature page shows meaning, origin and importance of each feature, and runs nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from markupsafe import escape

from include import lake
from include.config.loader import load_pipeline
from include.core.errors import LakeError, RunMissing
from include.core.html_page import POLICY
from include.evaluation.importance import ChampionImportance
from include.features.feature_table import FeatureTable
from include.lake import run_files
from include.reports.feature_page import feature_page, newest_features, write_feature_page
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from include.config.pipeline import Pipeline

EVIL = "<script>alert(1)</script>"

QUERY = f"""
SELECT
    store || day AS store_day,
    day AS prediction_time,
    revenue,

    -- the day
    dayofweek(day) AS weekday, -- 0 is {EVIL}
    month(day) AS month,

    available_at::VARCHAR AS "{EVIL}"
FROM sales
"""


def table(**more: list[object]) -> FeatureTable:
    """Write a small feature table of the shop and return it."""
    days = [datetime(2024, 1, 1) + timedelta(days=number) for number in range(4)]
    rows = pa.table(
        {
            "store_day": [f"a-{number}" for number in range(4)],
            "prediction_time": pa.array(days, pa.timestamp("us")),
            "revenue": [10.0, 20.0, 60.0, None],
            "weekday": [0, 1, 2, 3],
            "month": [1, 1, 1, None],
            EVIL: [EVIL] * 4,
            **more,
        }
    )
    uri = lake.features_uri("shop")
    version = lake.write_features(uri, rows, "build", {})
    return FeatureTable(uri, version, ["store_day"], 4, 3, rows.num_columns, "build")


@pytest.fixture
def pipeline(shop: Path) -> Pipeline:
    """Return the shop's pipeline with a query that has comments."""
    factories.write_shop(shop.parent, features=QUERY)
    return load_pipeline("shop")


def row(page: str, name: str) -> str:
    """Return a column's row of the page as text, with a bar between its cells."""
    [found] = [each for each in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if f"<td><code>{name}</code>" in each]
    return re.sub(r"<[^>]+>", "", found.replace("</td>", "|").replace("<wbr>", ""))


def test_the_head_describes_the_table(pipeline: Pipeline) -> None:
    """It has the question, the owner, the rows and how much of the label is known."""
    page = re.sub(r"<[^>]+>", " ", feature_page(pipeline, table(), None))

    for fact in (
        "What will each store take tomorrow?",
        "shop-team",
        "version 0",
        "2024-01-01 to 2024-01-04",
        "revenue, known in 75 % of the rows, mean 30",
        "none yet",
    ):
        assert fact in page


def test_a_row_describes_its_feature(pipeline: Pipeline) -> None:
    """Comment, SQL, source, type and statistics stand beside the name; other columns show their role."""
    page = feature_page(pipeline, table(), None)

    assert row(page, "month") == "month|SQLmonth(day) AS month|sales|integer|25 %|1|1|1|1||"
    assert row(page, "revenue").startswith("revenue label|SQLrevenue|sales|float|25 %|3|10|30|60|")
    assert row(page, "store_<wbr>day").startswith("store_day key|")
    assert ">the day</th>" in page
    assert page.count('scope="rowgroup"') == 1, "what stands apart from the block is not below its heading"


def test_importance_is_that_of_the_champion(pipeline: Pipeline) -> None:
    """A bar is as long as its share of the greatest; a new or unmeasured feature says so."""
    champion = ChampionImportance(
        3, "mae", ["weekday", "month", "unmeasured", "gone"], {"weekday": (2.0, 0.1), "month": (0.5, 0.25)}
    )

    page = feature_page(pipeline, table(new=[1, 2, 3, 4], unmeasured=[1, 2, 3, 4]), champion)

    assert row(page, "weekday").endswith("|2.00 ± 0.10|")
    assert "width:100%" in page
    assert "width:25%" in page
    assert row(page, "new").endswith("|not in the champion|")
    assert row(page, "unmeasured").endswith("|not measured|")
    assert "how much worse mae of the champion, version 3, became" in page
    assert "The champion also learned from gone, which the table no longer has." in page


@pytest.mark.parametrize("features", [None, {}, {"weekday": (-0.5, 0.1)}])
def test_a_champion_without_importance_has_no_bars(
    pipeline: Pipeline, features: dict[str, tuple[float, float]] | None
) -> None:
    """A champion of an older release, or one that needs no feature, is no error."""
    page = feature_page(pipeline, table(), ChampionImportance(3, "mae", None, features))

    assert not re.search(r"width:[1-9]\d*%\"", page)
    assert "version 3" in page
    assert row(page, "weekday").endswith("|-0.5000 ± 0.1000|" if features else "|not measured|")


def test_a_page_loads_nothing_and_runs_nothing(pipeline: Pipeline) -> None:
    """Names, comments and other texts from files stay texts, and the page's policy forbids scripts."""
    champion = ChampionImportance(3, EVIL, [EVIL], {EVIL: (1.0, 0.0)})

    page = feature_page(pipeline, table(), champion)

    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert re.findall(r"(?:src|href)\s*=", page) == []
    assert "http" not in page.replace("http-equiv", "")
    assert f'content="{escape(POLICY)}"' in page
    assert POLICY.startswith("default-src 'none'")
    assert "script-src" not in POLICY


def test_an_unreadable_query_is_reported_on_the_page(pipeline: Pipeline, shop: Path) -> None:
    """The statistics are shown anyway."""
    (shop / "features.sql").write_text("SELECT (store FROM sales")

    page = feature_page(pipeline, table(), None)

    assert "features.sql: the query could not be parsed" in page
    assert row(page, "month") == "month||not known|integer|25 %|1|1|1|1||"


def test_a_table_without_rows_has_a_page(pipeline: Pipeline) -> None:
    """Nothing is divided by 0."""
    whole = table()
    empty = lake.read_features(whole.uri, whole.version).slice(0, 0)
    version = lake.write_features(whole.uri, empty, "empty", {})

    page = feature_page(pipeline, replace(whole, version=version, rows=0), None)

    assert row(page, "month") == "month|SQLmonth(day) AS month|sales|integer|-|0|-|-|-||"


def test_a_label_of_classes_has_no_mean(shop: Path) -> None:
    """A binary label has a share, several classes have a number."""
    labels = {}
    for task, metric in (("binary", "roc_auc"), ("multiclass", "log_loss")):
        text = factories.SHOP_YAML.replace("task: regression", f"task: {task}").replace(
            "metric: mae", f"metric: {metric}"
        )
        factories.write_shop(shop.parent, pipeline=text)
        page = feature_page(load_pipeline("shop"), table(revenue=[0.0, 0.0, 1.0, None]), None)
        labels[task] = re.findall(r"known in 75 % of the rows, (.*?)</dd>", page)

    assert labels == {"binary": ["33.3 % of them are 1"], "multiclass": ["2 classes"]}


def test_a_page_is_written_whole_or_not_at_all(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails, the previous page stays."""
    path = write_feature_page(pipeline, table(), None)
    before = path.read_text(encoding="utf-8")
    monkeypatch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(LakeError, match="No space left"):
        write_feature_page(pipeline, table(new=[1, 2, 3, 4]), None)

    assert path == run_files.feature_page("shop")
    assert path.read_text(encoding="utf-8") == before
    assert before.endswith("</html>\n")


def test_the_newest_table_of_any_run_is_documented(pipeline: Pipeline) -> None:
    """Runs are found by their files; runs of an older release, which have other fields, are skipped."""
    with pytest.raises(RunMissing, match=r"^shop: no run has built features yet.*shop\.retrain"):
        newest_features(pipeline)
    first, second = table(), table(new=[1, 2, 3, 4])
    for run, fields in (("b", first.to_json()), ("a", second.to_json()), ("c", {"uri": first.uri, "version": 99})):
        run_files.write_json(run_files.run_folder("shop", run) / "features.json", fields)

    assert newest_features(pipeline) == second


def test_a_table_of_another_label_is_refused(pipeline: Pipeline, shop: Path) -> None:
    """pipeline.yaml may have changed since the last run, and the sentence says what to do."""
    built = table()
    factories.write_shop(shop.parent, pipeline=factories.SHOP_YAML.replace("label: revenue", "label: profit"))

    with pytest.raises(RunMissing, match=r"version 0, has no column 'profit'.*run the DAG shop\.retrain"):
        feature_page(load_pipeline("shop"), built, None)
