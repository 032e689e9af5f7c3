"""`credit attachments collect|list|get|check|gc`: photos and documents of work reports, kept encrypted by content."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue
from credit_schemas.seal_errors import SealError
from credit_warehouse import attachment_books as books
from credit_warehouse.attachment_intake import collect as take
from credit_warehouse.attachment_intake import unit_folders
from credit_warehouse.attachments import AttachmentError, Store, inbox, store_folder
from credit_warehouse.keys import center_keys, storage_keys
from credit_warehouse.settings import load_settings

from .options import database, emit_json, json_option, table

SERVICE = "attachments"
# Names are shown as far as a line holds; --json has them whole.
NAMES_SHOWN = 2

unit_option = click.option("--unit", metavar="单位", help="只看一个单位（代码或任何称呼）。")


@click.group()
def attachments() -> None:
    """附件：收取、查看、取出工作报告的照片和文件。"""


@attachments.command()
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="目录",
    help="交接文件夹，里面每个单位一个子文件夹（名称是单位代码）；加 --unit 时就是该单位的文件夹。",
)
@unit_option
@click.option("--every", type=click.IntRange(min=5), metavar="秒", help="不停下，每隔这么久收取一次。")
@json_option
def collect(folder: Path | None, unit: str | None, every: int | None, as_json: bool) -> None:
    """收取各单位交来的附件：打开、核对摘要和类型、加密入库，收好的从交接文件夹移走；可以重复执行。

    没有收下的会说明原因，并在交接文件夹里留一个“摘要.refused.txt”告诉单位。有没有收下的，退出码是 1。
    """
    while every:
        try:
            _collect(folder, unit, as_json, quiet=True)
        except (AttachmentError, SealError) as error:
            if not error.retriable:
                raise
            click.echo(f"错误：{error}", err=True)
        time.sleep(every)
    sys.exit(1 if _collect(folder, unit, as_json) else 0)


def _collect(folder: Path | None, unit: str | None, as_json: bool, *, quiet: bool = False) -> int:
    """One collection, told (`quiet`: only when there was something); returns how many files were refused."""
    units = load_catalogue().county.units
    code = units.resolve(unit).code if unit else None
    where = folder or inbox(load_settings())
    folders = {code: where} if code and folder else unit_folders(where, [code] if code else [u.code for u in units])
    with database(SERVICE) as con:
        done = take(con, _store(), center_keys(_keys()), folders)
    if as_json:
        counts = {"stored": done.stored, "known": done.known, "left": done.left, "waiting": done.waiting}
        emit_json([{**counts, "refused": [r._asdict() for r in done.refused]}])
    elif not quiet or done.stored or done.known or done.refused or done.waiting:
        click.echo(f"新收 {done.stored} 个，已有的 {done.known} 个，没有收下 {len(done.refused)} 个。")
        for r in done.refused:
            click.echo(f"没有收下：{r.unit} {r.digest}：{r.told}")
        for text in done.waiting:
            click.echo(f"留待下次：{text}")
        if done.left:
            click.echo(f"{done.left} 个已收好，但不能从交接文件夹移走（没有写入权限）。")
    return len(done.refused)


@attachments.command("list")
@click.option("--missing", "what", flag_value="missing", help="工作报告里写明、还没有交来的。")
@click.option("--refused", "what", flag_value="refused", help="交来没有收下、还没有补交的。")
@unit_option
@json_option
def list_attachments(what: str | None, unit: str | None, as_json: bool) -> None:
    """列出已收的附件；加 --missing 看还缺哪些，加 --refused 看哪些没有收下。"""
    catalogue = load_catalogue()
    code = catalogue.county.units.resolve(unit).code if unit else None
    reader = {"missing": books.missing, "refused": books.refused}.get(what or "", books.stored)
    with database(SERVICE) as con:
        found = reader(con, code)
    if as_json:
        emit_json(found)
    elif what == "missing":
        table(
            ["单位", "数据集", "文件名", "字节", "上报时间", "摘要"],
            [
                [
                    *(catalogue.unit_name(f["unit"]), catalogue.dataset_name(f["dataset"]), f["name"]),
                    *(f["size"], f["since"], f["digest"]),
                ]
                for f in found
            ],
        )
    elif what == "refused":
        table(
            ["单位", "次数", "最近一次", "原因", "摘要"],
            [[catalogue.unit_name(f["unit"]), f["times"], f["last_seen"], f["told"], f["digest"]] for f in found],
        )
    else:
        table(
            ["类型", "字节", "收取时间", "单位", "文件名", "摘要"],
            [
                [
                    *(f["kind"], f["size"], f["stored_at"], "、".join(map(catalogue.unit_name, f["units"] or ()))),
                    *(_names(f["names"]), f["digest"]),
                ]
                for f in found
            ],
        )


@attachments.command()
@click.argument("digest", metavar="摘要")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="文件", help="写到哪里。"
)
@click.option("--who", required=True, metavar="姓名", help="谁取的。")
@click.option("--why", required=True, metavar="理由", help="为什么取。")
def get(digest: str, out: Path, who: str, why: str) -> None:
    """取出一个附件，解密写成文件；姓名和理由留存在审计账里。"""
    with database(SERVICE) as con:
        size = books.get(con, _store(), digest, out, who=who, why=why)
    click.echo(f"已写出 {out}（{size} 字节）。这是明文，用完请删除。")


@attachments.command()
def check() -> None:
    """逐个读一遍库里的附件，核对内容与摘要；有坏的退出码是 1。"""
    with database(SERVICE) as con:
        wrong = list(books.damaged(con, _store()))
        left = books.leftovers(con, _store())
    for digest, why in wrong:
        click.echo(f"{digest}：{why}")
    click.echo(f"坏的 {len(wrong)} 个；有文件、账上没有的 {len(left)} 个。")
    sys.exit(1 if wrong else 0)


@attachments.command()
@click.option(
    "--days", type=click.IntRange(min=1), default=books.KEEP_DAYS, show_default=True, help="至少存了多少天的。"
)
@click.option("--who", metavar="姓名", help="谁清理的；真正删除时必填。")
@click.option("--why", metavar="理由", help="为什么清理；真正删除时必填。")
@click.option("--yes", is_flag=True, help="真正删除；不加只列出来。")
@json_option
def gc(days: int, who: str | None, why: str | None, yes: bool, as_json: bool) -> None:
    """清理没有任何记录写到的附件：先列出来看，加 --yes 才删除。账上留有删除的记录。"""
    before = datetime.now(UTC) - timedelta(days=days)
    with database(SERVICE) as con:
        found = books.orphans(con, before)
        deleted = books.delete_orphans(con, _store(), before, who=who or "", why=why or "") if yes else []
    if as_json:
        emit_json({**f, "deleted": f["digest"] in deleted} for f in found)
        return
    table(
        ["类型", "字节", "收取时间", "单位", "摘要"],
        [[f["kind"], f["size"], f["stored_at"], "、".join(f["units"] or ()), f["digest"]] for f in found],
    )
    total = sum(f["size"] for f in found) >> 20
    click.echo(
        f"已删除 {len(deleted)} 个。"
        if yes
        else f"可以清理 {len(found)} 个，约 {total} MB；确认后加 --yes、--who、--why。"
    )


def _names(names: list[str] | None) -> str:
    found = names or []
    more = f" 等 {len(found)} 个名字" if len(found) > NAMES_SHOWN else ""
    return "、".join(found[:NAMES_SHOWN]) + more


def _store() -> Store:
    return Store(store_folder(load_settings()), storage_keys(_keys()))


def _keys() -> Path:
    settings = load_settings()
    return settings.keys or settings.home / "keys"
