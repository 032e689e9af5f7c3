"""What both documents of a credit report say around the facts: one text, so that .docx and PDF never differ."""

from __future__ import annotations

from dataclasses import dataclass

from .report_facts import DISPUTED, STATEMENT, Issued, Label, day

# Six hex digits: used for text (strong, soft), lines, grounds, and the grounds of labels and marks.
COLOURS = {
    "strong": "1F3A5F",
    "soft": "5A6472",
    "line": "B8C0CA",
    "ground": "F1F4F8",
    "good": "2E7D4F",
    "bad": "A93226",
    "plain": "4A6785",
    "doubt": "B9770E",
}
NUMERALS = "一二三四五六七八九十"
# Digits of the verification code in groups, so that a person can compare them.
GROUP = 8


@dataclass(frozen=True)
class Words:
    """The text of a report around its facts."""

    title: str
    issuer: str
    number_line: str
    subtitle: tuple[str, ...]
    labels: tuple[Label, ...]
    statement: str
    overview: tuple[tuple[str, ...], ...]
    numerals: str
    notes_heading: str
    notes: tuple[str, ...]


def words(issued: Issued) -> Words:
    """The text around the facts of an issued report."""
    facts = issued.facts
    names = [s.name for s in facts.sections]
    counts = [_count(s.name, len(s.blocks), facts.sections[0].name) for s in facts.sections]
    code = facts.digest.hex()
    grouped = " ".join(code[i : i + GROUP] for i in range(0, len(code), GROUP))
    made = f"{day(issued.at)} {issued.at:%H:%M}"
    return Words(
        title=facts.title,
        issuer=facts.site,
        number_line=f"编号：{issued.number}",
        subtitle=(f"报告编号：{issued.number}", f"出具时间：{made}　信息截至：{day(facts.as_of)}"),
        labels=facts.labels,
        statement=f"{STATEMENT}：本报告只列各单位依法提供的公共信用信息，不作评分，不作评价，不作建议。",
        overview=(tuple(names), tuple(counts)),
        numerals=NUMERALS,
        notes_heading="说明",
        notes=(
            f"1. 本报告由{facts.county}公共信用信息平台依据各单位报送的信息生成，"
            "信息由提供单位对其合法性、真实性、准确性负责；"
            f"公开范围为“{facts.scope}”，超出这一范围的信息不在其中。",
            "2. 已撤回、已终止（含撤销、信用修复）和公示期满的信息不列入；"
            f"标注“{DISPUTED}”的信息正在核查，在办结前不宜作为依据。",
            "3. 自然人的姓名只显示第一个字，证件号码不显示。",
            f"4. 对信息有异议的，可向{facts.site}或者信息提供单位提出。",
            f"5. 验证码（SM3）：{grouped}。向出具单位报出编号和验证码，可以核对本报告是否由其出具、内容是否改动。",
        ),
    )


def _count(name: str, blocks: int, first: str) -> str:
    if name == first:
        return "见下" if blocks else "无"
    return f"{blocks} 条" if blocks else "无"
