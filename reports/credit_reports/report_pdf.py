"""A credit report as PDF: the characters that occur are embedded, so that it looks the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from .errors import FontMissing, FontUnfit
from .report_facts import NOTHING, Issued, Row, Section
from .report_words import COLOURS, Words, words

# TrueType fonts with Chinese that Debian and Ubuntu have, by the name of the package, the usual one first. Fonts
# with PostScript outlines (Noto CJK) are not among them: reportlab cannot embed those.
FONTS = {
    "fonts-wqy-microhei": "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "fonts-wqy-zenhei": "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "fonts-droid-fallback": "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "fonts-arphic-uming": "/usr/share/fonts/truetype/arphic/uming.ttc",
}
FONT = "report"
# Drawn in place of a character that the font lacks (a rare character of a name): seen, never silently left out.
GETA = "〓"
MARGIN = 2.2 * cm
WIDTH = A4[0] - 2 * MARGIN
NAME_WIDTH = 3.2 * cm
# reportlab's frames have this much padding, which would set text apart from the tables' edges.
FRAME = 6
# Characters of one row of a table: some 25 lines, a third of a page.
PIECE = 800
# A heading wants this much of the page below it, or goes to the next one.
ROOM = 3.5 * cm


def find_font(named: Path | None = None) -> Path:
    """The font to embed: the one named, else the first of the known places.

    Raises:
        FontMissing: There is none.
        FontUnfit: The file is no TrueType font.
    """
    places = [named] if named else [Path(p) for p in FONTS.values()]
    for path in places:
        if path.is_file():
            try:
                TTFont(FONT, str(path))
            except (TTFError, ValueError, IndexError, KeyError, OSError) as e:
                raise FontUnfit(str(path)) from e
            return path
    raise FontMissing([str(p) for p in places])


def write_pdf(issued: Issued, path: Path, font: Path) -> str:
    """Write the document with a font of `find_font`; returns the characters that it lacks (drawn as 〓)."""
    face = TTFont(FONT, str(font))
    pdfmetrics.registerFont(face)
    ink = _Ink(face.face.charToGlyph)
    told = words(issued)
    story = _story(issued, told, ink)
    SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=MARGIN - FRAME,
        rightMargin=MARGIN - FRAME,
        topMargin=2.4 * cm,
        bottomMargin=2.2 * cm,
        title=told.title,
        author=told.issuer,
        subject=told.number_line,
        lang="zh-CN",
    ).build(story, canvasmaker=lambda *args, **kwargs: _Numbered(*args, told=told, ink=ink, **kwargs))
    return "".join(sorted(ink.missing))


class _Ink:
    """Text as this font can draw it; remembers what it could not."""

    def __init__(self, glyphs: dict[int, int]) -> None:
        self.glyphs = glyphs
        self.missing: set[str] = set()

    def plain(self, text: str) -> str:
        lacking = {c for c in text if ord(c) not in self.glyphs and not c.isspace()}
        self.missing |= lacking
        return "".join(GETA if c in lacking else c for c in text)

    def marked(self, text: str) -> str:
        # Several blanks are one in markup; the wide one sets parts of a line apart and must stay wide.
        return escape(self.plain(text)).replace("　", "&nbsp;&nbsp;&nbsp;")


def _style(name: str, size: float, **other: Any) -> ParagraphStyle:
    # CJK wrapping breaks between any two characters, as Chinese does, and inside long codes.
    return ParagraphStyle(name, fontName=FONT, fontSize=size, leading=size * 1.5, wordWrap="CJK", **other)


_SOFT, _STRONG = HexColor("#" + COLOURS["soft"]), HexColor("#" + COLOURS["strong"])
TITLE = _style("title", 22, alignment=TA_CENTER, textColor=_STRONG, spaceAfter=6)
SUBTITLE = _style("subtitle", 10.5, alignment=TA_CENTER, textColor=_SOFT)
HEADING = _style("heading", 14, textColor=_STRONG, spaceBefore=16, spaceAfter=5)
BLOCK = _style("block", 10.5, spaceBefore=7, spaceAfter=4)
SMALL = _style("small", 9.5, textColor=_SOFT, spaceBefore=4, spaceAfter=4)
DOUBT = _style("doubt", 9.5, textColor=HexColor("#" + COLOURS["bad"]), spaceBefore=4)
NAME = _style("name", 9.5, textColor=_SOFT)
VALUE = _style("value", 9.5)
CENTRED = _style("centred", 9.5, alignment=TA_CENTER)
CENTRED_NAME = _style("centred_name", 9.5, alignment=TA_CENTER, textColor=_SOFT)


def _story(issued: Issued, told: Words, ink: _Ink) -> list[Any]:
    story: list[Any] = [Paragraph(ink.marked(told.title), TITLE)]
    story += [Paragraph(ink.marked(line), SUBTITLE) for line in told.subtitle]
    if told.labels:
        story += [Spacer(1, 8), _labels(told, ink)]
    story += [Spacer(1, 10), _table(issued.facts.head, ink)]
    story += [Paragraph(ink.marked(doubt), DOUBT) for doubt in issued.facts.doubts]
    story.append(Paragraph(ink.marked(told.statement), SMALL))
    story.append(_overview(told, ink))
    for number, section in zip(told.numerals, issued.facts.sections, strict=False):
        story += _section(number, section, ink)
    notes = [Paragraph(ink.marked(note), SMALL) for note in told.notes]
    story += [KeepTogether([Paragraph(ink.marked(told.notes_heading), HEADING), *notes])]
    return story


def _section(number: str, section: Section, ink: _Ink) -> list[Any]:
    heading = Paragraph(ink.marked(f"{number}、{section.name}"), HEADING)
    if not section.blocks:
        return [KeepTogether([heading, Paragraph(NOTHING, SMALL)])]
    story: list[Any] = [CondPageBreak(ROOM + 1.5 * cm), heading]
    for block in section.blocks:
        mark = f'&nbsp;&nbsp;&nbsp;<font color="white" backColor="#{COLOURS["doubt"]}">&nbsp;{block.mark}&nbsp;</font>'
        title = ink.marked(block.title) + (mark if block.mark else "")
        story += [CondPageBreak(ROOM), Paragraph(title, BLOCK), _table(block.rows, ink)]
    return story


def _table(rows: tuple[Row, ...], ink: _Ink) -> Table:
    cells: list[list[Any]] = []
    spans: list[Any] = []
    for i, row in enumerate(_in_pieces(rows)):
        line = [Paragraph(ink.marked(text), NAME if j == 0 else VALUE) for pair in row for j, text in enumerate(pair)]
        if len(row) == 1:
            spans += [("SPAN", (1, i), (3, i))]
            line += ["", ""]
        else:
            spans += [("BACKGROUND", (2, i), (2, i), HexColor("#" + COLOURS["ground"]))]
        cells.append(line)
    ground = ("BACKGROUND", (0, 0), (0, -1), HexColor("#" + COLOURS["ground"]))
    widths = [NAME_WIDTH, WIDTH / 2 - NAME_WIDTH] * 2
    return Table(cells, widths, style=[ground, *spans, *_LINES])


def _in_pieces(rows: Iterable[Row]) -> Iterator[Row]:
    """A row may not be higher than a page: long text goes on in the next row, under no name."""
    for row in rows:
        name, text = row[0]
        if len(row) > 1 or len(text) <= PIECE:
            yield row
            continue
        for at in range(0, len(text), PIECE):
            yield ((name if at == 0 else "", text[at : at + PIECE]),)


_LINES: list[Any] = [
    ("FONTNAME", (0, 0), (-1, -1), FONT),
    ("GRID", (0, 0), (-1, -1), 0.5, HexColor("#" + COLOURS["line"])),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
]


def _overview(told: Words, ink: _Ink) -> Table:
    cells = [
        [Paragraph(ink.marked(text), CENTRED_NAME if i == 0 else CENTRED) for text in row]
        for i, row in enumerate(told.overview)
    ]
    ground = ("BACKGROUND", (0, 0), (-1, 0), HexColor("#" + COLOURS["ground"]))
    count = len(told.overview[0])
    return Table(cells, [WIDTH / count] * count, style=[ground, *_LINES, *_NARROW])


_NARROW: list[Any] = [("LEFTPADDING", (0, 0), (-1, -1), 1), ("RIGHTPADDING", (0, 0), (-1, -1), 1)]


def _labels(told: Words, ink: _Ink) -> Table:
    style = _style("label", 11, alignment=TA_CENTER, textColor=white)
    cells = [Paragraph(ink.marked(label.text), style) for label in told.labels]
    made: list[Any] = [
        *_NARROW,
        ("FONTNAME", (0, 0), (-1, -1), FONT),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    row: list[Any] = []
    widths: list[float] = []
    for cell, label in zip(cells, told.labels, strict=True):
        if row:
            row.append("")
            widths.append(0.4 * cm)
        column = len(row)
        made.append(("BACKGROUND", (column, 0), (column, 0), HexColor("#" + COLOURS[label.kind])))
        row.append(cell)
        widths.append((len(label.text) + 2) * 11)
    return Table([row], widths, style=made, hAlign="CENTER")


class _Numbered(Canvas):
    """A canvas that knows how many pages there will be: it draws head and foot when all are there."""

    def __init__(self, *args: Any, told: Words, ink: _Ink, **kwargs: Any) -> None:
        # Without it every page begins in Helvetica, which would not be embedded.
        super().__init__(*args, **{**kwargs, "initialFontName": FONT})
        self._told, self._ink = told, ink
        self._saved: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        self._saved.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, state in enumerate(self._saved, 1):
            self.__dict__.update(state)
            self._frame(number, len(self._saved))
            super().showPage()
        super().save()

    def _frame(self, number: int, of: int) -> None:
        self.setFont(FONT, 8.5)
        self.setFillColor(_SOFT)
        top = A4[1] - 1.5 * cm
        self.drawString(MARGIN, top, self._ink.plain(self._told.issuer))
        self.drawRightString(A4[0] - MARGIN, top, self._ink.plain(self._told.number_line))
        self.setStrokeColor(HexColor("#" + COLOURS["line"]))
        self.line(MARGIN, top - 5, A4[0] - MARGIN, top - 5)
        self.drawCentredString(A4[0] / 2, 1.2 * cm, f"第 {number} 页　共 {of} 页")
