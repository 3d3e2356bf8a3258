"""Addresses in Airflow's UI, for lines that a person reads there: a path on the server leads nowhere in a browser."""

from __future__ import annotations

import os
from urllib.parse import quote

#: Where the API server shows the pages of features and of validations; see plugins/data_docs.py.
FEATURES, VALIDATIONS = "/nightshift/features", "/nightshift/validations"


def page_address(pages: str, *parts: str) -> str | None:
    """Return the address of a page below `pages`, or None where nobody has set AIRFLOW__API__BASE_URL."""
    base = os.environ.get("AIRFLOW__API__BASE_URL")
    return "/".join([base.rstrip("/") + pages, *(quote(part) for part in parts)]) if base else None
