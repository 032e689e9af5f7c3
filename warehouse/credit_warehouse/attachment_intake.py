"""Collecting attachments: open what a unit handed over, verify it, keep it encrypted, say what was not taken.

A sealed file is hostile until proven: it must open for that unit and digest, hold what the digest says and be of a kind
that is taken, whatever its name claims. It is copied (encrypted) before it is examined, so it cannot change meanwhile.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection, cursor

from credit_schemas.attachment_kinds import kind_of, recognise_any
from credit_schemas.attachments import AttachmentRefused, limit, sealing_context
from credit_schemas.seal_errors import SealError
from credit_schemas.sealed_files import open_file, sealed_size
from credit_schemas.sealing import CenterKey

from .attachments import AttachmentError, Incoming, Store

SEALED = re.compile(r"([0-9a-f]{64})\.sealed")
REFUSED = ".refused.txt"
# Any number that nothing else of ours locks.
LOCK = 0x6174746163  # "attac"
# A file that does not open and is younger than this may still be on its way: not every tool uploads under another name.
ARRIVING_S = 300.0

NAMED = "SELECT DISTINCT name, size FROM quality.named_attachment WHERE digest = %s AND unit = %s"
KEEP = """
INSERT INTO core.attachment (digest, size, kind, key_version) VALUES (%s, %s, %s, %s)
ON CONFLICT (digest) DO UPDATE SET size = excluded.size, kind = excluded.kind, key_version = excluded.key_version,
    stored_at = now(), gone_at = NULL
"""
HELD = "SELECT 1 FROM core.attachment WHERE digest = %s AND gone_at IS NULL"
HAND_OVER = "INSERT INTO core.attachment_handover (digest, unit) VALUES (%s, %s) ON CONFLICT DO NOTHING"
REFUSE = """
INSERT INTO core.attachment_refusal (unit, digest, reason, told) VALUES (%s, %s, %s, %s)
ON CONFLICT (unit, digest) DO UPDATE SET reason = excluded.reason, told = excluded.told, last_seen = now(),
    times = core.attachment_refusal.times + 1, closed_at = NULL
