"""The producer on a real broker: sealed all the way, nothing lost, nothing twice, every refusal told in Chinese."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from credit_local.certificates import ensure_certificates
from credit_producer import CreditProducer, Target, record_batches
from credit_producer.cli import cli
from credit_producer.errors import NotAllowed, Unanswered, Unreachable, Untrusted
from credit_producer.receipts import fetch_receipts
from credit_producer.settings import UnitSettings, unit_config_path, write_unit_config
from credit_producer.spool import Spool
from credit_schemas import topics as names
from credit_schemas.catalogue import load_catalogue
from credit_schemas.envelope import RESENT, read_headers
from credit_schemas.sealing import Opener, generate_center_key
from producer_support import write_csv
from servers import County
from unit.rows import PENALTY, PERSON, PERSON_PENALTY

CATALOGUE = load_catalogue()
KEY = generate_center_key()
UNIT = "market"


@pytest.fixture
def county(make_county) -> County:
    """A county of its own for each test: its topics are empty."""
    return make_county([UNIT, "edu"])


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def settings(county: County, home: Path) -> UnitSettings:
    return configure(county)


def configure(county: County, **more: object) -> UnitSettings:
    principal = names.unit_principal(UNIT)
    values = {
        "unit": UNIT,
        "county": county.code,
        "bootstrap": county.server.bootstrap,
        "username": principal,
        "password": county.passwords[principal],
        "center_key": str(KEY.public),
        "cafile": county.server.cafile,
    }
    return write_unit_config(unit_config_path(UNIT), **{**values, **more})


def numbered(n, row=PENALTY, **more):
    return {**row, "CF_WSH": f"示市监处罚〔2026〕{n}号", **more}


def run(*arguments: object):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def on_topic(county: County, unit: str = UNIT) -> list:
    """All records of a unit's intake topic."""
    consumer = KafkaConsumer(**county.client(names.CENTER_CONSUMER), enable_auto_commit=False)
    with closing(consumer):
        partition = TopicPartition(county.intake(unit), 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        found = []
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                found += records
    return found


def ids(records) -> list[str]:
    return [str(read_headers(r.headers).id) for r in records]


def give_receipts(county: County, *receipts: dict) -> None:
    """Write receipts as the center's relay does."""
    with closing(KafkaProducer(**county.client(names.CENTER_RELAY), acks="all")) as relay:
        for receipt in receipts:
            value = receipt if isinstance(receipt, bytes) else json.dumps(receipt, ensure_ascii=False).encode()
            relay.send(county.receipts(UNIT), value=value).get(timeout=10)


def receipt(ce_id: str | None, status: str, **more: object) -> dict:
    body = {"receipt_id": str(uuid4()), "ce_id": ce_id, "record_no": str(uuid4()), "unit": UNIT, "dataset": "penalty"}
    body |= {"status": status, "destination": None, "problems": [], "revision": 1, "note": "说明"}
    return body | {"at": "2026-11-24T09:00:00+08:00"} | more


def test_file_arrives_decodable_and_no_number_is_in_clear_anywhere(county, settings, tmp_path):
    rows = [numbered(1), numbered(2, PERSON_PENALTY), numbered(3, CF_JDRQ="2099-01-01", CF_XDR_SHXYM=PERSON)]
    rows.append(numbered(4, PERSON_PENALTY, EXT_CFCX="简易程序"))
    path = write_csv(tmp_path / "处罚.csv", rows)
    result = run("send", path, "--dataset", "行政处罚", "--unit", "县市场监管局", "--json")
    assert result.exit_code == 1, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["verdict"] for line in lines] == ["warn", "warn", "reject", "reject"]

    records = on_topic(county)
    # The row that must not be reported was not sent at all; the other refused one as a notice.
    assert ids(records) == [line["ce_id"] for line in lines[:3]]
    assert lines[3]["ce_id"] is None
    envelopes = [read_headers(r.headers) for r in records]
    assert [(e.unit, e.county, e.dataset, e.act) for e in envelopes] == [
        (UNIT, county.code, "penalty", act) for act in ("report", "report", "refusal")
    ]
    decoded = [CATALOGUE.codec.decode(r.value) for r in records]
    assert [d.dataset for d in decoded] == ["penalty", "penalty", "refusal"]
    assert decoded[0].value["CF_NR_FK"] == 50_000
    assert decoded[1].value["CF_JDRQ"] == date(2026, 5, 6)
    sealed = decoded[1].value["CF_XDR_ZJHM"]
    assert Opener([KEY]).open(sealed, f"{UNIT}/penalty/CF_XDR_ZJHM") == PERSON
    assert decoded[2].value["locator"] == "第4行"

    raw = b"".join(part for r in records for part in (r.key, r.value, *(v for _, v in r.headers)))
    stored = b"".join(p.read_bytes() for p in settings.spool.parent.iterdir())
    log = b"".join(p.read_bytes() for p in (county.server.folder / "data").glob(f"{county.intake(UNIT)}-0/*.log"))
    assert ids(records)[0].encode() in stored
    assert ids(records)[0].encode() in log
    for place in (raw, stored, log, result.output.encode()):
        assert PERSON.encode() not in place


