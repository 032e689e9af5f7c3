"""The Excel template of a dataset: a sheet to fill in, instructions, examples, all from the schema file.

Everything is text: a spreadsheet must not turn an 18-digit number into a float or a date into a serial number.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.packaging.custom import IntProperty, StringProperty
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from .catalogue import Catalogue
from .dataset import Dataset, Field
from .rules import IMPLIED
from .wording import CONVENTIONS, accepts, codes_of, duty, form_name, said_of, size

FILL_IN, INSTRUCTIONS, EXAMPLES, LISTS = "填报", "填报说明", "样例", "选项"
# Drop-downs and hints reach this row; the text format, set by column, has no end.
LAST_ROW = 5000
# Excel refuses a list written into the cell rule beyond this, and a hint beyond it is cut.
INLINE_LIST = HINT = 255
HINT_TITLE = 32

TEXT = "@"
BLACK, GREY = "FF1F2933", "FF66727F"
FILLS = {"必填": "FFF8D7C4", "条件必填": "FFFCEFC7", "选填": "FFE6ECF2", "县扩展列": "FFDDEBDD"}
HEAD = PatternFill("solid", fgColor="FFDCE6F1")
_EDGE = Side(style="thin", color="FFBFC8D1")
LINE = Border(left=_EDGE, right=_EDGE, top=_EDGE, bottom=_EDGE)
WRAP = Alignment(wrap_text=True, vertical="center")
CENTRE = Alignment(wrap_text=True, vertical="center", horizontal="center")
FONT = "微软雅黑"
INSTRUCTION_COLUMNS = [
    *(("列名", 26), ("国标代码", 15), ("填报", 10), ("格式", 14)),
    *(("长度", 7), ("怎样填", 42), ("校验（不符合时）", 54), ("依据", 26), ("示例", 26)),
]


def write_template(dataset: Dataset, path: Path, catalogue: Catalogue) -> None:
    """Write the template of a dataset to `path` (.xlsx). Raises OSError when it cannot be written."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101  a new workbook has one sheet
    sheet.title = FILL_IN
    made = datetime.now(catalogue.county.zone).date()
    _fill_in(book, sheet, dataset)
    _instructions(book.create_sheet(INSTRUCTIONS), dataset, catalogue, made)
    _examples(book.create_sheet(EXAMPLES), dataset)
    _mark(book, dataset, made)
    book.save(path)


def _mark(book: Workbook, dataset: Dataset, made: date) -> None:
    """Which version of which dataset this file was made for, for programs; people read it on the instruction sheet."""
    book.properties.title = f"{dataset.cn}填报模板"
    book.properties.creator = "credit-schemas"
    marks = book.custom_doc_props  # type: ignore[attr-defined]  # the stubs lag behind openpyxl 3.1
    for name, value in (("credit_dataset", dataset.id), ("credit_generated", made.isoformat())):
        marks.append(StringProperty(name=name, value=value))
    for name, number in (("credit_version", dataset.version), ("credit_schema_id", dataset.schema_id)):
        marks.append(IntProperty(name=name, value=number))


def mark_class(f: Field) -> str:
    """The class a heading is coloured by."""
    return "县扩展列" if f.extension else duty(f)


def _fill_in(book: Workbook, sheet: Worksheet, dataset: Dataset) -> None:
    for n, f in enumerate(dataset.file_fields, 1):
        letter = get_column_letter(n)
        # The star is all a heading may carry beside its name: readers know names with stars, and nothing else.
        head = sheet.cell(1, n, f.cn + ("*" if f.mandatory else ""))
        head.font = Font(name=FONT, size=10, bold=True, color=BLACK)
        head.fill = PatternFill("solid", fgColor=FILLS[mark_class(f)])
        head.alignment, head.border, head.number_format = CENTRE, LINE, TEXT
        head.comment = _comment(f)
        column = sheet.column_dimensions[letter]
        column.number_format = TEXT
        column.font = Font(name=FONT, size=10)
        column.alignment = Alignment(vertical="center")
        column.width = _width(f)
        rule = _cell_rule(book, f)
        rule.add(f"{letter}2:{letter}{LAST_ROW}")
        sheet.add_data_validation(rule)
    sheet.row_dimensions[1].height = 48
    sheet.freeze_panes = "B2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"


