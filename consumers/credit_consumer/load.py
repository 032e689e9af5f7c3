"""Step 4: the load transaction (DESIGN, promise 1), in its order: positions, known events out, landing, core, marks,
receipts, commit.

What the rows themselves cause (SQLSTATE 22, 23, 54) is isolated down to the one event, which becomes a dead letter in
the same transaction; every other error leaves this file, and the caller rolls back and tries the batch again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection, cursor

from credit_schemas.dataset import Dataset
from credit_warehouse.tables import columns

from . import people_statements as people_sql
from . import statements as sql
from .awaited import Line, awaiting
from .books import open_books
from .bulk.lane import Prepared
from .copying import copy_rows, problems_json
from .decode import DeadLetter
from .errors import UNIQUE_VIOLATION, Fenced, Overtaken, describe, is_data_error
from .graveyard import bury
from .identity import Book, Outcome, Record, changed, settle, sought, touched
from .landed import Refusal, known_events, refused_before
from .normalise import Center, Ready
from .outgoing import tell_owners, write_marks, write_receipts
from .people import People, enter_people
from .pipeline import rejoin

# How often a batch is done because somebody else was faster with one of its records. Twice will do, unless the second
# time finds other records.
OVERTAKEN_MAX = 5
_STATUS = {"accepted": "loaded"}
_NO_BOOK = Book()
_REFUSED_AGAIN = "与以前退回的一行内容相同，没有重复计数；请改正后再报。"
_STATE_NAMES = {"accepted": "已入库", "unchanged": "没有变化", "rejected": "已拒收", "waiting": "等待中"}


class Span(NamedTuple):
    """What a batch takes of one partition: from `before` up to, not including, `after`."""

    topic_id: UUID
    partition: int
    before: int
    after: int


def prepare(con: connection) -> None:
    """Make the session's temporary tables that every batch needs; those of datasets are made when one first comes."""
    with con.cursor() as cur:
        for statement in people_sql.CREATE_STAGES:
            cur.execute(statement)
    con.commit()


def load(
    con: connection,
    spans: Sequence[Span],
    events: Sequence[Ready],
    dead: Sequence[DeadLetter],
    center: Center,
    *,
    bulk: Prepared | None = None,
    blame_unique: bool = False,
) -> Counter[str]:
    """Load a batch in one transaction; returns how many events came to which receipt status (`dead` included).

    Args:
        spans: The positions to move; the batch's events lie within them.
        events: In the order of each partition.
        bulk: Events that go by columns; none of them is about a record that one of `events` is about.
        blame_unique: Take a unique violation for the row's own fault. At first it is not: another transaction may
            have been faster, and trying again finds what it wrote.

    Raises:
        Fenced: A position was moved by somebody else; nothing was written.
        psycopg2.Error: The environment failed; nothing was written, unless the connection broke within COMMIT.
    """
    with con.cursor() as cur:
        _move(cur, spans)
        loaded, left = bulk.load(cur) if bulk else (0, [])
        if left:
            events, dead = rejoin(events, dead, [origin.message() for origin in left], center)
        counts, poisoned = isolated(cur, events, center, blame_unique=blame_unique, again=bulk is not None)
        bury(cur, [*dead, *poisoned])
    con.commit()
    counts["loaded"] += loaded
    counts["dead"] = len(dead) + len(poisoned)
    return +counts


def _move(cur: cursor, spans: Sequence[Span]) -> None:
    if not spans:
        return
    topics, partitions, before, after = zip(*spans, strict=True)
    cur.execute(sql.MOVE_POSITIONS, [[str(t) for t in topics], list(partitions), list(before), list(after)])
    moved = {(UUID(topic_id), partition) for topic_id, partition in cur.fetchall()}
    for span in spans:
        if (span.topic_id, span.partition) not in moved:
            raise Fenced(span.topic_id, span.partition)


