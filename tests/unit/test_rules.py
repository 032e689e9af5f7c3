"""Every rule of every dataset fires on a planted defect and is silent on the clean row (STANDARDS 9)."""

from __future__ import annotations

import copy
import pkgutil
from collections.abc import Callable
from datetime import date
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.check import Checked, check_row
from credit_schemas.dataset import ContractError, Dataset, current_datasets, load_schemas, parse_dataset
from credit_schemas.forms import FEN_PER_WAN, read_row
from credit_schemas.identifiers import ric_problem, uscc_org_part_ok, uscc_problem
from credit_schemas.problems import NOT_REPORTABLE
from credit_schemas.rules import Context, Rule, compiled_rules, evaluate
from unit import defects
from unit.rows import AUTHORITY, CLEAN, COMPANY, LEDGER, LICENCE, PENALTY, PERSON, PERSON_PENALTY

DATASETS = current_datasets(load_schemas())
TODAY = date(2026, 11, 24)
CONTEXT = Context(TODAY, AUTHORITY, annex_rows=frozenset(range(1, 24)))
SHOP = "92410421MA00000155"
PLACEHOLDER = "00000000000000000X"

LICENCE_PERSON = {
    **{k: v for k, v in LICENCE.items() if k not in ("XK_XDR_SHXYM", "XK_FRDB")},
    "XK_XDR_MC": "李四",
    "XK_XDR_LB": "自然人",
    "XK_XDR_ZJLX": "身份证",
    "XK_XDR_ZJHM": PERSON,
}


def with_check(body: str) -> str:
    """A unified code with a right check character, whatever its organisation part."""
    return next(body + c for c in "0123456789ABCDEFGHJKLMNPQRTUWXY" if uscc_problem(body + c) is None)


ORG_PART_OFF = with_check("91410421MA0000008")
NOWHERE = next(n for c in "0123456789X" if ric_problem(n := f"00010519491231002{c}") is None)
BODY_ORG_PART_FINE = with_check("11410421000000000")
# Something in a cell of each form.
FILLED = {"date": "2026-05-06", "amount": "1", "integer": "1", "id_number": PERSON, "code": COMPANY}
BAD_CODES = {
    "uscc_org_part": ORG_PART_OFF,
    "registration": "410421000000011",
    "org": "MA0000008",
    "ric_region": NOWHERE,
    "permit": "护1",
}


