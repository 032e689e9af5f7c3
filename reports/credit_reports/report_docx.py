"""A credit report as .docx: fonts are named, not embedded; Word and WPS have them."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.table import WD_ALIGN_VERTICAL, WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from .report_facts import NOTHING, Issued, Section
from .report_words import COLOURS, Words, words

# Fonts of official documents (GB/T 9704-2012): 黑体 for headings, 宋体 for tables.
HEADING_FONT, BODY_FONT = "黑体", "宋体"
WIDTH_CM = 16.6
NAME_CM = 3.2


def write_docx(issued: Issued, path: Path) -> str:
    """Write the document; returns "": no character is missing, the reader's own fonts draw them."""
    document = Document()
    told = words(issued)
    _page(document, told, issued)
    _title(document, told)
    _table(document, issued.facts.head)
    for doubt in issued.facts.doubts:
        _small(document, doubt, COLOURS["bad"])
    _small(document, told.statement)
    _table(document, told.overview, header=True)
    for number, section in zip(told.numerals, issued.facts.sections, strict=False):
        _section(document, number, section)
    _heading(document, told.notes_heading)
    for note in told.notes:
        _small(document, note)
    document.save(str(path))
    return ""


def _page(document: Any, told: Words, issued: Issued) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.2)
    section.top_margin, section.bottom_margin = Cm(2.4), Cm(2.2)
    normal = document.styles["Normal"]
    normal.font.size = Pt(10.5)
    normal.font.name = BODY_FONT
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), BODY_FONT)
    normal.paragraph_format.space_after = Pt(0)
    core = document.core_properties
    # The library's template is of 2013 and names the library as its author.
    core.created = core.modified = issued.at.astimezone(UTC)
    core.last_modified_by = told.issuer
    core.title, core.author, core.comments, core.language = told.title, told.issuer, "", "zh-CN"
    head = section.header.paragraphs[0]
    head.style = normal  # the style of headers has tab stops of its own
    _tab_right(head)
    _run(head, told.issuer + "\t" + told.number_line, size=8.5, colour=COLOURS["soft"])
    _border(head, "bottom")
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(foot, "第 ", size=8.5, colour=COLOURS["soft"])
    _field(foot, "PAGE")
    _run(foot, " 页　共 ", size=8.5, colour=COLOURS["soft"])
    _field(foot, "NUMPAGES")
    _run(foot, " 页", size=8.5, colour=COLOURS["soft"])


def _title(document: Any, told: Words) -> None:
    title = document.add_paragraph(style=document.styles["Title"])
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title.paragraph_format.space_before, title.paragraph_format.space_after = Pt(6), Pt(4)
    for border in title.style.element.xpath("./w:pPr/w:pBdr"):
        border.getparent().remove(border)
    _run(title, told.title, size=22, colour=COLOURS["strong"], font=HEADING_FONT, bold=False)
    for line in told.subtitle:
        p = document.add_paragraph()
        p.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _run(p, line, size=10.5, colour=COLOURS["soft"])
    if told.labels:
        p = document.add_paragraph()
        p.alignment = WD_ALIGN_PARAGRAPH.CENTER
        p.paragraph_format.space_before = Pt(6)
        for i, label in enumerate(told.labels):
            if i:
                _run(p, "　")
            _shade(
                _run(p, f"\u00a0{label.text}\u00a0", size=11, colour="FFFFFF", font=HEADING_FONT), COLOURS[label.kind]
            )
    document.add_paragraph().paragraph_format.line_spacing = Pt(8)


def _section(document: Any, number: str, section: Section) -> None:
    _heading(document, f"{number}、{section.name}")
    if not section.blocks:
        _small(document, NOTHING)
    for block in section.blocks:
        p = document.add_paragraph()
        p.paragraph_format.space_before, p.paragraph_format.space_after = Pt(6), Pt(3)
        p.paragraph_format.keep_with_next = True
        _run(p, block.title, size=10.5, font=HEADING_FONT)
        if block.mark:
            _run(p, "　")
            _shade(_run(p, f"\u00a0{block.mark}\u00a0", size=9, colour="FFFFFF", font=HEADING_FONT), COLOURS["doubt"])
        _table(document, block.rows)


def _heading(document: Any, text: str) -> None:
    p = document.add_paragraph(style=document.styles["Heading 1"])
    p.paragraph_format.space_before, p.paragraph_format.space_after = Pt(14), Pt(4)
    _run(p, text, size=14, colour=COLOURS["strong"], font=HEADING_FONT, bold=False)


