"""The embedded stack: everything a county's exchange needs, on one machine, below one run folder.

Kafka, PostgreSQL, the loader, the receipt relay, the collector of attachments, a stand-in for each platform we forward
to, and Airflow. What it writes for others: `center.env` (the center's settings) and `units/<unit>.toml` (what each
department would be handed).
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from credit_platforms.destinations import destination_ids
from credit_platforms.sandbox.personas import PERSONAS
from credit_schemas import topics as names
from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.home import write_private
from credit_warehouse.attachments import inbox
from credit_warehouse.keys import create_keys
from credit_warehouse.roles import SERVICES
from credit_warehouse.settings import ENV_FILE, Settings

from . import processes
from .airflow import AirflowServer
from .airflow_settings import KAFKA_CONNECTION, kafka_connection
from .errors import LocalError
from .kafka import KafkaServer
from .ports import LOOPBACK, free_port
from .postgres import PostgresServer
from .provisioning import Handout, new_password, prepare_broker, prepare_database, unit_principals
from .state import read_state, write_state

# Ports and passwords of an embedded stack; there is one where this file is.
STATE_FILE = "stack.json"
DATABASE, AIRFLOW_DATABASE, AIRFLOW_ROLE = "credit", "airflow", "airflow"
DAGS = Path(__file__).resolve().parents[2] / "dags"
# Stand-ins answer within two seconds on idle cores.
SANDBOX_TIMEOUT_S = 60.0
# The client name the county has at every platform, and the one that works its failure switches.
COUNTY_CLIENT, SWITCH_CLIENT = "county", "ops"

Say = Callable[[str], None]
# Name of a process that runs all the time to the command it is; files are looked for as often as a person waits.
RUNNING = {
    "loader": ["consume"],
    "relay": ["relay"],
    "attachments": ["attachments", "collect", "--every", "5"],
}


class Stack:
    """One embedded stack below `home`; `up` may be repeated, and finds its ports, passwords and data again."""

    def __init__(self, home: Path, *, trust_producer_time: bool = False) -> None:
        """Describe the stack; nothing is started.

        Args:
            home: the run folder.
            trust_producer_time: past days can be played (test stacks only); every figure then says so.
        """
        self.home = home.resolve()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state_file = self.home / STATE_FILE
        state = read_state(self._state_file)
        if state is None:
            state = {"trust_producer_time": trust_producer_time, **_new_state()}
        _add_sandboxes(state)
        for service in ("owner", *SERVICES):  # one may come later than the stack
            state["database_passwords"].setdefault(service, new_password())
        write_state(self._state_file, state)
        self._state: dict[str, Any] = state
        self.trust_producer_time = bool(state["trust_producer_time"])
        self.kafka = KafkaServer(self.home, trust_producer_time=self.trust_producer_time)
        self.postgres = PostgresServer(self.home)

    def up(self, say: Say, *, with_airflow: bool = True) -> None:
        """Start what does not run yet; `say` is told each step in Chinese. Raises LocalError."""
        catalogue = load_catalogue()
        with ThreadPoolExecutor(3) as pool:
            say("启动 Kafka 和 PostgreSQL …")
            broker = pool.submit(self.kafka.start)
            self.postgres.start()
            self._prepare_database(catalogue)
            create_keys(self.home / "keys")  # before Airflow, whose first run may already ask for them
            airflow = pool.submit(self._start_airflow) if with_airflow else None
            broker.result()
            say("建立主题、账号和权限 …")
            self._provision(catalogue)
            self._write_settings()
            say("启动入库、回执和上报去向的平台替身 …")
            self._start_services()
            if airflow:
                say("等待 Airflow 就绪 …")
                airflow.result()

    def down(self) -> list[str]:
        """Stop everything; returns the names of what was running."""
        return processes.stop_all(self.home)

    def running(self) -> list[str]:
        """Names of the processes that live."""
        return [process.name for process in processes.running(self.home)]

    @property
    def airflow(self) -> AirflowServer:
        """Airflow with everything its tasks need."""
        password = self._kafka_password(names.CENTER_AIRFLOW)
        return AirflowServer(
            self.home,
            database_dsn=self.postgres.dsn(AIRFLOW_DATABASE, AIRFLOW_ROLE).replace(
                "postgresql://", "postgresql+psycopg2://", 1
            ),
            env={
                "CREDIT_HOME": str(self.home),
                KAFKA_CONNECTION: kafka_connection(
                    self.kafka.bootstrap, names.CENTER_AIRFLOW, password, self.kafka.cafile
                ),
            },
            dags_folder=DAGS,
            pools=[f"destination_{d}" for d in destination_ids()],
        )

    def sandbox_url(self, persona: str) -> str:
        """Where the stand-in of a platform listens."""
        return f"http://{LOOPBACK}:{self._state['sandbox_ports'][persona]}"

    def sandbox_clients(self, persona: str) -> dict[str, str]:
        """Client name to key at the stand-in of a platform: each platform has keys of its own."""
        return dict(self._state["sandbox_keys"][persona])

    def _prepare_database(self, catalogue: Catalogue) -> None:
        prepare_database(self.postgres.superuser_dsn, self._settings(), catalogue, date.today())
        self.postgres.ensure_login(AIRFLOW_ROLE)
        self.postgres.ensure_database(AIRFLOW_DATABASE, AIRFLOW_ROLE)

    def _settings(self) -> Settings:
        return Settings(
            home=self.home,
            database_port=self.postgres.port,
            database_name=DATABASE,
            **{
                f"database_password_{service}": password
                for service, password in self._state["database_passwords"].items()
            },
        )

    def _provision(self, catalogue: Catalogue) -> None:
        principals = [*unit_principals(catalogue).values(), *names.SERVICE_PRINCIPALS]
        passwords = {name: self._kafka_password(name) for name in principals}
        write_state(self._state_file, self._state)
        attachments = inbox(self._settings())
        attachments.mkdir(mode=0o700, parents=True, exist_ok=True)
        handout = Handout(
            self.home,
            self.kafka.bootstrap,
            self.kafka.cafile,
            spools=self.home / "spool",
            attachments=attachments,
        )
        with closing(self.kafka.admin()) as admin:
            prepare_broker(
                admin,
                catalogue,
                passwords,
                handout,
                self.home / "keys",
                trust_producer_time=self.trust_producer_time,
            )

    def _kafka_password(self, principal: str) -> str:
        return str(self._state["kafka_passwords"].setdefault(principal, new_password()))

    def _write_settings(self) -> None:
        values = {
            "CREDIT_DATABASE_PORT": self.postgres.port,
            "CREDIT_DATABASE_NAME": DATABASE,
            **{f"CREDIT_DATABASE_PASSWORD_{s.upper()}": p for s, p in self._state["database_passwords"].items()},
            "CREDIT_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "CREDIT_KAFKA_CAFILE": self.kafka.cafile,
            **{
                f"CREDIT_KAFKA_PASSWORD_{principal.removeprefix('center.').upper()}": self._kafka_password(principal)
                for principal in names.SERVICE_PRINCIPALS
                if principal.startswith("center.")
            },
            "CREDIT_KEYS": self.home / "keys",
            "CREDIT_TRUST_PRODUCER_TIME": str(self.trust_producer_time).lower(),
        }
        for persona in self._state["sandbox_ports"]:
            values[f"CREDIT_DESTINATION_{persona.upper()}_URL"] = self.sandbox_url(persona)
            values[f"CREDIT_DESTINATION_{persona.upper()}_SECRET"] = self.sandbox_clients(persona)[COUNTY_CLIENT]
        head = "# 大数据中心的设置，由 credit up 生成。含有口令，请勿外传。\n"
        write_private(self.home / ENV_FILE, head + "".join(f"{k}={v}\n" for k, v in values.items()))

    def _start_services(self) -> None:
        env = {**os.environ, "CREDIT_HOME": str(self.home)}
        for name, argv in RUNNING.items():
            processes.start(self.home, name, [sys.executable, "-m", "credit_local", *argv], env=env, cwd=self.home)
        started = {persona: self._start_sandbox(persona, env) for persona in self._state["sandbox_ports"]}
        for persona, process in started.items():
            processes.wait_ready(
                self.home, process, f"平台替身 {persona}", partial(self._healthy, persona), SANDBOX_TIMEOUT_S
            )

    def _start_sandbox(self, persona: str, env: Mapping[str, str]) -> processes.Process:
        folder = self.home / "sandbox"
        roles = {COUNTY_CLIENT: "report", SWITCH_CLIENT: "admin"}
        clients = [{"id": i, "key": key, "role": roles[i]} for i, key in self.sandbox_clients(persona).items()]
        write_state(folder / f"{persona}.clients.json", {"clients": clients})
        argv = [
            *(sys.executable, "-m", "credit_platforms.sandbox"),
            *("--persona", persona, "--port", str(self._state["sandbox_ports"][persona])),
            *("--store", str(folder / f"{persona}.sqlite"), "--clients", str(folder / f"{persona}.clients.json")),
        ]
        # A county's own datasets have tables that the stand-ins do not know by themselves.
        for path in sorted((folder / "tables").glob("*.toml")):
            argv += ["--tables", str(path)]
        return processes.start(self.home, f"sandbox-{persona}", argv, env=env)

    def _healthy(self, persona: str) -> bool:
        try:
            return httpx.get(f"{self.sandbox_url(persona)}/health", timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _start_airflow(self) -> None:
        self.airflow.start()


def require_running(stack: Stack, name: str) -> None:
    """Raise LocalError when a process of the stack does not live."""
    if processes.find(stack.home, name) is None:
        raise LocalError(f"{name} 没有在运行；请先执行 credit up，并看日志 {processes.log_path(stack.home, name)}。")


def _new_state() -> dict[str, Any]:
    return {
        "database_passwords": {},
        "kafka_passwords": {},
        "sandbox_ports": {},
        "sandbox_keys": {},
    }


def _add_sandboxes(state: dict[str, Any]) -> None:
    """Port and keys for the stand-in of every destination that has one; a destination may come later than the stack."""
    ports, keys = state["sandbox_ports"], state["sandbox_keys"]
    for persona in sorted(PERSONAS.keys() & destination_ids()):
        ports.setdefault(persona, free_port())
        keys.setdefault(persona, {client: secrets.token_hex(32) for client in (COUNTY_CLIENT, SWITCH_CLIENT)})
