"""What a dataset file can say beyond the two of 双公示: moved cells, whole numbers, formats, dates within codes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from credit_schemas.check import Checked, check_row
from credit_schemas.dataset import ContractError, parse_dataset
from credit_schemas.rules import Context

PERSON = "11010519491231002X"
COMPANY = "91320100748204660Q"
TEXT: dict[str, Any] = {"type": ["null", "string"], "default": None, "form": "text"}
LIST = {**TEXT, "form": "choice"}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Pledge",
    "dataset": "pledge",
    "cn": "示例承诺",
    "schema_id": 9001,
    "version": 1,
    "kind": "record",
    "scope": "社会公开",
    "section": "信用承诺",
    "natural_key": ["document.no", "subject"],
    "code_sets": {"mood": {"cn": "态度", "basis": "示例", "values": ["主动", "被动"], "aliases": {"自愿": "主动"}}},
    "moves": [{"from": "PL_DM", "to": "PL_ZJHM", "when": [{"column": "PL_LB", "in": ["自然人"]}]}],
    "fields": [
        {**TEXT, "name": "PL_MC", "cn": "名称", "role": "subject.name"},
        {**LIST, "name": "PL_LB", "cn": "类别", "role": "subject.category", "codes": "subject_category"},
        {
            **TEXT,
            "name": "PL_DM",
            "cn": "代码",
            "role": "subject.code",
            "form": "code",
            "rules": [
                {"kind": "required", "when": [{"column": "PL_LB", "in": ["法人及非法人组织"]}]},
                {"kind": "checksum", "algorithm": "uscc"},
            ],
        },
        {
            "name": "PL_ZJHM",
            "type": ["null", "bytes"],
            "default": None,
            "cn": "代码（自然人）",
            "role": "subject.id_no",
            "form": "id_number",
            "personal": "id",
            "rules": [
                {"kind": "required", "when": [{"column": "PL_LB", "in": ["自然人"]}]},
                {"kind": "checksum", "algorithm": "ric"},
            ],
        },
        {
            **TEXT,
            "name": "PL_BM",
            "cn": "编码",
            "role": "document.no",
            "form": "code",
            "rules": [
                {"kind": "format", "pattern": "[0-9]{20}", "message": "「{name}」要填 20 位数字。"},
                {"kind": "embeds", "other": "PL_RQ", "start": 6, "end": 14},
            ],
        },
        {
            "name": "PL_RQ",
            "type": ["null", {"type": "int", "logicalType": "date"}],
            "cn": "日期",
            "role": "decision.date",
            "form": "date",
        },
        {
            "name": "PL_SL",
            "type": ["null", "long"],
            "cn": "数量",
            "role": "content.count",
            "form": "integer",
            "width": 5,
            "rules": [{"kind": "whole", "min": 1, "max": 1200}],
        },
        {
            **LIST,
            "name": "PL_TD",
            "cn": "态度",
            "role": "content.mood",
            "codes": "mood",
            "rules": [{"kind": "code_set"}],
        },
    ],
}
PLEDGE = parse_dataset(SCHEMA)


def check(**row: Any) -> Checked:
    return check_row(PLEDGE, row, Context(date(2026, 11, 24)))


def broken(**row: Any) -> list[tuple[str, str]]:
    return [(p.rule, p.column) for p in check(**row).problems]


def test_a_persons_number_in_a_shared_column_moves_to_the_sealed_one() -> None:
    found = check(PL_LB="自然人", PL_DM=PERSON)
    assert (found.verdict, found.problems) == ("accept", [])
    assert found.values == {"PL_LB": "自然人", "PL_ZJHM": PERSON}


def test_a_companys_code_stays_and_a_wrong_one_is_told_of_its_own_column() -> None:
    assert check(PL_LB="法人及非法人组织", PL_DM=COMPANY).values["PL_DM"] == COMPANY
    assert broken(PL_LB="法人及非法人组织", PL_DM=PERSON) == [("PL_DM.checksum.uscc", "PL_DM")]
    assert broken(PL_LB="自然人", PL_DM=COMPANY) == [("PL_ZJHM.checksum.ric", "PL_ZJHM")]
    assert broken(PL_LB="自然人") == [("PL_ZJHM.required", "PL_ZJHM")]


def test_a_program_may_name_the_sealed_column_itself() -> None:
    assert check(PL_LB="自然人", PL_ZJHM=PERSON).values["PL_ZJHM"] == PERSON


def test_only_what_a_person_fills_in_is_in_a_template() -> None:
    assert [f.column for f in PLEDGE.file_fields] == [f.column for f in PLEDGE.fields if f.column != "PL_ZJHM"]


@pytest.mark.parametrize(
    ("cell", "value"), [("12", 12), (12, 12), ("1,200", 1200), (12.0, 12), ("１２", 12), (" ", None)]
)
def test_counts_are_whole_numbers(cell: Any, value: int | None) -> None:
    assert check(PL_SL=cell).values.get("PL_SL") == value
    assert broken(PL_SL=cell) == []


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        *(("1.5", "integer"), ("十二", "integer"), ("-1", "negative"), (True, "integer"), ("#REF!", "cell_error")),
        *(("0", "whole"), ("1201", "whole"), ("9" * 70, "integer")),
    ],
)
def test_what_is_no_count_is_refused_with_its_reason(cell: Any, rule: str) -> None:
    found = check(PL_SL=cell)
    assert [p.rule for p in found.problems] == [f"PL_SL.{rule}"]
    assert found.problems[0].message.endswith("。")


def test_a_date_within_a_code_agrees_with_the_dates_column() -> None:
    assert broken(PL_BM="41042120260506000001", PL_RQ="2026-05-06") == []
    assert broken(PL_BM="41042120260507000001", PL_RQ="2026-05-06") == [("PL_BM.embeds", "PL_BM")]
    assert broken(PL_BM="4104212026050600000", PL_RQ="2026-05-06") == [("PL_BM.format", "PL_BM")]
    assert broken(PL_BM="41042120260507000001") == []


def test_a_dataset_brings_its_own_words() -> None:
    assert check(PL_TD="自愿").values["PL_TD"] == "主动"
    assert broken(PL_TD="随便") == [("PL_TD.code_set", "PL_TD")]


@pytest.mark.parametrize(("key", "word"), [("kind", "thing"), ("scope", "到处"), ("section", "杂项")])
def test_words_that_other_rooms_act_on_come_from_closed_lists(key: str, word: str) -> None:
    with pytest.raises(ContractError, match=key):
        parse_dataset({**SCHEMA, key: word})


def test_an_unknown_code_set_is_a_defect_of_the_file() -> None:
    fields = [{**TEXT, "name": "A_B", "cn": "甲", "role": "content.a", "form": "choice", "codes": "nowhere"}]
    with pytest.raises(ContractError, match="nowhere"):
        parse_dataset({**SCHEMA, "moves": [], "natural_key": [], "fields": fields})
