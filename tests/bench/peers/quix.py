"""Quix Streams' PostgreSQL sink, upserting a JSON topic into one table, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg2.extensions

from bench.peers import one_table
from bench.peers.jars import cache
from bench.stack import Bench

VERSION = "3.28.1"
BATCH = 5000
_INSTALL_S, _LOAD_S = 600, 600
_SCRIPT = Path(__file__).with_name("quix_sink.py")


def load(bench: Bench, topic: str, rows: int, table: str) -> None:
    """Upsert the whole topic into the table (made anew); raises when rows are missing afterwards."""
    one_table.create(bench, table)
    login = psycopg2.extensions.parse_dsn(bench.dsn)
    told = {
        "kafka": {
            "bootstrap_servers": bench.kafka.bootstrap,
            "username": bench.kafka.admin_user,
            "password": bench.kafka.admin_password,
            "cafile": str(bench.kafka.cafile),
        },
        "postgres": {k: login[k] for k in ("host", "port", "dbname", "user", "password")},
        "topic": topic,
        "table": table,
        "key": one_table.KEY,
        # Kafka keeps a group's offsets: a second load must begin at the beginning.
        "group": f"{table}-{uuid4().hex[:8]}",
        "rows": rows,
        "batch": BATCH,
        "state": str(bench.home / f"quix-{table}"),
    }
    argv = [str(_python()), str(_SCRIPT)]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(argv, input=json.dumps(told), env=env, capture_output=True, text=True, timeout=_LOAD_S)
    found = bench.execute(f"SELECT count(*) FROM {table}")[0][0]
    if done.returncode or found != rows:
        raise RuntimeError(f"Quix wrote {found} of {rows} rows, ended with {done.returncode}:\n{done.stderr[-3000:]}")


def _python() -> Path:
    """The interpreter of the environment that has Quix Streams; made on first use."""
    place = cache() / f"quix-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True, timeout=_INSTALL_S)
        wanted = [f"quixstreams[postgresql]=={VERSION}"]
        argv = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        subprocess.run(argv, check=True, timeout=_INSTALL_S)
        (place / "complete").touch()
    return python
