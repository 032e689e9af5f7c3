"""What a run does not look at has not changed: the usual runs come to what a full one comes to, whatever happened in
what order; the books count each arrival once; and what nobody announced is found by the full run."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from credit_expectations.errors import CheckBroken
from credit_expectations.run import run_due
from credit_schemas.uuid7 import uuid7
from quality_rows import TODAY, running_warehouse

OTHER_COMPANY = "91410421MA0000015B"
AUTHORITY = "11410421DEM000014W"
OPEN = "SELECT rule_id, unit, dataset, record_no::text, reference FROM quality.work_item WHERE gone_at IS NULL"


@pytest.fixture(scope="module")
def warehouse(postgres_server, tmp_path_factory):
    with running_warehouse(postgres_server, "quality_books_test", tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def world(warehouse):
    """An empty warehouse whose books were begun, so that every run is a usual one."""
    warehouse.clear()
    assert run(warehouse)["whole"]
    return warehouse


def run(world, day=TODAY, *, whole=False):
    return run_due(day, world.settings, whole=whole)


def fired(world, rule):
    return {unit for unit, _, _ in world.failing(rule)}


# --- the usual run and the full run come to the same ---------------------------------------------------------------


class Story:
    """Things happen to few documents of few units, so that they meet."""

    def __init__(self, world, seed):
        self.world, self.dice = world, random.Random(seed)
        self.records, self.lines = [], []

    def step(self):
        self.dice.choice(
            [self.report, self.report, self.line, self.line, self.renumber, self.withdraw, self.strike, self.stranger]
        )()

    def document(self):
        n = self.dice.randrange(4)
        return {"number": f"共〔2026〕{n}号", "decided": TODAY - timedelta(days=10 * n + 5)}

    def unit(self):
        return self.dice.choice(["market", "edu", "ecology"])

    def report(self):
        name = self.dice.choice(["示例县示例商贸有限公司", "宝丰县顺达运输有限公司"])
        values = {"authority.code": AUTHORITY, "subject.name": name}
        self.records.append(self.world.report(self.unit(), values=values, **self.document()))

    def line(self):
        values = {"authority.code": AUTHORITY}
        self.lines.append(self.world.report("market", "ledger", values=values, **self.document()))

    def renumber(self):
        if self.records:
            document = self.document()
            self.world.revise(
                self.dice.choice(self.records), document__no=document["number"], decision__date=document["decided"]
            )

    def withdraw(self):
        if self.records:
            self.world.withdraw(self.records.pop(self.dice.randrange(len(self.records))))

    def strike(self):
        if self.lines:
            self.world.withdraw(self.lines.pop(self.dice.randrange(len(self.lines))), "ledger")

    def stranger(self):
        rule = self.dice.choice(["record.other_unit", "required"])
        self.world.refuse(self.unit(), rule=rule, authority=AUTHORITY, **self.document())


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_a_full_run_finds_nothing_that_the_usual_runs_did_not(world, seed):
    story = Story(world, seed)
    for step in range(9):
        story.step()
        story.step()
        assert not run(world, TODAY + timedelta(days=step // 3))["whole"]
    usual = sorted(map(str, world.all(OPEN)))
    counts = run(world, TODAY + timedelta(days=2), whole=True)
    assert counts["whole"]
    assert sorted(map(str, world.all(OPEN))) == usual
    assert counts["work_items"] == 0
    assert usual
    assert not fired(world, "books")
    assert world.one("SELECT max(checked) FROM quality.latest_result WHERE rule_id = 'books'") == 2


def test_a_corrected_number_frees_the_other_unit_at_once(world):
    world.report("market", number="争〔2026〕1号", values={"authority.code": AUTHORITY})
    other = world.report("edu", number="争〔2026〕1号", values={"authority.code": AUTHORITY})
    run(world)
    assert fired(world, "conflicts") == {"edu", "market"}
    world.revise(other, document__no="争〔2026〕2号")
    run(world)
    assert world.items("conflicts") == []


def test_the_other_side_of_a_conflict_hears_of_it_though_nothing_of_it_changed(world):
    old = world.report("market", number="争〔2026〕1号", values={"authority.code": AUTHORITY})
    run(world)
    new = world.report("edu", number="争〔2026〕1号", values={"authority.code": AUTHORITY})
    run(world)
    assert {(unit, no) for unit, no, _ in world.items("conflicts")} == {("market", old), ("edu", new)}


def test_a_ledger_that_begins_later_speaks_of_what_was_reported_before(world):
    decided = TODAY - timedelta(days=15)
    record = world.report(number="漏〔2026〕1号", decided=decided)
    run(world)
    for days in (20, 10):
        world.report(number=f"在〔2026〕{days}号", decided=TODAY - timedelta(days=days))
        world.report(dataset="ledger", number=f"在〔2026〕{days}号", decided=TODAY - timedelta(days=days))
    run(world)
    assert [no for _, no, _ in world.items("unledgered")] == [record]
    world.report(dataset="ledger", number="漏〔2026〕1号", decided=decided)
    run(world)
    assert world.items("unledgered") == []


@pytest.mark.parametrize("act", ["withdrawn", "renumbered"])
def test_a_line_whose_record_is_gone_is_owed_again(world, act):
    decided = TODAY - timedelta(days=30)
    record = world.report(number="销〔2026〕1号", decided=decided)
    world.report(dataset="ledger", number="销〔2026〕1号", decided=decided)
    run(world)
    assert world.items("ledger_completeness") == []
    if act == "withdrawn":
        world.withdraw(record)
    else:
        world.revise(record, document__no="销〔2026〕9号")
    run(world)
    assert [reference for _, _, reference in world.items("ledger_completeness")] == ["销〔2026〕1号（2026-10-25）"]


def test_codes_that_were_looked_up_show_at_once(world):
    records = world.report_many([{"subject": "scoped"}] * 15 + [{}] * 10)
    run(world)
    assert fired(world, "codeless_share") == {"market"}
    coded = world.one("SELECT subject_id FROM core.subject WHERE kind = 'code'")
    for record in records[:10]:
        world.revise(record)
        world.all("UPDATE core.penalty SET subject_id = %s WHERE record_no = %s", coded, record)
    run(world)
    assert world.items("codeless_share") == []


# --- each arrival is counted once ----------------------------------------------------------------------------------


def land(cur, topic, unit, state, ce_id, loaded="now()"):
    cur.execute(
        'INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
        " produced_at, received_at, loaded_at, state)"
        f" VALUES (%s, %s, 'penalty', 'report', 1, %s, 0, 0, '', now(), now(), {loaded}, %s)",
        [ce_id, unit, topic, state],
    )


def begin_topic(cur, unit):
    topic = str(uuid7())
    cur.execute("INSERT INTO ingest.topic (topic_id, name, unit) VALUES (%s, %s, %s)", [topic, f"t.{topic}", unit])
    cur.execute("INSERT INTO ingest.position VALUES (%s, 0, 1)", [topic])
    return topic


def test_a_load_that_began_before_a_run_and_commits_after_it_is_not_lost(world):
    with closing(psycopg2.connect(world.dsn)) as slow, slow.cursor() as cur:
        land(cur, begin_topic(cur, "edu"), "edu", "rejected", str(uuid7()), "now() - interval '1 day'")
        for _ in range(3):  # others begin later and are done earlier
            world.report()
            run(world)
        assert world.one("SELECT count(*) FROM quality.slice_book WHERE unit = 'edu'") == 0
        slow.commit()
    counts = run(world)
    assert counts["slices"] == 1
    assert world.all("SELECT unit, landed FROM quality.slice_book ORDER BY 1") == [("edu", 1), ("market", 3)]
    assert not fired(world, "conservation_arrivals")
    assert run(world)["run_id"] is None


def test_what_waited_is_counted_once_and_looked_at_when_it_is_settled(world):
    world.report()
    run(world)  # the day's first looks at every slice
    ce_id = str(uuid7())
    with world.cursor() as cur:
        land(cur, begin_topic(cur, "edu"), "edu", "waiting", ce_id)
    assert run(world)["run_id"] is None
    world.all("UPDATE landing.event SET state = 'rejected' WHERE ce_id = %s", ce_id)
    assert run(world)["slices"] == 1
    assert world.one("SELECT landed FROM quality.slice_book WHERE unit = 'edu'") == 1
    assert not fired(world, "conservation_arrivals")
    assert world.one("SELECT count(*) FROM quality.waiting_event") == 0
    assert not run(world, whole=True)["failed"]


def test_what_a_broken_run_did_not_finish_is_looked_at_by_the_next(world):
    record = world.report(values={"authority.code": AUTHORITY}, number="争〔2026〕2号")
    run(world)
    world.refuse("edu", rule="record.other_unit", number="争〔2026〕2号", authority=AUTHORITY)
    lost = world.report("ecology")
    world.all("DELETE FROM core.penalty WHERE record_no = %s", lost)
    world.all("DELETE FROM exchange.mark WHERE record_no = %s", lost)  # nothing but landing tells of it
    world.all("REVOKE SELECT ON core.subject_name FROM credit_quality")
    try:
        with pytest.raises(CheckBroken):
            run(world)
    finally:
        world.all("GRANT SELECT ON core.subject_name TO credit_quality")
    run(world)
    assert {(unit, no) for unit, no, _ in world.items("conflicts")} == {("edu", None), ("market", record)}
    assert [no for _, no, _ in world.items("conservation")] == [lost]


@pytest.mark.parametrize("change", ["cluster = 1", "snapshot = '1:999999999999:'"])
def test_books_of_another_cluster_are_begun_anew_and_everything_is_looked_at(world, change):
    lost = world.report()
    run(world)
    world.all("DELETE FROM core.penalty WHERE record_no = %s", lost)
    world.all(f"UPDATE quality.books SET {change}")
    assert run(world)["whole"]
    assert [no for _, no, _ in world.items("conservation")] == [lost]
    assert not run(world)["whole"]


# --- what nobody announced -------------------------------------------------------------------------------------------


def test_defects_in_old_data_are_found_by_the_full_run(world):
    penalty = {"authority.code": AUTHORITY}
    decided = TODAY - timedelta(days=30)
    old = world.report_many([{"number": f"旧〔2026〕{n}号", "decided": decided, "values": penalty} for n in range(6)])
    lines = [{"number": f"旧〔2026〕{n}号", "decided": decided, "values": penalty} for n in range(6)]
    world.report_many(lines, "market", "ledger")
    other = world.report("edu", values=penalty)
    world.report("edu", values={"subject.code": OTHER_COMPANY})
    run(world)
    run(world, TODAY + timedelta(days=1))
    assert world.all(OPEN) == []
    number = "cf_wsh"
    plants = {
        "conservation": f"DELETE FROM core.penalty WHERE record_no = '{old[0]}'",
        "conservation_arrivals": f"DELETE FROM landing.event WHERE ce_id = '{old[1]}'",
        "conflicts": f"UPDATE core.penalty SET ({number}, cf_jdrq) = (SELECT {number}, cf_jdrq FROM core.penalty"
        f" WHERE record_no = '{old[2]}') WHERE record_no = '{other}'",
        "unledgered": f"UPDATE core.penalty SET {number} = '改〔2026〕1号' WHERE record_no = '{old[3]}'",
        "ledger_completeness": "",  # the line of the one above
        "subject_names": "",  # below
        "books": "UPDATE quality.day_book SET records = records + 1 WHERE unit = 'edu' AND records > 0",
    }
    for plant in filter(None, plants.values()):
        world.all(plant)
    world.names("edu", OTHER_COMPANY, "宝丰县顺达运输有限公司")
    world.report("ecology")
    run(world, TODAY + timedelta(days=1))
    assert world.all(OPEN) == []
    assert run(world, TODAY + timedelta(days=1), whole=True)["whole"]
    found = {rule for rule, *_ in world.all(OPEN)}
    assert found == set(plants)
    assert fired(world, "books") == {"edu", "market"}
    # Put right, and what is wrong in the tables stays told.
    run(world, TODAY + timedelta(days=1), whole=True)
    assert {rule for rule, *_ in world.all(OPEN)} == set(plants) - {"books"}
