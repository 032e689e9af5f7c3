"""What a person or a program sees of a checked file: JSON lines, a Chinese summary, a report that opens in Excel."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from credit_schemas.dataset import Dataset
from credit_schemas.problems import NOT_REPORTABLE

from .files import FileRefused, safe_text
from .pipeline import Outcome
from .sql import SourceError

# More bad rows than this nobody reads on a screen; the rest is in the report file.
SCREEN_ROWS = 50
COMMONEST = 5

SEVERITIES = {"reject": "拒收", "warn": "提醒"}
WITHHELD = "不报送"
REPORT_HEADINGS = ("文件", "第几条", "行号", "单元格", "列名", "列代码", "级别", "问题", "规则")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of standard output, in UTF-8 whatever the locale (RFC 8259)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate of a file name becomes its escape, which is JSON again.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")


def row_json(outcome: Outcome) -> dict[str, Any]:
    """The line of a row (DESIGN, Doors)."""
    return {
        "file": outcome.file,
        "row": outcome.row,
        "line": outcome.line,
        "verdict": outcome.verdict,
        "problems": [p._asdict() for p in outcome.problems],
        "changes": [c._asdict() for c in outcome.changes],
        "normalised": outcome.normalised,
        **({"key": outcome.key} if outcome.key else {}),
    }


def refused_json(path: Path, refused: FileRefused | SourceError) -> dict[str, Any]:
    """The one line of a file (or database source) that is refused whole."""
    problem = {
        "column": "",
        "cell": "",
        "rule": f"{'file' if isinstance(refused, FileRefused) else 'sql'}.{refused.code}",
        "severity": "reject",
        "message": refused.message,
    }
    return {
        "file": str(path),
        "row": 0,
        "line": 0,
        "verdict": "reject",
        "problems": [problem],
        "changes": [],
        "normalised": {},
    }


@dataclass
class Summary:
    """Counts of a file, and as many of its bad rows as fit on a screen."""

    dataset: Dataset
    total: int = 0
    warned: int = 0
    rejected: int = 0
    not_reportable: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a row; keep its text if it was rejected and the screen has room."""
        self.total += 1
        self.changed += bool(outcome.changes)
        if outcome.verdict == "warn":
            self.warned += 1
            self._count(self.doubts, outcome, "warn")
        if outcome.verdict != "reject":
            return
        if outcome.not_reportable:
            self.not_reportable += 1
        else:
            self.rejected += 1
        self._count(self.reasons, outcome, "reject")
        if len(self.shown) < SCREEN_ROWS:
            lines = [f"第 {outcome.row} 条（{outcome.where}）", *self._lines(outcome)]
            self.shown.append("\n  ".join(lines))

    @property
    def refused(self) -> int:
        """Rows that do not go through, for whatever reason."""
        return self.rejected + self.not_reportable

    def text(self) -> str:
        """The summary, Chinese, several lines."""
        good = self.total - self.refused
        head = f"共 {self.total} 条：通过 {good} 条"
        head += f"（其中 {self.warned} 条有提醒）" if self.warned else ""
        head += f"，拒收 {self.rejected} 条" if self.rejected else ""
        head += f"，依法不报送 {self.not_reportable} 条" if self.not_reportable else ""
        lines = [f"{head}。"]
        if self.changed:
            lines.append(
                f"有 {self.changed} 条的写法按标准作了统一（如全角改半角、日期写法），原值和改后的值可用 --json 查看。"
            )
        # Reasons that occur once each stand with their rows below; doubts of rows that passed stand only here.
        listed = self.refused > len(self.reasons)
        for title, found in (
            ("最常见的问题：", self.reasons if listed else Counter[str]()),
            ("提醒（不影响发送，请核对）：", self.doubts),
        ):
            if found:
                lines += [title, *(self._counted(rule, n) for rule, n in found.most_common(COMMONEST))]
        if self.shown:
            lines += ["没有通过的行：", *self.shown]
        if self.refused > len(self.shown):
            lines.append(f"还有 {self.refused - len(self.shown)} 条没有列出；用 --report 结果.csv 可以得到全部。")
        return "\n".join(lines)

    def _count(self, counter: Counter[str], outcome: Outcome, severity: str) -> None:
        # By rule with one example: messages quote dates and numbers, so there may be as many of them as rows.
        found = {p.rule: p.message for p in outcome.problems if p.severity == severity}
        counter.update(found.keys())
        for rule, message in found.items():
            self.examples.setdefault(rule, message)

    def _counted(self, rule: str, n: int) -> str:
        return f"  {n} 条{'，如' if n > 1 else ''}：{self.examples[rule]}"

    def _lines(self, outcome: Outcome) -> Iterator[str]:
        for p in outcome.problems:
            name = WITHHELD if p.rule == NOT_REPORTABLE else SEVERITIES[p.severity]
            place = " ".join(part for part in (p.cell, p.column) if part)
            yield f"{name} {place}：{p.message}" if place else f"{name}：{p.message}"


class Report:
    """All problems of a file as CSV that Excel opens with Chinese intact and takes nothing in it for a formula."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        """Create the file. Raises OSError."""
        self._names = {f.column: f.cn for f in dataset.fields}
        self._file = path.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace")
        self._writer = csv.writer(self._file)
        self._writer.writerow(REPORT_HEADINGS)

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, outcome: Outcome) -> None:
        """Write the problems of a row."""
        for p in outcome.problems:
            name = self._names.get(p.column, "")
            cells = (
                outcome.file,
                outcome.row,
                outcome.key or outcome.line,
                p.cell,
                name,
                p.column,
                SEVERITIES[p.severity],
                p.message,
                p.rule,
            )
            self._writer.writerow([safe_text(c) if isinstance(c, str) else c for c in cells])