def test_events_stay_in_the_spool_until_the_center_has_answered(county, settings):
    with CreditProducer(UNIT) as producer:
        answer = producer.report("penalty", numbered(1), source_key="A-1")
        assert answer.verdict in ("accept", "warn")
        assert producer.flush() == 1
        assert producer.flush() == 0
    with Spool(settings.spool) as spool:
        assert list(spool.counts()) == [("penalty", "sent", None)]
        give_receipts(county, receipt(answer.ce_id, "loaded"))
        assert [r["status"] for r in fetch_receipts(settings, spool).new] == ["loaded"]
        assert list(spool.counts()) == [("penalty", "settled", "loaded")]


def test_resending_keeps_id_key_and_content_and_says_that_it_is_sent_again(county, settings):
    with CreditProducer(UNIT) as producer:
        producer.report("penalty", numbered(1))
        producer.report("penalty", numbered(2, PERSON_PENALTY))
    result = run("resend", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"unit": UNIT, "sent": 2})
    records = on_topic(county)
    first, again = records[:2], records[2:]
    assert all(len(r.headers) == 6 for r in first)
    assert [(r.key, r.value, [*r.headers, RESENT]) for r in first] == [(r.key, r.value, r.headers) for r in again]


def test_settled_events_are_resent_only_when_a_day_is_named(county, settings):
    with CreditProducer(UNIT) as producer:
        answer = producer.report("penalty", numbered(1))
    give_receipts(county, receipt(answer.ce_id, "loaded"))
    assert run("receipts").exit_code == 0
    assert json.loads(run("resend", "--json").stdout)["sent"] == 0
    today = datetime.now(CATALOGUE.county.zone).date()
    assert json.loads(run("resend", "--since", today, "--json").stdout)["sent"] == 1
    assert ids(on_topic(county)) == [answer.ce_id] * 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_around_kafkas_ack_loses_nothing_and_keeps_the_id(county, settings, when):
    """`before`: in the spool, never sent. `after`: acknowledged by Kafka, not yet marked in the spool."""
    program = (
        "import sys, time\n"
        "from credit_producer import CreditProducer\n"
        "from credit_producer.spool import Spool\n"
        "from unit.rows import PENALTY\n"
        "def stop(*_): print('here', flush=True); time.sleep(60)\n"
        "if sys.argv[1] == 'after': Spool.mark_sent = stop\n"
        "with CreditProducer('market') as producer:\n"
        "    print(producer.report('penalty', PENALTY).ce_id, flush=True)\n"
        "    if sys.argv[1] == 'before': stop()\n"
    )
    tests = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", program, when],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": tests},
    )
    assert process.stdout is not None
    ce_id = process.stdout.readline().strip()
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(on_topic(county)) == (0 if when == "before" else 1)
    assert run("resend").exit_code == 0
    assert ids(on_topic(county)) == [ce_id] * (1 if when == "before" else 2)
    with Spool(settings.spool) as spool:
        assert spool.waiting() == 0


def test_sending_killed_halfway_and_started_again_delivers_every_row_in_order(county, settings, tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(n) for n in range(8000)])
    command = [sys.executable, "-m", "credit_producer.cli", "send", str(path), "--dataset", "penalty", "--unit", UNIT]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(6000):  # past the first visit to Kafka, far from the end
        process.stdout.readline()
    process.kill()
    process.wait()
    assert 0 < len(on_topic(county)) < 8000
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    arrived = [CATALOGUE.codec.decode(r.value).value["CF_WSH"] for r in on_topic(county)]
    wanted = [f"示市监处罚〔2026〕{n}号" for n in range(8000)]
    assert arrived[-8000:] == wanted
    assert set(arrived) == set(wanted)


