"""The quality page for ops staff: what is held, what is to do, what failed last, in Chinese and in one file.

It stands beside the Data Docs and leads to them, loads nothing from anywhere, and shows what the tables show: units,
document numbers, record numbers, never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from credit_schemas.catalogue import Catalogue
from credit_schemas.county_errors import UnknownUnit
from credit_schemas.destination_terms import load_terms

from . import statements as sql
from .gate import list_holds, list_work_items
from .suites import load_suites

# More than this nobody reads on one page; `credit quality items --json` gives all.
ITEMS_SHOWN = 200
SEVERITIES = {"critical": "严重（暂停上报）", "warning": "提醒"}
STYLE = """
body { font: 15px/1.6 "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 24px auto; max-width: 1280px;
       padding: 0 24px; color: #1f2933; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 18px; margin: 28px 0 8px; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 6px 10px; vertical-align: top; }
th { background: #eef2f6; white-space: nowrap; } tr + tr td { border-top: 1px solid #dde3ea; }
td:nth-child(-n+3) { white-space: nowrap; }
.none { color: #2f6f3e; } .note { color: #5a6672; margin: 4px 0; } code { font-size: 13px; }
"""


def write_page(con: connection, root: Path, catalogue: Catalogue, kept: Sequence[str]) -> Path:
    """Write `index.html` below the Data Docs; `kept` are the runs whose Data Docs are still there, newest first."""
    with con, con.cursor(cursor_factory=RealDictCursor) as cur:
        cur.execute(sql.LATEST_FAILURES)
        failures = [dict(row) for row in cur.fetchall()]
        cur.execute(sql.LATEST_RUNS, [len(kept)])
        runs = [dict(row) for row in cur.fetchall()]
    names = _Names(catalogue)
    named = [names.of(row) for row in failures]
    holds = [names.of(row) for row in list_holds(con)]
    items = [names.of(row) for row in list_work_items(con, limit=ITEMS_SHOWN)]
    con.rollback()
    now = datetime.now(catalogue.county.zone)
    body = [
        f"<h1>{escape(catalogue.county.name)}公共信用信息质量</h1>",
        f'<p class="note">{now:%Y年%m月%d日 %H:%M} 检查后生成；以数据库 quality 为准。</p>',
        "<h2>暂停上报</h2>",
        _table(
            holds,
            {
                "编号": "hold_id",
                "单位": "unit",
                "数据集": "dataset",
                "去向": "destination",
                "原因": "why",
                "开始": "opened_at",
            },
            "没有暂停的数据。",
        ),
        '<p class="note">改正后自动解除；确需放行：<code>credit quality release 编号 --by 姓名 --reason 理由</code></p>'
        if holds
        else "",
        "<h2>待办工单</h2>",
        _table(
            items,
            {"编号": "work_item_id", "单位": "unit", "数据集": "dataset", "什么问题": "what", "怎么办": "mend"},
            "没有待办工单。",
        ),
        "<h2>最近没有通过的检查</h2>",
        _table(
            named,
            {
                "单位": "unit",
                "数据集": "dataset",
                "去向": "destination",
                "检查": "title",
                "程度": "severity",
                "未通过": "unexpected",
            },
            "全部通过。",
        ),
        "<h2>最近的检查</h2>",
        _table(
            [{**run, "run": _docs_link(run, kept)} for run in runs],
            {"检查": "run", "时间": "finished_at", "切片": "slices", "新记录": "marks", "未通过": "failures"},
            "还没有检查过。",
            raw=("run",),
        ),
    ]
    page = (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>质量检查</title><style>{STYLE}</style>'
        f"</head><body>{''.join(body)}</body></html>\n"
    )
    target = root / "index.html"
    target.write_text(page, encoding="utf-8")
    return target


class _Names:
    """Chinese names in place of codes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._titles = {e.id: e.title for e in load_suites(catalogue.county.parameters.get("quality"))}
        self._destinations = {t.id: t.name for t in load_terms(catalogue.county, catalogue.datasets).values()}

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a result, hold or work item as a person reads it."""
        dataset = self._catalogue.datasets.get(row["dataset"])
        destination = row.get("destination") or ""
        return {
            **row,
            "unit": self._unit(row["unit"]),
            "dataset": dataset.cn if dataset else row["dataset"],
            "destination": self._destinations.get(destination, destination) or "—",
            "title": self._titles.get(row["rule_id"], row["rule_id"]),
            "severity": SEVERITIES.get(str(row.get("severity")), ""),
        }

    def _unit(self, code: str) -> str:
        try:
            return self._catalogue.county.units.get(code).name
        except UnknownUnit:
            return code


def _docs_link(run: Mapping[str, Any], kept: Sequence[str]) -> str:
    text = f"第 {run['run_id']} 次"
    return f'<a href="{run["run_id"]}/index.html">{text}</a>' if str(run["run_id"]) in kept else text


def _table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], none: str, raw: Sequence[str] = ()) -> str:
    lines = ["".join(f"<td>{_cell(row[c], c in raw)}</td>" for c in columns.values()) for row in rows]
    if not lines:
        return f'<p class="none">{none}</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value: Any, raw: bool) -> str:
    if raw:
        return str(value)
    return escape(f"{value:%m-%d %H:%M}" if isinstance(value, datetime) else str(value))
