"""Copies end: whatever ends a record ends its copy everywhere, and nothing sent again brings one back.

Four real stand-ins (province, nation, a public site, a lenders' platform that cannot withdraw), the real loader, a
real database. Acts are events like any other.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

import sandbox_client
from credit_expectations.gate import close_work_item
from credit_platforms.destinations import load_destinations
from credit_platforms.forward import collect, forward
from credit_platforms.reconcile import reconcile
from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import SETTING
from emptying import empty, records
from events import Event, World, build_world
from recording_proxy import Recorder, recording_proxy
from sandbox_client import Running, SandboxClient, running_sandbox
from unit.rows import COMPANY, PENALTY, PERSON_PENALTY

DAY = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DATASETS = load_catalogue().datasets
TABLES = {r.dataset.id: r.table for d in load_destinations().values() for r in d.routes.values()}
DESTINATIONS = ("province", "nation", "site", "xinyidai")
CANNOT = "xinyidai"
_clients = itertools.count()
sandbox_client.KEYS.update({f"e{i}": f"{i:031d}e" for i in range(1000)})


@dataclass
class Stand:
    """One destination: what goes to it and what it holds."""

    line: Recorder
    client: SandboxClient
    ops: SandboxClient


@dataclass
class Roads:
    """The center and its four destinations, without records."""

    world: World
    stands: dict[str, Stand]

    def run(self, as_of: date = TODAY) -> None:
        """Everything is checked, goes out and is answered."""
        self.world.query("UPDATE exchange.mark SET checked_run = 1 WHERE checked_run IS NULL")
        for name in self.stands:
            self.send(name, as_of)

    def send(self, name: str, as_of: date = TODAY) -> dict[str, Any]:
        counts = forward(name, as_of, self.world.settings)
        collect(name, self.world.settings)
        return counts

    def compare(self, as_of: date = TODAY) -> dict[str, dict[str, Any]]:
        """The daily comparison with each destination."""
        return {name: reconcile(name, as_of, self.world.settings) for name in self.stands}

    def live(self, dataset: str = "penalty") -> dict[str, list[str]]:
        """The records of which each destination has a live copy."""
        found = {}
        for name, stand in self.stands.items():
            page = stand.client.get(f"/v1/records?table={TABLES[dataset]}&limit=1000").json()
            found[name] = [r["record_no"] for r in page["records"]]
        return found

    def held(self, event: Event, dataset: str = "penalty") -> set[str]:
        """The destinations with a live copy of a record, and of no other."""
        number, live = str(event.ce_id), self.live(dataset)
        assert all(copies in ([], [number]) for copies in live.values()), live
        return {name for name, copies in live.items() if copies}

    def rows(self, name: str = "province") -> list[tuple[str, str | None]]:
        """What was sent to a destination: op and reason."""
        return [(row["op"], row["reason"]) for row in self.stands[name].line.rows()]

    def items(self) -> list[tuple[str, str, bool]]:
        """Work items about copies that cannot be ended: destination, record, open."""
        rows = self.world.query(
            "SELECT destination, record_no::text, closed_at IS NULL FROM quality.work_item"
            " WHERE rule_id LIKE 'delivery.%%.cannot_end' ORDER BY work_item_id"
        )
        return [tuple(row) for row in rows]

    def end_by_hand(self, event: Event) -> None:
        """The lenders' platform ends a copy because somebody called."""
        stand = self.stands[CANNOT]
        answer = stand.ops.call("POST", f"/v1/admin/records/{stand.client.client}/{event.ce_id}/end")
        assert answer.status_code == 200, answer.text

    def do(self, unit: str, act: str, event: Event, dataset: str = "penalty", **cells: str) -> None:
        """An act on a record, done by the loader."""
        done = self.world.act(unit, act, dataset, AC_JLBH=str(event.ce_id), **cells)
        self.world.feed(done)
        (receipt,) = self.world.receipts(done)
        assert receipt["status"] == "loaded", receipt["problems"]


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory) -> Iterator[dict[str, Running]]:
    with ExitStack() as stack:
        yield {d: stack.enter_context(running_sandbox(tmp_path_factory.mktemp(d), d)) for d in DESTINATIONS}


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    units = ["market", "reform", "province"]
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), units)
    yield made
    made.close()


