"""The schema of a source's `history` in pipeline.yaml: how a day is compared with earlier published days."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from include.config.section import Section, yaml_word


class HistoryCheck(Section):
    """One comparison of a day with earlier days."""

    severity: Annotated[
        Literal["warning", "critical", "off"],
        BeforeValidator(yaml_word, json_schema_input_type=Literal["warning", "critical", "off", False]),
    ] = "warning"
    limit: float = Field(gt=0, allow_inf_nan=False)


class Volume(HistoryCheck):
    """Compares the number of rows with the mean of the last four same weekdays, or with the last snapshot."""

    limit: float = Field(default=0.4, gt=0, description="Maximum relative difference from that mean.")


class Freshness(HistoryCheck):
    """Compares how long before the day's end the newest `available_at` is; does not apply to a snapshot."""

    limit: float = Field(default=6, gt=0, description="How many hours earlier than usual the newest row may be.")


class Nulls(HistoryCheck):
    """Compares the share of nulls in each column."""

    limit: float = Field(default=0.1, gt=0, le=1, description="How far the share may exceed the highest earlier share.")


class Distinct(HistoryCheck):
    """Compares the number of distinct values in each column, and looks for values that are new."""

    limit: float = Field(default=0.5, gt=0, description="Maximum relative difference from the earlier range.")


class Distribution(HistoryCheck):
    """Compares each column's distribution by its population stability index (PSI)."""

    limit: float = Field(
        default=0.25,
        gt=0,
        description="PSI allowed in addition to the usual variation; 0.1 is slight drift, 0.25 strong drift.",
    )


class History(Section):
    """Comparisons of a day with earlier published days."""

    days: int = Field(default=28, ge=14, le=366, description="How many days the comparisons look back.")
    volume: Volume = Volume()
    freshness: Freshness = Freshness()
    nulls: Nulls = Nulls()
    distinct: Distinct = Distinct()
    distribution: Distribution = Distribution()

    @property
    def active(self) -> list[HistoryCheck]:
        """The comparisons that are not switched off."""
        every = (self.volume, self.freshness, self.nulls, self.distinct, self.distribution)
        return [check for check in every if check.severity != "off"]
