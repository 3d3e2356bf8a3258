"""A topic's messages are read by ranges of offsets, and each failure is one sentence.

The broker is librdkafka's mock one; see tests/services/broker.py for the question that it cannot answer.
"""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pyarrow as pa
import pytest

from include.config.sources.kafka_source import KafkaSource
from include.core.errors import SchemaMismatch, SourceUnreadable
from include.ingestion import kafka, topic
from include.ingestion.kafka import KafkaRead, read_kafka
from tests.services.broker import RETAINED_BYTES, Broker, TimedConsumer, running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.ingestion.source_reader import SourceRows
    from include.ingestion.topic import Offsets

SOURCE: dict[str, Any] = {
    "kind": "kafka",
    "connection": "shop",
    "topic": "sales",
    "key": ["number"],
    "available_at": "closed_at",
    "columns": {"number": "integer", "closed_at": "timestamp"},
}
START, END = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
DAY, DAY_BEFORE = "2024-01-02", "2024-01-01"
NOON, MOMENT = START + timedelta(hours=12), timedelta(milliseconds=1)
SECRET = "hunter2-of-the-shop"
WHERE = "shop: source 'sales'"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Return a broker of the test's own, and let consumers find the offsets of times."""
    monkeypatch.setattr(confluent_kafka, "Consumer", TimedConsumer)
    with running_broker() as broker:
        yield broker


def read(
    config: dict[str, Any],
    offsets: Offsets | None = None,
    since: Offsets | None = None,
    day: str = DAY,
    **source: Any,
) -> SourceRows[KafkaRead]:
    """Read a day of the shop's topic."""
    given = None if offsets is None else {day: offsets}
    return read_kafka(KafkaSource.model_validate(SOURCE | source), [day], config, WHERE, given, since)


def rows(delivery: SourceRows[KafkaRead]) -> list[dict[str, Any]]:
    """Return the rows of all chunks."""
    return [row for chunk in delivery.chunks for row in chunk.rows.to_pylist()]


def numbers(delivery: SourceRows[KafkaRead]) -> list[int]:
    """Return the field `number` of each row."""
    return [row["number"] for row in rows(delivery)]


def numbered(number: int) -> bytes:
    """Return the value of a message."""
    return json.dumps({"number": number}).encode()


def with_columns(*names: str) -> dict[str, str]:
    """Return declared columns that name some of those that a message itself fills."""
    kinds = {name: "timestamp" if name == "kafka_timestamp" else "integer" for name in names}
    return SOURCE["columns"] | kinds


def test_the_messages_from_the_start_until_before_the_end_are_read(broker: Broker) -> None:
    """The start is inclusive, the end is not, and the offsets are recorded."""
    for number, at in enumerate([START - MOMENT, START, NOON, END - MOMENT, END]):
        broker.send("sales", numbered(number), at)

    delivery = read(broker.config)

    assert numbers(delivery) == [1, 2, 3]
    offsets = {0: (1, 4), 1: (0, 0), 2: (0, 0), 3: (0, 0)}
    assert delivery.read_from == KafkaRead(topic="sales", offsets={DAY: offsets}, messages=3, tombstones=0)


def test_adjacent_days_share_no_message_and_miss_none(broker: Broker) -> None:
    """A message that is late, behind one of the next day, is read with that day."""
    late = [START - MOMENT, START, START - timedelta(hours=2), NOON]
    for number, at in enumerate(late):
        broker.send("sales", numbered(number), at)

    assert numbers(read(broker.config, day=DAY_BEFORE)) == [0]
    assert numbers(read(broker.config)) == [1, 2, 3]


def test_a_day_begins_where_the_day_before_ended(broker: Broker) -> None:
    """A message of the day before that arrived after that day was read belongs to this day."""
    broker.send("sales", numbered(0), START - 2 * MOMENT)
    before = read(broker.config, day=DAY_BEFORE)
    assert numbers(before) == [0]
    for number, at in enumerate([START - MOMENT, NOON], start=1):
        broker.send("sales", numbered(number), at)

    delivery = read(broker.config, since=before.read_from.offsets[DAY_BEFORE])

    assert [(chunk.delivered, chunk.rows["number"].to_pylist()) for chunk in delivery.chunks] == [(DAY, [1, 2])]


