"""The links from tasks to the pages of what they have validated, of the pipeline's features, and of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Where the API server shows the pages; see plugins/data_docs.py.
FEATURES, VALIDATIONS = "/nightshift/features", "/nightshift/validations"


class FeaturePageLink(BaseOperatorLink):
    """Leads to what each feature is, where it comes from and what it is worth; the page is that of the newest run."""

    name = "Features"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address at the API server."""
        return _address(FEATURES, operator.pipeline)  # type: ignore[attr-defined]


class ValidationPageLink(BaseOperatorLink):
    """Leads to the Data Docs of what a task validated, whether it passed or not."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address at the API server."""
        from include.lake.run_files import file_name

        source = operator.batch["source"]  # type: ignore[attr-defined]
        return _address(VALIDATIONS, operator.pipeline, source, file_name(ti_key.run_id))  # type: ignore[attr-defined]


class VersionPageLink(BaseOperatorLink):
    """Leads to the version that predicted, in MLflow; nowhere, where it has no server."""

    name = "Model"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address at MLflow's server, of the version that the run's plan names."""
        from include.core.errors import RunMissing
        from include.registry.pages import version_page
        from include.workflows.score.plan import ScoringPlan

        try:
            plan = ScoringPlan.load(operator.pipeline, ti_key.run_id)  # type: ignore[attr-defined]
        except RunMissing:
            return ""
        return version_page(plan.pipeline, plan.champion.version) or ""


def _address(pages: str, *parts: str) -> str:
    from airflow.sdk.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return "/".join([f"{base}{pages}", *parts])
