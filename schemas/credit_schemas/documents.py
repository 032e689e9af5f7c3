"""Document numbers in normal form (STANDARDS 9, row 8): keys and the ledger match on it, the original is kept."""

from __future__ import annotations

import re

OPENERS = "（([［【〔{｛〖〈《<＜「『﹝﹙﹛"
CLOSERS = "）)]］】〕}｝〗〉》>＞」』﹞﹚﹜"
# Full-width letters and digits; other punctuation of a document number is left as the authority writes it.
HALF = str.maketrans({chr(c + 0xFEE0): chr(c) for c in range(0x21, 0x7F) if chr(c).isalnum()} | {"　": " "})
YEAR = re.compile(r"(?:19|20)[0-9]{2}")
# Nothing to mend: no bracket at all, or one pair around a year as it should be.
NORMAL = re.compile(r"[0-9A-Za-z\u4e00-\u9fff-]+(?:〔(?:19|20)[0-9]{2}〕[0-9A-Za-z\u4e00-\u9fff-]*)?")


def normal_document_no(text: str) -> str:
    """All bracket pairs become `〔〕` around a year, else `（）`; blanks go; full-width digits and letters shrink.

    `市场【2019】1号` becomes `市场〔2019〕1号`. An unpaired bracket stays what it is.
    """
    if NORMAL.fullmatch(text):
        return text
    chars = [c for c in text.translate(HALF) if not c.isspace()]
    stack: list[int] = []
    for i, c in enumerate(chars):
        if c in OPENERS:
            stack.append(i)
        elif c in CLOSERS and stack:
            start = stack.pop()
            # Only what can be a year is looked at: brackets within brackets would cost the square of their number.
            dated = i - start == 5 and YEAR.fullmatch("".join(chars[start + 1 : i]))
            chars[start], chars[i] = ("〔", "〕") if dated else ("（", "）")
    return "".join(chars)
