"""What the warehouse must hold, computed from the log alone: a second, much simpler program to compare with.

It knows penalties: a record per unit and document number, corrections by record number, acts by record number or by
document number, and what waits for its record. Document numbers are never corrected here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

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
    resent: bool = False


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
    waiting: dict[str, Said] = field(default_factory=dict)
    refused: set[Any] = field(default_factory=set)
    units: dict[str, str] = field(default_factory=dict)
    # The same records by number, and who waits for a number or for a unit's document: a million events are folded.
    by_number: dict[str, Kept] = field(default_factory=dict)
    sought: dict[Any, list[str]] = field(default_factory=lambda: defaultdict(list))
    # By record, unit, and whether content or act: the id made last of what was done or needed no doing.
    latest: dict[tuple[str, str, bool], str] = field(default_factory=dict)


def said(world: World, unit: str, headers: Any, value: bytes) -> Said:
    """A message of the log, read."""
    envelope = read_headers(headers)
    row = world.center.catalogue.codec.decode(value).value
    return Said(unit, str(envelope.id), envelope.act, row, envelope.resent)


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
    return fold_said(world, read_log(world, units))


def log_of(world: World, units: Iterable[str]) -> list[Said]:
    """What stands in the units' intake topics, kept in memory."""
    return list(read_log(world, units))


