"""Commitments, contracts, lists of the honest and the dishonest: what their templates say, and what we settled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_producer.events import EventMaker
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import Checked, check_row
from credit_schemas.dataset import Dataset
from credit_schemas.identifiers import ric_problem
from credit_schemas.keys import natural_key
from credit_schemas.personal import holds_resident_number
from credit_schemas.publicity import publicity_of
from credit_schemas.rules import Context
from credit_schemas.sealing import Opener, Sealer, generate_center_key

CATALOGUE = load_catalogue()
LISTS = [CATALOGUE.dataset(n) for n in ("red_list", "black_list", "watch_list", "enforced_debtor", "rating")]
COMMITMENT, CONTRACT = CATALOGUE.dataset("commitment"), CATALOGUE.dataset("contract")
BLACK_LIST, ABNORMAL = CATALOGUE.dataset("black_list"), CATALOGUE.dataset("abnormal_operation")
KEPT, OF_PERSON, HALF_KEPT, VOLUNTARY = COMMITMENT.examples
TODAY = date(2026, 11, 24)
COMPANY, SHOP, PLACEHOLDER = "91410421MA0000007D", "92410421MA00000155", "00000000000000000X"
PERSON = "11010519491231002X"
KEY = generate_center_key()
MAKER = EventMaker(CATALOGUE, "410421", "market", b"s" * 16, Sealer(KEY.public))
MOMENT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared"


def check(dataset: Dataset, row: dict[str, str]) -> Checked:
    return check_row(dataset, row, Context(TODAY))


def refused(dataset: Dataset, row: dict[str, str]) -> set[str]:
    return {p.rule for p in check(dataset, row).problems if p.severity == "reject"}


def headings(dataset: Dataset) -> list[str]:
    return [f.cn for f in dataset.file_fields if not f.extension]


# The templates

COMMITMENT_HEADINGS = (
    "承诺编码、承诺人名称、承诺人类别、承诺人代码、承诺类型、承诺事由、承诺内容、违诺责任、承诺作出日期、承诺有效期、"
    "承诺履行状态、未履行的承诺内容、违诺责任追究内容、承诺履行状态认定日期、承诺履行状态认定单位、承诺履行状态认定单位代码、"
    "承诺受理单位、承诺受理单位代码、公开类型、备注"
)
CONTRACT_HEADINGS = (
    "合同编号、合同名称、合同类型、项目编号、采购人(甲方)、甲方统一社会信用代码、采购人地址、供应商(乙方)、乙方统一社会信用代码、"
    "供应商地址、供应商联系方式、主要标的名称、规格型号(或服务要求)、主要标的数量、主要标的单价、合同金额(万元)、履约期限、"
    "签证地点、采购方式、合同签订日期、合同公告日期、其他补充事宜、履约状态、所属区域、所属行业"
)


def test_the_headings_are_the_20_and_25_of_the_templates_in_their_order() -> None:
    assert (len(headings(COMMITMENT)), len(headings(CONTRACT))) == (20, 25)
    assert "、".join(headings(COMMITMENT)) == COMMITMENT_HEADINGS
    assert "、".join(headings(CONTRACT)) == CONTRACT_HEADINGS


@pytest.mark.skipif(not SHARED.exists(), reason="the domain facts are not beside this project")
@pytest.mark.parametrize(("dataset", "title"), [(COMMITMENT, "### 3.5"), (CONTRACT, "### 3.6")])
def test_the_standards_name_the_same_headings_in_the_same_order(dataset: Dataset, title: str) -> None:
    text = (SHARED / "STANDARDS.md").read_text(encoding="utf-8").partition(title)[2].partition("\n###")[0]
    text = text.partition("\n")[2].replace("承诺履行状态认定日期/认定单位/认定单位代码", "承诺履行状态认定日期")
    at = 0
    for heading in headings(dataset):
        if heading in ("承诺履行状态认定单位", "承诺履行状态认定单位代码"):
            continue  # the standards write the three together
        at = text.index(heading, at) + len(heading)


def test_widths_and_duties_of_a_commitment_are_the_templates() -> None:
    said = {f.cn: (f.width, f.mandatory) for f in COMMITMENT.file_fields}
    assert said["承诺人名称"] == (200, True)
    assert said["承诺内容"] == said["违诺责任"] == (4000, True)
    assert said["承诺事由"] == (512, True)
    assert (said["承诺有效期"], said["承诺履行状态认定单位代码"]) == ((None, False), (18, False))
    assert COMMITMENT.by_column["CN_CNLX"].code_set.shown == (  # type: ignore[union-attr]
        "审批替代型、容缺受理型、证明事项型、信用修复型、行业自律型、主动型、其他"
    )


# Fulfilment (监诺)


@pytest.mark.parametrize("column", ["CN_WLXNR", "CN_ZRZJNR"])
def test_of_a_commitment_kept_in_full_nothing_may_be_unfulfilled(column: str) -> None:
    assert refused(COMMITMENT, KEPT | {column: "没有按期补交"}) == {f"{column}.blank"}


@pytest.mark.parametrize("status", ["部分履行", "全部未履行"])
@pytest.mark.parametrize("column", ["CN_WLXNR", "CN_ZRZJNR"])
def test_of_a_commitment_not_kept_in_full_both_texts_are_mandatory(column: str, status: str) -> None:
    told = HALF_KEPT | {"CN_LXZT": status}
    assert refused(COMMITMENT, told) == set()
    for empty in ("", "无", "— —"):
        assert refused(COMMITMENT, told | {column: empty}) == {f"{column}.required"}


def test_unfulfilled_content_without_a_status_asks_for_the_status() -> None:
    problems = check(COMMITMENT, VOLUNTARY | {"CN_WLXNR": "拖欠工资"}).problems
    assert [(p.column, p.rule) for p in problems] == [("CN_WLXNR", "CN_WLXNR.undetermined")]
    assert "没有填「承诺履行状态」" in problems[0].message


def test_who_found_a_commitment_broken_is_asked_for_and_not_insisted_on() -> None:
    found = check(COMMITMENT, HALF_KEPT | {"CN_RDDW": "", "CN_RDRQ": ""})
    assert (found.verdict, {p.rule for p in found.problems}) == ("warn", {"CN_RDDW.required", "CN_RDRQ.required"})


def test_a_finding_before_the_commitment_is_refused() -> None:
    assert refused(COMMITMENT, KEPT | {"CN_RDRQ": "2026-05-05"}) == {"CN_RDRQ.not_before"}


# What the real rows show: 主动型 often has no code, no code of the unit that took it, and "— —" for a status


def test_a_voluntary_commitment_may_lack_its_code_its_takers_code_and_its_status() -> None:
    for status in ("", "——", "— —"):
        assert check(COMMITMENT, VOLUNTARY | {"CN_LXZT": status}).problems == []


@pytest.mark.parametrize("kind", ["审批替代型", "容缺受理型", "证明事项型", "信用修复型", "行业自律型", "其他"])
def test_every_other_commitment_needs_all_three(kind: str) -> None:
    assert refused(COMMITMENT, VOLUNTARY | {"CN_CNLX": kind}) == {
        "CN_CNBM.required",
        "CN_LXZT.required",
        "CN_SLDWDM.required",
    }


def real_rows() -> Iterator[dict[str, str]]:
    file = SHARED / "data" / "real_commitments_creditchina_reports.tsv"
    if not file.exists():
        return
    head, *rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    by_heading = {f.cn: f.column for f in COMMITMENT.file_fields}
    for row in rows:
        yield {by_heading[name]: cell for name, cell in zip(head, row, strict=False)}


@pytest.mark.parametrize("row", list(real_rows()))
def test_the_real_commitments_pass_with_what_the_report_does_not_show_filled_in(row: dict[str, str]) -> None:
    shown = {f.column for f in COMMITMENT.file_fields} & row.keys()
    hidden = {c: v for c, v in KEPT.items() if c not in shown and c not in ("CN_CNYXQ", "CN_RDRQ")}
    assert check(COMMITMENT, hidden | {"CN_CNSY": "依法诚信纳税"} | {c: v for c, v in row.items() if v}).problems == []


# The code of a commitment


def test_a_code_with_another_day_than_the_commitments_is_refused_and_says_which_digits() -> None:
    problems = check(COMMITMENT, KEPT | {"CN_CNZCRQ": "2026-05-07"}).problems
    assert [p.rule for p in problems] == ["CN_CNBM.embeds"]
    assert "第 7 到 14 位" in problems[0].message
    assert "2026-05-07" in problems[0].message


@pytest.mark.parametrize("code", ["4104212026050600001", "410421202605060000111", "04042120260506000011", "承诺1号"])
def test_a_code_that_is_not_twenty_digits_is_refused(code: str) -> None:
    assert "CN_CNBM.format" in refused(COMMITMENT, KEPT | {"CN_CNBM": code})


def test_a_code_is_never_taken_for_a_residents_number() -> None:
    days = [date(2026, 1, 1) + timedelta(n) for n in range(180)]
    alike = [day for day in days if holds_resident_number(f"410421{day:%Y%m%d}000012")]
    assert len(alike) > 10  # region, day and a check digit that fits: one day in eleven
    for day in alike:
        row = KEPT | {"CN_CNBM": f"410421{day:%Y%m%d}000012", "CN_CNZCRQ": day.isoformat()}
        assert check(COMMITMENT, row).problems == []


# One column for a unified code or an ID number


def test_the_number_of_a_person_leaves_sealed_and_nowhere_in_clear() -> None:
    checked = check(COMMITMENT, OF_PERSON)
    event = MAKER.record(COMMITMENT, checked, MOMENT)
    assert PERSON.encode() not in b"".join([event.value, event.key, event.digest, *(v for _, v in event.headers)])
    value = CATALOGUE.codec.decode(event.value).value
    assert (value["CN_CNRMC"], value["CN_CNRDM"]) == ("李四", None)
    assert Opener([KEY]).open(value["CN_CNRZJHM"], "market/commitment/CN_CNRZJHM") == PERSON


@given(st.dates(date(1930, 1, 1), date(2010, 12, 31)), st.integers(0, 999))
def test_no_residents_number_whatever_its_digits_stays_in_the_code_column(born: date, serial: int) -> None:
    body = f"410421{born:%Y%m%d}{serial:03d}"
    number = next(body + c for c in "0123456789X" if ric_problem(body + c) is None)
    checked = check(COMMITMENT, OF_PERSON | {"CN_CNRDM": number})
    assert "CN_CNRDM" not in checked.values
    assert number.encode() not in MAKER.record(COMMITMENT, checked, MOMENT).value


def test_a_wrong_number_of_a_person_is_refused_without_quoting_it() -> None:
    problems = check(COMMITMENT, OF_PERSON | {"CN_CNRDM": PERSON[:17] + "1"}).problems
    assert [p.rule for p in problems] == ["CN_CNRZJHM.checksum.ric"]
    assert PERSON[:17] not in problems[0].message


def test_a_commitment_and_a_penalty_are_about_the_same_person() -> None:
    """The commitment's template has no column for the type of document: an empty one means 身份证."""
    old = "110105491231002"
    for number in (PERSON, old):
        checked = check(COMMITMENT, OF_PERSON | {"CN_CNRDM": number})
        key = natural_key(COMMITMENT, checked.values, "market")
        assert f"id\x1f身份证\x1f{PERSON}" in key