def subject(prefix: str, row: dict[str, str], person: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Defects of the columns both datasets share, by rule id."""
    p, made = prefix, {}
    of_persons = {
        "XDR_SHXYM": COMPANY,
        "XDR_GSZC": "410421000000019",
        "XDR_ZZJG": "MA0000007",
        "XDR_SWDJ": "410421000000019",
        "XDR_SYDW": "141042100001",
        "XDR_SHZZ": "001",
        "FRDB": "张三",
        "FR_ZJLX": "身份证",
        "FR_ZJHM": PERSON,
    }
    for short, value in of_persons.items():
        made[f"{p}_{short}.blank"] = person | {f"{p}_{short}": value}
    for short, value in {"XDR_ZJLX": "身份证", "XDR_ZJHM": PERSON}.items():
        made[f"{p}_{short}.blank"] = row | {f"{p}_{short}": value}
        made[f"{p}_{short}.required"] = person | {f"{p}_{short}": ""}
    for short in ("XDR_SHXYM", "FRDB"):
        made[f"{p}_{short}.required"] = row | {f"{p}_{short}": ""}
    code, representative = f"{p}_XDR_SHXYM", {f"{p}_FR_ZJLX": "身份证"}
    made |= {
        f"{p}_XDR_MC.characters": row | {f"{p}_XDR_MC": "示例★公司"},
        f"{p}_FRDB.characters": row | {f"{p}_FRDB": "张？三"},
        f"{p}_XDR_LB.code_set": row | {f"{p}_XDR_LB": "企业"},
        f"{code}.checksum.uscc": row | {code: COMPANY[:17] + "A"},
        f"{code}.placeholder_only_individual": row | {code: PLACEHOLDER},
        f"{code}.legal_not_92": row | {code: SHOP},
        f"{code}.individual_92": row | {f"{p}_XDR_LB": "个体工商户"},
        f"{code}.checksum.uscc_org_part": row | {code: ORG_PART_OFF},
        f"{p}_XDR_GSZC.checksum.registration": row | {f"{p}_XDR_GSZC": "410421000000011"},
        f"{p}_XDR_ZZJG.checksum.org": row | {f"{p}_XDR_ZZJG": "MA0000008"},
        f"{p}_FR_ZJLX.pair": row | {f"{p}_FR_ZJHM": PERSON},
        f"{p}_FR_ZJHM.pair": row | representative,
        f"{p}_FR_ZJLX.code_set": row | {f"{p}_FR_ZJLX": "工作证", f"{p}_FR_ZJHM": "1"},
        f"{p}_FR_ZJHM.checksum.ric": row | representative | {f"{p}_FR_ZJHM": PERSON[:17] + "1"},
        f"{p}_FR_ZJHM.checksum.ric_region": row | representative | {f"{p}_FR_ZJHM": NOWHERE},
        f"{p}_FR_ZJHM.checksum.permit": row | {f"{p}_FR_ZJLX": "护照号", f"{p}_FR_ZJHM": "护1"},
        f"{p}_XDR_ZJLX.code_set": person | {f"{p}_XDR_ZJLX": "其他"},
        f"{p}_XDR_ZJHM.checksum.ric": person | {f"{p}_XDR_ZJHM": PERSON[:17] + "1"},
        f"{p}_XDR_ZJHM.checksum.ric_region": person | {f"{p}_XDR_ZJHM": NOWHERE},
        f"{p}_XDR_ZJHM.checksum.permit": person | {f"{p}_XDR_ZJLX": "护照号", f"{p}_XDR_ZJHM": "护1"},
    }
    return made


DEFECTS: dict[str, dict[str, dict[str, Any]]] = {
    "licence": subject("XK", LICENCE, LICENCE_PERSON)
    | {
        "XK_XKLB.code_set": LICENCE | {"XK_XKLB": "其他"},
        "XK_JDRQ.not_after": LICENCE | {"XK_JDRQ": "2026-11-25"},
        "XK_YXQZ.near": LICENCE | {"XK_YXQZ": "2003-03-24"},
        "XK_YXQZI.not_before": LICENCE | {"XK_YXQZI": "2026-05-05"},
        "XK_XKJGDM.checksum.uscc": LICENCE | {"XK_XKJGDM": PLACEHOLDER},
        "XK_XKJGDM.mandate": LICENCE | {"XK_XKJGDM": BODY_ORG_PART_FINE},
        "XK_LYDWDM.checksum.uscc": LICENCE | {"XK_LYDWDM": "12"},
        "XK_ZT.code_set": LICENCE | {"XK_ZT": "0"},
        "EXT_SM.code_set": LICENCE | {"EXT_SM": "有"},
        f"{NOT_REPORTABLE}@EXT_SM": LICENCE | {"EXT_SM": "是"},
    },
    "penalty": subject("CF", PENALTY, PERSON_PENALTY)
    | {
        "CF_CFLB.code_set": PENALTY | {"CF_CFLB": "罚款；批评"},
        "CF_NR_FK.required": PENALTY | {"CF_NR_FK": ""},
        "CF_NR_FK.large": PENALTY | {"CF_NR_FK": "10000.000001", "CF_NR": "罚款"},
        "CF_NR_FK.zero_fine": PENALTY | {"CF_NR_FK": "0", "CF_NR": "罚款"},
        "CF_NR_FK.without_kind": PENALTY | {"CF_CFLB": "警告"},
        "CF_NR_FK.agrees_with": PENALTY | {"CF_NR_FK": "0.5"},
        "CF_NR_WFFF.required": PENALTY | {"CF_CFLB": "罚款；没收非法财物"},
        "CF_NR_WFFF.large": PENALTY | {"CF_CFLB": "罚款；没收违法所得", "CF_NR_WFFF": "10000.5"},
        "CF_NR_WFFF.without_kind": PENALTY | {"CF_NR_WFFF": "1"},
        "CF_NR_ZKDX.required": PENALTY | {"CF_CFLB": "罚款；吊销许可证件"},
        "CF_JDRQ.not_after": PENALTY | {"CF_JDRQ": "2026-11-25", "CF_YXQ": "长期"},
        "CF_YXQ.not_before": PENALTY | {"CF_YXQ": "2026-05-05"},
        "CF_GSJZQ.publicity_span": PENALTY | {"CF_GSJZQ": "2027-05-07"},
        "CF_CFJGDM.checksum.uscc": PENALTY | {"CF_CFJGDM": PLACEHOLDER},
        "CF_CFJGDM.mandate": PENALTY | {"CF_CFJGDM": BODY_ORG_PART_FINE},
        "CF_SJLYDM.checksum.uscc": PENALTY | {"CF_SJLYDM": PLACEHOLDER},
        "EXT_CFCX.code_set": PENALTY | {"EXT_CFCX": "特别程序"},
        "EXT_QWXC.code_set": PENALTY | {"EXT_QWXC": "对"},
        "EXT_SM.code_set": PENALTY | {"EXT_SM": "密"},
        "EXT_SXCD.code_set": PENALTY | {"EXT_SXCD": "很重"},
        "EXT_CFCX.assumed": PERSON_PENALTY | {"EXT_SM": ""},
        f"{NOT_REPORTABLE}@EXT_CFCX": PERSON_PENALTY | {"EXT_CFCX": "简易程序"},
        f"{NOT_REPORTABLE}@EXT_QWXC": PERSON_PENALTY | {"EXT_QWXC": "是"},
        f"{NOT_REPORTABLE}@EXT_SM": PENALTY | {"EXT_SM": "是"},
    },
    "ledger": {
        "LG_DWDM.checksum.uscc": LEDGER | {"LG_DWDM": PLACEHOLDER},
        "LG_LB.code_set": LEDGER | {"LG_LB": "行政强制"},
        "LG_JDRQ.not_after": LEDGER | {"LG_JDRQ": "2026-11-25"},
    },
}
# A clean value of the form cannot express these; an event can, and the consumer tests it again.
TYPED_DEFECTS: dict[str, dict[str, dict[str, Any]]] = {
    "penalty": {"CF_NR_FK.decimal": {"CF_NR_FK": -1}, "CF_NR_WFFF.decimal": {"CF_NR_WFFF": -1}},
    "licence": {},
    "ledger": {},
}
ALL = [(name, rule) for name in sorted(DATASETS) for rule in compiled_rules(DATASETS[name])]
# Defects of the other datasets, where a value made from the rule itself (`_planted`) will not do.
for module in pkgutil.iter_modules(defects.__path__, "unit.defects."):
    DEFECTS |= import_module(module.name).DEFECTS
    TYPED_DEFECTS |= getattr(import_module(module.name), "TYPED_DEFECTS", {})
# Every dataset has at least one row that people copy.
ROWS = {name: [*([CLEAN[name]] if name in CLEAN else []), *d.examples] for name, d in DATASETS.items()}


def name_of(rule: Rule) -> str:
    return f"{rule.id}@{rule.column}" if rule.id == NOT_REPORTABLE else rule.id


def check(name: str, row: dict[str, Any], context: Context = CONTEXT) -> Checked:
    return check_row(DATASETS[name], row, context)


def provoke(name: str, rule: Rule) -> list[Any]:
    dataset, key = DATASETS[name], name_of(rule)
    row = ROWS[name][0]
    if key in TYPED_DEFECTS.get(name, {}):
        values = read_row(dataset.fields, row).values
        return evaluate(dataset, values | TYPED_DEFECTS[name][key], CONTEXT)
    if rule.kind == "length":
        return check(name, written(dataset, row, rule.column, "字" * (rule.raw["max"] + 1))).problems
    if rule.kind == "no_personal_number":
        return check(name, written(dataset, row, rule.column, f"当事人（{PERSON}）")).problems
    if key in DEFECTS.get(name, {}):
        return check(name, DEFECTS[name][key]).problems
    return _planted(dataset, rule)


def written(dataset: Dataset, row: dict[str, Any], column: str, value: str) -> dict[str, Any]:
    """A row with a value where a person writes it: the cell of a moved column is its source's."""
    return row | {dataset.moved_from.get(column, column): value}


def _planted(dataset: Dataset, rule: Rule) -> list[Any]:
    """A defect made from the rule itself, in whichever example it can be broken, its conditions made to hold."""
    found: list[Any] = []
    for row in ROWS[dataset.id]:
        for wrong in _wrong(dataset, rule):
            given = _holding(dataset, rule, row)
            if isinstance(wrong, int):
                # A cell cannot express a negative number; an event can, and the consumer tests it again.
                found = evaluate(dataset, read_row(dataset.fields, given).values | {rule.column: wrong}, CONTEXT)
            else:
                cells = given if wrong is None else written(dataset, given, rule.column, wrong)
                found = check(dataset.id, cells).problems
            if any((p.rule, p.column) == (rule.id, rule.column) for p in found):
                return found
    return found


def _wrong(dataset: Dataset, rule: Rule) -> list[Any]:
    """Values that should break a rule; None leaves the cell to the conditions."""
    f, raw = dataset.by_column[rule.column], rule.raw
    return {
        "required": [""],
        "refuse": [None],
        "blank": [f.example, f.code_set.values[0] if f.code_set else FILLED.get(f.form, "示例")],
        "code_set": ["没有这个词"],
        "checksum": [BAD_CODES.get(raw.get("algorithm", ""), "1")],
        "starts_with": [*raw.get("not_prefixes", ()), COMPANY, SHOP, PLACEHOLDER, BODY_ORG_PART_FINE],
        "mandate": [BODY_ORG_PART_FINE],
        "format": ["？"],
        "not_after": ["2098-12-31"],
        "not_before": ["1950-01-01"],
        "characters": ["示例★"],
        "whole": [_beyond(raw, 1)],
        "annex_row": ["24"],
        "decimal": [_beyond(raw, FEN_PER_WAN)],
    }[rule.kind]


def _holding(dataset: Dataset, rule: Rule, row: dict[str, Any]) -> dict[str, Any]:
    """A row in which the conditions of a rule hold; as it is, where they do already."""
    values = read_row(dataset.fields, row).values
    given = dict(row)
    for c in rule.raw.get("when", ()):
        if not holds(dataset, c, values):
            f = dataset.by_column[c["column"]]
            filled = f.example or FILLED.get(f.form, "示例")
            wanted = (c.get("in") or c.get("has") or [filled if c.get("filled") else ""])[0]
            given = written(dataset, given, f.column, wanted)
    if "type_column" in rule.raw:
        given[rule.raw["type_column"]] = "护照号"
    return given


def _beyond(bounds: dict[str, Any], unit: int) -> int:
    """The nearest number that breaks a bound."""
    if "above" in bounds:
        return int(bounds["above"] * unit)
    return int(bounds["max"] * unit + 1) if bounds.get("max") is not None else int(bounds.get("min", 0) * unit - 1)


@pytest.mark.parametrize(("name", "rule"), ALL, ids=lambda v: name_of(v) if isinstance(v, Rule) else v)
def test_every_rule_fires_on_its_defect_with_its_severity_and_a_clear_message(name: str, rule: Rule) -> None:
    fired = [p for p in provoke(name, rule) if (p.rule, p.column) == (rule.id, rule.column)]
    assert [p.severity for p in fired] == [rule.severity]
    message = fired[0].message
    assert message.endswith("。")
    assert "{" not in message
    assert "None" not in message
    assert PERSON not in message


def test_no_defect_is_left_of_a_rule_that_is_gone() -> None:
    for name in DEFECTS.keys() | TYPED_DEFECTS.keys():
        known = {name_of(r) for n, r in ALL if n == name}
        assert DEFECTS.get(name, {}).keys() | TYPED_DEFECTS.get(name, {}).keys() <= known


def test_rule_ids_are_unique_so_that_a_receipt_names_one_rule() -> None:
    for name in DATASETS:
        names = [name_of(r) for n, r in ALL if n == name]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "row"),
    [*CLEAN.items(), ("penalty", PERSON_PENALTY), ("licence", LICENCE_PERSON)]
    + [(d.id, e) for d in DATASETS.values() for e in d.examples],
)
def test_clean_rows_and_the_examples_people_copy_are_accepted_without_a_word(name: str, row: dict[str, Any]) -> None:
    checked = check(name, row, Context(TODAY))
    assert (checked.verdict, checked.problems) == ("accept", [])


