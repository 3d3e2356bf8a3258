"""The steps that prepare the training data: build, validate, check for leakage and select the features."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.json_document import JsonDocument
from include.features.build import build_features
from include.features.feature_table import read_feature_rows
from include.lake import run_files
from include.workflows.retrain import files

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.features.feature_table import FeatureTable
    from include.features.leakage_check import LeakageReport
    from include.training.select import Selection
    from include.workflows.retrain.plan import RunPlan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureValidation(JsonDocument):
    """The result of validating the feature table.

    Attributes
    ----------
    expectations
        Number of expectations.
    warnings
        One sentence for each expectation that does not hold.
    """

    expectations: int
    warnings: list[str]


def build(pipeline: Pipeline, plan: RunPlan) -> FeatureTable:
    """Build the feature table from the plan's snapshot; return the table's version."""
    table = build_features(pipeline, plan.snapshot, plan.as_of)
    run_files.write_json(files.folder(plan) / "features.json", table.to_json())
    return table


def validate(pipeline: Pipeline, plan: RunPlan) -> FeatureValidation:
    """Validate the feature table; return the number of expectations, and the warnings."""
    from include.validation.validate import validate_features

    report = validate_features(pipeline, read_feature_rows(files.features(plan)))
    run_files.write_json(files.folder(plan) / "feature_validation.json", report.to_json())
    return FeatureValidation(report.expectations, [str(failure) for failure in report.failures])


def prove(pipeline: Pipeline, plan: RunPlan) -> LeakageReport:
    """Check on a sample that no feature uses the future; return the result."""
    from include.features.leakage_check import check_leakage

    # each night checks another sample, so after some weeks most of the table has been checked
    day = plan.as_of
    report = check_leakage(pipeline, files.features(plan), plan.snapshot, day, seed=plan.run_key)
    run_files.write_json(files.folder(plan) / "proof.json", report.to_json())
    return report


def select(pipeline: Pipeline, plan: RunPlan) -> Selection:
    """Choose the automated features that help; return which are kept and which are dropped."""
    from include.training.select import Selection, select_features

    path = files.folder(plan) / "selection.json"
    # the split below takes all features, since none is selected yet
    run_files.write_json(path, Selection([], [], None).to_json())
    frame, split = files.frame_and_split(pipeline, plan)
    selection = select_features(pipeline, frame, split)
    run_files.write_json(path, selection.to_json())
    return selection
