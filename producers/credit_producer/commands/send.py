"""`credit-producer send`: check a file or a database source and send what passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from credit_schemas.dataset import Dataset

from .. import options
from ..errors import PublishError
from ..pipeline import CheckedFile, CheckedRows, Outcome
from ..sql import SourceError
from .file_work import Teller, told_when_refused
from .sql_work import open_increment

if TYPE_CHECKING:
    from ..sdk import CreditProducer

# Rows spooled with one sync of the disk: few enough that a bar moves, many enough that the sync costs nothing.
BATCH = 500
# Batches between two visits to Kafka: as many rows as the publisher keeps in flight.
VISIT = 10


@click.command(short_help="检查并发送文件或数据库", options_metavar="[选项]")
@options.file_or_source
@options.sql_option
@options.dataset_option
@options.unit_option
@options.config_option
@options.as_of_option
@options.json_option
@options.report_option
@click.option("--full", is_flag=True, help="和 --sql 一起用：从头读，不从上次读到的地方接着读；没有改过的行仍不再发。")
@click.pass_context
def send(
    ctx: click.Context,
    file: Path | None,
    sql: Path | None,
    dataset: str,
    unit: str,
    config: Path | None,
    as_of: date | None,
    as_json: bool,
    report: Path | None,
    full: bool,
) -> None:
    """检查一个 Excel（.xlsx）或 CSV 文件，或（用 --sql）一个数据库来源，把通过的行加密后发送。

    没有通过的行只把原因告诉中心。同一个文件再发一次不会产生重复记录；数据库里和以前报的一样的行不会再发。证件号码在离开本机之前加密。
    表里“附件”一栏写的文件，加密后放入交接文件夹，由中心收取。

    \b
    退出码：
      0  全部通过并送到
      1  有的行没有通过，其余已送到
      2  整个文件或数据库不能读取，或命令、配置写错，或附件放不进交接文件夹
      3  连不上 Kafka：数据已存入本机暂存库，以后自动补发
    """
    from ..sdk import CreditProducer  # loads the Kafka client, which `check` does without

    options.one_source(file, sql)
    settings = options.find_settings(unit, config)
    producer = CreditProducer(unit, settings=settings, as_of=as_of)
    found = options.find_dataset(producer.catalogue, dataset)
    context = producer.context(found)
    sending = _Sending(producer, found, as_json, report)
    if file:
        with (
            told_when_refused(file, as_json),
            CheckedFile(file, found, context, settings.unit, producer.catalogue) as checked,
            closing(producer.open()),
        ):
            sending.run(checked)
    elif sql:
        with told_when_refused(sql, as_json), closing(producer.open()):
            catalogue, spool = producer.catalogue, producer.spool
            with closing(open_increment(sql, found, context, settings.unit, catalogue, spool, full=full)) as increment:
                sending.run(increment.checked, increment.passed)
                increment.finish()
    if sending.handed:
        options.note(f"附件 {len(sending.handed)} 个已加密，放在 {settings.attachments}，等中心收取。")
    if sending.repeated:
        again = "确需再办一次的，请改写原因或生效日期，或用 credit-producer act 单独提交。"
        options.note(f"提示：其中 {sending.repeated} 条操作以前的文件里报过，一字不差，没有再发；{again}")
    if sending.failure:
        options.note(f"错误：{sending.failure}")
        ctx.exit(options.EXIT_UNSENT)
    if not as_json:
        click.echo(f"已送到中心的 Kafka。运行 credit-producer receipts --unit {settings.unit} 可以看回执。")
    ctx.exit(sending.code)


class _Sending:
    """Rows of a source into the spool and onto the road; what became of it stands in the attributes."""

    def __init__(self, producer: CreditProducer, dataset: Dataset, as_json: bool, report: Path | None) -> None:
        self._producer = producer
        self._dataset = dataset
        self._as_json = as_json
        self._report = report
        self.failure: PublishError | None = None
        self.handed: set[str] = set()
        self.repeated = 0
        self.code = 0

    def run(self, checked: CheckedRows, passed: Callable[..., None] | None = None) -> None:
        """Send all rows; `passed(outcome, unchanged=…)` is called for each that is in the spool.

        Raises SourceError when the source breaks off: what was read of it has been sent, too.
        """
        with Teller(checked, self._dataset, self._as_json, self._report) as teller:
            try:
                with options.progress(checked, checked.rows, "发送") as rows:
                    for number, batch in enumerate(_batches(rows), 1):
                        self._take(batch, teller, passed)
                        if self.failure is None and number % VISIT == 0:
                            self.failure = _flush(self._producer)
            except SourceError:
                _flush(self._producer)
                raise
            self.failure = self.failure or _flush(self._producer)
        self.code = teller.conclude()

    def _take(self, batch: list[Outcome], teller: Teller, passed: Callable[..., None] | None) -> None:
        for outcome, kept in zip(batch, self._producer.accept(self._dataset, batch), strict=True):
            more = {"unchanged": kept.unchanged} if outcome.key or self._dataset.kind == "act" else {}
            self.repeated += kept.unchanged and not outcome.key
            teller.tell(outcome, ce_id=kept.ce_id, **more)
            self.handed |= {h.attachment.digest for h in outcome.held}
            if passed:
                passed(outcome, unchanged=kept.unchanged)


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