@pytest.fixture
def roads(world, sandboxes, monkeypatch) -> Iterator[Roads]:
    """Nothing is stored, and no destination has ever heard of us."""
    exchange = [f"exchange.{t}" for t in ("mark", "delivery", "batch", "destination", "receipt")]
    empty(world.database.dsn, [*exchange, "quality.work_item", "quality.hold", *records()])
    monkeypatch.setenv(SETTING, str(world.center.catalogue.county.folder))
    stands = {}
    with ExitStack() as stack:
        for name, sandbox in sandboxes.items():
            line = stack.enter_context(recording_proxy(sandbox.url))
            client, prefix = f"e{next(_clients)}", f"CREDIT_DESTINATION_{name.upper()}"
            monkeypatch.setenv(f"{prefix}_URL", line.url)
            monkeypatch.setenv(f"{prefix}_SECRET", sandbox_client.KEYS[client])
            monkeypatch.setenv(f"{prefix}_CLIENT", client)
            stands[name] = Stand(line, sandbox.client(client), sandbox.client("ops"))
        yield Roads(world, stands)


@pytest.fixture
def number(request) -> str:
    """A document number of this test's own: the stand-ins know one decision once, whoever sends it."""
    return f"示市监〔2026〕{zlib.crc32(request.node.name.encode())}号"


def example(dataset: str, number: str, i: int = 0) -> dict[str, str]:
    """An example of a dataset under another document number."""
    row = dict(DATASETS[dataset].examples[i])
    row[DATASETS[dataset].column("document.no")] = number
    return row


# Dataset, row, the destinations that have it.
ROWS = {
    "penalty": ("penalty", PENALTY, set(DESTINATIONS)),
    "penalty of a person": ("penalty", PERSON_PENALTY, set(DESTINATIONS)),
    "licence": ("licence", DATASETS["licence"].examples[0], set(DESTINATIONS)),
    "listing": ("black_list", DATASETS["black_list"].examples[0], {"province", "nation", "site"}),
    "enforced debtor": ("enforced_debtor", DATASETS["enforced_debtor"].examples[0], set(DESTINATIONS)),
    "coercion": ("coercion", DATASETS["coercion"].examples[0], {"province", "nation"}),
}
# What ends a record: acts (unit, act, cells), and the reason the destinations are told.
ENDS = {
    "withdrawn": ([("market", "withdraw", {})], "误报撤回"),
    "revoked": ([("market", "revoke", {})], "决定被撤销"),
    "repaired": ([("province", "repair", {})], "信用修复"),
    "upheld": ([("reform", "dispute_open", {}), ("reform", "dispute_close", {"AC_JG": "异议成立"})], "异议成立"),
}


def reported(roads: Roads, dataset: str, row: dict[str, str], number: str) -> tuple[Event, dict[str, str]]:
    """A record that all its destinations hold; its row."""
    row = {**row, DATASETS[dataset].column("document.no"): number}
    first = roads.world.event("market", row, dataset=dataset)
    assert roads.world.feed(first, at=DAY) == {"loaded": 1}
    roads.run()
    return first, row


def ended_everywhere(roads: Roads, first: Event, dataset: str, taken: set[str], as_of: date = TODAY) -> None:
    """No copy is left but the one nobody can end, of which a person was told."""
    manual = {CANNOT} & taken
    assert roads.held(first, dataset) == manual
    assert roads.items() == [(name, str(first.ce_id), True) for name in manual]
    states = roads.world.query("SELECT destination, state FROM exchange.delivery")
    assert {s["destination"]: s["state"] for s in states} == {
        name: "manual" if name in manual else "accepted" for name in taken
    }
    for counts in roads.compare(as_of).values():
        assert (counts["differ"], counts["missing"], counts["extra"]) == (0, 0, 0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ROWS)
def test_a_record_that_ends_leaves_no_copy_and_the_original_file_resurrects_none(roads, number, kind, end):
    dataset, row, taken = ROWS[kind]
    first, row = reported(roads, dataset, row, number)
    assert roads.held(first, dataset) == taken

    acts, reason = ENDS[end]
    for unit, act, cells in acts:
        roads.do(unit, act, first, dataset, **cells)
        roads.run()
    ended_everywhere(roads, first, dataset, taken)
    assert roads.rows()[-1] == ("end", reason)

    again = roads.world.event("market", row, dataset=dataset)
    roads.world.feed(again)
    assert roads.world.receipts(again)[0]["status"] != "loaded"
    roads.run()
    ended_everywhere(roads, first, dataset, taken)
    # Neither does the same decision with another text.
    roads.world.feed(roads.world.event("market", {**row, DATASETS[dataset].fields[-1].column: None}, dataset=dataset))
    roads.run()
    ended_everywhere(roads, first, dataset, taken)


