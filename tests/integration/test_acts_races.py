"""Acts and corrections of one record through several real connections at once; replay beside a running load."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections import Counter
from contextlib import closing

import pytest

from acts_support import number, record, state, told
from credit_consumer import deadletters
from credit_consumer import load as load_module
from credit_schemas.codec import FRAME
from events import Event, World, build_world, wait_until
from faults.test_kill_mid_load import LOCK, blocked, stands_still
from fold import assert_holds, fold_events
from unit.rows import PENALTY

MARKS = "CREATE TRIGGER block BEFORE INSERT ON exchange.mark FOR EACH STATEMENT EXECUTE FUNCTION public.block()"


@pytest.fixture
def world(make_county, postgres_server, tmp_path):
    made = build_world(make_county, postgres_server, tmp_path, ["market", "reform", "province"])
    made.query(
        "CREATE FUNCTION public.block() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END $$"
    )
    yield made
    made.close()


def beside(world: World) -> World:
    """The same center over a connection of its own."""
    return dataclasses.replace(world, _con=None, _producers={}, _fed={})


@pytest.fixture
def applied(monkeypatch):
    """How often batches were settled, by the act of their first event."""
    counts: Counter[str] = Counter()
    apply = load_module.apply

    def counted(cur, events, *more, **options):
        counts[events[0].event.envelope.act] += 1
        return apply(cur, events, *more, **options)

    monkeypatch.setattr(load_module, "apply", counted)
    return counts


def started(work, *arguments) -> tuple[threading.Thread, list]:
    out: list = []

    def run() -> None:
        try:
            out.append(work(*arguments))
        except BaseException as error:
            out.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, out


def waits_for_a_row(world: World) -> bool:
    return bool(world.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid' AND datname ="
                            " current_database()"))  # fmt: skip


def test_a_correction_overtaken_by_an_act_is_done_once_more_and_neither_is_lost(world, applied):
    first = world.event("market", PENALTY)
    world.feed(first)
    applied.clear()
    act = world.act("reform", "dispute_open", **number(first))
    correction = world.event("market", {**PENALTY, "CF_NR": "罚款500元，已缴清"})
    with blocked(world, MARKS):
        slow, told_slow = started(beside(world).feed, act)
        wait_until(lambda: stands_still(world), "the act holds the record")
        fast, told_fast = started(world.feed, correction)
        wait_until(lambda: waits_for_a_row(world), "the correction has read the record and waits for it")
    slow.join()
    fast.join()
    assert (told_slow, told_fast) == ([{"loaded": 1}], [{"loaded": 1}])
    assert applied == {"dispute_open": 1, "report": 2}
    assert state(world, first) == ("disputed", None, 3)
    assert record(world, first)["cf_nr"] == "罚款500元，已缴清"
    assert_holds(world, fold_events(world, [first, act, correction]))


def test_a_look_for_what_waited_overtaken_by_a_correction_does_it_once_more(world, applied):
    """What waits is found while a correction of the record is on its way."""
    act = world.act("reform", "dispute_open", **number(first := world.event("market", PENALTY)))
    with blocked(world, MARKS):
        slow, _ = started(beside(world).feed, first)
        wait_until(lambda: stands_still(world), "the record is written and not committed")
        assert world.feed(act) == {"waiting": 1}
    slow.join()
    world.query("DROP TRIGGER block ON exchange.mark")
    applied.clear()
    correction = world.event("market", {**PENALTY, "CF_NR": "罚款500元，已缴清"})
    with blocked(world, MARKS):
        slow, _ = started(beside(world).feed, correction)
        wait_until(lambda: stands_still(world), "the correction holds the record")
        look, told_look = started(world.settle_waiting)
        wait_until(lambda: waits_for_a_row(world), "the look has read the record and waits for it")
    slow.join()
    look.join()
    assert told_look == [{"loaded": 1}]
    assert applied == {"report": 1, "dispute_open": 2}
    assert world.settle_waiting() == {}
    assert state(world, first) == ("disputed", None, 3)
    assert record(world, first)["cf_nr"] == "罚款500元，已缴清"


def test_a_replay_overtaken_by_a_load_is_done_once_more(world, applied):
    first = world.event("market", PENALTY)
    world.feed(first)
    act = world.act("reform", "dispute_open", **number(first))
    parked = Event(act.ce_id, "reform", act.key, FRAME.pack(0, 777) + act.value[FRAME.size :], act.headers)
    assert world.feed(parked) == {"dead": 1}
    applied.clear()
    codec = world.center.catalogue.codec
    codec._known[777] = codec._known[world.center.catalogue.act.schema_id]
    correction = world.event("market", {**PENALTY, "CF_NR": "罚款500元，已缴清"})
    try:
        with closing(world.connect("consumer")) as con:
            with blocked(world, MARKS):
                slow, _ = started(beside(world).feed, correction)
                wait_until(lambda: stands_still(world), "the correction holds the record")
                again, told_again = started(lambda: deadletters.replay(con, world.center, who="运维", dry_run=False))
                wait_until(lambda: waits_for_a_row(world), "the replay has read the record and waits for it")
            slow.join()
            again.join()
    finally:
        codec._known.pop(777)
    assert told_again == [{"loaded": 1}]
    assert applied["dispute_open"] == 2
    assert state(world, first) == ("disputed", None, 3)


def test_parked_acts_are_replayed_in_their_order(world):
    first = world.event("market", PENALTY)
    world.feed(first)
    acts = [world.act("reform", "dispute_open", **number(first)),
            world.act("reform", "dispute_close", **number(first), AC_JG="异议成立"),
            world.act("reform", "reinstate", **number(first)),
            world.act("reform", "repair", **number(first))]  # fmt: skip
    parked = [Event(a.ce_id, "reform", a.key, FRAME.pack(0, 777) + a.value[FRAME.size :], a.headers) for a in acts]
    assert world.feed(*parked) == {"dead": 4}
    codec = world.center.catalogue.codec
    codec._known[777] = codec._known[world.center.catalogue.act.schema_id]
    try:
        with closing(world.connect("consumer")) as con:
            assert deadletters.replay(con, world.center, who="运维", dry_run=True) == {"loaded": 4}
            assert state(world, first) == ("active", None, 1)
            assert deadletters.replay(con, world.center, who="运维", dry_run=False) == {"loaded": 4}
    finally:
        codec._known.pop(777)
    assert state(world, first) == ("ended", "repaired", 5)


def test_a_parked_act_older_than_what_was_done_since_is_refused_and_told(world):
    first = world.event("market", PENALTY)
    world.feed(first)
    old = world.act("market", "withdraw", **number(first))
    parked = Event(old.ce_id, "market", old.key, FRAME.pack(0, 777) + old.value[FRAME.size :], old.headers)
    world.feed(parked)
    world.feed(world.act("province", "repair", **number(first)))
    world.feed(world.act("province", "reinstate", **number(first)))
    codec = world.center.catalogue.codec
    codec._known[777] = codec._known[world.center.catalogue.act.schema_id]
    try:
        with closing(world.connect("consumer")) as con:
            assert deadletters.replay(con, world.center, who="运维", dry_run=False) == {"rejected": 1}
    finally:
        codec._known.pop(777)
    assert told(world, old) == ("rejected", ["record.newer"])
    assert state(world, first) == ("active", None, 3)


def test_a_replayed_report_is_followed_by_what_waited_for_it(world):
    first = world.event("market", PENALTY)
    parked = Event(first.ce_id, "market", first.key, FRAME.pack(0, 777) + first.value[FRAME.size :], first.headers)
    world.feed(parked)
    act = world.act("market", "withdraw", **number(first))
    assert world.feed(act) == {"waiting": 1}
    codec = world.center.catalogue.codec
    codec._known[777] = codec._known[world.dataset("penalty").schema_id]
    try:
        with closing(world.connect("consumer")) as con:
            assert deadletters.replay(con, world.center, who="运维", dry_run=True) == {"loaded": 1}
            assert world.landed(act)["state"] == "waiting"
            assert deadletters.replay(con, world.center, who="运维", dry_run=False) == {"loaded": 1}
    finally:
        codec._known.pop(777)
    assert state(world, first) == ("withdrawn", None, 2)


def test_what_cannot_be_read_when_its_record_comes_goes_on_waiting_and_says_why(world, monkeypatch):
    """A key that is away for a while: the act is no dead letter, and is done once the key is back."""
    first = world.event("market", PENALTY)
    act = world.act("market", "withdraw", **number(first), AC_ZJLX="身份证", AC_ZJHM="11010519491231002X")
    assert world.feed(act) == {"waiting": 1}
    opener = world.center.keys.opener
    kept = dict(opener._keys)
    opener._keys.clear()
    opener._sessions.clear()
    try:
        assert world.feed(first) == {"loaded": 1}
        assert world.settle_waiting() == {}
    finally:
        opener._keys.update(kept)
    waits = world.one("SELECT came_to, settled_at FROM ingest.waiting WHERE ce_id = %s", [str(act.ce_id)])
    assert tuple(waits) == ("unknown_key", None)
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0
    assert state(world, first) == ("active", None, 1)
    assert world.settle_waiting() == {"loaded": 1}
    assert state(world, first) == ("withdrawn", None, 2)


def test_a_row_that_the_database_refuses_for_what_waited_for_it_is_loaded_without_it(world):
    first = world.event("market", PENALTY)
    correction = world.event("market", {**PENALTY, "BZ": "毒"}, act="correct", target={"record_no": str(first.ce_id)})
    assert world.feed(correction) == {"waiting": 1}
    world.query("ALTER TABLE core.penalty ADD CONSTRAINT poison CHECK (bz <> '毒') NOT VALID")
    assert world.feed(first) == {"loaded": 1}
    assert world.settle_waiting() == {}
    waits = world.one("SELECT came_to, settled_at FROM ingest.waiting WHERE ce_id = %s", [str(correction.ce_id)])
    assert tuple(waits) == ("database", None)
    world.query("ALTER TABLE core.penalty DROP CONSTRAINT poison")
    assert world.settle_waiting() == {"loaded": 1}
    assert record(world, first)["bz"] == "毒"


def test_an_older_waiting_correction_never_overwrites_a_newer_one(world):
    """All in one batch: correction, report, second correction. The second one stands."""
    first = world.event("market", PENALTY)
    target = {"record_no": str(first.ce_id)}
    older = world.event("market", {**PENALTY, "CF_NR": "罚款500元，一"}, act="correct", target=target)
    newer = world.event("market", {**PENALTY, "CF_NR": "罚款500元，二"}, act="correct", target=target)
    world.feed(older, first, newer)
    assert world.settle_waiting() == {}
    assert (record(world, first)["cf_nr"], record(world, first)["revision"]) == ("罚款500元，二", 3)


def test_many_acts_and_corrections_through_three_connections_lose_nothing(world):
    firsts = [world.event("market", {**PENALTY, "CF_WSH": f"stress-{n}号"}) for n in range(8)]
    draw = random.Random(20261124)

    def act(unit, word, **cells):
        return world.act(unit, word, **number(draw.choice(firsts)), **cells)

    mine = [world.event("market", {**PENALTY, "CF_WSH": f"stress-{draw.randrange(8)}号", "CF_NR": f"罚款500元，{n}"})
            for n in range(150)]  # fmt: skip
    disputes = [act("reform", "dispute_open") if n % 2 else act("reform", "dispute_close", AC_JG="异议不成立")
                for n in range(150)]  # fmt: skip
    ends = [act("province", "repair") if n % 2 else act("province", "reinstate") for n in range(150)]
    early = act("reform", "dispute_open")
    world.feed(early)
    feeds = [[*firsts, *mine], disputes, ends]
    errors: list[BaseException] = []

    def feed(events: list[Event]) -> None:
        own = beside(world)
        try:
            while events:
                size = random.randrange(1, 8)
                own.feed(*events[:size])
                own.settle_waiting()
                del events[:size]
        except BaseException as error:
            errors.append(error)
        finally:
            own._con.close()

    threads = [threading.Thread(target=feed, args=[list(events)]) for events in feeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    world.feed()
    world.settle_waiting()
    everything = [early, *(e for events in feeds for e in events)]
    landed = world.query("SELECT ce_id, state, record_no, revision FROM landing.event")
    assert {r["ce_id"] for r in landed} == {str(e.ce_id) for e in everything}
    assert not [r for r in landed if r["state"] == "waiting"]
    done = Counter(r["record_no"] for r in landed if r["state"] == "accepted")
    held = world.query("SELECT record_no, revision, state, withdrawn, ended_why, disputed FROM core.penalty")
    assert {r["record_no"]: r["revision"] for r in held} == done
    # Each revision was made by one event, and standing is what the accepted acts come to in the order of revisions.
    revisions = [(r["record_no"], r["revision"]) for r in landed if r["state"] == "accepted"]
    assert len(set(revisions)) == len(revisions)
    acts = world.query("SELECT record_no, act, revision FROM core.record_act ORDER BY record_no, revision")
    for r in held:
        ended, disputed = None, False
        for a in (a for a in acts if a["record_no"] == r["record_no"]):
            disputed = {"dispute_open": True, "dispute_close": False}.get(a["act"], disputed)
            ended = {"repair": "repaired", "reinstate": None}.get(a["act"], ended)
        assert (r["ended_why"], r["disputed"]) == (ended, disputed)
    marks = world.query("SELECT record_no, revision FROM exchange.mark ORDER BY revision")
    assert {tuple(m) for m in marks} <= set(revisions)
    assert {m["record_no"]: m["revision"] for m in marks} == done
