"""Database sources on a real SQLite file: answers as for a file, only what is new, nothing written, no crash."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from credit_producer.cli import cli
from credit_producer.errors import SettingsError
from credit_producer.settings import unit_config_path, write_unit_config
from credit_producer.spool import Spool
from credit_producer.sql import SourceError, read_source
from credit_producer.sql.cells import BadKey, cell, key_text
from credit_producer.sql.database import Database
from credit_producer.sql.watermark import Watermark
from credit_schemas.sealing import generate_center_key
from unit.rows import COMPANY, PERSON

ZONE = ZoneInfo("Asia/Shanghai")
# The tables a health commission's front database has (STANDARDS 5), with a column for increments.
TABLES = {
    "frxzcf": "ID INTEGER PRIMARY KEY, CF_XDR_MC, CF_XDR_SHXYM, CF_XDR_GSDJ, CF_XDR_ZDM, CF_XDR_SWDJ, CF_FR, CF_SFZ,"
    " CF_AJMC, CF_WSH, CF_BM, CF_CFLB1, CF_CFLB2, CF_SY, CF_YJ, CF_JG, CF_JDRQ, CF_XZJG, CF_GSJZQ, BZ, CF_SYFW, SJC",
    "zrrxzcf": "ID INTEGER PRIMARY KEY, CF_XDR_MC, CF_SFZ, CF_AJMC, CF_WSH, CF_BM, CF_CFLB1, CF_CFLB2, CF_SY, CF_YJ,"
    " CF_JG, CF_JDRQ, CF_XZJG, CF_GSJZQ, BZ, CF_SYFW, SJC",
    "frxzxk": "ID INTEGER PRIMARY KEY, XK_XDR_SHXYM, XK_XDR_GSDJ, XK_XDR_ZDM, XK_XDR_SWDJ, XK_XDR, XK_XMMC, XK_WSH,"
    " XK_NR, XK_SPLB, XK_BM, XK_XZJG, XK_JDRQ, XK_JZQ, XK_SYFW, XK_FR, XK_SFZ, BZ, SJC",
    "zrrxzxk": "ID INTEGER PRIMARY KEY, XK_XDR, XK_XDR_SFZ, XK_XMMC, XK_WSH, XK_NR, XK_SPLB, XK_BM, XK_XZJG, XK_JDRQ,"
    " XK_JZQ, XK_SYFW, BZ, SJC",
}
MARKET = "宝丰县市场监督管理局"
PENALTY = {
    "CF_XDR_MC": "示例商贸有限公司",
    "CF_XDR_SHXYM": COMPANY,
    "CF_FR": "张三",
    "CF_SFZ": PERSON,
    "CF_AJMC": "销售超过保质期食品案",
    "CF_WSH": "宝市监罚〔2016〕8号",
    "CF_CFLB1": "罚款",
    "CF_SY": "销售超过保质期的食品",
    "CF_YJ": "《中华人民共和国食品安全法》第三十四条",
    "CF_JG": "罚款2000元",
    "CF_JDRQ": "2016-08-04",
    "CF_XZJG": MARKET,
    "CF_SYFW": 0,
    "SJC": "2016-08-05",
}
PERSON_PENALTY = {c: v for c, v in PENALTY.items() if c not in ("CF_XDR_SHXYM", "CF_FR")} | {"CF_XDR_MC": "李四"}
LICENCE = {
    "XK_XDR": "示例商贸有限公司",
    "XK_XDR_SHXYM": COMPANY,
    "XK_FR": "张三",
    "XK_SFZ": PERSON,
    "XK_XMMC": "食品经营许可",
    "XK_WSH": "宝市监许〔2016〕12号",
    "XK_NR": "食品销售",
    "XK_SPLB": "核准",
    "XK_XZJG": MARKET,
    "XK_JDRQ": "2016-08-04",
    "XK_JZQ": "2021-08-03",
    "XK_SYFW": 0,
    "SJC": "2016-08-05",
}
PERSON_LICENCE = {c: v for c, v in LICENCE.items() if c not in ("XK_XDR_SHXYM", "XK_FR", "XK_SFZ")}
PERSON_LICENCE |= {"XK_XDR": "李四", "XK_XDR_SFZ": PERSON}
ROWS = {"frxzcf": PENALTY, "zrrxzcf": PERSON_PENALTY, "frxzxk": LICENCE, "zrrxzxk": PERSON_LICENCE}


class Department:
    """A department's database, the description of one of its tables, and the command."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "front.db"
        self.toml = folder / "source.toml"
        with closing(sqlite3.connect(self.path)) as db, db:
            for name, columns in TABLES.items():
                db.execute(f"CREATE TABLE {name} ({columns})")
        self.describe("frxzcf")

    def put(self, table: str, **row: object) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

    def run_sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(statement, values)

    def describe(self, table: str = "", more: str = "", source: str = "") -> Path:
        source = source or f'table = "{table}"\nkey = "ID"\nwatermark = "SJC"\nimport_map = "2015"'
        self.toml.write_text(f'[database]\nurl_env = "FRONT_DB"\n[source]\n{source}\n{more}\n', encoding="utf-8")
        return self.toml

    def run(self, command: str, dataset: str = "penalty", *more: str):
        arguments = [command, "--sql", str(self.toml), "--dataset", dataset, "--unit", "market", "--json", *more]
        return CliRunner().invoke(cli, arguments)

    def lines(self, command: str, dataset: str = "penalty", *more: str) -> list[dict]:
        result = self.run(command, dataset, *more)
        assert "Traceback" not in result.output
        return [json.loads(text) for text in result.stdout.splitlines()]


