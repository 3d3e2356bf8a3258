"""Whether a model of a team's own estimator can be kept in a model file, which is told before anything is searched."""

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

#: Rows of the fit that shows what a fitted model holds.
SAMPLE_ROWS = 300
#: How long the clean process may take: on a busy machine it takes a minute to import what it needs.
PATIENCE_SECONDS = 600


def check_unfitted(pipeline: Pipeline) -> None:
    """Refuse an own estimator that cannot be kept even before it was fitted.

    Raises
    ------
    ConfigError
        If it holds what cannot be written to a model file, or what pipeline.yaml does not name.
    """
    training = pipeline.training
    candidates = candidates_of(training)
    for name, own in training.own_candidates.items():
        candidate = candidates[name]
        estimator = candidate.estimator(FeatureColumns([], []), training, candidate.defaults, 1)
        _refuse_unkept(pipeline, name, own, estimator, None)


def check_fitted(pipeline: Pipeline, rows: pd.DataFrame) -> None:
    """Refuse an own estimator whose fitted model cannot be kept: one is fitted on a few rows, kept and loaded again.

    One that is not scikit-learn's is loaded in a clean process as well, since its module may be found in this one
    only. What fails on a few rows has shown nothing, and is left to the search.

    Raises
    ------
    ConfigError
        As `check_unfitted`, and if the model does not load in a clean process.
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
        except Exception as error:  # noqa: BLE001  an estimator of anybody's raises whatever it likes
            log.info("%s: %s cannot be tried on %s rows: %s", pipeline.name, name, len(few), _one_line(error))
        else:
            _refuse_unkept(pipeline, name, own, model, few)


def _refuse_unkept(pipeline: Pipeline, name: str, own: OwnCandidate, model: Any, rows: pd.DataFrame | None) -> None:
    where = f"{pipeline.name}: training.own_candidates.{name}: a model of {own.estimator}"
    trusted = trusted_of(pipeline.training)
    with TemporaryDirectory(prefix="own-") as folder:
        path = Path(folder) / "model.skops"
        try:
            sha256 = save_model(model, path)
        except Exception as error:  # whatever an object says when it is asked for its state
            raise ConfigError(
                f"{where} cannot be written to a model file ({_one_line(error)}); keep what it holds as numbers, text, "
                "arrays and objects of classes that a module has at its top"
            ) from error
        foreign = foreign_types(path, trusted)
        hidden = [each for each in foreign if not _can_be_named(each)]
        if hidden:
            raise ConfigError(
                f"{where} holds {', '.join(hidden)}, to which no import path leads (as with a lambda, or what is "
                "defined in a function or a class), so it could not be loaded again; define it at the top of its module"
            )
        if foreign:
            raise ConfigError(
                f"{where} holds {', '.join(foreign)}, and a model file is loaded only if pipeline.yaml names each of "
                f"its types; if you trust them, add trusted_types: [{', '.join(foreign)}]"
            )
        try:
            load_model(path, sha256, trusted)
        except Exception as error:  # its own __setstate__ may raise whatever it likes
            reason = _one_line(error.__cause__ or error)
            raise ConfigError(f"{where} cannot be loaded from its model file ({reason}); correct its class") from error
        if rows is None or own.estimator.startswith("sklearn."):
            return
        expected = predict(model, rows, pipeline.training)
        again = measure_reload(path, sha256, pipeline.training, rows, expected, limit_seconds=PATIENCE_SECONDS)
    if again.error:
        raise ConfigError(
            f"{where} does not work in a clean process, such as the one that scores ({again.error}); put its module "
            "into the project's root or a package that is installed, and let its predictions rest on nothing but what "
            "it has learned"
        )


def _can_be_named(path: str) -> bool:
    """Return whether an import path leads somewhere."""
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
