"""Unified code (GB 32100-2015) and citizen number (GB 11643-1999), written anew for the sandbox.

Sources: STANDARDS 2. Nothing here returns or quotes the number that was looked at.
"""

import re
from datetime import date
from typing import Final

PLACEHOLDER: Final = "00000000000000000X"
"""Stands for a 个体工商户 that has no unified code; identifies nobody and has no check digit."""

_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# First character: the registering authorities 1-9, A (military), N (rural collectives) and Y (others).
_UNIFIED_FORM: Final = re.compile(rf"[1-9ANY][1-9][0-9]{{6}}[{_ALPHABET}]{{10}}", re.ASCII)
_CITIZEN_FORM: Final = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)
_CITIZEN_FORM_OLD: Final = re.compile(r"[1-9][0-9]{14}", re.ASCII)


def is_unified_code(text: str) -> bool:
    """True for 18 characters of the right form whose check character is right; False for the placeholder."""
    if not _UNIFIED_FORM.fullmatch(text):
        return False
    total = sum(_ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(text[:17]))
    return _ALPHABET[-total % 31] == text[17]


def citizen_check_digit(first17: str) -> str:
    """Check digit of a citizen number from its first 17 digits (ISO 7064 MOD 11-2)."""
    return "0123456789X"[(1 - 2 * int(first17, 13)) % 11]


def is_citizen_number(text: str, today: date) -> bool:
    """True for an 18-digit number with right check digit and birth date, or a 15-digit one with a birth date.

    The region is not looked up: retired region codes stay valid for life.
    """
    if _CITIZEN_FORM_OLD.fullmatch(text):
        born = _date_of(f"19{text[6:12]}")
        return born is not None and born <= today
    if not _CITIZEN_FORM.fullmatch(text) or citizen_check_digit(text[:17]) != text[17]:
        return False
    born = _date_of(text[6:14])
    return born is not None and born <= today


def citizen_number_18(text: str) -> str:
    """The 18-digit form of a citizen number; anything that is not a 15-digit number comes back as it is."""
    if not _CITIZEN_FORM_OLD.fullmatch(text):
        return text
    first17 = f"{text[:6]}19{text[6:]}"
    return first17 + citizen_check_digit(first17)


def _date_of(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None
