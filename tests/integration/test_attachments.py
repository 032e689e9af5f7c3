"""Attachments on the real database: a report's files arrive whole, are kept once and encrypted, and nothing else is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner

import attachment_files as files
from credit_local.cli import credit, told
from credit_producer.attachments import AttachmentFolder, check_with_files, hand_over, waiting
from credit_producer.cli import cli as producer
from credit_producer.settings import unit_config_path, write_unit_config
from credit_schemas.attachments import limit, sealing_context
from credit_schemas.rules import Context
from credit_schemas.sealed_files import seal_file
from credit_schemas.sealing import generate_center_key
from credit_warehouse import attachment_books as books
from credit_warehouse.attachment_intake import (
    ARRIVING_S,
    Busy,
    Collected,
    NoInbox,
    StoreFailed,
    alone,
    collect,
    unit_folders,
)
from credit_warehouse.attachments import Damaged, Store
from credit_warehouse.keys import storage_keys
from credit_warehouse.settings import load_settings
from events import PASSWORDS, World, build_world
from producer_support import write_csv

UNITS = ["market", "edu"]
REPORT = {"GZ_FJBXH": "8", "GZ_QJ": "2026-09", "GZ_CLLB": "活动照片", "GZ_NRZY": "在社区设点宣传。"}


@pytest.fixture(scope="module")
def world(make_county: Any, postgres_server: Any, tmp_path_factory: pytest.TempPathFactory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("attachments"), UNITS)
    yield made
    made.close()


@pytest.fixture
def con(world: World):
    connection = world.connect("attachments")
    yield connection
    connection.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A hand-over folder as departments fill it."""
    for unit in UNITS:
        (tmp_path / "in" / unit).mkdir(parents=True)
    return tmp_path / "in"


@pytest.fixture
def store(world: World, tmp_path: Path) -> Store:
    return Store(tmp_path / "store", storage_keys(world.settings.keys or Path()))


@pytest.fixture(autouse=True)
def _nothing_before(world: World) -> None:
    world.query("TRUNCATE core.work_report, core.attachment_handover, core.attachment_refusal, core.attachment CASCADE")


def folder_with(tmp_path: Path, found: dict[str, bytes]) -> Path:
    folder = tmp_path / "表"
    for name, content in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def report(world: World, inbox: Path, folder: Path, names: str, title: str, unit: str = "market") -> None:
    """What the door does with a row: check it with its files, hand them over, send the event."""
    row = {**REPORT, "GZ_BT": title, "GZ_FJ": names}
    dataset = world.dataset("work_report")
    checked, held = check_with_files(dataset, row, Context(datetime.now(UTC).date()), AttachmentFolder(folder))
    assert checked.verdict == "accept", checked.problems
    hand_over(inbox / unit, held, unit, world.center.keys.center[-1].public)
    event = world.event(unit, {**row, "GZ_FJ": checked.values["GZ_FJ"]}, dataset="work_report")
    assert world.feed(event) == {"loaded": 1}


def take(world: World, con: Any, store: Store, inbox: Path) -> Collected:
    return collect(con, store, world.center.keys.center, unit_folders(inbox, UNITS))


