"""Links from tasks to the pages of validations, features and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from include.core.airflow_pages import FEATURES, VALIDATIONS

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class FeaturePageLink(BaseOperatorLink):
    """Links to the feature page of the newest run: definition, lineage and importance of each feature."""

    name = "Features"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address on the API server."""
        return _address(FEATURES, operator.pipeline)


class ValidationPageLink(BaseOperatorLink):
    """Links to the Data Docs of a validation, whether it passed or failed."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address on the API server."""
        from include.lake.run_files import file_name

        return _address(VALIDATIONS, operator.pipeline, operator.batch["source"], file_name(ti_key.run_id))


class VersionPageLink(BaseOperatorLink):
    """Links to the scoring version in MLflow; has no address if MLflow runs without a server."""

    name = "Model"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the MLflow page of the version that the run's plan names."""
        from include.core.errors import RunMissing
        from include.registry.pages import version_page
        from include.workflows.score.plan import ScoringPlan

        try:
            plan = ScoringPlan.load(operator.pipeline, ti_key.run_id)
        except RunMissing:
            return ""
        return version_page(plan.pipeline, plan.champion.version) or ""


def _address(pages: str, *parts: str) -> str:
    from airflow.sdk.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return "/".join([f"{base}{pages}", *parts])
