"""One repair of kafka-python 3.0.12, without which a single message can hang the center.

A record that the client cannot parse (a header name that is no UTF-8, as any foreign client may send) makes `poll`
raise once, without saying where; after that the fetcher keeps the broken iterator in line and the next `poll` spins
for ever, with every unit behind it. Drained at the error, the records are fetched again and `poll` raises each time,
now with the partition, which can be halted. The hook is private:
`test_a_record_the_client_cannot_parse_halts_its_topic_only` guards it.
"""

from __future__ import annotations

from typing import Any

from kafka.consumer.fetcher import Fetcher

from .errors import Unreadable

_take = Fetcher.PartitionRecords.take


def _take_or_drain(self: Any, n: int | None = None) -> Any:
    try:
        return _take(self, n)
    except Exception as e:
        self.drain()
        raise Unreadable(self.topic_partition, type(e).__name__) from None


def repair_fetcher() -> None:
    """Make a broken batch of records leave the line; safe to repeat."""
    Fetcher.PartitionRecords.take = _take_or_drain
