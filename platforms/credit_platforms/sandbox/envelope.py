"""Reading a posted batch: the envelope, not what the rows say.

A broken envelope is a mistake of the sending program and refuses the whole batch; a bad row is judged alone.
"""

import hashlib
import json
import uuid
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, Literal

from credit_platforms.sandbox.errors import RequestRefused

MAX_ROWS: Final = 500
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""500 rows with every text at its full width, in three-byte UTF-8, are about 23 MB."""
MAX_MARK: Final = 64
MAX_REVISION: Final = 2**53
"""Beyond it JSON numbers are not exact everywhere."""


@dataclass(frozen=True)
class Row:
    """One line of a batch: what to do to which record. `mark` is shown with the copy, such as 异议处理中."""

    op: Literal["put", "end"]
    record_no: str
    revision: int
    reason: str | None
    data: dict[str, object]
    mark: str | None = None


@dataclass(frozen=True)
class Batch:
    """One posted batch; `digest` is the same for the same content however its JSON is written."""

    batch_id: str
    table: str
    rows: tuple[Row, ...]
    digest: str


def parse(body: bytes, idempotency_key: str | None, tables: Container[str]) -> Batch:
    """The batch in a request body, for one of these tables.

    Raises:
        RequestRefused: E1101 envelope, E1102 idempotency key, E1103 too many rows (413), E1108 unknown table.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise _broken("请求体不是 JSON，或嵌套过深") from e
    if not isinstance(document, dict):
        raise _broken("请求体须为 JSON 对象")
    batch_id = _uuid(document.get("batch_id"), "batch_id")
    if idempotency_key is None or idempotency_key.lower() != batch_id:
        raise RequestRefused("E1102", "idempotency key", "请求头 Idempotency-Key 须有，且与请求体中的 batch_id 相同")
    table = document.get("table")
    if not isinstance(table, str):
        raise _broken("table 须为文本")
    if table not in tables:
        raise unknown_table()
    lines = document.get("rows")
    if not isinstance(lines, list) or not lines:
        raise _broken("rows 须为非空的列表")
    if len(lines) > MAX_ROWS:
        raise RequestRefused("E1103", "too many rows", f"一批最多 {MAX_ROWS} 行，请分批报送", status=413)
    rows = tuple(_row(line, place) for place, line in enumerate(lines, start=1))
    return Batch(batch_id, table, rows, digest_of(document))


def unknown_table() -> RequestRefused:
    """The refusal of a table that the platform does not have."""
    return RequestRefused("E1108", "unknown table", "平台没有这张表，请核对表名")


def rows_as_json(rows: tuple[Row, ...]) -> str:
    """The rows as text that `rows_from_json` reads back."""
    return json.dumps([vars(row) for row in rows])


def rows_from_json(text: str) -> tuple[Row, ...]:
    """The rows written by `rows_as_json`."""
    return tuple(Row(**line) for line in json.loads(text))


def digest_of(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON: keys sorted, no blanks, UTF-8, no escapes beyond the necessary."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _row(line: object, place: int) -> Row:
    where = f"第 {place} 行的"
    if not isinstance(line, dict):
        raise _broken(f"第 {place} 行须为 JSON 对象")
    op = line.get("op")
    if op not in ("put", "end"):
        raise _broken(f"{where} op 须为 put 或 end")
    record_no = _uuid(line.get("record_no"), f"{where} record_no")
    revision = line.get("revision")
    if type(revision) is not int or not 0 < revision <= MAX_REVISION:
        raise _broken(f"{where} revision 须为正整数")
    reason = line.get("reason")
    if not isinstance(reason, str | None):
        raise _broken(f"{where} reason 须为文本或 null")
    mark = line.get("mark")
    if not isinstance(mark, str | None) or len(mark or "") > MAX_MARK:
        raise _broken(f"{where} mark 须为不超过 {MAX_MARK} 字的文本或 null")
    data = line.get("data")
    if op == "end":
        data, mark = {}, None
    if not isinstance(data, dict):
        raise _broken(f"{where} data 须为列名到值的 JSON 对象")
    return Row(op, record_no, revision, reason, data, mark)


def _uuid(value: object, what: str) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError as e:
        raise _broken(f"{what} 须为 UUID") from e


def _broken(message: str) -> RequestRefused:
    return RequestRefused("E1101", "malformed batch", message)
