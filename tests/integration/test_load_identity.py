"""Which record an event is about (DESIGN, "Identity"): a record keeps its number for life, whatever is corrected."""

from __future__ import annotations

import threading
import zlib
from datetime import UTC, date, datetime

import pytest

from events import World, build_world
from unit.rows import PENALTY, PERSON, PERSON_PENALTY

DAY = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


@pytest.fixture
def row(request):
    """A penalty with a document number of this test's own."""
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{zlib.crc32(request.node.name.encode())}号"}


def record(world: World, number: str):
    return world.one("SELECT * FROM core.penalty WHERE cf_wsh = %s", [number])


def rules(row) -> list[str]:
    return [p["rule"] for p in row["problems"] or [] if p["severity"] == "reject"]


def test_first_report_gives_its_id_to_the_record_and_a_receipt_names_it(world, row):
    first = world.event("market", row)
    world.feed(first, at=DAY)
    found = record(world, row["CF_WSH"])
    (receipt,) = world.receipts(first)
    assert found["record_no"] == receipt["record_no"] == str(first.ce_id)
    assert (receipt["status"], receipt["revision"], found["revision"]) == ("loaded", 1, 1)
    assert (found["received_on"], found["due_on"], found["due_provisional"]) == (
        date(2026, 11, 20),
        date(2026, 5, 14),  # the seventh working day after 6 May; Saturday 9 May is one, made up for a holiday
        False,
    )


def test_same_content_again_is_unchanged_and_nothing_moves(world, row):
    first, again = world.event("market", row), world.event("market", row)
    world.feed(first, at=DAY)
    before = record(world, row["CF_WSH"])
    marks = world.one("SELECT count(*) FROM exchange.mark")[0]
    assert world.feed(again) == {"unchanged": 1}
    assert list(record(world, row["CF_WSH"])) == list(before)
    assert world.one("SELECT count(*) FROM exchange.mark")[0] == marks
    assert (world.landed(again)["state"], world.landed(again)["record_no"]) == ("unchanged", str(first.ce_id))


def test_other_content_is_a_correction_and_the_receipt_says_so(world, row):
    first, other = world.event("market", row), world.event("market", {**row, "CF_NR": "罚款500元，已缴纳"})
    world.feed(first, at=DAY)
    world.feed(other)
    found = record(world, row["CF_WSH"])
    assert (found["record_no"], found["revision"], found["cf_nr"]) == (str(first.ce_id), 2, "罚款500元，已缴纳")
    (receipt,) = world.receipts(other)
    assert (receipt["status"], receipt["revision"]) == ("loaded", 2)
    assert "更正" in receipt["note"]


def file_of_two(world: World, row: dict, source_key: str | None) -> list:
    """A file in which the same decision stands twice, the later row saying more."""
    early = world.event("market", row, source_key=source_key)
    later = {**row, "CF_NR": "罚款500元，限期改正"}
    return [early, world.event("market", later, source_key=source_key, replaces=early.ce_id)]


@pytest.mark.parametrize("source_key", [None, "A-1"])
def test_a_file_that_corrects_itself_sent_again_creates_nothing_new(world, row, source_key):
    assert world.feed(*file_of_two(world, row, source_key), at=DAY) == {"loaded": 2}
    before = list(record(world, row["CF_WSH"]))
    marks = world.one("SELECT count(*) FROM exchange.mark")[0]
    assert world.feed(*file_of_two(world, row, source_key)) == {"unchanged": 2}
    twice = [*file_of_two(world, row, source_key), *file_of_two(world, row, source_key)]
    assert world.feed(*twice) == {"unchanged": 4}
    assert list(record(world, row["CF_WSH"])) == before
    assert world.one("SELECT count(*) FROM exchange.mark")[0] == marks


def test_an_earlier_content_sent_on_its_own_is_a_correction(world, row):
    world.feed(world.event("market", row))
    world.feed(world.event("market", {**row, "CF_NR": "罚款500元，限期改正"}))
    assert world.feed(world.event("market", row)) == {"loaded": 1}
    assert record(world, row["CF_WSH"])["revision"] == 3


