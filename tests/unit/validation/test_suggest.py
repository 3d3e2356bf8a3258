"""A suggested suite has no mistake, holds for the rows that it was made from, and says what was seen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from include import lake
from include.config.loader import load_pipeline
from include.config.sources.files_source import FilesSource
from include.core.connections import EnvironmentConnections
from include.core.errors import LakeError, SourceEmpty
from include.ingestion.arrow_types import arrow_type
from include.ingestion.extract import extract_source
from include.ingestion.publish import publish_batch
from include.ingestion.stage import StagedBatch
from include.lake import run_files
from include.profiling.rows import rows_of_file
from include.validation.judge import run_suite
from include.validation.suggest import SuggestedSuite, suggest_from_batch, suggest_from_lake
from include.validation.suite import load_suite
from include.validation.validate import validate_batch
from tests import factories

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.validation.judge import Judged

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
MATCH_REGEX = "expect_column_values_to_match_regex"

DAYS, DAILY = 28, 40
DAY = [(date(2024, 3, 1) + timedelta(days=number)).isoformat() for number in range(DAYS) for _ in range(DAILY)]
COUNT = len(DAY)
KINDS = {str: "string", bool: "boolean", int: "integer", float: "float"}


@pytest.fixture
def draw() -> np.random.Generator:
    """Return seeded random numbers."""
    return np.random.default_rng(5)


@pytest.fixture
def shop_pipeline(shop: Path) -> Pipeline:
    """Load the shop's pipeline."""
    return load_pipeline("shop")


def suggest(pipeline: Pipeline, columns: dict[str, list[Any]], days: list[str] = DAY) -> SuggestedSuite:
    """Stage rows with some columns and suggest a suite for them."""
    return suggest_from_batch(*staged(pipeline, columns, days))


def staged(pipeline: Pipeline, columns: dict[str, list[Any]], days: list[str] = DAY) -> tuple[Pipeline, StagedBatch]:
    """Stage rows of the source `sales` with some columns and a key, and declare them."""
    kinds = {name: KINDS[type(next((each for each in column if each is not None), ""))]
             for name, column in columns.items()}  # fmt: skip
    declared = {"id": "integer", "at": "timestamp"} | kinds
    source = FilesSource(
        kind="files", connection="landing", path="{ds}.csv", key=["id"], available_at="at", columns=declared
    )
    times = [datetime.fromisoformat(ds).replace(hour=12, tzinfo=UTC) for ds in days]
    values = {"id": list(range(len(days))), "at": times} | columns
    arrays = [pa.array(values[name], arrow_type(declared[name])) for name in declared]
    table = pa.table([*arrays, pa.array(days, pa.string())], names=[*declared, "ds"])
    folder = run_files.staged_folder(pipeline.name, "sales")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, str(folder / "seeded.parquet"))
    changed = pipeline.model_copy(update={"sources": {"sales": source}})
    first, last = (date.fromisoformat(end(days, default="2024-03-01")) for end in (min, max))
    return changed, StagedBatch(
        pipeline.name, "sales", first, last, "seeded", len(days), datetime(2024, 4, 1, tzinfo=UTC)
    )


def judge(pipeline: Pipeline, suite: SuggestedSuite, folder: Path) -> list[Judged]:
    """Read a suggested suite from its file, and judge the staged rows by it."""
    path = folder / "again" / "expectations" / "sales.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(suite.text, encoding="utf-8")
    expectations = load_suite(path.parent.parent, "sales")
    assert len(expectations) == suite.expectations
    with rows_of_file(Path(str(run_files.staged_folder(pipeline.name, "sales") / "seeded.parquet"))) as rows:
        return run_suite(rows, expectations)


def items(suite: SuggestedSuite) -> list[tuple[str, dict[str, Any]]]:
    """Return the expectations of a suite by name with their arguments."""
    return [next(iter(item.items())) for item in yaml.safe_load(suite.text)["expectations"]]


def of(suite: SuggestedSuite, name: str) -> list[dict[str, Any]]:
    """Return the arguments of the expectations with some name, without the column."""
    found = [arguments for each, arguments in items(suite) if each == name]
    return [{key: value for key, value in arguments.items() if key != "column"} for arguments in found]


def comments(suite: SuggestedSuite) -> str:
    """Return a suite's comments as one text."""
    lines = [line.strip() for line in suite.text.splitlines()]
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))


