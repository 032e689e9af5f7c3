"""Sealing: standard vectors, what opens and what must not, and that no error tells the number."""

import hashlib
import hmac
import subprocess
import sys
import threading
import traceback

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas import sealing, sm4
from credit_schemas.sealing import (
    BadKey,
    CenterKey,
    Opener,
    PublicKey,
    Sealer,
    SealError,
    Tampered,
    UnknownKey,
    UnknownSuite,
    Unsealable,
    generate_center_key,
    looks_sealed,
)
from credit_warehouse.at_rest import AtRest, LookupHasher

NUMBER = "11010519491231002X"
CONTEXT = "110000-01/penalty/CF_XDR_ZJHM"
KEY = generate_center_key()
SEALER = Sealer(KEY.public)
OPENER = Opener([KEY])
AT_REST = AtRest(bytes(range(16)), 7)

# Written by the first release; a later one must go on reading them. The keys are for this test only.
OLD_KEY_PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
OLD_PUBLIC = "x25519:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF/u3Yg9"
OLD_SEALED = bytes.fromhex(
    "01eedd883da0a945151d9ffa17950b1bdc009a1dabceb7176ac6b589cc025b30699ee87956691fbb21"
    "0030d3f1042d13f3961ff86ea9880f7929cbef051f74c872f82f24c50369a894166138a84f8a94571ca1d125daca"
)
OLD_AT_REST = bytes.fromhex(
    "81000000071f25bfeff3483b315c6a8a72cdce64710fda28619eb1190993a9712c19ee1d3ec7ad0efaa431cffc5b236a9d650a"
)
OLD_DIGEST = "4834cf307a9c8e38a609c5135178a234946423b367752cfd3544fe639af7b42c"


def flipped(value, place, bits):
    return value[:place] + bytes([value[place] ^ bits]) + value[place + 1 :]


def everything_it_shows(error):
    chain = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.args} {vars(error)} {error.__context__!r} {chain}"


def test_sm3_and_sm4_give_the_standards_vectors():
    digest = hashes.Hash(hashes.SM3())
    digest.update(b"abc")
    assert digest.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    block = bytes.fromhex("0123456789abcdeffedcba9876543210")
    encryptor = Cipher(algorithms.SM4(block), modes.ECB()).encryptor()  # one block: the mode adds nothing
    assert encryptor.update(block).hex() == "681edf34d206965e86b3e94f536e4246"


