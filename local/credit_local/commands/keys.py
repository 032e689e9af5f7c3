"""`credit keys`: which key departments seal for, and a new one when the old one is to be replaced."""

from __future__ import annotations

from pathlib import Path

import click

from credit_warehouse.keys import add_center_key, load_keys
from credit_warehouse.settings import load_settings

from .options import table


@click.group()
def keys() -> None:
    """中心的密钥：查看编号，换发新的公钥。"""


@keys.command("list")
def list_keys() -> None:
    """列出中心密钥的编号和公钥；私钥不显示。"""
    center = load_keys(_folder()).center
    table(
        ["编号", "公钥（交给单位）", "用途"],
        [
            [key.key_id.hex(), key.public, "现用：新配置用它" if key is center[-1] else "旧的：只用来打开以前的数据"]
            for key in center
        ],
    )


@keys.command()
def add() -> None:
    """新建一把中心密钥；旧的保留，用来打开以前封装的号码。"""
    path = add_center_key(_folder())
    newest = load_keys(_folder()).center[-1]
    click.echo(
        f"已新建 {path}，编号 {newest.key_id.hex()}。接下来：\n"
        "  1. 立即备份密钥目录；\n"
        "  2. 先重新启动入库和 Airflow，让它们认得新密钥（本机的整套系统：credit down 再 credit up）；\n"
        "  3. 再重新生成各单位的配置（credit up 已经做了；部署的用 credit prepare），交给各单位，口令和 salt 不变。\n"
        "旧密钥不要删除：已入库和还在路上的号码只有它能打开。"
    )


def _folder() -> Path:
    settings = load_settings()
    return settings.keys or settings.home / "keys"
