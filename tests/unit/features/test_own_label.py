"""A feature that knows its row's own label is found, however it got it; one that knows earlier labels is not.

A branch lends money. One table has each loan with its outcome, and says that both are known when it is applied for.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from include.config.loader import load_pipeline
from include.core.errors import ConfigError, FeatureQueryFailed
from include.features.own_label import OwnLabelCheck, OwnLabels, label_columns
from include.features.query import run_features_query
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

TIME = pa.timestamp("us", tz="UTC")
LOANS, STEP, UNTIL, BY_NOW = 400, timedelta(minutes=20), datetime(2024, 1, 3, 18), datetime(2024, 2, 1)

YAML = """\
description: Will a loan be paid back?
owner: lenders
history_days: 30
sources:
  loans: {kind: files, connection: none, path: "{ds}.csv", key: [loan], available_at: applied_at, columns: {
    loan: string, branch: string, customer: string, amount: float, owed: float, paid: float, defaulted: integer,
    outcome: string, status: string, fine: boolean, applied_at: timestamp}}
  decisions: {kind: files, connection: none, path: "{ds}.csv", key: [number], available_at: decided_at,
    columns: {number: string, refused: integer, decided_at: timestamp}}
  copies: {kind: files, connection: none, path: "{ds}.csv", key: [loan], available_at: copied_at,
    columns: {loan: string, branch: string, bad: string, copied_at: timestamp}}
  outcomes: {kind: files, connection: none, path: "{ds}.csv", key: [loan], available_at: known_at,
    columns: {loan: string, minutes_late: float, known_at: timestamp}}
features:
  key: [loan]
  label: label
