"""Whatever order acts come in, a record's state is what a second, independent program (tests/fold.py) makes of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import build_world
from fold import ALL, assert_holds, fold_events
from unit.rows import PENALTY

UNITS = ["market", "agri", "reform", "province"]
NAMES = {"market": "市场监管局", "agri": "农业农村局"}
_tags = itertools.count()

step = st.fixed_dictionaries(
    {
        "record": st.integers(0, 1),
        "unit": st.sampled_from(UNITS),
        "act": st.sampled_from(["report", "correct", *ALL]),
        "by": st.sampled_from(["number", "document"]),
        "content": st.integers(0, 1),
        "upheld": st.booleans(),
        "again": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


def played(world, tag, steps):
    """Events of the steps. Records 0 and 1 are of two units; each is there or not, as the steps report it."""
    owners = ("market", "agri")
    rows = [{**PENALTY, "CF_WSH": f"{tag}-{n}号"} for n in range(2)]
    firsts = [world.event(owner, row) for owner, row in zip(owners, rows, strict=True)]
    reported = [False, False]
    events = []
    for s in steps:
        n = s["record"]
        row, first, owner = {**rows[n], "CF_NR": f"罚款500元，第{s['content']}次"}, firsts[n], owners[n]
        if s["act"] == "report":
            event = world.event(owner, row) if reported[n] else first
            reported[n] = True
        elif s["act"] == "correct":
            event = world.event(owner, row, act="correct", target={"record_no": str(first.ce_id)})
        else:
            named = {"AC_JLBH": str(first.ce_id)}
            if s["by"] == "document":
                named = {"AC_WSH": row["CF_WSH"], "AC_JGDM": row["CF_CFJGDM"], "AC_JDRQ": row["CF_JDRQ"]}
                named["AC_DM"] = row["CF_XDR_SHXYM"]
                if s["unit"] != owner:
                    named["AC_BSDW"] = NAMES[owner]
            result = {"AC_JG": "异议成立" if s["upheld"] else "异议不成立"} if s["act"] == "dispute_close" else {}
            event = world.act(s["unit"], s["act"], **named, **result)
        events += [event, event] if s["again"] else [event]
    return events


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=1, max_size=14), size=st.integers(1, 15))
def test_any_sequence_of_acts_comes_to_what_the_fold_says(world, steps, size):
    tag = f"model-{next(_tags)}"
    events = played(world, tag, steps)
    for at in range(0, len(events), size):
        world.feed(*events[at : at + size])
    assert_holds(world, fold_events(world, events), f"{tag}-%")
    assert world.settle_waiting() == {}