def test_broker_that_is_away_costs_no_row_and_the_next_sending_delivers_each_once(county, settings, tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(n) for n in range(3)])
    good = unit_config_path(UNIT).read_text()
    configure(county, bootstrap="127.0.0.1:1")
    for _ in range(2):  # the clerk tries twice
        result = run("send", path, "--dataset", "penalty", "--unit", UNIT, "--json")
        assert result.exit_code == 3
        assert "连不上" in result.stderr
        assert "3 条还没有送出" in result.stderr
        assert "没有丢失" in result.stderr
    kept = [json.loads(line)["ce_id"] for line in result.stdout.splitlines()]
    assert "待发送 3 条" in run("status").output
    unit_config_path(UNIT).write_text(good)
    assert run("resend").exit_code == 0
    assert ids(on_topic(county)) == kept


def test_wrong_password_is_suspected_aloud_and_nothing_is_lost(county, home):
    settings = configure(county, password="wrong")
    producer = CreditProducer(UNIT).open()
    with closing(producer):
        producer.report("penalty", numbered(1))
        with pytest.raises(Unanswered, match="口令") as error:
            producer.flush()
    assert error.value.retriable
    assert error.value.waiting == 1
    with Spool(settings.spool) as spool:
        assert spool.waiting() == 1


def test_certificate_of_another_authority_is_told(county, home, tmp_path):
    other, _ = ensure_certificates(tmp_path / "other")
    configure(county, cafile=other)
    with closing(CreditProducer(UNIT).open()) as producer:
        producer.report("penalty", numbered(1))
        with pytest.raises(Untrusted, match=r"kafka\.cafile"):
            producer.flush()


def test_refused_topic_is_told_and_the_producer_works_again_once_allowed(county, settings):
    """The login of another unit: its writes are refused, and a producer refused once must be made anew."""
    edu = names.unit_principal("edu")
    mixed = configure(county, username=edu, password=county.passwords[edu])
    with closing(CreditProducer(UNIT, settings=mixed).open()) as producer:
        producer.report("penalty", numbered(1))
        with pytest.raises(NotAllowed, match="没有使用主题") as error:
            producer.flush()
        assert (error.value.topic, error.value.username) == (county.intake(UNIT), edu)
        assert not error.value.retriable
        assert on_topic(county) == []
        producer._publisher._settings = settings  # the center has opened the topic for this login
        assert producer.flush() == 1
    assert len(on_topic(county)) == 1


def test_receipts_of_another_unit_cannot_be_read_and_that_is_told(county, settings):
    edu = names.unit_principal("edu")
    mixed = configure(county, username=edu, password=county.passwords[edu])
    with Spool(settings.spool) as spool, pytest.raises(NotAllowed) as error:
        fetch_receipts(mixed, spool)
    assert error.value.topic == county.receipts(UNIT)


def test_unreachable_broker_is_told_within_seconds(county, home):
    settings = configure(county, bootstrap=["127.0.0.1:1", "127.0.0.1:2"])
    started = time.monotonic()
    with closing(CreditProducer(UNIT).open()) as producer:
        producer.report("penalty", numbered(1))
        with pytest.raises(Unreachable, match="没有开放这个端口"):
            producer.flush()
    assert time.monotonic() - started < 5
    with Spool(settings.spool) as spool, pytest.raises(Unreachable):
        fetch_receipts(settings, spool)


def test_second_sender_waits_its_turn(county, settings, tmp_path):
    with CreditProducer(UNIT):
        result = run("send", write_csv(tmp_path / "f.csv", [numbered(1)]), "--dataset", "penalty", "--unit", UNIT)
    assert result.exit_code == 3
    assert "另一个程序" in result.output


