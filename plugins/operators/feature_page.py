"""The link from a retraining's task to the page of the pipeline's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Where the API server shows the pages; see plugins/data_docs.py.
PREFIX = "/nightshift/features"


class FeaturePageLink(BaseOperatorLink):
    """Leads to what each feature is, where it comes from and what it is worth; the page is that of the newest run."""

    name = "Features"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address at the API server."""
        from airflow.sdk.configuration import conf

        base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
        return f"{base}{PREFIX}/{operator.pipeline}"  # type: ignore[attr-defined]
