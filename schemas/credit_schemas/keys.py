"""Keys of records: what finds a record, and what Kafka may see of it.

The natural key (STANDARDS 9, row 1) is (deciding body's code, document number in normal form, subject, decision date);
the subject is its unified code, or (ID type, canonical ID), or for a code-less 个体工商户 (unit, name, operator).
The producer digests it under the unit's own salt for the Kafka key; the center under its own key for lookups. Neither
digest can be turned into the other, and an ID number never stands in a Kafka key.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from . import identifiers
from .dataset import Dataset
from .documents import normal_document_no
from .sound_rows import SHAPES, picker

# Separates the parts of a key; it cannot occur in a cell, because normalisation removes control characters.
SEP = "\x1f"
PERSON = "自然人"
_Content = tuple[str, Callable[[dict[str, Any]], tuple[Any, ...]]]


def subject_key(dataset: Dataset, values: dict[str, Any], unit: str) -> tuple[str, ...]:
    """What identifies the subject of a row in its natural key; empty parts where a cell is missing.

    A registration number is no part of it: reported today and left out tomorrow, it would make two records of one.
    """
    code = dataset.value(values, "subject.code")
    if code and code != identifiers.USCC_PLACEHOLDER:
        return ("code", code)
    number = dataset.value(values, "subject.id_no")
    if number:
        kind = dataset.value(values, "subject.id_type") or ""
        return ("id", kind, identifiers.canonical_id(kind, number))
    operator = dataset.value(values, "representative.name") or ""
    return ("scoped", unit, dataset.value(values, "subject.name") or "", operator)


def natural_key(dataset: Dataset, values: dict[str, Any], unit: str) -> str:
    """The natural key of a row in clear, with personal numbers in it: for digesting in memory, never for storing."""
    parts: list[str] = [dataset.id]
    for role in dataset.natural_key:
        if role == "subject":
            parts.extend(subject_key(dataset, values, unit))
        else:
            value = dataset.value(values, role)
            if role == "document.no" and value:
                value = normal_document_no(value)
            parts.append(str(value or ""))  # of a day its ISO form
    return SEP.join(parts)


def producer_key(salt: bytes, dataset: Dataset, values: dict[str, Any], unit: str, source_key: str | None) -> bytes:
    """The Kafka key of a record: from the source key if there is one, else from the natural key; 32 hex characters."""
    clear = SEP.join((dataset.id, source_key)) if source_key else natural_key(dataset, values, unit)
    return hmac.digest(salt, clear.encode(), "sha256").hex()[:32].encode()


def content_digest(key: bytes, dataset: Dataset, values: dict[str, Any]) -> bytes:
    """A digest of a row's typed content, personal numbers in clear inside it: equal content, equal digest.

    Keyed, because a bare hash of a row with one unknown number could be searched for that number.
    """
    found = _CONTENTS.get(id(dataset))
    if found is None:
        found = _CONTENTS[id(dataset)] = (dataset, {})
    known, shape = found[1], tuple(values)
    content = known.get(shape)
    if content is None:
        if len(known) >= SHAPES:
            known.clear()
        content = known[shape] = _content(dataset, shape)
    if None in values.values():
        content = _content(dataset, tuple(c for c, v in values.items() if v is not None))
    text, pick = content
    return hmac.digest(key, (text % pick(values)).encode(), "sha256")


# Keyed by identity; the value holds the dataset itself, so that its id cannot be given to another object.
_CONTENTS: dict[int, tuple[Dataset, dict[tuple[str, ...], _Content]]] = {}


def _content(dataset: Dataset, filled: tuple[str, ...]) -> _Content:
    """How the content of rows reads that have these columns filled: a text with gaps, and what fills them.

    `str` of a day is its ISO form, and typed values hold no moments.
    """
    columns = [c for c in dataset.by_column if c in filled]
    return SEP.join([dataset.id, *(f"{c}=%s" for c in columns)]), picker(columns)
