"""A gate to hold evidence against."""

from __future__ import annotations

import pytest

from include.config.gate import Gate


@pytest.fixture
def gate() -> Gate:
    """Return a gate that the evidence of `factories.evidence` passes."""
    return Gate(minimum=0.6, min_holdout_rows=500, slices=["store"], sensitive=["store"])
