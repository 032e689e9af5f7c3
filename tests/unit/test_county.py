"""The county folder: spellings, groups, duties, and exact answers to a folder with mistakes."""

from __future__ import annotations

import ast
import json
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from credit_consumer.check import Checked, check
from credit_consumer.decode import Arrived, Message, decode
from credit_local.cli import credit
from credit_producer.pipeline import row_context
from credit_schemas import county as county_module
from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.check import check_row
from credit_schemas.codec import event_value
from credit_schemas.county import County, county_folder, load_county, shipped_counties
from credit_schemas.county_errors import CountyDataError, CountyNotFound, UnknownUnit
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.forms import read_row
from credit_schemas.identifiers import uscc_org_part_ok, uscc_problem
from credit_schemas.obligations import obligation_record, reckoned_by, responsible
from credit_schemas.sealing import Opener
from credit_schemas.units import Unit, Units, county_prefixes, spelling_key, unit_record
from credit_schemas.uuid7 import uuid7
from unit.rows import LICENCE

ANNEX = json.loads((Path(__file__).parent / "data" / "annex_tasks.json").read_text(encoding="utf-8"))
BODY = [
    *("县发改委", "人民银行宝丰支行", "县金融业发展服务中心", "县大数据中心", "县工信局", "县工商联", "县发展改革委"),
    *("县行政服务中心", "县司法局", "县市场监管局", "县卫健委", "县生态环境局", "县交通局", "县人社局", "县法院"),
    *("县委文明办", "县教体局", "县公安局", "县税务局", "县财政局", "县文广旅局", "县委组织部", "县商务局"),
    *("县民政局", "团县委"),
]
# Collective spellings of the body text.
BODY_GROUPS = ["各成员单位", "各乡镇（示范区）", "县直有关部门单位", "各有关部门"]
SEED = Path(__file__).parents[3] / "shared" / "seed" / "宝信用办〔2022〕2号.txt"
COUNTY = load_county(county_module.SHIPPED / "410421")
UNITS = COUNTY.units


def resolves(spelling: str) -> str:
    return UNITS.resolve(spelling).code


# Spellings


@pytest.mark.parametrize("spelling", sorted({unit for row in ANNEX for unit in row["units"]}))
def test_every_spelling_of_the_annex_means_exactly_one_unit_or_group(spelling: str) -> None:
    bearers = [u.code for u in UNITS if spelling in u.spellings]
    groups = [g.name for g in UNITS.groups if spelling in g.spellings]
    assert len(bearers) + len(groups) == 1
    if bearers:
        assert resolves(spelling) == bearers[0]


@pytest.mark.parametrize("spelling", BODY)
def test_every_unit_of_the_body_text_is_known(spelling: str) -> None:
    assert len({u.code for u in UNITS if spelling in u.spellings}) == 1
    assert spelling in UNITS.resolve(spelling).spellings


@pytest.mark.parametrize(
    "same",
    [
        "生态局 环保 环保局 生态环境局 县生态环境局",
        "市场监管 市场监管局 宝丰县市场监督管理局",
        "教体局 教育 县教体局",
        "司法 司法局",
        "税务 税务局",
        "应急局 应急管理局",
        "共青团 团县委",
        "卫健 卫健委",
        "文广旅 文广旅局 县文广旅局",
        "县人行 人行宝丰支行 人民银行宝丰支行",
        "粮储中心 粮食和物资储备局",
        "发改委 县发改委 县发展改革委",
        "大数据中心 县大数据中心",
    ],
)
def test_spellings_of_one_body_mean_one_unit(same: str) -> None:
    assert len({resolves(s) for s in same.split()}) == 1


def test_housing_and_its_subordinate_centre_stay_apart() -> None:
    assert resolves("住建局") != resolves("房产事务中心")


@given(
    unit=st.sampled_from(list(UNITS)),
    prefix=st.sampled_from(["", "县", "宝丰", "宝丰县", "平顶山市宝丰县", "河南省平顶山市宝丰县"]),
    noise=st.sampled_from(["", " ", "\u3000", "\u00a0", "\u200b", "（", "】", "\n"]),
    at=st.integers(0, 12),
    data=st.data(),
)
def test_blanks_brackets_and_the_countys_name_in_front_change_nothing(
    unit: Unit, prefix: str, noise: str, at: int, data: st.DataObject
) -> None:
    spelling = data.draw(st.sampled_from(unit.spellings))
    written = prefix + spelling
    assert resolves(written[:at] + noise + written[at:]) == unit.code


@given(st.sampled_from(list(UNITS)))
def test_code_and_unified_code_mean_their_unit_in_any_width_and_case(unit: Unit) -> None:
    def wide(text: str) -> str:
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)

    assert resolves(unit.code.upper()) == unit.code
    assert resolves(wide(unit.uscc.lower())) == unit.code
    assert UNITS.get(unit.code) is UNITS.by_uscc(unit.uscc)