def test_a_passport_is_no_residents_number() -> None:
    row = OF_PERSON | {"CN_CNRDM": "E12345678", "EXT_CNRZJLX": "护照"}
    assert check(COMMITMENT, row).problems == []
    assert refused(COMMITMENT, OF_PERSON | {"CN_CNRDM": "E12345678"}) == {"CN_CNRZJHM.checksum.ric"}


def test_a_commitment_not_for_the_public_is_not_published() -> None:
    for words, public in [("可向社会公开", True), ("特定范围内公开", False), ("不可公开", False)]:
        values = check(COMMITMENT, KEPT | {"CN_GKLX": words}).values
        assert publicity_of(COMMITMENT, values).published is public


# Lists


@pytest.mark.parametrize("made_up", ["示例县不文明养犬", "闯红灯", "信访", "其他", "其他-不按时缴物业费"])
def test_a_class_that_national_law_does_not_set_up_is_refused_and_says_what_to_do(made_up: str) -> None:
    problems = check(BLACK_LIST, BLACK_LIST.examples[0] | {"BL_MDLB": made_up}).problems
    assert [(p.column, p.rule, p.severity) for p in problems] == [("BL_MDLB", "BL_MDLB.code_set", "reject")]
    assert f"“{made_up}”不在国家设列的严重失信主体名单范围内，县里不能自行设列名单" in problems[0].message
    assert "重点关注对象名单" in problems[0].message


