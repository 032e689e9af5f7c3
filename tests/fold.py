"""What the warehouse must hold, computed from the log alone: a second, much simpler program to compare with.

It knows penalties: a record per unit and document number, corrections by record number, acts by record number or by
document number, and what waits for its record. Document numbers are never corrected here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from credit_schemas.envelope import read_headers
from events import Event, World

# The county's table of rights once more, in this program's own words: may the own unit, and who may to all.
OWN = {"revoke", "withdraw", "reinstate"}
ALL = {
    **{act: {"province"} for act in ("revoke", "withdraw")},
    **{act: {"province", "reform"} for act in ("repair", "dispute_open", "dispute_close", "reinstate")},
}
NOTHING = (None, None)


class Said(NamedTuple):
    """One event of the log."""

    unit: str
    ce_id: str
    act: str
    row: dict[str, Any]


@dataclass
class Kept:
    """A record."""

    number: str
    unit: str
    revision: int
    content: str
    last: str
    withdrawn: bool = False
    ended: str | None = None
    disputed: bool = False
    closers: set[str] = field(default_factory=set)

    @property
    def state(self) -> str:
        for holds, word in ((self.withdrawn, "withdrawn"), (self.ended, "ended"), (self.disputed, "disputed")):
            if holds:
                return word
        return "active"


@dataclass
class Folded:
    """Records by unit and document number, and what became of each event: state, record number, revision."""

    records: dict[tuple[str, str], Kept] = field(default_factory=dict)
    events: dict[str, tuple[str, str | None, int | None]] = field(default_factory=dict)
    waiting: list[Said] = field(default_factory=list)
    refused: set[Any] = field(default_factory=set)
    units: dict[str, str] = field(default_factory=dict)


def said(world: World, unit: str, headers: Any, value: bytes) -> Said:
    """A message of the log, read."""
    envelope = read_headers(headers)
    return Said(unit, str(envelope.id), envelope.act, world.center.catalogue.codec.decode(value).value)


def fold_events(world: World, events: Iterable[Event]) -> Folded:
    """What comes of events in this order."""
    return fold_said(world, (said(world, e.unit, e.headers, e.value) for e in events))


def fold_said(world: World, log: Iterable[Said]) -> Folded:
    out = Folded(units={u.name: u.code for u in map(world.center.catalogue.county.units.get, world.county.units)})
    for event in log:
        if event.ce_id not in out.events:
            _take(out, event)
    return out


def fold(world: World, units: Iterable[str]) -> Folded:
    """Read every intake topic from its start and apply what stands there, in order."""
    return fold_said(world, log_of(world, units))


def log_of(world: World, units: Iterable[str]) -> list[Said]:
    """What stands in the units' intake topics, each from the first offset that is still there."""
    log = []
    kafka = KafkaConsumer(**world.county.client("center.consumer"), enable_auto_commit=False)
    try:
        for unit in units:
            partition = TopicPartition(world.county.intake(unit), 0)
            kafka.assign([partition])
            kafka.seek(partition, kafka.beginning_offsets([partition])[partition])
            end = kafka.end_offsets([partition])[partition]
            while kafka.position(partition) < end:
                for record in kafka.poll(timeout_ms=500).get(partition, []):
                    log.append(said(world, unit, record.headers, record.value))
    finally:
        kafka.close()
    return log


def _take(out: Folded, event: Said) -> None:
    state, number, revision = _apply(out, event)
    if state == "waiting":
        out.waiting.append(event)
    if state == "rejected":
        same = (event.unit, tuple(sorted((k, str(v)) for k, v in event.row.items() if _counts(k, v))))
        state = "unchanged" if same in out.refused else state
        out.refused.add(same)
    out.events[event.ce_id] = (state, number, revision)
    if number == event.ce_id:  # a record has come
        queue, out.waiting = out.waiting, []
        for waiter in queue:
            _take(out, waiter)


def _counts(column: str, value: Any) -> bool:
    return not isinstance(value, bytes) and column.isupper()


def _apply(out: Folded, event: Said) -> tuple[str, str | None, int | None]:
    if event.act in ("report", "correct"):
        return _report(out, event)
    owner = out.units[event.row["AC_BSDW"]] if event.row["AC_BSDW"] else event.unit
    if event.unit not in ALL[event.act] and (event.act not in OWN or owner != event.unit):
        return "rejected", *NOTHING
    kept = _meant(out, event, owner)
    if kept is None:
        return "waiting", *NOTHING
    verdict = _act(event, kept)
    if verdict == "accepted":
        kept.revision += 1
        if event.unit == kept.unit:
            kept.last = event.ce_id
    return verdict, kept.number, kept.revision


def _report(out: Folded, event: Said) -> tuple[str, str | None, int | None]:
    content, key = event.row["CF_NR"], (event.unit, event.row["CF_WSH"])
    kept = out.records.get(key)
    if event.act == "correct":
        target = event.row["target"]["record_no"]
        kept = next((k for k in out.records.values() if k.number == target), None)
        if kept is None:
            return "waiting", *NOTHING
    if kept is None:
        out.records[key] = Kept(event.ce_id, event.unit, 1, content, event.ce_id)
        return "accepted", event.ce_id, 1
    if content == kept.content:
        return "unchanged", kept.number, kept.revision
    if kept.withdrawn or kept.ended:
        return "rejected", kept.number, kept.revision
    kept.revision, kept.content, kept.last = kept.revision + 1, content, event.ce_id
    return "accepted", kept.number, kept.revision


