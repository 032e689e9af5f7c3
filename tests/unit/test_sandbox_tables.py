"""The stand-in's tables that are data: known for all that is forwarded, with rules of their own that fire."""

from __future__ import annotations

from datetime import date

import pytest

from credit_platforms.destinations import load_destinations
from credit_platforms.sandbox import codes
from credit_platforms.sandbox.errors import ConfigError
from credit_platforms.sandbox.identifiers import PLACEHOLDER
from credit_platforms.sandbox.judge import form_key
from credit_platforms.sandbox.personas import PERSONAS
from credit_platforms.sandbox.public import check_public
from credit_platforms.sandbox.table_checks import check_form_row
from credit_platforms.sandbox.tables import PARTY, Form, load_tables
from credit_schemas.catalogue import load_catalogue
from credit_schemas.check import check_row
from credit_schemas.forms import wan
from credit_schemas.rules import Context
from sandbox_client import PERSON_NUMBER, penalty, person

TODAY = date(2026, 11, 24)
TABLES = load_tables()
DATASETS = load_catalogue().datasets
DESTINATIONS = load_destinations()
ROUTES = {(d.id, r.dataset.id): r for d in DESTINATIONS.values() for r in d.routes.values()}
# Datasets of tables that are data, as the province knows them.
FORMS = {r.dataset.id: TABLES[r.table] for (d, _), r in ROUTES.items() if isinstance(TABLES.get(r.table), Form)}


def rendered(dataset: str, example: dict[str, str], separator: str = "/") -> dict[str, str]:
    """An example of a dataset as it travels."""
    about = DATASETS[dataset]
    values = check_row(about, example, Context(today=TODAY)).values
    row = {}
    for f in about.fields:
        value = values.get(f.column)
        if value is None or f.extension:
            continue
        if isinstance(value, date):
            value = value.strftime(separator.join(("%Y", "%m", "%d")))
        row[about.moved_from.get(f.column, f.column)] = wan(value) if f.form == "amount" else str(value)
    return row


def found(dataset: str, row: dict[str, object], persona: str = "province") -> list[tuple[str, str | None]]:
    return [(p.code, p.column) for p in check_form_row(FORMS[dataset], row, PERSONAS[persona], TODAY)]


EXAMPLES = [(d, i) for d in FORMS for i in range(len(DATASETS[d].examples))]


def of(dataset: str, example: int = 0, **changes: str) -> dict[str, str]:
    row = rendered(dataset, DATASETS[dataset].examples[example]) | changes
    return {k: v for k, v in row.items() if v}


@pytest.mark.parametrize(("destination", "dataset"), ROUTES)
def test_the_stand_in_knows_every_table_that_goes_there_with_the_same_columns(destination, dataset):
    route = ROUTES[destination, dataset]
    assert list(route.names(TODAY).values()) == [c.name for c in TABLES[route.table].columns]


@pytest.mark.parametrize(("dataset", "example"), EXAMPLES)
def test_examples_of_the_contract_pass_the_stand_ins_own_rules(dataset, example):
    for persona, separator in (("province", "/"), ("nation", "-"), ("xinyidai", "")):
        row = rendered(dataset, DATASETS[dataset].examples[example], separator)
        assert found(dataset, row, persona) == []


