"""The platform's own checks of one row, independent of the contract's rules.

Sources: STANDARDS 1.1 (行政许可), 1.2 (行政处罚), 1.3 (rules) and 2 (identifiers). A value is text or null; null,
"" and an absent column are the same. Messages name the column and how to mend it and never quote a value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.columns import Column, Table
from credit_platforms.sandbox.identifiers import PLACEHOLDER, is_citizen_number, is_unified_code
from credit_platforms.sandbox.personas import Persona

ORGANISATION: Final = "法人及非法人组织"
PERSON: Final = "自然人"
BUSINESS: Final = "个体工商户"
PARTY_KINDS: Final = (ORGANISATION, PERSON, BUSINESS)

CITIZEN_CARD: Final = "身份证"
ID_TYPES: Final = frozenset(
    (CITIZEN_CARD, "护照号", "港澳居民来往内地通行证", "台湾居民来往大陆通行证", "外国人永久居留身份证")
)
LICENCE_KINDS: Final = frozenset(("普通", "特许", "认可", "核准", "登记"))
FINE: Final = "罚款"
CONFISCATIONS: Final = frozenset(("没收违法所得", "没收非法财物"))
SUSPENSIONS: Final = frozenset(("暂扣或者吊销许可证", "暂扣或者吊销执照", "暂扣许可证件", "吊销许可证件"))
# The kinds before and after the 行政处罚法 of 2021: old decisions are still being reported.
PENALTY_KINDS: Final = (
    frozenset(("警告", "责令停产停业", "行政拘留", "通报批评", "降低资质等级"))
    | frozenset(("限制开展生产经营活动", "责令关闭", "限制从业", FINE))
    | CONFISCATIONS
    | SUSPENSIONS
)
KIND_SEPARATOR: Final = "；"

_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", re.ASCII)
OTHER: Final = re.compile(r"其他-.*\S.*", re.DOTALL)
_ORGANISATION_CODE: Final = re.compile(r"[0-9A-Z]{9}", re.ASCII)
# A number of a document other than the citizen card: letters, digits and what permits print; a mask is not one.
OTHER_NUMBER: Final = re.compile(r"[0-9A-Za-z（）()\-－/]+")
# Signs of a wrong decoding or of mark-up; anything else may be part of a real name.
_GARBLED: Final = re.compile("[\\x00-\\x1f\\x7f<>\\\\?\ufffd]")
_COLUMN_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)


class Titled(Protocol):
    """A column of any table, as far as the checks of single cells go."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def mandatory(self) -> bool: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a row: verdict code, national column (None: the row as such), Chinese message."""

    code: str
    column: str | None
    message: str


def check_row(table: Table, data: Mapping[str, object], persona: Persona, today: date) -> list[Problem]:
    """All problems of one row, in the order of the columns; an empty list means the platform accepts it.

    Args:
        table: the national table the row is sent to.
        data: national column → text or null.
        persona: decides the form of dates.
        today: day in Asia/Shanghai; no decision may lie after it.
    """
    untyped = wrong_types(table.columns, data)
    unread = {p.column for p in untyped}
    row = {c.name: "" if c.name in unread else str(data.get(c.name) or "").strip() for c in table.columns}
    problems = [p for column in table.columns for p in check_value(column, row[column.name], persona)]
    problems += _check_party(table, row, persona, today)
    problems += _check_dates(table, row, persona, today)
    problems += _check_penalty(row, table) if table.prefix == "CF" else _check_licence(row, table)
    # A value of a wrong type was not read: that it seems to be missing is no second problem.
    problems = [p for p in problems if p.column not in unread]
    problems += unknown_columns(table.columns, data) + untyped
    return in_order(table.columns, problems)


