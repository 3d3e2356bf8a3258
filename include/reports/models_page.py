"""The page of all models: a row for each, sorted and filtered by the address of the page."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

from include.core.formatting import format_number
from include.core.html_page import render_html
from include.core.names import dag_id
from include.reports.model_row import SHOWN, ProblemKind, describe_age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from include.reports.model_row import ModelRow

KINDS = get_args(ProblemKind)
#: Filters beside the kinds of problems.
ALL, ATTENTION, WELL = "all", "attention", "well"
#: The words of a filter, where they are not its own.
FILTERS = {
    ATTENTION: "need attention",
    WELL: "are well",
    "failed": "with a failed run",
    "approval": "wait for approval",
    "alert": "with alerts",
}
#: The class of a badge.
TONES = {
    "unreadable": "bad",
    "failed": "bad",
    "held": "warning",
    "approval": "warning",
    "alert": "warning",
    "late": "warning",
    "paused": "warning",
    "promoted": "good",
    "kept": "",
    "inconclusive": "warning",
    "not promoted": "warning",
    "dry run": "",
}


@dataclass(frozen=True)
class Column:
    """A column of the table, and what it is sorted by; a row whose key is None comes last."""

    name: str
    title: str
    key: Callable[[ModelRow], Any]


def _urgency(row: ModelRow) -> tuple[int, int]:
    return min((KINDS.index(problem.kind) for problem in row.problems), default=len(KINDS)), -len(row.problems)


COLUMNS = (
    Column("pipeline", "Pipeline", lambda row: row.state.pipeline),
    Column("attention", "Needs attention", _urgency),
    Column("champion", "Champion", lambda row: row.state.since and row.state.since.isoformat()),
    Column("metric", "Metric", lambda row: row.state.metric and (row.state.metric.name, row.state.metric.value or 0.0)),
    Column("verdict", "Last verdict", lambda row: row.state.verdict and row.state.verdict.at.isoformat()),
    Column("data", "Data through", lambda row: row.state.data_through and row.state.data_through.isoformat()),
    Column(
        "predictions",
        "Predictions through",
        lambda row: row.state.predictions_through and row.state.predictions_through.isoformat(),
    ),
    Column("next", "Next run", lambda row: row.schedule.next_run and row.schedule.next_run.isoformat()),
)


@dataclass(frozen=True)
class View:
    """The order and the filter of the page.

    Attributes
    ----------
    sort
        Name of a column.
    show
        `all`, `attention`, `well`, or a kind of problem.
    """

    sort: str = "attention"
    descending: bool = False
    search: str = ""
    show: str = ALL

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> View:
        """Return the view of an address; what it does not know has its default."""
        sort, show = query.get("sort", ""), query.get("show", "")
        known = sort.removeprefix("-") in {column.name for column in COLUMNS}
        return cls(
            sort=sort.removeprefix("-") if known else cls.sort,
            descending=known and sort.startswith("-"),
            search=query.get("q", "").strip(),
            show=show if show in (ATTENTION, WELL, *KINDS) else ALL,
        )

    @property
    def query(self) -> str:
        """The query of the view's address."""
        sort = f"{'-' * self.descending}{self.sort}"
        return urlencode({"sort": sort, "show": self.show} | ({"q": self.search} if self.search else {}))


