"""A hostile, broken or mistaken file is refused with a kind word; it never takes the reader's machine along."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import Workbook

from credit_producer.files import DEFAULT_LIMITS, FileRefused, Limits, OpenedFile, open_source
from credit_producer.files.wire import BrokenWire, decode_rows, read_frame
from files_support import (
    HEADINGS,
    NAMES,
    OFFICE,
    ROW,
    SHEET_TYPE,
    container,
    heading_xml,
    inline,
    row_xml,
    sheet_xml,
)

GOOD = heading_xml() + row_xml(2)
XML_2003 = b"urn:schemas-microsoft-com:office:spreadsheet"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def refused(path: Path, limits: Limits = DEFAULT_LIMITS) -> FileRefused:
    started = time.monotonic()
    with pytest.raises(FileRefused) as caught:
        open_source(path, HEADINGS, limits=limits)
    assert time.monotonic() - started < 60
    assert any("\u4e00" <= char <= "\u9fff" for char in caught.value.message)
    assert "Traceback" not in caught.value.message
    assert ROW[0] not in caught.value.message
    return caught.value


def opened(path: Path) -> OpenedFile:
    return open_source(path, HEADINGS)


def write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def test_a_stray_cell_in_the_last_corner_costs_nothing_and_is_said(tmp_path: Path) -> None:
    stray = f'<row r="1048576">{inline("XFD1048576", "x")}</row>'
    source = opened(container(tmp_path / "a.xlsx", sheet_xml(GOOD + stray)))
    assert source.rows == 1
    assert "XFD1048576" in "".join(source.notices)


@pytest.mark.parametrize("line", ["2147483648", "1048577", "0", "-1", "x", "9" * 5000])
def test_a_row_excel_cannot_have_is_refused(tmp_path: Path, line: str) -> None:
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD + f'<row r="{line}"/>'))).code == "out_of_bounds"


@pytest.mark.parametrize("reference", ["XFE2", "ZZZ2", "AAAA2", "2", "", "甲2"])
def test_a_column_excel_cannot_have_is_refused(tmp_path: Path, reference: str) -> None:
    sheet = sheet_xml(heading_xml() + f'<row r="2"><c r="{reference}"><v>1</v></c></row>')
    assert refused(container(tmp_path / "a.xlsx", sheet)).code == "out_of_bounds"


def test_a_merge_over_the_whole_sheet_costs_nothing(tmp_path: Path) -> None:
    merges = "<mergeCells>" + '<mergeCell ref="A1:XFD1048576"/>' * 5000 + "</mergeCells>"
    source = opened(container(tmp_path / "a.xlsx", sheet_xml(GOOD, after=merges)))
    assert [row.cells["CF_WSH"].value for row in source] == [ROW[2]]
    assert "合并单元格" in "".join(source.notices)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    bomb = container(tmp_path / "a.xlsx", sheet_xml(GOOD), extra={"xl/media/x.bin": bytes(300 << 20)})
    started = time.monotonic()
    assert refused(bomb).code == "zip_bomb"
    assert time.monotonic() - started < 5


def test_a_member_that_lies_about_its_size_never_unpacks_beyond_it(tmp_path: Path) -> None:
    path = container(tmp_path / "a.xlsx", sheet_xml(GOOD + f"<!--{' ' * (90 << 20)}-->"))
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    body = path.read_bytes()
    assert body.count(size.to_bytes(4, "little")) == 2
    path.write_bytes(body.replace(size.to_bytes(4, "little"), (5000).to_bytes(4, "little")))
    assert refused(path).code == "damaged"


def test_thousands_of_members_are_refused(tmp_path: Path) -> None:
    extra: dict[str, str | bytes] = {f"xl/media/{i}": b"" for i in range(2100)}
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD), extra=extra)).code == "zip_bomb"


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE w SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE w>",
    ],
)
def test_a_document_type_is_refused_in_every_part(tmp_path: Path, doctype: str) -> None:
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD, prolog=doctype))).code == "doctype"
    part: dict[str, str | bytes] = {"xl/worksheets/_rels/sheet1.xml.rels": f"{doctype}<Relationships/>"}
    assert refused(container(tmp_path / "b.xlsx", sheet_xml(GOOD), extra=part)).code == "doctype"
    wide = sheet_xml(GOOD, prolog=doctype).replace("UTF-8", "UTF-16").encode("utf-16")
    assert refused(container(tmp_path / "c.xlsx", wide)).code == "doctype"


def test_endless_markup_is_refused_quickly(tmp_path: Path) -> None:
    huge = heading_xml() + f'<row r="2" x="{"a" * (60 << 20)}"/>'
    started = time.monotonic()
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(huge)), replace(DEFAULT_LIMITS, ratio=2000)).code == (
        "markup_too_long"
    )
    assert time.monotonic() - started < 10


def test_a_long_but_honest_comment_or_text_is_no_endless_markup(tmp_path: Path) -> None:
    long = '<row r="2">' + inline("A2", "长" * (2 << 20)) + "</row>"
    rows = list(opened(container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + long + row_xml(3)))))
    assert [[fault.code for fault in row.faults] for row in rows] == [["cell_too_long"], []]


def test_external_links_are_refused_and_hyperlinks_are_not(tmp_path: Path) -> None:
    link: dict[str, str | bytes] = {"xl/externalLinks/externalLink1.xml": "<externalLink/>"}
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD), extra=link)).code == "external_link"
    dde: dict[str, str | bytes] = {
        "xl/externalLinks/externalLink1.xml": '<externalLink><ddeLink ddeService="cmd" ddeTopic="/c"/></externalLink>'
    }
    assert refused(container(tmp_path / "b.xlsx", sheet_xml(GOOD), extra=dde)).code == "dde"
    connection: dict[str, str | bytes] = {"xl/connections.xml": "<connections/>"}
    assert refused(container(tmp_path / "c.xlsx", sheet_xml(GOOD), extra=connection)).code == "external_link"

    def outside(kind: str) -> str:
        return f'<Relationship Id="r1" Type="{OFFICE}/{kind}" Target="http://198.51.100.1/x" TargetMode="External"/>'

    template = container(tmp_path / "d.xlsx", sheet_xml(GOOD), sheet_rels=outside("oleObject"))
    assert refused(template).code == "external_link"
    assert opened(container(tmp_path / "e.xlsx", sheet_xml(GOOD), sheet_rels=outside("hyperlink"))).rows == 1


def test_macros_are_refused_however_they_are_packed(tmp_path: Path) -> None:
    enabled = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD), main_type=enabled)).code == "xlsm"
    assert refused(container(tmp_path / "a.xlsm", sheet_xml(GOOD))).code == "xlsm"
    vba: dict[str, str | bytes] = {"xl/vbaProject.bin": OLE}
    assert refused(container(tmp_path / "b.xlsx", sheet_xml(GOOD), extra=vba)).code == "macro"
    renamed = '<Override PartName="/xl/x.bin" ContentType="application/vnd.ms-office.vbaProject"/>'
    assert refused(container(tmp_path / "c.xlsx", sheet_xml(GOOD), types=renamed)).code == "macro"
    old: dict[str, str | bytes] = {"xl/macrosheets/sheet1.xml": "<x/>"}
    assert refused(container(tmp_path / "d.xlsx", sheet_xml(GOOD), extra=old)).code == "macro"


def test_every_way_to_be_no_xlsx_has_its_own_answer(tmp_path: Path) -> None:
    zipped = tmp_path / "z.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("表.xlsx", b"x")
    docx = SHEET_TYPE.replace("spreadsheetml.sheet", "wordprocessingml.document")
    cases = {
        "xls": write(tmp_path / "a.xls", OLE + "Workbook".encode("utf-16-le")),
        "password": write(tmp_path / "a.xlsx", OLE + bytes(1 << 20) + "EncryptedPackage".encode("utf-16-le")),
        "html": write(tmp_path / "b.xls", b"\xef\xbb\xbf\n<HTML><table><tr><td>1</td></tr></table></HTML>"),
        "xml_2003": write(tmp_path / "c.xls", b'<?xml version="1.0"?><Workbook xmlns="' + XML_2003 + b'"/>'),
        "not_a_table": write(tmp_path / "d.xlsx", b"%PDF-1.7\n" + bytes(100)),
        "empty_file": write(tmp_path / "e.csv", b""),
        "not_found": tmp_path / "nowhere.xlsx",
        "lock_file": write(tmp_path / "~$a.xlsx", b"x"),
        "cannot_open": tmp_path,
        "file_too_large": write(tmp_path / "f.csv", b"a" * 2000),
    }  # fmt: skip
    small = replace(DEFAULT_LIMITS, file_bytes=1 << 21)
    for code, path in cases.items():
        limits = replace(DEFAULT_LIMITS, file_bytes=1000) if code == "file_too_large" else small
        assert refused(path, limits).code == code
    assert ".et" in refused(write(tmp_path / "a.et", OLE)).message
    assert "解压" in refused(zipped).message
    assert refused(write(tmp_path / "g.csv", b"\n \r\n\t")).code == "empty_file"
    assert refused(write(tmp_path / "h.xlsx", os.urandom(4096))).code in ("not_a_table", "wrong_encoding", "no_heading")
    assert refused(container(tmp_path / "i.xlsx", sheet_xml(GOOD), main_type=docx)).code == "not_a_table"
    binary = "application/vnd.ms-excel.sheet.binary.macroEnabled.main"
    assert refused(container(tmp_path / "j.xlsx", sheet_xml(GOOD), main_type=binary)).code == "xlsb"


def test_a_truncated_or_flipped_file_is_refused_at_every_cut(tmp_path: Path) -> None:
    whole = container(tmp_path / "a.xlsx", sheet_xml(GOOD + "".join(row_xml(i) for i in range(3, 300)))).read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9, 0.999):
        assert refused(write(tmp_path / "b.xlsx", whole[: int(len(whole) * share)])).code == "damaged"
    at = whole.index(b"sheet1.xml") + 2000
    flipped = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    assert refused(write(tmp_path / "c.xlsx", flipped)).code == "damaged"


def test_a_garbled_directory_is_refused_as_damaged_and_never_as_a_surprise(tmp_path: Path) -> None:
    whole = container(tmp_path / "a.xlsx", sheet_xml(GOOD)).read_bytes()
    at = whole.rindex(b"PK\x05\x06") + 16  # where the directory starts: zipfile then seeks before the file
    for offset in range(at, at + 4):
        garbled = whole[:offset] + b"\xff" + whole[offset + 1 :]
        assert refused(write(tmp_path / "b.xlsx", garbled)).code == "damaged"


def test_broken_parts_are_refused_as_damaged(tmp_path: Path) -> None:
    assert refused(container(tmp_path / "a.xlsx", sheet_xml(GOOD)[:-20])).code == "damaged"
    assert refused(container(tmp_path / "b.xlsx", b"\xff" * 500)).code == "damaged"
    missing: dict[str, str | bytes] = {"xl/_rels/workbook.xml.rels": "<Relationships/>"}
    assert refused(container(tmp_path / "c.xlsx", sheet_xml(GOOD), extra=missing)).code == "damaged"
    double = container(tmp_path / "d.xlsx", sheet_xml(GOOD))
    with zipfile.ZipFile(double, "a") as archive:
        archive.writestr("XL/worksheets/sheet1.xml", sheet_xml(heading_xml()))
    assert refused(double).code == "damaged"


def test_rows_in_odd_places_refuse_the_file_rather_than_get_lost(tmp_path: Path) -> None:
    sheet = sheet_xml(GOOD, after=f"<extra>{row_xml(3)}</extra>")
    assert refused(container(tmp_path / "a.xlsx", sheet)).code == "rows_lost"


def test_too_many_rows_and_columns_are_refused(tmp_path: Path) -> None:
    path = container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + "".join(row_xml(i) for i in range(2, 13))))
    assert refused(path, replace(DEFAULT_LIMITS, rows=10)).code == "too_many_rows"
    assert open_source(path, HEADINGS, limits=replace(DEFAULT_LIMITS, rows=11)).rows == 11
    workbook = Workbook()
    assert workbook.active is not None
    workbook.active.append([*NAMES, *[f"列{i}" for i in range(600)]])
    workbook.save(tmp_path / "b.xlsx")
    assert refused(tmp_path / "b.xlsx").code == "too_many_columns"


def test_a_reader_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + "".join(row_xml(i) for i in range(2, 60000))))
    started = time.monotonic()
    stopped = refused(path, replace(DEFAULT_LIMITS, seconds=0.5))
    assert stopped.code == "reader_died"
    assert "0.5 秒" in stopped.message
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is enforced on Linux")
def test_a_reader_that_takes_too_much_memory_dies_alone(tmp_path: Path) -> None:
    strings = "".join(f"<si><t>{'长' * 1000}{i}</t></si>" for i in range(30000))
    path = container(tmp_path / "a.xlsx", sheet_xml(GOOD), strings=strings)
    roomy = replace(DEFAULT_LIMITS, ratio=2000)
    assert refused(path, replace(roomy, memory_bytes=80 << 20)).code in ("too_large", "reader_died")
    assert open_source(path, HEADINGS, limits=roomy).rows == 1


def test_the_child_loads_neither_kafka_nor_the_rest_of_the_package(tmp_path: Path) -> None:
    from credit_producer.files import reader

    show = "print(sorted(m for m in sys.modules if not m.startswith('credit_producer.files')))"
    boot = reader._BOOT.replace("main(sys.stdin.buffer, sys.stdout.buffer)", show)
    assert show in boot
    out = subprocess.run(
        [sys.executable, "-I", "-c", boot, str(reader._PACKAGE)], check=True, capture_output=True, text=True
    ).stdout
    foreign = {
        name for name in ("kafka", "fastavro", "openpyxl", "credit_schemas", "cryptography") if f"'{name}'" in out
    }
    assert foreign == set()


def test_a_lying_child_is_not_believed() -> None:
    import io
    import zlib

    with pytest.raises(BrokenWire):
        read_frame(io.BytesIO(b"R\xff\xff\xff\xff"))
    with pytest.raises(BrokenWire):
        read_frame(io.BytesIO(b"Z\x00\x00\x00\x00"))
    with pytest.raises(BrokenWire):
        read_frame(io.BytesIO(b"R\x00\x00\x00\x09abc"))
    lies = [
        b"no zlib",
        zlib.compress(b"no json"),
        zlib.compress(b"[]"),
        zlib.compress(b'{"at": [["A", 0]], "rows": [[1, 2, ["a", "b"], []]]}'),
        zlib.compress(b'{"at": [["A", 0]], "rows": [[1, 2, [["d", "2026-99-99"]], []]]}'),
        zlib.compress(b'{"at": [["A", 0]], "rows": [[1, 2, [["x", "y"]], []]]}'),
        zlib.compress(bytes(130 << 20), 1),
    ]
    for lie in lies:
        with pytest.raises(BrokenWire):
            list(decode_rows(lie, "xlsx"))


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_twenty_thousand_rows_stay_far_below_the_memory_promise(tmp_path: Path) -> None:
    """Parent and child together; tests/bench measures the 100,000 rows of the promise (300 MB)."""
    strings = "".join(f"<si><t>宝市监罚〔2026〕{i}号 当事人未取得许可从事经营活动</t></si>" for i in range(200_000))

    def row(line: int) -> str:
        cells = (f'<c r="{c}{line}" t="s"><v>{line * 6 + n}</v></c>' for n, c in enumerate("ABCDEF"))
        return f'<row r="{line}">{"".join(cells)}</row>'

    rows = "".join(row(line) for line in range(2, 20_002))
    path = container(tmp_path / "a.xlsx", sheet_xml(heading_xml() + rows), strings=strings)
    script = (
        "import re, resource, sys\n"
        "from pathlib import Path\n"
        "from credit_producer.files import Heading, open_source\n"
        "headings = [Heading(*pair) for pair in eval(sys.argv[2])]\n"
        "count = sum(1 for _ in open_source(Path(sys.argv[1]), headings))\n"
        # VmHWM, not ru_maxrss: that one survives exec and would report pytest's own size
        "own = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(count, (own + child) // 1024)\n"
    )
    pairs = repr([(heading.code, heading.name) for heading in HEADINGS])
    out = subprocess.run(
        [sys.executable, "-c", script, str(path), pairs], check=True, capture_output=True, text=True
    ).stdout
    count, megabytes = map(int, out.split())
    assert count == 20_000
    assert megabytes < 150
