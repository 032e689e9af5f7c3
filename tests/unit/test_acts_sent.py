"""Acts leave as often as somebody means them: a file sent again adds none, the same act done again is one more."""

from __future__ import annotations

import csv
from contextlib import closing
from dataclasses import replace
from datetime import date

import pytest

from credit_producer import CreditProducer, Target
from credit_producer.pipeline import CheckedFile
from credit_producer.settings import unit_config_path, write_unit_config
from credit_schemas.sealing import generate_center_key
from credit_schemas.uuid7 import uuid7

RECORD = str(uuid7())


@pytest.fixture
def producer(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    write_unit_config(
        unit_config_path("reform"), unit="reform", county="410421", bootstrap="127.0.0.1:1", username="unit.reform",
        password="secret", center_key=str(generate_center_key().public),
    )  # fmt: skip
    with closing(CreditProducer("reform").open()) as opened:
        yield opened


def rows_of(act: str, **cells: str) -> dict[str, str]:
    row = {
        "AC_SJJ": "行政处罚",
        "AC_CZ": act,
        "AC_JLBH": RECORD,
        "AC_YY": "示例",
        "AC_YJ": "示例",
        "AC_SXRQ": "2026-05-20",
    }
    return {**row, **({"AC_JG": "异议不成立"} if act == "异议办结" else {}), **cells}


DISPUTED_TWICE = [rows_of("异议受理"), rows_of("异议办结"), rows_of("异议受理"), rows_of("异议办结")]


def send(producer, path, rows):
    columns = sorted({c for row in rows for c in row})
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(rows)
    form = producer.catalogue.act
    with CheckedFile(path, form, producer.context(form), "reform", producer.catalogue) as checked:
        outcomes = list(checked)
    assert [o.verdict for o in outcomes] == ["accept"] * len(rows), [o.problems for o in outcomes]
    return producer.accept(form, outcomes)


def acts(producer):
    return [dict(q.headers)["ce_type"].decode().rpartition(".")[2] for q in producer.spool.queued(100)]


def test_opened_closed_and_opened_again_in_one_file_are_all_sent(producer, tmp_path):
    kept = send(producer, tmp_path / "a.csv", DISPUTED_TWICE)
    assert acts(producer) == ["dispute_open", "dispute_close"] * 2
    assert len({k.ce_id for k in kept}) == 4


def test_a_file_of_acts_sent_again_adds_nothing(producer, tmp_path):
    first = send(producer, tmp_path / "a.csv", DISPUTED_TWICE)
    again = send(producer, tmp_path / "a.csv", DISPUTED_TWICE)
    assert [k.unchanged for k in again] == [True] * 4
    assert [k.ce_id for k in again] == [k.ce_id for k in first]
    assert producer.spool.waiting() == 4


def test_rows_added_to_a_file_of_acts_are_sent_and_the_others_are_not(producer, tmp_path):
    send(producer, tmp_path / "a.csv", DISPUTED_TWICE[:2])
    kept = send(producer, tmp_path / "b.csv", [*DISPUTED_TWICE, rows_of("信用修复")])
    assert [k.unchanged for k in kept] == [True, True, False, False, False]
    assert producer.spool.waiting() == 5


def test_a_refused_act_may_be_sent_again_in_the_same_file(producer, tmp_path):
    (kept,) = send(producer, tmp_path / "a.csv", [rows_of("异议办结")])
    producer.spool.store_receipts(
        [{"receipt_id": str(uuid7()), "ce_id": kept.ce_id, "status": "rejected", "at": "2026-05-21T00:00:00+00:00"}]
    )
    (again,) = send(producer, tmp_path / "a.csv", [rows_of("异议办结")])
    assert not again.unchanged
    assert again.ce_id != kept.ce_id


def test_the_same_act_by_hand_is_one_more_act_though_kafka_is_away(producer):
    """Open, close, open again: the third says the same as the first and means another."""
    target = Target(record_no=RECORD)
    said = {"target": target, "reason": "示例", "basis": "示例", "effective": date(2026, 5, 20)}
    answers = [
        producer.act("dispute_open", "penalty", **said),
        producer.act("dispute_close", "penalty", **said, result="异议不成立"),
        producer.act("dispute_open", "penalty", **said),
    ]
    assert len({a.ce_id for a in answers}) == 3
    assert acts(producer) == ["dispute_open", "dispute_close", "dispute_open"]


def test_acts_of_a_database_are_told_apart_by_their_primary_key(producer, tmp_path):
    path = tmp_path / "a.csv"
    form = producer.catalogue.act
    send(producer, path, DISPUTED_TWICE[:1])  # writes the file; another source
    with CheckedFile(path, form, producer.context(form), "reform", producer.catalogue) as checked:
        (outcome,) = checked
    by_key = [replace(outcome, file="acts", key=key) for key in ("1", "2", "1")]
    assert [k.unchanged for o in by_key for k in producer.accept(form, [o])] == [False, False, True]


def test_rows_about_one_document_of_several_persons_are_no_repetition(producer, tmp_path):
    cells = {"AC_JLBH": "", "AC_WSH": "示〔2026〕1号", "AC_JGDM": "11410421000000000W", "AC_JDRQ": "2026-05-06"}
    rows = [rows_of("信用修复", **cells, AC_MC=name, AC_BSDW="市场监管局") for name in ("示例甲店", "示例乙店")]
    send(producer, tmp_path / "a.csv", rows)
    assert producer.spool.waiting() == 2
