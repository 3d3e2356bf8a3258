"""The schema of a source's `history` in pipeline.yaml: how a day is compared with the published days before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from include.config.section import Section, yaml_word


class HistoryCheck(Section):
    """One comparison of a day with the days before it."""

    severity: Annotated[
        Literal["warning", "critical", "off"],
        BeforeValidator(yaml_word, json_schema_input_type=Literal["warning", "critical", "off", False]),
    ] = "warning"
    limit: float = Field(gt=0, allow_inf_nan=False)


class Volume(HistoryCheck):
    """Rows beside the mean of the last four same weekdays, or beside the last snapshot."""

    limit: float = Field(default=0.4, gt=0, description="Share by which the rows may differ from that mean.")


class Freshness(HistoryCheck):
    """The newest `available_at`, beside the end of the day; a snapshot is not judged."""

    limit: float = Field(default=6, gt=0, description="Hours by which it may be earlier in its day than it used to be.")


class Nulls(HistoryCheck):
    """The share of nulls of each column."""

    limit: float = Field(default=0.1, gt=0, le=1, description="How much the share may be above the highest so far.")


class Distinct(HistoryCheck):
    """The number of distinct values of each column, and values that were never seen."""

    limit: float = Field(default=0.5, gt=0, description="Share by which it may be outside of what it used to be.")


class Distribution(HistoryCheck):
    """The population stability index of each column."""

    limit: float = Field(
        default=0.25,
        gt=0,
        description="PSI that may come on top of what is usual; 0.1 is a slight shift, 0.25 a great one.",
    )


class History(Section):
    """Comparisons of a day with the published days before it."""

    days: int = Field(default=28, ge=14, le=366, description="How many days back the comparisons look.")
    volume: Volume = Volume()
    freshness: Freshness = Freshness()
    nulls: Nulls = Nulls()
    distinct: Distinct = Distinct()
    distribution: Distribution = Distribution()

    @property
    def active(self) -> list[HistoryCheck]:
        """The comparisons that are made."""
        every = (self.volume, self.freshness, self.nulls, self.distinct, self.distribution)
        return [check for check in every if check.severity != "off"]
