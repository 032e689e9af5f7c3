"""`credit-producer status`: what waits on this machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue

from .. import options
from ..attachments import waiting
from ..receipt_words import STATUSES
from ..show import print_json
from ..spool import Spool

STATES = {"queued": "待发送", "sent": "已发送，等回执", "settled": "已有回执"}


@click.command(short_help="查看本机暂存库", options_metavar="[选项]")
@options.any_unit_option
@options.config_option
@options.json_option
def status(unit: str | None, config: Path | None, as_json: bool) -> None:
    """查看本机暂存库：多少待发送，多少在等回执，多少已有结果；附件收走了没有。"""
    settings = options.find_settings(unit, config)
    with Spool(settings.spool) as spool:
        counts, oldest = spool.counts(), spool.oldest_unsettled()
    sealed, refused = waiting(settings.attachments)
    if as_json:
        events = [
            {"dataset": dataset, "state": state, "receipt": receipt, "count": n}
            for (dataset, state, receipt), n in counts.items()
        ]
        files = {"waiting": sealed, "refused": refused}
        print_json({"unit": settings.unit, "events": events, "oldest_unsettled": oldest, "attachments": files})
        return
    catalogue = load_catalogue()
    click.echo(f"{catalogue.unit_name(settings.unit)}（{settings.unit}），暂存库 {settings.spool}")
    if not counts:
        click.echo("暂存库是空的。")
    for (dataset, state, receipt), n in counts.items():
        result = f"（{STATUSES.get(receipt, receipt)}）" if receipt else ""
        click.echo(f"  {catalogue.dataset_name(dataset)}：{STATES[state]}{result} {n} 条")
    if oldest:
        since = datetime.fromisoformat(oldest).astimezone(catalogue.county.zone)
        click.echo(f"没有最终回执的，最早一条是 {since:%Y-%m-%d %H:%M:%S} 存入的。")
    if sealed:
        click.echo(f"附件：{sealed} 个等中心收取（{settings.attachments}）。")
    for told in refused:
        click.echo(f"附件没有收下：{told}")
