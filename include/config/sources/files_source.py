"""The schema of a source of kind `files`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from include.config.section import yaml_word
from include.config.sources.base import BaseSource
from include.config.sources.day_fields import DAY_FIELDS, names_a_day

_WHETHER = BeforeValidator(yaml_word, json_schema_input_type=Literal["if_present", "required", "off", False])


class FilesSource(BaseSource):
    """CSV, JSON lines or Parquet files below the folder of an Airflow connection, local or an object store."""

    reader = "include.ingestion.files.FilesReader"
    kind: Literal["files"]
    path: str = Field(
        description="Path below the connection's folder, with * and ** as wildcards; {ds} stands for the day "
        "(2013-01-31), {year}, {month} and {day} for its parts."
    )
    format: Literal["csv", "jsonl", "parquet"] | None = Field(
        default=None, description="Default: the ending of the file's name, without .gz, .bz2, .zst or .zip."
    )
    checksum: Annotated[Literal["if_present", "required", "off"], _WHETHER] = Field(
        default="if_present",
        description="Whether a file must match the checksum in its companion file <file>.sha256, .sha512, .sha1 or "
        ".md5, as sha256sum writes it.",
    )
    row_count: Annotated[Literal["if_present", "required", "off"], _WHETHER] = Field(
        default="if_present",
        description="Whether a file must have the number of rows in its companion file <file>.rows or <file>.count.",
    )
    complete_when: str | None = Field(
        default=None,
        description="Path of a file that exists once all files of a day have arrived, such as visits/{ds}/_SUCCESS; no "
        "file of the day is read earlier.",
    )

    @property
    def sparse(self) -> bool:
        """Whether the files hold JSON records."""
        name = re.sub(r"\.(gz|bz2|zst|zip)$", "", self.path)
        return self.format == "jsonl" or (self.format is None and name.endswith((".jsonl", ".ndjson", ".json")))

    @model_validator(mode="after")
    def _names_its_day(self) -> FilesSource:
        if self.arrives != "snapshot" and not names_a_day(self.path):
            raise ValueError(
                f"path '{self.path}' does not name the day; write {{ds}} (2013-01-31) in it, or {{year}}, {{month}} "
                "and {day}, such as {year}/{month}/{day}; only the path of a snapshot names no day"
            )
        if self.arrives == "snapshot" and any(f"{{{field}}}" in self.path for field in DAY_FIELDS):
            raise ValueError("path may not contain the day if the source arrives as a snapshot")
        if self.complete_when and self.arrives != "snapshot" and not names_a_day(self.complete_when):
            raise ValueError(
                f"complete_when '{self.complete_when}' does not name the day, so one day's file would complete all "
                "days; write {ds} (2013-01-31) in it, or {year}, {month} and {day}"
            )
        return self