def test_an_unknown_spelling_is_answered_with_similar_names() -> None:
    with pytest.raises(UnknownUnit, match="单位目录里没有“市场监理局”。是不是：市场监管局") as caught:
        UNITS.resolve("市场监理局")
    assert caught.value.candidates[0] == "市场监管局"
    assert caught.value.retriable is False
    with pytest.raises(UnknownUnit, match="nobody"):
        UNITS.get("nobody")
    assert UNITS.by_uscc("11410421DEM000014X") is None


def test_a_group_is_no_unit() -> None:
    with pytest.raises(UnknownUnit, match="“各乡镇”是一组单位，这里只能填一个单位"):
        UNITS.resolve("各乡镇")


@pytest.mark.parametrize("number", ["410421199001011234", "41042119900101123X", "410421900101123"])
def test_an_id_number_in_the_unit_cell_is_never_quoted(number: str) -> None:
    with pytest.raises(UnknownUnit) as caught:
        UNITS.resolve(f"某人{number}" if number.endswith("4") else number)
    assert number not in f"{caught.value}{caught.value!r}{vars(caught.value)}"
    assert "410421********" in str(caught.value)


def test_a_city_level_prefix_does_not_eat_the_name_of_the_market_bureau() -> None:
    bureau = Unit("market", "市监局", "云台市市场监督管理局", "", "", "government", True, aliases=("市场监管局",))
    units = Units([bureau], prefixes=county_prefixes("云台市", ["河南省"]))
    for spelling in ("市场监督管理局", "市市场监督管理局", "云台市市场监管局", "河南省云台市市场监管局", "市场监管局"):
        assert units.resolve(spelling).code == "market"


def listed() -> list[dict]:
    """The units as `credit catalogue units --json` prints them."""
    printed = CliRunner().invoke(credit, ["catalogue", "units", "--json"], env={"CREDIT_COUNTY": "410421"})
    assert printed.exit_code == 0, printed.output
    return json.loads(printed.output)


def test_the_printed_units_resolve_every_spelling_of_annex_and_body_to_one_unit_or_to_a_group() -> None:
    units = listed()
    spellings = {unit for row in ANNEX for unit in row["units"]} | set(BODY) | set(BODY_GROUPS)
    meant: dict[str, set[str]] = {}
    for spelling in spellings:
        bearers = {u["code"] for u in units if spelling in (u["name"], u["full_name"], *u["aliases"])}
        members = {u["code"] for u in units if spelling in u["groups"]}
        assert bool(bearers) != bool(members), spelling
        assert len(bearers) <= 1, spelling
        meant[spelling] = bearers or members
    townships = {r.name for r in COUNTY.regions if r.parent == COUNTY.code}
    assert {u["name"] for u in units if u["code"] in meant["各乡镇"]} == townships
    assert meant["各成员单位"] == {u.code for u in UNITS if u.member}


@pytest.mark.skipif(not SEED.is_file(), reason="the plan's text does not come with the project")
def test_every_responsible_unit_that_the_plans_text_names_in_brackets_is_known() -> None:
    body = SEED.read_text(encoding="utf-8").split("附件\n")[0].replace("\n", "")
    named = re.findall(r"（((?:牵头单位|县)[^（）]*)）", body)
    duties = [text for text in named if "负责" in text or "责任单位" in text]
    assert len(duties) == 14
    assert all(len(UNITS.expand(text)) >= 1 for text in duties)
    # Those of (十二).
    assert {"org", "industry", "commerce"} <= {u.code for u in UNITS.expand(duties[11])}


# Dates


def reformed() -> Units:
    """A bureau merged into another of the same spelling on 2024-01-01, keeping its unified code."""
    old = Unit("water-old", "水务局", "甲县水务局", "C", "", "government", True, None, date(2023, 12, 31))
    new = Unit("water", "水利局", "甲县水利局", "C", "", "government", True, date(2024, 1, 1), None, "", ("水务局",))
    return Units([old, new], prefixes=county_prefixes("甲县"))


def test_a_spelling_means_the_unit_of_its_day() -> None:
    units = reformed()
    assert units.resolve("县水务局", date(2023, 12, 31)).code == "water-old"
    assert units.resolve("县水务局", date(2024, 1, 1)).code == "water"
    assert units.resolve("水务局").code == "water"
    assert units.by_uscc("c", date(2020, 5, 1)) == units.get("water-old")
    assert units.by_uscc("C") == units.get("water")


def test_a_unit_outside_its_time_is_refused_with_its_span() -> None:
    with pytest.raises(UnknownUnit, match="“水利局”在 2023-06-01 不是有效单位（水利局的有效期为 2024-01-01 至 今）"):
        reformed().resolve("水利局", date(2023, 6, 1))


