"""The schema of a source of kind `kafka`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.config.sources.base import BaseSource


class KafkaSource(BaseSource):
    """JSON messages of a Kafka topic, behind an Airflow `kafka` connection; a day by the messages' timestamps."""

    reader = "include.ingestion.kafka.KafkaReader"
    kind: Literal["kafka"]
    topic: str = Field(min_length=1)
    bad_messages: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="What happens to a message whose value is not one JSON object: refuse its day, or skip it and "
        "record its offset in the manifest.",
    )
    lost_messages: Literal["refuse", "accept"] = Field(
        default="refuse",
        description="What happens to a day whose first messages the topic no longer holds, because its retention "
        "removed them or the topic was recreated: refuse the day, or accept the remaining messages with a warning.",
    )

    @property
    def sparse(self) -> bool:
        """Always: a message may leave out a field that is null."""
        return True