@pytest.fixture
def department(tmp_path, monkeypatch) -> Department:
    monkeypatch.setenv("FRONT_DB", f"sqlite:///{tmp_path / 'front.db'}")
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return Department(tmp_path)


@pytest.fixture
def spool(tmp_path, monkeypatch) -> Path:
    """A unit whose broker is not there: what is sent waits in the spool."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return write_unit_config(
        unit_config_path("market"),
        unit="market",
        county="410421",
        bootstrap="127.0.0.1:1",
        username="unit.market",
        password="secret",
        center_key=str(generate_center_key().public),
    ).spool


def waiting(spool: Path) -> int:
    with Spool(spool) as opened:
        return opened.waiting()


def problems(line: dict, severity: str = "reject") -> list[tuple[str, str]]:
    return [(p["cell"], p["rule"]) for p in line["problems"] if p["severity"] == severity]


@pytest.mark.parametrize("table", ROWS)
def test_the_four_tables_of_a_front_database_come_out_as_from_a_file(department, table):
    dataset = "penalty" if table.endswith("cf") else "licence"
    department.describe(table)
    department.put(table, ID=17, **ROWS[table])
    [line] = department.lines("check", dataset)
    assert (line["file"], line["row"], line["line"], line["key"]) == (table, 1, 1, "17")
    assert problems(line) == []
    prefix = "CF" if dataset == "penalty" else "XK"
    company = table.startswith("fr")
    assert line["normalised"][f"{prefix}_XDR_LB"] == ("法人及非法人组织" if company else "自然人")
    number = f"{prefix}_FR_ZJHM" if company else f"{prefix}_XDR_ZJHM"
    assert line["normalised"][number] == "110105********002X"
    assert PERSON not in json.dumps(line)


def test_a_problem_has_column_and_primary_key_for_an_address(department):
    department.put("frxzcf", ID=17, **PENALTY | {"CF_JDRQ": "2099-01-01", "CF_JG": None})
    result = department.run("check")
    [line] = [json.loads(text) for text in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert ("CF_JDRQ@17", "CF_JDRQ.not_after") in problems(line)
    assert ("CF_JG@17", "CF_NR.required") in problems(line)
    human = CliRunner().invoke(
        cli, ["check", "--sql", str(department.toml), "--dataset", "penalty", "--unit", "market"]
    )
    assert "第 1 条（主键 17）" in human.output


def test_a_number_column_for_ids_is_refused_with_its_address(department):
    department.run_sql("DROP TABLE zrrxzcf")
    department.run_sql(f"CREATE TABLE zrrxzcf ({TABLES['zrrxzcf'].replace('CF_SFZ', 'CF_SFZ BIGINT')})")
    department.describe("zrrxzcf")
    department.put("zrrxzcf", ID=5, **PERSON_PENALTY | {"CF_SFZ": 110105194912310021})
    [line] = department.lines("check")
    assert problems(line) == [("CF_SFZ@5", "CF_XDR_ZJHM.numeric")]


HOSTILE = {
    "nul": "罚款2000元\x00",
    "cell_too_long": "罚" * 40_000,
    "cell_type": b"\x89PNG\r\n",
    "undecodable": "CAST(X'C4E3BAC3' AS TEXT)",
}


@pytest.mark.parametrize("code", HOSTILE)
def test_hostile_content_costs_its_own_row_only(department, code):
    for key in (1, 3):
        department.put("frxzcf", ID=key, **PENALTY | {"CF_WSH": f"宝市监罚〔2016〕{key}号"})
    department.put("frxzcf", ID=2, **PENALTY)
    if code == "undecodable":
        department.run_sql(f"UPDATE frxzcf SET CF_JG = {HOSTILE[code]} WHERE ID = 2")
    else:
        department.run_sql("UPDATE frxzcf SET CF_JG = ? WHERE ID = 2", HOSTILE[code])
    one, two, three = department.lines("check")
    assert (problems(one), problems(three)) == ([], [])
    assert problems(two) == [("CF_JG@2", f"file.{code}")]
    assert two["normalised"] == {}


def test_formulas_quotes_and_wrong_types_are_content_not_commands(department):
    name = "=1+1'); DROP TABLE frxzcf; --"
    department.put("frxzcf", ID=1, **PENALTY | {"CF_XDR_MC": name, "CF_WSH": 20160008, "CF_JDRQ": 46148.5})
    [line] = department.lines("check")
    assert line["normalised"]["CF_XDR_MC"] == name
    assert {("CF_WSH@1", "CF_WSH.numeric"), ("CF_JDRQ@1", "CF_JDRQ.date")} <= set(problems(line))


def test_blanks_that_fill_up_a_fixed_column_are_no_change(department):
    department.put("frxzcf", ID=1, **{c: f"{v}   " if isinstance(v, str) else v for c, v in PENALTY.items()})
    [line] = department.lines("check")
    assert problems(line) == []
    assert not [c for c in line["changes"] if c["cell"] and not c["rule"].endswith(".import")]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "key_missing"),
        (PERSON, "key_personal"),
        (b"\x00\x01", "key_type"),
        ("x" * 200, "key_text"),
        (1.5, "key_type"),
    ],
)
def test_a_row_without_a_usable_key_is_refused_and_its_key_not_shown(department, key, code):
    department.run_sql("CREATE TABLE odd AS SELECT * FROM frxzcf")
    department.describe("odd")
    department.put("odd", ID=key, **PENALTY)
    [line] = department.lines("check")
    assert [p["rule"] for p in line["problems"]] == [f"file.{code}"]
    assert PERSON not in json.dumps(line)


def test_a_key_that_occurs_twice_is_refused_from_the_second_on(department):
    department.run_sql("CREATE TABLE odd AS SELECT * FROM frxzcf")
    department.describe("odd")
    for number in (1, 2):
        department.put("odd", ID=7, **PENALTY | {"CF_WSH": f"宝市监罚〔2016〕{number}号"})
    one, two = department.lines("check")
    assert problems(one) == []
    assert problems(two) == [("ID@7", "file.key_twice")]


def test_the_database_is_only_read_and_a_mistyped_path_makes_no_file(department, tmp_path, monkeypatch):
    department.put("frxzcf", ID=1, **PENALTY)
    with closing(Database(read_source(department.toml))) as database, pytest.raises(Exception, match="readonly"):
        database._con.exec_driver_sql("DELETE FROM frxzcf")
    before = department.path.read_bytes()
    department.lines("check")
    assert department.path.read_bytes() == before
    monkeypatch.setenv("FRONT_DB", f"sqlite:///{tmp_path / 'nothing.db'}")
    result = department.run("check")
    assert (result.exit_code, json.loads(result.stdout)["problems"][0]["rule"]) == (2, "sql.not_found")
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM frxzcf",
        "SELECT 1; DROP TABLE frxzcf",
        "PRAGMA writable_schema=1",
        "insert into frxzcf(ID) values(1)",
    ],
)
def test_a_query_that_is_no_select_is_not_run(department, query):
    department.describe(source=f"query = '''{query}'''\nname = \"q\"\nkey = \"ID\"")
    with pytest.raises(SettingsError, match="SELECT"):
        read_source(department.toml)
    result = department.run("check")
    assert result.exit_code == 2
    assert "SELECT" in result.stderr


def test_a_query_with_own_names_a_column_map_and_constants(department):
    department.put("zrrxzcf", ID=3, **PERSON_PENALTY)
    query = (
        "SELECT z.ID AS 编号, CF_XDR_MC AS 当事人, CF_SFZ AS 号码, CF_WSH, CF_AJMC AS 类型, CF_SY, CF_YJ,"
        " CF_CFLB1 AS CF_CFLB, CF_JG, CF_JDRQ, '2017-8-4' AS 到期, 0.2 AS 金额, '10:30' AS 时间"
        " FROM zrrxzcf z -- 结尾的注释"
    )
    code = "11410421DEM000209N"
    department.describe(
        source=f"query = '''{query}'''\nname = \"个人处罚\"\nkey = \"编号\"",
        more=f"""[columns]