def test_every_example_of_a_column_passes_its_own_checks() -> None:
    for dataset in DATASETS.values():
        for f in dataset.fields:
            if f.example:
                rows = [written(dataset, row, f.column, f.example) for row in ROWS[dataset.id]]
                refused = [
                    {p.column for p in check(dataset.id, row, Context(TODAY)).problems if p.severity == "reject"}
                    for row in rows
                ]
                assert any(f.column not in columns for columns in refused), f.column


# Legal filters (row 18)


@pytest.mark.parametrize(("column", "word"), [("EXT_CFCX", "简易"), ("EXT_CFCX", "简易程序"), ("EXT_QWXC", " 是 ")])
def test_what_the_law_keeps_back_of_natural_persons_is_refused_with_that_one_problem(column: str, word: str) -> None:
    broken = PERSON_PENALTY | {"CF_NR": "", "CF_XDR_ZJHM": "1", column: word}
    checked = check("penalty", broken)
    assert [(p.column, p.rule, p.severity) for p in checked.problems] == [(column, NOT_REPORTABLE, "reject")]
    assert "依法不报送" in checked.problems[0].message


@pytest.mark.parametrize(("column", "word"), [("EXT_CFCX", "简易程序"), ("EXT_QWXC", "是")])
@pytest.mark.parametrize("category", ["法人及非法人组织", "个体工商户"])
def test_the_same_penalty_on_an_organisation_is_reported(column: str, word: str, category: str) -> None:
    code = COMPANY if category == "法人及非法人组织" else SHOP
    row = PENALTY | {"CF_XDR_LB": category, "CF_XDR_SHXYM": code, column: word}
    assert check("penalty", row).verdict == "accept"


