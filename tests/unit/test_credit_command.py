"""The command `credit` when nothing runs: one Chinese sentence, no traceback, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from credit_local.ports import free_port


def credit(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("CREDIT_")}
    argv = [sys.executable, "-m", "credit_local", *arguments]
    return subprocess.run(
        argv, env={**env, "CREDIT_HOME": str(home), **settings}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("service", "arguments"),
    [
        ("READER", ["figures"]),
        ("READER", ["records", "--dataset", "penalty"]),
        ("READER", ["status"]),
        ("READER", ["deadletters", "list"]),
        ("QUALITY", ["quality", "holds"]),
        ("FORWARD", ["resume", "province", "--by", "甲"]),
        ("OWNER", ["migrate"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_database_that_is_not_there_is_told_in_chinese(tmp_path: Path, service: str, arguments: list[str]) -> None:
    port = free_port()
    settings = {"CREDIT_DATABASE_PORT": str(port), f"CREDIT_DATABASE_PASSWORD_{service}": "any"}
    done = credit(tmp_path, *arguments, **settings)
    assert done.returncode == 1
    assert done.stderr.startswith("错误：数据库连不上（")
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_looking_at_the_status_starts_and_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "new"
    done = credit(home, "status")
    assert done.returncode == 0, done.stderr
    assert "用 credit up 启动" in done.stdout
    assert not home.exists()
