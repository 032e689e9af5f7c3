"""Files as clerks attach them, and files as nobody should: for the tests of attachments at the door and the center."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docx import Document
from openpyxl import Workbook
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from credit_schemas.attachments import SPEC

TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def picture(kind: str = "JPEG", seed: int = 0) -> bytes:
    """A small photo; another seed, another content."""
    out = io.BytesIO()
    more = {"comment": str(seed).encode()} if kind == "JPEG" else {}
    Image.new("RGB", (64, 48), (seed % 256, 120, 200)).save(out, kind, **more)
    return out.getvalue()


def pdf(text: str = "minutes") -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.drawString(72, 720, text)
    canvas.save()
    return out.getvalue()


def docx(text: str = "活动方案") -> bytes:
    out = io.BytesIO()
    document = Document()
    document.add_paragraph(text)
    document.save(out)
    return out.getvalue()


def xlsx() -> bytes:
    out = io.BytesIO()
    book = Workbook()
    book.active.append(["姓名", "签到"])
    book.save(out)
    return out.getvalue()


def office(kind: str = "pptx", *, parts: Mapping[str, bytes] = {}, main: str = "", types: str = "") -> bytes:
    """A container made by hand: `parts` beside the least it needs, `types` beside the main content type."""
    content_type = main or SPEC["kinds"][kind]["main"]
    made = {
        "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{TYPES}"><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/main.xml" ContentType="{content_type}"/>{types}'
        "</Types>",
        "_rels/.rels": relations(f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="main.xml"/>'),
        "main.xml": "<main/>",
        **parts,
    }
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, content in made.items():
            archive.writestr(ZipInfo(name, (2026, 9, 18, 9, 0, 0)), content, ZIP_DEFLATED)
    return out.getvalue()


def relations(inside: str) -> str:
    return f'<?xml version="1.0"?><Relationships xmlns="{RELS}">{inside}</Relationships>'


def zip_bomb() -> bytes:
    """A .docx of a few bytes that declares a gigabyte: no library delivers more than is declared."""
    data = office("docx")
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", (1 << 30) + 1) + data[at + 28 :]


def renamed_exe() -> bytes:
    return b"MZ\x90\x00" + bytes(60) + b"This program cannot be run in DOS mode.\r\r\n$" + bytes(400)


def picture_with_archive() -> bytes:
    """A JPEG that opens as a picture and as a ZIP (a JAR)."""
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("Main.class", b"\xca\xfe\xba\xbe")
    return picture() + out.getvalue()
