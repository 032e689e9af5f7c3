"""SM4-GCM (GB/T 32907, RFC 8998) over texts: what sealing at the edge and sealing at rest share."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .seal_errors import Tampered, Unsealable

NONCE_SIZE = 12  # the size for which GCM uses the nonce as it is (NIST SP 800-38D, 5.2.1.1)
TAG_SIZE = 16
SM4_KEY_SIZE = 16


def sm4_gcm_encrypt(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return encryptor.update(plain) + encryptor.finalize() + encryptor.tag


def sm4_gcm_decrypt(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, sealed[-TAG_SIZE:])).decryptor()
    decryptor.authenticate_additional_data(associated)
    plain = decryptor.update(sealed[:-TAG_SIZE])
    try:
        return plain + decryptor.finalize()
    except InvalidTag:
        raise Tampered("authentication") from None


def encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Outside the handler: the codec's error quotes the text and must not stay on as this one's context.
    raise Unsealable


def decode_text(plain: bytes) -> str:
    try:
        return plain.decode()
    except UnicodeDecodeError:  # authentic, but sealed by some other program
        pass
    raise Tampered("encoding")  # outside the handler, as above
