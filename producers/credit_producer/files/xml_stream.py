"""XML from strangers, in a stream: no DTD, no endless markup, memory independent of the document's size.

An entity can only be declared in a DTD, so refusing `<!DOCTYPE` closes entity expansion and external entities at
once; no Office program writes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO
from xml.parsers import expat

from .model import FileRefused

CHUNK = 1 << 16
# One tag or comment. Excel's longest real tags are below 10 KB. Expat re-reads an unfinished tag with every chunk
# (quadratic before expat 2.6), so at 1 MiB this costs at most 8 MiB of scanning instead of hours.
MAX_MARKUP = 1 << 20

Attributes = dict[str, str]


def new_parser() -> expat.XMLParserType:
    """A namespace-aware parser (`uri}local`) that refuses any DTD."""
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.buffer_size = CHUNK
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise FileRefused(
        "doctype", "文件里含有外部实体声明（DOCTYPE），正常的 Excel 不会产生。请用 Excel 或 WPS 另存为 .xlsx 后再提交。"
    )


def feed(parser: expat.XMLParserType, stream: IO[bytes]) -> Iterator[None]:
    """Parse `stream` chunk by chunk, pausing after each so that the caller can drain what the handlers found."""
    fed = 0
    while chunk := stream.read(CHUNK):
        fed += len(chunk)
        parser.Parse(chunk, False)
        if fed - parser.CurrentByteIndex > MAX_MARKUP:
            raise FileRefused(
                "markup_too_long",
                "文件里有异常超长的标记，可能已损坏或被篡改。请用 Excel 或 WPS 另存为 .xlsx 后再提交。",
            )
        yield
    parser.Parse(b"", True)
    yield


def scan(
    stream: IO[bytes],
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
) -> None:
    """Run handlers over a small part; names come without namespace."""
    parser = new_parser()
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition("}")[2], attributes)
    if end is not None:
        tell = end
        parser.EndElementHandler = lambda name: tell(name.rpartition("}")[2])
    for _ in feed(parser, stream):
        pass
