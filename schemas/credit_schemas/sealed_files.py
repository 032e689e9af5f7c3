"""Sealing of whole files (attachments): a stream of chunks, each authentic by itself, in bounded memory.

A sealed file stands for itself::

    "CSF1" | suite 1 | key id 8 | encapsulated key 32 | chunk … chunk

A chunk is 1 MiB of the file (the last one less) as SM4-GCM ciphertext and tag. Its nonce is its number and whether it
is the last, so chunks cannot be dropped, moved or cut off unnoticed; every file has a session key of its own (suite as
in `sealing`), so nonces need not be random. Header and context are authenticated with every chunk. A file at rest
has another header and the same chunks (`credit_warehouse.attachments`).

What `ChunkReader` returns is authentic; it can seek, so that a container can be examined without a clear copy on disk.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO

from .seal_errors import Tampered, UnknownKey, UnknownSuite
from .sealing import SUITES, CenterKey, PublicKey
from .sm4 import TAG_SIZE, sm4_gcm_decrypt, sm4_gcm_encrypt

MAGIC = b"CSF1"
SUITE = 1
KEY_ID_SIZE = 8
# One chunk is what writer and reader hold; the tags add 16 bytes to a mebibyte.
CHUNK = 1 << 20
COUNTER_MAX = 1 << 32
HEADER_SIZE = len(MAGIC) + 1 + KEY_ID_SIZE + SUITES[SUITE].encapsulated_size


def sealed_size(size: int, header_size: int = HEADER_SIZE) -> int:
    """Bytes of the sealed form of a file of `size` bytes."""
    return header_size + size + TAG_SIZE * max(1, -(-size // CHUNK))


def seal_file(source: IO[bytes], sink: IO[bytes], public_key: PublicKey, context: str) -> None:
    """Seal what `source` still holds for the center.

    Args:
        source: read to its end.
        sink: gets header and chunks.
        public_key: the center's.
        context: `attachments.sealing_context`; opening must be given the same.

    Raises:
        BadKey: it is no usable key.
    """
    encapsulated, key = SUITES[SUITE].encapsulate(public_key)
    header = MAGIC + bytes([SUITE]) + public_key.key_id + encapsulated
    sink.write(header)
    write_chunks(source, sink, key, header + context.encode())


def open_file(source: IO[bytes], size: int, keys: Iterable[CenterKey], context: str) -> ChunkReader:
    """The clear content of a sealed file, as a stream that can seek.

    Args:
        source: the sealed file, seekable; the reader does not close it.
        size: its bytes.
        keys: the center's keys, old ones included.
        context: as given to `seal_file`.

    Raises:
        UnknownKey: sealed for a key that is not held (retriable).
        UnknownSuite, Tampered: not a file of `seal_file` for this context, or changed or cut since.
    """
    source.seek(0)
    header = source.read(HEADER_SIZE)
    if len(header) < HEADER_SIZE:
        raise Tampered("short")
    if not header.startswith(MAGIC) or header[len(MAGIC)] not in SUITES:
        raise UnknownSuite(header[len(MAGIC)] if header.startswith(MAGIC) else header[0])
    at = len(MAGIC) + 1
    key_id = header[at : at + KEY_ID_SIZE]
    held = {key.key_id: key for key in keys}
    if key_id not in held:
        raise UnknownKey(key_id)
    key = SUITES[header[len(MAGIC)]].decapsulate(held[key_id], header[at + KEY_ID_SIZE :])
    return ChunkReader(source, size, HEADER_SIZE, key, header + context.encode())


def write_chunks(source: IO[bytes], sink: IO[bytes], key: bytes, bound: bytes) -> None:
    """Write the chunks of `source` under a key that no other file ever had; `bound` is authenticated with each."""
    number, chunk = 0, _whole_chunk(source)
    while True:
        following = _whole_chunk(source) if len(chunk) == CHUNK else b""
        sink.write(sm4_gcm_encrypt(key, _nonce(number, last=not following), chunk, bound))
        if not following:
            return
        number, chunk = number + 1, following


class ChunkReader(io.RawIOBase):
    """Reads chunks written by `write_chunks`. Every byte it returns has been authenticated.

    The last chunk is read at once, so that a file that was cut short is refused before any of it is used.
    """

    def __init__(self, source: IO[bytes], size: int, header_size: int, key: bytes, bound: bytes) -> None:
        """Take the stream, its size and where in it the chunks begin. Raises Tampered."""
        super().__init__()
        body = size - header_size
        self._chunks = -(-body // (CHUNK + TAG_SIZE))
        if body < TAG_SIZE or self._chunks > COUNTER_MAX:
            raise Tampered("short")
        self.size = body - self._chunks * TAG_SIZE
        if self.size < 0 or (self._chunks > 1 and self.size <= (self._chunks - 1) * CHUNK):
            raise Tampered("short")
        self._source, self._start, self._key, self._bound = source, header_size, key, bound
        self._at = 0
        self._number, self._clear = -1, b""
        self._load(self._chunks - 1)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As for any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """As for any file."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from one chunk. Raises Tampered."""
        if self._at >= self.size:
            return 0
        number, offset = divmod(self._at, CHUNK)
        self._load(number)
        piece = self._clear[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _load(self, number: int) -> None:
        if number == self._number:
            return
        self._source.seek(self._start + number * (CHUNK + TAG_SIZE))
        sealed = self._source.read(CHUNK + TAG_SIZE)
        if len(sealed) < TAG_SIZE:
            raise Tampered("short")
        nonce = _nonce(number, last=number == self._chunks - 1)
        self._clear = sm4_gcm_decrypt(self._key, nonce, sealed, self._bound)
        self._number = number


def _whole_chunk(source: IO[bytes]) -> bytes:
    """The next chunk; a stream may give less than asked for long before its end."""
    parts, left = [], CHUNK
    while left and (part := source.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4) + bytes([last])
