"""Every word of the command line is Chinese, whatever the locale of the machine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from credit_producer.cli import cli
from credit_producer.zh import TEXTS, catalogue, catalogue_path

# Texts for programmers, shown when a command is declared wrongly and never to a user.
DECLARATION = ("Name '", "No options defined", "Arguments take exactly", "Boolean option", "Could not determine name")
NEVER_USED = ("Windows error", "Unknown standard stream", "Unknown color")
ENGLISH = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]{2,})+")


def clicks_texts() -> set[str]:
    found = set()
    for path in Path(click.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
                texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
                found |= {t for t in texts if isinstance(t, str)}
    return {t for t in found if not t.startswith(DECLARATION + NEVER_USED)}


def test_no_text_of_click_is_left_in_english():
    texts = clicks_texts()
    assert len(texts) > 50
    assert texts - set(TEXTS) == set()


def test_placeholders_survive_translation():
    for text, chinese in TEXTS.items():
        names = set(re.findall(r"\{(\w+)", text)) | set(re.findall(r"%\((\w+)\)", text))
        told = set(re.findall(r"\{(\w+)", chinese)) | set(re.findall(r"%\((\w+)\)", chinese))
        assert told <= names, text


def test_compiled_catalogue_is_current():
    assert catalogue_path().read_bytes() == catalogue(), "run: python -m credit_producer.zh"


def run(*arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "LANG": "C", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "credit_producer.cli", *arguments], env=environment, capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode("utf-8")


@pytest.mark.parametrize("command", ["", *cli.commands])
def test_help_is_chinese_in_the_c_locale(command):
    text = run(*command.split(), "--help")
    assert "用法：" in text
    assert "显示这份帮助" in text
    assert not ENGLISH.search(text.replace("credit-producer", "").replace("penalty", "")), ENGLISH.findall(text)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "缺少参数 '文件'"),
        (["check", "f.csv"], "缺少选项 '--dataset'"),
        (["check", "f.csv", "--dataset"], "要带一个值"),
        (["check", "a.csv", "b.csv", "--dataset", "penalty", "--unit", "market"], "多了参数（b.csv）"),
        (["chek"], "没有命令 'chek'"),
        (["check", "f.csv", "--jason"], "没有选项 '--jason'"),
        (
            ["check", "f.csv", "--dataset", "penalty", "--unit", "market", "--as-of", "6.5.2026"],
            "请写成 2026-05-06 这样",
        ),
        (["receipts", "--wait", "long"], "不是数字"),
        (["receipts", "--wait", "-1"], "不在范围"),
    ],
)
def test_mistake_on_the_command_line_is_told_in_chinese(arguments, said):
    text = run(*arguments)
    assert said in text
    assert "错误：" in text
    assert not re.search(r"Error|Usage|Try ", text)
