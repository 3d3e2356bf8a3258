"""A Kafka topic: the offsets of a range of days, the messages, and the errors of the brokers."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Any

from include.core.errors import SourceUnreadable
from include.core.redaction import hide_secrets, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from confluent_kafka import KafkaError, Message

    from include.config.sources.kafka_source import KafkaSource
    from include.core.connections import ClientSettings

#: How long the brokers may take to respond to a question about topics or offsets.
RESPONSE_SECONDS = 10

#: How long to wait for the next message of a range.
QUIET_SECONDS = 60

#: Settings that a connection may override. The group is never joined, but a broker may require its name from a user.
DEFAULTS = {"group.id": "nightshift", "log_level": 2}

#: Settings that reading a range of offsets depends on.
FIXED = {
    "allow.auto.create.topics": False,
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
}

#: Errors that a retry may clear, and errors of a user or a certificate, which a retry cannot clear.
NO_RESPONSE = {
    *("_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_TRANSPORT", "_WAIT_COORD"),
    *("BROKER_NOT_AVAILABLE", "LEADER_NOT_AVAILABLE", "NETWORK_EXCEPTION", "NOT_LEADER_FOR_PARTITION"),
    *("OFFSET_NOT_AVAILABLE", "REPLICA_NOT_AVAILABLE", "REQUEST_TIMED_OUT"),
}
REFUSED = {
    *("_AUTHENTICATION", "_SSL", "ILLEGAL_SASL_STATE", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"),
    *("CLUSTER_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"),
}
UNKNOWN_TOPIC = {"_UNKNOWN_TOPIC", "TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PART"}

_SECRET = re.compile(r"password|secret|token|key|pem|oauthbearer|jaas")

log = logging.getLogger(__name__)

#: By partition, the first offset of a range, and the one after its last.
Offsets = dict[int, tuple[int, int]]


class Topic:
    """A topic, and the consumer that reads it."""

    def __init__(self, source: KafkaSource, config: ClientSettings, where: str) -> None:
        from confluent_kafka import Consumer, KafkaException

        self.name, self.connection, self.where = source.topic, source.connection, where
        self.accepts_losses = source.lost_messages == "accept"
        self.secrets = [
            value for key, value in config.items() if value and isinstance(value, str) and _SECRET.search(key)
        ]
        self.client_errors: list[KafkaError] = []
        try:
            self.consumer = Consumer(DEFAULTS | config | FIXED | {"error_cb": self.client_errors.append})
        except (KafkaException, TypeError, ValueError) as error:
            named = sorted(f"'{key}'" for key in config if key in str(error))
            if isinstance(error, KafkaException) and not named:
                named = [error.args[0].name()]
            reason = f" ({', '.join(named)})" if named else ""
            raise SourceUnreadable(
                f"{where}: the extra field of connection '{self.connection}' makes no Kafka client{reason}; "
                "correct it; nothing was published"
            ) from redacted(error, lambda text: hide_secrets(text, map(str, config.values())))

    def close(self) -> None:
        """Close the connections to the brokers."""
        self.consumer.close()

    def between(self, start: datetime, end: datetime, since: Offsets) -> Offsets:
        """Return each partition's range of offsets for a range of times, beginning where the previous range ended.

        Raises
        ------
        SourceUnreadable
            If the topic no longer has what follows the previous range, unless the source accepts that.
        """
        held = {partition: self._watermarks(partition) for partition in self._partitions()}
        firsts, ends = self._offsets_at(start, list(held)), self._offsets_at(end, list(held))
        ranges = {}
        for known, (_, reached) in since.items():
            low, high = held.get(known, (0, 0))
            if not low <= reached <= high:
                self._lost(known, reached, low, high)
        for partition, (low, high) in held.items():
            first = firsts[partition] if firsts[partition] >= 0 else high  # negative: no message is that late
            if partition in since and low <= since[partition][1] <= high:
                first = since[partition][1]
            ranges[partition] = first, max(first, ends[partition] if ends[partition] >= 0 else high)
            if first == low > 0 and partition not in since:
                log.warning(
                    "%s: topic '%s' holds nothing before offset %d of partition %d, so messages of %s may be gone",
                    self.where,
                    self.name,
                    low,
                    partition,
                    f"{start:%Y-%m-%d}",
                )
        return ranges

    def _lost(self, partition: int, reached: int, low: int, high: int) -> None:
        """Raise for a partition that does not continue where the day before ended; warn if the source accepts it."""
        state = f"it holds nothing before offset {low}" if low > reached else f"it ends at offset {high}"
        sentence = (
            f"{self.where}: the day before was read up to offset {reached} of partition {partition} of topic "
            f"'{self.name}' on connection '{self.connection}', and {state}; its retention removed messages before they "
            "were read, or it was made anew"
        )
        if not self.accepts_losses:
            raise SourceUnreadable(
                f"{sentence}; to ingest what is left, set lost_messages: accept in pipeline.yaml; nothing was published"
            )
        log.warning(
            "%s; the remaining messages are read by their timestamps, as lost_messages in pipeline.yaml allows",
            sentence,
        )

    def check_offsets(self, offsets: Offsets) -> Offsets:
        """Return ranges of offsets that were read before, sorted; raise if the topic no longer holds them."""
        there, ranges = self._partitions(), dict(sorted(offsets.items()))
        for partition, (first, end) in ranges.items():
            low, high = self._watermarks(partition) if partition in there else (0, 0)
            if first < end and not low <= first < end <= high:
                gone = (first, min(low, end) - 1) if first < low else (max(first, high), end - 1)
                raise SourceUnreadable(
                    f"{self.where}: topic '{self.name}' on connection '{self.connection}' does not hold the offsets "
                    f"{gone[0]} to {gone[1]} of partition {partition}, which these days were published from; "
                    "its retention removed them or it was made anew; nothing was published"
                )
        return ranges

    def messages(self, partition: int, first: int, end: int) -> Iterator[Message]:
        """Yield a partition's messages from offset `first` to before `end`."""
        from confluent_kafka import KafkaError, TopicPartition

        if first < end:
            self.consumer.assign([TopicPartition(self.name, partition, first)])
        position, quiet_since = first, time.monotonic()
        # counting messages is not enough: transaction markers and compaction leave gaps in the offsets
        while position < end:
            message = self.consumer.poll(1)
            if message is None:
                if time.monotonic() - quiet_since > QUIET_SECONDS:
                    raise self._timed_out(partition, position, end)
                continue
            error, offset = message.error(), message.offset()
            if error and error.code() != KafkaError._PARTITION_EOF:
                raise self._unreadable(error)
            assert offset is not None, "a message and a partition's end have an offset"
            if error:
                position = max(position, offset)
                continue
            position = offset + 1
            if position <= end:
                yield message
            self.client_errors.clear()
            quiet_since = time.monotonic()

    def _partitions(self) -> list[int]:
        topic = self._call(self.consumer.list_topics, self.name).topics[self.name]
        errors = [topic.error, *(partition.error for partition in topic.partitions.values())]
        if error := next(filter(None, errors), None):
            raise self._unreadable(error)
        return sorted(topic.partitions)

    def _watermarks(self, partition: int) -> tuple[int, int]:
        from confluent_kafka import TopicPartition

        return self._call(self.consumer.get_watermark_offsets, TopicPartition(self.name, partition))

    def _offsets_at(self, moment: datetime, partitions: list[int]) -> dict[int, int]:
        from confluent_kafka import TopicPartition

        milliseconds = int(moment.timestamp() * 1000)
        asked = [TopicPartition(self.name, partition, milliseconds) for partition in partitions]
        found = self._call(self.consumer.offsets_for_times, asked)
        if error := next((place.error for place in found if place.error), None):
            raise self._unreadable(error)
        return {place.partition: place.offset for place in found}

    def _call(self, request: Callable[..., Any], about: Any) -> Any:
        from confluent_kafka import KafkaException

        try:
            return request(about, timeout=RESPONSE_SECONDS)
        except KafkaException as error:
            raise self._unreadable(error.args[0]) from error

    def _unreadable(self, error: KafkaError) -> SourceUnreadable:
        error = self._cause(error)
        reason = error.str().splitlines()[0]
        for secret in self.secrets:
            reason = reason.replace(secret, "***")
        topic, connection = f"topic '{self.name}'", f"connection '{self.connection}'"
        if error.name() in NO_RESPONSE:
            sentence = f"Kafka did not respond on {connection}: {reason}; check that its brokers run and can be reached"
        elif error.name() in REFUSED:
            sentence = f"Kafka refuses {connection}: {reason}; correct its extra field, or let its user read {topic}"
        elif error.name() in UNKNOWN_TOPIC:
            sentence = f"{topic} does not exist on {connection}; correct the source's topic or its connection"
        else:
            sentence = f"{topic} cannot be read on {connection}: {reason}; correct the topic or the connection"
        unreadable = SourceUnreadable(f"{self.where}: {sentence}; nothing was published")
        unreadable.retryable = error.name() in NO_RESPONSE
        return unreadable

    def _cause(self, error: KafkaError) -> KafkaError:
        """Return the reason why the brokers did not respond, which the client reports apart from the failing call."""
        if error.name() not in NO_RESPONSE:
            return error
        self.consumer.poll(0)
        refusals = [each for each in self.client_errors if each.name() in REFUSED]
        reasons = [each for each in self.client_errors if each.name() != "_ALL_BROKERS_DOWN"]
        return [error, *reasons, *refusals][-1]

    def _timed_out(self, partition: int, position: int, end: int) -> SourceUnreadable:
        from confluent_kafka import KafkaError

        reason = f"no message for {QUIET_SECONDS:g} seconds at offset {position} of {end} in partition {partition}"
        return self._unreadable(KafkaError(KafkaError._TIMED_OUT, reason))
