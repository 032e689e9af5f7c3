"""What an attached file really is, and whether such a file is taken at all: by extension and by content, both.

Door and center ask the same: the door reads the clerk's file, the center the file it has stored, through a stream that
decrypts. Memory is bounded whatever the file holds. This is no virus scanner: it keeps out what can run by itself
(programs, macros, embedded objects, active PDF) and what is two kinds at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from .attachments import SPEC, AttachmentRefused, limit
from .office_files import check_office

HEAD = 4096
CHUNK = 1 << 18
# Where a PDF must end; Acrobat itself looks no farther back.
PDF_TAIL = 2048
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
# 20 MB in the smallest blocks that encoders write (8 KB) are 2,560.
PNG_CHUNKS = 20_000
SCRIPTS = ("<", "#!", "@echo", "powershell", "\ufeff<")
HEX_NAME = re.compile(rb"#([0-9A-Fa-f]{2})")


def recognise(stream: IO[bytes], name: str, size: int, spec: Mapping[str, Any] = SPEC) -> str:
    """The kind of a file that may be attached (`jpg`, `docx` …).

    Args:
        stream: the content, seekable.
        name: the file's name; only its extension counts.
        size: bytes of the content.
        spec: the allowed kinds; `data/attachments.json` unless a test says otherwise.

    Raises:
        AttachmentRefused: the file is empty, too large, of a kind that is not taken, or not what its name says.
    """
    kind = kind_of(name, spec)
    check_size(kind, size, spec)
    described = spec["kinds"][kind]
    stream.seek(0)
    head = stream.read(HEAD)
    if not _begins_as(described, head):
        raise AttachmentRefused(
            "content",
            f"扩展名是 .{_extension(name)}，内容却是{_looks_like(head, spec)}；请换成真正的{described['cn']}。",
        )
    if "main" in described:
        check_office(stream, size, str(described["main"]), described["cn"], spec["office"])
        return kind
    if _opens_as_zip(stream):
        raise AttachmentRefused("polyglot", "文件里还藏着一个压缩包，不接收；请打开后重新另存一份。")
    check = {"png": _png, "pdf": _pdf, "txt": _txt}.get(kind)
    if check:
        check(stream, size)
    return kind


def recognise_any(stream: IO[bytes], size: int, spec: Mapping[str, Any] = SPEC) -> str:
    """The kind of a content whose name is not known: a sealed file carries none. Raises AttachmentRefused."""
    stream.seek(0)
    head = stream.read(HEAD)
    told: AttachmentRefused | None = None
    for described in spec["kinds"].values():
        if not _begins_as(described, head) or (described.get("text") and told):
            continue
        try:
            return recognise(stream, f"x.{described['extensions'][0]}", size, spec)
        except AttachmentRefused as refused:
            if refused.code != "content":
                raise
            told = refused  # a container of one kind is none of another
    what = _looks_like(head, spec)
    raise told or AttachmentRefused("content", f"内容是{what}，不接收；请核对交的是哪个文件。")


def kind_of(name: str, spec: Mapping[str, Any] = SPEC) -> str:
    """The kind that a file name promises. Raises AttachmentRefused `type`."""
    extension = _extension(name)
    for kind, described in spec["kinds"].items():
        if extension in described["extensions"]:
            return str(kind)
    allowed = "、".join(f".{e}" for d in spec["kinds"].values() for e in d["extensions"])
    shown = f"不接收 .{extension} 文件" if extension else "文件名没有扩展名"
    advice = spec["advice"].get(extension)
    raise AttachmentRefused("type", f"{shown}；{advice}。" if advice else f"{shown}；可以交的有 {allowed}。")


def check_size(kind: str, size: int, spec: Mapping[str, Any] = SPEC) -> None:
    """Raises AttachmentRefused `empty` or `too_large`."""
    if size == 0:
        raise AttachmentRefused("empty", "文件是空的（0 字节）；请确认已保存好，再报。")
    most = min(int(spec["kinds"][kind].get("max", limit("bytes_per_file"))), limit("bytes_per_file"))
    if size > most:
        raise AttachmentRefused(
            "too_large", f"文件有 {size / (1 << 20):.1f} MB，超过 {most >> 20} MB；请压缩图片，或拆成几个文件。"
        )


def _extension(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower().removeprefix(".")


def _begins_as(described: Mapping[str, Any], head: bytes) -> bool:
    if described.get("text"):
        return b"\0" not in head and not head.startswith((b"MZ", b"\x7fELF", b"%PDF", b"PK\x03\x04", b"\xff\xd8\xff"))
    return head.startswith(bytes.fromhex(described["magic"]))


def _looks_like(head: bytes, spec: Mapping[str, Any]) -> str:
    for described in spec["kinds"].values():
        if "magic" in described and "main" not in described and head.startswith(bytes.fromhex(described["magic"])):
            return str(described["cn"])
    for magic, what in spec["signatures"]:
        if head.startswith(bytes.fromhex(magic)):
            return str(what)
    return "另一种文件"


def _opens_as_zip(stream: IO[bytes]) -> bool:
    """A picture or text that is a ZIP as well (a JAR behind a photo): readers disagree about what it is."""
    try:
        with ZipFile(stream) as archive:
            return bool(archive.namelist())
    except (BadZipFile, ValueError, NotImplementedError, OverflowError):
        return False


def _png(stream: IO[bytes], size: int) -> None:
    """The blocks of a PNG must lead to its end, and nothing may follow."""
    at = 8
    for _ in range(PNG_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            break
        at += 12 + int.from_bytes(head[:4])
        if head[4:] == b"IEND":
            if at == size:
                return
            raise AttachmentRefused("polyglot", "图片后面还接着别的内容，不接收；请用“画图”打开后重新另存。")
    raise AttachmentRefused("damaged", "图片不完整；请重新拍摄、扫描或另存。")


def _pdf(stream: IO[bytes], size: int) -> None:
    stream.seek(max(0, size - PDF_TAIL))
    if b"%%EOF" not in stream.read(PDF_TAIL):
        raise AttachmentRefused("damaged", "PDF 不完整（没有结尾）；请重新导出或扫描。")
    active = [name.encode() for name in SPEC["pdf_active"]]
    stream.seek(0)
    before = b""
    while chunk := stream.read(CHUNK):
        # Names may be written with #xx in place of a letter.
        window = HEX_NAME.sub(lambda m: bytes.fromhex(m.group(1).decode()), before + chunk)
        if any(name in window for name in active):
            raise AttachmentRefused(
                "active", "PDF 里有脚本、程序启动或内嵌的文件，不接收；请用“打印—另存为 PDF”重新生成一份。"
            )
        before = chunk[-64:]


def _txt(stream: IO[bytes], size: int) -> None:
    stream.seek(0)
    raw = stream.read(size)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise AttachmentRefused("content", "不是可以读的文本；请用“记事本”另存为 UTF-8 编码。")
    if any(ord(c) < 32 and c not in "\t\n\r\f" for c in text):
        raise AttachmentRefused("content", "文本里有控制字符，像是别的文件改了扩展名；请核对。")
    if text.lstrip().lower().startswith(SCRIPTS):
        raise AttachmentRefused("content", "这是网页或脚本，不是文字材料；请只交文字。")
