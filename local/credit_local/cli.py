"""The command `credit`: everything the center does, by hand; each job is the plain function a DAG task calls too."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from credit_producer.zh import chinese_placeholders, speak_chinese

# Command to (module, one line of help): a command's module is imported when it is called, so that `credit --help`
# and small commands do not wait for Airflow or Great Expectations.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("servers", "启动本机的整套系统（Kafka、PostgreSQL、入库、回执、Airflow）"),
    "down": ("servers", "停止本机的整套系统，数据保留"),
    "status": ("servers", "看各程序是否在运行、积压多少"),
    "demo": ("demo", "演示：真实数据走完全程"),
    "migrate": ("loading", "把数据库升级到本程序需要的结构"),
    "consume": ("loading", "入库：从 Kafka 读取、检查、写入数据仓库"),
    "relay": ("loading", "回执：把处理结果发还给报送单位"),
    "deadletters": ("deadletters", "死信：查看、重放、放弃读不懂的消息"),
    "waiting": ("waiting", "等待：所指的记录还没有入库的更正和操作"),
    "topics": ("topics", "读到哪里：每个主题的位置，恢复停住的主题"),
    "attachments": ("attachments", "附件：收取、查看、取出工作报告的照片和文件"),
    "quality": ("quality", "质量检查：运行、查看暂停的数据、放行"),
    "forward": ("forwarding", "上报：把应报数据发往一个目的地"),
    "collect": ("forwarding", "上报：取回一个目的地的处理结果"),
    "reconcile": ("forwarding", "对账：全量比对目的地应有与已有"),
    "resume": ("forwarding", "恢复一个暂停的目的地"),
    "figures": ("reading", "数字：合格、迟报、疑似瞒报，按单位和数据集"),
    "records": ("reading", "记录：数据仓库里的数据（个人号码不显示）"),
    "obligations": ("obligations", "任务：分解表各行的应报、已报、零报告、逾期"),
    "subjects": ("subjects", "主体：信用档案、按名称查找、身份核对"),
    "report": ("issuing", "信用报告：为一个主体出具 .docx 或 PDF"),
    "reports": ("issuing", "信用报告：出具过的，核对真伪"),
    "prepare": ("deploy", "部署：准备外部的数据库和 Kafka，生成各单位的配置"),
    "secrets": ("deploy", "部署：生成口令文件"),
    "certificates": ("deploy", "部署：生成 Kafka 的证书"),
    "keys": ("keys", "中心的密钥：查看编号，换发新的公钥"),
    "airflow": ("deploy", "部署：运行 Airflow 的一个服务，或检查它是否正常"),
    "catalogue": ("reading", "目录：单位、数据集、职责"),
}


class LazyGroup(click.Group):
    """A group whose commands live in `credit_local.commands` and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        return chinese_placeholders(getattr(import_module(f"credit_local.commands.{module}"), cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("命令"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, help="公共信用信息交换：大数据中心的命令。每个命令都可以用 --help 看说明。")
def credit() -> None:
    """Collect the commands."""


chinese_placeholders(credit)


def main() -> None:
    """Run the command; an error that we know is told in one Chinese sentence, with exit code 1."""
    speak_chinese()
    try:
        credit(prog_name="credit")
    except Exception as error:
        sentence = told(error)
        if sentence is None:
            raise
        click.echo(f"错误：{sentence}", err=True)
        sys.exit(1)


def told(error: Exception) -> str | None:
    """What a person is told of an error; None for a defect of ours, which deserves its traceback."""
    # Every error tree of ours carries `retriable`.
    if hasattr(error, "retriable"):
        return str(error)
    import psycopg2  # late: `credit --help` needs no database

    # Without an SQLSTATE no server has answered: it is down, elsewhere, or does not let us in.
    if isinstance(error, psycopg2.OperationalError) and error.pgcode is None:
        reason = (str(error).strip().splitlines() or ["没有说明"])[0]
        return (
            f"数据库连不上（{reason}）。请确认它在运行（本机的整套系统用 credit up 启动，credit status 查看），"
            "再检查设置 CREDIT_DATABASE_… 的地址和口令。"
        )
    return None
