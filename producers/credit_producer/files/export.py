"""Text that is safe to write into a spreadsheet a person will open."""

from __future__ import annotations

# OWASP ASVS 1.2.10 (CSV and formula injection); CR and LF open a new record in careless readers. The full-width forms
# are included because Excel and WPS with a Chinese input method take them for the half-width ones.
_DANGEROUS = tuple("=+-@\t\r\n\x00＝＋－＠")


def safe_text(value: object) -> str:
    """`value` as text that no spreadsheet program takes for a formula: a leading `= + - @` TAB CR LF NUL gets `'`.

    None becomes the empty text. For cells written as text; numbers that are to stay numbers need no guard.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text