def odd_columns(draw: np.random.Generator) -> dict[str, list[Any]]:
    """Return columns that are hard to name, to write down, or to bound."""
    texts = [
        "it's",
        'say "so"',
        "naïve ☃",
        "🙂",
        "a: b",
        "- #",
        "null",
        "yes",
        "1",
        "",
        " ",
        "two\nlines",
        "{x}",
        "\t",
        "\\",
    ]
    few = draw.choice([10.0, np.nan, np.inf, -np.inf], COUNT, p=[0.97, 0.01, 0.01, 0.01])
    return {
        "plain": draw.normal(100, 20, COUNT).tolist(),
        "it's \"odd\": a # name, 雪": draw.choice(texts, COUNT).tolist(),
        "two\nlines": [None] * COUNT,
        "- x": [None if number % 9 else "y" for number in range(COUNT)],
        "select": draw.integers(-(2**63), 2**63 - 1, COUNT).tolist(),
        "huge": [-1.7e308, 1.7e308, *draw.normal(0, 1e300, COUNT - 2).tolist()],
        "tiny": [5e-324, 0.0, *draw.uniform(0, 1e-300, COUNT - 2).tolist()],
        "edge": [2**63 - 1, -(2**63), *[0] * (COUNT - 2)],
        "close": [2**53 + number % 3 for number in range(COUNT)],
        "not_finite": few.tolist(),
        "infinite": [float("inf")] * COUNT,
        "mostly_infinite": [float("inf")] * (COUNT - 40) + [1.0] * 40,
        "flag": draw.choice([True, False], COUNT).tolist(),
        "always": ["x"] * COUNT,
        "always_0": [0] * COUNT,
        "always_0.1": [0.1] * COUNT,
        "always_-7": [-7] * COUNT,
        "all_null": [None] * COUNT,
        "heavy": draw.lognormal(0, 3, COUNT).tolist(),
        "codes": [f"A-{number:05d}.b" for number in draw.integers(0, 99_999, COUNT)],
        "long": ["x" * 3000 + str(number) for number in range(COUNT)],
        "text": [("ünï " * (number % 7)) + str(number) for number in range(COUNT)],
    }  # fmt: skip


def test_a_suggested_suite_is_sound_and_holds_for_what_it_was_made_from(
    shop_pipeline: Pipeline, tmp_path: Path, draw: np.random.Generator
) -> None:
    """Whatever the columns are called and hold, the file has no mistake and nothing fails."""
    columns = odd_columns(draw)
    suite = suggest(shop_pipeline, columns)

    judged = judge(shop_pipeline, suite, tmp_path)

    assert [each.result.expectation_config for each in judged if not each.result.success] == []
    assert [each.result.exception_info for each in judged if each.result.exception_info.get("raised_exception")] == []
    assert len({each.expectation.column for each in judged}) >= len(columns) - 2, "all but the columns of nulls"


@pytest.mark.parametrize("seed", range(4))
def test_a_suite_of_one_day_of_few_rows_holds_for_them(shop_pipeline: Pipeline, tmp_path: Path, seed: int) -> None:
    """The first look may be at three rows, some of them null."""
    draw = np.random.default_rng(seed)
    columns = {
        "number": [None, *draw.normal(0, 10.0**seed, 2).tolist()],
        "count": draw.integers(0, 10**seed, 3).tolist(),
        "text": ["a", None, "b"],
        "flag": [True, None, None],
    }

    suite = suggest(shop_pipeline, columns, DAY[:3])

    assert all(each.result.success for each in judge(shop_pipeline, suite, tmp_path))
    assert of(suite, IN_SET) == [], "two rows say nothing of what else there is"


def test_columns_come_in_the_order_of_pipeline_yaml(shop_pipeline: Pipeline) -> None:
    """A person finds a column where it is declared."""
    suite = suggest(shop_pipeline, {"b": ["x"] * COUNT, "a": [1.5] * COUNT, "c": [True] * COUNT})

    columns = dict.fromkeys(arguments["column"] for _, arguments in items(suite))
    assert list(columns) == ["b", "a", "c"]


def test_the_key_and_available_at_are_not_repeated(shop_pipeline: Pipeline) -> None:
    """What Nightshift checks itself is named at the top and is not an expectation."""
    suite = suggest(shop_pipeline, {"a": [1.5] * COUNT})

    assert {arguments["column"] for _, arguments in items(suite)} == {"a"}
    assert "the key (id) is not null and unique, at is not null" in comments(suite)


def test_no_nulls_are_critical_and_some_nulls_a_warning_below_the_worst_day(shop_pipeline: Pipeline) -> None:
    """Each day is validated alone, so the day with the most nulls sets the share."""
    some: list[Any] = ["x"] * COUNT
    some[:8] = [None] * 8

    suite = suggest(shop_pipeline, {"full": ["x"] * COUNT, "some": some, "none": [None] * COUNT})

    assert of(suite, NOT_NULL) == [{}, {"mostly": 0.74, "severity": "warning"}]
    assert "0.71 % nulls in 1,120 rows of 28 days, at most 20 % on a day (2024-03-01)" in comments(suite)
    assert "column 'none': only nulls in 1,120 rows of 28 days" in comments(suite)


