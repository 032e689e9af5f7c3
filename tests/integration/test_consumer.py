"""The consumer's promises, on a real broker and database."""

from __future__ import annotations

import logging
import re
import threading
from datetime import date

import pytest

from credit_consumer import deadletters
from credit_consumer.decode import REASONS
from credit_consumer.errors import NotReady
from credit_consumer.run import consume
from credit_schemas.codec import FRAME
from credit_schemas.envelope import write_headers
from events import Event, World, build_world, wait_until
from unit.rows import LEDGER, LICENCE, PENALTY, PERSON, PERSON_PENALTY

# A number that occurs nowhere else in these tests, as a natural person and as a representative.
PLANTED = "110101199003073677"


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    units = ["market", "ecology", "edu"]
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), units)
    yield made
    made.close()


def numbered(number: int | str, **cells: str) -> dict[str, str]:
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{number}号", **cells}


def rejects(row) -> list[str]:
    return [p["rule"] for p in row["problems"] or [] if p["severity"] == "reject"]


def letter(world: World, reason: str):
    return world.one("SELECT * FROM ingest.dead_letter WHERE reason = %s", [reason])


def test_a_clean_row_of_each_dataset_becomes_a_record(world):
    events = [
        world.event("market", PENALTY),
        world.event("market", LICENCE, dataset="licence"),
        world.event("market", LEDGER, dataset="ledger"),
        world.event("market", PERSON_PENALTY),
    ]
    assert world.load(*events) == {"loaded": 4}
    row = world.one("SELECT * FROM core.penalty WHERE cf_xdr_lb = '法人及非法人组织'")
    assert (row["revision"], row["state"], row["unit"], row["cf_nr_fk"]) == (1, "active", "market", 50_000)
    assert (row["cf_jdrq"], row["publicity_ends"]) == (date(2026, 5, 6), date(2027, 5, 6))
    subject = world.one("SELECT * FROM core.subject WHERE subject_id = %s", [row["subject_id"]])
    assert (subject["kind"], subject["code"]) == ("code", PENALTY["CF_XDR_SHXYM"])
    assert world.one("SELECT subject_id FROM core.ledger")["subject_id"] is None
    assert world.one("SELECT count(*) FROM landing.event WHERE state = 'accepted'")[0] == 4
    assert world.one("SELECT count(*) FROM exchange.mark")[0] == 4


def test_a_day_at_the_end_of_time_is_refused_and_stops_nobody(world):
    forever = world.event("market", numbered("末日", CF_JDRQ="9999-12-31", CF_YXQ="9999-12-31", CF_GSJZQ="9999-12-31"))
    assert world.load(forever, world.event("ecology", numbered("末日之后"))) == {"rejected": 1, "loaded": 1}
    assert "CF_JDRQ.not_after" in rejects(world.landed(forever))


def test_a_sealed_number_becomes_a_person_that_only_the_center_can_read(world):
    world.load(world.event("market", {**PERSON_PENALTY, "CF_WSH": "示市监处罚〔2026〕9号"}))
    keys = world.center.keys
    person = world.one(
        "SELECT p.* FROM core.person p JOIN core.penalty c ON c.cf_xdr_zjhm_person = p.person_id"
        " WHERE c.cf_wsh = '示市监处罚〔2026〕9号'"
    )
    assert bytes(person["lookup"]) == keys.lookup.digest("身份证", PERSON)
    assert keys.at_rest.open(person["sealed"], bytes(person["lookup"]).hex()) == PERSON


def test_an_event_naming_another_unit_is_rejected(world):
    liar = world.event("edu", numbered(20), said_unit="market")
    assert world.load(liar) == {"rejected": 1}
    assert rejects(world.landed(liar)) == ["event.unit"]
    (receipt,) = world.receipts(liar)
    assert (receipt["unit"], receipt["status"]) == ("edu", "rejected")


