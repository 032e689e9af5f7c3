"""One fixed mask everywhere (STANDARDS 5, masking): different masks of one number can be joined back."""

from __future__ import annotations

import re

# First six (the region) and last four of an ID number, the Henan practice; shorter numbers of other documents
# keep two at each end, and what is too short to hide anything is hidden whole.
LONG = (15, 6, 4)
SHORT = (6, 2, 2)
# A message quotes at most this much of a cell: enough to find it, too little to fill a screen.
QUOTE = 30
# Telephone, ID and card numbers are longer than a date (8 digits) and may stand in the wrong column.
# An ID number is one with blanks or hyphens inside, too.
LONG_NUMBER = re.compile(
    r"[0-9０-９](?:[\s\-\u2010-\u2015]*+[0-9０-９]){13,}[\s\-\u2010-\u2015]*[0-9XxＸｘ０-９]|[0-9０-９]{9,}[0-9XxＸｘ]?"
)


def mask_number(number: str) -> str:
    """`410421199001010011` becomes `410421********0011`; the length is kept."""
    for least, left, right in (LONG, SHORT):
        if len(number) >= least:
            return number[:left] + "*" * (len(number) - left - right) + number[-right:]
    return "*" * len(number)


def mask_name(name: str) -> str:
    """A natural person's name for readers who need not know it: the first character stays."""
    return name[:1] + "*" * (len(name) - 1)


def quote(text: str) -> str:
    """A cell as a message may show it: cut to size, long numbers masked (a number in the wrong column is personal)."""
    shown = LONG_NUMBER.sub(lambda found: mask_number(found.group()), text)
    return shown if len(shown) <= QUOTE else shown[:QUOTE] + "…"
