"""Utilities, insurance, statistics, rural credit, epidemic control, registrations: what each is there for."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from credit_producer.pipeline import CheckedFile
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import Checked, check_row
from credit_schemas.forms import FEN_PER_WAN
from credit_schemas.keys import natural_key, subject_key
from credit_schemas.problems import NOT_REPORTABLE
from credit_schemas.rules import Context
from credit_schemas.template import write_template
from producer_support import write_xlsx
from unit.rows import COMPANY, PERSON

CATALOGUE = load_catalogue()
TODAY = date(2026, 11, 24)
ABOUT_SOMEBODY = [
    *("utility_payment", "social_insurance", "medical_insurance", "farmer_credit", "epidemic_control", "subject_base")
]
TOTALS = ["loan_statistics", "whitelist_count", "count_base"]
ALL = ABOUT_SOMEBODY + TOTALS
SHOP = "92410421MA00000155"
PLACEHOLDER = "00000000000000000X"


def example(name: str, **cells: Any) -> dict[str, Any]:
    """The first example of a dataset, with other cells."""
    return {**CATALOGUE.datasets[name].examples[0], **cells}


def example_of(name: str, category: str) -> dict[str, Any]:
    """The first example about a subject of a category."""
    dataset = CATALOGUE.datasets[name]
    column = dataset.column("subject.category")
    return next(dict(e) for e in dataset.examples if e.get(column or "") == category)


def check(name: str, row: dict[str, Any]) -> Checked:
    return check_row(CATALOGUE.datasets[name], row, Context(TODAY))


def refused(name: str, row: dict[str, Any]) -> list[str]:
    return [p.rule for p in check(name, row).problems if p.severity == "reject"]


def key(name: str, row: dict[str, Any], unit: str = "yinlong") -> str:
    return natural_key(CATALOGUE.datasets[name], check(name, row).values, unit)


# All of them


@pytest.mark.parametrize("name", ALL)
def test_a_filled_in_template_goes_through(name: str, tmp_path: Path) -> None:
    dataset = CATALOGUE.datasets[name]
    path = tmp_path / "t.xlsx"
    write_template(dataset, path, CATALOGUE)
    book = load_workbook(path)
    for n, row in enumerate(dataset.examples, 2):
        for m, f in enumerate(dataset.file_fields, 1):
            book["填报"].cell(n, m).value = row.get(f.column)
    book.save(path)
    with CheckedFile(path, dataset, Context(TODAY), "market") as checked:
        assert [(o.verdict, o.problems) for o in checked] == [("accept", [])] * len(dataset.examples)


@pytest.mark.parametrize("name", ALL)
def test_fields_that_no_standard_lists_are_marked_so(name: str) -> None:
    assert "待核" in CATALOGUE.datasets[name].basis
    assert CATALOGUE.datasets[name].schema["columns_of"] == "county"


@pytest.mark.parametrize("name", ALL)
def test_a_number_of_a_person_can_only_travel_sealed(name: str) -> None:
    dataset = CATALOGUE.datasets[name]
    types = {f["name"]: f["type"] for f in dataset.schema["fields"]}
    for f in dataset.fields:
        assert f.sealed == (f.form == "id_number") == (types[f.column] == ["null", "bytes"])
        if not f.sealed and f.form not in ("date", "amount", "integer"):
            assert refused(name, example(name, **{f.column: f"王五（{PERSON}）"})), f.column


@pytest.mark.parametrize("name", [n for n in ABOUT_SOMEBODY if n != "subject_base"])
def test_what_concerns_persons_is_not_open_to_everybody(name: str) -> None:
    assert CATALOGUE.datasets[name].scope != "社会公开"


@pytest.mark.parametrize("name", TOTALS)
def test_totals_are_about_a_unit_and_a_period_and_nobody_else(name: str) -> None:
    dataset = CATALOGUE.datasets[name]
    assert dataset.kind == "statistics"
    assert dataset.section is None
    assert {"source.code", "period"} <= set(dataset.natural_key)
    assert not [f.role for f in dataset.fields if f.role.startswith(("subject.", "representative."))]
    assert not [f.column for f in dataset.fields if f.personal]


# Whom a row is about (STANDARDS 9, rows 1 and 10)


@pytest.mark.parametrize("name", [n for n in ABOUT_SOMEBODY if n != "subject_base"])
def test_section_nine_holds_of_every_subject(name: str) -> None:
    dataset = CATALOGUE.datasets[name]
    roles = ("subject.code", "subject.category", "subject.id_no", "source.code")
    code, category, number, source = (dataset.by_role[role].column for role in roles)
    person, shop = example_of(name, "自然人"), example_of(name, "个体工商户")
    company = person | {category: "法人及非法人组织", code: COMPANY, number: ""}
    for row, rule in [
        (person | {code: COMPANY}, f"{code}.blank"),
        (person | {number: ""}, f"{number}.required"),
        (person | {number: PERSON[:17] + "1"}, f"{number}.checksum.ric"),
        (shop | {code: COMPANY}, f"{code}.individual_92"),
        (shop | {code: ""}, f"{code}.required"),
        (company | {code: PLACEHOLDER}, f"{code}.placeholder_only_individual"),
        (company | {code: SHOP}, f"{code}.legal_not_92"),
        (company | {number: PERSON}, f"{number}.blank"),
        (person | {source: PLACEHOLDER}, f"{source}.checksum.uscc"),
    ]:
        assert rule in refused(name, row)


@pytest.mark.parametrize("name", ABOUT_SOMEBODY)
def test_two_shops_without_code_and_of_one_name_stay_two_by_their_operators(name: str) -> None:
    dataset = CATALOGUE.datasets[name]
    code, operator = dataset.by_role["subject.code"].column, dataset.by_role["representative.name"].column
    shop = next(dict(e) for e in dataset.examples if e.get(code) == PLACEHOLDER)
    assert refused(name, shop) == []
    assert f"{operator}.required" in refused(name, shop | {operator: ""})
    keys = {subject_key(dataset, check(name, shop | {operator: o}).values, "market") for o in ("王五", "赵六")}
    assert len(keys) == 2


def test_one_person_by_15_and_by_18_digits_is_one_record() -> None:
    row = example_of("social_insurance", "自然人")
    assert key("social_insurance", row | {"SB_ZJHM": "110105491231002"}) == key("social_insurance", row)
    assert refused("social_insurance", row | {"SB_ZJHM": "110105491231002"}) == []


# Utilities


def test_arrears_paid_late_update_the_record_of_that_account_and_period() -> None:
    owing = example_of("utility_payment", "自然人")
    paid = owing | {"GY_JFZT": "补缴", "GY_SJJE": "0.00412", "GY_QFJE": "", "GY_JFRQ": "2026-10-20"}
    assert refused("utility_payment", paid) == []
    assert key("utility_payment", paid) == key("utility_payment", owing)
    assert key("utility_payment", owing) != key("utility_payment", owing | {"GY_ZQ": "2026-09"})
    assert key("utility_payment", owing) != key("utility_payment", owing | {"GY_YHBH": "SZ-000999"})
    assert key("utility_payment", owing) != key("utility_payment", owing | {"GY_YWLB": "供气"})


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ({"GY_JFZT": "欠费", "GY_SJJE": "", "GY_JFRQ": ""}, ["GY_QFJE.required"]),
        ({"GY_JFZT": "欠费", "GY_SJJE": "", "GY_JFRQ": "", "GY_QFJE": "0"}, ["GY_QFJE.nothing"]),
        ({"GY_JFZT": "欠费", "GY_QFJE": "0.001", "GY_SJJE": "0.002", "GY_JFRQ": ""}, []),
        ({"GY_JFZT": "欠费", "GY_QFJE": "0.001", "GY_JFRQ": "", "GY_JZRQ": ""}, ["GY_JZRQ.required"]),
        ({"GY_QFJE": "0.001"}, ["GY_QFJE.settled"]),
        ({"GY_QFJE": "0"}, []),
        ({"GY_JFRQ": ""}, ["GY_JFRQ.required"]),
        ({"GY_JFZT": "注册", "GY_YJJE": "", "GY_SJJE": "", "GY_JFRQ": ""}, ["GY_KHRQ.required"]),
        ({"GY_YHLB": "居民"}, ["GY_YHLB.organisation"]),
    ],
)
def test_what_an_account_owes_and_paid_fits_its_state(cells: dict[str, str], rules: list[str]) -> None:
    assert refused("utility_payment", example("utility_payment", **cells)) == rules


def test_a_resident_may_hold_a_business_account() -> None:
    assert refused("utility_payment", example_of("utility_payment", "自然人") | {"GY_YHLB": "单位"}) == []


def test_a_bill_of_cents_is_kept_to_the_cent() -> None:
    checked = check("utility_payment", example("utility_payment", GY_YJJE="0.000001", GY_SJJE="0.000001"))
    assert checked.values["GY_YJJE"] == 1
    assert checked.verdict == "accept"


# Periods, as clerks write them


@pytest.mark.parametrize(
    ("name", "column", "written", "read"),
    [
        ("utility_payment", "GY_ZQ", "2026-09", "2026-09"),
        ("utility_payment", "GY_ZQ", " 2026Q3 ", "2026Q3"),
        ("loan_statistics", "XD_TJQ", 2026, "2026"),
        ("loan_statistics", "XD_TJQ", "2026", "2026"),
        ("whitelist_count", "BM_YF", "2026-01", "2026-01"),
    ],
)
def test_a_period_is_read(name: str, column: str, written: object, read: str) -> None:
    checked = check(name, example(name, **{column: written}))
    assert (checked.values[column], checked.verdict) == (read, "accept")


@pytest.mark.parametrize(
    ("name", "column", "written"),
    [
        ("utility_payment", "GY_ZQ", "2026-9"),
        ("utility_payment", "GY_ZQ", "2026-13"),
        ("utility_payment", "GY_ZQ", "2026Q5"),
        ("utility_payment", "GY_ZQ", "2026年9月"),
        ("utility_payment", "GY_ZQ", "202609"),
        ("utility_payment", "GY_ZQ", datetime(2026, 9, 1)),
        ("whitelist_count", "BM_YF", "2026Q3"),
        ("whitelist_count", "BM_YF", "2026"),
    ],
)
def test_another_way_of_writing_a_period_is_refused_with_the_right_one(name: str, column: str, written: object) -> None:
    [problem] = [p for p in check(name, example(name, **{column: written})).problems if "最多" not in p.message]
    assert problem.column == column
    assert problem.severity == "reject"
    assert "2026-09" in problem.message


def test_a_month_that_excel_made_a_date_is_told_with_its_cell(tmp_path: Path) -> None:
    row = example("whitelist_count", BM_YF=datetime(2026, 9, 1), BM_SL=128)
    path = write_xlsx(tmp_path / "f.xlsx", [row], "whitelist_count")
    with CheckedFile(path, CATALOGUE.datasets["whitelist_count"], Context(TODAY), "market") as checked:
        [outcome] = list(checked)
    assert {p.cell for p in outcome.problems} == {"A2"}
    assert any("写成年份加月份，如 2026-09" in p.message for p in outcome.problems)


# Statistics


def test_nobody_on_the_white_list_is_a_count_and_an_empty_cell_is_not() -> None:
    assert check("whitelist_count", example("whitelist_count", BM_SL="0")).values["BM_SL"] == 0
    assert refused("whitelist_count", example("whitelist_count", BM_SL="")) == ["BM_SL.required"]


@pytest.mark.parametrize("written", ["12.5", "-1", "约120", "一百"])
def test_a_count_is_a_whole_number_of_at_least_nothing(written: str) -> None:
    assert len(refused("whitelist_count", example("whitelist_count", BM_SL=written))) == 1


def test_one_unit_has_one_white_list_a_month_and_another_unit_its_own() -> None:
    row = example("whitelist_count")
    assert key("whitelist_count", row) == key("whitelist_count", row | {"BM_SL": "130"})
    assert key("whitelist_count", row) != key("whitelist_count", row | {"BM_YF": "2026-10"})
    assert key("whitelist_count", row) != key("whitelist_count", row | {"BM_LYDWDM": "12410421000000027H"})


def test_loans_of_two_years_give_the_growth_that_annex_row_19_asks_for() -> None:
    years = {
        year: check("loan_statistics", example("loan_statistics", XD_TJQ=year, XD_FFE=amount))
        for year, amount in (("2021", "10000"), ("2022", "12850.5"))
    }
    assert {c.verdict for c in years.values()} == {"accept"}
    dataset = CATALOGUE.datasets["loan_statistics"]
    lent = {year: dataset.value(c.values, "amount") for year, c in years.items()}
    assert lent["2022"] - lent["2021"] == 28505 * FEN_PER_WAN // 10
    assert len({natural_key(dataset, c.values, "pbc") for c in years.values()}) == 2


def test_loans_of_each_lender_and_platform_are_lines_of_their_own() -> None:
    row = example("loan_statistics")
    others = [row | {"XD_JRJG": "示例银行"}, row | {"XD_PTMC": "全国“信易贷”平台"}]
    assert len({key("loan_statistics", r) for r in (row, *others)}) == 3


def test_totals_can_be_the_denominators_of_annex_rows_5_and_18() -> None:
    for kind in ("政府部门", "事业单位", "企业"):
        assert refused("count_base", example("count_base", TJ_TJLB=kind)) == []
    assert refused("count_base", example("count_base", TJ_SL="0")) == ["TJ_SL.whole"]
    assert key("count_base", example("count_base")) != key("count_base", example("count_base", TJ_TJLB="事业单位"))


def test_the_plan_names_these_datasets_where_they_are_due() -> None:
    named = {o.annex_row: {*o.datasets, *o.denominators} for o in CATALOGUE.county.obligations}
    assert {"utility_payment", "medical_insurance", "subject_base", "epidemic_control"} <= named[1]
    for row, dataset in [(5, "count_base"), (18, "count_base"), (19, "loan_statistics"), (20, "whitelist_count")]:
        assert dataset in named[row]


# Rural credit, epidemic control, registrations


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ({"NH_DXLB": "信用户"}, []),
        ({"NH_DXLB": "新型农业经营主体", "NH_HJRS": ""}, ["NH_DXLB.household"]),
        ({"NH_SZC": ""}, ["NH_SZC.required"]),
        ({"NH_YXQZ": "2026-03-19"}, ["NH_YXQZ.not_before"]),
        ({"NH_HJRS": "0"}, ["NH_HJRS.whole"]),
    ],
)
def test_a_household_is_graded_as_a_household(cells: dict[str, str], rules: list[str]) -> None:
    assert refused("farmer_credit", example("farmer_credit", **cells)) == rules


def test_a_farm_or_village_is_no_household() -> None:
    farm = example_of("farmer_credit", "法人及非法人组织")
    assert refused("farmer_credit", farm | {"NH_DXLB": "农户", "NH_SZC": "示例村"}) == ["NH_ZTLB.household"]
    village = farm | {"NH_DXLB": "信用村", "NH_SZC": "示例村", "NH_PDJG": "信用村"}
    assert refused("farmer_credit", village) == []
    assert refused("farmer_credit", farm | {"NH_HJRS": "4"}) == ["NH_HJRS.blank"]


@pytest.mark.parametrize(("column", "word"), [("EXT_CFCX", "简易程序"), ("EXT_QWXC", "是")])
def test_a_breach_that_the_law_keeps_back_is_refused_for_persons_only(column: str, word: str) -> None:
    assert refused("epidemic_control", example_of("epidemic_control", "自然人") | {column: word}) == [NOT_REPORTABLE]
    assert refused("epidemic_control", example("epidemic_control", **{column: word})) == []


def test_a_company_that_is_renamed_or_struck_off_stays_one_record() -> None:
    row = example("subject_base")
    renamed = row | {"DJ_ZTMC": "示例县示例贸易有限公司", "DJ_HZRQ": "2026-07-01"}
    gone = row | {"DJ_DJZT": "注销", "DJ_ZZRQ": "2026-09-01"}
    assert [refused("subject_base", r) for r in (row, renamed, gone)] == [[], [], []]
    assert len({key("subject_base", r) for r in (row, renamed, gone)}) == 1


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ({"DJ_DJZT": "注销"}, ["DJ_ZZRQ.required"]),
        ({"DJ_ZZRQ": "2026-09-01"}, ["DJ_ZZRQ.blank"]),
        ({"DJ_DJZT": "注销", "DJ_ZZRQ": "2015-06-17"}, ["DJ_ZZRQ.not_before"]),
        ({"DJ_ZTLB": "自然人"}, ["DJ_ZTLB.no_person", "DJ_ZTLB.organisation"]),
        ({"DJ_ZTLX": "个体工商户"}, ["DJ_ZTLB.individual"]),
        ({"DJ_ZTLB": "个体工商户", "DJ_TYSHXYDM": SHOP}, ["DJ_ZTLB.organisation"]),
        ({"DJ_TYSHXYDM": PLACEHOLDER}, ["DJ_TYSHXYDM.placeholder_only_individual", "DJ_GSZC.required"]),
        ({"DJ_ZCZB": ""}, ["DJ_ZCZB.required"]),
        ({"DJ_FR_ZJHM": PERSON}, ["DJ_FR_ZJLX.pair"]),
    ],
)
def test_a_registration_agrees_with_itself(cells: dict[str, str], rules: list[str]) -> None:
    assert refused("subject_base", example("subject_base", **cells)) == rules


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("农民专业合作社", "cooperative_93"),
        ("机关", "organ_11"),
        ("事业单位", "institution_12"),
        ("社会团体", "association_5"),
        ("农村集体经济组织", "collective_n"),
    ],
)
def test_a_code_of_another_registry_is_doubted(kind: str, rule: str) -> None:
    checked = check("subject_base", example("subject_base", DJ_ZTLX=kind))
    assert [(p.rule, p.severity) for p in checked.problems] == [(f"DJ_TYSHXYDM.{rule}", "warn")]
