"""The page of a dataset (标准数据结构规范), made from its schema file.

`python -m credit_schemas.documentation docs/datasets` writes them all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from .catalogue import Catalogue, load_catalogue
from .dataset import Dataset
from .envelope import RECORD_ACTS
from .rules import IMPLIED
from .wording import CONVENTIONS, accepts, codes_of, duty, form_name, said_of, size

KINDS = {"record": "信用记录，上报省、国家平台", "denominator": "台账，用来算应报数，不上报"}
ACTS = {"report": "报送一条记录；已经报过而内容不同的按更正处理", "correct": "更正一条已报的记录"}
ROLES = {
    "authority.code": "决定机关代码",
    "document.no": "文号（统一写法后）",
    "subject": "相对人（统一社会信用代码；自然人用证件类型和号码；没有代码的个体工商户用报送单位、名称、经营者）",
    "decision.date": "决定日期",
    "kind": "类别",
}
RULES_INTRO = (
    "“退回”的行不会入库，改正后重新报送；“提醒”的行照常入库，请核对。规则编号写在回执里。",
    "必填的列没有填（列代码后加 `.required`）、内容超过上表的长度（`.length`），退回，下表不再列出。",
)
# What `forms` finds while it reads a cell; the rest of the rules only see cells that could be read.
UNREADABLE = (
    ("`.numeric`", "号码列的单元格是数字、日期或逻辑值格式"),
    ("`.date`", "不是日期，或者日历上没有这一天"),
    ("`.amount`、`.integer`", "不是数字，或者不是整数"),
    ("`.negative`", "金额是负数"),
    ("`.decimals`", "金额超过 6 位小数"),
    ("`.cell_error`", "单元格是 #REF! 一类的错误值"),
    ("`.cell`", "单元格格式无法识别"),
)
MADE = "<!-- 由 python -m credit_schemas.documentation 生成；要改请改 schemas/credit_schemas 里的数据文件。 -->"


def dataset_page(dataset: Dataset, catalogue: Catalogue) -> str:
    """The Markdown page of a dataset: columns, rules with severity and source, code sets, key, examples."""
    parts = [
        [MADE],
        [f"# {dataset.cn}（{dataset.id}）数据结构规范", *_facts(dataset, catalogue)],
        ["## 数据项", *_columns(dataset)],
        ["## 县扩展列", *_extensions(dataset)] if any(f.extension for f in dataset.fields) else [],
        ["## 校验规则", *_rules(dataset)],
        ["## 可填的内容", *_code_sets(dataset)],
        ["## 写法", *_forms(dataset)],
        ["## 同一条记录", *_key(dataset)],
        ["## 动作", *_table(("动作", "含义"), ((f"`{a}`", ACTS[a]) for a in RECORD_ACTS))],
        ["## 样例", *_examples(dataset)],
    ]
    return "\n".join(line for part in parts if part for line in [part[0], "", *part[1:], ""]).rstrip() + "\n"


def conventions_page() -> str:
    """What the sources leave open and this project has settled; the rules cite it as 归集口径."""
    lines = [MADE, "# 归集口径", "", "国家标准没有写明或各处不一致的地方，各单位都按这里的约定。", ""]
    lines += _table(("条", "事项", "约定"), ((str(c["no"]), c["title"], c["text"]) for c in CONVENTIONS))
    return "\n".join(lines) + "\n"


def write_pages(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Write the page of every dataset and the conventions; returns the files. Pages of gone datasets are removed."""
    pages = {f"{d.id}.md": dataset_page(d, catalogue) for d in catalogue.datasets.values()}
    pages["conventions.md"] = conventions_page()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages and old.read_text(encoding="utf-8").startswith(MADE):
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in sorted(pages)]


def _facts(dataset: Dataset, catalogue: Catalogue) -> list[str]:
    facts = [
        ("数据集代码", f"`{dataset.id}`"),
        ("用途", KINDS.get(dataset.kind, dataset.kind)),
        ("结构版本", f"第 {dataset.version} 版，Avro 结构编号 {dataset.schema_id}"),
        ("依据", dataset.basis),
    ]
    if dataset.deadline and dataset.kind == "record":
        facts.append(("期限", f"作出决定之日起 {catalogue.county.report_within_workdays} 个工作日内"))
    return _table(("项目", "内容"), facts)


def _columns(dataset: Dataset) -> list[str]:
    rows = (
        (str(n), f.cn, f"`{f.column}`", form_name(f), size(f), duty(f), f.note, f.example)
        for n, f in enumerate((f for f in dataset.file_fields if not f.extension), 1)
    )
    return _table(("序号", "名称", "代码", "格式", "长度", "填报", "说明", "示例"), rows)


def _extensions(dataset: Dataset) -> list[str]:
    rows = ((f.cn, f"`{f.column}`", f.blank_means or "", f.note) for f in dataset.fields if f.extension)
    return _table(("名称", "代码", "没有填时按", "说明"), rows)


def _rules(dataset: Dataset) -> list[str]:
    rows = (
        (dataset.by_column[s.rule.column].cn, s.text, s.severity, f"`{s.rule.id}`", s.source)
        for s in said_of(dataset)
        if s.rule.kind not in IMPLIED and s.text != "必填"
    )
    return [*RULES_INTRO, "", *_table(("列", "要求", "不符合时", "规则编号", "依据"), rows)]


def _code_sets(dataset: Dataset) -> list[str]:
    rows = []
    for codes in dict.fromkeys(f.code_set for f in dataset.fields if f.code_set):
        used = "、".join(f.cn for f in dataset.fields if codes_of(f) is codes)
        same = "；".join(f"{spelling}＝{word}" for spelling, word in codes.aliases.items())
        rows.append((codes.cn, used, codes.shown, same, codes.basis))
    return _table(("名称", "用在", "可填", "视为相同的写法", "依据"), rows)


def _forms(dataset: Dataset) -> list[str]:
    # Of the columns of one form, the one that reads the most speaks for all.
    read = {f.form: f for f in sorted(dataset.fields, key=lambda f: len(accepts(f)))}
    shown = [read[form] for form in dict.fromkeys(f.form for f in dataset.fields)]
    return [
        *_table(("格式", "可以怎样写，系统怎样统一"), ((form_name(f), accepts(f)) for f in shown)),
        "",
        "读不出来的单元格退回，规则编号是列代码后加：",
        "",
        *_table(("规则编号", "原因"), UNREADABLE),
    ]


def _key(dataset: Dataset) -> list[str]:
    lines = [
        "下列各项都相同的是同一条记录；再报同一条记录不会多出一条（见[归集口径](conventions.md)第1条、第2条）。",
        "",
    ]
    named = (ROLES.get(role) or dataset.by_role[role].cn for role in dataset.natural_key)
    return lines + [f"{n}. {name}" for n, name in enumerate(named, 1)]


def _examples(dataset: Dataset) -> list[str]:
    shown = [f for f in dataset.fields if any(f.column in e for e in dataset.examples)]
    head = ("名称", *(f"样例 {n}" for n in range(1, len(dataset.examples) + 1)))
    rows = ((f.cn, *(e.get(f.column, "") for e in dataset.examples)) for f in shown)
    return ["以下内容是编的，没有填的列留空。", "", *_table(head, rows)]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    return [
        "| " + " | ".join(names) + " |",
        "|" + " --- |" * len(names),
        *("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m credit_schemas.documentation <folder>")
    for page in write_pages(load_catalogue(), Path(sys.argv[1])):
        print(page)
