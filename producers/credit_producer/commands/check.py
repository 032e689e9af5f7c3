"""`credit-producer check`: what would become of a file or a database source, without sending anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.rules import Context

from .. import options
from ..pipeline import CheckedFile, CheckedRows, row_context
from .file_work import Teller, told_when_refused
from .sql_work import no_rows, open_table


@click.command(short_help="检查文件或数据库，不发送", options_metavar="[选项]")
@options.file_or_source
@options.sql_option
@options.dataset_option
@options.unit_option
@options.as_of_option
@options.json_option
@options.report_option
@click.pass_context
def check(
    ctx: click.Context,
    file: Path | None,
    sql: Path | None,
    dataset: str,
    unit: str,
    as_of: date | None,
    as_json: bool,
    report: Path | None,
) -> None:
    """检查一个 Excel（.xlsx）或 CSV 文件，或（用 --sql）一个数据库来源，逐行指出问题。

    不发送任何数据，不需要单位的配置文件；检查文件不需要联网。数据库每次从头检查。

    \b
    退出码：
      0  全部通过
      1  有的行没有通过
      2  整个文件或数据库不能读取，或命令写错
    """
    options.one_source(file, sql)
    catalogue = load_catalogue()
    found = options.find_dataset(catalogue, dataset)
    code = options.find_unit(catalogue, unit)
    context = row_context(catalogue, code, found, as_of)
    path = file or sql or Path()
    with told_when_refused(path, as_json):
        with _open(file, sql, found, context, code, catalogue) as checked:
            bar = options.progress(checked, checked.rows, "检查")
            with Teller(checked, found, as_json, report) as teller, bar as rows:
                for outcome in rows:
                    teller.tell(outcome)
            if sql and not teller.summary.total:
                raise no_rows(checked)
        ctx.exit(teller.conclude())


def _open(
    file: Path | None, sql: Path | None, dataset: Dataset, context: Context, unit: str, catalogue: Catalogue
) -> CheckedRows:
    if sql:
        return open_table(sql, dataset, context, unit, catalogue)
    return CheckedFile(file or Path(), dataset, context, unit, catalogue)
