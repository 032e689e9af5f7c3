"""Files from people: .xlsx and CSV in, rows with true cell types out, every doubt said in Chinese.

    with open_source(path, headings) as source:
        for row in source:
            row.row, row.line, row.cells["CF_WSH"].value, row.faults

Reading runs in a child process with limits; a file is refused whole (`FileRefused`) or read whole. It knows no
dataset: the caller passes the headings it expects.
"""

from .export import safe_text
from .model import DEFAULT_LIMITS, Cell, Fault, FileRefused, Heading, Layout, Limits, SourceRow
from .reader import OpenedFile, open_source

__all__ = [
    "DEFAULT_LIMITS",
    "Cell",
    "Fault",
    "FileRefused",
    "Heading",
    "Layout",
    "Limits",
    "OpenedFile",
    "SourceRow",
    "open_source",
    "safe_text",
]
