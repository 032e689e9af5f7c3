"""The sandbox platform's own field checks, identifiers, switches and table of codes."""

import ast
import re
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_platforms.sandbox import codes
from credit_platforms.sandbox.auth import signature
from credit_platforms.sandbox.checks import PENALTY_KINDS, check_row
from credit_platforms.sandbox.columns import DECISIONS as TABLES
from credit_platforms.sandbox.identifiers import (
    PLACEHOLDER,
    citizen_check_digit,
    citizen_number_18,
    is_citizen_number,
    is_unified_code,
)
from credit_platforms.sandbox.judge import content_digest, natural_key
from credit_platforms.sandbox.personas import PERSONAS
from credit_platforms.sandbox.switches import Switches
from sandbox_client import PERSON_NUMBER, licence, penalty, person

TODAY = date(2026, 11, 24)
PROVINCE, NATION = PERSONAS["province"], PERSONAS["nation"]
REPO = Path(__file__).parents[2]


def found(table, data, persona=PROVINCE):
    """(code, column) of every problem."""
    return [(p.code, p.column) for p in check_row(TABLES[table], data, persona, TODAY)]


def business(**changes):
    own = {"CF_XDR_MC": "个体工商户", "CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": PLACEHOLDER}
    return penalty(**(own | changes))


def in_national_form(row):
    return {k: v.replace("/", "-") if re.fullmatch(r"\d{4}/\d\d/\d\d", v) else v for k, v in row.items()}


CLEAN = [
    ("xzcf", penalty()),
    ("xzcf", business()),
    ("xzcf", person("xzcf")),
    ("xzxk", licence()),
    ("xzxk", person("xzxk")),
    ("xzxk", person("xzxk", XK_XDR_ZJHM="110105491231002")),
    ("xzxk", person("xzxk", XK_XDR_ZJLX="护照号", XK_XDR_ZJHM="E12345678")),
    ("xzxk", licence(XK_XKLB="其他-备案", XK_XDR_ZZJG="748204660", XK_XKZS=None, BZ="")),
    ("xzcf", penalty(CF_FR_ZJLX="身份证", CF_FR_ZJHM=PERSON_NUMBER)),
    ("xzcf", penalty(CF_CFLB="警告；其他-补办", CF_NR_FK=None, CF_NR_WFFF="")),
    ("xzcf", penalty(CF_CFLB="吊销许可证件", CF_NR_FK=None, CF_NR_WFFF=None, CF_NR_ZKDX="食品经营许可证 JY1")),
    ("xzcf", penalty(CF_NR_FK="0", CF_NR_WFFF="12345.000001")),
]


@pytest.mark.parametrize(("table", "row"), CLEAN)
def test_clean_rows_pass_at_both_platforms_each_in_its_own_date_form(table, row):
    assert found(table, row) == []
    clean = {k: v for k, v in row.items() if v}
    assert found(table, in_national_form(clean), NATION) == []


@pytest.mark.parametrize(("table", "row"), [("xzcf", penalty()), ("xzxk", licence())])
def test_each_platform_refuses_the_date_form_of_the_other(table, row):
    dates = {c.name for c in TABLES[table].columns if c.kind == "date"} & row.keys()
    assert set(found(table, in_national_form(row))) == {(codes.BAD_DATE, d) for d in dates}
    assert set(found(table, row, NATION)) == {(codes.BAD_DATE, d) for d in dates}


