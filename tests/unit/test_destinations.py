"""Destination files: what is shipped loads, every mistake is named with file and key, ids cost nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from core_rows import replace_key
from credit_platforms.access import load_access
from credit_platforms.destinations import destination_ids, find_destination, load_destinations
from credit_platforms.errors import InsecureAddress, UnknownDestination
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED, load_county
from credit_schemas.county_errors import CountyDataError
from credit_schemas.dataset import DATASETS, ContractError
from credit_schemas.destination_terms import load_terms
from credit_warehouse.settings import SettingMissing, Settings

TODAY = date(2026, 11, 24)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the shipped county, chosen by the setting."""
    made = tmp_path / "county"
    shutil.copytree(SHIPPED / "410421", made)
    monkeypatch.setenv("CREDIT_COUNTY", str(made))
    return made


@pytest.fixture
def province(folder):
    return folder / "destinations" / "province.toml"


def test_four_destinations_are_shipped_each_with_its_own_terms(folder):
    known = load_destinations()
    assert {d: known[d].date_form for d in known} == {
        "nation": "%Y-%m-%d",
        "province": "%Y/%m/%d",
        "site": "%Y-%m-%d",
        "xinyidai": "%Y%m%d",
    }
    assert {d for d in known if not known[d].can_withdraw} == {"xinyidai"}
    assert {d for d in known if (known[d].personal, known[d].person_names) != ("clear", "clear")} == {"site"}
    for destination in known.values():
        assert {"licence": "xzxk", "penalty": "xzcf"}.items() <= {
            d: r.table for d, r in destination.routes.items()
        }.items()
        assert destination.sending.batch_rows <= 500
        assert destination.sending.canary_rows == 50
        assert destination.sending.pause_percent == 20


def test_all_columns_are_the_national_ones_in_upload_order_and_no_extension(folder):
    routes = find_destination("province").routes
    assert [len(routes[d].columns) for d in ("licence", "penalty")] == [28, 30]
    assert list(routes["penalty"].names(TODAY))[:3] == ["CF_XDR_MC", "CF_XDR_LB", "CF_XDR_SHXYM"]
    assert not any(m.column.startswith("EXT") for route in routes.values() for m in route.columns)


def test_columns_may_be_a_list_or_a_map_to_the_destinations_own_codes(province):
    text = province.read_text("utf-8")
    province.write_text(text + '[datasets.penalty]\ncolumns = { CF_WSH = "WSH", CF_XDR_MC = "MC" }', "utf-8")
    # Upload order, whatever the order in the file.
    assert find_destination("province").routes["penalty"].names(TODAY) == {"CF_XDR_MC": "MC", "CF_WSH": "WSH"}
    province.write_text(text + '[datasets.penalty]\ncolumns = ["CF_WSH"]', "utf-8")
    assert find_destination("province").routes["penalty"].names(TODAY) == {"CF_WSH": "CF_WSH"}


def test_ids_are_the_names_of_files_and_nothing_is_read(folder):
    (folder / "destinations" / "city.toml").write_text("not toml at all", "utf-8")
    assert destination_ids() == ["city", "nation", "province", "site", "xinyidai"]


