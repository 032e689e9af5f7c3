"""The standard as one .docx: cover, contents, landscape tables, page numbers; the same bytes for the same catalogue.

Needs python-docx, which departments do not install: only the center makes the document. Tables are written as XML at
once, because python-docx takes minutes to fill some thousand rows cell by cell.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from docx import Document
from docx.document import Document as DocxDocument
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt, RGBColor

from .catalogue import Catalogue
from .standard_blocks import Block, Heading, Steps, Table, Text, digest, plain
from .standard_pages import (
    STANDARD,
    acts_blocks,
    codes_blocks,
    conventions_blocks,
    dataset_blocks,
    index_blocks,
    rules_blocks,
)

# Fonts of every Chinese Windows and of WPS; elsewhere the reader's own take their place.
TITLE_FONT, TEXT_FONT, LATIN_FONT, CODE_FONT = "黑体", "宋体", "Times New Roman", "Consolas"
HEADING_SIZES = {1: 18, 2: 14, 3: 11.5}
TEXT_SIZE, TABLE_SIZE, CODE_SIZE = 10.5, 9, 8
INK, HEAD_FILL, LINE = "1F3864", "DCE6F1", "9AA5B1"
PAGE_LONG, PAGE_SHORT, MARGIN = 29.7, 21.0, 2.0
TWIPS_PER_CM = 567
# The zip format knows no earlier day.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
CODE = re.compile(r"`([^`]*)`")


def standard_docx(catalogue: Catalogue) -> bytes:
    """The document of a catalogue: all datasets, code sets, rules and acts."""
    chapters = _chapters(catalogue)
    release = STANDARD["revisions"][-1]
    mark = digest(block for chapter in chapters for block in chapter)
    document = Document()
    _set_up(document, release)
    _cover(document, catalogue, release, mark)
    _contents(document, [b for chapter in chapters for b in chapter if isinstance(b, Heading) and b.level < 3])
    _body_section(document, f"{catalogue.county.name}{STANDARD['title']}（{release['version']}）")
    number = 0
    for chapter in chapters:
        for block in chapter:
            if isinstance(block, Heading) and block.level < 3:
                number += 1
                _heading(document, block, number)
            else:
                _block(document, block)
    return _packed(document)


def _chapters(catalogue: Catalogue) -> list[list[Block]]:
    """Chapters with numbered headings; what is level 2 in a page stands one level lower below a dataset."""
    introduction: list[Block] = [Text(text.format(county=catalogue.county.name)) for text in STANDARD["introduction"]]
    datasets: list[Block] = []
    for n, d in enumerate((*catalogue.datasets.values(),), 1):
        datasets.append(Heading(2, f"3.{n} {d.cn}（{d.id}）"))
        datasets += _lowered(dataset_blocks(d, catalogue, paper=True))
    parts: list[tuple[str, list[Block]]] = [
        ("说明", introduction),
        ("数据集一览", index_blocks(catalogue)),
        ("数据集", datasets),
        ("代码集", codes_blocks(catalogue)),
        ("校验规则", rules_blocks(catalogue)),
        ("记录操作和状态", acts_blocks(catalogue)),
        ("归集口径", conventions_blocks()),
    ]
    return [
        [Heading(1, f"{n} {title}"), *(_numbered(n, content) if title != "数据集" else content)]
        for n, (title, content) in enumerate(parts, 1)
    ]


def _lowered(blocks: Iterable[Block]) -> list[Block]:
    return [Heading(b.level + 1, b.text) if isinstance(b, Heading) else b for b in blocks]


def _numbered(chapter: int, blocks: Iterable[Block]) -> list[Block]:
    made: list[Block] = []
    section = 0
    for b in blocks:
        if isinstance(b, Heading):
            section += 1
            b = Heading(2, f"{chapter}.{section} {b.text}")
        made.append(b)
    return made


def _set_up(document: DocxDocument, release: dict[str, str]) -> None:
    """Styles, and properties that say nothing of the machine or the moment."""
    day = datetime.fromisoformat(release["date"])
    core = document.core_properties
    core.title, core.subject, core.comments = STANDARD["title"], f"版本 {release['version']}", ""
    core.author = core.last_modified_by = core.keywords = core.category = ""
    core.created = core.modified = core.last_printed = day
    core.revision, core.language = 1, "zh-CN"
    package = document.part.package
    for key, rel in list(package.rels.items()):
        if rel.reltype.endswith("/thumbnail"):  # of the template, not of this document
            del package.rels[key]
    normal = document.styles["Normal"]
    normal.font.size = Pt(TEXT_SIZE)
    _fonts(normal, TEXT_FONT)
    normal.paragraph_format.space_after = Pt(4)
    normal.paragraph_format.line_spacing = 1.25
    for level, points in HEADING_SIZES.items():
        style = document.styles[f"Heading {level}"]
        _fonts(style, TITLE_FONT)
        style.font.size, style.font.bold, style.font.italic = Pt(points), level == 1, False
        style.font.color.rgb = RGBColor.from_string(INK)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(12), Pt(6)
        style.paragraph_format.keep_with_next = True


def _fonts(style: Any, chinese: str) -> None:
    style.font.name = LATIN_FONT
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{theme}"), None)
    fonts.set(qn("w:eastAsia"), chinese)


def _cover(document: DocxDocument, catalogue: Catalogue, release: dict[str, str], mark: str) -> None:
    section = document.sections[0]
    _page_size(section, landscape=False)
    lines = [
        (catalogue.county.name, 22, 150),
        (STANDARD["title"], 28, 14),
        (f"版本 {release['version']}", 15, 170),
        (_chinese_date(release["date"]), 15, 8),
        (f"内容编号 {mark}", 10.5, 40),
        ("内容编号由全部内容算出：内容编号相同的两份，内容相同。", 9, 2),
    ]
    for text, points, before in lines:
        paragraph = document.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.paragraph_format.space_before = Pt(before)
        _run(paragraph, text, points, TITLE_FONT if points > 12 else TEXT_FONT, ink=points > 12)
    document.add_page_break()
    _centered(document, "修订记录", 16)
    rows = tuple((r["version"], _chinese_date(r["date"]), r["what"]) for r in STANDARD["revisions"])
    _table(document, Table(("版本", "日期", "内容"), rows, (2, 3, 8)), PAGE_SHORT)


def _contents(document: DocxDocument, headings: list[Heading]) -> None:
    """A field that Word and WPS bring up to date, filled with its lines for those who do not."""
    document.add_page_break()
    _centered(document, "目 录", 16)
    for n, heading in enumerate(headings, 1):
        paragraph = document.add_paragraph()
        form = paragraph.paragraph_format
        form.left_indent, form.space_after, form.line_spacing = Cm(0.8 * (heading.level - 1)), Pt(1), 1.15
        form.tab_stops.add_tab_stop(Cm(PAGE_SHORT - 2 * MARGIN), WD_TAB_ALIGNMENT.RIGHT)
        parts = []
        if n == 1:
            parts += [
                _field_char("begin", dirty=True),
                _instruction(' TOC \\o "1-2" \\h \\z \\u '),
                _field_char("separate"),
            ]
        parts.append(_entry(heading.text, _bookmark(n)))
        if n == len(headings):
            parts.append(_field_char("end"))
        for part in parts:
            paragraph._p.append(part)


def _entry(text: str, bookmark: str) -> Any:
    """A line of the contents: the heading, and its page as a field of its own."""
    run = f"<w:r><w:t xml:space='preserve'>{escape(text)}</w:t></w:r><w:r><w:tab/></w:r>"
    page = (
        "<w:r><w:fldChar w:fldCharType='begin'/></w:r>"
        f"<w:r><w:instrText xml:space='preserve'> PAGEREF {bookmark} \\h </w:instrText></w:r>"
        "<w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t></w:t></w:r>"
        "<w:r><w:fldChar w:fldCharType='end'/></w:r>"
    )
    return parse_xml(f"<w:hyperlink {nsdecls('w')} w:anchor='{bookmark}' w:history='1'>{run}{page}</w:hyperlink>")


def _bookmark(number: int) -> str:
    return f"_Toc{number:06d}"


def _field_char(kind: str, *, dirty: bool = False) -> Any:
    mark = " w:dirty='true'" if dirty else ""
    return parse_xml(f"<w:r {nsdecls('w')}><w:fldChar w:fldCharType='{kind}'{mark}/></w:r>")


def _instruction(text: str) -> Any:
    return parse_xml(f"<w:r {nsdecls('w')}><w:instrText xml:space='preserve'>{escape(text)}</w:instrText></w:r>")


def _body_section(document: DocxDocument, title: str) -> None:
    """Landscape pages from here on, with the title above and the page number below, counted from 1."""
    section = document.add_section(WD_SECTION.NEW_PAGE)
    _page_size(section, landscape=True)
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    head = section.header.paragraphs[0]
    head.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _run(head, title, 9, TEXT_FONT)
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(foot, "第 ", 9, TEXT_FONT)
    for part in (_field_char("begin"), _instruction(" PAGE "), _field_char("separate")):
        foot._p.append(part)
    _run(foot, "1", 9, TEXT_FONT)
    foot._p.append(_field_char("end"))
    _run(foot, " 页", 9, TEXT_FONT)
    section._sectPr.append(parse_xml(f"<w:pgNumType {nsdecls('w')} w:start='1'/>"))


def _page_size(section: Any, *, landscape: bool) -> None:
    width, height = (PAGE_LONG, PAGE_SHORT) if landscape else (PAGE_SHORT, PAGE_LONG)
    section.orientation = WD_ORIENT.LANDSCAPE if landscape else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Cm(width), Cm(height)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(MARGIN)
    section.header_distance = section.footer_distance = Cm(1.0)


def _heading(document: DocxDocument, heading: Heading, number: int) -> None:
    paragraph = document.add_heading(heading.text, heading.level)
    # The first stands at the top of its section already; every chapter and every dataset begins a page.
    starts_a_page = heading.level == 1 or (heading.text.startswith("3.") and not heading.text.startswith("3.1 "))
    paragraph.paragraph_format.page_break_before = starts_a_page and number > 1
    name = _bookmark(number)
    paragraph._p.insert(1, parse_xml(f"<w:bookmarkStart {nsdecls('w')} w:id='{number}' w:name='{name}'/>"))
    paragraph._p.append(parse_xml(f"<w:bookmarkEnd {nsdecls('w')} w:id='{number}'/>"))


def _block(document: DocxDocument, block: Block) -> None:
    if isinstance(block, Heading):
        document.add_heading(block.text, block.level)
    elif isinstance(block, Text):
        _paragraph(document, block.text)
    elif isinstance(block, Steps):
        for n, item in enumerate(block.items, 1):
            _paragraph(document, f"（{n}）{item}").paragraph_format.left_indent = Cm(0.8)
    else:
        _table(document, block, PAGE_LONG)


def _paragraph(document: DocxDocument, text: str) -> Any:
    paragraph = document.add_paragraph()
    for part in _runs(plain(text), TEXT_SIZE):
        paragraph._p.append(parse_xml(part.replace("<w:r>", f"<w:r {nsdecls('w')}>", 1)))
    return paragraph


def _table(document: DocxDocument, made: Table, page_width: float) -> None:
    total = int((page_width - 2 * MARGIN) * TWIPS_PER_CM)
    widths = [total * share // sum(made.shares) for share in made.shares]
    grid = "".join(f"<w:gridCol w:w='{w}'/>" for w in widths)
    edges = "".join(
        f"<w:{side} w:val='single' w:sz='4' w:space='0' w:color='{LINE}'/>"
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    head = _table_row(made.head, widths, head=True)
    rows = "".join(_table_row(row, widths) for row in made.rows)
    xml = (
        f"<w:tbl {nsdecls('w')}><w:tblPr><w:tblW w:w='{total}' w:type='dxa'/><w:tblBorders>{edges}</w:tblBorders>"
        "<w:tblLayout w:type='fixed'/><w:tblCellMar><w:left w:w='70' w:type='dxa'/><w:right w:w='70' w:type='dxa'/>"
        f"</w:tblCellMar></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{head}{rows}</w:tbl>"
    )
    # Before the section's own properties, which must stay last.
    document.element.body.insert_element_before(parse_xml(xml), "w:sectPr")
    after = document.add_paragraph()
    after.paragraph_format.space_after, after.paragraph_format.line_spacing = Pt(2), Pt(6)


def _table_row(cells: Iterable[str], widths: list[int], *, head: bool = False) -> str:
    made = []
    for text, width in zip(cells, widths, strict=True):
        fill = f"<w:shd w:val='clear' w:color='auto' w:fill='{HEAD_FILL}'/>" if head else ""
        align = "<w:jc w:val='center'/>" if head else ""
        runs = "".join(_runs(plain(text), TABLE_SIZE, bold=head))
        made.append(
            f"<w:tc><w:tcPr><w:tcW w:w='{width}' w:type='dxa'/>{fill}<w:vAlign w:val='center'/></w:tcPr><w:p><w:pPr>"
            f"<w:spacing w:before='30' w:after='30' w:line='240' w:lineRule='auto'/>{align}</w:pPr>{runs}</w:p></w:tc>"
        )
    # A row is not torn apart, and the head comes again on every page.
    repeat = "<w:tblHeader/>" if head else ""
    return f"<w:tr><w:trPr><w:cantSplit/>{repeat}</w:trPr>{''.join(made)}</w:tr>"


def _runs(text: str, points: float, *, bold: bool = False) -> list[str]:
    """Runs of text, `code` in a font of its own."""
    runs = []
    for n, part in enumerate(CODE.split(text)):
        if not part:
            continue
        code = n % 2 == 1
        font = f"<w:rFonts w:ascii='{CODE_FONT}' w:hAnsi='{CODE_FONT}'/>" if code else ""
        half_points = int(2 * (CODE_SIZE if code else points))
        strong = "<w:b/>" if bold else ""
        properties = f"<w:rPr>{font}{strong}<w:sz w:val='{half_points}'/></w:rPr>"
        runs.append(f"<w:r>{properties}<w:t xml:space='preserve'>{escape(part)}</w:t></w:r>")
    return runs


def _centered(document: DocxDocument, text: str, points: float) -> None:
    paragraph = document.add_paragraph()
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    paragraph.paragraph_format.space_after = Pt(10)
    _run(paragraph, text, points, TITLE_FONT, ink=True)


def _run(paragraph: Any, text: str, points: float, font: str, *, ink: bool = False) -> None:
    run = paragraph.add_run(text)
    run.font.size = Pt(points)
    run.font.name = LATIN_FONT
    run._r.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), font)
    if ink:
        run.font.color.rgb = RGBColor.from_string(INK)


def _chinese_date(text: str) -> str:
    day = datetime.fromisoformat(text)
    return f"{day.year}年{day.month}月{day.day}日"


def _packed(document: DocxDocument) -> bytes:
    """The package with its parts in a fixed order and without the moment at which it was written."""
    first, made = io.BytesIO(), io.BytesIO()
    document.save(first)
    with zipfile.ZipFile(first) as source, zipfile.ZipFile(made, "w") as target:
        # Readers want the list of content types at the front.
        for name in sorted(source.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            info = zipfile.ZipInfo(name, ZIP_EPOCH)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 0
            target.writestr(info, source.read(name), compresslevel=9)
    return made.getvalue()