def test_several_days_are_read_one_after_another(broker: Broker) -> None:
    """Each day of a range has its own offsets, so that one of them can be read again alone."""
    for number, at in enumerate([START - MOMENT, START, NOON]):
        broker.send("sales", numbered(number), at)

    delivery = read_kafka(KafkaSource.model_validate(SOURCE), [DAY_BEFORE, DAY], broker.config, WHERE)

    chunks = [(chunk.delivered, chunk.rows["number"].to_pylist()) for chunk in delivery.chunks]
    assert chunks == [(DAY_BEFORE, [0]), (DAY, [1, 2])]
    assert {ds: held[0] for ds, held in delivery.read_from.offsets.items()} == {DAY_BEFORE: (0, 1), DAY: (1, 3)}


def test_a_day_that_is_not_over_is_read_until_the_last_message(broker: Broker) -> None:
    """If no message is at or after the end, the range ends with the partition."""
    broker.send("sales", numbered(0), START - MOMENT)
    broker.send("sales", numbered(1), NOON)

    delivery = read(broker.config)

    assert numbers(delivery) == [1]
    assert delivery.read_from.offsets[DAY][0] == (1, 2)


def test_a_day_without_messages_yields_no_chunk(broker: Broker) -> None:
    """Messages before and after the day do not belong to it."""
    broker.send("sales", numbered(0), START - MOMENT, partition=0)
    broker.send("sales", numbered(1), END, partition=1)

    delivery = read(broker.config)

    assert list(delivery.chunks) == []
    assert delivery.read_from.offsets[DAY] == {0: (1, 1), 1: (0, 0), 2: (0, 0), 3: (0, 0)}
    assert delivery.read_from.messages == 0


