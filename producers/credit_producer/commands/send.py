"""`credit-producer send`: check a file and send what passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import options
from ..errors import PublishError
from ..pipeline import CheckedFile, Outcome
from .file_work import Teller, told_when_refused

if TYPE_CHECKING:
    from ..sdk import CreditProducer

# Rows spooled with one sync of the disk: few enough that a bar moves, many enough that the sync costs nothing.
BATCH = 500
# Batches between two visits to Kafka: as many rows as the publisher keeps in flight.
VISIT = 10


@click.command(short_help="检查并发送文件", options_metavar="[选项]")
@options.file_argument
@options.dataset_option
@options.unit_option
@options.config_option
@options.as_of_option
@options.json_option
@options.report_option
@click.pass_context
def send(
    ctx: click.Context,
    file: Path,
    dataset: str,
    unit: str,
    config: Path | None,
    as_of: date | None,
    as_json: bool,
    report: Path | None,
) -> None:
    """检查一个 Excel（.xlsx）或 CSV 文件，把通过的行加密后发送；没有通过的行只把原因告诉中心。

    同一个文件再发一次不会产生重复记录。证件号码在离开本机之前加密。表里“附件”一栏写的文件，加密后放入交接文件夹，由中心收取。

    \b
    退出码：
      0  全部通过并送到
      1  有的行没有通过，其余已送到
      2  整个文件不能读取，或命令、配置写错，或附件放不进交接文件夹
      3  连不上 Kafka：数据已存入本机暂存库，以后自动补发
    """
    from ..sdk import CreditProducer  # loads the Kafka client, which `check` does without

    settings = options.find_settings(unit, config)
    producer = CreditProducer(unit, settings=settings, as_of=as_of)
    found = options.find_dataset(producer.catalogue, dataset)
    failure: PublishError | None = None
    handed: set[str] = set()
    context = producer.context(found)
    with told_when_refused(file, as_json), CheckedFile(file, found, context, settings.unit) as checked:
        with closing(producer.open()), Teller(checked, found, as_json, report) as teller:
            with options.progress(checked, checked.rows, "发送") as rows:
                for number, batch in enumerate(_batches(rows), 1):
                    for outcome, ce_id in zip(batch, producer.accept(found, batch), strict=True):
                        teller.tell(outcome, ce_id=ce_id)
                        handed |= {h.attachment.digest for h in outcome.held}
                    if failure is None and number % VISIT == 0:
                        failure = _flush(producer)
            failure = failure or _flush(producer)
        code = teller.conclude()
    if handed:
        options.note(f"附件 {len(handed)} 个已加密，放在 {settings.attachments}，等中心收取。")
    if failure:
        options.note(f"错误：{failure}")
        ctx.exit(options.EXIT_UNSENT)
    if not as_json:
        click.echo(f"已送到中心的 Kafka。运行 credit-producer receipts --unit {settings.unit} 可以看回执。")
    ctx.exit(code)


def _batches(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    rest = iter(outcomes)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _flush(producer: CreditProducer) -> PublishError | None:
    """Send what is queued; the failure is returned, because the rest of the file is still to be spooled."""
    try:
        producer.flush()
    except PublishError as error:
        return error
    return None