def read_log(world: World, units: Iterable[str]) -> Iterator[Said]:
    """What stands in the units' intake topics, each in its order from the first offset that is still there, the units
    side by side. Read by librdkafka: not by the client that the consumer reads with."""
    topics = {world.county.intake(unit): unit for unit in units}
    client = world.county.client("center.consumer")
    kafka = Consumer(
        {
            "bootstrap.servers": client["bootstrap_servers"],
            "security.protocol": client["security_protocol"],
            "ssl.ca.location": client["ssl_cafile"],
            "sasl.mechanism": client["sasl_mechanism"],
            "sasl.username": client["sasl_plain_username"],
            "sasl.password": client["sasl_plain_password"],
            "group.id": "center.fold",  # asked for, never used: nothing is subscribed to nor committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted",
            "log_level": 3,
        }
    )
    try:
        kafka.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in topics])
        left, patience = set(topics), 150
        while left:
            found = kafka.consume(5000, timeout=0.2)
            patience = 150 if found else patience - 1
            assert patience, f"the broker gives nothing more of {sorted(left)}"
            for message in found:
                error = message.error()
                if error is None:
                    yield said(world, topics[message.topic()], message.headers(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.topic())
                else:
                    raise AssertionError(str(error))
    finally:
        kafka.close()


def _take(out: Folded, event: Said) -> None:
    state, number, revision = _apply(out, event)
    if state in ("accepted", "unchanged") and number:
        about = (number, *_made_by(event))
        out.latest[about] = max(event.ce_id, out.latest.get(about, ""))
    if state == "waiting":
        out.waiting[event.ce_id] = event._replace(resent=False)
        out.sought[_sought(out, event)].append(event.ce_id)
    if state == "rejected":
        same = (event.unit, tuple(sorted((k, str(v)) for k, v in event.row.items() if _counts(k, v))))
        state = "unchanged" if same in out.refused else state
        out.refused.add(same)
    out.events[event.ce_id] = (state, number, revision)
    if number == event.ce_id and state == "accepted":  # a record has come
        key = (event.unit, event.row["CF_WSH"])
        come = {*out.sought.pop(number, ()), *out.sought.pop(key, ())}
        for waiter in [w for w in out.waiting if w in come] if come else []:  # in the order in which they came
            _take(out, out.waiting.pop(waiter))


def _made_by(event: Said) -> tuple[str, bool]:
    return event.unit, event.act in ("report", "correct")


def _late(out: Folded, event: Said, kept: Kept) -> bool:
    """Sent again after its unit's later word on the record has come."""
    return event.resent and event.ce_id < out.latest.get((kept.number, *_made_by(event)), "")


def _sought(out: Folded, event: Said) -> Any:
    """Which record an event waits for: a number, or a unit and its document."""
    if event.act == "correct":
        return event.row["target"]["record_no"]
    if event.row["AC_JLBH"]:
        return event.row["AC_JLBH"].lower()
    return (out.units[event.row["AC_BSDW"]] if event.row["AC_BSDW"] else event.unit, event.row["AC_WSH"])


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
    if _late(out, event, kept):
        verdict = _act(event, replace(kept, closers=set(kept.closers)))
        return ("rejected" if verdict == "accepted" else verdict), kept.number, kept.revision
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
        kept = out.by_number.get(target)
        if kept is None:
            return "waiting", *NOTHING
    if kept is None:
        kept = out.records[key] = out.by_number[event.ce_id] = Kept(event.ce_id, event.unit, 1, content, event.ce_id)
        return "accepted", event.ce_id, 1
    if content == kept.content:
        return "unchanged", kept.number, kept.revision
    if kept.withdrawn or kept.ended or _late(out, event, kept):
        return "rejected", kept.number, kept.revision
    kept.revision, kept.content, kept.last = kept.revision + 1, content, event.ce_id
    return "accepted", kept.number, kept.revision


def _meant(out: Folded, event: Said, owner: str) -> Kept | None:
    if event.row["AC_JLBH"]:
        return out.by_number.get(event.row["AC_JLBH"].lower())
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


def tally(world: World, expected: Folded) -> dict[str, int]:
    """Events of the log, how many of them are lost, and what was applied twice; for a line of the fault table. The
    warehouse may hold more than this fold.

    Lost: an event that landing does not hold, a record or a revision that core does not hold, an event without its last
    word. Twice: a revision beyond the log's, two marks of one revision, a last word told again.
    """
    landed = {r[0] for r in world.query("SELECT ce_id FROM landing.event")}
    lost = sum(ce_id not in landed for ce_id in expected.events)
    twice = 0
    revisions = {r[0]: r[1] for r in world.query("SELECT record_no, revision FROM core.penalty")}
    for kept in expected.records.values():
        has = revisions.get(kept.number, 0)
        lost, twice = lost + max(kept.revision - has, 0), twice + max(has - kept.revision, 0)
    marks = "SELECT count(*) - count(DISTINCT (record_no, revision)) FROM exchange.mark"
    words = _words(world)
    lost += sum(not words.get(ce_id) for ce_id in expected.events)
    again = sum(max(len(words[ce_id]) - words[ce_id].count("waiting") - 1, 0) for ce_id in expected.events)
    return {"events": len(expected.events), "lost": lost, "twice": twice + world.one(marks)[0] + again}


def assert_holds(world: World, expected: Folded, about: str = "%") -> None:
    """The same for a fold in hand; `about` picks documents (LIKE), for a warehouse that holds more."""
    columns = "record_no, unit, revision, cf_nr, last_ce_id, state, withdrawn, ended_why, disputed"
    core = world.query(f"SELECT unit, cf_wsh, {columns} FROM core.penalty WHERE cf_wsh LIKE %s", [about])
    held = {(unit, document): tuple(rest) for unit, document, *rest in core}
    wanted = {
        key: (k.number, k.unit, k.revision, k.content, k.last, k.state, k.withdrawn, k.ended, k.disputed)
        for key, k in expected.records.items()
    }
    _assert_same("record", held, wanted)
    landing = world.query("SELECT ce_id, state, record_no, revision, act FROM landing.event")
    landed = {r[0]: tuple(r[1:4]) for r in landing if about == "%" or r[0] in expected.events}
    _assert_same("event", landed, expected.events)
    _assert_told(world, expected)
    numbers = [k.number for k in expected.records.values()]
    if about == "%":
        marks = world.query("SELECT record_no, revision FROM exchange.mark")
    else:
        marks = world.query(
            "SELECT record_no, revision FROM exchange.mark WHERE record_no = ANY(%s::uuid[])", [numbers]
        )
    newest: dict[str, int] = {}
    for number, revision in marks:
        newest[number] = max(revision, newest.get(number, 0))
    _assert_same("newest mark", newest, {k.number: k.revision for k in expected.records.values()})
    assert len({tuple(m) for m in marks}) == len(marks)
    open_ones = {r[0] for r in world.query("SELECT ce_id FROM ingest.waiting WHERE settled_at IS NULL")}
    assert open_ones & expected.events.keys() == expected.waiting.keys()
    acts = {r[0] for r in world.query("SELECT ce_id FROM core.record_act")}
    reports = {r[0] for r in landing if r[4] in ("report", "correct")}
    done = {i for i, (state, *_) in expected.events.items() if state == "accepted"} - reports
    assert acts & expected.events.keys() == done


def _assert_same(what: str, held: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    if held == wanted:
        return
    differ = [k for k in {**held, **wanted} if held.get(k) != wanted.get(k)]
    shown = "\n".join(f"{k}: held {held.get(k)}, by the log {wanted.get(k)}" for k in differ[:10])
    raise AssertionError(f"{len(differ)} of {len(wanted)} differ, {what}:\n{shown}")


def _words(world: World) -> dict[str, list[str]]:
    """What each event was told, oldest first."""
    words: dict[str, list[str]] = defaultdict(list)
    told = world.query(
        "SELECT ce_id, status FROM exchange.receipt WHERE status NOT IN ('duplicate', 'resend', 'changed')"
        " ORDER BY at, receipt_id"
    )
    for ce_id, status in told:
        words[ce_id].append(status)
    return words


def _assert_told(world: World, expected: Folded) -> None:
    """Each event's one last word; one that waited was told so before."""
    words = _words(world)
    for ce_id, (state, *_) in expected.events.items():
        last = {"accepted": {"loaded"}, "unchanged": {"unchanged", "rejected"}}.get(state, {state})
        assert (words[ce_id] or [""])[-1] in last, (ce_id, words[ce_id], state)
        assert words[ce_id][:-1] in ([], ["waiting"]), (ce_id, words[ce_id])
