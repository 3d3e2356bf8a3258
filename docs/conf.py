"""Settings of the documentation site, which `make docs` builds with Sphinx."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_extensions")]

project = "Nightshift"
project_copyright = "the Nightshift authors"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "generated_reference",
]
exclude_patterns = ["_extensions"]
source_suffix = {".md": "markdown"}

# Pages link to each other by the paths that GitHub shows; a link to a heading that is not there fails the build.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # console blocks that show a shortened log

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_mock_imports = ["airflow"]  # to import it takes seconds and makes its home folder
napoleon_google_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = "Nightshift"
html_static_path = ["_static"]
html_css_files = ["nightshift.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_nav_level": 2,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
}
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
