"""`credit obligations`: what is due, received, overdue and nil, per row of the plan's annex, unit and period."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

import click

from credit_reports.duties import STATUSES, Duty, Tally, duties, tally
from credit_reports.duty_strays import Stray, strays
from credit_schemas.catalogue import Catalogue, load_catalogue

from .options import Day, as_of_option, database, emit_json, json_option, table

# Titles run to hundreds of characters (row 22); a line of a terminal does not.
TITLE = 20
COLUMNS = ["期间", "期限", "状态", "条数", "最早收到", "还缺", "说明"]


@click.command()
@as_of_option
@click.option("--unit", help="只看一个单位（代码或任何称呼），逐项列出。")
@click.option("--row", "annex_row", type=int, help="只看分解表的一行（序号），逐个单位列出。")
@click.option("--overdue", "only_overdue", is_flag=True, help="只看逾期：逐个单位列出逾期的行和期间，多的在前。")
@click.option("--all", "everything", is_flag=True, help="本年度的全部期间，不只是本期和上一期。")
@click.option("--from", "since", type=Day(), help="从这一天所在的期间起。")
@click.option("--to", "until", type=Day(), help="到这一天所在的期间为止。")
@json_option
def obligations(
    as_of: date | None,
    unit: str | None,
    annex_row: int | None,
    only_overdue: bool,
    everything: bool,
    since: date | None,
    until: date | None,
    as_json: bool,
) -> None:
    """工作分解表各项任务的完成情况：应报、已报、零报告、逾期，按单位和期间；默认本期和上一期。"""
    catalogue = load_catalogue()
    today = as_of or datetime.now(catalogue.county.zone).date()
    if everything and (since or until):
        raise click.UsageError("--all 和 --from、--to 只能用一种。")
    if annex_row is not None and annex_row not in {o.annex_row for o in catalogue.county.obligations}:
        raise click.BadParameter(f"分解表没有第 {annex_row} 行。", param_hint="--row")
    code = catalogue.county.units.resolve(unit).code if unit else None
    if everything:
        since = date(today.year, 1, 1)
    with database("reader") as con:
        found = duties(con, catalogue, today, code, annex_row, since=since, until=until)
        lost = [] if as_json else strays(con, catalogue, today, code)
    if only_overdue:
        found = [d for d in found if d.status == "overdue" and not d.voluntary]
    if as_json:
        emit_json(d.record() for d in found)
        return
    click.echo(f"截至 {today}。期限带“?”的是暂定：工作日表还没有到那一年。\n")
    if only_overdue:
        _tell_overdue(found)
        return
    names = {d.id: d.cn for d in catalogue.datasets.values()}
    if unit is None:
        headings = ["行", "任务", "期间", "期限", "占比", "应报", "已报", "零报告", "逾期", "未到期", "自愿"]
        table(headings, [_summary(t) for t in tally(found)])
    if unit is None and annex_row is None:
        _tell_strays(lost, catalogue)
        click.echo("\n逐项看：credit obligations --unit 单位，或 --row 序号。")
        return
    shown = [d for d in found if d.status != "not_bound"]
    if unit is None:
        click.echo(f"\n{found[0].title if found else ''}")
        table(["单位", *COLUMNS], [[d.name, *_line(d, names)] for d in shown])
    else:
        counts = Counter(d.status for d in shown if not d.voluntary)
        told = " ".join(f"{STATUSES[s]} {counts[s]}" for s in ("received", "nil", "overdue", "due"))
        click.echo(f"{catalogue.county.units.resolve(unit).name}：应报 {counts.total()}，其中 {told}\n")
        table(["行", "任务", *COLUMNS], [[d.annex_row, d.title[:TITLE], *_line(d, names)] for d in shown])
    if len(shown) < len(found):
        click.echo(f"\n不适用的 {len(found) - len(shown)} 个没有列出。")
    _tell_strays([s for s in lost if annex_row in (None, s.annex_row)], catalogue)


def _tell_overdue(found: list[Duty]) -> None:
    rows_of: dict[str, dict[int, list[str]]] = {}
    for d in found:
        rows_of.setdefault(d.name, {}).setdefault(d.annex_row, []).append(d.period)
    counts = Counter(d.name for d in found)
    click.echo(f"逾期的单位 {len(counts)} 个，共 {counts.total()} 项。\n")
    table(
        ["单位", "逾期", "行（期间）"],
        [
            [name, n, "，".join(f"{row}（{'、'.join(periods)}）" for row, periods in sorted(rows_of[name].items()))]
            for name, n in counts.most_common()
        ],
    )
    click.echo("\n还缺什么：credit obligations --unit 单位。")


def _tell_strays(lost: list[Stray], catalogue: Catalogue) -> None:
    if not lost:
        return
    click.echo("\n今年报来、不算在任何任务里的：")
    table(
        ["单位", "数据集", "行", "期间", "条数", "原因"],
        [
            [*(catalogue.unit_name(s.unit), catalogue.dataset_name(s.dataset)), s.annex_row, s.period, s.rows, s.why]
            for s in lost
        ],
    )


def _summary(t: Tally) -> list[object]:
    counts = [t.bound, t.received, t.nil, t.overdue, t.due, t.voluntary]
    return [t.annex_row, t.title[:TITLE], t.period, _due(t), t.ratio or "", *counts]


def _line(d: Duty, names: dict[str, str]) -> list[object]:
    status = STATUSES[d.status] + ("（迟）" if d.late else "") + ("（自愿）" if d.voluntary else "")
    missing = "、".join([*(names[m] for m in d.missing), *d.materials_missing])
    return [d.period, _due(d), status, d.rows, d.first_received, missing, d.remark]


def _due(d: Duty | Tally) -> str:
    return f"{d.due_on}{'?' if d.provisional else ''}"
