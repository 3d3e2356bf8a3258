"""Every mistake in pipeline.yaml is a sentence with its line, its field and what was expected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from include.config.loader import pipeline_names, read_pipeline
from include.config.pipeline import Pipeline, json_schema
from include.config.sources.files_source import FilesSource
from include.core.settings import pipelines_folder
from include.core.suggestions import unknown_name
from tests.factories import SHOP_YAML, write_shop

if TYPE_CHECKING:
    from pathlib import Path

FILES_YAML = SHOP_YAML.replace("kind: sql", "kind: files").replace("query: sql/sales.sql", "path: sales/{ds}.csv")


def mistakes(pipelines: Path, text: str) -> list[str]:
    """Return the mistakes of a pipeline.yaml, without the path of its folder."""
    folder = write_shop(pipelines, pipeline=text)
    found = read_pipeline(folder)[1]
    assert all(sentence.startswith(f"{folder}/") for sentence in found), "each sentence begins with the file"
    return [sentence.removeprefix(f"{folder}/") for sentence in found]


def edited(old: str, new: str, text: str = SHOP_YAML) -> str:
    """Return a pipeline.yaml with one place changed."""
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "place", "suggestion"),
    [
        ("owner: shop-team", "owner: shop-team\nownr: me", "3: ownr: there is no field", "owner"),
        ("connection: shop", "conection: shop", "7: sources.sales.conection: there is no field", "connection"),
        ("max: 100}", "mx: 100}", "12: sources.sales.rows_per_day.mx: there is no field", "max"),
        ("label: revenue", "labl: revenue", "21: features.labl: there is no field", "label"),
        ("window_days", "windw_days", "25: training.windw_days: there is no field", "window_days"),
        ("{seconds: 60", "{secnds: 60", "29: training.tuning.secnds: there is no field", "seconds"),
        ("minimum: 50", "minimun: 50", "32: gate.minimun: there is no field", "minimum"),
        ("kind: sql", "kind: sqll", "5: sources.sales: there is no value", "sql"),
        ("revenue: float", "revenue: flot", "16: sources.sales.columns.revenue: there is no value", "float"),
        ("kind: sql", "arrives: dayly\n    kind: sql", "6: sources.sales.arrives: there is no value", "daily"),
        ("regression", "regresion", "23: training.task: there is no value", "regression"),
        ("[lightgbm, linear]", "[lightgbm, liner]", "28: training.candidates.1: there is no value", "linear"),
        ("metric: mae", "metric: maee", "22: training: metric: there is no metric", "mae"),
    ],
)
def test_a_misspelt_word_is_reported_with_its_line_and_the_nearest(
    tmp_path: Path, old: str, new: str, place: str, suggestion: str
) -> None:
    """A typo names the file, the line, the field, the nearest known word and all known words."""
    told = [each for each in mistakes(tmp_path, edited(old, new)) if f"did you mean '{suggestion}'?" in each]

    assert len(told) == 1
    assert told[0].startswith(f"pipeline.yaml:{place}")
    assert "(known: '" in told[0]


AGGREGATES = "  label: revenue\n  automated: {aggregates: {x: {source: sales, by: [store], values: [revenue]}}}\n"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "  label: revenue\n",
            AGGREGATES.replace("values", "valus"),
            "'valus'; did you mean 'values'? (known: 'source',",
        ),
        ("  label: revenue\n", AGGREGATES.replace("source: sales", "source: sals"), "x: there is no source 'sals'"),
        (
            "  label: revenue\n",
            AGGREGATES.replace("[revenue]", "[closed_at]"),
            "'closed_at' is a timestamp, and numbers",
        ),
        ("  label: revenue\n", AGGREGATES.replace("[store]", "[revenue]"), "by names the label, 'revenue'"),
        (
            "  label: revenue\n",
            AGGREGATES + "  lookback_days: 9\n",
            "28 days is longer than features.lookback_days (9)",
        ),
        ("  label: revenue\n", "  label: revenue\n  lookback_days: 500\n", "(500) is more than history_days (120)"),
        ("seed: 7", "threshold: {precison: 0.5}", "there is no field 'precison'; did you mean 'precision'?"),
        (
            "seed: 7",
            "threshold: {false_positive_cost: 1}",
            "false_positive_cost and false_negative_cost belong together",
        ),
        ("seed: 7", "own_candidates: {knn: {estimator: SVC}}", "such as sklearn.svm.SVC, found 'SVC'"),
        ("seed: 7", "own_candidates: {knn: {estimator: a.B, serch: {}}}", "did you mean 'search'?"),
        (
            "seed: 7",
            "own_candidates: {knn: {estimator: a.B, search: {k: {low: 5}}}}",
            "between `low` and `high`, or among",
        ),
        ("seed: 7", "own_candidates: {linear: {estimator: a.B}}", "candidates names a family twice"),
        ("seed: 7", "class_weight: balanced", "class_weight is for classes, and the task is regression"),
        ("task: regression", "task: forecasting", "horizon_days is needed for the task forecasting"),
        ("task: regression", "task: forecasting\n  horizon_days: 7", "gap_days (1) is less than horizon_days (7)"),
        ("mae", "calibration_error", "there is no metric 'calibration_error'"),
    ],
)
def test_features_and_training_must_fit_together(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """A combination that cannot be built or trained is refused before anything runs."""
    told = mistakes(tmp_path, edited(old, new))

    assert len([each for each in told if sentence in each]) == 1, told


@pytest.mark.parametrize(
    ("tuning", "sentence"),
    [
        ("{seconds: 60, folds: 2}", "deterministic needs tuning.trials"),
        ("{trials: 2, parallel: 2}", "deterministic needs tuning.parallel to be 1"),
    ],
)
def test_a_time_limit_is_not_deterministic(tmp_path: Path, tuning: str, sentence: str) -> None:
    """Bit-identical results are promised only if nothing depends on the machine's speed."""
    text = edited("{seconds: 60, trials: 2, folds: 2, sample_rows: 1000}", tuning)

    [told] = mistakes(tmp_path, text.replace("seed: 7", "seed: 7\n  deterministic: true"))

    assert sentence in told


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("owner: shop-team\n", "", "1: owner: this field is required and missing"),
        ("    connection: shop\n", "", "5: sources.sales.connection: this field is required and missing"),
        ("  label: revenue\n", "", "19: features.label: this field is required and missing"),
        ("    kind: sql\n", "", "5: sources.sales: `kind` is required: one of 'files', 'http', 'kafka', 'sql'"),
    ],
)
def test_a_missing_field_is_reported_with_the_line_of_its_section(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """A missing field has no line of its own, so the sentence names its section."""
    assert mistakes(tmp_path, edited(old, new)) == [f"pipeline.yaml:{sentence}"]


@pytest.mark.parametrize(
    ("old", "new", "place", "expected", "found"),
    [
        ("history_days: 120", "history_days: 1", "3: history_days", "greater than or equal to 2", "1"),
        ("key: [store, day]", "key: store", "9: sources.sales.key", "a list, such as [a, b]", "'store'"),
        ("min: 1,", "min: -1,", "12: sources.sales.rows_per_day.min", "greater than or equal to 0", "-1"),
        ("window_days: 100", "window_days: many", "25: training.window_days", "a valid integer", "'many'"),
        ("window_days: 100", "window_days: 9.5", "25: training.window_days", "a valid integer", "9.5"),
        ("folds: 2", "folds: 1", "29: training.tuning.folds", "greater than or equal to 2", "1"),
        ("minimum: 50", "minimum: high", "32: gate.minimum", "a valid number", "'high'"),
        ("baseline: prior", "confidence: 1.5", "33: gate.confidence", "less than 1", "1.5"),
        ("history_days: 120", "history_days: 99999999999", "3: history_days", "or equal to 36500", "99999999999"),
        ("history_days: 120", "history_days: true", "3: history_days", "a number", "true"),
        ("history_days: 120", "history_days: 0120", "3: history_days", "without the leading 0", "'0120'"),
        ("minimum: 50", "minimum: true", "32: gate.minimum", "a number", "true"),
        ("minimum: 50", "minimum: -.inf", "32: gate.minimum", "a finite one", "'-.inf'"),
        ("day: day", "deadline: true", "10: sources.sales.deadline", "a number", "true"),
        ("history_days: 120", "approval: no", "3: approval", "null for no approval", "'no'"),
        ("history_days: 120", "schedule: {score: false}", "3: schedule.score", "null for manual runs only", "false"),
    ],
)
def test_a_wrong_value_is_reported_with_the_expected_and_the_found(
    tmp_path: Path, old: str, new: str, place: str, expected: str, found: str
) -> None:
    """A value of the wrong type or out of range is reported with its line, the allowed and the found value."""
    [told] = mistakes(tmp_path, edited(old, new))

    assert told.startswith(f"pipeline.yaml:{place}: ")
    assert f"{expected}" in told
    assert f"found {found}" in told or f"found datetime.date({found}" in told


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (edited("key: [store, day]", "key: [shop]"), "key names the column 'shop', which `columns` does not declare"),
        (edited("available_at: closed_at", "available_at: revenue"), "needs a timestamp, and 'revenue' is a float"),
        (edited("day: day\n", "day: store\n"), "day needs a timestamp, and 'store' is a string"),
        (edited("visitors: integer", "ds: string"), "the column name 'ds' is reserved for Nightshift; rename it"),
        (edited("visitors: integer", "batch: string"), "'batch' is reserved for Nightshift"),
        (edited("kind: sql", "arrives: snapshot\n    kind: sql"), "a snapshot has no `day` column"),
        (
            edited("{ds}", "all", FILES_YAML),
            "does not name the day; write {ds} (2013-01-31) in it, or {year}, {month} and {day}",
        ),
        (edited("{ds}", "{year}-{month}", FILES_YAML), "path 'sales/{year}-{month}.csv' does not name the day"),
        (edited("day: day\n", "arrives: snapshot\n", FILES_YAML), "path may not contain the day"),
        (edited("available_at: closed_at", "available_at: {column: day, delay: -PT1H}"), "a delay cannot be negative"),
        (edited("window_days: 100", "window_days: 15"), "leave nothing of window_days (15) to learn from"),
        (edited("[lightgbm, linear]", "[linear, linear]"), "candidates names a family twice"),
        (edited("task: regression", "task: binary"), "there is no metric 'mae' (known: 'roc_auc'"),
        (edited("history_days: 120", "schedule: {retrain: off}"), "'off' is not a cron expression of five parts, such"),
        (edited("day: day\n", "deadline: P99999999D\n"), "a duration may have at most 36,500 days"),
        (edited("history_days: 120", "schedule: {retrain: off}"), "; null is for manual runs only"),
        (edited("history_days: 120", "schedule: {ingest: after_ingest}"), "ingest cannot run after_ingest"),
        (
            edited("history_days: 120", "schedule: {retrain: after_score}"),
            "retrain cannot run after_score; give it aft",
        ),
        (edited("history_days: 120", "schedule: {monitor: after_ingest}"), "monitor cannot run after_ingest; give it"),
        (
            edited("history_days: 120", "schedule: {score: when_needed}"),
            "score cannot run when_needed; give it after_ing",
        ),
        (
            edited("history_days: 120", "schedule: {retrain: when_needed, monitor: null}"),
            "which needs the monitor's alerts",
        ),
        (edited("history_days: 120", "monitoring: {max_null_increase: 2}"), "max_null_increase"),
        (edited("history_days: 120", "schedule: {retrain: hourly}"), "not a cron expression of five parts"),
        (edited("kind: sql", "kind: files"), "there is no field 'query'"),
    ],
)
def test_fields_that_do_not_fit_together_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """Fields that are valid alone and wrong together are refused in the words of the field."""
    told = mistakes(tmp_path, text)

    assert len([each for each in told if sentence in each]) == 1