"当事人" = "CF_XDR_MC"
"号码" = "证件号码"
"类型" = "违法行为类型"
CF_JG = "CF_NR"
"到期" = "处罚有效期"
"金额" = "CF_NR_FK"
[constants]
CF_XDR_LB = "自然人"
CF_XDR_ZJLX = "身份证"
CF_CFJG = "{MARKET}"
CF_CFJGDM = "{code}"
CF_SJLY = "{MARKET}"
CF_SJLYDM = "{code}"
""",
    )
    result = department.run("check")
    [line] = [json.loads(text) for text in result.stdout.splitlines()]
    assert problems(line) == []
    assert (line["file"], line["key"], line["normalised"]["CF_YXQ"]) == ("个人处罚", "3", "2017-08-04")
    assert line["normalised"]["CF_XDR_ZJHM"] == "110105********002X"
    assert "没有读取：“时间”" in result.stderr


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('[columns]\nNOTHING = "CF_WSH"', "no_column"),
        ('[columns]\nCF_AJMC = "CF_XYZ"', "no_code"),
        ('[columns]\nCF_AJMC = "CF_SY"\nBZ = "CF_SY"', "twice"),
        ('[columns]\nCF_AJMC = "CF_NR"', "column_mix"),
        ('[constants]\nCF_XYZ = "1"', "no_code"),
        ('[constants]\nCF_SY = "1"', "twice"),
    ],
)
def test_a_description_that_does_not_fit_the_table_is_told(department, more, code):
    department.put("frxzcf", ID=1, **PENALTY)
    department.describe("frxzcf", more)
    result = department.run("check")
    [line] = [json.loads(text) for text in result.stdout.splitlines()]
    assert (result.exit_code, line["row"], line["problems"][0]["rule"]) == (2, 0, f"sql.{code}")


def test_missing_mandatory_columns_are_named(department):
    department.describe(source='table = "frxzcf"\nkey = "ID"')
    [line] = department.lines("check")
    assert line["problems"][0]["rule"] == "sql.missing_column"
    assert "“处罚内容”（CF_NR）" in line["problems"][0]["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[source]\ntable = "t"\nkey = "ID"', "database"),
        ('[database]\nurl_env = "NOT_SET_X"\n[source]\ntable = "t"\nkey = "ID"', "没有设置"),
        (
            '[database]\nurl_env = "FRONT_DB"\nurl = "sqlite:///x"\n[source]\ntable = "t"\nkey = "ID"',
            "不要把数据库地址和口令写",
        ),
        (
            '[database]\nurl_env = "FRONT_DB"\npassword = "geheim"\n[source]\ntable = "t"\nkey = "ID"',
            "不要把数据库地址和口令写",
        ),
        ('[database]\nurl_env = "FRONT_DB"\n[source]\ntable = "t"', "key"),
        ('[database]\nurl_env = "FRONT_DB"\n[source]\ntable = "t"\nquery = "SELECT 1"\nkey = "a"', "只能写一个"),
        ('[database]\nurl_env = "FRONT_DB"\n[source]\nquery = "SELECT 1"\nkey = "a"', "name"),
        ('[database]\nurl_env = "FRONT_DB"\n[source]\ntable = "t"\nkey = "a"\noverlap = -1', "负数"),
        ("not toml", "TOML"),
    ],
)
def test_a_wrong_description_is_told_without_quoting_it(department, text, said):
    department.toml.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said) as error:
        read_source(department.toml)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("geheim", "bad_url"),
        ("wunder://u:geheim@h/d", "no_dialect"),
        ("postgresql+psycopg2://u:geheim@127.0.0.1:1/d", "database"),
        ("oracle+oracledb://u:geheim@127.0.0.1:1/d", "no_driver"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(department, monkeypatch, url, code):
    monkeypatch.setenv("FRONT_DB", url)
    result = department.run("check")
    assert (result.exit_code, json.loads(result.stdout)["problems"][0]["rule"]) == (2, f"sql.{code}")
    assert "geheim" not in result.output + result.stderr


def test_a_table_that_is_not_there_or_empty_is_no_success(department):
    department.describe("nowhere")
    [line] = department.lines("check")
    assert line["problems"][0]["rule"] == "sql.database"
    department.describe("frxzcf")
    result = department.run("check")
    assert (result.exit_code, json.loads(result.stdout)["problems"][0]["rule"]) == (2, "sql.no_rows")


def test_neither_or_both_of_file_and_source_is_a_mistake(department):
    both = CliRunner().invoke(
        cli, ["check", "a.csv", "--sql", str(department.toml), "--dataset", "penalty", "--unit", "market"]
    )
    neither = CliRunner().invoke(cli, ["send", "--dataset", "penalty", "--unit", "market"])
    assert (both.exit_code, neither.exit_code) == (2, 2)


def test_unchanged_rows_are_not_sent_again_and_changed_ones_are(department, spool):
    for key in (1, 2):
        department.put("frxzcf", ID=key, **PENALTY | {"CF_WSH": f"宝市监罚〔2016〕{key}号"})
    first = department.lines("send")
    assert [(line["unchanged"], bool(line["ce_id"])) for line in first] == [(False, True)] * 2
    again = department.lines("send")
    assert [line["unchanged"] for line in again] == [True, True]
    assert [line["ce_id"] for line in again] == [line["ce_id"] for line in first]
    assert waiting(spool) == 2
    department.run_sql("UPDATE frxzcf SET CF_JG = '罚款3000元' WHERE ID = 2")
    assert [line["unchanged"] for line in department.lines("send")] == [True, False]
    assert waiting(spool) == 3


def test_a_settled_row_that_is_read_again_is_still_not_sent_again(department, spool):
    department.put("frxzcf", ID=1, **PENALTY)
    [line] = department.lines("send")
    with Spool(spool) as opened:
        opened.mark_sent(q.seq for q in opened.queued(10))
        receipt = {"receipt_id": "r1", "ce_id": line["ce_id"], "record_no": "n", "status": "loaded", "at": "2026"}
        opened.store_receipts([receipt])
    assert [line["unchanged"] for line in department.lines("send")] == [True]
    assert waiting(spool) == 0


def test_same_number_in_two_tables_is_two_records(department, spool):
    department.put("frxzcf", ID=1, **PENALTY)
    department.put("zrrxzcf", ID=1, **PERSON_PENALTY)
    department.lines("send")
    department.describe("zrrxzcf")
    department.lines("send")
    with Spool(spool) as opened:
        events = opened.queued(10)
    assert len({e.key for e in events}) == 2
    assert any(b"frxzcf:1" in e.value for e in events)
    assert any(b"zrrxzcf:1" in e.value for e in events)
    assert not any(PERSON.encode() in e.value for e in events)


def test_the_watermark_lets_only_new_rows_be_read_and_full_reads_all(department, spool):
    department.put("frxzcf", ID=1, **PENALTY | {"SJC": "2016-08-05"})
    assert [line["key"] for line in department.lines("send")] == ["1"]
    department.put("frxzcf", ID=2, **PENALTY | {"SJC": "2016-07-01", "CF_WSH": "宝市监罚〔2016〕2号"})
    department.put("frxzcf", ID=3, **PENALTY | {"SJC": "2016-08-06", "CF_WSH": "宝市监罚〔2016〕3号"})
    department.put("frxzcf", ID=4, **PENALTY | {"SJC": None, "CF_WSH": "宝市监罚〔2016〕4号"})
    assert {line["key"] for line in department.lines("send")} == {"1", "3", "4"}
    assert {line["key"] for line in department.lines("send")} == {"3", "4"}
    full = department.lines("send", "penalty", "--full")
    assert {line["key"]: line["unchanged"] for line in full} == {"1": True, "2": False, "3": True, "4": True}


def test_nothing_new_is_no_failure(department, spool):
    department.put("frxzcf", ID=1, **PENALTY)
    department.lines("send")
    department.run_sql("DELETE FROM frxzcf")
    result = department.run("send")
    assert result.exit_code == 3  # the broker is away; the rows of before wait
    assert "没有新的或改过的行" in result.stderr


def test_the_watermark_waits_before_a_refused_row_until_it_is_mended(department, spool):
    for key, day in ((1, "2016-08-05"), (2, "2016-08-06"), (3, "2016-08-07")):
        department.put("frxzcf", ID=key, **PENALTY | {"SJC": day, "CF_WSH": f"宝市监罚〔2016〕{key}号"})
    department.run_sql("UPDATE frxzcf SET CF_JG = NULL WHERE ID = 2")
    assert [line["verdict"] for line in department.lines("send")] == ["warn", "reject", "warn"]
    assert waiting(spool) == 3
    again = department.lines("send")
    assert [(line["key"], line["unchanged"]) for line in again] == [("1", True), ("2", True), ("3", True)]
    assert waiting(spool) == 3  # the refusal, too, is told once
    department.run_sql("UPDATE frxzcf SET CF_JG = '罚款500元' WHERE ID = 2")
    assert [line["unchanged"] for line in department.lines("send")] == [True, False, True]
    assert [line["key"] for line in department.lines("send")] == ["3"]


def test_rows_that_may_not_be_reported_are_not_sent_and_hold_nothing_up(department, spool):
    department.run_sql("ALTER TABLE zrrxzcf ADD COLUMN EXT_CFCX")
    department.describe("zrrxzcf")
    department.put("zrrxzcf", ID=1, **PERSON_PENALTY | {"EXT_CFCX": "简易程序", "SJC": "2016-08-05"})
    department.put("zrrxzcf", ID=2, **PERSON_PENALTY | {"SJC": "2016-08-06", "CF_WSH": "宝市监罚〔2016〕9号"})
    assert [line["ce_id"] is None for line in department.lines("send")] == [True, False]
    assert waiting(spool) == 1
    assert [line["key"] for line in department.lines("send")] == ["2"]


def test_a_changed_description_reads_from_the_beginning(department, spool):
    department.put("frxzcf", ID=1, **PENALTY | {"SJC": "2016-08-05"})
    department.put("frxzcf", ID=2, **PENALTY | {"SJC": "2016-08-09", "CF_WSH": "宝市监罚〔2016〕2号"})
    department.lines("send")
    assert [line["key"] for line in department.lines("send")] == ["2"]
    department.describe("frxzcf", '[columns]\nCF_BM = "备注"\n')
    with closing(sqlite3.connect(department.path)) as db, db:
        db.execute("ALTER TABLE frxzcf DROP COLUMN BZ")
    result = department.run("send")
    assert len(result.stdout.splitlines()) == 2
    assert "从头读一遍" in result.stderr


CRASH = """
import sys
from credit_producer import spool
from credit_producer.cli import main
keep = spool.Spool.set_bookmark
def die(self, name, value):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
spool.Spool.set_bookmark = die
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_between_spool_and_watermark_it_reads_again_and_sends_nothing_twice(department, spool):
    for key in range(1, 6):
        department.put("frxzcf", ID=key, **PENALTY | {"CF_WSH": f"宝市监罚〔2016〕{key}号"})
    arguments = ["send", "--sql", str(department.toml), "--dataset", "penalty", "--unit", "market"]
    run = subprocess.run([sys.executable, "-c", CRASH, *arguments], env=os.environ, capture_output=True, check=False)
    assert run.returncode < 0
    assert waiting(spool) == 5
    with Spool(spool) as opened:
        assert opened.bookmark("penalty/frxzcf") is None
    assert [line["unchanged"] for line in department.lines("send")] == [True] * 5
    assert waiting(spool) == 5