def sealed_into(inbox: Path, world: World, content: bytes, *, unit: str = "market", digest: str = "") -> str:
    """A sealed file as any program could make it, whatever its name claims."""
    digest = digest or hashlib.sha256(content).hexdigest()
    out = io.BytesIO()
    seal_file(io.BytesIO(content), out, world.center.keys.center[-1].public, sealing_context(unit, digest))
    (inbox / unit / f"{digest}.sealed").write_bytes(out.getvalue())
    return digest


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_a_report_names_is_missing_until_it_is_collected_and_then_read_back_as_it_was(
    world, con, store, inbox, tmp_path
):
    photo, plan = files.picture(), files.docx()
    folder = folder_with(tmp_path, {"照片/现场.jpg": photo, "方案.docx": plan})
    report(world, inbox, folder, "照片/现场.jpg；方案.docx", "进社区")
    asked = {(m["unit"], m["name"], m["digest"], m["size"]) for m in books.missing(con)}
    assert asked == {
        ("market", "照片/现场.jpg", digest_of(photo), len(photo)),
        ("market", "方案.docx", digest_of(plan), len(plan)),
    }

    done = take(world, con, store, inbox)
    assert (done.stored, done.known, done.refused, done.waiting, done.left) == (2, 0, [], [], 0)
    assert books.missing(con) == []
    assert list((inbox / "market").iterdir()) == []
    assert {(s["kind"], *s["units"], *s["names"]) for s in books.stored(con)} == {
        ("jpg", "market", "照片/现场.jpg"),
        ("docx", "market", "方案.docx"),
    }
    for content in (photo, plan):
        out = tmp_path / digest_of(content)[:8]
        assert books.get(con, store, digest_of(content), out, who="张三", why="核对") == len(content)
        assert out.read_bytes() == content
        assert out.stat().st_mode & 0o077 == 0


def test_nothing_of_a_file_is_in_clear_at_the_center_or_in_the_hand_over_folder(world, con, store, inbox, tmp_path):
    photo = files.picture()
    report(world, inbox, folder_with(tmp_path, {"a.jpg": photo}), "a.jpg", "密")
    sealed = (inbox / "market" / f"{digest_of(photo)}.sealed").read_bytes()
    take(world, con, store, inbox)
    kept = store.path(digest_of(photo)).read_bytes()
    for there in (sealed, kept):
        assert photo[:24] not in there
        assert photo[-24:] not in there
    assert [p.name for p in store.root.rglob("*") if p.is_file()] == [digest_of(photo)[2:]]


def test_the_same_file_of_two_units_is_stored_once_and_both_are_known(world, con, store, inbox, tmp_path):
    folder = folder_with(tmp_path, {"文件.pdf": files.pdf()})
    for unit in UNITS:
        report(world, inbox, folder, "文件.pdf", "同一份", unit)
    done = take(world, con, store, inbox)
    assert (done.stored, done.known) == (1, 1)
    (held,) = books.stored(con)
    assert held["units"] == ["edu", "market"]
    assert len(list(store.digests())) == 1


def test_collecting_again_or_after_a_crash_changes_nothing(world, con, store, inbox, tmp_path):
    photo = files.picture(seed=7)
    digest = sealed_into(inbox, world, photo)
    again = (inbox / "market" / f"{digest}.sealed").read_bytes()
    assert take(world, con, store, inbox).stored == 1
    before = store.path(digest).read_bytes()
    (inbox / "market" / f"{digest}.sealed").write_bytes(again)
    done = take(world, con, store, inbox)
    assert (done.stored, done.known) == (0, 1)
    assert store.path(digest).read_bytes() == before

    # The process died after the file was kept and before its row was written.
    world.query("TRUNCATE core.attachment CASCADE")
    assert books.leftovers(con, store) == [digest]
    (inbox / "market" / f"{digest}.sealed").write_bytes(again)
    assert take(world, con, store, inbox).stored == 1
    assert books.leftovers(con, store) == []


HOSTILE = {
    "digest": (files.picture(seed=1), "0" * 64),
    "content": (files.renamed_exe(), ""),
    "zip_bomb": (files.zip_bomb(), ""),
    "polyglot": (files.picture_with_archive(), ""),
    "macro": (files.office("docx", parts={"word/vbaProject.bin": b"\1"}), ""),
    "empty": (b"", ""),
    "too_large": (files.pdf() + bytes(limit("bytes_per_file")), ""),
}


