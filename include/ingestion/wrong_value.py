"""What all casts share: the error for a value that is not of the declared type, and null for unwanted values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from include.config.sources import Infinity

#: The range of timestamps in the lake, in microseconds since 1970: the years 1 to 9999.
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999


class WrongValue(ValueError):
    """Raised for values that are not of the declared type, with the reason and the remedy."""

    def __init__(
        self, reason: str = "is not one", remedy: str = "correct the source, or the column's type in pipeline.yaml"
    ) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def in_range(times: pa.Array) -> pa.Array:
    """Refuse times outside the years 1 to 9999, which Python's dates do not cover."""
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    if bounds["min"] is not None and not FIRST_TIME <= bounds["min"] <= bounds["max"] <= LAST_TIME:
        raise WrongValue
    return times


def without(values: pa.Array, unwanted: pa.Array) -> pa.Array:
    """Return values with null in place of the unwanted ones."""
    return pc.if_else(unwanted, None, values) if pc.any(unwanted).as_py() else values


def without_infinite(values: pa.Array, infinite: pa.Array, infinity: Infinity) -> pa.Array:
    """Return values with null in place of the infinite ones, or refuse those."""
    if infinity == "refuse" and pc.any(infinite).as_py():
        raise WrongValue(
            "is infinite", "correct the source, or let it be null by contract: {infinity: null} in pipeline.yaml"
        )
    return without(values, infinite)


def all_true(conditions: pa.Array) -> bool:
    """Return whether all conditions are true or null."""
    return pc.all(conditions).as_py() is not False
