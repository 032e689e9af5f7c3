"""`credit prepare` on the broker of the deployment: its own start script and configuration, without the container."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from credit_local.certificates import ensure_certificates
from credit_local.deployment import write_secrets
from credit_local.kafka_jars import ensure_jars, java
from credit_local.ports import LOOPBACK, free_port, is_listening
from credit_producer import CreditProducer
from credit_producer.settings import read_settings
from credit_schemas.catalogue import load_catalogue
from credit_schemas.topics import intake_topic
from credit_warehouse.roles import SERVICES, role_name
from servers import SHORT_TIMEOUT_MS
from unit.rows import PENALTY

ROOT = Path(__file__).resolve().parents[2]
COUNTY = load_catalogue().county
UNIT, OTHER = "market", "edu"
START_S = 90.0


@dataclass(frozen=True)
class Site:
    """A deployment: its folders, and the environment that compose would give to `prepare`."""

    folder: Path
    env: dict[str, str]
    internal: str
    client: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text()

    def login(self, user: str, password: str, *, bootstrap: str = "") -> dict[str, object]:
        return {
            "bootstrap_servers": bootstrap or self.client,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.folder / "certificates" / "ca.pem"),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(**self.login("admin", self.secret("credit_kafka_admin_password")))

    def prepare(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "credit_local", "prepare"], env=self.env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def start_broker(folder: Path, internal: int, client: int) -> subprocess.Popen[bytes]:
    """Run deploy/kafka/start.sh as compose does; only Kafka's two programs are called by their classes."""
    programs = folder / "bin"
    programs.mkdir()
    for name, main in (("kafka-storage.sh", "kafka.tools.StorageTool"), ("kafka-server-start.sh", "kafka.Kafka")):
        (programs / name).write_text(f'#!/bin/sh\nexec {java()} -Xmx256m -cp "{ensure_jars()}/*" {main} "$@"\n')
        (programs / name).chmod(0o755)
    secrets = folder / "secrets"
    (secrets / "kafka_server_pem").symlink_to(folder / "certificates" / "server.pem")
    for name in ("admin", "controller"):
        (secrets / f"kafka_{name}_password").symlink_to(secrets / f"credit_kafka_{name}_password")
    (folder / "data").mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "KAFKA_BIN": str(programs),
        "KAFKA_TEMPLATE": str(ROOT / "deploy" / "kafka" / "server.properties"),
        "KAFKA_SECRETS": str(secrets),
        "KAFKA_CA_PEM": str(folder / "certificates" / "ca.pem"),
        "KAFKA_RUN": str(folder / "run"),
        "KAFKA_DATA": str(folder / "data"),
        "KAFKA_INTERNAL_HOST": LOOPBACK,
        "KAFKA_INTERNAL_PORT": str(internal),
        "KAFKA_CLIENT_PORT": str(client),
        "KAFKA_PUBLIC_HOST": LOOPBACK,
        "KAFKA_PUBLIC_PORT": str(client),
        "KAFKA_CONTROLLER_PORT": str(free_port(avoid=[internal, client])),
    }
    with (folder / "kafka.log").open("wb") as log:
        argv = ["bash", str(ROOT / "deploy" / "kafka" / "start.sh")]
        broker = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_S
    while not is_listening(internal):
        assert broker.poll() is None, (folder / "kafka.log").read_text()
        assert time.monotonic() < deadline, (folder / "kafka.log").read_text()
        time.sleep(0.2)
    return broker


@pytest.fixture(scope="module")
def site(tmp_path_factory, postgres_server):
    folder = tmp_path_factory.mktemp("deploy")
    write_secrets(folder / "secrets")
    ensure_certificates(folder / "certificates", ["kafka", "kafka.example"])
    # Roles belong to the whole cluster, which other tests share: they keep the passwords they have there.
    for service in ("owner", *SERVICES):
        password = postgres_server.ensure_login(role_name(service))
        (folder / "secrets" / f"credit_database_password_{service}").write_text(password)
    postgres_server_password = psycopg2.extensions.parse_dsn(postgres_server.superuser_dsn)["password"]
    (folder / "secrets" / "credit_database_admin_password").write_text(postgres_server_password)
    # Airflow's part starts Airflow itself: too slow for here, and skipped by `prepare` when it has no database.
    (folder / "secrets" / "credit_airflow_database_password").unlink()
    internal = free_port()
    client = free_port(avoid=[internal])
    name = f"prepare_{os.getpid()}"
    env = {key: value for key, value in os.environ.items() if not key.startswith("CREDIT_")} | {
        "CREDIT_HOME": str(folder / "home"),
        "CREDIT_SECRETS": str(folder / "secrets"),
        "CREDIT_DATABASE_PORT": str(postgres_server.port),
        "CREDIT_DATABASE_NAME": name,
        "CREDIT_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{internal}",
        "CREDIT_KAFKA_CAFILE": str(folder / "certificates" / "ca.pem"),
        "CREDIT_KEYS": str(folder / "keys"),
        "CREDIT_UNIT_BOOTSTRAP": f"{LOOPBACK}:{client}",
    }
    broker = start_broker(folder, internal, client)
    try:
        yield Site(folder, env, f"{LOOPBACK}:{internal}", f"{LOOPBACK}:{client}")
    finally:
        broker.terminate()
        broker.wait(60)
        postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def prepared(site: Site) -> str:
    """What the first run said."""
    return site.prepare()


