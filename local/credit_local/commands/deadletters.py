"""`credit deadletters`: messages nobody could read: count, list, show, replay, discard."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import click

from credit_consumer import deadletters as letters
from credit_consumer.decode import REASONS
from credit_consumer.letter_shown import shown
from credit_consumer.letter_words import STATES
from credit_consumer.pipeline import center_of
from credit_schemas.catalogue import load_catalogue
from credit_warehouse.settings import load_settings

from .options import database, emit_json, json_option, table

OUTCOMES = {
    "loaded": "入库",
    "rejected": "拒收",
    "unchanged": "没有变化",
    "duplicate": "重复",
    "waiting": "等待记录",
    "dead": "仍读不懂",
    "not_reportable": "依法不报送",
}


class Moment(click.ParamType[datetime]):
    """A day or a moment on the county's clock; of a day its first moment, with `through` the first one after it."""

    name = "日期或时刻"

    def __init__(self, *, through: bool = False) -> None:
        self._through = through

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse, or say how to write it."""
        if isinstance(value, datetime):
            return value
        try:
            whole_day = len(value) == 10 and bool(date.fromisoformat(value))
            moment = datetime.fromisoformat(value)
            moment += timedelta(days=1) if whole_day and self._through else timedelta()
        except (ValueError, OverflowError):
            self.fail(f"“{value}”不是日期或时刻，请写成 2026-05-06 或 2026-05-06T08:30 这样。", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=load_catalogue().county.zone)


def _which(*states: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say which letters: the same for all commands."""

    def options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--id", "letter_id", type=int, multiple=True, metavar="编号", help="只要这些编号的。"),
            click.option("--topic", multiple=True, metavar="主题", help="只要这些主题的。"),
            click.option("--state", type=click.Choice(states), multiple=True, help=_states_help(states)),
            click.option(
                "--schema-id",
                type=click.IntRange(min=0),
                multiple=True,
                metavar="结构编号",
                help="只要这些结构编号的。",
            ),
            click.option(
                "--reason", type=click.Choice(list(REASONS)), multiple=True, metavar="原因", help=_reasons_help()
            ),
            click.option("--until", type=Moment(through=True), help="只要这一天（含）或这个时刻以前收到的。"),
            click.option("--since", type=Moment(), help="只要这一天或这个时刻以后收到的。"),
            click.option("--unit", multiple=True, metavar="单位", help="只要这些单位的（代码或任何称呼）。"),
        ):
            command = option(command)
        return command

    return options


def _states_help(states: Iterable[str]) -> str:
    return "只要这些状态的：" + "，".join(f"{s} {STATES[s]}" for s in states) + "。"


def _reasons_help() -> str:
    return "只要这些原因的，可写多个：" + "、".join(REASONS) + "。"


def _chosen(which: dict[str, Any]) -> Any:
    """The options as `letters.Which`; a unit by any of its names."""
    units = load_catalogue().county.units
    return {**which, "unit": [units.resolve(u).code for u in which["unit"]]}


@click.group()
def deadletters() -> None:
    """死信：读不懂的消息，原样保留，一条也不丢。

    先 count 看总数，list、show 看每一条和怎么办；修好后 replay 重放，确实无用的 discard 放弃。
    各命令选择死信的写法相同，可以同时用几个条件，一个条件可以写几次。
    """


@deadletters.command()
@_which(*STATES)
@json_option
def count(as_json: bool, **which: Any) -> None:
    """按单位、原因、结构、状态计数。"""
    with database("reader") as con:
        found = letters.count_dead_letters(con, **_chosen(which))
    if as_json:
        emit_json(found)
        return
    rows = [
        [
            *_group_cells(row["unit"], row["reason"], row["schema_id"]),
            *(STATES[row["state"]], row["letters"], row["first_received"], row["last_received"], row["attempts"]),
        ]
        for row in found
    ]
    _table_or_none([*_GROUP, "状态", "条数", "最早收到", "最晚收到", "最多试过"], rows)


@deadletters.command("list")
@_which(*STATES)
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="最多列出多少条。")
@click.option("--after", type=int, default=0, metavar="编号", help="接着上一页：只列这个编号以后的。")
@json_option
def list_letters(limit: int, after: int, as_json: bool, **which: Any) -> None:
    """列出死信：主题、分区、位置、原因、次数；不显示内容。"""
    with database("reader") as con:
        # One more than asked for tells whether there is another page.
        found = letters.list_dead_letters(con, limit=limit + 1, after=after, **_chosen(which))
    more, found = found[limit:], found[:limit]
    if as_json:
        emit_json(found)
        return
    rows = [
        [
            *(letter[c] for c in ("dead_letter_id", "topic", "partition", "offset")),
            STATES[letter["state"]],
            *(letter[c] for c in ("attempts", "received_at", "schema_id")),
            f"{letter['meaning']}（{letter['reason']}）",
            letter["detail"],
        ]
        for letter in found
    ]
    _table_or_none(["编号", "主题", "分区", "位置", "状态", "次数", "收到", "结构", "原因", "说明"], rows)
    if more:
        click.echo(f"还有更多：加 --after {found[-1]['dead_letter_id']} 看下一页，用 credit deadletters count 看总数。")


