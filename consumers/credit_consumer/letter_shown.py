"""One dead letter as an operator may see it: all about it, nothing of it.

Key and value are told by their size, and by their digest where nobody could try out what gives it. Headers are the
sender's own words and may hold anything: they are cut to size; numbers, control characters and Chinese do not show.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from psycopg2.extensions import connection
from psycopg2.extras import DictCursor

from credit_schemas.catalogue import Catalogue
from credit_schemas.codec import FRAME, MAGIC, Codec, CodecError, UnknownSchema
from credit_schemas.masking import LONG_NUMBER, mask_number
from credit_schemas.personal import discreet

from . import letter_statements as sql
from .decode import REASONS
from .graveyard import stored_headers
from .letter_words import OPERATOR

# Enough for every header of ours; a screen full of a stranger's.
HEADERS_SHOWN = 50
NAME_SHOWN, VALUE_SHOWN = 60, 120
HIDDEN = "（不是 ASCII 字符，不显示）"
# A digest of less could be tried out: an ID number has fewer possibilities than a second has hashes.
DIGEST_FROM = 64
# The key of a record as our producers make it (`keys.producer_key`).
_OWN_KEY = re.compile(rb"[0-9a-f]{32}")


def shown(con: connection, letter_id: int, catalogue: Catalogue) -> dict[str, Any] | None:
    """A dead letter, or None when there is none of that number.

    Args:
        con: As role `consumer`, which alone may read what came; none of it leaves this function.

    Returns:
        What `list_dead_letters` tells, and `topic_id`, `what_to_do`, `schema_known` (None without a schema id),
        `headers` (`name`, `bytes`, `value`), `key_bytes`, `key` (only one of ours), `value_bytes`, `value_sm3`,
        `value_sha256`.
    """
    with con.cursor(cursor_factory=DictCursor) as cur:
        cur.execute(sql.SHOW, [letter_id])
        row = cur.fetchone()
    con.rollback()
    if row is None:
        return None
    letter = dict(row)
    headers = stored_headers(letter.pop("headers"))
    key, value = (None if b is None else bytes(b) for b in (letter.pop("key"), letter.pop("value")))
    told = value is not None and len(value) >= DIGEST_FROM
    return {
        **letter,
        "meaning": REASONS.get(letter["reason"], letter["reason"]),
        "what_to_do": OPERATOR.get(letter["reason"], "") if letter["state"] in ("dead", "parked") else "",
        "schema_known": _known(catalogue.codec, letter["schema_id"]),
        "headers": [_header(name, v) for name, v in headers[:HEADERS_SHOWN]] + _others(len(headers) - HEADERS_SHOWN),
        "key_bytes": None if key is None else len(key),
        "key": key.decode() if key is not None and _OWN_KEY.fullmatch(key) else None,
        "value_bytes": None if value is None else len(value),
        "value_sm3": _digest(hashes.SM3(), value) if told and value else None,
        "value_sha256": _digest(hashes.SHA256(), value) if told and value else None,
    }


def _header(name: str, value: bytes | None) -> dict[str, Any]:
    return {"name": _safe(name, NAME_SHOWN), "bytes": 0 if value is None else len(value), "value": _value(value)}


def _others(count: int) -> list[dict[str, Any]]:
    return [{"name": f"…另有 {count} 个", "bytes": None, "value": None}] if count > 0 else []


def _value(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        # The id of an event is no number of anybody's, though it may look like one.
        return str(UUID(value.decode("ascii"))) if len(value) == 36 else _safe(value.decode(), VALUE_SHOWN)
    except ValueError:
        return HIDDEN


def _safe(text: str, size: int) -> str:
    """What stands in a header of ours is ASCII; a stranger's words may be somebody's name."""
    # Longer than shown, so that a number is not cut in two before it is found.
    text = LONG_NUMBER.sub(lambda found: mask_number(found.group()), discreet(text[: size * 4]))
    if not text.isascii():
        return HIDDEN
    return text if len(text) <= size else text[:size] + "…"


def _known(codec: Codec, schema_id: int | None) -> bool | None:
    if schema_id is None:
        return None
    try:
        codec.decode(FRAME.pack(MAGIC, schema_id))
    except UnknownSchema:
        return False
    except CodecError:
        pass
    return True


def _digest(kind: hashes.HashAlgorithm, data: bytes) -> str:
    digest = hashes.Hash(kind)
    digest.update(data)
    return digest.finalize().hex()