DEFECTS = [
    (penalty(CF_XDR_LB="企业"), codes.BAD_PARTY_KIND, "CF_XDR_LB"),
    (penalty(CF_XDR_SHXYM=""), codes.MISSING_HERE, "CF_XDR_SHXYM"),
    (penalty(CF_XDR_SHXYM="91320100748204661Q"), codes.BAD_UNIFIED_CODE, "CF_XDR_SHXYM"),
    (penalty(CF_XDR_SHXYM="91320100748204660q"), codes.BAD_UNIFIED_CODE, "CF_XDR_SHXYM"),
    (penalty(CF_XDR_SHXYM=PLACEHOLDER), codes.BAD_PLACEHOLDER, "CF_XDR_SHXYM"),
    (penalty(CF_XDR_SHXYM="92320100748204660M"), codes.CODE_KIND, "CF_XDR_SHXYM"),
    (business(CF_XDR_SHXYM="91320100748204660Q"), codes.CODE_KIND, "CF_XDR_SHXYM"),
    (business(CF_XDR_SHXYM=None), codes.MISSING_HERE, "CF_XDR_SHXYM"),
    (business(CF_FRDB=None), codes.MISSING_HERE, "CF_FRDB"),
    (penalty(CF_CFJGDM=PLACEHOLDER), codes.BAD_PLACEHOLDER, "CF_CFJGDM"),
    (penalty(CF_SJLYDM="11320100MB1886843X"), codes.BAD_UNIFIED_CODE, "CF_SJLYDM"),
    (penalty(CF_FRDB=""), codes.MISSING_HERE, "CF_FRDB"),
    (penalty(CF_XDR_ZZJG="74820466-"), codes.BAD_CODE_FORM, "CF_XDR_ZZJG"),
    (penalty(CF_XDR_SWDJ="91320100748204660Q"), codes.TOO_LONG, "CF_XDR_SWDJ"),
    (penalty(CF_FR_ZJLX="身份证"), codes.MISSING_HERE, "CF_FR_ZJHM"),
    (penalty(CF_FR_ZJHM=PERSON_NUMBER), codes.MISSING_HERE, "CF_FR_ZJLX"),
    (penalty(CF_FR_ZJLX="身份证", CF_FR_ZJHM="110105194912310021"), codes.BAD_ID_NUMBER, "CF_FR_ZJHM"),
    (penalty(CF_XDR_ZJLX="身份证", CF_XDR_ZJHM=PERSON_NUMBER), codes.MUST_BE_BLANK, "CF_XDR_ZJLX"),
    (person("xzcf", CF_XDR_ZJHM=""), codes.MISSING_HERE, "CF_XDR_ZJHM"),
    (person("xzcf", CF_XDR_ZJHM="110105********002X"), codes.BAD_ID_NUMBER, "CF_XDR_ZJHM"),
    (person("xzcf", CF_XDR_ZJHM="410421200102290018"), codes.BAD_ID_NUMBER, "CF_XDR_ZJHM"),
    (person("xzcf", CF_XDR_ZJLX="护照号", CF_XDR_ZJHM="E12****78"), codes.BAD_ID_NUMBER, "CF_XDR_ZJHM"),
    (person("xzcf", CF_XDR_ZJLX="社保卡"), codes.BAD_ID_TYPE, "CF_XDR_ZJLX"),
    (person("xzcf", CF_XDR_ZJLX="其他"), codes.UNEXPLAINED_OTHER, "CF_XDR_ZJLX"),
    (person("xzcf", CF_XDR_SHXYM=PLACEHOLDER), codes.MUST_BE_BLANK, "CF_XDR_SHXYM"),
    (person("xzcf", CF_FRDB="王五"), codes.MUST_BE_BLANK, "CF_FRDB"),
    (person("xzcf", CF_XDR_GSZC="110108000000016"), codes.MUST_BE_BLANK, "CF_XDR_GSZC"),
    (penalty(CF_XDR_MC="上海\ufffd\ufffd公司"), codes.GARBLED, "CF_XDR_MC"),
    (penalty(CF_CFJG="<b>局</b>"), codes.GARBLED, "CF_CFJG"),
    (penalty(CF_CFLB="罚款;没收违法所得"), codes.BAD_PENALTY_KIND, "CF_CFLB"),
    (penalty(CF_CFLB="罚金"), codes.BAD_PENALTY_KIND, "CF_CFLB"),
    (penalty(CF_CFLB="罚款；其他"), codes.UNEXPLAINED_OTHER, "CF_CFLB"),
    (penalty(CF_NR_FK=""), codes.MISSING_HERE, "CF_NR_FK"),
    (penalty(CF_CFLB="罚款；没收非法财物", CF_NR_WFFF=""), codes.MISSING_HERE, "CF_NR_WFFF"),
    (penalty(CF_CFLB="暂扣许可证件"), codes.MISSING_HERE, "CF_NR_ZKDX"),
    (penalty(CF_NR_FK="0.2025001"), codes.BAD_AMOUNT, "CF_NR_FK"),
    (penalty(CF_NR_FK="-1"), codes.BAD_AMOUNT, "CF_NR_FK"),
    (penalty(CF_NR_FK="1,000"), codes.BAD_AMOUNT, "CF_NR_FK"),
    (penalty(CF_NR_FK="2e-1"), codes.BAD_AMOUNT, "CF_NR_FK"),
    (penalty(CF_NR_FK="0.2万元"), codes.BAD_AMOUNT, "CF_NR_FK"),
    (penalty(CF_NR_FK=0.2025), codes.NOT_TEXT, "CF_NR_FK"),
    (penalty(CF_WSH=["a"]), codes.NOT_TEXT, "CF_WSH"),
    (penalty(CF_JDRQ="2026/5/16"), codes.BAD_DATE, "CF_JDRQ"),
    (penalty(CF_GSJZQ="2026/02/29"), codes.BAD_DATE, "CF_GSJZQ"),
    (penalty(CF_JDRQ="2026/11/25"), codes.DATE_ORDER, "CF_JDRQ"),
    (penalty(CF_YXQ="2026/05/15"), codes.DATE_ORDER, "CF_YXQ"),
    (penalty(CF_SY="案" * 5001), codes.TOO_LONG, "CF_SY"),
    (penalty(BZ="注" * 513), codes.TOO_LONG, "BZ"),
    (penalty(CF_ZT="1"), codes.UNKNOWN_COLUMN, "CF_ZT"),
    (penalty(李四="x"), codes.UNKNOWN_COLUMN, None),
    (licence(XK_XKLB="审批"), codes.BAD_LICENCE_KIND, "XK_XKLB"),
    (licence(XK_XKLB="其他"), codes.UNEXPLAINED_OTHER, "XK_XKLB"),
    (licence(XK_ZT="0"), codes.BAD_STATUS, "XK_ZT"),
    (licence(XK_YXQZ="2026/02/20", XK_YXQZI="2026/02/19"), codes.DATE_ORDER, "XK_YXQZI"),
    (licence(XK_YXQZ="—"), codes.BAD_DATE, "XK_YXQZ"),
]