# Groups and running text


def codes(text: str | list[str]) -> list[str]:
    return [u.code for u in UNITS.expand(text)]


def test_all_townships_are_the_thirteen_of_the_region_table() -> None:
    townships = {r.name for r in COUNTY.regions if r.parent == COUNTY.code}
    assert {u.name for u in UNITS.expand("各乡镇")} == townships
    assert len(townships) == 13
    assert codes("各乡镇（示范区）") == codes("各乡镇")


def test_members_are_the_units_marked_so() -> None:
    assert codes("各成员单位") == [u.code for u in UNITS if u.member]
    assert not {"yinlong", "chengguan", "province", "credit-office"} & set(codes("各成员单位"))


def test_a_group_whose_name_holds_separators_expands_whole() -> None:
    found = codes("行政服务中心、大数据中心、有行政许可及政府采购、招投标事项的相关单位")
    assert found[:2] == ["hall", "bigdata"]
    assert {"finance", "trading", "market"} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("法院、市场监管、工信局", ["court", "market", "industry"]),
        ("人行宝丰支行、金融业发展服务中心、", ["pbc", "fin-service"]),
        ("教育、卫健等部门", ["edu", "health"]),
        ("（县发改委、县卫健委、县文广旅局等负责）", ["reform", "health", "culture"]),
        ("林业局，林业局", ["forestry"]),
        (["税务", "县税务局"], ["tax"]),
        ("", []),
    ],
)
def test_running_text_expands_in_order_of_mention(text: str | list[str], expected: list[str]) -> None:
    assert codes(text) == expected


def test_lead_and_supporting_units_are_read_from_running_text() -> None:
    assert codes("发改委牵头、各成员单位配合") == codes(["发改委", "各成员单位"])
    assert codes("牵头单位：县发展改革委，责任单位：县各有关部门") == codes(["发改委", "各成员单位"])


def test_an_unknown_part_of_a_text_is_named() -> None:
    with pytest.raises(UnknownUnit, match="“驻县铁路段”"):
        UNITS.expand("发改委、驻县铁路段、税务局")


# Duties


def test_all_rows_of_the_annex_are_duties_in_the_plans_own_words() -> None:
    written = [(o.annex_row, o.level1, o.level2, o.title, o.units_text, o.content) for o in COUNTY.obligations]
    assert written == [(r["row"], r["l1"], r["l2"], r["l3"], r["units_raw"], r["note_raw"]) for r in ANNEX]
    assert len(written) == 23


@pytest.mark.parametrize("row", range(1, 24))
def test_a_duty_binds_the_units_the_annex_names(row: int) -> None:
    duty = COUNTY.obligations[row - 1]
    assert responsible(duty, COUNTY) == UNITS.expand(ANNEX[row - 1]["units"])
    assert duty.open_list == ("open-ended" in (ANNEX[row - 1]["remark"] or ""))


PERIOD_WORDS = {"quarterly": "quarterly", "monthly": "monthly", "yearly": "yearly", "continuous": "continuous"}
PERIOD_WORDS |= {"event:T+7": "event:7wd", "not": "on_demand", "periodic": "quarterly"}


@pytest.mark.parametrize("row", range(1, 24))
def test_a_duty_has_the_period_the_annex_states(row: int) -> None:
    stated = ANNEX[row - 1]["frequency"].split()[0]
    assert COUNTY.obligations[row - 1].period == PERIOD_WORDS[stated]


def test_double_publicity_is_due_seven_working_days_after_the_decision() -> None:
    record = obligation_record(COUNTY.obligations[1], COUNTY)
    assert record["datasets"] == ["licence", "penalty"]
    assert record["dataset"] == "licence"
    assert record["denominators"] == ["ledger"]
    assert record["lead"] == "reform"
    assert record["units"] == codes("各成员单位")
    assert COUNTY.obligations[1].workdays == COUNTY.report_within_workdays == 7
    assert COUNTY.count_decision_day is False


@pytest.mark.parametrize("row", range(1, 24))
def test_a_duty_asks_only_for_datasets_that_exist_and_can_tell_what_it_needs(row: int) -> None:
    duty, catalogue = COUNTY.obligations[row - 1], load_catalogue(COUNTY.folder)
    named = {*duty.datasets, *duty.denominators, *duty.condition_datasets, *duty.ratio_datasets}
    assert named <= catalogue.datasets.keys()
    for name in {*duty.condition_datasets, *duty.ratio_datasets}:
        assert {"subject.code", "decision.date"} <= catalogue.datasets[name].by_role.keys()
    if duty.ratio_datasets:
        (counts,) = (catalogue.datasets[name] for name in duty.denominators)
        assert set(duty.ratio_counted) <= set(counts.by_role["kind"].code_set.values)
    if duty.workdays:
        assert all({"authority.code", "document.no"} <= catalogue.datasets[n].by_role.keys() for n in duty.datasets)
    # A report must be able to say for which row and which period it is.
    for name in {"work_report", "nil_return"} & {*duty.datasets, "nil_return"}:
        assert {"annex_row", "period"} <= catalogue.datasets[name].by_role.keys()


