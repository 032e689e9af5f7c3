"""From what stands in a cell to a typed value: the normalisation of STANDARDS 9, rows 3 to 8, driven by data.

`data/forms.json` says which steps each form takes; here is what a step does. Typed values are `str`, `datetime.date`
and, for amounts, `int` of 分 (0.000001 万元 = 1 分). Every alteration is reported, nothing is repaired in silence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from .codesets import CodeSet, load_codesets
from .dataset import Field
from .documents import normal_document_no
from .masking import mask_name, mask_number
from .problems import Change, Problem

SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "forms.json").read_text(encoding="utf-8"))
EMPTY = frozenset(SPEC["empty"])
STEP_NAMES: dict[str, str] = SPEC["step_names"]
EXCEL_ERRORS = frozenset(SPEC["excel_errors"])
LONG_TERM_WORDS = frozenset(SPEC["long_term"]["words"])
LONG_TERM = date.fromisoformat(SPEC["long_term"]["day"])

# Amounts travel as integers of 分; six decimals of 万元 are exactly one 分 (STANDARDS 1.2, column 20).
FEN_PER_WAN = 1_000_000
# Float noise as spreadsheets produce it, 0.1 + 0.2 and the like (STANDARDS 9, row 6), in 万元.
NOISE = Decimal("1e-9")
# bigint of 分 holds it, and no fine comes near: a longer number is a slip of the keyboard.
MAX_WAN = Decimal(10) ** 12

DATE_FORMS = (
    re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})"),
    re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"),
    re.compile(r"(\d{4})(\d{2})(\d{2})"),
    re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日"),
)
TIME_PART = re.compile(r"(?:[T ]\s*|(?<=日))\d{1,2}[:：时]\d{1,2}.*$")
AMOUNT = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,2})?")
HALFWIDTH = {c + 0xFEE0: c for c in range(0x21, 0x7F)} | {0x3000: 0x20}
HYPHENS = str.maketrans("", "", "-‐‑‒–—－")


class Unreadable(Exception):
    """A cell whose content cannot become a value of its form; `text` says in Chinese what to mend."""

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        self.text = text
        super().__init__(text)


class Read(NamedTuple):
    """A row as read: typed values of every non-empty column, what was altered, what could not be read."""

    values: dict[str, Any]
    original: dict[str, str]
    changes: list[Change]
    problems: list[Problem]


def read_row(fields: tuple[Field, ...], raw: dict[str, Any]) -> Read:
    """Read the cells of one row (column code to str, int, float, bool, date, datetime or None)."""
    out = Read({}, {}, [], [])
    for f in fields:
        cell = raw.get(f.column)
        if cell is None:
            continue
        try:
            value, steps = read_cell(f, cell)
        except Unreadable as e:
            out.problems.append(Problem(f.column, f"{f.column}.{e.rule}", "reject", e.text))
            continue
        if value is None:
            if steps:
                out.changes.append(_change(f, steps, cell, ""))
            continue
        out.values[f.column] = value
        if steps:
            out.changes.append(_change(f, steps, cell, value))
            if f.keep_original:
                out.original[f.column] = str(cell)
    return out


def _change(f: Field, steps: list[str], before: Any, after: Any) -> Change:
    shown_before, shown_after = str(before), str(after)
    if f.form == "amount" and isinstance(after, int):
        shown_after = wan(after)
    if f.personal:
        mask = mask_number if f.sealed else mask_name
        shown_before, shown_after = mask(shown_before.strip()), mask(shown_after)
    return Change(f.column, f"{f.column}.normalise", shown_before, shown_after)


def read_cell(f: Field, cell: Any) -> tuple[Any, list[str]]:
    """One cell to (typed value or None, the steps that altered it). Raises Unreadable."""
    if f.form == "date":
        return _read_date(f, cell)
    if f.form == "amount":
        return _read_amount(f, cell)
    if isinstance(cell, str):
        return _read_text(f, cell)
    if SPEC["forms"][f.form].get("identifier"):
        raise Unreadable(
            "numeric",
            f"「{f.cn}」是{_kind_of(cell)}格式的单元格，长号码和开头的 0 会被表格软件改掉，不能采用；"
            "请把整列设为“文本”格式后重新填写。",
        )
    if isinstance(cell, datetime | date):
        return _read_text(f, cell.isoformat()[:10])
    if isinstance(cell, bool):
        return _read_text(f, "是" if cell else "否")
    return _read_text(f, _plain(cell))


def _plain(number: float) -> str:
    return format(Decimal(repr(number)).normalize(), "f")


def _kind_of(cell: Any) -> str:
    if isinstance(cell, bool):
        return "逻辑值"
    return "日期" if isinstance(cell, date | datetime) else "数字"


def _read_text(f: Field, text: str) -> tuple[str | None, list[str]]:
    if text in EXCEL_ERRORS:
        raise Unreadable("cell_error", f"「{f.cn}」的单元格是错误值 {text}；请改正公式或直接填写内容。")
    taken: list[str] = []
    original = text
    codes = load_codesets()[f.codes] if f.codes else None
    for name in SPEC["forms"][f.form]["steps"]:
        after = STEPS[name](text, codes)
        if after != text:
            taken.append(name)
            text = after
    if text == "" or (text in EMPTY and not f.mandatory):
        return None, ["empty"] if original.strip() else []
    return text, taken


def controls_out(text: str, _codes: CodeSet | None = None) -> str:
    """NBSP, zero-width and control characters go (STANDARDS 9, row 3)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c != "\u00a0" and unicodedata.category(c) not in ("Cc", "Cf"))