def test_what_cannot_be_read_becomes_a_dead_letter_and_stops_nothing(world):
    good = [world.event("ecology", numbered(n)) for n in (30, 31)]
    plain = world.event("ecology", numbered(32))
    body = plain.value[FRAME.size :]
    bad = [
        Event(plain.ce_id, "ecology", b"k", b"junk", plain.headers),
        Event(plain.ce_id, "ecology", b"k", None, plain.headers),
        Event(plain.ce_id, "ecology", b"k", FRAME.pack(0, 4242) + body, plain.headers),
        Event(plain.ce_id, "ecology", b"k", FRAME.pack(0, 1002) + body[:40], plain.headers),
        Event(plain.ce_id, "ecology", None, plain.value, []),
        world.event("ecology", numbered(33), county="999999"),
    ]
    assert world.load(good[0], *bad, good[1]) == {"loaded": 2, "dead": 6}
    found = world.query('SELECT reason, state, schema_id, attempts FROM ingest.dead_letter ORDER BY "offset"')
    assert [tuple(f) for f in found] == [
        ("not_framed", "dead", None, 1),
        ("not_framed", "dead", None, 1),
        ("unknown_schema", "parked", 4242, 1),
        ("undecodable", "dead", 1002, 1),
        ("envelope", "dead", 1002, 1),
        ("other_county", "dead", 1002, 1),
    ]
    for told in world.query("SELECT reason, detail FROM ingest.dead_letter"):
        assert told["reason"] in REASONS
        assert re.search("[\u4e00-\u9fff]", told["detail"]), told["detail"]


def test_dead_letters_are_listed_without_any_content(world):
    with world.connect("reader") as con:
        found = deadletters.list_dead_letters(con, unit="ecology", state="parked")
    con.close()
    assert [f["reason"] for f in found] == ["unknown_schema"]
    assert (found[0]["meaning"], found[0]["detail"]) == (
        REASONS["unknown_schema"],
        "结构编号 4242 不在目录里，报送程序可能比中心新",
    )
    assert not {"key", "value", "headers"} & set(found[0])


def test_a_parked_event_goes_through_once_its_schema_is_known(world, make_county, postgres_server, tmp_path):
    event = world.event("ecology", numbered(40))
    unknown = Event(event.ce_id, "ecology", event.key, FRAME.pack(0, 777) + event.value[FRAME.size :], event.headers)
    assert world.load(unknown) == {"dead": 1}
    codec = world.center.catalogue.codec
    con = world.connect("consumer")
    try:
        assert deadletters.replay(con, world.center, reason="unknown_schema", dry_run=False) == {"dead": 2}
        codec._known[777] = codec._known[1002]
        dry = deadletters.replay(con, world.center, unit="ecology", reason="unknown_schema")
        assert not world.query("SELECT 1 FROM landing.event WHERE ce_id = %s", [str(event.ce_id)])
        real = deadletters.replay(con, world.center, unit="ecology", reason="unknown_schema", who="运维", dry_run=False)
    finally:
        con.close()
        codec._known.pop(777, None)
    assert dry == real == {"loaded": 1, "dead": 1}
    letters = world.query("SELECT * FROM ingest.dead_letter WHERE schema_id = 777")
    assert [(row["state"], row["closed_by"]) for row in letters] == [("replayed", "运维")]
    assert world.landed(event)["received_at"] == letters[0]["received_at"]


def test_a_replayed_event_never_overwrites_what_came_after_it(world):
    old = world.event("ecology", numbered(41))
    parked = Event(old.ce_id, "ecology", old.key, FRAME.pack(0, 778) + old.value[FRAME.size :], old.headers)
    new = world.event("ecology", numbered(41, CF_NR="罚款500元，已缴"))
    world.load(parked)
    world.load(new)
    codec = world.center.catalogue.codec
    codec._known[778] = codec._known[1002]
    con = world.connect("consumer")
    try:
        deadletters.replay(con, world.center, unit="ecology", dry_run=False)
    finally:
        con.close()
        codec._known.pop(778)
    assert rejects(world.landed(old)) == ["record.newer"]
    assert world.one("SELECT cf_nr FROM core.penalty WHERE last_ce_id = %s", [str(new.ce_id)])[0] == "罚款500元，已缴"


