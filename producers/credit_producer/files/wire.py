"""The pipe between the reading child and its parent: length-prefixed frames of plain JSON.

The child parses hostile input, so the parent believes nothing it sends: never pickle or marshal (both can run
or crash the reader), only JSON, every length capped, every value checked. Row frames are compressed and stay so
in the parent until a row is asked for: 100,000 rows × 30 columns wait in some 25 MB.

Frame: one byte kind, four bytes length, body. `R` zlib(JSON {"at": [[code, column]…], "rows": [row…]}),
`E` JSON end (counts, notices), `X` JSON refusal {"code", "message"}.
Row: [row, line, [value…] in the order of "at", or null, [[code, message, address]…]].
Value: JSON string, number, bool, null (empty), ["d", ISO date], ["t", ISO date-time], ["e", error text or null].
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import IO, Any, BinaryIO

from .model import Cell, Fault, FileRefused, SourceRow
from .places import FileKind, address

Value = str | int | float | bool | list[str | None] | None
Layout = tuple[tuple[str, int], ...]  # (national code, physical column from 0)
WireFault = tuple[str, str, str]  # code, message, address

ROWS_A_FRAME = 500  # about 200 KB of JSON: small against the memory budget, large against the frame's cost
MAX_FRAME = 64 << 20  # 500 rows × 30 cells × 32,767 characters never compress to this; a lying child might send it
FLUSH_CHARS = 4 << 20  # rows with huge cells are flushed earlier
MAX_UNPACKED = 128 << 20  # FLUSH_CHARS and one row of 512 cells full to the brim, four bytes a character
_HEAD = struct.Struct(">cI")


class BrokenWire(Exception):
    """The child sent something that is no frame of this protocol."""

    retriable = False


class FrameWriter:
    """The child's end. Not one row is lost between two frames: `end` states how many were written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._layout: Layout = ()
        self._rows: list[list[object]] = []
        self._chars = 0
        self.written = 0

    def row(self, layout: Layout, line: int, values: list[Value] | None, faults: list[WireFault]) -> None:
        if layout != self._layout:
            self.flush()
            self._layout = layout
        self.written += 1
        self._rows.append([self.written, line, values, faults])
        if values is not None:
            self._chars += sum(len(value) for value in values if value.__class__ is str)
        if len(self._rows) >= ROWS_A_FRAME or self._chars > FLUSH_CHARS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            body = json.dumps({"at": self._layout, "rows": self._rows}, ensure_ascii=False, separators=(",", ":"))
            unpacked = body.encode()
            if len(unpacked) > MAX_UNPACKED:
                raise FileRefused("too_large", "有的行内容过多，无法读取。请检查表格，缩短过长的单元格后再提交。")
            self._send(b"R", zlib.compress(unpacked, 1))
            self._rows = []
            self._chars = 0

    def end(self, **facts: object) -> None:
        self.flush()
        self._send(b"E", json.dumps({"rows": self.written, **facts}).encode())

    def refuse(self, code: str, message: str) -> None:
        self._send(b"X", json.dumps({"code": code, "message": message}).encode())

    def _send(self, kind: bytes, body: bytes) -> None:
        self._out.write(_HEAD.pack(kind, len(body)))
        self._out.write(body)
        self._out.flush()


def read_frame(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """The next frame's kind and body.

    Raises:
        BrokenWire: the stream ends (the child died) or the frame is none.
    """
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise BrokenWire("end of stream")
    kind, length = _HEAD.unpack(head)
    if length > MAX_FRAME or kind not in (b"R", b"E", b"X"):
        raise BrokenWire("no frame")
    body = stream.read(length)
    if len(body) < length:
        raise BrokenWire("end of stream")
    return kind, body


def plain(body: bytes) -> dict[str, Any]:
    """A frame's JSON object."""
    try:
        value = json.loads(body)
    except ValueError as broken:
        raise BrokenWire("no JSON") from broken
    if not isinstance(value, dict):
        raise BrokenWire("no object")
    return value


def decode_rows(body: bytes, kind: FileKind) -> Iterator[SourceRow]:
    """The rows of one `R` frame."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(body, MAX_UNPACKED)
    except zlib.error as broken:
        raise BrokenWire("no zlib") from broken
    if unpacker.unconsumed_tail:
        raise BrokenWire("frame too large")
    frame = plain(text)
    try:
        places = [(str(code), int(column)) for code, column in frame["at"]]
        for row, line, values, faults in frame["rows"]:
            cells = {}
            if values is not None:
                for (code, column), value in zip(places, values, strict=True):
                    cells[code] = _cell(value, address(kind, column, line))
            yield SourceRow(int(row), int(line), cells, tuple(Fault(str(c), str(m), str(a)) for c, m, a in faults))
    except (KeyError, TypeError, ValueError) as broken:
        raise BrokenWire("no row") from broken


def _cell(value: Any, where: str) -> Cell:
    if value is None:
        return Cell(None, "empty", where)
    if isinstance(value, str):
        return Cell(value, "text", where)
    if isinstance(value, bool):
        return Cell(value, "bool", where)
    if isinstance(value, int | float):
        return Cell(value, "number", where)
    tag, text = value
    if tag == "d":
        return Cell(date.fromisoformat(text), "date", where)
    if tag == "t":
        return Cell(datetime.fromisoformat(text), "date", where)
    if tag == "e" and (text is None or isinstance(text, str)):
        return Cell(text, "error", where)
    raise BrokenWire("no cell")
