"""`credit-producer act`: do something to one record that was reported before."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue

from .. import options
from ..errors import BadTarget, PublishError
from ..show import print_json


@click.command(short_help="撤回、撤销、修复、异议、恢复一条记录", options_metavar="[选项]")
@click.argument("act", metavar="操作")
@options.dataset_option
@options.unit_option
@click.option("--record", metavar="编号", help="记录编号，照抄“receipts --report 回执.csv”存成的表。")
@click.option("--source-key", metavar="主键", help="没有记录编号时：本单位系统上报时用的来源主键。")
@click.option("--owner", metavar="单位", help="记录是别的单位报的，写那个单位；用记录编号时不必写。")
@click.option("--reason", required=True, metavar="原因", help="为什么办理，写一两句话；不要写证件号码。")
@click.option("--basis", metavar="依据", help="所依据的文书名称和文号；撤销、修复、异议办结必填。")
@click.option("--result", metavar="结果", help="操作是异议办结时：异议成立 或 异议不成立。")
@click.option("--effective", type=options.Day(), metavar="日期", help="从哪一天起生效；不写是今天。")
@options.config_option
@options.json_option
@click.pass_context
def act(
    ctx: click.Context,
    act: str,
    dataset: str,
    unit: str,
    record: str | None,
    source_key: str | None,
    owner: str | None,
    reason: str,
    basis: str | None,
    result: str | None,
    effective: date | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """对一条已报的记录办理操作：误报撤回、撤销决定、信用修复、异议受理、异议办结、恢复。

    重新报送不会使撤回、终止的记录恢复；要恢复，请用“恢复”并写明原因。

    成批办理：下载 record_act 的模板，填好后用 send --dataset record_act 发送，那里也可以按文号、相对人指明记录。

    \b
    退出码：
      0  已送到
      1  没有通过检查
      2  命令或配置写错
      3  连不上 Kafka：已存入本机暂存库，以后自动补发
    """
    from ..sdk import CreditProducer, Target  # loads the Kafka client

    settings = options.find_settings(unit, config)
    found = options.find_dataset(load_catalogue(), dataset)
    failure: PublishError | None = None
    with closing(CreditProducer(unit, settings=settings).open()) as producer:
        try:
            target = Target(record_no=record, source_key=source_key)
            answer = producer.act(
                act,
                found.id,
                target=target,
                reason=reason,
                basis=basis,
                effective=effective,
                owner=owner,
                result=result,
            )
        except BadTarget as error:
            raise click.UsageError(str(error)) from None
        try:
            producer.flush()
        except PublishError as error:
            failure = error
    if as_json:
        print_json(
            {"ce_id": answer.ce_id, "verdict": answer.verdict, "problems": [p._asdict() for p in answer.problems]}
        )
    else:
        for problem in answer.problems:
            options.note(problem.message)
        if answer.ce_id:
            click.echo(
                f"已提交，编号 {answer.ce_id}。运行 credit-producer receipts --unit {settings.unit} 可以看结果。"
            )
    if failure:
        options.note(f"错误：{failure}")
        ctx.exit(options.EXIT_UNSENT)
    ctx.exit(0 if answer.ce_id else options.EXIT_REJECTED)