def test_discarding_a_dead_letter_is_a_mark_with_a_name_and_a_reason(world):
    con = world.connect("consumer")
    try:
        with pytest.raises(ValueError):
            deadletters.discard(con, who="", why="测试", reason="envelope", dry_run=False)
        assert deadletters.discard(con, who="运维", why="测试数据", reason="envelope") == 1
        assert letter(world, "envelope")["state"] == "dead"
        assert deadletters.discard(con, who="运维", why="测试数据", reason="envelope", dry_run=False) == 1
    finally:
        con.close()
    assert (letter(world, "envelope")["state"], letter(world, "envelope")["closed_why"]) == ("discarded", "测试数据")


def test_a_row_that_breaks_a_rule_lands_as_rejected_with_what_to_mend(world):
    wrong = world.event("market", numbered(50, CF_XDR_SHXYM="91320100748204660X", CF_JDRQ="2027-01-01"))
    assert world.load(wrong) == {"rejected": 1}
    row = world.landed(wrong)
    assert {"CF_XDR_SHXYM.checksum.uscc", "CF_JDRQ.not_after"} <= set(rejects(row))
    assert (row["authority_code"], row["document_no"]) == (PENALTY["CF_CFJGDM"], "示市监处罚〔2026〕50号")
    assert world.receipts(wrong)[0]["problems"] == row["problems"]


def test_a_value_sealed_for_another_unit_does_not_open_here(world):
    moved = world.event("market", {**PERSON_PENALTY, "CF_WSH": "51号"}, sealed_for="edu")
    assert world.load(moved) == {"rejected": 1}
    assert rejects(world.landed(moved)) == ["CF_XDR_ZJHM.sealed"]


def test_a_value_sealed_for_a_key_we_do_not_hold_is_parked(world):
    from credit_schemas.sealing import Sealer, generate_center_key

    ours, world.sealer = world.sealer, Sealer(generate_center_key().public)
    try:
        event = world.event("market", {**PERSON_PENALTY, "CF_WSH": "52号"})
    finally:
        world.sealer = ours
    assert world.load(event) == {"dead": 1}
    assert letter(world, "unknown_key")["state"] == "parked"


def test_what_by_law_must_not_travel_is_only_counted(world):
    simple = world.event("market", {**PERSON_PENALTY, "CF_WSH": "53号", "EXT_CFCX": "简易程序"})
    assert world.load(simple) == {"rejected": 1}
    assert not world.query("SELECT 1 FROM landing.event WHERE ce_id = %s", [str(simple.ce_id)])
    assert world.one("SELECT unit, dataset, rows FROM ingest.not_reportable")[:] == ["market", "penalty", 1]
    assert world.receipts(simple)[0]["problems"][0]["rule"] == "legal.not_reportable"


def test_a_refusal_at_the_door_lands_as_rejected_with_its_problems(world):
    told = {"column": "CF_WSH", "rule": "CF_WSH.required", "severity": "reject", "message": "「文号」没有填。"}
    plain = world.event("market", numbered(54))
    value = {"dataset": "penalty", "content_digest": b"d" * 32, "locator": "第7行", "problems": [told]}
    value |= {"authority_code": PENALTY["CF_CFJGDM"], "document_no": None, "decision_date": date(2026, 5, 6)}
    envelope = _envelope(world, plain, "refusal")
    refusal = Event(plain.ce_id, "market", b"k", world.center.catalogue.codec.encode(1, value), envelope)
    assert world.load(refusal) == {"rejected": 1}
    row = world.landed(refusal)
    assert (row["act"], row["dataset"], row["problems"]) == ("refusal", "penalty", [told])
    assert (bytes(row["content_digest"]), row["decision_date"]) == (b"d" * 32, date(2026, 5, 6))


