"""Masks: one per number, wherever it is shown, and no way to read the number back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.masking import QUOTE, mask_name, mask_number, quote


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("410421199001010011", "410421********0011"),
        ("110105491231002", "110105*****1002"),
        ("E12345678", "E1*****78"),
        ("H1234567", "H1****67"),
        ("123456", "12**56"),
        ("12345", "*****"),
        ("", ""),
    ],
)
def test_a_number_keeps_its_length_and_its_ends(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@given(st.text("0123456789X", max_size=30))
def test_what_a_mask_shows_is_never_the_number(number: str) -> None:
    shown = mask_number(number)
    assert len(shown) == len(number)
    assert mask_number(shown) == shown, "masking twice gives the one mask"
    if number:
        assert shown != number
        assert shown.count("*") >= min(len(number), 2)


@given(st.text("0123456789", min_size=18, max_size=18))
def test_the_birthday_of_an_id_number_is_hidden(number: str) -> None:
    assert mask_number(number)[6:14] == "********"


@pytest.mark.parametrize(("name", "shown"), [("李四", "李*"), ("欧阳娜娜", "欧***"), ("李", "李"), ("", "")])
def test_a_name_keeps_its_first_character(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("明天", "明天"),
        ("20261301", "20261301"),
        ("李四11010519491231002x号", "李四110105********002x号"),
        ("电话13812345678", "电话13*******78"),
        ("６２１７０００１２３４５６７８９０１２", "６２１７００*********９０１２"),
        ("李四110105 19491231-002x号", "李四110105**********002x号"),
        ("2026-05-06 12:30", "2026-05-06 12:30"),
        ("字" * 31, "字" * 30 + "…"),
    ],
)
def test_a_quoted_cell_is_cut_and_its_long_numbers_are_masked(cell: str, shown: str) -> None:
    assert quote(cell) == shown


@given(st.text(max_size=80), st.from_regex(r"[1-9][0-9]{16}[0-9X]", fullmatch=True), st.text(max_size=20))
def test_no_quote_holds_an_id_number(before: str, number: str, after: str) -> None:
    shown = quote(before + number + after)
    assert len(shown) <= QUOTE + 1
    assert number not in shown