def test_a_few_recurring_texts_are_a_set(shop_pipeline: Pipeline, draw: np.random.Generator) -> None:
    """A new category is not always a mistake, so it only warns."""
    suite = suggest(shop_pipeline, {"status": draw.choice(["paid", "open"], COUNT).tolist()})

    assert of(suite, IN_SET) == [{"value_set": ["open", "paid"], "severity": "warning"}]
    assert "2 values in 1,120 rows of 28 days; make it critical if another one is always a mistake" in comments(suite)


def test_texts_that_still_grow_in_number_are_not_a_set(shop_pipeline: Pipeline) -> None:
    """A value that first appears in the last week suggests that more will follow."""
    texts = ["paid", "open"] * (COUNT // 2 - 5) + ["refunded"] * 10

    suite = suggest(shop_pipeline, {"status": texts})

    assert of(suite, IN_SET) == []
    assert "3 values in 1,120 rows of 28 days, 1 of them first seen after 2024-03-21" in comments(suite)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("{:06d}", "^[0-9]{6}$"),
        ("AB{:04d}", "^[0-9A-Z]{6}$"),
        ("{:08x}", "^[0-9a-z]{8}$"),
        ("x{:05d}.a", "^[0-9a-z.]{8}$"),
        ("order-{}", "^[0-9a-z-]+$"),
        ("{:05d} a", None),
        ("{:05d}é", None),
    ],
)
def test_codes_have_the_pattern_of_their_characters(shop_pipeline: Pipeline, form: str, pattern: str | None) -> None:
    """Identifiers are not a set; of fixed length or not, they consist of some kinds of characters."""
    suite = suggest(shop_pipeline, {"code": [form.format(number * 7919 % 9973) for number in range(COUNT)]})

    expected = [{"regex": pattern, "severity": "warning"}] if pattern else []
    assert [of(suite, IN_SET), of(suite, MATCH_REGEX)] == [[], expected]


