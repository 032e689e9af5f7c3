"""A self-made certificate authority and one server certificate: loopback, and the host names of a deployment."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from credit_schemas.home import write_private

# The authority outlives any test or demo stack, so that producers never have to exchange their CA file.
_CA_DAYS = 3650
# Server certificates beyond 397 days are refused by common TLS clients; renewed at start when near the end.
_SERVER_DAYS = 397
_RENEW_DAYS = 30
_BACKDATE = dt.timedelta(hours=1)  # clocks in virtual machines jump back


def ensure_certificates(folder: Path, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
    """Make what is missing, about to expire or made for other hosts below `folder`.

    Args:
        hosts: host names and addresses covered beside 127.0.0.1 and localhost.

    Returns:
        (CA certificate for clients, PEM file with the server's private key and chain, mode 0600).
    """
    names = _alternative_names(hosts)
    ca_file, ca_key_file, server_file = folder / "ca.pem", folder / "ca.key", folder / "server.pem"
    if not (ca_file.exists() and ca_key_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(ca_key_file, _pem(key))
        write_private(ca_file, _text(_authority(key)))
        ca_file.chmod(0o644)
        server_file.unlink(missing_ok=True)
    if not _still_good(server_file, names):
        ca = x509.load_pem_x509_certificate(ca_file.read_bytes())
        ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{ca_key_file} holds no EC key")
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(server_file, _pem(key) + _text(_server(key, ca, ca_key, names)) + _text(ca))
    return ca_file, server_file


def _alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys(["127.0.0.1", "localhost", *hosts]):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _still_good(server_file: Path, names: Sequence[x509.GeneralName]) -> bool:
    if not server_file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(server_file.read_bytes())
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(covered) != set(names):
        return False
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left > dt.timedelta(days=_RENEW_DAYS)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Credit exchange embedded CA")
    return (
        _builder(key, _CA_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName],
) -> x509.Certificate:
    # clientAuth too: the broker connects to itself and to its controller with the same key.
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(key, _SERVER_DAYS)
        .subject_name(_name("localhost"))
        .issuer_name(ca.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    # Unencrypted PKCS#8: the file is 0600, and a password for it would lie in a file beside it.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
