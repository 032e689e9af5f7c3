"""Hostile messages from a seed: real events of every dataset and act, mutated as bytes, as values and as headers.

The same seed gives the same messages wherever it runs, but for sealed values (their nonces are random) and ids.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from credit_consumer.normalise import Center
from credit_schemas.acts import act_of
from credit_schemas.codec import FRAME
from credit_schemas.dataset import load_schemas
from credit_schemas.envelope import Envelope, write_headers
from credit_schemas.forms import read_row
from credit_schemas.sealing import Sealer, generate_center_key
from credit_schemas.uuid7 import uuid7

# Numbers of nobody (regions and check digits right), planted in clear and sealed: none may come out anywhere.
PLANTED = ("110101199003073677", "410421198502286536", "410421194912310027", "130503670401001")
NAME = "欧阳示例甲"

TEXTS = (
    *("", " ", "\0", "a\0b", "\x1f", "\ufeff", "\u202e倒", "\u0085", "\u2028", "\U0001f9fe", "e\u0301" * 40, "﷽" * 30),
    *("²", "Ⅻ", "٣٤٥", "１２３４５６７８９０１２３４５６７８", "NaN", "1e999999999", "-0", "0x1F", "1_000", "∞"),
    *("{name}", "{0.__class__}", "%s%n", "\\N", "\\x00", "\\.", "'; DROP TABLE core.penalty; --", "=cmd|'/c'!A1"),
    *(
        "罚款" + "9" * 5000 + "元",
        "罚款" + "9,，" * 300 + ".9元",
        "罚款٣元",
        "罚款0元罚款0元罚款1万元",
        "罚款0.0000001万元",
    ),
    *("“" * 400, "”“" * 200, "，；、" * 200, ";" * 500, "1 " * 400, "1" + " " * 3000, "-‐–" * 300, "身份证" * 300),
    *("〔" * 200, "〔2026〕" * 90, "[2026] 8号", "00000000000000000X", "9" * 18, "X" * 18, "2026Q5", "0000", "9999-99"),
    *("/", "//", "../../etc/passwd", "C:\\CON", "a.jpg|" + "0" * 64 + "|1", "a.jpg|zz|-1", "http://" + "a" * 3000),
    *PLANTED,
    *(f"{p[:6]} {p[6:14]}-{p[14:]}" for p in PLANTED),
    *(f"身份证号{p}等" for p in PLANTED),
    PLANTED[0].translate({48 + i: 0xFF10 + i for i in range(10)}),
    NAME,
)
# Right words in the wrong row: what the law keeps out, another kind of subject.
_WORDS = ("简易程序", "自然人", "法人及非法人组织", "个体工商户", "是", "否", "其他-x", "身份证", "护照号", "异议成立")
_DATES = (
    *(date(1, 1, 1), date(1, 1, 2), date(1582, 10, 10), date(1900, 2, 28), date(1969, 12, 31), date(2024, 2, 29)),
    *(date(2026, 11, 24), date(2027, 1, 1), date(2099, 12, 31), date(9998, 12, 31), date(9999, 12, 30)),
    date(9999, 12, 31),
)
_LONGS = (0, 1, -1, 10**6, 10**15, 10**18, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
# Varints that claim 2^60 elements or bytes, a negative length, more than 64 bits.
LENGTHS = (
    *(b"\x80\x80\x80\x80\x80\x80\x80\x80\x20", b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x01", b"\x03"),
    *(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff" * 40, b"\x80" * 200 + b"\x00", b"\xfe\xff\xff\xff\x0f"),
)
_TIMES = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01", "20261124"),
    *("2026-11-24T08:00:00+23:59:59.999999", "2026-W48-2", "2026-11-24T24:00:00Z", "2026-11-24T08:00:00.000000001Z"),
    *("1969-12-31T23:59:59Z", "2026-06-30T23:59:60Z", "-0001-01-01T00:00:00Z", "NaN", "2026-11-24 08:00"),
)
_IDS = (
    *(
        "00000000-0000-7000-8000-000000000000",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "{019ab8f211117abc8def0123456789ab}",
    ),
    *("urn:uuid:019ab8f2-1111-7abc-8def-0123456789ab", "0774682a-6608-4df2-a50a-4af451a89a86", "0" * 32, "-" * 5000),
)


class Hostile(NamedTuple):
    """A message nobody should have sent; `kind` says what was done to it."""

    kind: str
    unit: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class _Seed:
    unit: str
    about: str
    act: str
    schema: Mapping[str, Any]
    values: Mapping[str, Any]


class Hostiles:
    """A source of hostile messages for a center.

    Args:
        units: Codes of the units whose topics they come on.
        seed: Decides what is done to which event.
    """

    def __init__(self, center: Center, county: str, units: list[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._catalogue, self._county, self._units = center.catalogue, county, units
        self._sealer = Sealer(center.keys.center[-1].public)
        self._stranger = Sealer(generate_center_key().public)
        self._seeds = [s for unit in units for s in self._of_unit(unit)]
        self._doings: list[tuple[str, Callable[[_Seed], Hostile]]] = [
            *([("values", self._values)] * 5),
            *([("bytes", self._bytes)] * 3),
            *([("headers", self._headers)] * 2),
            ("frame", self._frame),
        ]

    def __iter__(self) -> Iterator[Hostile]:
        while True:
            yield self.one()

    def one(self) -> Hostile:
        """The next message."""
        _, do = self._random.choice(self._doings)
        return do(self._random.choice(self._seeds))

    # --- real events -------------------------------------------------------------------------------------------------

    def _of_unit(self, unit: str) -> Iterator[_Seed]:
        by_name = {d.cn: d.id for d in self._catalogue.datasets.values()}
        for dataset in self._catalogue.datasets.values():
            for row in dataset.examples:
                values = read_row(dataset.fields, dict(row)).values
                for act in ("report", "correct"):
                    yield _Seed(unit, dataset.id, act, dataset.schema, {**values, "source_key": "k-1"})
        form = self._catalogue.act
        for row in form.examples:
            values = read_row(form.fields, dict(row)).values
            yield _Seed(unit, by_name[row["AC_SJJ"]], act_of(form, row["AC_CZ"]) or "", form.schema, values)
        refusal = next(s for s in load_schemas() if s["dataset"] == "refusal")
        told = {"column": "CF_WSH", "rule": "CF_WSH.required", "severity": "reject", "message": "「文号」没有填。"}
        value = {"dataset": "penalty", "content_digest": b"d" * 32, "document_no": "示〔2026〕1号", "problems": [told]}
        yield _Seed(unit, "penalty", "refusal", refusal, value)

    def _sealed(self, seed: _Seed, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` with what is personal sealed; what is bytes already stays."""
        out = {}
        personal = {f["name"] for f in seed.schema["fields"] if f.get("personal") == "id"}
        for column, value in values.items():
            if column in personal and isinstance(value, str):
                value = self._sealer.seal(value, f"{seed.unit}/{seed.schema['dataset']}/{column}")
            out[column] = value
        return out

    def _encoded(self, seed: _Seed, values: Mapping[str, Any]) -> bytes:
        return self._catalogue.codec.encode(seed.schema["schema_id"], self._sealed(seed, values))

    def _envelope(self, seed: _Seed) -> list[tuple[str, bytes | None]]:
        at = datetime(2026, 11, 24, 8, self._random.randrange(60), tzinfo=UTC)
        return list(write_headers(Envelope(uuid7(), self._county, seed.unit, seed.about, seed.act, at)))

    def good(self) -> Hostile:
        """A real event, as it should be."""
        seed = self._random.choice(self._seeds)
        return Hostile("good", seed.unit, b"k", self._encoded(seed, seed.values), self._envelope(seed))

    def of(self, unit: str, about: str, act: str, schema: Mapping[str, Any], values: Mapping[str, Any]) -> Hostile:
        """An event with these values; what is personal among them is sealed."""
        seed = _Seed(unit, about, act, schema, values)
        return Hostile("made", unit, b"k", self._encoded(seed, values), self._envelope(seed))

    # --- what is done to them ----------------------------------------------------------------------------------------

    def _values(self, seed: _Seed) -> Hostile:
        """Right in form, wrong in what it says: what no type forbids."""
        r = self._random
        values = dict(seed.values)
        fields = {f["name"]: f for f in seed.schema["fields"]}
        done = []
        for _ in range(r.choice((1, 1, 1, 2, 3, 8))):
            name = r.choice(list(fields))
            made = self._evil(fields[name]["type"], seed, name)
            values[name] = made
            done.append(name)
        try:
            value = self._encoded(seed, {k: v for k, v in values.items() if v is not None})
        except (ValueError, TypeError, OverflowError):  # a column that must be there was left out
            return self._bytes(seed)
        return Hostile(f"values {' '.join(done)}", seed.unit, b"k", value, self._envelope(seed))

    def _evil(self, avro: Any, seed: _Seed, name: str) -> Any:
        r = self._random
        if isinstance(avro, list):
            avro = r.choice([t for t in avro if t != "null"]) if r.random() < 0.9 else "null"
        kind = avro["type"] if isinstance(avro, dict) else avro
        if kind == "null":
            return None
        if isinstance(avro, dict) and avro.get("logicalType") == "date":
            return r.choice(_DATES)
        if kind == "record":
            return {f["name"]: self._evil(f["type"], seed, f["name"]) for f in avro["fields"]}
        if kind == "array":
            return [self._evil(avro["items"], seed, name) for _ in range(r.choice((0, 1, 3, 40)))]
        if kind == "map":
            return {self._text(): self._text() for _ in range(r.choice((0, 1, 20)))}
        if kind == "bytes":
            return self._evil_seal(seed, name)
        if kind == "boolean":
            return r.random() < 0.5
        if kind in ("int", "long"):
            return r.choice(_LONGS) if kind == "long" else r.randrange(-(2**31), 2**31)
        return self._text()

    def _text(self) -> str:
        r = self._random
        if r.random() < 0.1:
            return r.choice(_WORDS)
        text = r.choice(TEXTS)
        if r.random() < 0.3:
            text = r.choice(TEXTS) + text
        if r.random() < 0.15:
            text = "".join(
                chr(r.choice((r.randrange(0x80), r.randrange(0x4E00, 0x9FA5)))) for _ in range(r.randrange(60))
            )
        return text * r.choice((20, 100)) if r.random() < 0.01 else text

    def _evil_seal(self, seed: _Seed, name: str) -> bytes:
        r = self._random
        context = f"{seed.unit}/{seed.schema['dataset']}/{name}"
        which = r.randrange(8)
        if which == 0:
            return r.randbytes(r.choice((0, 1, 8, 69, 70, 200)))
        if which == 1:
            return self._stranger.seal(PLANTED[0], context)
        if which == 2:
            return self._sealer.seal(PLANTED[0], context + "x")
        sealed = bytearray(self._sealer.seal(self._text(), context))
        if which == 3:
            sealed[r.randrange(len(sealed))] ^= 1 << r.randrange(8)
        if which == 4:
            del sealed[r.randrange(len(sealed)) :]
        if which == 5:
            # An encapsulated key of small order: a shared secret that everybody knows.
            sealed[9:41] = r.choice((bytes(32), b"\x01" + bytes(31), b"\xff" * 32))
        return bytes(sealed)

    def _bytes(self, seed: _Seed) -> Hostile:
        """A body that does not follow its schema, or just happens to."""
        r = self._random
        data = bytearray(self._encoded(seed, seed.values))
        for _ in range(r.choice((1, 1, 2, 4))):
            which = r.randrange(7)
            at = r.randrange(FRAME.size, max(len(data), FRAME.size + 1))
            if which == 0:
                for _ in range(r.choice((1, 2, 8))):
                    data[r.randrange(min(FRAME.size, len(data) - 1), len(data))] ^= 1 << r.randrange(8)
            elif which == 1:
                del data[at:]
                data += b"" if len(data) else b"\0"
            elif which == 2:
                data[at:at] = r.choice(LENGTHS)
            elif which == 3:
                data[at : at + len(LENGTHS[0])] = r.choice(LENGTHS)
            elif which == 4:
                other = r.choice(self._seeds)
                data[at:] = self._encoded(other, other.values)[r.randrange(FRAME.size, FRAME.size + 60) :]
            elif which == 5:
                data += r.randbytes(r.choice((1, 30, 400)))
            else:
                data[at:at] = data[at : at + r.randrange(1, 80)] * r.choice((1, 2, 30))
            data += b"\0" * max(0, FRAME.size + 1 - len(data))
        return Hostile("bytes", seed.unit, b"k", bytes(data), self._envelope(seed))

    def _frame(self, seed: _Seed) -> Hostile:
        """No frame, another magic byte, the id of another schema or of none."""
        r = self._random
        whole = self._encoded(seed, seed.values)
        body = whole[FRAME.size :]
        ids = [s.schema["schema_id"] for s in self._seeds]
        value = r.choice(
            (
                None,
                b"",
                whole[: r.randrange(FRAME.size + 1)],
                bytes([r.randrange(1, 256)]) + whole[1:],
                FRAME.pack(0, r.choice(ids)) + body,
                FRAME.pack(0, r.choice((0, 777, 4242, 2**31 - 1, 2**31, 2**32 - 1))) + body,
                b"{" * r.choice((1, 5000)),
                b"\0" * r.choice((4, 5, 300)),
                r.randbytes(r.choice((1, 5, 300))),
                b"\xff" * 300,
            )
        )
        return Hostile("frame", seed.unit, r.choice((None, b"", b"k", r.randbytes(300))), value, self._envelope(seed))

    def _headers(self, seed: _Seed) -> Hostile:
        """Headers that lie, are missing, come twice, or are none."""
        r = self._random
        counties, units = (self._county, self._county, "999999"), (*self._units, "nobody", PLANTED[0], "a/b", "")
        headers = self._envelope(seed)
        for _ in range(r.choice((1, 1, 2, 5))):
            name = r.choice(
                ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "ce_replaces")
            )
            content = {
                "ce_id": lambda: r.choice(_IDS).encode(),
                "ce_replaces": lambda: r.choice(_IDS).encode(),
                "ce_time": lambda: r.choice(_TIMES).encode(),
                "ce_source": lambda: f"/{r.choice(counties)}/{r.choice(units)}".encode(),
                "ce_type": lambda: (
                    f"credit.{r.choice((*self._catalogue.datasets, 'nothing', 'A' * 51, PLANTED[0]))}."
                    f"{r.choice(('report', 'correct', 'revoke', 'repair', 'dispute_close', 'reinstate', 'refusal'))}"
                ).encode(),
            }.get(name, lambda: b"1.0")
            made: bytes | None = content()
            if r.random() < 0.2:
                made = r.choice(
                    (None, b"", b"\0", b"\xff\xfe", NAME.encode(), PLANTED[0].encode(), r.randbytes(30), b"x" * 9000)
                )
            which = r.randrange(4)
            if which == 0:
                headers = [(k, made if k == name else v) for k, v in headers]
            elif which == 1:
                headers.insert(r.randrange(len(headers) + 1), (name, made))
            elif which == 2:
                headers = [h for h in headers if h[0] != name]
            else:
                odd = r.choice((name, "", "\0", "x" * 2000, NAME, PLANTED[1], name.upper()))
                headers += [(odd, made)] * r.choice((1, 2, 200))
        return Hostile("headers", seed.unit, b"k", self._encoded(seed, seed.values), headers)