def written(site: Site) -> dict[str, bytes]:
    folders = (site.home / "units", site.folder / "keys")
    return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}


def test_preparing_twice_gives_the_same(site, prepared):
    before = written(site)
    assert set(before) >= {"ca.pem", "center-1.pem", "lookup.key", "at-rest-1.key"}
    assert len(before) == len(list(COUNTY.units)) + 4
    assert f"新建主题 {2 * len(list(COUNTY.units)) + 1} 个" in prepared

    again = site.prepare()

    assert written(site) == before
    assert "执行升级 0 项" in again
    assert "新建主题 0 个，补充权限 0 条" in again


def test_the_configurations_are_for_their_owner_alone(site, prepared):
    modes = {path.stat().st_mode & 0o777 for path in (site.home / "units").glob("*.toml")}
    assert modes == {0o600}
    assert (site.home / "units").stat().st_mode & 0o077 == 0


def test_a_handed_out_configuration_sends(site, prepared, tmp_path, monkeypatch):
    """Configuration and certificate are all a department gets: copied elsewhere they must do."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    for name in (f"{UNIT}.toml", "ca.pem"):
        (tmp_path / name).write_bytes((site.home / "units" / name).read_bytes())
    with CreditProducer(UNIT, config=tmp_path / f"{UNIT}.toml") as producer:
        producer.report("penalty", PENALTY, source_key="A-1")
        assert producer.flush() == 1
    reader = site.login("center.consumer", site.secret("credit_kafka_password_consumer"), bootstrap=site.internal)
    place = TopicPartition(intake_topic(COUNTY.code, UNIT), 0)
    with closing(KafkaConsumer(**reader)) as consumer:
        assert consumer.end_offsets([place])[place] == 1


def test_the_deployed_broker_refuses_another_units_topic(site, prepared):
    password = read_settings(site.home / "units" / f"{UNIT}.toml").kafka.password.get_secret_value()
    login = site.login(f"unit.{UNIT}", password)
    with closing(KafkaProducer(**login)) as producer, pytest.raises(TopicAuthorizationFailedError):
        producer.send(intake_topic(COUNTY.code, OTHER), b"x").get(10)


def test_the_deployed_broker_makes_no_topic_by_itself(site, prepared):
    login = site.login("admin", site.secret("credit_kafka_admin_password"))
    with closing(KafkaProducer(**login, max_block_ms=3000)) as producer, pytest.raises(KafkaError):
        producer.send("credit.mistyped", b"x").get(10)
    with closing(site.admin()) as admin:
        assert "credit.mistyped" not in admin.list_topics()


def test_the_deployed_broker_speaks_to_nobody_in_the_clear(site, prepared):
    host, port = site.client.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        # ApiVersions v0, correlation id 1, no client id: answered at once by a plaintext listener.
        line.sendall(bytes.fromhex("0000000a0012000000000001ffff"))
        line.settimeout(5)
        try:
            answer = line.recv(64)
        except ConnectionResetError:
            answer = b""
    # Nothing, or a TLS alert (content type 21).
    assert answer[:1] in (b"", b"\x15")


def test_a_wrong_password_opens_nothing(site, prepared):
    with pytest.raises(KafkaError):
        KafkaAdminClient(
            **site.login(f"unit.{UNIT}", "wrong"),
            bootstrap_timeout_ms=SHORT_TIMEOUT_MS,
            request_timeout_ms=SHORT_TIMEOUT_MS,
        )


def test_each_role_reaches_the_new_database(site, prepared):
    for service in SERVICES:
        con = psycopg2.connect(
            host=LOOPBACK,
            port=site.env["CREDIT_DATABASE_PORT"],
            dbname=site.env["CREDIT_DATABASE_NAME"],
            user=role_name(service),
            password=site.secret(f"credit_database_password_{service}"),
        )
        con.close()


@pytest.mark.parametrize("command", [["status", "--json"], ["figures", "--json"], ["deadletters", "list", "--json"]])
def test_a_reader_with_its_one_password_sees_the_state_of_a_deployment(site, prepared, tmp_path, command):
    """The service `reader` of docker-compose.yml: no run folder it could write, no other secret."""
    (tmp_path / "credit_database_password_reader").write_text(site.secret("credit_database_password_reader"))
    env = {**site.env, "CREDIT_SECRETS": str(tmp_path), "CREDIT_HOME": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "credit_local", *command], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if command[0] == "status":
        assert answer[0]["running"] == []
        assert answer[0]["waiting"]["死信"] == 0
    assert not (tmp_path / "none").exists()


def test_a_missing_password_is_named(site, prepared):
    env = {**site.env, "CREDIT_SECRETS": str(site.folder / "certificates")}
    done = subprocess.run(
        [sys.executable, "-m", "credit_local", "prepare"], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "CREDIT_DATABASE_ADMIN_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "server"), [("CREDIT_DATABASE_PORT", "数据库"), ("CREDIT_KAFKA_BOOTSTRAP", "Kafka")]
)
def test_a_server_that_does_not_answer_is_told_in_one_sentence(site, prepared, setting, server):
    port = free_port()
    nobody = str(port) if setting.endswith("PORT") else f"{LOOPBACK}:{port}"
    before = written(site)
    done = subprocess.run(
        [sys.executable, "-m", "credit_local", "prepare"],
        env={**site.env, setting: nobody},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert f"错误：{server}（{LOOPBACK}:{port}）连不上或不能登录" in done.stderr
    assert "Traceback" not in done.stderr
    assert written(site) == before
