"""Keys of records: what finds a record, and what Kafka may see of it.

The natural key (STANDARDS 9, row 1) is (deciding body's code, document number in normal form, subject, decision date);
the subject is its unified code, or (ID type, canonical ID), or for a code-less 个体工商户 (unit, name, operator).
The producer digests it under the unit's own salt for the Kafka key; the center under its own key for lookups. Neither
digest can be turned into the other, and an ID number never stands in a Kafka key.
"""

from __future__ import annotations

import hmac
from datetime import date
from typing import Any

from . import identifiers
from .dataset import Dataset
from .documents import normal_document_no

# Separates the parts of a key; it cannot occur in a cell, because normalisation removes control characters.
SEP = "\x1f"
PERSON = "自然人"


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
            parts.append(value.isoformat() if isinstance(value, date) else str(value or ""))
    return SEP.join(parts)


def producer_key(salt: bytes, dataset: Dataset, values: dict[str, Any], unit: str, source_key: str | None) -> bytes:
    """The Kafka key of a record: from the source key if there is one, else from the natural key; 32 hex characters."""
    clear = SEP.join((dataset.id, source_key)) if source_key else natural_key(dataset, values, unit)
    return hmac.digest(salt, clear.encode(), "sha256").hex()[:32].encode()


def content_digest(key: bytes, dataset: Dataset, values: dict[str, Any]) -> bytes:
    """A digest of a row's typed content, personal numbers in clear inside it: equal content, equal digest.

    Keyed, because a bare hash of a row with one unknown number could be searched for that number.
    """
    # `str` of a day is its ISO form, and typed values hold no moments.
    parts = [f"{c}={value}" for c in dataset.by_column if (value := values.get(c)) is not None]
    return hmac.digest(key, SEP.join([dataset.id, *parts]).encode(), "sha256")
