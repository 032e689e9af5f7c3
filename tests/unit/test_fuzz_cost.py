"""No single message costs more than its bytes are worth: no text, length or count makes the center stand still."""

from __future__ import annotations

import time
import tracemalloc
from datetime import date

import pytest

from credit_consumer.decode import DeadLetter
from credit_consumer.normalise import Ready
from credit_consumer.pipeline import prepare_message
from credit_consumer.quick_records import _template
from credit_schemas.codec import FRAME
from credit_schemas.documents import normal_document_no
from credit_schemas.forms import read_row
from hostile import LENGTHS, TEXTS, Hostile, Hostiles
from hostile_center import arrived, keyed_center
from unit.rows import PENALTY, PERSON_PENALTY

# A topic takes no larger message (Kafka's own limit, `message.max.bytes`).
LARGEST = 1_000_000
# Of the processor, for the largest message. An ordinary one takes a ten-thousandth of it.
CPU_S = 5.0
# The texts are tried at this part of the size, for this part of the time.
SHARE = 20
# What its text may become in memory: characters of four bytes, and some copies of them.
MEMORY = 60 * LARGEST


@pytest.fixture(scope="module")
def center(tmp_path_factory):
    return keyed_center(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def source(center):
    made = Hostiles(center, center.catalogue.county.code, ["market"], 0)
    prepare_message(arrived(penalty(center, made, {})), center)  # what is made once is made now
    return made


def cost(center, sent: Hostile) -> tuple[float, Ready | DeadLetter]:
    started = time.thread_time()
    found = prepare_message(arrived(sent), center)
    return time.thread_time() - started, found


def peak(center, sent: Hostile) -> int:
    tracemalloc.start()
    prepare_message(arrived(sent), center)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def stretched(text: str, size: int = LARGEST - 5000) -> str:
    data = text.encode()
    return (text * (size // len(data) + 1))[: size * len(text) // len(data)]


def penalty(center, source, row, **system) -> Hostile:
    dataset = center.catalogue.dataset("penalty")
    values = {**read_row(dataset.fields, dict(PENALTY)).values, **row, **system}
    return source.of("market", "penalty", "correct", dataset.schema, values)


WORST = [
    *sorted({t for t in TEXTS if t and len(t) < 100}),
    *("410421198502286536", "4104211985", "罚款1", "罚款9", "“", "身份证 ", "1-", "1 ", "(", "[2026]", "\0"),
]


@pytest.mark.parametrize("place", ["CF_NR", "CF_WSH", "source_key", "reason", "target"])
def test_no_text_costs_more_than_its_length(center, source, place):
    """What costs the square of its length would take minutes at the largest, and more than its share here."""
    for text in WORST:
        long = stretched(text, LARGEST // SHARE)
        filled = (
            {"target": {"document_no": long, "decision_date": date(2026, 5, 6)}} if place == "target" else {place: long}
        )
        took, found = cost(center, penalty(center, source, filled))
        assert took < CPU_S / SHARE, (place, text, took)
        assert isinstance(found, Ready), (place, text, found.reason, found.detail)


@pytest.mark.parametrize("brackets", ["()", "〔〕", "（["])
def test_brackets_within_brackets_cost_no_more_than_beside_each_other(brackets):
    """A correction may name a document by a number of any length."""
    opening, closing = brackets

    def took(text: str) -> float:
        started = time.thread_time()
        normal_document_no(text)
        return time.thread_time() - started

    n = 100_000
    assert took(opening * n + closing * n) < 10 * took((opening + closing) * n) + 0.1


def test_a_year_keeps_its_brackets_wherever_they_stand():
    assert normal_document_no("市（监[2026]）8号(2026)(20261)") == "市（监〔2026〕）8号〔2026〕（20261）"


def test_a_claimed_length_or_count_allocates_nothing(center, source):
    whole = penalty(center, source, {})
    for length in LENGTHS:
        for at in range(FRAME.size, len(whole.value), 7):
            broken = whole._replace(value=whole.value[:at] + length + whole.value[at:])
            assert peak(center, broken) < 2_000_000, (length, at)
            found = prepare_message(arrived(broken), center)
            assert getattr(found, "reason", "undecodable") == "undecodable"


def test_the_largest_message_costs_seconds_at_most_and_a_multiple_of_its_bytes(center, source):
    for text in ("1", "“", "罚款1元", "李", "\U0001f9fe", "1 "):
        sent = penalty(center, source, {"CF_NR": stretched(text)})
        took, _ = cost(center, sent)
        assert took < CPU_S, text
        assert peak(center, sent) < MEMORY, text


def test_a_fine_of_thousands_of_digits_in_a_text_is_no_defect_of_ours(center, source):
    for digits in (24, 25, 400, 4300, 5000):
        row = {"CF_NR": f"罚款{'9' * digits}元"}
        found = prepare_message(arrived(penalty(center, source, row)), center)
        assert isinstance(found, Ready), (digits, found)
    assert [p.rule for p in found.problems if p.severity == "reject"] == ["CF_NR.length"]


def test_ten_thousand_headers_are_read_in_no_time(center, source):
    whole = penalty(center, source, {})
    took, found = cost(center, whole._replace(headers=[*whole.headers, *[("x", b"y" * 60)] * 10_000]))
    assert took < CPU_S / 10
    assert isinstance(found, Ready)


def test_a_sealed_text_of_a_megabyte_is_refused_by_its_width(center, source):
    dataset = center.catalogue.dataset("penalty")
    values = {**read_row(dataset.fields, dict(PERSON_PENALTY)).values, "CF_XDR_ZJHM": "1" * 900_000}
    took, found = cost(center, source.of("market", "penalty", "report", dataset.schema, values))
    assert took < CPU_S
    assert isinstance(found, Ready)
    assert found.verdict == "reject"


def test_many_headers_are_left_to_the_client():
    few = [("ce_id", b"i"), ("ce_time", b"t")]
    assert _template(b"", 0, [*few, *[("x", b"y")] * 200]) is None
