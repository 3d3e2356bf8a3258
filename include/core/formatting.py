"""Numbers as texts for people."""

from __future__ import annotations

import math
from typing import Any


def format_share(value: float | None) -> str:
    """Return a share in percent; only an exact 0 or 1 becomes 0 % or 100 %."""
    if value is None:
        return "-"
    if 0 < value < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < value < 1 else f"{100 * value:.3g} %"


def format_number(value: Any) -> str:
    """Return a number with about four digits, and "-" where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
