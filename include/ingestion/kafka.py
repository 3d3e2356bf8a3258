"""Reads the messages of a range of days from a Kafka topic.

A day's delivery is a range of each partition's offsets: from where the day before ended, as far as that is known, else
from the first message whose timestamp is in the day, to the first one whose timestamp is at or after its end. So a
message that comes late, behind one of the next day, is delivered with that next day, and none is left out. Nothing is
committed, and no consumer group is joined.
"""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import date
from typing import TYPE_CHECKING, Any

from include.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.days import bounds
from include.ingestion.delivery import Chunk, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import pyarrow as pa
    from confluent_kafka import KafkaError, Message

    from include.config import KafkaSource

#: Messages of a chunk.
CHUNK_MESSAGES = 10_000

#: How long the brokers may take to answer what topics and offsets they have.
ANSWER_SECONDS = 10

#: How long no message may come before the last one of a range.
QUIET_SECONDS = 60

#: What a message has besides its value, where a column of that name is declared.
MESSAGE_COLUMNS = ("kafka_timestamp", "kafka_partition", "kafka_offset")

#: Settings that a connection may choose. The group is only named, since a broker may let a user read as one group only.
DEFAULTS = {"group.id": "nightshift", "log_level": 2}

#: Settings that reading a range of offsets depends on.
FIXED = {
    "allow.auto.create.topics": False,
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
}

