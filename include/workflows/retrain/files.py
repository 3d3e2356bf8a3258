"""What the steps of a run leave in its folder for each other."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from include.core import settings
from include.features.feature_table import FeatureTable, read_features
from include.gate.answer import Answer
from include.lake import run_files
from include.training.fitted_challenger import FittedChallenger
from include.workflows.retrain.documents import RegistrationResult
from include.workflows.retrain.split import split_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from sklearn.pipeline import Pipeline as Model
    from upath import UPath

    from include.config.pipeline import Pipeline
    from include.evaluation.evidence import Evidence
    from include.evaluation.importance import Importance
    from include.gate.verdict import Verdict
    from include.training.split import Split
    from include.training.tuning_result import TuningResult
    from include.workflows.retrain.plan import RunPlan

T = TypeVar("T")

#: The file that holds the answer of a person.
ANSWER = "approval.json"


def folder(plan: RunPlan) -> UPath:
    """Return the run's folder."""
    return run_files.run_folder(plan.pipeline, plan.run_key)


def features(plan: RunPlan) -> FeatureTable:
    """Return which version of the feature table the run has built."""
    return _made(plan, "features.json", "the feature table", lambda fields: FeatureTable(**fields))


def dropped_features(pipeline: Pipeline, plan: RunPlan) -> list[str]:
    """Return the automated features that do not help, so no model learns from them."""
    from include.training.select import Selection

    if not pipeline.features.selects:
        return []
    return _made(
        plan,
        "selection.json",
        "the selection of features",
        lambda fields: [judgement.feature for judgement in Selection.from_json(fields).dropped],
    )


def tuning(plan: RunPlan) -> dict[str, TuningResult]:
    """Return the result of the search by family."""
    from include.training.tuning_result import TuningResult

    return _made(
        plan,
        "tuning.json",
        "the result of the search",
        lambda families: {family: TuningResult.from_json(fields) for family, fields in families.items()},
    )


def challenger(plan: RunPlan) -> FittedChallenger:
    """Return the run's challenger."""
    return _made(plan, "challenger.json", "the challenger", FittedChallenger.from_json)


def importance(plan: RunPlan) -> list[Importance]:
    """Return how important each feature is to the challenger."""
    from include.evaluation.importance import Importance

    return _made(
        plan,
        "importance.json",
        "the importance of the features",
        lambda features: [Importance.from_json(fields) for fields in features],
    )


def registration(plan: RunPlan) -> RegistrationResult:
    """Return what became of the run's model in MLflow."""
    return _made(plan, "registration.json", "the registration", lambda fields: RegistrationResult.read(fields, plan))


def answer(plan: RunPlan) -> Answer | None:
    """Return the answer that a person gave in this run; None where there is none yet."""
    if not (folder(plan) / ANSWER).exists():
        return None
    return _made(plan, ANSWER, "the answer", Answer.from_json)


def challenger_file(plan: RunPlan, sha256: str) -> UPath:
    """Return where the challenger is kept."""
    # named for what it holds, so that it and challenger.json cannot be of two attempts
    return folder(plan) / f"challenger-{sha256[:12]}.skops"


@contextmanager
def challenger_copy(plan: RunPlan) -> Iterator[Path]:
    """Yield the path of the challenger's file on this machine."""
    from include.core.errors import RunMissing

    kept = challenger_file(plan, challenger(plan).sha256)
    try:
        with run_files.local_copy(kept) as path:
            yield path
    except FileNotFoundError as error:
        raise RunMissing(f"the challenger is not at {kept}; run the task train_challenger again") from error


def load_challenger(pipeline: Pipeline, plan: RunPlan) -> Model:
    """Load the run's challenger."""
    from include.training.model_file import load_model, trusted_of

    with challenger_copy(plan) as path:
        return load_model(path, challenger(plan).sha256, trusted_of(pipeline.training))


def evidence(plan: RunPlan) -> Evidence:
    """Return the run's evidence."""
    from include.evaluation.evidence import Evidence

    return _made(plan, "evidence.json", "the evidence", Evidence.from_json)


def verdict(plan: RunPlan) -> Verdict:
    """Return the run's verdict."""
    from include.gate.verdict import Verdict

    return _made(plan, "verdict.json", "the verdict", Verdict.from_json)


def made_from(pipeline: Pipeline, plan: RunPlan, *more: Any) -> str:
    """Return a digest of what a result of this run rests on, so that it is used again for that only."""
    rests_on = [
        features(plan).build,
        dropped_features(pipeline, plan),
        sorted(pipeline.kept_out),
        pipeline.training.model_dump(mode="json"),
        plan.to_json(),
        *more,
    ]
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:16]


def _made(plan: RunPlan, name: str, what: str, make: Callable[[Any], T]) -> T:
    """Return what is made of a file in the run's folder."""
    path = folder(plan) / name
    fields = run_files.read_json(path, what)
    with run_files.refuse_other_release(what, path):
        return make(fields)


def journal_file(plan: RunPlan, digest: str) -> Path:
    """Return the local file that keeps the trials of the run's search, where no database does.

    It lies in the run's folder; where that is on an object store, in the home folder, so that tasks on several
    machines need NIGHTSHIFT_TUNING_STORAGE to search together.
    """
    kept = folder(plan)
    if kept.protocol in ("", "file"):
        return Path(kept.path) / f"tuning-{digest}.journal"
    return settings.home() / "tuning" / plan.pipeline / f"{run_files.file_name(plan.run_key)}-{digest}.journal"


def frame_and_split(pipeline: Pipeline, plan: RunPlan) -> tuple[pd.DataFrame, Split]:
    """Return the feature frame and its split by time, the same in every step of a run."""
    frame = read_features(features(plan))
    return frame, split_rows(pipeline, frame, plan.as_of)


def frame_to_learn_from(pipeline: Pipeline, plan: RunPlan) -> tuple[pd.DataFrame, Split]:
    """Return the same without the features that were dropped."""
    frame, split = frame_and_split(pipeline, plan)
    return frame.drop(columns=dropped_features(pipeline, plan)), split


def write_model(plan: RunPlan, model: Model) -> str:
    """Keep a fitted model in the run's folder and return its file's SHA-256."""
    from include.training.model_file import save_model

    with TemporaryDirectory(prefix="challenger-") as scratch:
        path = Path(scratch) / "challenger.skops"
        sha256 = save_model(model, path)
        run_files.put_file(path, challenger_file(plan, sha256))
    return sha256
