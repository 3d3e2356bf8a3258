"""The ids of the tasks of a pipeline's DAGs, as Airflow's UI shows them and `resources.tasks` names them.

dags/ makes the tasks by these names, so that no list of them can differ from the DAGs.
"""

from __future__ import annotations

from typing import Final

# ingest
EXTRACT: Final = "extract"
VALIDATE: Final = "validate"
PUBLISH: Final = "publish"
ANNOUNCE_TABLES: Final = "announce_tables"

# retrain
PLAN_RUN: Final = "plan_run"
BUILD_FEATURES: Final = "build_features"
VALIDATE_FEATURES: Final = "validate_features"
PROVE_FEATURES: Final = "prove_features"
SELECT_FEATURES: Final = "select_features"
TUNE_CANDIDATES: Final = "tune_candidates"
TRAIN_CHALLENGER: Final = "train_challenger"
EVALUATE_CHALLENGER: Final = "evaluate_challenger"
APPLY_GATE: Final = "apply_gate"
REGISTER_MODEL: Final = "register_model"
REQUEST_APPROVAL: Final = "request_approval"
PROMOTE_MODEL: Final = "promote_model"
SUMMARIZE_RUN: Final = "summarize_run"

# score
PLAN_SCORING: Final = "plan_scoring"
SCORE_ROWS: Final = "score_rows"

# monitor
PLAN_MONITORING: Final = "plan_monitoring"
MEASURE_DRIFT: Final = "measure_drift"
CONFIRM_NO_ALERTS: Final = "confirm_no_alerts"
ASK_RETRAINING: Final = "ask_retraining"

# maintain
MAINTAIN_RAW: Final = "maintain_raw"
MAINTAIN_QUARANTINE: Final = "maintain_quarantine"
MAINTAIN_FEATURES: Final = "maintain_features"
MAINTAIN_PREDICTIONS: Final = "maintain_predictions"
MAINTAIN_MONITORING: Final = "maintain_monitoring"
MAINTAIN_FILES: Final = "maintain_files"

# quarantine
DECIDE_QUARANTINE: Final = "decide_quarantine"

# promote and rollback
ASK_ANOTHER: Final = "ask_another"
PROMOTE_VERSION: Final = "promote_version"
CHANGE_CHAMPION: Final = "change_champion"

#: The tasks of each source; their ids begin with the source's name, as in `sales.extract`.
SOURCE_TASKS: Final = (EXTRACT, VALIDATE, PUBLISH, MAINTAIN_RAW, MAINTAIN_QUARANTINE)

#: All other tasks of a pipeline.
PIPELINE_TASKS: Final = (
    ANNOUNCE_TABLES,
    PLAN_RUN,
    BUILD_FEATURES,
    VALIDATE_FEATURES,
    PROVE_FEATURES,
    SELECT_FEATURES,
    TUNE_CANDIDATES,
    TRAIN_CHALLENGER,
    EVALUATE_CHALLENGER,
    APPLY_GATE,
    REGISTER_MODEL,
    REQUEST_APPROVAL,
    PROMOTE_MODEL,
    SUMMARIZE_RUN,
    PLAN_SCORING,
    SCORE_ROWS,
    PLAN_MONITORING,
    MEASURE_DRIFT,
    CONFIRM_NO_ALERTS,
    ASK_RETRAINING,
    MAINTAIN_FEATURES,
    MAINTAIN_PREDICTIONS,
    MAINTAIN_MONITORING,
    MAINTAIN_FILES,
    DECIDE_QUARANTINE,
    ASK_ANOTHER,
    PROMOTE_VERSION,
    CHANGE_CHAMPION,
)


def known_task_ids(sources: list[str]) -> list[str]:
    """Return every task id that the DAGs of a pipeline with these sources can have."""
    return [*PIPELINE_TASKS, *(f"{source}.{task}" for source in sources for task in SOURCE_TASKS)]
