"""Attachments at the door: find the files a row names, check them, seal them for the center into the hand-over folder.

A file leaves the department only sealed, by a road of its own (a mounted share, an SFTP folder, later the portal): the
event carries name, digest and size. It is sealed and on disk before the event is spooled, so that no event names a file
that is not there to be collected.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from credit_schemas.attachment_kinds import kind_of, recognise
from credit_schemas.attachments import (
    PARTED_BY,
    ROLE,
    SEPARATORS,
    Attachment,
    AttachmentRefused,
    limit,
    sealing_context,
    write_attachments,
)
from credit_schemas.cells import EMPTY, controls_out
from credit_schemas.check import Checked, check_row
from credit_schemas.dataset import Dataset
from credit_schemas.personal import discreet
from credit_schemas.problems import Problem
from credit_schemas.rules import Context
from credit_schemas.sealed_files import CHUNK, seal_file
from credit_schemas.sealing import PublicKey

from .errors import AttachmentChanged, CannotHandOver, why

SEALED, REFUSED = ".sealed", ".refused.txt"
DRIVE = re.compile(r"[A-Za-z]:|[/\\]")
# What a refusal of the center may be long; a file of that name that is longer is none.
REFUSAL_MAX = 4000


class Held(NamedTuple):
    """A file that was found fit: where it is, and how the event names it."""

    path: Path
    attachment: Attachment


@dataclass
class Found:
    """What a cell of file names comes to."""

    held: list[Held] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


class AttachmentFolder:
    """The folder in which the files of a table are looked for: the table's own, and those below it."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        # A photo may stand in several rows; it is read once.
        self._known: dict[str, Held | AttachmentRefused] = {}

    def look(self, cell: str) -> Found:
        """Find and check the files of a cell. Problems are (code, message); with any of them the row may not go."""
        found = Found()
        names = [name for part in SEPARATORS.split(cell) if (name := controls_out(part).strip())]
        most = limit("files_per_report")
        if len(names) > most:
            found.problems.append(("too_many", f"附件有 {len(names)} 个，最多 {most} 个；请分成几份报告。"))
            return found
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                found.problems.append(("twice", f"附件{_quoted(name)}写了两次；请删去一个。"))
            try:
                found.held.append(self._file(name))
            except AttachmentRefused as refused:
                found.problems.append((refused.code, f"附件{_quoted(name)}：{refused.message}"))
        total, most = sum(h.attachment.size for h in found.held), limit("bytes_per_report")
        if total > most:
            said = f"附件一共 {total / (1 << 20):.0f} MB，一份报告最多 {most >> 20} MB；请压缩图片，或分成几份报告。"
            found.problems.append(("too_large_together", said))
        return found

    def _file(self, name: str) -> Held:
        known = self._known.get(name)
        if known is None:
            try:
                known = self._examine(name)
            except AttachmentRefused as refused:
                known = refused
            self._known[name] = known
        if isinstance(known, AttachmentRefused):
            raise known
        return known

    def _examine(self, name: str) -> Held:
        path = self._path(name)
        kind_of(name)
        try:
            with path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                recognise(stream, name, size)
                digest, read = _digest(stream)
        except OSError as error:
            raise AttachmentRefused("unreadable", f"读不出来（{why(error)}）；请关闭正在使用它的程序再试。") from None
        if read != size:
            raise AttachmentRefused("unreadable", "正在被别的程序改动；请保存并关闭它，再试。")
        return Held(path, Attachment(name.replace("\\", "/"), digest, size))

    def _path(self, name: str) -> Path:
        """The file a name means. Raises AttachmentRefused for one that leads out of the folder, or nowhere."""
        if DRIVE.match(name):
            raise AttachmentRefused("outside", "只写文件名，不写盘符和完整路径；请把文件和表格放在同一文件夹。")
        if len(name) > limit("name_chars") or PARTED_BY in name or ":" in name:
            most = limit("name_chars")
            raise AttachmentRefused("name", f"文件名最多 {most} 个字，不能有竖线和冒号；请给文件改个名字。")
        parts = name.replace("\\", "/").split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise AttachmentRefused("outside", "不能用“..”指到别的文件夹；请把文件和表格放在同一文件夹。")
        path = self._root.joinpath(*parts)
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links that lead to each other, before Python 3.13
            raise AttachmentRefused("missing", _missing(path)) from None
        if not real.is_relative_to(self._root):
            raise AttachmentRefused("outside", "这是指到别的文件夹的快捷链接；请把文件本身复制过来。")
        if not real.is_file():
            raise AttachmentRefused("missing", "这是文件夹，不是文件；请写里面的文件名，如 照片/1.jpg。")
        return real


