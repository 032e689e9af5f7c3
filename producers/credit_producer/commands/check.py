"""`credit-producer check`: what would become of a file, without sending anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue

from .. import options
from ..pipeline import CheckedFile, row_context
from .file_work import Teller, told_when_refused


@click.command(short_help="检查文件，不发送", options_metavar="[选项]")
@options.file_argument
@options.dataset_option
@options.unit_option
@options.as_of_option
@options.json_option
@options.report_option
@click.pass_context
def check(
    ctx: click.Context, file: Path, dataset: str, unit: str, as_of: date | None, as_json: bool, report: Path | None
) -> None:
    """检查一个 Excel（.xlsx）或 CSV 文件，逐行指出问题。不发送任何数据，不需要联网，也不需要配置文件。

    \b
    退出码：
      0  全部通过
      1  有的行没有通过
      2  整个文件不能读取，或命令写错
    """
    catalogue = load_catalogue()
    found = options.find_dataset(catalogue, dataset)
    code = options.find_unit(catalogue, unit)
    context = row_context(catalogue, code, found, as_of)
    with told_when_refused(file, as_json), CheckedFile(file, found, context, code) as checked:
        with Teller(checked, found, as_json, report) as teller, options.progress(checked, checked.rows, "检查") as rows:
            for outcome in rows:
                teller.tell(outcome)
        ctx.exit(teller.conclude())
