"""Batches on their way out: prepared and committed before a byte leaves, rebuilt to the byte when asked for again."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from credit_schemas.uuid7 import uuid7

from .books import ENTRY_COLUMNS, Entry, plan, read_entry, write_entries
from .gate import OPEN
from .rendering import Renderer, Source, Want
from .session import Session
from .transports.answers import Op, Row
from .work_items import open_cannot_end

# Chosen first and joined then, so that the index on due_since bounds the work however much is due.
PICK = """
WITH picked AS MATERIALIZED (
    SELECT d.record_no FROM exchange.delivery d
    WHERE d.destination = {destination} AND d.dataset = {dataset} AND d.state = 'due' AND d.want = {op} AND {gate}
      AND EXISTS (SELECT 1 FROM {table} c WHERE c.record_no = d.record_no)
    ORDER BY d.due_since LIMIT {limit}
)
SELECT {columns}, {entry} FROM picked
JOIN exchange.delivery d ON d.destination = {destination} AND d.record_no = picked.record_no
JOIN {table} c ON c.record_no = picked.record_no {joins}
"""
REBUILD = """
SELECT {columns}, {entry} FROM exchange.delivery d JOIN {table} c ON c.record_no = d.record_no {joins}
WHERE d.batch_id = {batch} AND d.state IN ('sent', 'unknown') AND (d.sent_want = 'end' OR {gate})
ORDER BY d.record_no
"""
NEW_BATCH = (
    "INSERT INTO exchange.batch (batch_id, destination, dataset, rows, canary, state, body_digest)"
    " VALUES (%s, %s, %s, %s, %s, 'prepared', %s)"
)
STAMP = """
UPDATE exchange.delivery d SET state = 'sent', batch_id = v.batch_id, want_revision = v.revision,
    want_digest = v.digest, sent_want = d.want, sent_revision = v.revision, sent_digest = v.digest, sent_at = now(),
    sent_record_revision = v.record_revision, sent_ce_id = v.ce_id, attempts = d.attempts + 1, code = NULL,
    message = NULL, updated_at = now()
FROM (VALUES %s) AS v (destination, record_no, batch_id, revision, digest, record_revision, ce_id)
WHERE d.destination = v.destination AND d.record_no = v.record_no
"""
STAMP_TYPES = "(%s, %s::uuid, %s::uuid, %s::integer, %s::bytea, %s::integer, %s::uuid)"


class Prepared(NamedTuple):
    """A batch that the database knows and the destination may not. `settled` rows turned out to need no sending."""

    batch_id: UUID
    dataset: str
    op: Op
    rows: int
    settled: int
    body: bytes


def prepare(s: Session, dataset: str, op: Op, limit: int, *, canary: bool = False) -> Prepared | None:
    """Prepare and commit one batch of what is due and may leave; None when nothing of that kind is due.

    Content is read and rendered here, under the gate, whatever the mark said: so what leaves is the record as it is
    now, and a record that changed after its check stays. A batch without rows only settled some.
    """
    renderer = s.renderers[dataset]
    query = sql.SQL(PICK).format(
        columns=renderer.columns,
        entry=sql.SQL(ENTRY_COLUMNS),
        table=renderer.table,
        joins=renderer.joins,
        destination=sql.Literal(s.destination.id),
        dataset=sql.Literal(dataset),
        op=sql.Literal(op),
        gate=sql.SQL(OPEN if op == "put" else "true"),
        limit=sql.Literal(limit),
    )
    with s.con, s.con.cursor() as cur:
        cur.execute(query)
        picked = cur.fetchall()
        if not picked:
            return None
        going: list[tuple[Source, Entry, Want]] = []
        staying: list[tuple[Source, Entry]] = []
        for row in picked:
            source, entry = renderer.source(row), read_entry(row[renderer.width :]) or Entry()
            want = renderer.want(source)
            planned = plan(entry, want, source.revision) or entry
            if planned.state == "due" and planned.want == op:
                going.append((source, planned, want))
            else:
                staying.append((source, planned))
        if op == "end" and not s.destination.can_withdraw:
            open_cannot_end(cur, s.destination, dataset, [source for source, _, _ in going])
            staying += [(source, entry._replace(state="manual")) for source, entry, _ in going]
            going = []
        write_entries(cur, s.destination.id, dataset, staying)
        return _write_batch(cur, s, dataset, op, going, len(staying), canary)


def _write_batch(
    cur: cursor,
    s: Session,
    dataset: str,
    op: Op,
    going: Sequence[tuple[Source, Entry, Want]],
    settled: int,
    canary: bool,
) -> Prepared:
    batch_id = uuid7()
    going = sorted(going, key=lambda g: g[0].record_no)
    rows = [_row(source, entry.want_revision, want) for source, entry, want in going]
    body = s.transport.encode(batch_id, s.renderers[dataset].route.table, rows) if rows else b""
    if rows:
        digest = s.digests.keyed(body)
        cur.execute(NEW_BATCH, [str(batch_id), s.destination.id, dataset, len(rows), canary, digest])
        stamps = [
            (s.destination.id, x.record_no, str(batch_id), e.want_revision, w.digest, x.revision, x.ce_id)
            for x, e, w in going
        ]
        execute_values(cur, STAMP, stamps, template=STAMP_TYPES, page_size=len(stamps))
    return Prepared(batch_id, dataset, op, len(rows), settled, body)


def rebuild(s: Session, batch_id: UUID, dataset: str, body_digest: bytes) -> bytes | None:
    """The body of a batch once more; None when a record changed since or may no longer leave."""
    renderer: Renderer = s.renderers[dataset]
    query = sql.SQL(REBUILD).format(
        columns=renderer.columns,
        entry=sql.SQL(ENTRY_COLUMNS),
        table=renderer.table,
        joins=renderer.joins,
        batch=sql.Literal(str(batch_id)),
        gate=sql.SQL(OPEN),
    )
    with s.con, s.con.cursor() as cur:
        cur.execute(query)
        found = cur.fetchall()
    rows = []
    for row in found:
        source, entry = renderer.source(row), read_entry(row[renderer.width :]) or Entry()
        rows.append(_row(source, entry.sent_revision or 0, renderer.want(source)))
    body = s.transport.encode(batch_id, renderer.route.table, rows)
    return body if hmac.compare_digest(s.digests.keyed(body), body_digest) else None


def _row(source: Source, revision: int, want: Want) -> Row:
    return Row(want.op, source.record_no, revision, want.reason, want.data, want.mark)