"""
CLOSE_REFUSAL = (
    "UPDATE core.attachment_refusal SET closed_at = now() WHERE unit = %s AND digest = %s AND closed_at IS NULL"
)


class Busy(AttachmentError):
    """Another process collects or deletes at this moment."""

    retriable = True

    def __init__(self) -> None:
        super().__init__("另一个程序正在收取或清理附件；请等它结束再试。")


class NoInbox(AttachmentError):
    """The hand-over folder is not there; an unmounted share must not look like a day without files."""

    retriable = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"没有交接文件夹 {folder}：网络盘可能没有连上。请检查后再试，或用 --from 指明。")


class StoreFailed(AttachmentError):
    """The store cannot be written (disk full, no right), or the share went away while it was read."""

    retriable = True

    def __init__(self, error: OSError) -> None:
        self.errno = error.errno
        super().__init__(
            f"附件读写出错（{error.strerror}）：{error.filename or '交接文件夹'}。请检查磁盘和网络盘，再收取一次。"
        )


class Refusal(NamedTuple):
    """A file that was not taken."""

    unit: str
    digest: str
    reason: str
    told: str


@dataclass
class Collected:
    """What one collection came to. `waiting`: not ours to judge yet (a key is missing, the file cannot be read)."""

    stored: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    left: int = 0


@contextmanager
def alone(con: connection) -> Iterator[None]:
    """Hold the store for this process; a collection and a deletion at once could lose a file. Raises Busy."""
    with con.cursor() as cur:
        cur.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cur.fetchone() != (True,):
            raise Busy
    con.commit()
    try:
        yield
    finally:
        con.rollback()
        with con.cursor() as cur:
            cur.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        con.commit()


def unit_folders(inbox: Path, units: Iterable[str]) -> dict[str, Path]:
    """The folders of an inbox that belong to a unit of the county. Raises NoInbox."""
    if not inbox.is_dir():
        raise NoInbox(inbox)
    return {unit: inbox / unit for unit in units if (inbox / unit).is_dir()}


def collect(con: connection, store: Store, keys: Iterable[CenterKey], folders: dict[str, Path]) -> Collected:
    """Take what units handed over; may be repeated and interrupted at any point.

    Each file is its own transaction: kept or refused, then removed from the hand-over folder. Where that cannot be
    written the file stays and is recognised next time.

    Args:
        con: logged in as service `attachments`.
        store: where it goes.
        keys: the center's keys, old ones included.
        folders: unit code to folder.

    Raises:
        Busy: another process is at it.
        StoreFailed: the store cannot be written.
    """
    held = tuple(keys)
    done = Collected()
    with alone(con):
        for unit, folder in sorted(folders.items()):
            for path in _handed_over(folder):
                try:
                    _take(con, store, held, unit, path, done)
                except OSError as error:
                    raise StoreFailed(error) from error
    return done


def _take(con: connection, store: Store, keys: tuple[CenterKey, ...], unit: str, path: Path, done: Collected) -> None:
    digest = path.name[:64]
    try:
        with _opened(path) as (stream, size):
            reader = BufferedReader(open_file(stream, size, keys, sealing_context(unit, digest)))
            with store.receive(reader, digest, limit("bytes_per_file")) as came, con.cursor() as cur:
                kind = _judge(cur, came, unit, digest)
                cur.execute(HELD, [bytes.fromhex(digest)])
                known = cur.fetchone() is not None and store.has(digest)
                if not known:
                    came.keep()
                    cur.execute(KEEP, [bytes.fromhex(digest), came.size, kind, store.key_version])
                cur.execute(HAND_OVER, [bytes.fromhex(digest), unit])
                cur.execute(CLOSE_REFUSAL, [unit, bytes.fromhex(digest)])
        con.commit()
        done.known += known
        done.stored += not known
    except AttachmentRefused as refused:
        _refuse(con, Refusal(unit, digest, refused.code, refused.message), path, done)
    except SealError as error:
        if error.retriable:
            con.rollback()
            done.waiting.append(f"{unit}/{path.name}：{error}")
            return
        if _arriving(path):
            con.rollback()
            done.waiting.append(f"{unit}/{path.name}：打不开，可能还没有传完")
            return
        told = "打不开：不是本单位为中心加密的文件，或传送中损坏；请用报送程序重新发送。"
        _refuse(con, Refusal(unit, digest, "sealed", told), path, done)
    except _Unreadable as error:
        con.rollback()
        done.waiting.append(f"{unit}/{path.name}：读不出来（{error}）")
        return
    _remove(path, done)


def _handed_over(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if SEALED.fullmatch(p.name))
    except OSError as error:
        raise StoreFailed(error) from error


def _arriving(path: Path) -> bool:
    # Either side of now: the clock of a share may be ahead.
    return abs(time.time() - path.lstat().st_mtime) < ARRIVING_S


def _judge(cur: cursor, came: Incoming, unit: str, digest: str) -> str:
    """The kind of what came. Raises AttachmentRefused."""
    if came.too_large:
        raise AttachmentRefused("too_large", f"文件超过 {limit('bytes_per_file') >> 20} MB；请压缩或拆分。")
    if came.digest != digest:
        raise AttachmentRefused("digest", "内容与文件名上的摘要不符；请用报送程序重新发送。")
    with BufferedReader(came.open()) as clear:
        kind = recognise_any(clear, came.size)
    cur.execute(NAMED, [bytes.fromhex(digest), unit])
    for name, size in cur.fetchall():
        if size != came.size:
            raise AttachmentRefused("size", "大小与报告里写的不符；请用报送程序重新发送。")
        if kind_of(name) != kind:
            raise AttachmentRefused("content", "内容与报告里写的扩展名不符；请核对文件，改名后重新报送。")
    return kind


def _refuse(con: connection, refusal: Refusal, path: Path, done: Collected) -> None:
    con.rollback()
    with con.cursor() as cur:
        cur.execute(REFUSE, [refusal.unit, bytes.fromhex(refusal.digest), refusal.reason, refusal.told])
    con.commit()
    done.refused.append(refusal)
    note = path.with_name(refusal.digest + REFUSED)
    with suppress(OSError):  # told in the warehouse in any case
        note.unlink(missing_ok=True)
        with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as out:
            out.write(f"{refusal.digest}：{refusal.told}\n")


def _remove(path: Path, done: Collected) -> None:
    try:
        path.unlink()
    except OSError:
        done.left += 1


class _Unreadable(Exception):
    """The sealed file itself cannot be read; nothing is known about what it holds."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """A file of a folder that others write: no link is followed, nothing but a file is read, and no endless one."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _Unreadable(error.strerror) from None
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise _Unreadable("不是文件")
        if found.st_size > sealed_size(limit("bytes_per_file")):
            raise AttachmentRefused("too_large", f"文件超过 {limit('bytes_per_file') >> 20} MB；请压缩或拆分。")
        yield stream, found.st_size