def test_an_act_that_carries_a_row_instead_of_its_form_is_refused(world):
    plain = world.event("market", numbered(55))
    act = Event(plain.ce_id, "market", plain.key, plain.value, _envelope(world, plain, "withdraw"))
    assert world.load(act) == {"rejected": 1}
    assert [p["rule"] for p in world.landed(act)["problems"]] == ["event.dataset"]
    assert not world.query("SELECT 1 FROM core.penalty WHERE cf_wsh LIKE '%〕55号'")


def test_an_act_before_its_record_is_done_by_the_consumer_when_the_record_comes(world):
    first = world.event("market", numbered(57))
    act = world.act("market", "withdraw", AC_JLBH=str(first.ce_id))
    assert world.load(act) == {"waiting": 1}
    assert world.load(first) == {"loaded": 1}
    assert world.one("SELECT state FROM core.penalty WHERE cf_wsh LIKE '%〕57号'")[0] == "withdrawn"


def test_a_resent_event_is_told_as_duplicate_with_its_record(world):
    event = world.event("market", numbered(56))
    assert world.load(event, event) == {"loaded": 1, "duplicate": 1}
    assert world.load(event) == {"duplicate": 1}
    receipts = world.receipts(event)
    assert [(r["status"], r["record_no"], r["revision"]) for r in receipts] == [
        (status, str(event.ce_id), 1) for status in ("loaded", "duplicate", "duplicate")
    ]


def test_a_poison_row_does_not_stop_the_good_ones_of_its_batch(world, caplog):
    """A constraint that our checks do not know: the database refuses one row of forty."""
    world.query("ALTER TABLE core.penalty ADD CONSTRAINT poison CHECK (bz <> '毒') NOT VALID")
    rows = [numbered(f"6{n:02}", BZ="毒" if n == 23 else "好") for n in range(40)]
    events = [world.event("market", row) for row in rows]
    with caplog.at_level(logging.DEBUG):
        assert world.load(*events) == {"loaded": 39, "dead": 1}
    world.query("ALTER TABLE core.penalty DROP CONSTRAINT poison")
    found = letter(world, "database")
    assert (found["detail"], found["state"], found["schema_id"]) == ("CheckViolation 23514", "dead", 1002)
    assert not world.query("SELECT 1 FROM landing.event WHERE ce_id = %s", [str(events[23].ce_id)])
    assert "毒" not in caplog.text
    con = world.connect("consumer")
    try:
        assert deadletters.replay(con, world.center, reason="database", dry_run=False) == {"loaded": 1}
    finally:
        con.close()
    assert world.landed(events[23])["state"] == "accepted"


def test_an_environment_error_fills_no_dead_letter(world):
    events = [world.event("market", numbered(f"7{n}")) for n in range(5)]
    before = world.one("SELECT count(*) FROM ingest.dead_letter")[0]
    world.query("REVOKE INSERT ON exchange.receipt FROM credit_consumer")
    stop, totals = threading.Event(), {}
    thread = threading.Thread(
        target=lambda: totals.update(consume(world.settings, center=world.center, stop=stop)), daemon=True
    )
    world.publish(events)
    thread.start()
    try:
        thread.join(6)
        assert not world.query("SELECT 1 FROM core.penalty WHERE cf_wsh LIKE '%〕7_号'")
        world.query("GRANT INSERT ON exchange.receipt TO credit_consumer")
        wait_until(
            lambda: len(world.query("SELECT 1 FROM core.penalty WHERE cf_wsh LIKE '%〕7_号'")) == 5,
            "the rows are loaded once the right is back",
        )
    finally:
        world.query("GRANT INSERT ON exchange.receipt TO credit_consumer")
        stop.set()
        thread.join(20)
    assert totals == {"loaded": 5}
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == before


