"""Sealing of personal values: ID numbers leave a department only as bytes that the center alone can open.

A sealed value stands for itself (spool, Kafka, dead letters and ``landing`` hold it as it is)::

    suite 1 | key id 8 | encapsulated key 32 | nonce 12 | ciphertext, as long as the text | tag 16

The first byte names the suite; suite 1 is X25519 + HKDF-SHA256 + SM4-GCM. SM4 (GB/T 32907) is the cipher that
Chinese government systems are assessed for; ``cryptography`` has no SM2, so X25519 wraps the session key. One
ephemeral key serves a whole session, since wrapping costs many times what a seal costs.

The *context* (``"unit/dataset/column"``) is authenticated but not stored: a sealed value copied to another
unit, dataset or column does not open. No error here quotes the text.
"""

import base64
import binascii
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .seal_errors import BadKey, SealError, Tampered, UnknownKey, UnknownSuite, Unsealable
from .sm4 import NONCE_SIZE, SM4_KEY_SIZE, TAG_SIZE, decode_text, encode_text, sm4_gcm_decrypt, sm4_gcm_encrypt

__all__ = [
    "BadKey",
    "CenterKey",
    "Opener",
    "PublicKey",
    "SealError",
    "Sealer",
    "Tampered",
    "UnknownKey",
    "UnknownSuite",
    "Unsealable",
    "generate_center_key",
    "looks_sealed",
]

_KEY_ID_SIZE = 8

# With random nonces GCM allows 2^32 messages under one key (NIST SP 800-38D, 8.3), and one repeated nonce
# would betray the authentication key. After 2^20 the chance is still below 2^-56, and a leaked session key
# opens a million values at most. A new session costs a tenth of a millisecond: more would gain nothing.
SEALS_PER_SESSION = 1 << 20

# A session key takes about 200 bytes in the cache; a county has some hundred producers that restart daily.
_OPEN_SESSIONS = 4096

_PUBLIC_PREFIX = "x25519:"
_CHECK_SIZE = 4


