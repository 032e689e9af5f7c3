"""Who may do what to a record: the county's table, its defaults, its mistakes, and units whose time is over."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from credit_schemas.county import SHIPPED, load_county
from credit_schemas.county_errors import CountyDataError
from credit_schemas.envelope import STATE_ACTS

DAY = date(2026, 11, 20)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SHIPPED / "410421", tmp_path / "county")


def test_repairs_and_disputes_are_the_offices_and_the_platforms_alone():
    county = load_county(SHIPPED / "410421")
    for act in ("repair", "dispute_open", "dispute_close"):
        assert county.reach("market", act, DAY) == (False, False)
        assert county.reach("reform", act, DAY) == county.reach("province", act, DAY) == (True, True)
    for act in ("withdraw", "revoke"):
        assert county.reach("market", act, DAY) == county.reach("reform", act, DAY) == (True, False)
        assert county.reach("province", act, DAY) == (True, True)


def test_a_county_without_the_table_lets_each_take_back_its_own_and_nobody_anothers(folder):
    (folder / "acts.toml").unlink()
    county = load_county(folder)
    for act in STATE_ACTS:
        own = act in ("revoke", "withdraw", "reinstate")
        assert {county.reach(unit, act, DAY) for unit in ("market", "reform", "province")} == {(own, False)}


def test_an_office_that_is_no_unit_of_the_county_is_told_with_its_place(folder):
    path = folder / "acts.toml"
    path.write_text(path.read_text("utf-8").replace('["发改委"]', '["不存在的办公室"]', 1), "utf-8")
    with pytest.raises(CountyDataError, match=r"acts\.toml[\s\S]*不存在的办公室"):
        load_county(folder)


def test_an_office_whose_time_is_over_may_touch_nobodys_records_any_more(folder):
    path = folder / "units.csv"
    text = path.read_text("utf-8")
    assert ",government,true,,,社会信用体系建设牵头部门" in text
    ended = text.replace(",government,true,,,社会信用体系", ",government,true,,2026-10-31,社会信用体系", 1)
    path.write_text(ended, "utf-8")
    county = load_county(folder)
    assert county.reach("reform", "dispute_open", date(2026, 10, 31)) == (True, True)
    assert county.reach("reform", "dispute_open", date(2026, 11, 1)) == (False, False)


def test_an_unknown_unit_may_do_nothing():
    county = load_county(SHIPPED / "410421")
    assert {county.reach("nobody", act, DAY) for act in STATE_ACTS} == {(False, False)}
