"""Avro values in the Confluent wire format: magic byte 0, four bytes of schema id, the body.

Schema ids are fixed in the repository (`schema_id` in each file); each id is parsed once, which decodes three times
faster than handing fastavro a reader schema with every message (TRAPS, Avro).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import fastavro
from fastavro.types import Schema

from .dataset import Dataset, load_schemas
from .flat_writer import Writer, flat_writer

FRAME = struct.Struct(">bI")
MAGIC = 0


class CodecError(Exception):
    """A value that cannot be decoded. `reason` is a stable word for filters; no content is quoted."""

    reason = "codec"
    retriable = False


class NotFramed(CodecError):
    """No Confluent frame: too short, or another magic byte."""

    reason = "not_framed"


class UnknownSchema(CodecError):
    """A schema id this program does not know yet: the event is parked until it does, not discarded."""

    reason = "unknown_schema"
    retriable = True

    def __init__(self, schema_id: int) -> None:
        self.schema_id = schema_id
        super().__init__(f"结构编号 {schema_id} 不在目录里，报送程序可能比中心新")


class Undecodable(CodecError):
    """The body does not follow its schema, or bytes are left over."""

    reason = "undecodable"

    def __init__(self, schema_id: int, kind: str) -> None:
        self.schema_id = schema_id
        super().__init__(f"内容不符合结构编号 {schema_id}（{kind}）")


class Decoded(NamedTuple):
    """A decoded value: which dataset and schema it is of, and its fields (dates as `date`, sealed numbers as bytes)."""

    dataset: str
    schema_id: int
    version: int
    value: dict[str, Any]


class Codec:
    """Encodes and decodes the values of a set of schemas."""

    def __init__(self, schemas: Iterable[dict[str, Any]]) -> None:
        self._known: dict[int, tuple[dict[str, Any], Schema]] = {}
        self._writers: dict[int, Writer | None] = {}
        for s in schemas:
            parsed = fastavro.parse_schema(s, named_schemas={})
            self._known[s["schema_id"]] = (s, parsed)
            self._writers[s["schema_id"]] = flat_writer(parsed, FRAME.pack(MAGIC, s["schema_id"]))  # type: ignore[arg-type]

    def encode(self, schema_id: int, value: dict[str, Any]) -> bytes:
        """Frame and body of a value. Raises UnknownSchema, or ValueError when the value does not fit the schema."""
        if schema_id not in self._known:
            raise UnknownSchema(schema_id)
        quick = self._writers[schema_id]
        written = quick(value) if quick else None
        if written is not None:
            return written
        out = io.BytesIO()
        out.write(FRAME.pack(MAGIC, schema_id))
        # strict: a misspelt column must fail here, not vanish.
        fastavro.schemaless_writer(out, self._known[schema_id][1], value, strict_allow_default=True)
        return out.getvalue()

    def schema_id(self, data: bytes | None) -> int:
        """The schema id in the frame. Raises NotFramed."""
        if data is None or len(data) < FRAME.size:
            raise NotFramed("内容太短，没有结构编号")
        magic, schema_id = FRAME.unpack_from(data)
        if magic != MAGIC:
            raise NotFramed(f"首字节是 {magic}，应当是 0")
        return int(schema_id)

    def decode(self, data: bytes | None) -> Decoded:
        """The value of a message. Raises NotFramed, UnknownSchema, Undecodable."""
        schema_id = self.schema_id(data)
        known = self._known.get(schema_id)
        if known is None or data is None:
            raise UnknownSchema(schema_id)
        raw, parsed = known
        body = io.BytesIO(data)
        body.seek(FRAME.size)
        try:
            value = fastavro.schemaless_reader(body, parsed, None)
        except Exception as e:  # fastavro raises a dozen unrelated types on hostile bytes
            raise Undecodable(schema_id, type(e).__name__) from None
        if body.tell() != len(data):
            raise Undecodable(schema_id, "后面有多余的字节")
        return Decoded(raw["dataset"], schema_id, raw["version"], value)  # type: ignore[arg-type]


@cache
def shipped_codec() -> Codec:
    """The codec over every schema file of this distribution."""
    return Codec(load_schemas())


def event_value(dataset: Dataset, values: dict[str, Any], system: dict[str, Any]) -> dict[str, Any]:
    """The Avro value of a row: its non-empty columns (personal numbers already sealed) and the system fields."""
    return {
        **{c: v for c, v in values.items() if c in dataset.by_column},
        **{k: v for k, v in system.items() if v},
    }
