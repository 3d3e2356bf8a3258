"""Reads messages for a range of days from a Kafka topic.

A day is a range of offsets in each partition. It begins where the day before ended, if that is known, otherwise at the
first message whose timestamp is in the day. It ends at the first message whose timestamp is at or after the day's end.
So a late message, behind one of the next day, belongs to the next day, and no message is lost. The reader commits no
offsets and joins no consumer group.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.days import bounds
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.topic import Topic
from include.ingestion.values import parse_json, records_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from confluent_kafka import Message

    from include.config.sources.kafka_source import KafkaSource
    from include.core.connections import Connections
    from include.ingestion.source_reader import ReadRequest
    from include.ingestion.topic import Offsets

#: Messages of a chunk.
CHUNK_MESSAGES = 10_000

#: Columns for the parts of a message other than its value; each is added if it is declared.
MESSAGE_COLUMNS = ("kafka_timestamp", "kafka_partition", "kafka_offset")

log = logging.getLogger(__name__)


class KafkaReader(SourceReader["KafkaSource"]):
    """Reads the messages of a topic."""

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows:
        """Read the messages of the requested days; a day that was published before is read by the same offsets."""
        config = connections.kafka(self.source.connection)
        offsets = {ds: found for ds in request.days if (found := _published_offsets(request, ds)) is not None}
        since = _published_offsets(request, (request.start - timedelta(days=1)).isoformat())
        return read_kafka(self.source, request.days, config, request.where, offsets, since)


def _published_offsets(request: ReadRequest, ds: str) -> Offsets | None:
    """Return the offsets that a day was published from."""
    return (request.published_from(ds) or {}).get("offsets", {}).get(ds)


def read_kafka(
    source: KafkaSource,
    days: list[str],
    config: dict[str, Any],
    where: str,
    offsets: dict[str, Offsets] | None = None,
    since: Offsets | None = None,
) -> SourceRows:
    """Read the messages of some days, partition by partition, in their order.

    Parameters
    ----------
    days
        ISO days, in order and without a gap.
    config
        Settings of the confluent-kafka client.
    where
        The pipeline, source and days, for an error's sentence.
    offsets
        By day and partition, the offsets `[from, to]` (`to` exclusive) to read instead of a range of timestamps, such
        as an earlier batch's `read_from["offsets"]`.
    since
        By partition, the offsets of the day before the first day, if they are known.

    Returns
    -------
    SourceRows
        `read_from` has the `topic`, the `offsets`, the number of `messages` with a value and of `tombstones` without
        one, which are left out, and the offsets of `skipped` messages. The errors are raised while the chunks are read.

    Raises
    ------
    SourceUnreadable
        If the topic cannot be read, no longer has the offsets, or has a message whose value is not one JSON object;
        retryable if the brokers did not respond.
    SchemaMismatch
        If a text is not valid Unicode, or a value has a field with the name of one of MESSAGE_COLUMNS.
    """
    read_from: dict[str, Any] = {"topic": source.topic, "offsets": {}, "messages": 0, "tombstones": 0, "skipped": {}}
    return SourceRows(_chunks(source, days, config, where, offsets or {}, since or {}, read_from), read_from)


def _chunks(
    source: KafkaSource,
    days: list[str],
    config: dict[str, Any],
    where: str,
    offsets: dict[str, Offsets],
    since: Offsets,
    read_from: dict[str, Any],
) -> Iterator[Chunk]:
    topic = Topic(source, config, where)
    try:
        for ds in days:
            if ds in offsets:
                ranges = topic.check_offsets(offsets[ds])
            else:
                ranges = topic.between(*bounds(date.fromisoformat(ds), date.fromisoformat(ds)), since)
            since = {str(partition): [first, end] for partition, (first, end) in ranges.items()}
            read_from["offsets"][ds] = since
            for messages in _batched_messages(topic, ranges, source, read_from, where):
                yield _chunk(messages, source, ds, where)
    finally:
        topic.close()


def _batched_messages(
    topic: Topic, ranges: dict[int, tuple[int, int]], source: KafkaSource, read_from: dict[str, Any], where: str
) -> Iterator[list[tuple[Message, dict[str, Any]]]]:
    """Yield the messages of some ranges with the fields of their values, some thousand at a time."""
    messages: list[tuple[Message, dict[str, Any]]] = []
    for partition, (first, end) in ranges.items():
        for message in topic.messages(partition, first, end):
            value = message.value()
            if value is None:
                read_from["tombstones"] += 1
                continue
            try:
                messages.append((message, _fields(value)))
            except ValueError as error:
                _skip_or_raise(message, source, read_from, where, error)
                continue
            read_from["messages"] += 1
            if len(messages) == CHUNK_MESSAGES:
                yield messages
                messages = []
    if messages:
        yield messages


def _chunk(read: list[tuple[Message, dict[str, Any]]], source: KafkaSource, ds: str, where: str) -> Chunk:
    messages, rows = [message for message, _ in read], [fields for _, fields in read]
    names = {name for row in rows for name in row}
    own = [name for name in MESSAGE_COLUMNS if name in source.columns]
    if twice := [name for name in own if name in names]:
        raise SchemaMismatch(
            f"{where}: messages of topic '{source.topic}' have a field '{twice[0]}', which is the name of a column "
            "that Nightshift adds; rename the field, or take the column from `columns`; nothing was published"
        )
    first, last = (f"partition {end.partition()} offset {end.offset()}" for end in (messages[0], messages[-1]))
    place = f"{where}: topic '{source.topic}', {first} to {last}"
    return Chunk(_table(rows, own, messages, place), place, ds)


def _fields(value: bytes) -> dict[str, Any]:
    """Return the fields of a message's value; raise ValueError if it is not a JSON object."""
    fields = parse_json(value.decode("utf-8"))
    if not isinstance(fields, dict) or not fields:
        raise ValueError("it is not an object with fields")
    return fields


def _skip_or_raise(
    message: Message, source: KafkaSource, read_from: dict[str, Any], where: str, error: ValueError
) -> None:
    """Record a message that is not one JSON object as skipped, or raise if the source does not allow that."""
    sentence = (
        f"{where}: the value of the message at topic '{message.topic()}', partition {message.partition()}, offset "
        f"{message.offset()} is not one JSON object in UTF-8, each key once"
    )
    if source.bad_messages == "refuse":
        raise SourceUnreadable(
            f"{sentence}; correct the producer of the topic, or skip such messages by bad_messages: skip in "
            "pipeline.yaml; nothing was published"
        ) from error
    read_from["skipped"].setdefault(str(message.partition()), []).append(message.offset())
    log.warning("%s, and was skipped, as bad_messages in pipeline.yaml allows", sentence)


def _table(rows: list[dict[str, Any]], own: list[str], messages: list[Message], where: str) -> pa.Table:
    import pyarrow as pa

    table = records_table(rows, where)
    read = {
        "kafka_timestamp": lambda message: message.timestamp()[1] if message.timestamp()[0] else None,
        "kafka_partition": lambda message: message.partition(),
        "kafka_offset": lambda message: message.offset(),
    }
    for name in own:
        kind = pa.timestamp("ms", tz="UTC") if name == "kafka_timestamp" else pa.int64()
        table = table.append_column(name, pa.array([read[name](message) for message in messages], kind))
    return table
