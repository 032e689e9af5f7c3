"""Options and output that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import click
from psycopg2.extensions import connection

from credit_warehouse.connect import connect
from credit_warehouse.settings import load_settings


class Day(click.ParamType[date]):
    """A calendar day written 2026-05-06."""

    name = "日期"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Parse, or say how to write it."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"“{value}”不是日期，请写成 2026-05-06 这样。", param, ctx)


def as_of_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--as-of D`: what counts as today."""
    return click.option("--as-of", type=Day(), default=None, help="按这一天计算，默认今天。")(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="输出 JSON，供程序读取。")(command)


def emit_json(items: Iterable[Any]) -> None:
    """A JSON array, one element a line: readable for people, one document for programs, bounded memory."""
    click.echo("[", nl=False)
    for i, item in enumerate(items):
        click.echo(("," if i else "") + "\n" + json.dumps(item, ensure_ascii=False, default=str), nl=False)
    click.echo("\n]")


def table(headings: list[str], rows: Iterable[Iterable[Any]]) -> None:
    """A plain table; Chinese characters count as two columns wide, times are told to the second."""
    lines = [headings, *[[_cell(c) for c in row] for row in rows]]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        click.echo("  ".join(c + " " * (w - _width(c)) for c, w in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        # As the database gives it: on the county's clock (the time zone of every connection of ours).
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def _width(text: str) -> int:
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


@contextmanager
def database(service: str) -> Iterator[connection]:
    """A connection as the role of a service, closed afterwards."""
    con = connect(load_settings(), service)
    try:
        yield con
    finally:
        con.close()
