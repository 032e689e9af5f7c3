"""The daily comparison: every record, our books and the destination's own list, side by side.

It finds what no event announces: a publicity period that ended, a new destination, a changed filter or column map, a
restored database, a copy that was lost there or made behind our back. It sends nothing: what differs becomes due, and
what only a person can judge becomes a work item.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor

from credit_warehouse.settings import Settings

from . import work_items
from .books import ENTRY_COLUMNS, ENTRY_WIDTH, IN_FLIGHT, Entry, next_revision, plan, read_entry, write_entries
from .errors import UnknownTable
from .gate import UNCHECKED
from .rendering import Renderer, Source, Want
from .session import Session, open_session
from .settle import settle
from .transports.answers import Copy
from .verdicts import Tally

CHUNK = 2000
COPIES = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS copies (record_no uuid PRIMARY KEY, revision integer NOT NULL,"
    " digest text NOT NULL, external_no text)"
)
# Every record with what our books and their list say of it, in order of record_no.
COMPARE = """
SELECT {columns}, {entry}, {unchecked}, t.revision, t.digest, t.external_no FROM {table} c
LEFT JOIN exchange.delivery d ON d.destination = {destination} AND d.record_no = c.record_no
LEFT JOIN copies t ON t.record_no = c.record_no {joins}
WHERE c.record_no > {after} AND ({wanted} OR d.record_no IS NOT NULL OR t.record_no IS NOT NULL)
ORDER BY c.record_no LIMIT {chunk}
"""
EXTRA = (
    "SELECT t.record_no::text FROM copies t WHERE NOT EXISTS (SELECT 1 FROM {table} c WHERE c.record_no = t.record_no)"
)
DONE = (
    "INSERT INTO exchange.destination (destination, reconciled_at) VALUES (%s, now())"
    " ON CONFLICT (destination) DO UPDATE SET reconciled_at = now()"
)
HELD_UNITS = "SELECT DISTINCT unit FROM quality.open_hold WHERE dataset = %s AND destination IN ('', %s)"
NIL = "00000000-0000-0000-0000-000000000000"


@dataclass
class Findings:
    """What a comparison found, in records.

    Attributes:
        agree: The destination holds just what it should (or nothing, where nothing is wanted).
        differ: It holds another content or a copy that should have ended; now due.
        missing: It lacks what it should hold; now due.
        held: It differs or lacks because quality holds the slice: due, and kept back until the hold is gone.
        extra: It holds copies of records that the warehouse does not have; now work items.
        open: Out for an answer, or not checked by quality yet; not judged.
        rejected: Differs because the destination sent this very content back; the unit must correct it.
        manual: Must be ended there by hand; a work item is open.
        registered: Copies our books did not know as they are; among the others as well.
        unknown_tables: Datasets (not records) whose table the destination does not have; work items, not compared.
    """

    agree: int = 0
    differ: int = 0
    missing: int = 0
    held: int = 0
    extra: int = 0
    open: int = 0
    rejected: int = 0
    manual: int = 0
    registered: int = 0
    unknown_tables: int = 0


class Line(NamedTuple):
    """One record in the comparison; `copy` is what the destination lists, None when it lists nothing."""

    source: Source
    entry: Entry | None
    unchecked: bool
    copy: Copy | None


def reconcile(destination: str, as_of: date | None = None, settings: Settings | None = None) -> dict[str, Any]:
    """Compare everything one destination should hold with what it holds.

    Args:
        destination: Its id.
        as_of: The day to go by (publicity periods); today in the county without it.
        settings: The center's settings; those of this process without it.

    Returns:
        The counts of `Findings`, with `destination`, `as_of` (ISO) and `state` (`done` or `disabled`).

    Raises:
        TransportError: The destination does not give its list; nothing was changed by guesswork.
        DestinationBusy, AccessRefused, UnknownDestination, SettingMissing, InsecureAddress: As `forward`.
    """
    with open_session(destination, as_of, settings) as s:
        head = {"destination": destination, "as_of": s.as_of.isoformat()}
        if not s.destination.enabled:
            return {**head, "state": "disabled", **asdict(Findings())}
        # Whatever has an answer by now is no difference.
        settle(s, Tally())
        return {**head, "state": "done", **asdict(full_comparison(s))}


def full_comparison(s: Session) -> Findings:
    """Bring our books in line with the destination's list and the records; see `reconcile`."""
    found = Findings()
    with s.con, s.con.cursor() as cur:
        cur.execute(COPIES)
    for dataset, renderer in s.renderers.items():
        try:
            _fetch_copies(s, renderer.route.table)
        except UnknownTable:
            # One table that it lacks is no reason to compare none.
            with s.con, s.con.cursor() as cur:
                work_items.open_unknown_table(cur, s.destination, dataset, renderer.route.table)
            found.unknown_tables += 1
            continue
        for lines in _lines(s, dataset, renderer):
            with s.con, s.con.cursor() as cur:
                _compare(cur, s, dataset, lines, found)
        with s.con, s.con.cursor() as cur:
            cur.execute(sql.SQL(EXTRA).format(table=renderer.table))
            extra = [row[0] for row in cur.fetchall()]
            work_items.list_extra(cur, s.destination, dataset, extra)
            work_items.close_unknown_table(cur, s.destination, dataset)
            found.extra += len(extra)
    with s.con, s.con.cursor() as cur:
        cur.execute(DONE, [s.destination.id])
    return found


