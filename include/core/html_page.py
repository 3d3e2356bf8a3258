"""HTML pages that stand alone: one style sheet, no script, and nothing from another host.

Templates are files named `*.html.jinja` beside the module that uses them. A page extends
`core/templates/page.html.jinja` and fills its blocks `title`, `style` and `body`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

#: What a browser may do with a page: show it with its own styles, and nothing else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render_html(template: str, **values: object) -> str:
    """Return a template as HTML, with every value escaped that is not `markupsafe.Markup`.

    Parameters
    ----------
    template
        Path of the template below `include/`.
    values
        What the template names; a name that it uses and nobody passes raises `jinja2.UndefinedError`.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["policy"] = POLICY
    return environment
