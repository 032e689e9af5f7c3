"""Utilities, insurance, statistics, rural credit, registrations in the warehouse: one record each, nobody in clear."""

from __future__ import annotations

import pytest

from credit_warehouse.tables import column_name
from events import World, build_world
from unit.rows import PERSON

DATASETS = [
    *("utility_payment", "social_insurance", "medical_insurance", "loan_statistics", "whitelist_count"),
    *("farmer_credit", "epidemic_control", "subject_base", "count_base"),
]


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market", "yinlong"])
    yield made
    made.close()


def held(world: World, dataset: str):
    return world.query(f"SELECT * FROM core.{dataset}")


@pytest.mark.parametrize("name", DATASETS)
def test_every_example_becomes_a_record_with_its_subject_and_no_number_in_clear(world, name):
    dataset = world.dataset(name)
    events = [world.event("market", row, dataset=name) for row in dataset.examples]
    assert world.feed(*events) == {"loaded": len(events)}
    found = {r["record_no"]: r for r in held(world, name)}
    assert found.keys() == {str(e.ce_id) for e in events}
    for event, row in zip(events, dataset.examples, strict=True):
        record = found[str(event.ce_id)]
        assert (record["subject_id"] is None) == (dataset.kind == "statistics")
        assert PERSON not in str(list(record))
        for f in dataset.fields:
            assert (record[column_name(f)] is None) == (f.column not in row), f.column
    assert world.feed(*(world.event("market", row, dataset=name) for row in dataset.examples)) == {
        "unchanged": len(events)
    }


def test_arrears_paid_late_are_a_second_revision_of_one_record(world):
    owing = dict(world.dataset("utility_payment").examples[1])
    paid = owing | {"GY_JFZT": "补缴", "GY_SJJE": "0.00412", "GY_QFJE": "", "GY_JFRQ": "2026-10-20"}
    first = world.event("yinlong", owing, dataset="utility_payment")
    world.feed(first)
    world.feed(world.event("yinlong", paid, dataset="utility_payment"))
    [record] = [r for r in held(world, "utility_payment") if r["unit"] == "yinlong"]
    assert (record["record_no"], record["revision"], record["gy_jfzt"]) == (str(first.ce_id), 2, "补缴")
    assert record["due_on"] is None, "no seven days run from a bill"


def test_a_renamed_company_keeps_its_record_and_its_former_name(world):
    row = world.dataset("subject_base").examples[0] | {"DJ_TYSHXYDM": "91320100748204660Q"}
    first = world.event("market", row, dataset="subject_base")
    world.feed(first)
    world.feed(world.event("market", row | {"DJ_ZTMC": "示例县示例贸易有限公司"}, dataset="subject_base"))
    record = world.one("SELECT * FROM core.subject_base WHERE record_no = %s", [str(first.ce_id)])
    assert (record["revision"], record["dj_ztmc"]) == (2, "示例县示例贸易有限公司")
    names = world.query("SELECT name FROM core.subject_name WHERE subject_id = %s", [record["subject_id"]])
    assert {n["name"] for n in names} == {row["DJ_ZTMC"], "示例县示例贸易有限公司"}
