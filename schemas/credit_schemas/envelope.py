"""Event headers: CloudEvents 1.0, Kafka binding, binary mode.

`ce_id` is a UUIDv7 made once by the producer and kept by every retry; `ce_type` is `credit.<dataset>.<act>`;
`ce_source` names the county and the unit that answers for the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from .dataset import NAME

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/avro"
# Acts whose value is the dataset's own record; `refusal` tells of a row the door refused (schema `refusal`).
RECORD_ACTS = ("report", "correct")
# Acts on a record that is there: their value is a `record_act` (which record, why, on what basis, from which day).
STATE_ACTS = ("revoke", "withdraw", "repair", "dispute_open", "dispute_close", "reinstate")
ACTS = (*RECORD_ACTS, *STATE_ACTS, "refusal")
# Years an event can say it was made in. At both ends of the calendar a moment has no other time zone: what is stored
# could not be read back.
YEARS = range(1970, 9999)
# Put behind the headers of what may come after something that was made later; who sends for the first time has none.
RESENT = ("ce_resent", b"1")

Headers = list[tuple[str, bytes]]


class EnvelopeError(Exception):
    """Headers that are missing or malformed; `reason` is a stable word for filters."""

    reason = "envelope"
    retriable = False


class Envelope(NamedTuple):
    """What the headers of an event say.

    `replaces` (header `ce_replaces`) is the id of an event of an earlier row of the same file about the same record:
    the later row wins. It tells the center that sending the file again is no correction back and forth.

    `resent` (header `ce_resent`) says that the event was sent before or is sent out of its order: it overwrites nothing
    that its unit made later.
    """

    id: UUID
    county: str
    unit: str
    dataset: str
    act: str
    time: datetime
    replaces: UUID | None = None
    resent: bool = False


def write_headers(e: Envelope) -> Headers:
    """The Kafka headers of an event."""
    return [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", str(e.id).encode()),
        ("ce_source", f"/{e.county}/{e.unit}".encode()),
        ("ce_type", f"credit.{e.dataset}.{e.act}".encode()),
        (
            "ce_time",
            e.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(),
        ),
        ("content-type", CONTENT_TYPE.encode()),
        *([("ce_replaces", str(e.replaces).encode())] if e.replaces else []),
        *([RESENT] if e.resent else []),
    ]


def read_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> Envelope:
    """Parse the headers. Raises EnvelopeError naming the header at fault (never its content)."""
    found = {k: v for k, v in headers or () if v is not None}
    text = {}
    for name in ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"):
        try:
            text[name] = found[name].decode("ascii")
        except KeyError:
            raise EnvelopeError(f"没有消息头 {name}") from None
        except UnicodeDecodeError:
            raise EnvelopeError(f"消息头 {name} 不是 ASCII 字符") from None
    if text["ce_specversion"] != SPEC_VERSION:
        raise EnvelopeError("消息头 ce_specversion 不是 1.0")
    try:
        ident = UUID(text["ce_id"])
    except ValueError:
        raise EnvelopeError("消息头 ce_id 不是 UUID") from None
    if ident.version != 7:
        raise EnvelopeError("消息头 ce_id 不是第 7 版的 UUID")
    source, kind = text["ce_source"].split("/"), text["ce_type"].split(".")
    if len(source) != 3 or source[0] or not source[1] or not source[2]:
        raise EnvelopeError("消息头 ce_source 应当写作 /区划代码/单位代码")
    if len(kind) != 3 or kind[0] != "credit" or not NAME.fullmatch(kind[1]) or kind[2] not in ACTS:
        raise EnvelopeError("消息头 ce_type 应当写作 credit.数据集.动作")
    time = _time(text["ce_time"])
    replaces, resent = _replaces(found.get("ce_replaces")), _resent(found.get("ce_resent"))
    return Envelope(ident, source[1], source[2], kind[1], kind[2], time, replaces, resent)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise EnvelopeError("消息头 ce_time 不是 RFC 3339 的时间") from None
    if time.year not in YEARS:
        raise EnvelopeError("消息头 ce_time 的年份不可能")
    # In one zone: a database knows no displacement of 23 hours 59 minutes.
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _replaces(raw: bytes | None) -> UUID | None:
    if raw is None:
        return None
    try:
        return UUID(raw.decode("ascii"))
    except ValueError:
        raise EnvelopeError("消息头 ce_replaces 不是 UUID") from None


def _resent(raw: bytes | None) -> bool:
    if raw is None:
        return False
    if raw != RESENT[1]:
        raise EnvelopeError("消息头 ce_resent 只能是 1")
    return True
