"""Adding a dataset is adding one data file: here a county adds one of twelve fields, and every door knows it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from credit_expectations.run import run_due
from credit_local.cli import credit
from credit_platforms.forward import collect, forward
from credit_producer.cli import cli
from credit_producer.settings import unit_config_path, write_unit_config
from credit_schemas import topics
from credit_schemas.documentation import dataset_page
from credit_warehouse.settings import load_settings
from events import World, build_world
from sandbox_client import KEYS, running_sandbox
from unit.rows import COMPANY, PERSON

TEXT: dict[str, Any] = {"type": ["null", "string"], "default": None, "form": "text"}
DAY: dict[str, Any] = {"type": ["null", {"type": "int", "logicalType": "date"}], "default": None, "form": "date"}
REQUIRED = {"kind": "required"}
ORGANISATION = [{"column": "YX_ZTLB", "in": ["法人及非法人组织", "个体工商户"]}]
A_PERSON = [{"column": "YX_ZTLB", "in": ["自然人"]}]
# 诚信经营示范户: what a county might add tomorrow.
MODEL: dict[str, Any] = {
    "type": "record",
    "name": "ModelTrader",
    "namespace": "cn.credit.exchange",
    "dataset": "model_trader",
    "cn": "诚信经营示范户",
    "schema_id": 9100,
    "version": 1,
    "kind": "record",
    "scope": "社会公开",
    "section": "诚实守信",
    "basis": "县诚信经营示范户评选办法（示例）",
    "natural_key": ["document.no", "subject"],
    "rules": [],
    "code_sets": {"model_grade": {"cn": "示范等级", "basis": "示例", "values": ["县级", "市级"]}},
    "examples": [
        {"YX_ZTMC": "示例商贸有限公司", "YX_ZTLB": "法人及非法人组织", "YX_TYSHXYDM": COMPANY,
         "YX_WSH": "宝诚〔2026〕1号", "YX_DJ": "县级", "YX_RQ": "2026-05-06", "YX_JG": "宝丰县市场监督管理局"},
        {"YX_ZTMC": "李四", "YX_ZTLB": "自然人", "YX_ZJLX": "身份证", "YX_ZJHM": PERSON, "YX_WSH": "宝诚〔2026〕2号",
         "YX_DJ": "市级", "YX_RQ": "2026-05-06", "YX_JG": "宝丰县市场监督管理局"},
    ],
    "fields": [
        {**TEXT, "name": "YX_ZTMC", "cn": "主体名称", "role": "subject.name", "width": 200, "rules": [REQUIRED]},
        {**TEXT, "name": "YX_ZTLB", "cn": "主体类别", "role": "subject.category", "form": "choice",
         "codes": "subject_category", "rules": [REQUIRED, {"kind": "code_set"}]},
        {**TEXT, "name": "YX_TYSHXYDM", "cn": "统一社会信用代码", "role": "subject.code", "form": "code", "width": 18,
         "rules": [{**REQUIRED, "when": ORGANISATION}, {"kind": "checksum", "algorithm": "uscc"}]},
        {**TEXT, "name": "YX_ZJLX", "cn": "证件类型", "role": "subject.id_type", "form": "choice", "codes": "id_type",
         "rules": [{**REQUIRED, "when": A_PERSON}, {"kind": "code_set"}]},
        {"name": "YX_ZJHM", "type": ["null", "bytes"], "default": None, "cn": "证件号码", "role": "subject.id_no",
         "form": "id_number", "width": 64, "personal": "id",
         "rules": [{**REQUIRED, "when": A_PERSON}, {"kind": "checksum", "algorithm": "ric"}]},
        {**TEXT, "name": "YX_WSH", "cn": "认定文号", "role": "document.no", "form": "document_no", "width": 64,
         "rules": [REQUIRED]},
        {**TEXT, "name": "YX_DJ", "cn": "示范等级", "role": "content.grade", "form": "choice", "codes": "model_grade",
         "rules": [REQUIRED, {"kind": "code_set"}]},
        {**DAY, "name": "YX_RQ", "cn": "认定日期", "role": "decision.date",
         "rules": [REQUIRED, {"kind": "not_after", "other": "today"}]},
        {**DAY, "name": "YX_YXQ", "cn": "有效期至", "role": "valid.date",
         "rules": [{"kind": "not_before", "other": "YX_RQ"}]},
        {**TEXT, "name": "YX_JG", "cn": "认定机关", "role": "authority.name", "width": 200, "rules": [REQUIRED]},
        {"name": "YX_DFS", "type": ["null", "long"], "default": None, "cn": "得分", "role": "content.score",
         "form": "integer", "rules": [{"kind": "whole", "min": 0, "max": 100}]},
        {**TEXT, "name": "BZ", "cn": "备注", "role": "content.remark", "width": 512},
        {**TEXT, "name": "source_key", "system": True},
        {"name": "target", "type": ["null", "string"], "default": None, "system": True},
        {**TEXT, "name": "reason", "system": True},
        {"name": "original", "type": ["null", {"type": "map", "values": "string"}], "default": None, "system": True},
    ],
}  # fmt: skip
# The platform has to know what it is sent: this is its own side, in its own words.
PLATFORM = """
[[table]]
id = "model_trader"
title = "诚信经营示范户"
basis = "示例"
duplicate = ["YX_WSH", "YX_TYSHXYDM", "YX_ZJHM"]
columns = [
  { name = "YX_ZTMC", title = "主体名称", width = 200, mandatory = true, kind = "party_name" },
  { name = "YX_ZTLB", title = "主体类别", width = 16, mandatory = true, kind = "party_kind" },
  { name = "YX_TYSHXYDM", title = "统一社会信用代码", width = 18, kind = "party_code" },
  { name = "YX_ZJLX", title = "证件类型", width = 64, kind = "party_id_type" },
  { name = "YX_ZJHM", title = "证件号码", width = 64, kind = "party_id" },
  { name = "YX_WSH", title = "认定文号", width = 64, mandatory = true },
  { name = "YX_DJ", title = "示范等级", width = 8, mandatory = true, kind = "choice", values = ["县级", "市级"] },
  { name = "YX_RQ", title = "认定日期", mandatory = true, kind = "date", past = true },
  { name = "YX_YXQ", title = "有效期至", kind = "date", after = "YX_RQ" },
  { name = "YX_JG", title = "认定机关", width = 200, mandatory = true, kind = "name" },
  { name = "YX_DFS", title = "得分", kind = "integer" },
  { name = "BZ", title = "备注", width = 512 },
]
"""


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"], [MODEL])
    yield made
    made.close()


@pytest.fixture
def environment(world: World, tmp_path, monkeypatch):
    """The settings of the center and of its unit, as processes have them."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    principal = topics.unit_principal("market")
    write_unit_config(
        unit_config_path("market"),
        unit="market",
        county=world.county.code,
        bootstrap=world.county.server.bootstrap,
        username=principal,
        password=world.county.passwords[principal],
        center_key=str(world.center.keys.center[-1].public),
        cafile=world.county.server.cafile,
    )
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    return done.exit_code, done.output


