"""Acts in tests: do one to a record, see what it came to."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from events import Event, World, build_world
from unit.rows import AUTHORITY, COMPANY, PENALTY

DAY = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
UPHELD, NOT_UPHELD = {"AC_JG": "异议成立"}, {"AC_JG": "异议不成立"}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    units = ["market", "agri", "reform", "province"]
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), units)
    yield made
    made.close()


@pytest.fixture
def row(request):
    """A penalty with a document number of this test's own."""
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{zlib.crc32(request.node.name.encode())}号"}


@pytest.fixture
def reported(world, row):
    """The row's first report, loaded."""
    first = world.event("market", row, source_key=row["CF_WSH"])
    world.feed(first, at=DAY)
    return first


def record(world: World, first: Event) -> Any:
    """A penalty's row in the warehouse, by its first report."""
    return world.one("SELECT * FROM core.penalty WHERE record_no = %s", [str(first.ce_id)])


def state(world: World, first: Event) -> tuple[str, str | None, int]:
    """State, why it ended, revision."""
    found = record(world, first)
    return found["state"], found["ended_why"], found["revision"]


def number(first: Event) -> dict[str, str]:
    """A record named by its number."""
    return {"AC_JLBH": str(first.ce_id)}


def natural(row: dict[str, str], **other: str) -> dict[str, str]:
    """A penalty of a company named by its document."""
    return {"AC_WSH": row["CF_WSH"], "AC_JGDM": AUTHORITY, "AC_JDRQ": row["CF_JDRQ"], "AC_DM": COMPANY, **other}


def told(world: World, event: Event) -> tuple[str, list[str]]:
    """The newest receipt's status and the rules it says were broken."""
    receipt = world.receipts(event)[-1]
    return receipt["status"], [p["rule"] for p in receipt["problems"] or [] if p["severity"] == "reject"]


def do(world: World, unit: str, act: str, first: Event, **cells: str) -> tuple[str, list[str]]:
    """Do an act to a record; its receipt's status and the rules it broke."""
    event = world.act(unit, act, **{**number(first), **cells})
    world.feed(event)
    return told(world, event)