def test_asking_for_the_ids_loads_neither_database_nor_http_nor_avro():
    program = (
        "import sys; from credit_platforms.destinations import destination_ids; destination_ids();"
        "heavy = {'httpx', 'psycopg2', 'fastavro', 'cryptography', 'pydantic'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_county_without_destinations_has_none(folder):
    shutil.rmtree(folder / "destinations")
    assert destination_ids() == []
    assert load_destinations(load_county()) == {}


def test_an_unknown_destination_is_answered_with_the_known_ones(folder):
    with pytest.raises(
        UnknownDestination, match="没有名为“city”的上报去向；可用的有：nation、province、site、xinyidai"
    ):
        find_destination("city")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "province"', 'id = "other"', "列 id：应与文件名“province”相同"),
        ('transport = "http"', 'transport = "pigeon"', "列 transport：没有这种传输方式；可用的：http"),
        ('personal = "clear"', 'personal = "some"', "列 personal：应为 clear"),
        ('"%Y/%m/%d"', '"%d"', "列 date_form：应含 %Y、%m 和 %d"),
        ("batch_rows = 500", "batch_rows = 501", "列 batch_rows：一批最多 500 行"),
        ("batch_rows = 500", 'batch_rows = "500"', "列 batch_rows：应为整数"),
        ("attempts = 4", "attempts = 0", "列 attempts：应为正整数"),
        ("attempts = 4", "", "列 attempts：缺少这一项"),
        ("pause_percent = 20", "pause_percent = 100", "列 pause_percent：应小于 100"),
        ("enabled = true", 'enabled = "yes"', "列 enabled：应为true 或 false"),
        ("can_withdraw = true", "can_withdraw = true\ncolour = 1", "列 colour：没有这一项"),
        ("[codes]", "[codez]", "没有这一节"),
        ("[destination]", "[destination", "不是正确的 TOML"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(province, old, new, said):
    before, _, after = province.read_text("utf-8").rpartition(old)
    province.write_text(before + new + after, "utf-8")
    with pytest.raises(CountyDataError) as error:
        load_destinations()
    assert said in str(error.value)
    assert "province.toml 第" in str(error.value)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[datasets.fine]", "列 fine：没有这个数据集"),
        ("[columns.fine]", "列 fine：没有这个数据集"),
        ("[datasets]\npenalty = 1", "列 penalty：应写成 [datasets.penalty]"),
        ('[datasets.penalty]\ncolour = "red"', "列 colour：没有这一项"),
        ('[datasets.penalty]\ntable = ""', "列 table：不能为空"),
        ('[datasets.penalty]\ntable = "xzxk"', "列 table：penalty 与 licence 用了对方的同一张表 xzxk"),
        ('[datasets.penalty]\nenabled = "no"', "列 enabled：应为true 或 false"),
        ('[datasets.penalty]\nstates = ["active", "open"]', "列 states：状态只能是"),
        ('[datasets.penalty]\ncolumns = "some"', '列 columns：应为 "all"'),
        ('[datasets.penalty]\ncolumns = ["CF_NOT"]', "列 columns：行政处罚没有列 CF_NOT"),
        ('[datasets.penalty]\ncolumns = ["CF_WSH", "EXT_SM"]', "列 columns：EXT_SM 是县里加的列，不得上报"),
        ('[datasets.penalty]\ncolumns = { CF_WSH = "A", CF_NR = "A" }', "列 columns：两列对到了对方的同一列"),
        ('[datasets.penalty]\nonly = { "kind of" = ["x"] }', "列 only：行政处罚没有角色 kind of"),
        ('[datasets.penalty]\nonly = { "subject.id_no" = ["x"] }', "列 only：subject.id_no 不是文字列"),
        ('[columns.penalty]\nCF_NOT = { as = "A" }', "列 CF_NOT：行政处罚没有列 CF_NOT"),
        ('[columns.penalty]\nEXT_SM = { as = "A" }', "列 EXT_SM：EXT_SM 是县里加的列，不得上报"),
        ('[columns.penalty]\nBZ = "A"', "列 BZ：应写成 { as"),
        ("[columns.penalty]\nBZ = { since = 2027-01-01 }", "列 BZ：应写成 { as"),
        ('[columns.penalty]\nBZ = { from = "2027-01-01" }', "列 BZ：from 和 to 应为不加引号的日期"),
        ("[columns.penalty]\nBZ = { from = 2027-01-01T00:00:00 }", "列 BZ：from 和 to 应为不加引号的日期"),
        ("[columns.penalty]\nBZ = { from = 2027-01-02, to = 2027-01-01 }", "列 BZ：from 晚于 to"),
        ("[columns.penalty]\nBZ = { as = 1 }", "列 BZ：as 应为对方的列名"),
        ("[columns.penalty]\nBZ = [{ to = 2027-01-01 }, { as = 'B', from = 2027-01-01 }]", "列 BZ：BZ 有两种写法"),
        ("[columns.penalty]\nBZ = { as = 'CF_WSH', from = 2027-01-01 }", "两列对到了对方的同一列，期间重叠"),
    ],
)
def test_a_mistake_about_a_dataset_is_named_with_file_line_and_key(province, section, said):
    province.write_text(province.read_text("utf-8") + section + "\n", "utf-8")
    with pytest.raises(CountyDataError) as error:
        load_destinations()
    assert said in str(error.value)
    assert "province.toml 第" in str(error.value)


# -- what is taken without being named ------------------------------------------------------------------------------


def county_dataset(folder, name="hygiene", **changes):
    """A dataset of the county's own: one file, as CONTRIBUTING says."""
    schema = json.loads((DATASETS / "ledger.v1.avsc").read_text("utf-8"))
    schema |= {"dataset": name, "cn": name, "schema_id": 2001, "kind": "record", "scope": "社会公开"} | changes
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / f"{name}.v1.avsc").write_text(json.dumps(schema), "utf-8")


def takers(name="hygiene"):
    return {d.id: d.routes[name].table for d in load_destinations().values() if name in d.routes}


def test_a_new_dataset_file_alone_goes_where_its_scope_goes(folder):
    county_dataset(folder)
    assert takers() == {"nation": "hygiene", "province": "hygiene", "site": "hygiene"}
    county_dataset(folder, scope="政务共享", national_table="WSJD")
    assert takers() == {"nation": "WSJD", "province": "WSJD"}
    route = find_destination("province").routes["hygiene"]
    assert (route.states, route.until_publicity_ends) == (("active", "disputed"), True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"national_table": "XZJL"}, "数据集 award 和 hygiene 的上级平台的表（national_table）都是“XZJL”"),
        ({"cn": "行政奖励"}, "数据集 award 和 hygiene 的中文名称（cn）都是“行政奖励”"),
    ],
)
def test_a_file_copied_from_another_dataset_is_told_of_before_anything_is_forwarded(folder, changes, told):
    county_dataset(folder, **changes)
    with pytest.raises(ContractError, match=re.escape(told)):
        load_catalogue(folder)