def test_the_same_refused_row_again_is_told_again_and_counted_once(world, row):
    bad = {**row, "CF_CFLB": "批评"}
    assert world.feed(world.event("market", bad), world.event("market", bad)) == {"rejected": 2}
    again = world.event("market", bad)
    assert world.feed(again) == {"rejected": 1}
    (receipt,) = world.receipts(again)
    assert (receipt["status"], rules(receipt)) == ("rejected", ["CF_CFLB.code_set"])
    count = "SELECT count(*) FROM landing.event WHERE document_no = %s AND state = 'rejected'"
    assert world.one(count, [row["CF_WSH"]])[0] == 1
    assert world.feed(world.event("market", row)) == {"loaded": 1}


def test_a_source_key_that_is_a_residents_number_is_refused_and_never_reaches_core(world, row):
    event = world.event("market", row, source_key=PERSON)
    assert world.feed(event) == {"rejected": 1}
    assert rules(world.landed(event)) == ["source_key.personal"]
    assert world.one("SELECT count(*) FROM core.penalty WHERE cf_wsh = %s", [row["CF_WSH"]])[0] == 0


def test_received_at_is_the_first_arrival_for_ever(world, row):
    world.feed(world.event("market", row), at=DAY)
    world.feed(world.event("market", {**row, "CF_NR": "罚款五百元"}))
    found = record(world, row["CF_WSH"])
    assert (found["received_at"], found["received_on"]) == (DAY, date(2026, 11, 20))
    assert found["revised_at"] > DAY


@pytest.mark.parametrize("by", ["source_key", "record_no", "natural_key"])
def test_correcting_the_identifying_field_keeps_one_record(world, row, by):
    first = world.event("market", row, source_key=f"k-{row['CF_WSH']}" if by == "source_key" else None)
    world.feed(first)
    mended = {**row, "CF_WSH": row["CF_WSH"].replace("号", "1号")}
    if by == "source_key":
        fix = world.event("market", mended, source_key=f"k-{row['CF_WSH']}")
    elif by == "record_no":
        fix = world.event("market", mended, act="correct", target={"record_no": str(first.ce_id)})
    else:
        told = {
            "authority_code": row["CF_CFJGDM"],
            "document_no": row["CF_WSH"].replace("〔", "[").replace("〕", "]"),  # as a person writes it
            "decision_date": date.fromisoformat(row["CF_JDRQ"]),
            "subject_code": row["CF_XDR_SHXYM"],
        }
        fix = world.event("market", mended, act="correct", target=told)
    assert world.feed(fix) == {"loaded": 1}
    found = record(world, mended["CF_WSH"])
    assert (found["record_no"], found["revision"]) == (str(first.ce_id), 2)
    assert not world.query("SELECT 1 FROM core.penalty WHERE cf_wsh = %s", [row["CF_WSH"]])


