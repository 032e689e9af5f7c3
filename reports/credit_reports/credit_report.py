"""Issuing a credit report: a number of its own, the document, a line in the register and an audit row.

A document appears under its name only after it is registered; the register and the audit row are written in one
statement (`audit.issue_credit_report`), the only write that the role `reader` may do. A number whose document could not
be made is never used again.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes
from psycopg2.extensions import connection

from .errors import UnknownForm
from .report_docx import write_docx
from .report_facts import Facts, Issued
from .report_pdf import find_font, write_pdf

_COLUMNS = ("report_no", "issued_at", "as_of", "subject_id", "scope", "records", "digest", "issued_by", "purpose")


def issue(
    con: connection, facts: Facts, out: Path, *, who: str, zone: ZoneInfo, purpose: str = "", font: Path | None = None
) -> tuple[Issued, str]:
    """Make a report's document, register it and put it in place; commits.

    Args:
        con: As the role `reader`.
        out: `.docx` or `.pdf`; an existing file is replaced.
        who: Who issues it; kept in the register and the audit.
        font: A TrueType font with Chinese for PDF; without it the known places are looked at.

    Returns:
        The report, and characters for which the font has no shape (drawn as 〓); none for .docx.

    Raises:
        UnknownForm, FontMissing, FontUnfit, OSError: Nothing was registered.
    """
    suffix = out.suffix.lower()
    if suffix not in (".docx", ".pdf"):
        raise UnknownForm(out.suffix)
    chosen = find_font(font) if suffix == ".pdf" else None
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        draft.touch()  # a folder that cannot be written is known before a number is spent
        with con.cursor() as cur:
            cur.execute("SELECT nextval('audit.credit_report_serial')")
            (serial,) = cur.fetchone() or (0,)
        issued = Issued(f"{facts.region}-{facts.as_of:%Y%m%d}-{serial:06d}", datetime.now(zone), facts)
        missing = write_pdf(issued, draft, chosen) if chosen else write_docx(issued, draft)
        with con.cursor() as cur:
            cur.execute(
                "SELECT audit.issue_credit_report(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    *(issued.number, facts.as_of, facts.subject_id, facts.scope, facts.records),
                    *(facts.digest, file_digest(draft), who, purpose),
                ],
            )
        con.commit()
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return issued, missing


def file_digest(path: Path) -> bytes:
    """SM3 of a file."""
    hasher = hashes.Hash(hashes.SM3())
    hasher.update(path.read_bytes())
    return hasher.finalize()


def list_reports(con: connection, limit: int = 200) -> list[dict[str, Any]]:
    """The register, newest first."""
    with con.cursor() as cur:
        cur.execute(
            "SELECT report_no, issued_at, as_of, subject_id, scope, records, encode(digest, 'hex'), issued_by, purpose"
            " FROM audit.credit_report ORDER BY issued_at DESC, report_no DESC LIMIT %s",
            [limit],
        )
        return [dict(zip(_COLUMNS, row, strict=True)) for row in cur.fetchall()]


def is_genuine(con: connection, number: str, *, digest: str | None = None, file: Path | None = None) -> bool:
    """Whether a report of this number was issued, with this verification code and as this very file.

    Args:
        digest: As the document shows it; blanks and case do not matter.
        file: Unchanged to the last byte, or it is not the one.
    """
    with con.cursor() as cur:
        cur.execute(
            "SELECT encode(digest, 'hex'), file_digest FROM audit.credit_report WHERE report_no = %s", [number.strip()]
        )
        found = cur.fetchone()
    if found is None:
        return False
    said = digest is None or "".join(digest.split()).lower() == found[0]
    return said and (file is None or file_digest(file) == bytes(found[1]))
