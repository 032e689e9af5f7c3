"""Keys: one for every spelling of one decision, none that shows or links a person (STANDARDS 9, row 1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.dataset import current_datasets, load_schemas
from credit_schemas.forms import read_row
from credit_schemas.identifiers import ric_to_18
from credit_schemas.keys import content_digest, natural_key, producer_key
from unit.rows import AUTHORITY, CLEAN, COMPANY, LEDGER, LICENCE, PENALTY, PERSON, PERSON_PENALTY

DATASETS = current_datasets(load_schemas())
SALT, OTHER_SALT = b"s" * 32, b"t" * 32
PLACEHOLDER = "00000000000000000X"


def read(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return read_row(DATASETS[name].fields, row).values


def natural(name: str, row: dict[str, Any], unit: str = "scjgj") -> str:
    return natural_key(DATASETS[name], read(name, row), unit)


def key(name: str, row: dict[str, Any], *, salt: bytes = SALT, unit: str = "scjgj", source: str | None = None) -> bytes:
    return producer_key(salt, DATASETS[name], read(name, row), unit, source)


@pytest.mark.parametrize(
    "spelling",
    [
        {"CF_WSH": "示市监处罚【2026】8号"},
        {"CF_WSH": "示市监处罚(２０２６) ８ 号"},
        {"CF_WSH": "示市监处罚[2026]8号"},
        {"CF_JDRQ": "2026/5/6"},
        {"CF_JDRQ": "2026年5月6日"},
        {"CF_JDRQ": 20260506},
        {"CF_XDR_SHXYM": COMPANY.lower()},
        {"CF_XDR_SHXYM": f" {COMPANY[:8]}-{COMPANY[8:]}\u00a0"},
        {"CF_CFJGDM": AUTHORITY.lower()},
        {"CF_XDR_MC": "别的名称", "CF_NR": "别的内容", "CF_NR_FK": "9"},
        {"CF_XDR_GSZC": "410421000000019"},
    ],
)
def test_one_decision_has_one_natural_key_in_every_spelling(spelling: dict[str, Any]) -> None:
    assert natural("penalty", PENALTY | spelling) == natural("penalty", PENALTY)
    assert key("penalty", PENALTY | spelling) == key("penalty", PENALTY)


@pytest.mark.parametrize(
    "other",
    [
        {"CF_WSH": "示市监处罚〔2026〕9号"},
        {"CF_JDRQ": "2026-05-07"},
        {"CF_XDR_SHXYM": "91410421MA0000007D"},
        {"CF_CFJGDM": "11410421000000000W"},
    ],
)
def test_another_body_number_subject_or_day_is_another_record(other: dict[str, Any]) -> None:
    assert natural("penalty", PENALTY | other) != natural("penalty", PENALTY)


def test_one_number_of_one_document_for_two_parties_makes_two_records() -> None:
    assert natural("licence", LICENCE) != natural("licence", LICENCE | {"XK_XDR_SHXYM": "91410421MA0000007D"})


OLD_NUMBER = "110105491231002"


@pytest.mark.parametrize(
    "spelling",
    [
        {"CF_XDR_ZJHM": PERSON.lower()},
        {"CF_XDR_ZJHM": f"{PERSON[:6]} {PERSON[6:]}"},
        {"CF_XDR_ZJHM": OLD_NUMBER},
        {"CF_XDR_ZJLX": "居民身份证"},
        {"CF_XDR_MC": "李某四"},
    ],
)
def test_a_person_is_found_by_type_and_canonical_number(spelling: dict[str, Any]) -> None:
    assert ric_to_18(OLD_NUMBER) == PERSON
    assert natural("penalty", PERSON_PENALTY | spelling) == natural("penalty", PERSON_PENALTY)


def test_the_same_digits_under_another_id_type_are_another_person() -> None:
    passport = PERSON_PENALTY | {"CF_XDR_ZJLX": "护照号"}
    assert natural("penalty", passport) != natural("penalty", PERSON_PENALTY)


def test_a_shop_without_a_code_is_found_by_unit_name_and_operator() -> None:
    shop = PENALTY | {"CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": PLACEHOLDER, "CF_XDR_MC": "个体工商户"}
    assert natural("penalty", shop) == natural("penalty", shop | {"CF_XDR_GSZC": "410421000000019"})
    assert natural("penalty", shop) != natural("penalty", shop | {"CF_FRDB": "李四"})
    assert natural("penalty", shop) != natural("penalty", shop | {"CF_XDR_MC": "示例小吃店"})
    assert natural("penalty", shop, "scjgj") != natural("penalty", shop, "wjw")


def test_a_subject_with_a_code_is_the_same_for_every_unit() -> None:
    assert natural("penalty", PENALTY, "scjgj") == natural("penalty", PENALTY, "wjw")


def test_the_ledger_tells_licence_and_penalty_of_one_number_apart() -> None:
    assert natural("ledger", LEDGER) != natural("ledger", LEDGER | {"LG_LB": "行政许可"})
    assert natural("ledger", LEDGER) == natural("ledger", LEDGER | {"LG_WSH": "示市监处罚[2026]8号", "LG_LB": "处罚"})


@given(st.text(max_size=10), st.text(max_size=10))
def test_cells_cannot_be_shifted_into_each_other(left: str, right: str) -> None:
    """A separator that a cell can hold would let two different rows share a key."""
    joined = LEDGER | {"LG_WSH": left + "\x1f" + right}
    assert natural("ledger", joined).count("\x1f") == natural("ledger", LEDGER).count("\x1f")


@given(st.binary(min_size=16, max_size=32))
def test_the_kafka_key_never_shows_a_personal_number(salt: bytes) -> None:
    made = key("penalty", PERSON_PENALTY, salt=salt)
    assert len(made) == 32
    assert set(made) <= set(b"0123456789abcdef")
    assert PERSON.encode() not in made


@pytest.mark.parametrize("source", [None, "row-17"])
def test_salts_keep_units_apart(source: str | None) -> None:
    """Who holds one unit's salt can neither compute nor recognise another unit's keys."""
    mine = key("penalty", PERSON_PENALTY, source=source)
    assert mine != key("penalty", PERSON_PENALTY, salt=OTHER_SALT, source=source)
    assert mine == key("penalty", PERSON_PENALTY, source=source)


def test_a_source_key_is_the_records_key_whatever_is_corrected() -> None:
    corrected = PENALTY | {"CF_WSH": "示市监处罚〔2026〕9号", "CF_JDRQ": "2026-05-07"}
    assert key("penalty", PENALTY, source="row-17") == key("penalty", corrected, source="row-17")
    assert key("penalty", PENALTY, source="row-17") != key("penalty", PENALTY, source="row-18")
    assert key("penalty", PENALTY, source="row-17") != key("licence", LICENCE, source="row-17")
    assert key("penalty", PENALTY, source="row-17") != key("penalty", PENALTY)


@pytest.mark.parametrize("name", sorted(CLEAN))
def test_equal_content_has_an_equal_digest_and_any_changed_column_another(name: str) -> None:
    dataset, row = DATASETS[name], CLEAN[name]
    values = read(name, row)
    same = content_digest(SALT, dataset, dict(reversed(values.items())))
    assert same == content_digest(SALT, dataset, values)
    assert same != content_digest(OTHER_SALT, dataset, values)
    for column in values:
        assert content_digest(SALT, dataset, {k: v for k, v in values.items() if k != column}) != same


def test_two_spellings_of_one_content_have_one_digest() -> None:
    rewritten = PENALTY | {"CF_NR_FK": "0.050", "CF_JDRQ": "2026/5/6", "CF_WSH": "示市监处罚[2026]8号", "BZ": "无"}
    left, right = (content_digest(SALT, DATASETS["penalty"], read("penalty", r)) for r in (PENALTY, rewritten))
    assert left == right