def test_correction_through_the_sdk_reaches_the_topic(county, settings):
    with CreditProducer(UNIT) as producer:
        producer.report("penalty", numbered(1), source_key="A-1")
        answer = producer.correct(
            "penalty", numbered(1, CF_NR="罚款五百元"), target=Target(source_key="A-1"), reason="内容有误"
        )
        refused = producer.report("penalty", numbered(2, CF_JDRQ="2099-01-01"))
        withheld = producer.report("penalty", numbered(3, PERSON_PENALTY, EXT_SM="是"))
    assert "CF_JDRQ.not_after" in [p.rule for p in refused.problems]
    assert withheld.ce_id is None
    reported, corrected, notice = on_topic(county)
    assert ids([corrected, notice]) == [answer.ce_id, refused.ce_id]
    assert corrected.key == reported.key
    value = CATALOGUE.codec.decode(corrected.value).value
    assert (value["target"]["source_key"], value["reason"]) == ("A-1", "内容有误")


def test_the_example_of_the_documentation_runs(county, settings):
    example = Path(__file__).parents[2] / "docs" / "examples" / "report_ten_lines.py"
    done = subprocess.run([sys.executable, str(example)], capture_output=True, check=True)
    [record] = on_topic(county)
    assert ids([record])[0] in done.stdout.decode()
    assert CATALOGUE.codec.decode(record.value).value["source_key"] == "2026-0008"


def test_past_days_can_be_played_on_a_test_stack(make_county, home):
    county = make_county([UNIT], trust_producer_time=True)
    configure(county)
    with CreditProducer(UNIT, as_of=date(2026, 5, 7)) as producer:
        answer = producer.report("penalty", numbered(1))
        late = producer.report("penalty", numbered(2, CF_JDRQ="2026-05-08"))
    assert late.verdict == "reject"
    record = on_topic(county)[0]
    assert ids([record]) == [answer.ce_id]
    played = datetime.fromtimestamp(record.timestamp / 1000, CATALOGUE.county.zone)
    assert (
        played.date() == read_headers(record.headers).time.astimezone(CATALOGUE.county.zone).date() == date(2026, 5, 7)
    )


@pytest.fixture
def answered(county, settings, tmp_path) -> list[str]:
    """A file of three rows, sent, and what the center said of them."""
    path = write_csv(tmp_path / "处罚.csv", [numbered(n) for n in (1, 2, 3)])
    result = run("send", path, "--dataset", "penalty", "--unit", UNIT, "--json")
    sent = [json.loads(line)["ce_id"] for line in result.stdout.splitlines()]
    reason = {"column": "CF_WSH", "rule": "r", "severity": "reject", "message": "文号与他人重复。"}
    give_receipts(
        county,
        receipt(sent[0], "loaded"),
        b"no receipt at all",
        receipt(sent[1], "rejected", problems=[reason], note="没有入库"),
        receipt(sent[0], "accepted", destination="province", note="河南省平台已接收"),
        receipt(sent[2], "waiting"),
    )
    return sent


def test_receipts_name_file_row_status_and_reason(county, answered, tmp_path):
    result = run("receipts")
    assert result.exit_code == 0, result.output
    assert "已入库 1" in result.output
    assert "省已接收 1" in result.output
    assert f"已拒收 {tmp_path / '处罚.csv'} 第 3 行：没有入库 文号与他人重复。" in result.output
    assert "1 条消息不是回执" in result.output
    saved = run("receipts", "--report", tmp_path / "回执.csv")
    assert saved.exit_code == 0, saved.output
    table = (tmp_path / "回执.csv").read_text(encoding="utf-8-sig")
    assert table.splitlines()[0] == "时间,数据集,文件,行号,记录编号,结果,说明,事件编号"
    assert len(table.splitlines()) == 5
    assert f",已拒收,没有入库 文号与他人重复。,{answered[1]}" in table
    counts = json.loads(run("status", "--json").stdout)["events"]
    assert [(c["state"], c["receipt"], c["count"]) for c in counts] == [
        ("sent", "waiting", 1),
        ("settled", "loaded", 1),
        ("settled", "rejected", 1),
    ]


def test_receipts_are_kept_and_new_ones_told_apart(county, answered):
    first = [json.loads(line) for line in run("receipts", "--unit", UNIT, "--json").stdout.splitlines()]
    assert [(r["ce_id"], r["status"], r["line"]) for r in first] == [
        (answered[0], "loaded", 2),
        (answered[1], "rejected", 3),
        (answered[0], "accepted", 2),
        (answered[2], "waiting", 4),
    ]
    assert run("receipts", "--new", "--json").stdout == ""
    assert len(run("receipts", "--json").stdout.splitlines()) == 4
    give_receipts(county, receipt(answered[2], "loaded"))
    assert [json.loads(x)["status"] for x in run("receipts", "--new", "--json").stdout.splitlines()] == ["loaded"]


