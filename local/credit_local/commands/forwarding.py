"""`credit forward|collect|reconcile|resume`: what each destination holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import click
from credit_platforms.reconcile import reconcile as compare

from credit_platforms import forward as deliveries

from .options import as_of_option, emit_json, json_option

destination_argument = click.argument("destination", metavar="目的地")


def _tell(counts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json([counts])
        return
    click.echo("，".join(f"{name} {count}" for name, count in counts.items()))


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
    deliveries.resume(destination, who)
    click.echo(f"{destination} 已恢复，下一次上报时继续。")
