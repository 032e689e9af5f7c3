"""The national columns, written down here a second time by hand: order, code, Chinese name, width, M/C/O.

Source: STANDARDS 1.1 and 1.2 (widths with two sources as settled in 9, row 9).
"""

from __future__ import annotations

from datetime import date

import pytest

from credit_schemas.check import check_row
from credit_schemas.dataset import Dataset, current_datasets, load_schemas
from credit_schemas.rules import Context
from unit.rows import COMPANY, LEDGER, LICENCE, PENALTY, PERSON, PERSON_PENALTY

DATASETS = current_datasets(load_schemas())
CONTEXT = Context(date(2026, 11, 24))

LICENCE_TABLE = """
XK_XDR_MC    行政相对人名称                          200  M
XK_XDR_LB    行政相对人类别                          16   M
XK_XDR_SHXYM 行政相对人代码_1(统一社会信用代码)      18   C
XK_XDR_GSZC  行政相对人代码_2(工商注册号)            50   O
XK_XDR_ZZJG  行政相对人代码_3(组织机构代码)          9    O
XK_XDR_SWDJ  行政相对人代码_4(税务登记号)            15   O
XK_XDR_SYDW  行政相对人代码_5(事业单位证书号)        12   O
XK_XDR_SHZZ  行政相对人代码_6(社会组织登记证号)      50   O
XK_FRDB      法定代表人                              50   C
XK_FR_ZJLX   法定代表人证件类型                      64   C
XK_FR_ZJHM   法定代表人证件号码                      64   C
XK_XDR_ZJLX  证件类型                                64   C
XK_XDR_ZJHM  证件号码                                64   C
XK_XKWS      行政许可决定文书名称                    64   M
XK_WSH       行政许可决定文书号                      64   M
XK_XKLB      许可类别                                256  M
XK_XKZS      许可证书名称                            64   O
XK_XKBH      许可编号                                64   O
XK_NR        许可内容                                4000 M
XK_JDRQ      许可决定日期                            date M
XK_YXQZ      有效期自                                date M
XK_YXQZI     有效期至                                date M
XK_XKJG      许可机关                                200  M
XK_XKJGDM    许可机关统一社会信用代码                18   M
XK_ZT        当前状态                                1    M
XK_LYDW      数据来源单位                            200  M
XK_LYDWDM    数据来源单位统一社会信用代码            18   M
BZ           备注                                    512  O
"""

PENALTY_TABLE = """
CF_XDR_MC    行政相对人名称                          200  M
CF_XDR_LB    行政相对人类别                          16   M
CF_XDR_SHXYM 行政相对人代码_1(统一社会信用代码)      18   C
CF_XDR_GSZC  行政相对人代码_2(工商注册号)            50   O
CF_XDR_ZZJG  行政相对人代码_3(组织机构代码)          9    O
CF_XDR_SWDJ  行政相对人代码_4(税务登记号)            15   O
CF_XDR_SYDW  行政相对人代码_5(事业单位证书号)        12   O
CF_XDR_SHZZ  行政相对人代码_6(社会组织登记证号)      50   O
CF_FRDB      法定代表人                              50   C
CF_FR_ZJLX   法定代表人证件类型                      64   C
CF_FR_ZJHM   法定代表人证件号码                      64   C
CF_XDR_ZJLX  证件类型                                64   C
CF_XDR_ZJHM  证件号码                                64   C
CF_WSH       行政处罚决定书文号                      128  M
CF_WFXW      违法行为类型                            2000 M
CF_SY        违法事实                                5000 M
CF_YJ        处罚依据                                2048 M
CF_CFLB      处罚类别                                255  M
CF_NR        处罚内容                                4000 M
CF_NR_FK     罚款金额（万元）                        wan  C
CF_NR_WFFF   没收违法所得、没收非法财物的金额（万元）wan  C
CF_NR_ZKDX   暂扣或吊销证照名称及编号                200  C
CF_JDRQ      处罚决定日期                            date M
CF_YXQ       处罚有效期                              date M
CF_GSJZQ     公示截止期                              date O
CF_CFJG      处罚机关                                200  M
CF_CFJGDM    处罚机关统一社会信用代码                18   M
CF_SJLY      数据来源单位                            200  M
CF_SJLYDM    数据来源单位统一社会信用代码            18   M
BZ           备注                                    512  O
"""

EXTENSIONS = {
    "licence": {"涉密": "否"},
    "penalty": {"处罚程序": "普通程序", "轻微且主动消除": "否", "涉密": "否", "失信严重程度": "一般"},
    "ledger": {},
}

NAMES = {"licence": LICENCE_TABLE, "penalty": PENALTY_TABLE}


def parsed(text: str) -> list[tuple[str, str, str, str]]:
    out = []
    for line in text.strip().splitlines():
        code, rest = line.split(maxsplit=1)
        name, width, fill = rest.replace("）wan", "） wan").split()
        out.append((code, name, width, fill))
    return out


