"""A team's own estimators, named by their import paths."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from include.core.errors import ConfigError
from include.core.import_path import import_named
from include.core.suggestions import unknown_name
from include.training.candidates.candidate import Candidate, Params

if TYPE_CHECKING:
    import optuna

    from include.config.training import OwnCandidate, Parameter, Training
    from include.training.columns import FeatureColumns


def own_candidate(name: str, own: OwnCandidate, training: Training) -> Candidate:
    """Return the candidate that an entry of training.own_candidates describes.

    It gets the pipeline's seed and threads if it has random_state and n_jobs and pipeline.yaml does not set them.

    Raises
    ------
    ConfigError
        If its class cannot be imported, does not take a parameter, or does not suit the task.
    """
    where = f"training.own_candidates.{name}"
    kind = _import_class(where, own.estimator)
    _check_parameters(where, own, kind)
    defaults = {parameter: _default(kind, parameter, range_) for parameter, range_ in own.search.items()}

    def suggest(trial: optuna.Trial) -> Params:
        return {parameter: _suggest(trial, parameter, range_) for parameter, range_ in own.search.items()}

    def estimator(columns: FeatureColumns, training: Training, params: Params, threads: int) -> Any:
        made = kind(**own.params, **params)
        free = made.get_params(deep=False).keys() - own.params.keys() - params.keys()
        fixed = {"random_state": training.seed, "n_jobs": threads}
        return made.set_params(**{parameter: value for parameter, value in fixed.items() if parameter in free})

    try:
        example = kind(**own.params, **defaults)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{where}: {own.estimator} cannot be made with these params ({type(error).__name__}: {error}); correct them"
        ) from error
    _check_task(where, own, example, training)
    # scikit-learn's estimators take any class labels; other libraries may not
    needs_codes = not own.estimator.startswith("sklearn.")
    return Candidate(name, own.preprocess, defaults, suggest, estimator, needs_codes=needs_codes)


def _import_class(where: str, path: str) -> Any:
    kind = import_named(where, path, "estimator")
    if not (inspect.isclass(kind) and hasattr(kind, "get_params") and hasattr(kind, "fit")):
        raise ConfigError(
            f"{where}: {path} is not a scikit-learn estimator (a class with fit and get_params); name one"
        )
    return kind


def _check_parameters(where: str, own: OwnCandidate, kind: Any) -> None:
    taken = inspect.signature(kind.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return  # such as LightGBM's: the signature does not list all parameters
    known = sorted(taken.keys() - {"self"})
    for field in ("params", "search"):
        for name in getattr(own, field):
            if name not in known:
                raise ConfigError(f"{where}.{field}: {own.estimator}: {unknown_name('parameter', name, known)}")


def _check_task(where: str, own: OwnCandidate, estimator: Any, training: Training) -> None:
    from sklearn.utils import get_tags

    path = own.estimator
    try:
        tags = get_tags(estimator)
        kind, allows_nan = tags.estimator_type, tags.input_tags.allow_nan
    except (AttributeError, TypeError):  # the library follows an older scikit-learn
        kind, allows_nan = getattr(estimator, "_estimator_type", None), True
    needed = "classifier" if training.classifies else "regressor"
    if kind != needed:
        raise ConfigError(f"{where}: {path} is not a {needed}, which the task {training.task} needs; name one")
    if training.classifies and not hasattr(estimator, "predict_proba"):
        raise ConfigError(
            f"{where}: {path} has no predict_proba with these parameters, and the task {training.task} needs "
            "probabilities; choose another class, or the parameter that enables them"
        )
    if own.preprocess == "ordinal" and path.startswith("sklearn.") and not allows_nan:
        raise ConfigError(
            f"{where}: {path} does not accept missing values, and preprocess: ordinal does not fill them; set "
            "preprocess to scaled"
        )


def _suggest(trial: optuna.Trial, name: str, range_: Parameter) -> Any:
    if range_.choices is not None:
        return trial.suggest_categorical(name, range_.choices)
    low, high, whole = _ends(range_)
    if whole:
        return trial.suggest_int(name, int(low), int(high), log=range_.log)
    return trial.suggest_float(name, low, high, log=range_.log)


def _ends(range_: Parameter) -> tuple[float, float, bool]:
    """Return both ends of a range, and whether it holds integers only."""
    low, high = range_.low, range_.high
    if low is None or high is None:
        raise ValueError("a range needs both ends; the schema requires them")
    return low, high, isinstance(low, int) and isinstance(high, int)


def _default(kind: Any, name: str, range_: Parameter) -> Any:
    """Return the class's own default if the search may draw it, else the middle of the range."""
    parameter = inspect.signature(kind.__init__).parameters.get(name)
    usual = parameter.default if parameter else inspect.Parameter.empty
    if range_.choices is not None:
        return next((each for each in range_.choices if _is_same(each, usual)), range_.choices[0])
    low, high, whole = _ends(range_)
    if isinstance(usual, (int, float)) and not isinstance(usual, bool) and low <= usual <= high:
        if not whole:
            return float(usual)
        if isinstance(usual, int):
            return usual
    middle = (low * high) ** 0.5 if range_.log else (low + high) / 2
    return round(middle) if whole else float(middle)


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
