"""What docker-compose.yml, the image and the broker's configuration promise about safety, read from the files."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import yaml

from credit_local.cli import COMMANDS
from credit_local.deployment import DeploySettings, secret_files
from credit_platforms.access import PREFIX, Access
from credit_platforms.destinations import destination_ids
from credit_schemas.county import SETTING
from credit_warehouse.roles import SERVICES
from credit_warehouse.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
START = (ROOT / "deploy" / "kafka" / "start.sh").read_text(encoding="utf-8")
OWN = {name: s for name, s in COMPOSE["services"].items() if s["image"].startswith("credit-center")}
# Ends by itself: the preparation, and what a person starts by hand.
ONE_SHOT = ("prepare", "reader")
# A value that is a reference to the environment, with or without something to fall back on.
REFERENCE = re.compile(r"\$\{(\w+)[^}]*\}")


def properties() -> dict[str, str]:
    text = (ROOT / "deploy" / "kafka" / "server.properties").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def secrets_of(service: dict) -> set[str]:
    return {entry if isinstance(entry, str) else entry["source"] for entry in service.get("secrets", ())}


def known_variables() -> set[str]:
    known = {f"CREDIT_{name}".upper() for model in (Settings, DeploySettings) for name in model.model_fields}
    known |= {f"{PREFIX}{d}_{name}".upper() for d in destination_ids() for name in Access.model_fields}
    return known | {SETTING, SECRETS, "CREDIT_HOME"}


def test_no_listener_of_the_broker_is_in_the_clear():
    found = properties()
    protocols = dict(pair.split(":") for pair in found["listener.security.protocol.map"].split(","))
    listeners = {part.split("://")[0] for part in found["listeners"].split(",")}
    assert listeners == set(protocols)
    assert set(protocols.values()) == {"SASL_SSL"}
    assert found["sasl.enabled.mechanisms"] == "SCRAM-SHA-512"


def test_the_controller_listens_inside_its_container_and_asks_for_a_login():
    found = properties()
    assert "CONTROLLER://127.0.0.1:@CONTROLLER_PORT@" in found["listeners"].split(",")
    assert "CONTROLLER" not in found["advertised.listeners"]
    assert "PlainLoginModule" in found["listener.name.controller.plain.sasl.jaas.config"]


def test_rights_must_be_given_and_the_brokers_clock_counts():
    found = properties()
    assert found["authorizer.class.name"] == "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    assert found["super.users"] == "User:admin"
    assert found["allow.everyone.if.no.acl.found"] == "false"
    assert found["auto.create.topics.enable"] == "false"
    assert found["log.message.timestamp.type"] == "LogAppendTime"


def test_passwords_of_the_broker_come_from_files():
    found = properties()
    given = re.findall(r'(?:password|user_\w+)="([^"]*)"', " ".join(found.values()))
    assert set(given) == {"@ADMIN_PASSWORD@", "@CONTROLLER_PASSWORD@"}
    for name in re.findall(r"@[A-Z_]+@", " ".join(found.values())):
        assert f"text=${{text//{name}/" in START
    assert "umask 077" in START


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_password_stands_in_the_environment_of(name):
    for variable, value in COMPOSE["services"][name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY|TOKEN", variable):
            # A path of a file, never the thing itself.
            assert str(value).startswith(("/run/secrets", "/var/lib/credit/keys")), variable


def test_no_password_stands_in_the_image():
    assert not re.search(r"(?i)(password|secret|token)\w*\s*=", DOCKERFILE)
    assert ".env" not in DOCKERFILE
    # Only what is named gets into the build: never deploy/secrets, .credit or .env.
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert not {line for line in ignored if line.startswith(("!deploy", "!."))}


def test_the_example_environment_has_no_values():
    lines = (ROOT / "deploy" / ".env.example").read_text(encoding="utf-8").splitlines()
    given = [line for line in lines if line and not line.startswith("#")]
    assert given
    assert all(line.endswith("=") for line in given)


def test_the_example_environment_names_every_variable_of_the_compose_file():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / "deploy" / ".env.example").read_text(encoding="utf-8")
    assert set(REFERENCE.findall(text)) == set(re.findall(r"^(\w+)=", example, re.M))


def test_every_secret_is_a_file_that_credit_secrets_makes():
    made = set(secret_files()) | {"kafka_server_pem"}
    assert set(COMPOSE["secrets"]) == made
    assert {name for s in COMPOSE["services"].values() for name in secrets_of(s)} == made
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] in (f"./deploy/secrets/{name}", "./deploy/certificates/server.pem")


@pytest.mark.parametrize("service", ["loader", "relay"])
def test_a_service_gets_its_own_passwords_alone(service):
    role = {"loader": "consumer"}.get(service, service)
    assert secrets_of(COMPOSE["services"][service]) == {
        f"credit_database_password_{role}",
        f"credit_kafka_password_{role}",
    }


def test_who_only_reads_has_one_password_that_shows_no_number_and_does_not_start_by_itself():
    reader = COMPOSE["services"]["reader"]
    assert secrets_of(reader) == {"credit_database_password_reader"}
    assert not reader.get("volumes")
    assert reader["profiles"] == ["tools"]
    assert reader["networks"] == ["back"]


def test_only_the_preparation_gets_an_administrators_password():
    admins = {"credit_database_admin_password", "credit_kafka_admin_password", "credit_database_password_owner"}
    holders = {name for name, s in COMPOSE["services"].items() if secrets_of(s) & admins}
    assert holders == {"prepare", "postgres", "kafka"}
    assert {f"credit_database_password_{s}" for s in SERVICES} <= secrets_of(COMPOSE["services"]["prepare"])


def test_only_who_opens_sealed_numbers_gets_the_keys_and_cannot_change_them():
    mounts = {
        name: next(v for v in s["volumes"] if v.startswith("keys:"))
        for name, s in COMPOSE["services"].items()
        if any(v.startswith("keys:") for v in s.get("volumes", ()))
    }
    assert set(mounts) == {"prepare", "loader", "airflow-scheduler", "attachments"}
    assert all(mount.endswith(":ro") for name, mount in mounts.items() if name != "prepare")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_the_container_can_do_little_more_than_its_work(name):
    service = COMPOSE["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert not service.get("privileged")
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    if name != "postgres":  # becomes its own user by itself
        assert not service.get("cap_add")


def test_the_image_does_not_run_as_root():
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    users = re.findall(r"^USER (.+)$", last, re.M)
    assert users == ["1000:1000"]
    assert not any("user" in service for service in OWN.values())
    assert COMPOSE["services"]["kafka"]["user"] == "1000:1000"


def test_packages_of_the_image_are_checked_by_hash():
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert re.search(r"--no-deps \./schemas \./producers \.", DOCKERFILE)


def test_host_ports_are_loopback_but_for_the_departments_door():
    ports = {name: s["ports"] for name, s in COMPOSE["services"].items() if "ports" in s}
    assert set(ports) == {"kafka", "airflow-api-server"}
    assert ports["airflow-api-server"] == ["127.0.0.1:8080:8080"]
    (door,) = ports["kafka"]
    assert door.startswith("${KAFKA_LISTEN_ADDRESS:-127.0.0.1}:")
    assert door.endswith(":9094")
    assert "CLIENT" in properties()["listeners"]


def test_database_and_services_have_no_way_out():
    assert COMPOSE["networks"]["back"]["internal"] is True
    outside = {name for name, s in COMPOSE["services"].items() if "front" in s["networks"]}
    assert outside == {"kafka", "airflow-api-server", "airflow-scheduler"}


def test_images_are_pinned_to_a_version():
    images = {s["image"] for s in COMPOSE["services"].values()} | set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M))
    assert images
    for image in images:
        assert re.search(r":\d+\.\d+", image), image


def test_every_command_exists():
    for name, service in OWN.items():
        assert service.get("command", ["figures"])[0] in COMMANDS, name
        check = service.get("healthcheck", {}).get("test")
        if check:
            assert check[:2] == ["CMD", "credit"]
            assert check[2] in COMMANDS
            assert check[3] == name.removeprefix("airflow-")


def test_every_setting_exists():
    used = {v for s in OWN.values() for v in s["environment"] if v.startswith("CREDIT_")}
    used |= {name.upper() for name in COMPOSE["secrets"] if name.startswith("credit_")}
    used |= set(re.findall(r"\b(CREDIT_[A-Z_]+)=", DOCKERFILE))
    # Read by the broker's start script, not by a program of ours.
    assert used - known_variables() == {"CREDIT_KAFKA_CONTROLLER_PASSWORD"}


def test_everything_mounted_from_the_project_exists():
    files = [c["file"] for c in COMPOSE["configs"].values() if "/certificates/" not in c["file"]]
    assert files
    for file in files:
        assert (ROOT / file).is_file()
    assert (ROOT / "deploy/kafka/start.sh").stat().st_mode & stat.S_IXUSR
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