def _fetch_copies(s: Session, table: str) -> None:
    """The destination's list into a temporary table; its digests keyed at once, as everywhere in our tables."""
    copies = s.transport.copies(table)
    with s.con, s.con.cursor() as cur:
        cur.execute("TRUNCATE copies")
    while chunk := list(islice(copies, CHUNK)):
        out = io.StringIO()
        csv.writer(out).writerows(
            (c.record_no, c.revision, s.digests.of_copy(c.digest).hex(), c.external_no or "") for c in chunk
        )
        out.seek(0)
        with s.con, s.con.cursor() as cur:
            cur.copy_expert("COPY copies FROM STDIN (FORMAT csv)", out)
    with s.con, s.con.cursor() as cur:
        cur.execute("ANALYZE copies")


def _lines(s: Session, dataset: str, renderer: Renderer) -> Iterator[list[Line]]:
    after = NIL
    while True:
        query = sql.SQL(COMPARE).format(
            columns=renderer.columns,
            entry=sql.SQL(ENTRY_COLUMNS),
            unchecked=sql.SQL(UNCHECKED.replace("d.record_no", "c.record_no")),
            table=renderer.table,
            destination=sql.Literal(s.destination.id),
            joins=renderer.joins,
            after=sql.SQL("{}::uuid").format(sql.Literal(after)),
            wanted=renderer.wanted,
            chunk=sql.Literal(CHUNK),
        )
        with s.con, s.con.cursor() as cur:
            cur.execute(query)
            rows = cur.fetchall()
        if not rows:
            return
        yield [_line(renderer, row) for row in rows]
        after = rows[-1][0]


def _line(renderer: Renderer, row: tuple[Any, ...]) -> Line:
    source = renderer.source(row)
    entry = read_entry(row[renderer.width : renderer.width + ENTRY_WIDTH])
    unchecked, revision, digest, external_no = row[renderer.width + ENTRY_WIDTH :]
    copy = Copy(source.record_no, True, revision, digest, external_no) if revision is not None else None
    return Line(source, entry, unchecked, copy)


def _compare(cur: cursor, s: Session, dataset: str, lines: list[Line], found: Findings) -> None:
    renderer = s.renderers[dataset]
    cur.execute(HELD_UNITS, [dataset, s.destination.id])
    held = {row[0] for row in cur.fetchall()}
    written, settled, by_hand = [], [], []
    for line in lines:
        want = renderer.want(line.source)
        if line.entry and line.entry.state in IN_FLIGHT:
            found.open += 1
            continue
        known = _as_listed(s, line.entry, line.copy)
        if line.unchecked and want.op == "put":
            # Its mark will make it due once quality has seen it.
            found.open += 1
            made: Entry | None = None
        else:
            made = plan(known, want, line.source.revision)
            _count(found, line, made or known, want, held=line.source.unit in held)
        if known is not None and known != line.entry:
            found.registered += 1
        final = made or known
        if final is not None and final != line.entry:
            written.append((line.source, _complete(final, want, line.source)))
        if final is not None and final.state == "manual":
            by_hand.append(line.source)
        elif line.entry and line.entry.state == "manual":
            settled.append(line.source.record_no)
    # Whoever closed the work item: as long as the copy is there, somebody has to ask for its end.
    work_items.open_cannot_end(cur, s.destination, dataset, by_hand)
    write_entries(cur, s.destination.id, dataset, written)
    if settled:
        work_items.close(cur, work_items.cannot_end_rule(s.destination.id), settled)


def _as_listed(s: Session, entry: Entry | None, copy: Copy | None) -> Entry | None:
    """The entry with what the destination lists as what it acknowledged."""
    if copy is None:
        if entry is None or entry.acked_want != "put":
            return entry
        # Gone there, whoever ended it: the number it had is spent, and if the copy is wanted it takes the next.
        return entry._replace(acked_want="end", acked_digest=s.digests.end, sent_want=None, sent_digest=None)
    digest = bytes.fromhex(copy.digest or "")
    entry = entry or Entry()
    if (entry.acked_want, entry.acked_digest, entry.acked_revision) == ("put", digest, copy.revision):
        return entry
    spent = max(copy.revision, entry.sent_revision or 0)
    known = entry._replace(
        acked_want="put",
        acked_digest=digest,
        acked_revision=copy.revision,
        external_no=copy.external_no,
        sent_revision=spent,
    )
    if copy.revision >= (entry.sent_revision or 0):
        return known._replace(sent_want="put", sent_digest=digest)
    return known


def _complete(entry: Entry, want: Want, source: Source) -> Entry:
    """An entry of a copy that was only just registered has no want of its own yet."""
    if entry.want is not None:
        return entry
    return entry._replace(
        want=want.op, want_digest=want.digest, want_revision=next_revision(entry, want, source.revision)
    )


def _count(found: Findings, line: Line, entry: Entry | None, want: Want, *, held: bool) -> None:
    if entry is None or entry.state == "accepted":
        found.agree += 1
    elif entry.state == "rejected":
        found.rejected += 1
    elif entry.state == "manual":
        found.manual += 1
    elif held and want.op == "put":
        found.held += 1
    elif want.op == "put" and line.copy is None:
        found.missing += 1
    else:
        found.differ += 1
