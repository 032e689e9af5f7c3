"""The Excel template: what it was made from can be read back from it, and a filled one passes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from credit_producer.files.headings import normal_heading
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import check_row
from credit_schemas.dataset import Dataset
from credit_schemas.rules import Context
from credit_schemas.template import LAST_ROW, list_formula, write_template
from unit.rows import CLEAN, PERSON_PENALTY

CATALOGUE = load_catalogue()
NAMES = ["ledger", "licence", "penalty"]


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    dataset = CATALOGUE.datasets[request.param]
    path = tmp_path_factory.mktemp("template") / f"{dataset.id}.xlsx"
    write_template(dataset, path, CATALOGUE)
    return dataset, path


def test_it_has_a_sheet_to_fill_in_instructions_and_examples(made: tuple[Dataset, Path]) -> None:
    assert load_workbook(made[1]).sheetnames == ["填报", "填报说明", "样例"]


def test_headings_are_the_standards_names_in_order_stars_mark_the_mandatory_ones(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    heads = [cell.value for cell in load_workbook(path)["填报"][1]]
    assert heads == [f.cn + ("*" if f.mandatory else "") for f in dataset.fields]
    assert [normal_heading(h) for h in heads] == [normal_heading(f.cn) for f in dataset.fields]


def test_the_national_code_stands_in_the_comment_of_each_heading(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    for f, cell in zip(dataset.fields, load_workbook(path)["填报"][1], strict=True):
        assert cell.comment is not None
        assert cell.comment.text.splitlines()[0] == f.column


def test_every_cell_to_fill_in_is_text_however_far_down(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    sheet = load_workbook(path)["填报"]
    formats = {letter: column.number_format for letter, column in sheet.column_dimensions.items()}
    assert len(formats) == len(dataset.fields)
    assert set(formats.values()) == {"@"}
    assert sheet.freeze_panes == "B2"
    assert sheet.max_row == 1, "a template carries no row of its own"


def test_choices_have_a_list_and_every_column_has_a_hint(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    sheet = load_workbook(path)["填报"]
    rules = {str(v.sqref): v for v in sheet.data_validations.dataValidation}
    assert len(rules) == len(dataset.fields)
    for f, cell in zip(dataset.fields, sheet[1], strict=True):
        rule = rules[f"{cell.column_letter}2:{cell.column_letter}{LAST_ROW}"]
        assert rule.prompt
        assert len(rule.prompt) <= 255
        assert len(rule.promptTitle) <= 32
        if not f.code_set:
            assert rule.type in (None, "none")
            continue
        codes = f.code_set
        listed = rule.formula1.strip('"').split(",")
        assert listed == [*codes.values, *(["其他-"] if codes.other else [])]
        insists = f.form == "choice" and not codes.other
        assert rule.showErrorMessage is insists, "a list must not forbid several kinds or one's own words"


def test_a_list_too_long_for_a_rule_moves_to_a_hidden_sheet() -> None:
    book = Workbook()
    long, other = tuple(f"第{n:03}种处罚" for n in range(60)), ("有,逗号", "乙")
    assert list_formula(book, "short", ("甲", "乙")) == '"甲,乙"'
    assert list_formula(book, "long", long) == "选项!$A$2:$A$61"
    assert list_formula(book, "other", other) == "选项!$B$2:$B$3"
    assert list_formula(book, "long", long) == "选项!$A$2:$A$61"
    assert book["选项"].sheet_state == "hidden"
    assert [row[0].value for row in book["选项"].iter_rows()] == ["long", *long]


def test_it_says_to_people_and_programs_what_it_was_made_for(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    book = load_workbook(path)
    marks: dict[str, Any] = {p.name: p.value for p in book.custom_doc_props.props}  # type: ignore[attr-defined]
    assert marks["credit_dataset"] == dataset.id
    assert (marks["credit_version"], marks["credit_schema_id"]) == (dataset.version, dataset.schema_id)
    line = book["填报说明"]["A2"].value
    for said in (dataset.id, f"第 {dataset.version} 版", str(dataset.schema_id), marks["credit_generated"]):
        assert said in line


def test_the_instructions_name_every_column_with_code_duty_width_and_source(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    rows = {r[1]: r for r in load_workbook(path)["填报说明"].iter_rows(values_only=True) if r[1]}
    for f in dataset.fields:
        name, _, duty, _, width, how, checks, sources, _ = rows[f.column]
        assert (name, width) == (f.cn, str(f.width) if f.width else "—")
        wanted = "县扩展列" if f.extension else "必填" if f.mandatory else "条件必填" if f.conditional else "选填"
        assert duty == wanted
        assert "写法：" in how
        if f.code_set:
            assert f.code_set.shown in checks
            assert "归集口径第7条" in sources


def test_the_examples_in_it_pass_the_check(made: tuple[Dataset, Path]) -> None:
    dataset, path = made
    rows = list(load_workbook(path)["样例"].iter_rows(min_row=4, values_only=True))
    by_name = {f.cn: f.column for f in dataset.fields}
    for n in range(len(dataset.examples)):
        row = {by_name[r[0]]: r[2 + n] for r in rows if r[2 + n]}
        assert row == dataset.examples[n]
        assert check_row(dataset, row, Context(date(2026, 11, 24))).verdict == "accept"


def filled(dataset: Dataset, path: Path, rows: list[dict[str, str]], out: Path) -> Path:
    book = load_workbook(path)
    sheet = book["填报"]
    at = {cell.value.rstrip("*"): cell.column for cell in sheet[1]}
    for n, row in enumerate(rows, 2):
        for column, value in row.items():
            sheet.cell(n, at[dataset.by_column[column].cn], value)
    book.save(out)
    return out


def test_a_filled_template_is_read_back_and_accepted(made: tuple[Dataset, Path], tmp_path: Path) -> None:
    dataset, path = made
    rows = [CLEAN[dataset.id], *([PERSON_PENALTY] if dataset.id == "penalty" else [])]
    sheet = load_workbook(filled(dataset, path, rows, tmp_path / "filled.xlsx"))["填报"]
    by_heading = {normal_heading(f.cn): f.column for f in dataset.fields}
    columns = [by_heading[normal_heading(cell.value)] for cell in sheet[1]]
    read = [dict(zip(columns, r, strict=True)) for r in sheet.iter_rows(min_row=2, values_only=True)]
    assert [{k: v for k, v in r.items() if v is not None} for r in read] == rows
    for row in read:
        checked = check_row(dataset, row, Context(date(2026, 11, 24)))
        assert (checked.verdict, checked.changes) == ("accept", [])
