"""Promises of reading .xlsx from people (DESIGN promise 6; STANDARDS 9 rows 3-5, 17, 23)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from python_calamine import CalamineWorkbook

from credit_producer.files import FileRefused, Heading, OpenedFile, SourceRow, open_source, safe_text
from files_support import HEADINGS, NAMES, ROW, STRICT, container, heading_xml, row_xml, sheet_xml


def book(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    workbook.save(path)
    return path


def read(path: Path, headings: list[Heading] = HEADINGS) -> tuple[list[SourceRow], OpenedFile]:
    source = open_source(path, headings)
    rows = list(source)
    assert len(rows) == source.rows
    return rows, source


def refusal(path: Path) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        open_source(path, HEADINGS)
    return caught.value


def said(source: OpenedFile) -> str:
    return "\n".join(source.notices)


def test_cells_keep_their_true_type_and_address(tmp_path: Path) -> None:
    values = ["张三", 410421199001011234, "007", date(2026, 5, 6), 0.5, datetime(2026, 5, 6, 8, 30)]
    rows, _ = read(book(tmp_path / "a.xlsx", [NAMES, values, [True, None, "#REF!", 3, -1.0, " 文 "]]))
    first, second = rows
    assert first.cells["CF_XDR_MC"].kind == "text"
    numeric_id = first.cells["CF_XDR_SHXYM"]
    assert (numeric_id.kind, numeric_id.address) == ("number", "B2")
    assert not isinstance(numeric_id.value, str)
    assert (first.cells["CF_WSH"].value, first.cells["CF_WSH"].kind) == ("007", "text")
    assert (first.cells["CF_JDRQ"].value, first.cells["CF_JDRQ"].kind) == (date(2026, 5, 6), "date")
    assert first.cells["CF_NR_FK"].value == 0.5
    assert first.cells["BZ"].value == datetime(2026, 5, 6, 8, 30)
    assert (second.cells["CF_XDR_MC"].value, second.cells["CF_XDR_MC"].kind) == (True, "bool")
    assert (second.cells["CF_XDR_SHXYM"].value, second.cells["CF_XDR_SHXYM"].kind) == (None, "empty")
    assert second.cells["CF_XDR_SHXYM"].address == "B3"
    assert (second.cells["CF_WSH"].value, second.cells["CF_WSH"].kind) == ("#REF!", "error")
    assert second.cells["CF_NR_FK"].value == -1
    assert second.cells["BZ"].value == " 文 "


def test_a_number_beyond_15_digits_never_looks_like_an_intact_id(tmp_path: Path) -> None:
    cell = '<c r="B2"><v>410421199001011234</v></c>'
    rows, _ = read(container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + f'<row r="2">{cell}</row>')))
    assert rows[0].cells["CF_XDR_SHXYM"].kind == "number"
    assert isinstance(rows[0].cells["CF_XDR_SHXYM"].value, float)


@pytest.mark.parametrize("number_format", [14, 22, 27, 31, 36, 50, 57, 58, 200, 201, 202])
def test_date_styles_are_dates_the_chinese_ones_too(tmp_path: Path, number_format: int) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="200" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;;@"/>'
        '<numFmt numFmtId="201" formatCode="[$-804]yyyy/m/d"/><numFmt numFmtId="202" formatCode="m&quot;月&quot;"/>'
        f'</numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="{number_format}"/></cellXfs>'
    )
    sheet = sheet_xml(heading_xml() + '<row r="2"><c r="D2" s="1"><v>46148</v></c></row>')
    rows, _ = read(container(tmp_path / "a.xlsx", sheet, styles=styles))
    assert rows[0].cells["CF_JDRQ"].value == date(2026, 5, 6)
    assert rows[0].cells["CF_JDRQ"].kind == "date"


@pytest.mark.parametrize(
    "code", ["0.00", "General", "h:mm:ss", "[h]:mm", "#,##0.00&quot;days&quot;", "\\y0", "@", "[Red]0"]
)
def test_styles_that_are_no_dates_stay_numbers(tmp_path: Path, code: str) -> None:
    styles = (
        f'<numFmts><numFmt numFmtId="200" formatCode="{code}"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="200"/></cellXfs>'
    )
    sheet = sheet_xml(heading_xml() + '<row r="2"><c r="D2" s="0"><v>46148</v></c></row>')
    rows, _ = read(container(tmp_path / "a.xlsx", sheet, styles=styles))
    assert (rows[0].cells["CF_JDRQ"].value, rows[0].cells["CF_JDRQ"].kind) == (46148, "number")


def test_serials_follow_excels_two_calendars(tmp_path: Path) -> None:
    def days(workbook_pr: str, serials: list[str]) -> list[object]:
        rows = "".join(f'<row r="{i}"><c r="D{i}" s="0"><v>{s}</v></c></row>' for i, s in enumerate(serials, 2))
        path = container(
            tmp_path / "a.xlsx",
            sheet_xml(heading_xml() + rows),
            styles='<cellXfs><xf numFmtId="14"/></cellXfs>',
            workbook_pr=workbook_pr,
        )
        return [row.cells["CF_JDRQ"].value for row in read(path)[0]]

    assert days("", ["1", "59", "61", "60", "2958465", "2958466", "-1", "46148.999999"]) == [
        date(1900, 1, 1),
        date(1900, 2, 28),
        date(1900, 3, 1),
        60,
        date(9999, 12, 31),
        2958466,
        -1,
        date(2026, 5, 7),
    ]
    assert days('<workbookPr date1904="1"/>', ["44686"]) == [date(2026, 5, 6)]


def test_headings_match_in_any_order_with_stars_blanks_breaks_and_brackets(tmp_path: Path) -> None:
    headings = [
        "*备　注",
        "cf_wsh",
        "行政相对人代码_1（统一社会信用代码） ＊",
        "相对人\n名称",
        "处罚 决定\r\n日期",
        "罚款金额(万元)",
    ]
    rows, source = read(book(tmp_path / "a.xlsx", [headings, ["b", "w", "c", "n", "d", "1"]]))
    values = {code: cell.value for code, cell in rows[0].cells.items()}
    assert values == {
        "BZ": "b", "CF_WSH": "w", "CF_XDR_SHXYM": "c", "CF_XDR_MC": "n", "CF_JDRQ": "d", "CF_NR_FK": "1",
    }  # fmt: skip
    assert source.columns == ("BZ", "CF_WSH", "CF_XDR_SHXYM", "CF_XDR_MC", "CF_JDRQ", "CF_NR_FK")


def test_rows_above_the_heading_are_skipped_and_empty_rows_take_no_number(tmp_path: Path) -> None:
    rows, source = read(book(tmp_path / "a.xlsx", [["双公示报送表"], [], NAMES, ROW, [], ["  "], ROW]))
    assert [(row.row, row.line) for row in rows] == [(1, 4), (2, 7)]
    assert rows[1].cells["CF_WSH"].address == "C7"
    assert "表头在第 3 行" in said(source)
    assert "表头上面的 2 行没有当作数据读取" in said(source)


def test_a_heading_twice_is_refused_naming_both_cells(tmp_path: Path) -> None:
    refused = refusal(book(tmp_path / "a.xlsx", [[], [*NAMES, "文书号"], ROW]))
    assert refused.code == "duplicate_heading"
    assert "“行政处罚决定文书号”（C2、G2）" in refused.message
    assert refused.retriable is False


def test_missing_mandatory_headings_are_all_named(tmp_path: Path) -> None:
    refused = refusal(book(tmp_path / "a.xlsx", [["备注", "处罚决定日期", "相对人名称"], ["b", "d", "n"]]))
    assert refused.code == "missing_heading"
    assert "“行政处罚决定文书号”（CF_WSH）" in refused.message
    assert "“行政相对人代码_1(统一社会信用代码)”（CF_XDR_SHXYM）" in refused.message
    assert "处罚决定日期" not in refused.message


def test_no_heading_is_refused_without_quoting_the_file(tmp_path: Path) -> None:
    refused = refusal(book(tmp_path / "a.xlsx", [ROW, ROW]))
    assert refused.code == "no_heading"
    assert "某某公司" not in refused.message


def test_unknown_columns_are_said_and_not_read(tmp_path: Path) -> None:
    rows, source = read(book(tmp_path / "a.xlsx", [["序号", *NAMES, "经办人"], [1, *ROW, "x"], [2], [3]]))
    assert source.unknown_columns == ("序号", "经办人")
    assert "“序号”（A1）、“经办人”（H1）" in said(source)
    assert len(rows) == 1
    assert "有 2 行只在无法识别的列里有内容" in said(source)


def test_content_outside_the_table_is_said(tmp_path: Path) -> None:
    rows, source = read(book(tmp_path / "a.xlsx", [NAMES, [*ROW, None, "角落"]]))
    assert len(rows) == 1
    assert "没有列名的列里，内容未读取：H2" in said(source)


def test_first_sheet_with_a_heading_is_read_and_the_others_are_mentioned(tmp_path: Path) -> None:
    workbook = Workbook()
    first = workbook.active
    assert first is not None
    first.title = "填写说明"
    first.append(["请按要求填写"])
    for title, state in (("隐藏页", "hidden"), ("一月", "visible"), ("二月", "visible"), ("空表", "visible")):
        sheet = workbook.create_sheet(title)
        sheet.sheet_state = state
        if title != "空表":
            sheet.append(NAMES)
            sheet.append([title, *ROW[1:]])
    workbook.save(tmp_path / "a.xlsx")
    rows, source = read(tmp_path / "a.xlsx")
    assert [row.cells["CF_XDR_MC"].value for row in rows] == ["一月"]
    assert "读取的是工作表“一月”" in said(source)
    assert "工作表 “二月” 里也有表头和数据" in said(source)
    assert "其他工作表没有读取：“填写说明”、“空表”" in said(source)
    assert "隐藏的工作表没有读取：“隐藏页”" in said(source)


def test_hidden_rows_and_columns_are_read_and_mentioned(tmp_path: Path) -> None:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (NAMES, ROW, ROW, ROW):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["F"].hidden = True
    workbook.save(tmp_path / "a.xlsx")
    rows, source = read(tmp_path / "a.xlsx")
    assert [row.line for row in rows] == [2, 3, 4]
    assert "有 1 行处于隐藏状态，已照常读取：第 3 行" in said(source)
    assert "有 1 列处于隐藏状态，已照常读取：F" in said(source)


def test_a_formula_counts_by_its_cached_value_and_without_one_is_empty(tmp_path: Path) -> None:
    cells = (
        '<c r="A2" t="str"><f>B2&amp;"x"</f><v>算出的</v></c><c r="E2"><f>1+1</f><v>2</v></c>'
        '<c r="B2"><f>1+1</f></c><c r="F2" t="str"><f>""</f><v></v></c><c r="C2" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    )
    rows, source = read(container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + f'<row r="2">{cells}</row>')))
    cell = rows[0].cells
    assert (cell["CF_XDR_MC"].value, cell["CF_NR_FK"].value) == ("算出的", 2)
    assert cell["CF_XDR_SHXYM"].kind == "empty"
    assert cell["BZ"].kind == "empty"
    assert (cell["CF_WSH"].kind, cell["CF_WSH"].value) == ("error", "#DIV/0!")
    assert "有 1 个公式单元格没有保存计算结果，按空白处理：B2" in said(source)


def test_no_row_is_lost_to_a_lying_dimension_missing_references_or_disorder(tmp_path: Path) -> None:
    bare = "<row>" + "".join(f'<c t="inlineStr"><is><t>{v}</t></is></c>' for v in ROW) + "</row>"
    rows_xml = heading_xml() + row_xml(9) + bare + row_xml(4) + row_xml(5)
    sheet = sheet_xml(rows_xml, before='<dimension ref="A1:A1"/>')
    rows, source = read(container(tmp_path / "a.xlsx", sheet))
    assert [row.line for row in rows] == [9, 10, 4, 5]
    assert all(row.cells["BZ"].value == "无" for row in rows)
    assert "行号不按顺序" in said(source)


def test_one_bad_cell_costs_one_row_and_names_it(tmp_path: Path) -> None:
    bad = [
        '<c r="C3" t="s"><v>99</v></c>',
        '<c r="C3" t="s"><v>-1</v></c>',
        '<c r="C3"><v>一</v></c>',
        '<c r="C3"><v>1e999</v></c>',
        '<c r="C3" t="z"><v>1</v></c>',
        '<c r="C3" t="d"><v>2026-13</v></c>',
        f'<c r="C3" t="inlineStr"><is><t>{"长" * 32768}</t></is></c>',
        '<c r="C3"><v>1</v></c><c r="C3"><v>2</v></c>',
    ]
    for cell in bad:
        sheet = sheet_xml(heading_xml() + row_xml(2) + f'<row r="3">{cell}</row>' + row_xml(4))
        rows, _ = read(container(tmp_path / "a.xlsx", sheet, strings="<si><t>a</t></si>"))
        assert [bool(row.faults) for row in rows] == [False, True, False], cell
        assert "C3" in rows[1].faults[0].message
        assert rows[1].faults[0].address == "C3"


def test_odd_styles_refuse_nothing(tmp_path: Path) -> None:
    styles = '<fonts><font><sz val="x"/></font></fonts><fills><fill/></fills><cellXfs><xf numFmtId="z"/></cellXfs>'
    sheet = sheet_xml(heading_xml() + '<row r="2"><c r="E2" s="77"><v>1</v></c><c r="D2" s="q"><v>2</v></c></row>')
    rows, _ = read(container(tmp_path / "a.xlsx", sheet, styles=styles))
    assert (rows[0].cells["CF_NR_FK"].value, rows[0].cells["CF_JDRQ"].value) == (1, 2)


def test_shared_strings_are_read_whole_without_phonetics_and_escapes(tmp_path: Path) -> None:
    strings = (
        "<si><r><t>富</t></r><r><rPr><b/></rPr><t>文本</t></r><rPh sb='0' eb='1'><t>fu</t></rPh></si>"
        "<si><t>一_x000D_二_x005F_x0041_</t></si><si><t/></si>"
    )
    cells = "".join(f'<c r="{c}2" t="s"><v>{i}</v></c>' for i, c in enumerate("ABC"))
    rows, _ = read(
        container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + f'<row r="2">{cells}</row>'), strings=strings)
    )
    cell = rows[0].cells
    assert [cell[c].value for c in ("CF_XDR_MC", "CF_XDR_SHXYM", "CF_WSH")] == ["富文本", "一\r二_x0041_", None]


def test_strict_open_xml_is_read(tmp_path: Path) -> None:
    day = '<row r="3"><c r="D3" t="d"><v>2026-05-06</v></c></row>'
    sheet = sheet_xml(heading_xml() + row_xml(2) + day, namespace=STRICT)
    rows, _ = read(container(tmp_path / "a.xlsx", sheet, namespace=STRICT, strings="<si><t>a</t></si>"))
    assert rows[0].cells["CF_XDR_MC"].value == "某某公司"
    assert rows[1].cells["CF_JDRQ"].value == date(2026, 5, 6)


def test_a_repeated_heading_is_skipped_and_another_order_is_followed(tmp_path: Path) -> None:
    turned, turned_row = NAMES[::-1], ROW[::-1]
    rows, source = read(book(tmp_path / "a.xlsx", [NAMES, ROW, NAMES, ROW, turned, turned_row]))
    assert [row.row for row in rows] == [1, 2, 3]
    assert {row.cells["CF_WSH"].value for row in rows} == {ROW[2]}
    assert rows[2].cells["CF_WSH"].address == "D6"
    assert "第 3 行是重复的表头，已跳过" in said(source)
    assert "第 5 行是列顺序不同的表头" in said(source)


def test_codes_below_the_chinese_headings_are_no_data(tmp_path: Path) -> None:
    rows, _ = read(book(tmp_path / "a.xlsx", [NAMES, [heading.code for heading in HEADINGS], ROW]))
    assert [row.line for row in rows] == [3]


def test_merged_data_cells_are_mentioned(tmp_path: Path) -> None:
    merges = '<mergeCells><mergeCell ref="A1:F1"/><mergeCell ref="A3:A5"/></mergeCells>'
    sheet = sheet_xml(heading_xml(2) + row_xml(3), after=merges)
    _, source = read(container(tmp_path / "a.xlsx", sheet))
    assert "数据区有合并单元格" in said(source)
    assert "A3:A5" in said(source)
    assert "A1:F1" not in said(source)


def test_a_workbook_with_another_extension_is_read_with_a_remark(tmp_path: Path) -> None:
    (tmp_path / "b.xls").write_bytes(book(tmp_path / "a.xlsx", [NAMES, ROW]).read_bytes())
    rows, source = read(tmp_path / "b.xls")
    assert len(rows) == 1
    assert "文件扩展名是“.xls”" in said(source)


def test_a_heading_without_data_gives_no_row(tmp_path: Path) -> None:
    rows, source = read(book(tmp_path / "a.xlsx", [NAMES]))
    assert rows == []
    assert source.rows == 0


def test_rows_can_be_read_again_until_closed(tmp_path: Path) -> None:
    with open_source(book(tmp_path / "a.xlsx", [NAMES, ROW]), HEADINGS) as source:
        assert list(source) == list(source)
    with pytest.raises(ValueError, match="closed"):
        list(source)


def test_two_columns_with_one_spelling_are_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two columns"):
        open_source(tmp_path / "a.xlsx", [Heading("A", "名称"), Heading("B", "*名 称")])


# Excel itself cannot hold control characters, and openpyxl refuses them.
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
_CELL = st.one_of(
    st.none(),
    _TEXT,
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.dates(date(1901, 1, 1), date(2200, 1, 1)),
    st.datetimes(datetime(1901, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(microsecond=0)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(_CELL, min_size=6, max_size=6), min_size=1, max_size=30))
def test_what_openpyxl_writes_comes_back_unchanged(table: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.xlsx"
        workbook = Workbook()
        sheet = workbook.active
        assert sheet is not None
        sheet.append(NAMES)
        for line, values in enumerate(table, 2):
            for column, value in enumerate(values, 1):
                cell = sheet.cell(line, column, value)
                if isinstance(value, str) and value:
                    cell.data_type = "s"  # text even where it looks like a formula or an error
        workbook.save(path)
        rows, _ = read(path)
        oracle = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)
    expected = {
        line: values
        for line, values in enumerate(table, 2)
        if any(v is not None and not (isinstance(v, str) and not v.strip()) for v in values)
    }
    assert [row.line for row in rows] == list(expected)
    for row in rows:
        for heading, value, other in zip(HEADINGS, expected[row.line], oracle[row.line - 1], strict=True):
            got = row.cells[heading.code]
            if value is None or value == "":
                assert got.kind == "empty"
            elif isinstance(value, str):
                assert (got.kind, got.value) == ("text", value)
                assert got.value == other
            elif isinstance(value, bool):
                assert (got.kind, got.value) == ("bool", value)
            elif isinstance(value, datetime) and value.time() != datetime.min.time():
                assert (got.kind, got.value) == ("date", value)
            elif isinstance(value, date):
                assert (got.kind, got.value) == ("date", value.date() if isinstance(value, datetime) else value)
            else:
                assert got.kind == "number"
                assert got.value == other
                assert got.value == pytest.approx(value, rel=1e-14)  # openpyxl writes 16 digits


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\x00", "＝"])
def test_exported_text_is_never_a_formula(start: str) -> None:
    assert safe_text(start + "cmd") == "'" + start + "cmd"


def test_exported_text_is_otherwise_unchanged() -> None:
    assert [safe_text(value) for value in (None, "", "a=b", 5, "无")] == ["", "", "a=b", "5", "无"]


def test_footer_of_a_sheet_is_skipped_and_told(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx", [NAMES, ROW, ["合 计", None, None, None, 1.5], ["审核人：李四", None, "日期：2026-5-6"]]
    )
    with open_source(path, HEADINGS) as source:
        assert [row.line for row in source] == [2]
        assert any("第 3、4 行是表尾（“合计”、“审核人”）" in text for text in source.notices)
