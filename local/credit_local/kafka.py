"""Apache Kafka itself, one KRaft node on the loopback address, below the run folder.

Layout of `<home>/kafka/`: `state.json` (ports, passwords, cluster id; 0600), `ca.pem` (for clients), `ca.key`
and `server.pem` (0600), `server.properties` (0600, rewritten at every start), `data/`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import string
import subprocess
import time
from importlib import resources
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from credit_schemas.home import write_private

from . import processes
from .certificates import ensure_certificates
from .errors import PortTakenError, ServiceStartError
from .kafka_jars import ensure_jars, java
from .ports import LOOPBACK, free_port, is_free, is_listening
from .state import read_state, write_state

NAME = "kafka"
ADMIN = "admin"
# Ready in 4 s on two idle cores; ten times that with every core busy. A broker that replays a large log
# after a power cut takes longest.
_START_TIMEOUT_S = 120.0
_FILES = resources.files(__package__) / "kafka_files"


class KafkaServer:
    """One broker below `home`; a second start on the same home reuses its data, ports and passwords.

    Attributes:
        bootstrap: `127.0.0.1:PORT` of the SASL_SSL listener (SCRAM-SHA-512).
        cafile: the certificate a client must trust.
        admin_user, admin_password: the only super user.
    """

    def __init__(self, home: Path, *, trust_producer_time: bool = False, heap_mb: int = 512) -> None:
        """Describe the broker; nothing is started.

        Args:
            trust_producer_time: topics take the producer's time by default, so that a test stack can play
                past days. Never on a real stack: a unit could then declare itself punctual.
            heap_mb: the Java heap; the process takes about 150-250 MB more.
        """
        self.home = Path(home).resolve()
        self.trust_producer_time = trust_producer_time
        self.heap_mb = heap_mb
        self.folder = self.home / NAME
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = read_state(self.folder / "state.json")
        if state is None:
            state = _new_state()
            write_state(self.folder / "state.json", state)
        self._state: dict[str, Any] = state
        self.ports = {name: int(state[name]) for name in ("client_port", "controller_port")}
        self.bootstrap = f"{LOOPBACK}:{state['client_port']}"
        self.cafile, self._server_pem = ensure_certificates(self.folder)
        self.admin_user = ADMIN
        self.admin_password: str = state["admin_password"]

    def start(self) -> None:
        """Start the broker and wait until it answers the admin; does nothing when it already runs.

        Raises:
            ProgramMissingError: java or mvn is missing.
            BrokerFilesError: the program files could not be fetched.
            PortTakenError: another program listens on our port.
            ServiceStartError: the broker ended or was not ready in time; carries the last log lines.
        """
        with processes.exclusive(self.home, NAME):
            if not self.running:
                self._start()

    def _start(self) -> None:
        self.stop()  # a broker whose run folder was deleted under it
        jars = ensure_jars()
        for port in self.ports.values():
            if not is_free(port):
                raise PortTakenError("Kafka", port)
        config = self.folder / "server.properties"
        write_private(config, self._properties())
        classpath = f"{jars}/*"
        self._format(classpath, config)
        with resources.as_file(_FILES / "log4j2.properties") as log_config:
            argv = [
                java(),
                f"-Xms{self.heap_mb // 2}m",
                f"-Xmx{self.heap_mb}m",
                # A broker that limps on without memory looks alive and stalls everyone.
                "-XX:+ExitOnOutOfMemoryError",
                "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={log_config}",
                "-cp",
                classpath,
                "kafka.Kafka",
                str(config),
            ]
            process = processes.start(self.home, NAME, argv, env=_environment(), cwd=self.folder)
            processes.wait_ready(self.home, process, "Kafka", self._answers, _START_TIMEOUT_S)

    def stop(self) -> bool:
        """Shut down in good order (SIGTERM); returns whether it was running."""
        return processes.stop(self.home, NAME)

    def kill(self) -> bool:
        """SIGKILL, as in a power cut; returns whether it was running."""
        return processes.kill(self.home, NAME)

    def restart(self) -> None:
        """Stop and start on the same ports and data."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        """Whether the broker's process lives."""
        return processes.find(self.home, NAME) is not None

    def client_config(self, user: str | None = None, password: str | None = None) -> dict[str, Any]:
        """Connection settings for any kafka-python client; without `user` those of the admin."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.cafile),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user or self.admin_user,
            "sasl_plain_password": self.admin_password if user is None else password,
        }

    def admin(self) -> KafkaAdminClient:
        """A new admin client, logged in as the super user; the caller closes it."""
        return KafkaAdminClient(**self.client_config())

    def _answers(self) -> bool:
        if not is_listening(self.ports["client_port"]):
            return False
        with contextlib.suppress(KafkaError), contextlib.closing(self.admin()) as admin:
            return bool(admin.describe_cluster()["brokers"])
        return False

    def _properties(self) -> str:
        template = string.Template((_FILES / "server.properties").read_text(encoding="utf-8"))
        return template.substitute(
            self._state,
            admin_user=self.admin_user,
            server_pem=self._server_pem,
            ca_pem=self.cafile,
            data_dir=self.folder / "data",
            timestamp_type="CreateTime" if self.trust_producer_time else "LogAppendTime",
        )

    def _format(self, classpath: str, config: Path) -> None:
        """Make the storage once, with the admin's credential in it."""
        data = self.folder / "data"
        if (data / "meta.properties").exists():
            return
        # A format that was broken off leaves a folder without meta.properties, hence without any data.
        shutil.rmtree(data, ignore_errors=True)
        # Arguments from a private file: on the command line `ps` would show the password to every user.
        arguments = self.folder / "format.args"
        credential = f"SCRAM-SHA-512=[name={self.admin_user},password={self.admin_password}]"
        lines = ["format", "--config", str(config), "--cluster-id", self._state["cluster_id"]]
        write_private(arguments, "\n".join([*lines, "--add-scram", credential]) + "\n")
        try:
            done = subprocess.run(
                [java(), "-Xmx128m", "-cp", classpath, "kafka.tools.StorageTool", f"@{arguments}"],
                env=_environment(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_START_TIMEOUT_S,
            )
        finally:
            arguments.unlink(missing_ok=True)
        if done.returncode != 0:
            log = processes.log_path(self.home, NAME)
            tail = (done.stdout + done.stderr).replace(self.admin_password, "***").splitlines()[-8:]
            raise ServiceStartError("Kafka", "存储目录格式化失败", log, tail)


def _new_state() -> dict[str, Any]:
    client = free_port()
    return {
        "client_port": client,
        "controller_port": free_port(avoid=[client]),
        # URL-safe characters: no quoting needed in JAAS lines.
        "admin_password": secrets.token_urlsafe(24),
        "controller_password": secrets.token_urlsafe(24),
        "cluster_id": _cluster_id(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode("ascii").rstrip("=")
        # One with a leading dash would be read as an option by the storage tool.
        if not text.startswith("-"):
            return text


def _environment() -> dict[str, str]:
    # Settings meant for other Java programs of this user (agents, debuggers) must not reach the broker.
    unwanted = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")
    return {name: value for name, value in os.environ.items() if name not in unwanted}