@deadletters.command()
@click.argument("letter_id", type=int, metavar="编号")
@json_option
def show(letter_id: int, as_json: bool) -> None:
    """看一条死信的全部情况和怎么办；键和内容只显示长短和摘要，消息头里的号码遮盖。"""
    catalogue = load_catalogue()
    with database("consumer") as con:
        letter = shown(con, letter_id, catalogue)
    if letter is None:
        raise click.ClickException(f"没有编号为 {letter_id} 的死信。")
    if as_json:
        emit_json([letter])
        return
    headers = letter.pop("headers")
    known = {True: "现在认识", False: "现在还不认识", None: ""}[letter["schema_known"]]
    schema = f"{letter['schema_id']}，{known}" if letter["schema_id"] is not None else "没有"
    digests = f"SM3 {letter['value_sm3']}，SHA-256 {letter['value_sha256']}" if letter["value_sm3"] else ""
    for name, text in (
        ("编号", letter["dead_letter_id"]),
        ("状态", f"{STATES[letter['state']]}（{letter['state']}）"),
        ("单位", f"{catalogue.unit_name(letter['unit'])}（{letter['unit']}）"),
        ("位置", f"主题 {letter['topic']}（{letter['topic_id']}）分区 {letter['partition']} 位置 {letter['offset']}"),
        ("收到", _clock(letter["received_at"])),
        ("试过", f"{letter['attempts']} 次，{_clock(letter['first_seen'])} 至 {_clock(letter['last_seen'])}"),
        ("原因", f"{letter['meaning']}（{letter['reason']}）"),
        ("说明", letter["detail"]),
        ("怎么办", letter["what_to_do"]),
        ("结构编号", schema),
        ("键", _size(letter["key_bytes"]) + (f"，{letter['key']}" if letter["key"] else "")),
        ("内容", _size(letter["value_bytes"]) + (f"，{digests}" if digests else "")),
        ("处理", "，".join(t for t in (letter["closed_by"], letter["closed_why"]) if t)),
    ):
        if text not in ("", None):
            click.echo(f"{name}：{text}")
    click.echo(f"消息头：{len(headers)} 个" if headers else "消息头：没有")
    if headers:
        table(["  名称", "字节", "值"], [[f"  {h['name']}", h["bytes"], h["value"]] for h in headers])


@deadletters.command()
@click.option("--by", "who", required=True, metavar="姓名", help="经办人的姓名。")
@click.option("--why", default="", metavar="理由", help="为什么现在重放，如“已升级到新版本”；随死信留存。")
@click.option("--yes", is_flag=True, help="真正执行；不写时只试算并报告条数。")
@_which("dead", "parked", "discarded")
@json_option
def replay(who: str, why: str, yes: bool, as_json: bool, **which: Any) -> None:
    """把死信按收到的次序重新处理；收到时间不变，不会覆盖后来的数据。

    不写 --yes 只试算：每一组会有几条入库、几条拒收、几条仍读不懂。没有指明状态的，是读不懂和等待的；
    放弃了的，用 --state discarded 找回。
    """
    center = center_of(load_settings())
    with database("consumer") as con:
        tally = letters.replay_groups(
            con, center, who=who, why=why, dry_run=not yes, progress=_progress, **_chosen(which)
        )
    groups = [(group, counts.total(), dict(counts)) for group, counts in sorted(tally.items(), key=_order)]
    if as_json:
        emit_json({**group._asdict(), "letters": n, "came_to": came, "done": yes} for group, n, came in groups)
        return
    heading = "结果" if yes else "将会"
    _table_or_none([*_GROUP, "条数", heading], [[*_group_cells(*g), n, _outcomes(came)] for g, n, came in groups])
    if groups:
        total = sum((Counter(came) for _, _, came in groups), Counter())
        click.echo(
            f"{'已处理' if yes else '试算（没有改动，加 --yes 执行）'}：共 {total.total()} 条，{_outcomes(total)}。"
        )


@deadletters.command()
@click.option("--by", "who", required=True, metavar="姓名", help="经办人的姓名。")
@click.option("--why", required=True, metavar="理由", help="放弃的理由；写进给单位的回执，随死信留存。")
@click.option("--yes", is_flag=True, help="真正执行；不写时只试算并报告条数。")
@_which("dead", "parked")
@json_option
def discard(who: str, why: str, yes: bool, as_json: bool, **which: Any) -> None:
    """放弃死信：只作标记，内容保留，可以找回；用回执告诉单位。"""
    with database("consumer") as con:
        found = letters.discard_groups(con, who=who, why=why, dry_run=not yes, **_chosen(which))
    groups = sorted(found.items(), key=_order)
    if as_json:
        emit_json({**group._asdict(), "letters": n, "done": yes} for group, n in groups)
        return
    _table_or_none([*_GROUP, "条数"], [[*_group_cells(*group), n] for group, n in groups])
    if groups:
        click.echo(f"{'已放弃' if yes else '试算（没有改动，加 --yes 执行），将放弃'} {found.total()} 条。")


_GROUP = ["单位", "原因", "结构"]


def _group_cells(unit: str, reason: str, schema_id: int | None) -> list[Any]:
    return [load_catalogue().unit_name(unit), f"{REASONS.get(reason, '')}（{reason}）", schema_id]


def _order(item: tuple[letters.Group, Any]) -> tuple[str, str, int]:
    group = item[0]
    return group.unit, group.reason, group.schema_id or 0


def _outcomes(counts: dict[str, int]) -> str:
    return "，".join(f"{OUTCOMES.get(status, status)} {n}" for status, n in sorted(counts.items()) if n)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _size(size: int | None) -> str:
    return "没有" if size is None else f"{size} 字节"


def _table_or_none(headings: list[str], rows: list[list[Any]]) -> None:
    if rows:
        table(headings, rows)
    else:
        click.echo("没有符合条件的死信。")


def _progress(done: int) -> None:
    # To a person who waits; a program that reads the output gets nothing of it.
    if done % 5000 == 0 and sys.stderr.isatty():
        click.echo(f"已到第 {done} 条…", err=True)
