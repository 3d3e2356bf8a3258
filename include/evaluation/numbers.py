"""Numbers in JSON: NaN is written as null and read back as NaN."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

#: A float that may be NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


def without_nan(value: Any) -> Any:
    """Return JSON types unchanged, except for floats that are not finite, which become None."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
