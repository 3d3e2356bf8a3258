"""Checks before the search that a model of a team's own estimator can be written to a model file and loaded again."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core.errors import ConfigError
from include.training.candidates import candidates_of
from include.training.columns import FeatureColumns
from include.training.fit import fit_model, predict
from include.training.model_file import foreign_types, load_model, save_model, trusted_of
from include.training.reload import measure_reload

if TYPE_CHECKING:
    import pandas as pd

    from include.config.pipeline import Pipeline
    from include.config.training import OwnCandidate

log = logging.getLogger(__name__)

#: Number of rows for the trial fit that shows what a fitted model holds.
SAMPLE_ROWS = 300
#: Time limit of the fresh process: on a busy machine its imports alone take a minute.
PATIENCE_SECONDS = 600


def check_unfitted(pipeline: Pipeline) -> None:
    """Refuse an own estimator that cannot be written to a model file even before it is fitted.

    Raises
    ------
    ConfigError
        If it holds an object that cannot be written to a model file, or a type that pipeline.yaml does not name.
    """
    training = pipeline.training
    candidates = candidates_of(training)
    for name, own in training.own_candidates.items():
        candidate = candidates[name]
        estimator = candidate.estimator(FeatureColumns([], []), training, candidate.defaults, 1)
        _refuse_unsaveable(pipeline, name, own, estimator, None)


def check_fitted(pipeline: Pipeline, rows: pd.DataFrame) -> None:
    """Refuse an own estimator whose fitted model cannot be saved: fit it on a few rows, save it and load it again.

    An estimator of another library than scikit-learn is also loaded in a fresh process, because its module may exist in
    this process only. An estimator that cannot be fitted on a few rows is left to the search.

    Raises
    ------
    ConfigError
        As `check_unfitted`, and if the model does not load in a fresh process.
    """
    import numpy as np

    training = pipeline.training
    if not training.own_candidates:
        return
    few = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype("int64"))]
    for name, own in training.own_candidates.items():
        try:
            model = fit_model(pipeline, few, name, candidates_of(training)[name].defaults, 1)
            predict(model, few, training)
        except Exception as error:  # noqa: BLE001  a team's own estimator may raise anything
            reason = _one_line(error)
            log.info("%s: %s was not checked, its fit on %s rows failed: %s", pipeline.name, name, len(few), reason)
        else:
            _refuse_unsaveable(pipeline, name, own, model, few)


def _refuse_unsaveable(pipeline: Pipeline, name: str, own: OwnCandidate, model: Any, rows: pd.DataFrame | None) -> None:
    where = f"{pipeline.name}: training.own_candidates.{name}: a model of {own.estimator}"
    trusted = trusted_of(pipeline.training)
    with TemporaryDirectory(prefix="own-") as folder:
        path = Path(folder) / "model.skops"
        try:
            sha256 = save_model(model, path)
        except Exception as error:  # objects may raise anything when they are asked for their state
            raise ConfigError(
                f"{where} cannot be written to a model file ({_one_line(error)}); let it hold numbers, text, arrays "
                "and objects of classes that are defined at the top level of a module"
            ) from error
        foreign = foreign_types(path, trusted)
        hidden = [each for each in foreign if not _is_importable(each)]
        if hidden:
            raise ConfigError(
                f"{where} holds {', '.join(hidden)}, which has no import path (such as a lambda, or a name defined "
                "in a function or class), so it could not be loaded again; define it at the top level of its module"
            )
        if foreign:
            raise ConfigError(
                f"{where} holds {', '.join(foreign)}, and a model file is loaded only if pipeline.yaml names each of "
                f"its types; if you trust them, add trusted_types: [{', '.join(foreign)}]"
            )
        try:
            load_model(path, sha256, trusted)
        except Exception as error:  # its own __setstate__ may raise anything
            reason = _one_line(error.__cause__ or error)
            raise ConfigError(f"{where} cannot be loaded from its model file ({reason}); correct its class") from error
        if rows is None or own.estimator.startswith("sklearn."):
            return
        expected = predict(model, rows, pipeline.training)
        reload = measure_reload(path, sha256, pipeline.training, rows, expected, limit_seconds=PATIENCE_SECONDS)
    if reload.error:
        raise ConfigError(
            f"{where} does not work in a fresh process, such as the scoring task ({reload.error}); put its module into "
            "the project's root or an installed package, and let its predictions depend only on its fitted state"
        )


def _is_importable(path: str) -> bool:
    """Return whether an import path can be imported."""
    module, *names = path.split(".")
    try:
        found = import_module(module)
        for name in names:
            module = f"{module}.{name}"
            found = getattr(found, name) if hasattr(found, name) else import_module(module)
    except ImportError:
        return False
    return True


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
