"""The parent's side: start the reading child, wait with a clock, keep its frames, hand out rows.

The child has finished and the whole file has passed every check before the first row is handed out: a file that is
refused whole has given no row to anybody. Frames stay compressed in memory; nothing is written to disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event, Timer
from types import TracebackType
from typing import Any

from .layouts import matchers_of
from .model import DEFAULT_LIMITS, FileRefused, Heading, Layout, Limits, SourceRow
from .places import FileKind
from .wire import BrokenWire, decode_rows, plain, read_frame

# Puts this package under its name without running credit_producer/__init__ (Kafka, Avro, Airflow's plugins …):
# the child needs the standard library only, starts in 0.1 s and has its memory for the file.
_BOOT = (
    "import sys, types\n"
    "package = types.ModuleType('credit_producer'); package.__path__ = [sys.argv[1]]\n"
    "sys.modules['credit_producer'] = package\n"
    "files = types.ModuleType('credit_producer.files'); files.__path__ = [sys.argv[1] + '/files']\n"
    "sys.modules['credit_producer.files'] = files\n"
    "from credit_producer.files.child import main\n"
    "main(sys.stdin.buffer, sys.stdout.buffer)\n"
)
_PACKAGE = Path(__file__).resolve().parents[1]
_MAX_HELD = 256 << 20  # compressed frames of one file: ten times those of 100,000 rows × 30 columns


class OpenedFile:
    """A file that has been read and found fit: a context manager and an iterable of `SourceRow`, repeatable.

    Attributes:
        kind: `xlsx` or `csv`, by content.
        rows: number of data rows it will give (for a progress bar).
        columns: national codes of the known headings, in the order of the file.
        heading_line: where the heading row stands.
        notices: Chinese remarks for the person (sheets not read, hidden rows read, encoding used …).
        unknown_columns: headings nobody knows; their contents are not read.
        layout: name of the layout it is written in; empty for the caller's own headings.
    """

    def __init__(self, frames: list[bytes], end: dict[str, Any]) -> None:
        self._frames = frames
        self._closed = False
        try:
            self.kind: FileKind = "xlsx" if end["kind"] == "xlsx" else "csv"
            self.rows = int(end["rows"])
            self.heading_line = int(end["heading_line"])
            self.columns = tuple(str(code) for code in end["columns"])
            self.notices = [str(text) for text in end["notices"]]
            self.unknown_columns = tuple(str(text) for text in end["unknown"])
            self.layout = str(end["layout"])
        except (KeyError, TypeError, ValueError) as broken:
            raise BrokenWire("no end") from broken

    def __iter__(self) -> Iterator[SourceRow]:
        """Rows in file order. Raises FileRefused `rows_lost` if one is missing: it never ends early in silence."""
        if self._closed:
            raise ValueError("the file is closed")
        given = 0
        try:
            for body in self._frames:
                for row in decode_rows(body, self.kind):
                    given += 1
                    yield row
        except BrokenWire:
            raise _lost() from None
        if given != self.rows:
            raise _lost()

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the rows."""
        self._closed = True
        self._frames = []


def open_source(
    path: Path, headings: Sequence[Heading], *, layouts: Sequence[Layout] = (), limits: Limits = DEFAULT_LIMITS
) -> OpenedFile:
    """Read an .xlsx or CSV file from a person.

    Args:
        path: the file; its content decides what it is, the extension is only compared.
        headings: the columns the caller expects; headings in the file may be their codes, names or aliases.
        layouts: other layouts the file may be written in; `layout` of the opened file says in which it is.
        limits: what one file may cost.

    Raises:
        FileRefused: the file is refused whole, `code` and Chinese `message` say why.
        ValueError: two headings of a layout share a spelling.
    """
    matchers_of(headings, layouts)  # a mistake of the caller is told here, not as a dead child
    request = {
        "path": str(Path(path).absolute()),
        "limits": asdict(limits),
        "headings": _plain(headings),
        "layouts": [
            {"name": x.name, "title": x.title, "headings": _plain(x.headings), "needs": x.needs} for x in layouts
        ],
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, str(_PACKAGE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback might quote a row
    )
    late = Event()

    def stop() -> None:
        late.set()  # before the kill: the end of the pipe may be seen at once
        process.kill()

    clock = Timer(limits.seconds, stop)
    clock.daemon = True
    clock.start()
    try:
        _ask(process, json.dumps(request).encode())
        return _collect(process)
    except BrokenWire:
        process.kill()
        raise _died(process.wait(), timed_out=late.is_set(), limits=limits) from None
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _plain(headings: Sequence[Heading]) -> list[list[object]]:
    return [[h.code, h.name, h.aliases, h.mandatory, h.tells, h.excludes] for h in headings]


def _ask(process: subprocess.Popen[bytes], request: bytes) -> None:
    if process.stdin is None:
        raise BrokenWire("no pipe")
    try:
        with process.stdin as stdin:
            stdin.write(request)
    except OSError as gone:  # broken pipe; Windows says EINVAL
        raise BrokenWire("the child is gone") from gone


def _collect(process: subprocess.Popen[bytes]) -> OpenedFile:
    if process.stdout is None:
        raise BrokenWire("no pipe")
    frames: list[bytes] = []
    held = 0
    while True:
        kind, body = read_frame(process.stdout)
        if kind == b"R":
            frames.append(body)
            held += len(body)
            if held > _MAX_HELD:
                raise FileRefused("too_large", "文件内容太多。请拆分成几个文件分别提交。")
        elif kind == b"E":
            return OpenedFile(frames, plain(body))
        else:
            refusal = plain(body)
            raise FileRefused(str(refusal.get("code", "")), str(refusal.get("message", "")))


def _died(status: int, *, timed_out: bool, limits: Limits) -> FileRefused:
    if timed_out:
        return FileRefused(
            "reader_died",
            f"文件读了 {limits.seconds:g} 秒还没有读完，已停止。"
            "请删除多余的空行空列和格式，或拆分成几个文件，或把数据复制到新下载的模板里再提交。",
        )
    return FileRefused(
        "reader_died",
        f"读取程序被这个文件弄得中途退出（状态 {status}），文件可能已损坏、太大或被篡改，没有读取任何一行。"
        "请把数据复制到新下载的模板里再提交；仍然不行请联系大数据中心。",
    )


def _lost() -> FileRefused:
    return FileRefused(
        "rows_lost", "读取的行数前后不一致，为免漏报不予处理。请重新提交一次；仍然不行请联系大数据中心。"
    )
