"""The wire format: what goes in comes out, and hostile bytes raise nothing but a CodecError."""

from __future__ import annotations

import contextlib
import struct
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.codec import Codec, CodecError, NotFramed, Undecodable, UnknownSchema, event_value, shipped_codec
from credit_schemas.dataset import current_datasets, load_schemas
from credit_schemas.forms import read_row
from unit.rows import CLEAN

SCHEMAS = load_schemas()
DATASETS = current_datasets(SCHEMAS)
CODEC = shipped_codec()
IDS = [s["schema_id"] for s in SCHEMAS]


def values_of(avro: Any) -> st.SearchStrategy[Any]:
    """Everything a type of ours can hold."""
    if isinstance(avro, list):
        return st.one_of([values_of(t) for t in avro])
    if isinstance(avro, dict):
        kind = avro["type"]
        if kind == "record":
            return st.fixed_dictionaries({f["name"]: values_of(f["type"]) for f in avro["fields"]})
        if kind == "array":
            return st.lists(values_of(avro["items"]), max_size=3)
        if kind == "map":
            return st.dictionaries(st.text(max_size=8), values_of(avro["values"]), max_size=3)
        if avro.get("logicalType") == "date":
            return st.dates()
        return values_of(kind)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "string": st.text(max_size=20),
        "bytes": st.binary(max_size=20),
        "long": st.integers(-(2**63), 2**63 - 1),
    }
    return simple[avro]


EVENTS = st.one_of([st.tuples(st.just(s["schema_id"]), values_of(s)) for s in SCHEMAS])


@given(EVENTS)
def test_every_value_comes_back_as_it_went(event: tuple[int, dict[str, Any]]) -> None:
    schema_id, value = event
    data = CODEC.encode(schema_id, value)
    decoded = CODEC.decode(data)
    assert decoded.value == value
    schema = next(s for s in SCHEMAS if s["schema_id"] == schema_id)
    assert decoded[:3] == (schema["dataset"], schema_id, schema["version"])
    assert data[:5] == b"\x00" + schema_id.to_bytes(4, "big")


@given(EVENTS, st.data())
def test_a_truncated_value_or_one_with_bytes_left_over_is_undecodable(event: Any, data: st.DataObject) -> None:
    whole = CODEC.encode(*event)
    cut = data.draw(st.integers(5, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\x00"):
        with pytest.raises(Undecodable):
            CODEC.decode(broken)


@given(st.one_of(st.none(), st.binary(max_size=200)))
def test_random_bytes_raise_nothing_but_a_codec_error(data: bytes | None) -> None:
    with contextlib.suppress(NotFramed, UnknownSchema, Undecodable):
        CODEC.decode(data)


@given(st.sampled_from(IDS), st.binary(max_size=300))
def test_random_bodies_under_a_known_id_raise_nothing_but_a_codec_error(schema_id: int, body: bytes) -> None:
    with contextlib.suppress(Undecodable):
        assert CODEC.decode(struct.pack(">bI", 0, schema_id) + body).schema_id == schema_id


@given(EVENTS, st.integers(5, 10_000), st.integers(1, 255))
def test_a_flipped_byte_raises_nothing_but_a_codec_error(event: Any, place: int, flip: int) -> None:
    data = bytearray(CODEC.encode(*event))
    data[5 + place % max(1, len(data) - 5) if len(data) > 5 else 0] ^= flip
    with contextlib.suppress(CodecError):
        CODEC.decode(bytes(data))


def test_a_claimed_length_does_not_make_us_allocate_it() -> None:
    huge = bytes([0, 0, 0, 3, 0xE9, 2]) + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x"
    with pytest.raises(Undecodable):
        CODEC.decode(huge)


@pytest.mark.parametrize("data", [None, b"", b"\x00", b"\x00\x00\x00\x03", b"\x01\x00\x00\x03\xe9\x00", b"{}{}{}"])
def test_what_has_no_frame_says_so_and_is_not_retried(data: bytes | None) -> None:
    with pytest.raises(NotFramed) as caught:
        CODEC.decode(data)
    assert caught.value.retriable is False


def test_an_unknown_id_is_told_apart_because_it_may_become_known() -> None:
    with pytest.raises(UnknownSchema) as caught:
        CODEC.decode(b"\x00\x00\x01\x00\x00rest")
    assert (caught.value.schema_id, caught.value.retriable, caught.value.reason) == (65536, True, "unknown_schema")
    with pytest.raises(UnknownSchema):
        CODEC.encode(65536, {})


def test_an_error_never_quotes_the_body() -> None:
    body = "李四11010519491231002X".encode()
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(struct.pack(">bI", 0, 1002) + b"\x02" + body)
    assert "1231002" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "value",
    [{"CF_XDR_MX": "misspelt"}, {"CF_XDR_ZJHM": "11010519491231002X"}, {"CF_NR_FK": "0.2"}, {"CF_NR_FK": 2**63}],
)
def test_a_value_that_does_not_fit_is_not_written(value: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        CODEC.encode(1002, value)


@pytest.mark.parametrize("name", sorted(CLEAN))
def test_a_clean_row_travels_with_its_typed_values(name: str) -> None:
    dataset = DATASETS[name]
    values = read_row(dataset.fields, CLEAN[name]).values
    sent = event_value(dataset, values, {"source_key": "k-1", "reason": None, "original": {}})
    decoded = CODEC.decode(CODEC.encode(dataset.schema_id, sent)).value
    assert {k: v for k, v in decoded.items() if v is not None} == values | {"source_key": "k-1"}
    assert isinstance(decoded[dataset.column("decision.date") or ""], date)


def test_what_is_no_column_does_not_get_into_the_value() -> None:
    assert event_value(DATASETS["ledger"], {"LG_DW": "局", "别的": "x"}, {}) == {"LG_DW": "局"}


def test_a_codec_knows_only_the_schemas_it_was_given() -> None:
    ledger_only = Codec([s for s in SCHEMAS if s["dataset"] == "ledger"])
    with pytest.raises(UnknownSchema):
        ledger_only.decode(CODEC.encode(1002, {}))
