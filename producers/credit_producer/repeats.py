"""The record that stands twice in a file (STANDARDS 9, row 2)."""

from __future__ import annotations

import secrets
from typing import Any

from credit_schemas.dataset import Dataset
from credit_schemas.keys import content_digest, producer_key
from credit_schemas.problems import Problem

from .files import SourceRow

REPEATED = "file.repeated_key"


class Repeats:
    """Finds the record that stands twice; of the rows gone by only two digests stay."""

    def __init__(self, dataset: Dataset, unit: str) -> None:
        self._dataset = dataset
        self._unit = unit
        # Drawn for this pass only: the digests never leave memory.
        self._salt = secrets.token_bytes(16)
        self._seen: dict[bytes, tuple[int, str, bytes]] = {}
        self._column = dataset.column("document.no") or dataset.fields[0].column

    def look(self, values: dict[str, Any], row: SourceRow) -> tuple[Problem | None, int | None]:
        """A warning when an earlier accepted row has the same natural key, and its number if its content differs.

        This row is then the one that counts.
        """
        key = bytes.fromhex(producer_key(self._salt, self._dataset, values, self._unit, None).decode())
        content = content_digest(self._salt, self._dataset, values)[:16]
        earlier = self._seen.get(key)
        self._seen[key] = (row.row, row.where, content)
        if earlier is None:
            return None, None
        number, where, before = earlier
        both = f"第 {number} 条（{where}）和第 {row.row} 条（{row.where}）是同一条记录"
        end = "内容相同，只算一条" if before == content else "内容不同，以后面这条为准"
        warning = Problem(self._column, REPEATED, "warn", f"{both}，{end}；请核对是否重复填写。")
        return warning, None if before == content else number