@dataclass(frozen=True)
class PublicKey:
    """The center's public key, 32 raw bytes; departments get it as one line of text."""

    raw: bytes

    @property
    def key_id(self) -> bytes:
        """First 8 bytes of SHA-256 of the raw key."""
        return hashlib.sha256(self.raw).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        """Return ``x25519:`` and base64 of the 32 bytes and the first 4 of their SHA-256.

        Without the check a mistyped key would be a valid key of nobody, and what is sealed for it is lost.
        """
        return _PUBLIC_PREFIX + base64.b64encode(self.raw + self.key_id[:_CHECK_SIZE]).decode()

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read what ``str`` gave; raises ``BadKey`` when it is mistyped or cut short."""
        text = text.strip()
        try:
            raw = base64.b64decode(text.removeprefix(_PUBLIC_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        key = cls(raw[:32])
        if str(key) != text:
            raise BadKey(f"公钥应为中心发来的一整行“{_PUBLIC_PREFIX}…”，请重新复制，不要手工输入")
        return key


@dataclass(frozen=True)
class CenterKey:
    """A private key of the center; never shows itself."""

    _private: X25519PrivateKey = field(repr=False)
    public: PublicKey

    @property
    def key_id(self) -> bytes:
        """The id that sealed values carry."""
        return self.public.key_id

    def to_pem(self, password: bytes | None) -> bytes:
        """Return the key as PKCS #8 PEM, encrypted unless ``password`` is ``None``.

        Raises ``BadKey`` for an empty password: a forgotten setting must not write the key in clear.
        """
        if password == b"":
            raise BadKey("口令不能为空")
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password),
        )

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None) -> "CenterKey":
        """Read what ``to_pem`` gave; raises ``BadKey`` for a wrong password or another kind of file."""
        try:
            private = serialization.load_pem_private_key(pem, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadKey("PEM 文件损坏，或口令不对（没有口令的文件不要给口令）") from None
        if not isinstance(private, X25519PrivateKey):
            raise BadKey("PEM 文件不是 X25519 私钥")
        return cls._of(private)

    @classmethod
    def _of(cls, private: X25519PrivateKey) -> "CenterKey":
        return cls(private, PublicKey(private.public_key().public_bytes_raw()))


def generate_center_key() -> CenterKey:
    """Return a new key pair for the center."""
    return CenterKey._of(X25519PrivateKey.generate())


class Suite(NamedTuple):
    """How a suite wraps a session key and seals under it. A new suite is one more entry in ``SUITES``."""

    encapsulated_size: int
    encapsulate: Callable[[PublicKey], tuple[bytes, bytes]]
    """Public key → (encapsulated key, session key)."""
    decapsulate: Callable[[CenterKey, bytes], bytes]
    """Center key, encapsulated key → session key; raises ``Tampered``."""
    encrypt: Callable[[bytes, bytes, bytes, bytes], bytes]
    """Session key, nonce, plain, associated data → ciphertext and tag."""
    decrypt: Callable[[bytes, bytes, bytes, bytes], bytes]
    """Session key, nonce, ciphertext and tag, associated data → plain; raises ``Tampered``."""


def _x25519_session_key(shared: bytes, ephemeral: bytes, recipient: PublicKey) -> bytes:
    # Both public keys go into the derivation as bytes: X25519 ignores the top bit of a public key, so without
    # this a changed value would still open.
    info = b"credit-seal 1 X25519 HKDF-SHA256 SM4-GCM" + ephemeral + recipient.raw
    return HKDF(hashes.SHA256(), SM4_KEY_SIZE, salt=None, info=info).derive(shared)


def _x25519_encapsulate(recipient: PublicKey) -> tuple[bytes, bytes]:
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient.raw))
    except ValueError:  # not 32 bytes, or a point of small order, whose secret everybody knows
        raise BadKey("公钥不是有效的 X25519 公钥，请向中心重新索取") from None
    return public, _x25519_session_key(shared, public, recipient)


def _x25519_decapsulate(key: CenterKey, encapsulated: bytes) -> bytes:
    try:
        shared = key._private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    except ValueError:
        raise Tampered("authentication") from None
    return _x25519_session_key(shared, encapsulated, key.public)


SUITES = {1: Suite(32, _x25519_encapsulate, _x25519_decapsulate, sm4_gcm_encrypt, sm4_gcm_decrypt)}
_CURRENT_SUITE = 1


def looks_sealed(b: bytes | memoryview) -> bool:
    """Whether ``b`` has the form of a sealed value (known suite, long enough); proves nothing about it."""
    return len(b) > 0 and b[0] in SUITES and len(b) >= _overhead(SUITES[b[0]])


def _overhead(suite: Suite) -> int:
    return 1 + _KEY_ID_SIZE + suite.encapsulated_size + NONCE_SIZE + TAG_SIZE


class Sealer:
    """Seals texts for the center; one object per process run, safe to share between threads."""

    def __init__(self, public_key: PublicKey) -> None:
        """Begin a session for this key; raises ``BadKey`` if it is no usable key."""
        self._public = public_key
        self._lock = threading.Lock()
        self._rotate()

    def _rotate(self) -> None:
        encapsulated, self._session_key = SUITES[_CURRENT_SUITE].encapsulate(self._public)
        self._header = bytes([_CURRENT_SUITE]) + self._public.key_id + encapsulated
        self._left = SEALS_PER_SESSION

    def seal(self, text: str, context: str) -> bytes:
        """Return the sealed value of ``text``, 69 bytes longer than its UTF-8 form.

        Args:
            text: the personal value, in the form the contract asks for.
            context: ``"unit/dataset/column"``; ``Opener.open`` must be given the same.

        Raises:
            Unsealable: if the text is no valid Unicode.
        """
        plain = encode_text(text)
        with self._lock:
            if not self._left:
                self._rotate()
            self._left -= 1
            header, key = self._header, self._session_key
        nonce = os.urandom(NONCE_SIZE)
        return header + nonce + SUITES[_CURRENT_SUITE].encrypt(key, nonce, plain, context.encode())


class Opener:
    """Opens sealed values with the center's keys, old ones included; safe to share between threads."""

    def __init__(self, keys: Iterable[CenterKey]) -> None:
        """Take all keys that values may still be sealed for."""
        self._keys = {key.key_id: key for key in keys}
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, bytes] = OrderedDict()

    def open(self, sealed: bytes | memoryview, context: str) -> str:
        """Return the text; takes a ``memoryview`` as well, which is how psycopg2 returns bytea.

        Raises:
            UnknownSuite: the first byte names no suite.
            UnknownKey: sealed for a key that is not held (retriable).
            Tampered: anything else that is not exactly what ``Sealer.seal`` gave for this context.
        """
        sealed = bytes(sealed)
        if not sealed:
            raise Tampered("short")
        suite = SUITES.get(sealed[0])
        if suite is None:
            raise UnknownSuite(sealed[0])
        if len(sealed) < _overhead(suite):
            raise Tampered("short")
        wrapped_at = 1 + _KEY_ID_SIZE
        nonce_at = wrapped_at + suite.encapsulated_size
        body_at = nonce_at + NONCE_SIZE
        header = sealed[:nonce_at]
        key = self._keys.get(header[1:wrapped_at])
        if key is None:
            raise UnknownKey(header[1:wrapped_at])
        session_key = self._sessions.get(header)
        known = session_key is not None
        if session_key is None:
            session_key = suite.decapsulate(key, header[wrapped_at:])
        plain = suite.decrypt(session_key, sealed[nonce_at:body_at], sealed[body_at:], context.encode())
        self._remember(header, session_key, known)
        return decode_text(plain)

    def _remember(self, header: bytes, session_key: bytes, known: bool) -> None:
        """Keep the sessions used last; called only for values that opened, so that junk evicts nothing."""
        with self._lock:
            if known and header in self._sessions:
                self._sessions.move_to_end(header)
                return
            self._sessions[header] = session_key
            if len(self._sessions) > _OPEN_SESSIONS:
                self._sessions.popitem(last=False)