def _comment(f: Field) -> Comment:
    lines = [f.column, f"{mark_class(f)}，{form_name(f)}" + (f"，最多 {f.width} 字" if f.width else "")]
    if f.note:
        lines.append(f.note)
    comment = Comment("\n".join(lines), "填报说明")
    comment.width, comment.height = 320, 60 + 20 * (len(f.note) // 20 + 1)
    return comment


def _width(f: Field) -> float:
    by_form = {
        "date": 13,
        "amount": 14,
        "integer": 12,
        "code": 22,
        "id_number": 22,
        "document_no": 24,
        "choice": 17,
        "choices": 24,
    }
    wanted = by_form.get(f.form) or (36 if (f.width or 0) >= 1000 else 24 if (f.width or 0) > 64 else 16)
    # A heading takes at most two lines; a Chinese character is two wide.
    return max(wanted, min(len(f.cn) + 3, 26))


def _cell_rule(book: Workbook, f: Field) -> DataValidation:
    """The hint of a column's cells, and for a choice the drop-down list."""
    codes = codes_of(f)
    hint = f.note or accepts(f)
    if f.example:
        hint += f"\n例如 {f.example}"
    rule = DataValidation(allow_blank=True)
    if codes:
        rule.type = "list"
        rule.formula1 = list_formula(book, codes.id, (*codes.values, *([f"{codes.other}-"] if codes.other else [])))
        # Several kinds, or one of one's own, are typed by hand: the list helps and does not insist.
        rule.showErrorMessage = f.form == "choice" and not codes.other
        rule.errorTitle, rule.error = "请从列表中选择", f"「{f.cn}」只能填：{codes.shown}。"[:HINT]
    rule.showInputMessage = True
    rule.promptTitle, rule.prompt = f.cn[:HINT_TITLE], hint[:HINT]
    return rule


def list_formula(book: Workbook, name: str, values: tuple[str, ...]) -> str:
    """The list of a drop-down as Excel wants it: in the rule itself, or on a hidden sheet when that is too long."""
    inline = ",".join(values)
    if len(inline) <= INLINE_LIST and not any("," in v or '"' in v for v in values):
        return f'"{inline}"'
    if LISTS not in book.sheetnames:
        book.create_sheet(LISTS).sheet_state = "hidden"
    sheet = book[LISTS]
    heads = [cell.value for cell in sheet[1] if cell.value] if sheet.max_row > 1 else []
    place = heads.index(name) + 1 if name in heads else len(heads) + 1
    for row, value in enumerate((name, *values), 1):
        sheet.cell(row, place, value)
    letter = get_column_letter(place)
    return f"{LISTS}!${letter}$2:${letter}${len(values) + 1}"


def _instructions(sheet: Worksheet, dataset: Dataset, catalogue: Catalogue, made: date) -> None:
    sheet.sheet_view.showGridLines = False
    top = [
        f"{dataset.cn}填报说明",
        f"数据集 {dataset.id}，结构第 {dataset.version} 版（编号 {dataset.schema_id}），生成于 {made.isoformat()}，"
        f"{catalogue.county.name}",
        f"依据：{dataset.basis}。",
        "请在“填报”表里填写，从第 2 行起一行一条；不要改列名，列的先后可以变，不用的选填列可以删。",
        "所有单元格都已设为“文本”。从别处粘贴时请用“选择性粘贴—数值”，以免号码变成数字、日期变成序号。",
        "带 * 的列必填。不符合时“退回”的行不会入库，改正后重报即可；“提醒”的行照常入库，请核对。",
    ]
    for n, text in enumerate(top, 1):
        cell = sheet.cell(n, 1, text)
        cell.font = Font(name=FONT, size=15 if n == 1 else 10, bold=n == 1, color=GREY if n in (2, 3) else BLACK)
        cell.alignment = Alignment(vertical="center")
        sheet.row_dimensions[n].height = 28 if n == 1 else 18
    legend = len(top) + 1
    used = dict.fromkeys(mark_class(f) for f in dataset.file_fields)
    for n, name in enumerate(used, 1):
        swatch = sheet.cell(legend, n, name)
        swatch.fill, swatch.font = PatternFill("solid", fgColor=FILLS[name]), Font(name=FONT, size=10)
        swatch.alignment, swatch.border = CENTRE, LINE
    _table(
        sheet,
        legend + 2,
        INSTRUCTION_COLUMNS,
        [_instruction(dataset, f) for f in dataset.file_fields],
        [FILLS[mark_class(f)] for f in dataset.file_fields],
    )
    sheet.freeze_panes = f"B{legend + 3}"
    _conventions(sheet, legend + 2 + len(dataset.file_fields) + 2)
    _printable(sheet)


def _conventions(sheet: Worksheet, top: int) -> None:
    """What the rules cite as 归集口径, for whoever has the file and nothing else."""
    sheet.cell(top, 1, "归集口径").font = Font(name=FONT, size=12, bold=True, color=BLACK)
    last, width = len(INSTRUCTION_COLUMNS), sum(w for _, w in INSTRUCTION_COLUMNS[1:])
    for at, item in enumerate(CONVENTIONS, top + 1):
        sheet.cell(at, 1, f"第{item['no']}条 {item['title']}")
        sheet.cell(at, 2, item["text"])
        sheet.merge_cells(start_row=at, start_column=2, end_row=at, end_column=last)
        for n in range(1, last + 1):
            sheet.cell(at, n).border = LINE
        for n in (1, 2):
            sheet.cell(at, n).font, sheet.cell(at, n).alignment = Font(name=FONT, size=10, color=BLACK), WRAP
        sheet.row_dimensions[at].height = 16.5 * _lines(item["text"], width) + 4


def _instruction(dataset: Dataset, f: Field) -> tuple[str, ...]:
    said = [s for s in said_of(dataset, f.column) if s.rule.kind not in IMPLIED and s.text != "必填"]
    checks = "\n".join(f"{s.text}（{s.severity}）" for s in said)
    # The dataset's own basis stands once at the top of the sheet.
    sources = "\n".join(dict.fromkeys(s.source for s in said if s.source != dataset.basis))
    how = f"{f.note}\n写法：{accepts(f)}".strip()
    return (f.cn, f.column, mark_class(f), form_name(f), size(f), how, checks, sources, f.example)


def _examples(sheet: Worksheet, dataset: Dataset) -> None:
    """Examples stand upright, one a column: easier to read, and no reader takes the sheet for one of records."""
    sheet.sheet_view.showGridLines = False
    sheet.cell(1, 1, "样例（内容是编的，竖着看：一列是一条记录）").font = Font(
        name=FONT, size=12, bold=True, color=BLACK
    )
    shown = [f for f in dataset.file_fields if any(f.column in e for e in dataset.examples)]
    columns = [("列名", 34), ("填报", 10), *((f"样例 {n}", 44) for n in range(1, len(dataset.examples) + 1))]
    rows = [(f.cn, mark_class(f), *(e.get(f.column, "") for e in dataset.examples)) for f in shown]
    _table(sheet, 3, columns, rows, [FILLS[mark_class(f)] for f in shown])
    sheet.freeze_panes = "B4"
    _printable(sheet)


def _table(
    sheet: Worksheet, top: int, columns: list[tuple[str, int]], rows: list[tuple[str, ...]], colours: list[str]
) -> None:
    """A ruled table; the first cell of each row bears the row's colour."""
    for n, (name, width) in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(n)].width = width
        cell = sheet.cell(top, n, name)
        cell.font, cell.fill = Font(name=FONT, size=10, bold=True, color=BLACK), HEAD
        cell.alignment, cell.border = CENTRE, LINE
    sheet.print_title_rows = f"{top}:{top}"
    for at, (row, colour) in enumerate(zip(rows, colours, strict=True), top + 1):
        for n, text in enumerate(row, 1):
            cell = sheet.cell(at, n, text)
            cell.number_format, cell.font = TEXT, Font(name=FONT, size=10, color=BLACK)
            cell.alignment, cell.border = WRAP, LINE
        sheet.cell(at, 1).fill = PatternFill("solid", fgColor=colour)
        lines = max(_lines(text, width) for text, (_, width) in zip(row, columns, strict=True))
        sheet.row_dimensions[at].height = 16.5 * lines + 4


def _lines(text: str, width: int) -> int:
    """How many lines a wrapped text takes; no program stretches the rows of a file it did not write."""
    return sum(max(1, -(-_span(line) // max(1, width - 1))) for line in text.split("\n"))


def _span(text: str) -> int:
    return sum(1 if c.isascii() else 2 for c in text)


def _printable(sheet: Worksheet) -> None:
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = "9"  # A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