training: {task: binary, metric: roc_auc, window_days: 20, holdout_days: 3, candidates: [linear]}
gate: {minimum: 0.5}
"""
#: A label that is text needs a task that takes one.
TEXT_YAML = YAML.replace("task: binary, metric: roc_auc", "task: multiclass, metric: log_loss")


@pytest.fixture(scope="module")
def raw() -> dict[str, pa.Table]:
    """Return raw rows with two loan applications every twenty minutes."""
    draw = np.random.default_rng(3)
    number = np.arange(LOANS)
    applied_at = pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + (number // 2) * pd.Timedelta(STEP))
    defaulted = (draw.uniform(size=LOANS) < 0.3).astype("int64")
    # two of the same moment have opposite outcomes now and then, so that flipping both keeps their sum
    loan = [f"l-{each:04}" for each in number]
    owed = draw.uniform(100, 900, LOANS).round(2)
    loans = pd.DataFrame(
        {
            "loan": loan,
            "branch": draw.choice(["north", "south"], LOANS),
            "customer": [f"c-{each}" for each in number // 2 % 40],
            "amount": draw.uniform(100, 900, LOANS).round(2),
            "owed": owed,
            "paid": np.where(defaulted == 1, owed / 2, owed * 2),
            "defaulted": defaulted,
            "outcome": np.where(defaulted == 1, "charged off", "paid"),
            "status": np.where(defaulted == 1, "charged off", np.where(number % 3, "paid", "paid early")),
            "fine": defaulted == 0,
            "applied_at": applied_at,
            "available_at": applied_at,
        }
    )
    decisions = pd.DataFrame(
        {
            "number": loan,
            "refused": (draw.uniform(size=LOANS) < 0.2).astype("int64"),
            "decided_at": applied_at,
            "available_at": applied_at,
        }
    )
    copies = pd.DataFrame(
        {
            "loan": loan,
            "branch": loans["branch"],
            "bad": np.where(defaulted == 1, "Y", "N"),
            "copied_at": applied_at,
            "available_at": applied_at,
        }
    )
    known_at = applied_at + pd.to_timedelta(draw.choice([3, 4], LOANS), unit="h")
    outcomes = pd.DataFrame(
        {"loan": loan, "minutes_late": draw.gamma(2, 10, LOANS), "known_at": known_at, "available_at": known_at}
    )
    frames = {"loans": loans, "decisions": decisions, "copies": copies, "outcomes": outcomes}
    return {name: raw_table(frame) for name, frame in frames.items()}


def raw_table(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as a raw table."""
    frame = frame.assign(ds=frame["available_at"].dt.strftime("%Y-%m-%d"))
    kinds = {"M": TIME, "f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}
    return pa.table(
        {name: pa.array(frame[name]).cast(kinds.get(frame[name].dtype.kind, pa.string())) for name in frame}
    )


def check(
    shop: Path,
    raw: dict[str, pa.Table],
    features: str,
    label: str = "loans.defaulted",
    joins: str = "",
    yaml: str = YAML,
) -> OwnLabels:
    """Change the labels of the rows of a day, with some features of each loan."""
    query = (
        f"SELECT loans.loan, loans.applied_at AS prediction_time, {label} AS label, loans.amount, {features}\n"
        f"FROM loans {joins}"
    )
    return check_query(shop, raw, query, yaml)


def check_query(
    shop: Path, raw: dict[str, pa.Table], query: str, yaml: str = YAML, until: datetime = UNTIL
) -> OwnLabels:
    """Change the labels of the rows of a day in a query."""
    factories.write_shop(shop.parent, "lending", pipeline=yaml, features=query)
    pipeline = load_pipeline("lending")
    run = partial(run_features_query, pipeline, raw, rows_until=until)
    then, by_now = partial(run, known_before=until + datetime.resolution), partial(run, known_before=BY_NOW)
    rows = then(rows_from=until - timedelta(days=1))
    columns = [name for name in rows.column_names if name not in pipeline.kept_out]
    rebuild, rebuild_later = (
        lambda perturbation, run=run: run(rows_from=until - timedelta(days=1), perturbation=perturbation)
        for run in (then, by_now)
    )
    return OwnLabelCheck(pipeline, label_columns(pipeline), rebuild, rebuild_later, rows, by_now(), columns).run()


def names(found: OwnLabels) -> list[str]:
    """Return the features that know their own label."""
    return sorted(each.feature for each in found.leaks)


HISTORY = "OVER (PARTITION BY loans.branch ORDER BY loans.applied_at"
WINDOW = f"{HISTORY} RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND CURRENT ROW)"
STRICT = f"{HISTORY} RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING)"
TRAILING = "trailing_mean(defaulted, branch, available_at, INTERVAL 7 DAYS) AS share"
ASOF = "ASOF LEFT JOIN (SELECT branch, available_at, {what} FROM {table}) AS h ON h.branch = loans.branch AND "
ASOF += "h.available_at {sign} loans.applied_at"


@pytest.mark.parametrize(
    ("feature", "joins"),
    [
        (f"avg(loans.defaulted) {WINDOW}", ""),
        (f"avg(loans.defaulted) {HISTORY} ROWS 20 PRECEDING)", ""),
        ("trailing_mean(loans.defaulted, loans.branch, loans.available_at, INTERVAL 7 DAYS)", ""),
        ("h.share", ASOF.format(what=TRAILING, table="loans", sign="<=")),
        ("avg(loans.defaulted) OVER (PARTITION BY date_trunc('minute', loans.applied_at))", ""),
        ("count(*) FILTER (loans.defaulted = 1) OVER (PARTITION BY loans.applied_at)", ""),
        ("rank() OVER (PARTITION BY loans.branch ORDER BY loans.defaulted, loans.loan)", ""),
        ("lag(loans.defaulted) OVER (PARTITION BY loans.customer ORDER BY loans.applied_at)", ""),
        (f"last_value(loans.defaulted) {HISTORY})", ""),
        ("max(loans.defaulted) OVER (PARTITION BY loans.customer, loans.applied_at)", ""),
        (
            "(SELECT avg(o.defaulted) FROM loans AS o WHERE o.customer = loans.customer "
            "AND o.applied_at = loans.applied_at AND o.loan <> loans.loan)",
            "",
        ),
        ("avg(loans.defaulted) OVER (PARTITION BY CAST(loans.ds AS DATE), loans.branch)", ""),
        ("CAST(loans.outcome = 'paid' AS INTEGER)", ""),
        (f"avg(CAST(loans.outcome = 'paid' AS INTEGER)) {WINDOW}", ""),
        (f"avg(CAST(loans.fine AS INTEGER)) {WINDOW}", ""),
        (f"avg(CAST(loans.status LIKE 'paid%' AS INTEGER)) {WINDOW}", ""),
        ("copies.bad", "LEFT JOIN copies USING (loan)"),
        (
            "h.bad",
            ASOF.format(
                what="trailing_mean(CAST(bad = 'Y' AS INTEGER), branch, available_at, INTERVAL 9 DAYS) AS bad",
                table="copies",
                sign="<=",
            ),
        ),
    ],
    ids=[
        "a window by time",
        "a window by rows",
        "a macro's window read off the row",
        "an as-of join that the row itself fits",
        "a mean over the same minute",
        "a count over the same moment",
        "a rank",
        "a lag where two are known at once",
        "the last value",
        "another loan of the customer at the same moment",
        "the others of the customer at the same moment",
        "an encoding over the batch",
        "the label in a column of text",
        "a window over a column of text",
        "a window over the label's opposite",
        "a window over a column that says more than the label",
        "a copy in another table",
        "a window over a copy in another table",
    ],
)
def test_a_feature_that_knows_its_own_label_is_found(
    shop: Path, raw: dict[str, pa.Table], feature: str, joins: str
) -> None:
    """It changes with the labels of rows at the same prediction time; the feature next to it does not."""
    found = check(shop, raw, f"{feature} AS planted", joins=joins)

    assert names(found) == ["planted"]
    assert found.changed > 0
    assert found.leaks[0].rows > 0


@pytest.mark.parametrize(
    ("feature", "joins"),
    [
        (f"avg(loans.defaulted) {STRICT}", ""),
        ("h.share", ASOF.format(what=TRAILING, table="loans", sign="<")),
        ("count(*) OVER (PARTITION BY loans.applied_at)", ""),
        (f"avg(loans.amount) {WINDOW}", ""),
        (f"rank() {HISTORY}, loans.amount)", ""),
        ("random()", ""),
        ("1", ""),
    ],
    ids=[
        "a window before the row",
        "an as-of join of earlier rows",
        "a count",
        "a window of what is known",
        "a rank",
        "chance",
        "nothing",
    ],
)
def test_a_feature_that_knows_earlier_labels_passes(
    shop: Path, raw: dict[str, pa.Table], feature: str, joins: str
) -> None:
    """Labels of earlier rows and the columns of the application are known."""
    found = check(shop, raw, f"{feature} AS planted", joins=joins)

    assert names(found) == []
    assert found.changed > 20


@pytest.mark.parametrize(
    ("label", "planted", "joins"),
    [
        ("loans.outcome", f"avg(CAST(loans.outcome = 'paid' AS INTEGER)) {WINDOW}", ""),
        ("loans.fine", f"avg(CAST(loans.fine AS INTEGER)) {WINDOW}", ""),
        ("loans.paid", f"avg(loans.paid) {WINDOW}", ""),
        (
            "CASE WHEN loans.outcome = 'paid' THEN 'a' WHEN loans.fine IS NULL THEN 'b' ELSE 'c' END",
            "loans.outcome",
            "",
        ),
        ("nullif(loans.defaulted, 0)", f"sum(nullif(loans.defaulted, 0)) {WINDOW}", ""),
        (
            "CAST(loans.defaulted = 1 OR decisions.refused = 1 AS INTEGER)",
            f"avg(CAST(loans.defaulted = 1 OR decisions.refused = 1 AS INTEGER)) {WINDOW}",
            "LEFT JOIN decisions ON decisions.number = loans.loan",
        ),
        (
            "decisions.refused",
            f"avg(decisions.refused) {WINDOW}",
            "LEFT JOIN decisions ON decisions.number = loans.loan",
        ),
        (
            "CASE WHEN loans.paid < loans.owed THEN 1 ELSE 0 END",
            f"avg(CAST(loans.paid < loans.owed AS INTEGER)) {WINDOW}",
            "",
        ),
    ],
    ids=["text", "boolean", "regression", "classes", "nulls", "two sources", "a second table", "two columns"],
)
def test_any_kind_of_label_is_changed(
    shop: Path, raw: dict[str, pa.Table], label: str, planted: str, joins: str
) -> None:
    """The values that a label is computed from are taken from another row, whatever their type."""
    is_text = label == "loans.outcome" or "'paid'" in label
    found = check(shop, raw, f"{planted} AS planted", label, joins, TEXT_YAML if is_text else YAML)

    assert names(found) == ["planted"]


def test_a_column_of_the_label_that_is_known_in_advance_passes(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The amount owed is known in advance; that the label is computed from it is reported, but not as an error."""
    found = check(shop, raw, "loans.owed", "CASE WHEN loans.paid < loans.owed THEN 1 ELSE 0 END")

    assert names(found) == []
    assert found.shared == {"owed": [("loans", "owed")]}


def test_an_outcome_that_becomes_known_later_passes(shop: Path, raw: dict[str, pa.Table]) -> None:
    """Its column is a legitimate feature of loans with a known outcome, and no other loan changes."""
    joins = (
        "LEFT JOIN outcomes USING (loan) ASOF LEFT JOIN (SELECT loans.branch, outcomes.available_at, avg(minutes_late)"
    )
    joins += (
        " OVER (PARTITION BY branch ORDER BY outcomes.available_at) AS late FROM outcomes JOIN loans USING (loan)) "
    )
    joins += "AS h ON h.branch = loans.branch AND h.available_at <= loans.applied_at"

    found = check(shop, raw, "h.late", "CAST(outcomes.minutes_late > 20 AS INTEGER)", joins)

    assert names(found) == []
    assert found.changed > 20


PAID_LESS = "CAST(loans.paid < loans.owed AS INTEGER)"
NEXT = "lead(paid{}) OVER (PARTITION BY branch ORDER BY applied_at, loan)"


@pytest.mark.parametrize(("window", "leaks"), [(WINDOW, ["planted"]), (STRICT, [])], ids=["its own", "earlier ones"])
def test_a_label_that_the_query_hides_in_recent_rows_is_found(
    shop: Path, raw: dict[str, pa.Table], window: str, leaks: list[str]
) -> None:
    """The query shows the label after thirty hours, but its history reads the raw column, which has it at once."""
    label = f"CASE WHEN applied_at < (SELECT max(applied_at) FROM loans) - INTERVAL 30 HOURS THEN {PAID_LESS} END"
    query = (
        f"SELECT loan, applied_at AS prediction_time, {label} AS label, amount, avg({PAID_LESS}) {window} AS planted "
        "FROM loans"
    )

    found = check_query(shop, raw, query, until=datetime(2024, 1, 2, 12))

    assert found.rows == 0, "no label is known at the cut-off"
    assert names(found) == leaks
    assert found.changed > 20


@pytest.mark.parametrize(
    ("label", "until"),
    [
        (f"{NEXT.format('')} - paid", UNTIL),
        (f"CAST({NEXT.format('')} > paid AS INTEGER)", UNTIL),
        (f"{NEXT.format(', 24')} - paid", datetime(2024, 1, 2, 8)),
    ],
    ids=["a difference", "a rise", "a difference that is known later"],
)
def test_a_label_that_depends_on_a_known_value_passes(
    shop: Path, raw: dict[str, pa.Table], label: str, until: datetime
) -> None:
    """The label is the increase over this payment: the payment is a legitimate feature, and the overlap is reported."""
    query = (
        f"SELECT loan, applied_at AS prediction_time, {label} AS label, amount, paid FROM loans "
        "WHERE loan[-1] IN ('0', '4', '8')"
    )

    found = check_query(shop, raw, query, until=until)

    assert names(found) == []
    assert found.shared == {"paid": [("loans", "paid")]}


@pytest.mark.parametrize(
    ("feature", "leaks"),
    [(f"avg(CAST(loans.status = 'charged off' AS INTEGER)) {WINDOW}", ["planted"]), ("loans.branch", [])],
    ids=["the status", "a branch"],
)
def test_a_column_that_has_the_label_before_its_table_is_found(
    shop: Path, raw: dict[str, pa.Table], feature: str, leaks: list[str]
) -> None:
    """The label comes from the outcomes days later, but the loan's own row was updated with it."""
    loans, outcomes = raw["loans"], raw["outcomes"]
    late_outcomes = {
        "loan": loans["loan"],
        "minutes_late": pc.multiply(pc.cast(loans["defaulted"], pa.float64()), 90.0),
        "known_at": pc.add(loans["available_at"], pa.scalar(timedelta(days=4))),
        "available_at": pc.add(loans["available_at"], pa.scalar(timedelta(days=4))),
        "ds": outcomes["ds"],
    }
    query = (
        "SELECT loans.loan, loans.applied_at AS prediction_time, CAST(minutes_late > 20 AS INTEGER) AS label, "
        f"loans.amount, {feature} AS planted FROM loans LEFT JOIN outcomes USING (loan)"
    )

    found = check_query(shop, raw | {"outcomes": pa.table(late_outcomes)}, query, until=datetime(2024, 1, 2, 12))

    assert found.rows == 0, "no label is known at the cut-off"
    assert names(found) == leaks


def test_no_label_is_changed_if_none_is_known(shop: Path, raw: dict[str, pa.Table]) -> None:
    """Then leaving out what became known later is enough, and nothing is built again."""
    late = raw["outcomes"]
    known = pa.array([datetime(2024, 2, 1)] * late.num_rows, TIME)
    tables = raw | {"outcomes": late.set_column(late.column_names.index("available_at"), "available_at", known)}

    found = check(shop, tables, "1 AS one", "outcomes.minutes_late", "LEFT JOIN outcomes USING (loan)")

    assert (found.rows, found.changed, found.leaks) == (0, 0, [])


def test_rows_of_a_made_up_key_are_found_by_their_time(shop: Path, raw: dict[str, pa.Table]) -> None:
    """No column of the raw table has the key, so the rows that became known at the prediction time are changed."""
    query = (
        "SELECT 'loan ' || loan AS loan_number, applied_at AS prediction_time, defaulted AS label, amount, "
        f"avg(defaulted) {WINDOW} AS planted, avg(defaulted) {STRICT} AS honest FROM loans"
    )

    found = check_query(shop, raw, query, YAML.replace("key: [loan]\n  label", "key: [loan_number]\n  label"))

    assert names(found) == ["planted"]


def test_a_row_before_its_prediction_time_is_found_by_its_key(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The own row is older than the prediction time, and still recognised as its own."""
    query = (
        "SELECT loan, applied_at + INTERVAL 90 MINUTES AS prediction_time, defaulted AS label, amount, "
        f"avg(defaulted) {WINDOW} AS planted FROM loans WHERE applied_at < TIMESTAMP '2024-01-03 16:00'"
    )

    assert names(check_query(shop, raw, query)) == ["planted"]


def test_a_label_that_no_raw_value_changes_is_counted(shop: Path, raw: dict[str, pa.Table]) -> None:
    """An unchanged label proves nothing, so it is counted separately."""
    found = check(shop, raw, "1 AS one", "hour(loans.applied_at)")

    assert found.rows > 0
    assert (found.changed, found.leaks) == (0, [])


def test_a_label_that_lies_in_the_next_row_leaves_the_own_row_known(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The debt of this loan is known; the label is the outcome of the next one."""
    next_one = "OVER (PARTITION BY branch ORDER BY applied_at, loan"
    query = (
        f"SELECT loan, applied_at AS prediction_time, lead(paid) {next_one}) AS label, amount, paid, "
        f"avg(paid) {next_one} ROWS 5 PRECEDING) AS paid_before FROM loans WHERE loan[-1] IN ('0', '4', '8')"
    )

    found = check_query(shop, raw, query)

    assert names(found) == []
    assert found.changed > 5


def test_an_earlier_delivery_without_the_label_passes(shop: Path, raw: dict[str, pa.Table]) -> None:
    """A window over the rows as they were then has a null for the own label, and passes."""
    loans = raw["loans"]
    at = loans.column_names.index("defaulted")
    first = loans.set_column(at, "defaulted", pa.nulls(loans.num_rows, pa.int64()))
    later = pc.add(loans["available_at"], pa.scalar(timedelta(hours=2)))
    second = loans.set_column(loans.column_names.index("available_at"), "available_at", later)
    query = (
        "WITH own AS (SELECT loan, arg_max(defaulted, available_at) AS label FROM loans GROUP BY loan) "
        "SELECT l.loan, l.applied_at AS prediction_time, own.label, l.amount, h.share, h.seen FROM "
        "(SELECT * FROM loans WHERE available_at = applied_at) AS l JOIN own USING (loan) ASOF JOIN (SELECT branch, "
        "available_at, avg(defaulted) OVER past AS share, count(defaulted) OVER past AS seen FROM loans "
        "WINDOW past AS (PARTITION BY branch ORDER BY available_at RANGE UNBOUNDED PRECEDING)) AS h "
        "ON h.branch = l.branch AND h.available_at <= l.applied_at"
    )

    found = check_query(shop, raw | {"loans": pa.concat_tables([first, second])}, query)

    assert names(found) == []
    assert found.changed > 20


def test_a_key_under_another_name_is_found_by_its_values(shop: Path, raw: dict[str, pa.Table]) -> None:
    """Its rows are those of the loans that it names."""
    decisions = raw["decisions"]
    number = pa.array([f"d-{each}" for each in range(decisions.num_rows)])
    decisions = decisions.append_column("about", decisions["number"]).set_column(0, "number", number)
    yaml = YAML.replace("{number: string, refused", "{number: string, about: string, refused")
    joins = "LEFT JOIN decisions ON decisions.about = loans.loan"
    late = pc.subtract(decisions["available_at"], pa.scalar(timedelta(minutes=1)))
    decisions = decisions.set_column(decisions.column_names.index("available_at"), "available_at", late)

    found = check(
        shop, raw | {"decisions": decisions}, "decisions.refused AS planted", "decisions.refused", joins, yaml
    )

    assert names(found) == ["planted"]


def test_labels_that_make_the_query_fail_are_not_changed(
    shop: Path, raw: dict[str, pa.Table], caplog: pytest.LogCaptureFixture
) -> None:
    """A query that fails on values it never met does not end a night; the log says that nothing was checked."""
    refuses = "CASE WHEN loans.loan = 'l-0390' AND loans.defaulted = 1 - {0} THEN error('never met') ELSE 1 END AS odd"
    known = raw["loans"]["defaulted"][390].as_py()

    found = check(shop, raw, f"CAST({refuses.format(known).removesuffix(' AS odd')} AS INTEGER) AS odd")

    assert (found.rows > 0, found.changed, found.leaks) == (True, 0, [])
    assert "own labels were not checked" in caplog.text


@pytest.mark.parametrize("strict", [True, False], ids=["of the rows' own source", "of another"])
def test_automated_features_know_no_label_of_their_own(shop: Path, raw: dict[str, pa.Table], strict: bool) -> None:
    """For the spine's source a window ends before the prediction time; for another it includes it."""
    source, value = ("loans", "defaulted") if strict else ("copies", "bad")
    yaml = YAML.replace("bad: string", "bad: integer").replace(
        "  label: label",
        "  label: label\n  automated: {aggregates: {past: {by: [branch], windows_days: [7],\n"
        f"    functions: [mean, count, last], source: {source}, values: [{value}]}}}}}}",
    )
    bad = pa.array([int(each == "Y") for each in raw["copies"]["bad"].to_pylist()], pa.int64())
    copies = raw["copies"].set_column(raw["copies"].column_names.index("bad"), "bad", bad)

    found = check(shop, raw | {"copies": copies}, "loans.branch", yaml=yaml)

    assert names(found) == ([] if strict else ["past_bad_last_7d", "past_bad_mean_7d"])


LATE = YAML.replace("key: [loan], available_at: applied_at, ", "key: [loan], available_at: applied_at, LATE, ").replace(
    "holdout_days: 3,", "holdout_days: 3, gap_days: 2,"
)


def late(known: str) -> str:
    """Return a pipeline.yaml in which the loans' label becomes known after some time."""
    return LATE.replace("LATE", f"label_known_after: {known}", 1)


def test_a_source_that_says_when_its_label_is_known_has_an_honest_table(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The label is joined by when it became known, so there is none to change."""
    query = (
        "SELECT loans.loan, loans.applied_at AS prediction_time, own.defaulted AS label, loans.amount, h.share\n"
        "FROM loans LEFT JOIN loans_labelled AS own USING (loan) "
        + ASOF.format(what=TRAILING, table="loans_labelled", sign="<=")
    )

    found = check_query(shop, raw, query, late("{days: 2, columns: [defaulted, outcome, fine, paid]}"))

    assert (found.rows, found.leaks) == (0, [])
    rows = run_features_query(load_pipeline("lending"), raw, known_before=UNTIL).to_pandas()
    known = rows[rows.prediction_time < UNTIL - timedelta(days=2)]
    assert known.label.notna().all()
    assert rows.label.notna().sum() == len(known)
    assert rows[rows.prediction_time < datetime(2024, 1, 3)].share.isna().all()
    row = rows[rows.prediction_time == datetime(2024, 1, 3, 12)].iloc[0]
    loans = raw["loans"].to_pandas()
    branch = loans.set_index("loan").branch[row.loan]
    settled = loans[(loans.branch == branch) & (loans.applied_at <= pd.Timestamp("2024-01-01 12:00", tz="UTC"))]
    assert row.share == pytest.approx(settled.defaulted.mean())


def test_an_own_label_known_within_the_day_is_found_in_the_labelled_table(shop: Path, raw: dict[str, pa.Table]) -> None:
    """A join of the own row without a condition on time knows its label; the rows are found by their key."""
    query = (
        "SELECT loans.loan, loans.applied_at AS prediction_time, own.defaulted AS label, loans.amount, "
        "2 * own.defaulted AS planted FROM loans LEFT JOIN loans_labelled AS own USING (loan)"
    )

    assert names(check_query(shop, raw, query, late("{hours: 3, columns: [defaulted]}"))) == ["planted"]


def test_a_copy_of_a_late_label_is_found(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The label is hidden, but another column of the row is equivalent to it."""
    query = (
        "SELECT loans.loan, loans.applied_at AS prediction_time, own.defaulted AS label, loans.amount, "
        f"avg(CAST(loans.outcome = 'paid' AS INTEGER)) {WINDOW} AS planted, loans.owed "
        "FROM loans LEFT JOIN loans_labelled AS own USING (loan)"
    )

    assert names(check_query(shop, raw, query, late("{days: 1, columns: [defaulted]}"))) == ["planted"]


def test_automated_features_count_a_late_label_from_when_it_is_known(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The mean of a branch covers only the loans whose label was known."""
    yaml = late("{days: 1, columns: [defaulted]}").replace(
        "  label: label",
        "  label: label\n  automated: {aggregates: {past: {by: [branch], windows_days: [7],\n"
        "    functions: [count], source: loans, values: [defaulted]}}}",
    )
    query = (
        "SELECT loans.loan, loans.applied_at AS prediction_time, own.defaulted AS label, loans.branch "
        "FROM loans LEFT JOIN loans_labelled AS own USING (loan)"
    )
    factories.write_shop(shop.parent, "lending", pipeline=yaml, features=query)

    rows = run_features_query(load_pipeline("lending"), raw, known_before=UNTIL).to_pandas()

    loans = raw["loans"].to_pandas()
    for row in rows.iloc[[10, 150, 300]].itertuples():
        at = pd.Timestamp(row.prediction_time, tz="UTC") - pd.Timedelta("1D")
        assert row.past_count_7d == ((loans.branch == row.branch) & (loans.applied_at <= at)).sum()


def test_a_late_label_is_not_in_the_table_of_its_rows(shop: Path, raw: dict[str, pa.Table]) -> None:
    """The error of a query that reads it there names the table that has it."""
    with pytest.raises(FeatureQueryFailed, match=r"loans \(without defaulted\), loans_labelled, decisions"):
        check(shop, raw, "1 AS one", yaml=late("{days: 1, columns: [defaulted]}"))


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ("{days: 0}", "needs days, hours or minutes, such as {days: 30}"),
        ("{days: 1}", "the source has no column 'label', the one of features.label; name the columns that"),
        ("{days: 1, columns: [risk]}", "there is no column 'risk'"),
        ("{days: 1, columns: [loan]}", "names 'loan', which is in the key or dates the row"),
        ("{days: 3, columns: [fine]}", "known 3 days after its row, and training.gap_days is 2; write gap_days: 3"),
        ("{days: 2, hours: 1, columns: [fine]}", "write gap_days: 3 in training"),
    ],
)
def test_an_impossible_label_known_after_is_refused(shop: Path, known: str, words: str) -> None:
    """Each mistake is one sentence of validate-config."""
    factories.write_shop(shop.parent, "lending", pipeline=late(known))

    with pytest.raises(ConfigError, match=re.escape(words)):
        load_pipeline("lending")