def test_an_expired_record_leaves_no_copy_and_the_original_file_resurrects_none(roads, number):
    """Its period ends by itself: no event tells of it, the daily comparison finds it."""
    first, row = reported(roads, "penalty", PENALTY, number)
    ends = roads.world.one("SELECT publicity_ends FROM core.penalty")["publicity_ends"]
    assert roads.held(first) == set(DESTINATIONS)
    later = date(ends.year, ends.month, ends.day + 1)
    roads.compare(ends)
    roads.run(ends)
    assert roads.held(first) == set(DESTINATIONS)  # its last day is still public
    roads.compare(later)
    roads.run(later)
    ended_everywhere(roads, first, "penalty", set(DESTINATIONS), later)
    assert roads.rows()[-1] == ("end", "公示期满")
    roads.world.feed(roads.world.event("market", row))
    roads.compare(later)
    roads.run(later)
    ended_everywhere(roads, first, "penalty", set(DESTINATIONS), later)


IDENTITIES = {
    "document number": lambda row: {"CF_WSH": row["CF_WSH"].replace("号", "1号")},
    "decision date": lambda row: {"CF_JDRQ": "2026-05-07"},
    "subject": lambda row: {"CF_XDR_SHXYM": "91410421MA0000007D", "CF_XDR_MC": "示例县示例商贸有限公司"},
    "from a company to a person": lambda row: {
        **dict.fromkeys(("CF_XDR_SHXYM", "CF_FRDB")),
        **{k: PERSON_PENALTY[k] for k in PERSON_PENALTY if k.startswith(("CF_XDR", "EXT"))},
    },
}


@pytest.mark.parametrize("what", IDENTITIES)
@pytest.mark.parametrize("how", ["by its number", "by its key"])
def test_a_corrected_identity_leaves_just_one_copy_everywhere(roads, number, what, how):
    row = {**PENALTY, "CF_WSH": number}
    first = roads.world.event("market", row, source_key=number)
    roads.world.feed(first, at=DAY)
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)

    right = {k: v for k, v in {**row, **IDENTITIES[what](row)}.items() if v}
    target = {"record_no": str(first.ce_id)} if how == "by its number" else None
    correction = roads.world.event("market", right, act="correct", source_key=number, target=target)
    assert roads.world.feed(correction) == {"loaded": 1}
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    for stand in roads.stands.values():
        copy = stand.client.get(f"/v1/records/{first.ce_id}").json()
        assert (copy["state"], copy["revision"]) == ("live", 2)
        assert [r["op"] for r in stand.line.rows()] == ["put", "put"]
    assert all(c["agree"] == 1 for c in roads.compare().values())

    # The file with the wrong identity, sent again: one record, one copy, whichever of the two it now says.
    roads.world.feed(roads.world.event("market", row, source_key=number))
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    assert roads.world.one("SELECT count(*) FROM core.penalty")[0] == 1


def test_an_end_goes_first_and_asks_no_gate(roads, number):
    """Held, and not looked at by quality: the copy goes all the same, before anything new."""
    first, _ = reported(roads, "penalty", PENALTY, number)
    roads.world.query(
        "WITH r AS (INSERT INTO quality.run (as_of) VALUES (current_date) RETURNING run_id)"
        " INSERT INTO quality.hold (unit, dataset, destination, rule_id, run_id, why)"
        " SELECT 'market', 'penalty', '', 'volume', run_id, 'too many' FROM r"
    )
    roads.world.feed(roads.world.event("market", example("licence", number), dataset="licence"))
    roads.world.query("UPDATE exchange.mark SET checked_run = 1 WHERE checked_run IS NULL")
    roads.do("market", "withdraw", first)
    for name in DESTINATIONS:
        roads.send(name)
    assert roads.held(first) == {CANNOT}
    assert [op for op, _ in roads.rows()] == ["put", "end", "put"]
    assert {name for name, copies in roads.live("licence").items() if copies} == set(DESTINATIONS)


def test_the_copy_nobody_can_end_is_asked_for_until_it_is_gone(roads, number):
    first, _ = reported(roads, "penalty", PENALTY, number)
    roads.do("market", "withdraw", first)
    roads.run()
    # A person closes it without the copy being gone: the comparison sees that and asks again.
    (item,) = roads.world.query("SELECT work_item_id FROM quality.work_item")
    with closing(roads.world.connect("quality")) as con:
        close_work_item(con, item[0], "运维员", "已电话联系对方")
    assert [still for _, _, still in roads.items()] == [False]
    roads.compare()
    assert roads.items() == [(CANNOT, str(first.ce_id), False), (CANNOT, str(first.ce_id), True)]
    # Whoever answers for the platform ends it; the comparison confirms.
    roads.end_by_hand(first)
    roads.compare()
    assert [still for _, _, still in roads.items()] == [False, False]
    assert roads.held(first) == set()
    states = roads.world.query("SELECT state FROM exchange.delivery WHERE destination = %s", [CANNOT])
    assert [s["state"] for s in states] == ["accepted"]


