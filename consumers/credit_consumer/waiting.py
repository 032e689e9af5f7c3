"""Corrections and acts that came before their record: kept, shown, and done as soon as the record is there.

Not within the load transaction: an act and its record may come by two topics, through two consumers, at one moment,
and neither transaction would see the other. So whoever has loaded something looks afterwards for what awaited it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection
from psycopg2.extras import DictCursor

from credit_schemas.envelope import Envelope, write_headers

from . import statements as sql
from .decode import DeadLetter, Message
from .graveyard import bury
from .load import isolated
from .normalise import Center
from .pipeline import prepare_message

# One transaction's worth; what is left over is found by the next look.
LIMIT = 500


def settle_waiting(con: connection, center: Center) -> Counter[str]:
    """Do what waited for records that have come; returns how many came to which receipt status. Commits.

    Several consumers may look at once: each takes what no other holds. An event that cannot even be read any more (a
    key is gone) becomes a dead letter, and is settled as that.
    """
    counts: Counter[str] = Counter()
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.WAITING_DATASETS)
        again = False
        for (name,) in cur.fetchall():
            dataset = center.catalogue.datasets.get(name)
            if dataset is None:
                continue
            cur.execute(sql.take_waiting(dataset), [name, LIMIT])
            for row in cur.fetchall():
                counts[_settle(con, center, dict(row), again=again)] += 1
                again = True
    con.commit()
    return counts


def list_waiting(con: connection, *, unit: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
    """What waits for its record, oldest first: event, unit, dataset, act, and what it says of the record."""
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.LIST_WAITING, {"unit": unit, "limit": limit})
        return [dict(row) for row in cur.fetchall()]


def _settle(con: connection, center: Center, row: dict[str, Any], *, again: bool) -> str:
    found = prepare_message(_message(row, center.catalogue.county.code), center)
    with con.cursor() as cur:
        if isinstance(found, DeadLetter):
            dead, came_to = [found], "dead"
        else:
            datasets = center.catalogue.datasets
            done, dead = isolated(cur, [found], datasets, blame_unique=True, again=again, revived=True)
            came_to = "dead" if dead else next(iter(done))
        bury(cur, dead)
        # Still waiting: the key that found the record was another's; it goes on waiting.
        if came_to != "waiting":
            cur.execute(sql.SETTLE_WAITING, [came_to, row["ce_id"]])
    return came_to


def _message(row: dict[str, Any], county: str) -> Message:
    replaces = UUID(row["replaces"]) if row["replaces"] else None
    envelope = Envelope(
        UUID(row["ce_id"]),
        county,
        row["unit"],
        row["dataset"],
        row["act"],
        row["produced_at"].astimezone(UTC),
        replaces,
    )
    return Message(
        topic=row["name"],
        topic_id=UUID(row["topic_id"]),
        unit=row["unit"],
        partition=row["partition"],
        offset=row["offset"],
        received_at=row["received_at"],
        key=bytes(row["key"]) if row["key"] is not None else None,
        value=bytes(row["value"]),
        headers=list(write_headers(envelope)),
    )
