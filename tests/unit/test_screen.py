"""The rules by columns against the one evaluator: what the screen lets pass, the evaluator finds nothing in."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from credit_consumer.bulk.screen import Screen
from credit_schemas.catalogue import load_catalogue
from credit_schemas.dataset import Dataset
from credit_schemas.forms import read_row
from credit_schemas.rules import Context, evaluate

TODAY = date(2026, 11, 24)
CONTEXT = Context(TODAY, "11410421005459000Q", frozenset({"11410421000000000W"}), frozenset({1, 2, 23}))
DATASETS = load_catalogue().datasets
ROWS = 400
# What people write where it does not belong, and what looks like something else.
ODD_TEXTS = [
    *("", " ", "\u3000", "a\tb", "a\x1fb", "\x85", "无", "/", "*", "0", "00000000000000000X", "91410421MA0000007D"),
    *("示例*商贸", "示例#商贸", "é", "😀", "\U00020000", "一" * 300, "x" * 6000, "罚款；警告", "；罚款", "罚款;警告"),
    *("11010519491231002X", "１１０１０５１９４９１２３１００２Ｘ", "1101 0519 4912 3100 2X", "110105491231002"),
    *("当事人11010519491231002X等", "身份证110105491231002", "92410421MA00000027", "罚款500元", "2026Q3"),
    *("罚款1,200元，罚款3万元", "自然人", "法人及非法人组织", "个体工商户", "是", "否", "简易程序", "普通程序"),
    *("一般", "严重", "身份证", "护照号"),
]


def frame_of(dataset: Dataset, rows: list[dict[str, Any]], keys: list[str | None]) -> pl.DataFrame:
    kinds = {"date": pl.Date, "amount": pl.Int64, "integer": pl.Int64}
    columns = {
        f.column: pl.Series([row.get(f.column) for row in rows], dtype=kinds.get(f.form, pl.String))
        for f in dataset.fields
    }
    return pl.DataFrame(columns).with_columns(
        pl.Series("source_key", keys, dtype=pl.String), unit=pl.lit("u"), received_on=pl.lit(TODAY)
    )


def doubts(dataset: Dataset, rows: list[dict[str, Any]], keys: list[str | None] | None = None) -> list[bool]:
    frame = frame_of(dataset, rows, keys or [None] * len(rows))
    return Screen(dataset).doubts(frame, {("u", TODAY): CONTEXT}).to_list()


def typed(dataset: Dataset, cells: dict[str, str]) -> dict[str, Any]:
    return read_row(dataset.fields, dict(cells)).values


def altered(dataset: Dataset, chance: random.Random, pool: dict[str, list[Any]]) -> dict[str, Any]:
    """An example with a few cells emptied, exchanged or written anew."""
    row = dict(typed(dataset, chance.choice(dataset.examples)))
    for f in chance.sample(dataset.fields, chance.choice((0, 1, 1, 2, 3))):
        kind = chance.randrange(4)
        if kind == 0:
            row.pop(f.column, None)
        elif kind == 1 and pool[f.column]:
            row[f.column] = chance.choice(pool[f.column])
        elif f.form == "date":
            row[f.column] = TODAY + timedelta(chance.choice((-40_000, -800, -366, -1, 0, 1, 365, 40_000)))
        elif f.form in ("amount", "integer"):
            row[f.column] = chance.choice((-1, 0, 1, 23, 24, 50_000, 10**9, 10**15))
        else:
            codes = list(f.code_set.values) if f.code_set else []
            row[f.column] = chance.choice([*ODD_TEXTS, *codes, *map(str, pool[f.column])])
    return row


def judged(dataset: Dataset, row: dict[str, Any]) -> bool:
    """Whether the ordinary steps would find anything: a rule, or a cell that no sender of ours produces."""
    texts = [v for v in row.values() if isinstance(v, str)]
    if any(not t.strip() or any(c < " " or "\x7f" <= c <= "\x9f" for c in t) for t in texts):
        return True
    return bool(evaluate(dataset, row, CONTEXT))


@pytest.mark.parametrize("name", DATASETS)
def test_what_passes_the_screen_breaks_no_rule(name: str) -> None:
    dataset = DATASETS[name]
    chance = random.Random(name)
    examples = [typed(dataset, e) for e in dataset.examples]
    pool = {f.column: [e[f.column] for e in examples if f.column in e] for f in dataset.fields}
    rows = [*examples, *(altered(dataset, chance, pool) for _ in range(ROWS))]
    found = doubts(dataset, rows)
    wrong = [row for row, doubt in zip(rows, found, strict=True) if not doubt and judged(dataset, row)]
    assert not wrong, wrong[0]
    # It does not get there by doubting everything: of what is as it should be, nearly all passes.
    sound = [doubt for row, doubt in zip(rows, found, strict=True) if not judged(dataset, row)]
    assert sum(sound) <= 0.4 * len(sound), (sum(sound), len(sound))
    assert any(found)


def test_a_clean_backlog_is_not_doubted() -> None:
    for name in ("penalty", "licence"):
        examples = [typed(DATASETS[name], e) for e in DATASETS[name].examples]
        assert [judged(DATASETS[name], e) for e in examples] == doubts(DATASETS[name], examples)
