"""A department's PostgreSQL as a source: true types, row by row, read-only, and the whole road to Kafka."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition

from credit_producer.cli import cli
from credit_producer.settings import unit_config_path, write_unit_config
from credit_producer.spool import Spool
from credit_producer.sql import SourceError, read_source
from credit_producer.sql.database import Database
from credit_schemas import topics as names
from credit_schemas.catalogue import load_catalogue
from credit_schemas.sealing import Opener, generate_center_key
from unit.rows import COMPANY, PERSON

CATALOGUE = load_catalogue()
KEY = generate_center_key()
MARKET = CATALOGUE.county.units.get("market")
# Reading, importing, checking and printing 100,000 rows, SQLAlchemy and driver included.
MEMORY_MB = 300
# dbo.frxzcf, zrrxzcf, frxzxk, zrrxzxk as health-program/credit inserts into them (STANDARDS 5), and a time stamp.
TABLES = """
CREATE SCHEMA dbo;
CREATE TABLE dbo.frxzcf (id bigserial PRIMARY KEY, cf_xdr_mc text, cf_xdr_shxym char(18), cf_xdr_gsdj text,
 cf_xdr_zdm text, cf_xdr_swdj text, cf_fr text, cf_sfz text, cf_ajmc text, cf_wsh text, cf_bm text, cf_cflb1 text,
 cf_cflb2 text, cf_sy text, cf_yj text, cf_jg text, cf_jdrq date, cf_xzjg text, cf_gsjzq date, bz text, cf_syfw int,
 sjc timestamptz);
CREATE TABLE dbo.zrrxzcf (id bigserial PRIMARY KEY, cf_xdr_mc text, cf_sfz bigint, cf_ajmc text, cf_wsh text,
 cf_bm text, cf_cflb1 text, cf_cflb2 text, cf_sy text, cf_yj text, cf_jg text, cf_jdrq date, cf_xzjg text,
 cf_gsjzq date, bz text, cf_syfw int, sjc timestamptz);
CREATE TABLE dbo.frxzxk (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), xk_xdr_shxym text, xk_xdr_gsdj text,
 xk_xdr_zdm text, xk_xdr_swdj text, xk_xdr text, xk_xmmc text, xk_wsh text, xk_nr text, xk_splb text, xk_bm text,
 xk_xzjg text, xk_jdrq timestamp, xk_jzq date, xk_syfw int, xk_fr text, xk_sfz text, bz text, sjc date);
CREATE TABLE dbo.zrrxzxk (nd int, xh numeric(10), xk_xdr text, xk_xdr_sfz text, xk_xmmc text, xk_wsh text, xk_nr text,
 xk_splb text, xk_bm text, xk_xzjg text, xk_jdrq date, xk_jzq date, xk_syfw int, bz text, PRIMARY KEY (nd, xh));
CREATE TABLE dbo.zrrxzcf_text (LIKE dbo.zrrxzcf INCLUDING ALL);
ALTER TABLE dbo.zrrxzcf_text ALTER COLUMN cf_sfz TYPE text;
"""
PENALTY = {
    "cf_xdr_mc": "示例商贸有限公司",
    "cf_xdr_shxym": COMPANY,
    "cf_fr": "张三",
    "cf_ajmc": "销售超过保质期食品案",
    "cf_wsh": "宝市监罚〔2016〕8号",
    "cf_cflb1": "罚款",
    "cf_sy": "销售超过保质期的食品",
    "cf_yj": "《中华人民共和国食品安全法》第三十四条",
    "cf_jg": "罚款2000元",
    "cf_jdrq": "2016-08-04",
    "cf_xzjg": MARKET.full_name,
    "cf_syfw": 0,
    "sjc": "2016-08-05 09:00+08",
}
PERSON_PENALTY = {c: v for c, v in PENALTY.items() if c not in ("cf_xdr_shxym", "cf_fr")} | {"cf_xdr_mc": "李四"}
LICENCE = {
    "xk_xdr": "示例商贸有限公司",
    "xk_xdr_shxym": COMPANY,
    "xk_fr": "张三",
    "xk_sfz": PERSON,
    "xk_xmmc": "食品经营许可",
    "xk_wsh": "宝市监许〔2016〕12号",
    "xk_nr": "食品销售",
    "xk_splb": "核准",
    "xk_xzjg": MARKET.full_name,
    "xk_jdrq": "2016-08-04 10:30",
    "xk_jzq": "2021-08-03",
    "xk_syfw": 0,
    "sjc": "2016-08-05",
}
PERSON_LICENCE = {c: v for c, v in LICENCE.items() if c not in ("xk_xdr_shxym", "xk_fr", "xk_sfz", "sjc")}
PERSON_LICENCE |= {"xk_xdr": "李四", "xk_xdr_sfz": PERSON, "nd": 2016, "xh": 7}


@pytest.fixture(scope="module")
def front(database):
    with closing(psycopg2.connect(database.dsn)) as con:
        con.autocommit = True
        con.cursor().execute(TABLES)
    return database


@pytest.fixture
def db(front):
    """The department's own connection; its tables are empty."""
    with closing(psycopg2.connect(front.dsn)) as con:
        con.autocommit = True
        con.cursor().execute("TRUNCATE dbo.frxzcf, dbo.zrrxzcf, dbo.frxzxk, dbo.zrrxzxk, dbo.zrrxzcf_text")
        yield con