def test_a_pipeline_needs_a_source_that_arrives_daily(tmp_path: Path) -> None:
    """The days of a run are the days of its daily sources, so snapshots alone are refused."""
    snapshots = edited("day: day\n", "arrives: snapshot\n")

    assert ["at least one must arrive daily" in each for each in mistakes(tmp_path, snapshots)] == [True]


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """A person corrects a file once, not once for each mistake."""
    text = edited("owner: shop-team\n", "", edited("folds: 2", "folds: 1", edited("minimum: 50", "minimum: high")))

    assert len(mistakes(tmp_path, text)) == 3


def test_a_sentence_about_a_source_names_a_field_that_the_file_has(tmp_path: Path) -> None:
    """A person finds the field of a mistake in pipeline.yaml."""
    [told] = mistakes(tmp_path, edited("key: [store, day]", "key: [shop]"))

    assert told.startswith("pipeline.yaml:5: sources.sales: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key: [store, day]", "key: []"),
        ("  candidates: [lightgbm, linear]", "  candidates: []"),
        ("gate:\n", "gate: 3\nother:\n"),
        ("  sales:\n", "  Sales:\n"),
    ],
)
def test_a_sentence_has_no_words_of_the_validator(tmp_path: Path, old: str, new: str) -> None:
    """A person who writes YAML does not know instances, keys in brackets and validation steps."""
    told = " ".join(mistakes(tmp_path, edited(old, new)))

    assert "pipeline.yaml" in told
    assert not [word for word in ("after validation", "instance of", "[key]") if word in told]


