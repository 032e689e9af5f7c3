"""`credit forward|collect|reconcile|resume`: what each destination holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from credit_platforms import forward as deliveries
from credit_platforms.reconcile import reconcile as compare

from .options import as_of_option, emit_json, json_option

destination_argument = click.argument("destination", metavar="目的地")


STATES = {"done": "完成", "paused": "目的地已暂停", "waiting": "等待上一批的答复", "disabled": "目的地没有启用"}
# In the order of the work; what is zero is left out.
COUNTS = {
    "due": "应报",
    "held": "被暂停",
    "unchecked": "尚未检查",
    "sent": "已发送",
    "accepted": "已接收",
    "rejected": "被退回",
    "settled": "已有结果",
    "awaiting": "等待答复",
    "manual": "须人工办理",
    "renumbered": "换用新版本号",
    "lost": "对方没有收到",
    "batches": "批次",
    "remaining": "留待下次",
    "agree": "一致",
    "differ": "不一致",
    "missing": "对方缺少",
    "extra": "对方多出",
    "open": "办理中",
    "registered": "补登记",
    "unknown_tables": "对方没有的表",
}


def _tell(counts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json([counts])
        return
    state = STATES[counts["state"]] + (f"（{counts['why']}）" if counts.get("why") else "")
    told = [f"{name} {counts[key]}" for key, name in COUNTS.items() if counts.get(key)]
    click.echo(f"{counts['destination']}：{state}；{'，'.join(told) or '没有需要办理的数据'}。")


@click.command()
@destination_argument
@as_of_option
@json_option
def forward(destination: str, as_of: date | None, as_json: bool) -> None:
    """把应报数据发往一个目的地。"""
    _tell(deliveries.forward(destination, as_of=as_of), as_json)


@click.command()
@destination_argument
@json_option
def collect(destination: str, as_json: bool) -> None:
    """取回一个目的地的处理结果。"""
    _tell(deliveries.collect(destination), as_json)


@click.command()
@destination_argument
@as_of_option
@json_option
def reconcile(destination: str, as_of: date | None, as_json: bool) -> None:
    """全量比对一个目的地应有与已有的数据。"""
    _tell(compare(destination, as_of=as_of), as_json)


@click.command()
@destination_argument
@click.option("--by", "who", required=True, help="恢复人的姓名。")
def resume(destination: str, who: str) -> None:
    """恢复一个因退回过多而暂停的目的地。"""
    if deliveries.resume(destination, who):
        click.echo(f"{destination} 已恢复，下一次上报时继续。")
    else:
        click.echo(f"{destination} 没有暂停，不需要恢复。")