@pytest.fixture
def source(front, tmp_path, monkeypatch):
    """`source(table, more)`: a description of one of the tables, the address in the environment."""
    monkeypatch.setenv("FRONT_DB", front.dsn.replace("postgresql://", "postgresql+psycopg2://", 1))
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))

    def write(table: str, key: str = '"ID"', watermark: str = "SJC", more: str = "") -> Path:
        mark = f'watermark = "{watermark}"\n' if watermark else ""
        path = tmp_path / f"{table}.toml"
        text = (
            f'[database]\nurl_env = "FRONT_DB"\n[source]\ntable = "dbo.{table}"\nkey = {key}\n{mark}import_map = "2015"'
        )
        path.write_text(f"{text}\n{more}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def spool(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return write_unit_config(
        unit_config_path("market"),
        unit="market",
        county="410421",
        bootstrap="127.0.0.1:1",
        username="unit.market",
        password="secret",
        center_key=str(KEY.public),
    ).spool


def put(con, table: str, **row: object) -> None:
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    con.cursor().execute(f"INSERT INTO dbo.{table} ({columns}) VALUES ({marks})", tuple(row.values()))


def run(command: str, path: Path, dataset: str = "penalty", *more: str):
    return CliRunner().invoke(
        cli, [command, "--sql", str(path), "--dataset", dataset, "--unit", "market", "--json", *more]
    )


def lines(result) -> list[dict]:
    assert "Traceback" not in result.output
    return [json.loads(text) for text in result.stdout.splitlines()]


def problems(line: dict) -> list[tuple[str, str]]:
    return [(p["cell"], p["rule"]) for p in line["problems"] if p["severity"] == "reject"]


def test_the_four_tables_with_their_true_types_come_out_as_from_a_file(db, source):
    put(db, "frxzcf", id=17, **PENALTY, cf_sfz=PERSON)
    [company] = lines(run("check", source("frxzcf")))
    assert (company["file"], company["key"], problems(company)) == ("dbo.frxzcf", "17", [])
    assert company["normalised"]["CF_JDRQ"] == "2016-08-04"
    assert company["normalised"]["CF_FR_ZJHM"] == "110105********002X"
    put(db, "frxzxk", **LICENCE)
    [licence] = lines(run("check", source("frxzxk"), "licence"))
    assert problems(licence) == []
    assert re.fullmatch(r"[0-9a-f-]{36}", licence["key"])
    assert (licence["normalised"]["XK_JDRQ"], licence["normalised"]["XK_ZT"]) == ("2016-08-04", "1")
    put(db, "zrrxzxk", **PERSON_LICENCE)
    [person] = lines(run("check", source("zrrxzxk", '["ND", "XH"]', ""), "licence"))
    assert (person["key"], problems(person)) == ("2016|7", [])
    assert person["normalised"]["XK_XDR_ZJHM"] == "110105********002X"
    assert PERSON not in json.dumps([company, licence, person])


def test_a_bigint_id_column_is_refused_with_its_address(db, source):
    put(db, "zrrxzcf", id=5, **PERSON_PENALTY, cf_sfz=110105194912310021)
    [line] = lines(run("check", source("zrrxzcf")))
    assert problems(line) == [("cf_sfz@5", "CF_XDR_ZJHM.numeric")]


def test_odd_values_cost_their_own_row_only(db, source):
    for number in range(1, 5):
        put(db, "zrrxzcf_text", id=number, **PERSON_PENALTY | {"cf_wsh": f"宝市监罚〔2016〕{number}号"}, cf_sfz=PERSON)
    cursor = db.cursor()
    cursor.execute("UPDATE dbo.zrrxzcf_text SET cf_jg = repeat('罚', 1000000) WHERE id = 1")
    cursor.execute("UPDATE dbo.zrrxzcf_text SET cf_jdrq = '4713-01-01 BC', sjc = '20000-01-01' WHERE id = 2")
    cursor.execute("UPDATE dbo.zrrxzcf_text SET cf_sy = E'=cmd|''/c calc''!A1\\n\\u202e' WHERE id = 3")
    found = lines(run("check", source("zrrxzcf_text")))
    one, two, three, four = sorted(found, key=lambda line: line["key"])
    assert problems(one) == [("cf_jg@1", "file.cell_too_long")]
    assert problems(two) == [("cf_jdrq@2", "CF_JDRQ.date")]
    assert (problems(three), problems(four)) == ([], [])