@pytest.mark.parametrize("code", HOSTILE)
def test_a_file_that_is_not_what_it_claims_is_refused_told_and_not_kept(world, con, store, inbox, code):
    content, claimed = HOSTILE[code]
    digest = sealed_into(inbox, world, content, digest=claimed)
    (refused,) = take(world, con, store, inbox).refused
    assert (refused.unit, refused.digest, refused.reason) == ("market", digest, code)
    assert list(store.digests()) == []
    assert [p for p in store.root.rglob("*") if p.is_file()] == []
    assert books.stored(con) == []
    # Told to the unit in its own folder, and to the center.
    assert waiting(inbox / "market") == (0, [f"{digest}：{refused.told}"])
    assert [(r["digest"], r["reason"], r["times"]) for r in books.refused(con, "market")] == [(digest, code, 1)]
    assert books.refused(con, "edu") == []


def test_a_file_sealed_for_another_unit_another_center_or_bent_on_the_way_is_refused(world, con, store, inbox):
    photo = files.picture(seed=3)
    digest = sealed_into(inbox, world, photo, unit="edu")
    shutil.move(inbox / "edu" / f"{digest}.sealed", inbox / "market" / f"{digest}.sealed")
    bent = sealed_into(inbox, world, files.picture(seed=4))
    path = inbox / "market" / f"{bent}.sealed"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))
    (inbox / "market" / f"{'b' * 64}.sealed").write_bytes(b"short")
    # They may still be on their way; a while later they are refused.
    first = take(world, con, store, inbox)
    assert (first.refused, len(first.waiting)) == ([], 3)
    for path in (inbox / "market").iterdir():
        os.utime(path, (time.time() - 2 * ARRIVING_S,) * 2)
    assert [r.reason for r in take(world, con, store, inbox).refused] == ["sealed"] * 3
    assert books.stored(con) == []

    # A key that the center may yet be given: the file waits.
    out = io.BytesIO()
    seal_file(io.BytesIO(photo), out, generate_center_key().public, sealing_context("market", digest))
    (inbox / "market" / f"{digest}.sealed").write_bytes(out.getvalue())
    done = take(world, con, store, inbox)
    assert (done.refused, len(done.waiting)) == ([], 1)
    assert (inbox / "market" / f"{digest}.sealed").exists()


def test_a_refused_file_that_comes_fit_later_is_no_longer_held_against_the_unit(world, con, store, inbox):
    photo = files.picture(seed=5)
    digest = digest_of(photo)
    sealed_into(inbox, world, b"not the photo", digest=digest)
    take(world, con, store, inbox)
    assert len(books.refused(con)) == 1
    sealed_into(inbox, world, photo)
    take(world, con, store, inbox)
    assert books.refused(con) == []


