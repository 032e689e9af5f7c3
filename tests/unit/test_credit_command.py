"""The command `credit` when nothing runs: one Chinese sentence, no traceback, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from credit_local.cli import credit as group
from credit_local.commands.options import table
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


def test_the_catalogue_of_duties_speaks_chinese_and_tells_of_a_row_whom_it_binds_and_what_it_asks() -> None:
    listed = CliRunner().invoke(group, ["catalogue", "obligations"])
    assert listed.exit_code == 0, listed.output
    row_1, row_2 = (line for line in listed.output.splitlines() if line.startswith(("1 ", "2 ")))
    assert "每季度" in row_1
    assert row_1.endswith(" 等 25 种")
    assert "决定后 7 个工作日" in row_2
    assert row_2.endswith("行政许可、行政处罚")
    shown = CliRunner().invoke(group, ["catalogue", "obligations", "--row", "6"]).output
    assert "数据集（都要报）：拖欠中小企业账款 + 工作报告" in shown
    assert shown.splitlines()[-1] == "工信局"
    unknown = CliRunner().invoke(group, ["catalogue", "obligations", "--row", "99"])
    assert unknown.exit_code == 2
    assert "分解表没有第 99 行" in unknown.output


def test_a_table_tells_times_to_the_second(capsys: pytest.CaptureFixture[str]) -> None:
    table(["开始"], [[datetime(2026, 11, 24, 21, 49, 36, 657806, tzinfo=ZoneInfo("Asia/Shanghai"))], [None]])
    assert capsys.readouterr().out == "开始\n2026-11-24 21:49:36\n\n"
