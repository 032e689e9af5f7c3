"""Many events in seconds: `Traffic(world).send(100_000)` makes and publishes a day of forty units.

    traffic = Traffic(world, seed=42)           # all units of the county; the same seed gives the same mix
    traffic.send(100_000)                       # make and publish, spread over the units; returns how many
    traffic.send(5_000, units=["market"])       # go on where it stopped, for some units only
    events = list(traffic.make(1_000))          # make only: `events.Event`, as `World.event` gives them
    publish(world, events)                      # publish any events fast, in their order; returns how many

Per unit there are two template rows of `penalty` (a company's, a person's with its sealed number), encoded once; of
each event document number, content and subject differ and are spliced into the encoded value. The subject is one of
`companies=997` made-up companies or, in every fourth document, a new person. By default most events are new records;
some report a known document with another content (a correction), with the same content under a new id (`unchanged`),
are an earlier event sent once more under its own id (`duplicate`), or are acts of the unit on its records, a few of
them before their record came. `fold.py` understands all of it. Shares: `Traffic(world, changed=0.05, repeated=0.03,
resent=0.02, acts=0.005)`; `documents=n` takes the documents from n numbers per unit, at random, instead of new ones.
`row=` and `person=` replace the template rows, `tag=` what document numbers begin with.

Measured on two busy cores: 20,000 events made in 0.5 s and published in 2 s, the connection included. Published by
librdkafka (the package confluent-kafka, which Airflow's Kafka provider brings), as the portal, who may write every
intake topic: a second client, whose batches differ from kafka-python's in size and spelling, so both are read.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from confluent_kafka import Producer

from credit_schemas.codec import event_value
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.forms import read_row
from credit_schemas.uuid7 import uuid7
from events import Event, World
from unit.rows import PENALTY, PERSON_PENALTY

# Stands where a document number and a content are spliced in.
_MARKS = {"CF_WSH": "<<document>>", "CF_NR": "<<content>>"}
# The number that makes the subject, in both templates.
_SUBJECT = {"CF_XDR_SHXYM": "<<company>>", "CF_XDR_ZJHM": b"<<person>>"}
# How many records and events of the past a unit's later ones can be about.
_REMEMBERED = 500
# Every so many documents one of a person: the subject belongs to the record's key, so it follows from the number.
_PERSON_EVERY = 4


class Traffic:
    """Goes on where it stopped: what it makes later may be about records it made before."""

    def __init__(
        self,
        world: World,
        *,
        seed: int = 0,
        tag: str = "流量",
        documents: int | None = None,
        changed: float = 0.05,
        repeated: float = 0.03,
        resent: float = 0.02,
        acts: float = 0.005,
        companies: int = 997,
        row: Mapping[str, Any] = PENALTY,
        person: Mapping[str, Any] = PERSON_PENALTY,
    ) -> None:
        self.world, self._tag, self._documents = world, tag, documents
        self._rng = random.Random(seed)
        self._changed, self._repeated = changed, changed + repeated
        self._resent = self._repeated + resent
        self._acts = self._resent + acts
        self._rows, self._companies = (row, person), companies
        self._units: dict[str, _Unit] = {}
        self._producer: Producer | None = None

    def make(self, count: int, units: Sequence[str] | None = None) -> Iterator[Event]:
        """`count` events of `units` (all of the county), one unit drawn for each."""
        names = list(units or self.world.county.units)
        pick = self._rng.choice
        for n in range(count):
            if n % 1000 == 0:
                now = datetime.now(UTC)
                for u in self._units.values():
                    u.at(now)
            name = pick(names)
            unit = self._units.get(name)
            if unit is None:
                unit = self._units[name] = _Unit(self.world, name, self._rows, self._tag, self._companies)
            yield self._next(unit)

    def send(self, count: int, units: Sequence[str] | None = None) -> int:
        """Make and publish `count` events; returns once the broker has them all."""
        return self.publish(self.make(count, units))

    def publish(self, events: Iterable[Event]) -> int:
        """`publish` by one producer that stays connected."""
        if self._producer is None:
            self._producer = producer_of(self.world)
        return publish(self.world, events, self._producer)

    def _next(self, unit: _Unit) -> Event:
        rng, share = self._rng, self._rng.random()
        if share >= self._acts or not unit.recent:
            number = unit.count if self._documents is None else rng.randrange(self._documents)
            return unit.report(number, rng.randrange(3) if self._documents else 0)
        if share < self._repeated:
            number, content = rng.choice(unit.recent)[1:3]
            return unit.report(number, content + 1 if share < self._changed else content)
        if share < self._resent:
            return rng.choice(unit.sent)
        act = rng.choice(("withdraw", "reinstate", "revoke", "early"))
        if act != "early":
            return self.world.act(unit.name, act, AC_JLBH=str(rng.choice(unit.recent)[0]))
        # The record comes later, if ever: nobody else makes ids, so this one is kept for the unit's next new document.
        unit.promised.append(uuid7())
        return self.world.act(unit.name, "withdraw", AC_JLBH=str(unit.promised[-1]))


class _Unit:
    """One unit's templates and what it has sent lately."""

    def __init__(self, world: World, name: str, rows: Sequence[Mapping[str, Any]], tag: str, companies: int) -> None:
        self.name, self._tag, self._companies, self._sealer = name, tag, companies, world.sealer
        # Two units know some of the same companies, and no two the same persons.
        self._first_person = list(world.county.units).index(name) * 400_000
        self._county = world.county.code
        self._pieces = [_template(world, name, row) for row in rows]
        self.count = 0
        # (id of the first report, document, content) of records, and events as they were sent.
        self.recent: deque[tuple[UUID, int, int]] = deque(maxlen=_REMEMBERED)
        self.sent: deque[Event] = deque(maxlen=_REMEMBERED)
        self.promised: deque[UUID] = deque()
        self._last: dict[int, int] = {}
        self.at(datetime.now(UTC))

    def at(self, now: datetime) -> None:
        """The producer's clock."""
        headers = write_headers(Envelope(uuid7(), self._county, self.name, "penalty", "report", now))
        at = next(n for n, (key, _) in enumerate(headers) if key == "ce_id")
        self._before, self._after = headers[:at], headers[at + 1 :]

    def report(self, number: int, content: int) -> Event:
        new = number >= self.count
        ce_id = self.promised.popleft() if new and self.promised else uuid7()
        if new:
            self.count = number + 1
            self.recent.append((ce_id, number, content))
        document = f"{self._tag}〔2026〕{number}号"
        cells = {"CF_WSH": _text(document), "CF_NR": _text(f"罚款500元，第{content}次")}
        of_person = number % _PERSON_EVERY == 0
        if of_person:
            clear = person_number(self._first_person + number // _PERSON_EVERY)
            cells["CF_XDR_ZJHM"] = _bytes(self._sealer.seal(clear, f"{self.name}/penalty/CF_XDR_ZJHM"))
        else:
            cells["CF_XDR_SHXYM"] = _text(company_code(number % self._companies))
        value = b"".join(cells[piece] if isinstance(piece, str) else piece for piece in self._pieces[of_person])
        event = Event(
            ce_id=ce_id,
            unit=self.name,
            key=blake2b(document.encode(), digest_size=16, key=self.name.encode()).hexdigest().encode(),
            value=value,
            headers=[*self._before, ("ce_id", str(ce_id).encode()), *self._after],
        )
        self.sent.append(event)
        return event


def producer_of(world: World) -> Producer:
    """A producer of librdkafka, logged in as the portal."""
    client = world.county.client("portal")
    return Producer(
        {
            "bootstrap.servers": client["bootstrap_servers"],
            "security.protocol": client["security_protocol"],
            "ssl.ca.location": client["ssl_cafile"],
            "sasl.mechanism": client["sasl_mechanism"],
            "sasl.username": client["sasl_plain_username"],
            "sasl.password": client["sasl_plain_password"],
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
            "log_level": 0,  # a broker that starts, or is being killed, is a normal answer here
        }
    )


def publish(world: World, events: Iterable[Event], producer: Producer | None = None) -> int:
    """Write events to their units' topics as the portal, in order; returns how many once the broker has them all.

    Raises:
        AssertionError: The broker refused one; says why.
    """
    producer = producer or producer_of(world)
    refused: list[str] = []

    def answer(error: Any, _message: Any) -> None:
        if error is not None:
            refused.append(str(error))

    topics = {unit: world.county.intake(unit) for unit in world.county.units}
    count = 0
    for count, e in enumerate(events, 1):
        while True:
            try:
                producer.produce(topics[e.unit], e.value, e.key, headers=e.headers, on_delivery=answer)
                break
            except BufferError:  # the queue is full
                producer.poll(0.1)
        if count % 1000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    assert not left, f"{left} of {count} events were not delivered within two minutes"
    assert not refused, refused[0]
    return count


def _template(world: World, unit: str, row: Mapping[str, Any]) -> list[bytes | str]:
    """The encoded value of a row, cut at the cells that differ: pieces of bytes and, between them, columns' names."""
    about = world.dataset("penalty")
    values = read_row(about.fields, dict(row)).values
    sealed = {
        c: world.sealer.seal(v, f"{unit}/penalty/{c}") if about.by_column[c].sealed else v for c, v in values.items()
    }
    marks = {**_MARKS, **{c: v for c, v in _SUBJECT.items() if c in values}}
    pieces: list[bytes | str] = [
        world.center.catalogue.codec.encode(about.schema_id, event_value(about, {**sealed, **marks}, {}))
    ]
    for column, mark in marks.items():
        cell = _text(mark) if isinstance(mark, str) else _bytes(mark)
        (at,) = [n for n, piece in enumerate(pieces) if isinstance(piece, bytes) and cell in piece]
        before, after = pieces[at].split(cell)  # type: ignore[arg-type,union-attr]
        pieces[at : at + 1] = [before, column, after]
    return pieces


@cache
def company_code(n: int) -> str:
    """A unified social credit code that nobody has, with its check characters (GB 32100-2015, GB 11714-1997)."""
    body = f"{n:08d}"
    left = 11 - sum(int(c) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    code = f"91410421{body}{'0123456789X0'[left]}"
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    return code + alphabet[-sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(code)) % 31]


def person_number(n: int) -> str:
    """A resident's number that nobody need have, with its check character (GB 11643-1999)."""
    born = date(1950, 1, 1) + timedelta(n // 1000 % 18_000)
    number = f"{(410421, 410422, 410423)[n // 18_000_000]}{born:%Y%m%d}{n % 1000:03d}"
    return number + "10X98765432"[sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(number)) % 11]


def _text(text: str) -> bytes:
    """A string as Avro writes it (Avro 1.12, binary encoding): length in bytes as a zigzag varint, then the bytes."""
    return _bytes(text.encode())


def _bytes(raw: bytes) -> bytes:
    length, out = len(raw) << 1, bytearray()
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + raw