def test_links_pipes_and_endless_files_in_the_hand_over_folder_are_not_followed(world, con, store, inbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(files.picture())
    (inbox / "market" / f"{'a' * 64}.sealed").symlink_to(secret)
    os.mkfifo(inbox / "market" / f"{'b' * 64}.sealed")
    with (inbox / "market" / f"{'c' * 64}.sealed").open("wb") as out:
        out.truncate(1 << 40)
    (inbox / "market" / "别的文件.jpg").write_bytes(b"x")
    done = take(world, con, store, inbox)
    assert len(done.waiting) == 2
    assert [r.reason for r in done.refused] == ["too_large"]
    assert secret.exists()
    assert (inbox / "market" / "别的文件.jpg").exists()


def test_a_name_that_promises_another_kind_is_refused_when_the_report_is_known(world, con, store, inbox, tmp_path):
    photo = files.picture(seed=9)
    folder = folder_with(tmp_path, {"照片.jpg": photo})
    row = {**REPORT, "GZ_BT": "谎称", "GZ_FJ": "照片.jpg"}
    checked, held = check_with_files(
        world.dataset("work_report"), row, Context(datetime.now(UTC).date()), AttachmentFolder(folder)
    )
    hand_over(inbox / "market", held, "market", world.center.keys.center[-1].public)
    lie = checked.values["GZ_FJ"].replace("照片.jpg", "照片.pdf")
    world.feed(world.event("market", {**row, "GZ_FJ": lie}, dataset="work_report"))
    assert [r.reason for r in take(world, con, store, inbox).refused] == ["content"]


def test_an_event_that_names_files_without_digests_is_refused_at_the_center(world):
    event = world.event("market", {**REPORT, "GZ_BT": "只有名字", "GZ_FJ": "照片.jpg"}, dataset="work_report")
    assert world.feed(event) == {"rejected": 1}
    assert [p["rule"] for p in world.receipts(event)[0]["problems"]] == ["GZ_FJ.attachment.digest"]


def test_a_folder_that_cannot_be_written_leaves_its_files_and_they_are_known_next_time(
    world, con, store, inbox, monkeypatch
):
    digest = sealed_into(inbox, world, files.picture(seed=11))
    monkeypatch.setattr(Path, "unlink", _read_only(Path.unlink, inbox))
    first, second = take(world, con, store, inbox), take(world, con, store, inbox)
    assert (first.stored, first.left) == (1, 1)
    assert (second.stored, second.known, second.left) == (0, 1, 1)
    assert books.stored(con)[0]["digest"] == digest


def _read_only(unlink: Any, folder: Path) -> Any:
    """Root may delete anywhere: the read-only share is this."""

    def refusing(self: Path, missing_ok: bool = False) -> None:
        if folder in self.parents:
            raise PermissionError(1, "read-only", str(self))
        unlink(self, missing_ok=missing_ok)

    return refusing


def test_a_share_that_is_not_mounted_is_no_day_without_files(tmp_path):
    with pytest.raises(NoInbox, match="网络盘"):
        unit_folders(tmp_path / "nothing", UNITS)


def test_a_store_that_cannot_be_written_loses_nothing_and_says_so(world, con, store, inbox):
    digest = sealed_into(inbox, world, files.picture(seed=15))
    store.root.write_text("a file where the store should be")
    with pytest.raises(StoreFailed, match="读写出错"):
        take(world, con, store, inbox)
    assert (inbox / "market" / f"{digest}.sealed").exists()
    store.root.unlink()
    assert take(world, con, store, inbox).stored == 1


def test_two_collections_at_once_are_one_too_many(world, con, store, inbox):
    other = world.connect("attachments")
    try:
        with alone(other), pytest.raises(Busy):
            take(world, con, store, inbox)
    finally:
        other.close()
    assert take(world, con, store, inbox).stored == 0


def test_only_who_says_who_and_why_gets_a_file_and_it_is_on_the_books_before(world, con, store, inbox, tmp_path):
    digest = sealed_into(inbox, world, files.picture(seed=13))
    take(world, con, store, inbox)
    for who, why in (("", "核对"), ("张三", " ")):
        with pytest.raises(books.NoReason):
            books.get(con, store, digest, tmp_path / "x.jpg", who=who, why=why)
    (tmp_path / "there.jpg").write_bytes(b"mine")
    with pytest.raises(books.TargetExists):
        books.get(con, store, digest, tmp_path / "there.jpg", who="张三", why="核对")
    assert (tmp_path / "there.jpg").read_bytes() == b"mine"
    store.path(digest).write_bytes(store.path(digest).read_bytes()[:-1])
    with pytest.raises(Damaged):
        books.get(con, store, digest, tmp_path / "y.jpg", who="李四", why="看看")
    assert not (tmp_path / "y.jpg").exists()
    acts = world.query("SELECT actor, act, about, detail FROM audit.act WHERE about = %s", [digest])
    assert [(a["actor"], a["act"], a["detail"]) for a in acts] == [("李四", "attachment.get", {"why": "看看"})]


def test_a_stored_file_opens_in_its_own_place_only_and_every_damage_is_found(world, con, store, inbox):
    one, two = (sealed_into(inbox, world, files.picture(seed=n)) for n in (17, 18))
    take(world, con, store, inbox)
    assert list(books.damaged(con, store)) == []
    shutil.copy(store.path(one), store.path(two))
    assert [digest for digest, _ in books.damaged(con, store)] == [two]
    store.path(one).unlink()
    assert [digest for digest, _ in books.damaged(con, store)] == sorted([one, two])


def test_a_file_kept_under_an_older_storage_key_still_opens(world, con, store, inbox, tmp_path):
    photo = files.picture(seed=19)
    digest = sealed_into(inbox, world, photo)
    take(world, con, store, inbox)
    newer = Store(store.root, {**storage_keys(world.settings.keys or Path()), 2: os.urandom(16)})
    later = sealed_into(inbox, world, files.picture(seed=20))
    take(world, con, newer, inbox)
    assert books.get(con, newer, digest, tmp_path / "old.jpg", who="张三", why="核对") == len(photo)
    assert {s["digest"]: s["key_version"] for s in books.stored(con)} == {digest: 1, later: 2}


def test_only_what_no_record_names_and_is_old_enough_is_deleted_and_stays_on_the_books(
    world, con, store, inbox, tmp_path
):
    first, second = files.picture(seed=21), files.picture(seed=22)
    folder = folder_with(tmp_path, {"一.jpg": first, "二.jpg": second})
    report(world, inbox, folder, "一.jpg", "换照片")
    take(world, con, store, inbox)
    later = datetime.now(UTC) + timedelta(days=1)
    assert books.orphans(con, later) == []

    # A correction names another photo: the first one is nobody's any more.
    report(world, inbox, folder, "二.jpg", "换照片")
    take(world, con, store, inbox)
    assert books.orphans(con, datetime.now(UTC) - timedelta(days=books.KEEP_DAYS)) == []
    assert [o["digest"] for o in books.orphans(con, later)] == [digest_of(first)]
    with pytest.raises(books.NoReason):
        books.delete_orphans(con, store, later, who="", why="")
    assert books.delete_orphans(con, store, later, who="王五", why="换过的照片") == [digest_of(first)]
    assert list(store.digests()) == [digest_of(second)]
    assert world.one("SELECT gone_at FROM core.attachment WHERE digest = %s", [bytes.fromhex(digest_of(first))])[0]
    act = world.one("SELECT actor, detail FROM audit.act WHERE act = 'attachment.delete'")
    assert (act["actor"], act["detail"]["units"]) == ("王五", ["market"])

    # Named again and handed over again, it is there again.
    report(world, inbox, folder, "一.jpg", "换照片")
    assert [m["name"] for m in books.missing(con)] == ["一.jpg"]
    take(world, con, store, inbox)
    assert books.missing(con) == []


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT 1 FROM core.person",
        "SELECT 1 FROM core.work_report",
        "SELECT value FROM landing.event",
        "DELETE FROM core.attachment",
        "DELETE FROM core.attachment_handover",
        "UPDATE core.attachment SET digest = ''",
        "SELECT 1 FROM audit.act",
        "DELETE FROM audit.act",
    ],
)
def test_the_role_of_the_store_can_do_no_more_than_its_work(con, forbidden):
    with con.cursor() as cur, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cur.execute(forbidden)
    con.rollback()


