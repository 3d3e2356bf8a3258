"""The model file: written by skops, loaded only when its digest and every type in it are known.

A skops file names the types that it holds instead of running code to rebuild them, as a pickle does.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from typing import TYPE_CHECKING

from include.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from sklearn.pipeline import Pipeline as Model

    from include.training_config import Training

#: Types beyond those that skops itself holds harmless, which models of our families consist of. Only
#: functools.partial can call something, and what it calls must be in this list as well. A booster of XGBoost
#: and a model of CatBoost are bytes that their library reads as trees, as LightGBM reads its text.
ALLOWED_TYPES = [
    "catboost.core.CatBoostClassifier",
    "catboost.core.CatBoostRegressor",
    "collections.OrderedDict",
    "functools.partial",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
]


def save_model(model: Model, path: Path) -> str:
    """Write a fitted model to a file and return the file's SHA-256, as 64 hexadecimal digits."""
    _skops_io().dump(model, path, compression=zipfile.ZIP_DEFLATED)
    return _sha256(path)


def trusted_of(training: Training) -> list[str]:
    """Return the packages of a pipeline's own estimators: pipeline.yaml names them, so their types may be loaded."""
    return sorted({own.estimator.partition(".")[0] for own in training.own_candidates.values()})


def load_model(path: Path, sha256: str, also: Iterable[str] = ()) -> Model:
    """Load a model whose file has the given SHA-256 and holds allowed types only.

    Parameters
    ----------
    also
        Packages whose types are allowed as well, see `trusted_of`.

    Raises
    ------
    ModelRefused
        In every other case; nothing of the file has then been executed.
    """
    skops_io = _skops_io()
    found = _sha256(path)
    if found != sha256:
        raise ModelRefused(
            f"{path.name} has the SHA-256 {found[:12]}… and the registered one is {sha256[:12]}…: the file was "
            "changed after it was written; restore it, or register the model again"
        )
    try:
        found_types, packages = set(skops_io.get_untrusted_types(file=path)), set(also)
        own = {each for each in found_types if each.partition(".")[0] in packages}
        foreign = sorted(found_types - own - set(ALLOWED_TYPES))
        if not foreign:
            return skops_io.load(path, trusted=[*ALLOWED_TYPES, *sorted(own)])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelRefused(f"{path.name} is not a model file ({error}); register the model again") from error
    raise ModelRefused(
        f"{path.name} holds types that no model of Nightshift has ({', '.join(foreign[:5])}), so it was not loaded"
    )


def _skops_io() -> ModuleType:
    """Import skops quietly: it asks every loaded module for names, and Airflow's warn of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io

    return skops.io


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
