"""Corrections and acts that came before their record: kept, shown, and done as soon as the record is there.

The load itself does what waited for a record that it brings, before anything that came after it (`load.apply`). But an
act and its record may come by two topics, through two consumers, at one moment, and neither transaction would see the
other. So consumers look again every now and then for what is left.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from psycopg2.extensions import connection, cursor
from psycopg2.extras import DictCursor

from credit_schemas.envelope import read_headers

from . import statements as sql
from .awaited import read_back
from .decode import REASONS, DeadLetter
from .load import isolated
from .normalise import Center

# One transaction's worth; what is left over is done by the next.
LIMIT = 500


def settle_waiting(con: connection, center: Center) -> Counter[str]:
    """Do what waited for records that have come; returns how many came to which receipt status. Commits.

    One consumer at a time, so that an earlier act is not passed by a later one; whoever finds another at it leaves it
    to him. What cannot be read any more (a key is gone) goes on waiting, with the reason beside it, and is tried again.
    """
    counts: Counter[str] = Counter()
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.WAITING_DATASETS)
        datasets = [center.catalogue.datasets[name] for (name,) in cur.fetchall() if name in center.catalogue.datasets]
        for dataset in datasets:
            while True:
                cur.execute(sql.SETTLE_ALONE)
                if not cur.fetchall()[0][0]:
                    con.commit()
                    return counts
                cur.execute(sql.take_waiting(dataset), [dataset.id, LIMIT])
                rows = cur.fetchall()
                done = _settle(cur, center, rows)
                counts += done
                con.commit()
                if len(rows) < LIMIT or not done:
                    break
    con.commit()
    return counts


def list_waiting(con: connection, *, unit: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
    """What waits for its record, oldest first: event, unit, dataset, act, and what it says of the record.

    `trouble`: why it could not be read when its record came (Chinese), or None.
    """
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.LIST_WAITING, {"unit": unit, "limit": limit})
        return [{**row, "trouble": REASONS.get(row["trouble"], row["trouble"])} for row in cur.fetchall()]


def _settle(cur: cursor, center: Center, rows: list[Any]) -> Counter[str]:
    read = [read_back(dict(row), center) for row in rows]
    unread = [r for r in read if isinstance(r, DeadLetter)]
    ready = [r for r in read if not isinstance(r, DeadLetter)]
    done, poisoned = isolated(cur, ready, center, blame_unique=True, revived=True)
    for letter in (*unread, *poisoned):
        ce_id = read_headers(letter.message.headers).id
        cur.execute(sql.TROUBLED, [letter.reason, letter.reason, str(ce_id)])
    return done
