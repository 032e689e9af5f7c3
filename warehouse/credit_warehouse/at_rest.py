"""Numbers of natural persons at the center: found by a keyed digest, kept encrypted (core.person holds them alone)."""

import os

from cryptography.hazmat.primitives import hashes, hmac

from credit_schemas.identifiers import RIC_TYPES, canonical_id
from credit_schemas.seal_errors import BadKey, Tampered, UnknownKey, UnknownSuite
from credit_schemas.sm4 import (
    NONCE_SIZE,
    SM4_KEY_SIZE,
    TAG_SIZE,
    decode_text,
    encode_text,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
)


class LookupHasher:
    """Finds a person by number without opening anything: HMAC-SM3 under a key that only the center has."""

    def __init__(self, key: bytes) -> None:
        """Take a secret key of 32 bytes or more (as long as an SM3 digest, so that the key is no weaker)."""
        if len(key) < 32:
            raise BadKey("查找密钥至少要 32 字节")
        self._keyed = hmac.HMAC(key, hashes.SM3())

    def digest(self, id_type: str, number: str) -> bytes:
        """Return the 32-byte digest of a person's document.

        Number and type are brought to one form first (15 digits to 18, 居民身份证 to 身份证, blanks, case),
        so that every spelling of one document gives one digest.
        """
        id_type = id_type.strip()
        document = "身份证" if id_type in RIC_TYPES else id_type
        keyed = self._keyed.copy()
        # NUL cannot stand in a canonical number, so no two pairs give the same message.
        keyed.update(encode_text(f"{document}\0{canonical_id(id_type, number)}"))
        return keyed.finalize()


class AtRest:
    """Encrypts the numbers in ``core.person`` under the center's storage key (SM4-GCM).

    Layout: ``0x81 | key version 4 | nonce 12 | ciphertext | tag 16``. The first byte is no suite number, so
    that a value at rest is never taken for one sealed at the edge.
    """

    _MARK = 0x81
    _HEADER_SIZE = 5

    def __init__(self, key: bytes, key_version: int) -> None:
        """Take an SM4 key of 16 bytes and the version under which values name it (0 to 2^32 - 1).

        Random nonces allow 2^32 values per version (NIST SP 800-38D, 8.3): a thousand times the persons of a
        county, so versions change for reasons of policy only.
        """
        if len(key) != SM4_KEY_SIZE:
            raise BadKey(f"存储密钥应为 {SM4_KEY_SIZE} 字节")
        self._key = key
        self._header = bytes([self._MARK]) + key_version.to_bytes(4)

    def seal(self, text: str, context: str = "") -> bytes:
        """Return the encrypted text; ``context`` (say, the lookup digest in hex) ties it to its row."""
        nonce = os.urandom(NONCE_SIZE)
        return self._header + nonce + sm4_gcm_encrypt(self._key, nonce, encode_text(text), self._bound(context))

    def open(self, value: bytes | memoryview, context: str = "") -> str:
        """Return the text.

        Raises:
            UnknownKey: encrypted under another key version (``key_id`` holds its 4 bytes).
            UnknownSuite, Tampered: not a value of ``seal`` for this context.
        """
        value = bytes(value)
        self.key_version_of(value)
        if value[: self._HEADER_SIZE] != self._header:
            raise UnknownKey(value[1 : self._HEADER_SIZE])
        body_at = self._HEADER_SIZE + NONCE_SIZE
        nonce, body = value[self._HEADER_SIZE : body_at], value[body_at:]
        return decode_text(sm4_gcm_decrypt(self._key, nonce, body, self._bound(context)))

    @classmethod
    def key_version_of(cls, value: bytes | memoryview) -> int:
        """Return the key version of a value; raises ``Tampered`` or ``UnknownSuite`` for anything else."""
        if len(value) < cls._HEADER_SIZE + NONCE_SIZE + TAG_SIZE:
            raise Tampered("short")
        if value[0] != cls._MARK:
            raise UnknownSuite(value[0])
        return int.from_bytes(value[1 : cls._HEADER_SIZE])

    def _bound(self, context: str) -> bytes:
        return self._header + context.encode()
