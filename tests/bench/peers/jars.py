"""Kafka Connect and Debezium's JDBC sink, fetched once by Maven into the user's cache, beside the broker's own jars."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
# Connect brings these itself; in the plugin's folder other versions of them would be loaded beside its own.
_NOT_IN_PLUGIN = ("jackson-", "kafka-clients", "connect-api", "slf4j-", "lz4-", "snappy-", "zstd-")
_TIMEOUT_S = 900


def connect_jars() -> Path:
    """The folder of Kafka Connect's jars."""
    return _fetched("connect", lambda name: True)


def debezium_plugins() -> Path:
    """The plugin path: a folder with Debezium's JDBC sink and the PostgreSQL driver."""
    return _fetched("debezium", lambda name: not name.startswith(_NOT_IN_PLUGIN)).parent


def cache() -> Path:
    """Where the peers are kept, outside the project."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "credit-exchange" / "bench"


def _fetched(name: str, wanted) -> Path:
    pom = _HERE / f"{name}.pom.xml"
    # Another pom, another folder: nothing of an older version is left over.
    place = cache() / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    folder = place / name
    if folder.is_dir():
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache()) as temporary:
        work = Path(temporary)
        shutil.copy(pom, work / "pom.xml")
        argv = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "dependency:copy-dependencies"]
        argv += [f"-DoutputDirectory={work / 'made' / name}", "-DincludeScope=runtime"]
        subprocess.run(argv, cwd=work, check=True, timeout=_TIMEOUT_S)
        for jar in (work / "made" / name).iterdir():
            if not wanted(jar.name):
                jar.unlink()
        if not place.exists():
            (work / "made").rename(place)
    return folder