def test_words_have_no_pattern(shop_pipeline: Pipeline) -> None:
    """Names differ in length, and tomorrow's may have a space."""
    words = ["Oslo", "Bergen", "Paris", "Lyon", "Rom", "Wien"]

    suite = suggest(shop_pipeline, {"city": [words[n % 6] + words[n // 6 % 6].lower() for n in range(COUNT)]})

    assert [name for name, _ in items(suite)] == [NOT_NULL]
    assert "neither a set nor a pattern is suggested" in comments(suite)


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [
        (12.3, 843.0, 0, 1200),
        (-12.5, 31.0, -30, 50),
        (1987, 2013, 1980, 2020),
        (0.0021, 0.0043, 0.0015, 0.005),
        (-90, -10, -120, 0),
        (7, 7, 5, 9),
    ],
)
def test_bounds_are_round_wider_and_of_the_same_sign(
    shop_pipeline: Pipeline, low: float, high: float, least: float, most: float
) -> None:
    """A month does not show everything possible, but bounds never add an unseen sign."""
    suite = suggest(shop_pipeline, {"number": [low, high] * (COUNT // 2)})

    [bounds] = of(suite, BETWEEN)
    assert bounds == {"min_value": least, "max_value": most, "severity": "warning"}


def test_only_natural_bounds_are_critical(shop_pipeline: Pipeline, draw: np.random.Generator) -> None:
    """Zero is critical if it is common and nothing is below, and so is a flag; a share only warns."""
    columns = {
        "rain": np.maximum(draw.normal(0, 5, COUNT), 0).tolist(),
        "is_late": draw.integers(0, 2, COUNT).tolist(),
        "share": draw.uniform(0.05, 0.95, COUNT).tolist(),
    }

    suite = suggest(shop_pipeline, columns)

    zero, rain, flag, share = of(suite, BETWEEN)
    assert zero == {"min_value": 0}
    assert list(rain) == ["max_value", "severity"]
    assert flag == {"min_value": 0, "max_value": 1}
    assert share == {"min_value": 0, "max_value": 1, "severity": "warning"}
    assert "critical, since a negative one is taken for a mistake" in comments(suite)


def test_what_is_far_off_does_not_set_the_bounds_and_is_mentioned(
    shop_pipeline: Pipeline, tmp_path: Path, draw: np.random.Generator
) -> None:
    """A broken sensor is in the comment, with the share that may pass."""
    wind = draw.uniform(0, 40, COUNT)
    wind[[3, 500]] = 1048.4, -999.0

    suite = suggest(shop_pipeline, {"wind": wind.tolist()})

    [bounds] = of(suite, BETWEEN)
    assert bounds == {"min_value": 0, "max_value": 50, "mostly": 0.95, "severity": "warning"}
    assert "2 far off, such as 1,048.4 and -999, did not set the bounds" in comments(suite)
    assert all(each.result.success for each in judge(shop_pipeline, suite, tmp_path))


def test_numbers_that_grow_with_the_days_have_no_bounds(shop_pipeline: Pipeline) -> None:
    """A running number would outgrow its bounds."""
    suite = suggest(shop_pipeline, {"invoice": list(range(COUNT))})

    assert of(suite, BETWEEN) == []
    assert "column 'invoice': each day's numbers are above those of the day before" in comments(suite)


def test_without_rows_nothing_is_suggested(shop_pipeline: Pipeline) -> None:
    """An empty batch says so."""
    with pytest.raises(SourceEmpty, match="shop: source 'sales': there are no rows to survey"):
        suggest(shop_pipeline, {"a": []}, [])


def test_a_file_without_an_expectation_is_a_suite(shop_pipeline: Pipeline, tmp_path: Path) -> None:
    """Columns of nulls get only comments."""
    suite = suggest(shop_pipeline, {"a": [None] * COUNT})

    assert suite.expectations == 0
    assert judge(shop_pipeline, suite, tmp_path) == []


@pytest.mark.parametrize("arrives", ["daily", "append"])
def test_the_last_published_days_are_surveyed(shop: Path, arrives: str) -> None:
    """The lake shows what the source delivered; older days do not count."""
    (shop / "pipeline.yaml").write_text(
        factories.SHOP_YAML.replace("    day: day\n", f"    day: day\n    arrives: {arrives}\n")
    )
    pipeline = load_pipeline("shop")
    last = factories.FIRST_DAY + timedelta(days=39)
    batch = extract_source(pipeline, "sales", factories.FIRST_DAY, last, EnvironmentConnections())
    validate_batch(pipeline, batch)
    publish_batch(pipeline, batch)

    suite = suggest_from_lake(pipeline, "sales", 28)

    assert suite is not None
    assert suite.seen == "140 rows of 28 days (2024-01-13 to 2024-02-09), published in the lake"


def test_a_lake_that_cannot_be_read_is_an_error(shop: Path) -> None:
    """The error is one sentence and names the missing file."""
    pipeline = load_pipeline("shop")
    batch = extract_source(pipeline, "sales", factories.FIRST_DAY, factories.FIRST_DAY, EnvironmentConnections())
    validate_batch(pipeline, batch)
    [file] = Path(publish_batch(pipeline, batch).uri).glob("ds=*/*.parquet")
    file.unlink()

    with pytest.raises(LakeError, match="shop: source 'sales': the rows published in the lake could not be surveyed"):
        suggest_from_lake(pipeline, "sales", 28)


def test_without_published_days_there_is_no_suite(shop: Path) -> None:
    """Then the source itself is read."""
    pipeline = load_pipeline("shop")

    assert suggest_from_lake(pipeline, "sales", 28) is None
    assert lake.latest_version(lake.raw_uri("shop", "sales")) is None


#: A source of the shop that arrives as a snapshot.
STORES = """\
  stores:
    kind: sql
    connection: shop
    query: sql/stores.sql
    arrives: snapshot
    key: [store]
    available_at: opened_at
    columns: {store: string, opened_at: timestamp, size: integer}
features:
  key"""


def test_only_the_last_snapshot_is_surveyed(shop: Path) -> None:
    """Each snapshot is the whole table, so two of them would count every row twice."""
    (shop / "pipeline.yaml").write_text(factories.SHOP_YAML.replace("features:\n  key", STORES))
    for size in range(2):
        query = f"SELECT store, min(closed_at) AS opened_at, {size} AS size FROM sales GROUP BY store"
        (shop / "sql" / "stores.sql").write_text(query)
        pipeline = load_pipeline("shop")
        day = factories.FIRST_DAY + timedelta(days=size)
        batch = extract_source(pipeline, "stores", day, day, EnvironmentConnections())
        assert suggest_from_batch(pipeline, batch).seen.startswith(f"5 rows of 1 day ({day}), read from the source")
        validate_batch(pipeline, batch)
        publish_batch(pipeline, batch)

    suite = suggest_from_lake(pipeline, "stores", 28)

    assert suite is not None
    assert suite.seen == "5 rows of 1 day (2024-01-02), published in the lake"
