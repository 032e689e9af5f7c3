"""The shared strings of a workbook, kept as one block of UTF-8: 1.5 million strings in 60 MB instead of 200."""

from __future__ import annotations

import re
from array import array
from zipfile import ZipFile

from .xml_stream import feed, new_parser

MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # Strict Open XML, offered by Excel's "save as"
)
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def tags(*names: str) -> dict[str, str]:
    """Parser's element name → short name, in both namespaces."""
    return {f"{namespace}}}{name}": name for namespace in MAIN for name in names}


def unescape(text: str) -> str:
    """Undo Excel's `_x000D_` spelling of control characters (ECMA-376 22.9.2.19); lone surrogates become U+FFFD."""
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class SharedStrings:
    """Index → text. Phonetic readings are no part of a text."""

    def __init__(self, archive: ZipFile, part: str, cell_chars: int) -> None:
        self._block = bytearray()
        self._ends = array("Q", [0])
        if part:
            self._load(archive, part, cell_chars)

    def _load(self, archive: ZipFile, part: str, cell_chars: int) -> None:
        names = tags("si", "t", "rPh")
        pieces: list[str] = []
        size = 0
        taking = phonetic = False

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal taking, phonetic
            tag = names.get(name)
            if tag == "t":
                taking = not phonetic
            elif tag == "rPh":
                phonetic = True

        def end(name: str) -> None:
            nonlocal taking, phonetic, size
            tag = names.get(name)
            if tag == "t":
                taking = False
            elif tag == "rPh":
                phonetic = False
            elif tag == "si":
                self._block += "".join(pieces).encode()
                self._ends.append(len(self._block))
                pieces.clear()
                size = 0

        def text(piece: str) -> None:
            nonlocal size
            # One character beyond the limit is kept: the cell that uses the string is then found too long.
            if taking and size <= cell_chars:
                pieces.append(piece[: cell_chars + 1 - size])
                size += len(piece)

        parser = new_parser()
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        with archive.open(part) as stream:
            for _ in feed(parser, stream):
                pass

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        """Raises IndexError for an index the workbook does not have (negative ones included)."""
        if not 0 <= index < len(self._ends) - 1:
            raise IndexError(index)
        text = self._block[self._ends[index] : self._ends[index + 1]].decode()
        return unescape(text) if "_x" in text else text
