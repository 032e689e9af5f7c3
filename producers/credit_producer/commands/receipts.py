"""`credit-producer receipts`: what the center and the platforms above answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from credit_schemas.catalogue import load_catalogue

from .. import options
from ..errors import PublishError
from ..receipt_words import ReceiptTable, destination_names, line, status_name
from ..show import print_json
from ..spool import Spool

SHOWN = 50
# Answers on which a clerk has to do something.
BAD = ("rejected", "returned", "waiting")
# Answers a clerk should know of: somebody else did something to a record of the unit.
TOLD = ("changed",)
# Answers that differ in their note only: counted by it (a record that was withdrawn stays so).
COUNTED = ("unchanged", "duplicate")


@click.command(short_help="收取并查看回执", options_metavar="[选项]")
@options.any_unit_option
@options.config_option
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, metavar="秒", help="收完现有的以后，再等这么多秒。")
@click.option("--new", "only_new", is_flag=True, help="只显示这一次新收到的；不写时显示本机保存的全部。")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="回执.csv",
    help="把每一条回执（有记录编号）写成 CSV 文件，可用 Excel 或 WPS 打开。",
)
@options.json_option
@click.pass_context
def receipts(
    ctx: click.Context,
    unit: str | None,
    config: Path | None,
    wait: float,
    only_new: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """从中心收取回执，存在本机，并显示：已入库、已拒收（为什么）、已上报、省已接收、省退回。

    \b
    退出码：
      0  已收完
      2  命令或配置写错
      3  连不上 Kafka：显示的是本机以前收到的
    """
    from ..receipts import Fetched, fetch_receipts  # loads the Kafka client

    settings = options.find_settings(unit, config)
    failure: PublishError | None = None
    with Spool(settings.spool) as spool:
        try:
            fetched = fetch_receipts(settings, spool, wait)
        except PublishError as error:
            fetched, failure = Fetched(), error
        new = {r["receipt_id"] for r in fetched.new}

        def kept() -> Iterable[Mapping[str, Any]]:
            return (r for r in spool.receipts() if not only_new or r["receipt_id"] in new)

        if as_json:
            for receipt in kept():
                print_json(dict(receipt))
        else:
            _show(kept(), len(new))
        if report:
            _write(report, kept())
    if fetched.unreadable:
        options.note(f"提示：有 {fetched.unreadable} 条消息不是回执，没有采用；请告诉大数据中心。")
    if fetched.again:
        options.note(f"提示：中心请求重发，{fetched.again} 条已放回发送队列；请运行 credit-producer resend。")
    if failure:
        options.note(f"错误：{failure.text}上面显示的是本机以前收到的回执。")
        ctx.exit(options.EXIT_UNSENT)


def _show(receipts: Iterable[Mapping[str, Any]], new: int) -> None:
    names = destination_names(load_catalogue())
    counts: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    bad: list[str] = []
    told: list[str] = []
    for receipt in receipts:
        name, status = status_name(receipt, names), receipt["status"]
        counts[name] += 1
        if status in BAD:
            bad.append(line(receipt, name))
        elif status in TOLD:
            told.append(line(receipt, name))
        elif status in COUNTED and receipt.get("note"):
            notes[f"{name}：{receipt['note']}"] += 1
    if not counts:
        click.echo("还没有回执。")
        return
    click.echo(f"新收到 {new} 条；合计：{'，'.join(f'{name} {n}' for name, n in counts.items())}。")
    for note, n in notes.most_common():
        click.echo(f"  {n} 条{note}")
    _list("请知悉：", told)
    _list("需要处理的：", bad)


def _list(heading: str, lines: list[str]) -> None:
    if lines:
        click.echo(heading)
    for text in lines[-SHOWN:]:
        click.echo(f"  {text}")
    if len(lines) > SHOWN:
        click.echo(f"  以上是最近 {SHOWN} 条，更早的还有 {len(lines) - SHOWN} 条；用 --report 回执.csv 可以存下全部。")


def _write(path: Path, receipts: Iterable[Mapping[str, Any]]) -> None:
    try:
        with closing(ReceiptTable(path, load_catalogue())) as written:
            for receipt in receipts:
                written.add(receipt)
    except OSError as error:
        raise options.CannotWrite(path, error) from None
    options.note(f"回执已写入 {path}")