def isolated(
    cur: cursor,
    events: Sequence[Ready],
    center: Center,
    *,
    blame_unique: bool,
    again: bool = False,
    replayed: bool = False,
    revived: bool = False,
    alone: bool = False,
) -> tuple[Counter[str], list[DeadLetter]]:
    """Apply events; when the data is at fault, halve until the one event is alone and the others are in.

    When somebody else changed a record meanwhile, all is read and done again, here: what he wrote is committed.
    """
    if not events:
        return Counter(), []
    how = {"replayed": replayed, "revived": revived}
    cur.execute("SAVEPOINT batch")
    for attempt in count(1):
        try:
            done = apply(cur, events, center, again=again, alone=alone, **how)
            break
        except Overtaken as e:
            if attempt == OVERTAKEN_MAX:
                raise
            cur.execute("ROLLBACK TO SAVEPOINT batch")
            # Held before they are read, so that nobody is faster a second time.
            for name, numbers in sorted(e.records.items()):
                # In one order, so that nobody waits for us who is waited for.
                cur.execute(sql.locked(center.catalogue.datasets[name]), [",".join(numbers)])
        except psycopg2.Error as e:
            if not is_data_error(e) or (e.pgcode == UNIQUE_VIOLATION and not blame_unique):
                raise
            cur.execute("ROLLBACK TO SAVEPOINT batch")
            how |= {"blame_unique": blame_unique}
            if len(events) > 1:
                middle = len(events) // 2
                left, bad = isolated(cur, events[:middle], center, again=True, **how)
                right, worse = isolated(cur, events[middle:], center, again=True, **how)
                done = left + right, [*bad, *worse]
            elif not (alone or revived):
                # Perhaps it was not this event but one that waited for its record: that one is found by the next look.
                done = isolated(cur, events, center, again=True, alone=True, **how)
            else:
                event = events[0].event
                done = Counter(), [DeadLetter(event.message, "database", describe(e), "dead", event.decoded.schema_id)]
            break
    cur.execute("RELEASE SAVEPOINT batch")
    return done


def apply(
    cur: cursor,
    events: Sequence[Ready],
    center: Center,
    *,
    again: bool = False,
    replayed: bool = False,
    revived: bool = False,
    alone: bool = False,
) -> tuple[Counter[str], list[DeadLetter]]:
    """Settle events against the warehouse and write what comes of it.

    What waited for a record is done as soon as the record is there, before anything that came after it.

    Args:
        again: The session's temporary tables may hold rows of an earlier call in this transaction.
        replayed: The events are old ones (dead letters): they never overwrite what came after them.
        revived: The events landed as waiting, and what they waited for has come.
        alone: Leave what waited for a record of these events to the next look.

    Returns:
        How many events came to which receipt status, and events that may not be loaded (an id of another unit).
    """
    datasets = center.catalogue.datasets
    if again:
        cur.execute(f"TRUNCATE {', '.join(people_sql.STAGES)}")
    known = {} if revived else known_events(cur, events)
    owners = {ce_id: k.unit for ce_id, k in known.items()}
    for e in events:
        owners.setdefault(e.ce_id, e.unit)
    foreign = [e for e in events if owners[e.ce_id] != e.unit]
    events = [e for e in events if owners[e.ce_id] == e.unit]
    ours = [e for e in events if e.ce_id not in known]
    awaited = [] if revived or alone else awaiting(cur, ours, center)
    books = open_books(cur, [e for e in (*ours, *awaited) if e.content is not None or e.act is not None], datasets)
    line = Line(awaited)
    refused = refused_before(cur, [*ours, *awaited])
    landed = {e.ce_id for e in (events if revived else awaited)}
    settled: dict[UUID, tuple[Ready, Outcome]] = {}
    receipts: list[tuple[Ready, str, Outcome]] = []
    for event in events:
        if event.ce_id in known or event.ce_id in settled:
            first = known[event.ce_id].outcome if event.ce_id in known else settled[event.ce_id][1]
            note = f"此前已收到并处理（{_STATE_NAMES[first.state]}），没有重复入库。"
            receipts.append((event, "duplicate", first._replace(note=note)))
            continue
        work = [event]
        while work:
            current = work.pop()
            book = books.get(current.dataset, _NO_BOOK)
            outcome = settle(current, book, replayed=replayed and current is event)
            status = _STATUS.get(outcome.state, outcome.state)
            outcome = _once(current, outcome, refused)
            settled[current.ce_id] = (current, outcome)
            if outcome.state != "waiting":
                receipts.append((current, status, outcome))
            else:
                line.add(current)
                if current.ce_id not in landed:  # who waits is told so once
                    receipts.append((current, status, outcome))
            if current.content is not None and outcome.record_no in book.by_no:
                work += reversed(line.take(current.dataset, book.by_no[outcome.record_no]))
    _write_settled(cur, settled.values(), landed)
    if not revived:
        # Once per id: its repetition within the batch is a duplicate, and quality reckons with both counts.
        _count_not_reportable(cur, {e.ce_id: e for e in ours if e.verdict == "not_reportable"}.values())
    _write_core(cur, books, datasets, again=again)
    write_marks(cur, books)
    write_receipts(cur, receipts)
    tell_owners(cur, books)
    dead = [DeadLetter(e.event.message, "id_of_another_unit", "消息头 ce_id 的编号是别的单位先用的") for e in foreign]
    return _counts(events, receipts), dead