@pytest.mark.parametrize(("row", "code", "column"), DEFECTS)
def test_one_defect_gives_its_code_and_names_its_column(row, code, column):
    table = "xzxk" if "XK_WSH" in row else "xzcf"
    problems = found(table, row)
    assert (code, column) in problems
    # Only the type and number of a document stand together; every other defect stands alone.
    assert len(problems) == (2 if code == codes.MUST_BE_BLANK and column == "CF_XDR_ZJLX" else 1)


@pytest.mark.parametrize("table", TABLES)
def test_every_mandatory_column_is_missed_when_it_is_absent_empty_or_null(table):
    clean = penalty() if table == "xzcf" else licence()
    mandatory = [c.name for c in TABLES[table].columns if c.mandatory]
    for name in mandatory:
        for row in ({k: v for k, v in clean.items() if k != name}, clean | {name: ""}, clean | {name: None}):
            assert (codes.MISSING, name) in found(table, row)


def test_the_tables_have_the_28_and_30_columns_of_the_standard():
    assert [len(TABLES[t].columns) for t in ("xzxk", "xzcf")] == [28, 30]
    assert [sum(c.mandatory for c in TABLES[t].columns) for t in ("xzxk", "xzcf")] == [14, 14]


@pytest.mark.parametrize("table", TABLES)
def test_a_text_may_be_as_long_as_its_column_and_no_longer(table):
    for column in TABLES[table].columns:
        if column.kind != "text" or column.width < 200:
            continue
        clean = penalty() if table == "xzcf" else licence()
        at_the_limit = found(table, clean | {column.name: "字" * column.width})
        assert (codes.TOO_LONG, column.name) not in at_the_limit
        assert (codes.TOO_LONG, column.name) in found(table, clean | {column.name: "字" * (column.width + 1)})


def test_messages_never_quote_a_value():
    secret = "机密值Q7"
    for table, clean in (("xzcf", person("xzcf")), ("xzxk", person("xzxk")), ("xzcf", penalty())):
        for name in [c.name for c in TABLES[table].columns]:
            for value in (secret, secret * 1000):
                for problem in check_row(TABLES[table], clean | {name: value, secret: secret}, PROVINCE, TODAY):
                    assert secret not in f"{problem}"


VECTORS = [
    ("91230500MA1B3N1N2M", True),
    ("11230500001755309F", True),
    ("91330000755918469E", True),
    ("91330203674737244W", True),
    ("91330282L07196379D", True),
    ("91320105780688132K", True),
    ("91320281142232229Q", True),
    ("11320100MB1886843H", True),
    ("N2410421MF0000013U", True),
    ("A1110000600037341L", False),
    ("913101150607311257", False),
    (PLACEHOLDER, False),
    ("91230500MA1B3N1N2", False),
    ("９1230500MA1B3N1N2M", False),
]


@pytest.mark.parametrize(("code", "right"), VECTORS)
def test_known_unified_codes_are_told_right_from_wrong(code, right):
    assert is_unified_code(code) is right