def test_a_person_is_found_by_the_number_as_last_reported(world, row):
    person = {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"]}
    first = world.event("market", person)
    world.feed(first)
    target = {
        "authority_code": person["CF_CFJGDM"],
        "document_no": person["CF_WSH"],
        "decision_date": date.fromisoformat(person["CF_JDRQ"]),
        "subject_id_type": "身份证",
        "subject_id_no": world.sealer.seal(person["CF_XDR_ZJHM"], "market/penalty/CF_XDR_ZJHM"),
    }
    fix = world.event("market", {**person, "CF_XDR_ZJHM": "110105491231002"}, act="correct", target=target)
    # The 15-digit form is the same person and the same subject, so the natural key stays.
    assert world.feed(fix) == {"loaded": 1}
    found = record(world, row["CF_WSH"])
    assert (found["record_no"], found["revision"]) == (str(first.ce_id), 2)
    assert world.one("SELECT count(DISTINCT subject_id) FROM core.penalty WHERE cf_xdr_lb = '自然人'")[0] == 1


def test_the_key_before_a_correction_still_finds_the_record(world, row):
    first = world.event("market", row)
    mended = {**row, "CF_WSH": row["CF_WSH"].replace("号", "2号")}
    world.feed(first)
    world.feed(world.event("market", mended, act="correct", target={"record_no": str(first.ce_id)}))
    assert world.feed(world.event("market", row)) == {"loaded": 1}
    assert (record(world, row["CF_WSH"])["record_no"], record(world, row["CF_WSH"])["revision"]) == (
        str(first.ce_id),
        3,
    )


def test_every_step_of_a_batch_lands_and_the_last_one_wins(world, row):
    steps = [
        world.event("market", row),
        world.event("market", {**row, "CF_NR": "罚款伍佰元"}),
        world.event("market", {**row, "CF_NR": "罚款伍佰元"}),
        world.event("market", {**row, "CF_NR": "罚款五百元整"}),
    ]
    assert world.feed(*steps, steps[0]) == {"loaded": 3, "unchanged": 1, "duplicate": 1}
    assert [(world.landed(s)["state"], world.landed(s)["revision"]) for s in steps] == [
        ("accepted", 1),
        ("accepted", 2),
        ("unchanged", 2),
        ("accepted", 3),
    ]
    found = record(world, row["CF_WSH"])
    assert (found["revision"], found["cf_nr"], found["last_ce_id"]) == (3, "罚款五百元整", str(steps[3].ce_id))
    marks = world.query("SELECT revision FROM exchange.mark WHERE record_no = %s", [str(steps[0].ce_id)])
    assert [m["revision"] for m in marks] == [3]


def test_two_records_swap_their_document_numbers_in_one_batch(world, row):
    a, b = row, {**row, "CF_WSH": row["CF_WSH"].replace("号", "3号")}
    passing = {**row, "CF_WSH": row["CF_WSH"].replace("号", "4号")}
    one, two = world.event("market", a), world.event("market", b)
    world.feed(one, two)
    moves = [(one, passing), (two, a), (one, b)]
    events = [world.event("market", r, act="correct", target={"record_no": str(e.ce_id)}) for e, r in moves]
    assert world.feed(*events) == {"loaded": 3}
    assert record(world, a["CF_WSH"])["record_no"] == str(two.ce_id)
    assert record(world, b["CF_WSH"])["record_no"] == str(one.ce_id)


def test_a_correction_onto_another_records_key_is_rejected(world, row):
    other = {**row, "CF_WSH": row["CF_WSH"].replace("号", "5号")}
    one, two = world.event("market", row), world.event("market", other)
    world.feed(one, two)
    clash = world.event("market", other, act="correct", target={"record_no": str(one.ce_id)})
    assert world.feed(clash) == {"rejected": 1}
    assert rules(world.landed(clash)) == ["record.key_taken"]
    assert record(world, other["CF_WSH"])["record_no"] == str(two.ce_id)


def test_an_act_whose_record_has_not_arrived_waits_visibly(world, row):
    fix = world.event("market", row, act="correct", target={"source_key": "nobody"})
    assert world.feed(fix) == {"waiting": 1}
    assert world.landed(fix)["state"] == "waiting"
    assert world.receipts(fix)[0]["problems"][-1]["rule"] == "record.not_found"
    assert not world.query("SELECT 1 FROM core.penalty WHERE cf_wsh = %s", [row["CF_WSH"]])


def test_a_record_of_another_unit_cannot_be_corrected(world, row):
    own = world.event("market", row)
    world.feed(own)
    thief = world.event("edu", row, act="correct", target={"record_no": str(own.ce_id)})
    assert world.feed(thief) == {"rejected": 1}
    assert rules(world.landed(thief)) == ["record.other_unit"]


def test_the_same_decision_of_two_units_is_two_records(world, row):
    one, two = world.event("market", row), world.event("edu", row)
    assert world.feed(one, two) == {"loaded": 2}
    found = world.query("SELECT record_no FROM core.penalty WHERE cf_wsh = %s", [row["CF_WSH"]])
    assert {f["record_no"] for f in found} == {str(one.ce_id), str(two.ce_id)}


@pytest.mark.parametrize(("act", "state"), [("revoke", "ended"), ("withdraw", "withdrawn")])
def test_a_report_never_resurrects_a_closed_record(world, row, act, state):
    first = world.event("market", row)
    world.feed(first, world.act("market", act, AC_JLBH=str(first.ce_id)))
    again, other = world.event("market", row), world.event("market", {**row, "CF_NR": "罚款500元。"})
    assert world.feed(again, other) == {"unchanged": 1, "rejected": 1}
    assert rules(world.landed(other)) == ["record.ended"]
    assert (record(world, row["CF_WSH"])["state"], record(world, row["CF_WSH"])["revision"]) == (state, 2)


def test_a_record_takes_the_source_key_its_department_begins_to_use(world, row):
    world.feed(world.event("market", row))
    key = f"new-{row['CF_WSH']}"
    assert world.feed(world.event("market", row, source_key=key)) == {"unchanged": 1}
    mended = {**row, "CF_WSH": row["CF_WSH"].replace("号", "6号")}
    assert world.feed(world.event("market", mended, source_key=key)) == {"loaded": 1}
    assert record(world, mended["CF_WSH"])["revision"] == 2


def test_an_id_of_another_unit_changes_nothing_and_tells_only_who_sent_it(world, row):
    own = world.event("market", row)
    world.feed(own)
    copied = world.event("edu", {**row, "CF_NR": "罚款1元"}, ce_id=own.ce_id)
    assert world.feed(copied) == {"dead": 1}
    assert world.one("SELECT reason FROM ingest.dead_letter WHERE unit = 'edu'")["reason"] == "id_of_another_unit"
    assert [(r["unit"], r["status"]) for r in world.receipts(own)] == [("market", "loaded"), ("edu", "waiting")]


def test_names_are_dated_history_and_never_merge_subjects(world, row):
    renamed = {**row, "CF_XDR_MC": "示例商贸有限公司（原示例百货）"}
    world.feed(world.event("market", row), at=DAY)
    world.feed(world.event("market", renamed))
    names = world.query(
        "SELECT n.name FROM core.subject_name n JOIN core.penalty p USING (subject_id)"
        " WHERE p.cf_wsh = %s AND n.unit = 'market'",
        [row["CF_WSH"]],
    )
    assert {row["CF_XDR_MC"], renamed["CF_XDR_MC"]} <= {n["name"] for n in names}


def test_publicity_ends_within_the_law_whatever_was_reported(world, row):
    told = {**row, "CF_GSJZQ": "2026-11-06"}
    world.feed(world.event("market", told))
    assert record(world, row["CF_WSH"])["publicity_ends"] == date(2026, 11, 6)
    world.feed(world.event("market", {**row, "CF_GSJZQ": "2099-12-31"}))
    assert record(world, row["CF_WSH"])["publicity_ends"] == date(2027, 5, 6)


def test_two_consumers_that_bring_the_same_persons_enter_each_once(world):
    """Both sessions insert the same persons at the same time, in opposite orders of rows."""
    numbers = ["110101199003070134", "110101199003070257", "110101199003070310", "110101199003070433"]
    numbers = [n[:17] + _check(n[:17]) for n in numbers]
    rows = [{**PERSON_PENALTY, "CF_XDR_ZJHM": n, "CF_WSH": f"竞〔2026〕{i}号"} for i, n in enumerate(numbers)]
    failures: list[BaseException] = []

    def run(unit: str, ordered: list[dict[str, str]]) -> None:
        other = World(world.county, world.database, world.settings, world.center, world.folder, world.sealer)
        try:
            for r in ordered:
                other.feed(*[other.event(unit, r), other.event(unit, {**r, "CF_WSH": r["CF_WSH"] + "附"})])
            other._con.close()
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=run, args=a) for a in (("civil", rows), ("police", rows[::-1]))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert world.one("SELECT count(*) FROM core.penalty WHERE unit IN ('civil', 'police')")[0] == 16
    held = world.one("SELECT count(DISTINCT subject_id) FROM core.penalty WHERE unit IN ('civil', 'police')")[0]
    assert held == 4


def _check(body: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]
