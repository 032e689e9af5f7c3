"""`credit waiting`: corrections and acts whose record has not come yet."""

from __future__ import annotations

import click

from credit_consumer.waiting import list_waiting
from credit_schemas.acts import word_of
from credit_schemas.catalogue import load_catalogue

from .options import database, emit_json, json_option, table


@click.command()
@click.option("--unit", metavar="单位", help="只看一个单位发来的（代码或任何称呼）。")
@click.option(
    "--limit", type=click.IntRange(min=1), default=200, show_default=True, metavar="条数", help="最多列出多少条。"
)
@json_option
def waiting(unit: str | None, limit: int, as_json: bool) -> None:
    """等待中的更正和操作：所指的记录还没有入库。记录入库后自动办理，不用人做什么；等得久的，多半是指错了记录。"""
    catalogue = load_catalogue()
    code = catalogue.county.units.resolve(unit).code if unit else None
    with database("reader") as con:
        found = list_waiting(con, unit=code, limit=limit)
    if as_json:
        emit_json(found)
        return
    if not found:
        click.echo("没有等待中的更正和操作。")
        return
    rows = []
    for w in found:
        act = "更正" if w["act"] == "correct" else word_of(catalogue.act, w["act"])
        sought = w["record_no"] or w["source_key"] or "文号等"
        unit, owner = catalogue.unit_name(w["unit"]), catalogue.unit_name(w["owner"])
        name = catalogue.dataset_name(w["dataset"])
        rows.append([w["received_at"], unit, name, act, owner, sought, w["trouble"] or "", w["ce_id"]])
    table(["收到", "单位", "数据集", "操作", "记录的单位", "所指的记录", "办不了的原因", "事件"], rows)