def test_a_database_that_breaks_off_keeps_what_was_read_and_the_old_watermark(department, spool):
    # A value that SQLite can only fail on once it gets there.
    for key in range(1, 1202):
        department.put("frxzcf", ID=key, **PENALTY | {"CF_WSH": f"宝市监罚〔2016〕{key}号"})
    query = "SELECT f.*, CASE WHEN ID = 1201 THEN abs(-9223372036854775808) ELSE 0 END AS X FROM frxzcf f"
    department.describe(
        source=f'query = "{query}"\nname = "q"\nkey = "ID"\nimport_map = "2015"', more='[columns]\nX = "CF_XDR_SYDW"'
    )
    result = department.run("send")
    lines = [json.loads(text) for text in result.stdout.splitlines()]
    assert result.exit_code == 2
    assert (lines[-1]["row"], lines[-1]["problems"][0]["rule"]) == (0, "sql.database")
    assert waiting(spool) == len(lines) - 1 == 1000
    with Spool(spool) as opened:
        assert opened.bookmark("penalty/q") is None


@pytest.mark.parametrize(
    "parts", [["a", "b"], [1], [Decimal(12)], [UUID(int=1)], [date(2026, 5, 6)], ["甲", 1], ["a|b", "c"], ["a", "b|c"]]
)
def test_keys_are_texts_and_several_columns_never_collide(parts):
    assert key_text(parts)
    assert key_text(["a|b", "c"]) != key_text(["a", "b|c"])