def test_a_record_brought_back_comes_back_everywhere(roads, number):
    first, _ = reported(roads, "penalty", PENALTY, number)
    roads.do("market", "withdraw", first)
    roads.run()
    assert roads.held(first) == {CANNOT}
    roads.do("market", "reinstate", first)
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    roads.compare()
    assert not [item for item in roads.items() if item[2]], "nobody is asked to end a copy that is wanted again"


def test_an_objection_is_told_beside_every_copy_and_taken_back_when_it_fails(roads, number):
    first, _ = reported(roads, "penalty", PENALTY, number)
    roads.do("reform", "dispute_open", first)
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    roads.do("reform", "dispute_close", first, AC_JG="异议不成立")
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    for stand in roads.stands.values():
        assert [row.get("mark") for row in stand.line.rows()] == [None, "异议处理中", None]
    assert all(c["agree"] == 1 for c in roads.compare().values())
    states = roads.world.query("SELECT state FROM exchange.delivery")
    assert [s["state"] for s in states] == ["accepted"] * 4


def test_the_public_site_never_sees_a_number_or_a_persons_full_name(roads, number):
    told = {**PERSON_PENALTY, "CF_SY": "李四未经许可销售食品，李四已停止经营"}
    first, _ = reported(roads, "penalty", told, number)
    assert roads.held(first) == set(DESTINATIONS)
    (row,) = roads.stands["site"].line.rows()
    assert row["data"]["CF_XDR_MC"] == "李*"
    assert row["data"]["CF_SY"] == "李*未经许可销售食品，李*已停止经营"
    body = roads.stands["site"].line.requests[-1].body.decode() + str(roads.stands["site"].line.posts())
    assert PERSON_PENALTY["CF_XDR_ZJHM"] not in body
    assert "李四" not in body
    (row,) = roads.stands["province"].line.rows()
    assert (row["data"]["CF_XDR_MC"], row["data"]["CF_XDR_ZJHM"]) == ("李四", PERSON_PENALTY["CF_XDR_ZJHM"])


def test_what_may_not_be_published_stays_off_the_site_and_goes_to_the_platforms(roads, number):
    """From 2026-04-01 what is 轻微 is not published unless a day is asked for (STANDARDS 3.4)."""
    first = roads.world.event("market", {**PENALTY, "CF_WSH": number, "EXT_SXCD": "轻微"})
    roads.world.feed(first, at=DAY)
    roads.run(date(2026, 6, 1))
    published = roads.world.one("SELECT published FROM core.penalty")["published"]
    assert not published
    assert roads.held(first) == set(DESTINATIONS) - {"site"}


def test_a_persons_number_travels_in_the_column_it_was_written_in(roads, number):
    """A commitment has one column for code or number; the number is stored sealed in another."""
    row = {k: v for k, v in example("commitment", number, 1).items() if k != "CN_CNRDM"}
    row |= {"CN_CNBM": f"41042120260508{zlib.crc32(number.encode()) % 10**6:06d}", "CN_GKLX": "可向社会公开"}
    first = roads.world.event("market", {**row, "CN_CNRZJHM": PERSON_PENALTY["CF_XDR_ZJHM"]}, dataset="commitment")
    roads.world.feed(first, at=DAY)
    roads.run()
    assert roads.held(first, "commitment") == {"province", "nation", "site"}
    (sent,) = roads.stands["province"].line.rows()
    assert sent["data"]["CN_CNRDM"] == PERSON_PENALTY["CF_XDR_ZJHM"]
    assert "CN_CNRZJHM" not in sent["data"]
    (shown,) = roads.stands["site"].line.rows()
    assert "CN_CNRDM" not in shown["data"]
    assert shown["data"]["CN_CNRMC"] == "李*"


def test_the_real_broker_carries_report_and_withdrawal_to_the_same_end(roads, number):
    row = {**PENALTY, "CF_WSH": number, "CF_XDR_SHXYM": COMPANY}
    first = roads.world.event("market", row)
    roads.world.load(first)
    roads.run()
    assert roads.held(first) == set(DESTINATIONS)
    roads.world.load(roads.world.act("market", "withdraw", AC_JLBH=str(first.ce_id)))
    roads.run()
    ended_everywhere(roads, first, "penalty", set(DESTINATIONS))
    roads.world.load(roads.world.event("market", row))
    roads.run()
    ended_everywhere(roads, first, "penalty", set(DESTINATIONS))
