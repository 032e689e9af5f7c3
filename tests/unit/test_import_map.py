"""Files of the 2015 standard: recognised by their headings, brought over by data, every doubt told at its own cell."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from credit_producer.cli import cli
from credit_producer.files import FileRefused
from credit_producer.files.layouts import matchers_of
from credit_producer.old_layouts import headings, layout
from credit_producer.pipeline import CheckedFile, row_context
from credit_schemas.catalogue import load_catalogue
from credit_schemas.import_map import import_map, import_maps
from credit_schemas.importing import Importer
from unit.rows import COMPANY, PERSON

CATALOGUE = load_catalogue()
MARKET = CATALOGUE.county.units.get("market")
SHOP = "92410421MA00000045"
TODAY = date(2026, 11, 24)

# The columns of the 2015 standard in its own order, by code and by heading.
LICENCE = {
    "XK_WSH": ("行政许可决定书文号", "宝市监许〔2016〕12号"),
    "XK_XMMC": ("项目名称", "食品经营许可"),
    "XK_SPLB": ("审批类别", "核准"),
    "XK_NR": ("许可内容", "食品销售"),
    "XK_XDR": ("行政相对人名称", "示例商贸有限公司"),
    "XK_XDR_SHXYM": ("行政相对人代码_1(统一社会信用代码)", COMPANY),
    "XK_XDR_ZDM": ("行政相对人代码_2(组织机构代码)", "748204660"),
    "XK_XDR_GSDJ": ("行政相对人代码_3(工商登记码)", None),
    "XK_XDR_SWDJ": ("行政相对人代码_4(税务登记号)", None),
    "XK_XDR_SFZ": ("行政相对人代码_5 (居民身份证号)", None),
    "XK_FR": ("法定代表人姓名", "张三"),
    "XK_JDRQ": ("许可决定日期", "2016/8/4"),
    "XK_JZQ": ("许可截止期", "2021/8/3"),
    "XK_XZJG": ("许可机关", "宝丰县市场监督管理局"),
    "XK_ZT": ("当前状态", "0"),
    "DFBM": ("地方编码", "410421"),
    "SJC": ("数据更新时间戳", "2016/08/05"),
    "BZ": ("备注", None),
}
PENALTY = {
    "CF_WSH": ("行政处罚决定书文号", "宝市监罚〔2016〕8号"),
    "CF_CFMC": ("处罚名称", "销售超过保质期食品案"),
    "CF_CFLB1": ("处罚类别1", "罚款"),
    "CF_CFLB2": ("处罚类别2", "没收违法所得"),
    "CF_SY": ("处罚事由", "销售超过保质期的食品"),
    "CF_YJ": ("处罚依据", "《中华人民共和国食品安全法》第三十四条"),
    "CF_XDR_MC": ("行政相对人名称", "示例商贸有限公司"),
    "CF_XDR_SHXYM": ("行政相对人代码_1(统一社会信用代码)", COMPANY),
    "CF_XDR_ZDM": ("行政相对人代码_2(组织机构代码)", None),
    "CF_XDR_GSDJ": ("行政相对人代码_3(工商登记码)", None),
    "CF_XDR_SWDJ": ("行政相对人代码_4(税务登记号)", None),
    "CF_XDR_SFZ": ("行政相对人代码_5(居民身份证号)", None),
    "CF_FR": ("法定代表人姓名", "张三"),
    "CF_JG": ("处罚结果", "罚款2000元，没收违法所得1,120.5元"),
    "CF_JDRQ": ("处罚决定日期", "2016/8/4"),
    "CF_XZJG": ("处罚机关", "宝丰县市场监督管理局"),
    "CF_ZT": ("当前状态", "0"),
    "DFBM": ("地方编码", "410421"),
    "SJC": ("数据更新时间戳", "2016/08/05"),
    "BZ": ("备注", None),
}
OLD = {"licence": LICENCE, "penalty": PENALTY}
PERSONS = {
    "licence": {"XK_XDR": "李四", "XK_XDR_SHXYM": None, "XK_XDR_ZDM": None, "XK_FR": None, "XK_XDR_SFZ": PERSON},
    "penalty": {"CF_XDR_MC": "李四", "CF_XDR_SHXYM": None, "CF_FR": None, "CF_XDR_SFZ": PERSON},
}


def table(dataset: str, rows, *, codes=False, more=(), without=()):
    """Heading row and data rows of a 2015 table; a row says what differs from the pattern, `more` adds columns."""
    pattern = {code: said for code, said in OLD[dataset].items() if code not in without}
    head = [code if codes else heading for code, (heading, _) in pattern.items()] + [str(h) for h in more]
    return [head, *([row.get(code, pattern[code][1]) for code in pattern] + [row.get(h) for h in more] for row in rows)]


def write(path: Path, cells) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([["" if c is None else c for c in row] for row in cells])
        return path
    book = Workbook()
    for row in cells:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def checked(path: Path, dataset: str):
    found = CATALOGUE.dataset(dataset)
    with CheckedFile(path, found, row_context(CATALOGUE, "market", found, TODAY), "market") as file:
        return list(file), file.notices


def one(tmp_path: Path, dataset: str, row=None, name="a.xlsx", **how):
    outcomes, _ = checked(write(tmp_path / name, table(dataset, [row or {}], **how)), dataset)
    [outcome] = outcomes
    return outcome


def told(outcome, severity=None):
    return {p.rule for p in outcome.problems if severity in (None, p.severity)}


def refused(path: Path, dataset: str) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        checked(path, dataset)
    return caught.value


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
@pytest.mark.parametrize("codes", [False, True])
def test_licences_of_2015_come_out_in_the_columns_of_2018(tmp_path, name, codes):
    path = write(tmp_path / name, table("licence", [{}, PERSONS["licence"]], codes=codes))
    (company, person), notices = checked(path, "licence")
    assert any("按 2015 年旧标准导入" in text for text in notices)
    assert not told(company, "reject")
    assert company.normalised == {
        "XK_XDR_MC": "示例商贸有限公司",
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": COMPANY,
        "XK_XDR_ZZJG": "748204660",
        "XK_FRDB": "张三",
        "XK_XKWS": "食品经营许可",
        "XK_WSH": "宝市监许〔2016〕12号",
        "XK_XKLB": "核准",
        "XK_NR": "食品销售",
        "XK_JDRQ": "2016-08-04",
        "XK_YXQZ": "2016-08-04",
        "XK_YXQZI": "2021-08-03",
        "XK_XKJG": "宝丰县市场监督管理局",
        "XK_XKJGDM": MARKET.uscc,
        "XK_ZT": "1",
        "XK_LYDW": MARKET.full_name,
        "XK_LYDWDM": MARKET.uscc,
    }
    assert person.verdict == "accept"
    shown = {c: person.normalised[c] for c in ("XK_XDR_LB", "XK_XDR_ZJLX", "XK_XDR_ZJHM")}
    assert shown == {"XK_XDR_LB": "自然人", "XK_XDR_ZJLX": "身份证", "XK_XDR_ZJHM": "110105********002X"}
    assert PERSON not in str(person.changes) + str(person.problems) + str(person.normalised)


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_penalties_of_2015_come_out_in_the_columns_of_2018(tmp_path, name):
    company, person = checked(write(tmp_path / name, table("penalty", [{}, PERSONS["penalty"]])), "penalty")[0]
    assert (company.verdict, person.verdict) == ("warn", "warn")
    wanted = {
        "CF_XDR_LB": "法人及非法人组织",
        "CF_CFLB": "罚款；没收违法所得",
        "CF_NR": "罚款2000元，没收违法所得1,120.5元",
        "CF_NR_FK": "0.2",
        "CF_NR_WFFF": "0.11205",
        "CF_WFXW": "销售超过保质期食品案",
        "CF_SY": "销售超过保质期的食品",
        "CF_YXQ": "2099-12-31",
        "CF_CFJG": "宝丰县市场监督管理局",
        "CF_CFJGDM": MARKET.uscc,
        "CF_SJLYDM": MARKET.uscc,
    }
    assert {c: company.normalised[c] for c in wanted} == wanted
    assert person.normalised["CF_XDR_ZJHM"] == "110105********002X"
    doubts = {"CF_WFXW.import", "CF_YXQ.import", "CF_NR_FK.import", "CF_NR_WFFF.import"}
    assert told(company) == doubts
    assert doubts <= told(person)
    assert all(p.message.endswith("。") and "旧标准没有" in p.message for p in company.problems)


def test_a_problem_stands_at_the_cell_the_clerk_wrote(tmp_path):
    row = {**PERSONS["penalty"], "CF_XDR_SFZ": "110105194912310021", "CF_JDRQ": "2027/1/1", "CF_JG": None}
    outcome = one(tmp_path, "penalty", row)
    cells = {p.rule: p.cell for p in outcome.problems if p.severity == "reject"}
    assert cells["CF_XDR_ZJHM.checksum.ric"] == "L2"
    assert cells["CF_JDRQ.not_after"] == "O2"
    assert cells["CF_NR.required"] == "N2"
    assert cells["CF_NR_FK.import"] == "N2"
    assert "第2行第12列" in [p.cell for p in one(tmp_path, "penalty", row, "a.csv").problems]


def test_a_number_in_the_old_id_column_is_refused_never_repaired(tmp_path):
    outcome = one(tmp_path, "penalty", {**PERSONS["penalty"], "CF_XDR_SFZ": 110105194912310000})
    assert [(p.cell, p.rule) for p in outcome.problems if p.severity == "reject"] == [("L2", "CF_XDR_ZJHM.numeric")]


@pytest.mark.parametrize(
    ("status", "verdict", "becomes"),
    [
        *(("0", "accept", "1"), ("", "accept", "1"), ("正常", "accept", "1"), (0, "accept", "1"), ("１", "warn", "2")),
        *(("撤销", "warn", "2"), (2, "warn", "1"), ("3", "reject", None), ("其他", "reject", None)),
        ("4", "reject", None),
    ],
)
def test_each_old_status_of_a_licence_has_its_answer(tmp_path, status, verdict, becomes):
    outcome = one(tmp_path, "licence", {"XK_ZT": status})
    assert (outcome.verdict, outcome.normalised.get("XK_ZT")) == (verdict, becomes)
    about = [p for p in outcome.problems if p.column == "XK_ZT"]
    assert [p.cell for p in about] == ([] if verdict == "accept" else ["O2"])
    if becomes not in (None, status):
        assert ("XK_ZT", "O2", becomes) in [(c.column, c.cell, c.after) for c in outcome.changes]


@pytest.mark.parametrize(
    ("status", "rejected", "warned"),
    [
        *(("0", False, False), (None, False, False), ("1", True, False), ("2", False, True), ("3", False, True)),
        ("9", True, False),
    ],
)
def test_each_old_status_of_a_penalty_has_its_answer(tmp_path, status, rejected, warned):
    outcome = one(tmp_path, "penalty", {"CF_ZT": status})
    assert ("CF_ZT.import" in told(outcome, "reject"), "CF_ZT.import" in told(outcome, "warn")) == (rejected, warned)
    assert (outcome.verdict == "reject") is rejected
    assert all(p.cell == "Q2" for p in outcome.problems if p.column == "CF_ZT")


def test_0_and_3_stay_refused_in_a_file_of_2018(tmp_path):
    found = CATALOGUE.dataset("licence")
    cells = [[f.cn for f in found.fields], [{**found.examples[0], "XK_ZT": "0"}.get(f.column) for f in found.fields]]
    [outcome], notices = checked(write(tmp_path / "a.xlsx", cells), "licence")
    assert "XK_ZT.code_set" in told(outcome, "reject")
    assert not any("2015" in text for text in notices)


@pytest.mark.parametrize("scope", ["0", "公示", None])
def test_what_the_old_scope_lets_out_comes_in(tmp_path, scope):
    outcome = one(tmp_path, "penalty", {"公示范围": scope}, more=["公示范围"])
    assert not told(outcome, "reject")


@pytest.mark.parametrize("scope", [1, "2", "仅政府部门内部共享", "不详"])
def test_what_the_old_scope_keeps_in_is_not_published_by_an_import(tmp_path, scope):
    outcome = one(tmp_path, "licence", {"公示范围": scope}, more=["公示范围"])
    assert [(p.cell, p.rule) for p in outcome.problems if p.severity == "reject"] == [("S2", "XK_SYFW.import")]


@pytest.mark.parametrize(
    ("degree", "becomes", "warned"),
    [
        *(("0", None, True), ("1", "一般", False), ("2", "严重", True), ("3", "严重", False)),
        *(("一般", "一般", False), ("轻微", "轻微", False)),
    ],
)
def test_old_degrees_of_dishonesty(tmp_path, degree, becomes, warned):
    outcome = one(tmp_path, "penalty", {"失信严重程度": degree}, more=["失信严重程度"])
    assert outcome.normalised.get("EXT_SXCD") == becomes
    assert ("EXT_SXCD.import" in told(outcome, "warn")) is warned


def test_numbered_kinds_of_2015_become_words(tmp_path):
    outcome = one(tmp_path, "penalty", {"CF_CFLB1": 1, "CF_CFLB2": "0", "CF_JG": "罚款500元"})
    assert outcome.normalised["CF_CFLB"] == "罚款；警告"
    other = one(tmp_path, "penalty", {"CF_CFLB1": "其他-责令改正，限期补办", "CF_CFLB2": None})
    assert other.normalised["CF_CFLB"] == "其他-责令改正，限期补办"


@pytest.mark.parametrize("text", ["罚款贰仟元", "罚款100元，加处罚款100元", "已缴清"])
def test_an_amount_that_the_text_does_not_tell_is_asked_for(tmp_path, text):
    outcome = one(tmp_path, "penalty", {"CF_JG": text, "CF_CFLB2": None})
    [problem] = [p for p in outcome.problems if p.severity == "reject"]
    assert (problem.rule, problem.cell) == ("CF_NR_FK.import", "N2")
    assert "请加一列“罚款金额（万元）”" in problem.message
    added = one(
        tmp_path,
        "penalty",
        {"CF_JG": text, "CF_CFLB2": None, "罚款金额（万元）": 0.2, "处罚有效期": "2017-8-4", "违法行为类型": "食品"},
        more=["罚款金额（万元）", "处罚有效期", "违法行为类型"],
    )
    assert not told(added, "reject")
    assert (added.normalised["CF_NR_FK"], added.normalised["CF_YXQ"]) == ("0.2", "2017-08-04")
    assert not {"CF_NR_FK.import", "CF_YXQ.import", "CF_WFXW.import"} & told(added)


def test_the_deciding_bodys_code_is_the_catalogues_by_name(tmp_path):
    other = CATALOGUE.county.units.get("police")
    assert one(tmp_path, "licence", {"XK_XZJG": "县公安局"}).normalised["XK_XKJGDM"] == other.uscc
    unknown = one(tmp_path, "licence", {"XK_XZJG": "某某办公室"})
    [problem] = [p for p in unknown.problems if p.severity == "reject"]
    assert (problem.column, problem.cell) == ("XK_XKJGDM", "N2")
    assert "“某某办公室”不在本县的单位目录里" in problem.message


def test_who_the_party_is_follows_from_what_is_filled(tmp_path):
    shop = one(tmp_path, "licence", {"XK_XDR_SHXYM": SHOP, "XK_XDR_ZDM": None, "XK_XDR_SFZ": PERSON})
    assert shop.normalised["XK_XDR_LB"] == "个体工商户"
    assert shop.normalised["XK_FR_ZJHM"] == "110105********002X"
    assert ("XK_FR_ZJHM.import", "J2") in [(p.rule, p.cell) for p in shop.problems]
    nobody = one(tmp_path, "licence", {"XK_XDR_SHXYM": None, "XK_XDR_ZDM": None})
    assert "XK_XDR_LB.required" in told(nobody, "reject")
    said = one(tmp_path, "licence", {**PERSONS["licence"], "行政相对人类别": "自然人"}, more=["行政相对人类别"])
    assert not told(said, "reject")


def test_front_database_tables_have_their_owners_number_in_one_column():
    found = CATALOGUE.dataset("penalty")
    importer = Importer(import_map(found, "2015"), CATALOGUE.county.units, MARKET)
    company = importer.row({"CF_XDR_MC": "公司", "CF_XDR_SHXYM": COMPANY, "CF_FR": "张三", "CF_SFZ": PERSON})
    person = importer.row({"CF_XDR_MC": "李四", "CF_SFZ": PERSON})
    assert (company.cells["CF_FR_ZJHM"], company.cells["CF_FR_ZJLX"]) == (PERSON, "身份证")
    assert (person.cells["CF_XDR_ZJHM"], person.cells["CF_XDR_ZJLX"]) == (PERSON, "身份证")


def test_two_old_columns_that_disagree_are_refused_at_their_cell(tmp_path):
    row = {**PERSONS["licence"], "XK_XDR_SFZ": PERSON, "证件号码": "110105194912310046"}
    outcome = one(tmp_path, "licence", row, more=["证件号码"])
    assert ("XK_XDR_SFZ.import", "J2") in [(p.rule, p.cell) for p in outcome.problems if p.severity == "reject"]
    assert not told(one(tmp_path, "licence", {**row, "证件号码": PERSON}, more=["证件号码"]), "reject")


def test_what_has_no_place_any_more_is_kept_with_the_event_or_said_to_be_left_out(tmp_path):
    path = write(tmp_path / "a.xlsx", table("penalty", [{"权力编码": "0500-B-001"}], more=["权力编码", "数据导出时间"]))
    [outcome], notices = checked(path, "penalty")
    assert outcome.checked.original == {"CF_BM": "0500-B-001", "DFBM": "410421", "SJC": "2016/08/05"}
    assert any("没有导入：“数据导出时间”" in text for text in notices)
    assert any("不上报：“处罚权力编码”、“地方编码”、“数据更新时间戳”" in text for text in notices)
    numbered = one(tmp_path, "penalty", {"DFBM": PERSON})
    assert PERSON not in str(numbered.checked.original)


def test_a_row_that_must_not_be_reported_keeps_its_one_problem(tmp_path):
    row = {**PERSONS["penalty"], "处罚程序": "简易程序", "CF_ZT": "1"}
    outcome = one(tmp_path, "penalty", row, more=["处罚程序"])
    assert outcome.not_reportable
    assert told(outcome) == {"legal.not_reportable"}


EARLY = [
    *("行政相对人名称", "行政相对人代码_1（统一社会信用代码）", "行政相对人代码_2（工商注册号）"),
    *("行政相对人代码_3（组织机构代码）", "行政相对人代码_4（税务登记号） ", "行政相对人代码_5（事业单位证书号）"),
    *("行政相对人代码_6（社会组织登记证号）", "法定代表人", "法定代表人身份证号", "证件类型", "证件号码"),
    *("行政处罚决定书文号", "违法行为类型", "违法事实", "处罚依据", "处罚类别", "处罚内容", "处罚金额（万元）"),
    *(
        "没收违法所得、没收非法财务的金额（万元）",
        "暂扣或吊销证照名称及编号",
        "处罚决定日期",
        "处罚有效期",
        "公示截止期",
    ),
    *("处罚机关", "处罚机关统一社会信用代码", "数据来源单位", "数据来源单位统一社会信用代码", "备注", "数据导出时间"),
]


def test_the_29_headings_of_the_first_templates_are_read(tmp_path):
    row = dict.fromkeys(EARLY) | {
        "行政相对人名称": "示例商贸有限公司",
        "行政相对人代码_1（统一社会信用代码）": COMPANY,
        "法定代表人": "张三",
        "法定代表人身份证号": PERSON,
        "行政处罚决定书文号": "宝市监罚〔2018〕8号",
        "违法行为类型": "食品违法行为",
        "违法事实": "销售超过保质期的食品",
        "处罚依据": "《中华人民共和国食品安全法》第三十四条",
        "处罚类别": "罚款;没收违法所得",
        "处罚内容": "罚款2000元，没收违法所得5元",
        "处罚金额（万元）": 0.2,
        "没收违法所得、没收非法财务的金额（万元）": "0.0005",
        "处罚决定日期": "2018/9/4",
        "处罚有效期": "2019/9/4",
        "处罚机关": "宝丰县市场监督管理局",
        "处罚机关统一社会信用代码": MARKET.uscc,
        "数据来源单位": "宝丰县市场监督管理局",
        "数据来源单位统一社会信用代码": MARKET.uscc,
        "数据导出时间": "2018-09-05",
    }
    [outcome], notices = checked(write(tmp_path / "a.xlsx", [list(row), list(row.values())]), "penalty")
    assert outcome.verdict == "accept"
    assert any("按 2018 年早期模板导入" in text for text in notices)
    wanted = {
        "CF_XDR_LB": "法人及非法人组织",
        "CF_FR_ZJLX": "身份证",
        "CF_FR_ZJHM": "110105********002X",
        "CF_NR_FK": "0.2",
        "CF_NR_WFFF": "0.0005",
    }
    assert {c: outcome.normalised[c] for c in wanted} == wanted
    wrong = {**row, "法定代表人身份证号": "110105194912310021"}
    [outcome], _ = checked(write(tmp_path / "b.csv", [list(wrong), list(wrong.values())]), "penalty")
    assert [p.cell for p in outcome.problems] == ["第2行第9列"]


@pytest.mark.parametrize(
    ("dataset", "extra", "named"),
    [
        ("licence", ["许可类别"], ["“审批类别”（C1）和“许可类别”（S1）"]),
        ("licence", ["有效期至"], ["“许可截止期”（M1）和“有效期至”（S1）"]),
        ("penalty", ["处罚内容"], ["“处罚结果”（N1）和“处罚内容”（U1）"]),
        ("penalty", ["处罚类别"], ["“处罚类别1”（C1）和“处罚类别”（U1）"]),
    ],
)
def test_a_mix_that_nobody_can_read_is_refused_and_names_the_headings(tmp_path, dataset, extra, named):
    refusal = refused(write(tmp_path / "a.xlsx", table(dataset, [{}], more=extra)), dataset)
    assert refusal.code == "heading_mix"
    assert all(pair in refusal.message for pair in named)
    assert "2015 年旧标准" in refusal.message


def test_a_status_whose_generation_is_in_doubt_refuses_the_file(tmp_path):
    cells = table("licence", [{}], without=("XK_SPLB",), more=["许可类别"])
    assert refused(write(tmp_path / "a.csv", cells), "licence").code == "heading_mix"
    cells = table("licence", [{"许可类别": "核准"}], without=("XK_SPLB", "XK_ZT"), more=["许可类别"])
    [outcome], _ = checked(write(tmp_path / "b.csv", cells), "licence")
    assert outcome.verdict == "accept"


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_files_of_two_standards_joined_are_not_read_by_the_wrong_one(tmp_path, name):
    found = CATALOGUE.dataset("licence")
    new = [[f.cn for f in found.fields], [{**found.examples[0], "XK_ZT": "2"}.get(f.column) for f in found.fields]]
    old = table("licence", [{"XK_ZT": "2"}])
    for joined in (old + new, new + old):
        (first, second), _ = checked(write(tmp_path / name, joined), "licence")
        assert "file.heading_order" not in told(first)
        assert told(second) == {"file.heading_order"}
        assert second.normalised == {}
    (one, two), notices = checked(write(tmp_path / name, old + old), "licence")
    assert {one.verdict, two.verdict} == {"warn"}
    assert any("重复的表头" in text for text in notices)


def test_a_mix_is_one_line_row_0_and_exit_2(tmp_path):
    path = write(tmp_path / "a.csv", table("penalty", [{}], more=["处罚内容"]))
    result = CliRunner().invoke(cli, ["check", str(path), "--dataset", "penalty", "--unit", "market", "--json"])
    [line] = [json.loads(text) for text in result.stdout.splitlines()]
    assert (result.exit_code, line["row"], line["problems"][0]["rule"]) == (2, 0, "file.heading_mix")


def test_a_file_of_2018_with_a_stray_old_column_stays_one_of_2018(tmp_path):
    found = CATALOGUE.dataset("penalty")
    extra = ["案件名称", "地方编码", "权力编码", "公示范围", "法定代表人姓名", "身份证号"]
    cells = [
        [f.cn for f in found.fields] + extra,
        [found.examples[0].get(f.column) for f in found.fields] + ["某某案", "410421", "1", "1", "李四", PERSON],
    ]
    [outcome], notices = checked(write(tmp_path / "a.xlsx", cells), "penalty")
    assert not told(outcome, "reject")
    assert outcome.checked.original == {}
    assert not any("旧标准" in text for text in notices)
    assert any("“案件名称”" in text for text in notices)


def test_a_missing_old_column_is_named_as_the_clerk_knows_it(tmp_path):
    refusal = refused(write(tmp_path / "a.xlsx", table("penalty", [{}], without=("CF_JG", "CF_SY"))), "penalty")
    assert refusal.code == "missing_heading"
    assert "“处罚结果”（CF_JG）" in refusal.message
    assert "“违法事实”（CF_SY）" in refusal.message


def test_the_command_says_so_and_gives_2018_codes(tmp_path):
    path = write(tmp_path / "旧表.xlsx", table("licence", [{}]))
    result = CliRunner().invoke(cli, ["check", str(path), "--dataset", "licence", "--unit", "市场监管局", "--json"])
    assert result.exit_code == 0, result.output
    assert "按 2015 年旧标准导入" in result.stderr
    [line] = [json.loads(text) for text in result.stdout.splitlines()]
    assert line["normalised"]["XK_XKLB"] == "核准"
    assert {c["column"]: c["cell"] for c in line["changes"]}["XK_XKJGDM"] == "N2"


def test_every_import_map_fits_its_dataset_and_no_heading_means_two_columns():
    seen = 0
    for dataset in CATALOGUE.datasets.values():
        for generation in import_maps(dataset):
            matchers_of(headings(dataset), [layout(generation)])
            seen += 1
            assert [c.code for c in generation.columns if generation.column(c.code) is not c] == []
    assert seen == 4
    assert import_map(CATALOGUE.dataset("ledger"), "2015") is None


CELLS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.sampled_from(
        ["0", "1", "2", "3", "罚款", "自然人", COMPANY, PERSON, "无", "罚款1,2,3元", "罚款" + "9" * 5000 + "元"]
    ),
)


@pytest.mark.parametrize("dataset", ["licence", "penalty"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_cell_whatever_it_holds_breaks_an_import(dataset, data):
    generation = import_map(CATALOGUE.dataset(dataset), "2015")
    codes = [c.code for c in generation.columns] + list(generation.dataset.by_column)
    row = data.draw(st.dictionaries(st.sampled_from(codes), CELLS, max_size=25))
    found = Importer(generation, CATALOGUE.county.units, MARKET).row(row)
    assert set(found.cells) <= set(generation.dataset.by_column)
    assert found.refused <= {p.column for p in found.problems}
    assert all("{" not in p.message for p in found.problems if "{" not in str(row))


def test_dates_and_amounts_of_any_type_are_read():
    found = CATALOGUE.dataset("licence")
    row = {code: value for code, (_, value) in LICENCE.items()} | {"XK_JDRQ": datetime(2016, 8, 4), "XK_ZT": Decimal(0)}
    brought = Importer(import_map(found, "2015"), CATALOGUE.county.units, None).row(row)
    assert brought.cells["XK_YXQZ"] == datetime(2016, 8, 4)
    assert brought.cells["XK_ZT"] == "1"
    assert "XK_LYDWDM" not in brought.cells
