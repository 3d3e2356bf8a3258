"""Which columns of a feature table are features, and whether they are numeric or categorical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from include.core.errors import TrainingImpossible

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import pandas as pd

    from include.config.pipeline import Pipeline


@dataclass(frozen=True)
class FeatureColumns:
    """The feature columns of a model, in the feature table's order."""

    numeric: list[str]
    categorical: list[str]

    @property
    def all(self) -> list[str]:
        """All columns, the numeric ones first: the order in which a model sees them."""
        return [*self.numeric, *self.categorical]

    def known_in(self, rows: pd.DataFrame) -> FeatureColumns:
        """Return the columns that have a value in at least one row."""
        known = rows[self.all].notna().any()
        return self.among([name for name in self.all if known[name]])

    def among(self, names: Collection[str]) -> FeatureColumns:
        """Return the columns with the given names."""
        return FeatureColumns(
            [name for name in self.numeric if name in names], [name for name in self.categorical if name in names]
        )


def kind_of(dtype: Any) -> Literal["number", "text"] | None:
    """Return whether a model treats a pandas type as a number or as text; None if it accepts neither."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype, is_object_dtype, is_string_dtype

    if is_numeric_dtype(dtype) or is_bool_dtype(dtype):
        return "number"
    return "text" if is_string_dtype(dtype) or is_object_dtype(dtype) else None


def feature_columns(pipeline: Pipeline, frame: pd.DataFrame) -> FeatureColumns:
    """Return the columns of `frame` except key, prediction time, label, group and excluded columns.

    Raises
    ------
    TrainingImpossible
        If a column is neither a number, a boolean nor text.
    """
    numeric, categorical, unusable = [], [], []
    kept_out = pipeline.kept_out
    for name in frame.columns:
        if name in kept_out:
            continue
        dtype = frame[name].dtype
        kind = kind_of(dtype)
        if kind == "number":
            numeric.append(name)
        elif kind == "text":
            categorical.append(name)
        else:
            unusable.append(f"'{name}' ({dtype})")
    if unusable:
        raise TrainingImpossible(
            f"{pipeline.name}: the feature table's column {', '.join(unusable)} is neither a number nor text; "
            f"convert it in {pipeline.features.query} (such as to an hour or a number of days), or name it in "
            "features.exclude"
        )
    return FeatureColumns(numeric, categorical)


def groups_of(pipeline: Pipeline, frame: pd.DataFrame) -> np.ndarray | None:
    """Return the group number of each row, of shape (n_rows,); None if training.group is not set.

    Raises
    ------
    TrainingImpossible
        If the column is missing, or null in some row.
    """
    import pandas as pd

    name = pipeline.training.group
    if name is None:
        return None
    if name not in frame.columns:
        raise TrainingImpossible(
            f"{pipeline.name}: training.group is '{name}', and the feature table has no such column; select it in "
            f"{pipeline.features.query}"
        )
    groups, _ = pd.factorize(frame[name])
    unknown = int((groups < 0).sum())
    if unknown:
        raise TrainingImpossible(
            f"{pipeline.name}: training.group is '{name}', which is null in {unknown:,} of {len(frame):,} rows, and a "
            f"row without a group belongs to neither side of a split; fill it or drop the rows in "
            f"{pipeline.features.query}"
        )
    return groups
