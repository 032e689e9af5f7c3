"""The files and settings a deployment is made of."""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.fernet import Fernet

from credit_local.airflow_settings import KAFKA_CONNECTION
from credit_local.certificates import ensure_certificates
from credit_local.deployment import airflow_environment, load_deploy_settings, secret_files, write_secrets
from credit_warehouse.settings import SettingMissing, load_settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A run folder and its secret files, as the services of a deployment see them."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CREDIT_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.setenv("CREDIT_DAGS", str(tmp_path))
    monkeypatch.setenv("CREDIT_AIRFLOW_API", "http://airflow-api-server:8080")
    write_secrets(tmp_path / "secrets")
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path):
    folder = tmp_path / "secrets"
    assert set(write_secrets(folder)) == set(secret_files())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert write_secrets(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    given = [content for name, content in before.items() if "destination" not in name]
    assert len(set(given)) == len(given)
    Fernet(before["credit_airflow_fernet_key"])


def test_a_secret_file_is_a_setting(home):
    assert load_settings().database_password("relay") == (home / "secrets/credit_database_password_relay").read_text()


def test_airflow_of_a_deployment_is_reached_by_its_name_and_logs_in_with_the_secrets(home):
    settings = load_settings()
    env = airflow_environment(settings, load_deploy_settings(settings))
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-api-server:8080/execution/"
    assert "airflow-api-server" in env["NO_PROXY"].split(",")
    assert (home / "secrets/credit_airflow_database_password").read_text() in env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    connection = json.loads(env[KAFKA_CONNECTION])["extra"]
    assert connection["sasl.username"] == "center.airflow"
    assert connection["security.protocol"] == "SASL_SSL"
    assert connection["sasl.password"] == (home / "secrets/credit_kafka_password_airflow").read_text()


def test_an_empty_secret_file_is_a_missing_setting(home):
    (home / "secrets/credit_airflow_jwt_secret").write_text("")
    settings = load_settings()
    with pytest.raises(SettingMissing, match="CREDIT_AIRFLOW_JWT_SECRET"):
        airflow_environment(settings, load_deploy_settings(settings))


def test_another_host_name_gives_a_new_server_certificate_under_the_same_authority(tmp_path):
    ca, server = ensure_certificates(tmp_path, ["kafka", "10.1.2.3"])
    first = (ca.read_bytes(), server.read_bytes())
    ensure_certificates(tmp_path, ["kafka", "10.1.2.3"])
    assert (ca.read_bytes(), server.read_bytes()) == first
    ensure_certificates(tmp_path, ["kafka", "credit.example"])
    assert ca.read_bytes() == first[0]
    certificate = x509.load_pem_x509_certificate(server.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "kafka", "credit.example"]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.read_bytes()))
