"""From what stands in a cell to a typed value: the normalisation of STANDARDS 9, rows 3 to 8, driven by data.

`data/forms.json` says which steps each form takes; here is what a step does. Typed values are `str`, `datetime.date`
and, for amounts, `int` of 分 (0.000001 万元 = 1 分). Every alteration is reported, nothing is repaired in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from .amounts import FEN_PER_WAN, read_amount, read_integer, wan
from .cells import EMPTY, EXCEL_ERRORS, NUMBER, SPEC, Unreadable, controls_out, halfwidth, is_missing, kind_of, plain
from .codesets import CodeSet
from .dataset import ContractError, Field
from .dates import LONG_TERM, read_date
from .documents import normal_document_no
from .masking import mask_name, mask_number
from .personal import hide_resident_number
from .problems import Change, Problem
from .quick_cells import Quick, quick_reader

__all__ = [
    "FEN_PER_WAN",
    "JOINED_BY",
    "LONG_TERM",
    "STEP_NAMES",
    "Read",
    "Unreadable",
    "read_cell",
    "read_row",
    "render",
    "render_value",
    "wan",
]

STEP_NAMES: dict[str, str] = SPEC["step_names"]
JOINED_BY: str = SPEC["forms"]["choices"]["joined_by"]
HYPHENS = str.maketrans("", "", "-‐‑‒–—―−﹣－")
PERSON = "自然人"
# Forms remembered, and orders of columns for each: a catalogue has some forty.
READERS = 512

Step = Callable[[str], str]


class Read(NamedTuple):
    """A row as read: typed values of every non-empty column, what was altered, what could not be read."""

    values: dict[str, Any]
    original: dict[str, str]
    changes: list[Change]
    problems: list[Problem]


def read_row(fields: tuple[Field, ...], raw: Mapping[str, Any]) -> Read:
    """Read the cells of one row (column code to str, int, float, Decimal, bool, date, datetime or None)."""
    out = Read({}, {}, [], [])
    altered: list[tuple[Field, Any, Any]] = []
    values, get = out.values, raw.get
    for column, f, quick in _readers(fields, tuple(raw)):
        cell = get(column)
        if cell is None:
            continue
        if type(cell) is str:
            if not cell:
                continue
            value = quick(cell)
            if value is not None:
                values[column] = value
                continue
        elif cell == "" if isinstance(cell, str) else is_missing(cell):
            continue
        try:
            value, steps = read_cell(f, cell)
        except Unreadable as e:
            out.problems.append(Problem(f.column, f"{f.column}.{e.rule}", "reject", e.text))
            continue
        if steps:
            altered.append((f, cell, value))
        if value is not None:
            values[column] = value
            if steps and f.keep_original:
                out.original[f.column] = str(cell)
    if altered:
        category = next((f.column for f in fields if f.role == "subject.category"), "")
        person = out.values.get(category) == PERSON
        out.changes.extend(_change(f, before, after, person=person) for f, before, after in altered)
    return out


_Reader = tuple[str, Field, Quick]
# Keyed by identity; the value holds the fields themselves, so that their id cannot be given to another object. Files
# have their columns in few orders: for each, which fields there are to read is found once.
_READERS: dict[int, tuple[tuple[Field, ...], tuple[_Reader, ...], dict[tuple[str, ...], tuple[_Reader, ...]]]] = {}


def _readers(fields: tuple[Field, ...], columns: tuple[str, ...]) -> tuple[_Reader, ...]:
    """Of the fields that a row with these columns has: column, field, and the short way of reading a text."""
    found = _READERS.get(id(fields))
    if found is None:
        if len(_READERS) >= READERS:
            _READERS.clear()
        made = tuple((f.column, f, quick_reader(f, _read_text)) for f in fields)
        found = _READERS[id(fields)] = (fields, made, {})
    _, every, known = found
    chosen = known.get(columns)
    if chosen is None:
        if len(known) >= READERS:
            known.clear()
        chosen = known[columns] = tuple(r for r in every if r[0] in columns)
    return chosen


def _change(f: Field, before: Any, after: Any, *, person: bool) -> Change:
    shown_before, shown_after = str(before), "" if after is None else render_value(f, after, mask=False)
    if f.sealed:
        shown_before, shown_after = mask_number(shown_before.strip()), mask_number(shown_after)
    elif f.personal or (person and f.role == "subject.name"):
        shown_before, shown_after = mask_name(shown_before.strip()), mask_name(shown_after)
    else:
        shown_before, shown_after = hide_resident_number(shown_before), hide_resident_number(shown_after)
    return Change(f.column, f"{f.column}.normalise", shown_before, shown_after)


def read_cell(f: Field, cell: Any) -> tuple[Any, list[str]]:
    """One cell to (typed value or None, the steps that altered it). Raises Unreadable."""
    if f.form == "date":
        return read_date(f.cn, cell)
    if f.form == "amount":
        return read_amount(f.cn, cell)
    if f.form == "integer":
        return read_integer(f.cn, cell)
    if isinstance(cell, str):
        return _read_text(f, cell)
    if SPEC["forms"][f.form].get("identifier"):
        raise Unreadable(
            "numeric",
            f"「{f.cn}」是{kind_of(cell)}格式的单元格，长号码和开头的 0 会被表格软件改掉，不能采用；"
            "请把整列设为“文本”格式后重新填写。",
        )
    if isinstance(cell, datetime | date):
        return _read_text(f, cell.isoformat()[:10])
    if isinstance(cell, bool):
        return _read_text(f, "是" if cell else "否")
    if isinstance(cell, NUMBER):
        return _read_text(f, plain(cell))
    raise Unreadable("cell", f"「{f.cn}」的单元格格式无法识别；请改成“文本”格式后重新填写。")


def _read_text(f: Field, cell: str) -> tuple[str | None, list[str]]:
    if cell in EXCEL_ERRORS:
        raise Unreadable("cell_error", f"「{f.cn}」的单元格是错误值 {cell}；请改正公式或直接填写内容。")
    text = cell
    taken: list[str] = []
    for name, step in steps_of(f.form, f.code_set):
        after = step(text)
        if after != text:
            taken.append(name)
            text = after
    if text == "" or (text in EMPTY and not f.mandatory):
        return None, ["empty"] if cell.strip() else []
    return text, taken


@cache
def steps_of(form: str, found: CodeSet | None) -> tuple[tuple[str, Step], ...]:
    """The named steps a form takes, in order, over the code set of a column."""
    if form not in SPEC["forms"]:
        raise ContractError(f"unknown form {form!r}")
    if form in ("choice", "choices") and found is None:
        raise ContractError(f"form {form!r} needs a code set")
    own: dict[str, Step] = {"alias": found.canonical, "list": lambda text: _list(text, found)} if found else {}
    return tuple((name, own.get(name) or STEPS[name]) for name in SPEC["forms"][form]["steps"])


def _list(text: str, codes: CodeSet) -> str:
    form = SPEC["forms"]["choices"]
    parts = re.split(f"[{form['separators']}]", text)
    if not all(codes.has(codes.canonical(p.strip())) for p in parts):
        # A comma inside an explanation (其他-责令改正，限期补办) parts nothing; between two kinds it does.
        parts = [
            q
            for p in parts
            for q in ([p] if codes.has(codes.canonical(p.strip())) else re.split(f"[{form['weak_separators']}]", p))
        ]
    return JOINED_BY.join(dict.fromkeys(codes.canonical(p.strip()) for p in parts if p.strip()))


STEPS: dict[str, Step] = {
    "controls_out": controls_out,
    "trim": str.strip,
    "halfwidth": halfwidth,
    "blanks_out": lambda text: "".join(text.split()),
    "hyphens_out": lambda text: text if text in EMPTY else text.translate(HYPHENS),
    "upper": str.upper,
    "document_no": normal_document_no,
}


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
