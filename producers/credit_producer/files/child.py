"""The reading child: parses one hostile file under memory and time limits and writes frames to its parent.

Started by `reader.py`; asks on stdin what to read, answers on stdout. It dies rather than harm the machine: a
reader that runs out of memory takes itself along, not the portal or the agent.
"""

from __future__ import annotations

import gc
import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers.expat import ExpatError
from xml.parsers.expat import errors as expat_errors
from zipfile import BadZipFile

from . import guard
from .csv_text import read_csv
from .headings import Matcher
from .layouts import matchers_of
from .model import FileRefused, Heading, Layout, Limits
from .places import FileKind
from .wire import FrameWriter
from .xlsx import read_xlsx

_SAVE_AS = "请用 Excel 或 WPS 打开检查，另存为新的 .xlsx 后再提交。"
_DAMAGED = f"文件已损坏或不完整（可能没有下载或拷贝完）。{_SAVE_AS}"
_TOO_LARGE = "文件内容太多，读取时超出内存上限。请删除多余的空行空列和格式，或拆分成几个文件分别提交。"


def confine(limits: Limits) -> None:
    """Take the limits on before the first byte of the file is read. Windows has no such limits: there only the
    parent's clock stands."""
    try:
        import resource
    except ImportError:
        return
    seconds = int(limits.seconds) + 1
    for what, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),  # a core dump would hold personal data
        (resource.RLIMIT_FSIZE, 0),  # reading writes no file
    ):
        _, hard = resource.getrlimit(what)
        try:
            resource.setrlimit(what, (value if hard < 0 else min(value, hard), hard))
        except (ValueError, OSError):
            # macOS refuses RLIMIT_AS below what is mapped already; the clock still holds.
            continue


def read(path: Path, matchers: list[Matcher], limits: Limits, out: FrameWriter) -> None:
    """Read the whole file into frames; the last one is `E`.

    Raises:
        FileRefused: with its own code for everything known to go wrong.
    """
    kind: FileKind = guard.sniff(path, limits)
    notice = guard.extension_notice(path, kind)
    try:
        table, notices = (read_xlsx if kind == "xlsx" else read_csv)(path, matchers, limits, out)
    except ExpatError as broken:
        if broken.code == expat_errors.codes[expat_errors.XML_ERROR_NO_MEMORY]:
            raise FileRefused("too_large", _TOO_LARGE) from None
        raise FileRefused("damaged", _DAMAGED) from None
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, OSError, struct.error):
        # OSError: a garbled directory of the container makes zipfile seek before the file's start
        raise FileRefused("damaged", _DAMAGED) from None
    out.end(
        kind=kind,
        notices=([notice] if notice else []) + notices,
        unknown=list(table.first.unknown.values()),
        columns=list(table.first.columns),
        heading_line=table.first.line,
        layout=table.matcher.layout,
    )


def _headings(asked: list[list[Any]]) -> tuple[Heading, ...]:
    return tuple(Heading(c, name, tuple(a), must, tells, tuple(x)) for c, name, a, must, tells, x in asked)


def _layout(asked: dict[str, Any]) -> Layout:
    needs = tuple(tuple(group) for group in asked["needs"])
    return Layout(asked["name"], asked["title"], _headings(asked["headings"]), needs)


def main(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """One request in, frames out. Nothing but frames is ever written, no matter what happens."""
    request = json.load(stdin)
    limits = Limits(**request["limits"])
    matchers = matchers_of(_headings(request["headings"]), [_layout(asked) for asked in request["layouts"]])
    out = FrameWriter(stdout)
    confine(limits)
    gc.disable()  # millions of small tuples and no cycles: collecting costs a tenth of the time and frees nothing
    try:
        read(Path(request["path"]), matchers, limits, out)
    except FileRefused as refused:
        out.refuse(refused.code, refused.message)
    except MemoryError:
        out.refuse("too_large", _TOO_LARGE)
    except Exception as unforeseen:  # hostile input finds new ways; its text might quote a value, its type cannot
        out.refuse("reader_failed", f"读取文件时出现意外错误（{type(unforeseen).__name__}）。{_SAVE_AS}")


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
