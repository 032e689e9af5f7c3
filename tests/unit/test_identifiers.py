"""Identifiers: the shared vectors, stdnum where it is right, and values built by another computation."""

import csv
import importlib
import random
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from credit_schemas import identifiers as ids

VECTORS = Path(__file__).parent / "data" / "id_vectors.tsv"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CHECKS = {"USCC": ids.uscc_problem, "RIC": ids.ric_problem, "GSREG15": ids.registration_no_problem}

region = st.integers(100000, 999999).map(str)
uscc_body = st.tuples(
    st.sampled_from("123456789ANY"),
    st.sampled_from("1239"),
    region,
    st.text(USCC_ALPHABET, min_size=9, max_size=9),
).map("".join)
birth = st.dates(date(1900, 1, 1), date(2026, 11, 24))
ric_body = st.builds(lambda r, b, n: f"{r}{b:%Y%m%d}{n:03}", region, birth, st.integers(0, 999))


def vectors():
    with VECTORS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def uscc_check(body):
    """The standard's formula, with each weight a power of 3."""
    total = sum(USCC_ALPHABET.index(char) * 3**place for place, char in enumerate(body))
    return USCC_ALPHABET[(31 - total % 31) % 31]


def ric_check(body):
    """GB 11643 without its tables: the weights are powers of 2, so the sum is a number in base 13 (2 * 13 = 4)."""
    return "0123456789X"[(1 - 2 * int(body, 13)) % 11]


def org_check(body):
    values = [int(char, 36) for char in body]
    return "0X987654321"[sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["value"])
def test_shared_vectors_are_judged_as_they_say(vector):
    problem = CHECKS[vector["kind"]](vector["value"])
    assert (problem is None) == (vector["valid"] == "1"), problem


@given(uscc_body)
def test_every_well_built_unified_code_is_accepted_and_only_its_own_check_character(body):
    accepted = [char for char in USCC_ALPHABET if ids.uscc_problem(body + char) is None]
    assert accepted == [uscc_check(body)]


@given(uscc_body, st.integers(0, 16), st.sampled_from(USCC_ALPHABET))
def test_one_wrong_character_in_a_unified_code_is_caught(body, place, char):
    assume(body[place] != char)
    assert ids.uscc_problem(body[:place] + char + body[place + 1 :] + uscc_check(body)) is not None


@given(st.integers(10_000_000, 99_999_999).map(str), st.text(USCC_ALPHABET, min_size=10, max_size=10))
def test_unified_codes_agree_with_stdnum_where_it_is_right(prefix, rest):
    stdnum = importlib.import_module("stdnum.cn.uscc")
    for code in (prefix + rest, prefix + rest[:9] + uscc_check(prefix + rest[:9])):
        assert (ids.uscc_problem(code) is None) == stdnum.is_valid(code)


@pytest.mark.parametrize("first", "ANY")
def test_rural_military_and_other_bodies_have_legal_codes(first):
    body = f"{first}2410421MF0000013"
    assert ids.uscc_problem(body + uscc_check(body)) is None
    assert not importlib.import_module("stdnum.cn.uscc").is_valid(body + uscc_check(body))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("", "length"),
        ("9123050A0MA1B3N1N2", "alphabet"),
        ("91230500MA1B3N1N2", "length"),
        ("91230500MA1B3N1N2MM", "length"),
        ("91230500ma1b3n1n2m", "alphabet"),
        ("91230500MA1B3N1N2O", "alphabet"),
        ("91230500MA1B3N1N２M", "alphabet"),
        ("9123050\n0MA1B3N1N2", "alphabet"),
        ("91230500MA1B3N1N2N", "checksum"),
        ("B1230500MA1B3N1N2M", "category"),
        ("01230500MA1B3N1N2M", "category"),
        ("00000000000000000X", "placeholder"),
        ("000000000000000000", "category"),
    ],
)
def test_a_bad_unified_code_says_what_is_wrong(code, problem):
    assert ids.uscc_problem(code) == problem


def test_real_unified_codes_hold_a_valid_organisation_code():
    real = [v["value"] for v in vectors() if v["kind"] == "USCC" and v["valid"] == "1"]
    assert len(real) == 9
    assert all(ids.uscc_org_part_ok(code) for code in real)
    assert not ids.uscc_org_part_ok("91230500MA1B3N1N3M")
    assert not ids.uscc_org_part_ok("")


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=8))
def test_an_organisation_code_has_exactly_one_check_character(body):
    accepted = [char for char in "0123456789X" if ids.org_code_problem(body + char) is None]
    assert accepted == [org_check(body)]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("MA1B3N1N2", None),
        ("MA1B3N1N-2", "length"),
        ("MA1B3N1NA", "alphabet"),
        ("MA1B3N1N3", "checksum"),
    ],
)
def test_a_bad_organisation_code_says_what_is_wrong(code, problem):
    assert ids.org_code_problem(code) == problem


@given(st.integers(0, 10**14 - 1).map("{:014}".format))
def test_registration_numbers_agree_with_iso_7064(body):
    mod_11_10 = importlib.import_module("stdnum.iso7064.mod_11_10")
    accepted = [digit for digit in "0123456789" if ids.registration_no_problem(body + digit) is None]
    assert accepted == [mod_11_10.calc_check_digit(body)]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("4104211234567", None),
        ("41042112345678", "length"),
        ("410421A234567", "alphabet"),
        ("11010800000001６", "alphabet"),
        ("110108000000017", "checksum"),
    ],
)
def test_older_registration_numbers_have_no_check_digit(number, problem):
    assert ids.registration_no_problem(number) == problem


@given(ric_body)
def test_an_identity_number_has_exactly_one_check_character(body):
    accepted = [char for char in "0123456789X" if ids.ric_problem(body + char) is None]
    assert accepted == [ric_check(body)]