@pytest.mark.parametrize("changes", [{"scope": "授权查询"}, {"kind": "statistics"}, {"kind": "report"}])
def test_what_needs_consent_or_is_no_record_goes_nowhere_by_itself(folder, changes):
    county_dataset(folder, **changes)
    assert takers() == {}


def test_what_needs_consent_can_only_be_taken_by_name(folder, province):
    county_dataset(folder, scope="授权查询")
    text = province.read_text("utf-8")
    province.write_text(text.replace("[takes]", '[takes]\ndatasets = ["hygiene"]'), "utf-8")
    assert takers() == {"province": "hygiene"}
    replace_key(province, "scopes", 0)
    province.write_text(province.read_text("utf-8").replace("scopes = 0", 'scopes = ["授权查询"]'), "utf-8")
    with pytest.raises(CountyDataError, match="授权查询 不可用；可用的：社会公开、政务共享；授权查询的数据集要在"):
        load_destinations()


def test_a_section_of_its_own_overrides_the_defaults_or_leaves_the_dataset_out(folder, province):
    text = province.read_text("utf-8")
    province.write_text(text + '[datasets.penalty]\ntable = "cf"\nstates = ["active"]\n', "utf-8")
    route = find_destination("province").routes["penalty"]
    assert (route.table, route.states, route.until_publicity_ends) == ("cf", ("active",), True)
    province.write_text(text + "[datasets.penalty]\nenabled = false\n", "utf-8")
    assert "penalty" not in find_destination("province").routes
    terms = load_terms(load_county(folder), load_catalogue(folder).datasets)
    assert "penalty" not in terms["province"].datasets
    assert "penalty" in terms["nation"].datasets


def test_quality_and_forwarding_agree_on_what_goes_where(folder):
    county_dataset(folder)
    terms = load_terms(load_county(folder), load_catalogue(folder).datasets)
    for destination in load_destinations().values():
        seen = {d: (t.states, t.until_publicity_ends) for d, t in terms[destination.id].datasets.items()}
        assert seen == {d: (r.states, r.until_publicity_ends) for d, r in destination.routes.items()}


def test_a_column_goes_from_its_day_on_and_under_another_name_from_another(province):
    dated = (
        "[columns.penalty]\nCF_GSJZQ = { from = 2027-01-01 }\n"
        'BZ = [{ to = 2026-12-31 }, { as = "REMARK", from = 2027-01-01, to = 2027-12-31 }]\n'
    )
    province.write_text(province.read_text("utf-8") + dated, "utf-8")
    route = find_destination("province").routes["penalty"]
    before, after, later = (route.names(day) for day in (date(2026, 12, 31), date(2027, 1, 1), date(2028, 1, 1)))
    assert "CF_GSJZQ" not in before
    assert after["CF_GSJZQ"] == later["CF_GSJZQ"] == "CF_GSJZQ"
    assert (before["BZ"], after["BZ"], "BZ" in later) == ("BZ", "REMARK", False)
    assert list(after) == [f.column for f in load_catalogue().datasets["penalty"].fields if not f.extension]


def test_all_mistakes_of_all_files_are_told_at_once(folder):
    for name in ("province", "nation"):
        replace_key(folder / "destinations" / f"{name}.toml", "personal", "some")
        replace_key(folder / "destinations" / f"{name}.toml", "attempts", 0)
    with pytest.raises(CountyDataError) as error:
        load_destinations()
    assert len(error.value.defects) == 4


# -- access -----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_address_and_secret_come_from_settings_and_are_asked_for_by_name(folder, settings, monkeypatch):
    destination = find_destination("province")
    with pytest.raises(SettingMissing, match="CREDIT_DESTINATION_PROVINCE_URL"):
        load_access(destination, settings)
    (settings.home / "center.env").write_text("CREDIT_DESTINATION_PROVINCE_URL=https://example.org/x/\n", "utf-8")
    with pytest.raises(SettingMissing, match="CREDIT_DESTINATION_PROVINCE_SECRET"):
        load_access(destination, settings)
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", "k" * 32)
    access = load_access(destination, settings)
    assert (access.url, access.client, access.key) == ("https://example.org/x", "county", b"k" * 32)
    assert "k" * 32 not in repr(access)


def test_personal_numbers_do_not_cross_a_network_unencrypted(folder, settings, monkeypatch):
    destination = find_destination("province")
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", "k" * 32)
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_URL", "http://province.example.org")
    with pytest.raises(InsecureAddress, match="请改用 https"):
        load_access(destination, settings)
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_ALLOW_HTTP", "true")
    assert load_access(destination, settings).url == "http://province.example.org"
    monkeypatch.delenv("CREDIT_DESTINATION_PROVINCE_ALLOW_HTTP")
    monkeypatch.setenv("CREDIT_DESTINATION_PROVINCE_URL", "http://127.0.0.1:9301")
    assert load_access(destination, settings).url == "http://127.0.0.1:9301"