def test_what_must_be_handed_in_is_the_list_that_was_read_from_the_annex() -> None:
    assert {o.annex_row: list(o.hand_in) for o in COUNTY.obligations} == {r["row"]: r["artifacts"] for r in ANNEX}


def test_a_duty_without_a_stated_period_is_due_by_the_end_of_the_year() -> None:
    assert {o.annex_row for o in COUNTY.obligations if reckoned_by(o, COUNTY) == "yearly"} == {4, 14, 17, 18, 19}
    assert {o.annex_row for o in COUNTY.obligations if reckoned_by(o, COUNTY) == "monthly"} == {2, 8, 9, 20}


def test_the_lead_unit_is_the_one_the_plan_names() -> None:
    leads = {o.annex_row: obligation_record(o, COUNTY)["lead"] for o in COUNTY.obligations if o.lead}
    assert leads == {2: "reform", 8: "publicity", 10: "reform"}


def test_catalogue_records_are_plain_json() -> None:
    record = unit_record(UNITS.get("ecology"), UNITS)
    assert list(record) == ["code", "name", "full_name", "uscc", "aliases", "kind", "groups", "valid_from", "valid_to"]
    assert {"环保", "生态局", "县生态环境局"} <= set(record["aliases"])
    assert json.loads(json.dumps(record)) == record
    records = [obligation_record(o, COUNTY) for o in COUNTY.obligations]
    assert json.loads(json.dumps(records)) == records


# The shipped data


def test_made_up_codes_are_well_formed_unique_and_marked() -> None:
    assert [u.code for u in UNITS if uscc_problem(u.uscc) or not uscc_org_part_ok(u.uscc)] == []
    assert len({u.uscc for u in UNITS}) == len(UNITS)
    assert {u.uscc_basis for u in UNITS} == {"示例"}
    assert all("DEM" in u.uscc for u in UNITS)


def spoken_by(source: Path) -> list[str]:
    """Names and literals of a module; docstrings may give examples."""
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    docs = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
    literals = [str(n.value) for n in nodes if isinstance(n, ast.Constant) and id(n) not in docs]
    return literals + [n.id for n in nodes if isinstance(n, ast.Name)]


def test_no_code_of_the_contract_names_a_county(tmp_path: Path) -> None:
    named = re.compile(f"{COUNTY.name[:-1]}|{COUNTY.code}")
    planted = tmp_path / "planted.py"
    planted.write_text(f'"""{COUNTY.name}"""\nX = f"credit.{COUNTY.code}."\n', encoding="utf-8")
    sources = [planted, *Path(county_module.__file__).parent.rglob("*.py")]
    assert [p.name for p in sources if any(map(named.search, spoken_by(p)))] == ["planted.py"]


# Another county, and folders with mistakes

COUNTY_TOML = """[county]
code = "410811"
name = "云台区"
parent = "410800"
above = ["河南省", "焦作市"]
time_zone = "Asia/Shanghai"
site_name = "信用中国（云台）"

[parameters]
report_within_workdays = 5
count_decision_day = true
pass_rate = 0.95
"""
UNITS_CSV = """code,name,full_name,uscc,kind,member,valid_from,valid_to
market,市场监管局,云台区市场监督管理局,{0},government,true,,
water,水利局,云台区水利局,{1},government,是,2024/1/5,2026-12-31
"""
ALIASES_CSV = "alias,unit,basis\n工商局,market,旧称\n"
GROUPS_TOML = '[[group]]\nname = "各成员单位"\nmember = true\n'
OBLIGATIONS_TOML = """[[obligation]]
annex_row = 1
level1 = "甲"
level2 = "乙"
title = "丙"
units = "各成员单位"
datasets = ["licence"]
period = "event:5wd"
content = "许可"
basis = "区文件"
"""
CODES = (UNITS.get("market").uscc, UNITS.get("water").uscc)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    folder = tmp_path / "云台"
    folder.mkdir()
    (folder / "county.toml").write_text(COUNTY_TOML, encoding="utf-8")
    (folder / "units.csv").write_text(UNITS_CSV.format(*CODES), encoding="utf-8")
    (folder / "aliases.csv").write_text(ALIASES_CSV, encoding="utf-8")
    (folder / "groups.toml").write_text(GROUPS_TOML, encoding="utf-8")
    (folder / "obligations.toml").write_text(OBLIGATIONS_TOML, encoding="utf-8")
    return folder


