"""Digests under the center's secret: they find records and subjects without storing what identifies them.

All come from `lookup.key` (32 bytes), each use with a key of its own: HMAC-SHA256(secret, use). So a record's digest
says nothing about a subject's, and neither is the HMAC-SM3 digest of a person, which uses the secret itself.
"""

from __future__ import annotations

import hmac
from typing import Any

from credit_schemas.dataset import Dataset
from credit_schemas.keys import SEP, content_digest, natural_key


class Digests:
    """The digests of one center."""

    def __init__(self, secret: bytes) -> None:
        self._record = hmac.digest(secret, b"credit record key 1", "sha256")
        self._content = hmac.digest(secret, b"credit content 1", "sha256")
        self._subject = hmac.digest(secret, b"credit subject 1", "sha256")

    def record(self, dataset: Dataset, values: dict[str, Any], unit: str) -> bytes:
        """What finds a record again: its natural key (STANDARDS 9, row 1) within the unit that reported it.

        The unit is part of it, because no unit may touch another's record, and because topics have no common order:
        who comes first must not decide. Two units that report the same decision show in the quality checks.
        """
        return self.of_record(SEP.join((unit, natural_key(dataset, values, unit))))

    def content(self, dataset: Dataset, values: dict[str, Any]) -> bytes:
        """Equal content, equal digest; personal numbers count in clear."""
        return content_digest(self._content, dataset, values)

    def subject(self, key: tuple[str, ...]) -> bytes:
        """What finds a subject: its step of the ladder (`keys.subject_key`)."""
        return self.of_subject(SEP.join(key))

    def of_record(self, clear: str) -> bytes:
        """The digest of unit and natural key in clear."""
        return hmac.digest(self._record, clear.encode(), "sha256")

    def of_content(self, clear: str) -> bytes:
        """The digest of a content in clear, as `keys.content_digest` writes it."""
        return hmac.digest(self._content, clear.encode(), "sha256")

    def of_subject(self, clear: str) -> bytes:
        """The digest of a step of the ladder in clear."""
        return hmac.digest(self._subject, clear.encode(), "sha256")