def _counts(events: Iterable[Ready], receipts: Iterable[tuple[Ready, str, Outcome]]) -> Counter[str]:
    """How many of the events came to which status; of one that waited and was done, to the last."""
    own = {e.ce_id for e in events}
    last = {e.ce_id: status for e, status, _ in receipts if status != "duplicate"}
    repeated = sum(status == "duplicate" for _, status, _ in receipts)
    return +Counter({**Counter(status for ce_id, status in last.items() if ce_id in own), "duplicate": repeated})


def _once(event: Ready, outcome: Outcome, refused: set[Refusal]) -> Outcome:
    """Told again, counted once: a refused row of a file that is sent again is not counted again."""
    if outcome.state != "rejected" or not event.content_digest:
        return outcome
    refusal = (event.unit, event.dataset, event.content_digest)
    if refusal in refused:
        return outcome._replace(state="unchanged", note=_REFUSED_AGAIN)
    refused.add(refusal)
    return outcome


def _write_settled(cur: cursor, settled: Iterable[tuple[Ready, Outcome]], landed: set[UUID]) -> None:
    """Into landing what has just come; what `landed` before, as waiting, comes to what it came to."""
    new = [(e, o) for e, o in settled if e.ce_id not in landed and e.verdict != "not_reportable"]
    copy_rows(cur, "landing.event", sql.LANDING_COLUMNS, (_landing_row(e, o) for e, o in new))
    _write_waiting(cur, new)
    for event, outcome in settled:
        if event.ce_id in landed and outcome.state != "waiting":
            number = str(outcome.record_no) if outcome.record_no else None
            came_to = [outcome.state, number, outcome.revision, problems_json(outcome.problems)]
            cur.execute(sql.SETTLE_LANDING, [*came_to, str(event.ce_id)])
            cur.execute(sql.SETTLE_WAITING, [outcome.state, str(event.ce_id)])


def _write_waiting(cur: cursor, settled: Iterable[tuple[Ready, Outcome]]) -> None:
    rows = []
    for event, outcome in settled:
        if outcome.state == "waiting":
            owner, target = sought(event)
            about = (event.event.envelope.act, owner, *target)
            rows.append((event.ce_id, event.unit, event.dataset, *about, event.received_at))
    copy_rows(cur, "ingest.waiting", sql.WAITING_COLUMNS, rows)


def _landing_row(event: Ready, outcome: Outcome) -> tuple[Any, ...]:
    message, envelope = event.event.message, event.event.envelope
    return (
        envelope.id,
        message.unit,
        event.dataset,
        envelope.act,
        event.event.decoded.schema_id,
        message.topic_id,
        message.partition,
        message.offset,
        message.key,
        message.value,
        envelope.time,
        message.received_at,
        outcome.state,
        outcome.record_no,
        outcome.revision,
        event.authority_code,
        event.document_no,
        event.decision_date,
        event.content_digest,
        problems_json(outcome.problems),
        envelope.replaces,
        event.period,
    )