def test_bounds_that_no_day_can_meet_are_refused(tmp_path: Path) -> None:
    """With a minimum above the maximum every day would fail, night after night."""
    assert mistakes(tmp_path, edited("{min: 1, max: 100}", "{min: 100, max: 1}"))


def test_a_cron_expression_of_an_impossible_time_is_refused(tmp_path: Path) -> None:
    """Airflow would refuse the DAG, with a traceback instead of a file and a line."""
    assert mistakes(tmp_path, edited("history_days: 120", "schedule: {ingest: '99 99 * * *'}"))


def test_scoring_follows_ingestion_or_a_clock_or_runs_by_hand(tmp_path: Path) -> None:
    """The same holds for retraining."""
    found = {}
    for value in ("after_ingest", "'30 5 * * *'", "null", "at night"):
        text = edited("history_days: 120", f"schedule: {{score: {value}}}\nhistory_days: 120")
        pipeline, _ = read_pipeline(write_shop(tmp_path, pipeline=text))
        found[value] = pipeline.schedule.score if pipeline else "a mistake"

    assert found == {
        "after_ingest": "after_ingest",
        "'30 5 * * *'": "30 5 * * *",
        "null": None,
        "at night": "a mistake",
    }


def test_the_monitor_follows_scoring_or_a_clock_or_runs_by_hand(tmp_path: Path) -> None:
    """Its limits have defaults, so no pipeline needs the section."""
    for value, expected in (("after_score", "after_score"), ("'30 6 * * *'", "30 6 * * *"), ("null", None)):
        text = edited("history_days: 120", f"schedule: {{monitor: {value}}}\nhistory_days: 120")
        pipeline, _ = read_pipeline(write_shop(tmp_path, pipeline=text))
        assert pipeline is not None
        assert pipeline.schedule.monitor == expected
    assert (pipeline.monitoring.window_days, pipeline.monitoring.min_rows) == (7, 200)