@pytest.mark.parametrize("kind", ["bytea", "jsonb", "text[]", "interval"])
def test_types_that_are_no_cell_are_told(db, source, kind):
    put(db, "frxzcf", id=1, **PENALTY)
    value = {"bytea": "'\\x89'::bytea", "jsonb": "'{}'::jsonb", "text[]": "ARRAY['a']", "interval": "interval '1 day'"}
    path = source("frxzcf")
    query = f"SELECT f.*, {value[kind]} AS x FROM dbo.frxzcf f WHERE sjc::date >= '2016-01-01'"
    path.write_text(
        f"[database]\nurl_env = \"FRONT_DB\"\n[source]\nquery = '''{query}'''\nname = \"q\"\nkey = \"id\"\n"
        'watermark = "sjc"\nimport_map = "2015"\n[columns]\nx = "CF_XDR_SYDW"\n',
        encoding="utf-8",
    )
    [line] = lines(run("check", path))
    assert problems(line) == [("x@1", "file.cell_type")]


def test_the_session_cannot_write_and_nothing_stays_locked(db, source):
    put(db, "frxzcf", id=1, **PENALTY)
    settings = read_source(source("frxzcf"))
    with closing(Database(settings)) as database, pytest.raises(Exception, match="read-only"):
        database._con.exec_driver_sql("SELECT nextval('dbo.frxzcf_id_seq')").all()
    path = source("frxzcf")
    path.write_text(
        '[database]\nurl_env = "FRONT_DB"\n[source]\nname = "q"\nkey = "id"\nimport_map = "2015"\n'
        'query = "WITH gone AS (DELETE FROM dbo.frxzcf RETURNING *) SELECT * FROM gone"\n'
    )
    [line] = lines(run("check", path))
    assert line["problems"][0]["rule"] == "sql.database"
    db.cursor().execute("ALTER TABLE dbo.frxzcf ADD COLUMN tmp int; ALTER TABLE dbo.frxzcf DROP COLUMN tmp")
    cursor = db.cursor()
    cursor.execute("SELECT count(*) FROM dbo.frxzcf")
    assert cursor.fetchone() == (1,)


def test_an_account_without_rights_and_a_wrong_password_are_told_without_it(db, front, source, monkeypatch):
    db.cursor().execute("DROP ROLE IF EXISTS leser; CREATE ROLE leser LOGIN PASSWORD 'geheim'")
    path = source("frxzcf")
    for user, password in (("leser", "geheim"), ("leser", "falsch"), ("nobody", "geheim")):
        url = re.sub(r"//[^@/]*@", f"//{user}:{password}@", front.dsn)
        monkeypatch.setenv("FRONT_DB", url.replace("postgresql://", "postgresql+psycopg2://", 1))
        result = run("check", path)
        assert (result.exit_code, lines(result)[0]["problems"][0]["rule"]) == (2, "sql.database")
        assert not re.search("geheim|falsch", result.output + result.stderr)


def test_only_what_is_new_or_changed_is_sent(db, source, spool):
    path = source("frxzcf")
    for number in (1, 2):
        put(db, "frxzcf", id=number, **PENALTY | {"cf_wsh": f"宝市监罚〔2016〕{number}号"})
    assert [line["unchanged"] for line in lines(run("send", path))] == [False, False]
    assert [line["unchanged"] for line in lines(run("send", path))] == [True, True]
    db.cursor().execute("UPDATE dbo.frxzcf SET cf_jg = '罚款3000元', sjc = '2016-09-01 08:00+08' WHERE id = 2")
    put(db, "frxzcf", id=3, **PENALTY | {"cf_wsh": "宝市监罚〔2016〕3号", "sjc": "2016-09-02 08:00+08"})
    assert {x["key"]: x["unchanged"] for x in lines(run("send", path))} == {"1": True, "2": False, "3": False}
    # 3 ended last; a day before it, 2; 1 is history.
    assert {x["key"]: x["unchanged"] for x in lines(run("send", path))} == {"2": True, "3": True}
    with Spool(spool) as opened:
        assert opened.waiting() == 4