def test_messages_are_ordered_by_partition_and_offset(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows have the same order, however the messages arrived and whatever size the chunks have."""
    for number in range(7):
        broker.send("sales", numbered(number), NOON + number * MOMENT, partition=number % 3)
    monkeypatch.setattr(kafka, "CHUNK_MESSAGES", 2)

    chunks = list(read(broker.config).chunks)

    assert [chunk.rows["number"].to_pylist() for chunk in chunks] == [[0, 3], [6, 1], [4, 2], [5]]
    assert chunks[1].where == f"{WHERE}: topic 'sales', partition 0 offset 2 to partition 1 offset 0"


def test_given_offsets_are_read_whatever_arrived_since(broker: Broker) -> None:
    """A published day that is read again has the same messages, even if late ones are in its time range now."""
    for number in range(3):
        broker.send("sales", numbered(number), NOON, partition=number % 2)
    first = read(broker.config)
    assert numbers(first) == [0, 2, 1]
    broker.send("sales", numbered(3), NOON, partition=0)
    broker.send("sales", numbered(4), NOON, partition=3)

    again = read(broker.config, offsets=first.read_from.offsets[DAY])

    assert numbers(again) == [0, 2, 1]
    assert again.read_from == first.read_from


def test_only_the_given_partitions_are_read(broker: Broker) -> None:
    """A partition that did not exist when the day was published is not read."""
    for partition in range(4):
        broker.send("sales", numbered(partition), NOON, partition)

    assert numbers(read(broker.config, offsets={2: (0, 1), 1: (0, 1)})) == [1, 2]


def test_reading_ends_at_an_offset_that_holds_no_message(broker: Broker) -> None:
    """A transaction marker takes an offset: at the topic's end, and before the first message of the next day."""
    broker.send_transaction("sales", [numbered(0), numbered(1)], NOON)
    broker.send_transaction("sales", [numbered(2)], NOON)

    at_the_end = read(broker.config)
    assert numbers(at_the_end) == [0, 1, 2]
    assert at_the_end.read_from.offsets[DAY][0] == (0, 5)

    broker.send("sales", numbered(3), END)
    in_between = read(broker.config)
    assert numbers(in_between) == [0, 1, 2]
    assert in_between.read_from.offsets[DAY][0] == (0, 5)
    assert numbers(read(broker.config, offsets={0: (0, 3)})) == [0, 1]


def test_a_message_without_a_value_is_counted_and_left_out(broker: Broker) -> None:
    """A tombstone deletes a key of a compacted topic; it is not a row."""
    broker.send("sales", None, NOON)
    broker.send("sales", numbered(1), NOON)
    broker.send("sales", None, NOON)

    delivery = read(broker.config)

    assert numbers(delivery) == [1]
    assert (delivery.read_from.messages, delivery.read_from.tombstones) == (1, 2)


def test_columns_are_the_fields_of_all_messages_and_nested_values_are_text(broker: Broker) -> None:
    """A field that a message lacks is null; an object or a list becomes JSON text."""
    broker.send("sales", '{"number": 1, "store": {"name": "Köln", "tills": [1, 2]}}'.encode(), NOON)
    broker.send("sales", b'{"late": true, "number": 2.5}', NOON)

    (chunk,) = read(broker.config).chunks

    assert chunk.rows.column_names == ["number", "store", "late"]
    assert chunk.rows.to_pylist() == [
        {"number": 1, "store": '{"name": "Köln", "tills": [1, 2]}', "late": None},
        {"number": "2.5", "store": None, "late": True},
    ]


def test_declared_message_columns_are_added(broker: Broker) -> None:
    """So the time at which a message was written can be the row's `available_at`."""
    for number in range(2):
        broker.send("sales", numbered(number), NOON + number * MOMENT, partition=2)

    (chunk,) = read(broker.config, columns=with_columns(*kafka.MESSAGE_COLUMNS)).chunks
    (some,) = read(broker.config, columns=with_columns("kafka_offset")).chunks

    assert chunk.rows.schema.field("kafka_timestamp").type == pa.timestamp("ms", tz="UTC")
    assert chunk.rows.to_pylist()[1] == {
        "number": 1,
        "kafka_timestamp": NOON + MOMENT,
        "kafka_partition": 2,
        "kafka_offset": 1,
    }
    assert some.rows.column_names == ["number", "kafka_offset"]


def test_a_field_with_the_name_of_a_declared_message_column_is_refused(broker: Broker) -> None:
    """It would be unclear which of the two the column holds; undeclared, the field is like any other."""
    broker.send("sales", b'{"number": 1, "kafka_offset": 7}', NOON)

    assert rows(read(broker.config)) == [{"number": 1, "kafka_offset": 7}]
    with pytest.raises(SchemaMismatch, match="topic 'sales' have a field 'kafka_offset', which is the name of a col"):
        rows(read(broker.config, columns=with_columns("kafka_offset")))


def test_text_that_is_not_unicode_is_refused(broker: Broker) -> None:
    """The error names the column and the place of the messages."""
    broker.send("sales", rb'{"number": "\ud800"}', NOON)

    with pytest.raises(SchemaMismatch, match="column 'number' holds text that is not Unicode") as told:
        rows(read(broker.config))
    assert str(told.value).startswith(f"{WHERE}: topic 'sales', partition 0 offset 0 to partition 0 offset ")


@pytest.mark.parametrize(
    "value", [b"", b"number=1", b"[1]", b"1", b"{}", b'{"n": 1, "n": 2}', b'{"n": "\xff"}', b'{"n": 1}\n{"n": 2}']
)
def test_a_value_that_is_not_a_json_object_is_refused_with_its_place(broker: Broker, value: bytes) -> None:
    """Topic, partition and offset lead to the message; its text may be anything and is not shown."""
    broker.send("sales", numbered(0), NOON, partition=1)
    broker.send("sales", value, NOON, partition=1)

    with pytest.raises(SourceUnreadable, match="topic 'sales', partition 1, offset 1 is not one JSON object") as told:
        rows(read(broker.config))
    assert not told.value.retryable


@pytest.fixture
def forgotten(broker: Broker) -> int:
    """Let a topic forget its first messages, and return the first offset that it still holds."""
    value = json.dumps({"number": 0, "text": "a" * 900_000}).encode()
    for _ in range(RETAINED_BYTES // len(value) + 2):
        broker.send("sales", value, NOON)
    with_ends = confluent_kafka.Consumer(broker.config | {"group.id": "tests"})
    low, _ = with_ends.get_watermark_offsets(confluent_kafka.TopicPartition("sales", 0), timeout=10)
    with_ends.close()
    assert low > 0
    return low


def test_offsets_that_retention_removed_are_an_error(broker: Broker, forgotten: int) -> None:
    """A published day that the topic no longer holds completely is not read in part."""
    gone = f"does not hold the offsets 0 to {forgotten - 1} of partition 0"
    with pytest.raises(SourceUnreadable, match=gone) as told:
        rows(read(broker.config, offsets={0: (0, forgotten + 1)}))
    assert not told.value.retryable
    assert numbers(read(broker.config, offsets={0: (forgotten, forgotten + 1)})) == [0]


def test_a_day_whose_first_messages_may_be_gone_is_read_with_a_warning(
    broker: Broker, forgotten: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows whether retention removed messages of the day; the number of rows is checked later."""
    with caplog.at_level("WARNING"):
        assert rows(read(broker.config))

    assert f"holds nothing before offset {forgotten} of partition 0, so messages of 2024-01-02 may be" in caplog.text


@pytest.mark.parametrize(
    ("partition", "reached", "what"),
    [(0, 0, "it holds nothing before offset {forgotten}"), (0, 99, "it ends at offset "),
     (9, 4, "it ends at offset 0")],
    ids=["removed", "made anew", "with fewer partitions"],
)  # fmt: skip
def test_a_day_that_does_not_continue_where_the_day_before_ended_is_refused(
    broker: Broker, forgotten: int, caplog: pytest.LogCaptureFixture, partition: int, reached: int, what: str
) -> None:
    """Messages removed before they were read are lost, and a recreated topic reuses offsets that were read before.

    Both days were published without a word, one without its first rows and one without any.
    """
    since = {partition: (0, reached)}

    with pytest.raises(SourceUnreadable, match=rf"was read up to offset {reached} of partition {partition} of") as told:
        rows(read(broker.config, since=since))
    assert what.format(forgotten=forgotten) in str(told.value)
    assert not told.value.retryable
    left = numbers(read(broker.config, since=since, lost_messages="accept"))
    assert left == numbers(read(broker.config))
    assert (
        "the remaining messages are read by their timestamps, as lost_messages in pipeline.yaml allows" in caplog.text
    )


@pytest.mark.parametrize(("offsets", "gone"), [({0: (0, 3)}, "1 to 2 of partition 0"), ({9: (4, 6)}, "4 to 5 of")])
def test_offsets_that_a_recreated_topic_lacks_are_an_error(broker: Broker, offsets: Offsets, gone: str) -> None:
    """A topic with fewer messages or partitions than were read earlier is another topic."""
    broker.send("sales", numbered(0), NOON)

    with pytest.raises(SourceUnreadable, match=f"does not hold the offsets {gone}"):
        rows(read(broker.config, offsets=offsets))


@pytest.mark.parametrize("offsets", [None, {0: (0, 1)}])
def test_an_unknown_topic_is_an_error(broker: Broker, offsets: Offsets | None) -> None:
    """Reading does not create it, and a retry would not help."""
    delivery = read(broker.config | {"allow.auto.create.topics": "true"}, offsets=offsets, topic="sale")

    with pytest.raises(SourceUnreadable, match="topic 'sale' does not exist on connection 'shop'") as told:
        rows(delivery)
    assert not told.value.retryable


def test_brokers_that_do_not_respond_are_retried(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the client's reason and is retryable."""
    monkeypatch.setattr(topic, "RESPONSE_SECONDS", 1)
    broker.stop()

    with pytest.raises(SourceUnreadable, match=r"Kafka did not respond on connection 'shop': .*refused") as told:
        rows(read(broker.config))
    assert told.value.retryable
    assert "\n" not in str(told.value)


def test_brokers_that_stop_during_reading_are_retried(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """No message arrives before the range's end, so reading gives up after a while."""
    for partition in range(2):
        broker.send("sales", numbered(partition), NOON, partition)
    monkeypatch.setattr(kafka, "CHUNK_MESSAGES", 1)
    chunks = read(broker.config).chunks
    assert next(chunks).rows["number"].to_pylist() == [0]
    broker.stop()
    monkeypatch.setattr(topic, "QUIET_SECONDS", 0.5)

    with pytest.raises(SourceUnreadable, match="Kafka did not respond on connection 'shop'") as told:
        next(chunks)
    assert told.value.retryable


def test_a_broker_that_sends_no_messages_is_an_error_with_the_place(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the client gives no reason, the error names the offset at which reading stopped."""

    class Silent(TimedConsumer):
        def poll(self, timeout: float = 0) -> None:
            """Receive nothing."""

    broker.send("sales", numbered(0), NOON, partition=3)
    monkeypatch.setattr(confluent_kafka, "Consumer", Silent)
    monkeypatch.setattr(topic, "QUIET_SECONDS", 0)

    with pytest.raises(SourceUnreadable, match="no message for 0 seconds at offset 0 of 1 in partition 3") as told:
        rows(read(broker.config, offsets={3: (0, 1)}))
    assert told.value.retryable


@pytest.mark.parametrize("password", [SECRET, "Handshake"])
def test_a_refused_user_is_an_error_without_the_password(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """The mock broker refuses all users, with a sentence that contains the second password; a retry would not help."""
    monkeypatch.setattr(topic, "RESPONSE_SECONDS", 1)
    user = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "reader"}

    with pytest.raises(SourceUnreadable, match=r"Kafka refuses connection 'shop': .*SASL") as told:
        rows(read(broker.config | user | {"sasl.password": password}))
    assert not told.value.retryable
    assert password not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sasl.pasword": SECRET}, r" \('sasl.pasword'\)"),
        ({"security.protocol": SECRET}, r" \('security.protocol'\)"),
        ({"security.protocol": "ssl", "ssl.key.pem": SECRET}, r" \('ssl.key.pem'\)"),
        ({"stats_cb": "shop.callbacks.statistics"}, r" \('stats_cb'\)"),
        ({"session.timeout.ms": [SECRET]}, r" \('session.timeout.ms'\)"),
    ],
)
def test_settings_that_the_client_refuses_are_named_without_their_values(settings: dict[str, Any], named: str) -> None:
    """The client names the unknown value in its own sentence; the cause in the log hides it."""
    delivery = read({"bootstrap.servers": "127.0.0.1:9"} | settings)

    with pytest.raises(SourceUnreadable, match=f"connection 'shop' makes no Kafka client{named}; correct") as told:
        rows(delivery)
    assert SECRET not in str(told.value)
    assert SECRET not in "".join(traceback.format_exception(told.value))


def test_nothing_is_requested_before_the_first_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows can be prepared without a broker; what was read is known when it was read."""
    monkeypatch.setattr(confluent_kafka, "Consumer", None)
    delivery = read({"bootstrap.servers": "127.0.0.1:9"})

    with pytest.raises(RuntimeError, match="only when all chunks were read"):
        _ = delivery.read_from


@pytest.mark.parametrize("how", ["exhausted", "left", "failed"])
def test_the_consumer_is_closed_however_reading_ends(broker: Broker, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A consumer that stays open keeps its threads and connections."""
    made = []

    class Remembered(TimedConsumer):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            made.append(self)

    monkeypatch.setattr(confluent_kafka, "Consumer", Remembered)
    monkeypatch.setattr(kafka, "CHUNK_MESSAGES", 1)
    broker.send("sales", numbered(0), NOON)
    broker.send("sales", b"" if how == "failed" else numbered(1), NOON)
    chunks = read(broker.config).chunks
    next(chunks)
    if how == "left":
        chunks.close()
    elif how == "failed":
        with pytest.raises(SourceUnreadable):
            next(chunks)
    else:
        assert len(list(chunks)) == 1

    with pytest.raises(RuntimeError, match="closed"):
        made[0].poll(0)


def test_a_message_that_is_not_an_object_may_be_skipped(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """One broken message need not block its day forever: it is skipped, and its offset is recorded."""
    for number, value in enumerate([numbered(0), b"not json", b"[1]", numbered(3)]):
        broker.send("sales", value, NOON + number * MOMENT)

    delivery = read(broker.config, bad_messages="skip")

    assert numbers(delivery) == [0, 3]
    assert (delivery.read_from.messages, delivery.read_from.skipped) == (2, {0: [1, 2]})
    assert "offset 1 is not one JSON object in UTF-8, each key once, and was skipped" in caplog.text