def shape(dataset: Dataset) -> list[tuple[str, str, str, str]]:
    special = {"date": "date", "amount": "wan"}
    return [
        (
            f.column,
            f.cn,
            special.get(f.form) or str(f.width),
            "M" if f.mandatory else "C" if f.conditional else "O",
        )
        for f in dataset.fields
        if not f.extension
    ]


@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_columns_are_the_standards_in_order_width_and_obligation(name: str) -> None:
    assert shape(DATASETS[name]) == parsed(NAMES[name])


def test_there_are_28_and_30_national_columns() -> None:
    assert len(parsed(LICENCE_TABLE)) == 28 == len(shape(DATASETS["licence"]))
    assert len(parsed(PENALTY_TABLE)) == 30 == len(shape(DATASETS["penalty"]))


@pytest.mark.parametrize("name", sorted(EXTENSIONS))
def test_county_columns_stand_last_are_optional_and_say_what_blank_means(name: str) -> None:
    fields = DATASETS[name].fields
    own = [f for f in fields if f.extension]
    assert {f.cn: f.blank_means for f in own} == EXTENSIONS[name]
    assert list(fields[len(fields) - len(own) :]) == own
    assert not any(f.mandatory or f.conditional for f in own)


def test_the_ledger_has_the_columns_of_the_design() -> None:
    names = ["单位", "统一社会信用代码", "类别", "文书号", "决定日期"]
    assert [(f.cn, f.mandatory) for f in DATASETS["ledger"].fields] == [(n, True) for n in names]


IDENTIFIERS = {
    "subject.code",
    "subject.registration_no",
    "subject.org_code",
    "subject.tax_no",
    "subject.institution_no",
    "subject.association_no",
    "representative.id_no",
    "subject.id_no",
    "document.no",
    "certificate.no",
    "authority.code",
    "source.code",
}


@pytest.mark.parametrize("name", ["licence", "penalty", "ledger"])
def test_a_numeric_cell_is_refused_in_identifier_columns_and_only_there(name: str) -> None:
    dataset = DATASETS[name]
    refused = set()
    for f in dataset.fields:
        problems = check_row(dataset, {f.column: 123}, CONTEXT).problems
        if any(p.rule == f"{f.column}.numeric" for p in problems):
            refused.add(f.role)
    assert refused == IDENTIFIERS & set(dataset.by_role)


def test_only_id_numbers_are_sealed_and_cannot_be_written_in_clear() -> None:
    for name in ("licence", "penalty"):
        dataset = DATASETS[name]
        sealed = {f.role for f in dataset.fields if f.sealed}
        assert sealed == {"subject.id_no", "representative.id_no"}
        types = {f["name"]: f["type"] for f in dataset.schema["fields"]}
        assert all(types[dataset.column(role) or ""] == ["null", "bytes"] for role in sealed)


# The matrix of mandatory, conditional and forbidden columns by 相对人类别 (STANDARDS 1.1, columns 3 to 13; 9, row 10).

SHOP = "92410421MA00000155"  # made up, with valid check characters
PLACEHOLDER = "00000000000000000X"


def licence_of(category: str) -> dict[str, str]:
    base = {k: v for k, v in LICENCE.items() if k not in ("XK_XDR_SHXYM", "XK_FRDB")} | {"XK_XDR_LB": category}
    if category == "自然人":
        return base | {"XK_XDR_ZJLX": "身份证", "XK_XDR_ZJHM": PERSON}
    return base | {"XK_XDR_SHXYM": COMPANY if category == "法人及非法人组织" else SHOP, "XK_FRDB": "张三"}


def penalty_of(category: str) -> dict[str, str]:
    if category == "自然人":
        return PERSON_PENALTY
    return PENALTY | {"CF_XDR_LB": category, "CF_XDR_SHXYM": COMPANY if category == "法人及非法人组织" else SHOP}


ROWS = {"licence": ("XK", licence_of), "penalty": ("CF", penalty_of)}
CATEGORIES = ["法人及非法人组织", "个体工商户", "自然人"]
FILLED = {
    "SHXYM": COMPANY,
    "GSZC": "410421000000019",
    "ZZJG": "MA0000007",
    "SWDJ": "410421000000019",
    "SYDW": "141042100001",
    "SHZZ": "豫社证字001",
    "FRDB": "张三",
    "FR_ZJLX": "身份证",
    "FR_ZJHM": PERSON,
}


def rejected(name: str, row: dict[str, str]) -> set[str]:
    return {p.column for p in check_row(DATASETS[name], row, CONTEXT).problems if p.severity == "reject"}


