"""Kafka record batches written whole, for kafka-python to carry.

`KafkaProducer.send` spends some 33 µs of processor on a record: it weighs every header byte by byte, twice, and makes
a future for each record. The events of a unit differ in little but key, value and id, so a batch of them is put
together here in a tenth of that and handed to the producer's own queue. Connection, order, idempotence, retries and
acknowledgement stay kafka-python's.

The queue is private to kafka-python: `usable` says whether this is a release it was written for, otherwise
`publish.py` sends record by record. `test_a_batch_written_whole_is_what_kafka_python_writes` holds the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import kafka
from kafka import KafkaProducer, TopicPartition
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

from credit_schemas.flat_writer import zigzag

from .spool import Queued

RELEASES = ("3.0.12",)
MAGIC, UNCOMPRESSED = 2, 0
# Lengths and offsets that occur in every record; larger ones are counted out.
_NUMBERS = [zigzag(n) for n in range(8192)]
# Ways to write the headers that are remembered: one per dataset, act and moment of reporting.
_LAYOUTS = 4096

Headers = Sequence[tuple[str, bytes]]


def usable() -> bool:
    """Whether the installed kafka-python is one whose queue this module knows."""
    return kafka.__version__ in RELEASES


def varint(number: int) -> bytes:
    """A number as a record batch has it."""
    return _NUMBERS[number] if 0 <= number < 8192 else zigzag(number)


class HeaderWriter:
    """Headers as a record has them. All but `ce_id` are alike for many events, and are written once."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[bytes, bytes]] = {}

    def write(self, headers: Headers) -> bytes:
        """The headers of one event, their count before them."""
        if len(headers) < 2 or headers[1][0] != "ce_id":
            return _written(headers)
        layout = (headers[0], len(headers[1][1]), *headers[2:])
        found = self._known.get(layout)
        ident = headers[1][1]
        if found is None:
            whole = _written(headers)
            before = len(_written(headers[:2])) - len(ident)
            found = whole[:before], whole[before + len(ident) :]
            if len(self._known) >= _LAYOUTS:
                self._known.clear()
            self._known[layout] = found
        return found[0] + ident + found[1]


def _written(headers: Headers) -> bytes:
    out = [varint(len(headers))]
    for name, value in headers:
        raw = name.encode()
        out += [varint(len(raw)), raw, varint(len(value)), value]
    return b"".join(out)


def batches(
    events: Sequence[Queued], size: int, write_headers: Callable[[Headers], bytes]
) -> Iterator[tuple[int, bytes]]:
    """The records of batches of at most `size` bytes (more only for a single record): how many, and their bytes."""
    out: list[bytes] = []
    room = full = size - DefaultRecordBatchBuilder.HEADER_STRUCT.size
    first = 0
    for e in events:
        for _ in range(2):  # in the next batch when there is no room in this one
            if not out:
                first, room = e.time_ms, full
            key, value = e.key, e.value
            record = b"".join(
                (
                    *(b"\0", varint(e.time_ms - first), varint(len(out))),
                    *(varint(len(key)), key, varint(len(value)), value, write_headers(e.headers)),
                )
            )
            record = varint(len(record)) + record
            room -= len(record)
            if room >= 0 or not out:
                out.append(record)
                break
            yield len(out), b"".join(out)
            out = []
    if out:
        yield len(out), b"".join(out)


def enqueue(
    producer: KafkaProducer, topic: str, events: Sequence[Queued], size: int, headers: HeaderWriter
) -> list[Any]:
    """Put events of one topic with one partition into a producer's queue.

    Returns:
        For each batch the events in it and what becomes of it: a future whose value, once there, is (base offset,
        time, None), or has in its third place what tells the error of a record by its place.
    """
    partition = TopicPartition(topic, 0)
    accumulator = producer._accumulator
    done, out = 0, []
    for count, records in batches(events, size, headers.write):
        part = events[done : done + count]
        done += count
        batch = ProducerBatch(partition, _builder(part, records, size))
        with accumulator._tp_lock(partition):
            accumulator._batches[partition].append(batch)
            accumulator._incomplete.add(batch)
        out.append((part, batch.produce_future))
        producer._sender.wakeup()
    return out


def _builder(events: Sequence[Queued], records: bytes, size: int) -> MemoryRecordsBuilder:
    """A builder that has these records in it."""
    made = MemoryRecordsBuilder(MAGIC, UNCOMPRESSED, size)
    made._next_offset = len(events)
    inner = made._builder
    inner._buffer += records
    inner._num_records = len(events)
    inner._last_offset = len(events) - 1
    inner._first_timestamp = events[0].time_ms
    inner._max_timestamp = max(e.time_ms for e in events)
    return made