def test_a_class_under_its_everyday_name_is_understood() -> None:
    for spelling, word in [("拖欠农民工工资", "拖欠农民工工资失信联合惩戒对象"), ("科研诚信", "科研严重失信主体")]:
        checked = check(BLACK_LIST, BLACK_LIST.examples[0] | {"BL_MDLB": spelling})
        assert (checked.verdict, checked.values["BL_MDLB"]) == ("accept", word)


def test_a_serious_listing_is_public_for_three_years_and_not_for_one() -> None:
    values = check(BLACK_LIST, BLACK_LIST.examples[0]).values
    assert publicity_of(BLACK_LIST, values) == (date(2029, 5, 6), True)


def test_a_list_of_those_a_regulator_watches_is_not_for_the_public() -> None:
    scopes = {d.id: d.scope for d in LISTS}
    assert scopes["watch_list"] == "政务共享"
    assert scopes["black_list"] == scopes["red_list"] == scopes["enforced_debtor"] == "社会公开"


def test_no_person_is_listed_for_abnormal_operation() -> None:
    row = ABNORMAL.examples[0] | {"YC_ZTLB": "自然人", "YC_TYSHXYDM": ""}
    assert refused(ABNORMAL, row) == {"YC_ZTLB.no_person"}


@pytest.mark.parametrize(
    ("missing", "rule"), [("YC_YCRQ", "YC_YCRQ.pair"), ("YC_YCYY", "YC_YCYY.pair"), ("YC_YCJG", "YC_YCJG.pair")]
)
def test_a_removal_is_told_whole_or_not_at_all(missing: str, rule: str) -> None:
    removed = ABNORMAL.examples[1]
    assert rule in refused(ABNORMAL, removed | {missing: ""})
    nothing = dict.fromkeys(("YC_YCRQ", "YC_YCYY", "YC_YCJG"), "")
    assert refused(ABNORMAL, removed | nothing) == set()


