"""`credit migrate|consume|relay`: from Kafka into the warehouse, and receipts back."""

from __future__ import annotations

import logging
from datetime import date

import click

from credit_consumer.relay import relay as run_relay
from credit_consumer.run import consume as run_consumer
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.connect import dsn
from credit_warehouse.migrate import migrate as run_migrations
from credit_warehouse.settings import load_settings

until_idle_option = click.option(
    "--until-idle", type=float, default=None, metavar="秒", help="连续这么多秒没有新消息就结束；默认一直运行。"
)


def log_to_stderr() -> None:
    """Services log one line a batch; libraries only when something is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("credit_consumer").setLevel(logging.INFO)


@click.command()
@click.option(
    "--retire",
    "retired",
    multiple=True,
    metavar="数据集",
    help="目录里已经删去的数据集（代码），中心不再收；它的表和数据保留。可写多个。",
)
def migrate(retired: tuple[str, ...]) -> None:
    """把数据库升级到本程序需要的结构；可以重复执行。数据库比本程序新的，不执行。"""
    datasets = load_catalogue().datasets
    for name in retired:
        if name in datasets:
            raise click.UsageError(f"数据集 {name} 还在目录里；请先从县目录删去它的文件。")
    applied = run_migrations(dsn(load_settings(), "owner"), datasets.values(), date.today(), retired)
    click.echo(f"已执行：{'、'.join(applied)}。" if applied else "数据库已是最新结构。")


@click.command()
@until_idle_option
def consume(until_idle: float | None) -> None:
    """入库：从 Kafka 读取、检查、写入数据仓库。"""
    log_to_stderr()
    run_consumer(load_settings(), until_idle=until_idle)


@click.command()
@until_idle_option
def relay(until_idle: float | None) -> None:
    """回执：把处理结果发还给报送单位。"""
    log_to_stderr()
    run_relay(load_settings(), until_idle=until_idle)