def test_a_transaction_that_ends_late_with_an_early_stamp_is_not_missed(db, front, source, spool):
    path = source("frxzcf")
    with closing(psycopg2.connect(front.dsn)) as late:
        put(late, "frxzcf", id=1, **PENALTY | {"sjc": "2016-08-05 09:00+08"})
        put(db, "frxzcf", id=2, **PENALTY | {"cf_wsh": "宝市监罚〔2016〕2号", "sjc": "2016-08-05 09:01+08"})
        assert [line["key"] for line in lines(run("send", path))] == ["2"]
        late.commit()
    assert {x["key"]: x["unchanged"] for x in lines(run("send", path))} == {"1": False, "2": True}


def fill(con, rows: int) -> None:
    """Many rows of `dbo.frxzcf`, a minute apart."""
    row = PENALTY | {"bz": "备注" * 200}
    varied = {"cf_wsh": "'宝市监罚〔2016〕' || n || '号'", "sjc": "timestamptz '2016-08-05' + n * interval '1 minute'"}
    values = ", ".join(varied.get(c, f"%({c})s{'::date' if c == 'cf_jdrq' else ''}") for c in row)
    con.cursor().execute(
        f"INSERT INTO dbo.frxzcf ({', '.join(row)}) SELECT {values} FROM generate_series(1, {rows}) n", row
    )


def test_a_connection_cut_in_the_middle_keeps_what_came_and_the_next_run_completes_it(db, source, spool):
    rows = 5000
    fill(db, rows)
    path = source("frxzcf")
    cut = threading.Event()

    def cutter() -> None:
        with Spool(spool) as opened:
            while not opened.waiting():
                time.sleep(0.01)
        db.cursor().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        cut.set()

    threading.Thread(target=cutter, daemon=True).start()
    result = run("send", path)
    assert cut.wait(30)
    told = lines(result)
    assert (result.exit_code, told[-1]["problems"][0]["rule"]) == (2, "sql.database")
    with Spool(spool) as opened:
        assert 0 < opened.waiting() == len(told) - 1 < rows
    rest = lines(run("send", path))
    assert (len(rest), sum(line["unchanged"] for line in rest)) == (rows, len(told) - 1)
    with Spool(spool) as opened:
        assert opened.waiting() == rows


def test_database_to_kafka_sealed_with_its_source_key(db, source, make_county, tmp_path, monkeypatch):
    county = make_county(["market"])
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    principal = names.unit_principal("market")
    write_unit_config(
        unit_config_path("market"),
        unit="market",
        county=county.code,
        bootstrap=county.server.bootstrap,
        username=principal,
        password=county.passwords[principal],
        center_key=str(KEY.public),
        cafile=county.server.cafile,
    )
    put(db, "zrrxzcf_text", id=9, **PERSON_PENALTY, cf_sfz=PERSON)
    put(db, "zrrxzcf_text", id=10, **PERSON_PENALTY | {"cf_wsh": "宝市监罚〔2016〕10号", "cf_jg": None}, cf_sfz=PERSON)
    path = source("zrrxzcf_text")
    result = run("send", path)
    assert (result.exit_code, [line["verdict"] for line in lines(result)]) == (1, ["warn", "reject"])
    assert [line["unchanged"] for line in lines(run("send", path))] == [True, True]
    with closing(KafkaConsumer(**county.client(names.CENTER_CONSUMER), enable_auto_commit=False)) as consumer:
        partition = TopicPartition(county.intake("market"), 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        assert consumer.end_offsets([partition])[partition] == 2
        found = []
        while len(found) < 2:
            for records in consumer.poll(timeout_ms=500).values():
                found += records
    assert not [r for r in found if PERSON.encode() in r.value + r.key + b"".join(v for _, v in r.headers)]
    record = CATALOGUE.codec.decode(found[0].value).value
    assert record["source_key"] == "zrrxzcf_text:9"
    assert record["CF_XDR_ZJLX"] == "身份证"
    opener = Opener([KEY])
    assert opener.open(record["CF_XDR_ZJHM"], "market/penalty/CF_XDR_ZJHM") == PERSON


MEASURE = """
import re, sys
from pathlib import Path
from credit_producer.cli import main
try:
    main()
finally:
    found = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
    print(int(found) // 1024, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.timeout(900)
def test_100k_rows_are_checked_in_a_streams_memory(db, source):
    fill(db, 100_000)
    arguments = ["check", "--sql", str(source("frxzcf")), "--dataset", "penalty", "--unit", "market"]
    done = subprocess.run([sys.executable, "-c", MEASURE, *arguments], env=os.environ, capture_output=True, text=True)
    assert "共 100000 条：通过 100000 条" in done.stdout, done.stderr[-2000:]
    megabytes = int(done.stderr.split()[-1])
    print(f"{megabytes} MB")
    assert megabytes <= MEMORY_MB


def test_what_is_no_table_is_told(source):
    with pytest.raises(SourceError, match=r"查看 dbo\.nowhere 的列"):
        Database(read_source(source("nowhere")))
