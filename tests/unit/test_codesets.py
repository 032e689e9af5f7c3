"""Code sets: closed lists, known spellings, and the open value that must say what it means (STANDARDS 9, row 7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.codesets import load_codesets
from credit_schemas.dataset import current_datasets, load_schemas

SETS = load_codesets()
OPEN = [c for c in SETS.values() if c.other]


def test_the_lists_are_those_of_the_standards() -> None:
    listed = {name: "、".join(c.values) for name, c in SETS.items()}
    assert listed["subject_category"] == "法人及非法人组织、自然人、个体工商户"
    assert listed["id_type"] == "身份证、护照号、港澳居民来往内地通行证、台湾居民来往大陆通行证、外国人永久居留身份证"
    assert listed["licence_kind"] == "普通、特许、认可、核准、登记"
    assert listed["licence_status"] == "1、2"
    old = "警告、罚款、没收违法所得、没收非法财物、责令停产停业、暂扣或者吊销许可证、暂扣或者吊销执照、行政拘留"
    new = (
        "警告、通报批评、罚款、没收违法所得、没收非法财物、暂扣许可证件、降低资质等级、吊销许可证件、"
        "限制开展生产经营活动、责令停产停业、责令关闭、限制从业、行政拘留"
    )
    assert set(SETS["penalty_kind"].values) == {*old.split("、"), *new.split("、")}
    assert {c.id for c in OPEN} == {"id_type", "licence_kind", "penalty_kind"}


@pytest.mark.parametrize("codes", SETS.values(), ids=lambda c: c.id)
def test_every_list_is_sound(codes) -> None:
    assert len(set(codes.values)) == len(codes.values) > 0
    assert codes.cn
    assert codes.basis
    assert set(codes.aliases.values()) <= set(codes.values)
    assert not set(codes.aliases) & set(codes.values)
    assert set(codes.labels) <= set(codes.values)
    for word in (*codes.values, *codes.aliases):
        assert codes.has(codes.canonical(word))
        assert not any(sign in word for sign in "；;、,，")


def test_every_list_is_used_and_every_used_list_exists() -> None:
    used = {f.code_set for d in current_datasets(load_schemas()).values() for f in d.fields if f.code_set}
    assert {c.id for c in SETS.values()} <= {c.id for c in used}


def test_every_word_fits_its_column() -> None:
    for dataset in current_datasets(load_schemas()).values():
        for f in dataset.fields:
            if f.code_set and f.width:
                assert max(map(len, f.code_set.values)) <= f.width, f.column
                assert f.blank_means is None or f.code_set.has(f.blank_means)


@pytest.mark.parametrize("codes", OPEN, ids=lambda c: c.id)
@pytest.mark.parametrize(
    "spelling", ["其他-补办", "其它-补办", "其他（补办）", "其他(补办)", "其他：补办", "其他 补办", "其他补办"]
)
def test_the_open_value_with_its_explanation_is_accepted_in_every_spelling(codes, spelling: str) -> None:
    assert codes.canonical(spelling) == "其他-补办"
    assert codes.has("其他-补办")


@pytest.mark.parametrize("bare", ["其他", "其它", "其他-", "其他（）", "其他：", "其他--"])
def test_the_open_value_alone_is_not_enough(bare: str) -> None:
    for codes in OPEN:
        assert codes.canonical(bare) == "其他"
        assert not codes.has("其他")


def test_a_closed_list_has_no_open_value() -> None:
    assert not SETS["subject_category"].has("其他-协会")
    assert SETS["subject_category"].canonical("其他-协会") == "其他-协会"


@given(st.sampled_from(OPEN), st.text(st.sampled_from("（）()-—：: 其他它补办"), max_size=12))
def test_the_standard_word_of_a_standard_word_is_itself(codes, text: str) -> None:
    once = codes.canonical("其他" + text)
    assert codes.canonical(once) == once


def test_a_list_is_shown_as_a_clerk_can_fill_it_in() -> None:
    assert SETS["licence_status"].shown == "1（有效）、2（无效）"
    assert SETS["licence_kind"].shown == "普通、特许、认可、核准、登记、其他-（写明具体内容）"