def run(world: World, tmp_path: Path, *arguments: str) -> Any:
    env = {
        **world.environment(),
        "CREDIT_DATABASE_PASSWORD_ATTACHMENTS": PASSWORDS["attachments"],
        "CREDIT_ATTACHMENTS": str(tmp_path / "store"),
        "CREDIT_ATTACHMENTS_IN": str(tmp_path / "in"),
    }
    load_settings.cache_clear()
    try:
        return CliRunner().invoke(credit, ["attachments", *arguments], env=env)
    finally:
        load_settings.cache_clear()


def test_a_clerks_table_and_its_photos_go_the_whole_way_and_only_the_digests_pass_kafka(
    world, con, inbox, tmp_path, monkeypatch
):
    photo, plan = files.picture(seed=31), files.docx("社区宣传方案")
    folder = folder_with(tmp_path, {"照片/现场.jpg": photo, "方案.docx": plan})
    row = {**REPORT, "GZ_BT": "全程", "GZ_FJ": "照片/现场.jpg；方案.docx"}
    table = write_csv(folder / "九月.csv", [row, row | {"GZ_BT": "缺照片", "GZ_FJ": "没有.jpg"}], "work_report")
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path / "department"))
    write_unit_config(
        unit_config_path("market"),
        unit="market",
        county=world.county.code,
        bootstrap=world.county.server.bootstrap,
        username="unit.market",
        password=world.county.passwords["unit.market"],
        center_key=str(world.center.keys.center[-1].public),
        cafile=world.county.server.cafile,
        attachments=inbox / "market",
    )
    sent = CliRunner().invoke(producer, ["send", str(table), "--dataset", "工作报告", "--unit", "market"])
    assert sent.exit_code == 1, sent.output  # the second row's photo is not there
    assert "找不到这个文件" in sent.output
    assert "附件 2 个已加密" in sent.output
    status = CliRunner().invoke(producer, ["status", "--unit", "market"])
    assert "附件：2 个等中心收取" in status.output

    assert world.consume() == {"loaded": 1, "rejected": 1}
    assert len(books.missing(con)) == 2
    assert run(world, tmp_path, "collect").exit_code == 0
    assert books.missing(con) == []
    store = Store(tmp_path / "store", storage_keys(world.settings.keys or Path()))
    out = tmp_path / "取出.docx"
    books.get(con, store, digest_of(plan), out, who="张三", why="季度评估")
    assert out.read_bytes() == plan

    log = b"".join(
        p.read_bytes() for p in (world.county.server.folder / "data").glob(f"{world.county.intake('market')}-0/*.log")
    )
    assert "方案.docx".encode() in log
    assert photo[20:60] not in log
    assert plan[30:70] not in log


