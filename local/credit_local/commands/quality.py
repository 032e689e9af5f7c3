"""`credit quality run|holds|release|items|close`: what one row cannot show, and who lets a held slice go."""

from __future__ import annotations

from datetime import date

import click

from credit_expectations import gate
from credit_expectations.run import run_due
from credit_schemas.catalogue import load_catalogue

from .options import as_of_option, database, emit_json, json_option, table


@click.group()
def quality() -> None:
    """质量检查：运行、查看暂停的数据、放行。"""


@quality.command()
@as_of_option
@click.option("--full", is_flag=True, help="全面检查：每条记录都看，账重数一遍（每天夜里一次；数据多时要几分钟）。")
@json_option
def run(as_of: date | None, full: bool, as_json: bool) -> None:
    """检查新入库、尚未检查的数据。"""
    counts = run_due(as_of=as_of, whole=full)
    if as_json:
        emit_json([counts])
        return
    click.echo(
        f"第 {counts['run_id']} 次检查{'（全面）' if counts['whole'] else ''}：切片 {counts['slices']} 个，"
        f"记录 {counts['marks']} 条，"
        f"未通过 {counts['failed']} 项，新暂停 {counts['holds_opened']} 个，解除 {counts['holds_closed']} 个，"
        f"新工单 {counts['work_items']} 张。"
        if counts["run_id"]
        else "没有需要检查的新数据。"
    )


@quality.command()
@json_option
def holds(as_json: bool) -> None:
    """列出暂停上报的切片和原因。"""
    with database("quality") as con:
        found = gate.list_holds(con)
    if as_json:
        emit_json(found)
        return
    catalogue = load_catalogue()
    table(
        ["编号", "单位", "数据集", "目的地", "规则", "原因", "开始"],
        [
            [
                *(h["hold_id"], catalogue.unit_name(h["unit"]), catalogue.dataset_name(h["dataset"])),
                *(h["destination"] or "全部", h["rule_id"], h["why"], h["opened_at"]),
            ]
            for h in found
        ],
    )


@quality.command()
@click.argument("hold_id", type=int, metavar="编号")
@click.option("--by", "who", required=True, help="放行人的姓名。")
@click.option("--reason", required=True, help="放行的理由。")
def release(hold_id: int, who: str, reason: str) -> None:
    """放行一个暂停的切片；姓名和理由会记录在案。"""
    with database("quality") as con:
        gate.release(con, hold_id, who, reason)
    click.echo(f"已放行第 {hold_id} 号，下一次上报时发出。")


@quality.command()
@click.argument("work_item_id", type=int, metavar="编号")
@click.option("--by", "who", required=True, help="办理人的姓名。")
@click.option("--reason", required=True, help="办结的理由。")
def close(work_item_id: int, who: str, reason: str) -> None:
    """办结一张工单；同一问题不再重复开单。暂停的切片不会因此放行。"""
    with database("quality") as con:
        gate.close_work_item(con, work_item_id, who, reason)
    click.echo(f"已办结第 {work_item_id} 号工单。")


@quality.command()
@json_option
def items(as_json: bool) -> None:
    """列出未办结的工单。"""
    with database("quality") as con:
        found = gate.list_work_items(con)
    if as_json:
        emit_json(found)
        return
    catalogue = load_catalogue()
    table(
        ["编号", "单位", "数据集", "规则", "对象", "什么问题", "怎么办"],
        [
            [
                *(i["work_item_id"], catalogue.unit_name(i["unit"]), catalogue.dataset_name(i["dataset"])),
                *(i["rule_id"], i["record_no"] or i["reference"], i["what"], i["mend"]),
            ]
            for i in found
        ],
    )
