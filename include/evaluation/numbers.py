"""Numbers on their way to JSON and back: a NaN is null there."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

#: A float that may be NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


def without_nan(value: Any) -> Any:
    """Return JSON types as they are, but null where a float is not finite."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
