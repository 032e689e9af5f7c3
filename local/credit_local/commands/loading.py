"""`credit migrate|consume|relay|deadletters`: from Kafka into the warehouse, and receipts back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import click

from credit_consumer import deadletters as letters
from credit_consumer.pipeline import center_of
from credit_consumer.relay import relay as run_relay
from credit_consumer.run import consume as run_consumer
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.connect import dsn
from credit_warehouse.migrate import migrate as run_migrations
from credit_warehouse.settings import load_settings

from .options import Day, database, emit_json, json_option, table

OUTCOMES = {
    "loaded": "入库",
    "rejected": "拒收",
    "unchanged": "没有变化",
    "duplicate": "重复",
    "waiting": "等待",
    "dead": "仍读不懂",
    "not_reportable": "依法不报送",
}

STATES = {"dead": "读不懂", "parked": "等待", "replayed": "已重放", "discarded": "已放弃"}

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


@click.group()
def deadletters() -> None:
    """死信：读不懂的消息，一条也不丢。"""


@deadletters.command("list")
@click.option("--unit", help="只看一个单位（代码或任何称呼）。")
@click.option("--reason", help="只看一种原因，如 undecodable。")
@click.option("--state", type=click.Choice(["dead", "parked", "replayed", "discarded"]), help="只看一种状态。")
@click.option("--since", type=Day(), help="只看这一天以后收到的。")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="最多列出多少条。")
@json_option
def list_letters(
    unit: str | None, reason: str | None, state: str | None, since: date | None, limit: int, as_json: bool
) -> None:
    """列出死信：主题、分区、位置、原因、次数；不显示内容。"""
    with database("reader") as con:
        found = letters.list_dead_letters(
            con, unit=_unit_code(unit), reason=reason, state=state, since=since, limit=limit
        )
    if as_json:
        emit_json(found)
        return
    table(
        ["编号", "主题", "分区", "位置", "状态", "次数", "最近一次", "原因", "说明"],
        [
            [
                *(letter[c] for c in ("dead_letter_id", "topic", "partition", "offset")),
                STATES[letter["state"]],
                letter["attempts"],
                f"{letter['last_seen']:%Y-%m-%d %H:%M}",
                f"{letter['meaning']}（{letter['reason']}）",
                letter["detail"],
            ]
            for letter in found
        ],
    )


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which letters; without `--yes` nothing is changed, only counted."""
    for option in (
        click.option("--yes", is_flag=True, help="真正执行；不写时只试算并报告条数。"),
        click.option("--since", type=Day(), help="只处理这一天以后收到的。"),
        click.option("--reason", help="只处理一种原因，如 unknown_schema。"),
        click.option("--unit", help="只处理一个单位（代码或任何称呼）。"),
        click.option("--by", "who", required=True, help="经办人的姓名。"),
    ):
        command = option(command)
    return command


def _unit_code(unit: str | None) -> str | None:
    return load_catalogue().county.units.resolve(unit).code if unit else None


@deadletters.command()
@_selection
def replay(who: str, unit: str | None, reason: str | None, since: date | None, yes: bool) -> None:
    """把死信按收到的次序重新处理；收到时间不变，不会覆盖后来的数据。"""
    center = center_of(load_settings())
    with database("consumer") as con:
        counts = letters.replay(
            con, center, unit=_unit_code(unit), reason=reason, since=since, who=who, dry_run=not yes
        )
    told = "，".join(f"{OUTCOMES.get(status, status)} {n} 条" for status, n in counts.items()) or "没有符合条件的死信"
    click.echo(f"{'已处理' if yes else '试算（没有改动）'}：{told}。")


@deadletters.command()
@_selection
@click.option("--why", required=True, help="放弃的理由。")
def discard(who: str, unit: str | None, reason: str | None, since: date | None, yes: bool, why: str) -> None:
    """放弃死信：只作标记，内容保留。"""
    with database("consumer") as con:
        count = letters.discard(
            con, who=who, why=why, unit=_unit_code(unit), reason=reason, since=since, dry_run=not yes
        )
    click.echo(f"{'已放弃' if yes else '试算（没有改动），将放弃'} {count} 条。")