def test_a_secret_is_refused_whoever_it_is_about() -> None:
    for name, row in [("penalty", PENALTY), ("penalty", PERSON_PENALTY), ("licence", LICENCE)]:
        assert [p.rule for p in check(name, row | {"EXT_SM": "是"}).problems] == [NOT_REPORTABLE]


def test_empty_county_columns_mean_their_ordinary_value_and_doubt_penalties_of_persons_once() -> None:
    county = ("EXT_CFCX", "EXT_QWXC", "EXT_SM", "EXT_SXCD")
    bare = {k: v for k, v in PERSON_PENALTY.items() if k not in county}
    for row in (bare, bare | dict.fromkeys(county, ""), bare | dict.fromkeys(county, "无")):
        checked = check("penalty", row)
        assert (checked.verdict, [p.rule for p in checked.problems]) == ("warn", ["EXT_CFCX.assumed"])
        said = checked.problems[0].message
        for words in (
            "处罚程序」没有填，按“普通程序",
            "消除」没有填，按“否",
            "涉密」没有填，按“否",
            "程度」没有填，按“一般",
        ):
            assert words in said
    assert check("penalty", PENALTY).verdict == "accept"


# Amounts, kinds, dates: the edges of the settled rows


def problems(name: str, row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p.rule, p.severity) for p in check(name, row).problems]


