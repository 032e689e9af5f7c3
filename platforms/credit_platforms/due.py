"""What is due: loading leaves marks, a daily comparison finds the rest (reconcile.py)."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor

from .books import ENTRY_COLUMNS, plan, read_entry, write_entries
from .rendering import Renderer
from .session import Session
from .work_items import cannot_end_rule, close

# Records looked at in one transaction: some megabytes, and a short time for the marks to be locked.
CHUNK = 2000

# A mark whose record is gone (a restored database that still has to be filled by re-sending) says nothing and is taken.
MARKS = """
WITH picked AS MATERIALIZED ({picked})
SELECT m.mark_id, {columns}, {entry} FROM picked m
LEFT JOIN {table} c ON c.record_no = m.record_no {joins}
LEFT JOIN exchange.delivery d ON d.destination = {destination} AND d.record_no = m.record_no
ORDER BY m.mark_id
"""
CHECKED = """
SELECT m.mark_id, m.record_no FROM exchange.mark m
WHERE m.checked_run IS NOT NULL AND m.dataset = {dataset} AND m.mark_id > %s AND NOT m.taken @> ARRAY[{destination}]
ORDER BY m.mark_id LIMIT {chunk} FOR UPDATE
"""
# An end does not wait for quality.
UNCHECKED_ENDS = """
SELECT m.mark_id, m.record_no FROM exchange.mark m JOIN {table} c ON c.record_no = m.record_no
WHERE m.checked_run IS NULL AND m.dataset = {dataset} AND m.mark_id > %s AND NOT m.taken @> ARRAY[{destination}]
  AND NOT {wanted}
ORDER BY m.mark_id LIMIT {chunk} FOR UPDATE OF m
"""
MARKED = "SELECT DISTINCT dataset FROM exchange.mark WHERE NOT taken @> ARRAY[%s]"
TAKE = "UPDATE exchange.mark SET taken = array_append(taken, %s) WHERE mark_id = ANY(%s)"
# Marks of datasets that this destination does not get.
TAKE_OTHERS = (
    "UPDATE exchange.mark SET taken = array_append(taken, %s) WHERE mark_id IN (SELECT mark_id FROM exchange.mark"
    " WHERE checked_run IS NOT NULL AND dataset <> ALL(%s) AND NOT taken @> ARRAY[%s] ORDER BY mark_id FOR UPDATE)"
)
DROP = "DELETE FROM exchange.mark WHERE checked_run IS NOT NULL AND taken @> %s::text[]"


def expand(s: Session) -> int:
    """Turn marks into deliveries; returns how many deliveries changed.

    Each destination takes each mark once and in its own time; a mark goes when all enabled ones have taken it, so a
    destination that is down, held or paused loses none. A held slice is taken too: its deliveries wait at the gate.
    """
    with s.con, s.con.cursor() as cur:
        cur.execute(MARKED, [s.destination.id])
        marked = {row[0] for row in cur.fetchall()}
    changed = sum(
        _expand(s, dataset, renderer, picked)
        for dataset, renderer in s.renderers.items()
        if dataset in marked
        for picked in (UNCHECKED_ENDS, CHECKED)
    )
    with s.con, s.con.cursor() as cur:
        cur.execute(TAKE_OTHERS, [s.destination.id, list(s.renderers), s.destination.id])
        if s.destination.id in s.enabled:
            cur.execute(DROP, [list(s.enabled)])
    return changed


def _expand(s: Session, dataset: str, renderer: Renderer, picked: str) -> int:
    parts = {
        "columns": renderer.columns,
        "entry": sql.SQL(ENTRY_COLUMNS),
        "table": renderer.table,
        "joins": renderer.joins,
        "wanted": renderer.wanted,
        "destination": sql.Literal(s.destination.id),
        "dataset": sql.Literal(dataset),
        "chunk": sql.Literal(CHUNK),
    }
    query = sql.SQL(MARKS).format(picked=sql.SQL(picked).format(**parts), **parts)
    last = changed = 0
    while True:
        with s.con, s.con.cursor() as cur:
            cur.execute(query, [last])
            rows = cur.fetchall()
            if not rows:
                return changed
            changed += _take(cur, s, dataset, renderer, rows)
        last = rows[-1][0]


def _take(cur: cursor, s: Session, dataset: str, renderer: Renderer, rows: list[Any]) -> int:
    made, wanted_again = {}, []
    for row in rows:
        if row[1] is not None:
            source, entry = renderer.source(row[1:]), read_entry(row[1 + renderer.width :])
            planned = plan(entry, renderer.want(source), source.revision)
            if planned:
                made[source.record_no] = (source, planned)
                if entry and entry.state == "manual" != planned.state:
                    wanted_again.append(source.record_no)
    write_entries(cur, s.destination.id, dataset, made.values())
    if wanted_again:
        close(cur, cannot_end_rule(s.destination.id), wanted_again)
    cur.execute(TAKE, [s.destination.id, [row[0] for row in rows]])
    return len(made)
