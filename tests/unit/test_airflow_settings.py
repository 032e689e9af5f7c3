"""Settings of the embedded Airflow: what must never be otherwise on a machine of a county."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from credit_local.airflow import AirflowServer, kafka_connection

DSN = "postgresql://someone:word@127.0.0.1:5432/airflow"


def server(home: Path, **env: str) -> AirflowServer:
    return AirflowServer(home, database_dsn=DSN, env=env, dags_folder=home / "dags")


def test_it_listens_on_the_loopback_address_only(tmp_path: Path) -> None:
    env = server(tmp_path).environment()
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "False"
    assert server(tmp_path).url in env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]


def test_settings_meant_for_other_programs_do_not_steer_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "somebody.else")
    monkeypatch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", "elsewhere")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    env = server(tmp_path, CREDIT_COUNTY="410421").environment()
    assert env["AIRFLOW__CORE__AUTH_MANAGER"].endswith("FabAuthManager")
    assert "AIRFLOW__CORE__PLUGINS_FOLDER" not in env
    assert "PYTHONPATH" not in env
    assert env["CREDIT_COUNTY"] == "410421"


def test_a_proxy_never_sees_the_tokens_of_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.invalid")
    monkeypatch.delenv("no_proxy", raising=False)
    assert server(tmp_path).environment()["NO_PROXY"] == "intranet.invalid,127.0.0.1,localhost"


def test_login_and_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    first, again = server(tmp_path / "a"), server(tmp_path / "a")
    assert (first.password, first.environment()) == (again.password, again.environment())
    assert stat.S_IMODE((tmp_path / "a" / "airflow" / "state.json").stat().st_mode) == 0o600
    other = server(tmp_path / "b")
    assert other.password != first.password
    for name in ("CORE__FERNET_KEY", "API_AUTH__JWT_SECRET", "API__SECRET_KEY"):
        mine, others = (each.environment()[f"AIRFLOW__{name}"] for each in (first, other))
        assert mine != others
        assert len(mine) >= 44  # 32 bytes in base64


def test_the_trigger_commits_only_what_airflow_has_stored() -> None:
    connection = json.loads(kafka_connection("127.0.0.1:9092", "center.airflow", "word", Path("ca.pem")))
    extra = connection["extra"]
    assert connection["conn_type"] == "kafka"
    assert extra["enable.auto.commit"] == "false"
    assert (extra["security.protocol"], extra["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (extra["group.id"], extra["auto.offset.reset"]) == ("airflow.loaded", "earliest")