def test_a_source_may_not_be_called_features(tmp_path: Path) -> None:
    """The suite `features.yaml` belongs to the feature table, so a source of that name could have none."""
    assert mistakes(tmp_path, edited("  sales:\n", "  features:\n"))


def test_a_column_alone_stands_for_available_at_without_a_delay(tmp_path: Path) -> None:
    """`available_at: closed_at` is short for the column and no delay."""
    pipeline, _ = read_pipeline(write_shop(tmp_path))
    assert pipeline is not None
    available_at = pipeline.sources["sales"].available_at

    assert (available_at.column, available_at.delay) == ("closed_at", timedelta(0))


@pytest.mark.parametrize("path", ["{year}-{month}-{day}.csv", "{year}/{ds}.csv", "{year}/{month}/{ds}-{day}.csv"])
def test_a_path_names_its_day_in_one_way_or_another(tmp_path: Path, path: str) -> None:
    """A year in addition to {ds} was refused by a sentence that asked for {ds}."""
    assert mistakes(tmp_path, edited("{ds}.csv", path, FILES_YAML)) == []


def test_a_delay_is_a_length_of_time(tmp_path: Path) -> None:
    """`00:15:00` is a quarter of an hour."""
    text = edited("available_at: closed_at", "available_at: {column: closed_at, delay: '00:15:00'}", FILES_YAML)
    pipeline, found = read_pipeline(write_shop(tmp_path, pipeline=text))
    assert pipeline is not None, found
    source = pipeline.sources["sales"]

    assert isinstance(source, FilesSource)
    assert source.available_at.delay == timedelta(minutes=15)


@pytest.mark.parametrize("name", pipeline_names())
def test_the_schema_for_editors_accepts_the_repositorys_pipelines(name: str) -> None:
    """An editor that checks with the schema shows no mistake in a pipeline that runs."""
    data = yaml.safe_load((pipelines_folder() / name / "pipeline.yaml").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(data, json_schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_for_editors_refuses_a_misspelt_field() -> None:
    """The editor shows a typo where it is made."""
    data = yaml.safe_load(edited("window_days", "windw_days"))

    with pytest.raises(jsonschema.ValidationError, match="windw_days"):
        jsonschema.validate(data, json_schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_for_editors_names_every_section() -> None:
    """An editor completes each field of the file."""
    assert set(json_schema()["properties"]) == set(Pipeline.model_fields)


@pytest.mark.parametrize(
    ("value", "known", "sentence"),
    [
        ("mea", ["mae", "rmse"], "there is no metric 'mea'; did you mean 'mae'? (known: 'mae', 'rmse')"),
        ("accuracy", ["mae"], "there is no metric 'accuracy' (known: 'mae')"),
        ("mae", [], "there is no metric 'mae' (known: none)"),
    ],
)
def test_an_unknown_word_suggests_the_nearest(value: str, known: list[Any], sentence: str) -> None:
    """A suggestion is made only where a known word is near."""
    assert unknown_name("metric", value, known) == sentence
