"""Whole files under seal: what comes out is what went in, in bounded memory, or an error."""

from __future__ import annotations

import hashlib
import io
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_schemas.seal_errors import SealError, Tampered, UnknownKey, UnknownSuite
from credit_schemas.sealed_files import CHUNK, HEADER_SIZE, open_file, seal_file, sealed_size
from credit_schemas.sealing import Sealer, generate_center_key

KEY, OTHER = generate_center_key(), generate_center_key()
CONTEXT = "market/attachment/ab"
# A file of more than two chunks, made once.
LONG = os.urandom(2 * CHUNK + 12_345)


def sealed(content: bytes, context: str = CONTEXT) -> bytes:
    out = io.BytesIO()
    seal_file(io.BytesIO(content), out, KEY.public, context)
    return out.getvalue()


def opened(content: bytes, context: str = CONTEXT) -> bytes:
    return open_file(io.BytesIO(content), len(content), [OTHER, KEY], context).read()


SEALED = sealed(LONG)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, len(LONG)])
def test_every_length_comes_back_and_its_sealed_size_is_known(size: int) -> None:
    content = sealed(LONG[:size])
    assert opened(content) == LONG[:size]
    assert len(content) == sealed_size(size)


def test_nothing_of_the_file_shows_and_no_two_seals_are_alike() -> None:
    assert LONG[:32] not in SEALED
    assert sealed(b"x") != sealed(b"x")


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_is_noticed(at: int, bit: int) -> None:
    bent = bytearray(SEALED)
    bent[at] ^= 1 << bit
    with pytest.raises(SealError):
        opened(bytes(bent))


@pytest.mark.parametrize(
    "cut",
    [0, 1, HEADER_SIZE, HEADER_SIZE + 15, HEADER_SIZE + CHUNK + 16, HEADER_SIZE + 2 * (CHUNK + 16), len(SEALED) - 1],
)
def test_a_file_that_was_cut_short_is_refused_before_any_of_it_is_used(cut: int) -> None:
    with pytest.raises(Tampered):
        open_file(io.BytesIO(SEALED[:cut]), cut, [KEY], CONTEXT)


def test_chunks_cannot_be_swapped_repeated_or_borrowed_from_another_file() -> None:
    size = CHUNK + 16
    head, first, second, rest = (
        SEALED[:HEADER_SIZE],
        SEALED[HEADER_SIZE : HEADER_SIZE + size],
        SEALED[HEADER_SIZE + size : HEADER_SIZE + 2 * size],
        SEALED[HEADER_SIZE + 2 * size :],
    )
    other = sealed(LONG)[HEADER_SIZE : HEADER_SIZE + size]
    for made in (head + second + first + rest, head + first + first + rest, head + other + second + rest):
        with pytest.raises(Tampered):
            opened(made)


def test_another_unit_key_or_kind_of_seal_does_not_open_it() -> None:
    with pytest.raises(Tampered):
        opened(SEALED, "edu/attachment/ab")
    with pytest.raises(UnknownKey):
        open_file(io.BytesIO(SEALED), len(SEALED), [OTHER], CONTEXT)
    value = Sealer(KEY.public).seal("x" * 40, CONTEXT)
    with pytest.raises(UnknownSuite):
        opened(value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LONG)), st.integers(0, 5000)), max_size=8))
def test_reading_here_and_there_gives_what_stands_there(places: list[tuple[int, int]]) -> None:
    stream = io.BufferedReader(open_file(io.BytesIO(SEALED), len(SEALED), [KEY], CONTEXT))
    for at, length in places:
        stream.seek(at)
        assert stream.read(length) == LONG[at : at + length]
        assert stream.seek(0, io.SEEK_END) == len(LONG)


def test_a_source_that_gives_little_at_a_time_is_sealed_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 70_001) if size and size > 0 else size)

    out = io.BytesIO()
    seal_file(Slow(LONG), out, KEY.public, CONTEXT)
    assert opened(out.getvalue()) == LONG


def test_memory_does_not_grow_with_the_file(tmp_path) -> None:
    path, there = tmp_path / "big", tmp_path / "sealed"
    block = os.urandom(CHUNK)
    with path.open("wb") as out:
        for _ in range(64):
            out.write(block)
    tracemalloc.start()
    with path.open("rb") as source, there.open("wb") as sink:
        seal_file(source, sink, KEY.public, CONTEXT)
    digest = hashlib.sha256()
    with there.open("rb") as source:
        reader = open_file(source, there.stat().st_size, [KEY], CONTEXT)
        while piece := reader.read(CHUNK):
            digest.update(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert digest.hexdigest() == hashlib.sha256(block * 64).hexdigest()
    assert peak < 10 * CHUNK