def check_with_files(
    dataset: Dataset, cells: Mapping[str, Any], context: Context, folder: AttachmentFolder | None
) -> tuple[Checked, tuple[Held, ...]]:
    """Check a row, and with it the files it names; the row's cell then says name, digest and size of each.

    Without a folder (a program that gave none) a row that names files is refused.
    """
    column = dataset.column(ROLE)
    if column is None:
        return check_row(dataset, cells, context), ()
    cell = cells.get(column)
    if cell is None or str(cell).strip() in EMPTY:
        return check_row(dataset, dict(cells), context), ()
    if folder is None:
        found = Found(problems=[("folder", "没有说明附件在哪个文件夹；请在程序里用 attachments 指明。")])
    else:
        found = folder.look(str(cell))
    if not found.problems:
        written = {**cells, column: write_attachments([h.attachment for h in found.held])}
        return check_row(dataset, written, context), tuple(found.held)
    checked = check_row(dataset, {c: v for c, v in cells.items() if c != column}, context)
    problems = [p for p in checked.problems if p.column != column]
    problems += [Problem(column, f"{column}.attachment.{code}", "reject", text) for code, text in found.problems]
    return checked._replace(problems=problems, verdict="reject"), ()


def hand_over(folder: Path, held: Iterable[Held], unit: str, public_key: PublicKey) -> int:
    """Seal files into the hand-over folder; returns how many are new there. What is there already is left alone.

    Raises:
        AttachmentChanged: a file is no longer what was checked.
        CannotHandOver: the folder cannot be written.
    """
    new = 0
    for found in {h.attachment.digest: h for h in held}.values():
        digest = found.attachment.digest
        target = folder / f"{digest}{SEALED}"
        try:
            (folder / f"{digest}{REFUSED}").unlink(missing_ok=True)
            if target.exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f"{digest}.part"
            try:
                _seal(found, part, unit, public_key)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            new += 1
        except OSError as error:
            raise CannotHandOver(folder, error) from None
    return new


def waiting(folder: Path) -> tuple[int, list[str]]:
    """How many sealed files the center has not collected yet, and what it says of those it did not take."""
    if not folder.is_dir():
        return 0, []
    told = [p.read_text("utf-8", "replace")[:REFUSAL_MAX].strip() for p in sorted(folder.glob(f"*{REFUSED}"))]
    return len(list(folder.glob(f"*{SEALED}"))), told


def _seal(found: Held, part: Path, unit: str, public_key: PublicKey) -> None:
    digest = found.attachment.digest
    with found.path.open("rb") as source, part.open("wb") as sink:
        watched = _Watched(source)
        seal_file(watched, sink, public_key, sealing_context(unit, digest))  # type: ignore[arg-type]
        sink.flush()
        os.fsync(sink.fileno())
    if watched.digest.hexdigest() != digest:
        raise AttachmentChanged(discreet(found.attachment.name))


class _Watched:
    """A stream that digests what is read of it: the file may change between check and sealing."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        found = self._stream.read(size)
        self.digest.update(found)
        return found


def _digest(stream: IO[bytes]) -> tuple[str, int]:
    """SHA-256 in hex of a whole stream, and its bytes."""
    stream.seek(0)
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(CHUNK):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _quoted(name: str) -> str:
    shown = discreet(name)
    return f"“{shown if len(shown) <= limit('name_chars') else shown[:20] + '…'}”"


def _missing(path: Path) -> str:
    """Where there is no such file: what its folder has under nearly that name."""
    try:
        near = sorted(p.name for p in path.parent.iterdir() if _alike(p.name, path.name))[:3]
    except OSError:
        near = []
    if near:
        return f"找不到这个文件；文件夹里有{'、'.join(_quoted(n) for n in near)}，请照它写全（连扩展名）。"
    return "找不到这个文件；请把它和表格放在同一文件夹，并核对文件名和扩展名。"


def _alike(found: str, wanted: str) -> bool:
    """The same name but for case, extension, or the way a Mac writes letters."""
    one, two = (unicodedata.normalize("NFC", n).casefold() for n in (found, wanted))
    return one == two or one.rpartition(".")[0] in (two, two.rpartition(".")[0] or two)
