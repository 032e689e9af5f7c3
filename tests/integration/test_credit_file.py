"""One credit file per subject over all datasets, and the credit report that is made of it."""

from __future__ import annotations

import json
import zlib
from datetime import date
from pathlib import Path
from uuid import uuid4

import pypdf
import pytest
from click.testing import CliRunner
from docx import Document

import emptying
from credit_local.cli import credit, told
from credit_reports.credit_file import file_record, read_file
from credit_reports.credit_report import issue
from credit_reports.errors import FontMissing, FontUnfit, NumberInTheOpen, SubjectNotFound, UnknownForm
from credit_reports.report_facts import DISPUTED, NOTHING, gather
from credit_reports.report_pdf import FONTS
from credit_reports.subjects import (
    find_by_name,
    find_by_record,
    find_by_text,
    read_subject,
    subject_datasets,
)
from credit_schemas.dataset import SCOPES, SECTIONS
from credit_schemas.identifiers import USCC_PLACEHOLDER
from credit_warehouse.settings import load_settings
from events import World, build_world
from unit.rows import COMPANY, LICENCE, PENALTY, PERSON, PERSON_PENALTY

AS_OF = date(2026, 11, 24)
EVERYTHING = SCOPES[-1]


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), ["market"])
    yield made
    made.close()


@pytest.fixture
def empty(world):
    emptying.empty(
        world.database.dsn, [*emptying.records(), "core.collision_decision", "audit.credit_report", "audit.act"]
    )


@pytest.fixture
def reader(world):
    con = world.connect("reader")
    yield con
    con.close()


@pytest.fixture
def row(request):
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{zlib.crc32(request.node.name.encode())}号"}


def report(world: World, row: dict, unit: str = "market", dataset: str = "penalty") -> str:
    """Load a row; returns its record number."""
    event = world.event(unit, row, dataset=dataset)
    assert world.feed(event) == {"loaded": 1}, world.landed(event)["problems"]
    return str(event.ce_id)


def file_of(world: World, con, text: str):
    return read_file(con, world.center.catalogue, read_subject(con, world.center.catalogue, subject(world, con, text)))


def subject(world: World, con, text: str) -> int:
    return find_by_text(con, world.center.catalogue, text)


def facts_of(world: World, con, text: str, **options):
    return gather(file_of(world, con, text), world.center.catalogue, **{"as_of": AS_OF, **options})


def section(facts, name: str):
    return next(s for s in facts.sections if s.name == name).blocks


def run(world: World, *arguments: str, **options):
    load_settings.cache_clear()
    try:
        return CliRunner().invoke(credit, list(arguments), env=world.environment(), **options)
    finally:
        load_settings.cache_clear()


def text_of(path: Path) -> str:
    """All the text of a document, without blanks and line ends."""
    if path.suffix == ".pdf":
        found = "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    else:
        document = Document(str(path))
        found = "".join(p.text for p in document.paragraphs)
        found += "".join(c.text for t in document.tables for r in t.rows for c in r.cells)
        found += "".join(p.text for s in document.sections for p in s.header.paragraphs)
    return "".join(found.split())


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty")
def test_the_file_holds_every_datasets_record_of_a_subject_in_its_section(world, reader):
    sent: dict[str, str] = {}
    for dataset in subject_datasets(world.center.catalogue):
        code = dataset.column("subject.code")
        example = next((e for e in dataset.examples if e.get(code or "", "").startswith("91")), None)
        if example is not None:
            sent[dataset.id] = report(world, {**example, code: COMPANY}, dataset=dataset.id)
    assert {"penalty", "licence"} <= sent.keys()
    found = file_record(file_of(world, reader, COMPANY))
    assert [s["section"] for s in found["sections"]] == list(SECTIONS)
    placed = {r["dataset"]: (s["section"], r["record_no"]) for s in found["sections"] for r in s["records"]}
    datasets = world.center.catalogue.datasets
    assert placed == {d: (datasets[d].section or "其他", number) for d, number in sent.items()}


@pytest.mark.usefixtures("empty")
def test_names_are_history_and_what_units_say_differently_is_shown_with_who_says_it(world, reader, row):
    report(world, row, "market")
    report(world, {**row, "CF_XDR_MC": "示例商贸公司", "CF_FRDB": "王五"}, "edu")
    report(world, {**LICENCE, "XK_FRDB": "王五"}, "edu", "licence")
    found = file_record(file_of(world, reader, COMPANY))
    assert {(n["name"], n["unit"]) for n in found["names"]} == {
        ("示例商贸有限公司", "market"),
        ("示例商贸公司", "edu"),
        ("示例商贸有限公司", "edu"),
    }
    said = {c["role"]: {v["value"]: v["units"] for v in c["values"]} for c in found["conflicts"]}
    assert said == {"representative.name": {"张三": ["market"], "王五": ["edu"]}}


