"""A built-in family of models: one module each, with everything that is particular to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from include.config.training import Training
    from include.training.candidates.candidate import Candidate


@dataclass(frozen=True)
class Family:
    """A family that pipeline.yaml can name.

    It is the constant `FAMILY` of a module with the family's name, in `include/training/candidates/built_in/`, or in
    `extras/` if requirements-extras.txt installs its library. The schema of pipeline.yaml lists these folders.

    Attributes
    ----------
    first_trial
        Rank of its first trial in a search: families that fit quickly come first.
    make
        Returns the candidate for the pipeline's task and metric.
    package
        Import name of the library that its estimators come from; None for scikit-learn.
    model_types
        Types in its model files beyond those that skops trusts by itself. The file is loaded only if each is listed,
        so list exact names of types that hold data and run no code of the file.
    shap_values
        Computes the estimator's own SHAP values of encoded rows, in log-odds for classes: an array of shape
        (n_rows, n_columns + 1) with the base in the last column. None where its predictions are sampled instead.
    register_onnx
        Registers the converters of its estimators with skl2onnx; None where skl2onnx has them, or nobody does.
    """

    name: str
    first_trial: int
    make: Callable[[Training], Candidate]
    package: str | None = None
    model_types: tuple[str, ...] = ()
    shap_values: Callable[[Any, Any], np.ndarray] | None = None
    register_onnx: Callable[[], None] | None = None
