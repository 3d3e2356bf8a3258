"""Reads messages for a range of days from a Kafka topic.

A day is a range of offsets in each partition. It begins where the day before ended, if that is known, otherwise at the
first message whose timestamp is in the day. It ends at the first message whose timestamp is at or after the day's end.
So a late message, behind one of the next day, belongs to the next day, and no message is lost. The reader commits no
offsets and joins no consumer group.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion.days import bounds
from include.ingestion.read_record import ReadRecord
from include.ingestion.source_reader import Chunk, SourceReader, SourceRows
from include.ingestion.topic import Offsets, Topic
from include.ingestion.values import parse_json, records_table

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa
    from confluent_kafka import Message

    from include.config.sources.kafka_source import KafkaSource
    from include.core.connections import ClientSettings, Connections
    from include.ingestion.source_reader import ReadRequest
    from include.ingestion.values import Record

#: Messages of a chunk.
CHUNK_MESSAGES = 10_000

#: Columns for the parts of a message other than its value; each is added if it is declared.
MESSAGE_COLUMNS = ("kafka_timestamp", "kafka_partition", "kafka_offset")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KafkaRead(ReadRecord):
    """What was read of a topic.

    Attributes
    ----------
    offsets
        By ISO day, the ranges that were read.
    messages, tombstones
        Numbers of messages with a value, and of those without one, which are left out.
    skipped
        By partition, the offsets of messages that are not one JSON object.
    """

    topic: str
    offsets: dict[str, Offsets]
    messages: int
    tombstones: int
    skipped: dict[int, list[int]] = field(default_factory=dict)


@dataclass
class _Counts:
    """What is counted while messages are read."""

    messages: int = 0
    tombstones: int = 0
    skipped: dict[int, list[int]] = field(default_factory=dict)


class KafkaReader(SourceReader["KafkaSource", KafkaRead]):
    """Reads the messages of a topic."""

    record = KafkaRead

    def read(self, request: ReadRequest, connections: Connections) -> SourceRows[KafkaRead]:
        """Read the messages of the requested days; a day that was published before is read by the same offsets."""
        config = connections.kafka(self.source.connection)
        offsets = {ds: found for ds in request.days if (found := _published_offsets(request, ds)) is not None}
        since = _published_offsets(request, (request.start - timedelta(days=1)).isoformat())
        return read_kafka(self.source, request.days, config, request.where, offsets, since)


def _published_offsets(request: ReadRequest, ds: str) -> Offsets | None:
    """Return the offsets that a day was published from."""
    read = request.published_from(ds)
    return read.offsets.get(ds) if isinstance(read, KafkaRead) else None


def read_kafka(
    source: KafkaSource,
    days: list[str],
    config: ClientSettings,
    where: str,
    offsets: dict[str, Offsets] | None = None,
    since: Offsets | None = None,
) -> SourceRows[KafkaRead]:
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
        By day, the ranges to read instead of a range of timestamps, such as those of an earlier batch.
    since
        The ranges of the day before the first day, if they are known.

    Raises
    ------
    SourceUnreadable
        While the chunks are read, if the topic cannot be read, no longer has the offsets, or has a message whose value
        is not one JSON object; retryable if the brokers did not respond.
    SchemaMismatch
        While the chunks are read, if a text is not valid Unicode, or a value has a field with the name of one of
        MESSAGE_COLUMNS.
    """
    return SourceRows(_chunks(source, days, config, where, offsets or {}, since or {}))


def _chunks(
    source: KafkaSource,
    days: list[str],
    config: ClientSettings,
    where: str,
    offsets: dict[str, Offsets],
    since: Offsets,
) -> Generator[Chunk, None, KafkaRead]:
    topic = Topic(source, config, where)
    ranges_by_day: dict[str, Offsets] = {}
    counts = _Counts()
    try:
        for ds in days:
            if ds in offsets:
                ranges = topic.check_offsets(offsets[ds])
            else:
                ranges = topic.between(*bounds(date.fromisoformat(ds), date.fromisoformat(ds)), since)
            since = ranges_by_day[ds] = ranges
            for messages in _batched_messages(topic, ranges, source, counts, where):
                yield _chunk(messages, source, ds, where)
    finally:
        topic.close()
    return KafkaRead(
        topic=source.topic,
        offsets=ranges_by_day,
        messages=counts.messages,
        tombstones=counts.tombstones,
        skipped=counts.skipped,
    )


def _batched_messages(
    topic: Topic, ranges: Offsets, source: KafkaSource, counts: _Counts, where: str
) -> Iterator[list[tuple[Message, Record]]]:
    """Yield the messages of some ranges with the fields of their values, some thousand at a time."""
    messages: list[tuple[Message, Record]] = []
    for partition, (first, end) in ranges.items():
        for message in topic.messages(partition, first, end):
            value = message.value()
            if value is None:
                counts.tombstones += 1
                continue
            try:
                messages.append((message, _fields(value)))
            except ValueError as error:
                _skip_or_raise(message, source, counts, where, error)
                continue
            counts.messages += 1
            if len(messages) == CHUNK_MESSAGES:
                yield messages
                messages = []
    if messages:
        yield messages


def _chunk(read: list[tuple[Message, Record]], source: KafkaSource, ds: str, where: str) -> Chunk:
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


def _fields(value: bytes) -> Record:
    """Return the fields of a message's value; raise ValueError if it is not a JSON object."""
    fields = parse_json(value.decode("utf-8"))
    if not isinstance(fields, dict) or not fields:
        raise ValueError("it is not an object with fields")
    return fields


def _skip_or_raise(message: Message, source: KafkaSource, counts: _Counts, where: str, error: ValueError) -> None:
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
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "a message that was read has a partition"
    assert offset is not None, "a message that was read has an offset"
    counts.skipped.setdefault(partition, []).append(offset)
    log.warning("%s, and was skipped, as bad_messages in pipeline.yaml allows", sentence)


def _table(rows: list[Record], own: list[str], messages: list[Message], where: str) -> pa.Table:
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
