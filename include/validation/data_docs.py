"""Data Docs: the page of a validation, rendered by Great Expectations for any browser, offline.

Great Expectations' own pages load styles and scripts from five other hosts. Here its renderer makes only the content,
and `html_page` makes the page around it. The policy of `html_page` forbids scripts, since examples of broken values
are whatever a source delivered.
"""

from __future__ import annotations

import copy
import html
from typing import TYPE_CHECKING, Any

from include.core.html_page import html_page
from include.lake import run_files

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from upath import UPath

    from include.validation.judge import Judged
    from include.validation.report import ValidationReport

_STYLE = """
:root { --bad: #c62828; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #81c784; } }
body { max-width: 70rem; }
h2, h5 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; }
h6 { font-size: .95rem; margin: .6rem 0 .2rem; }
table table { width: auto; margin-top: .4rem; font-size: .9em; }
.failed, .text-danger { color: var(--bad); }
.passed, .text-success { color: var(--good); }
.text-warning { color: var(--warn); }
.fa-check-circle::before { content: "\\2713"; }
.fa-times::before { content: "\\2717"; }
.fa-exclamation-triangle::before { content: "!"; }
i.fas { font-style: normal; font-weight: 700; font-size: 1.2em; }
"""


def page_path(pipeline: str, source: str, run: str) -> UPath:
    """Return the path of the page of a source's validation in a run."""
    return run_files.validations_folder(pipeline, source) / f"{run_files.file_name(run)}.html"


def write_page(path: UPath, title: str, judged: list[Judged], report: ValidationReport, facts: dict[str, str]) -> None:
    """Render a validation and write its page, whole or not at all.

    Parameters
    ----------
    facts
        Further facts to show, such as the batch.
    """
    run_files.write_bytes(path, render_page(title, judged, report, facts).encode())


def render_page(title: str, judged: list[Judged], report: ValidationReport, facts: dict[str, str]) -> str:
    """Return a validation's page as HTML."""
    shown = facts | {
        "rows": f"{report.rows:,}",
        "rows in quarantine": f"{report.quarantined:,}",
        "expectations": f"{report.expectations}, of which {report.expectations - report.held} failed",
    }
    state = "failed" if report.critical else "warning" if report.failures else "passed"
    verdict = {
        "failed": "Failed: nothing was published",
        "warning": "Passed, with warnings",
        "passed": "Passed",
    }[state]
    facts_html = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in shown.items())
    body = [
        f'<header><h1>{html.escape(title)}</h1><p class="{state}">{verdict}</p></header>',
        f"<dl>{facts_html}</dl>",
        _failure_table(report),
        _sections([each.result for each in judged]),
    ]
    return html_page(title, "\n".join(body), _STYLE)


def _failure_table(report: ValidationReport) -> str:
    """Return the failures as a table, including those of comparisons with earlier days."""
    rows = "".join(
        f'<tr><td class="{"failed" if each.severity == "critical" else "warning"}">{each.severity}</td>'
        f"<td>{html.escape(each.column)}</td><td>{html.escape(f'{each.expectation} {each.explanation}')}</td></tr>"
        for each in report.failures
    )
    return f"<h2>What failed</h2><table><tbody>{rows}</tbody></table>" if rows else ""


def _sections(results: list[ExpectationValidationResult]) -> str:
    """Return Great Expectations' rendering of its results, a section for each column."""
    if not results:
        return ""
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
    return "\n".join(
        view.render({"section": section, "section_loop": {"index": number}})
        for number, section in enumerate(sections, start=1)
    )


def _escaped(result: ExpectationValidationResult) -> ExpectationValidationResult:
    """Return a copy with escaped examples, since the renderer does not escape them."""
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