@given(st.sampled_from([c for c, right in VECTORS if right]), st.integers(0, 17), st.data())
def test_one_wrong_character_spoils_a_unified_code(code, place, data):
    other = data.draw(st.sampled_from([c for c in "0123456789ABCDEFGHJKLMNPQRTUWXY" if c != code[place]]))
    assert not is_unified_code(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize(
    ("number", "right"),
    [
        (PERSON_NUMBER, True),
        ("440524188001010014", True),
        ("360426199101010071", True),
        ("110105491231002", True),
        ("410421200102290018", False),
        ("11010519491231002x", False),
        ("110105491331002", False),
        ("110105194912310020", False),
    ],
)
def test_known_citizen_numbers_are_told_right_from_wrong(number, right):
    assert is_citizen_number(number, TODAY) is right


def test_nobody_is_born_after_today():
    first17 = "41042120261125001"
    assert not is_citizen_number(first17 + citizen_check_digit(first17), TODAY)
    assert is_citizen_number(first17 + citizen_check_digit(first17), date(2026, 11, 25))


def test_old_and_new_number_of_a_person_make_one_natural_key():
    assert citizen_number_18("110105491231002") == PERSON_NUMBER
    table, row = TABLES["xzcf"], person("xzcf")
    old = row | {"CF_XDR_ZJHM": "110105491231002"}
    assert natural_key(table, row, b"k") == natural_key(table, old, b"k")
    assert PERSON_NUMBER not in natural_key(table, row, b"k")


def test_brackets_and_date_form_do_not_make_another_decision_but_its_parts_do():
    table, row = TABLES["xzcf"], penalty(CF_WSH="宝市监〔2026〕1号")
    key = natural_key(table, row, b"k")
    assert key == natural_key(table, row | {"CF_WSH": "宝市监【2026】1 号", "CF_JDRQ": "2026-05-16"}, b"k")
    others = {
        "CF_WSH": "宝市监〔2026〕2号",
        "CF_JDRQ": "2026/05/17",
        "CF_CFJGDM": "11230500001755309F",
        "CF_XDR_SHXYM": "91330000755918469E",
    }
    assert len({key, *(natural_key(table, row | {k: v}, b"k") for k, v in others.items())}) == 5
    nameless = business(CF_WSH="1号", CF_FRDB="王五")
    assert natural_key(table, nameless, b"k") != natural_key(table, nameless | {"CF_FRDB": "赵六"}, b"k")


def test_the_digest_ignores_empty_columns_and_their_order():
    row = penalty()
    again = dict(reversed(list(row.items()))) | {"BZ": None, "CF_XDR_GSZC": ""}
    assert content_digest(row) == content_digest(again) != content_digest(row | {"BZ": "注"})


@given(st.lists(st.sampled_from(sorted(PENALTY_KINDS)), min_size=1, unique=True))
def test_any_list_of_known_kinds_is_read(kinds):
    assert found("xzcf", penalty(CF_CFLB="；".join(kinds), CF_NR_ZKDX="许可证")) == []


def test_shares_hit_the_same_records_every_time_and_about_as_many_as_asked():
    numbers = [f"record-{i}" for i in range(2000)]
    some = Switches(reject_percent=30, lose_percent=10)
    rejected = {n for n in numbers if some.rejects(n)}
    assert 500 < len(rejected) < 700
    assert rejected == {n for n in numbers if some.rejects(n)}
    assert rejected < {n for n in numbers if Switches(reject_percent=60).rejects(n)}
    assert 140 < sum(some.loses(n) for n in numbers) < 260
    assert not any(Switches().rejects(n) or Switches().loses(n) for n in numbers)
    assert all(Switches(reject_percent=100).rejects(n) for n in numbers)


def test_the_sandbox_shares_no_code_with_the_contract_it_checks():
    sources = [f for f in files("credit_platforms.sandbox").iterdir() if f.name.endswith(".py")]
    assert len(sources) > 10
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            ours = [n for n in names if n.startswith("credit_")]
            assert all(n.startswith("credit_platforms.sandbox") for n in ours), source.name


def test_the_protocol_document_lists_every_code_with_its_meaning():
    text = (REPO / "docs" / "sandbox-protocol.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(\d{5}|E4001)` \| ([^|]+?) \|", text, re.MULTILINE))
    assert listed == codes.MEANING
    source = "".join(
        f.read_text("utf-8") for f in files("credit_platforms.sandbox").iterdir() if f.name.endswith(".py")
    )
    requests = set(re.findall(r'"(E[0-9]{4})"', source)) - {codes.CANNOT_WITHDRAW, "E1901"}
    assert requests == set(re.findall(r"^\| `(E[0-9]{4})` \| \d{3} \|", text, re.MULTILINE))


def test_the_signature_example_of_the_protocol_document_holds():
    text = (REPO / "docs" / "sandbox-protocol.md").read_text("utf-8")
    example = dict(re.findall(r"^(key|method|target|timestamp|nonce|signature)\s+= (\S+)$", text, re.MULTILINE))
    expected = example.pop("signature")
    key = example.pop("key").encode()
    assert signature(key, **example, body=b"") == expected
