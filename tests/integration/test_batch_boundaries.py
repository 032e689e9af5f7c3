"""What becomes of a unit's events does not depend on where Kafka happens to cut them into batches."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import World, build_world
from unit.rows import PENALTY, PERSON_PENALTY

_units = itertools.count()
numbers = st.integers(0, 2)
step = st.fixed_dictionaries(
    {
        "number": numbers,
        "person": st.sampled_from([False, False, False, True]),
        "content": st.integers(0, 1),
        "source_key": st.sampled_from([None, "a", "b"]),
        "target": st.one_of(
            st.none(),
            st.none(),
            st.tuples(st.just("first"), st.integers(0, 5)),
            st.tuples(st.just("source_key"), st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("number"), numbers),
        ),
        "again": st.booleans(),
        "act": st.sampled_from([None, None, "withdraw", "revoke", "reinstate"]),
    }
)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


def standing(r: Any) -> tuple[Any, ...]:
    return r["state"], r["withdrawn"], r["ended_why"], r["disputed"]


def named(row: dict[str, str], target: dict[str, Any] | None) -> dict[str, str]:
    """An act's columns for a target; without one the row's own document."""
    if target and "record_no" in target:
        return {"AC_JLBH": target["record_no"]}
    if target and "source_key" in target:
        return {"AC_LYZJ": target["source_key"]}
    number = target["document_no"] if target else row["CF_WSH"]
    subject = {"AC_ZJLX": "身份证", "AC_ZJHM": row["CF_XDR_ZJHM"]} if "CF_XDR_ZJHM" in row and not target else {}
    code = {} if subject else {"AC_DM": PENALTY["CF_XDR_SHXYM"]}
    return {"AC_WSH": number, "AC_JGDM": row["CF_CFJGDM"], "AC_JDRQ": row["CF_JDRQ"], **code, **subject}


def played(world: World, unit: str, steps: list[dict[str, Any]], size: int) -> tuple[list[Any], list[Any]]:
    """Feed the steps in batches of `size`; what landed, in order, and the records, each without ids and times."""
    events: list[Any] = []
    for s in steps:
        row = {**(PERSON_PENALTY if s["person"] else PENALTY), "CF_WSH": f"批〔2026〕{s['number']}号"}
        target = None
        if s["target"]:
            by, which = s["target"]
            if by == "first" and events:
                target = {"record_no": str(events[which % len(events)].ce_id)}
            elif by == "source_key":
                target = {"source_key": which}
            else:
                target = {
                    "authority_code": row["CF_CFJGDM"],
                    "document_no": f"批〔2026〕{which}号",
                    "decision_date": date.fromisoformat(row["CF_JDRQ"]),
                    "subject_code": PENALTY["CF_XDR_SHXYM"],
                }
        if s["act"]:
            event = world.act(unit, s["act"], **named(row, target))
            events += [event, event] if s["again"] else [event]
            continue
        event = world.event(
            unit,
            {**row, "CF_NR": f"罚款500元，第{s['content']}次"},
            act="correct" if target else "report",
            source_key=s["source_key"],
            target=target,
        )
        events += [event, event] if s["again"] else [event]
    for at in range(0, len(events), size):
        world.feed(*events[at : at + size])
    order = {str(e.ce_id): i for i, e in reversed(list(enumerate(events)))}
    landing = world.query("SELECT * FROM landing.event WHERE unit = %s", [unit])
    core = world.query("SELECT * FROM core.penalty WHERE unit = %s ORDER BY record_no", [unit])
    told = world.query("SELECT * FROM exchange.receipt WHERE unit = %s ORDER BY receipt_id", [unit])
    return (
        sorted((order[r["ce_id"]], r["state"], order.get(r["record_no"]), r["revision"]) for r in landing),
        [
            *(
                (order[r["record_no"]], r["revision"], r["source_key"], r["cf_wsh"], r["cf_nr"], *standing(r))
                for r in core
            ),
            *((order[r["ce_id"]], r["status"], r["revision"], [p["rule"] for p in r["problems"] or []]) for r in told),
        ],
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=2, max_size=10), size=st.integers(1, 4))
def test_batch_boundaries_decide_nothing(world, steps, size):
    whole = played(world, f"w{next(_units)}", steps, 1000)
    cut = played(world, f"c{next(_units)}", steps, size)
    assert cut == whole