def test_a_lost_connection_loses_and_repeats_nothing(world):
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consume(world.settings, center=world.center, stop=stop), daemon=True)
    thread.start()
    try:
        # A consumer that loses its connection before it is set up ends, and whoever runs it starts it again.
        first = world.event("market", numbered("8a"))
        world.publish([first])
        wait_until(lambda: bool(world.receipts(first)), "the consumer is there")
        for n in range(6):
            world.publish([world.event("market", numbered(f"8{n}-{i}")) for i in range(50)])
            world.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'credit_consumer' AND datname = current_database()"
            )
        wait_until(
            lambda: world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh LIKE '%〕8_-%'")[0] == 300,
            "all rows are there",
        )
    finally:
        stop.set()
        thread.join(20)
    assert world.one("SELECT count(*) FROM landing.event WHERE document_no LIKE '%〕8_-%'")[0] == 300


def test_personal_numbers_are_nowhere_in_clear(world, caplog):
    number = PLANTED
    person = {**PERSON_PENALTY, "CF_XDR_ZJHM": number}
    world.query("ALTER TABLE core.penalty ADD CONSTRAINT poison CHECK (bz <> '毒') NOT VALID")
    with caplog.at_level(logging.DEBUG):
        world.load(
            world.event("market", {**person, "CF_WSH": "900号"}),
            world.event("market", {**person, "CF_WSH": "901号", "BZ": "毒"}),
            world.event("market", {**person, "CF_WSH": "902号", "CF_JDRQ": "2027-01-01"}),
            world.event("market", {**person, "CF_WSH": "903号"}, said_unit="edu"),
            world.event("market", {**person, "CF_WSH": "904号", "CF_XDR_ZJHM": number[:17] + "?"}),
            # Columns that slipped: the number stands where a choice should.
            world.event("market", numbered(905, CF_CFLB=number)),
            world.event(
                "market",
                numbered(906, CF_FR_ZJLX="身份证", CF_FR_ZJHM=number),
            ),
        )
    world.query("ALTER TABLE core.penalty DROP CONSTRAINT poison")
    assert number not in caplog.text
    tables = world.query(
        "SELECT table_schema || '.' || table_name AS name, array_agg(column_name::text) AS columns"
        " FROM information_schema.columns WHERE table_schema IN ('ingest', 'landing', 'core', 'exchange', 'quality')"
        " AND data_type IN ('text', 'bytea', 'jsonb') GROUP BY 1"
    )
    assert len(tables) > 10
    for table in tables:
        for column in table["columns"]:
            hits = world.query(
                f'SELECT 1 FROM {table["name"]} WHERE position(%s in "{column}"::text) > 0'
                f' OR position(%s in "{column}"::text) > 0',
                [number, number.encode().hex()],
            )
            # It may stand only in the sender's own message of the slipped row, in a column that is not sealed.
            slipped = table["name"].startswith("landing.event") and column == "value"
            assert not hits or (slipped and len(hits) == 1), (table["name"], column)
    assert world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh IN ('900号', '示市监处罚〔2026〕906号')")[0] == 2


def test_the_consumer_refuses_to_start_on_a_database_that_lacks_a_migration(world):
    gone = world.one("SELECT migration_id, migration_hash FROM _yoyo_migration ORDER BY migration_id DESC LIMIT 1")
    world.query("UPDATE _yoyo_migration SET migration_id = 'x' WHERE migration_id = %s", [gone["migration_id"]])
    try:
        with pytest.raises(NotReady, match="迁移"):
            world.consume()
    finally:
        world.query("UPDATE _yoyo_migration SET migration_id = %s WHERE migration_id = 'x'", [gone["migration_id"]])


def _envelope(world: World, event: Event, act: str):
    from credit_schemas.envelope import read_headers

    return write_headers(read_headers(event.headers)._replace(act=act))


def test_a_defect_of_ours_makes_a_dead_letter_and_stops_nobody(world, monkeypatch):
    def stumbles(dataset, values, context, unread):
        if "绊倒" in values["CF_WSH"]:
            raise ZeroDivisionError(values["CF_WSH"])
        return []

    monkeypatch.setattr("credit_consumer.check.evaluate", stumbles)
    counts = world.load(world.event("market", numbered("绊倒")), world.event("market", numbered("安然")))
    assert counts == {"dead": 1, "loaded": 1}
    assert letter(world, "defect")["detail"] == "ZeroDivisionError"