def test_without_a_setting_the_shipped_default_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDIT_COUNTY", raising=False)
    assert load_county() is COUNTY
    monkeypatch.setenv("CREDIT_COUNTY", "410421")
    assert load_county() is COUNTY
    assert shipped_counties() == ["410421"]


def test_another_county_is_read_by_setting(other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_COUNTY", str(other))
    county = load_county()
    assert (county.code, county.name, county.zone.key) == ("410811", "云台区", "Asia/Shanghai")
    assert county.units.resolve("焦作市云台区工商局").code == "market"
    assert county.units.resolve("区水利局").valid_from == date(2024, 1, 5)
    assert [u.code for u in county.units.expand("各成员单位", on=date(2027, 1, 1))] == ["market"]
    assert [u.code for u in responsible(county.obligations[0], county, date(2025, 1, 1))] == ["market", "water"]
    assert (county.report_within_workdays, county.count_decision_day) == (5, True)
    assert county.parameters["pass_rate"] == 0.95
    with pytest.raises(UnknownUnit):
        county.units.resolve("宝丰县市场监管局")


def test_a_new_county_needs_no_more_than_its_head_and_its_units(other: Path) -> None:
    for name in ("aliases.csv", "groups.toml", "obligations.toml"):
        (other / name).unlink()
    county = load_county(other)
    assert (len(county.units), county.obligations, county.regions, county.units.groups) == (2, (), (), ())


def test_tables_saved_by_a_chinese_spreadsheet_are_read(other: Path) -> None:
    (other / "units.csv").write_bytes(UNITS_CSV.format(*CODES).replace("\n", "\r\n").encode("gb18030"))
    (other / "aliases.csv").write_bytes(ALIASES_CSV.encode("utf-8-sig"))
    assert load_county(other).units.resolve("工商局").name == "市场监管局"


def test_a_copy_of_the_shipped_folder_is_a_county_of_its_own(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(COUNTY.folder, copy)
    with (copy / "aliases.csv").open("a", encoding="utf-8") as file:
        file.write("数管中心,bigdata,本级叫法\n")
    assert load_county(copy).units.resolve("县数管中心").code == "bigdata"
    with pytest.raises(UnknownUnit):
        UNITS.resolve("县数管中心")


def test_a_setting_that_names_nothing_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_COUNTY", "no-such-county")
    with pytest.raises(CountyNotFound, match=r"找不到县目录“no-such-county”.*自带：410421.*CREDIT_COUNTY"):
        county_folder()


def defects_of(folder: Path) -> list[str]:
    with pytest.raises(CountyDataError) as caught:
        load_county(folder)
    assert all(str(d) in str(caught.value) for d in caught.value.defects)
    return [str(d) for d in caught.value.defects]


UNIT = "{code},{name},云台区{name},{uscc},{kind},{member},{start},{end}\n"
THIRD = {"code": "stats", "name": "统计局", "uscc": UNITS.get("stats").uscc, "kind": "government"}
THIRD |= {"member": "true", "start": "", "end": ""}


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"code": "market"}, "units.csv 第 4 行，列 code：单位代码“market”与第 2 行重复。"),
        ({"code": "Stats_1"}, "units.csv 第 4 行，列 code：“Stats_1”应以小写字母开头"),
        ({"code": ""}, "units.csv 第 4 行，列 code：不能为空。"),
        ({"uscc": THIRD["uscc"][:-1] + "0"}, "第 18 位校验码不对"),
        ({"uscc": "1.14104E+17"}, "units.csv 第 4 行，列 uscc：统一社会信用代码“1.14104E+17”不正确：应为 18 位。"),
        ({"uscc": CODES[0]}, "units.csv 第 4 行，列 uscc：与第 2 行“市场监管局”的统一社会信用代码相同，且有效期重叠。"),
        ({"kind": "shop"}, "units.csv 第 4 行，列 kind：没有单位类型“shop”；可用的：government、"),
        ({"member": "也许"}, "units.csv 第 4 行，列 member：“也许”应为 true 或 false。"),
        ({"start": "2026-02-30"}, "units.csv 第 4 行，列 valid_from：“2026-02-30”不是日期"),
        (
            {"start": "2026-05-01", "end": "2026-04-30"},
            "units.csv 第 4 行，列 valid_to：有效期止 2026-04-30 早于有效期起 2026-05-01。",
        ),
        (
            {"name": "工商局"},
            "aliases.csv 第 2 行，列 alias：别名“工商局”已经是“工商局”（units.csv 第 4 行）的写法，"
            "不能再指“市场监管局”。",
        ),
        (
            {"name": "水利局"},
            "units.csv 第 4 行，列 name：“水利局”已经是“水利局”（units.csv 第 3 行）的写法，不能指两个单位。",
        ),
    ],
)
def test_a_wrong_unit_is_shown_with_line_and_column(other: Path, change: dict[str, str], answer: str) -> None:
    with (other / "units.csv").open("a", encoding="utf-8") as file:
        file.write(UNIT.format(**{**THIRD, **change}))
    found = defects_of(other)
    assert any(answer in defect for defect in found), found


