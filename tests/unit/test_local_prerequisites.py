"""What the embedded stack needs from the machine, and what it says when that is missing or damaged."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from cryptography import x509

from credit_local import kafka_jars, postgres
from credit_local.certificates import ensure_certificates
from credit_local.errors import ProgramMissingError
from credit_local.ports import free_port, is_free, is_listening


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three small files that stand where the program expects its ninety-two."""
    listed = tmp_path / "listed"
    listed.mkdir()
    folder = tmp_path / "cache" / "credit-exchange" / f"kafka-{kafka_jars.KAFKA_VERSION}"
    folder.mkdir(parents=True)
    lines = []
    for name in ("a.jar", "b.jar", "c.jar"):
        (folder / name).write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}")
    (listed / "jars.sha256").write_text("\n".join(lines) + "\n")
    (listed / "pom.xml").write_text("<project/>")
    monkeypatch.setattr(kafka_jars, "_FILES", listed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Leave only these programs on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_complete_copy_is_used_without_maven(jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, java="exit 0")
    assert kafka_jars.ensure_jars() == jars


@pytest.mark.parametrize("damage", ["missing", "changed", "added"])
def test_damaged_copy_is_never_used(jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    programs(tmp_path, monkeypatch, java="exit 0")
    if damage == "missing":
        (jars / "b.jar").unlink()
    else:
        (jars / ("b.jar" if damage == "changed" else "d.jar")).write_bytes(b"something else")
    with pytest.raises(ProgramMissingError) as caught:  # it must be fetched again, and here is no Maven
        kafka_jars.ensure_jars()
    assert caught.value.programs == ("mvn",)
    assert "apt install openjdk-17-jre-headless maven" in str(caught.value)


def test_failed_fetch_says_what_maven_said_and_leaves_nothing(
    jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, java="exit 0", mvn="echo '[ERROR] Could not transfer artifact'; exit 1")
    (jars / "b.jar").unlink()
    with pytest.raises(kafka_jars.BrokerFilesError, match="Could not transfer artifact"):
        kafka_jars.ensure_jars()
    assert [path.name for path in jars.parent.iterdir()] == [jars.name]


def test_fetch_that_brings_something_else_is_refused(
    jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, java="exit 0", mvn="exit 0")
    (jars / "b.jar").unlink()
    with pytest.raises(kafka_jars.BrokerFilesError, match="缺少 3 个文件"):
        kafka_jars.ensure_jars()


def test_missing_java_says_what_to_install(jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch)
    with pytest.raises(ProgramMissingError, match="apt install openjdk-17-jre-headless maven"):
        kafka_jars.ensure_jars()


def test_shipped_list_of_program_files_is_whole() -> None:
    lines = (Path(kafka_jars.__file__).parent / "kafka_files" / "jars.sha256").read_text().splitlines()
    names = [line.split()[1] for line in lines]
    assert len(names) == len(set(names)) == 92
    assert f"kafka_2.13-{kafka_jars.KAFKA_VERSION}.jar" in names
    assert all(len(line.split()[0]) == 64 for line in lines)


def test_old_postgres_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, postgres="echo 'postgres (PostgreSQL) 14.9'", initdb="exit 0")
    monkeypatch.setattr(postgres, "_PACKAGED", ())
    with pytest.raises(ProgramMissingError, match="apt install postgresql"):
        postgres.find_binaries()


def test_newest_postgres_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, postgres="echo 'postgres (PostgreSQL) 15.1'", initdb="exit 0")
    newer = tmp_path / "lib" / "101" / "bin"
    newer.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (newer / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 101.2 (Debian)'\n")
        (newer / name).chmod(0o755)
    monkeypatch.setattr(postgres, "_PACKAGED", ((tmp_path / "lib", "*/bin"),))
    assert postgres.find_binaries() == newer


def test_port_in_use_is_not_free() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert is_listening(port)
    assert not is_listening(port)


def test_ports_are_not_those_of_outgoing_connections() -> None:
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(free_port() < first for _ in range(20))
    taken = free_port()
    assert free_port(avoid=[taken]) != taken


def test_certificate_names_the_loopback_and_is_kept(tmp_path: Path) -> None:
    ca_file, server_file = ensure_certificates(tmp_path)
    first = ca_file.read_bytes(), server_file.read_bytes()
    ensure_certificates(tmp_path)
    assert (ca_file.read_bytes(), server_file.read_bytes()) == first
    server = x509.load_pem_x509_certificate(server_file.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_file.read_bytes()))


def test_certificate_near_its_end_is_renewed_under_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit_local.certificates._SERVER_DAYS", 29)
    ca_file, server_file = ensure_certificates(tmp_path)
    authority, old = ca_file.read_bytes(), server_file.read_bytes()
    monkeypatch.setattr("credit_local.certificates._SERVER_DAYS", 397)
    ensure_certificates(tmp_path)
    assert ca_file.read_bytes() == authority
    assert server_file.read_bytes() != old
    renewed = x509.load_pem_x509_certificate(server_file.read_bytes())
    renewed.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