@pytest.mark.usefixtures("empty")
def test_a_linked_subject_is_in_the_same_file(world, reader, row):
    number = "410421600000017"
    shop = {**row, "CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": USCC_PLACEHOLDER, "CF_XDR_GSZC": number}
    alone = report(world, shop)
    both = report(world, {**row, "CF_XDR_GSZC": number}, "edu")
    for text in (COMPANY, number, alone, both):
        found = file_record(file_of(world, reader, text))
        assert {r["record_no"] for s in found["sections"] for r in s["records"]} == {alone, both}
        assert (found["subject"]["code"], len(found["subject"]["same_as"])) == (COMPANY, 1)


@pytest.mark.usefixtures("empty")
def test_the_file_shows_every_state_and_what_was_done(world, reader, row):
    number = report(world, row)
    report(world, {**row, "CF_NR": "罚款500元，限期改正"})
    world.query("UPDATE core.penalty SET state = 'withdrawn' WHERE record_no = %s", [number])
    (record,) = file_record(file_of(world, reader, COMPANY))["sections"][1]["records"]
    assert (record["state_cn"], record["revision"]) == ("已撤回", 2)
    assert [h["act_cn"] for h in record["history"]] == ["报送", "报送"]


@pytest.mark.usefixtures("empty")
def test_a_natural_person_is_masked_wherever_the_name_stands_and_no_number_is_anywhere(world, reader, row):
    number = report(world, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"], "CF_SY": "李四未取得许可销售食品"})
    found = json.dumps(file_record(file_of(world, reader, number)), ensure_ascii=False)
    assert "李四" not in found
    assert "李*未取得许可销售食品" in found
    assert PERSON not in found
    assert "******" in found


@pytest.mark.usefixtures("empty")
def test_finding_by_name_merges_nobody_and_finds_persons_by_the_whole_name_only(world, reader, row):
    shop = {**row, "CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": USCC_PLACEHOLDER, "CF_XDR_MC": "老王小吃店"}
    report(world, {**shop, "CF_FRDB": "王一"})
    report(world, {**shop, "CF_FRDB": "王二"})
    report(world, {**PERSON_PENALTY, "CF_XDR_MC": "王小明", "CF_WSH": row["CF_WSH"]})
    catalogue = world.center.catalogue
    assert [s["name"] for s in find_by_name(reader, catalogue, "老王")] == ["老王小吃店"] * 2
    assert find_by_name(reader, catalogue, "小明") == []
    assert [s["name"] for s in find_by_name(reader, catalogue, "王小明")] == ["王**"]
    assert find_by_name(reader, catalogue, "%") == []


@pytest.mark.usefixtures("empty")
def test_a_subject_is_found_by_code_record_and_id_and_a_citizen_number_is_refused_as_an_argument(world, reader, row):
    number = report(world, row)
    one = subject(world, reader, COMPANY.lower())
    assert one == subject(world, reader, str(one)) == subject(world, reader, number)
    for open_number in (PERSON, PERSON[:6] + PERSON[8:17]):
        with pytest.raises(NumberInTheOpen) as e:
            subject(world, reader, open_number)
        assert open_number not in str(e.value)
    for nobody in ("91410421MA0000007D", "99999999", "示例", "0199f000-0000-7000-8000-000000000009"):
        with pytest.raises(SubjectNotFound):
            subject(world, reader, nobody)


# --- what a report says -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty")
def test_what_no_longer_stands_is_not_in_the_report_and_what_is_disputed_is_marked(world, reader, row):
    numbers = [report(world, {**row, "CF_WSH": f"{row['CF_WSH']}之{i}"}) for i in range(5)]
    for number, state in zip(numbers, ("active", "disputed", "ended", "withdrawn", "active"), strict=True):
        world.query("UPDATE core.penalty SET state = %s WHERE record_no = %s", [state, number])
    world.query("UPDATE core.penalty SET publicity_ends = '2026-11-23' WHERE record_no = %s", [numbers[4]])
    blocks = section(facts_of(world, reader, COMPANY), "行政管理")
    shown = {b.title.rpartition("之")[2]: b.mark for b in blocks}
    assert shown == {"0": "", "1": DISPUTED}
    # The last day of publicity still counts.
    assert len(section(facts_of(world, reader, COMPANY, as_of=date(2026, 11, 23)), "行政管理")) == 3


@pytest.mark.usefixtures("empty")
def test_labels_stand_only_where_a_shown_record_supports_them(world, reader):
    def labels(**options) -> list[str]:
        return [label.text for label in facts_of(world, reader, COMPANY, **options).labels]

    def example(name: str) -> dict:
        dataset = world.dataset(name)
        code = dataset.column("subject.code")
        return {**next(e for e in dataset.examples if e.get(code, "").startswith("91")), code: COMPANY}

    report(world, PENALTY)
    assert labels() == []
    honour = report(world, example("red_list"), dataset="red_list")
    assert labels() == ["守信激励对象"]
    debtor = report(world, example("enforced_debtor"), dataset="enforced_debtor")
    report(world, example("subject_base"), dataset="subject_base")
    assert labels() == ["守信激励对象", "失信惩戒对象", "存续"]
    world.query("UPDATE core.enforced_debtor SET state = 'disputed' WHERE record_no = %s", [debtor])
    until = world.dataset("red_list").column("validity.to").lower()
    world.query(f"UPDATE core.red_list SET {until} = '2026-11-23' WHERE record_no = %s", [honour])
    assert labels() == ["存续"]
    assert "守信激励对象" in labels(as_of=date(2026, 11, 23))


@pytest.mark.usefixtures("empty")
def test_a_report_tells_only_what_its_scope_allows(world, reader, row):
    open_record = report(world, row)
    example = world.dataset("tax_credit").examples[0]
    report(world, {**example, world.dataset("tax_credit").column("subject.code"): COMPANY}, dataset="tax_credit")
    commitment = {**world.dataset("commitment").examples[0], "CN_CNRDM": COMPANY}
    report(world, {**commitment, "CN_GKLX": "不可公开"}, dataset="commitment")
    assert world.dataset("tax_credit").scope == EVERYTHING
    public, whole = facts_of(world, reader, COMPANY), facts_of(world, reader, COMPANY, scope=EVERYTHING)
    assert (public.records, public.left_out, whole.records, whole.left_out) == (1, 2, 3, 0)
    assert not section(public, "信用承诺")
    assert section(whole, "信用承诺")
    # What the law keeps off public sites is told among authorities only.
    world.query("UPDATE core.penalty SET published = false WHERE record_no = %s", [open_record])
    assert facts_of(world, reader, COMPANY).records == 0
    assert facts_of(world, reader, COMPANY, scope=SCOPES[1]).records == 1


@pytest.mark.usefixtures("empty")
def test_without_a_register_the_identity_is_told_with_who_says_it(world, reader, row):
    report(world, row, "market")
    report(world, {**row, "CF_FRDB": "王五"}, "edu")
    (identity,) = section(facts_of(world, reader, COMPANY), "基础信息")
    told_of = dict(pair for line in identity.rows for pair in line)
    assert told_of["统一社会信用代码"] == COMPANY
    assert set(told_of["法定代表人"].split("；")) == {"张*（市场监管局）", "王*（教体局）"}


@pytest.mark.usefixtures("empty")
def test_a_doubt_about_who_it_is_stands_at_the_head_until_it_is_settled(world, reader, row, tmp_path):
    short = PERSON[:6] + PERSON[8:17]
    number = report(world, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"], "CF_XDR_ZJHM": short})
    report(world, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"], "CF_XDR_ZJHM": PERSON, "CF_XDR_MC": "王五"}, "edu")
    assert "15 位号码对应几个姓名" in facts_of(world, reader, number).doubts[0]
    for suffix in (".docx", ".pdf"):
        out = tmp_path / f"f{suffix}"
        assert "身份有待核对" in run(world, "report", number, "--out", str(out)).output
        assert "所列信息可能不都属于本主体" in text_of(out)
    (doubt,) = json.loads(run(world, "subjects", "collisions", "--json").output)
    settled = run(world, "subjects", "settle", doubt["about"], "--by", "核对人", "--reason", "同一人，曾用名")
    assert settled.exit_code == 0
    assert facts_of(world, reader, number).doubts == ()


@pytest.mark.usefixtures("empty")
def test_the_digest_changes_with_the_content_and_with_nothing_else(world, reader, row):
    report(world, row)
    before = facts_of(world, reader, COMPANY).digest
    assert facts_of(world, reader, COMPANY).digest == before
    report(world, {**row, "CF_NR": "罚款500元，限期改正"})
    assert facts_of(world, reader, COMPANY).digest != before


# --- the document -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("suffix", [".docx", ".pdf"])
def test_a_legal_persons_report_is_numbered_dated_and_has_the_nine_sections(world, row, tmp_path, suffix):
    report(world, row)
    out = tmp_path / f"报告{suffix}"
    done = run(world, "report", COMPANY, "--out", str(out), "--by", "经办人", "--as-of", "2026-11-24")
    assert done.exit_code == 0, done.output
    registered = world.one("SELECT * FROM audit.credit_report")
    number, code = registered["report_no"], bytes(registered["digest"]).hex()
    text = text_of(out)
    for part in (number, code, COMPANY, "示例商贸有限公司", "无评分、仅事实", "2026年11月24日", row["CF_WSH"], NOTHING):
        assert "".join(part.split()) in text, part
    order = [text.index(f"{n}、{name}") for n, name in zip("一二三四五六七八九", SECTIONS, strict=True)]
    assert order == sorted(order)
    assert "张三" not in text
    act = world.one("SELECT actor, about, detail FROM audit.act WHERE act = 'credit_report'")
    assert (act["actor"], act["about"]) == ("经办人", number)
    assert act["detail"]["subject_id"] == registered["subject_id"]


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("suffix", [".docx", ".pdf"])
def test_a_natural_persons_report_is_found_by_a_typed_number_and_shows_neither_name_nor_number(
    world, row, tmp_path, suffix
):
    report(world, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"]})
    out = tmp_path / f"f{suffix}"
    short = PERSON[:6] + PERSON[8:17]
    done = run(world, "report", "--person", "--out", str(out), input=f"{short}\n")
    assert done.exit_code == 0, done.output
    text = text_of(out)
    for secret in ("李四", PERSON, short):
        assert secret not in text
        assert secret not in done.output
        assert secret.encode() not in out.read_bytes()
    assert "李*" in text
    assert "自然人" in text


@pytest.mark.usefixtures("empty")
def test_the_pdf_embeds_its_fonts_and_numbers_its_pages(world, row, tmp_path):
    for i in range(12):
        report(world, {**row, "CF_WSH": f"{row['CF_WSH']}之{i}"})
    out = tmp_path / "f.pdf"
    assert run(world, "report", COMPANY, "--out", str(out)).exit_code == 0
    pages = pypdf.PdfReader(out).pages
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"第{number}页共{len(pages)}页" in "".join(page.extract_text().split())
        for font in page["/Resources"]["/Font"].values():
            assert "/FontFile2" in font.get_object()["/FontDescriptor"], font.get_object()["/BaseFont"]


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("suffix", [".docx", ".pdf"])
def test_hostile_and_long_text_stands_in_the_document_as_it_is(world, row, tmp_path, suffix):
    hostile = '<b>&lt;</b><img src="file:///etc/passwd"/>{0}%s ]]>' + "很长的内容" * 700
    report(world, {**row, "CF_XDR_MC": "甲<乙>&丙公司", "CF_NR": hostile, "CF_NR_FK": "", "CF_CFLB": "警告"})
    out = tmp_path / f"f{suffix}"
    done = run(world, "report", COMPANY, "--out", str(out))
    assert done.exit_code == 0, done.output
    text = text_of(out)
    assert "甲<乙>&丙公司" in text
    assert '<b>&lt;</b><imgsrc="file:///etc/passwd"/>{0}%s]]>很长的内容' in text
    # Headings and page numbers may stand between two pages of it.
    assert text.count("很长的内容") >= 690


@pytest.mark.usefixtures("empty")
def test_a_character_the_font_lacks_is_drawn_as_a_sign_and_told(world, row, tmp_path):
    report(world, {**row, "CF_XDR_MC": "\U00030edd面馆有限公司"})  # biáng, in Unicode since 2020
    done = run(world, "report", COMPANY, "--out", str(tmp_path / "f.pdf"))
    assert done.exit_code == 0, done.output
    assert "\U00030edd" in done.output
    assert "〓面馆有限公司" in text_of(tmp_path / "f.pdf")
    done = run(world, "report", COMPANY, "--out", str(tmp_path / "f.docx"))
    assert "\U00030edd面馆有限公司" in text_of(tmp_path / "f.docx")


@pytest.mark.usefixtures("empty")
def test_numbers_are_never_given_twice_and_a_changed_document_is_found_out(world, row, tmp_path):
    report(world, row)
    for i in range(3):
        assert run(world, "report", COMPANY, "--out", str(tmp_path / f"{i}.docx")).exit_code == 0
    listed = json.loads(run(world, "reports", "list", "--json").output)
    assert len({r["report_no"] for r in listed}) == 3
    number, code, out = listed[0]["report_no"], listed[0]["digest"], tmp_path / "2.docx"
    assert run(world, "reports", "check", number, "--code", code.upper(), "--file", str(out)).exit_code == 0
    assert run(world, "reports", "check", number, "--code", code[:-1] + "g").exit_code == 1
    assert run(world, "reports", "check", "410421-20261124-999999", "--code", code).exit_code == 1
    out.write_bytes(out.read_bytes() + b" ")
    changed = run(world, "reports", "check", number, "--file", str(out))
    assert changed.exit_code == 1
    assert "核对不符" in changed.output


@pytest.mark.usefixtures("empty")
def test_without_a_font_the_reason_is_told_in_chinese_and_nothing_is_registered(
    world, reader, row, tmp_path, monkeypatch
):
    report(world, row)
    facts, zone = facts_of(world, reader, COMPANY), world.center.catalogue.county.zone
    unfit = tmp_path / "font.ttf"
    unfit.write_bytes(b"no font")
    out = tmp_path / "f.pdf"
    with pytest.raises(FontUnfit):
        issue(reader, facts, out, who="经办人", zone=zone, font=unfit)
    with pytest.raises(UnknownForm):
        issue(reader, facts, tmp_path / "f.odt", who="经办人", zone=zone)
    monkeypatch.setattr("credit_reports.report_pdf.FONTS", {k: str(tmp_path / k) for k in FONTS})
    with pytest.raises(FontMissing) as e:
        issue(reader, facts, out, who="经办人", zone=zone)
    assert "apt install fonts-wqy-microhei" in told(e.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["font.ttf"]
    assert world.query("SELECT 1 FROM audit.credit_report") == []
    assert world.query("SELECT 1 FROM audit.act") == []


@pytest.mark.usefixtures("empty")
def test_a_report_that_cannot_be_registered_leaves_no_document(world, reader, row, tmp_path):
    report(world, row)
    facts = facts_of(world, reader, COMPANY)
    with pytest.raises(Exception, match="issued_by"):
        issue(reader, facts, tmp_path / "f.docx", who="", zone=world.center.catalogue.county.zone)
    assert list(tmp_path.iterdir()) == []


# --- the commands -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty")
def test_show_find_collisions_and_settle_by_command(world, row):
    number = report(world, row)
    shown = json.loads(run(world, "subjects", "show", COMPANY, "--json").output)
    assert shown["subject"]["name"] == "示例商贸有限公司"
    again = json.loads(run(world, "subjects", "show", "--record", number, "--json").output)
    assert again == json.loads(
        run(world, "subjects", "show", "--subject", str(shown["subject"]["subject_id"]), "--json").output
    )
    assert "示例商贸有限公司" in run(world, "subjects", "show", COMPANY).output
    assert json.loads(run(world, "subjects", "find", "示例", "--json").output)[0]["code"] == COMPANY

    other = "91410421MA0000007D"
    report(world, {**row, "CF_XDR_GSZC": "410421600000017"}, "edu")
    report(world, {**row, "CF_XDR_SHXYM": other, "CF_XDR_GSZC": "410421600000017"}, "civil")
    (doubt,) = json.loads(run(world, "subjects", "collisions", "--json").output)
    assert (doubt["kind"], doubt["about"], len(doubt["subjects"])) == ("registration", "410421600000017", 2)
    settle = ("subjects", "settle", doubt["about"], "--by", "核对人", "--reason", "查阅登记档案")
    assert run(world, *settle, "--subject", "99999").exit_code != 0
    assert run(world, *settle, "--subject", str(doubt["subjects"][1])).exit_code == 0
    assert json.loads(run(world, "subjects", "collisions", "--json").output) == []
    assert len(json.loads(run(world, "subjects", "collisions", "--all", "--json").output)) == 1
    assert run(world, *settle).exit_code != 0
    assert world.one("SELECT actor FROM audit.act WHERE act = 'collision_settled'")["actor"] == "核对人"


@pytest.mark.usefixtures("empty")
def test_a_number_typed_is_looked_up_and_a_wrong_one_tells_nothing(world, row):
    report(world, {**PERSON_PENALTY, "CF_WSH": row["CF_WSH"]})
    found = run(world, "subjects", "show", "--person", "--json", input=f"{PERSON}\n")
    assert found.exit_code == 0
    assert PERSON not in found.output
    wrong = run(world, "subjects", "show", "--person", input="110101199003070134\n")
    assert wrong.exit_code != 0
    assert "110101199003070134" not in str(wrong.exception) + wrong.output


def test_a_record_of_nobody_is_told_so(world, reader):
    with pytest.raises(SubjectNotFound):
        find_by_record(reader, world.center.catalogue, uuid4())