@pytest.mark.parametrize(
    ("file", "line", "answer"),
    [
        (
            "aliases.csv",
            "某局,nobody,",
            "aliases.csv 第 3 行，列 unit：别名“某局”指向的单位代码“nobody”不在 units.csv 中。",
        ),
        (
            "aliases.csv",
            "区工商局,water,",
            "aliases.csv 第 3 行，列 alias：别名“区工商局”已经是“市场监管局”（aliases.csv 第 2 行）的写法，"
            "不能再指“水利局”。",
        ),
        ("aliases.csv", "（）,water,", "aliases.csv 第 3 行，列 alias：别名“（）”里没有文字。"),
        ("aliases.csv", "一,二", "aliases.csv 第 3 行：有 2 格，表头有 3 列，请检查逗号和引号。"),
        ("aliases.csv", '"没有收尾,water,', "aliases.csv 第 3 行：不是正确的 CSV"),
        ("groups.toml", 'kind = "township"', "groups.toml 第 4 行，列 kind：没有这一项；可用的：name、"),
        ("groups.toml", 'units = ["某局"]', "groups.toml 第 4 行，列 units：单位目录里没有“某局”。"),
        ("groups.toml", 'aliases = ["区水利局"]', "groups.toml 第 4 行，列 aliases：“区水利局”已经是一个单位的写法"),
        ("groups.toml", "kinds = [1]", "groups.toml 第 4 行，列 kinds：应为文字列表"),
        ("groups.toml", "units = [", "groups.toml 第 4 行"),
        ("obligations.toml", 'lead = "某局"', "obligations.toml 第 11 行，列 lead：单位目录里没有“某局”。"),
        ("obligations.toml", 'condition_datasets = ["名单"]', "列 condition_datasets：“名单”不是数据集代码"),
        ("obligations.toml", 'ratio_datasets = ["black_list"]', "列 ratio_datasets：占比要写全 ratio_datasets、"),
        ("obligations.toml", 'ratio_counted = ["企业"]', "占比要写全 ratio_datasets、ratio_code_prefixes、"),
        ("obligations.toml", 'fulfil = "some"', "obligations.toml 第 11 行，列 fulfil：“some”应为 any"),
        (
            "obligations.toml",
            OBLIGATIONS_TOML.rstrip(),
            "obligations.toml 第 12 行，列 annex_row：分解表第 1 行已经登记过。",
        ),
    ],
)
def test_a_wrong_line_is_shown_with_its_place(other: Path, file: str, line: str, answer: str) -> None:
    with (other / file).open("a", encoding="utf-8") as out:
        out.write(line + "\n")
    found = defects_of(other)
    assert any(answer in defect for defect in found), found


@pytest.mark.parametrize(
    ("file", "old", "new", "answer"),
    [
        ("county.toml", '"410811"', '"4108"', "county.toml 第 2 行，列 code：“4108”不是 6 位数字的区划代码。"),
        ("county.toml", "Asia/Shanghai", "Asia/Baofeng", "county.toml 第 6 行，列 time_zone：没有时区“Asia/Baofeng”"),
        ("county.toml", "= 5", "= 0", "county.toml 第 10 行，列 report_within_workdays：至少为 1 个工作日。"),
        ("county.toml", "= 5", '= "5"', "county.toml 第 10 行，列 report_within_workdays：应为整数。"),
        ("county.toml", "site_name", "sitename", "county.toml 第 1 行，列 site_name：缺少这一项。"),
        ("county.toml", "= true", "= yes", "county.toml 第 11 行"),
        (
            "county.toml",
            "pass_rate = 0.95",
            "duty_grace_workdays = 11",
            "county.toml 第 12 行，列 duty_grace_workdays：应为 0 到 10 个工作日。",
        ),
        ("county.toml", "pass_rate = 0.95", 'duty_grace_workdays = "5"', "列 duty_grace_workdays：应为整数。"),
        (
            "county.toml",
            "pass_rate = 0.95",
            'unstated_period = "weekly"',
            "county.toml 第 12 行，列 unstated_period：应为 monthly、quarterly、yearly 之一。",
        ),
        ("units.csv", ",kind,", ",sort,", "units.csv 第 1 行，列 kind：表头缺少这一列。"),
        ("units.csv", ",valid_to", ",until", "units.csv 第 1 行，列 until：没有这一列；可用的列："),
        ("groups.toml", "[[group]]", "[group]", "groups.toml 列 group：应写成 [[group]]。"),
        ("obligations.toml", "event:5wd", "event:7wd", "obligations.toml 第 8 行，列 period：event:7wd 与 county.toml"),
        ("obligations.toml", "event:5wd", "weekly", "obligations.toml 第 8 行，列 period：没有周期“weekly”"),
        ("obligations.toml", "licence", "许可", "obligations.toml 第 7 行，列 datasets：“许可”不是数据集代码"),
    ],
)
def test_a_wrong_value_is_shown_with_its_place(other: Path, file: str, old: str, new: str, answer: str) -> None:
    path = other / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    found = defects_of(other)
    assert any(answer in defect for defect in found), found


