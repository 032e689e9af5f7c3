"""A clerk reads whose answer a receipt is."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

from credit_producer.receipt_words import ReceiptTable, destination_names, line, status_name
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED


@pytest.mark.parametrize(
    ("status", "destination", "name"),
    [
        ("accepted", "province", "省已接收"),
        ("accepted", "nation", "国家已接收"),
        ("returned", "nation", "国家退回"),
        ("returned", "city", "city退回"),
        ("loaded", None, "已入库"),
        ("forwarded", "nation", "已上报"),
        ("something-new", None, "something-new"),
    ],
)
def test_an_answer_names_its_platform(status: str, destination: str | None, name: str) -> None:
    assert status_name({"status": status, "destination": destination}) == name


def test_every_destination_of_the_county_has_a_chinese_name() -> None:
    names = destination_names(load_catalogue(SHIPPED / "410421"))
    assert status_name({"status": "accepted", "destination": "xinyidai"}, names) == "信易贷平台已接收"
    assert status_name({"status": "returned", "destination": "site"}, names) == "信用中国（宝丰）退回"
    assert status_name({"status": "accepted", "destination": "province"}, names) == "省已接收"


def test_what_refused_a_row_stands_before_what_was_only_remarked() -> None:
    refused = {
        "ce_id": "e1",
        "file": "名单.xlsx",
        "line": 3,
        "problems": [
            {"severity": "warn", "message": "不是本单位的代码。"},
            {"severity": "reject", "message": "「案号」不能为空，请补填。"},
        ],
    }
    assert line(refused, "已拒收") == "已拒收 名单.xlsx 第 3 行：「案号」不能为空，请补填。 （提醒）不是本单位的代码。"
    waits = {"ce_id": "e2", "problems": [{"severity": "warn", "message": "所指的记录还没有入库。"}]}
    assert line(waits, "待匹配") == "待匹配 事件 e2：所指的记录还没有入库。"


def test_a_change_by_another_unit_names_the_record() -> None:
    changed = {"ce_id": None, "record_no": "r1", "note": "信用办办理了信用修复。", "problems": []}
    assert line(changed, "状态变更") == "状态变更 记录 r1：信用办办理了信用修复。"


def test_the_table_of_receipts_has_record_numbers_chinese_words_and_no_formula(tmp_path: Path) -> None:
    told = {
        "at": "2026-11-24T13:49:13.5+00:00", "dataset": "penalty", "file": "=1+1.xlsx", "line": 2, "record_no": "r1",
        "status": "loaded", "note": "", "problems": [], "ce_id": "e1",
    }  # fmt: skip
    with closing(ReceiptTable(tmp_path / "回执.csv", load_catalogue(SHIPPED / "410421"))) as table:
        table.add(told)
    with (tmp_path / "回执.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "时间": "2026-11-24 21:49:13", "数据集": "行政处罚", "文件": "'=1+1.xlsx", "行号": "2", "记录编号": "r1",
        "结果": "已入库", "说明": "", "事件编号": "e1",
    }  # fmt: skip