def _count_not_reportable(cur: cursor, events: Iterable[Ready]) -> None:
    days = Counter((e.unit, e.dataset, e.received_on) for e in events)
    for (unit, dataset, day), rows in sorted(days.items()):
        cur.execute(sql.COUNT_NOT_REPORTABLE, [unit, dataset, day, rows])


def _write_core(cur: cursor, books: Mapping[str, Book], datasets: Mapping[str, Dataset], *, again: bool) -> None:
    written = touched(books.values())
    acted = any(r.acts or r.adopted for b in books.values() for r in b.by_no.values())
    if not written and not acted:
        return
    people = enter_people(cur, [r.latest for r in written if r.latest])
    _hold(cur, books, datasets)
    for name, book in sorted(books.items()):
        dataset = datasets[name]
        for key, record_no in book.new_former.items():
            cur.execute(sql.ADD_FORMER_KEY, [name, key, str(record_no)])
        moved = ",".join(str(r.record_no) for r in book.by_no.values() if r.moved)
        if moved:
            cur.execute(sql.free_keys(dataset), [moved])
        rows = [_core_row(r, people, dataset) for r in touched([book])]
        if rows:
            cur.execute(sql.create_stage(dataset))
            if again:
                cur.execute(f"TRUNCATE {sql.stage(dataset)}")
            copy_rows(cur, sql.stage(dataset), columns(dataset), rows)
            cur.execute(sql.upsert(dataset))
        for record in book.by_no.values():
            if record.adopted and record.latest is None:
                cur.execute(sql.adopt_source_key(dataset), [record.source_key, str(record.record_no)])
            if record.acts:
                cur.execute(sql.set_standing(dataset), _standing_row(record))
        copy_rows(cur, "core.record_act", sql.ACT_COLUMNS, _act_rows(name, book))


def _hold(cur: cursor, books: Mapping[str, Book], datasets: Mapping[str, Dataset]) -> None:
    """Hold the records about to change, and be sure that nobody changed them since they were read: another unit's act
    comes by another topic, perhaps through another consumer."""
    known = {name: {str(r.record_no): r.was for r in changed([book]) if r.was} for name, book in books.items()}
    for name, read in sorted(known.items()):
        if read:
            cur.execute(sql.locked(datasets[name]), [",".join(read)])
            if dict(cur.fetchall()) != read:
                # All that the batch may change: read anew, it may change more of them.
                raise Overtaken({n: [str(r.record_no) for r in b.by_no.values() if r.was] for n, b in books.items()})


def _standing_row(record: Record) -> list[Any]:
    answers = str(record.answers) if record.answers else None
    facts = [record.withdrawn, record.ended_why, record.disputed, record.closed_by]
    return [record.revision, record.state, *facts, record.acted_at, answers, str(record.record_no)]


def _act_rows(dataset: str, book: Book) -> list[tuple[Any, ...]]:
    return [
        (
            *(event.ce_id, dataset, record.record_no, revision, event.unit, act.act, act.upheld, act.reason, act.basis),
            *(act.effective_on, event.received_at),
        )
        for record in changed([book])
        for event, act, revision in record.acts
    ]


def _core_row(record: Record, people: People, dataset: Dataset) -> list[Any]:
    latest = record.latest
    if latest is None or latest.content is None:
        raise ValueError("only a record with content can be written")
    content = latest.content
    first = record.first or latest
    cells = [
        people.persons[cell] if f.sealed and cell is not None else cell
        for f, cell in zip(dataset.fields, content.cells, strict=True)
    ]
    return [
        record.record_no,
        record.revision,
        record.state,
        record.unit,
        record.source_key,
        record.natural_key,
        record.content_digest,
        people.subjects[content.subject.lookup] if content.subject else None,
        first.received_at,
        first.received_on,
        record.revised_at,
        content.due_on,
        content.due_provisional,
        content.publicity_ends,
        record.answers,
        record.withdrawn,
        record.ended_why,
        record.disputed,
        record.closed_by,
        record.acted_at,
        content.published,
        *cells,
    ]
