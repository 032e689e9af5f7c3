"""The attachment store: each content once, at `ab/cdef…` of its SHA-256, encrypted under the center's storage key.

A stored file is ``0x82 | key version 4 | salt 16`` and chunks as in `credit_schemas.sealed_files`, under a key derived
for that file alone; the digest is bound to every chunk, so a file put in the place of another does not open. Nothing
here is ever in clear on disk: what is examined is examined through the decrypting stream.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from credit_schemas.attachments import DIGEST
from credit_schemas.seal_errors import Tampered, UnknownKey, UnknownSuite
from credit_schemas.sealed_files import CHUNK, ChunkReader, write_chunks
from credit_schemas.sm4 import SM4_KEY_SIZE

from .settings import Settings

MARK = 0x82
SALT_SIZE = 16
HEADER_SIZE = 1 + 4 + SALT_SIZE
INBOX = "in"


class AttachmentError(Exception):
    """Base of the errors of the attachment store."""

    retriable = False


class NotStored(AttachmentError):
    """No such content is in the store."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"附件库里没有 {digest}；用 credit attachments list 看有哪些，--missing 看还没有交来的。")


class Damaged(AttachmentError):
    """A stored file is not what it was: changed, cut, or gone."""

    def __init__(self, digest: str, why: str) -> None:
        self.digest = digest
        super().__init__(f"附件 {digest} 的存储文件不能用（{why}）；请从备份恢复这个文件，或请单位重新交来。")


class Store:
    """The folder of stored files. Knows no database: a row is written only when its file is there."""

    def __init__(self, root: Path, keys: Mapping[int, bytes]) -> None:
        """Take the folder and every storage key by version; new files get the newest."""
        self.root = root
        self._keys = keys
        self.key_version = max(keys)

    def path(self, digest: str) -> Path:
        """Where a content lies."""
        if not DIGEST.fullmatch(digest):
            raise ValueError("not a digest")
        return self.root / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        """True when the file is there; says nothing about its state."""
        return self.path(digest).is_file()

    @contextmanager
    def receive(self, source: IO[bytes], digest: str, most: int) -> Iterator[Incoming]:
        """Encrypt what comes into a file beside its place; `keep` of what is given puts it there.

        Without `keep` nothing stays. Reading stops once more than `most` bytes have come.
        """
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(f".{target.name}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
                counted = _Counted(source, most)
                header = bytes([MARK]) + self.key_version.to_bytes(4) + os.urandom(SALT_SIZE)
                sink.write(header)
                write_chunks(counted, sink, self._derive(header), header + digest.encode())  # type: ignore[arg-type]
                sink.flush()
                os.fsync(sink.fileno())
            yield Incoming(self, digest, part, target, counted)
        finally:
            part.unlink(missing_ok=True)

    def open(self, digest: str) -> ChunkReader:
        """The clear content as a stream; the caller closes it. Raises Damaged, UnknownKey (retriable)."""
        return self.open_at(self.path(digest), digest)

    def open_at(self, path: Path, digest: str) -> ChunkReader:
        """As `open`, of a file that is not in its place yet."""
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            raise Damaged(digest, "文件不在了") from None
        try:
            header = _checked(stream.read(HEADER_SIZE))
            size = os.fstat(stream.fileno()).st_size
            return _OwnReader(stream, size, HEADER_SIZE, self._derive(header), header + digest.encode())
        except (Tampered, UnknownSuite) as wrong:
            stream.close()
            raise Damaged(digest, "内容被改动或截断") from wrong
        except BaseException:
            stream.close()
            raise

    def remove(self, digest: str) -> None:
        """Delete a stored file; nothing happens when it is gone already."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """What lies in the store, in order of digest."""
        for folder in sorted(p for p in self.root.glob("[0-9a-f][0-9a-f]") if p.is_dir()):
            yield from sorted(name for p in folder.iterdir() if DIGEST.fullmatch(name := folder.name + p.name))

    def _derive(self, header: bytes) -> bytes:
        version = int.from_bytes(header[1:5])
        key = self._keys.get(version)
        if key is None:
            raise UnknownKey(header[1:5])
        return HKDF(hashes.SHA256(), SM4_KEY_SIZE, salt=header[5:], info=b"credit attachment at rest").derive(key)


class Incoming:
    """A content that has come in and is being judged."""

    def __init__(self, store: Store, digest: str, part: Path, target: Path, counted: _Counted) -> None:
        self._store, self._digest, self._part, self._target = store, digest, part, target
        self.size = counted.size
        self.too_large = counted.too_large
        self.digest = counted.digest.hexdigest()

    def open(self) -> ChunkReader:
        """The content, decrypted from what was just written."""
        return self._store.open_at(self._part, self._digest)

    def keep(self) -> None:
        """Put the file in its place, for good."""
        self._part.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the row must not outlive a power cut that the name did not
        finally:
            os.close(folder)


class _Counted:
    """A stream that digests and counts what is read of it, and ends when it is too much."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self.digest = hashlib.sha256()
        self.size = 0
        self.too_large = False

    def read(self, size: int) -> bytes:
        if self.too_large:
            return b""
        found = self._stream.read(size)
        self.size += len(found)
        self.digest.update(found)
        self.too_large = self.size > self._most
        return found


class _OwnReader(ChunkReader):
    """A reader that closes the stored file with itself."""

    def close(self) -> None:
        """Close both."""
        if not self.closed:
            self._source.close()
        super().close()


def _checked(header: bytes) -> bytes:
    if len(header) < HEADER_SIZE or header[0] != MARK:
        raise UnknownSuite(header[0] if header else 0)
    return header


def digest_of(stream: ChunkReader) -> str:
    """SHA-256 in hex of what a stream holds, from its beginning."""
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def store_folder(settings: Settings) -> Path:
    """Where attachments are kept."""
    return settings.attachments or settings.home / "attachments"


def inbox(settings: Settings) -> Path:
    """Where units hand attachments over, a folder for each."""
    return settings.attachments_in or store_folder(settings) / INBOX