#: Errors that may be gone at the next try, and those of a user or a certificate, which a retry cannot mend.
NO_ANSWER = {
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
Offsets = dict[str, list[int]]


def read_kafka(
    source: KafkaSource,
    days: list[str],
    config: dict[str, Any],
    where: str,
    offsets: dict[str, Offsets] | None = None,
    since: Offsets | None = None,
) -> Delivery:
    """Read the messages of some days, partition by partition, in their order.

    Parameters
    ----------
    days
        ISO days, in order and without a gap.
    config
        Settings of the confluent-kafka client.
    where
        What is read, for the error's sentence.
    offsets
        By day and partition, the offsets `[from, to]` (`to` exclusive) to read instead of those of the times,
        such as an earlier delivery's `read_from["offsets"]`.
    since
        By partition, the offsets of the day before the first, where they are known.

    Returns
    -------
    Delivery
        Its `read_from` has `topic`, `offsets`, `messages` (those with a value) and `tombstones` (those without,
        which are left out), and the offsets of those that were `skipped`. Reading its chunks raises the errors.

    Raises
    ------
    SourceUnreadable
        If the topic cannot be read, offsets are gone, or a message's value is not one JSON object; retryable
        where the brokers did not answer.
    SchemaMismatch
        If a column holds values of several types, or a value has a field that is named as one of MESSAGE_COLUMNS.
    """
    read_from: dict[str, Any] = {"topic": source.topic, "offsets": {}, "messages": 0, "tombstones": 0, "skipped": {}}
    return Delivery(_chunks(source, days, config, where, offsets or {}, since or {}, read_from), read_from)


def _chunks(
    source: KafkaSource,
    days: list[str],
    config: dict[str, Any],
    where: str,
    offsets: dict[str, Offsets],
    since: Offsets,
    read_from: dict[str, Any],
) -> Iterator[Chunk]:
    topic = _Topic(source, config, where)
    try:
        for ds in days:
            if ds in offsets:
                ranges = topic.held(offsets[ds])
            else:
                ranges = topic.between(*bounds(date.fromisoformat(ds), date.fromisoformat(ds)), since)
            since = {str(partition): [first, end] for partition, (first, end) in ranges.items()}
            read_from["offsets"][ds] = since
            for messages in _gathered(topic, ranges, source, read_from, where):
                yield _chunk(messages, source, ds, where)
    finally:
        topic.close()


def _gathered(
    topic: _Topic, ranges: dict[int, tuple[int, int]], source: KafkaSource, read_from: dict[str, Any], where: str
) -> Iterator[list[tuple[Message, dict[str, Any]]]]:
    """Yield the messages of ranges that have a value, with its fields, some thousand at a time."""
    messages: list[tuple[Message, dict[str, Any]]] = []
    for partition, (first, end) in ranges.items():
        for message in topic.messages(partition, first, end):
            if message.value() is None:
                read_from["tombstones"] += 1
                continue
            try:
                messages.append((message, _fields(message)))
            except ValueError as error:
                _pass_over(message, source, read_from, where, error)
                continue
            read_from["messages"] += 1
            if len(messages) == CHUNK_MESSAGES:
                yield messages
                messages = []
    if messages:
        yield messages


class _Topic:
    """A topic, and the consumer that reads it."""

    def __init__(self, source: KafkaSource, config: dict[str, Any], where: str) -> None:
        from confluent_kafka import Consumer, KafkaException

        self.name, self.connection, self.where = source.topic, source.connection, where
        self.secrets = [
            value for key, value in config.items() if value and isinstance(value, str) and _SECRET.search(key)
        ]
        self.heard: list[KafkaError] = []
        try:
            self.consumer = Consumer(DEFAULTS | config | FIXED | {"error_cb": self.heard.append})
        except (KafkaException, TypeError, ValueError) as error:
            # the client's own sentence shows the value of what it refuses
            named = sorted(f"'{key}'" for key in config if key in str(error))
            if isinstance(error, KafkaException) and not named:
                named = [error.args[0].name()]
            reason = f" ({', '.join(named)})" if named else ""
            raise SourceUnreadable(
                f"{where}: the extra field of connection '{self.connection}' makes no Kafka client{reason}; "
                "correct it; nothing was published"
            ) from None

    def close(self) -> None:
        self.consumer.close()

    def between(self, start: datetime, end: datetime, since: Offsets) -> dict[int, tuple[int, int]]:
        """Return each partition's range of offsets for a range of times, from where the range before it ended."""
        held = {partition: self._watermarks(partition) for partition in self._partitions()}
        firsts, ends = self._offsets_at(start, list(held)), self._offsets_at(end, list(held))
        ranges = {}
        for partition, (low, high) in held.items():
            first = firsts[partition] if firsts[partition] >= 0 else high  # negative: none is that late
            if str(partition) in since:
                first = max(low, min(high, since[str(partition)][1]))
            ranges[partition] = first, max(first, ends[partition] if ends[partition] >= 0 else high)
            if first == low > 0:
                log.warning(
                    "%s: topic '%s' holds nothing before offset %d of partition %d, so messages of %s may be gone",
                    *(self.where, self.name, low, partition, f"{start:%Y-%m-%d}"),
                )
        return ranges

    def held(self, offsets: dict[str, list[int]]) -> dict[int, tuple[int, int]]:
        """Return ranges of offsets that were read before, if the topic still holds them."""
        ranges = {int(partition): (first, end) for partition, (first, end) in offsets.items()}
        there = self._partitions()
        for partition, (first, end) in sorted(ranges.items()):
            low, high = self._watermarks(partition) if partition in there else (0, 0)
            if first < end and not low <= first < end <= high:
                gone = (first, min(low, end) - 1) if first < low else (max(first, high), end - 1)
                raise SourceUnreadable(
                    f"{self.where}: topic '{self.name}' on connection '{self.connection}' does not hold the offsets "
                    f"{gone[0]} to {gone[1]} of partition {partition}, which these days were published from; "
                    "its retention removed them or it was made anew; nothing was published"
                )
        return dict(sorted(ranges.items()))

    def messages(self, partition: int, first: int, end: int) -> Iterator[Message]:
        """Yield a partition's messages from one offset to before another."""
        from confluent_kafka import KafkaError, TopicPartition

        if first < end:
            self.consumer.assign([TopicPartition(self.name, partition, first)])
        position, quiet_since = first, time.monotonic()
        # counting messages would not do: a transaction's marks and what compaction removed are gaps in the offsets
        while position < end:
            message = self.consumer.poll(1)
            if message is None:
                if time.monotonic() - quiet_since > QUIET_SECONDS:
                    raise self._quiet(partition, position, end)
                continue
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise self._unreadable(error)
                position = max(position, message.offset())
                continue
            position = message.offset() + 1
            if position <= end:
                yield message
            self.heard.clear()
            quiet_since = time.monotonic()

    def _partitions(self) -> list[int]:
        topic = self._ask(self.consumer.list_topics, self.name).topics[self.name]
        errors = [topic.error, *(partition.error for partition in topic.partitions.values())]
        if error := next(filter(None, errors), None):
            raise self._unreadable(error)
        return sorted(topic.partitions)

    def _watermarks(self, partition: int) -> tuple[int, int]:
        from confluent_kafka import TopicPartition

        return self._ask(self.consumer.get_watermark_offsets, TopicPartition(self.name, partition))

    def _offsets_at(self, moment: datetime, partitions: list[int]) -> dict[int, int]:
        from confluent_kafka import TopicPartition

        milliseconds = int(moment.timestamp() * 1000)
        asked = [TopicPartition(self.name, partition, milliseconds) for partition in partitions]
        found = self._ask(self.consumer.offsets_for_times, asked)
        if error := next((place.error for place in found if place.error), None):
            raise self._unreadable(error)
        return {place.partition: place.offset for place in found}

    def _ask(self, question: Callable[..., Any], about: Any) -> Any:
        from confluent_kafka import KafkaException

        try:
            return question(about, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise self._unreadable(error.args[0]) from error

    def _unreadable(self, error: KafkaError) -> SourceUnreadable:
        error = self._cause(error)
        reason = error.str().splitlines()[0]
        for secret in self.secrets:
            reason = reason.replace(secret, "***")
        topic, connection = f"topic '{self.name}'", f"connection '{self.connection}'"
        if error.name() in NO_ANSWER:
            sentence = f"Kafka did not answer on {connection}: {reason}; see that its brokers run and are reached"
        elif error.name() in REFUSED:
            sentence = f"Kafka refuses {connection}: {reason}; correct its extra field, or let its user read {topic}"
        elif error.name() in UNKNOWN_TOPIC:
            sentence = f"{topic} does not exist on {connection}; correct the source's topic or its connection"
        else:
            sentence = f"{topic} cannot be read on {connection}: {reason}; correct the topic or the connection"
        unreadable = SourceUnreadable(f"{self.where}: {sentence}; nothing was published")
        unreadable.retryable = error.name() in NO_ANSWER
        return unreadable

    def _cause(self, error: KafkaError) -> KafkaError:
        """Return why the brokers did not answer, which the client tells apart from the failing call."""
        if error.name() not in NO_ANSWER:
            return error
        self.consumer.poll(0)
        refusals = [heard for heard in self.heard if heard.name() in REFUSED]
        told = [heard for heard in self.heard if heard.name() != "_ALL_BROKERS_DOWN"]
        return [error, *told, *refusals][-1]

    def _quiet(self, partition: int, position: int, end: int) -> SourceUnreadable:
        from confluent_kafka import KafkaError

        reason = f"no message for {QUIET_SECONDS:g} seconds at offset {position} of {end} in partition {partition}"
        return self._unreadable(KafkaError(KafkaError._TIMED_OUT, reason))


def _chunk(read: list[tuple[Message, dict[str, Any]]], source: KafkaSource, ds: str, where: str) -> Chunk:
    messages, rows = [message for message, _ in read], [fields for _, fields in read]
    names = list(dict.fromkeys(name for row in rows for name in row))
    own = [name for name in MESSAGE_COLUMNS if name in source.columns]
    if twice := [name for name in own if name in names]:
        raise SchemaMismatch(
            f"{where}: messages of topic '{source.topic}' have a field '{twice[0]}', which is the name of a column "
            "that Nightshift adds; rename the field, or take the column from `columns`; nothing was published"
        )
    first, last = (f"partition {end.partition()} offset {end.offset()}" for end in (messages[0], messages[-1]))
    place = f"{where}: topic '{source.topic}', {first} to {last}"
    return Chunk(_table(names, rows, own, messages, place), place, ds)


def _fields(message: Message) -> dict[str, Any]:
    """Return the fields of a message's value, nested ones as JSON text; a ValueError says that it is no object."""
    try:
        fields = json.loads(message.value().decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(fields, dict) or not fields:
        raise ValueError("it is no object with fields")
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in fields.items()
    }


def _pass_over(message: Message, source: KafkaSource, read_from: dict[str, Any], where: str, error: ValueError) -> None:
    """Note a message that is not one JSON object, where the source allows it, or refuse it."""
    told = (
        f"{where}: the value of the message at topic '{message.topic()}', partition {message.partition()}, offset "
        f"{message.offset()} is not one JSON object in UTF-8"
    )
    if source.bad_messages == "refuse":
        raise SourceUnreadable(
            f"{told}; correct what writes the topic, or pass over such messages by bad_messages: skip in "
            "pipeline.yaml; nothing was published"
        ) from error
    read_from["skipped"].setdefault(str(message.partition()), []).append(message.offset())
    log.warning("%s, and is left out, as bad_messages in pipeline.yaml allows", told)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _table(
    names: list[str], rows: list[dict[str, Any]], own: list[str], messages: list[Message], where: str
) -> pa.Table:
    import pyarrow as pa

    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError) as error:
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            what = f"values of several types ({', '.join(kinds)})" if len(kinds) > 1 else f"a {kinds[0]} out of bounds"
            raise SchemaMismatch(
                f"{where}: column '{name}' holds {what}; let what writes the topic use one type; nothing was published"
            ) from error
    read = {
        "kafka_timestamp": lambda message: message.timestamp()[1] if message.timestamp()[0] else None,
        "kafka_partition": lambda message: message.partition(),
        "kafka_offset": lambda message: message.offset(),
    }
    for name in own:
        kind = pa.timestamp("ms", tz="UTC") if name == "kafka_timestamp" else pa.int64()
        columns[name] = pa.array([read[name](message) for message in messages], kind)
    return pa.table(columns)
