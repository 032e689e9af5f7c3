"""The files a row names, at the door: found in the folder of its table only, told with the cell, sealed whole."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

import attachment_files as files
from credit_producer.attachments import AttachmentFolder, check_with_files, hand_over, waiting
from credit_producer.cli import cli
from credit_producer.errors import AttachmentChanged, CannotHandOver
from credit_producer.sdk import CreditProducer
from credit_producer.settings import unit_config_path, write_unit_config
from credit_schemas.attachments import limit, read_attachments, sealing_context
from credit_schemas.catalogue import load_catalogue
from credit_schemas.rules import Context
from credit_schemas.sealed_files import open_file
from credit_schemas.sealing import generate_center_key
from producer_support import write_csv, write_xlsx
from unit.rows import PERSON

WORK = load_catalogue().dataset("work_report")
ROW = {**WORK.examples[0], "GZ_FJ": "活动方案.docx；照片/现场1.jpg"}
CONTEXT = Context(date(2026, 11, 24))
KEY = generate_center_key()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder as a clerk has it."""
    folder = tmp_path / "九月"
    (folder / "照片").mkdir(parents=True)
    (folder / "活动方案.docx").write_bytes(files.docx())
    (folder / "照片" / "现场1.jpg").write_bytes(files.picture())
    (folder / "照片" / "现场2.jpg").write_bytes(files.picture(seed=2))
    return folder


def told(folder: Path, cell: str) -> list[tuple[str, str]]:
    return AttachmentFolder(folder).look(cell).problems


