"""Is a .docx, .xlsx or .pptx harmless to open: no macro, no embedded object, no link to elsewhere, no bomb.

Nothing is unpacked to disk, and of the parts only the short ones that say how things hang together are read.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Mapping
from typing import IO, Any
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from .attachments import AttachmentRefused

END = b"PK\x05\x06"
END_SIZE = 22
ZIP64_LOCATOR = b"PK\x06\x07"
LOCATOR_SIZE = 20
COMMENT_MAX = 1 << 16
EMBEDDED = re.compile(r"\.(?:docx|xlsx|pptx)$")
# The only relation to something outside that is inert until a person clicks it.
HYPERLINK = "/hyperlink"
_SAVE_AGAIN = "请用 Office 或 WPS 打开后“另存为”一份新的，再报"


def check_office(
    stream: IO[bytes], size: int, main: str, cn: str, limits: Mapping[str, Any], *, inside: bool = False
) -> None:
    """Check a container whose main part must be of content type `main`.

    Args:
        stream: the file, seekable.
        size: its bytes.
        main: the content type of the main part; "" for any, for documents inside a document.
        cn: what the kind is called.
        limits: block `office` of `data/attachments.json`.
        inside: the file is itself embedded: it may embed no further one.

    Raises:
        AttachmentRefused: `damaged`, `zip_bomb`, `password`, `macro`, `embedded`, `external_link`, `content`,
            `polyglot`.
    """
    _check_directory(stream, size, limits)
    try:
        with ZipFile(stream) as archive:
            names = _check_members(archive, limits)
            left = int(limits["parts_bytes"])
            types = _Types()
            left -= _parse(archive, "[Content_Types].xml", types.start, limits, left)
            types.check(main, cn)
            for name in names:
                if name.endswith(".rels"):
                    left -= _parse(archive, name, _refuse_outside, limits, left)
                elif EMBEDDED.search(name.lower()):
                    if inside:
                        raise AttachmentRefused("embedded", f"内嵌的文档里又嵌着文档，不接收；{_SAVE_AGAIN}。")
                    part = _read(archive, name, int(limits["embedded_bytes"]))
                    check_office(io.BytesIO(part), len(part), "", "内嵌文档", limits, inside=True)
    except (BadZipFile, zlib.error, EOFError, KeyError, ValueError, struct.error, NotImplementedError) as broken:
        raise AttachmentRefused("damaged", f"文件已损坏，读不出来；{_SAVE_AGAIN}。") from broken
    except RuntimeError as locked:  # zipfile's word for an encrypted member
        raise AttachmentRefused("password", "文件设了密码；请去掉密码后再报。") from locked
    except expat.ExpatError as broken:
        raise AttachmentRefused("damaged", f"文件已损坏，读不出来；{_SAVE_AGAIN}。") from broken


def _check_directory(stream: IO[bytes], size: int, limits: Mapping[str, Any]) -> None:
    """Before zipfile reads the table of contents: it is of a sane length, and nothing stands before or behind."""
    tail = min(size, END_SIZE + COMMENT_MAX)
    stream.seek(size - tail)
    end = stream.read(tail)
    at = end.rfind(END)
    if at < 0 or len(end) < at + END_SIZE:
        raise AttachmentRefused("damaged", f"文件不完整；{_SAVE_AGAIN}。")
    members, length, offset, comment = struct.unpack_from("<HIIH", end, at + 10)
    if members > limits["members"] or length > limits["directory_bytes"]:
        raise AttachmentRefused("zip_bomb", f"文件内部的部件多得不正常；{_SAVE_AGAIN}。")
    end_at = size - tail + at
    whole = offset + length == end_at and end_at + END_SIZE + comment == size and comment == 0
    stream.seek(max(0, end_at - LOCATOR_SIZE))
    if not whole or stream.read(4) == ZIP64_LOCATOR:
        raise AttachmentRefused("polyglot", f"文件前后接着别的内容，不接收；{_SAVE_AGAIN}。")


def _check_members(archive: ZipFile, limits: Mapping[str, Any]) -> list[str]:
    members = archive.infolist()
    names = [m.filename for m in members]
    if len({n.lower() for n in names}) != len(names):
        raise AttachmentRefused("damaged", f"文件内部有重名的部件，可能被改动过；{_SAVE_AGAIN}。")
    if any(m.flag_bits & 1 for m in members):
        raise AttachmentRefused("password", "文件设了密码；请去掉密码后再报。")
    if any(m.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for m in members):
        raise AttachmentRefused("damaged", f"文件用了 Office 不用的压缩方式；{_SAVE_AGAIN}。")
    unpacked = sum(m.file_size for m in members)
    packed = sum(m.compress_size for m in members) or 1
    if unpacked > limits["unpacked_bytes"] or (unpacked > limits["ratio_from"] and unpacked > limits["ratio"] * packed):
        raise AttachmentRefused("zip_bomb", f"文件展开后有 {unpacked >> 20} MB，远超正常文档；{_SAVE_AGAIN}。")
    for name in names:
        lower = name.lower()
        extension = lower.rpartition("/")[2].rpartition(".")[2]
        if "vbaproject" in lower or "/macrosheets/" in lower:
            raise AttachmentRefused("macro", "文件里含有宏，不接收；请“另存为”不带宏的格式后再报。")
        if extension == "bin" and limits["binary"] in lower:
            continue
        if not lower.endswith("/") and extension not in limits["extensions"]:
            raise AttachmentRefused("embedded", f"文件里嵌着别的对象或程序，不接收；请删去内嵌的对象，{_SAVE_AGAIN}。")
    return names


class _Types:
    """`[Content_Types].xml`: what each part claims to be."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("Override", "Default"):
            self.found.add(attributes.get("ContentType", ""))

    def check(self, main: str, cn: str) -> None:
        lower = {t.lower() for t in self.found}
        if any("macroenabled" in t or "vbaproject" in t or "macrosheet" in t or "activex" in t for t in lower):
            raise AttachmentRefused("macro", "文件里含有宏或控件，不接收；请“另存为”不带宏的格式后再报。")
        if main and main.lower() not in lower:
            raise AttachmentRefused("content", f"扩展名和内容不符：内容不是{cn}；请核对。")


def _refuse_outside(tag: str, attributes: dict[str, str]) -> None:
    outside = tag == "Relationship" and attributes.get("TargetMode", "").lower() == "external"
    if outside and not attributes.get("Type", "").endswith(HYPERLINK):
        what = "文件里有指向别处的链接（模板、图片或数据），打开时会自动去取"
        raise AttachmentRefused("external_link", f"{what}；请断开链接，{_SAVE_AGAIN}。")


def _read(archive: ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as part:
        found = part.read(most + 1)
    if len(found) > most:
        raise AttachmentRefused("zip_bomb", f"文件内部有一个部件大得不正常；{_SAVE_AGAIN}。")
    return found


def _parse(archive: ZipFile, name: str, start: Any, limits: Mapping[str, Any], left: int) -> int:
    """Run `start` over the tags of a short part; returns its bytes."""
    content = _read(archive, name, min(int(limits["part_bytes"]), max(left, 0)))
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = lambda tag, attributes: start(tag.rpartition("}")[2], attributes)
    parser.Parse(content, True)
    return len(content)


def _refuse_doctype(*_: object) -> None:
    raise AttachmentRefused("damaged", f"文件里有外部实体声明，Office 不会写出这样的文件；{_SAVE_AGAIN}。")
