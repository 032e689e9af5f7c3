"""Two changes to kafka-python 3.0.12: a repair without which a single message can hang the center, and quicker reading.

A record that the client cannot parse (a header name that is no UTF-8, as any foreign client may send) makes `poll`
raise once, without saying where; after that the fetcher keeps the broken iterator in line and the next `poll` spins
for ever, with every unit behind it. Drained at the error, the records are fetched again and `poll` raises each time,
now with the partition, which can be halted. The hook is private:
`test_a_record_the_client_cannot_parse_halts_its_topic_only` guards it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel

from . import quick_records
from .errors import Unreadable

_take = Fetcher.PartitionRecords.take
_unpack = Fetcher.PartitionRecords._unpack_records


def _take_or_drain(self: Any, n: int | None = None) -> Any:
    try:
        return _take(self, n)
    except Exception as e:
        self.drain()
        raise Unreadable(self.topic_partition, type(e).__name__) from None


def _unpack_quickly(self: Any, tp: Any, records: Any, key_deserializer: Any, value_deserializer: Any) -> Iterator[Any]:
    if self.isolation_level != IsolationLevel.READ_UNCOMMITTED or key_deserializer or value_deserializer:
        return _unpack(self, tp, records, key_deserializer, value_deserializer)
    return quick_records.unpack(self, tp, records)


def repair_fetcher() -> None:
    """Make a broken batch of records leave the line, and read whole ones quickly; safe to repeat."""
    Fetcher.PartitionRecords.take = _take_or_drain
    Fetcher.PartitionRecords._unpack_records = _unpack_quickly