@pytest.mark.parametrize("part", [None, "", " ", True, 1.5, Decimal("1.5"), Decimal("NaN"), b"x", [], PERSON, "a\nb"])
def test_what_is_no_key_is_refused(part):
    with pytest.raises(BadKey):
        key_text([part])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        ("字 ", "text"),
        (3, "number"),
        (Decimal("0.2"), "number"),
        (True, "bool"),
        (date(2026, 5, 6), "date"),
        (datetime(2026, 5, 6, 10), "date"),
        (UUID(int=1), "text"),
        (b"x", "error"),
        ([1], "error"),
        ({}, "error"),
        (timedelta(1), "error"),
    ],
)
def test_every_type_of_a_driver_becomes_a_cell_or_a_fault(value, kind):
    found, fault = cell(value, "X@1", ZONE)
    assert (found.kind, fault is not None) == (kind, kind == "error")


def test_a_moment_with_a_zone_is_the_countys_day():
    found, _ = cell(datetime.fromisoformat("2026-05-05T17:00:00+00:00"), "X@1", ZONE)
    assert found.value.date() == date(2026, 5, 6)


def passed(marks, kept=None, overlap=None):
    watermark = Watermark("f", kept, overlap, ZONE)
    for mark in marks:
        watermark.passed(mark, mended_later=False)
    return watermark


