"""Numbers in cells. Amounts (STANDARDS 9, row 6): written in 万元, carried as whole 分, so that no sum ever rounds.

Counts (persons, enterprises, loans) are whole numbers.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from .cells import EMPTY, EXCEL_ERRORS, NUMBER, Unreadable, controls_out, halfwidth, kind_of
from .masking import quote

# Six decimals of 万元 are exactly one 分 (STANDARDS 1.2, column 20).
FEN_PER_WAN = 1_000_000
# Float noise as spreadsheets produce it, 0.1 + 0.2 and the like, in 万元.
NOISE = Decimal("1e-9")
# bigint of 分 holds it, and no fine comes near: a longer number is a slip of the keyboard.
MAX_WAN = Decimal(10) ** 12
# No number a person types is longer; a longer text is not worth turning into a number.
LONGEST = 60

SPELLING = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
)


def read_amount(name: str, cell: Any) -> tuple[int | None, list[str]]:
    """A cell of the column called `name` to (分 or None, the steps that altered it). Raises Unreadable."""
    text = _numeral(name, cell, "amount", "请填以万元为单位的数字")
    if text in EMPTY:
        return None, ["empty"] if text else []
    if len(text) > LONGEST or not SPELLING.fullmatch(text):
        raise Unreadable(
            "amount",
            f"「{name}」的“{quote(text)}”不是数字；请只填以万元为单位的数字，例如 2000 元填 0.2。",
        )
    fen, rounded = _whole_fen(name, Decimal(text.replace(",", "")), text)
    if rounded:
        return fen, ["rounded"]
    return fen, ["amount"] if isinstance(cell, str) and text.replace(",", "") != cell else []


def read_integer(name: str, cell: Any) -> tuple[int | None, list[str]]:
    """A cell of the column called `name` to (whole number or None, the steps that altered it). Raises Unreadable."""
    text = _numeral(name, cell, "integer", "请填整数")
    if text in EMPTY:
        return None, ["empty"] if text else []
    if len(text) > LONGEST or not SPELLING.fullmatch(text):
        raise Unreadable("integer", f"「{name}」的“{quote(text)}”不是数字；请只填整数。")
    value = Decimal(text.replace(",", ""))
    if value < 0:
        raise Unreadable("negative", f"「{name}」是负数 {quote(text)}；不能小于 0。")
    if value != value.to_integral_value() or value > MAX_WAN:
        raise Unreadable("integer", f"「{name}」的“{quote(text)}”不是合理的整数；请核对。")
    return int(value), ["integer"] if isinstance(cell, str) and str(int(value)) != cell else []


def _numeral(name: str, cell: Any, rule: str, mend: str) -> str:
    """What stands in a cell that should hold a number, as text."""
    if isinstance(cell, NUMBER) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise Unreadable(rule, f"「{name}」是{kind_of(cell)}格式的单元格，不是数字；{mend}。")
    text = halfwidth(controls_out(cell)).strip()
    if text in EXCEL_ERRORS:
        raise Unreadable("cell_error", f"「{name}」的单元格是错误值 {text}；请改正公式或直接填写数字。")
    return text


def _whole_fen(name: str, value: Decimal, text: str) -> tuple[int, bool]:
    if value <= -NOISE:
        raise Unreadable("negative", f"「{name}」是负数 {quote(text)}；金额不能小于 0。")
    if value > MAX_WAN:
        raise Unreadable("amount", f"「{name}」的数字太大；单位是万元，请核对。")
    fen = round(value * FEN_PER_WAN)
    off = abs(value - Decimal(fen) / FEN_PER_WAN)
    if off >= NOISE:
        raise Unreadable("decimals", f"「{name}」超过 6 位小数（{quote(text)}）；单位是万元，最多精确到分，请核对。")
    return fen, off != 0


def wan(fen: int) -> str:
    """分 rendered as 万元 without trailing zeros: 2000 元 is `0.2`."""
    if fen < 0:
        return "-" + wan(-fen)
    whole, part = divmod(fen, FEN_PER_WAN)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)
