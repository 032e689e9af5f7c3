"""Hand-made .xlsx containers for the tests of `credit_producer.files`: what no library would write."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from credit_producer.files import Heading

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"

HEADINGS = [
    Heading("CF_XDR_MC", "行政相对人名称", ("相对人名称",), mandatory=True),
    Heading("CF_XDR_SHXYM", "行政相对人代码_1(统一社会信用代码)", mandatory=True),
    Heading("CF_WSH", "行政处罚决定文书号", ("文书号",), mandatory=True),
    Heading("CF_JDRQ", "处罚决定日期", mandatory=True),
    Heading("CF_NR_FK", "罚款金额（万元）"),
    Heading("BZ", "备注"),
]
NAMES = [heading.name for heading in HEADINGS]
ROW = ["某某公司", "91410421MA00000001", "宝市监罚〔2026〕1号", "2026/5/6", "0.5", "无"]


def inline(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def heading_xml(line: int = 1) -> str:
    cells = "".join(inline(f"{chr(65 + i)}{line}", name) for i, name in enumerate(NAMES))
    return f'<row r="{line}">{cells}</row>'


def row_xml(line: int, values: list[str] | None = None) -> str:
    cells = "".join(inline(f"{chr(65 + i)}{line}", value) for i, value in enumerate(values or ROW))
    return f'<row r="{line}">{cells}</row>'


def sheet_xml(rows: str, *, before: str = "", after: str = "", namespace: str = MAIN, prolog: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<worksheet xmlns="{namespace}">{before}'
        f"<sheetData>{rows}</sheetData>{after}</worksheet>"
    )


def container(
    path: Path,
    sheet: str | bytes,
    *,
    strings: str = "",
    styles: str = "",
    workbook_pr: str = "",
    extra: dict[str, str | bytes] | None = None,
    types: str = "",
    main_type: str = SHEET_TYPE,
    namespace: str = MAIN,
    sheet_rels: str = "",
) -> Path:
    """Write a workbook with the one sheet `数据`; every part can be made hostile."""
    rel = f'<Relationship Id="%s" Type="{OFFICE}/%s" Target="%s"/>'
    book_rels = rel % ("rId1", "worksheet", "worksheets/sheet1.xml")
    book_rels += rel % ("rId2", "styles", "styles.xml") if styles else ""
    book_rels += rel % ("rId3", "sharedStrings", "/xl/sharedStrings.xml") if strings else ""
    wrap = f'<?xml version="1.0"?><Relationships xmlns="{RELS}">%s</Relationships>'
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{main_type}"/>{types}</Types>',
        "_rels/.rels": wrap % (rel % ("rId1", "officeDocument", "xl/workbook.xml")),
        "xl/_rels/workbook.xml.rels": wrap % book_rels,
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{namespace}" xmlns:r="{OFFICE}">{workbook_pr}'
        '<sheets><sheet name="数据" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    if styles:
        parts["xl/styles.xml"] = f'<?xml version="1.0"?><styleSheet xmlns="{namespace}">{styles}</styleSheet>'
    if strings:
        parts["xl/sharedStrings.xml"] = f'<?xml version="1.0"?><sst xmlns="{namespace}">{strings}</sst>'
    if sheet_rels:
        parts["xl/worksheets/_rels/sheet1.xml.rels"] = wrap % sheet_rels
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, body in (parts | (extra or {})).items():
            archive.writestr(name, body)
    return path