def in_order(columns: Sequence[Titled], problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the columns, those of no column first."""
    order = {c.name: place for place, c in enumerate(columns)}
    return sorted(problems, key=lambda p: order.get(p.column or "", -1))


def parse_date(text: str, separator: str) -> date | None:
    """The day of ``YYYY<separator>MM<separator>DD``, None when the form is another or the day does not exist."""
    match = re.fullmatch(rf"([0-9]{{4}}){separator}([0-9]{{2}}){separator}([0-9]{{2}})", text, re.ASCII)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def problem(code: str, column: Titled, text: str) -> Problem:
    """A problem of a column, its title and name before the text."""
    return Problem(code, column.name, f"{column.title}（{column.name}）{text}")


def unknown_columns(columns: Sequence[Titled], data: Mapping[str, object]) -> list[Problem]:
    """The columns of a row that the table does not have."""
    known = {c.name for c in columns}
    unknown = [name for name in data if name not in known]
    # A name that does not look like a column may be a value in the wrong place: it is not repeated.
    return [
        Problem(codes.UNKNOWN_COLUMN, name, f"未知的列 {name}，请按本表的列名报送")
        if _COLUMN_NAME.fullmatch(name)
        else Problem(codes.UNKNOWN_COLUMN, None, "有一列的列名不是大写字母、数字和下划线，请按本表的列名报送")
        for name in unknown
    ]


def wrong_types(columns: Sequence[Titled], data: Mapping[str, object]) -> list[Problem]:
    """The values that are no text."""
    return [
        problem(codes.NOT_TEXT, c, "的值必须是文本（带引号的字符串），不能是数字、真假值或列表")
        for c in columns
        if not isinstance(data.get(c.name), str | None)
    ]


def check_value(column: Titled, value: str, persona: Persona) -> list[Problem]:
    """What is wrong with a cell by itself: missing, too long, no date, no amount, garbled."""
    if not value:
        return [problem(codes.MISSING, column, "必填，不能为空")] if column.mandatory else []
    if column.width and len(value) > column.width:
        return [problem(codes.TOO_LONG, column, f"超过 {column.width} 个字符（现有 {len(value)} 个）")]
    if column.kind == "date" and parse_date(value, persona.date_separator) is None:
        form = persona.date_separator.join(("YYYY", "MM", "DD"))
        return [problem(codes.BAD_DATE, column, f"须为 {form} 形式且真实存在的日期")]
    if column.kind == "amount" and not _AMOUNT.fullmatch(value):
        return [problem(codes.BAD_AMOUNT, column, "须为以万元为单位的非负数，最多 6 位小数，不带千位分隔符")]
    if column.kind in ("name", "person_name", "party_name") and _GARBLED.search(value):
        return [problem(codes.GARBLED, column, "含有乱码、问号或标记字符，请核对原文")]
    if column.kind == "body_code":
        return check_body_code(column, value)
    return []


def check_body_code(column: Titled, value: str) -> list[Problem]:
    """What is wrong with the unified code of a public body."""
    if value == PLACEHOLDER:
        return [problem(codes.BAD_PLACEHOLDER, column, "不能用占位代码，请填写机关的统一社会信用代码")]
    if not is_unified_code(value):
        return [problem(codes.BAD_UNIFIED_CODE, column, "校验不通过，请核对 18 位代码")]
    return []


def _check_party(table: Table, row: dict[str, str], persona: Persona, today: date) -> list[Problem]:
    """Columns 2-13 by 相对人类别, and the numbers in them."""
    kind = row[table.party("LB")]
    if not kind:
        return []
    if kind not in PARTY_KINDS:
        column = table.column(table.party("LB"))
        return [problem(codes.BAD_PARTY_KIND, column, f"须为{'、'.join(PARTY_KINDS)}之一")]

    document = (table.party("ZJLX"), table.party("ZJHM"))
    representative = (f"{table.prefix}_FR_ZJLX", f"{table.prefix}_FR_ZJHM")
    codes_2_to_6 = [table.party(s) for s in ("GSZC", "ZZJG", "SWDJ", "SYDW", "SHZZ")]
    if kind == PERSON:
        # What a public site refuses to hold it cannot miss.
        needed = [] if persona.public else list(document)
        blank = [table.party("SHXYM"), *codes_2_to_6, table.representative, *representative]
    else:
        needed = [table.party("SHXYM"), table.representative]
        blank = list(document)

    problems = [
        problem(codes.MISSING_HERE, table.column(name), f"在相对人为{kind}时必填") for name in needed if not row[name]
    ]
    problems += [
        problem(codes.MUST_BE_BLANK, table.column(name), f"在相对人为{kind}时应当为空") for name in blank if row[name]
    ]
    if kind == PERSON:
        return problems if persona.public else problems + _check_document(table, row, document, today)
    problems += _check_party_code(table, row, kind)
    if persona.public:
        return problems
    problems += _check_pair(table, row, representative)
    return problems + _check_document(table, row, representative, today)


def _check_party_code(table: Table, row: dict[str, str], kind: str) -> list[Problem]:
    problems = []
    column = table.column(table.party("SHXYM"))
    code = row[column.name]
    if code == PLACEHOLDER:
        if kind != BUSINESS:
            problems.append(problem(codes.BAD_PLACEHOLDER, column, "的占位代码只用于没有代码的个体工商户"))
    elif code and len(code) <= column.width:
        if not is_unified_code(code):
            problems.append(problem(codes.BAD_UNIFIED_CODE, column, "校验不通过，请核对 18 位代码"))
        elif kind == BUSINESS and not code.startswith("92"):
            problems.append(problem(codes.CODE_KIND, column, "与相对人类别不符，个体工商户的代码以 92 开头"))
        elif kind == ORGANISATION and code.startswith("92"):
            problems.append(problem(codes.CODE_KIND, column, "以 92 开头，相对人类别应为个体工商户"))
    column = table.column(table.party("ZZJG"))
    code = row[column.name]
    if code and len(code) <= column.width and not _ORGANISATION_CODE.fullmatch(code):
        problems.append(problem(codes.BAD_CODE_FORM, column, "须为 9 位数字或大写字母，不带连字符"))
    return problems


def _check_pair(table: Table, row: dict[str, str], pair: tuple[str, str]) -> list[Problem]:
    """证件类型 and 证件号码 of the representative: both or neither (STANDARDS 1.1, 10 and 11)."""
    for filled, empty in (pair, pair[::-1]):
        if row[filled] and not row[empty]:
            other = table.column(filled).title
            return [problem(codes.MISSING_HERE, table.column(empty), f"在填写了{other}时必填")]
    return []


def _check_document(table: Table, row: dict[str, str], pair: tuple[str, str], today: date) -> list[Problem]:
    type_column, number_column = (table.column(name) for name in pair)
    id_type, number = row[type_column.name], row[number_column.name]
    if id_type and id_type not in ID_TYPES and not OTHER.fullmatch(id_type):
        if id_type.startswith("其他"):
            return [problem(codes.UNEXPLAINED_OTHER, type_column, "为“其他”时须写成“其他-具体类型”")]
        return [problem(codes.BAD_ID_TYPE, type_column, "不在证件类型字典中")]
    if not id_type or not number or len(number) > number_column.width:
        return []
    if id_type == CITIZEN_CARD and not is_citizen_number(number, today):
        return [problem(codes.BAD_ID_NUMBER, number_column, "不是有效的身份证号码，请核对 18 位（或 15 位）号码")]
    if not OTHER_NUMBER.fullmatch(number):
        return [problem(codes.BAD_ID_NUMBER, number_column, "含有号码中不应有的字符；须填写完整号码，不得脱敏")]
    return []


def _check_dates(table: Table, row: dict[str, str], persona: Persona, today: date) -> list[Problem]:
    problems = []
    decided = parse_date(row[table.decision_date], persona.date_separator)
    if decided is not None and decided > today:
        column = table.column(table.decision_date)
        problems.append(problem(codes.DATE_ORDER, column, "晚于今天，请核对决定日期"))
    for first, last in table.periods:
        begin = parse_date(row[first], persona.date_separator)
        end = parse_date(row[last], persona.date_separator)
        if begin is not None and end is not None and end < begin:
            text = f"早于{table.column(first).title}（{first}）"
            problems.append(problem(codes.DATE_ORDER, table.column(last), text))
    return problems


def _check_licence(row: dict[str, str], table: Table) -> list[Problem]:
    problems = _check_kinds(table.column("XK_XKLB"), row, LICENCE_KINDS, codes.BAD_LICENCE_KIND)
    if row["XK_ZT"] and row["XK_ZT"] not in ("1", "2"):
        problems.append(problem(codes.BAD_STATUS, table.column("XK_ZT"), "须为 1（有效）或 2（无效）"))
    return problems


def _check_penalty(row: dict[str, str], table: Table) -> list[Problem]:
    problems = _check_kinds(table.column("CF_CFLB"), row, PENALTY_KINDS, codes.BAD_PENALTY_KIND)
    kinds = set(row["CF_CFLB"].split(KIND_SEPARATOR))
    for name, asked_by, words in (
        ("CF_NR_FK", {FINE}, "罚款"),
        ("CF_NR_WFFF", CONFISCATIONS, "没收"),
        ("CF_NR_ZKDX", SUSPENSIONS, "暂扣或吊销"),
    ):
        if kinds & asked_by and not row[name]:
            column = table.column(name)
            problems.append(problem(codes.MISSING_HERE, column, f"在处罚类别含{words}时必填"))
    return problems


def _check_kinds(column: Column, row: dict[str, str], known: frozenset[str], code: str) -> list[Problem]:
    """Each part of a list of kinds must be in the dictionary, or 其他 with its explanation."""
    value = row[column.name]
    if not value:
        return []
    for part in value.split(KIND_SEPARATOR):
        if part in known or OTHER.fullmatch(part):
            continue
        if part.startswith("其他"):
            return [problem(codes.UNEXPLAINED_OTHER, column, "为“其他”时须写成“其他-具体类别”")]
        text = f"有不在字典中的类别；多个类别之间用“{KIND_SEPARATOR}”分隔"
        return [problem(code, column, text)]
    return []
