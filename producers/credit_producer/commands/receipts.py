"""`credit-producer receipts`: what the center and the platforms above answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .. import options
from ..errors import PublishError
from ..show import print_json
from ..spool import Spool

SHOWN = 50
# Answers on which a clerk has to do something.
BAD = ("rejected", "returned", "waiting")


@click.command(short_help="收取并查看回执", options_metavar="[选项]")
@options.any_unit_option
@options.config_option
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, metavar="秒", help="收完现有的以后，再等这么多秒。")
@click.option("--new", "only_new", is_flag=True, help="只显示这一次新收到的；不写时显示本机保存的全部。")
@options.json_option
@click.pass_context
def receipts(
    ctx: click.Context, unit: str | None, config: Path | None, wait: float, only_new: bool, as_json: bool
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
        kept = (r for r in spool.receipts() if not only_new or r["receipt_id"] in new)
        if as_json:
            for receipt in kept:
                print_json(receipt)
        else:
            _show(kept, len(new))
    if fetched.unreadable:
        options.note(f"提示：有 {fetched.unreadable} 条消息不是回执，没有采用；请告诉大数据中心。")
    if fetched.again:
        options.note(f"提示：中心请求重发，{fetched.again} 条已放回发送队列；请运行 credit-producer resend。")
    if failure:
        options.note(f"错误：{failure.text}上面显示的是本机以前收到的回执。")
        ctx.exit(options.EXIT_UNSENT)


def _show(receipts: Any, new: int) -> None:
    from ..receipts import status_name

    counts: Counter[str] = Counter()
    bad: list[str] = []
    for receipt in receipts:
        name = status_name(receipt)
        counts[name] += 1
        if receipt["status"] in BAD:
            bad.append(_line(receipt, name))
    if not counts:
        click.echo("还没有回执。")
        return
    click.echo(f"新收到 {new} 条；合计：{'，'.join(f'{name} {n}' for name, n in counts.items())}。")
    if bad:
        click.echo("需要处理的：")
        for line in bad[-SHOWN:]:
            click.echo(f"  {line}")
    if len(bad) > SHOWN:
        click.echo(f"  以上是最近 {SHOWN} 条，更早的还有 {len(bad) - SHOWN} 条；用 --json 可以看全部。")


def _line(receipt: Mapping[str, Any], status: str) -> str:
    where = receipt.get("file") or f"事件 {receipt.get('ce_id')}"
    if receipt.get("line"):
        where = f"{where} 第 {receipt['line']} 行"
    said = [str(p.get("message", "")) for p in receipt.get("problems") or ()]
    reasons = " ".join(text for text in [str(receipt.get("note") or ""), *said] if text)
    return f"{status} {where}：{reasons}" if reasons else f"{status} {where}"
