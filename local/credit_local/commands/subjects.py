"""`credit subjects`: one subject over everything, and who may be taken for whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click
from psycopg2.extensions import connection

from credit_consumer.digests import Digests
from credit_reports import collisions as doubts
from credit_reports.credit_file import file_record, read_file
from credit_reports.subjects import (
    KINDS,
    find_by_id,
    find_by_lookup,
    find_by_name,
    find_by_record,
    find_by_text,
    read_subject,
)
from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.identifiers import RIC_TYPES, canonical_id
from credit_warehouse.keys import load_keys
from credit_warehouse.settings import load_settings

from .options import database, emit_json, json_option, table


def subject_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whom a command is about: a code in the argument, or one of the options."""
    for option in (
        click.option("--id-type", default="身份证", metavar="类型", help="与 --person 一起：证件类型，默认身份证。"),
        click.option("--person", is_flag=True, help="自然人：按提示输入证件号码，不显示、不留在历史记录里。"),
        click.option("--record", type=click.UUID, metavar="编号", help="按一条记录的编号找它的主体。"),
        click.option("--subject", "subject_id", type=click.IntRange(min=1), metavar="编号", help="主体编号。"),
        click.argument("given", metavar="[统一社会信用代码|注册号|主体编号|记录编号]", required=False),
    ):
        command = option(command)
    return command


def find_subject(
    con: connection,
    catalogue: Catalogue,
    given: str | None,
    subject_id: int | None,
    record: UUID | None,
    person: bool,
    id_type: str,
) -> int:
    """The subject of the options of `subject_options`; asks for the number of a natural person."""
    if sum(x is not None and x is not False for x in (given, subject_id, record, person)) != 1:
        raise click.UsageError("请指明一个主体：统一社会信用代码、--subject、--record 或 --person，只用一种。")
    if person:
        settings = load_settings()
        keys = load_keys(settings.keys or settings.home / "keys")
        number = click.prompt("证件号码", hide_input=True)
        document = "身份证" if id_type in RIC_TYPES else id_type
        lookup = Digests(keys.lookup_secret).subject(("id", document, canonical_id(id_type, number)))
        return find_by_lookup(con, lookup)
    if record is not None:
        return find_by_record(con, catalogue, record)
    return find_by_id(con, subject_id) if subject_id is not None else find_by_text(con, catalogue, given or "")


@click.group()
def subjects() -> None:
    """主体：信用档案、按名称查找、核对身份有疑问的。"""


@subjects.command()
@subject_options
@json_option
def show(
    given: str | None, subject_id: int | None, record: UUID | None, person: bool, id_type: str, as_json: bool
) -> None:
    """一个主体的信用档案：名称的历史、各单位说法不一致之处、全部记录和状态。"""
    catalogue = load_catalogue()
    with database("reader") as con:
        found = find_subject(con, catalogue, given, subject_id, record, person, id_type)
        file = file_record(read_file(con, catalogue, read_subject(con, catalogue, found)))
    if as_json:
        click.echo(json.dumps(file, ensure_ascii=False, indent=1))
        return
    who = file["subject"]
    click.echo(f"{who['name']}　主体编号 {who['subject_id']}　{who['kind_cn']} {who['code'] or ''}".rstrip())
    if who["same_as"]:
        click.echo(f"同一主体的其他编号：{'、'.join(map(str, who['same_as']))}（注册号相同）")
    click.echo()
    table(
        ["名称", "单位", "最早", "最近"],
        [[n["name"], n["unit_name"], n["first_seen"], n["last_seen"]] for n in file["names"]],
    )
    for conflict in file["conflicts"]:
        said = "；".join(
            f"{v['value']}（{'、'.join(map(catalogue.unit_name, v['units']))}）" for v in conflict["values"]
        )
        click.echo(f"\n各单位不一致：{conflict['item']}：{said}")
    for doubt in file["collisions"]:
        click.echo(f"\n身份待核对：{doubts.KINDS[doubt['kind']]}（{doubt['about']}），见 credit subjects collisions")
    for section in file["sections"]:
        if section["records"]:
            click.echo(f"\n{section['section']}")
            table(
                ["记录编号", "数据集", "状态", "单位", "提供日期", "版本"],
                [
                    [r["record_no"], r["dataset_cn"], r["state_cn"], r["unit_name"], r["received_on"], r["revision"]]
                    for r in section["records"]
                ],
            )


@subjects.command()
@click.argument("name", metavar="名称")
@json_option
def find(name: str, as_json: bool) -> None:
    """按名称查找主体；单位可以只写一部分，自然人要写全名，显示时打码。名称相同不等于同一主体。"""
    catalogue = load_catalogue()
    with database("reader") as con:
        found = find_by_name(con, catalogue, name.strip())
    if as_json:
        emit_json(found)
        return
    table(
        ["主体编号", "名称", "按什么识别", "代码或注册号", "单位", "最近"],
        [
            [
                s["subject_id"],
                s["name"],
                KINDS[s["kind"]],
                s["code"] or s["registration_no"],
                "、".join(map(catalogue.unit_name, s["units"])),
                s["last_seen"],
            ]
            for s in found
        ],
    )


@subjects.command()
@click.option("--all", "everything", is_flag=True, help="已经核对过的也列出。")
@json_option
def collisions(everything: bool, as_json: bool) -> None:
    """列出身份有疑问、需要人工核对的主体；不含任何证件号码。"""
    with database("reader") as con:
        found = doubts.list_collisions(con, everything=everything)
    if as_json:
        emit_json(found)
        return
    table(
        ["对象", "什么疑问", "主体编号", "用过 15 位", "待核对", "怎么办"],
        [
            [
                d["about"],
                d["kind_cn"],
                "、".join(map(str, d["subjects"])),
                "是" if d["written_short"] else "",
                "是" if d["open"] else "",
                d["mend"],
            ]
            for d in found
        ],
    )


@subjects.command()
@click.argument("about", metavar="对象")
@click.option("--by", "who", required=True, metavar="姓名", help="核对人的姓名。")
@click.option("--reason", required=True, metavar="理由", help="怎样核对的、结论是什么。")
@click.option(
    "--subject", "subject_id", type=click.IntRange(min=1), metavar="编号", help="注册号有争议的：归哪个主体（编号）。"
)
def settle(about: str, who: str, reason: str, subject_id: int | None) -> None:
    """办结一项核对；姓名和理由会记录在案。以后又有新的情况，会重新列出。"""
    with database("quality") as con:
        doubts.settle(con, about, who, reason, subject_id)
    click.echo(f"已办结：{about}。")
