"""`credit-producer check` as a person and as a program meet it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from credit_producer.cli import cli
from credit_schemas.catalogue import load_catalogue
from producer_support import write_csv, write_xlsx
from unit.rows import AUTHORITY, LICENCE, PENALTY, PERSON, PERSON_PENALTY

# Reading, checking and printing 100,000 rows (issue 3, "Bad input").
MEMORY_KB = 300 * 1024


def numbered(n, row=PENALTY, **more):
    return {**row, "CF_WSH": f"示市监处罚〔2026〕{n}号", **more}


@pytest.fixture
def mixed(tmp_path):
    """A good row, a bad one, a good one, one that must not be reported."""
    rows = [
        numbered(1),
        numbered(2, CF_JDRQ="2027-01-01"),
        numbered(3, PERSON_PENALTY),
        numbered(4, PERSON_PENALTY, EXT_CFCX="简易程序"),
    ]
    return write_csv(tmp_path / "处罚.csv", rows)


def run(*arguments, dataset="penalty", unit="market"):
    chosen = [*(["--dataset", dataset] if dataset else []), *(["--unit", unit] if unit else [])]
    return CliRunner().invoke(cli, ["check", *map(str, arguments), *chosen])


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_door_is_as_the_design_says(mixed):
    result = run(mixed, "--json", "--as-of", "2026-11-24")
    assert result.exit_code == 1
    found = lines(result)
    assert [(r["file"], r["row"], r["line"]) for r in found] == [(str(mixed), n, n + 1) for n in (1, 2, 3, 4)]
    assert [r["verdict"] for r in found] == ["warn", "reject", "warn", "reject"]
    for line in found:
        assert list(line) == ["file", "row", "line", "verdict", "problems", "changes", "normalised"]
        for problem in line["problems"]:
            assert list(problem) == ["column", "cell", "rule", "severity", "message"]
    assert found[0]["normalised"]["CF_JDRQ"] == "2026-05-06"
    assert found[2]["normalised"]["CF_XDR_ZJHM"] == "110105********002X"
    assert [p["rule"] for p in found[3]["problems"]] == ["legal.not_reportable"]


def test_clean_file_is_exit_0(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    result = run(path)
    assert result.exit_code == 0
    assert "共 1 条：通过 1 条" in result.output


def test_as_of_is_the_days_today(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    assert run(path, "--as-of", "2026-05-06").exit_code == 0
    assert run(path, "--as-of", "2026-05-05").exit_code == 1


def test_another_authoritys_decision_is_a_warning_and_the_own_one_is_not(tmp_path):
    own = {**PENALTY, "CF_CFJGDM": "11410421DEM000209N"}
    assert own["CF_CFJGDM"] != AUTHORITY
    path = write_csv(tmp_path / "f.csv", [own, numbered(2)])
    assert [r["verdict"] for r in lines(run(path, "--json", unit="宝丰县市场监督管理局"))] == ["accept", "warn"]


@pytest.mark.parametrize("unit", ["market", "市场监管局", "县市场监管局", "市监局", "11410421DEM000209N"])
def test_unit_and_dataset_go_by_any_name(tmp_path, unit):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    assert run(path, unit=unit, dataset="行政处罚").exit_code == 0


def test_human_answer_names_row_cell_and_remedy(mixed):
    result = run(mixed, "--as-of", "2026-11-24")
    assert result.exit_code == 1
    assert "共 4 条：通过 2 条（其中 2 条有提醒），拒收 1 条，依法不报送 1 条。" in result.output
    assert "第 2 条（第 3 行）" in result.output
    assert "第3行第23列 CF_JDRQ：「处罚决定日期」2027-01-01 晚于今天（2026-11-24）；请核对。" in result.output
    assert PERSON not in result.output


def test_screen_shows_50_bad_rows_and_the_report_all_of_them_safely(tmp_path):
    rows = [numbered(n, CF_JDRQ="2027-01-01", CF_XDR_LB="=1+1") for n in range(80)]
    path = write_csv(tmp_path / "=处罚.csv", rows)
    report = tmp_path / "结果.csv"
    result = run(path, "--report", report)
    assert len(re.findall(r"^第 \d+ 条", result.output, re.M)) == 50
    assert "还有 30 条没有列出" in result.output
    assert "80 条，如：" in result.output
    assert report.read_bytes().startswith(b"\xef\xbb\xbf")
    with report.open(encoding="utf-8-sig", newline="") as file:
        told = list(csv.reader(file))
    assert {row[1] for row in told[1:]} == {str(n) for n in range(1, 81)}
    assert not [cell for row in told for cell in row if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "file.empty_file"),
        ("甲,乙\n1,2\n".encode(), "file.no_heading"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old Excel file", None),
        (None, "file.not_found"),
    ],
)
def test_file_refused_whole_is_one_line_row_0_and_exit_2(tmp_path, content, rule):
    path = tmp_path / "f.csv"
    if content is not None:
        path.write_bytes(content)
    result = run(path, "--json")
    assert result.exit_code == 2
    [line] = lines(result)
    assert (line["row"], line["verdict"], line["normalised"]) == (0, "reject", {})
    [problem] = line["problems"]
    assert problem["rule"] == rule if rule else problem["rule"].startswith("file.")
    human = run(path)
    assert human.exit_code == 2
    assert problem["message"] in human.output
    assert "Traceback" not in human.output


def test_template_is_made_and_passes_once_filled_in(tmp_path):
    path = tmp_path / "模板.xlsx"
    assert CliRunner().invoke(cli, ["template", "行政处罚", "--out", str(path)]).exit_code == 0
    empty = run(path, "--json")
    assert (empty.exit_code, lines(empty)[0]["problems"][0]["rule"]) == (2, "file.no_rows")
    book = load_workbook(path)
    for n, f in enumerate(load_catalogue().dataset("penalty").fields, 1):
        book.worksheets[0].cell(2, n, PENALTY.get(f.column))
    book.save(path)
    filled = run(path, "--json")
    assert (filled.exit_code, [r["normalised"]["CF_WSH"] for r in lines(filled)]) == (0, [PENALTY["CF_WSH"]])


@pytest.mark.parametrize(
    ("dataset", "out", "said"),
    [
        ("penalty", "a.csv", "以 .xlsx 结尾"),
        ("penalty", "no/a.xlsx", "没有这个文件或文件夹"),
        ("none", "a.xlsx", "行政处罚"),
    ],
)
def test_template_that_cannot_be_made_is_told_in_chinese(tmp_path, dataset, out, said):
    result = CliRunner().invoke(cli, ["template", dataset, "--out", str(tmp_path / out)])
    assert result.exit_code == 2
    assert said in result.output


def test_missing_mandatory_column_refuses_the_file_and_names_it(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    path.write_text(path.read_text(encoding="utf-8").replace("行政处罚决定书文号", "别的列"), encoding="utf-8")
    result = run(path, "--json")
    assert result.exit_code == 2
    assert "行政处罚决定书文号" in lines(result)[0]["problems"][0]["message"]


def test_excel_file_with_a_numeric_id_cell_passes_its_good_rows(tmp_path):
    rows = [numbered(1), numbered(2, PERSON_PENALTY, CF_XDR_ZJHM=110105194912310000), numbered(3)]
    found = lines(run(write_xlsx(tmp_path / "f.xlsx", rows), "--json"))
    assert [r["verdict"] for r in found] == ["warn", "reject", "warn"]
    assert found[1]["problems"][0]["cell"] == "M3"


def test_licences_are_checked_by_the_same_command(tmp_path):
    path = write_csv(tmp_path / "f.csv", [LICENCE], "licence", codes=True, encoding="utf-8-sig")
    assert [r["normalised"]["XK_WSH"] for r in lines(run(path, "--json", dataset="licence"))] == [LICENCE["XK_WSH"]]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"dataset": "penalties"}, "行政处罚"), ({"unit": "不存在的局"}, "单位目录里没有"), ({"unit": PERSON}, "没有")],
)
def test_unknown_name_is_told_with_what_there_is(tmp_path, options, said):
    result = run(write_csv(tmp_path / "f.csv", [PENALTY]), **options)
    assert result.exit_code == 2
    assert said in result.output
    assert PERSON not in result.output


def test_report_that_cannot_be_written_is_told(tmp_path):
    result = run(write_csv(tmp_path / "f.csv", [PENALTY]), "--report", tmp_path / "nowhere" / "r.csv")
    assert result.exit_code == 2
    assert "打不开文件" in result.output


def real(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "credit_producer.cli", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


def test_json_is_utf_8_in_any_locale_and_remarks_stay_out_of_it(mixed):
    done = real(mixed, "--dataset", "penalty", "--unit", "market", "--json", PYTHONIOENCODING="gb18030")
    assert done.returncode == 1
    assert [json.loads(line)["row"] for line in done.stdout.decode("utf-8").splitlines()] == [1, 2, 3, 4]
    assert "提示" in done.stderr.decode("gb18030")


def test_character_the_terminal_cannot_show_does_not_end_the_command(mixed):
    done = real(mixed, "--dataset", "penalty", "--unit", "market", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_check_needs_neither_kafka_nor_a_configuration(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    program = (
        "import sys; from credit_producer.cli import cli\n"
        "try: cli(['check', sys.argv[1], '--dataset', 'penalty', '--unit', 'market'])\n"
        "except SystemExit as end: print('kafka' in sys.modules, end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        check=True,
        env={**os.environ, "CREDIT_HOME": str(tmp_path / "none")},
    )
    assert done.stdout.decode().splitlines()[-1] == "False 0"
    assert not (tmp_path / "none").exists()


def test_100_000_rows_stay_within_300_mb(tmp_path):
    rows = (numbered(n, PERSON_PENALTY if n % 2 else PENALTY) for n in range(100_000))
    path = write_csv(tmp_path / "large.csv", rows)
    program = (
        "import resource, subprocess, sys\n"
        "command = [sys.executable, '-m', 'credit_producer.cli', *sys.argv[1:]]\n"
        "done = subprocess.run(command, stdout=subprocess.DEVNULL)\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    arguments = ["check", str(path), "--dataset", "penalty", "--unit", "market", "--json"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0
    assert kilobytes < MEMORY_KB
