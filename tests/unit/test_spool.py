"""The spool: nothing lost, nothing twice, nothing personal in clear (DESIGN, promises 1 and 4)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from credit_producer.errors import SpoolBusy, SpoolDamaged, SpoolUnusable
from credit_producer.lock import SenderLock
from credit_producer.spool import KEEP_SETTLED, Spool, SpoolEvent
from credit_schemas.envelope import RESENT
from credit_schemas.uuid7 import uuid7


def event(content: str = "content", key: str = "record", **more: object) -> SpoolEvent:
    ce_id = str(uuid7())
    made = SpoolEvent(
        ce_id=ce_id,
        topic="credit.410421.intake.market",
        key=key.encode(),
        value=f"value of {content}".encode(),
        headers=[("ce_id", ce_id.encode()), ("ce_type", b"credit.penalty.report")],
        time_ms=1_790_000_000_000,
        dataset="penalty",
        act="report",
        digest=content.encode(),
    )
    return made._replace(**more)


def receipt(ce_id: str | None, status: str, **more: object) -> dict[str, object]:
    return {"receipt_id": str(uuid7()), "ce_id": ce_id, "status": status, "at": "2026-11-24T08:00:00+08:00", **more}


@pytest.fixture
def spool(tmp_path: Path):
    with Spool(tmp_path / "market.sqlite") as opened:
        yield opened


def sent(spool: Spool, *events: SpoolEvent) -> list[str]:
    ids = spool.add(events)
    spool.mark_sent(q.seq for q in spool.queued(100))
    return ids


def states(spool: Spool) -> dict[tuple[str, str | None], int]:
    return {(state, told): n for (_, state, told), n in spool.counts().items()}


def test_what_was_added_survives_kill_9(tmp_path):
    path = tmp_path / "market.sqlite"
    program = (
        "import sys, time; from pathlib import Path; from credit_producer.spool import Spool, SpoolEvent\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "spool.add([SpoolEvent('id', 't', b'k', b'v', [('ce_id', b'id')], 1, 'penalty', 'report', b'd')])\n"
        "print('added', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "added\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Spool(path) as spool:
        assert [(q.key, q.value, q.headers) for q in spool.queued(10)] == [(b"k", b"v", [("ce_id", b"id")])]


def test_add_is_all_or_nothing(spool):
    good = event()
    with pytest.raises(sqlite3.IntegrityError):
        spool.add([good, event(key="other", ce_id=good.ce_id)])
    assert spool.waiting() == 0


def test_kafkas_ack_does_not_settle_an_event_only_a_final_receipt_does(spool):
    [ce_id] = sent(spool, event())
    assert states(spool) == {("sent", None): 1}
    spool.store_receipts([receipt(ce_id, "waiting")])
    assert states(spool) == {("sent", "waiting"): 1}
    spool.store_receipts([receipt(ce_id, "loaded")])
    assert states(spool) == {("settled", "loaded"): 1}


@pytest.mark.parametrize("status", ["loaded", "rejected", "unchanged", "duplicate"])
def test_each_final_receipt_settles(spool, status):
    [ce_id] = sent(spool, event())
    spool.store_receipts([receipt(ce_id, status)])
    assert states(spool) == {("settled", status): 1}
    assert spool.requeue() == 0


def test_news_from_above_does_not_reopen_a_settled_event(spool):
    [ce_id] = sent(spool, event())
    spool.store_receipts([receipt(ce_id, "loaded"), receipt(ce_id, "forwarded"), receipt(ce_id, "returned")])
    assert states(spool) == {("settled", "loaded"): 1}


def test_receipt_that_overtakes_the_ack_is_not_forgotten(spool):
    [ce_id] = spool.add([event()])
    queued = spool.queued(1)
    spool.store_receipts([receipt(ce_id, "loaded")])
    spool.mark_sent(q.seq for q in queued)
    assert states(spool) == {("settled", "loaded"): 1}


def test_duplicate_keeps_the_verdict_of_the_first_arrival(spool):
    [ce_id] = sent(spool, event())
    spool.store_receipts([receipt(ce_id, "rejected"), receipt(ce_id, "duplicate")])
    assert states(spool) == {("settled", "rejected"): 1}


def test_receipt_read_twice_is_kept_once(spool):
    answer = receipt(sent(spool, event())[0], "loaded")
    assert spool.store_receipts([answer]) == ([answer], 0)
    assert spool.store_receipts([answer]) == ([], 0)
    assert len(list(spool.receipts())) == 1


def test_receipt_names_the_row_it_answers(spool):
    [ce_id] = sent(spool, event(file="处罚.xlsx", row=3, line=5))
    spool.store_receipts([receipt(ce_id, "rejected", note="说明"), receipt(None, "resend")])
    told = list(spool.receipts())
    assert [(r["file"], r["row"], r["line"]) for r in told] == [("处罚.xlsx", 3, 5), (None, None, None)]
    assert told[0]["note"] == "说明"


def test_resending_keeps_order_and_ids_and_leaves_settled_events_alone(spool):
    first, second, third = sent(spool, event("a", "1"), event("b", "2"), event("c", "3"))
    spool.store_receipts([receipt(second, "loaded")])
    assert spool.requeue() == 2
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(10)] == [first, third]


def resent(spool: Spool) -> list[bool]:
    """Of each queued event, whether it says that it is sent again, behind the headers it was made with."""
    headers = [list(q.headers) for q in spool.queued(100)]
    assert all(h[2:] in ([], [RESENT]) for h in headers)
    return [len(h) == 3 for h in headers]


def test_what_is_sent_again_says_so_and_what_is_new_does_not(spool):
    first, _ = sent(spool, event("a", "1"), event("b", "2"))
    spool.add([event("c", "3")])
    assert resent(spool) == [False]
    spool.requeue()
    spool.add([event("d", "4")])
    assert resent(spool) == [True, True, False, False]
    with Spool(spool.path) as afterwards:  # read from the disk, not from memory
        assert resent(afterwards) == [True, True, False, False]
    spool.mark_sent(q.seq for q in spool.queued(100))
    [new] = spool.add([event("e", "5")])
    assert resent(spool) == [False]
    spool.mark_sent(q.seq for q in spool.queued(100))
    # An older one after a younger one: none takes the mark from another.
    spool.requeue(ce_id=new)
    spool.requeue(ce_id=first)
    assert resent(spool) == [True, True]


def test_what_a_later_event_has_overtaken_says_so(spool):
    """Kafka took the later batch and not the earlier one: the earlier one comes after it now."""
    spool.add([event(str(n), str(n)) for n in range(4)])
    seqs = [q.seq for q in spool.queued(10)]
    spool.mark_sent([seqs[0], seqs[2]])
    assert resent(spool) == [True, False]
    with Spool(spool.path) as afterwards:
        assert resent(afterwards) == [True, False]


def test_an_event_that_kafka_did_not_take_goes_out_as_new(spool):
    """Nothing has overtaken it: a try that failed is no second sending."""
    spool.add([event("a", "1"), event("b", "2"), event("c", "3")])
    spool.mark_sent([spool.queued(10)[0].seq])
    assert resent(spool) == [False, False]


def test_resending_since_a_time_includes_settled_events(spool):
    before = datetime.now(UTC)
    ids = sent(spool, event("a", "1"), event("b", "2"))
    spool.store_receipts([receipt(ids[0], "loaded")])
    # What was never answered goes out whenever it was made: it may have lain here for days before it was sent.
    assert spool.requeue(since=datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(10)] == ids[1:]
    assert spool.requeue(since=before) == 1
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(10)] == ids


def test_the_center_can_ask_for_one_event_for_all_or_for_a_span(spool):
    before = datetime.now(UTC).isoformat()
    ids = sent(spool, event("a", "1"), event("b", "2"), event("c", "3"))
    spool.store_receipts([receipt(ids[0], "loaded")])
    assert spool.store_receipts([receipt(ids[0], "resend")])[1] == 1
    assert spool.store_receipts([receipt(None, "resend")])[1] == 2
    spool.mark_sent(q.seq for q in spool.queued(10))
    assert spool.store_receipts([receipt(None, "resend", since=before)])[1] == 3


def test_content_that_never_left_waits_once(spool):
    one = event("same")
    assert spool.add([one]) == [one.ce_id]
    assert spool.add([event("same"), event("same")]) == [one.ce_id, one.ce_id]
    assert spool.waiting() == 1


def test_content_that_left_before_is_a_new_event(spool):
    [old] = sent(spool, event("same"))
    assert spool.add([event("same")]) != [old]
    spool.requeue()
    assert len({dict(q.headers)["ce_id"] for q in spool.queued(10)}) == 2


def test_going_back_to_an_earlier_content_is_a_third_event(spool):
    assert len(set(spool.add([event("a"), event("b"), event("a")]))) == 3


def test_same_content_under_another_act_is_another_event(spool):
    assert len(set(spool.add([event("a"), event("a", act="refusal")]))) == 2


def test_settled_value_goes_after_its_time_and_the_verdict_stays(spool):
    [old, young, open_] = sent(spool, event("old-content", "1"), event("young-content", "2"), event("open", "3"))
    spool.store_receipts([receipt(old, "loaded")])
    later = datetime.now(UTC) + KEEP_SETTLED + timedelta(seconds=1)
    assert spool.forget_settled(later) == 1
    spool.store_receipts([receipt(young, "rejected")])
    assert spool.forget_settled() == 0
    assert states(spool) == {("settled", "loaded"): 1, ("settled", "rejected"): 1, ("sent", None): 1}
    assert spool.requeue(since=datetime(2020, 1, 1, tzinfo=UTC)) == 2
    assert open_ in {dict(q.headers)["ce_id"].decode() for q in spool.queued(10)}


def test_forgotten_value_is_gone_from_the_files_too(tmp_path):
    path = tmp_path / "market.sqlite"
    with Spool(path) as spool:
        spool.store_receipts([receipt(sent(spool, event("planted-value"))[0], "loaded")])
        spool.forget_settled(datetime.now(UTC) + KEEP_SETTLED + timedelta(days=1))
    left = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"value of planted-value" not in left


def test_only_the_owner_can_read_the_spool(tmp_path):
    with Spool(tmp_path / "deep" / "market.sqlite") as spool:
        spool.add([event()])
        modes = {p.name: p.stat().st_mode & 0o777 for p in spool.path.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        assert spool.path.parent.stat().st_mode & 0o777 == 0o700


def test_one_sender_at_a_time_and_the_second_is_told_who(tmp_path):
    path = tmp_path / "market.sqlite"
    held = SenderLock(path)
    with pytest.raises(SpoolBusy) as busy:
        SenderLock(path)
    assert str(os.getpid()) in str(busy.value)
    assert busy.value.retriable
    held.close()
    SenderLock(path).close()


def test_lock_of_a_killed_sender_is_free(tmp_path):
    path = tmp_path / "market.sqlite"
    program = (
        "import sys, time; from pathlib import Path; from credit_producer.lock import SenderLock\n"
        "lock = SenderLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(SpoolBusy, match=str(process.pid)):
        SenderLock(path)
    process.kill()
    process.wait()
    SenderLock(path).close()


def test_receipts_can_be_stored_while_another_process_sends(tmp_path):
    path = tmp_path / "market.sqlite"
    with Spool(path) as sender, Spool(path) as reader:
        [ce_id] = sender.add([event()])
        reader.store_receipts([receipt(ce_id, "loaded")])
        assert sender.waiting() == 0


def test_each_spool_has_its_own_name_for_life(tmp_path):
    with Spool(tmp_path / "a.sqlite") as a, Spool(tmp_path / "b.sqlite") as b:
        assert a.id != b.id
        named = a.id
    with Spool(tmp_path / "a.sqlite") as again:
        assert again.id == named


def foreign(path: Path, statement: str) -> None:
    con = sqlite3.connect(path)
    con.execute(statement)
    con.commit()
    con.close()


def test_file_that_is_no_spool_is_refused_and_left_as_it_is(tmp_path):
    junk, other, newer = (tmp_path / name for name in ("junk.sqlite", "other.sqlite", "newer.sqlite"))
    junk.write_bytes(b"not a database at all, but long enough to be taken for one " * 20)
    foreign(other, "CREATE TABLE mine (x)")
    Spool(newer).close()
    foreign(newer, "PRAGMA user_version = 2")
    for path, said in ((junk, "已损坏"), (other, "别的程序"), (newer, "升级")):
        before = path.read_bytes()
        with pytest.raises(SpoolDamaged, match=said):
            Spool(path)
        assert path.read_bytes() == before


def test_full_disk_is_told_and_what_was_there_stays(spool):
    [kept] = spool.add([event()])
    spool._con.execute("PRAGMA max_page_count = 1")  # SQLite's own way to be out of room
    with pytest.raises(SpoolUnusable, match="磁盘空间") as full:
        spool.add([event("large", "2", value=b"x" * 1_000_000)])
    assert full.value.retriable
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(10)] == [kept]


def test_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable):
        Spool(tmp_path / "file" / "market.sqlite")


def test_what_an_event_says_is_known_whatever_became_of_the_last_one(spool):
    assert spool.known(event()) is None
    [first] = spool.add([event()])
    assert spool.known(event()) == first
    spool.mark_sent(q.seq for q in spool.queued(10))
    spool.store_receipts([receipt(first, "loaded")])
    spool.forget_settled(datetime.now(UTC) + KEEP_SETTLED + timedelta(days=1))
    assert spool.known(event()) == first
    assert spool.known(event("other")) is None
    spool.add([event("other")])
    assert spool.known(event()) is None  # back to what it once was is a change, too


def test_a_bookmark_is_kept_with_the_events_and_an_older_spool_gets_its_index(tmp_path):
    path = tmp_path / "market.sqlite"
    with Spool(path) as first:
        assert first.bookmark("penalty/frxzcf") is None
        first.set_bookmark("penalty/frxzcf", "1")
        first.set_bookmark("penalty/frxzcf", "2")
        name = first.id
    with sqlite3.connect(path) as con:
        con.execute("DROP INDEX event_key")
    con.close()
    with Spool(path) as again:
        assert (again.bookmark("penalty/frxzcf"), again.id) == ("2", name)
        plan = again._all("EXPLAIN QUERY PLAN SELECT 1 FROM event WHERE key = ? ORDER BY seq DESC", b"k")
        assert "event_key" in str(plan)


def test_what_was_sent_in_order_is_sent_again_when_asked_for_and_counts_as_having_left(spool):
    ids = spool.add([event("a", "1"), event("b", "2"), event("c", "3")])
    spool.mark_sent(q.seq for q in spool.queued(2))
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(9)] == ids[2:]
    assert (spool.waiting(), states(spool)) == (1, {("queued", None): 1, ("sent", None): 2})
    again = spool.add([event("a", "1")])
    assert again != ids[:1]  # the first one left this machine
    spool.store_receipts([receipt(ids[0], "loaded")])
    assert spool.requeue() == 1
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(9)] == [ids[1], ids[2], *again]
    assert spool.requeue(since=datetime(2020, 1, 1, tzinfo=UTC)) == 1
    assert spool.add([event("a", "1"), event("b", "2")])[1] != ids[1]
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(9)][:4] == [*ids, *again]


def test_what_was_put_back_is_not_covered_by_what_is_sent_after_it(tmp_path):
    with Spool(tmp_path / "market.sqlite") as sender, Spool(tmp_path / "market.sqlite") as reader:
        first = sent(sender, event("a", "1"), event("b", "2"))
        later = sender.add([event("c", "3")])
        flying = sender.queued(9)
        reader.store_receipts([receipt(None, "resend")])
        sender.mark_sent(q.seq for q in flying)
        assert [dict(q.headers)["ce_id"].decode() for q in sender.queued(9)] == first
        assert states(reader) == {("queued", None): 2, ("sent", None): 1}
        sender.mark_sent(q.seq for q in sender.queued(9))
        assert states(reader) == {("sent", None): 3}
        assert later


def test_a_batch_that_failed_in_the_middle_leaves_just_its_events_queued(spool):
    ids = spool.add([event(str(n), str(n)) for n in range(6)])
    seqs = [q.seq for q in spool.queued(9)]
    spool.mark_sent([seqs[0], seqs[3], seqs[4]])
    assert [dict(q.headers)["ce_id"].decode() for q in spool.queued(9)] == [ids[1], ids[2], ids[5]]
    spool.mark_sent([seqs[1], seqs[2], seqs[5]])
    assert (spool.waiting(), states(spool)) == (0, {("sent", None): 6})
