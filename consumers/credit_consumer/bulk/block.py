"""Many Avro bodies of one schema read at once: put together as one Avro data block, read by columns.

Between the bodies stand marks that nobody can guess. Bodies have no length of their own, so one that is too long or too
short would shift everything behind it; then a mark is not where it belongs, and the block is not believed.

Polars takes any branch of a union but the first for the second, and numbers written longer than they need be. So each
body is held against what was read of it: every branch number where it must stand, and the length. What is written in
another way, or holds more than plain cells, is put to the codec.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from .frames import filled, kept

MARK = "mark"
_NONCE_BYTES = 8
# Avro's long of the mark's length (zigzag): nonce and row number.
_MARK_LENGTH = bytes([(_NONCE_BYTES + 4) << 1])
# Below this many rows around a bad one it is not worth looking for the good ones: they go row by row.
_SMALLEST = 32


class BlockReader:
    """Reads bodies of one schema (the Avro part of a dataset's file)."""

    def __init__(self, schema: dict[str, Any], confirm: Callable[[bytes], bool]) -> None:
        """`confirm` tells of a body whether the codec can read it."""
        plain = _plain(schema)
        self._confirm = confirm
        self._fields = list(plain["fields"])
        marked = {**plain, "fields": [*self._fields, {"name": MARK, "type": "bytes"}]}
        self._schema = json.dumps(marked).encode()

    def read(self, bodies: Sequence[bytes]) -> tuple[pl.DataFrame, list[int]]:
        """Columns of the bodies that follow the schema, and which of `bodies` they are; the others are left out."""
        at = list(range(len(bodies)))
        found = self._read(bodies, at)
        if not found:
            return pl.DataFrame(), []
        frames, rows = zip(*found, strict=True)
        return pl.concat(frames) if len(frames) > 1 else frames[0], [i for part in rows for i in part]

    def _read(self, bodies: Sequence[bytes], at: list[int]) -> list[tuple[pl.DataFrame, list[int]]]:
        frame = self._block(bodies)
        if frame is not None:
            sure = self._as_written(frame, bodies)
            for i in map(int, np.flatnonzero(~sure)):
                sure[i] = self._confirm(bodies[i])
            return [(kept(frame, pl.Series(sure)), [place for place, good in zip(at, sure, strict=True) if good])]
        if len(bodies) <= _SMALLEST:
            return []
        middle = len(bodies) // 2
        return self._read(bodies[:middle], at[:middle]) + self._read(bodies[middle:], at[middle:])

    def _block(self, bodies: Sequence[bytes]) -> pl.DataFrame | None:
        nonce, sync = os.urandom(_NONCE_BYTES), os.urandom(16)
        marks = [nonce + i.to_bytes(4) for i in range(len(bodies))]
        data = b"".join([part for body, mark in zip(bodies, marks, strict=True) for part in (body, _MARK_LENGTH, mark)])
        meta = [_long(1), _bytes(b"avro.schema"), _bytes(self._schema), _long(0)]
        file = b"".join([b"Obj\x01", *meta, sync, _long(len(bodies)), _bytes(data), sync])
        try:
            frame = pl.read_avro(BytesIO(file))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if len(frame) != len(bodies) or not (frame[MARK] == pl.Series(marks, dtype=pl.Binary)).all():
            return None
        return frame.drop(MARK)

    def _as_written(self, frame: pl.DataFrame, bodies: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which bodies are surely what was read of them, written the shortest way: branch, value, branch, value …"""
        data = np.frombuffer(b"".join([*bodies, b"\xff"]), dtype=np.uint8)  # one more, so that every place is within it
        ends = np.cumsum([len(b) for b in bodies])
        place = np.concatenate([[0], ends[:-1]])
        sure = np.ones(len(bodies), dtype=bool)
        known = self._sizes(frame)
        for f in self._fields:
            name = f["name"]
            branch = data[np.minimum(place, len(data) - 1)]
            place = place + 1
            if frame[name].null_count() == len(frame):
                sure &= branch == 0
            elif name not in known:
                sure &= (branch == 0) & frame[name].is_null().to_numpy()
            else:
                filled, sizes = known[name]
                sure &= branch == np.where(filled, 2, 0)
                place = place + np.where(filled, sizes, 0)
        return sure & (place == ends)

    def _sizes(self, frame: pl.DataFrame) -> dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]]:
        """Of each plain column that holds anything: where it does, and how many bytes each value takes."""
        kinds = {f["name"]: kind for f in self._fields if (kind := _OPTIONAL.get(json.dumps(f["type"])))}
        used = filled(frame, list(kinds))
        numbers = {"text": _TEXT, "bytes": _BYTES, "long": _LONG}
        there = frame.select(pl.col(c).is_not_null() for c in used)
        told = frame.select(numbers[kinds[c]](pl.col(c)).cast(pl.Int64).fill_null(0).alias(c) for c in used)
        found = {}
        for c in used:
            number = told[c].to_numpy()
            size = _long_sizes(number) + (number if kinds[c] != "long" else 0)
            found[c] = there[c].to_numpy(), size
        return found


# What tells how many bytes a value takes: its length, or the number itself.
_TEXT: Callable[[pl.Expr], pl.Expr] = lambda column: column.str.len_bytes()  # noqa: E731
_BYTES: Callable[[pl.Expr], pl.Expr] = lambda column: column.bin.size()  # noqa: E731
_LONG: Callable[[pl.Expr], pl.Expr] = lambda column: column.to_physical()  # noqa: E731
# From each of these numbers on (zigzag) one byte more.
_LIMITS = np.array([1 << bits for bits in range(7, 64, 7)], dtype=np.uint64)
# What a plain cell may be.
_OPTIONAL = {
    json.dumps(["null", "string"]): "text",
    json.dumps(["null", "bytes"]): "bytes",
    json.dumps(["null", "long"]): "long",
    json.dumps(["null", {"type": "int", "logicalType": "date"}]): "long",
}


def _long_sizes(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many bytes Avro's longs take (zigzag, seven bits a byte)."""
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    sizes: npt.NDArray[np.int64] = 1 + np.searchsorted(_LIMITS, zigzag, side="right")
    return sizes


def _plain(t: Any) -> Any:
    """The Avro part of a schema, without our attributes. A map is told as what it is on the wire, an array of pairs."""
    if isinstance(t, list):
        return [_plain(x) for x in t]
    if not isinstance(t, dict):
        return t
    if t["type"] == "map":
        pair = [{"name": "key", "type": "string"}, {"name": "value", "type": _plain(t["values"])}]
        return {"type": "array", "items": {"type": "record", "name": "Pair", "fields": pair}}
    if t["type"] == "record":
        fields = [{"name": f["name"], "type": _plain(f["type"])} for f in t["fields"]]
        return {"type": "record", "name": t["name"], "fields": fields}
    return {k: _plain(v) for k, v in t.items() if k in ("type", "logicalType", "items")}


def _long(number: int) -> bytes:
    """Avro's long: zigzag, seven bits a byte."""
    rest, out = number << 1 if number >= 0 else (-number << 1) - 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def _bytes(data: bytes) -> bytes:
    return _long(len(data)) + data
