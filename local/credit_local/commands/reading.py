"""`credit figures|records|catalogue`: looking, changing nothing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click

from credit_reports.figures import figures as make_figures
from credit_reports.figures import month_span
from credit_reports.records import records as read_records
from credit_schemas.acts import STATE_NAMES
from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.obligations import obligation_record
from credit_schemas.units import unit_record
from credit_warehouse.settings import load_settings

from .options import as_of_option, database, emit_json, json_option, table

FIGURE_HEADINGS = [
    "单位",
    "数据集",
    "上报",
    "合格",
    "拒收",
    "合格率",
    "记录",
    "及时",
    "迟报",
    "迟报率",
    "应报",
    "疑似瞒报",
    "退回未改",
]
# What the plan's annex calls a duty's period; no period stated is `continuous` (standing work) or `on_demand`.
PERIODS = {
    "monthly": "每月",
    "quarterly": "每季度",
    "yearly": "每年",
    "continuous": "持续（没有写周期）",
    "on_demand": "没有写周期",
}
MOST_DATASETS = 4
CLOCKS = {"broker": "收到时间以 Kafka 为准", "producer": "测试环境：收到时间取自报送方，不能用于通报"}


def _month(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value:
        try:
            month_span(value)
        except ValueError:
            raise click.BadParameter(f"“{value}”不是月份，请写成 2026-05 这样。", ctx, param) from None
    return value


@click.command()
@click.option("--month", callback=_month, help="决定日期所在的月份，如 2026-05；默认全部。")
@as_of_option
@click.option("--unit", help="只看一个单位（代码或任何称呼）。")
@json_option
def figures(month: str | None, as_of: date | None, unit: str | None, as_json: bool) -> None:
    """合格、迟报、疑似瞒报的数字，按单位和数据集。"""
    catalogue = load_catalogue()
    clock = "producer" if load_settings().trust_producer_time else "broker"
    with database("reader") as con:
        found = make_figures(
            con,
            catalogue,
            as_of=as_of or datetime.now(catalogue.county.zone).date(),
            month=month,
            unit=catalogue.county.units.resolve(unit).code if unit else None,
            clock=clock,
        )
    if as_json:
        emit_json(f.record() for f in found)
        return
    click.echo(f"截至 {found[0].as_of}，{month or '全部决定日期'}；{CLOCKS[clock]}。" if found else "还没有数据。")
    rows = [(f, f.record()) for f in found]
    table(
        FIGURE_HEADINGS,
        [
            [
                f.name, catalogue.dataset(f.dataset).cn, f.rows, f.accepted, f.rejected, r["pass_rate"],
                f.distinct, f.timely, f.late, r["late_rate"], f.should_report, f.unreported, f.returned_not_mended,
            ]
            for f, r in rows
        ],
    )  # fmt: skip


@click.command()
@click.option("--dataset", required=True, help="数据集，如 penalty 或 行政处罚。")
@click.option("--unit", help="只看一个单位（代码或任何称呼）。")
@json_option
def records(dataset: str, unit: str | None, as_json: bool) -> None:
    """数据仓库里的记录；个人号码不显示，自然人姓名打码。"""
    catalogue = load_catalogue()
    wanted = catalogue.dataset(dataset)
    code = catalogue.county.units.resolve(unit).code if unit else None
    with database("reader") as con:
        found = read_records(con, wanted, unit=code)
        if as_json:
            emit_json(found)
            return
        table(
            ["记录编号", "单位", "键", "状态", "版本", "迟报"],
            [
                [
                    *(r["record_no"], catalogue.unit_name(r["unit"]), r["key"], STATE_NAMES[r["state"]], r["revision"]),
                    "是" if r["late"] else "否",
                ]
                for r in found
            ],
        )


@click.group()
def catalogue() -> None:
    """单位、数据集和职责的目录。"""


@catalogue.command()
@json_option
def units(as_json: bool) -> None:
    """责任单位：代码、名称、统一社会信用代码、别名，属于哪些集合称谓（各成员单位等）。"""
    known = load_catalogue().county.units
    found = [unit_record(u, known) for u in known]
    if as_json:
        emit_json(found)
        return
    table(
        ["代码", "简称", "全称", "统一社会信用代码"], [[u["code"], u["name"], u["full_name"], u["uscc"]] for u in found]
    )


@catalogue.command()
@json_option
def datasets(as_json: bool) -> None:
    """数据集：代码和名称。"""
    found = [
        {"id": d.id, "name": d.cn, "version": d.version, "schema_id": d.schema_id, "columns": len(d.fields)}
        for d in load_catalogue().datasets.values()
    ]
    if as_json:
        emit_json(found)
        return
    table(["代码", "名称", "版本", "列数"], [[d["id"], d["name"], d["version"], d["columns"]] for d in found])


@catalogue.command()
@click.option("--row", "annex_row", type=int, help="只看分解表的一行（序号）：责任单位、数据集、材料，全部列出。")
@json_option
def obligations(annex_row: int | None, as_json: bool) -> None:
    """工作分解表的各项职责：责任单位、周期、报送内容。"""
    catalogue = load_catalogue()
    county = catalogue.county
    found = [obligation_record(o, county) for o in county.obligations]
    wanted = [o for o in found if annex_row in (None, o["annex_row"])]
    if not wanted:
        raise click.BadParameter(f"分解表没有第 {annex_row} 行。", param_hint="--row")
    if as_json:
        emit_json(wanted)
        return
    if annex_row is None:
        table(
            ["序号", "职责", "周期", "单位数", "数据集"],
            [
                [o["annex_row"], o["title"][:24], _period(o["period"]), len(o["units"]), _datasets(o, catalogue)]
                for o in wanted
            ],
        )
        click.echo("\n一行的责任单位、全部数据集和要报的材料：credit catalogue obligations --row 序号。")
        return
    for o in wanted:
        click.echo(f"第 {o['annex_row']} 行　{o['title']}")
        click.echo(f"报送内容：{o['content']}")
        click.echo(f"周期：{_period(o['period'])}" + (f"；只对{o['condition']}" if o["condition"] else ""))
        click.echo(f"数据集（{'都要报' if o['fulfil'] == 'all' else '报其一即可'}）：{_datasets(o, catalogue, None)}")
        if o["hand_in"]:
            click.echo(f"材料：{'、'.join(o['hand_in'])}")
        click.echo(f"责任单位（原文：{o['units_text']}）" + ("，名单开放" if o["open_list"] else "") + "：")
        click.echo("、".join(map(catalogue.unit_name, o["units"])))


def _period(word: str) -> str:
    """The period of a duty in Chinese; the plan's own words for the kinds are in the county's `obligations.toml`."""
    if word.startswith("event:"):
        return f"决定后 {word.removeprefix('event:').removesuffix('wd')} 个工作日"
    return PERIODS[word]


def _datasets(obligation: dict[str, Any], catalogue: Catalogue, most: int | None = MOST_DATASETS) -> str:
    named = [catalogue.dataset_name(d) for d in obligation["datasets"]]
    joint = " + " if obligation["fulfil"] == "all" else "、"
    return joint.join(named[:most]) + (f" 等 {len(named)} 种" if most and len(named) > most else "")