def test_sm4_gcm_gives_the_vector_of_rfc_8998():
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    nonce = bytes.fromhex("00001234567800000000abcd")
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = b"".join(bytes([byte]) * 8 for byte in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    sealed = sm4.sm4_gcm_encrypt(key, nonce, plain, associated)
    assert sealed.hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert sm4.sm4_gcm_decrypt(key, nonce, sealed, associated) == plain


def test_what_psycopg2_returns_opens_as_it_comes():
    sealed, at_rest = memoryview(OLD_SEALED), memoryview(OLD_AT_REST)
    assert looks_sealed(sealed)
    assert Opener([CenterKey.from_pem(OLD_KEY_PEM, None)]).open(sealed, CONTEXT) == NUMBER
    assert AT_REST.open(at_rest, "row") == NUMBER
    assert AtRest.key_version_of(at_rest) == 7


def test_values_of_the_first_release_still_open():
    key = CenterKey.from_pem(OLD_KEY_PEM, None)
    assert str(key.public) == OLD_PUBLIC
    assert Opener([key]).open(OLD_SEALED, CONTEXT) == NUMBER
    assert AT_REST.open(OLD_AT_REST, "row") == NUMBER
    assert LookupHasher(bytes(range(32))).digest("身份证", NUMBER).hex() == OLD_DIGEST


def test_the_layout_is_the_documented_one():
    """Opens a value by the description alone, as a Java client of another unit would have to."""
    private = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    raw = private.public_key().public_bytes_raw()
    sealed = Sealer(PublicKey(raw)).seal("张三", "u/d/c")
    assert len(sealed) == 69 + len("张三".encode())
    assert sealed[0] == 1
    assert sealed[1:9] == hashlib.sha256(raw).digest()[:8]
    ephemeral, nonce, body, tag = sealed[9:41], sealed[41:53], sealed[53:-16], sealed[-16:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    info = b"credit-seal 1 X25519 HKDF-SHA256 SM4-GCM" + ephemeral + raw
    key = HKDF(hashes.SHA256(), 16, salt=None, info=info).derive(shared)
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(b"u/d/c")
    assert decryptor.update(body) + decryptor.finalize() == "张三".encode()


@given(st.text(max_size=200), st.text(max_size=60))
def test_what_was_sealed_opens_and_does_not_show(text, context):
    sealed = SEALER.seal(text, context)
    assert looks_sealed(sealed)
    assert OPENER.open(sealed, context) == text
    assert len(text) < 4 or text.encode() not in sealed


def test_the_same_number_never_gives_the_same_bytes():
    assert len({SEALER.seal(NUMBER, CONTEXT) for _ in range(1000)}) == 1000


@given(st.integers(0, 86), st.integers(1, 255))
def test_any_changed_byte_is_refused_without_telling_the_number(place, bits):
    sealed = flipped(SEALER.seal(NUMBER, CONTEXT), place, bits)
    with pytest.raises(SealError) as caught:
        OPENER.open(sealed, CONTEXT)
    expected = UnknownSuite if place == 0 else UnknownKey if place < 9 else Tampered
    assert type(caught.value) is expected
    assert NUMBER not in everything_it_shows(caught.value)


def test_no_single_bit_is_free_to_change():
    """All of them: X25519 itself would ignore the top bit of the ephemeral key (byte 40, 0x80)."""
    sealed, at_rest = SEALER.seal(NUMBER, CONTEXT), AT_REST.seal(NUMBER)
    for opened, value in ((lambda v: OPENER.open(v, CONTEXT), sealed), (AT_REST.open, at_rest)):
        for place in range(len(value)):
            for bit in range(8):
                with pytest.raises(SealError):
                    opened(flipped(value, place, 1 << bit))


@given(st.integers(0, 86))
def test_a_value_cut_short_is_refused(length):
    with pytest.raises(Tampered):
        OPENER.open(SEALER.seal(NUMBER, CONTEXT)[:length], CONTEXT)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_typed_answer(junk):
    for attempt in (OPENER.open, AT_REST.open):
        with pytest.raises(SealError):
            attempt(junk, CONTEXT)


@pytest.mark.parametrize(
    "context",
    ["110000-02/penalty/CF_XDR_ZJHM", "110000-01/licence/CF_XDR_ZJHM", "110000-01/penalty/CF_FR_ZJHM", ""],
)
def test_a_value_moved_to_another_unit_dataset_or_column_is_refused(context):
    sealed = SEALER.seal(NUMBER, CONTEXT)
    with pytest.raises(Tampered, match="authentication") as caught:
        OPENER.open(sealed, context)
    assert NUMBER not in everything_it_shows(caught.value)


def test_a_point_of_small_order_as_session_key_is_refused():
    sealed = SEALER.seal(NUMBER, CONTEXT)
    for point in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(Tampered):
            OPENER.open(sealed[:9] + point + sealed[41:], CONTEXT)
        with pytest.raises(BadKey):
            Sealer(PublicKey(point))


def test_text_that_is_no_unicode_is_refused_at_the_door_without_being_quoted():
    for attempt in (SEALER.seal, AT_REST.seal):
        with pytest.raises(Unsealable) as caught:
            attempt(NUMBER + "\ud800", CONTEXT)
        assert NUMBER not in everything_it_shows(caught.value)


def test_authentic_bytes_that_are_no_text_are_not_quoted():
    foreign = NUMBER.encode() + b"\xff"
    nonce = bytes(12)
    sealed = SEALER._header + nonce + sm4.sm4_gcm_encrypt(SEALER._session_key, nonce, foreign, CONTEXT.encode())
    with pytest.raises(Tampered, match="encoding") as caught:
        OPENER.open(sealed, CONTEXT)
    assert NUMBER not in everything_it_shows(caught.value)


def test_the_center_opens_values_for_its_old_keys_too():
    old, new = generate_center_key(), generate_center_key()
    sealed = [Sealer(key.public).seal(NUMBER, CONTEXT) for key in (old, new)]
    assert [Opener([old, new]).open(value, CONTEXT) for value in sealed] == [NUMBER, NUMBER]


def test_only_a_missing_key_is_worth_waiting_for():
    stranger = generate_center_key()
    with pytest.raises(UnknownKey, match=stranger.key_id.hex()) as caught:
        OPENER.open(Sealer(stranger.public).seal(NUMBER, CONTEXT), CONTEXT)
    assert caught.value.key_id == stranger.key_id
    assert caught.value.retriable
    assert not any(kind.retriable for kind in (SealError, UnknownSuite, Tampered, Unsealable, BadKey))


def test_a_value_of_a_later_release_is_told_apart():
    with pytest.raises(UnknownSuite) as caught:
        OPENER.open(b"\x02" + SEALER.seal(NUMBER, CONTEXT)[1:], CONTEXT)
    assert caught.value.suite == 2


def test_a_session_ends_after_its_share_of_seals(monkeypatch):
    monkeypatch.setattr(sealing, "SEALS_PER_SESSION", 3)
    sealer = Sealer(KEY.public)
    values = [sealer.seal(NUMBER, CONTEXT) for _ in range(7)]
    assert [len({value[9:41] for value in values[i : i + 3]}) for i in (0, 3, 6)] == [1, 1, 1]
    assert len({value[9:41] for value in values}) == 3
    assert {OPENER.open(value, CONTEXT) for value in values} == {NUMBER}


def test_threads_may_share_sealer_and_opener(monkeypatch):
    monkeypatch.setattr(sealing, "SEALS_PER_SESSION", 50)
    monkeypatch.setattr(sealing, "_OPEN_SESSIONS", 3)
    sealer, opener = Sealer(KEY.public), Opener([KEY])
    opened: list[str] = []

    def work(name):
        opened.extend(opener.open(sealer.seal(f"{name}-{i}", CONTEXT), CONTEXT) for i in range(500))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == sorted(f"{name}-{i}" for name in range(6) for i in range(500))


def test_the_opener_keeps_a_bounded_number_of_sessions_and_no_junk(monkeypatch):
    monkeypatch.setattr(sealing, "_OPEN_SESSIONS", 2)
    opener = Opener([KEY])
    a, b, c = (Sealer(KEY.public).seal(NUMBER, CONTEXT) for _ in range(3))
    for value in (a, b, a, c):
        opener.open(value, CONTEXT)
    for place in range(9, 41):
        with pytest.raises(Tampered):
            opener.open(flipped(a, place, 1), CONTEXT)
    assert list(opener._sessions) == [a[:41], c[:41]]


@pytest.mark.parametrize("clear", [b"", b"1", NUMBER.encode(), b"11010519491231002X" * 5, b"\x01" * 68, b"\x02" * 90])
def test_clear_text_does_not_look_sealed(clear):
    assert not looks_sealed(clear)


def test_a_public_key_travels_as_one_line_of_text():
    text = str(KEY.public)
    assert PublicKey.parse(f" {text}\n") == KEY.public
    assert len(text) == 55
    assert text.startswith("x25519:")


@given(st.integers(0, 54), st.sampled_from("ABab01+/=:- 中"))
def test_a_mistyped_public_key_is_refused_before_anything_is_sealed_for_nobody(place, char):
    text = str(KEY.public)
    mistyped = text[:place] + char + text[place + 1 :]
    if mistyped != text:
        with pytest.raises(BadKey, match="重新复制"):
            PublicKey.parse(mistyped)


@pytest.mark.parametrize("text", ["", "x25519:", OLD_PUBLIC[:-4], OLD_PUBLIC[7:], OLD_PUBLIC + "AAAA", "x25519:中"])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(BadKey):
        PublicKey.parse(text)


@pytest.mark.parametrize("password", [None, "密码 1".encode()])
def test_a_center_key_survives_its_file(password):
    again = CenterKey.from_pem(KEY.to_pem(password), password)
    assert again.key_id == KEY.key_id
    assert Opener([again]).open(SEALER.seal(NUMBER, CONTEXT), CONTEXT) == NUMBER


def test_a_key_file_is_read_only_with_its_own_password():
    locked = KEY.to_pem(b"right")
    other = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for pem, password in [
        (locked, b"wrong-password"),
        (locked, None),
        (locked, b""),
        (OLD_KEY_PEM, b"wrong-password"),
        (b"junk", None),
        (other, None),
    ]:
        with pytest.raises(BadKey) as caught:
            CenterKey.from_pem(pem, password)
        assert "wrong-password" not in str(caught.value)
    with pytest.raises(BadKey):
        KEY.to_pem(b"")


def test_a_center_key_does_not_show_itself():
    secret = KEY._private.private_bytes_raw()
    shown = f"{KEY!r} {KEY} {OPENER!r}"
    assert secret.hex() not in shown
    assert repr(secret) not in shown


def test_a_lookup_digest_is_hmac_sm3():
    key = bytes(range(64, 128))
    message = f"护照号\0{'E12345678'}".encode()

    def sm3(data):
        digest = hashes.Hash(hashes.SM3())
        digest.update(data)
        return digest.finalize()

    inner = sm3(bytes(b ^ 0x36 for b in key) + message)
    expected = sm3(bytes(b ^ 0x5C for b in key) + inner)
    assert hmac.compare_digest(LookupHasher(key).digest("护照号", " e1234 5678"), expected)


def test_every_spelling_of_a_document_finds_the_same_person_and_no_other():
    hasher = LookupHasher(bytes(32))
    same = {
        hasher.digest(id_type, number)
        for id_type, number in [
            ("身份证", NUMBER),
            ("居民身份证 ", NUMBER.lower()),
            ("身份证", "110105491231002"),
            ("身份证", "１１０１０５ １９４９１２３１００２ｘ"),
        ]
    }
    assert len(same) == 1
    others = {
        hasher.digest("护照号", NUMBER),
        hasher.digest("身份证", "440524188001010014"),
        LookupHasher(b"\1" * 32).digest("身份证", NUMBER),
    }
    assert len(same | others) == 4


def test_a_short_lookup_or_storage_key_is_refused():
    with pytest.raises(BadKey, match="32"):
        LookupHasher(b"k" * 31)
    for size in (15, 17, 32):
        with pytest.raises(BadKey, match="16"):
            AtRest(b"k" * size, 1)


@given(st.text(max_size=100), st.text(max_size=40), st.integers(0, 2**32 - 1))
def test_a_number_at_rest_opens_under_its_key_version_and_row(text, context, version):
    vault = AtRest(bytes(range(16)), version)
    value = vault.seal(text, context)
    assert vault.open(value, context) == text
    assert AtRest.key_version_of(value) == version
    with pytest.raises(Tampered):
        vault.open(value, context + "x")


@given(st.integers(0, 50), st.integers(1, 255))
def test_any_changed_byte_at_rest_is_refused_without_telling_the_number(place, bits):
    with pytest.raises(SealError) as caught:
        AT_REST.open(flipped(AT_REST.seal(NUMBER), place, bits))
    expected = UnknownSuite if place == 0 else UnknownKey if place < 5 else Tampered
    assert type(caught.value) is expected
    assert NUMBER not in everything_it_shows(caught.value)


def test_another_key_version_is_asked_for_by_its_number():
    value = AtRest(bytes(16), 8).seal(NUMBER)
    with pytest.raises(UnknownKey, match="00000008") as caught:
        AT_REST.open(value)
    assert caught.value.key_id == (8).to_bytes(4)
    with pytest.raises(Tampered):
        AtRest(bytes(16), 7).open(AT_REST.seal(NUMBER))


def test_a_value_at_rest_and_one_sealed_at_the_edge_are_never_confused():
    at_rest, sealed = AT_REST.seal(NUMBER * 5, CONTEXT), SEALER.seal(NUMBER, CONTEXT)
    assert not looks_sealed(at_rest)
    with pytest.raises(UnknownSuite):
        OPENER.open(at_rest, CONTEXT)
    with pytest.raises(UnknownSuite):
        AT_REST.open(sealed, CONTEXT)


def test_a_department_needs_nothing_but_the_public_key():
    """What another process sealed, knowing the line of text alone, opens here."""
    program = (
        "import sys; from credit_schemas.sealing import PublicKey, Sealer;"
        "sys.stdout.write(Sealer(PublicKey.parse(sys.argv[1])).seal(sys.argv[2], sys.argv[3]).hex())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(KEY.public), NUMBER, CONTEXT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert OPENER.open(bytes.fromhex(run.stdout), CONTEXT) == NUMBER
