"""The eight kinds of law enforcement, and inspections, arrears, feedback, repairs, disputes and tax grades."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from credit_producer.events import EventMaker
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import check_row
from credit_schemas.dataset import Dataset
from credit_schemas.forms import render
from credit_schemas.keys import natural_key
from credit_schemas.rules import Context
from credit_schemas.sealing import Opener, Sealer, generate_center_key
from credit_schemas.wording import said_of
from unit.rows import PERSON

CATALOGUE = load_catalogue()
TODAY = date(2026, 11, 24)
PROVINCE = {
    "coercion": ("行政强制", "XZQZ"),
    "levy": ("行政征收", "XZZS"),
    "ruling": ("行政裁决", "XZCJ"),
    "confirmation": ("行政确认", "XZQR"),
    "benefit": ("行政给付", "XZJF"),
    "supervision": ("监督检查", "JDJC"),
    "award": ("行政奖励", "XZJL"),
    "other_enforcement": ("其他行政执法", "QTXZZF"),
}
OF_ANYBODY = (*PROVINCE, "inspection", "reward_punishment_feedback", "repair", "dispute")
ALL = (*OF_ANYBODY, "arrears", "tax_credit")
SUBJECT = {
    *("subject.name", "subject.category", "subject.code", "representative.name", "subject.id_type", "subject.id_no"),
}
COMMON = SUBJECT | {
    *("document.name", "document.no", "content.matter", "content", "legal_basis", "decision.date"),
    *("authority.name", "authority.code", "remark", "legal.secret"),
}
KEY = generate_center_key()
MAKER = EventMaker(CATALOGUE, "410421", "market", b"s" * 16, Sealer(KEY.public))


def of(name: str) -> Dataset:
    return CATALOGUE.dataset(name)


def example(name: str, category: str) -> dict[str, str]:
    """The example of a dataset about a subject of that category."""
    return next(e for e in of(name).examples if e[of(name).column("subject.category") or ""] == category)


def problems(name: str, row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p.rule, p.severity) for p in check_row(of(name), row, Context(TODAY)).problems]


def key(name: str, row: dict[str, Any]) -> str:
    checked = check_row(of(name), row, Context(TODAY))
    assert checked.verdict == "accept", checked.problems
    return natural_key(of(name), checked.values, "market")


# What the province is sent


@pytest.mark.parametrize("name", PROVINCE)
def test_every_one_of_the_eight_has_the_common_block_and_the_provinces_name(name: str) -> None:
    dataset = of(name)
    assert dataset.by_role.keys() >= COMMON
    assert (dataset.cn, dataset.national_table) == PROVINCE[name]
    assert (dataset.kind, dataset.section, dataset.deadline) == ("record", "行政管理", None)


@pytest.mark.parametrize("name", PROVINCE)
def test_a_secret_decision_is_refused_and_one_that_says_nothing_is_none(name: str) -> None:
    for row in of(name).examples:
        assert problems(name, row | {"EXT_SM": "是"}) == [("legal.not_reportable", "reject")]
        assert problems(name, row | {"EXT_SM": ""}) == []
    assert of(name).by_role["legal.secret"].extension


@pytest.mark.parametrize("name", ALL)
def test_a_layout_that_is_ours_says_so_and_every_column_tells_what_to_write(name: str) -> None:
    dataset = of(name)
    assert dataset.schema["columns_of"] == "county"
    assert "待核" in dataset.basis
    assert all(f.note.endswith("。") for f in dataset.fields)


@pytest.mark.parametrize("name", ALL)
def test_every_rule_is_told_in_words_that_name_the_column(name: str) -> None:
    for said in said_of(of(name)):
        assert "{" not in said.text, said.rule.id
        assert said.source


# Whose record it is


@pytest.mark.parametrize("name", OF_ANYBODY)
@pytest.mark.parametrize("category", ["法人及非法人组织", "自然人", "个体工商户"])
def test_a_record_may_be_about_anybody_and_an_example_shows_how(name: str, category: str) -> None:
    assert of(name).by_role.keys() >= SUBJECT
    assert problems(name, example(name, category)) == []


@pytest.mark.parametrize("name", OF_ANYBODY)
def test_a_persons_number_leaves_only_sealed(name: str) -> None:
    dataset = of(name)
    event = MAKER.record(dataset, check_row(dataset, example(name, "自然人"), Context(TODAY)), datetime.now(UTC))
    assert PERSON.encode() not in b"".join([event.value, event.key, event.digest, *(v for _, v in event.headers)])
    column = dataset.column("subject.id_no") or ""
    sealed = CATALOGUE.codec.decode(event.value).value[column]
    assert Opener([KEY]).open(sealed, f"market/{name}/{column}") == PERSON


@pytest.mark.parametrize("name", ALL)
def test_a_number_in_clear_cannot_be_written_and_finds_no_other_column(name: str) -> None:
    dataset, row = of(name), of(name).examples[0]
    for f in dataset.fields:
        if f.sealed:
            with pytest.raises(ValueError, match=f.column):
                CATALOGUE.codec.encode(dataset.schema_id, {f.column: PERSON})
        elif f.form not in ("date", "amount"):
            assert check_row(dataset, row | {f.column: PERSON}, Context(TODAY)).verdict == "reject", f.column


@pytest.mark.parametrize("name", OF_ANYBODY)
def test_two_shops_without_a_code_are_told_apart_by_their_operators(name: str) -> None:
    shop, operator = example(name, "个体工商户"), of(name).column("representative.name") or ""
    assert problems(name, shop | {operator: ""}) == [(f"{operator}.required", "reject")]
    assert key(name, shop) != key(name, shop | {operator: "赵六"})


def test_a_debtor_is_no_shop_and_a_taxpayer_no_person() -> None:
    debt, grade = of("arrears").examples[0], of("tax_credit").examples[0]
    for code in ("00000000000000000X", "92410421MA00000155"):
        assert [s for _, s in problems("arrears", debt | {"TQ_TYSHXYDM": code})] == ["reject"]
    assert ("NS_ZTLB.code_set", "reject") in problems("tax_credit", grade | {"NS_ZTLB": "自然人"})


# Which record it is


def test_the_next_quarter_tells_of_the_same_debt_and_the_same_repair() -> None:
    debt, waiting = of("arrears").examples[0], example("repair", "自然人")
    paid = {"TQ_QCZT": "已清偿", "TQ_YQJE": "12.5", "TQ_WQJE": "0", "TQ_QCRQ": "2026-08-01", "TQ_BGQ": "2026Q3"}
    assert key("arrears", debt) == key("arrears", debt | paid)
    asked = {"XF_XFZT": "已申请", "XF_SQRQ": "2026-10-12", "XF_BGQ": "2026Q4"}
    assert key("repair", waiting) == key("repair", waiting | asked)


def test_a_dispute_stays_one_record_from_receipt_to_answer() -> None:
    open_, answer = example("dispute", "自然人"), "2026-05-12"
    closed = open_ | {"YY_CLJG": "异议成立已删除", "YY_CLQK": "处罚决定确已撤销，已删除", "YY_JDRQ": answer}
    assert key("dispute", open_) == key("dispute", closed)


@pytest.mark.parametrize(
    ("name", "number", "matter"), [("benefit", "JF_WSH", "JF_GFXM"), ("supervision", "JD_WSH", "JD_JCSX")]
)
def test_what_has_no_document_number_is_told_apart_by_its_matter(name: str, number: str, matter: str) -> None:
    row = {k: v for k, v in of(name).examples[0].items() if k != number}
    assert problems(name, row) == []
    assert key(name, row) != key(name, row | {matter: "另一个事项"})
    assert key(name, row) != key(name, row | {number: "示〔2026〕1号"})


@pytest.mark.parametrize("name", [*(n for n in PROVINCE if n not in ("benefit", "supervision")), "inspection"])
def test_every_other_decision_has_its_number(name: str) -> None:
    number = of(name).column("document.no")
    assert problems(name, of(name).examples[0] | {number or "": ""}) == [(f"{number}.required", "reject")]


# Amounts


AMOUNTS = [(name, f.column) for name in ALL for f in of(name).fields if f.form == "amount"]


@pytest.mark.parametrize(("name", "column"), AMOUNTS)
def test_amounts_are_written_in_wan_and_carried_in_fen(name: str, column: str) -> None:
    f = of(name).by_column[column]
    assert f.cn.endswith("（万元）")
    assert "单位是万元" in f.note
    values = check_row(of(name), of(name).examples[0] | {column: "0.2"}, Context(TODAY)).values
    assert values[column] == 200_000
    assert render(of(name).fields, values)[column] == "0.2"


def test_a_benefit_written_in_yuan_is_doubted() -> None:
    person = example("benefit", "自然人")
    assert problems("benefit", person | {"JF_JE": "600"}) == [("JF_JE.personal_large", "warn")]
    assert problems("benefit", person | {"JF_JE": "0.06"}) == []
    assert problems("benefit", of("benefit").examples[0] | {"JF_JE": "600"}) == []


def test_what_is_still_owed_agrees_with_the_state_of_the_debt() -> None:
    owing, settled = of("arrears").examples
    assert problems("arrears", owing | {"TQ_WQJE": "0"}) == [("TQ_WQJE.owed", "reject")]
    assert problems("arrears", settled | {"TQ_WQJE": "1"}) == [("TQ_WQJE.settled", "reject")]
    assert problems("arrears", settled | {"TQ_QCRQ": ""}) == [("TQ_QCRQ.required", "reject")]
    assert problems("arrears", owing | {"TQ_QCRQ": "2026-06-20"}) == [("TQ_QCRQ.blank", "reject")]
    assert problems("arrears", owing | {"TQ_TQJE": "0"}) == [("TQ_TQJE.nothing", "reject")]


def test_what_a_taxpayer_paid_is_for_those_it_authorises() -> None:
    assert of("tax_credit").scope == "授权查询"


# Dates and results


ORDERED = [
    ("coercion", "QZ_JDRQ", "QZ_JCRQ"),
    ("coercion", "QZ_JDRQ", "QZ_QXZ"),
    ("levy", "ZS_JDRQ", "ZS_JKRQ"),
    ("ruling", "CJ_JDRQ", "CJ_SXRQ"),
    ("confirmation", "QR_YXQZ", "QR_YXQZI"),
    ("benefit", "JF_JDRQ", "JF_FFRQ"),
    ("supervision", "JD_JDRQ", "JD_ZGQX"),
    ("award", "JL_JDRQ", "JL_YXQZI"),
    ("inspection", "CC_JDRQ", "CC_GSRQ"),
    ("arrears", "TQ_YFRQ", "TQ_QCRQ"),
    ("repair", "XF_RDRQ", "XF_SQRQ"),
    ("repair", "XF_SQRQ", "XF_SLRQ"),
    ("repair", "XF_SLRQ", "XF_XFRQ"),
    ("dispute", "YY_SQRQ", "YY_SLRQ"),
    ("dispute", "YY_SLRQ", "YY_JDRQ"),
]


@pytest.mark.parametrize(("name", "earlier", "later"), ORDERED)
def test_nothing_ends_before_it_began_and_the_same_day_is_fine(name: str, earlier: str, later: str) -> None:
    row = of(name).examples[1] if name == "arrears" else of(name).examples[0]
    assert (f"{later}.not_before", "reject") in problems(name, row | {later: "2020-01-01"})
    assert problems(name, row | {later: row[earlier]}) == []


STEPS = {
    "未申请": (),
    "已申请": ("XF_SQRQ",),
    "已受理": ("XF_SQRQ", "XF_SLRQ"),
    "准予修复": ("XF_SQRQ", "XF_SLRQ", "XF_XFRQ"),
    "不予修复": ("XF_SQRQ", "XF_SLRQ", "XF_XFRQ", "XF_BYYY"),
}


@pytest.mark.parametrize("state", STEPS)
def test_a_repair_has_the_dates_of_the_steps_it_has_taken_and_no_others(state: str) -> None:
    steps = {"XF_SQRQ": "2026-08-07", "XF_SLRQ": "2026-08-10", "XF_XFRQ": "2026-08-17", "XF_BYYY": "义务没有履行完"}
    bare = {k: v for k, v in of("repair").examples[0].items() if k not in steps} | {"XF_XFZT": state}
    taken = {c: steps[c] for c in STEPS[state]}
    assert problems("repair", bare | taken) == []
    assert problems("repair", bare) == [(f"{c}.required", "reject") for c in taken]
    assert problems("repair", bare | steps) == [(f"{c}.blank", "reject") for c in steps if c not in taken]


def test_a_withdrawn_repair_may_have_been_accepted_or_not() -> None:
    row = example("repair", "自然人") | {"XF_XFZT": "已撤回", "XF_SQRQ": "2026-08-07"}
    assert problems("repair", row) == []
    assert problems("repair", row | {"XF_SLRQ": "2026-08-10"}) == []


@pytest.mark.parametrize("result", ["异议成立已更正", "异议成立已删除", "异议部分成立", "异议不成立"])
def test_a_dispute_that_has_a_result_says_when_and_how(result: str) -> None:
    row = example("dispute", "自然人") | {"YY_CLJG": result, "YY_SLRQ": ""}
    wanting = [(f"{c}.required", "reject") for c in ("YY_SLRQ", "YY_CLQK", "YY_JDRQ")]
    assert problems("dispute", row) == wanting


@pytest.mark.parametrize(
    ("name", "result", "told"), [("inspection", "CC_JCJG", "CC_WTQK"), ("supervision", "JD_JCJG", "JD_WTQK")]
)
def test_a_problem_that_was_found_is_described(name: str, result: str, told: str) -> None:
    row = of(name).examples[0] | {told: ""}
    assert problems(name, row) == [(f"{told}.required", "reject")]
    assert problems(name, row | {result: "合格"}) == []


def test_a_measure_that_was_not_applied_says_why() -> None:
    row = example("reward_punishment_feedback", "自然人") | {"JC_FKNR": ""}
    assert problems("reward_punishment_feedback", row) == [("JC_FKNR.required", "reject")]
    assert problems("reward_punishment_feedback", row | {"JC_SSJG": "已实施"}) == []


@pytest.mark.parametrize(
    "link", ["www.example.gov.cn/1", "javascript:alert(1)", "见附件", "https://a.cn/1 和 https://a.cn/2"]
)
def test_a_link_is_one_web_address(link: str) -> None:
    row = of("reward_punishment_feedback").examples[0]
    assert problems("reward_punishment_feedback", row | {"JC_WZ": link}) == [("JC_WZ.address", "reject")]


@pytest.mark.parametrize(
    "kind", ["行政许可", "行政处罚", *(cn for cn, _ in PROVINCE.values() if cn != "其他行政执法"), "行政检查"]
)
def test_the_rest_takes_nothing_that_has_a_dataset_of_its_own(kind: str) -> None:
    row = of("other_enforcement").examples[0]
    assert problems("other_enforcement", row | {"QT_ZFLB": kind}) == [("QT_ZFLB.own_dataset", "reject")]
    assert problems("other_enforcement", row | {"QT_ZFLB": f"{kind}前的告知"}) == []


@pytest.mark.parametrize("written", ["A", "A级", "a"])
def test_a_grade_is_read_as_the_tax_office_writes_it(written: str) -> None:
    row = of("tax_credit").examples[0] | {"NS_XYDJ": written}
    checked = check_row(of("tax_credit"), row, Context(TODAY))
    assert (checked.verdict, checked.values["NS_XYDJ"]) == ("accept", "A")
    assert problems("tax_credit", row | {"NS_XYDJ": "E"}) == [("NS_XYDJ.code_set", "reject")]


def test_a_grade_belongs_to_a_year_and_may_come_from_a_number_cell() -> None:
    row = of("tax_credit").examples[0]
    assert problems("tax_credit", row | {"NS_PJND": 2025}) == []
    assert problems("tax_credit", row | {"NS_PJND": "二〇二五"}) == [("NS_PJND.year", "reject")]
    assert key("tax_credit", row) != key("tax_credit", row | {"NS_PJND": "2024"})
    assert problems("arrears", of("arrears").examples[0] | {"TQ_BGQ": "2026年二季度"})[0] == ("TQ_BGQ.length", "reject")
    assert problems("arrears", of("arrears").examples[0] | {"TQ_BGQ": "2026Q5"}) == [("TQ_BGQ.quarter", "reject")]