def test_kept_receipts_are_shown_while_kafka_is_away(county, answered):
    assert run("receipts").exit_code == 0
    configure(county, bootstrap="127.0.0.1:1")
    result = run("receipts", "--json")
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 4
    assert "以前收到的" in result.stderr


def test_center_can_ask_for_sending_again(county, answered):
    give_receipts(county, receipt(answered[0], "resend"))
    result = run("receipts")
    assert "1 条已放回发送队列" in result.output
    assert run("resend").exit_code == 0
    # The one asked for and the two without a final answer, in their old order.
    assert ids(on_topic(county))[3:] == [answered[0], answered[2]]


def test_second_machine_of_a_unit_gets_all_receipts_too(county, answered, settings, tmp_path):
    with Spool(settings.spool) as one, Spool(tmp_path / "second.sqlite") as two:
        assert len(fetch_receipts(settings, one).new) == 4
        assert len(fetch_receipts(settings, two).new) == 4
        assert fetch_receipts(settings, two).new == []


def test_waiting_for_receipts_ends_when_told(county, settings):
    started = time.monotonic()
    result = run("receipts", "--wait", "2")
    assert result.exit_code == 0
    assert "还没有回执" in result.output
    assert 2 <= time.monotonic() - started < 10


@pytest.mark.parametrize("known", [True, False], ids=["whole batches", "record by record"])
def test_many_rows_at_once_arrive_in_order_with_the_answers_ids_whatever_kafka_python_it_is(
    county, settings, monkeypatch, known
):
    if not known:
        monkeypatch.setattr(record_batches, "RELEASES", ())
    rows = [numbered(n, PERSON_PENALTY if n % 7 == 0 else PENALTY) for n in range(5000)]
    rows[3] = {**rows[3], "CF_NR": ""}  # a refusal on its way between the others
    rows[4] = {**rows[4], "EXT_SM": "是"}  # not to be sent at all
    with CreditProducer(UNIT) as producer:
        answers = producer.report_many("penalty", rows, source_keys=[f"A-{n}" for n in range(5000)])
        one_by_one = producer.report("penalty", numbered(5000), source_key="A-5000")
        assert producer.flush() == 5000
    records = on_topic(county)
    assert ids(records) == [a.ce_id for a in [*answers, one_by_one] if a.ce_id]
    assert (answers[3].verdict, answers[4].ce_id) == ("reject", None)
    decoded = [CATALOGUE.codec.decode(r.value) for r in records]
    assert [d.value["source_key"] for d in decoded if d.dataset == "penalty"] == [
        f"A-{n}" for n in range(5001) if n not in (3, 4)
    ]
    with Spool(settings.spool) as spool:
        assert spool.counts() == {("penalty", "sent", None): 5000}


def test_a_mistake_in_the_middle_of_many_rows_keeps_the_batches_before_it_and_nothing_of_its_own(
    county, settings, monkeypatch
):
    monkeypatch.setattr("credit_producer.sdk.BATCH", 10)
    rows = [numbered(n) for n in range(25)]
    rows[17] = {**rows[17], "CF_XXX": "1"}
    with CreditProducer(UNIT) as producer:
        with pytest.raises(ValueError, match="CF_XXX"):
            producer.report_many("penalty", rows)
        assert sum(producer.spool.counts().values()) == 10
        rows[17].pop("CF_XXX")
        producer.report_many("penalty", rows)
    arrived = [CATALOGUE.codec.decode(r.value).value["CF_WSH"] for r in on_topic(county)]
    assert list(dict.fromkeys(arrived)) == [r["CF_WSH"] for r in rows]


def test_many_rows_are_taken_while_kafka_is_away(county, home):
    configure(county, bootstrap="127.0.0.1:1")
    with closing(CreditProducer(UNIT).open()) as producer:
        answers = producer.report_many("penalty", [numbered(n) for n in range(6000)])
        assert len({a.ce_id for a in answers}) == 6000
        with pytest.raises(Unreachable, match="6000 条还没有送出"):
            producer.flush()
