"""A page that stands alone: one style sheet, no script, and nothing from another host."""

from __future__ import annotations

import html

#: What a browser may do with a page: show it with its own styles, and nothing else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bar: #1565c0; --warn: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --bar: #64b5f6; --warn: #ffb74d; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 96rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
header p { margin: .2rem 0 1rem; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { opacity: .7; }
dd { margin: 0; font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { font-weight: 600; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
.badge { border: 1px solid var(--line); border-radius: .3rem; padding: 0 .3rem; font-family: ui-monospace, monospace; }
.soft { opacity: .7; }
.warning { color: var(--warn); }
"""


def html_page(title: str, body: str, style: str = "") -> str:
    """Return a page as HTML.

    Parameters
    ----------
    title
        Plain text; it is escaped here.
    body, style
        HTML in which every value is escaped, and style rules beside those that all pages share.
    """
    return _PAGE.format(
        policy=html.escape(POLICY, quote=True), title=html.escape(title), style=_STYLE + style, body=body
    )
