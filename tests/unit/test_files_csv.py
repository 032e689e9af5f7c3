"""Promises of reading CSV from people: good rows go through, no row is swallowed, nothing is shifted in silence."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_producer.files import FileRefused, OpenedFile, SourceRow, open_source
from credit_producer.files.csv_text import split_record
from files_support import HEADINGS, NAMES, ROW

HEAD = ",".join(NAMES)
LINE = ",".join(ROW)


def text_of(table: Sequence[Sequence[str]], quoting: int = csv.QUOTE_MINIMAL, **options: str) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, **options).writerows(table)  # type: ignore[arg-type]
    return out.getvalue()


def read(folder: Path, content: str | bytes, name: str = "a.csv") -> tuple[list[SourceRow], OpenedFile]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = open_source(path, HEADINGS)
    return list(source), source


def refusal(folder: Path, content: str | bytes) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read(folder, content)
    return caught.value


def faults(rows: list[SourceRow]) -> list[list[str]]:
    return [[fault.code for fault in row.faults] for row in rows]


@pytest.mark.parametrize(
    ("encoding", "called"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("gb18030", "GB18030"),
        ("gbk", "GB18030"),
        ("utf-16", "UTF-16"),
        ("utf-16-be", "UTF-16"),
    ],
)
def test_every_promised_encoding_is_read_and_named(tmp_path: Path, encoding: str, called: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    rows, source = read(tmp_path, mark + f"{HEAD}\r\n{LINE}\r\n".encode(encoding))
    assert [cell.value for cell in rows[0].cells.values()] == ROW
    assert {cell.kind for cell in rows[0].cells.values()} == {"text"}
    assert rows[0].cells["CF_WSH"].address == "第2行第3列"
    assert called in source.notices[0]


def test_rare_characters_of_gb18030_survive(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE.replace('某某', '㑇𠮷')}\n".encode("gb18030"))
    assert rows[0].cells["CF_XDR_MC"].value == "㑇𠮷公司"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_recognised(tmp_path: Path, delimiter: str, end: str) -> None:
    table = [["报送表，一；二"], NAMES, ROW, ["甲;乙", "a,b", "c\td", "", '"', "末"]]
    rows, source = read(tmp_path, text_of(table, delimiter=delimiter, lineterminator=end))
    assert [[cell.value or "" for cell in row.cells.values()] for row in rows] == table[2:]
    assert (source.heading_line, [row.line for row in rows]) == (2, [3, 4])


def test_empty_cells_and_lines_are_empty_and_take_no_number(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"\n{HEAD}\n\n,,,,,\n{LINE}\n  ,\t,,,,\n甲,,,,,\n\n")
    assert [(row.row, row.line) for row in rows] == [(1, 5), (2, 7)]
    assert (rows[1].cells["BZ"].kind, rows[1].cells["BZ"].address) == ("empty", "第7行第6列")


def test_one_undecodable_line_does_not_take_the_good_ones_with_it(tmp_path: Path) -> None:
    for encoding in ("utf-8", "gb18030"):
        good = f"{LINE}\n".encode(encoding)
        bad = LINE.encode(encoding)[:-1] + b"\xff\xff\n"
        rows, _ = read(tmp_path, f"{HEAD}\n".encode(encoding) + good + bad + good)
        assert faults(rows) == [[], ["undecodable"], []], encoding
        assert "第3行" in rows[1].faults[0].message
        assert rows[2].cells["CF_XDR_MC"].value == "某某公司"


def test_a_gbk_line_pasted_into_a_utf8_file_costs_one_row(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n".encode() + f"{LINE}\n".encode("gbk") + f"{LINE}\n".encode())
    assert faults(rows) == [[], ["undecodable"], []]


def test_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    traditional = "當事人名稱,決定書號,備註\n臺灣國際電腦學會,罰鍰處分書,無\n" * 5
    assert refusal(tmp_path, traditional.encode("big5")).code == "wrong_encoding"
    assert refusal(tmp_path, f"{HEAD}\n{LINE}\n".encode("utf-16-le").replace(b"\xff\xfe", b"")).code in (
        "wrong_encoding",
        "no_heading",
        "not_a_table",
    )
    assert refusal(tmp_path, b"\xff\xff\xff\n" * 5).code == "wrong_encoding"


def test_headings_are_held_to_the_same_rules_as_in_excel(tmp_path: Path) -> None:
    assert refusal(tmp_path, f"{HEAD},文书号\n{LINE},x\n").code == "duplicate_heading"
    assert "第1行第3列、第1行第7列" in refusal(tmp_path, f"{HEAD},文书号\n").message
    missing = refusal(tmp_path, "备注,相对人名称\na,b\n")
    assert missing.code == "missing_heading"
    assert "CF_WSH" in missing.message
    assert refusal(tmp_path, f"{LINE}\n{LINE}\n").code == "no_heading"
    rows, source = read(tmp_path, f"序号,{HEAD}\n1,{LINE}\n")
    assert source.unknown_columns == ("序号",)
    assert rows[0].cells["CF_XDR_MC"].address == "第2行第2列"


def test_another_number_of_fields_is_a_fault_and_gives_no_shifted_value(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n甲,{LINE}\n甲,乙\n{LINE},,\n{LINE}\n")
    assert faults(rows) == [[], ["field_count"], ["field_count"], [], []]
    assert rows[1].cells == {}
    assert "本行有 7 个字段，表头有 6 个" in rows[1].faults[0].message
    assert len(rows[3].cells) == 6


def test_an_unclosed_quote_costs_one_row_and_swallows_none(tmp_path: Path) -> None:
    for bad in (f'"{LINE}', LINE + '"x', LINE.replace("某某", '"某某'), LINE.replace(",无", ',"无')):
        rows, _ = read(tmp_path, "\n".join([HEAD, LINE, bad, LINE, LINE.replace("公司", '"公司"'), LINE, LINE]))
        assert len(rows) == 6, bad
        good = [row for row in rows if not row.faults]
        assert len(good) >= 5 or bad.endswith('"x'), bad
        if rows[1].faults:
            assert rows[1].faults[0].code == "unclosed_quote"
            assert "第3行" in rows[1].faults[0].message
            assert rows[1].cells == {}


def test_two_unclosed_quotes_do_not_pair_up_across_rows(tmp_path: Path) -> None:
    broken = LINE.replace("某某", '"某某')
    rows, _ = read(tmp_path, "\n".join([HEAD, broken, LINE, LINE, broken, LINE]))
    assert faults(rows) == [["unclosed_quote"], [], [], ["unclosed_quote"], []]
    assert [row.line for row in rows] == [2, 3, 4, 5, 6]


def test_an_unclosed_quote_on_the_last_line_is_told(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f'{HEAD}\n{LINE}\n"{LINE}')
    assert faults(rows) == [[], ["unclosed_quote"]]


def test_a_cell_with_line_breaks_is_one_cell_and_lines_stay_true(tmp_path: Path) -> None:
    fact = '一、违法事实\r\n二、证据，见附件\n\n三、"其他",说明'
    table = [NAMES, [*ROW[:5], fact], ROW]
    rows, _ = read(tmp_path, text_of(table))
    assert rows[0].cells["BZ"].value == fact
    assert [row.line for row in rows] == [2, 6]
    assert faults(rows) == [[], []]


def test_a_repeated_heading_is_skipped_and_another_order_is_followed(tmp_path: Path) -> None:
    turned, turned_line = ",".join(NAMES[::-1]), ",".join(ROW[::-1])
    rows, source = read(tmp_path, f"{HEAD}\n{LINE}\n{HEAD}\n{LINE}\n{turned}\n{turned_line}\n{HEAD}\n{LINE}\n")
    assert {row.cells["CF_WSH"].value for row in rows} == {ROW[2]}
    assert [row.row for row in rows] == [1, 2, 3, 4]
    assert "第 3 行是重复的表头" in "".join(source.notices)
    assert "第 5、7 行是列顺序不同的表头" in "".join(source.notices)


def test_after_a_heading_that_cannot_be_followed_rows_are_faults(tmp_path: Path) -> None:
    half = "行政处罚决定文书号,行政相对人名称,处罚决定日期,备注"
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n{half}\n1,2,3,4\n{HEAD}\n{LINE}\n")
    assert faults(rows) == [[], ["heading_order"], []]
    assert rows[1].cells == {}
    assert "第3行" in rows[1].faults[0].message


def test_a_wider_joined_file_is_held_to_its_own_heading(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n{','.join(NAMES[::-1])},\n{','.join(ROW[::-1])},\n{LINE}\n")
    assert [len(row.cells) for row in rows] == [6, 6, 6]
    rows, _ = read(tmp_path, f'{HEAD}\n{",".join(NAMES[::-1])},,\n"多\n行",b,c,d,e,f,,\n')
    assert rows[0].cells["BZ"].value == "多\n行"
    assert rows[0].faults == ()


def test_a_long_field_and_a_nul_cost_their_own_row(tmp_path: Path) -> None:
    long = ",".join([*ROW[:5], "长" * 200_000])
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n{long}\n{LINE.replace('某', chr(0))}\n{LINE}\n")
    assert faults(rows) == [[], ["cell_too_long"], ["nul"], []]
    assert rows[1].faults[0].address == "第3行第6列"
    assert (rows[1].cells["BZ"].kind, rows[1].cells["BZ"].value) == ("error", None)


def test_an_endless_line_costs_one_row(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n{'长' * 3_000_000}\n{LINE}\n")
    assert faults(rows) == [[], ["line_too_long"], []]
    assert [row.line for row in rows] == [2, 3, 4]


def test_codes_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\nNA,914104211234568E38,007,2026-05-06,1e5,TRUE\n")
    assert [cell.value for cell in rows[0].cells.values()] == [
        "NA", "914104211234568E38", "007", "2026-05-06", "1e5", "TRUE",
    ]  # fmt: skip


def test_text_named_xls_is_read_with_a_remark(tmp_path: Path) -> None:
    rows, source = read(tmp_path, "\t".join(NAMES) + "\r\n" + "\t".join(ROW), name="导出.xls")
    assert len(rows) == 1
    assert "文件扩展名是“.xls”，内容却是文本" in source.notices[0]


def test_a_column_called_mz_is_no_program(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"MZ,{HEAD}\n汉族,{LINE}\n")
    assert len(rows) == 1


_FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd\ufeff"), max_size=25)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_FIELD, min_size=1, max_size=8), min_size=1, max_size=6), st.sampled_from(",;\t"))
def test_records_are_cut_as_the_csv_module_wrote_them(table: list[list[str]], delimiter: str) -> None:
    for fields in table:
        record = text_of([fields], delimiter=delimiter, lineterminator="")
        assert split_record(record, delimiter) == (fields, False, False)


_NO_BREAKS = _FIELD.filter(lambda text: not set(text) & set("\r\n"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(_FIELD, min_size=6, max_size=6), max_size=12),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_quoted_table_in_any_encoding_comes_back_unchanged(
    table: list[list[str]], encoding: str, delimiter: str, end: str
) -> None:
    expected = [row for row in table if any(field.strip() for field in row)]
    # Python 3.11 leaves a carriage return unquoted when lines end otherwise: quote everything
    body = text_of([NAMES, *table], csv.QUOTE_ALL, delimiter=delimiter, lineterminator=end)
    with tempfile.TemporaryDirectory() as folder:
        # 8 everyday lines decide the encoding, as in any real file
        rows, _ = read(Path(folder), (body + text_of([ROW] * 8, delimiter=delimiter)).encode(encoding))
    assert [[cell.value or "" for cell in row.cells.values()] for row in rows] == expected + [ROW] * 8
    assert all(not row.faults for row in rows)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200).filter(lambda junk: b"\n" not in junk and b"\r" not in junk), st.integers(0, 3))
def test_junk_in_one_line_never_costs_another_line(junk: bytes, at: int) -> None:
    lines = [f"{LINE}{i}".encode() for i in range(4)]
    lines.insert(at, junk)
    with tempfile.TemporaryDirectory() as folder:
        rows, _ = read(Path(folder), HEAD.encode() + b"\n" + b"\n".join(lines) + b"\n")
    sound = {row.cells["BZ"].value for row in rows if row.cells}
    assert {f"无{i}" for i in range(4)} <= sound


def test_footer_below_the_data_is_skipped_and_told_and_no_row_is_lost(tmp_path: Path) -> None:
    total = ["合计", "", "", "", "1.5", ""]
    short = "填表人：张三,审核人：李四"
    rows, source = read(tmp_path, f"{HEAD}\n{LINE}\n{LINE}\n{','.join(total)}\n\n{short}\n")
    assert [row.line for row in rows] == [2, 3]
    [notice] = [text for text in source.notices if "表尾" in text]
    assert "第 4、6 行" in notice
    assert "“合计”、“填表人”" in notice
    assert "张三" not in notice


def test_what_looks_like_a_footer_amid_the_data_or_is_well_filled_stays_data(tmp_path: Path) -> None:
    middle = "小计,,,,1.5,"
    named = ",".join(["合计", *ROW[1:]])
    rows, source = read(tmp_path, f"{HEAD}\n{LINE}\n{middle}\n{LINE}\n{named}\n")
    assert [row.line for row in rows] == [2, 3, 4, 5]
    assert not [text for text in source.notices if "表尾" in text]
    rows, _ = read(tmp_path, f"{HEAD}\n{middle}\n")
    assert len(rows) == 1  # nothing above it: somebody should look at it


def test_a_long_row_of_footers_is_data_somebody_should_look_at(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n" + "合计,,,,1.5,\n" * 50)
    assert len(rows) > 20


@pytest.mark.parametrize(
    "name", ["注册会计师事务所", "说明书有限公司", "单位食堂", "电话亭公司", "备注栏公司", "合计公司"]
)
def test_a_name_that_begins_like_a_footer_is_none(tmp_path: Path, name: str) -> None:
    rows, _ = read(tmp_path, f"{HEAD}\n{LINE}\n{name},,,,,\n")
    assert len(rows) == 2