def test_ten_thousand_wan_exactly_is_no_doubt() -> None:
    assert problems("penalty", PENALTY | {"CF_NR_FK": "10,000", "CF_NR": "罚款10000万元"}) == []


def test_confiscated_goods_worth_nothing_are_fine() -> None:
    row = PENALTY | {"CF_CFLB": "罚款；没收非法财物", "CF_NR_WFFF": "0"}
    assert problems("penalty", row) == []
    assert problems("penalty", PENALTY | {"CF_NR_WFFF": "0"}) == []


@pytest.mark.parametrize(
    ("text", "amount", "agrees"),
    [
        ("罚款500元", "0.05", True),
        ("罚款人民币500元整", "0.05", True),
        ("罚款：５００元", "0.05", True),
        ("罚款1,234.56元", "0.123456", True),
        ("罚款2万元", "2", True),
        ("没收违法所得100元，罚款200元；另处罚款300元", "0.05", True),
        ("警告，并处罚款", "0.05", True),
        ("罚款5000元", "0.05", False),
        ("罚款2万元", "0.2", False),
    ],
)
def test_the_fine_in_the_text_is_compared_with_the_amount(text: str, amount: str, agrees: bool) -> None:
    found = problems("penalty", PENALTY | {"CF_NR": text, "CF_NR_FK": amount})
    assert found == ([] if agrees else [("CF_NR_FK.agrees_with", "warn")])