def test_wrong_regions_are_shown_with_line_and_column(other: Path) -> None:
    (other / "regions.csv").write_text(
        "code,name,parent\n41081,甲,410800\n410811,乙,410800\n410811,丙,410800\n", encoding="utf-8"
    )
    assert defects_of(other) == [
        "regions.csv 第 2 行，列 code：“41081”不是 6、9 或 12 位数字的区划代码。",
        "regions.csv 第 4 行，列 code：区划代码“410811”重复。",
    ]


@pytest.mark.parametrize("name", ["county.toml", "units.csv"])
def test_a_missing_file_is_named(other: Path, name: str) -> None:
    (other / name).unlink()
    assert f"{name}：缺少这个文件。" in defects_of(other)


def test_a_file_in_no_known_encoding_is_named(other: Path) -> None:
    (other / "units.csv").write_bytes(b"code,name\xff\xff\n")
    assert any(d.startswith("units.csv：文字编码既不是 UTF-8 也不是 GB18030") for d in defects_of(other))


def test_all_mistakes_are_told_at_once(other: Path) -> None:
    with (other / "units.csv").open("a", encoding="utf-8") as file:
        file.write(UNIT.format(**{**THIRD, "kind": "shop", "member": "x"}))
    with (other / "aliases.csv").open("a", encoding="utf-8") as file:
        file.write("某局,nobody,\n")
    assert [d.split("：")[0] for d in defects_of(other)] == [
        "units.csv 第 4 行，列 member",
        "units.csv 第 4 行，列 kind",
        "aliases.csv 第 3 行，列 unit",
    ]


def test_units_of_different_times_may_share_spelling_and_unified_code(other: Path) -> None:
    heir = {**THIRD, "code": "water2", "name": "水利局", "uscc": CODES[1], "start": "2027-01-01"}
    with (other / "units.csv").open("a", encoding="utf-8") as file:
        file.write(UNIT.format(**heir))
    county: County = load_county(other)
    assert county.units.resolve("水利局", date(2026, 12, 31)).code == "water"
    assert county.units.resolve("水利局", date(2027, 1, 1)).code == "water2"
    assert [u.code for u in responsible(county.obligations[0], county, date(2027, 1, 1))] == ["market", "water2"]


def test_a_spelling_key_keeps_letters_and_digits_only() -> None:
    assert spelling_key(" （县）Ｘ局〔２〕、“Y” ") == "县x局2y"


# Mandates: who reports for whom

MANDATES_CSV = """unit,for_unit,for_uscc,datasets,valid_from,valid_to,basis,note
market,水利局,,licence；penalty,2026-01-01,2026-06-30,云委〔2026〕1号,
market,,{0},全部,,,云委〔2026〕2号,市级机关
"""
OUTSIDER = UNITS.get("province").uscc


def test_a_mandate_holds_for_its_datasets_and_days_and_nobody_else(other: Path) -> None:
    (other / "mandates.csv").write_text(MANDATES_CSV.format(OUTSIDER), encoding="utf-8")
    county = load_county(other)
    water = CODES[1]
    for day, both in [("2025-12-31", False), ("2026-01-01", True), ("2026-06-30", True), ("2026-07-01", False)]:
        expected = {OUTSIDER, water} if both else {OUTSIDER}
        assert county.mandated("market", "licence", date.fromisoformat(day)) == expected
    assert county.mandated("market", "ledger", date(2026, 3, 1)) == {OUTSIDER}
    assert county.mandated("water", "licence", date(2026, 3, 1)) == frozenset()
    assert [m.basis for m in county.mandates] == ["云委〔2026〕1号", "云委〔2026〕2号"]


def test_the_shipped_county_claims_no_mandate_that_its_plan_does_not_name(other: Path) -> None:
    assert (COUNTY.folder / "mandates.csv").is_file()
    assert COUNTY.mandates == load_county(other).mandates == ()


