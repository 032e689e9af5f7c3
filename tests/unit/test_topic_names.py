"""Names of topics and principals: what rights hang on must be unambiguous."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_consumer.topics import rights
from credit_schemas import topics

UNITS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
COUNTIES = st.from_regex(r"[0-9]{6}", fullmatch=True)


def test_names_others_rely_on() -> None:
    assert topics.intake_topic("410421", "hb") == "credit.410421.intake.hb"
    assert topics.receipts_topic("410421", "hb") == "credit.410421.receipts.hb"
    assert topics.loaded_topic("410421") == "credit.410421.loaded"
    assert topics.unit_principal("hb") == "unit.hb"
    assert topics.unit_group_prefix("hb") == "unit.hb."


@given(COUNTIES, UNITS)
def test_unit_of_a_topic_is_the_unit_it_was_made_for(county: str, unit: str) -> None:
    topic = topics.intake_topic(county, unit)
    assert topics.unit_of_intake_topic(topic) == unit
    assert re.search(topics.intake_pattern(county), topic)
    assert len(topic) <= 249  # Kafka's limit


@pytest.mark.parametrize(
    "topic",
    [
        "credit.410421.receipts.hb",
        "credit.410421.loaded",
        "credit.410421.intake.",
        "credit.410421.intake.hb.more",
        "credit.41042.intake.hb",
        "other.410421.intake.hb",
        "credit.410421.intake.hb\n",
        "",
    ],
)
def test_what_is_no_intake_topic_names_no_unit(topic: str) -> None:
    with pytest.raises(ValueError, match=r"intake topic|cannot be part"):
        topics.unit_of_intake_topic(topic)
    assert not re.fullmatch(topics.intake_pattern("410421"), topic)


@pytest.mark.parametrize("unit", ["", "a.b", "环保", "a b", "-a", "*", "a" * 65, "hb\n"])
def test_code_that_could_reach_into_another_unit_s_rights_is_refused(unit: str) -> None:
    for name in (topics.unit_principal, lambda code: topics.intake_topic("410421", code)):
        with pytest.raises(ValueError, match="cannot be part"):
            name(unit)


@given(st.lists(UNITS, min_size=2, max_size=5, unique=True))
def test_no_rule_of_a_unit_covers_another_unit(units: list[str]) -> None:
    for acl in rights("410421", units):
        owner = acl.principal.removeprefix("User:unit.") if acl.principal.startswith("User:unit.") else None
        if owner is None:
            continue
        pattern = acl.resource_pattern
        for other in set(units) - {owner}:
            names = (
                topics.intake_topic("410421", other),
                topics.receipts_topic("410421", other),
                topics.unit_group_prefix(other) + "receipts",
            )
            prefixed = pattern.pattern_type.name == "PREFIXED"
            for name in names:
                assert not (name.startswith(pattern.resource_name) if prefixed else name == pattern.resource_name)


def test_nobody_but_the_named_gets_any_right() -> None:
    principals = {acl.principal for acl in rights("410421", ["hb"])}
    assert principals == {f"User:{name}" for name in ("unit.hb", *topics.SERVICE_PRINCIPALS)}
    assert not any("*" in acl.resource_pattern.resource_name for acl in rights("410421", ["hb"]))