def test_the_commands_collect_list_give_and_clean(world, inbox, tmp_path):
    photo = files.picture(seed=23)
    folder = folder_with(tmp_path, {"现场.jpg": photo})
    report(world, inbox, folder, "现场.jpg", "命令")
    missing = json.loads(run(world, tmp_path, "list", "--missing", "--json").output)
    assert [(m["unit"], m["name"], m["digest"]) for m in missing] == [("market", "现场.jpg", digest_of(photo))]
    assert "现场.jpg" in run(world, tmp_path, "list", "--missing", "--unit", "市场监管局").output

    sealed_into(inbox, world, files.renamed_exe(), unit="edu")
    collected = run(world, tmp_path, "collect")
    assert collected.exit_code == 1, collected.output
    assert "新收 1 个，已有的 0 个，没有收下 1 个" in collected.output
    assert "程序文件" in collected.output
    assert run(world, tmp_path, "collect").exit_code == 0
    assert run(world, tmp_path, "check").output.startswith("坏的 0 个")
    assert "程序文件" in run(world, tmp_path, "list", "--refused").output

    out = tmp_path / "现场-取出.jpg"
    got = run(world, tmp_path, "get", digest_of(photo), "--out", str(out), "--who", "张三", "--why", "评估")
    assert got.exit_code == 0, got.output
    assert out.read_bytes() == photo
    unknown = run(world, tmp_path, "get", "f" * 64, "--out", str(tmp_path / "n"), "--who", "张三", "--why", "评估")
    assert "没有" in (told(unknown.exception) or "")

    dry = run(world, tmp_path, "gc", "--days", "1")
    assert "可以清理 0 个" in dry.output
    world.query("UPDATE core.attachment SET stored_at = now() - interval '200 days'")
    world.query("TRUNCATE core.work_report")
    assert "可以清理 1 个" in run(world, tmp_path, "gc").output
    assert out.exists()
    done = run(world, tmp_path, "gc", "--yes", "--who", "张三", "--why", "试验")
    assert "已删除 1 个" in done.output
    assert json.loads(run(world, tmp_path, "list", "--json").output) == []
