"""What leaves a department: sealed numbers only, a key nobody can turn back, and refusals without a personal value."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_producer.errors import BadTarget
from credit_producer.events import EventMaker, Place, Target, own_words, unquoted
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import check_row
from credit_schemas.envelope import read_headers
from credit_schemas.rules import Context
from credit_schemas.sealing import Opener, Sealer, Tampered, generate_center_key
from credit_schemas.uuid7 import uuid7_time
from unit.rows import AUTHORITY, COMPANY, PENALTY, PERSON, PERSON_PENALTY

CATALOGUE = load_catalogue()
DATASET = CATALOGUE.dataset("penalty")
CONTEXT = Context(date(2026, 11, 24), AUTHORITY)
MOMENT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
KEY = generate_center_key()
MAKER = EventMaker(CATALOGUE, "410421", "market", b"s" * 16, Sealer(KEY.public))
NAME = "欧阳甲乙"


def record(row, **more):
    checked = check_row(DATASET, row, CONTEXT)
    assert checked.verdict != "reject", checked.problems
    return MAKER.record(DATASET, checked, MOMENT, **more)


def refusal(row, line=7):
    checked = check_row(DATASET, row, CONTEXT)
    assert checked.verdict == "reject"
    event = MAKER.refusal(DATASET, row, checked.values, checked.problems, MOMENT, Place("f.csv", 6, line))
    return event, CATALOGUE.codec.decode(event.value).value


def test_personal_number_leaves_only_sealed_and_bound_to_unit_dataset_and_column():
    event = record(PERSON_PENALTY)
    assert PERSON.encode() not in b"".join([event.value, event.key, event.digest, *(v for _, v in event.headers)])
    sealed = CATALOGUE.codec.decode(event.value).value["CF_XDR_ZJHM"]
    opener = Opener([KEY])
    assert opener.open(sealed, "market/penalty/CF_XDR_ZJHM") == PERSON
    with pytest.raises(Tampered):
        opener.open(sealed, "edu/penalty/CF_XDR_ZJHM")


def test_values_travel_typed_and_the_written_document_number_beside_its_normal_form():
    event = record(
        {**PENALTY, "CF_WSH": "示市监处罚[2026]8号", "CF_NR_FK": "0.05", "EXT_SXCD": "严重"}, source_key="A-1"
    )
    decoded = CATALOGUE.codec.decode(event.value)
    assert (decoded.dataset, decoded.version) == ("penalty", DATASET.version)
    value = decoded.value
    assert (value["CF_WSH"], value["original"]) == ("示市监处罚〔2026〕8号", {"CF_WSH": "示市监处罚[2026]8号"})
    assert (value["CF_NR_FK"], value["CF_JDRQ"]) == (50_000, date(2026, 5, 6))
    assert (value["EXT_SXCD"], value["source_key"], value["target"]) == ("严重", "A-1", None)


def test_headers_are_the_events_own_and_its_id_carries_its_time():
    event = record(PENALTY)
    envelope = read_headers(event.headers)
    assert (str(envelope.id), envelope.county, envelope.unit) == (event.ce_id, "410421", "market")
    assert (envelope.dataset, envelope.act, envelope.time) == ("penalty", "report", MOMENT)
    assert uuid7_time(envelope.id) == MOMENT
    assert event.topic == "credit.410421.intake.market"


def test_key_follows_the_record_and_not_its_content():
    key = record(PENALTY).key
    assert record({**PENALTY, "CF_NR": "罚款五百元"}).key == key
    assert record({**PENALTY, "CF_WSH": "示市监处罚〔2026〕9号"}).key != key
    assert record(PENALTY, source_key="A-1").key == record({**PENALTY, "CF_WSH": "改〔2026〕1号"}, source_key="A-1").key
    other = EventMaker(CATALOGUE, "410421", "market", b"t" * 16, Sealer(KEY.public))
    assert other.record(DATASET, check_row(DATASET, PENALTY, CONTEXT), MOMENT).key != key


def test_correction_names_its_target_and_reason_and_seals_the_number_in_it():
    target = Target(
        authority_code=AUTHORITY,
        document_no="示市监处罚〔2026〕7号",
        decision_date=date(2026, 5, 6),
        subject_id_type="身份证",
        subject_id_no=PERSON,
    )
    event = record(PERSON_PENALTY, act="correct", target=target, reason="文号写错")
    value = CATALOGUE.codec.decode(event.value).value
    assert PERSON.encode() not in event.value
    assert (value["reason"], value["target"]["document_no"]) == ("文号写错", "示市监处罚〔2026〕7号")
    sealed = value["target"]["subject_id_no"]
    assert Opener([KEY]).open(sealed, "market/penalty/CF_XDR_ZJHM") == PERSON
    assert read_headers(event.headers).act == "correct"


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(document_no="示〔2026〕1号", authority_code=AUTHORITY, decision_date=date(2026, 5, 6)),
        Target(document_no="示〔2026〕1号", subject_code=COMPANY, decision_date=date(2026, 5, 6)),
        Target(record_no="第一条"),
    ],
)
def test_target_that_finds_no_record_is_refused(target):
    with pytest.raises(BadTarget, match="record_no"):
        target.check()


def test_any_one_way_of_naming_a_record_is_enough():
    Target(record_no="0199f000-0000-7000-8000-000000000001").check()
    Target(source_key="A-1").check()
    Target(None, None, AUTHORITY, "示〔2026〕1号", date(2026, 5, 6), COMPANY).check()


def test_refusal_says_what_a_figure_and_a_clerk_need():
    event, value = refusal({**PENALTY, "CF_JDRQ": "2027-01-01"})
    assert (value["dataset"], value["authority_code"], value["document_no"]) == (
        "penalty",
        AUTHORITY,
        PENALTY["CF_WSH"],
    )
    assert (value["decision_date"], value["locator"]) == (date(2027, 1, 1), "第7行")
    assert [p["rule"] for p in value["problems"] if p["severity"] == "reject"] == ["CF_JDRQ.not_after"]
    assert read_headers(event.headers).act == "refusal"
    assert read_headers(event.headers).dataset == "penalty"


def test_same_row_refused_again_is_the_same_refusal_and_a_mended_one_is_not():
    bad = {**PERSON_PENALTY, "CF_JDRQ": "2027-01-01"}
    first, again = refusal(bad, 7)[1], refusal(bad, 9)[1]
    assert first["content_digest"] == again["content_digest"]
    other = refusal({**bad, "CF_XDR_ZJHM": "110105194912310038"})[1]
    assert other["content_digest"] != first["content_digest"]


TEXT_COLUMNS = [f.column for f in DATASET.fields]


@settings(max_examples=300, deadline=None)
@given(
    shifted=st.permutations(TEXT_COLUMNS),
    extra=st.sampled_from([f"{NAME} {PERSON}", f"身份证{PERSON}", NAME, PERSON, PERSON[:15]]),
    column=st.sampled_from(TEXT_COLUMNS),
)
def test_no_personal_value_leaves_with_a_refusal_whatever_column_it_slipped_into(shifted, extra, column):
    full = {**PERSON_PENALTY, "CF_XDR_MC": NAME, "CF_FRDB": NAME}
    row = dict(zip(shifted, full.values(), strict=False)) | {column: extra, "CF_JDRQ": "2027-01-01"}
    checked = check_row(DATASET, row, CONTEXT)
    if checked.verdict != "reject":
        return
    event = MAKER.refusal(DATASET, row, checked.values, checked.problems, MOMENT, Place("f.csv", 1, 2))
    for secret in (NAME, PERSON, PERSON[:15]):
        assert secret.encode() not in event.value


def test_only_the_contracts_own_words_stay_quoted():
    said = unquoted(
        "「类别」的“张三”不对；在处罚类别有“罚款”时必填；号码 11010519491231002X 不对。", own_words(DATASET)
    )
    assert said.startswith("「类别」的“…”不对；在处罚类别有“罚款”时必填")
    assert "002X" not in said


@pytest.mark.parametrize(
    "number", ["示市监处罚〔2026〕8号", "JY14104210000001", "(宝)登字[2026]第12号", "410421-2026-7"]
)
def test_document_number_of_a_refused_row_is_told_so_that_it_can_be_found(number):
    value = refusal({**PENALTY, "CF_WSH": number, "CF_JDRQ": "2027-01-01"})[1]
    assert value["document_no"] == check_row(DATASET, {"CF_WSH": number}, CONTEXT).values["CF_WSH"]


@pytest.mark.parametrize("cell", ["欧阳甲乙 2", "11010519491231002X", "张三", "110105491231002"])
def test_what_may_be_a_person_in_that_column_is_not_told(cell):
    assert refusal({**PENALTY, "CF_WSH": cell, "CF_JDRQ": "2027-01-01"})[1]["document_no"] is None


def test_half_a_surrogate_pair_does_not_keep_a_refusal_from_leaving():
    assert refusal({**PENALTY, "BZ": "坏\ud800字", "CF_JDRQ": "2027-01-01"})[1]["problems"]