def test_one_data_file_brings_template_check_sending_table_documentation_and_forwarding(
    world: World, environment, tmp_path
):
    # The template, filled in as a clerk does: two good rows and one with a grade that does not exist.
    file = tmp_path / "示范户.xlsx"
    assert run("template", "诚信经营示范户", "--out", file)[0] == 0
    book = load_workbook(file)
    sheet = book["填报"]
    heads = [str(cell.value).rstrip("*") for cell in sheet[1]]
    names = {f["cn"]: f["name"] for f in MODEL["fields"] if "cn" in f}
    assert heads == list(names)
    rows = [
        *MODEL["examples"],
        {**MODEL["examples"][0], "YX_WSH": "宝诚〔2026〕3号", "YX_DJ": "国家级", "YX_DFS": "101"},
    ]
    for row in rows:
        sheet.append([row.get(names[head]) for head in heads])
    book.save(file)

    code, output = run("check", file, "--dataset", "model_trader", "--unit", "market", "--json")
    told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert code == 1
    assert [t["verdict"] for t in told] == ["accept", "accept", "reject"]
    assert {(p["rule"], p["cell"][0]) for p in told[2]["problems"]} == {("YX_DJ.code_set", "G"), ("YX_DFS.whole", "K")}
    assert told[1]["normalised"]["YX_ZJHM"] == "110105********002X"

    assert run("send", file, "--dataset", "model_trader", "--unit", "market")[0] == 1
    assert world.consume() == {"loaded": 2, "rejected": 1}
    held = world.query("SELECT yx_ztmc, yx_dj, state, due_on, subject_id FROM core.model_trader ORDER BY yx_wsh")
    assert [(h["yx_ztmc"], h["yx_dj"], h["state"], h["due_on"]) for h in held] == [
        ("示例商贸有限公司", "县级", "active", None),
        ("李四", "市级", "active", None),
    ]
    shown = world.one("SELECT * FROM quality.public_model_trader WHERE yx_dj = '市级'")
    assert (shown["yx_ztmc"], "yx_zjhm" in shown) == ("李*", False)

    page = dataset_page(world.dataset("model_trader"), world.center.catalogue)
    assert all(name in page for name in names)

    with running_sandbox(tmp_path, "province", ["--tables", str(write(tmp_path / "tables.toml"))]) as platform:
        environment.setenv("CREDIT_DESTINATION_PROVINCE_URL", platform.url)
        environment.setenv("CREDIT_DESTINATION_PROVINCE_SECRET", KEYS["county"])
        environment.setenv("CREDIT_DESTINATION_PROVINCE_CLIENT", "county")
        settings = load_settings()
        assert run_due(date.today(), settings)["marks"] == 2
        counts = forward("province", settings=settings)
        collect("province", settings=settings)
        assert (counts["state"], counts["sent"]) == ("done", 2)
        states = world.query("SELECT state, code FROM exchange.delivery WHERE destination = 'province'")
        assert [tuple(s) for s in states] == [("accepted", "00000")] * 2

    figures = CliRunner().invoke(credit, ["figures", "--json"])
    (figure,) = [f for f in json.loads(figures.output) if f["dataset"] == "model_trader"]
    assert (figure["rows"], figure["accepted"], figure["rejected"], figure["late_rate"]) == (3, 2, 1, "—")
    listed = CliRunner().invoke(credit, ["records", "--dataset", "model_trader", "--json"])
    assert PERSON not in listed.output
    assert len(json.loads(listed.output)) == 2


def write(path):
    path.write_text(PLATFORM, "utf-8")
    return path
