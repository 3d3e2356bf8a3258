"""Release or discard rows in quarantine."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from plugins.operators.step import PipelineStepOperator, note_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.pipeline import Pipeline
    from include.ingestion.quarantine import Status


class DecideQuarantineOperator(PipelineStepOperator):
    """Apply the decision in the run's form to the quarantined rows of some days."""

    def run_step(self, pipeline: Pipeline, context: Context) -> dict[str, int | str]:
        """Return the number of rows and their new status."""
        from include.core.errors import ConfigError
        from include.validation.decide import decide_rows

        params, run = context["params"], context["dag_run"]
        if not params.get("start"):
            raise ConfigError(
                "the form has no first day; trigger the DAG again with the first day of the rows as `start`"
            )
        start = date.fromisoformat(params["start"])
        end = date.fromisoformat(params["end"]) if params.get("end") else start
        statuses: dict[str, Status] = {"release": "released", "discard": "discarded", "hold": "held"}
        status = statuses[params["decision"]]
        count = decide_rows(
            pipeline,
            params["source"],
            start,
            end,
            status,
            row_ids=set(params.get("rows") or []) or None,
            by=getattr(run, "triggering_user_name", None) or "airflow",
            note=params["note"],
            run=run.run_id,
        )
        days = start.isoformat() if start == end else f"{start} to {end}"
        note_run(context, f"{count:,} row{'s' * (count != 1)} of {params['source']}, {days}, {status}")
        return {"rows": count, "status": status}
