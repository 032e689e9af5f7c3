"""Residents' numbers where none belongs: in free text, keys and reasons, which travel unsealed and are shown.

Numbers are found however they are written: full-width, with blanks or hyphens inside, within a longer run of digits.
Pure Python, fast on text without long numbers.
"""

from __future__ import annotations

import re
import unicodedata

from .documents import HALF
from .identifiers import known_region, ric_problem

# Fifteen digits with nothing but blanks and hyphens between them: without these there is no number to look for.
# (Within a run of digits only the first is tried as the beginning.)
LONG = re.compile(r"[0-9０-９](?<![0-9０-９][0-9０-９])(?:[\s\-\u2010-\u2015]*+[0-9０-９XxＸｘ]){14}")
BETWEEN = re.compile(r"(?<=[0-9])[\s\-\u2010-\u2015]+(?=[0-9Xx])")
# Overlapping, so that a number inside a longer run of digits is met too; a day of birth in its place, so that a text of
# nothing but digits is no work.
EIGHTEEN = re.compile(
    r"(?=([1-9][0-9]{5}(?:1[89]|2[0-9])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]))"
)
# Fifteen digits have no check digit, and a mistyped eighteenth proves nothing: what is called a number is one.
NAMED = re.compile(r"(?:身份证|身份号码|证件号)[^0-9]{0,12}[1-9](?:[0-9]{16}[0-9Xx]|[0-9]{14}(?![0-9]))")
# Controls, and what is invisible or turns the direction of writing.
CONTROLS = ("Cc", "Cf", "Cs")
HIDDEN = "（含证件号码，不显示）"
# A number by its looks alone, right or wrong: what an error must never quote. Regions do not begin with 0, so the
# placeholder 00000000000000000X stays readable.
LOOKS_LIKE_ONE = re.compile(r"(?<![0-9A-Za-z])([1-9]\d{5})\d{8}(?:\d|\d{3}[\dXx])(?![0-9A-Za-z])")


def holds_resident_number(text: str) -> bool:
    """Whether a text holds a resident's number (GB 11643-1999)."""
    if not LONG.search(text):
        return False
    text = BETWEEN.sub("", text.translate(HALF))
    if NAMED.search(text):
        return True
    found = (m.group(1).upper() for m in EIGHTEEN.finditer(text))
    return any(known_region(n[:6]) and ric_problem(n) is None for n in found)


def hide_resident_number(text: str) -> str:
    """The text, or a remark in its place when it holds a resident's number."""
    return HIDDEN if holds_resident_number(text) else text


def without_numbers(text: str) -> str:
    """`text` with anything that looks like a 15- or 18-digit ID number cut to its region part."""
    return LOOKS_LIKE_ONE.sub(r"\1********", text)


def discreet(text: str) -> str:
    """Text of unknown origin as it may be stored and shown: cut where a number shows, hidden where one hides, and
    without control characters (no column of the warehouse holds a NUL, and a terminal obeys them)."""
    if not text.isprintable():
        kept = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in CONTROLS)
        text = "".join(kept)
    return hide_resident_number(without_numbers(text))
