"""The spool: an event stays here until the receipt for its `ce_id`, not merely until Kafka's ack (DESIGN, promise 1).

So whatever is lost on the way (a topic, its retention, a restored database) is mended by sending again, under the
same `ce_id`. SQLite in WAL mode with full synchronisation: what `add` returned for survives a power cut.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from credit_schemas.envelope import RESENT, STATE_ACTS

from .errors import SpoolDamaged, SpoolUnusable, why

# In `PRAGMA application_id`, so that no other program's database is taken for a spool: "CrSp".
APPLICATION_ID = 0x43725370
VERSION = 1
# Other processes (receipts, status) hold the database for milliseconds; a slow disk may take seconds to sync.
BUSY_TIMEOUT_S = 30.0
# Settled values are kept as long as the center may have to ask for them again: its oldest backup is a month old,
# and a week for noticing. Afterwards only ce_id, digest and verdict remain.
KEEP_SETTLED = timedelta(days=37)

# Keys asked for in one statement; SQLite takes at least 999 values.
AT_ONCE = 500
# Unsent events kept in memory beside the disk: a file's worth of rows between two visits to Kafka.
REMEMBERED_BYTES = 16 << 20
# Ways to write the headers that are remembered: one per dataset, act and moment of reporting.
LAYOUTS = 4096
CE_ID = re.compile(rb"[0-9a-f-]{36}")

# In `meta`: the highest sequence number up to which every event has been acknowledged. Rows are written once instead of
# twice this way. What is put back into the queue is written out first (`requeue`), so the note never covers it.
SENT_THROUGH = "sent_through"
# In `meta`: the highest sequence number that was put back into the queue or overtook one that is still queued. What is
# queued up to it goes out after something that was made later, and says so (`ce_resent`): the center must not take it
# for news. New events have higher numbers, always.
RESENT_THROUGH = "resent_through"
QUEUED = (
    "(state = 'queued' AND seq > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'sent_through'), 0))"
)

FINAL = frozenset({"loaded", "rejected", "unchanged", "duplicate"})
# Asks for sending again; every other status is news of an event on its way.
RESEND = "resend"


class SpoolEvent(NamedTuple):
    """One event as it goes to Kafka, and where its row stood."""

    ce_id: str
    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    time_ms: int
    dataset: str
    act: str
    digest: bytes
    file: str | None = None
    row: int | None = None
    line: int | None = None


class Queued(NamedTuple):
    """An event waiting to be handed to Kafka."""

    seq: int
    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    time_ms: int


class HeaderTexts:
    """Headers as the spool has them: JSON. All but `ce_id` are alike for many events, and are written once."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[str, str]] = {}

    def text(self, headers: Sequence[tuple[str, bytes]]) -> str:
        """Headers as text."""
        if len(headers) < 2 or headers[1][0] != "ce_id" or not CE_ID.fullmatch(headers[1][1]):
            return _headers_text(headers)
        layout, ident = (headers[0], *headers[2:]), headers[1][1].decode()
        found = self._known.get(layout)
        if found is None:
            whole = _headers_text(headers)
            before = len(_headers_text(headers[:2])) - len(f'{ident}"]]')
            found = whole[:before], whole[before + len(ident) :]
            if len(self._known) >= LAYOUTS:
                self._known.clear()
            self._known[layout] = found
        return found[0] + ident + found[1]

    def read(self, text: str) -> list[tuple[str, bytes]]:
        """The headers of a text."""
        return [(k, v.encode("ascii")) for k, v in json.loads(text)]


