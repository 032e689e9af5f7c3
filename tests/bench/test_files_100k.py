"""The promise of 100,000 rows × 30 columns: at most 300 MB in parent and child together (about 30 s)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from files_support import container, inline, sheet_xml

ROWS, COLUMNS = 100_000, 30
LETTERS = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AA", "AB", "AC", "AD"]
NAMES = [f"列{i}" for i in range(COLUMNS)]

SCRIPT = """
import re, resource, sys, time
from pathlib import Path
from credit_producer.files import Heading, open_source
started = time.monotonic()
source = open_source(Path(sys.argv[1]), [Heading(f"C{i}", f"列{i}") for i in range(30)])
count = sum(1 for row in source if len(row.cells) == 30 and not row.faults)
# VmHWM, not ru_maxrss: that one survives exec and would report pytest's own size
own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(count, (own + child) // 1024, round(time.monotonic() - started))
"""


def text(row: int, column: int) -> str:
    if column % 2:
        return "法人及非法人组织"
    return f"宝市监罚〔2026〕{row}号之{column}：当事人未取得许可从事经营活动，违反《条例》第十二条"


def workbook(path: Path) -> Path:
    index: dict[str, int] = {}
    lines = ["<row r='1'>" + "".join(inline(f"{c}1", name) for c, name in zip(LETTERS, NAMES, strict=True)) + "</row>"]
    for line in range(2, ROWS + 2):
        cells = []
        for column, letters in enumerate(LETTERS):
            number = index.setdefault(text(line, column), len(index))
            cells.append(f'<c r="{letters}{line}" t="s"><v>{number}</v></c>')
        lines.append(f'<row r="{line}">{"".join(cells)}</row>')
    strings = "".join(f"<si><t>{value}</t></si>" for value in index)
    return container(path, sheet_xml("".join(lines)), strings=strings)


def csv_file(path: Path) -> Path:
    with path.open("w", encoding="gb18030", newline="") as out:
        out.write(",".join(NAMES) + "\r\n")
        for line in range(2, ROWS + 2):
            out.write(",".join(text(line, column) for column in range(COLUMNS)) + "\r\n")
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_100k_rows_are_read_whole_within_300_mb(tmp_path: Path, kind: str) -> None:
    path = workbook(tmp_path / "a.xlsx") if kind == "xlsx" else csv_file(tmp_path / "a.csv")
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], check=True, capture_output=True, text=True)
    rows, megabytes, seconds = map(int, run.stdout.split())
    print(f"{kind}: {rows} rows, {megabytes} MB, {seconds} s")
    assert rows == ROWS
    assert megabytes <= 300
