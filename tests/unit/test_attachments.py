"""How an event names its attachments: name, digest, size; never in a form that could be a resident's number."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.attachments import ROLE, Attachment, limit, read_attachments, write_attachments
from credit_schemas.catalogue import load_catalogue
from credit_schemas.personal import LONG

WORK = load_catalogue().dataset("work_report")
CELL = next(r["pattern"] for r in WORK.by_role[ROLE].rules if r["kind"] == "format")
NAMES = st.text(st.characters(exclude_characters="|；", exclude_categories=("C",)), min_size=1, max_size=100)
FILES = st.builds(
    Attachment, NAMES, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(1, limit("bytes_per_file"))
)


@given(st.lists(FILES, min_size=1, max_size=limit("files_per_report")))
def test_what_the_door_writes_passes_the_rule_and_is_read_back(found: list[Attachment]) -> None:
    text = write_attachments(found)
    assert re.fullmatch(CELL, text)
    assert read_attachments(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "方案.docx",
        "方案.docx|abc|1",
        f"a|{'A' * 43}|0",
        f"a|{'A' * 43}|01",
        f"|{'A' * 43}|1",
        f"a|{'A' * 42}B|1",
        "a|b",
    ],
)
def test_a_name_without_its_digest_is_no_attachment_of_an_event(text: str) -> None:
    with pytest.raises(ValueError):
        read_attachments(text)


def test_the_longest_report_fits_its_column() -> None:
    longest = [Attachment("名" * limit("name_chars"), "f" * 64, limit("bytes_per_file"))] * limit("files_per_report")
    assert len(write_attachments(longest)) <= (WORK.by_role[ROLE].width or 0)


def test_a_digest_in_an_event_never_looks_like_a_residents_number() -> None:
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(20_000)]
    assert any(LONG.search(d) for d in digests)  # in hex it would
    assert not any(LONG.search(write_attachments([Attachment("a", d, 1)])) for d in digests)


def test_the_rule_takes_one_name_after_another_and_no_mark_within() -> None:
    assert re.fullmatch(CELL, "方案.docx；照片/1.jpg")
    for wrong in ("方案|docx", "；", "a；；b", "a；", "名" * 101):
        assert not re.fullmatch(CELL, wrong)
