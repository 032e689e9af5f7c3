"""The committed standard (pages and document) is what the schema files say now, and says all of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import docx
import pytest
from docx.enum.section import WD_ORIENT

from credit_schemas.acts import STATE_NAMES, word_of
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SHIPPED
from credit_schemas.dataset import DATASETS, KINDS, SCOPES, ContractError
from credit_schemas.documentation import MADE, dataset_page, document_path, main, pages, stale, write_all, write_pages
from credit_schemas.envelope import RECORD_ACTS, STATE_ACTS
from credit_schemas.obligations import PERIODS
from credit_schemas.rule_kinds import KINDS as RULE_KINDS
from credit_schemas.rules import IMPLIED, compiled_rules
from credit_schemas.standard_docx import standard_docx
from credit_schemas.standard_pages import STANDARD
from credit_schemas.wording import CONVENTIONS, said_of

DOCS = Path(__file__).parents[2] / "docs" / "datasets"
CATALOGUE = load_catalogue()
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
CELL, T = W + "tc", W + "t"


def test_pages_and_document_are_fresh() -> None:
    assert stale(CATALOGUE, DOCS) == [], "run: make docs"


@pytest.mark.parametrize("dataset", CATALOGUE.datasets.values(), ids=lambda d: d.id)
def test_a_page_names_every_column_and_every_rule(dataset) -> None:
    page = dataset_page(dataset, CATALOGUE)
    for f in dataset.file_fields:
        assert f"| {f.cn} | `{f.column}` |" in page
    for column in dataset.moved_from:
        assert f"`{column}`" in page
    for said in said_of(dataset):
        if said.rule.kind in IMPLIED or said.text == "必填":
            continue
        name = dataset.by_column[said.rule.column].cn
        assert f"| {name} | {said.text} | {said.severity} | `{said.rule.id}` | {said.source} |" in page
    assert "None" not in page
    assert "{" not in page


def test_the_overview_leads_to_every_dataset_and_tells_its_scope_and_duties() -> None:
    overview = pages(CATALOGUE)["index.md"]
    for d in CATALOGUE.datasets.values():
        (line,) = [text for text in overview.splitlines() if text.startswith(f"| [{d.cn}]({d.id}.md) | `{d.id}` |")]
        cells = line.split(" | ")
        assert cells[2:5] == [d.section or "—", d.scope, str(len(d.file_fields))]
        rows = [o.annex_row for o in CATALOGUE.county.obligations if d.id in (*o.datasets, *o.denominators)]
        assert cells[-1].removesuffix(" |") == ("、".join(map(str, rows)) or "—")
    for o in CATALOGUE.county.obligations:
        assert f"| {o.annex_row} | {o.title} |" in overview


def test_every_word_of_the_vocabulary_is_explained() -> None:
    assert list(STANDARD["acts"]) == [*RECORD_ACTS, *STATE_ACTS]
    assert {act: STANDARD["acts"][act]["cn"] for act in STATE_ACTS} == {
        act: word_of(CATALOGUE.act, act) for act in STATE_ACTS
    }
    assert {state: told["cn"] for state, told in STANDARD["states"].items()} == STATE_NAMES
    assert set(STANDARD["rule_kinds"]) == set(RULE_KINDS)
    assert set(STANDARD["kinds"]) == set(KINDS) - {"act", "system"}
    assert set(STANDARD["scopes"]) == set(SCOPES)
    assert set(STANDARD["periods"]) == set(PERIODS)
    rules = pages(CATALOGUE)["rules.md"]
    assert all(f"| `{kind}` |" in rules for kind in RULE_KINDS)


def test_every_rule_has_words_and_a_source() -> None:
    for dataset in CATALOGUE.datasets.values():
        said = list(said_of(dataset))
        assert [s.rule for s in said] == compiled_rules(dataset)
        assert all(s.text and s.source and s.severity in ("退回", "提醒") for s in said)


def test_every_convention_a_rule_cites_exists() -> None:
    known = {str(c["no"]) for c in CONVENTIONS}
    for dataset in CATALOGUE.datasets.values():
        for said in said_of(dataset):
            for cited in said.source.split("第")[1:]:
                number = cited.split("条")[0]
                assert number in known or not number.isdigit()


def test_the_page_of_a_dataset_that_is_gone_goes_and_pages_of_people_stay(tmp_path: Path) -> None:
    gone, own = tmp_path / "gone.md", tmp_path / "README.md"
    write_pages(CATALOGUE, tmp_path)
    gone.write_text((tmp_path / "ledger.md").read_text(encoding="utf-8"), encoding="utf-8")
    own.write_text("# 自己写的\n", encoding="utf-8")
    write_pages(CATALOGUE, tmp_path)
    assert not gone.exists()
    assert own.exists()


def test_whatever_is_stale_is_named_and_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "datasets"
    assert main(["--check", str(folder)]) == 1
    assert main([str(folder)]) == 0
    assert main(["--check", str(folder)]) == 0
    (folder / "penalty.md").write_text("altered", encoding="utf-8")
    (folder / "rules.md").unlink()
    (folder / "gone.md").write_text(f"{MADE}\n", encoding="utf-8")
    document = document_path(folder)
    altered = docx.Document(str(document))
    altered.add_paragraph("加了一句")
    altered.save(str(document))
    capsys.readouterr()
    assert main(["--check", str(folder)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [Path(line.split(" is stale")[0]).name for line in told] == [
        *("penalty.md", "rules.md", STANDARD["file"], "gone.md")
    ]
    assert main([]) == 2


@pytest.fixture(scope="module")
def document() -> bytes:
    return standard_docx(CATALOGUE)


def test_the_document_is_the_same_to_the_byte_in_every_process(document: bytes, tmp_path: Path) -> None:
    for seed, zone in (("1", "Asia/Shanghai"), ("2", "America/New_York")):
        folder = tmp_path / seed / "datasets"
        subprocess.run(
            [sys.executable, "-m", "credit_schemas.documentation", str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            check=True,
            capture_output=True,
        )
        assert document_path(folder).read_bytes() == document
    with zipfile.ZipFile(io.BytesIO(document)) as z:
        assert {i.date_time for i in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_document_names_every_dataset_column_code_set_rule_and_act(document: bytes) -> None:
    opened = docx.Document(io.BytesIO(document))
    body = opened.element.body
    cells = {"".join(t.text or "" for t in cell.iter(T)) for cell in body.iter(CELL)}
    headings = [p.text for p in opened.paragraphs if p.style and p.style.name.startswith("Heading")]
    for d in CATALOGUE.datasets.values():
        assert any(h.endswith(f" {d.cn}（{d.id}）") for h in headings)
    for d in (*CATALOGUE.datasets.values(), CATALOGUE.act):
        for f in d.fields:
            # What only a move fills stands in a sentence below the table.
            assert f.column in cells or f.column in d.moved_from, f.column
            assert f.code_set is None or f.code_set.cn in cells
        for said in said_of(d):
            assert said.rule.kind in IMPLIED or said.text == "必填" or said.rule.id in cells
    assert set(STANDARD["acts"]) <= cells
    assert {c["title"] for c in CONVENTIONS} <= cells


def test_the_document_has_cover_contents_page_numbers_and_landscape_tables(document: bytes) -> None:
    opened = docx.Document(io.BytesIO(document))
    release = STANDARD["revisions"][-1]
    year, month, day = (int(n) for n in release["date"].split("-"))
    cover = [p.text for p in opened.paragraphs[:5]]
    assert cover[:4] == [
        CATALOGUE.county.name,
        STANDARD["title"],
        f"版本 {release['version']}",
        f"{year}年{month}月{day}日",
    ]
    assert f"{opened.core_properties.modified:%Y-%m-%d}" == release["date"]
    fields = [i.text.strip() for i in opened.element.body.iter(W + "instrText")]
    assert fields[0] == 'TOC \\o "1-2" \\h \\z \\u'
    # Every line of the contents leads to a heading that is there.
    marks = {b.get(W + "name") for b in opened.element.body.iter(W + "bookmarkStart")}
    leads = {h.get(W + "anchor") for h in opened.element.body.iter(W + "hyperlink")}
    assert leads == marks
    assert len(leads) > len(CATALOGUE.datasets)
    portrait, landscape = opened.sections
    assert (portrait.orientation, landscape.orientation) == (WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE)
    assert [i.text for i in landscape.footer._element.iter(W + "instrText")] == [" PAGE "]
    for rows in opened.element.body.iter(W + "tbl"):
        assert next(rows.iter(W + "tr")).find(f".//{W}tblHeader") is not None, "the head comes again on every page"


def test_two_states_of_the_content_have_two_numbers(document: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "county"
    shutil.copytree(SHIPPED / CATALOGUE.county.folder.name, folder)
    (folder / "datasets").mkdir()
    schema = json.loads((DATASETS / "ledger.v1.avsc").read_text(encoding="utf-8"))
    schema |= {"dataset": "extra", "cn": "另一台账", "schema_id": 2001, "scope": "授权查询", "natural_key": ["kind"]}
    (folder / "datasets" / "extra.v1.avsc").write_text(json.dumps(schema, ensure_ascii=False), encoding="utf-8")
    catalogue = load_catalogue(folder)
    other = docx.Document(io.BytesIO(standard_docx(catalogue)))
    assert other.paragraphs[4].text.startswith("内容编号 ")
    assert other.paragraphs[4].text != docx.Document(io.BytesIO(document)).paragraphs[4].text
    written = {p.name for p in write_all(catalogue, tmp_path / "out" / "datasets")}
    assert {"extra.md", STANDARD["file"]} <= written
    assert "1. 类别" in (tmp_path / "out" / "datasets" / "extra.md").read_text(encoding="utf-8")


def test_a_dataset_cannot_take_the_name_of_a_page_of_the_standard(tmp_path: Path) -> None:
    folder = tmp_path / "county"
    shutil.copytree(SHIPPED / CATALOGUE.county.folder.name, folder)
    (folder / "datasets").mkdir()
    schema = json.loads((DATASETS / "ledger.v1.avsc").read_text(encoding="utf-8"))
    schema |= {"dataset": "rules", "schema_id": 2001}
    (folder / "datasets" / "rules.v1.avsc").write_text(json.dumps(schema, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(ContractError, match="rules"):
        pages(load_catalogue(folder))
