"""`credit-producer template`: an Excel file to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from credit_schemas.catalogue import load_catalogue

from ..options import CannotWrite, find_dataset


@click.command(short_help="下载 Excel 模板", options_metavar="[选项]")
@click.argument("dataset", metavar="数据集")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="文件.xlsx",
    help="写到哪个文件；已有的会被替换。",
)
def template(dataset: str, out: Path) -> None:
    """生成一个数据集的 Excel 模板：列名、下拉选项和填写说明都在里面。

    数据集写代码或中文名，如 penalty 或 行政处罚。
    """
    from credit_schemas.template import write_template

    catalogue = load_catalogue()
    found = find_dataset(catalogue, dataset, "数据集")
    if out.suffix.lower() != ".xlsx":
        raise click.BadParameter(f"文件名应当以 .xlsx 结尾，现在是“{out.name}”。", param_hint="--out")
    try:
        write_template(found, out, catalogue)
    except OSError as error:
        raise CannotWrite(out, error) from None
    click.echo(f"已生成“{found.cn}”的模板：{out}")