@pytest.mark.parametrize("kind", ["暂扣或者吊销许可证", "暂扣或者吊销执照", "暂扣许可证件", "吊销许可证件"])
def test_taking_a_certificate_away_needs_its_name_and_number(kind: str) -> None:
    row = PENALTY | {"CF_CFLB": kind, "CF_NR_FK": "", "CF_NR": kind}
    assert problems("penalty", row) == [("CF_NR_ZKDX.required", "reject")]
    assert problems("penalty", row | {"CF_NR_ZKDX": "食品经营许可证 JY1"}) == []


def test_a_decision_of_today_is_fine_and_validity_may_have_ended() -> None:
    assert problems("licence", LICENCE | {"XK_JDRQ": "2026-11-24", "XK_YXQZ": "2026-11-24"}) == []
    assert problems("licence", LICENCE | {"XK_YXQZI": "2026-05-06"}) == []
    assert problems("penalty", PENALTY | {"CF_YXQ": "2026-05-06"}) == []


def test_long_before_the_decision_is_more_than_a_year() -> None:
    assert problems("licence", LICENCE | {"XK_YXQZ": "2025-05-05"}) == []
    assert problems("licence", LICENCE | {"XK_YXQZ": "2025-05-04"}) == [("XK_YXQZ.near", "warn")]
    assert problems("licence", LICENCE | {"XK_YXQZ": "2027-05-08"}) == [("XK_YXQZ.near", "warn")]


def test_a_mandate_of_the_catalogue_ends_the_doubt_and_an_unknown_unit_raises_none() -> None:
    row = PENALTY | {"CF_CFJGDM": BODY_ORG_PART_FINE}
    assert check("penalty", row, Context(TODAY, AUTHORITY, frozenset({BODY_ORG_PART_FINE}))).problems == []
    assert check("penalty", row, Context(TODAY)).problems == []


def test_codes_of_every_authority_of_gb32100_pass_a_15_digit_number_too() -> None:
    assert problems("penalty", PENALTY | {"CF_XDR_SHXYM": "N2410421MF0000013U"}) == []
    assert uscc_org_part_ok("N2410421MF0000013U")
    assert problems("penalty", PERSON_PENALTY | {"CF_XDR_ZJHM": "110105491231002"}) == []


def test_an_alias_of_the_id_type_is_checked_like_the_type() -> None:
    row = PERSON_PENALTY | {"CF_XDR_ZJLX": "居民身份证", "CF_XDR_ZJHM": PERSON[:17] + "1"}
    assert problems("penalty", row) == [("CF_XDR_ZJHM.checksum.ric", "reject")]


# The evaluator itself


def test_a_cell_that_could_not_be_read_says_so_once() -> None:
    assert problems("penalty", PENALTY | {"CF_JDRQ": "明天"}) == [("CF_JDRQ.date", "reject")]
    assert problems("penalty", PENALTY | {"CF_WSH": 8}) == [("CF_WSH.numeric", "reject")]


def test_a_refused_value_is_not_doubted_as_well() -> None:
    row = PENALTY | {"CF_XDR_SHXYM": ORG_PART_OFF[:17] + ("0" if ORG_PART_OFF[17] != "0" else "1")}
    assert problems("penalty", row) == [("CF_XDR_SHXYM.checksum.uscc", "reject")]


