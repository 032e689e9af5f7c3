"""One pass over a file: each row gets its own answer with the address of the cell, the good ones go through."""

from __future__ import annotations

from datetime import date

import pytest

from credit_producer.files import FileRefused
from credit_producer.pipeline import REPEATED, CheckedFile, row_context
from credit_schemas.catalogue import load_catalogue
from credit_schemas.problems import NOT_REPORTABLE
from credit_schemas.rules import Context
from producer_support import write_csv, write_xlsx
from unit.rows import AUTHORITY, LEDGER, PENALTY, PERSON, PERSON_PENALTY

CATALOGUE = load_catalogue()
DATASET = CATALOGUE.dataset("penalty")
CONTEXT = Context(date(2026, 11, 24), AUTHORITY)
CLEAN_PERSON = {**PERSON_PENALTY, "EXT_SM": "否", "EXT_SXCD": "一般"}


def outcomes(path, dataset=DATASET, context=CONTEXT):
    with CheckedFile(path, dataset, context, "market") as checked:
        return list(checked)


def numbered(n, row=PENALTY, **more):
    return {**row, "CF_WSH": f"示市监处罚〔2026〕{n}号", **more}


def test_good_rows_pass_beside_bad_ones(tmp_path):
    rows = [numbered(1), numbered(2, CF_JDRQ="2027-01-01"), numbered(3, CLEAN_PERSON)]
    one, two, three = outcomes(write_csv(tmp_path / "f.csv", rows))
    assert [o.verdict for o in (one, two, three)] == ["accept", "reject", "accept"]
    assert [(o.row, o.line) for o in (one, two, three)] == [(1, 2), (2, 3), (3, 4)]
    assert one.normalised["CF_NR_FK"] == "0.05"
    assert three.normalised["CF_XDR_ZJHM"] == "110105********002X"


def test_problem_has_the_address_of_its_cell_in_csv_and_excel(tmp_path):
    rows = [numbered(1, CF_JDRQ="2027-01-01")]
    assert [p.cell for p in outcomes(write_csv(tmp_path / "f.csv", rows))[0].problems] == ["第2行第23列"]
    assert [p.cell for p in outcomes(write_xlsx(tmp_path / "f.xlsx", rows))[0].problems] == ["W2"]


def test_numeric_cell_in_an_id_column_is_rejected_with_its_address(tmp_path):
    row = numbered(1, CLEAN_PERSON, CF_XDR_ZJHM=110105194912310000)
    [outcome] = outcomes(write_xlsx(tmp_path / "f.xlsx", [row]))
    told = [(p.cell, p.rule) for p in outcome.problems if p.severity == "reject"]
    assert told == [("M2", "CF_XDR_ZJHM.numeric")]
    assert "CF_XDR_ZJHM" not in outcome.normalised


def test_change_of_normalisation_is_told_with_its_cell_and_personal_ones_masked(tmp_path):
    row = numbered(1, CLEAN_PERSON, CF_JDRQ="2026/5/6", CF_XDR_ZJHM=f" {PERSON.lower()}")
    [outcome] = outcomes(write_csv(tmp_path / "f.csv", [row]))
    told = {c.column: (c.cell, c.before, c.after) for c in outcome.changes}
    assert told["CF_JDRQ"] == ("第2行第23列", "2026/5/6", "2026-05-06")
    assert PERSON.lower() not in str(told["CF_XDR_ZJHM"]).lower()


def test_same_record_twice_is_a_warning_on_the_later_row_that_names_both(tmp_path):
    rows = [numbered(1), numbered(2), numbered(1), numbered(1, CF_NR="罚款500元，已缴")]
    path = write_csv(tmp_path / "f.csv", rows)
    told = [[p for p in o.problems if p.rule == REPEATED] for o in outcomes(path)]
    assert [len(t) for t in told] == [0, 0, 1, 1]
    assert told[2][0].severity == told[3][0].severity == "warn"
    assert "第 1 条（第 2 行）和第 3 条（第 4 行）" in told[2][0].message
    assert "内容相同" in told[2][0].message
    assert "第 3 条（第 4 行）和第 4 条（第 5 行）" in told[3][0].message
    assert "以后面这条为准" in told[3][0].message
    assert told[2][0].cell == "第4行第14列"


def test_differently_written_document_numbers_are_one_record(tmp_path):
    rows = [PENALTY, {**PENALTY, "CF_WSH": "示市监处罚[2026] 8号"}]
    assert REPEATED in [p.rule for p in outcomes(write_csv(tmp_path / "f.csv", rows))[1].problems]


def test_rejected_row_is_no_earlier_record(tmp_path):
    rows = [numbered(1, CF_JDRQ="2026-05-06", CF_NR=""), numbered(1)]
    first, second = outcomes(write_csv(tmp_path / "f.csv", rows))
    assert (first.verdict, second.verdict) == ("reject", "accept")


def test_row_that_must_not_be_reported_is_marked_so(tmp_path):
    [outcome] = outcomes(write_csv(tmp_path / "f.csv", [numbered(1, CLEAN_PERSON, EXT_CFCX="简易程序")]))
    assert outcome.not_reportable
    assert [p.rule for p in outcome.problems] == [NOT_REPORTABLE]


def test_row_with_a_fault_of_the_file_is_rejected_and_no_rule_is_run_on_it(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1), numbered(2), numbered(3)])
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] += ",多出来的一格"
    path.write_text("\n".join(lines), encoding="utf-8")
    one, two, three = outcomes(path)
    assert [o.verdict for o in (one, two, three)] == ["accept", "reject", "accept"]
    assert [(p.column, p.rule, p.severity) for p in two.problems] == [("", "file.field_count", "reject")]
    assert two.normalised == {}


def test_file_refused_whole_gives_no_row(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("甲,乙\n1,2\n", encoding="utf-8")
    with pytest.raises(FileRefused):
        outcomes(path)


def test_codes_as_headings_and_another_dataset_work_alike(tmp_path):
    dataset = CATALOGUE.dataset("应报台账")
    path = write_csv(tmp_path / "f.csv", [LEDGER], "ledger", codes=True, encoding="gb18030")
    assert [o.verdict for o in outcomes(path, dataset)] == ["accept"]


def test_heading_nobody_knows_is_mentioned(tmp_path):
    path = write_csv(tmp_path / "f.csv", [numbered(1)])
    head, row = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{head},内部编号\n{row},7\n", encoding="utf-8")
    with CheckedFile(path, DATASET, CONTEXT, "market") as checked:
        assert "内部编号" in "".join(checked.notices)


def test_context_knows_the_units_own_code_and_the_day_in_the_county():
    context = row_context(CATALOGUE, "market", DATASET, date(2026, 5, 6))
    assert (context.today, context.unit_uscc) == (date(2026, 5, 6), CATALOGUE.county.units.get("market").uscc)
    assert row_context(CATALOGUE, "nobody", DATASET).unit_uscc is None
