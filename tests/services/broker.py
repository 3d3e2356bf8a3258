"""A Kafka broker of the tests' own: librdkafka's mock one, in this process, on 127.0.0.1.

It stores, serves and forgets messages, and takes transactions, whose marks are gaps in the offsets. Asked for the
offset of a time it always answers that there is none, so `TimedConsumer` answers in its place, by what Kafka's protocol
says: the first offset whose message has the timestamp or a later one. So nothing here proves, as a true broker would,
how a time's offset is found, that aborted transactions are left out, or that a user is let in.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Producer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

#: What the mock broker keeps of a partition before it forgets the oldest messages.
RETAINED_BYTES = 5 * 1024 * 1024


class Broker:
    """A running broker with topics of four partitions, that are made when a message is sent to them."""

    def __init__(self) -> None:
        self._cluster: Producer | None = Producer({"test.mock.num.brokers": 1, "log_level": 2})
        brokers = self._cluster.list_topics(timeout=60).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})

    @property
    def config(self) -> dict[str, Any]:
        """The client's settings, as a connection's extra field has them; a test need not wait for more messages."""
        return {"bootstrap.servers": self.servers, "fetch.wait.max.ms": 10}

    def send(self, topic: str, value: bytes | None, at: datetime, partition: int = 0) -> None:
        """Append a message to a partition."""
        self._producer.produce(topic, value, partition=partition, timestamp=_milliseconds(at))
        assert self._producer.flush(10) == 0

    def send_transaction(self, topic: str, values: list[bytes], at: datetime, partition: int = 0) -> None:
        """Append messages and, behind them, the mark of their transaction's end."""
        producer = Producer({"bootstrap.servers": self.servers, "transactional.id": "tests", "log_level": 0})
        producer.init_transactions(10)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, partition=partition, timestamp=_milliseconds(at))
        producer.commit_transaction(10)

    def stop(self) -> None:
        """End the broker, and its connections with it."""
        self._cluster = None


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Run a broker for a while."""
    broker = Broker()
    try:
        yield broker
    finally:
        broker.stop()


class TimedConsumer(Consumer):
    """A consumer that finds the offsets of times itself, by reading the messages; all else is librdkafka's."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        super().__init__(config)

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = 10) -> list[TopicPartition]:
        """Return the first offset at or after each partition's time, or OFFSET_END where there is none."""
        # asked all the same, for its errors
        answers = super().offsets_for_times(partitions, timeout=timeout)
        assert {answer.offset for answer in answers} == {OFFSET_END}, "the mock broker knows times: drop this class"
        return [
            TopicPartition(asked.topic, asked.partition, self._first_at(asked.topic, asked.partition, asked.offset))
            for asked in partitions
        ]

    def _first_at(self, topic: str, partition: int, time: int) -> int:
        low, high = self.get_watermark_offsets(TopicPartition(topic, partition), timeout=60)
        if low == high:
            return OFFSET_END
        with closing(Consumer(self._config)) as reader:
            reader.assign([TopicPartition(topic, partition, low)])
            while True:
                message = reader.poll(10)
                assert message is not None
                if message.error():
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    return OFFSET_END
                if message.timestamp()[1] >= time:
                    return message.offset()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
