"""`credit up|down|status`: the embedded stack."""

from __future__ import annotations

import os
from pathlib import Path

import click

from credit_schemas.home import FOLDER, find_home
from credit_warehouse.settings import load_settings

from .. import processes
from ..stack import STATE_FILE, Stack
from .options import database, emit_json, json_option


def stack_home() -> Path:
    """The run folder; `credit up` in a folder without one makes it there, not in the user's home."""
    home = find_home()
    return home if home.exists() or "CREDIT_HOME" in os.environ else Path.cwd() / FOLDER


@click.command()
@click.option("--no-airflow", is_flag=True, help="不启动 Airflow（质量检查和上报改用命令运行）。")
@click.option(
    "--trust-producer-time",
    is_flag=True,
    envvar="CREDIT_TRUST_PRODUCER_TIME",
    help="仅供测试：以报送方的时间作为收到时间，用来演练过去的日子；所有数字都会注明。",
)
def up(no_airflow: bool, trust_producer_time: bool) -> None:
    """启动本机的整套系统；已经在运行的不受影响。"""
    stack = Stack(stack_home(), trust_producer_time=trust_producer_time)
    if trust_producer_time and not stack.trust_producer_time:
        raise click.UsageError(
            "这套系统建立时没有用 --trust-producer-time，不能中途改变；请换一个运行目录（CREDIT_HOME）。"
        )
    stack.up(click.echo, with_airflow=not no_airflow)
    click.echo(f"已就绪。运行目录：{stack.home}")
    if not no_airflow:
        click.echo(f"Airflow：{stack.airflow.url}  用户 {stack.airflow.user}  口令 {stack.airflow.password}")


@click.command()
def down() -> None:
    """停止本机的整套系统，数据保留。"""
    stopped = Stack(stack_home()).down()
    click.echo(f"已停止：{'、'.join(stopped)}。" if stopped else "没有程序在运行。")


# What waits somewhere on the road, in its order.
BACKLOG = {
    "未检查": "SELECT count(*) FROM exchange.mark WHERE checked_run IS NULL",
    "待上报": "SELECT count(*) FROM exchange.delivery WHERE state = 'due'",
    "等待上级答复": "SELECT count(*) FROM exchange.delivery WHERE state IN ('sent', 'unknown')",
    "暂停的切片": "SELECT count(*) FROM quality.open_hold",
    "待办工单": "SELECT count(*) FROM quality.open_work_item",
    "未发出的回执": "SELECT count(*) FROM exchange.receipt WHERE published_at IS NULL",
    "死信": "SELECT count(*) FROM ingest.dead_letter WHERE state IN ('dead', 'parked')",
    "停住的主题": "SELECT count(*) FROM ingest.topic WHERE halted IS NOT NULL",
}


@click.command()
@json_option
def status(as_json: bool) -> None:
    """看各程序是否在运行、积压多少。"""
    home = stack_home()
    # A deployment has no embedded stack here: its settings lead to its database all the same.
    embedded = (home / STATE_FILE).exists()
    running = [process.name for process in processes.running(home)] if embedded else []
    waiting = _backlog() if "postgres" in running or _deployed(embedded) else {}
    if as_json:
        emit_json([{"home": str(home), "running": running, "waiting": waiting}])
        return
    click.echo(f"运行目录：{home}")
    if running:
        click.echo(f"正在运行：{'、'.join(running)}。")
    elif not waiting:
        click.echo("没有程序在运行；用 credit up 启动。")
    if waiting:
        click.echo("，".join(f"{name} {count}" for name, count in waiting.items()) + "。")


def _deployed(embedded: bool) -> bool:
    return not embedded and load_settings().database_password_reader is not None


def _backlog() -> dict[str, int]:
    waiting = {}
    with database("reader") as con, con.cursor() as cur:
        for name, query in BACKLOG.items():
            cur.execute(query)
            waiting[name] = (cur.fetchone() or (0,))[0]
    return waiting