DEFECTS = [
    ("red_list", of("red_list", RL_RDWH=""), codes.MISSING, "RL_RDWH"),
    ("red_list", of("red_list", RL_RYNR="荣" * 2001), codes.TOO_LONG, "RL_RYNR"),
    ("red_list", of("red_list", RL_RDRQ="2026-01-05"), codes.BAD_DATE, "RL_RDRQ"),
    ("red_list", of("red_list", RL_RDRQ="2026/11/25", RL_YXQZ=""), codes.DATE_ORDER, "RL_RDRQ"),
    ("red_list", of("red_list", RL_YXQZ="2001/01/01"), codes.DATE_ORDER, "RL_YXQZ"),
    ("red_list", of("red_list", RL_RDBMDM="11410421000000000X"), codes.BAD_UNIFIED_CODE, "RL_RDBMDM"),
    ("red_list", of("red_list", RL_RDBMDM=PLACEHOLDER), codes.BAD_PLACEHOLDER, "RL_RDBMDM"),
    ("red_list", of("red_list", RL_TYSHXYDM="91410421MA0000007E"), codes.BAD_UNIFIED_CODE, "RL_TYSHXYDM"),
    ("red_list", of("red_list", RL_TYSHXYDM=""), codes.MISSING_HERE, "RL_TYSHXYDM"),
    ("red_list", of("red_list", RL_TYSHXYDM=PLACEHOLDER), codes.BAD_PLACEHOLDER, "RL_TYSHXYDM"),
    ("red_list", of("red_list", RL_ZTLB="企业"), codes.BAD_PARTY_KIND, "RL_ZTLB"),
    ("red_list", of("red_list", RL_ZTLB="个体工商户"), codes.CODE_KIND, "RL_TYSHXYDM"),
    ("red_list", of("red_list", RL_ZJHM=PERSON_NUMBER), codes.MUST_BE_BLANK, "RL_ZJHM"),
    ("red_list", of("red_list", RL_ZTMC="某<b>公司"), codes.GARBLED, "RL_ZTMC"),
    ("red_list", of("red_list", RL_XXX="1"), codes.UNKNOWN_COLUMN, "RL_XXX"),
    ("red_list", of("red_list") | {"RL_BZ": 1}, codes.NOT_TEXT, "RL_BZ"),
    ("commitment", of("commitment", CN_CNLX="自愿型"), codes.BAD_CHOICE, "CN_CNLX"),
    ("contract", of("contract", HT_HTJE="1,000"), codes.BAD_AMOUNT, "HT_HTJE"),
    ("repair", of("repair", XF_BGQ="2026Q5"), codes.BAD_PERIOD, "XF_BGQ"),
    (
        "subject_base",
        of("subject_base", DJ_FR_ZJLX="身份证", DJ_FR_ZJHM="1101****002X"),
        codes.BAD_ID_NUMBER,
        "DJ_FR_ZJHM",
    ),
    ("subject_base", of("subject_base", DJ_FR_ZJLX="社保卡"), codes.BAD_ID_TYPE, "DJ_FR_ZJLX"),
    ("arrears", of("arrears", TQ_ZQRDM="91410421MA0000007E"), codes.BAD_UNIFIED_CODE, "TQ_ZQRDM"),
    ("social_insurance", of("social_insurance", SB_CBRS="十"), codes.BAD_NUMBER, "SB_CBRS"),
]


@pytest.mark.parametrize(("dataset", "row", "code", "column"), DEFECTS)
def test_a_defect_gives_its_code_and_names_its_column(dataset, row, code, column):
    assert (code, column) in found(dataset, row)


def persons(dataset):
    return next(i for i, e in enumerate(DATASETS[dataset].examples) if "自然人" in e.values())


def test_a_person_needs_a_whole_number_and_no_code():
    i = persons("red_list")
    assert (codes.MISSING_HERE, "RL_ZJHM") in found("red_list", of("red_list", i, RL_ZJHM=""))
    assert (codes.BAD_ID_NUMBER, "RL_ZJHM") in found("red_list", of("red_list", i, RL_ZJHM="110105********002X"))
    assert (codes.MUST_BE_BLANK, "RL_TYSHXYDM") in found("red_list", of("red_list", i, RL_TYSHXYDM=PLACEHOLDER))
    i = persons("commitment")
    assert (codes.BAD_ID_NUMBER, "CN_CNRDM") in found("commitment", of("commitment", i, CN_CNRDM="110105194912310021"))
    assert (codes.MISSING_HERE, "CN_CNRDM") in found("commitment", of("commitment", i, CN_CNRDM=""))


def test_what_was_not_kept_must_be_told_and_what_was_kept_has_nothing_to_tell():
    kept = of("commitment", CN_LXZT="全部履行", CN_WLXNR="", CN_ZRZJNR="")
    assert found("commitment", kept) == []
    assert (codes.MUST_BE_BLANK, "CN_WLXNR") in found("commitment", kept | {"CN_WLXNR": "未按期"})
    assert (codes.MISSING_HERE, "CN_WLXNR") in found("commitment", kept | {"CN_LXZT": "部分履行"})


