"""Click's own words in Chinese, for every command line of the project.

Click looks its texts up through gettext, so a catalogue is all it takes. `python -m credit_producer.zh` compiles the
table below into the catalogue beside it; a test sees to it that no text of Click is missing and the file is current.
"""

from __future__ import annotations

import gettext
import os
import struct
from pathlib import Path
from typing import TypeVar

import click

C = TypeVar("C", bound=click.Command)

LOCALES = Path(__file__).parent / "locale"
DOMAIN = "credit-click"
LANGUAGE = "zh_CN"

TEXTS = {
    # usage and help
    "Usage:": "用法：",
    "Options": "选项",
    "Commands": "命令",
    "Positional arguments": "参数",
    "Show this message and exit.": "显示这份帮助。",
    "Show the version and exit.": "显示版本。",
    "%(prog)s, version %(version)s": "%(prog)s，版本 %(version)s",
    "default: {default}": "默认：{default}",
    "env var: {var}": "环境变量：{var}",
    "required": "必填",
    "deprecated": "已停用",
    "(dynamic)": "（运行时决定）",
    "Try '{command} {option}' for help.": "运行“{command} {option}”可以看帮助。",
    # mistakes on the command line
    "Error: {message}": "错误：{message}",
    "Missing command.": "没有写命令。",
    "Missing argument": "缺少参数",
    "Missing option": "缺少选项",
    "Missing parameter": "缺少参数",
    "Missing {param_type}": "缺少 {param_type}",
    "Missing parameter: {param_name}": "缺少参数：{param_name}",
    "No such command {name!r}.": "没有命令 {name!r}。",
    "No such option {name!r}.": "没有选项 {name!r}。",
    "Did you mean {possibility}?": "是不是 {possibility}？",
    "(Did you mean one of: {possibilities}?)": "（是不是其中之一：{possibilities}？）",
    "Invalid value: {message}": "填的值不对：{message}",
    "Invalid value for {param_hint}: {message}": "{param_hint} 填的值不对：{message}",
    "Got unexpected extra argument ({args})": "多了参数（{args}）",
    "Got unexpected extra arguments ({args})": "多了参数（{args}）",
    "Option {name!r} does not take a value.": "选项 {name!r} 不带值。",
    "Option {name!r} requires an argument.": "选项 {name!r} 要带一个值。",
    "Option {name!r} requires {nargs} arguments.": "选项 {name!r} 要带 {nargs} 个值。",
    "Argument {name!r} takes {nargs} values.": "参数 {name!r} 要 {nargs} 个值。",
    "Takes {nargs} values but 1 was given.": "要 {nargs} 个值，只给了 1 个。",
    "Takes {nargs} values but {len} were given.": "要 {nargs} 个值，给了 {len} 个。",
    "{len_type} values are required, but {len_value} was given.": "要 {len_type} 个值，给了 {len_value} 个。",
    "{len_type} values are required, but {len_value} were given.": "要 {len_type} 个值，给了 {len_value} 个。",
    "Value must be an iterable.": "应当是一组值。",
    "Invalid start character for option ({option})": "选项的开头不对（{option}）",
    # values
    "{value!r} is not {choice}.": "{value!r} 不是 {choice}。",
    "{value!r} is not one of {choices}.": "{value!r} 不在可选的值里：{choices}。",
    "Choose from:\n\t{choices}": "可选：\n\t{choices}",
    "Choice({choices})": "可选（{choices}）",
    "{value!r} does not match the format {format}.": "{value!r} 的写法不对，应当像 {format}。",
    "{value!r} does not match the formats {formats}.": "{value!r} 的写法不对，应当像 {formats}。",
    "{value!r} is not a valid {number_type}.": "{value!r} 不是数字。",
    "{value!r} is not a valid boolean. Recognized values: {states}": "{value!r} 不是“是”或“否”，可填：{states}",
    "{value!r} is not a valid UUID.": "{value!r} 不是 UUID。",
    "{value} is not in the range {range}.": "{value} 不在范围 {range} 之内。",
    # files
    "file": "文件",
    "directory": "文件夹",
    "path": "路径",
    "{name} {filename!r} does not exist.": "没有{name} {filename!r}。",
    "{name} {filename!r} is a directory.": "{filename!r} 是文件夹，不是{name}。",
    "{name} {filename!r} is a file.": "{filename!r} 是文件，不是{name}。",
    "{name} {filename!r} is not readable.": "{name} {filename!r} 没有读的权限。",
    "{name} {filename!r} is not writable.": "{name} {filename!r} 没有写的权限。",
    "{name} {filename!r} is not executable.": "{name} {filename!r} 没有执行的权限。",
    "Could not open file {filename!r}: {message}": "打不开文件 {filename!r}：{message}",
    "unknown error": "不明错误",
    # questions
    "Aborted!": "已中止！",
    "Do you want to continue?": "要继续吗？",
    "Confirm the action without prompting.": "不再询问，直接执行。",
    "Repeat for confirmation": "再输入一次",
    "Press any key to continue...": "按任意键继续……",
    "Error: invalid input": "错误：输入不对",
    "Error: The two entered values do not match.": "错误：两次输入不一致。",
    # progress bar and warnings
    "d": "天",
    "{editor}: Editing failed": "{editor}：编辑没有成功",
    "{editor}: Editing failed: {e}": "{editor}：编辑没有成功：{e}",
    "DeprecationWarning: The command {name!r} is deprecated.{extra_message}": "命令 {name!r} 已停用。{extra_message}",
    "DeprecationWarning: The {param_type} {name!r} is deprecated.{extra_message}": (
        "{param_type} {name!r} 已停用。{extra_message}"
    ),
    "Couldn't detect Bash version, shell completion is not supported.": "认不出 Bash 的版本，不能自动补全。",
    "Shell completion is not supported for Bash versions older than 4.4.": "Bash 4.4 以前的版本不能自动补全。",
}