def column(prefix: str, short: str) -> str:
    return f"{prefix}_{short}" if short.startswith("FR") else f"{prefix}_XDR_{short}"


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_a_complete_row_of_every_category_is_accepted(name: str, category: str) -> None:
    checked = check_row(DATASETS[name], ROWS[name][1](category), CONTEXT)
    assert (checked.verdict, checked.problems) == ("accept", [])


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_every_mandatory_column_left_empty_is_refused_by_name(name: str, category: str) -> None:
    dataset, row = DATASETS[name], ROWS[name][1](category)
    for f in dataset.fields:
        if f.mandatory:
            for empty in ("", "  ", None, "\u200b", "\u00a0"):
                assert f.column in rejected(name, row | {f.column: empty}), f.column


@pytest.mark.parametrize(
    ("category", "needed"),
    [("法人及非法人组织", ["SHXYM", "FRDB"]), ("个体工商户", ["SHXYM", "FRDB"]), ("自然人", ["ZJLX", "ZJHM"])],
)
@pytest.mark.parametrize("name", ["licence", "penalty"])
@pytest.mark.parametrize("empty", ["", "无", "—", "-", "/", " / "])
def test_what_a_category_needs_is_refused_when_empty(name: str, category: str, needed: list[str], empty: str) -> None:
    prefix, make = ROWS[name]
    for short in needed:
        assert rejected(name, make(category) | {column(prefix, short): empty}) == {column(prefix, short)}


@pytest.mark.parametrize("short", sorted(FILLED))
@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_a_natural_person_with_a_column_of_organisations_is_refused_by_that_column(name: str, short: str) -> None:
    prefix, make = ROWS[name]
    at = column(prefix, short)
    row = make("自然人") | {at: FILLED[short]}
    assert rejected(name, row) == {at}
    assert rejected(name, row | {at: "无"}) == set()


@pytest.mark.parametrize("category", CATEGORIES[:2])
@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_an_organisation_with_the_columns_of_persons_is_refused_by_those(name: str, category: str) -> None:
    prefix, make = ROWS[name]
    row = make(category) | {f"{prefix}_XDR_ZJLX": "身份证", f"{prefix}_XDR_ZJHM": PERSON}
    assert rejected(name, row) == {f"{prefix}_XDR_ZJLX", f"{prefix}_XDR_ZJHM"}


@pytest.mark.parametrize("name", ["licence", "penalty"])
def test_the_representatives_type_and_number_come_together(name: str) -> None:
    prefix, make = ROWS[name]
    kind, number = f"{prefix}_FR_ZJLX", f"{prefix}_FR_ZJHM"
    row = make("法人及非法人组织")
    assert rejected(name, row | {kind: "身份证"}) == {number}
    assert rejected(name, row | {number: PERSON}) == {kind}
    assert rejected(name, row | {kind: "身份证", number: PERSON}) == set()


@pytest.mark.parametrize("name", ["licence", "penalty"])
@pytest.mark.parametrize(
    ("category", "code", "fine"),
    [
        ("个体工商户", PLACEHOLDER, True),
        ("个体工商户", SHOP, True),
        ("个体工商户", COMPANY, False),
        ("法人及非法人组织", PLACEHOLDER, False),
        ("法人及非法人组织", SHOP, False),
        ("法人及非法人组织", "N2410421MF0000013U", True),
        ("法人及非法人组织", COMPANY[:17] + "A", False),
    ],
)
def test_the_unified_code_fits_the_category(name: str, category: str, code: str, fine: bool) -> None:
    prefix, make = ROWS[name]
    at = f"{prefix}_XDR_SHXYM"
    assert rejected(name, make(category) | {at: code}) == (set() if fine else {at})


@pytest.mark.parametrize(
    ("name", "columns"),
    [("licence", ["XK_XKJGDM", "XK_LYDWDM"]), ("penalty", ["CF_CFJGDM", "CF_SJLYDM"]), ("ledger", ["LG_DWDM"])],
)
def test_the_placeholder_is_no_deciding_body_and_no_source_unit(name: str, columns: list[str]) -> None:
    clean = {"licence": LICENCE, "penalty": PENALTY, "ledger": LEDGER}[name]
    for at in columns:
        assert rejected(name, clean | {at: PLACEHOLDER}) == {at}


@pytest.mark.parametrize("name", ["licence", "penalty", "ledger"])
def test_a_width_is_counted_in_characters_after_trimming(name: str) -> None:
    dataset = DATASETS[name]
    clean = {"licence": LICENCE, "penalty": PENALTY, "ledger": LEDGER}[name]
    for f in dataset.fields:
        if f.width and f.form in ("text", "document_no", "code_text"):
            fits = "字" * f.width
            assert rejected(name, clean | {f.column: f" \u3000{fits}\u200b "}) == set(), f.column
            over = check_row(dataset, clean | {f.column: fits + "字"}, CONTEXT)
            assert [(p.column, p.rule) for p in over.problems if p.severity == "reject"] == [
                (f.column, f"{f.column}.length")
            ]
            assert f"最多 {f.width} 个字，现在是 {f.width + 1} 个字" in over.problems[0].message
