"""The committed pages are what the schema files say now."""

from __future__ import annotations

from pathlib import Path

import pytest

from credit_schemas.catalogue import load_catalogue
from credit_schemas.documentation import dataset_page, write_pages
from credit_schemas.rules import IMPLIED, compiled_rules
from credit_schemas.wording import CONVENTIONS, said_of

DOCS = Path(__file__).parents[2] / "docs" / "datasets"
CATALOGUE = load_catalogue()


def test_pages_are_fresh(tmp_path: Path) -> None:
    made = {p.name: p.read_text(encoding="utf-8") for p in write_pages(CATALOGUE, tmp_path)}
    kept = {p.name: p.read_text(encoding="utf-8") for p in DOCS.glob("*.md")}
    assert kept == made, "run: python -m credit_schemas.documentation docs/datasets"


@pytest.mark.parametrize("dataset", CATALOGUE.datasets.values(), ids=lambda d: d.id)
def test_a_page_names_every_column_and_every_rule(dataset) -> None:
    page = dataset_page(dataset, CATALOGUE)
    for f in dataset.fields:
        assert f"| {f.cn} | `{f.column}` |" in page
    for said in said_of(dataset):
        if said.rule.kind in IMPLIED or said.text == "必填":
            continue
        name = dataset.by_column[said.rule.column].cn
        assert f"| {name} | {said.text} | {said.severity} | `{said.rule.id}` | {said.source} |" in page
    assert "None" not in page
    assert "{" not in page


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