def _meant(out: Folded, event: Said, owner: str) -> Kept | None:
    if event.row["AC_JLBH"]:
        return next((k for k in out.records.values() if k.number == event.row["AC_JLBH"].lower()), None)
    return out.records.get((owner, event.row["AC_WSH"]))


def _act(event: Said, kept: Kept) -> str:
    own, over_all = event.unit == kept.unit, event.unit in ALL[event.act]
    closed = kept.state in ("withdrawn", "ended")
    if not over_all and not (own and event.act in OWN):
        return "rejected"
    match event.act:
        case "withdraw":
            if kept.withdrawn:
                return "unchanged"
            kept.withdrawn = True
            kept.closers.add(event.unit)
        case "revoke" | "repair":
            why = {"revoke": "revoked", "repair": "repaired"}[event.act]
            if kept.ended == why:
                return "unchanged"
            kept.ended = why
            kept.closers.add(event.unit)
        case "dispute_open":
            if closed:
                return "rejected"
            if kept.disputed:
                return "unchanged"
            kept.disputed = True
        case "dispute_close":
            if not kept.disputed:
                return "rejected"
            kept.disputed = False
            if event.row["AC_JG"] == "异议成立":
                kept.ended = "upheld"
                kept.closers.add(event.unit)
        case "reinstate":
            if not closed:
                return "unchanged"
            if not over_all and kept.closers != {event.unit}:
                return "rejected"
            kept.withdrawn, kept.ended = False, None
            kept.closers.clear()
    return "accepted"


def assert_agrees(world: World, units: list[str]) -> None:
    """Core, landing, marks and receipts hold exactly what the log says: nothing lost, nothing twice."""
    assert_holds(world, fold(world, units))
    assert world.one("SELECT count(*) FROM ingest.dead_letter")[0] == 0


def assert_holds(world: World, expected: Folded, about: str = "%") -> None:
    """The same for a fold in hand; `about` picks documents (LIKE), for a warehouse that holds more."""
    core = world.query("SELECT * FROM core.penalty WHERE cf_wsh LIKE %s", [about])
    columns = ("record_no", "unit", "revision", "cf_nr", "last_ce_id", "state", "withdrawn", "ended_why", "disputed")
    held = {(r["unit"], r["cf_wsh"]): tuple(r[c] for c in columns) for r in core}
    wanted = {
        key: (k.number, k.unit, k.revision, k.content, k.last, k.state, k.withdrawn, k.ended, k.disputed)
        for key, k in expected.records.items()
    }
    assert held == wanted, f"held {held}, by the log {wanted}"
    ids = list(expected.events)
    landing = world.query("SELECT ce_id, state, record_no, revision FROM landing.event")
    landed = {r["ce_id"]: (r["state"], r["record_no"], r["revision"]) for r in landing}
    differ = {i: (landed.get(i), expected.events[i]) for i in ids if landed.get(i) != expected.events[i]}
    assert not differ, f"event: landed, by the log: {differ}"
    assert about != "%" or landed.keys() == expected.events.keys()
    _assert_told(world, expected)
    numbers = [k.number for k in expected.records.values()]
    marks = world.query("SELECT record_no, revision FROM exchange.mark WHERE record_no = ANY(%s::uuid[])", [numbers])
    newest = {n: max(m["revision"] for m in marks if m["record_no"] == n) for n in numbers}
    assert newest == {k.number: k.revision for k in expected.records.values()}
    assert len({tuple(m) for m in marks}) == len(marks)
    open_ones = {r["ce_id"] for r in world.query("SELECT ce_id FROM ingest.waiting WHERE settled_at IS NULL")}
    assert open_ones & set(ids) == {w.ce_id for w in expected.waiting}
    acts = world.query("SELECT ce_id FROM core.record_act")
    done = {i for i in ids if expected.events[i][0] == "accepted"} - set(_reports(world))
    assert {a["ce_id"] for a in acts} & set(ids) == done


def _reports(world: World) -> list[str]:
    return [r["ce_id"] for r in world.query("SELECT ce_id FROM landing.event WHERE act IN ('report', 'correct')")]


def _assert_told(world: World, expected: Folded) -> None:
    """Each event's one last word; one that waited was told so before."""
    words: dict[str, list[str]] = {}
    told = world.query(
        "SELECT ce_id, status FROM exchange.receipt WHERE status NOT IN ('duplicate', 'resend', 'changed')"
        " ORDER BY at, receipt_id"
    )
    for r in told:
        words.setdefault(r["ce_id"], []).append(r["status"])
    for ce_id, (state, *_) in expected.events.items():
        last = {"accepted": {"loaded"}, "unchanged": {"unchanged", "rejected"}}.get(state, {state})
        assert words[ce_id][-1] in last, (ce_id, words[ce_id], state)
        assert words[ce_id][:-1] in ([], ["waiting"]), (ce_id, words[ce_id])
