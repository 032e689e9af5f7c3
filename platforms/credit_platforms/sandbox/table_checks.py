"""The checks of the tables that are data (see `tables`); those of the two decision tables stand in `checks`.

Same conventions: a value is text or null, null and "" and an absent column are the same, no message quotes a value.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.checks import (
    BUSINESS,
    CITIZEN_CARD,
    ID_TYPES,
    KIND_SEPARATOR,
    ORGANISATION,
    OTHER,
    OTHER_NUMBER,
    PARTY_KINDS,
    PERSON,
    Problem,
    check_body_code,
    check_value,
    in_order,
    parse_date,
    problem,
    unknown_columns,
    wrong_types,
)
from credit_platforms.sandbox.identifiers import PLACEHOLDER, is_citizen_number, is_unified_code
from credit_platforms.sandbox.personas import Persona
from credit_platforms.sandbox.tables import Cell, Form

_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
# A year, a quarter or a month (STANDARDS 7: reports are quarterly, monthly or yearly).
_PERIOD: Final = re.compile(r"[0-9]{4}(Q[1-4]|-(0[1-9]|1[0-2]))?", re.ASCII)


def check_form_row(form: Form, data: Mapping[str, object], persona: Persona, today: date) -> list[Problem]:
    """All problems of one row in the order of the columns; an empty list means the platform accepts it."""
    unread = wrong_types(form.columns, data)
    skipped = {p.column for p in unread}
    row = {c.name: "" if c.name in skipped else str(data.get(c.name) or "").strip() for c in form.columns}
    found = [p for cell in form.columns for p in _check_cell(cell, row, persona, today)]
    found += _check_conditions(form, row) + _check_party(form, row, persona, today) + _check_dates(form, row, persona)
    found = [p for p in found if p.column not in skipped] + unread + unknown_columns(form.columns, data)
    return in_order(form.columns, found)


def _check_cell(cell: Cell, row: dict[str, str], persona: Persona, today: date) -> list[Problem]:
    value = row[cell.name]
    first = check_value(cell, value, persona)
    if first or not value:
        return first
    if cell.kind in ("choice", "choices"):
        return _check_choice(cell, value)
    if cell.kind == "integer" and not _INTEGER.fullmatch(value):
        return [problem(codes.BAD_NUMBER, cell, "须为不带千位分隔符的非负整数")]
    if cell.kind == "period" and not _PERIOD.fullmatch(value):
        return [problem(codes.BAD_PERIOD, cell, "须为 2026、2026Q3 或 2026-09 的形式")]
    if cell.kind == "body_code":
        return check_body_code(cell, value)
    if cell.kind == "code" and value != PLACEHOLDER and not is_unified_code(value):
        return [problem(codes.BAD_UNIFIED_CODE, cell, "校验不通过，请核对 18 位代码")]
    if cell.kind in ("id_type", "party_id_type") and value not in ID_TYPES and not OTHER.fullmatch(value):
        code = codes.UNEXPLAINED_OTHER if value.startswith("其他") else codes.BAD_ID_TYPE
        return [problem(code, cell, "不在证件类型字典中；“其他”须写成“其他-具体类型”")]
    if cell.kind == "id_number" and not persona.public and not OTHER_NUMBER.fullmatch(value):
        return [problem(codes.BAD_ID_NUMBER, cell, "含有号码中不应有的字符；须填写完整号码，不得脱敏")]
    if cell.kind == "date" and cell.past:
        day = parse_date(value, persona.date_separator)
        if day is not None and day > today:
            return [problem(codes.DATE_ORDER, cell, "晚于今天，请核对")]
    return []


def _check_choice(cell: Cell, value: str) -> list[Problem]:
    for part in value.split(KIND_SEPARATOR) if cell.kind == "choices" else [value]:
        if part in cell.values or (cell.other and OTHER.fullmatch(part)):
            continue
        if cell.other and part.startswith("其他"):
            return [problem(codes.UNEXPLAINED_OTHER, cell, "为“其他”时须写成“其他-具体内容”")]
        return [problem(codes.BAD_CHOICE, cell, f"只能是：{'、'.join(cell.values)}")]
    return []


def _check_conditions(form: Form, row: dict[str, str]) -> list[Problem]:
    found = []
    for cell in form.columns:
        for column, values in cell.filled_when:
            if row[column] in values and not row[cell.name]:
                found.append(problem(codes.MISSING_HERE, cell, f"在{form.column(column).title}为{row[column]}时必填"))
        for column, values in cell.blank_when:
            if row[column] in values and row[cell.name]:
                text = f"在{form.column(column).title}为{row[column]}时应当为空"
                found.append(problem(codes.MUST_BE_BLANK, cell, text))
    return found


def _check_dates(form: Form, row: dict[str, str], persona: Persona) -> list[Problem]:
    found = []
    for cell in form.columns:
        if cell.after:
            begin = parse_date(row[cell.after], persona.date_separator)
            end = parse_date(row[cell.name], persona.date_separator)
            if begin is not None and end is not None and end < begin:
                found.append(problem(codes.DATE_ORDER, cell, f"早于{form.column(cell.after).title}（{cell.after}）"))
    return found


def _check_party(form: Form, row: dict[str, str], persona: Persona, today: date) -> list[Problem]:
    """Who the row is about: an organisation by its code, a person by the number of a document (STANDARDS 1.1)."""
    kind_cell, code, number = (form.of_kind(k) for k in ("party_kind", "party_code", "party_id"))
    both = form.of_kind("party_code_or_id")
    kind = row[kind_cell.name] if kind_cell else ""
    if kind_cell and kind and kind not in PARTY_KINDS:
        return [problem(codes.BAD_PARTY_KIND, kind_cell, f"须为{'、'.join(PARTY_KINDS)}之一")]
    person = kind == PERSON or (not kind_cell and number is not None and code is not None and not row[code.name])
    found = []
    if both:
        if kind == PERSON:
            found += _check_number(form, both, row, persona, today)
        else:
            found += _check_code(form, both, row, kind)
        return found
    if code:
        if person:
            if row[code.name]:
                found.append(problem(codes.MUST_BE_BLANK, code, f"在主体为{PERSON}时应当为空"))
        else:
            found += _check_code(form, code, row, kind)
    if number:
        if person:
            found += _check_number(form, number, row, persona, today)
        elif row[number.name]:
            found.append(problem(codes.MUST_BE_BLANK, number, f"在主体不是{PERSON}时应当为空"))
    return found


def _check_code(form: Form, cell: Cell, row: dict[str, str], kind: str) -> list[Problem]:
    code = row[cell.name]
    if not code:
        if form.code_optional or cell.mandatory:
            return []
        return [problem(codes.MISSING_HERE, cell, f"在主体不是{PERSON}时必填")]
    if code == PLACEHOLDER:
        if kind != BUSINESS:
            return [problem(codes.BAD_PLACEHOLDER, cell, "的占位代码只用于没有代码的个体工商户")]
    elif not is_unified_code(code):
        return [problem(codes.BAD_UNIFIED_CODE, cell, "校验不通过，请核对 18 位代码")]
    elif kind == BUSINESS and not code.startswith("92"):
        return [problem(codes.CODE_KIND, cell, "与主体类别不符，个体工商户的代码以 92 开头")]
    elif kind == ORGANISATION and code.startswith("92"):
        return [problem(codes.CODE_KIND, cell, "以 92 开头，主体类别应为个体工商户")]
    return []


def _check_number(form: Form, cell: Cell, row: dict[str, str], persona: Persona, today: date) -> list[Problem]:
    number = row[cell.name]
    if persona.public:
        return []  # that there is none is checked for every table alike
    if not number:
        return [] if cell.mandatory else [problem(codes.MISSING_HERE, cell, f"在主体为{PERSON}时必填")]
    type_cell = form.of_kind("party_id_type")
    # Without a type, what is as long as a citizen number must be one.
    id_type = row[type_cell.name] if type_cell else CITIZEN_CARD if len(number) in (15, 18) else ""
    if id_type == CITIZEN_CARD and not is_citizen_number(number, today):
        return [problem(codes.BAD_ID_NUMBER, cell, "不是有效的身份证号码，请核对 18 位（或 15 位）号码")]
    if not OTHER_NUMBER.fullmatch(number):
        return [problem(codes.BAD_ID_NUMBER, cell, "含有号码中不应有的字符；须填写完整号码，不得脱敏")]
    return []
