"""Every word of the command line is Chinese, whatever the locale of the machine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from credit_local.cli import credit
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


def below(command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[click.Command, click.Context]]:
    ctx = click.Context(command, parent=parent, info_name=command.name)
    yield command, ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            yield from below(command.get_command(ctx, name), ctx)


@pytest.mark.parametrize("top", [cli, credit], ids=lambda command: command.name)
def test_every_placeholder_of_every_command_is_chinese(top):
    """`--unit TEXT` tells a clerk nothing; only the words of a choice stay as they are typed."""
    seen = 0
    for command, ctx in below(top):
        told = [
            p.make_metavar(ctx)
            for p in command.params
            if not isinstance(p.type, click.Choice) and not getattr(p, "is_flag", False)
        ]
        told += [piece for piece in command.collect_usage_pieces(ctx) if not re.fullmatch(r"\[[a-z|]+\]", piece)]
        seen += len(told)
        assert not [text for text in told if re.search(r"[A-Z%]", text)], (ctx.command_path, told)
    assert seen > 40


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
    said = re.sub(r"credit-\s*producer(?: \w+)?|--\w+(?: \w+)?|penalty", "", text)
    assert not ENGLISH.search(said), ENGLISH.findall(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--dataset", "penalty", "--unit", "market"], "缺少参数 '文件'"),
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
