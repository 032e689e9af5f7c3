"""Whatever bytes and headers come, the first three steps answer: an event, a refusal or a dead letter with its reason.

`EVENTS=1000000 make faults` takes a million; `make test` as many as fit into some seconds. The seed is fixed.
"""

from __future__ import annotations

import resource
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from credit_consumer.copying import problems_json
from credit_consumer.decode import REASONS, DeadLetter
from credit_consumer.normalise import DOCUMENT_NO_MAX, Ready
from credit_consumer.pipeline import prepare_message
from credit_schemas.dataset import load_schemas
from credit_schemas.forms import read_row
from hostile import NAME, PLANTED, Hostiles
from hostile_center import UNITS, arrived, keyed_center
from unit.rows import PENALTY

SEED = 5
AT_LEAST = 20_000
# The fifteen digits are no number by their looks when they are broken up.
RESIDENTS = [number for number in PLANTED if len(number) == 18]
# Of the processor, for one message (they are a few kilobytes, some a megabyte). Rules and plans are made on first use.
LONGEST_S = 5.0
# What all of them together may take beyond what the process has: a length that is believed would take more at once.
HEADROOM = 512 << 20


@contextmanager
def memory_limit(beyond: int) -> Iterator[None]:
    """Within, the process cannot have more than `beyond` bytes of address space above what it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def told(found: Ready | DeadLetter) -> str:
    """All that leaves memory in clear: what operators, clerks and landing see of a message."""
    if isinstance(found, DeadLetter):
        return found.detail
    brief = (found.authority_code, found.document_no if found.verdict != "accept" else None, found.dataset)
    return "\n".join([*(b for b in brief if b), problems_json(found.problems) or ""])


def squeezed(text: str) -> str:
    """Without what a number may be broken up by, and in one width."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


def fault_of(found: Ready | DeadLetter) -> str | None:
    """What is wrong with an answer."""
    if isinstance(found, DeadLetter):
        if found.reason == "defect" or found.reason not in REASONS:
            return f"{found.reason}: {found.detail}"
        if not any("\u4e00" <= c <= "\u9fff" for c in found.detail):
            return f"not told in Chinese: {found.detail}"
    elif found.event.envelope.act == "refusal":
        return None  # the words of another program, see below
    elif found.verdict != "accept":
        if not found.problems or not all(p.message for p in found.problems):
            return "refused without a reason"
        if found.content is not None or found.act is not None:
            return "refused, and there is something to load"
        if found.document_no and len(found.document_no) > DOCUMENT_NO_MAX:
            return "a document number without end"
    text = told(found)
    if "\0" in text or "\\u0000" in text:
        return "a NUL, which no column can hold"
    plain = squeezed(text)
    if any(number in plain for number in RESIDENTS):
        return "a resident's number is told"
    return None


@pytest.mark.timeout(3600)
def test_a_million_hostile_messages_are_answered_with_a_reason_and_nothing_personal(
    tmp_path, events_wanted, fault_table, caplog
):
    caplog.set_level("ERROR")
    center = keyed_center(tmp_path)
    source = Hostiles(center, center.catalogue.county.code, UNITS, SEED)
    messages = max(events_wanted, AT_LEAST)
    answers: Counter[str] = Counter()
    faults: Counter[tuple[str, str]] = Counter()
    longest = 0.0
    with memory_limit(HEADROOM):
        for n in range(messages):
            sent = source.one()
            started = time.thread_time()
            found = prepare_message(arrived(sent, n), center)
            longest = max(longest, time.thread_time() - started)
            answers[found.reason if isinstance(found, DeadLetter) else found.verdict] += 1
            if fault := fault_of(found):
                faults[fault, sent.kind] += 1
    assert not faults, faults.most_common(20)
    assert longest < LONGEST_S
    # The fuzz reaches every answer: it is neither all junk nor all harmless.
    expected = {"accept", "reject", "not_reportable", "undecodable", "not_framed", "envelope", "other_county"}
    assert expected | {"unknown_schema", "unknown_key"} <= set(answers), answers
    assert answers["reject"] > messages / 5
    unanswered = messages - answers.total()
    assert unanswered == 0
    fault_table(fault="random and mutated messages (codec, seals, headers)", events=messages, lost=unanswered)


def test_a_refusal_in_another_programs_words_is_told_within_bounds(tmp_path):
    """Receipts go out as Kafka messages: one that is too large would stand in the way of all that unit's others."""
    center = keyed_center(tmp_path)
    source = Hostiles(center, center.catalogue.county.code, UNITS, SEED)
    schema = next(s for s in load_schemas() if s["dataset"] == "refusal")
    word = {"column": "C" * 5000, "rule": "r\0", "severity": "?", "message": "说" * 5000}
    for problems in ([], [word], [word] * 60, [word | {"message": ""}]):
        value = {"dataset": "penalty", "content_digest": b"d" * 32, "problems": problems}
        found = prepare_message(arrived(source.of("market", "penalty", "refusal", schema, value)), center)
        assert isinstance(found, Ready)
        assert found.problems
        assert all(p.message and p.severity in ("reject", "warn") for p in found.problems)
        shown = problems_json(found.problems)
        assert "\\u0000" not in shown
        assert len(shown.encode()) < 100_000


def test_a_name_in_a_slipped_column_is_not_told_even_in_part(tmp_path):
    center = keyed_center(tmp_path)
    source = Hostiles(center, center.catalogue.county.code, UNITS, SEED)
    dataset = center.catalogue.dataset("penalty")
    for cell in (NAME, f"{NAME}，男，一九九〇年出生，住示例县示例镇示例村一百二十三号院"):
        values = {**read_row(dataset.fields, dict(PENALTY)).values, "CF_XDR_LB": cell}
        sent = source.of("market", "penalty", "report", dataset.schema, values)
        found = prepare_message(arrived(sent), center)
        assert "CF_XDR_LB.code_set" in [p.rule for p in found.problems]
        assert NAME not in told(found)


def test_the_same_seed_gives_the_same_messages(tmp_path):
    center = keyed_center(tmp_path)
    one, other = (Hostiles(center, "410421", UNITS, 7) for _ in range(2))
    pairs = [(one.one(), other.one()) for _ in range(300)]
    assert [(a.kind, a.unit, len(a.value or b""), len(a.headers)) for a, _ in pairs] == [
        (b.kind, b.unit, len(b.value or b""), len(b.headers)) for _, b in pairs
    ]
