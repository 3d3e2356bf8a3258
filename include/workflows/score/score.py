"""Build the rows of a day, predict them with the champion, and publish the predictions."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date  # noqa: TC003  pydantic reads the fields
from typing import TYPE_CHECKING

from include import lake
from include.core.errors import ScoringImpossible
from include.core.json_document import JsonDocument
from include.features.affected import defined_by, digest
from include.features.prediction_runs import rows_to_predict
from include.registry.pages import version_page

if TYPE_CHECKING:
    import pyarrow as pa
    from sklearn.pipeline import Pipeline as Model

    from include.config.pipeline import Pipeline
    from include.evaluation.signature import Kind
    from include.workflows.score.plan import ScoringPlan

log = logging.getLogger(__name__)

#: Number of most frequent classes that the summary counts.
SHOWN_CLASSES = 6


@dataclass(frozen=True)
class ScoringResult(JsonDocument):
    """What a scoring run published.

    Attributes
    ----------
    version
        Version of the model.
    mean_prediction
        None without rows.
    uri, table_version
        The table of predictions and its version.
    changed
        Whether the run changed the table: these predictions, or newer ones, may have been published earlier.
    table
        All of it as text.
    """

    as_of: date
    version: int
    rows: int
    mean_prediction: float | None
    uri: str
    table_version: int
    changed: bool
    table: str = ""


def score_rows(pipeline: Pipeline, plan: ScoringPlan) -> ScoringResult:
    """Predict the rows of a plan's day, publish all of them or none, and return what was published.

    The feature table is not changed.

    Raises
    ------
    ExpectationsFailed
        If rows break a critical expectation of features.yaml.
    FeatureQueryFailed
        If the query fails, or does not return what pipeline.yaml declares.
    ModelRefused
        If the champion's files are not those that were registered.
    ScoringImpossible
        If the champion cannot predict these rows.
    PublishConflict, SchemaMismatch, LakeError
        The predictions are then unchanged.
    """
    import pyarrow.compute as pc

    from include.validation.validate import validate_rows
    from include.workflows.score.predict import check_inputs, predict_rows

    rows = rows_to_predict(pipeline, plan.snapshot, plan.as_of)
    if not rows.num_rows:
        log.warning(
            "%s: published %s without predictions, because %s returns no row with a prediction_time in that day, up to "
            "the midnight that ends it; a source may lack the day, or the query may return rows only after an event",
            pipeline.name,
            plan.as_of,
            pipeline.features.query,
        )
    else:
        validate_rows(pipeline, rows)
    model, inputs = _load(pipeline, plan)
    frame = check_inputs(pipeline, plan.champion, model, inputs, rows)
    predicted = predict_rows(pipeline, plan.champion, model, rows, frame)
    done = lake.publish_predictions(
        lake.predictions_uri(pipeline.name),
        plan.as_of.isoformat(),
        predicted,
        digest([*defined_by(pipeline), pipeline.training.deterministic, pipeline.training.task, plan.to_json()]),
        {
            "run_key": plan.run_key,
            "snapshot": plan.snapshot,
            "champion": plan.champion.version,
            "sha256": plan.champion.sha256,
            "rows": predicted.num_rows,
        },
        moment=plan.moment,
    )
    result = ScoringResult(
        as_of=plan.as_of,
        version=plan.champion.version,
        rows=predicted.num_rows,
        mean_prediction=pc.mean(predicted["prediction"]).as_py(),
        uri=done.uri,
        table_version=done.version,
        changed=done.changed,
    )
    table = _table(pipeline, plan, predicted, result)
    for line in table.splitlines():
        log.info("%s", line)
    return replace(result, table=table)


def _load(pipeline: Pipeline, plan: ScoringPlan) -> tuple[Model, dict[str, Kind] | None]:
    """Return the champion, loaded from verified files, and the kind of each column that it takes."""
    from include.registry.load_model import load_with_inputs
    from include.training.model_file import trusted_of

    try:
        return load_with_inputs(plan.champion, trusted_of(pipeline.training))
    except (ValueError, KeyError, TypeError) as error:
        raise ScoringImpossible(
            f"{pipeline.name}: the champion, version {plan.champion.version}, cannot be loaded "
            f"({type(error).__name__}: {error}); install the requirements that it was trained with, or roll back to "
            "another version"
        ) from error


def _table(pipeline: Pipeline, plan: ScoringPlan, predicted: pa.Table, result: ScoringResult) -> str:
    """Return the summary as text, one line for each fact."""
    champion, mean = plan.champion, result.mean_prediction
    unchanged = "" if result.changed else ", unchanged: these predictions or newer ones were published earlier"
    lines = {
        "rows": f"{result.rows:,}",
        "version": f"{champion.version} ({champion.family}, trained on {champion.train_start} to {champion.train_end})",
        "day": f"{plan.as_of}, up to the midnight (UTC) that ends it",
        "mean prediction": "none" if mean is None else f"{mean:.6g}",
    }
    if "decision" in predicted.column_names and champion.threshold is not None and predicted.num_rows:
        positive = sum(predicted["decision"].to_pylist())
        lines["positive"] = f"{positive:,}, with a probability of at least {champion.threshold:.4g}"
    if "predicted_class" in predicted.column_names:
        counts = predicted["predicted_class"].value_counts().to_pylist()
        shown = sorted(counts, key=lambda count: -count["counts"])[:SHOWN_CLASSES]
        lines["classes"] = ", ".join(f"{count['values']} {count['counts']:,}" for count in shown) or "none"
    lines["table"] = f"{lake.table_name(result.uri)}, version {result.table_version}{unchanged}"
    page = version_page(pipeline.name, champion.version)
    if page:
        lines["model"] = page
    width = max(map(len, lines))
    head = f"PREDICTED  {pipeline.name} as of {plan.as_of}"
    return "\n".join([head, "", *(f"{name:<{width}}  {value}" for name, value in lines.items())])
