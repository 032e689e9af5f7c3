"""Events that wait for their record: read back as they came, and found again by the record that has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor
from psycopg2.extras import DictCursor

from credit_schemas.envelope import Envelope, write_headers

from . import statements as sql
from .decode import DeadLetter
from .graveyard import stored_message
from .identity import Record, sought
from .normalise import Center, Ready
from .pipeline import prepare_message

# What one batch does of it at most (they are in memory); the rest is found by the next look, see `waiting`.
LIMIT = 5000
# How often a waiting correction may lead to others that wait for the name it gives the record, in one batch.
CHAIN_MAX = 20


class Line:
    """Those who wait, in the order in which they came; each is found by every name it has for its record."""

    def __init__(self, events: Iterable[Ready] = ()) -> None:
        self._events: dict[UUID, Ready] = {}
        self._by_name: dict[tuple[Any, ...], list[UUID]] = {}
        for event in events:
            self.add(event)

    def add(self, event: Ready) -> None:
        """Stand in line, behind the others; whether it was sent again says nothing any more, and landing forgets it."""
        if event.event.envelope.resent:
            arrived = event.event
            event = replace(event, event=arrived._replace(envelope=arrived.envelope._replace(resent=False)))
        self._events[event.ce_id] = event
        owner, target = sought(event)
        for name in _names(event.dataset, target.record_no, owner, target.source_key, target.natural_key):
            self._by_name.setdefault(name, []).append(event.ce_id)

    def take(self, dataset: str, record: Record) -> list[Ready]:
        """Those who waited for this record, out of the line."""
        if not self._events:
            return []
        names = _names(dataset, record.record_no, record.unit, record.source_key, record.natural_key)
        found = {ce_id for name in names for ce_id in self._by_name.pop(name, ())} & self._events.keys()
        taken = [e for ce_id, e in self._events.items() if ce_id in found] if found else []
        for event in taken:
            del self._events[event.ce_id]
        return taken


def _names(
    dataset: str, record_no: UUID | None, owner: str, source_key: str | None, natural_key: bytes | None
) -> list[tuple[Any, ...]]:
    names: list[tuple[Any, ...]] = []
    if record_no:
        names.append((dataset, "no", record_no))
    if source_key:
        names.append((dataset, "source", owner, source_key))
    if natural_key:
        names.append((dataset, "key", natural_key))
    return names


def awaiting(cur: cursor, events: Sequence[Ready], center: Center) -> list[Ready]:
    """What waits for a record that one of these events may bring, oldest first; held until the transaction ends.

    A correction among it may give the record another name, for which others wait.
    """
    found: dict[UUID, Ready] = {}
    bring: Sequence[Ready] = events
    for _ in range(CHAIN_MAX):
        more = [e for e in _awaiting(cur, bring, center) if e.ce_id not in found]
        if not more:
            break
        found.update((e.ce_id, e) for e in more)
        bring = more
    return sorted(found.values(), key=lambda e: (e.received_at, e.event.message.offset))


def _awaiting(cur: cursor, events: Sequence[Ready], center: Center) -> list[Ready]:
    bring = [e for e in events if e.content is not None]
    if not bring:
        return []
    cur.execute(sql.WAITING_AMONG, [sorted({e.dataset for e in bring})])
    found: list[Ready] = []
    for (name,) in cur.fetchall():
        own = [e for e in bring if e.dataset == name]
        keys = ",".join({e.content.natural_key.hex() for e in own if e.content})
        numbers = ",".join(str(e.ce_id) for e in own)
        sources = sorted({(e.unit, e.content.source_key) for e in own if e.content and e.content.source_key})
        units, source_keys = [u for u, _ in sources], [s for _, s in sources]
        with cur.connection.cursor(cursor_factory=DictCursor) as rows:
            rows.execute(sql.WAITING_FOR, [name, keys, numbers, units, source_keys, LIMIT])
            read = [read_back(dict(row), center) for row in rows.fetchall()]
        # What cannot be read now is told by the next look.
        found += [event for event in read if not isinstance(event, DeadLetter)]
    return found


def read_back(row: Mapping[str, Any], center: Center) -> Ready | DeadLetter:
    """A waiting event as it came, taken through the first three steps again."""
    envelope = Envelope(
        UUID(row["ce_id"]),
        center.catalogue.county.code,
        row["unit"],
        row["dataset"],
        row["act"],
        row["produced_at"].astimezone(UTC),
        UUID(row["replaces"]) if row["replaces"] else None,
    )
    return prepare_message(stored_message(row, list(write_headers(envelope))), center)