@pytest.mark.parametrize("dataset", sorted(FORMS))
def test_every_mandatory_column_is_missed(dataset):
    mandatory = [c.name for c in FORMS[dataset].columns if c.mandatory]
    assert mandatory
    for name in mandatory:
        assert (codes.MISSING, name) in found(dataset, of(dataset, **{name: ""}))


@pytest.mark.parametrize("dataset", sorted(FORMS))
def test_one_record_is_one_key_and_another_subject_another(dataset):
    form, row = FORMS[dataset], of(dataset)
    key = form_key(form, row, b"s")
    assert key == form_key(form, row | {c.name: "" for c in form.columns if c.name not in form.duplicate}, b"s")
    assert key != form_key(form, row, b"t")
    for name in form.duplicate:
        if row.get(name):
            assert form_key(form, row | {name: row[name] + "9"}, b"s") != key


def test_shops_without_a_code_are_told_apart_by_name_and_operator():
    form = FORMS["red_list"]
    shop = of("red_list", RL_ZTLB="个体工商户", RL_TYSHXYDM=PLACEHOLDER, RL_FDDBR="张三")
    assert form_key(form, shop, b"s") != form_key(form, shop | {"RL_FDDBR": "李四"}, b"s")


# -- the public site ------------------------------------------------------------------------------------------------


def shown(table, row):
    return [(p.code, p.column) for p in check_public(table, row, TODAY)]


def test_a_public_site_takes_no_number_and_no_full_name_of_a_person():
    decisions, reds = TABLES["xzcf"], FORMS["red_list"]
    clean = penalty(CF_FRDB="张*")
    assert shown(decisions, clean) == []
    assert shown(decisions, penalty()) == [(codes.NAME_NOT_MASKED, "CF_FRDB")]
    masked = {k: v for k, v in person("xzcf", CF_XDR_MC="李*").items() if k != "CF_XDR_ZJHM"}
    assert shown(decisions, masked) == []
    assert shown(decisions, masked | {"CF_XDR_MC": "李四"}) == [(codes.NAME_NOT_MASKED, "CF_XDR_MC")]
    assert shown(decisions, masked | {"CF_XDR_ZJHM": "E1234"}) == [(codes.NOT_PUBLIC, "CF_XDR_ZJHM")]
    assert shown(decisions, clean | {"CF_SY": f"当事人（{PERSON_NUMBER}）"}) == [(codes.NOT_PUBLIC, "CF_SY")]
    person_row = of("red_list", persons("red_list"))
    assert {c for c, _ in shown(reds, person_row)} == {codes.NOT_PUBLIC, codes.NAME_NOT_MASKED}
    assert found("red_list", person_row | {"RL_ZJHM": ""}, "site") == [
        (codes.BAD_DATE, c.name) for c in reds.columns if c.kind == "date" and c.name in person_row
    ]


# -- the files ------------------------------------------------------------------------------------------------------


def test_a_table_file_of_ones_own_is_taken_and_a_wrong_one_is_explained(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[[table]]\nid = "own"\ntitle = "自"\ncolumns = [{ name = "A", title = "甲", kind = "date" }]\n')
    assert [c.name for c in load_tables([path])["own"].columns] == ["A"]
    for wrong in (
        "not toml",
        '[[table]]\nid = "xzcf"\ntitle = "又"\ncolumns = []\n',
        '[[table]]\nid = "own"\ntitle = "自"\ncolumns = [{ name = "A", title = "甲", kind = "colour" }]\n',
        '[[table]]\nid = "own"\ntitle = "自"\ncolumns = [{ name = "A", title = "甲", colour = 1 }]\n',
        '[[table]]\nid = "own"\ntitle = "自"\ncolumns = [{ name = "A", title = "甲", after = "B" }]\n',
        '[[table]]\nid = "own"\ntitle = "自"\nduplicate = ["B"]\ncolumns = [{ name = "A", title = "甲" }]\n',
    ):
        path.write_text(wrong)
        with pytest.raises(ConfigError) as error:
            load_tables([path])
        assert str(path) in error.value.message
    with pytest.raises(ConfigError) as error:
        load_tables([tmp_path / "none.toml"])
    assert "读不到" in error.value.message


def test_every_table_names_whom_it_is_about():
    for form in FORMS.values():
        assert {c.kind for c in form.columns} & set(PARTY)
        assert form.of_kind("party_name").mandatory
