"""The content of the standard (标准数据结构规范), made from the catalogue: one function a page or chapter."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from .catalogue import Catalogue
from .cells import SPEC as FORMS
from .codesets import CodeSet, load_codesets
from .dataset import KINDS, SECTIONS, Dataset
from .envelope import RECORD_ACTS, STATE_ACTS
from .obligations import Obligation
from .rule_kinds import KINDS as RULE_KINDS
from .rule_kinds import SPEC as RULES
from .rules import IMPLIED, compiled_rules
from .standard_blocks import Block, Heading, Steps, Table, Text, table
from .units import KINDS as UNIT_KINDS
from .wording import CONVENTIONS, accepts, duty, form_name, said_of, size

STANDARD: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "standard.json").read_text(encoding="utf-8"))
# The only part of a natural key that is no column of its own.
SUBJECT = "相对人（统一社会信用代码；自然人用证件类型和号码；没有代码的个体工商户用报送单位、名称、经营者）"
# Places in which a common code set is used; more than these need no names.
USES_NAMED = 4
RULES_INTRO = (
    "“退回”的行不会入库，改正后重新报送；“提醒”的行照常入库，请核对。规则编号写在回执里。"
    "必填的列没有填（列代码后加 `.required`）、内容超过上表的长度（`.length`）、"
    "文字里有公民身份号码（`.no_personal_number`），退回，下表不再列出。"
)
# What `forms` finds while it reads a cell; the rest of the rules only see cells that could be read.
UNREADABLE = (
    ("`.numeric`", "号码列的单元格是数字、日期或逻辑值格式"),
    ("`.date`", "不是日期，或者日历上没有这一天"),
    ("`.amount`", "不是数字"),
    ("`.integer`", "不是整数"),
    ("`.negative`", "金额或数目是负数"),
    ("`.decimals`", "金额超过 6 位小数"),
    ("`.cell_error`", "单元格是 #REF! 一类的错误值"),
    ("`.cell`", "单元格格式无法识别"),
)


def dataset_blocks(dataset: Dataset, catalogue: Catalogue, *, paper: bool = False) -> list[Block]:
    """A dataset: facts, columns, rules, code sets, key, acts, examples.

    Args:
        paper: For the one document, where forms, code sets, acts and examples are not repeated in each dataset.
    """
    parts: list[tuple[str, list[Block]]] = [
        ("数据项", [_columns(dataset), *_moves(dataset)]),
        ("县扩展列", _extensions(dataset)),
        ("校验规则", _rules(dataset, introduced=paper)),
        ("可填的内容", [] if paper else _own_codes(dataset)),
        ("写法", [] if paper else _forms(dataset)),
        ("同一条记录", _key(dataset)),
        ("动作", [] if paper else _record_acts()),
        ("样例", [] if paper else _examples(dataset)),
    ]
    blocks: list[Block] = [_facts(dataset, catalogue)]
    for title, content in parts:
        if content:
            blocks += [Heading(2, title), *content]
    return blocks


def index_blocks(catalogue: Catalogue) -> list[Block]:
    """All datasets by kind, with scope, section, number of columns and the duties they serve; then the duties."""
    blocks: list[Block] = []
    for kind in KINDS:
        found = sorted((d for d in catalogue.datasets.values() if d.kind == kind), key=_by_section)
        if found:
            told = STANDARD["kinds"][kind]
            blocks += [Heading(2, told["cn"]), Text(f"{told['text']}。"), _listing(found, catalogue)]
    blocks += [
        Heading(2, "公开范围"),
        table(("公开范围", "含义"), (1, 4), STANDARD["scopes"].items()),
        Heading(2, "工作分解表与数据集"),
        Text(
            "工作分解表的每一项职责用哪些数据集报送；同一项里列出几个的，“其一”指报其中之一即可，“都报”指各自都要报。"
        ),
        _duties(catalogue),
    ]
    return blocks


def codes_blocks(catalogue: Catalogue) -> list[Block]:
    """Every code set that a column uses: values, accepted spellings, source and where it is used."""
    shared = load_codesets()
    used: dict[CodeSet, list[str]] = {}
    for d in _forms_of(catalogue):
        for f in d.fields:
            if f.code_set:
                used.setdefault(f.code_set, []).append(f"{d.cn}：{f.cn}")
    common = [c for c in used if shared.get(c.id) is c]
    own = [c for c in used if c not in common]
    return [
        Text("填报时填“值”；“也认得”的写法会自动改成值，并告诉填报人。"),
        Heading(2, "共用的代码集"),
        _code_table(sorted(common, key=lambda c: c.id), used),
        Heading(2, "数据集自己的代码集"),
        _code_table(own, used),
    ]


def rules_blocks(catalogue: Catalogue) -> list[Block]:
    """The closed vocabulary of rules, how a rule is written, and the forms of cells."""
    return [
        Heading(2, "规则种类"),
        Text("校验规则只能是下列种类。门口（模板、程序、网页）和中心用同一段程序校验，结果相同。"),
        _vocabulary(catalogue),
        Heading(2, "规则怎样写"),
        Text("规则写在数据集文件里，是一个 JSON 对象，键如下；各种类另有自己的键（如 `max`、`other`）。"),
        table(("键", "含义"), (1, 4), ((f"`{key}`", text) for key, text in STANDARD["rule_keys"])),
        Text("条件（`when`）的写法："),
        table(("写法", "何时成立"), (1, 4), ((f"`{key}`", text) for key, text in STANDARD["conditions"])),
        Heading(2, "单元格的格式"),
        table(
            ("格式", "代码", "可以怎样写，系统怎样统一"),
            (2, 2, 8),
            ((d["name"], f"`{form}`", d["accepts"] + d.get("other", "")) for form, d in FORMS["described"].items()),
        ),
        Text("读不出来的单元格退回，规则编号是列代码后加："),
        table(("规则编号", "原因"), (1, 4), UNREADABLE),
    ]


def acts_blocks(catalogue: Catalogue) -> list[Block]:
    """What is done to reported records: acts, who may do them, states, and the form in which they are reported."""
    words = {**dict.fromkeys(RECORD_ACTS), **dict.fromkeys(STATE_ACTS)}
    return [
        Heading(2, "动作"),
        table(
            ("动作", "事件代码", "含义", "谁可以办理"),
            (2, 2, 5, 5),
            ((*_act(act), _who_may(act, catalogue)) for act in words),
        ),
        Heading(2, "状态"),
        table(
            ("状态", "代码", "含义"),
            (2, 2, 8),
            ((s["cn"], f"`{state}`", s["text"]) for state, s in STANDARD["states"].items()),
        ),
        *(Text(note) for note in STANDARD["state_notes"]),
        Heading(2, f"{catalogue.act.cn}的数据项"),
        _columns(catalogue.act),
        Heading(2, f"{catalogue.act.cn}的校验规则"),
        *_rules(catalogue.act),
    ]


def conventions_blocks() -> list[Block]:
    """What the sources leave open and this project has settled; the rules cite it as 归集口径."""
    return [
        Text("国家标准没有写明或各处不一致的地方，各单位都按这里的约定。"),
        table(("条", "事项", "约定"), (1, 2, 10), ((c["no"], c["title"], c["text"]) for c in CONVENTIONS)),
    ]


def _forms_of(catalogue: Catalogue) -> Iterator[Dataset]:
    yield from catalogue.datasets.values()
    yield catalogue.act


def _by_section(dataset: Dataset) -> tuple[int, int]:
    place = SECTIONS.index(dataset.section) if dataset.section else len(SECTIONS)
    return place, dataset.schema_id


def _listing(datasets: Iterable[Dataset], catalogue: Catalogue) -> Table:
    rows = (
        (
            f"[{d.cn}]({d.id}.md)",
            f"`{d.id}`",
            d.section or "—",
            d.scope,
            len(d.file_fields),
            d.basis,
            "、".join(str(o.annex_row) for o in _serving(d, catalogue)) or "—",
        )
        for d in datasets
    )
    head = ("数据集", "代码", "信用报告章节", "公开范围", "数据项", "依据", "分解表序号")
    return table(head, (4, 4, 2, 2, 1, 6, 3), rows)


def _serving(dataset: Dataset, catalogue: Catalogue) -> list[Obligation]:
    return [o for o in catalogue.county.obligations if dataset.id in (*o.datasets, *o.denominators)]


def _duties(catalogue: Catalogue) -> Table:
    def named(ids: Iterable[str]) -> str:
        # A county's plan may name a dataset that is still to come.
        return "、".join(catalogue.datasets[i].cn if i in catalogue.datasets else i for i in ids)

    rows = (
        (
            o.annex_row,
            o.title,
            _period(o),
            named(o.datasets)
            + ("（都报）" if o.fulfil == "all" and len(o.datasets) > 1 else "")
            + ("（其一）" if o.fulfil == "any" and len(o.datasets) > 1 else ""),
            named(o.denominators) or "—",
            o.units_text,
        )
        for o in catalogue.county.obligations
    )
    return table(("序号", "职责", "周期", "数据集", "分母", "责任单位"), (1, 4, 2, 5, 2, 6), rows)


def _period(o: Obligation) -> str:
    if o.workdays is not None:
        return f"决定后 {o.workdays} 个工作日内"
    return str(STANDARD["periods"][o.period])


def _facts(dataset: Dataset, catalogue: Catalogue) -> Table:
    kind = STANDARD["kinds"].get(dataset.kind)
    facts = [
        (
            "数据集代码",
            f"`{dataset.id}`" + (f"（上级平台的表 `{dataset.national_table}`）" if dataset.national_table else ""),
        ),
        ("用途", f"{kind['cn']}：{kind['text']}" if kind else dataset.kind),
        ("公开范围", f"{dataset.scope}：{STANDARD['scopes'][dataset.scope]}"),
        ("信用报告章节", dataset.section or "不列入信用报告"),
        ("结构版本", f"第 {dataset.version} 版，Avro 结构编号 {dataset.schema_id}"),
        ("依据", dataset.basis),
    ]
    if dataset.deadline:
        what = dataset.by_role[dataset.deadline].cn
        facts.append(("期限", f"“{what}”之后 {catalogue.county.report_within_workdays} 个工作日内报送"))
    for o in _serving(dataset, catalogue):
        facts.append((f"职责（分解表第 {o.annex_row} 项）", f"{o.title}；{_period(o)}；{o.units_text}"))
    return table(("项目", "内容"), (2, 9), facts)


def _columns(dataset: Dataset) -> Table:
    rows = (
        (n, f.cn, f"`{f.column}`", form_name(f), size(f), duty(f), f.note, f.example)
        for n, f in enumerate((f for f in dataset.file_fields if not f.extension), 1)
    )
    head = ("序号", "名称", "代码", "格式", "长度", "填报", "说明", "示例")
    return table(head, (3, 9, 9, 7, 3, 4, 17, 11), rows)


def _moves(dataset: Dataset) -> list[Block]:
    return [
        Text(
            f"「{dataset.by_column[m.source].cn}」填的是自然人的号码时，离开本机前自动移到加密的列"
            f" `{m.target}`（{dataset.by_column[m.target].cn}），原来的列不留明文。"
        )
        for m in dataset.moves
    ]


def _extensions(dataset: Dataset) -> list[Block]:
    rows = [(f.cn, f"`{f.column}`", f.blank_means or "", f.note) for f in dataset.fields if f.extension]
    return [table(("名称", "代码", "没有填时按", "说明"), (2, 2, 2, 8), rows)] if rows else []


def _rules(dataset: Dataset, *, introduced: bool = False) -> list[Block]:
    rows = (
        (dataset.by_column[s.rule.column].cn, s.text, s.severity, f"`{s.rule.id}`", s.source)
        for s in said_of(dataset)
        if s.rule.kind not in IMPLIED and s.text != "必填"
    )
    introduction = [] if introduced else [Text(RULES_INTRO)]
    return [*introduction, table(("列", "要求", "不符合时", "规则编号", "依据"), (5, 10, 2, 8, 6), rows)]


def _own_codes(dataset: Dataset) -> list[Block]:
    used: dict[CodeSet, list[str]] = {}
    for f in dataset.fields:
        if f.code_set:
            used.setdefault(f.code_set, []).append(f.cn)
    return [_code_table(used, used)] if used else []


def _code_table(codes: Iterable[CodeSet], used: Mapping[CodeSet, Iterable[str]]) -> Table:
    rows = ((c.cn, c.shown, _aliases(c), c.basis, _some(used[c])) for c in codes)
    return table(("名称", "值", "也认得", "依据", "用在"), (3, 9, 7, 4, 6), rows)


def _aliases(codes: CodeSet) -> str:
    """The spellings of one word together: 身份证：居民身份证、二代证."""
    of_word: dict[str, list[str]] = {}
    for spelling, word in codes.aliases.items():
        of_word.setdefault(word, []).append(spelling)
    return "；".join(f"{word}：{'、'.join(spellings)}" for word, spellings in of_word.items())


def _some(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" 等 {len(found)} 处" if len(found) > USES_NAMED else ""
    return "、".join(found[:USES_NAMED]) + more


def _forms(dataset: Dataset) -> list[Block]:
    # Of the columns of one form, the one that reads the most speaks for all.
    read = {f.form: f for f in sorted(dataset.fields, key=lambda f: len(accepts(f)))}
    shown = [read[form] for form in dict.fromkeys(f.form for f in dataset.fields)]
    return [
        table(("格式", "可以怎样写，系统怎样统一"), (2, 9), ((form_name(f), accepts(f)) for f in shown)),
        Text("读不出来的单元格退回，规则编号见[规则的写法](rules.md)。"),
    ]


def _key(dataset: Dataset) -> list[Block]:
    if not dataset.natural_key:
        return []
    named = (SUBJECT if role == "subject" else dataset.by_role[role].cn for role in dataset.natural_key)
    same = "下列各项都相同的是同一条记录；再报同一条记录不会多出一条（见[归集口径](conventions.md)第1条、第2条）。"
    return [Text(same), Steps(tuple(named))]


def _record_acts() -> list[Block]:
    return [
        table(("动作", "事件代码", "含义"), (2, 2, 8), (_act(act) for act in RECORD_ACTS)),
        Text("撤回、修复、异议等见[记录操作](acts.md)。"),
    ]


def _act(act: str) -> tuple[str, str, str]:
    told = STANDARD["acts"][act]
    return told["cn"], f"`{act}`", f"{told['text']}。"


def _who_may(act: str, catalogue: Catalogue) -> str:
    if act in RECORD_ACTS:
        return "报送单位"
    county = catalogue.county
    rule = county.acts[act]
    anybody = [UNIT_KINDS[kind] for kind in UNIT_KINDS if kind in rule.kinds]
    anybody += sorted(county.units.get(code).name for code in rule.units)
    told = ["报送单位对自己报的记录"] if rule.own else []
    return "；".join([*told, *([f"{'、'.join(anybody)}对任何记录"] if anybody else [])]) or "—"


def _examples(dataset: Dataset) -> list[Block]:
    shown = [f for f in dataset.fields if any(f.column in e for e in dataset.examples)]
    if not shown:
        return []
    head = ("名称", *(f"样例 {n}" for n in range(1, len(dataset.examples) + 1)))
    rows = ((f.cn, *(e.get(f.column, "") for e in dataset.examples)) for f in shown)
    return [Text("以下内容是编的，没有填的列留空。"), table(head, (1,) * len(head), rows)]


def _vocabulary(catalogue: Catalogue) -> Table:
    known = Counter(rule.kind for d in _forms_of(catalogue) for rule in compiled_rules(d))

    def of(kind: str, texts: Mapping[str, str]) -> str:
        return "；".join(dict.fromkeys(_filled(t) for key, t in texts.items() if key.split(".")[0] == kind))

    rows = (
        (cn, f"`{kind}`", of(kind, RULES["words"]), of(kind, RULES["sources"]) or "数据集的依据", known[kind])
        for kind, cn in ((kind, STANDARD["rule_kinds"].get(kind, kind)) for kind in RULE_KINDS)
    )
    return table(("种类", "代码", "要求", "依据", "条数"), (3, 5, 13, 8, 2), rows)


def _filled(template: str) -> str:
    """A sentence of the vocabulary with words in place of what a rule would put in."""
    known = STANDARD["placeholders"]
    names = {name: known.get(name, f"（{name}）") for _, name, _, _ in Formatter().parse(template) if name}
    return template.format(**names)
