"""What several commands share: their options, and how names on the command line are understood."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from credit_schemas.catalogue import Catalogue, load_catalogue
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.dataset import Dataset, UnknownDataset

from .errors import why
from .settings import UnitSettings, configured_units, read_settings, unit_config_path

EXIT_REJECTED = 1  # some rows did not go through
EXIT_REFUSED = 2  # nothing was done: the file is refused whole, or the command or a setting is wrong
EXIT_UNSENT = 3  # rows wait in the spool: Kafka or the spool itself could not be used

# Below this nobody would see the bar before it is full.
BAR_FROM_ROWS = 1000
# Takes a second or more to read.
LARGE_FILE = 2 << 20

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class CannotWrite(click.FileError):
    """A file the user wants written cannot be; not exit code 1, which speaks of rows."""

    exit_code = EXIT_REFUSED

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(str(path), why(error))


class Day(click.ParamType):
    """A day in ISO form."""

    name = "日期"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Text to date; a usage error that shows how a day is written."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"“{value}”不是日期；请写成 2026-05-06 这样。", param, ctx)


dataset_option = click.option(
    "--dataset", "dataset", required=True, metavar="数据集", help="数据集的代码或中文名，如 penalty 或 行政处罚。"
)
unit_option = click.option(
    "--unit", required=True, metavar="单位", help="报送单位：代码、简称、全称或统一社会信用代码。"
)
any_unit_option = click.option("--unit", metavar="单位", help="报送单位；本机只配置了一个单位时可以不写。")
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="文件",
    help="单位的配置文件；不写时用运行目录下的 units/<单位代码>.toml。",
)
as_of_option = click.option(
    "--as-of",
    type=Day(),
    metavar="日期",
    help="把这一天当作今天，如 2026-05-06（补查、演示时用）。",
)
json_option = click.option("--json", "as_json", is_flag=True, help="每条一行 JSON，供程序读取。")
report_option = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="结果.csv",
    help="把全部问题写成 CSV 文件，可用 Excel 或 WPS 打开。",
)
file_argument = click.argument("file", type=click.Path(path_type=Path), metavar="文件")
file_or_source = click.argument("file", type=click.Path(path_type=Path), metavar="[文件]", required=False)
sql_option = click.option(
    "--sql",
    type=click.Path(path_type=Path),
    metavar="来源.toml",
    help="不读文件，改读数据库：这个文件说明读哪张表（见部门接入指南）。",
)


def one_source(file: Path | None, sql: Path | None) -> None:
    """A usage error unless there is just one of a file and a database source."""
    if file is None and sql is None:
        raise click.MissingParameter("要读数据库，请用 --sql。", param_hint="'文件'", param_type="argument")
    if file is not None and sql is not None:
        raise click.UsageError("写了文件，又写了 --sql；两样只能有一样。")


def find_dataset(catalogue: Catalogue, name: str, hint: str = "--dataset") -> Dataset:
    """The dataset a user means; a usage error when there is none."""
    try:
        return catalogue.dataset(name)
    except UnknownDataset as unknown:
        known = "、".join(f"{d.id}（{d.cn}）" for d in (*catalogue.datasets.values(), catalogue.act))
        raise click.BadParameter(f"没有数据集“{unknown.dataset}”；可用的：{known}。", param_hint=hint) from None


def find_unit(catalogue: Catalogue, spelling: str) -> str:
    """The code of the unit a user means; a usage error when nobody answers to it."""
    try:
        return catalogue.county.units.resolve(spelling).code
    except UnknownUnit as unknown:
        raise click.BadParameter(str(unknown), param_hint="--unit") from None


def find_settings(unit: str | None, config: Path | None) -> UnitSettings:
    """The configuration of the unit named, or of the only one this machine has.

    Raises SettingsError; a usage error when it is not clear which unit is meant.
    """
    code = find_unit(load_catalogue(), unit) if unit else None
    if config:
        settings = read_settings(config)
        if code and settings.unit != code:
            raise click.BadParameter(
                f"配置文件 {config} 是单位 {settings.unit} 的，不是 {code} 的。", param_hint="--config"
            )
        return settings
    if code is None:
        units = configured_units()
        if len(units) > 1:
            raise click.UsageError(f"本机配置了几个单位（{'、'.join(units)}），请用 --unit 写明是哪一个。")
        code = units[0] if units else "<单位代码>"
    return read_settings(unit_config_path(code))


def note(text: str) -> None:
    """A remark for the person, on standard error so that it never mixes with results."""
    click.echo(text, err=True)


def announce_reading(file: Path) -> None:
    """Tell a person that a large file is being read: the bar comes only when reading is done."""
    if sys.stderr.isatty() and file.is_file() and file.stat().st_size > LARGE_FILE:
        note(f"正在读取 {file} ……")


@contextmanager
def progress(rows: Iterable[T], total: int | None, label: str) -> Iterator[Iterable[T]]:
    """The rows, with a bar on standard error when a person is watching and it will take a while."""
    hidden = total is None or total < BAR_FROM_ROWS or not sys.stderr.isatty()
    with click.progressbar(rows, length=total, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield bar
