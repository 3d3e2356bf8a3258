"""Data Docs: the results of a validation as a page that any browser shows offline.

Great Expectations' own pages load styles and scripts from five other hosts. Here its renderer makes only the sections
of the columns. The page around them forbids scripts, because it shows examples of broken values, which can be anything
that a source delivered.
"""

from __future__ import annotations

import copy
import html
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from include.core.html_page import render_html
from include.lake import run_files

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from upath import UPath

    from include.validation.judge import Judged
    from include.validation.report import ValidationReport

_VERDICTS = {
    "failed": "Failed: nothing was published",
    "warning": "Passed, with warnings",
    "passed": "Passed",
}


def page_path(pipeline: str, source: str, run: str) -> UPath:
    """Return the path of the page of a source's validation in a run."""
    return run_files.validations_folder(pipeline, source) / f"{run_files.file_name(run)}.html"


def write_page(path: UPath, title: str, judged: list[Judged], report: ValidationReport, facts: dict[str, str]) -> None:
    """Render a validation and write its page, whole or not at all.

    Parameters
    ----------
    facts
        Further facts by name, such as the batch.
    """
    run_files.write_bytes(path, render_page(title, judged, report, facts).encode())


def render_page(title: str, judged: list[Judged], report: ValidationReport, facts: dict[str, str]) -> str:
    """Return a validation's page as HTML."""
    facts = facts | {
        "rows": f"{report.rows:,}",
        "rows in quarantine": f"{report.quarantined:,}",
        "expectations": f"{report.expectations}, of which {report.expectations - report.held} failed",
    }
    state = "failed" if report.critical else "warning" if report.failures else "passed"
    return render_html(
        "validation/templates/data_docs.html.jinja",
        title=title,
        state=state,
        verdict=_VERDICTS[state],
        facts=facts,
        failures=report.failures,
        sections=_sections([each.result for each in judged]),
    )


def _sections(results: list[ExpectationValidationResult]) -> Markup:
    """Return Great Expectations' own rendering of its results, one section a column."""
    if not results:
        return Markup()
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaSectionView

    results = [_escaped(result) for result in results]
    held = sum(bool(result.success) for result in results)
    validation = ExpectationSuiteValidationResult(
        success=held == len(results),
        results=results,
        suite_name="suite",
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100 * held / len(results),
        },
        meta={},
    )
    sections = ValidationResultsPageRenderer().render(validation).to_json_dict()["sections"][1:]
    view = DefaultJinjaSectionView()
    rendered = [
        view.render({"section": section, "section_loop": {"index": number}})
        for number, section in enumerate(sections, start=1)
    ]
    return Markup("\n".join(rendered))  # noqa: S704  its examples are escaped above


def _escaped(result: ExpectationValidationResult) -> ExpectationValidationResult:
    """Return a copy with its examples escaped, because Great Expectations writes them into the page as they are."""
    result = copy.deepcopy(result)
    for name in ("partial_unexpected_list", "partial_unexpected_counts", "observed_value"):
        if name in result.result:
            result.result[name] = _escape(result.result[name])
    return result


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {name: _escape(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_escape(each) for each in value)
    return value