@pytest.mark.parametrize(
    ("marks", "since"),
    [
        ([date(2026, 5, 1), date(2026, 5, 6)], date(2026, 5, 5)),
        ([datetime(2026, 5, 6, 10)], datetime(2026, 5, 5, 10)),
        ([datetime.fromisoformat("2026-05-06T10:00:00+08:00")], datetime.fromisoformat("2026-05-05T10:00:00+08:00")),
        ([5000], 4000),
        ([Decimal(5000)], Decimal(4000)),
        (["2016/08/04"], "2016/08/04"),
        ([date(2026, 5, 6), None], date(2026, 5, 5)),
        ([date(2026, 5, 6), date(2999, 1, 1)], date(2026, 5, 5)),
        (["2016-08-04", "2099-01-01"], "2016-08-04"),
        ([b"\x00\x01"], None),
    ],
)
def test_a_watermark_is_kept_with_its_type_goes_back_a_little_and_never_into_the_future(marks, since):
    kept = passed(marks).text
    assert Watermark("f", kept, None, ZONE).since == since
    assert Watermark("other", kept, None, ZONE).since is None


def test_the_overlap_is_a_setting():
    kept = passed([date(2026, 5, 6)]).text
    assert Watermark("f", kept, 10, ZONE).since == date(2026, 4, 26)
    assert Watermark("f", passed([100]).text, 0, ZONE).since == 100


def test_without_sqlalchemy_the_command_says_what_to_install(department, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(SourceError, match=r"credit-producer\[sql\]"):
        Database(read_source(department.toml))


def test_checking_a_file_loads_no_sqlalchemy():
    code = "import sys, credit_producer.cli; print(sorted(m for m in sys.modules if m.split('.')[0] == 'sqlalchemy'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
