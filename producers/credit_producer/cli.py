"""The command `credit-producer`: templates, checking, sending and receipts for a department."""

from __future__ import annotations

import sys
from typing import Any

import click

from credit_schemas.dataset import ContractError
from credit_schemas.sealing import SealError

from .commands.act import act
from .commands.check import check
from .commands.receipts import receipts
from .commands.resend import resend
from .commands.send import send
from .commands.status import status
from .commands.template import template
from .errors import ProducerError, PublishError, SpoolError
from .options import EXIT_REFUSED, EXIT_UNSENT
from .zh import speak_chinese

speak_chinese()


class Failure(click.ClickException):
    """An error of ours, shown in one sentence instead of a traceback."""

    exit_code = EXIT_REFUSED

    def show(self, file: Any = None) -> None:
        """Print the sentence."""
        click.echo(f"错误：{self.message}", err=True)


class Unsent(Failure):
    """Nothing is wrong with the file or the command: Kafka or the spool could not be used."""

    exit_code = EXIT_UNSENT


class Commands(click.Group):
    """A group whose commands end with a sentence, not a traceback, on every error this project knows."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (PublishError, SpoolError) as error:
            raise Unsent(str(error)) from None
        except (ProducerError, ContractError, SealError) as error:
            raise Failure(str(error)) from None


@click.group(
    cls=Commands,
    options_metavar="[选项]",
    subcommand_metavar="命令 [参数]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def cli() -> None:
    """公共信用信息报送工具：下载模板、检查文件、发送数据、查看回执。

    \b
    第一次使用：
      credit-producer template penalty --out 行政处罚.xlsx
      credit-producer check 行政处罚.xlsx --dataset penalty --unit 市场监管局
      credit-producer send  行政处罚.xlsx --dataset penalty --unit 市场监管局
      credit-producer receipts --unit 市场监管局
    """


for command in (template, check, send, act, receipts, resend, status):
    cli.add_command(command)


def main() -> None:
    """The entry point of the command."""
    for stream in (sys.stdout, sys.stderr):
        # A character the terminal cannot show must not end the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli(prog_name="credit-producer")


if __name__ == "__main__":
    main()
