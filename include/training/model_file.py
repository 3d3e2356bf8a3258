"""The model file: written by skops, loaded only if its digest and every type in it are known.

A skops file names the types it holds, where a pickle runs code to rebuild its objects.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
import zipfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

from include.core.errors import ModelRefused
from include.training.candidates import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from sklearn.pipeline import Pipeline as Model

    from include.config.training import Training

#: Types that a model file may hold beyond those that skops trusts by itself. Only functools.partial can call
#: something, and what it calls must be in this list as well.
ALLOWED_TYPES = sorted(
    {
        "functools.partial",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils.validation.check_array",
        *(name for family in FAMILIES.values() for name in family.model_types),
    }
)

_DISTANCES = "Chebyshev", "Euclidean", "Manhattan", "Minkowski"
_KERNELS = (
    *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern", "PairwiseKernel"),
    *("Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
)
#: Further parts of scikit-learn's own estimators, by package: trees, distances, kernels and losses, which hold numbers
#: and call nothing. They are allowed only if an own candidate has a class of that package.
_PARTS_OF_SKLEARN = {
    "sklearn.gaussian_process": [
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
    ],
    "sklearn.linear_model": [
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
    ],
    "sklearn.neighbors": [
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        *(f"sklearn.metrics._dist_metrics.{name}Distance{bits}" for name in _DISTANCES for bits in (32, 64)),
    ],
    "sklearn.neural_network": [
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    ],
}


def save_model(model: Model, path: Path) -> str:
    """Write a fitted model to a file and return the file's SHA-256 as 64 hexadecimal digits."""
    _skops_io().dump(model, path, compression=zipfile.ZIP_DEFLATED)
    return _sha256(path)


def trusted_of(training: Training) -> list[str]:
    """Return the exact types that the model files of a pipeline may hold in addition, for its own estimators.

    They are the classes and trusted_types that pipeline.yaml names, under the names that a model file uses. Nothing
    else of their packages is included.
    """
    found: set[str] = set()
    for own in training.own_candidates.values():
        kind = _import_or_none(own.estimator)
        if inspect.isclass(kind):
            found |= {part for each in kind.__mro__ for part in _PARTS_OF_SKLEARN.get(_package(each), [])}
        for path in (own.estimator, *own.trusted_types):
            found.add(_name_in_file(_import_or_none(path)) or path)
    return sorted(found)


def _import_or_none(path: str) -> Any:
    """Return what an import path names; None if it cannot be imported, which leaves other models loadable."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit):  # noqa: BLE001  importing a module runs it, which may raise anything
        return None


def _name_in_file(imported: Any) -> str | None:
    """Return the name of a class or function in the module that defines it, which may differ from the import path."""
    module, name = getattr(imported, "__module__", None), getattr(imported, "__name__", None)
    return f"{module}.{name}" if module and name else None


def _package(kind: type) -> str:
    return ".".join(kind.__module__.split(".")[:2])


def load_model(path: Path, sha256: str, also: Iterable[str] = ()) -> Model:
    """Load a model if its file has the given SHA-256 and holds only allowed types.

    Parameters
    ----------
    also
        Exact names of further allowed types, see `trusted_of`.

    Raises
    ------
    ModelRefused
        In every other case; nothing in the file has been executed.
    """
    skops_io = _skops_io()
    found = _sha256(path)
    if found != sha256:
        raise ModelRefused(
            f"{path.name} has the SHA-256 {found[:12]}… and the registered one is {sha256[:12]}…: the file was "
            "changed after it was written; restore it, or register the model again"
        )
    try:
        foreign = foreign_types(path, also)
        if not foreign:
            return skops_io.load(path, trusted=[*ALLOWED_TYPES, *also])
    except ImportError as error:
        raise ModelRefused(
            f"{path.name} holds a type that cannot be imported here ({error}); install its package, or put its module "
            "where Python finds it in every process that loads the model"
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelRefused(f"{path.name} is not a model file ({error}); register the model again") from error
    raise ModelRefused(
        f"{path.name} holds types that no model of Nightshift has ({', '.join(foreign[:5])}), so it was not loaded"
    )


def foreign_types(path: Path, also: Iterable[str] = ()) -> list[str]:
    """Return the types in a model file that are not allowed, see `load_model`; nothing is loaded."""
    return sorted(set(_skops_io().get_untrusted_types(file=path)) - {*ALLOWED_TYPES, *also})


def _skops_io() -> ModuleType:
    """Import skops without warnings: it asks every loaded module for names, and Airflow's modules warn of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io

    return skops.io


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
