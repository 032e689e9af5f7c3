"""Attachments of a report: photos and documents that never travel in Kafka.

A row names them in the column of role `attachments`. A person writes file names (`活动方案.docx；照片/1.jpg`); the
event carries, for each, name, SHA-256 and size: `名|摘要|字节数`. The digest is base64url there, not hex: in hex, one
digest in some thousands holds fifteen digits in a row that look like a resident's number. Elsewhere it is hex.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

ROLE = "attachments"
JOINED_BY = "；"
PARTED_BY = "|"
# What parts the names in a cell: both semicolons, and the line break of Alt+Enter.
SEPARATORS = re.compile(r"[；;\r\n]+")
DIGEST = re.compile(r"[0-9a-f]{64}")
SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "attachments.json").read_text(encoding="utf-8"))


class Attachment(NamedTuple):
    """One attached file: its name as the clerk wrote it, SHA-256 in hex, size in bytes."""

    name: str
    digest: str
    size: int


class AttachmentRefused(Exception):
    """A file that may not be an attachment.

    Attributes:
        code: Stable and short: `type`, `content`, `empty`, `too_large`, `macro`, `polyglot`, `zip_bomb`, `damaged` …
        message: Chinese: what is wrong with the file and what to do; quotes neither its name nor its content.
    """

    retriable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def limit(name: str) -> int:
    """A limit of `data/attachments.json`, where its reason stands too."""
    return int(SPEC["limits"][name]["max"])


def write_attachments(found: list[Attachment]) -> str:
    """The cell of an event."""
    return JOINED_BY.join(PARTED_BY.join((a.name, _short(a.digest), str(a.size))) for a in found)


def read_attachments(text: str) -> list[Attachment]:
    """The attachments of an event's cell. Raises ValueError where one lacks its digest or size."""
    return [_read(part) for part in text.split(JOINED_BY) if part]


def sealing_context(unit: str, digest: str) -> str:
    """What ties a sealed file to who hands it over and what is in it."""
    return f"{unit}/attachment/{digest}"


def _short(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()


def _read(part: str) -> Attachment:
    name, short, size = part.split(PARTED_BY)
    try:
        digest = base64.urlsafe_b64decode(short + "=")
    except binascii.Error:
        digest = b""
    if not name or len(digest) != 32 or _short(digest.hex()) != short or not re.fullmatch("[1-9][0-9]{0,11}", size):
        raise ValueError("not an attachment of an event")
    return Attachment(name, digest.hex(), int(size))