# Singular and plural forms are one entry in a catalogue; Chinese has one form for both.
PLURALS = {
    "Got unexpected extra argument ({args})": "Got unexpected extra arguments ({args})",
    "Did you mean {possibility}?": "(Did you mean one of: {possibilities}?)",
    "Option {name!r} requires an argument.": "Option {name!r} requires {nargs} arguments.",
    "Takes {nargs} values but 1 was given.": "Takes {nargs} values but {len} were given.",
    "{len_type} values are required, but {len_value} was given.": (
        "{len_type} values are required, but {len_value} were given."
    ),
    "{value!r} is not {choice}.": "{value!r} is not one of {choices}.",
    "{value!r} does not match the format {format}.": "{value!r} does not match the formats {formats}.",
}

# The catalogue's own header: without it gettext decodes as ASCII and counts plurals the English way, which is what
# we want here, for the two forms differ in their parameters.
HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n!=1;\n"
MO_MAGIC = 0x950412DE


def speak_chinese() -> None:
    """Make Click speak Chinese in this process, whatever the locale of the machine (often `C` on servers)."""
    os.environ["LANGUAGE"] = LANGUAGE
    gettext.bindtextdomain(DOMAIN, str(LOCALES))
    gettext.textdomain(DOMAIN)


# What stands for a value in a help text: by the parameter's name, else by its type.
PLACEHOLDERS_BY_NAME = {
    "who": "姓名",
    "unit": "单位",
    "dataset": "数据集",
    "month": "月份",
    "why": "理由",
    "purpose": "用途",
}
PLACEHOLDERS_BY_TYPE = {
    "text": "文字",
    "integer": "整数",
    "integer range": "整数",
    "float": "数",
    "float range": "数",
    "uuid": "编号",
    "path": "路径",
    "filename": "文件",
    "file": "文件",
    "directory": "目录",
    "datetime": "日期",
}


def chinese_placeholders(command: C) -> C:
    """The command, and all below it, with Chinese words for `TEXT`, `[OPTIONS]` and the like; choices stay as typed.

    Click does not look these up through gettext. What a command says of itself (`metavar`) is left alone.
    """
    if command.options_metavar == "[OPTIONS]":
        command.options_metavar = "[选项]"
    for param in command.params:
        if param.metavar is None and not isinstance(param.type, click.Choice) and not getattr(param, "is_flag", False):
            by_type = PLACEHOLDERS_BY_TYPE.get(param.type.name)
            param.metavar = PLACEHOLDERS_BY_NAME.get(param.name or "") or by_type
    if isinstance(command, click.Group):
        if command.subcommand_metavar == "COMMAND [ARGS]...":
            command.subcommand_metavar = "命令 [参数]..."
        for below in command.commands.values():
            chinese_placeholders(below)
    return command


def catalogue() -> bytes:
    """The table as a compiled gettext catalogue (GNU gettext manual, "The Format of GNU MO Files")."""
    entries = {"": HEADER}
    for text, chinese in TEXTS.items():
        if text in PLURALS:
            entries[f"{text}\0{PLURALS[text]}"] = f"{chinese}\0{TEXTS[PLURALS[text]]}"
        elif text not in PLURALS.values():
            entries[text] = chinese
    pairs = sorted((k.encode(), v.encode()) for k, v in entries.items())
    texts_at = 28 + 16 * len(pairs)
    keys, values, body = b"", b"", b""
    for column in (0, 1):
        table = b""
        for pair in pairs:
            table += struct.pack("<II", len(pair[column]), texts_at + len(body))
            body += pair[column] + b"\0"
        keys, values = (table, values) if column == 0 else (keys, table)
    head = struct.pack("<7I", MO_MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, texts_at)
    return head + keys + values + body


def catalogue_path() -> Path:
    """Where gettext looks for the compiled catalogue."""
    return LOCALES / LANGUAGE / "LC_MESSAGES" / f"{DOMAIN}.mo"


if __name__ == "__main__":
    catalogue_path().parent.mkdir(parents=True, exist_ok=True)
    catalogue_path().write_bytes(catalogue())
