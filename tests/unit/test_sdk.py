"""The door for programs: answers at once, and what was reported is on disk whether or not Kafka is there."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import date

import pytest

from credit_producer import CreditProducer, Target
from credit_producer import connection as kafka_connection
from credit_producer.errors import BadTarget, NoSettings, SlowChecksum, Unreachable
from credit_producer.settings import unit_config_path, write_unit_config
from credit_producer.spool import Spool
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import UnknownDataset
from credit_schemas.sealing import generate_center_key
from unit.rows import PENALTY, PERSON, PERSON_PENALTY


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A configuration whose broker is not there."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    return write_unit_config(
        unit_config_path("market"),
        unit="market",
        county="410421",
        bootstrap="127.0.0.1:1",
        username="unit.market",
        password="secret",
        center_key=str(generate_center_key().public),
    )


@pytest.fixture
def producer(settings):
    with closing(CreditProducer("县市场监管局").open()) as opened:
        yield opened


def test_reported_row_is_on_disk_before_the_answer_although_kafka_is_away(producer, settings):
    answer = producer.report("行政处罚", PENALTY, source_key="A-1")
    with Spool(settings.spool) as other:
        assert [dict(q.headers)["ce_id"].decode() for q in other.queued(10)] == [answer.ce_id]
    assert answer.normalised["CF_NR_FK"] == "0.05"
    assert answer.verdict in ("accept", "warn")


def test_leaving_while_kafka_is_away_says_so_and_keeps_the_rows(settings):
    with pytest.raises(Unreachable, match="没有丢失") as error, CreditProducer("market") as producer:
        producer.report("penalty", PENALTY)
    assert (error.value.retriable, error.value.waiting) == (True, 1)
    with Spool(settings.spool) as spool:
        assert spool.waiting() == 1


def test_error_inside_is_not_hidden_behind_the_sending(settings):
    with pytest.raises(ZeroDivisionError), CreditProducer("market"):
        _ = 1 / 0


def test_answer_masks_personal_numbers_and_typed_cells_are_welcome(producer):
    answer = producer.report("penalty", {**PERSON_PENALTY, "CF_JDRQ": date(2026, 5, 6), "CF_NR_FK": 0.05, "BZ": None})
    assert answer.normalised["CF_XDR_ZJHM"] == "110105********002X"
    assert PERSON not in str(answer)
    assert answer.normalised["CF_JDRQ"] == "2026-05-06"


def test_row_that_must_not_be_reported_leaves_no_trace_in_the_spool(producer):
    answer = producer.report("penalty", {**PERSON_PENALTY, "EXT_SM": "是"})
    assert (answer.ce_id, answer.verdict) == (None, "reject")
    assert producer.spool.waiting() == 0


def test_rejected_row_leaves_as_a_refusal_only(producer):
    answer = producer.report("penalty", {**PENALTY, "CF_NR": ""})
    assert answer.ce_id
    assert producer.spool.counts() == {("penalty", "queued", None): 1}
    assert [dict(q.headers)["ce_type"] for q in producer.spool.queued(10)] == [b"credit.penalty.refusal"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\x1fb", PERSON])
def test_source_key_the_center_would_refuse_is_refused_here(producer, key):
    with pytest.raises(ValueError, match="source_key"):
        producer.report("penalty", PENALTY, source_key=key)


def test_a_reason_with_a_residents_number_is_refused_here(producer):
    with pytest.raises(BadTarget, match="号码"):
        producer.correct("penalty", PENALTY, target=Target(source_key="A-1"), reason=f"号码原为{PERSON}")
    assert producer.spool.counts() == {}


def test_programming_mistakes_are_told_at_once(producer):
    with pytest.raises(ValueError, match="CF_XXX"):
        producer.report("penalty", {**PENALTY, "CF_XXX": "1"})
    with pytest.raises(UnknownDataset, match="penalties"):
        producer.report("penalties", PENALTY)
    with pytest.raises(BadTarget, match="reason"):
        producer.correct("penalty", PENALTY, target=Target(source_key="A-1"), reason=" ")
    with pytest.raises(BadTarget, match="record_no"):
        producer.correct("penalty", PENALTY, target=Target(), reason="写错")
    assert producer.spool.waiting() == 0


def test_unknown_unit_and_missing_configuration_are_told(settings):
    with pytest.raises(UnknownUnit):
        CreditProducer("不存在的局")
    with pytest.raises(NoSettings, match=r"edu\.toml"):
        CreditProducer("教体局")


def test_threads_may_share_a_producer(producer):
    def work(start: int) -> None:
        for n in range(start, start + 50):
            producer.report("penalty", {**PENALTY, "CF_WSH": f"示〔2026〕{n}号"})

    threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert producer.spool.waiting() == 200


def test_missing_compiled_checksum_is_told_at_the_start(settings, monkeypatch):
    monkeypatch.setattr(kafka_connection.util, "crc32c_c", None)
    with pytest.raises(SlowChecksum, match="crc32c"):
        CreditProducer("market").open()


def act_of(producer, **more):
    said = {"target": Target(source_key="A-1"), "reason": "当事人填错", "effective": date(2026, 5, 20)} | more
    return producer.act(said.pop("act", "withdraw"), said.pop("dataset", "penalty"), **said)


def test_an_act_leaves_as_one_common_form_naming_dataset_and_act_in_its_headers(producer, settings):
    answer = act_of(producer)
    (queued,) = producer.spool.queued(10)
    assert dict(queued.headers)["ce_type"] == b"credit.penalty.withdraw"
    value = producer.catalogue.codec.decode(queued.value)
    assert (value.dataset, value.value["AC_CZ"], value.value["AC_LYZJ"]) == ("record_act", "误报撤回", "A-1")
    assert answer.ce_id == dict(queued.headers)["ce_id"].decode()


@pytest.mark.parametrize("word", ["误报撤回", "撤回", "withdraw"])
def test_an_act_may_be_called_by_its_word_or_its_id(producer, word):
    assert act_of(producer, act=word).verdict == "accept"
    (queued,) = producer.spool.queued(10)
    assert dict(queued.headers)["ce_type"] == b"credit.penalty.withdraw"


def test_a_persons_number_in_the_target_of_an_act_travels_sealed(producer):
    target = Target(
        authority_code=PENALTY["CF_CFJGDM"], document_no="示市监处罚〔2026〕8号", decision_date=date(2026, 5, 6),
        subject_id_type="身份证", subject_id_no=PERSON,
    )  # fmt: skip
    answer = act_of(producer, target=target)
    (queued,) = producer.spool.queued(10)
    assert PERSON.encode() not in queued.value
    assert PERSON not in str(answer)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"act": "repair"}, "AC_YJ.required"),
        ({"act": "dispute_close", "basis": "x"}, "AC_JG.required"),
        ({"act": "delete"}, "AC_CZ.code_set"),
        ({"reason": " "}, "AC_YY.required"),
        ({"effective": date(2099, 1, 1)}, "AC_SXRQ.not_after"),
        ({"reason": f"当事人 {PERSON}"}, "AC_YY.no_personal_number"),
    ],
)
def test_an_act_that_lacks_something_is_told_at_once_and_not_sent(producer, more, rule):
    answer = act_of(producer, **more)
    assert (answer.ce_id, [p.rule for p in answer.problems]) == (None, [rule])
    assert producer.spool.waiting() == 0


def test_a_correction_by_document_where_documents_name_no_record_is_refused_at_once(producer):
    target = Target(
        authority_code=PENALTY["CF_CFJGDM"], document_no="8号", decision_date=date(2026, 5, 6), subject_name="示例"
    )
    with pytest.raises(BadTarget, match="record_no"):
        producer.correct("rating", {}, target=target, reason="示例")


def test_an_act_by_document_where_documents_name_no_record_is_told_at_once(producer):
    target = Target(
        authority_code=PENALTY["CF_CFJGDM"], document_no="8号", decision_date=date(2026, 5, 6), subject_name="示例"
    )
    answer = act_of(producer, dataset="rating", target=target)
    assert (answer.ce_id, [p.rule for p in answer.problems]) == (None, ["AC_JLBH.only_by_number"])
