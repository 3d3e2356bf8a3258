"""Numbers that may be NaN, which JSON writes as null; see `JsonDocument.to_json`."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator

#: A float that may be NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
