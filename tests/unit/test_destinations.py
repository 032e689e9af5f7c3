"""Destination files: what is shipped loads, every mistake is named with file and key, ids cost nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core_rows import replace_key
from credit_platforms.access import load_access
from credit_platforms.destinations import destination_ids, find_destination, load_destinations
from credit_platforms.errors import InsecureAddress, UnknownDestination
from credit_schemas.county import SHIPPED, load_county
from credit_schemas.county_errors import CountyDataError
from credit_warehouse.settings import SettingMissing, Settings


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


def test_province_and_nation_are_shipped_with_their_own_date_forms(folder):
    known = load_destinations()
    assert {d: known[d].date_form for d in known} == {"nation": "%Y-%m-%d", "province": "%Y/%m/%d"}
    for destination in known.values():
        assert {d: r.table for d, r in destination.routes.items()} == {"licence": "xzxk", "penalty": "xzcf"}
        assert destination.sending.batch_rows <= 500
        assert destination.sending.canary_rows == 50
        assert destination.sending.pause_percent == 20


def test_all_columns_are_the_national_ones_in_upload_order_and_no_extension(folder):
    routes = find_destination("province").routes
    assert [len(routes[d].columns) for d in ("licence", "penalty")] == [28, 30]
    assert list(routes["penalty"].columns)[:3] == ["CF_XDR_MC", "CF_XDR_LB", "CF_XDR_SHXYM"]
    assert not any(c.startswith("EXT") for route in routes.values() for c in route.columns)


def test_columns_may_be_a_list_or_a_map_to_the_destinations_own_codes(province):
    replace_key(province, "columns", "all")
    text = province.read_text("utf-8")
    before, _, after = text.rpartition('columns = "all"')
    province.write_text(before + 'columns = { CF_WSH = "WSH", CF_XDR_MC = "MC" }' + after, "utf-8")
    # Upload order, whatever the order in the file.
    assert dict(find_destination("province").routes["penalty"].columns) == {"CF_XDR_MC": "MC", "CF_WSH": "WSH"}
    province.write_text(before + 'columns = ["CF_WSH"]' + after, "utf-8")
    assert dict(find_destination("province").routes["penalty"].columns) == {"CF_WSH": "CF_WSH"}


def test_ids_are_the_names_of_files_and_nothing_is_read(folder):
    (folder / "destinations" / "city.toml").write_text("not toml at all", "utf-8")
    assert destination_ids() == ["city", "nation", "province"]


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
    with pytest.raises(UnknownDestination, match="没有名为“city”的上报去向；可用的有：nation、province"):
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
        ("[datasets.penalty]", "[datasets.fine]", "列 fine：没有这个数据集"),
        ('table = "xzcf"', 'table = ""', "列 table：不能为空"),
        ('"active", "disputed"', '"active", "open"', "列 states：状态只能是"),
        ('columns = "all"', 'columns = "some"', '列 columns：应为 "all"'),
        ('columns = "all"', 'columns = ["CF_NOT"]', "列 columns：行政处罚没有列 CF_NOT"),
        ('columns = "all"', 'columns = ["CF_WSH", "EXT_SM"]', "列 columns：EXT_SM 是县里加的列，不得上报"),
        ('columns = "all"', 'columns = { CF_WSH = "A", CF_NR = "A" }', "列 columns：两列对到了对方的同一列"),
        ('columns = "all"', 'columns = "all"\nonly = { "kind of" = ["x"] }', "列 only：行政处罚没有角色 kind of"),
        ('columns = "all"', 'columns = "all"\nonly = { "subject.id_no" = ["x"] }', "列 only：subject.id_no 不是文字列"),
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
