"""The center's keys: what opens sealed numbers, looks persons up, and seals them again at rest.

A folder of files with mode 0600: `center-<n>.pem` (X25519, several while a key is being replaced), `lookup.key`
(32 bytes, for HMAC-SM3; changing it orphans every person, so it has one version for life) and `at-rest-<n>.key`.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from credit_schemas.sealing import CenterKey, Opener, generate_center_key

from .at_rest import AtRest, LookupHasher

KEY_BYTES = 32
# SM4 keys have 128 bits.
AT_REST_BYTES = 16


class KeysMissing(Exception):
    """The key folder lacks a file; nothing sealed can be read without it."""

    retriable = False

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        super().__init__(f"密钥目录里缺少 {name}；请从密钥备份恢复，不要新建：新密钥打不开旧数据。")


@dataclass(frozen=True)
class CenterKeys:
    """The center's keys, loaded."""

    center: tuple[CenterKey, ...]
    lookup: LookupHasher
    # Record keys are digested under the same secret as persons, with another use: `b"key" + …`.
    lookup_secret: bytes
    at_rest: AtRest

    @cached_property
    def opener(self) -> Opener:
        """Opens what departments sealed; one object, because it remembers sessions."""
        return Opener(self.center)


def create_keys(folder: Path) -> None:
    """Make the key files of a new center; existing files are left alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in (
        ("center-1.pem", lambda: generate_center_key().to_pem(None)),
        ("lookup.key", lambda: secrets.token_bytes(KEY_BYTES)),
        ("at-rest-1.key", lambda: secrets.token_bytes(AT_REST_BYTES)),
    ):
        if not (folder / name).exists():
            _write_new(folder / name, content())


def add_center_key(folder: Path) -> Path:
    """Make the next `center-<n>.pem`; earlier ones stay, for they alone open what was sealed for them.

    Departments seal for the newest from the day they get their new configuration. Raises KeysMissing.
    """
    files = _center_files(folder)
    if not files:
        raise KeysMissing(folder, "center-1.pem")
    path = folder / f"center-{_version(files[-1]) + 1}.pem"
    _write_new(path, generate_center_key().to_pem(None))
    return path


def load_keys(folder: Path) -> CenterKeys:
    """Load the key folder. Raises KeysMissing."""
    center, at_rest = center_keys(folder), storage_keys(folder)
    if not (folder / "lookup.key").exists():
        raise KeysMissing(folder, "lookup.key")
    secret = (folder / "lookup.key").read_bytes()
    newest = max(at_rest)
    return CenterKeys(
        center=center,
        lookup=LookupHasher(secret),
        lookup_secret=secret,
        at_rest=AtRest(at_rest[newest], newest),
    )


def storage_keys(folder: Path) -> dict[int, bytes]:
    """Every at-rest key by version: a stored file names the one it was encrypted with. Raises KeysMissing."""
    found = {_version(p): p.read_bytes() for p in folder.glob("at-rest-*.key")}
    if not found:
        raise KeysMissing(folder, "at-rest-1.key")
    return found


def center_keys(folder: Path) -> tuple[CenterKey, ...]:
    """The keys that open what departments sealed, and nothing else. Raises KeysMissing."""
    pems = _center_files(folder)
    if not pems:
        raise KeysMissing(folder, "center-1.pem")
    return tuple(CenterKey.from_pem(p.read_bytes(), None) for p in pems)


def _center_files(folder: Path) -> list[Path]:
    """By number, not by letter: center-10 is newer than center-9."""
    return sorted(folder.glob("center-*.pem"), key=_version)


def _write_new(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)


def _version(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])
