"""What the warehouse must hold, computed from the log alone: a second, much simpler program to compare with.

It knows reports of penalties only: one record per unit and document number, a revision per change of content.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from credit_schemas.envelope import read_headers
from events import World


class Folded(NamedTuple):
    """Records by unit and document number, and what became of each event."""

    records: dict[tuple[str, str], tuple[str, int, str, str]]  # record number, revision, content, last event
    events: dict[str, tuple[str, str, int]]  # state, record number, revision


def fold(world: World, units: list[str]) -> Folded:
    """Read every intake topic from its start and apply what stands there, in order."""
    out = Folded({}, {})
    kafka = KafkaConsumer(**world.county.client("center.consumer"), enable_auto_commit=False)
    try:
        for unit in units:
            partition = TopicPartition(world.county.intake(unit), 0)
            kafka.assign([partition])
            kafka.seek(partition, 0)
            end = kafka.end_offsets([partition])[partition]
            while kafka.position(partition) < end:
                for record in kafka.poll(timeout_ms=500).get(partition, []):
                    ce_id = str(read_headers(record.headers).id)
                    if ce_id not in out.events:
                        out.events[ce_id] = _apply(world, out, unit, ce_id, record.value)
    finally:
        kafka.close()
    return out


def _apply(world: World, out: Folded, unit: str, ce_id: str, value: bytes) -> tuple[str, str, int]:
    row = world.center.catalogue.codec.decode(value).value
    key = (unit, row["CF_WSH"])
    known = out.records.get(key)
    if known and known[2] == row["CF_NR"]:
        return "unchanged", known[0], known[1]
    number, revision = (known[0], known[1] + 1) if known else (ce_id, 1)
    out.records[key] = (number, revision, row["CF_NR"], ce_id)
    return "accepted", number, revision


def assert_agrees(world: World, units: list[str]) -> None:
    """Core, landing, marks and receipts hold exactly what the log says: nothing lost, nothing twice."""
    expected = fold(world, units)
    core = world.query("SELECT unit, cf_wsh, record_no, revision, cf_nr, last_ce_id FROM core.penalty")
    records = {(r["unit"], r["cf_wsh"]): (r["record_no"], r["revision"], r["cf_nr"], r["last_ce_id"]) for r in core}
    assert records == expected.records
    landing = world.query("SELECT ce_id, state, record_no, revision FROM landing.event")
    assert {r["ce_id"]: (r["state"], r["record_no"], r["revision"]) for r in landing} == expected.events
    assert _receipts(world) == {
        ce_id: state.replace("accepted", "loaded") for ce_id, (state, *_) in expected.events.items()
    }
    marks = world.query(
        "SELECT record_no, max(revision) AS revision, count(*) - count(DISTINCT revision) AS twice"
        " FROM exchange.mark GROUP BY 1"
    )
    assert {m["record_no"]: m["revision"] for m in marks} == {r[0]: r[1] for r in expected.records.values()}
    assert not any(m["twice"] for m in marks)
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0


def _receipts(world: World) -> dict[str, Any]:
    """Each event's one receipt; a second one that is no `duplicate` fails."""
    found: dict[str, Any] = {}
    for r in world.query("SELECT ce_id, status FROM exchange.receipt WHERE status NOT IN ('duplicate', 'resend')"):
        assert r["ce_id"] not in found
        found[r["ce_id"]] = r["status"]
    return found
