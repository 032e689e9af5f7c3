"""From what a database driver returns to cells and faults: nothing is repaired, nothing crashes a pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from uuid import UUID

from credit_schemas.personal import discreet, holds_resident_number

from ..files.model import DEFAULT_LIMITS, Cell, Fault

# Part of `source_key`, which may have 200 characters together with the name of the source.
KEY_MAX = 130


class BadKey(Exception):
    """A row's key cannot be used; `code` and a Chinese `message`."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def key_text(parts: Sequence[object]) -> str:
    """The key of a row as text. Raises BadKey."""
    texts = []
    for part in parts:
        if part is None:
            raise BadKey("key_missing", "这一行没有主键（key 指定的列是空的），无法辨认，没有发送；请补上。")
        if isinstance(part, bool | bytes | bytearray | memoryview | float | list | dict | tuple):
            raise BadKey("key_type", "主键的类型不能用（应当是文字、整数、日期或 UUID）；请换一列做 key。")
        if isinstance(part, Decimal) and not (part.is_finite() and part == part.to_integral_value()):
            raise BadKey("key_type", "主键不是整数；请换一列做 key。")
        text = format(part, "f") if isinstance(part, Decimal) else str(part).strip()
        texts.append(text.replace("%", "%25").replace("|", "%7C") if len(parts) > 1 else text)
    key = "|".join(texts)
    if not key or len(key) > KEY_MAX or not key.isprintable():
        raise BadKey("key_text", f"主键应当是 1 到 {KEY_MAX} 个可见字符；请换一列做 key。")
    if holds_resident_number(key):
        raise BadKey("key_personal", "主键里有公民身份号码；主键不加密，请换用系统里的编号做 key。")
    return key


def shown_key(parts: Sequence[object]) -> str:
    """A key that cannot be used, as a person may see it."""
    text = discreet("|".join(str(part) for part in parts))
    return "".join(c if c.isprintable() else "?" for c in text)[:40] or "？"


def cell(value: object, address: str, zone: tzinfo) -> tuple[Cell, Fault | None]:
    """A value of the driver as a cell, and what is wrong with it."""
    if value is None:
        return Cell(None, "empty", address), None
    if isinstance(value, str):
        return _text(value, address)
    if isinstance(value, bool):
        return Cell(value, "bool", address), None
    if isinstance(value, int | float):
        return Cell(value, "number", address), None
    if isinstance(value, Decimal):
        # Exact; rules and forms take it as the number it is.
        return Cell(value, "number", address), None  # type: ignore[arg-type]
    if isinstance(value, datetime):
        return Cell(value.astimezone(zone) if value.tzinfo else value, "date", address), None
    if isinstance(value, date):
        return Cell(value, "date", address), None
    if isinstance(value, UUID):
        return Cell(str(value), "text", address), None
    return _damaged(address, "cell_type", f"的类型（{type(value).__name__}）不能用；请在查询里转换成文字、数字或日期。")


def _text(value: str, address: str) -> tuple[Cell, Fault | None]:
    if len(value) > DEFAULT_LIMITS.cell_chars:
        return _damaged(address, "cell_too_long", f"的文字超过 {DEFAULT_LIMITS.cell_chars} 个字符；请缩短。")
    if "\x00" in value:
        return _damaged(address, "nul", "含有空字节（NUL），数据可能已损坏；请在原系统里改正。")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        return _damaged(address, "undecodable", "有无法识别的字符（编码错误）；请在原系统里改正。")
    # A fixed-width column is filled up with blanks: they are the database's, not the clerk's.
    return Cell(value.rstrip(" "), "text", address), None


def _damaged(address: str, code: str, what: str) -> tuple[Cell, Fault]:
    return Cell(None, "error", address), Fault(code, f"{address} {what}", address)
