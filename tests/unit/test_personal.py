"""A resident's number is found where it does not belong, however written, and nothing else is taken for one."""

from __future__ import annotations

from datetime import date

import pytest

from credit_producer.events import Target
from credit_schemas.check import check_row
from credit_schemas.dataset import current_datasets, load_schemas
from credit_schemas.personal import HIDDEN, discreet, hide_resident_number, holds_resident_number, without_numbers
from credit_schemas.rules import Context
from unit.rows import AUTHORITY, COMPANY, PENALTY, PERSON

FULL = PERSON.translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)})
CONTEXT = Context(date(2026, 11, 24), AUTHORITY)
PENALTIES = current_datasets(load_schemas())["penalty"]


@pytest.mark.parametrize(
    "text",
    [
        PERSON,
        PERSON.lower(),
        FULL,
        f"当事人（{PERSON}）",
        f"a{PERSON}b",
        f"9{PERSON}",
        f"{PERSON[:6]}-{PERSON[6:14]}-{PERSON[14:]}",
        f"{PERSON[:6]} {PERSON[6:14]} {PERSON[14:]}",
        "身份证号：110105491231002",
        f"身份证{PERSON[:17]}1",
    ],
)
def test_a_number_is_found_however_it_is_written(text: str) -> None:
    assert holds_resident_number(text)
    assert hide_resident_number(text) == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        COMPANY,
        AUTHORITY,
        "00000000000000000X",
        "2026-05-06 2027-05-06",
        "示市监处罚〔2026〕8号，罚款500元",
        "6222021001122334455",
        "21503202112018020017",
        "110108000000016",
        "电话13800138000、13900139000",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert not holds_resident_number(text)


@pytest.mark.parametrize("column", ["CF_XDR_GSZC", "CF_XDR_SHZZ", "CF_SY", "CF_WSH", "BZ"])
def test_a_row_with_a_number_in_the_wrong_column_is_refused_and_not_quoted(column: str) -> None:
    checked = check_row(PENALTIES, PENALTY | {column: f" {PERSON.lower()}"}, CONTEXT)
    assert checked.verdict == "reject"
    assert f"{column}.no_personal_number" in [p.rule for p in checked.problems]
    told = str([p.message for p in checked.problems]) + str(checked.changes)
    assert PERSON not in told.upper()


def test_a_target_does_not_show_its_number() -> None:
    assert PERSON not in repr(Target(subject_id_type="身份证", subject_id_no=PERSON))


def test_text_of_unknown_origin_is_shown_without_control_characters_and_a_number_behind_them_is_hidden() -> None:
    assert discreet("示\0市监\u202e处罚\n〔2026〕8号\x1b[2J") == "示市监处罚 〔2026〕8号[2J"
    assert discreet(f"{PERSON[:9]}\u200b{PERSON[9:]}") == without_numbers(PERSON)
    assert PERSON not in discreet(f"\0{PERSON}")
