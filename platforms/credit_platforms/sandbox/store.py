"""The sandbox's store: one SQLite file in WAL mode, used by one thread at a time.

Receiving a batch and (when nothing slows it) judging it are one transaction that is on disk before the answer
goes out, so an acknowledged batch survives a kill and is never judged twice.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from credit_platforms.sandbox.envelope import Batch, rows_as_json, rows_from_json
from credit_platforms.sandbox.errors import AuthRefused, ConfigError, NotKnown, RequestRefused
from credit_platforms.sandbox.judge import Desk, judge
from credit_platforms.sandbox.personas import Persona
from credit_platforms.sandbox.switches import Switches
from credit_platforms.sandbox.tables import Tables

_BUSY_SECONDS: Final = 10.0
"""A reader of the file (a person with the sqlite3 shell) may hold it that long before a request fails."""


class Store:
    """The open store; methods must not run at the same time (the app gives them one thread).

    Raises:
        ConfigError: the file belongs to another persona or is no store.
    """

    def __init__(self, path: Path, persona: Persona, tables: Tables) -> None:
        self._persona = persona
        self.tables = tables
        # Transactions are ours (isolation_level None): nothing begins or commits behind our back.
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            # FULL: the receipt of a batch must hold through a power cut, not only through a crash of ours.
            self._connection.execute("PRAGMA synchronous = FULL")
            # Rows that waited to be judged are overwritten on deletion, not only unlinked.
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.executescript(files(__package__).joinpath("schema.sql").read_text("utf-8"))
            self._secret = bytes.fromhex(self._setting("secret", secrets.token_hex(32)))
            owner = self._setting("persona", persona.id)
        except sqlite3.DatabaseError as e:
            self._connection.close()
            raise ConfigError(f"{path} 不是可用的存储文件：{type(e).__name__}") from e
        if owner != persona.id:
            self._connection.close()
            raise ConfigError(f"存储文件 {path} 属于 {owner}，不能用于 {persona.id}，请另指定文件")

    def close(self) -> None:
        """Close the file; what was waiting is judged after the next start."""
        self._connection.close()

    def use_nonce(self, client: str, nonce: str, expires_at: float, now: datetime) -> None:
        """Remember a nonce until the time check alone refuses its request.

        Raises:
            AuthRefused: E1005, when the client used this nonce before.
        """
        with self._transaction() as connection:
            connection.execute("DELETE FROM nonce WHERE expires_at < ?", (now.timestamp(),))
            fresh = connection.execute(
                "INSERT INTO nonce VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (client, nonce, expires_at)
            ).rowcount
        if not fresh:
            raise AuthRefused("E1005", "nonce was used before", "X-Nonce 已经用过，每次请求都要换新的随机值")

    def receive(self, client: str, batch: Batch, switches: Switches, now: datetime) -> bool:
        """Take a batch in, and judge it at once unless `slow_ms` says otherwise.

        Returns:
            False when the batch was received before with the same content: nothing was done.

        Raises:
            RequestRefused: E1106 (409), the same batch id was received with another content.
        """
        with self._transaction() as connection:
            known = connection.execute(
                "SELECT digest FROM batch WHERE client = ? AND batch_id = ?", (client, batch.batch_id)
            ).fetchone()
            if known is not None:
                if known["digest"] != batch.digest:
                    raise RequestRefused(
                        "E1106",
                        "same key, other content",
                        "同一 Idempotency-Key 已用于内容不同的批次，请换新的 batch_id",
                        status=409,
                    )
                return False
            due_at = now + timedelta(milliseconds=switches.slow_ms)
            (seq,) = connection.execute(
                """INSERT INTO batch (client, batch_id, digest, table_id, row_count, received_at, due_at, pending)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq""",
                (
                    client,
                    batch.batch_id,
                    batch.digest,
                    batch.table,
                    len(batch.rows),
                    now.timestamp(),
                    due_at.timestamp(),
                    rows_as_json(batch.rows) if switches.slow_ms else None,
                ),
            ).fetchone()
            if not switches.slow_ms:
                self._judge(connection, self._desk(switches, now), seq, client, batch)
        return True

    def judge_next(self, switches: Switches, now: datetime) -> bool:
        """Judge the batch that has been due longest; False when none is due."""
        with self._transaction() as connection:
            due = connection.execute(
                """SELECT seq, client, batch_id, digest, table_id, pending FROM batch
                   WHERE pending IS NOT NULL AND due_at <= ? ORDER BY due_at, seq LIMIT 1""",
                (now.timestamp(),),
            ).fetchone()
            if due is None:
                return False
            batch = Batch(due["batch_id"], due["table_id"], rows_from_json(due["pending"]), due["digest"])
            self._judge(connection, self._desk(switches, now), due["seq"], due["client"], batch)
            connection.execute("UPDATE batch SET pending = NULL WHERE seq = ?", (due["seq"],))
        return True

    def next_due(self) -> float | None:
        """Unix time at which the next waiting batch is to be judged, None when none waits."""
        (due_at,) = self._connection.execute("SELECT min(due_at) FROM batch WHERE pending IS NOT NULL").fetchone()
        return due_at

    def batch(self, client: str, batch_id: str) -> dict[str, object]:
        """The receipt of a batch: state "processing" or "done" and the verdicts so far, in the order of its rows.

        Raises:
            NotKnown: E1201, this client never sent the batch.
        """
        head = self._connection.execute(
            "SELECT seq, table_id, row_count FROM batch WHERE client = ? AND batch_id = ?", (client, batch_id)
        ).fetchone()
        if head is None:
            raise NotKnown("E1201", "unknown batch", "没有收到过这个批次")
        found = self._connection.execute(
            """SELECT line, record_no, revision, result, code, message, problems, external_no
               FROM verdict WHERE batch_seq = ? ORDER BY line""",
            (head["seq"],),
        )
        rows = [{**dict(row), "problems": json.loads(row["problems"])} for row in found]
        state = "done" if len(rows) == head["row_count"] else "processing"
        return {"batch_id": batch_id, "table": head["table_id"], "state": state, "rows": rows}

    def record(self, client: str, record_no: str) -> dict[str, object]:
        """The copy the platform holds of a record, live or ended.

        Raises:
            NotKnown: E1202, the platform holds nothing of it.
        """
        row = self._connection.execute(
            f"SELECT {_RECORD_FIELDS} FROM record WHERE client = ? AND record_no = ?",  # noqa: S608
            (client, record_no),
        ).fetchone()
        if row is None:
            raise NotKnown("E1202", "unknown record", "平台没有这条记录")
        return dict(row)

    def end_by_hand(self, client: str, record_no: str, now: datetime) -> None:
        """End a copy as the platform's own staff does, whatever the platform lets its senders do.

        Raises:
            NotKnown: E1202, there is no such copy.
        """
        with self._transaction() as connection:
            ended = connection.execute(
                """UPDATE record SET state = 'ended', natural_key = NULL, updated_at = ?
                   WHERE client = ? AND record_no = ?""",
                (now.isoformat(timespec="milliseconds"), client, record_no),
            ).rowcount
        if not ended:
            raise NotKnown("E1202", "unknown record", "平台没有这条记录")

    def live_records(self, client: str, table_id: str, after: str, limit: int) -> list[dict[str, object]]:
        """Up to `limit` live copies with a record number greater than `after`, in its order."""
        rows = self._connection.execute(
            f"""SELECT {_RECORD_FIELDS} FROM record
                WHERE client = ? AND table_id = ? AND state = 'live' AND record_no > ?
                ORDER BY record_no LIMIT ?""",  # noqa: S608
            (client, table_id, after, limit),
        )
        return [dict(row) for row in rows]

    def counts(self) -> dict[str, object]:
        """What the store holds, over all clients and since the store was made."""
        batches, waiting, rows = self._connection.execute(
            "SELECT count(*), count(pending), coalesce(sum(row_count), 0) FROM batch"
        ).fetchone()
        return {
            "batches": {"received": batches, "waiting": waiting, "rows": rows},
            "verdicts": self._tally("SELECT result, count(*) FROM verdict GROUP BY 1"),
            "codes": self._tally("SELECT code, count(*) FROM verdict GROUP BY 1 ORDER BY 1"),
            "records": self._tally("SELECT table_id || '.' || state, count(*) FROM record GROUP BY 1 ORDER BY 1"),
        }

    def _judge(self, connection: sqlite3.Connection, desk: Desk, seq: int, client: str, batch: Batch) -> None:
        for line, row in enumerate(batch.rows, start=1):
            verdict = judge(connection, desk, client, batch.table, row)
            if verdict is None:
                continue
            problems = json.dumps([vars(p) for p in verdict.problems], ensure_ascii=False)
            connection.execute(
                "INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    seq,
                    line,
                    row.record_no,
                    row.revision,
                    verdict.result,
                    verdict.code,
                    verdict.message,
                    problems,
                    verdict.external_no,
                ),
            )

    def _desk(self, switches: Switches, now: datetime) -> Desk:
        return Desk(self._persona, self.tables, switches, now, self._secret)

    def _setting(self, name: str, value: str) -> str:
        """The stored setting, set to `value` first when there is none."""
        self._connection.execute("INSERT INTO setting VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
        (stored,) = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(stored)

    def _tally(self, sql: str) -> dict[str, int]:
        return dict(self._connection.execute(sql))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE: take the write lock at once instead of failing in the middle when upgrading from a read.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


_RECORD_FIELDS: Final = 'record_no, table_id AS "table", state, revision, digest, external_no, updated_at'
