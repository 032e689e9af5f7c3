"""`credit demo`: the whole road with real rows, told step by step."""

from __future__ import annotations

import time
from collections import Counter

import click

from ..demo import run_demo
from ..stack import Stack
from .options import table
from .reading import figures
from .servers import stack_home

# More reasons than this tell a newcomer nothing more.
REASONS_SHOWN = 8


@click.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """演示：真实数据从单位文件一路走到省平台，回执再回到单位。"""
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - began:5.1f} 秒] {text}")

    stack = Stack(stack_home())
    stack.up(say)
    lines = run_demo(stack, say)
    say("完成。")
    click.echo()
    table(
        ["文件、数据集", "行数", "退回", "入库", "检查项", "暂停", "已上报", "上级已确认"],
        [
            [
                line["title"],
                line["rows"],
                line["refused"],
                line["loaded"],
                line["checked"],
                line["held"],
                line["forwarded"],
                line["acknowledged"],
            ]
            for line in lines
        ],
    )
    reasons: Counter[str] = Counter()
    for line in lines:
        reasons.update(line["why"])
    click.echo("\n退回原因：")
    for reason, count in reasons.most_common(REASONS_SHOWN):
        click.echo(f"  {count} 行：{reason}")
    click.echo("\n数字：")
    ctx.invoke(figures)
    _where_to_look(stack)


def _where_to_look(stack: Stack) -> None:
    airflow = stack.airflow
    click.echo(
        f"""
看哪里：
  上报文件      {stack.home / "demo"}
  数字          .venv/bin/credit figures
  记录          .venv/bin/credit records --dataset penalty
  暂停的数据    .venv/bin/credit quality holds   放行：credit quality release 编号 --by 姓名 --reason 理由
  单位的回执    .venv/bin/credit-producer receipts --unit market
  质量页面      {stack.home / "great_expectations" / "data_docs" / "index.html"}
  日志          {stack.home / "logs"}
  Airflow       {airflow.url}  用户 {airflow.user}  口令 {airflow.password}
停止：.venv/bin/credit down"""
    )