def test_one_mandate_in_two_spans_of_days_is_no_repetition(other: Path) -> None:
    later = "market,水利局,,penalty,2026-07-01,,云委〔2026〕3号,\n"
    (other / "mandates.csv").write_text(MANDATES_CSV.format(OUTSIDER) + later, encoding="utf-8")
    assert load_county(other).mandated("market", "penalty", date(2026, 7, 1)) == {OUTSIDER, CODES[1]}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("某局,水利局,,licence,,,文件,", "列 unit：单位目录里没有“某局”。"),
        ("各成员单位,水利局,,licence,,,文件,", "列 unit：“各成员单位”是一组单位"),
        (",水利局,,licence,,,文件,", "列 unit：不能为空。"),
        ("market,某局,,licence,,,文件,", "列 for_unit：单位目录里没有“某局”。"),
        (
            "market,,,licence,,,文件,",
            "列 for_unit：for_unit（本县单位）和 for_uscc（县外机关的统一社会信用代码）填且只填",
        ),
        (f"market,水利局,{OUTSIDER},licence,,,文件,", "列 for_unit：for_unit（本县单位）和 for_uscc"),
        (f"market,,{OUTSIDER[:-1]}0,licence,,,文件,", "列 for_uscc：统一社会信用代码"),
        (
            "market,,00000000000000000X,licence,,,文件,",
            "列 for_uscc：统一社会信用代码“00000000000000000X”不正确：这是个体",
        ),
        ("market,市场监管局,,licence,,,文件,", "列 unit：“市场监管局”报送自己的数据不用委托。"),
        ("market,水利局,,,,,文件,", "列 datasets：不能为空。"),
        (
            "market,水利局,,许可,,,文件,",
            "列 datasets：“许可”不是数据集代码（小写字母、数字、下划线）；所有数据集写“全部”。",
        ),
        ("market,水利局,,licence,2026-02-30,,文件,", "列 valid_from：“2026-02-30”不是日期"),
        (
            "market,水利局,,licence,2027-02-01,2027-01-31,文件,",
            "列 valid_to：有效期止 2027-01-31 早于有效期起 2027-02-01。",
        ),
        ("market,水利局,,licence,,,,", "列 basis：不能为空。"),
        (
            "market,水利局,,全部,2026-06-30,,文件,",
            "列 unit：与第 2 行重复：同一单位、同一被代报单位，数据集和有效期有重叠。",
        ),
        (f"market,,{OUTSIDER},ledger,,,文件,", "列 unit：与第 3 行重复"),
        ("market,水利局", "有 2 格，表头有 8 列，请检查逗号和引号。"),
    ],
)
def test_a_wrong_mandate_is_shown_with_line_and_column(other: Path, line: str, answer: str) -> None:
    (other / "mandates.csv").write_text(MANDATES_CSV.format(OUTSIDER) + line + "\n", encoding="utf-8")
    found = defects_of(other)
    assert [d.startswith("mandates.csv 第 4 行") and answer in d for d in found] == [True], found


def judged_at_the_center(catalogue: Catalogue, unit: str, row: dict[str, str], at: datetime) -> list[str]:
    """The rules that an event of this row breaks when it arrives at that moment."""
    dataset = catalogue.datasets["licence"]
    value = catalogue.codec.encode(dataset.schema_id, event_value(dataset, read_row(dataset.fields, row).values, {}))
    headers = write_headers(Envelope(uuid7(), catalogue.county.code, unit, dataset.id, "report", at))
    event = decode(Message("t", uuid4(), unit, 0, 0, at, b"k", value, headers), catalogue.codec, catalogue.county.code)
    assert isinstance(event, Arrived)
    checked = check(event, catalogue, Opener([]))
    assert isinstance(checked, Checked)
    return [p.rule for p in checked.problems]


@pytest.mark.parametrize(
    ("unit", "moment", "doubted"),
    [
        ("market", datetime(2026, 6, 30, 15, 59, tzinfo=UTC), False),
        ("market", datetime(2026, 6, 30, 16, 0, tzinfo=UTC), True),  # midnight in the county
        ("water", datetime(2026, 6, 30, 12, 0, tzinfo=UTC), False),
        ("nobody", datetime(2026, 7, 30, 12, 0, tzinfo=UTC), False),
    ],
)
def test_door_and_center_doubt_a_row_about_another_body_unless_a_mandate_of_the_day_covers_it(
    other: Path, unit: str, moment: datetime, *, doubted: bool
) -> None:
    (other / "mandates.csv").write_text(MANDATES_CSV.format(OUTSIDER), encoding="utf-8")
    catalogue = load_catalogue(other)
    dataset = catalogue.datasets["licence"]
    row = LICENCE | {"XK_XKJGDM": CODES[1], "XK_XKJG": "云台区水利局"}
    day = moment.astimezone(catalogue.county.zone).date()
    expected = ["XK_XKJGDM.mandate"] if doubted else []
    assert [p.rule for p in check_row(dataset, row, row_context(catalogue, unit, dataset, day)).problems] == expected
    assert judged_at_the_center(catalogue, unit, row, moment) == expected
