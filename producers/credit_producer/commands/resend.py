"""`credit-producer resend`: send again what has no final receipt."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue

from .. import options
from ..show import print_json


@click.command(short_help="补发没有收到回执的数据", options_metavar="[选项]")
@options.any_unit_option
@options.config_option
@click.option(
    "--since",
    type=options.Day(),
    metavar="日期",
    help="这一天以来发过的全部重发，包括已有回执的（中心数据恢复以后用）。",
)
@options.json_option
def resend(unit: str | None, config: Path | None, since: date | None, as_json: bool) -> None:
    """把暂存库里还没有最终回执的数据按原来的顺序、原来的编号再发一次；中心认得编号，不会重复入库。"""
    from ..sdk import CreditProducer  # loads the Kafka client

    settings = options.find_settings(unit, config)
    zone = load_catalogue().county.zone
    producer = CreditProducer(settings.unit, settings=settings).open()
    try:
        sent = producer.resend(datetime.combine(since, time(), zone) if since else None)
    finally:
        producer.close()
    if as_json:
        print_json({"unit": settings.unit, "sent": sent})
    else:
        click.echo(f"已重发 {sent} 条。" if sent else "没有需要补发的数据。")