def test_a_removal_before_the_listing_is_refused() -> None:
    assert refused(ABNORMAL, ABNORMAL.examples[1] | {"YC_YCRQ": "2026-07-05"}) == {"YC_YCRQ.not_before"}


# Whom a row is about (STANDARDS 9, row 10)


@pytest.mark.parametrize("dataset", [*LISTS, ABNORMAL], ids=lambda d: d.id)
def test_code_and_category_of_a_subject_must_agree(dataset: Dataset) -> None:
    code = dataset.column("subject.code")
    firm = dataset.examples[0]
    assert refused(dataset, firm | {code: PLACEHOLDER}) >= {f"{code}.placeholder_only_individual"}
    assert refused(dataset, firm | {code: SHOP}) == {f"{code}.legal_not_92"}
    assert refused(dataset, firm | {code: ""}) == {f"{code}.required"}
    shop = firm | {dataset.column("subject.category"): "个体工商户"}
    assert refused(dataset, shop) == {f"{code}.individual_92"}
    assert refused(dataset, shop | {code: SHOP}) == set()


def test_code_and_category_of_who_commits_must_agree() -> None:
    assert refused(COMMITMENT, KEPT | {"CN_CNRDM": PLACEHOLDER}) == {"CN_CNRDM.placeholder_only_individual"}
    assert refused(COMMITMENT, KEPT | {"CN_CNRDM": SHOP}) == {"CN_CNRDM.legal_not_92"}
    shop = KEPT | {"CN_CNRLB": "个体工商户"}
    assert refused(COMMITMENT, shop) == {"CN_CNRDM.individual_92"}
    assert refused(COMMITMENT, shop | {"CN_CNRDM": PLACEHOLDER}) == set()


@pytest.mark.parametrize("dataset", [*LISTS, ABNORMAL], ids=lambda d: d.id)
def test_a_stall_without_a_code_is_known_by_its_keeper(dataset: Dataset) -> None:
    code, keeper = dataset.column("subject.code"), dataset.column("representative.name")
    stall = dataset.examples[0] | {dataset.column("subject.category"): "个体工商户", code: PLACEHOLDER}
    assert refused(dataset, stall | {keeper: ""}) == {f"{keeper}.required"}
    assert refused(dataset, stall | {keeper: "赵六"}) == set()


@pytest.mark.parametrize("dataset", LISTS, ids=lambda d: d.id)
def test_a_person_on_a_list_has_a_sealed_number_and_no_code(dataset: Dataset) -> None:
    person = next(e for e in dataset.examples if e[dataset.column("subject.category")] == "自然人")
    code, number = dataset.column("subject.code"), dataset.column("subject.id_no")
    assert refused(dataset, person | {code: COMPANY}) == {f"{code}.blank"}
    assert refused(dataset, person | {number: ""}) == {f"{number}.required"}
    event = MAKER.record(dataset, check(dataset, person), MOMENT)
    assert PERSON.encode() not in event.value
    assert (
        Opener([KEY]).open(CATALOGUE.codec.decode(event.value).value[number], f"market/{dataset.id}/{number}")
        == person[number]
    )


def test_an_authority_or_a_supplier_never_bears_the_placeholder() -> None:
    assert refused(CONTRACT, CONTRACT.examples[0] | {"HT_GYSDM": PLACEHOLDER}) >= {"HT_GYSDM.checksum.uscc"}
    for dataset in (*LISTS, ABNORMAL, COMMITMENT, CONTRACT):
        code = dataset.column("authority.code")
        assert refused(dataset, dataset.examples[0] | {code: PLACEHOLDER}) == {f"{code}.checksum.uscc"}
