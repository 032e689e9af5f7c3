"""Every setting of the embedded Airflow, in one place, as environment variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from .ports import LOOPBACK

# What the trigger of the DAG files logs in with (Airflow's name for the connection: `kafka_default`).
KAFKA_CONNECTION = "AIRFLOW_CONN_KAFKA_DEFAULT"
KAFKA_GROUP = "airflow.loaded"

# Tasks at a time. Each takes 150-300 MB with Great Expectations and a core while it runs: two cores are
# busy with two, the third is for one that waits for a destination's answer.
PARALLELISM = 3

# Set by a person or a build for other programs; here they would steer our server.
_FOREIGN = ("AIRFLOW", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PGOPTIONS", "PGSERVICE")


def environment(
    folder: Path,
    *,
    database_dsn: str,
    dags_folder: Path,
    port: int,
    secrets: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of Airflow's processes.

    Args:
        folder: AIRFLOW_HOME.
        database_dsn: SQLAlchemy URL of the metadata database.
        port: loopback port of the API server.
        secrets: `fernet_key`, `jwt_secret`, `secret_key`.
        extra: settings and connections of the tasks; they win over everything here.
    """
    url = f"http://{LOOPBACK}:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        **inherited,
        "AIRFLOW_HOME": str(folder),
        **_core(dags_folder),
        **_network(url, port),
        **_database(database_dsn),
        **_pace(),
        # Connections and variables in the metadata database are encrypted with this key; a new key makes the
        # old values unreadable, so all secrets are kept in the state file.
        "AIRFLOW__CORE__FERNET_KEY": secrets["fernet_key"],
        # Signs the tokens of people and of tasks: who knows it is admin and may act as any task.
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
        "AIRFLOW__API__SECRET_KEY": secrets["secret_key"],
        **_silence(inherited),
        **extra,
    }


def kafka_connection(bootstrap: str, user: str, password: str, cafile: Path | str) -> str:
    """The connection of the `loaded` trigger, as JSON for the variable `KAFKA_CONNECTION`.

    Args:
        bootstrap: `host:port` of the SASL_SSL listener.
        user, password: SCRAM-SHA-512 login that may read the topic and use the group `KAFKA_GROUP`.
        cafile: the certificate to trust.
    """
    extra = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.location": str(cafile),
        "group.id": KAFKA_GROUP,
        # A nudge published before the trigger first connects must still wake it.
        "auto.offset.reset": "earliest",
        # The trigger commits once the asset event is stored; with true a killed triggerer loses nudges,
        # and the provider refuses to start.
        "enable.auto.commit": "false",
        # With the default of 45 s a killed triggerer leaves 45 s of silence; 6 s is the broker's least.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 2000,  # a third of the session, as Kafka advises
    }
    return json.dumps({"conn_type": "kafka", "extra": extra})


def _core(dags_folder: Path) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        # Real logins with hashed passwords; the simple manager keeps them in plain text.
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A stack that has just started works; pausing is what an operator does.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        # Task results and asset events are plain JSON here; never let a stored one name a class to import.
        "AIRFLOW__CORE__ALLOWED_DESERIALIZATION_CLASSES": "airflow.*",
        "AIRFLOW__CORE__TEST_CONNECTION": "Disabled",
    }


def _network(url: str, port: int) -> dict[str, str]:
    return {
        # The default is 0.0.0.0: the whole county network could reach the login page of a trial run.
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__WORKERS": "1",
        # The settings page shows masked values, yet which settings there are helps nobody but an attacker.
        "AIRFLOW__API__EXPOSE_CONFIG": "False",
        # The scheduler's own health server listens on 0.0.0.0.
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        # The default looks the host name up in DNS: slow without a network, and a request to outside.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    }


def _database(dsn: str) -> dict[str, str]:
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": dsn,
        # Four services and three workers: without a bound each may hold 15 connections.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "7",
    }


def _pace() -> dict[str, str]:
    return {
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # Our few files parse in well under a second: a new destination shows within half a minute.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # Every 30 s a table into the log, for ever.
        "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",
        # Roles and rights are written by airflow_prepare; doing it again takes the API server a second.
        "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
        "AIRFLOW__TRIGGERER__CAPACITY": "50",
    }


def _silence(inherited: Mapping[str, str]) -> dict[str, str]:
    """Nothing leaves this machine."""
    hosts = [value for name in ("NO_PROXY", "no_proxy") if (value := inherited.get(name))]
    direct = ",".join(dict.fromkeys([*hosts, LOOPBACK, "localhost"]))
    return {
        # Great Expectations reports usage to its maker unless told not to.
        "GX_ANALYTICS_ENABLED": "false",
        # The API's own documentation page loads its scripts from a public CDN.
        "AIRFLOW__API__ENABLE_SWAGGER_UI": "False",
        "AIRFLOW__METRICS__STATSD_ON": "False",
        "AIRFLOW__METRICS__OTEL_ON": "False",
        "AIRFLOW__TRACES__OTEL_ON": "False",
        "AIRFLOW__SENTRY__SENTRY_ON": "False",
        # Tasks talk to the API server by HTTP: with a proxy set, every token would pass through it.
        "NO_PROXY": direct,
        "no_proxy": direct,
    }