def _small(document: Any, text: str, colour: str = COLOURS["soft"]) -> None:
    p = document.add_paragraph()
    p.paragraph_format.space_before, p.paragraph_format.space_after = Pt(3), Pt(3)
    _run(p, text, size=9.5, colour=colour)


def _table(document: Any, rows: Any, *, header: bool = False) -> None:
    """Rows of one pair (its value as wide as the table) or two; `header`: plain cells, the first row as heading."""
    columns = len(rows[0]) if header else 4
    table = document.add_table(rows=0, cols=columns, style="Table Grid")
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table.autofit = False
    widths = [WIDTH_CM / columns] * columns if header else [NAME_CM, WIDTH_CM / 2 - NAME_CM] * 2
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Cm(width)
    for i, row in enumerate(rows):
        cells = table.add_row().cells
        for cell, width in zip(cells, widths, strict=True):
            cell.width = Cm(width)
            cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
        _keep_whole(table.rows[-1])
        if header:
            for cell, text in zip(cells, row, strict=True):
                _fill(cell, text, name=i == 0, centre=True)
            continue
        for j, (name, text) in enumerate(row):
            _fill(cells[2 * j], name, name=True)
            value = cells[1].merge(cells[3]) if len(row) == 1 else cells[2 * j + 1]
            _fill(value, text)
    # The first lines stay with the title above them.
    for row in table.rows[:3]:
        for cell in row.cells:
            cell.paragraphs[0].paragraph_format.keep_with_next = len(table.rows) > 3
    _grey_lines(table)


def _fill(cell: Any, text: str, *, name: bool = False, centre: bool = False) -> None:
    p = cell.paragraphs[0]
    p.paragraph_format.space_before = p.paragraph_format.space_after = Pt(2)
    if centre:
        p.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(p, text, size=9.5, colour=COLOURS["soft"] if name else None)
    if name:
        shade = OxmlElement("w:shd")
        shade.set(qn("w:val"), "clear")
        shade.set(qn("w:fill"), COLOURS["ground"])
        cell._tc.get_or_add_tcPr().append(shade)


def _run(
    paragraph: Any, text: str, *, size: float = 10.5, colour: str | None = None, font: str = BODY_FONT, bold: Any = None
) -> Any:
    run = paragraph.add_run(text)
    run.font.size = Pt(size)
    run.font.name = font
    run.font.bold = bold
    run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), font)
    if colour:
        run.font.color.rgb = RGBColor.from_string(colour)
    return run


def _shade(run: Any, fill: str) -> None:
    shade = OxmlElement("w:shd")
    shade.set(qn("w:val"), "clear")
    shade.set(qn("w:fill"), fill)
    run._element.get_or_add_rPr().append(shade)


def _field(paragraph: Any, code: str) -> None:
    """A field that the reader's program fills in (page numbers)."""
    for kind, text in (("begin", ""), ("instr", code), ("separate", ""), ("text", "1"), ("end", "")):
        run = _run(paragraph, text if kind == "text" else "", size=8.5, colour=COLOURS["soft"])
        if kind == "instr":
            made = OxmlElement("w:instrText")
            made.text = text
            run._element.append(made)
        elif kind != "text":
            made = OxmlElement("w:fldChar")
            made.set(qn("w:fldCharType"), kind)
            run._element.append(made)


def _keep_whole(row: Any) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _grey_lines(table: Any) -> None:
    borders = OxmlElement("w:tblBorders")
    for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
        line = OxmlElement(f"w:{side}")
        for name, value in (("val", "single"), ("sz", "4"), ("color", COLOURS["line"])):
            line.set(qn(f"w:{name}"), value)
        borders.append(line)
    table._tbl.tblPr.append(borders)


def _border(paragraph: Any, side: str) -> None:
    borders, line = OxmlElement("w:pBdr"), OxmlElement(f"w:{side}")
    for name, value in (("val", "single"), ("sz", "4"), ("space", "4"), ("color", COLOURS["line"])):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    paragraph._p.get_or_add_pPr().append(borders)


def _tab_right(paragraph: Any) -> None:
    paragraph.paragraph_format.tab_stops.add_tab_stop(Cm(WIDTH_CM), WD_TAB_ALIGNMENT.RIGHT)
