"""Dead letters for the operator: listed without content, tried again after the fix, or set aside as a mark."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from psycopg2.extensions import connection, cursor
from psycopg2.extras import DictCursor

from . import statements as sql
from .decode import REASONS, DeadLetter
from .graveyard import bury, unearth
from .load import isolated, prepare
from .normalise import Center
from .pipeline import prepare_message

# States in which a letter still waits for somebody.
OPEN = ("dead", "parked")
# Letters of one transaction: their messages are in memory (1 MB each at most), and their topic's loads wait for it.
REPLAY_CHUNK = 500


def list_dead_letters(
    con: connection,
    *,
    unit: str | None = None,
    reason: str | None = None,
    state: str | None = None,
    since: date | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Dead letters, oldest first: where, why, how often, in what state. Never a key, value or header.

    `reason` is the stable word, `meaning` the same in Chinese.

    Args:
        since: Only those that arrived on or after this day (a moment will do as well).
    """
    where, parameters = _filter(unit=unit, reason=reason, states=(state,) if state else None, since=since)
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.LIST_DEAD_LETTERS.format(filter=where), {**parameters, "limit": limit})
        return [{**row, "meaning": REASONS.get(row["reason"], row["reason"])} for row in cur.fetchall()]


def replay(
    con: connection,
    center: Center,
    *,
    unit: str | None = None,
    reason: str | None = None,
    since: date | None = None,
    who: str = "",
    dry_run: bool = True,
) -> Counter[str]:
    """Take all open dead letters through the four steps again, each topic's in the order in which they arrived.

    Each keeps its arrival time, and never overwrites what was loaded after it (rule `record.newer`). However many they
    are, they go in chunks of one transaction each; when the environment fails, what is through stays through, and the
    next call goes on from there.

    Args:
        con: As role `consumer`.
        who: Who asked for it; kept with each letter that went through.
        dry_run: Do everything in one transaction and roll it back: the counts say what would happen.

    Returns:
        How many came to which receipt status; `dead` counts those that are dead letters still.
    """
    prepare(con)
    where, parameters = _filter(unit=unit, reason=reason, states=OPEN, since=since)
    counts: Counter[str] = Counter()
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.DEAD_LETTER_PARTITIONS.format(filter=where), parameters)
        again = False
        for topic_id, partition in cur.fetchall():
            place = {"topic_id": topic_id, "partition": partition, "after": -1, "limit": REPLAY_CHUNK}
            while True:
                cur.execute(sql.HOLD_POSITION, [topic_id, partition])
                cur.execute(sql.TAKE_DEAD_LETTERS.format(filter=where), {**parameters, **place})
                rows = cur.fetchall()
                if not rows:
                    break
                counts += _replay_chunk(cur, rows, center, who, again=again)
                place["after"] = rows[-1]["offset"]
                again = dry_run
                if not dry_run:
                    con.commit()
    con.rollback() if dry_run else con.commit()
    return counts


def _replay_chunk(cur: cursor, rows: list[Any], center: Center, who: str, *, again: bool) -> Counter[str]:
    """`again`: the transaction has seen a chunk before this one."""
    found = [prepare_message(unearth(dict(row)), center) for row in rows]
    unreadable = [f for f in found if isinstance(f, DeadLetter)]
    ready = [f for f in found if not isinstance(f, DeadLetter)]
    counts, poisoned = isolated(cur, ready, center, blame_unique=True, again=again, replayed=True)
    dead = [*unreadable, *poisoned]
    bury(cur, dead)
    still = {d.message.offset for d in dead}
    through = [row["dead_letter_id"] for row in rows if row["offset"] not in still]
    cur.execute(sql.CLOSE_DEAD_LETTERS, ["replayed", who, "", through])
    counts["dead"] += len(dead)
    return +counts


def discard(
    con: connection,
    *,
    who: str,
    why: str,
    unit: str | None = None,
    reason: str | None = None,
    since: date | None = None,
    dry_run: bool = True,
) -> int:
    """Mark open dead letters as discarded (nothing is deleted); returns how many it is or would be.

    Raises:
        ValueError: without a name or a reason.
    """
    if not who.strip() or not why.strip():
        raise ValueError("作废死信要写明经办人和原因。")
    where, parameters = _filter(unit=unit, reason=reason, states=OPEN, since=since)
    with con.cursor() as cur:
        cur.execute(sql.DISCARD_DEAD_LETTERS.format(filter=where), {**parameters, "who": who, "why": why})
        count = cur.rowcount
    con.rollback() if dry_run else con.commit()
    return count


def _filter(
    *, unit: str | None, reason: str | None, states: tuple[str, ...] | None, since: date | None
) -> tuple[str, dict[str, Any]]:
    conditions = {
        "unit = %(unit)s": unit,
        "reason = %(reason)s": reason,
        "state = ANY(%(states)s)": list(states) if states else None,
        "received_at >= %(since)s": since,
    }
    used = [condition for condition, value in conditions.items() if value is not None]
    parameters = {"unit": unit, "reason": reason, "states": list(states or ()), "since": since}
    return " AND ".join(used) or "true", parameters
