"""What is in the attachment store, what is missing, who gets to see a file, and what may be deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from credit_schemas.attachments import DIGEST
from credit_schemas.seal_errors import Tampered
from credit_schemas.sealed_files import CHUNK, ChunkReader

from .attachment_intake import alone
from .attachments import AttachmentError, Damaged, NotStored, Store, digest_of

# A file may come before its report, a report be corrected back: nothing is deleted before a quarter has passed.
KEEP_DAYS = 90

STORED = """
SELECT encode(a.digest, 'hex') AS digest, a.kind, a.size, a.stored_at, a.key_version,
       (SELECT array_agg(h.unit ORDER BY h.unit) FROM core.attachment_handover h WHERE h.digest = a.digest) AS units,
       (SELECT array_agg(DISTINCT n.name ORDER BY n.name) FROM quality.named_attachment n
        WHERE n.digest = a.digest) AS names
FROM core.attachment a
WHERE a.gone_at IS NULL
  AND (%(unit)s IS NULL OR EXISTS (SELECT 1 FROM core.attachment_handover h
                                   WHERE h.digest = a.digest AND h.unit = %(unit)s))
ORDER BY a.stored_at, a.digest
"""
MISSING = """
SELECT unit, dataset, record_no, name, digest, size, since FROM quality.missing_attachment
WHERE %(unit)s IS NULL OR unit = %(unit)s ORDER BY unit, since, name
"""
REFUSED = """
SELECT unit, encode(digest, 'hex') AS digest, reason, told, times, first_seen, last_seen FROM core.attachment_refusal
WHERE closed_at IS NULL AND (%(unit)s IS NULL OR unit = %(unit)s) ORDER BY unit, last_seen
"""
HELD = "SELECT encode(digest, 'hex') FROM core.attachment WHERE gone_at IS NULL"
# Named by any record in any state, withdrawn ones included: what was reported stays provable.
ORPHANS = """
SELECT encode(a.digest, 'hex') AS digest, a.kind, a.size, a.stored_at,
       (SELECT array_agg(h.unit ORDER BY h.unit) FROM core.attachment_handover h WHERE h.digest = a.digest) AS units
FROM core.attachment a
WHERE a.gone_at IS NULL AND a.stored_at < %(before)s
  AND NOT EXISTS (SELECT 1 FROM quality.named_attachment n WHERE n.digest = a.digest)
ORDER BY a.stored_at, a.digest
"""
GONE = "UPDATE core.attachment SET gone_at = now() WHERE digest = %s"
FOUND = "SELECT size FROM core.attachment WHERE digest = %s AND gone_at IS NULL"
ACT = "INSERT INTO audit.act (actor, act, about, detail) VALUES (%s, %s, %s, %s)"


class NoReason(AttachmentError):
    """Who and why are kept on the books: they must be there."""

    def __init__(self) -> None:
        super().__init__("请写明是谁（--who）、为什么（--why）；姓名和理由会留存。")


class TargetExists(AttachmentError):
    """A file is not written over another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} 已经存在；请换一个文件名。")


def stored(con: connection, unit: str | None = None) -> list[dict[str, Any]]:
    """What is in the store, the oldest first; of one unit only what it handed over."""
    return _rows(con, STORED, {"unit": unit})


def missing(con: connection, unit: str | None = None) -> list[dict[str, Any]]:
    """What loaded records name and nobody has handed over."""
    return _rows(con, MISSING, {"unit": unit})


def refused(con: connection, unit: str | None = None) -> list[dict[str, Any]]:
    """What was handed over, not taken, and has not come fit since."""
    return _rows(con, REFUSED, {"unit": unit})


def damaged(con: connection, store: Store) -> Iterator[tuple[str, str]]:
    """Read the whole store: (digest, what is wrong) of each file that is not what its row says."""
    with con.cursor() as cur:
        cur.execute(HELD)
        digests = [row[0] for row in cur.fetchall()]
    con.rollback()
    for digest in sorted(digests):
        try:
            with store.open(digest) as stream:
                if digest_of(stream) != digest:
                    yield digest, "内容与摘要不符"
        except (Damaged, Tampered) as wrong:
            yield digest, str(wrong)


def get(con: connection, store: Store, digest: str, out: Path, *, who: str, why: str) -> int:
    """Write a stored file in clear to `out` (readable by its owner only); returns its bytes.

    The account of who and why is committed before anything is decrypted, so no file leaves without one.

    Raises:
        NoReason, TargetExists, NotStored, Damaged.
        UnknownKey: the storage key of its version is not there.
    """
    _asked(who, why)
    if out.exists():
        raise TargetExists(out)
    if not DIGEST.fullmatch(digest):
        raise NotStored(digest)
    with con.cursor() as cur:
        cur.execute(FOUND, [bytes.fromhex(digest)])
        if cur.fetchone() is None:
            con.rollback()
            raise NotStored(digest)
        cur.execute(ACT, [who.strip(), "attachment.get", digest, json.dumps({"why": why.strip()}, ensure_ascii=False)])
    con.commit()
    try:
        with store.open(digest) as stream:
            if digest_of(stream) != digest:
                raise Damaged(digest, "内容与摘要不符")
            stream.seek(0)
            return _write(stream, out)
    except Tampered as wrong:
        raise Damaged(digest, "内容被改动或截断") from wrong


def _write(stream: ChunkReader, out: Path) -> int:
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise TargetExists(out) from None
    try:
        with os.fdopen(handle, "wb") as sink:
            while piece := stream.read(CHUNK):
                sink.write(piece)
            return sink.tell()
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def orphans(con: connection, before: datetime) -> list[dict[str, Any]]:
    """What was stored before that moment and no record names."""
    return _rows(con, ORPHANS, {"before": before})


def leftovers(con: connection, store: Store) -> list[str]:
    """Files without a row: a collection was interrupted between the two, or the database is of an earlier day."""
    with con.cursor() as cur:
        cur.execute(HELD)
        held = {row[0] for row in cur.fetchall()}
    con.rollback()
    return [digest for digest in store.digests() if digest not in held]


def delete_orphans(con: connection, store: Store, before: datetime, *, who: str, why: str) -> list[str]:
    """Delete orphans; returns their digests. Rows stay, marked; the account is written first.

    Files without a row are not touched: after a database was restored from a backup they are its missing half.

    Raises:
        NoReason.
        Busy: another process collects or deletes.
    """
    _asked(who, why)
    deleted = []
    with alone(con):
        for found in orphans(con, before):
            digest = str(found["digest"])
            detail = json.dumps({"why": why.strip(), "units": found["units"]}, ensure_ascii=False)
            with con.cursor() as cur:
                cur.execute(ACT, [who.strip(), "attachment.delete", digest, detail])
                cur.execute(GONE, [bytes.fromhex(digest)])
            con.commit()
            store.remove(digest)
            deleted.append(digest)
    return deleted


def _asked(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise NoReason


def _rows(con: connection, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with _dicts(con) as cur:
        cur.execute(statement, parameters)
        found = [dict(row) for row in cur.fetchall()]
    con.rollback()
    return found


@contextmanager
def _dicts(con: connection) -> Iterator[RealDictCursor]:
    with con.cursor(cursor_factory=RealDictCursor) as cur:
        yield cur
