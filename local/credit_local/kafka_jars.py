"""The broker's program files: ordinary Maven artifacts, fetched once into the user's cache.

Maven, not a download page: the same mirror settings a Java shop already has (`settings.xml`) serve the
broker too. What arrives must be, byte for byte, the list of SHA-256 digests shipped beside this module.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from .errors import BrokerFilesError, ProgramMissingError

KAFKA_VERSION = "4.3.1"

# 54 MB on a county's slow line (1 Mbit/s) is 8 minutes; beyond that something is stuck.
_FETCH_TIMEOUT_S = 900
_FILES = resources.files(__package__) / "kafka_files"
_PACKAGES = ("openjdk-17-jre-headless", "maven")

log = logging.getLogger(__name__)


def java() -> str:
    """The java program.

    Raises:
        ProgramMissingError: there is none on PATH.
    """
    return _program("java")


def ensure_jars() -> Path:
    """Return the folder of the broker's jars, complete and verified; fetch them on first use.

    Raises:
        ProgramMissingError: no java or, when jars must be fetched, no mvn.
        BrokerFilesError: Maven failed, or a file is not the one we know.
    """
    java()
    folder = _cache_folder() / f"kafka-{KAFKA_VERSION}"
    if _difference(folder) is None:
        return folder
    mvn = _program("mvn")
    log.info("正在通过 Maven 获取 Kafka %s（约 54 MB，仅首次需要）……", KAFKA_VERSION)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In a folder of its own beside the target: two processes may fetch at once, a broken-off fetch leaves
    # nothing that looks complete, and the rename is atomic.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        fetched = Path(temporary) / "jars"
        _fetch(mvn, Path(temporary), fetched)
        problem = _difference(fetched)
        if problem is not None:
            raise BrokerFilesError(problem)
        _put_in_place(fetched, folder)
    return folder


def _fetch(mvn: str, work: Path, target: Path) -> None:
    (work / "pom.xml").write_bytes((_FILES / "pom.xml").read_bytes())
    argv = [mvn, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(work / "pom.xml")]
    argv += ["dependency:copy-dependencies", f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            argv, cwd=work, capture_output=True, text=True, errors="replace", timeout=_FETCH_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerFilesError(f"Maven 在 {_FETCH_TIMEOUT_S // 60} 分钟内没有完成") from error
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        reason = lines[0].split("ERROR]")[-1].strip() if lines else f"退出码 {done.returncode}"
        raise BrokerFilesError(f"Maven 报告：{reason}")


def _put_in_place(fetched: Path, folder: Path) -> None:
    if folder.exists():
        # Damaged, or completed by another process since we looked.
        if _difference(folder) is None:
            return
        shutil.rmtree(folder)
    fetched.rename(folder)


def _difference(folder: Path) -> str | None:
    """What is wrong with the jars in `folder`, in Chinese; None when they are exactly those we know."""
    wanted = {}
    for line in (_FILES / "jars.sha256").read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        wanted[name] = digest
    present = {path.name for path in folder.glob("*.jar")} if folder.is_dir() else set()
    if present != set(wanted):
        missing, extra = sorted(set(wanted) - present), sorted(present - set(wanted))
        return f"缺少 {len(missing)} 个文件，多出 {len(extra)} 个文件（{(missing + extra)[0]} 等）"
    for name, digest in wanted.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            return f"文件 {name} 的内容与发布的摘要不一致"
    return None


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "credit-exchange"


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ProgramMissingError([name], _PACKAGES, "运行内置 Kafka ")
    return path
