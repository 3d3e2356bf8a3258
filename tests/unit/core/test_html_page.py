"""Templates escape what they show, and a name that nobody passes is an error, not a gap in a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

import include
from include.core.html_page import render_html

INCLUDE = Path(include.__file__).parent
#: Where `html.escape` is still called, and why.
BY_HAND = {
    "reports/messages/message.py": "Slack's markup is not HTML",
    "validation/data_docs.py": "the renderer of Great Expectations escapes no example",
}


class Email:
    """The parts of a message that the template reads."""

    table = "<td>"
    paragraphs = ("a & b", Markup("<b>c</b>"))
    links = ()


def test_a_value_is_escaped_unless_it_is_markup() -> None:
    """Only what a function has declared to be HTML goes into a page as it is."""
    text = render_html("reports/templates/email.html.jinja", message=Email)

    assert "<p>a &amp; b</p>\n<p><b>c</b></p>" in text
    assert ">&lt;td&gt;</pre>" in text


def test_a_name_that_nobody_passes_is_an_error() -> None:
    """A page with a gap would look whole."""
    with pytest.raises(UndefinedError, match="message"):
        render_html("reports/templates/email.html.jinja")


def test_no_module_escapes_html_by_hand() -> None:
    """Pages are written as templates, which escape every value."""
    found = {
        str(path.relative_to(INCLUDE))
        for path in INCLUDE.rglob("*.py")
        if re.search(r"from html import|html\.escape|import html$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert found == set(BY_HAND)


def test_templates_declare_only_constants_to_be_safe() -> None:
    """`safe` behind a value would undo the escaping."""
    for path in INCLUDE.rglob("*.jinja"):
        for expression in re.findall(r"\S+ \| safe", path.read_text(encoding="utf-8")):
            assert expression.startswith('"'), f"{path.name}: {expression}"
