"""Normalisation (STANDARDS 9, rows 3 to 8 and 17): every settled spelling is read, every doubtful one is refused."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_schemas.amounts import FEN_PER_WAN
from credit_schemas.codesets import load_codesets
from credit_schemas.dataset import ContractError, Field
from credit_schemas.documents import normal_document_no
from credit_schemas.forms import Unreadable, read_cell, read_row, steps_of, wan

PERSON = "11010519491231002X"


def field(form: str, *, codes: str | None = None, mandatory: bool = False, **more: Any) -> Field:
    rules = ({"kind": "required"},) if mandatory else ()
    return Field(
        column="COL",
        cn="某列",
        role=more.pop("role", "x"),
        form=form,
        code_set=load_codesets()[codes] if codes else None,
        rules=rules,
        **more,
    )


DATE, AMOUNT, TEXT, CODE = field("date"), field("amount"), field("text"), field("code")
NUMBER, DOCUMENT, LICENCE_NO = field("id_number", personal="id"), field("document_no"), field("code_text")
KINDS = field("choices", codes="penalty_kind")
TYPE = field("choice", codes="id_type")


def value(f: Field, cell: Any) -> Any:
    return read_cell(f, cell)[0]


def refusal(f: Field, cell: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read_cell(f, cell)
    assert f.cn in caught.value.text
    return caught.value.rule


# Row 3: characters


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("９１４１０４２１ＭＡ０００００７ｄ", "91410421MA000007D"),
        (" 91410421-MA0000007-D ", "91410421MA0000007D"),
        ("9141 0421　MA00 0000 7D", "91410421MA0000007D"),
        ("91410421\u00a0MA0000007D\u200b\ufeff", "91410421MA0000007D"),
        ("91410421ma0000007d", "91410421MA0000007D"),
        ("12345678－9", "123456789"),
        ("12345678–9\t\n", "123456789"),
    ],
)
def test_codes_become_half_width_upper_case_without_blanks_and_hyphens(cell: str, read: str) -> None:
    assert value(CODE, cell) == read
    assert read_cell(CODE, cell)[1], "an alteration is reported"


def test_text_loses_invisible_characters_and_outer_blanks_only() -> None:
    assert value(TEXT, "\u3000 张\u00a0三\u200b\x07 ") == "张三"
    assert value(TEXT, "第一条\r\n第二条") == "第一条第二条"
    assert value(TEXT, "罚款５００元，ａｂｃ - d e") == "罚款５００元，ａｂｃ - d e"
    assert value(TEXT, "坏\ud800字") == "坏字"


def test_a_licence_number_keeps_hyphens_and_case_but_not_full_width() -> None:
    assert value(LICENCE_NO, " ＪＹ-14a（１）") == "JY-14a(1)"


def test_numbers_dates_and_ticks_in_text_columns_become_text() -> None:
    assert value(TEXT, 12.0) == "12"
    assert value(TEXT, 1e20) == "1" + "0" * 20
    assert value(TEXT, Decimal("0.50")) == "0.5"
    assert value(TEXT, date(2026, 5, 6)) == "2026-05-06"
    assert value(field("choice", codes="yes_no"), True) == "是"
    assert value(field("choice", codes="licence_status"), 1) == "1"
    assert refusal(TEXT, time(10, 30)) == "cell"


@pytest.mark.parametrize("f", [CODE, NUMBER, DOCUMENT, LICENCE_NO])
@pytest.mark.parametrize("cell", [110105194912310020, 1.1e17, Decimal(5), True, date(2026, 5, 6), datetime(2026, 5, 6)])
def test_a_cell_that_is_no_text_is_never_repaired_in_an_identifier_column(f: Field, cell: Any) -> None:
    assert refusal(f, cell) == "numeric"


@pytest.mark.parametrize("cell", ["#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?"])
def test_an_excel_error_is_refused_in_every_form(cell: str) -> None:
    for f in (TEXT, CODE, DOCUMENT, DATE, AMOUNT, KINDS):
        assert refusal(f, cell) == "cell_error"


# Row 4: empty

EMPTY_WORDS = ["", " ", "\u3000", "\u200b", "—", "——", "— —", "-", "－", "/", "／", "无", " 无 "]


@pytest.mark.parametrize("word", EMPTY_WORDS)
def test_the_empty_words_are_empty_in_optional_columns_and_in_every_date_and_amount(word: str) -> None:
    for f in (TEXT, CODE, NUMBER, DOCUMENT, LICENCE_NO, TYPE, DATE, AMOUNT, field("date", mandatory=True)):
        assert value(f, word) is None, f


def test_in_a_mandatory_text_only_blanks_are_empty() -> None:
    must = field("text", mandatory=True)
    assert value(must, "无") == "无"
    assert value(must, " \u200b\u3000") is None


@pytest.mark.parametrize("cell", [math.nan, Decimal("NaN"), Decimal("sNaN"), None])
def test_the_missing_of_a_data_frame_is_an_empty_cell(cell: Any) -> None:
    for f in (TEXT, CODE, DATE, AMOUNT):
        assert read_row((f,), {"COL": cell}) == ({}, {}, [], [])


# Row 5: dates


@pytest.mark.parametrize(
    "cell",
    [
        "2026/5/6",
        "2026/05/06",
        "2026-05-06",
        "2026-5-6",
        "2026.5.6",
        "2026.05.06",
        "２０２６．５．６",
        " 2026 . 5 . 6 ",
        "2026.5.6 10:30",
        "20260506",
        "2026年5月6日",
        "2026年05月06日",
        "２０２６年５月６日",
        "２０２６／０５／０６",
        " 2026 年 5 月 6 日 ",
        "2026-05-06 10:30",
        "2026-05-06 10:30:00",
        "2026/5/6 0:00",
        "2026-05-06T00:00:00",
        "2026-05-06T00:00:00.000Z",
        "2026-05-06T00:00:00+08:00",
        "2026-05-06\n10:30:00",
        "2026-05-06\u00a010:30",
        "20260506 10:30:00",
        "2026年5月6日10时30分",
        "2026年5月6日 上午10:30",
        "2026年5月6日9时",
        "2026/5/6 9:05:00 PM",
        "2026-05-06\u200b",
        20260506,
        20260506.0,
        Decimal(20260506),
        date(2026, 5, 6),
        datetime(2026, 5, 6, 23, 59),
    ],
)
def test_every_settled_spelling_of_a_date_is_read(cell: Any) -> None:
    assert value(DATE, cell) == date(2026, 5, 6)


@pytest.mark.parametrize(
    "cell",
    [
        "26-05-06",
        "26/5/6",
        "260506",
        "2026-02-30",
        "2026/13/1",
        "20260229",
        "2026-00-01",
        "2026年5月",
        "26.5.6",
        "2026.5",
        2026.5,
        "2026.5/6",
        "2026.5.6.7",
        "2026.13.1",
        "5/6/2026",
        "2026-05/06",
        "2026-05-06 至 2027-05-06",
        "2026-05-06 10:30 至 2027-05-06",
        "0026-05-06",
        "46148",
        46148,
        46148.5,
        202605060,
        -20260506,
        20260230,
        math.inf,
        True,
        time(10, 30),
        date(1899, 12, 31),
        "明天",
        "٢٠٢٦-٠٥-٠٦",
    ],
)
def test_a_doubtful_date_is_refused_not_guessed(cell: Any) -> None:
    assert refusal(DATE, cell) == "date"


@pytest.mark.parametrize("cell", ["长期", " 长期 ", "长期有效", "2099/12/31", "20991231", 20991231])
def test_long_term_is_the_last_day_of_2099(cell: Any) -> None:
    assert value(DATE, cell) == date(2099, 12, 31)


DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
SPELLINGS = [
    "{0:%Y-%m-%d}",
    "{0.year}/{0.month}/{0.day}",
    "{0.year}.{0.month}.{0.day}",
    "{0:%Y%m%d}",
    "{0.year}年{0.month}月{0.day}日",
    "{0} 08:15:00",
]


@given(DAYS, st.sampled_from(SPELLINGS))
def test_a_date_survives_every_spelling_and_reading_twice_changes_nothing(day: date, spelling: str) -> None:
    assert value(DATE, spelling.format(day)) == day
    assert read_cell(DATE, day.isoformat()) == (day, [])


# Row 6: amounts


@pytest.mark.parametrize(
    ("cell", "fen"),
    [
        ("0.2", 200_000),
        ("0.050000", 50_000),
        ("0.0000010000", 1),
        (".5", 500_000),
        ("5.", 5_000_000),
        ("1,234.5", 1_234_500_000),
        ("１，２３４．５", 1_234_500_000),
        ("1,234,567", 1_234_567_000_000),
        (" 0.2 ", 200_000),
        ("+0.2", 200_000),
        ("1e-3", 1_000),
        (0.1 + 0.2, 300_000),
        ("0.30000000000000004", 300_000),
        (0.2, 200_000),
        (1e-6, 1),
        (3, 3_000_000),
        (Decimal("0.000001"), 1),
        (0, 0),
        ("0", 0),
        (-1e-17, 0),
    ],
)
def test_amounts_are_read_to_the_fen(cell: Any, fen: int) -> None:
    assert value(AMOUNT, cell) == fen


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("-0.2", "negative"),
        (-5, "negative"),
        ("-0.000001", "negative"),
        ("0.0000001", "decimals"),
        (0.1234567, "decimals"),
        ("0.000000001", "decimals"),
        ("2000元", "amount"),
        ("0.2万元", "amount"),
        ("1,00", "amount"),
        ("1 000", "amount"),
        ("12,34.5", "amount"),
        ("0.2;0.3", "amount"),
        (".", "amount"),
        ("e5", "amount"),
        ("+", "amount"),
        ("nan", "amount"),
        ("Infinity", "amount"),
        (math.inf, "amount"),
        ("9" * 13, "amount"),
        ("1e99", "amount"),
        ("9" * 5000, "amount"),
        (True, "amount"),
        (date(2026, 5, 6), "amount"),
        ("٣", "amount"),
    ],
)
def test_a_doubtful_amount_is_refused(cell: Any, rule: str) -> None:
    assert refusal(AMOUNT, cell) == rule


def test_noise_below_a_billionth_is_dropped_and_reported_from_there_on_it_is_refused() -> None:
    assert read_cell(AMOUNT, "0.2000000009") == (200_000, ["rounded"])
    assert refusal(AMOUNT, "0.200000001") == "decimals"


@given(st.integers(0, 10**15))
def test_an_amount_written_as_wan_comes_back_to_the_fen(fen: int) -> None:
    assert value(AMOUNT, wan(fen)) == fen
    assert Decimal(wan(fen)) * FEN_PER_WAN == fen
    assert read_cell(AMOUNT, wan(fen))[1] == []


@given(st.integers(0, 10**9))
def test_an_amount_survives_a_spreadsheets_float_and_thousands_separators(fen: int) -> None:
    assert value(AMOUNT, fen / FEN_PER_WAN) == fen
    assert value(AMOUNT, f"{Decimal(fen) / FEN_PER_WAN:,}") == fen


# Row 7: lists and the open value


@pytest.mark.parametrize("separator", ["；", ";", "、", ",", "，", " ； ", ";;"])
def test_kinds_are_read_with_every_separator_and_written_with_one(separator: str) -> None:
    assert value(KINDS, f"警告{separator}罚款{separator}") == "警告；罚款"


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("罚款；罚款", "罚款"),
        ("其他-补办", "其他-补办"),
        ("其它（补办）", "其他-补办"),
        ("其他：补办", "其他-补办"),
        ("其他——补办（临时）", "其他-补办（临时）"),
        ("其他", "其他"),
        ("其他-", "其他"),
        ("警告;其他-责令改正，限期补办", "警告；其他-责令改正，限期补办"),
        ("罚款，其他-补办", "罚款；其他-补办"),
    ],
)
def test_kinds_come_in_the_standards_words(cell: str, read: str) -> None:
    assert value(KINDS, cell) == read


@pytest.mark.parametrize(
    ("cell", "read"), [("居民身份证", "身份证"), ("护照", "护照号"), ("其他（军官证）", "其他-军官证")]
)
def test_id_types_come_in_the_standards_words(cell: str, read: str) -> None:
    assert value(TYPE, cell) == read


def test_a_choice_without_its_code_set_is_a_mistake_of_the_schema_file() -> None:
    with pytest.raises(ContractError, match="code set"):
        read_cell(field("choices"), "罚款")
    with pytest.raises(ContractError, match="unknown form"):
        steps_of("no_such_form", None)


# Row 8: document numbers


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("市场【2019】1号", "市场〔2019〕1号"),
        ("宝市监罚(2026)第 8 号", "宝市监罚〔2026〕第8号"),
        ("宝市监罚［２０２６］８号", "宝市监罚〔2026〕8号"),
        ("宝市监罚﹝2026﹞8号", "宝市监罚〔2026〕8号"),
        ("宝市监罚[2026]8号(补)", "宝市监罚〔2026〕8号（补）"),
        ("宝市监罚〔26〕8号", "宝市监罚（26）8号"),
        ("宝市监罚（2026〕8号", "宝市监罚〔2026〕8号"),
        ("宝市监罚(2026 8号", "宝市监罚(20268号"),
        ("宝\u3000市\u00a0监\t罚 2026-8", "宝市监罚2026-8"),
        ("1234", "1234"),
    ],
)
def test_document_numbers_have_one_form(cell: str, read: str) -> None:
    assert value(DOCUMENT, cell) == read


BRACKETED = st.text("（()）[]【】〔〕《》<>{}０１２2026年号第罚 \u3000\u00a0Ａa-—", max_size=30)


@given(st.one_of(BRACKETED, st.text(max_size=40)))
def test_normalising_a_document_number_twice_changes_nothing(text: str) -> None:
    once = normal_document_no(text)
    assert normal_document_no(once) == once
    assert not any(c.isspace() for c in once)


WILD = st.text(
    st.one_of(st.characters(), st.sampled_from("无—-－/；;、，其他其它罚款（）()Ａ１ \u00a0\u200b\u3000")), max_size=30
)
TEXT_FIELDS = [TEXT, CODE, NUMBER, DOCUMENT, LICENCE_NO, KINDS, TYPE, field("text", mandatory=True)]


@given(WILD, st.sampled_from(TEXT_FIELDS))
def test_reading_twice_changes_nothing_in_any_form(cell: str, f: Field) -> None:
    once = value(f, cell)
    if once is not None:
        assert read_cell(f, once) == (once, [])
        once.encode()


@given(
    st.one_of(
        WILD, st.integers(), st.floats(), st.decimals(allow_nan=False), st.booleans(), st.dates(), st.datetimes()
    ),
    st.sampled_from([*TEXT_FIELDS, DATE, AMOUNT]),
)
def test_no_cell_whatever_raises_anything_but_a_reading_problem(cell: Any, f: Field) -> None:
    read = read_row((f,), {"COL": cell})
    assert len(read.problems) <= 1
    assert not (read.problems and read.values)


# What is reported


def test_every_alteration_is_reported_with_both_spellings() -> None:
    read = read_row((DOCUMENT,), {"COL": "市场【2019】1号"})
    assert read.changes == [("COL", "COL.normalise", "市场【2019】1号", "市场〔2019〕1号")]
    assert read_row((AMOUNT,), {"COL": "1,000"}).changes == [("COL", "COL.normalise", "1,000", "1000")]
    assert read_row((DATE,), {"COL": "2026/5/6"}).changes == [("COL", "COL.normalise", "2026/5/6", "2026-05-06")]
    assert read_row((TEXT,), {"COL": "无"}).changes == [("COL", "COL.normalise", "无", "")]


def test_what_was_right_is_not_reported() -> None:
    for f, cell in [(TEXT, "张三"), (CODE, "A1"), (DATE, "2026-05-06"), (AMOUNT, "0.2"), (KINDS, "警告；罚款")]:
        assert read_row((f,), {"COL": cell}).changes == []


def test_a_document_number_keeps_what_the_authority_wrote() -> None:
    keeps = field("document_no", keep_original=True)
    assert read_row((keeps,), {"COL": "市场【2019】1号"}).original == {"COL": "市场【2019】1号"}
    assert read_row((keeps,), {"COL": "市场〔2019〕1号"}).original == {}


def test_changes_of_personal_values_come_masked() -> None:
    number = field("id_number", personal="id")
    (change,) = read_row((number,), {"COL": f" {PERSON.lower()} "}).changes
    assert (change.before, change.after) == ("110105********002x", "110105********002X")
    category = Field(column="LB", cn="类别", role="subject.category", form="text")
    name = field("text", role="subject.name")
    (change,) = read_row((name, category), {"COL": " 李四 ", "LB": "自然人"}).changes
    assert (change.before, change.after) == ("李*", "李*")
    (change,) = read_row((name, category), {"COL": " 某公司 ", "LB": "法人及非法人组织"}).changes
    assert change.after == "某公司"


@pytest.mark.parametrize("f", [DATE, AMOUNT, CODE, NUMBER])
@pytest.mark.parametrize(
    "cell", [f"{PERSON} 李", int(PERSON[:17]), "13812345678 电话", "１１０１０５１９４９１２３１００２Ｘ号"]
)
def test_a_number_of_a_person_in_the_wrong_column_is_not_quoted(f: Field, cell: Any) -> None:
    for problem in read_row((f,), {"COL": cell}).problems:
        assert "19491231" not in problem.message
        assert "１９４９" not in problem.message
        assert "13812345678" not in problem.message


def test_the_code_sets_own_words_are_in_normal_form() -> None:
    for codes in load_codesets().values():
        for word in codes.values:
            f = field("choices" if codes.id.endswith("_kind") else "choice", codes=codes.id)
            assert read_cell(f, word) == (word, [])
