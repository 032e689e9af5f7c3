"""Checks of the identifiers that public-credit records carry: pure functions, no third-party import.

Every ``*_problem`` function takes a value in normal form (trimmed, half-width, upper-case, without hyphens;
normalisation is done before and reported apart) and returns ``None`` when it is valid, else a short stable
reason code. No function quotes its argument in an error: ID numbers are personal.

Sources: GB 32100-2015 (unified social credit code), GB 11714-1997 (organisation code), GB 11643-1999 (citizen
number), GS15-2006 with GB/T 17710 MOD 11,10 (business registration number).
"""

import re
import unicodedata
from datetime import date
from operator import mul

USCC_PLACEHOLDER = "00000000000000000X"
"""Stands for "no code" on a 个体工商户 without one; it identifies nobody and its checksum is not applied."""

RIC_TYPES = frozenset({"身份证", "居民身份证"})
"""ID types whose number follows GB 11643 (STANDARDS 9, point 16); both name the same document."""

# GB 32100 leaves out I, O, S, V and Z; the index of a character is its value.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# 1 机构编制 2 外交 3 司法行政 4 文化 5 民政 6 旅游 7 宗教 8 工会 9 市场监管 A 军委 N 农业 Y 其他.
# python-stdnum demands a digit here and so refuses legal A…, N… and Y… codes.
USCC_AUTHORITIES = frozenset("123456789ANY")
# Authority, kind, six digits of region, nine of the organisation code, check character.
_USCC_FORM = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
# 3^(i-1) mod 31. The check is (31 - sum) mod 31, so with weight 1 for itself a valid code sums to 0.
USCC_WEIGHTS = (*(pow(3, i, 31) for i in range(17)), 1)

_ORG_FORM = re.compile(r"[0-9A-Z]{8}[0-9X]")
# GB 11714: sum + check is a multiple of 11; check 10 is written X.
ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2, 1)

# Not NFKC: that would also fold what nobody types by mistake, and is not final after upper-casing.
_HALF_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}

_DIGITS = re.compile(r"[0-9]+")
_RIC18_FORM = re.compile(r"[0-9]{17}[0-9X]")
_RIC_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RIC_CHECKS = "10X98765432"
# Nobody on record was born before; GB 11643's own example is of 1880, so 1900 would be too late.
_RIC_FIRST_BIRTH_YEAR = 1800

# GB/T 2260 province prefixes. Coarse on purpose: county codes retire and their holders keep them.
_PROVINCE_RANGES = ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
_PROVINCES = frozenset(str(code) for first, last in _PROVINCE_RANGES for code in range(first, last + 1))


def _byte_values(alphabet: str) -> bytes:
    """Translation table from an ASCII character to its index in ``alphabet`` (faster than a dict)."""
    table = bytearray(256)
    for value, char in enumerate(alphabet):
        table[ord(char)] = value
    return bytes(table)


_USCC_VALUES = _byte_values(USCC_ALPHABET)
_ORG_VALUES = _byte_values(ORG_ALPHABET)


def uscc_problem(code: str) -> str | None:
    """Check a unified social credit code (GB 32100-2015, 18 characters).

    Returns ``None`` or one of ``placeholder`` (the 17 zeros and X; whether that is allowed depends on the
    field), ``length``, ``alphabet``, ``category`` (first character names no authority), ``checksum``.
    """
    if code == USCC_PLACEHOLDER:
        return "placeholder"
    if len(code) != 18:
        return "length"
    if not _USCC_FORM.fullmatch(code):
        return "alphabet"
    if code[0] not in USCC_AUTHORITIES:
        return "category"
    if sum(map(mul, code.encode().translate(_USCC_VALUES), USCC_WEIGHTS)) % 31:
        return "checksum"
    return None


def uscc_org_part_ok(code: str) -> bool:
    """Whether positions 9 to 17 of a unified code are a valid organisation code. Good for a warning only."""
    return len(code) == 18 and org_code_problem(code[8:17]) is None


def org_code_problem(code: str) -> str | None:
    """Check an organisation code (GB 11714-1997, 9 characters): ``length``, ``alphabet`` or ``checksum``."""
    if len(code) != 9:
        return "length"
    if not _ORG_FORM.fullmatch(code):
        return "alphabet"
    values = code.encode().translate(_ORG_VALUES)
    check = 10 if code[8] == "X" else values[8]
    return "checksum" if (sum(map(mul, values[:8], ORG_WEIGHTS)) + check) % 11 else None