def _headers_text(headers: Iterable[tuple[str, bytes]]) -> str:
    return json.dumps([[k, v.decode("ascii")] for k, v in headers], separators=(",", ":"))


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers among ascending ones."""
    first = last = numbers[0]
    for n in numbers[1:]:
        if n > last + 1:
            yield first, last
            first = n
        last = n
    yield first, last


class Spool:
    """One unit's spool file; created when missing (mode 0600). Usable from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises SpoolDamaged when the file is something else, SpoolUnusable when it cannot be used."""
        self.path = path
        self._lock = threading.RLock()
        self._headers = HeaderTexts()
        self._fresh: dict[int, Queued] = {}
        self._fresh_bytes = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Names of persons are in there; created here so that it is never readable by others.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise SpoolUnusable(path, why(error)) from None
        self._con = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException as error:
            self._con.close()
            if isinstance(error, sqlite3.OperationalError):
                raise SpoolUnusable(path, why(error)) from None
            if isinstance(error, sqlite3.DatabaseError):
                raise SpoolDamaged(path, f"不是暂存库，或文件已损坏（{type(error).__name__}）") from None
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; everything added is on disk already."""
        self._con.close()

    @property
    def id(self) -> str:
        """A random name of this spool: two machines of one unit each get all receipts."""
        return str(self._one("SELECT value FROM meta WHERE name = 'id'")[0])

    def add(self, events: Iterable[SpoolEvent]) -> list[str]:
        """Put events on disk, all or none, and return the `ce_id` under which each is kept.

        Where the last event of a record is the same content and has never left this machine, that one's `ce_id` is
        returned and nothing is added: a file sent again while Kafka was away waits once. Not so acts on records:
        opened, closed and opened again are three acts, whatever they say (of a file sent again see `acts_sent`).
        """
        now = _iso(datetime.now(UTC))
        kept: list[str] = []
        fresh: list[SpoolEvent] = []
        events = list(events)
        with self._transaction():
            unsent = self._unsent(events)
            for e in events:
                same = unsent.get(e.key)
                if same is not None and same[1:] == (e.digest, 0, e.act) and e.act not in STATE_ACTS:
                    kept.append(same[0])
                    continue
                unsent[e.key] = (e.ce_id, e.digest, 0, e.act)
                fresh.append(e)
                kept.append(e.ce_id)
            self._con.executemany(
                "INSERT INTO event (ce_id, topic, key, value, headers, time_ms, dataset, act, digest, file, row,"
                " line, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*e[:4], self._headers.text(e.headers), *e[5:], now) for e in fresh],
            )
            # Within the transaction nobody else takes a number: these are consecutive.
            last = self._con.execute("SELECT last_insert_rowid()").fetchone()[0]
        self._remember(fresh, last)
        return kept

    def _unsent(self, events: Sequence[SpoolEvent]) -> dict[bytes, tuple[str, bytes, int, str]]:
        """Key to the last queued event of each record that has one: its id, digest, attempts and act."""
        found: dict[bytes, tuple[str, bytes, int, str]] = {}
        if not self.has_queued():
            return found
        for start in range(0, len(events), AT_ONCE):
            keys = [e.key for e in events[start : start + AT_ONCE]]
            rows = self._con.execute(
                "SELECT key, ce_id, digest, attempts, act FROM event INDEXED BY event_key"  # noqa: S608 - marks only
                f" WHERE key IN ({', '.join('?' * len(keys))}) AND {QUEUED} ORDER BY key, seq",
                keys,
            )
            found.update((key, (ce_id, digest, attempts, act)) for key, ce_id, digest, attempts, act in rows)
        return found

    def _remember(self, events: Sequence[SpoolEvent], last: int) -> None:
        """Keep new events in memory, too, until they are sent: what is on disk need not be read back."""
        size = sum(len(e.value) for e in events)
        if size > REMEMBERED_BYTES:
            return
        with self._lock:
            if self._fresh_bytes + size > REMEMBERED_BYTES:
                self._fresh.clear()
                self._fresh_bytes = 0
            self._fresh_bytes += size
            for seq, e in enumerate(events, last - len(events) + 1):
                self._fresh[seq] = Queued(seq, e.topic, e.key, e.value, e.headers, e.time_ms)

    def known(self, event: SpoolEvent) -> str | None:
        """The `ce_id` of the last event of that record when it says the same, whatever has become of it; else None."""
        last = self._one("SELECT ce_id, digest, act FROM event WHERE key = ? ORDER BY seq DESC LIMIT 1", event.key)
        return str(last[0]) if last and last[1:] == (event.digest, event.act) else None

    def acts_sent(self, event: SpoolEvent, file: str | None = None) -> list[str]:
        """The `ce_id`s of acts that came from files (from `file`) and say the very same, oldest first; refused ones do
        not count."""
        rows = self._all(
            "SELECT ce_id FROM event WHERE key = ? AND digest = ? AND act = ? AND file = coalesce(?, file)"
            " AND receipt IS NOT 'rejected' ORDER BY seq",
            *(event.key, event.digest, event.act, file),
        )
        return [ce_id for (ce_id,) in rows]

    def bookmark(self, name: str) -> str | None:
        """How far a source has been read into this spool, in its own words."""
        found = self._one("SELECT value FROM meta WHERE name = ?", f"bookmark/{name}")
        return str(found[0]) if found else None

    def set_bookmark(self, name: str, value: str) -> None:
        """Keep how far a source has been read; only after its rows are in here."""
        with self._transaction():
            self._con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"bookmark/{name}", value))

    def queued(self, limit: int, after: int = 0) -> list[Queued]:
        """The next events to send, in order; with `after` those of higher sequence numbers."""
        where, values = f"{QUEUED} AND seq > ? ORDER BY seq LIMIT ?", (after, limit)
        seqs = self._all(f"SELECT seq FROM event WHERE {where}", *values)  # noqa: S608 - constants
        with self._lock:
            known = [self._fresh.get(seq) for (seq,) in seqs]
        if None not in known:
            return self._marked(known)  # type: ignore[arg-type]
        rows = self._all(
            f"SELECT seq, topic, key, value, headers, time_ms FROM event WHERE {where}",  # noqa: S608 - constants
            *values,
        )
        return self._marked(
            [
                Queued(seq, topic, key, value, self._headers.read(headers), time_ms)
                for seq, topic, key, value, headers, time_ms in rows
            ]
        )

    def _marked(self, events: list[Queued]) -> list[Queued]:
        """The same events, in order; those that go out after later ones say so."""
        found = self._one("SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?", RESENT_THROUGH)
        if not events or found is None or events[0].seq > found[0]:
            return events
        return [e if e.seq > found[0] else e._replace(headers=[*e.headers, RESENT]) for e in events]

    def _overtake(self, seq: int) -> None:
        """Note that what is queued up to this number goes out late; within a transaction."""
        self._con.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)",
            (RESENT_THROUGH, str(seq)),
        )

    def has_queued(self) -> bool:
        """Whether anything is queued."""
        return self._one(f"SELECT 1 FROM event WHERE {QUEUED} LIMIT 1") is not None  # noqa: S608 - constants

    def waiting(self) -> int:
        """How many events are queued."""
        return int(self._one(f"SELECT count(*) FROM event WHERE {QUEUED}")[0])  # noqa: S608 - constants

    def mark_sent(self, seqs: Iterable[int]) -> None:
        """Kafka has acknowledged these events. One whose receipt came first is settled already and stays so.

        As a rule these are the next ones in order: then it is enough to note how far sending has come.
        """
        now = _iso(datetime.now(UTC))
        numbers = sorted(seqs)
        if not numbers:
            return
        with self._transaction():
            if self._next_in_order(numbers):
                self._con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SENT_THROUGH, str(numbers[-1])))
            else:
                self._con.executemany(
                    f"UPDATE event SET state = CASE WHEN {QUEUED} THEN 'sent' ELSE state END, sent_at = ?,"  # noqa: S608
                    " attempts = attempts + 1 WHERE seq BETWEEN ? AND ?",
                    [(now, first, last) for first, last in _runs(numbers)],
                )
                if self._earlier_queued(numbers[-1]):
                    self._overtake(numbers[-1])
        with self._lock:
            for seq in numbers:
                sent = self._fresh.pop(seq, None)
                self._fresh_bytes -= len(sent.value) if sent else 0

    def _next_in_order(self, numbers: Sequence[int]) -> bool:
        """Whether these are the first that are queued, one behind the other, and sent for the first time."""
        first, last = numbers[0], numbers[-1]
        if last - first != len(numbers) - 1 or not all(n in self._fresh for n in numbers):
            return False
        return not self._earlier_queued(first)

    def _earlier_queued(self, seq: int) -> bool:
        earlier = self._con.execute(f"SELECT 1 FROM event WHERE {QUEUED} AND seq < ? LIMIT 1", (seq,))  # noqa: S608
        return earlier.fetchone() is not None

    def _write_out(self) -> None:
        """Turn the note of how far sending has come into the state of each event; within a transaction."""
        self._con.execute(
            f"UPDATE event SET state = 'sent', attempts = attempts + 1 WHERE state = 'queued' AND NOT {QUEUED}"  # noqa: S608
        )
        self._con.execute("DELETE FROM meta WHERE name = ?", (SENT_THROUGH,))

    def requeue(self, since: datetime | None = None, ce_id: str | None = None) -> int:
        """Put events back into the queue in their old order and under their old `ce_id`; returns how many.

        Without arguments all that are sent and not settled; with `since` also settled ones made since then whose
        value is still kept; with `ce_id` that one alone.
        """
        where, values = "state = 'sent'", []
        if ce_id:
            where, values = "state <> 'queued' AND value IS NOT NULL AND ce_id = ?", [ce_id]
        elif since:
            # What was never answered in any case: it may have lain here for days before it went out.
            where = "value IS NOT NULL AND (state = 'sent' OR state <> 'queued' AND created_at >= ?)"
            values = [_iso(since)]
        with self._transaction():
            self._write_out()
            last = self._con.execute(f"SELECT max(seq) FROM event WHERE {where}", values).fetchone()[0]  # noqa: S608
            if last is None:
                return 0
            self._overtake(last)
            done = self._con.execute(
                f"UPDATE event SET state = 'queued', attempts = max(attempts, 1) WHERE {where}",  # noqa: S608 - constants
                values,
            )
            return done.rowcount

    def store_receipts(self, receipts: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
        """Keep receipts (each once, by `receipt_id`) and settle their events.

        Returns the receipts that are new, and how many events were put back into the queue because the center asked:
        a `resend` receipt names one `ce_id`, or none for everything not settled (with `since`, all since then).
        """
        new, again = [], 0
        with self._transaction():
            for r in receipts:
                body = json.dumps(r, ensure_ascii=False)
                row = (r["receipt_id"], r.get("ce_id"), r.get("record_no"), r["status"], r["at"], body)
                if not self._con.execute("INSERT OR IGNORE INTO receipt VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
                    continue
                new.append(r)
                if r["status"] == RESEND:
                    again += self.requeue(_moment(r.get("since")), r.get("ce_id"))
                elif r.get("ce_id"):
                    self._settle(r["ce_id"], r["status"])
        return new, again

    def _settle(self, ce_id: str, status: str) -> None:
        if status not in FINAL:
            self._con.execute("UPDATE event SET receipt = ? WHERE ce_id = ? AND state <> 'settled'", (status, ce_id))
            return
        # `duplicate` answers an event that was sent twice: its first verdict is the one that counts.
        self._con.execute(
            "UPDATE event SET state = 'settled', attempts = max(attempts, 1), settled_at = ?,"
            " receipt = CASE WHEN ? = 'duplicate' AND receipt IN ('loaded', 'rejected', 'unchanged') THEN receipt"
            " ELSE ? END WHERE ce_id = ?",
            (_iso(datetime.now(UTC)), status, status, ce_id),
        )

    def receipts(self) -> Iterator[dict[str, Any]]:
        """All receipts kept, oldest first, each with `file`, `row` and `line` of the row it answers, where known."""
        # A cursor, not a list: years of receipts may be kept here.
        sql = (
            "SELECT r.body, e.file, e.row, e.line FROM receipt r LEFT JOIN event e USING (ce_id) ORDER BY r.at, r.rowid"
        )
        try:
            for body, file, row, line in self._con.execute(sql):
                yield {**json.loads(body), "file": file, "row": row, "line": line}
        except sqlite3.Error as error:
            raise self._told(error) from None

    def counts(self) -> dict[tuple[str, str, str | None], int]:
        """Events by (dataset, state, receipt)."""
        rows = self._all(
            f"SELECT dataset, CASE WHEN state = 'queued' AND NOT {QUEUED} THEN 'sent' ELSE state END, receipt, count(*)"  # noqa: S608
            " FROM event GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        return {(dataset, state, receipt): n for dataset, state, receipt, n in rows}

    def oldest_unsettled(self) -> str | None:
        """When the oldest event without a final receipt was made (ISO, UTC)."""
        found = self._one("SELECT min(created_at) FROM event WHERE state <> 'settled'")[0]
        return str(found) if found else None

    def forget_settled(self, now: datetime | None = None) -> int:
        """Drop the values of events settled longer than KEEP_SETTLED ago; returns how many."""
        before = _iso((now or datetime.now(UTC)) - KEEP_SETTLED)
        with self._transaction():
            done = self._con.execute(
                "UPDATE event SET value = NULL WHERE state = 'settled' AND value IS NOT NULL AND settled_at < ?",
                (before,),
            )
            return done.rowcount

    def _prepare(self) -> None:
        # Asked before anything is changed: the database of another program is left as it is.
        if self._tables():
            self._recognise()
        self._con.execute("PRAGMA journal_mode = WAL")
        self._con.execute("PRAGMA synchronous = FULL")
        self._con.execute("PRAGMA secure_delete = ON")  # a dropped value is gone from the file, too
        with self._transaction():
            if self._tables():  # another process may have been faster, or an earlier release made it
                self._recognise()
                self._con.execute("CREATE INDEX IF NOT EXISTS event_key ON event (key, seq)")
                self._con.execute("DROP INDEX IF EXISTS event_queued_key")
                return
            for statement in (resources.files(__package__) / "spool.sql").read_text(encoding="utf-8").split(";\n"):
                self._con.execute(statement)
            self._con.execute("INSERT INTO meta VALUES ('id', ?)", (uuid.uuid4().hex[:12],))
            self._con.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._con.execute(f"PRAGMA user_version = {VERSION}")

    def _tables(self) -> int:
        return int(self._con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    def _recognise(self) -> None:
        kind = self._con.execute("PRAGMA application_id").fetchone()[0]
        version = self._con.execute("PRAGMA user_version").fetchone()[0]
        if kind != APPLICATION_ID:
            raise SpoolDamaged(self.path, "是别的程序的数据库")
        if version != VERSION:
            raise SpoolDamaged(self.path, f"版本是 {version}，本程序只认识 {VERSION}，请升级 credit-producer")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if self._con.in_transaction:  # part of a larger one
                yield
                return
            try:
                self._con.execute("BEGIN IMMEDIATE")
                yield
                self._con.execute("COMMIT")
            except BaseException as error:
                if self._con.in_transaction:  # a full disk has rolled back already
                    self._con.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._told(error) from None
                raise

    def _told(self, error: sqlite3.Error) -> Exception:
        """What an error of SQLite means for the person who reads it; the error itself where it is a mistake of ours."""
        if isinstance(error, sqlite3.OperationalError):
            return SpoolUnusable(self.path, why(error))
        if type(error) is sqlite3.DatabaseError:
            return SpoolDamaged(self.path, f"文件已损坏（{error.sqlite_errorname}）")
        return error

    def _one(self, sql: str, *values: Any) -> Any:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._con.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._told(error) from None


def _iso(moment: datetime) -> str:
    """One spelling of a time (UTC, microseconds), so that text comparison is comparison of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