@given(ric_body, st.integers(0, 16), st.sampled_from("0123456789"))
def test_one_wrong_digit_in_an_identity_number_is_caught(body, place, digit):
    assume(body[place] != digit)
    assert ids.ric_problem(body[:place] + digit + body[place + 1 :] + ric_check(body)) is not None


@given(
    st.sampled_from(["110101", "410421"]),
    # From 1990: stdnum ties a county's code to the years it was assigned in, and refuses 410421 before that.
    st.dates(date(1990, 1, 1), date(2026, 11, 24)).map("{:%Y%m%d}".format)
    | st.builds("{}{:02}{:02}".format, st.integers(1990, 2026), st.integers(0, 13), st.integers(0, 32)),
    st.sampled_from("0X6"),
)
def test_identity_numbers_agree_with_stdnum_in_regions_it_knows(place, day, check):
    stdnum = importlib.import_module("stdnum.cn.ric")
    body = f"{place}{day}007"
    for number in (body + check, body + ric_check(body)):
        assert (ids.ric_problem(number) is None) == stdnum.is_valid(number)


def test_people_of_the_county_born_before_its_code_was_tabulated_are_accepted():
    number = "41042119510701007"
    number += ric_check(number)
    assert ids.ric_problem(number) is None
    assert not importlib.import_module("stdnum.cn.ric").is_valid(number)


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("11010519491231002", "length"),
        ("", "length"),
        ("11010519491231002x", "alphabet"),
        ("1101051949123100２X", "alphabet"),
        ("11010519491231A02X", "alphabet"),
        ("110105491231A02", "alphabet"),
        ("110105194912310021", "checksum"),
        ("410421200102290018", "birthdate"),
        ("110105170012310021", "birthdate"),
        ("110105491331002", "birthdate"),
        ("110105491231002", None),
        ("990105491231002", None),
    ],
)
def test_a_bad_identity_number_says_what_is_wrong(number, problem):
    assert ids.ric_problem(number) == problem


def test_nobody_is_born_after_the_day_of_the_check():
    number = "110105202612310021"[:17]
    number += ric_check(number)
    assert ids.ric_problem(number) is None
    assert ids.ric_problem(number, as_of=date(2026, 12, 31)) is None
    assert ids.ric_problem(number, as_of=date(2026, 12, 30)) == "birthdate"


@given(region, st.dates(date(1900, 3, 1), date(1999, 12, 31)), st.integers(0, 999))
def test_both_forms_of_an_old_number_are_one_person(place, born, serial):
    old = f"{place}{born:%y%m%d}{serial:03}"
    new = ids.ric_to_18(old)
    assert ids.ric_problem(new) is None
    assert new[:17] == f"{place}{born:%Y%m%d}{serial:03}"
    assert ids.canonical_id("身份证", old) == ids.canonical_id("居民身份证", f" {new.lower()}") == new
    assert ids.ric_region(old) == ids.ric_region(new) == place


@pytest.mark.parametrize("number", ["110105491331002", "11010519491231002X", "11010549123100A", ""])
def test_what_is_no_old_number_is_refused_without_being_quoted(number):
    with pytest.raises(ValueError, match="15-digit") as caught:
        ids.ric_to_18(number)
    assert not number or number not in repr(caught.value)


@pytest.mark.parametrize(
    ("id_type", "number", "canonical"),
    [
        ("身份证", "11010519491231002x", "11010519491231002X"),
        ("身份证", " 110105\u3000194912\xa031002X\u200b\t", "11010519491231002X"),
        ("身份证", "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
        ("身份证", "110105491331002", "110105491331002"),
        ("护照号", "110105491231002", "110105491231002"),
        ("护照号", "e1234 5678", "E12345678"),
        ("身份证", "", ""),
    ],
)
def test_spellings_of_one_number_meet(id_type, number, canonical):
    assert ids.canonical_id(id_type, number) == canonical


@given(st.text(max_size=8), st.text(max_size=20))
def test_the_canonical_form_is_final(id_type, number):
    once = ids.canonical_id(id_type, number)
    assert ids.canonical_id(id_type, once) == once


@given(st.text(max_size=20))
def test_any_text_gets_an_answer(text):
    for check in (*CHECKS.values(), ids.org_code_problem, lambda t: ids.commitment_code_problem(t, None)):
        assert check(text) is None or isinstance(check(text), str)
    assert ids.known_region(text) in {True, False}


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("410421", True),
        ("820000", True),
        ("650000", True),
        ("160000", False),
        ("410", False),
        ("41042A", False),
        ("４１0421", False),
    ],
)
def test_regions_are_known_by_province(code, known):
    assert ids.known_region(code) is known


@pytest.mark.parametrize(
    ("code", "made_on", "problem"),
    [
        ("41042120260506000001", date(2026, 5, 6), None),
        ("41042120260506000001", None, None),
        ("41042120260506000001", date(2026, 5, 7), "date_mismatch"),
        ("41042120260231000001", date(2026, 5, 7), "date"),
        ("4104212026050600000A", None, "alphabet"),
        ("4104212026050600001", None, "length"),
    ],
)
def test_a_commitment_code_carries_the_day_it_was_made(code, made_on, problem):
    assert ids.commitment_code_problem(code, made_on) == problem


def test_a_million_rows_are_no_matter_of_minutes():
    """A floor ten times below what one slow core does: it fails when somebody adds a calendar or a big table."""
    rng = random.Random(1)
    bodies = [f"9141{rng.randrange(10**13):013}" for _ in range(20_000)]
    codes = [body + uscc_check(body) for body in bodies]
    start = time.process_time()
    assert all(ids.uscc_problem(code) is None for code in codes)
    assert time.process_time() - start < 0.5