def registration_no_problem(number: str) -> str | None:
    """Check a business registration number: ``length``, ``alphabet`` or ``checksum``.

    15 digits carry a MOD 11,10 check digit (GS15-2006); the 13-digit numbers before it have none.
    """
    if len(number) not in (13, 15):
        return "length"
    if not _DIGITS.fullmatch(number):
        return "alphabet"
    if len(number) == 13:
        return None
    product = 10
    for digit in number[:14]:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return None if (product + int(number[14])) % 10 == 1 else "checksum"


def ric_problem(number: str, as_of: date | None = None) -> str | None:
    """Check a citizen identity number (GB 11643-1999) of 18 characters or the older 15 digits.

    Args:
        number: in normal form; a lower-case x is an ``alphabet`` problem.
        as_of: when given, a birth date after it is a ``birthdate`` problem.

    Returns:
        ``None`` or ``length``, ``alphabet``, ``birthdate`` (no such day), ``checksum``. The region is not
        judged: retired codes stay valid for their holders (see ``known_region`` for a warning).
    """
    if len(number) == 18:
        if not _RIC18_FORM.fullmatch(number):
            return "alphabet"
        born = _day(number[6:14])
    elif len(number) == 15:
        if not _DIGITS.fullmatch(number):
            return "alphabet"
        born = _day("19" + number[6:12])
    else:
        return "length"
    if born is None or born.year < _RIC_FIRST_BIRTH_YEAR or (as_of is not None and born > as_of):
        return "birthdate"
    if len(number) == 18 and number[17] != _ric_check(number):
        return "checksum"
    return None


def ric_region(number: str) -> str:
    """Return the six-digit region of first registration of an 18- or 15-digit identity number."""
    return number[:6]


def ric_to_18(number15: str) -> str:
    """Return the 18-character form of a 15-digit identity number (century 19 inserted, check computed).

    Raises:
        ValueError: if it is no valid 15-digit number; the message does not quote it.
    """
    if len(number15) != 15 or ric_problem(number15) is not None:
        raise ValueError("not a valid 15-digit identity number")
    body = f"{number15[:6]}19{number15[6:]}"
    return body + _ric_check(body)


def canonical_id(id_type: str, number: str) -> str:
    """Return the form under which two spellings of one person's number meet; never raises.

    Full-width characters become half-width, blanks, control and zero-width characters go, letters become
    upper-case; a valid 15-digit number of a type in ``RIC_TYPES`` becomes its 18-character form.
    """
    number = number.translate(_HALF_WIDTH)
    if not number.isalnum():
        number = "".join(char for char in number if not _is_blank(char))
    number = number.upper()
    if len(number) == 15 and id_type.strip() in RIC_TYPES and ric_problem(number) is None:
        return ric_to_18(number)
    return number


def known_region(code6: str) -> bool:
    """Whether a six-digit region code starts with the code of a province (for warnings only)."""
    return len(code6) == 6 and _DIGITS.fullmatch(code6) is not None and code6[:2] in _PROVINCES


def commitment_code_problem(code: str, made_on: date | None) -> str | None:
    """Check a commitment code (承诺编码): 6 digits region, 8 digits day it was made, 6 digits serial.

    Returns ``None`` or ``length``, ``alphabet``, ``date`` (no such day), ``date_mismatch`` (not ``made_on``;
    not judged when ``made_on`` is ``None``).
    """
    if len(code) != 20:
        return "length"
    if not _DIGITS.fullmatch(code):
        return "alphabet"
    day = _day(code[6:14])
    if day is None:
        return "date"
    return "date_mismatch" if made_on is not None and day != made_on else None


def _day(yyyymmdd: str) -> date | None:
    try:
        return date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:]))
    except ValueError:
        return None


def _ric_check(number: str) -> str:
    """Return the check character for the first 17 digits."""
    # The digits' byte values are 48 too high, which adds 48 * sum(weights) to the sum: 48 * 100 = 4 mod 11.
    return _RIC_CHECKS[(sum(map(mul, number.encode(), _RIC_WEIGHTS)) - 4) % 11]


def _is_blank(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in {"Cc", "Cf"}