def models_page(
    rows: Sequence[ModelRow],
    view: View,
    *,
    now: datetime,
    root: str,
    nonce: str,
    error: str | None = None,
    empty: str | None = None,
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    rows
        The models that the reader may see.
    now
        In UTC.
    root
        Airflow's address, relative to the page's: `../../`.
    nonce
        Allows the page's own style and script; the response's policy names it.
    error
        A sentence that concerns all rows.
    empty
        The sentence to show where there are no rows.
    """
    found = [row for row in rows if _matches(row, view.search)]
    shown = arrange([row for row in found if _is_shown(row, view.show)], view)
    has_actions = any(row.schedule.actions for row in rows)
    return render_html(
        "reports/templates/models_page.html.jinja",
        rows=shown,
        view=view,
        now=now,
        root=root,
        nonce=nonce,
        error=error,
        empty=None if rows else empty or "There is no pipeline yet.",
        caption=_caption(len(shown), len(rows), view),
        filters=_filters(found, view),
        orders=_orders(view),
        columns=[*(_heading(column, view) for column in COLUMNS), *([ACTIONS] if has_actions else [])],
        has_actions=has_actions,
        tones=TONES,
        age=lambda day: describe_age(day, now.date()),
        shorten=lambda text: textwrap.shorten(text, SHOWN, placeholder=" …"),
        number=format_number,
        dag_id=dag_id,
    )


def message_page(title: str, sentence: str, *, root: str, nonce: str) -> str:
    """Return the page of an error, with a link that leads on."""
    return render_html(
        "reports/templates/message_page.html.jinja",
        title=title,
        sentence=sentence,
        link={"name": "Open Airflow", "path": root},
        nonce=nonce,
    )


def arrange(rows: Iterable[ModelRow], view: View) -> list[ModelRow]:
    """Return rows in the order of a view; equal rows by name, and rows without a value last."""
    key = next(column.key for column in COLUMNS if column.name == view.sort)
    by_name = sorted(rows, key=lambda row: row.state.pipeline)
    known = [row for row in by_name if key(row) is not None]
    unknown = [row for row in by_name if key(row) is None]
    return [*sorted(known, key=key, reverse=view.descending), *unknown]


def _matches(row: ModelRow, search: str) -> bool:
    text = f"{row.state.pipeline} {row.state.owner} {row.state.description}".casefold()
    return all(word in text for word in search.casefold().split())


def _is_shown(row: ModelRow, show: str) -> bool:
    if show in (ALL, ATTENTION, WELL):
        return show == ALL or bool(row.problems) == (show == ATTENTION)
    return any(problem.kind == show for problem in row.problems)


def _caption(shown: int, of: int, view: View) -> str:
    title = next(column.title for column in COLUMNS if column.name == view.sort)
    models = f"{shown:,} of {of:,} models" if shown != of else f"{of:,} model{'s' * (of != 1)}"
    return f"{models}, sorted by: {title.lower()}{', descending' * view.descending}"


@dataclass(frozen=True)
class Filter:
    """A link that shows some of the rows."""

    text: str
    query: str
    current: bool


def _filters(rows: Sequence[ModelRow], view: View) -> list[Filter]:
    """Return a filter for each kind of problem that some model has, with the number of models."""
    counts = Counter(kind for row in rows for kind in {problem.kind for problem in row.problems})
    attention = sum(bool(row.problems) for row in rows)
    numbers = {ALL: len(rows), ATTENTION: attention, WELL: len(rows) - attention} | counts
    return [
        Filter(f"{numbers.get(show, 0):,} {FILTERS.get(show, show)}", replace(view, show=show).query, show == view.show)
        for show in (ALL, ATTENTION, *KINDS, WELL)
        if numbers.get(show) or show in (ALL, ATTENTION, view.show)
    ]


@dataclass(frozen=True)
class Order:
    """An order that the form offers; narrow screens show no headings to click."""

    value: str
    name: str
    current: bool


def _orders(view: View) -> list[Order]:
    return [
        Order(
            f"{sign}{column.name}", f"{column.title}{note}", (sign == "-", column.name) == (view.descending, view.sort)
        )
        for column in COLUMNS
        for sign, note in (("", ""), ("-", ", descending"))
    ]


@dataclass(frozen=True)
class Heading:
    """A heading of the table; `sorted` is `ascending`, `descending` or empty, `query` sorts by the column."""

    title: str
    query: str = ""
    sorted: str = ""


ACTIONS = Heading("Actions")


def _heading(column: Column, view: View) -> Heading:
    current = column.name == view.sort
    query = replace(view, sort=column.name, descending=current and not view.descending).query
    return Heading(column.title, query, ("descending" if view.descending else "ascending") if current else "")