def test_a_row_says_name_digest_and_size_of_each_file(table):
    checked, held = check_with_files(WORK, ROW, CONTEXT, AttachmentFolder(table))
    assert (checked.verdict, checked.problems) == ("accept", [])
    named = read_attachments(checked.values["GZ_FJ"])
    assert [a.name for a in named] == ["活动方案.docx", "照片/现场1.jpg"]
    assert [h.attachment for h in held] == named
    for a in named:
        content = (table / a.name).read_bytes()
        assert (a.digest, a.size) == (hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize(
    "cell", ["活动方案.docx;照片\\现场1.jpg", "活动方案.docx\n照片/现场1.jpg；", " 活动方案.docx ；照片/现场1.jpg"]
)
def test_semicolons_line_breaks_and_backslashes_are_read(table, cell):
    checked, _ = check_with_files(WORK, ROW | {"GZ_FJ": cell}, CONTEXT, AttachmentFolder(table))
    assert [a.name for a in read_attachments(checked.values["GZ_FJ"])] == ["活动方案.docx", "照片/现场1.jpg"]


@pytest.mark.parametrize("cell", [None, "", "无", "—"])
def test_no_files_are_no_problem_where_there_is_a_link(table, cell):
    checked, held = check_with_files(WORK, ROW | {"GZ_FJ": cell}, CONTEXT, AttachmentFolder(table))
    assert (checked.verdict, held) == ("accept", ())


def test_nothing_outside_the_folder_is_ever_read(table):
    secret = table.parent / "secret.txt"
    secret.write_text("秘密")
    (table / "link.txt").symlink_to(secret)
    (table / "out").symlink_to(table.parent)
    (table / "loop.txt").symlink_to(table / "loop.txt")
    (table / "inner.docx").symlink_to(table / "活动方案.docx")
    for cell in ("../secret.txt", "照片/../../secret.txt", str(secret), "\\\\server\\x.txt", "C:\\x.txt", "c:x.txt"):
        assert [code for code, _ in told(table, cell)] == ["outside"], cell
    assert [code for code, _ in told(table, "link.txt")] == ["outside"]
    assert [code for code, _ in told(table, "out/secret.txt")] == ["outside"]
    assert [code for code, _ in told(table, "loop.txt")] == ["missing"]
    # A link within the folder leads to one of its own files.
    assert told(table, "inner.docx") == []


def test_what_is_no_file_is_told(table):
    os.mkfifo(table / "pipe.txt")
    assert [code for code, _ in told(table, "照片")] == ["missing"]
    assert [code for code, _ in told(table, "pipe.txt")] == ["missing"]
    assert [code for code, _ in told(table, "活动|方案.docx")] == ["name"]
    assert [code for code, _ in told(table, "方案.docx:evil.txt")] == ["name"]
    assert [code for code, _ in told(table, "名" * 100 + ".txt")] == ["name"]


@pytest.mark.parametrize(
    ("cell", "near"),
    [("活动方案", "活动方案.docx"), ("活动方案.doc", "活动方案.docx"), ("照片/现场1.JPEG", "现场1.jpg")],
)
def test_a_file_that_is_not_there_is_answered_with_what_is(table, cell, near):
    ((code, message),) = told(table, cell)
    assert code == "missing"
    assert f"“{near}”" in message


def test_names_that_stand_twice_are_told_and_one_photo_in_two_rows_is_read_once(table, monkeypatch):
    assert [code for code, _ in told(table, "活动方案.docx；活动方案.docx")] == ["twice"]
    folder = AttachmentFolder(table)
    assert folder.look("照片/现场1.jpg").problems == []
    (table / "照片" / "现场1.jpg").unlink()
    assert folder.look("照片/现场1.jpg").held[0].attachment.name == "照片/现场1.jpg"


def test_too_many_or_too_much_together_is_told(table):
    many = "；".join(f"{n}.jpg" for n in range(limit("files_per_report") + 1))
    assert [code for code, _ in told(table, many)] == ["too_many"]
    scan = files.pdf()
    for n in range(6):
        with (table / f"{n}.pdf").open("wb") as out:  # sparse: 19 MB each
            out.write(scan)
            out.truncate((19 << 20) - len(scan))
            out.seek(0, 2)
            out.write(scan)
    assert [code for code, _ in told(table, "；".join(f"{n}.pdf" for n in range(6)))] == ["too_large_together"]


def test_a_residents_number_in_a_file_name_is_refused_and_not_shown(table):
    (table / f"{PERSON}.docx").write_bytes(files.docx())
    checked, _ = check_with_files(WORK, ROW | {"GZ_FJ": f"{PERSON}.docx"}, CONTEXT, AttachmentFolder(table))
    assert [p.rule for p in checked.problems] == ["GZ_FJ.no_personal_number"]
    assert all(PERSON not in message for _, message in told(table, f"{PERSON}.exe"))


def test_a_program_that_gives_no_folder_is_told_so():
    checked, _ = check_with_files(WORK, ROW, CONTEXT, None)
    assert [p.rule for p in checked.problems] == ["GZ_FJ.attachment.folder"]


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_check_tells_the_cell_of_a_file_that_may_not_go_and_lets_the_good_rows_through(table, write):
    (table / "装机.jpg").write_bytes(files.renamed_exe())
    rows = [ROW, ROW | {"GZ_BT": "又一次", "GZ_FJ": "装机.jpg；没有.pdf"}]
    path = write(table / ("表.csv" if write is write_csv else "表.xlsx"), rows, "work_report")
    result = CliRunner().invoke(
        cli, ["check", str(path), "--dataset", "work_report", "--unit", "market", "--json", "--as-of", "2026-11-24"]
    )
    assert result.exit_code == 1, result.output
    good, bad = map(json.loads, result.stdout.splitlines())
    assert good["verdict"] == "accept"
    assert [(p["column"], p["rule"]) for p in bad["problems"]] == [
        ("GZ_FJ", "GZ_FJ.attachment.content"),
        ("GZ_FJ", "GZ_FJ.attachment.missing"),
    ]
    assert {p["cell"] for p in bad["problems"]} == {"第3行第10列" if write is write_csv else "J3"}
    assert "“装机.jpg”：扩展名是 .jpg，内容却是程序文件" in bad["problems"][0]["message"]


def hold(table: Path, cell: str):
    return AttachmentFolder(table).look(cell).held


def test_a_file_is_handed_over_sealed_once_and_opens_for_its_unit_at_the_center(table, tmp_path):
    out = tmp_path / "out"
    held = hold(table, "活动方案.docx；照片/现场1.jpg")
    assert hand_over(out, held, "market", KEY.public) == 2
    assert hand_over(out, held, "market", KEY.public) == 0
    assert {p.name for p in out.iterdir()} == {f"{h.attachment.digest}.sealed" for h in held}
    for h in held:
        path, content = out / f"{h.attachment.digest}.sealed", h.path.read_bytes()
        assert content[:40] not in path.read_bytes()
        with path.open("rb") as stream:
            context = sealing_context("market", h.attachment.digest)
            assert open_file(stream, path.stat().st_size, [KEY], context).read() == content
    assert waiting(out) == (2, [])


def test_the_same_content_under_two_names_is_handed_over_once(table, tmp_path):
    (table / "副本.docx").write_bytes((table / "活动方案.docx").read_bytes())
    assert hand_over(tmp_path / "out", hold(table, "活动方案.docx；副本.docx"), "market", KEY.public) == 1


def test_a_file_that_changed_after_its_check_is_not_handed_over(table, tmp_path):
    held = hold(table, "活动方案.docx")
    (table / "活动方案.docx").write_bytes(files.docx("改过"))
    with pytest.raises(AttachmentChanged):
        hand_over(tmp_path / "out", held, "market", KEY.public)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def producer(tmp_path, monkeypatch):
    """A producer of a unit whose Kafka is not there: rows are spooled."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "home"))
    write_unit_config(
        unit_config_path("market"),
        unit="market",
        county="410421",
        bootstrap="127.0.0.1:1",
        username="unit.market",
        password="x",
        center_key=str(KEY.public),
    )
    with_nobody = CreditProducer("market", as_of=date(2026, 11, 24)).open()
    yield with_nobody
    with_nobody.close()


def test_a_program_reports_with_its_files_and_the_event_waits_only_when_they_are_there(producer, table, tmp_path):
    answer = producer.report("work_report", ROW, attachments=table)
    assert answer.verdict == "accept"
    assert answer.ce_id
    assert waiting(tmp_path / "home" / "attachments" / "out" / "market")[0] == 2
    assert producer.spool.counts()

    # Nothing is spooled when the files cannot be handed over.
    (tmp_path / "home" / "attachments" / "out" / "market").rename(tmp_path / "gone")
    (tmp_path / "home" / "attachments" / "out" / "market").write_text("a file where the folder should be")
    before = producer.spool.counts()
    with pytest.raises(CannotHandOver, match="交接文件夹"):
        producer.report("work_report", ROW | {"GZ_BT": "再一次"}, attachments=table)
    assert producer.spool.counts() == before


def test_a_refused_row_hands_nothing_over(producer, table, tmp_path):
    answer = producer.report("work_report", ROW | {"GZ_QJ": "九月"}, attachments=table)
    assert answer.verdict == "reject"
    assert waiting(tmp_path / "home" / "attachments" / "out" / "market") == (0, [])