def test_a_message_is_never_built_from_a_cells_braces() -> None:
    checked = check("penalty", PENALTY | {"CF_CFLB": "{name.__class__}"})
    assert "{name.__class__}" in checked.problems[0].message


def test_a_number_in_the_column_of_its_type_is_not_quoted() -> None:
    for column in ("CF_XDR_ZJLX", "CF_XDR_LB", "CF_CFLB", "EXT_SM"):
        for p in check("penalty", PERSON_PENALTY | {column: PERSON}).problems:
            assert PERSON not in p.message


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Dataset:
    schema = copy.deepcopy(DATASETS[name].schema)
    change({f["name"]: f for f in schema["fields"]})
    return parse_dataset(schema)


def test_a_rule_with_dates_applies_to_decisions_of_its_time() -> None:
    rule = {"kind": "starts_with", "prefixes": ["Z"], "from": "2026-05-06", "to": "2026-05-31"}
    dated = changed("ledger", lambda fields: fields["LG_DW"]["rules"].append(rule))
    for day, fires in [("2026-05-05", False), ("2026-05-06", True), ("2026-05-31", True), ("2026-06-01", False)]:
        found = check_row(dated, LEDGER | {"LG_JDRQ": day}, CONTEXT).problems
        assert [p.rule for p in found] == (["LG_DW.starts_with"] if fires else [])


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "no_such_kind"},
        {"kind": "required", "when": [{"column": "LG_XX", "in": ["1"]}]},
        {"kind": "required", "when": [{"column": "LG_LB", "is": "1"}]},
        {"kind": "code_set"},
        {"kind": "refuse"},
    ],
)
def test_a_mistake_in_a_schema_file_is_told_at_once(rule: dict[str, Any]) -> None:
    wrong = changed("ledger", lambda fields: fields["LG_DW"]["rules"].append(rule))
    with pytest.raises(ContractError):
        compiled_rules(wrong)


# The evaluator chooses the rules of a row once for all rows alike; here is what it must come to, rule by rule.


def holds(dataset: Dataset, condition: dict[str, Any], values: dict[str, Any]) -> bool:
    value = values.get(condition["column"], dataset.by_column[condition["column"]].blank_means)
    kinds = set(str(value or "").split("；"))
    if "in" in condition:
        return value in condition["in"]
    if "filled" in condition:
        return (condition["column"] in values) is condition["filled"]
    if "has" in condition:
        return bool(kinds & set(condition["has"]))
    return bool(value) and not kinds & set(condition["lacks"])


def one_by_one(dataset: Dataset, values: dict[str, Any]) -> set[tuple[str, str]]:
    rules = [r for r in compiled_rules(dataset) if all(holds(dataset, c, values) for c in r.raw.get("when", ()))]
    refused = [r for r in rules if r.kind == "refuse"]
    if refused:
        return {(refused[0].column, refused[0].id)}
    broken = []
    for rule in rules:
        value = values.get(rule.column)
        tests_this = rule.kind == "assumed" or (value is None) == (rule.kind == "required")
        if tests_this and rule.test(value, values, CONTEXT):
            broken.append(rule)
    rejected = {r.column for r in broken if r.severity == "reject"}
    return {(r.column, r.id) for r in broken if r.severity == "reject" or r.column not in rejected}


def cells_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Rows mixed from the clean ones and all defects, empty cells among them."""
    dataset = DATASETS[name]
    seen: dict[str, set[str]] = {f.column: {""} for f in dataset.fields}
    for row in [*DEFECTS.get(name, {}).values(), *ROWS[name]]:
        for column, value in row.items():
            seen[column].add(value)
    return st.fixed_dictionaries({c: st.sampled_from(sorted(v)) for c, v in seen.items()})


@pytest.mark.parametrize("name", sorted(DATASETS))
@given(st.data())
def test_every_mix_of_cells_breaks_just_the_rules_it_breaks_one_by_one(name: str, data: st.DataObject) -> None:
    dataset = DATASETS[name]
    values = read_row(dataset.fields, data.draw(cells_of(name))).values
    found = evaluate(dataset, values, CONTEXT)
    assert {(p.column, p.rule) for p in found} == one_by_one(dataset, values)
    assert len(found) == len(set(found))
