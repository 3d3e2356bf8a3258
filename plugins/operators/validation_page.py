"""The link from a validation's task to its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Where the API server shows the pages; see plugins/data_docs.py.
PREFIX = "/nightshift/validations"


class ValidationPageLink(BaseOperatorLink):
    """Leads to the Data Docs of what a task validated, whether it passed or not."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address at the API server."""
        from airflow.sdk.configuration import conf

        from include.workspace import file_name

        base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
        source = operator.batch["source"]  # type: ignore[attr-defined]
        return f"{base}{PREFIX}/{operator.pipeline}/{source}/{file_name(ti_key.run_id)}"  # type: ignore[attr-defined]
