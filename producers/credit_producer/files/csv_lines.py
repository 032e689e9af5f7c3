"""The encoding of a text file and its physical lines, decoded so that one bad line spoils no other."""

from __future__ import annotations

from pathlib import Path

from .model import FileRefused

# A sound row of 30 columns at Excel's 32,767 characters a cell is below 1 million characters.
MAX_LINE = 1 << 20
REPLACED = "\ufffd"

NAMES = {"utf-8-sig": "UTF-8", "gb18030": "GB18030（GBK）", "utf-16": "UTF-16"}


def choose_encoding(path: Path) -> str:
    """`utf-16` with its mark; `utf-8-sig` if at least half of the non-ASCII lines are UTF-8 (GBK text all but never
    is); otherwise `gb18030`, if at least half of them decode.

    A line feed byte is part of no multi-byte character in any of the two, so lines can be judged one by one.

    Raises:
        FileRefused: `wrong_encoding` when neither fits.
    """
    with path.open("rb") as handle:
        if handle.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        handle.seek(0)
        lines = utf8 = gb = 0
        whole = True
        while line := handle.readline(MAX_LINE):
            rest, whole = not whole, line.endswith(b"\n") or len(line) < MAX_LINE
            if rest or not whole or line.isascii():  # an endless line, cut anywhere, says nothing
                continue
            lines += 1
            if _decodes(line, "utf-8"):
                utf8 += 1
            elif _decodes(line, "gb18030"):
                gb += 1
    if 2 * utf8 >= lines:
        return "utf-8-sig"
    if 2 * (utf8 + gb) >= lines:
        return "gb18030"
    raise wrong_encoding()


def wrong_encoding() -> FileRefused:
    return FileRefused(
        "wrong_encoding",
        "文件的文字编码无法识别，读出来是乱码。请用 Excel 或 WPS 另存为“CSV UTF-8（逗号分隔）”或 .xlsx 后再提交。",
    )


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class Lines:
    """Physical lines with their numbers, with push-back: reading ahead in search of a closing quote costs nothing.

    Undecodable bytes become U+FFFD. A line beyond `MAX_LINE` characters is cut there; `too_long` tells its number.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self._text = path.open(encoding=encoding, errors="replace", newline="")
        self._waiting: list[str] = []
        self._number = 0
        self.too_long: set[int] = set()

    def close(self) -> None:
        self._text.close()

    @property
    def number(self) -> int:
        """The number of the line `next_line` gave last."""
        return self._number

    def next_line(self) -> str | None:
        """The next line with its end, None at the end of the file."""
        if self._waiting:
            self._number += 1
            return self._waiting.pop()
        line = self._text.readline(MAX_LINE)
        if not line:
            return None
        self._number += 1
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            self.too_long.add(self._number)
            for rest in iter(lambda: self._text.readline(MAX_LINE), ""):
                if rest.endswith(("\n", "\r")):
                    break
        return line

    def push_back(self, lines: list[str]) -> None:
        """Give back the last `len(lines)` lines, in their order."""
        self._waiting.extend(reversed(lines))
        self._number -= len(lines)
