"""The steps that prepare the training data: build, validate, check for leakage and select the features."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.features.build import build_features
from include.features.feature_table import read_feature_rows
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


def build(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Build the feature table from the plan's snapshot; return the table's version."""
    table = build_features(pipeline, plan.snapshot, plan.as_of).to_json()
    run_files.write_json(files.folder(plan) / "features.json", table)
    return table


def validate(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Validate the feature table; return the number of expectations, and the warnings."""
    from include.validation.validate import validate_features

    report = validate_features(pipeline, read_feature_rows(files.features(plan)))
    run_files.write_json(files.folder(plan) / "feature_validation.json", report.to_json())
    return {"expectations": report.expectations, "warnings": [str(failure) for failure in report.failures]}


def prove(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Check on a sample that no feature uses the future; return the result."""
    from include.features.leakage_check import check_leakage

    # each night checks another sample, so after some weeks most of the table has been checked
    day = plan.as_of
    proof = check_leakage(pipeline, files.features(plan), plan.snapshot, day, seed=plan.run_key).to_json()
    run_files.write_json(files.folder(plan) / "proof.json", proof)
    return proof


def select(pipeline: Pipeline, plan: RunPlan) -> dict[str, Any]:
    """Choose the automated features that help; return which are kept and which are dropped."""
    from include.training.select import Selection, select_features

    path = files.folder(plan) / "selection.json"
    # the split below takes all features, since none is selected yet
    run_files.write_json(path, Selection([], [], None).to_json())
    frame, split = files.frame_and_split(pipeline, plan)
    selection = select_features(pipeline, frame, split).to_json()
    run_files.write_json(path, selection)
    return selection
