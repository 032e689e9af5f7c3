"""A destination pauses when it sends back too much of what our own rules passed; a person resumes it."""

from __future__ import annotations

import json

from psycopg2.extensions import cursor

from credit_warehouse.connect import connect
from credit_warehouse.settings import Settings, load_settings

from .destinations import find_destination
from .session import Session

WHY = "SELECT paused_why FROM exchange.destination WHERE destination = %s AND paused"
PAUSE = (
    "INSERT INTO exchange.destination (destination, paused, paused_why, paused_at) VALUES (%s, true, %s, now())"
    " ON CONFLICT (destination) DO UPDATE SET paused = true, paused_why = EXCLUDED.paused_why, paused_at = now()"
)
RESUME = (
    "UPDATE exchange.destination SET paused = false, paused_why = NULL, resumed_by = %s"
    " WHERE destination = %s AND paused"
)
AGAIN = (
    "UPDATE exchange.delivery SET state = 'due', due_since = now(), updated_at = now()"
    " WHERE destination = %s AND state = 'rejected' AND (%s::text IS NULL OR code = %s)"
)
AUDIT = "INSERT INTO audit.act (actor, act, about, detail) VALUES (%s, %s, %s, %s::jsonb)"


def paused_why(s: Session) -> str | None:
    """Why the destination is paused; None when it is not."""
    with s.con, s.con.cursor() as cur:
        cur.execute(WHY, [s.destination.id])
        row = cur.fetchone()
    return row[0] if row else None


def pause(s: Session, why: str) -> None:
    """Stop forwarding to this destination until a person resumes it."""
    with s.con, s.con.cursor() as cur:
        cur.execute(PAUSE, [s.destination.id, why])


def too_many_rejected(s: Session, rejected: int, judged: int) -> bool:
    """True when the share of rejected rows passes the destination's limit; a handful of rows proves nothing."""
    sending = s.destination.sending
    return judged >= sending.pause_min_rows and rejected * 100 > sending.pause_percent * judged


def pause_for(s: Session, rejected: int, rows: int, what: str) -> str:
    """Pause because this many of `what` came back; returns the reason that is kept."""
    limit = s.destination.sending.pause_percent
    why = (
        f"{what} {rows} 行中有 {rejected} 行被退回，超过 {limit}%；这些行都通过了本县的检查，"
        "请先核对规则与对方要求是否一致，处理后恢复上报。"
    )
    pause(s, why)
    return why


def resume(destination: str, who: str, settings: Settings | None = None) -> bool:
    """Let a paused destination go on; False when it was not paused. `who` is kept in the audit.

    Raises UnknownDestination.
    """
    find_destination(destination)
    con = connect(settings or load_settings(), "forward")
    try:
        with con, con.cursor() as cur:
            cur.execute(RESUME, [who, destination])
            done = bool(cur.rowcount)
            if done:
                _audit(cur, who, "destination.resume", destination, {})
    finally:
        con.close()
    return done


def resend_rejected(destination: str, who: str, code: str | None = None, settings: Settings | None = None) -> int:
    """Make rejected rows due again (those with this code, or all), after the destination mended what was wrong.

    Returns how many. Raises UnknownDestination.
    """
    find_destination(destination)
    con = connect(settings or load_settings(), "forward")
    try:
        with con, con.cursor() as cur:
            cur.execute(AGAIN, [destination, code, code])
            rows = cur.rowcount
            _audit(cur, who, "destination.resend_rejected", destination, {"code": code, "rows": rows})
    finally:
        con.close()
    return rows


def _audit(cur: cursor, who: str, act: str, about: str, detail: dict[str, object]) -> None:
    cur.execute(AUDIT, [who, act, about, json.dumps(detail, ensure_ascii=False)])
