"""Bodies read as one Avro block against the codec: the same values, and never more than the codec would read."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from credit_consumer.bulk.block import BlockReader
from credit_schemas.catalogue import load_catalogue
from credit_schemas.codec import FRAME, CodecError, event_value, shipped_codec
from credit_schemas.dataset import Dataset
from credit_schemas.forms import read_row

DATASETS = load_catalogue().datasets
CODEC = shipped_codec()
ORDINAL_OF_1970 = date(1970, 1, 1).toordinal()


def bodies(dataset: Dataset, count: int, chance: random.Random) -> list[bytes]:
    """Bodies of example rows with system fields; sealed columns hold any bytes."""
    made = []
    for n in range(count):
        values = dict(read_row(dataset.fields, dict(chance.choice(dataset.examples))).values)
        values = {c: v.encode() if dataset.by_column[c].sealed else v for c, v in values.items()}
        system: dict[str, Any] = {"source_key": f"钥匙{n}"} if n % 3 else {}
        if n % 5 == 0:
            system["original"] = {"a": "原文", "b": ""}
        if n % 7 == 0:
            system["target"] = {"record_no": "x", "decision_date": date(2026, 1, 1)}
        made.append(CODEC.encode(dataset.schema_id, event_value(dataset, values, system))[FRAME.size :])
    return made


def broken(body: bytes, other: bytes, chance: random.Random) -> bytes:
    """A body that went wrong on its way, or was made to harm its neighbours."""
    at = chance.randrange(len(body))
    match chance.randrange(6):
        case 0:
            return body[:at]
        case 1:
            return body + chance.randbytes(chance.randrange(1, 20))
        case 2:
            return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]
        case 3:
            return body[:at] + b"\xff" * 9 + b"\x01" + body[at:]
        case 4:
            return body + other
        case _:
            return b""


def as_read(dataset: Dataset, body: bytes) -> dict[str, Any] | None:
    try:
        return CODEC.decode(FRAME.pack(0, dataset.schema_id) + body).value
    except CodecError:
        return None


def reader(dataset: Dataset) -> BlockReader:
    return BlockReader(dataset.schema, lambda body: as_read(dataset, body) is not None)


def days(value: Any) -> Any:
    return value.toordinal() - ORDINAL_OF_1970 if isinstance(value, date) else value


@pytest.mark.parametrize("name", DATASETS)
def test_a_block_is_read_as_the_codec_reads_each_body(name: str) -> None:
    dataset = DATASETS[name]
    chance = random.Random(name)
    clean = bodies(dataset, 60, chance)
    frame, at = reader(dataset).read(clean)
    assert at == list(range(60))
    for row, body in zip(frame.to_dicts(), clean, strict=True):
        expected = as_read(dataset, body)
        assert expected is not None
        pairs = row.pop("original")
        original = expected.pop("original")
        assert ({p["key"]: p["value"] for p in pairs} if pairs is not None else None) == original
        assert row == expected


@pytest.mark.parametrize("seed", range(30))
def test_a_broken_body_never_shifts_its_neighbours(seed: int) -> None:
    dataset = DATASETS["penalty"]
    chance = random.Random(seed)
    sent = bodies(dataset, 300, chance)
    wrong = chance.sample(range(300), chance.choice((1, 3, 40)))
    for i in wrong:
        sent[i] = broken(sent[i], sent[i - 1], chance)
    frame, at = reader(dataset).read(sent)
    assert at == sorted(set(at))
    columns = [f.column for f in dataset.fields]
    plain = frame.select(columns).with_columns(*[frame[f.column].to_physical() for f in dataset.fields])
    for i, row in zip(at, plain.to_dicts(), strict=True):
        expected = as_read(dataset, sent[i])
        if expected is None:  # days beyond the calendar, which the next step refuses
            dated = [row[f.column] for f in dataset.fields if f.form == "date" and row[f.column] is not None]
            assert any(not -719_162 <= d <= 2_932_896 for d in dated)
        else:
            assert row == {c: days(expected[c]) for c in columns}
    assert len(at) >= 200 or len(wrong) == 40
