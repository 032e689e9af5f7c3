"""The conservation checks reckon with what the consumer writes: every way an arrival can go is accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from credit_consumer import deadletters
from credit_expectations.run import run_due
from credit_schemas.codec import FRAME
from events import Event, World, build_world
from unit.rows import LEDGER, LICENCE, PENALTY, PERSON_PENALTY


@pytest.fixture
def world(make_county, postgres_server, tmp_path) -> Iterator[World]:
    made = build_world(make_county, postgres_server, tmp_path, ["market", "ecology", "reform"])
    yield made
    made.close()


def numbered(number: int, **cells: str) -> dict[str, str]:
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{number}号", **cells}


def test_every_way_an_arrival_can_go_is_accounted_for(world):
    clean = world.event("market", numbered(1))
    simple = world.event("market", {**PERSON_PENALTY, "CF_WSH": "53号", "EXT_CFCX": "简易程序"})
    parked = world.event("market", numbered(2))
    unknown = Event(parked.ce_id, "market", parked.key, FRAME.pack(0, 777) + parked.value[FRAME.size :], parked.headers)
    world.feed(
        clean,
        clean,  # the same event twice in one batch
        world.event("market", LICENCE, dataset="licence"),
        world.event("market", LEDGER, dataset="ledger"),
        world.event("market", numbered(1)),  # nothing new
        world.event("market", numbered(3, CF_JDRQ="2099-01-01")),  # breaks a rule
        Event(clean.ce_id, "market", b"k", b"junk", clean.headers),
        unknown,
        simple,
        simple,
        world.event("market", numbered(9), target={"record_no": str(parked.ce_id)}, act="correct"),  # waits
        world.act("reform", "dispute_open", AC_JLBH=str(clean.ce_id)),  # another unit's act
        world.act("reform", "dispute_open", AC_JLBH=str(clean.ce_id)),  # that changes nothing
        world.act("ecology", "withdraw", AC_JLBH=str(clean.ce_id)),  # by whom it may not be done
    )
    world.feed(clean)  # sent again
    world.feed(simple)
    world.feed(world.event("market", numbered(1, CF_NR="罚款500元，已缴")))  # a second revision
    world.feed(world.event("ecology", numbered(4), said_unit="market"), clean)
    codec = world.center.catalogue.codec
    codec._known[777] = codec._known[1002]
    con = world.connect("consumer")
    try:
        assert deadletters.replay(con, world.center, reason="unknown_schema", dry_run=False)["loaded"] == 1
        assert deadletters.discard(con, who="运维", why="测试", reason="not_framed", dry_run=False) == 1
    finally:
        con.close()
        codec._known.pop(777)
    counts = run_due(date.today(), world.settings)
    assert counts["marks"] == 5
    failed = world.query(
        "SELECT r.rule_id, r.unit, r.dataset, w.reference FROM quality.result r"
        " LEFT JOIN quality.work_item w USING (rule_id, unit, dataset) WHERE NOT r.success"
    )
    assert [f for f in failed if f["rule_id"].startswith("conservation")] == []
    looked = world.query("SELECT max(checked) FROM quality.result WHERE rule_id LIKE 'conservation%' GROUP BY rule_id")
    assert all(row[0] > 0 for row in looked)
    assert len(looked) == 2