def halfwidth(text: str, _codes: CodeSet | None = None) -> str:
    """Full-width letters, digits and punctuation become half-width."""
    return text if text.isascii() else text.translate(HALFWIDTH)


def _list(text: str, codes: CodeSet | None) -> str:
    form = SPEC["forms"]["choices"]
    parts = [p.strip() for p in re.split("[" + form["separators"] + "]", text)]
    seen = dict.fromkeys(codes.canonical(p) if codes else p for p in parts if p)
    return str(form["joined_by"]).join(seen)


STEPS: dict[str, Callable[[str, CodeSet | None], str]] = {
    "controls_out": controls_out,
    "trim": lambda text, _codes: text.strip(),
    "halfwidth": halfwidth,
    "blanks_out": lambda text, _codes: "".join(text.split()),
    "hyphens_out": lambda text, _codes: text if text in EMPTY else text.translate(HYPHENS),
    "upper": lambda text, _codes: text.upper(),
    "alias": lambda text, codes: codes.canonical(text) if codes else text,
    "list": _list,
    "document_no": lambda text, _codes: normal_document_no(text),
}


def _read_date(f: Field, cell: Any) -> tuple[date | None, list[str]]:
    if isinstance(cell, datetime):
        return cell.date(), []
    if isinstance(cell, date):
        return cell, []
    if isinstance(cell, bool):
        raise Unreadable("date", f"「{f.cn}」不是日期；请写成 2026-05-06 这样的日期。")
    if isinstance(cell, int | float):
        if cell == int(cell) and len(str(int(cell))) == 8:
            return _calendar_day(f, str(int(cell))), ["date"]
        raise Unreadable(
            "date",
            f"「{f.cn}」是数字 {_plain(cell)}，没有日期格式，无法确定是哪一天；请写成 2026-05-06 这样的日期。",
        )
    text = halfwidth(controls_out(cell)).strip()
    if text in EXCEL_ERRORS:
        raise Unreadable("cell_error", f"「{f.cn}」的单元格是错误值 {text}；请改正公式或直接填写日期。")
    if text in EMPTY:
        return None, ["empty"] if text else []
    if text in LONG_TERM_WORDS:
        return LONG_TERM, ["date"]
    day = _calendar_day(f, TIME_PART.sub("", text).strip())
    return day, [] if day.isoformat() == cell.strip() else ["date"]


def _calendar_day(f: Field, text: str) -> date:
    for form in DATE_FORMS:
        found = form.fullmatch(text)
        if found:
            year, month, day = (int(g) for g in found.groups())
            try:
                return date(year, month, day)
            except ValueError:
                raise Unreadable("date", f"「{f.cn}」的日期 {text} 在日历上不存在；请核对。") from None
    raise Unreadable(
        "date",
        f"「{f.cn}」的内容“{text[:20]}”不是日期；请写成 2026-05-06、2026/5/6、20260506 或 2026年5月6日，年份要四位。",
    )


def _read_amount(f: Field, cell: Any) -> tuple[int | None, list[str]]:
    if isinstance(cell, bool | date | datetime):
        raise Unreadable("amount", f"「{f.cn}」不是数字；请填以万元为单位的数字。")
    if isinstance(cell, int | float):
        text = repr(cell)
        if text in ("nan", "inf", "-inf"):
            raise Unreadable("amount", f"「{f.cn}」不是数字；请填以万元为单位的数字。")
    else:
        text = halfwidth(controls_out(cell)).strip()
        if text in EXCEL_ERRORS:
            raise Unreadable("cell_error", f"「{f.cn}」的单元格是错误值 {text}；请改正公式或直接填写数字。")
        if text in EMPTY:
            return None, ["empty"] if text else []
        if not AMOUNT.fullmatch(text) or not any(c.isdigit() for c in text):
            raise Unreadable(
                "amount",
                f"「{f.cn}」的“{text[:20]}”不是数字；请只填以万元为单位的数字，例如 2000 元填 0.2。",
            )
    value = Decimal(text.replace(",", ""))
    if value < 0:
        raise Unreadable("negative", f"「{f.cn}」是负数 {text[:20]}；金额不能小于 0。")
    if value > MAX_WAN:
        raise Unreadable("amount", f"「{f.cn}」的数字太大；单位是万元，请核对。")
    fen = (value * FEN_PER_WAN).to_integral_value()
    off = abs(value - fen / FEN_PER_WAN)
    if off >= NOISE:
        raise Unreadable("decimals", f"「{f.cn}」超过 6 位小数（{text[:24]}）；单位是万元，最多精确到分，请核对。")
    plain = not isinstance(cell, str) or (text == cell.strip() and "," not in text)
    return int(fen), ["rounded"] if off else [] if plain else ["amount"]


def wan(fen: int) -> str:
    """分 rendered as 万元 without trailing zeros: 2000 元 is `0.2`."""
    whole, part = divmod(fen, FEN_PER_WAN)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".") if part else str(whole)


def render(fields: tuple[Field, ...], values: dict[str, Any], *, mask: bool = True) -> dict[str, str]:
    """Typed values as text: national codes as keys, ISO dates, amounts in 万元, personal numbers masked with `*`."""
    return {f.column: render_value(f, values[f.column], mask=mask) for f in fields if values.get(f.column) is not None}


def render_value(f: Field, value: Any, *, mask: bool = True) -> str:
    """One typed value as text."""
    if f.form == "amount":
        return wan(value)
    if isinstance(value, date):
        return value.isoformat()
    if f.sealed:
        return mask_number(value) if mask else str(value)
    return str(value)
