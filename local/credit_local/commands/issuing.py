"""`credit report` and `credit reports`: a subject's credit report as a document, and the register of those issued."""

from __future__ import annotations

import getpass
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import click

from credit_reports.credit_file import read_file
from credit_reports.credit_report import is_genuine, issue, list_reports
from credit_reports.report_facts import gather
from credit_reports.subjects import read_subject
from credit_schemas.catalogue import load_catalogue
from credit_schemas.dataset import SCOPES

from .options import as_of_option, database, emit_json, json_option, table
from .subjects import find_subject, subject_options

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@subject_options
@click.option("--out", type=FILE, required=True, help="写到哪个文件：.docx 或 .pdf。")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default=SCOPES[0],
    help="公开范围：社会公开（默认）、政务共享（政务部门之间）、授权查询（本人或经本人授权）。",
)
@click.option("--by", "who", metavar="姓名", help="出具人，默认是登录用户；登记在册。")
@click.option("--purpose", default="", metavar="用途", help="用途，如 招标投标；登记在册。")
@click.option("--font", type=FILE, help="PDF 用的中文字体文件（TrueType）。")
@as_of_option
def report(
    given: str | None,
    subject_id: int | None,
    record: UUID | None,
    person: bool,
    id_type: str,
    out: Path,
    scope: str,
    who: str | None,
    purpose: str,
    font: Path | None,
    as_of: date | None,
) -> None:
    """出具一份信用报告：只列事实，没有评分；每份有编号，登记在册。"""
    catalogue = load_catalogue()
    zone = catalogue.county.zone
    with database("reader") as con:
        found = find_subject(con, catalogue, given, subject_id, record, person, id_type)
        file = read_file(con, catalogue, read_subject(con, catalogue, found))
        facts = gather(file, catalogue, as_of=as_of or datetime.now(zone).date(), scope=scope)
        by = (who or "").strip() or _login()
        issued, missing = issue(con, facts, out, who=by, zone=zone, purpose=purpose.strip(), font=font)
    click.echo(f"已出具 {issued.number}：{facts.name}，{facts.records} 条信息，写入 {out}。")
    if facts.left_out:
        click.echo(f"另有 {facts.left_out} 条不属于“{scope}”范围，没有列入；需要时用 --scope 选择范围。")
    for doubt in file.collisions:
        click.echo(f"注意：这个主体的身份有待核对（{doubt['about']}），见 credit subjects collisions。", err=True)
    if missing:
        click.echo(f"字体里没有这些字，在文件里画成了“〓”：{missing}。可以用 --font 换一个字体。", err=True)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise click.UsageError("请用 --by 写明出具人。") from None


@click.group()
def reports() -> None:
    """出具过的信用报告：列出、核对真伪。"""


@reports.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """列出最近出具的信用报告。"""
    with database("reader") as con:
        found = list_reports(con)
    if as_json:
        emit_json(found)
        return
    table(
        ["编号", "出具时间", "主体编号", "范围", "条数", "出具人", "用途"],
        [
            [
                *(r["report_no"], r["issued_at"], r["subject_id"], r["scope"]),
                *(r["records"], r["issued_by"], r["purpose"]),
            ]
            for r in found
        ],
    )


@reports.command()
@click.argument("number", metavar="编号")
@click.option("--code", metavar="验证码", help="报告上的验证码（空格、大小写不限）。")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="收到的文件，原样。")
def check(number: str, code: str | None, file: Path | None) -> None:
    """核对一份信用报告是否由本中心出具、有没有改动；不符时退出码为 1。"""
    if code is None and file is None:
        raise click.UsageError("请给出 --code 验证码，或 --file 文件。")
    with database("reader") as con:
        genuine = is_genuine(con, number, digest=code, file=file)
    if not genuine:
        raise click.ClickException("核对不符：没有出具过这样的报告，或者内容有改动。")
    click.echo("核对相符：由本中心出具，没有改动。")
