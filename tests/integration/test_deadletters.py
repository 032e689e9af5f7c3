"""The dead-letter desk: count, list, show, replay and discard by any filter, dry run first, nothing of the content."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from credit_consumer import deadletters
from credit_consumer.graveyard import stored_headers
from credit_local.cli import credit
from credit_schemas.codec import FRAME
from events import Event, World, build_world
from unit.rows import PENALTY

SCHEMA_ID = 1002
AHEAD = 779
NUMBER = "110101199003073677"
MARKET, ECOLOGY, EDU = "market", "ecology", "edu"


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory) -> Iterator[World]:
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), [MARKET, ECOLOGY, EDU])
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(world: World) -> None:
    world.query("DELETE FROM ingest.dead_letter")
    world.query("DELETE FROM audit.act")


@pytest.fixture
def con(world: World) -> Iterator[Any]:
    con = world.connect("consumer")
    yield con
    con.close()


@pytest.fixture
def known(world: World) -> Iterator[None]:
    """The schema that producers were ahead with is known now."""
    codec = world.center.catalogue.codec
    codec._known[AHEAD] = codec._known[SCHEMA_ID]
    yield
    codec._known.pop(AHEAD)


def row(number: int | str, content: str = "罚款500元") -> dict[str, str]:
    return {**PENALTY, "CF_WSH": f"示市监处罚〔2026〕{number}号", "CF_NR": content}


def ahead(world: World, unit: str, number: int | str, content: str = "罚款500元", schema_id: int = AHEAD) -> Event:
    """An event under a schema id that is not known."""
    e = world.event(unit, row(number, content))
    return Event(e.ce_id, unit, e.key, FRAME.pack(0, schema_id) + e.value[FRAME.size :], e.headers)


def junk(world: World, unit: str, value: bytes | None = b"junk", key: bytes | None = b"k") -> Event:
    e = world.event(unit, row("乱"))
    return Event(e.ce_id, unit, key, value, e.headers)


def run(world: World, *arguments: str, exit_code: int = 0) -> str:
    """`credit deadletters …` as an operator calls it."""
    done = CliRunner().invoke(credit, ["deadletters", *arguments], env=world.environment())
    assert done.exit_code == exit_code, done.output
    return done.output


def ids(con: Any, **which: Any) -> list[int]:
    return [letter["dead_letter_id"] for letter in deadletters.list_dead_letters(con, **which)]


def states(world: World) -> list[str]:
    return [s["state"] for s in world.query("SELECT state FROM ingest.dead_letter ORDER BY dead_letter_id")]


def test_every_filter_means_the_same_for_counting_listing_replaying_and_discarding(world, con):
    days = [datetime(2026, 11, d, 20, tzinfo=UTC) for d in (1, 2, 3)]
    for day in days:
        world.feed(ahead(world, MARKET, f"甲{day.day}"), junk(world, ECOLOGY), junk(world, EDU, None), at=day)
        world.feed(ahead(world, ECOLOGY, f"乙{day.day}", schema_id=780), at=day + timedelta(hours=1))
    topic = world.county.intake(MARKET)
    some = ids(con)[2:5]
    for which, expected in (
        ({}, 12),
        ({"unit": MARKET}, 3),
        ({"unit": [MARKET, EDU]}, 6),
        ({"reason": "not_framed"}, 6),
        ({"reason": ["not_framed", "unknown_schema"], "unit": [ECOLOGY]}, 6),
        ({"schema_id": AHEAD}, 3),
        ({"schema_id": [AHEAD, 780]}, 6),
        ({"state": "parked"}, 6),
        ({"topic": topic}, 3),
        ({"letter_id": some}, 3),
        ({"since": days[1]}, 8),
        ({"until": days[1]}, 4),
        ({"since": days[0], "until": days[1], "unit": ECOLOGY, "state": "parked"}, 1),
        ({"unit": "nobody"}, 0),
    ):
        assert len(ids(con, **which)) == expected, which
        assert sum(c["letters"] for c in deadletters.count_dead_letters(con, **which)) == expected
        replayed = deadletters.replay_groups(con, world.center, **which)
        assert sum(c.total() for c in replayed.values()) == expected
        assert deadletters.discard(con, who="运维", why="试", **which) == expected
    assert set(states(world)) == {"dead", "parked"}


def test_a_day_and_a_moment_are_of_the_countys_clock_and_a_last_day_is_included(world):
    # 23:30 of the first and 00:30 of the second of the month in the county.
    for hour, number in ((15, "晚"), (16, "早")):
        world.feed(ahead(world, MARKET, number), at=datetime(2026, 11, 1, hour, 30, tzinfo=UTC))

    def offsets(*options: str) -> int:
        return len(json.loads(run(world, "list", "--json", *options)))

    assert offsets("--since", "2026-11-02") == 1
    assert offsets("--until", "2026-11-01") == 1
    assert offsets("--since", "2026-11-01", "--until", "2026-11-02") == 2
    assert offsets("--since", "2026-11-01T23:30") == 2
    assert offsets("--until", "2026-11-01T23:30") == 0
    assert offsets("--since", "2026-11-01T23:31", "--until", "2026-11-02T00:31") == 1
    assert "请写成 2026-05-06" in run(world, "list", "--since", "昨天", exit_code=2)


def test_a_letter_shows_all_about_it_and_nothing_of_it(world):
    event = ahead(world, MARKET, "示")
    headers = [
        *event.headers,
        ("身份证", f"李四{NUMBER}".encode()),
        (f"n{NUMBER}", b"\xff\x1b[2J\0" + f"{NUMBER[:6]} {NUMBER[6:]}".encode()),
        ("none", None),
        *[("many", b"x" * 5000)] * 60,
    ]
    world.feed(Event(event.ce_id, MARKET, NUMBER.encode(), event.value, headers))
    (listed,) = json.loads(run(world, "list", "--json"))
    number = str(listed["dead_letter_id"])
    (letter,) = json.loads(run(world, "show", number, "--json"))
    assert (letter["unit"], letter["partition"], letter["offset"]) == (MARKET, 0, listed["offset"])
    assert (letter["schema_id"], letter["schema_known"], letter["attempts"]) == (AHEAD, False, 1)
    assert (letter["meaning"], letter["state"]) == ("还不认识的数据结构，更新本程序后重放", "parked")
    assert "credit migrate" in letter["what_to_do"]
    assert (letter["key_bytes"], letter["key"]) == (18, None)
    assert letter["value_bytes"] == len(event.value)
    assert (len(letter["value_sm3"]), len(letter["value_sha256"])) == (64, 64)
    shown = {h["name"]: h["value"] for h in letter["headers"]}
    assert shown["ce_id"] == str(event.ce_id)
    assert shown["ce_type"] == "credit.penalty.report"
    assert shown["none"] is None
    assert letter["headers"][-1]["name"] == f"…另有 {len(headers) - 50} 个"
    told = run(world, "show", number)
    assert "市场监管局" in told
    assert "怎么办：报送程序比中心新" in told
    for output in (told, json.dumps(letter, ensure_ascii=False), run(world, "list"), run(world, "count")):
        squeezed = output.replace(" ", "")
        assert NUMBER not in squeezed
        assert NUMBER[6:] not in squeezed
        assert "罚款" not in output
        assert "李四" not in output
        assert not [c for c in output if ord(c) < 32 and c != "\n"]
        assert "x" * 200 not in output
    assert "没有编号为 999999 的死信" in run(world, "show", "999999", exit_code=1)


def test_what_could_be_guessed_from_its_digest_has_none(world):
    world.feed(junk(world, MARKET, NUMBER.encode(), NUMBER.encode()))
    (listed,) = json.loads(run(world, "list", "--json"))
    (letter,) = json.loads(run(world, "show", str(listed["dead_letter_id"]), "--json"))
    assert (letter["value_sm3"], letter["value_sha256"], letter["key"]) == (None, None, None)
    assert (letter["value_bytes"], letter["key_bytes"], letter["schema_known"]) == (18, 18, None)


def test_the_next_page_begins_behind_the_last(world):
    world.feed(*[ahead(world, MARKET, n) for n in range(7)])
    pages, after = [], 0
    while page := json.loads(run(world, "list", "--json", "--limit", "3", "--after", str(after))):
        pages.append([letter["offset"] for letter in page])
        after = page[-1]["dead_letter_id"]
    assert [len(p) for p in pages] == [3, 3, 1]
    offsets = [offset for page in pages for offset in page]
    assert offsets == sorted(offsets)
    assert f"--after {after}" not in run(world, "list", "--limit", "7")
    assert "还有更多：加 --after" in run(world, "list", "--limit", "6")


def test_a_dry_run_counts_per_unit_reason_and_schema_what_replaying_then_does(world, con, known, monkeypatch):
    monkeypatch.setattr(deadletters, "REPLAY_CHUNK", 3)
    codec = world.center.catalogue.codec
    held = codec._known.pop(AHEAD)
    chain = [ahead(world, MARKET, "链", f"罚款500元，第{n}稿") for n in range(5)]
    world.feed(
        chain[0], junk(world, MARKET), *chain[1:4], junk(world, MARKET), chain[4], ahead(world, MARKET, "别", "", 780)
    )
    world.feed(*[ahead(world, ECOLOGY, n) for n in range(4)], ahead(world, ECOLOGY, "缺", ""), junk(world, ECOLOGY))
    codec._known[AHEAD] = held
    before = states(world)
    dry = deadletters.replay_groups(con, world.center, who="运维")
    assert states(world) == before
    assert dry == {
        (MARKET, "unknown_schema", AHEAD): {"loaded": 5},
        (MARKET, "not_framed", None): {"dead": 2},
        (MARKET, "unknown_schema", 780): {"dead": 1},
        (ECOLOGY, "unknown_schema", AHEAD): {"loaded": 4, "rejected": 1},
        (ECOLOGY, "not_framed", None): {"dead": 1},
    }
    assert world.query("SELECT 1 FROM audit.act") == []
    real = deadletters.replay_groups(con, world.center, who="运维", why="升级", dry_run=False)
    assert real == dry
    last = world.one("SELECT * FROM core.penalty WHERE cf_wsh = '示市监处罚〔2026〕链号'")
    assert (last["revision"], last["cf_nr"]) == (5, "罚款500元，第4稿")


def test_letters_of_a_very_long_dry_run_come_to_the_same_though_it_lets_go_in_between(world, con, known, monkeypatch):
    codec = world.center.catalogue.codec
    held = codec._known.pop(AHEAD)
    world.feed(*[ahead(world, EDU, f"长{n}") for n in range(12)])
    codec._known[AHEAD] = held
    monkeypatch.setattr(deadletters, "REPLAY_CHUNK", 2)
    monkeypatch.setattr(deadletters, "DRY_RUN_HOLDS", 4)
    assert deadletters.replay(con, world.center) == {"loaded": 12}
    assert world.query("SELECT 1 FROM landing.event WHERE unit = 'edu' AND schema_id = %s", [AHEAD]) == []
    assert deadletters.replay(con, world.center, dry_run=False) == {"loaded": 12}


def test_a_replayed_letter_keeps_arrival_and_headers_and_who_tried_it_how_often(world, con):
    at = datetime(2026, 10, 8, 1, 2, 3, 456000, tzinfo=UTC)
    event = ahead(world, MARKET, "头")
    headers = [*event.headers, ("x", b"\0\xff"), ("x", None), ("x", "再来".encode())]
    world.feed(Event(event.ce_id, MARKET, event.key, event.value, headers), at=at)
    for _ in range(2):
        assert deadletters.replay(con, world.center, who="甲", dry_run=False) == {"dead": 1}
    letter = world.one("SELECT * FROM ingest.dead_letter")
    assert (letter["attempts"], letter["state"], letter["closed_by"]) == (3, "parked", None)
    assert stored_headers(letter["headers"]) == headers
    codec = world.center.catalogue.codec
    codec._known[AHEAD] = codec._known[SCHEMA_ID]
    try:
        assert deadletters.replay(con, world.center, who="乙", why="已升级", dry_run=False) == {"loaded": 1}
    finally:
        codec._known.pop(AHEAD)
    letter = world.one("SELECT * FROM ingest.dead_letter")
    assert [letter[c] for c in ("attempts", "state", "closed_by", "closed_why")] == [4, "replayed", "乙", "已升级"]
    assert letter["received_at"] == world.landed(event)["received_at"] == at
    assert world.one("SELECT received_at FROM core.penalty WHERE record_no = %s", [str(event.ce_id)])[0] == at
    acts = world.query("SELECT actor, act, detail FROM audit.act ORDER BY act_id")
    assert [(a["actor"], a["detail"]["counts"], a["detail"]["why"]) for a in acts] == [
        ("甲", {"dead": 1}, ""),
        ("甲", {"dead": 1}, ""),
        ("乙", {"loaded": 1}, "已升级"),
    ]
    assert {a["act"] for a in acts} == {"dead_letters_replayed"}


def test_a_unit_hears_of_its_dead_letter_once_and_of_its_end(world, con):
    parked, broken = ahead(world, ECOLOGY, "听"), junk(world, ECOLOGY)
    nameless = Event(broken.ce_id, ECOLOGY, None, b"junk", [("ce_id", b"no id")])
    world.feed(parked, broken, nameless)
    deadletters.replay(con, world.center, dry_run=False)
    for event in (parked, broken):
        (told,) = world.receipts(event)
        assert (told["unit"], told["status"], told["dataset"]) == (ECOLOGY, "waiting", "penalty")
        assert "已原样保留" in told["note"]
    assert "不用重新报送" in world.receipts(parked)[0]["problems"][0]["message"]
    assert "请用报送程序重新报送" in world.receipts(broken)[0]["problems"][0]["message"]
    (told,) = world.query("SELECT * FROM exchange.receipt WHERE unit = %s AND ce_id IS NULL", [ECOLOGY])
    assert (told["status"], told["dataset"], told["problems"][0]["rule"]) == ("waiting", "", "event.envelope")

    assert deadletters.discard(con, who="运维", why="已用新编号重报", reason="not_framed", dry_run=False) == 1
    assert [r["status"] for r in world.receipts(broken)] == ["waiting", "rejected"]
    assert "理由：已用新编号重报" in world.receipts(broken)[1]["problems"][0]["message"]
    assert [r["status"] for r in world.receipts(parked)] == ["waiting"]


def test_a_discarded_letter_can_be_brought_back_and_one_that_went_through_cannot(world, con, known):
    codec = world.center.catalogue.codec
    held = codec._known.pop(AHEAD)
    event = ahead(world, EDU, "悔")
    world.feed(event)
    codec._known[AHEAD] = held
    assert deadletters.discard(con, who="运维", why="误会", dry_run=False) == 1
    assert deadletters.discard(con, who="运维", why="误会", dry_run=False) == 0
    assert deadletters.replay(con, world.center) == {}
    assert deadletters.replay(con, world.center, state="discarded", who="运维", dry_run=False) == {"loaded": 1}
    assert states(world) == ["replayed"]
    for refused in ("replayed", ["dead", "replayed"]):
        with pytest.raises(ValueError, match="处理过"):
            deadletters.replay(con, world.center, state=refused)
        with pytest.raises(ValueError, match="处理过"):
            deadletters.discard(con, who="运维", why="x", state=refused)


def test_an_operator_sees_what_would_happen_before_it_does(world):
    world.feed(*[ahead(world, MARKET, n) for n in range(3)], junk(world, MARKET), junk(world, ECOLOGY))
    dry = run(world, "replay", "--by", "运维", "--unit", "市场监督管理局", "--unit", ECOLOGY)
    assert "试算（没有改动，加 --yes 执行）：共 5 条，仍读不懂 5。" in dry
    assert [line.split()[0] for line in dry.splitlines()[1:4]] == ["生态环境局", "市场监管局", "市场监管局"]
    groups = json.loads(run(world, "replay", "--by", "运维", "--json", "--schema-id", str(AHEAD)))
    shared = {"unit": MARKET, "reason": "unknown_schema", "schema_id": AHEAD, "letters": 3}
    assert groups == [shared | {"came_to": {"dead": 3}, "done": False}]
    dry = run(world, "discard", "--by", "运维", "--why", "测试", "--reason", "not_framed")
    assert "试算（没有改动，加 --yes 执行），将放弃 2 条。" in dry
    assert set(states(world)) == {"dead", "parked"}
    assert "已放弃 2 条。" in run(world, "discard", "--by", "运维", "--why", "测试", "--reason", "not_framed", "--yes")
    assert sorted(states(world)) == ["discarded"] * 2 + ["parked"] * 3
    assert world.one("SELECT actor, act, detail FROM audit.act")["detail"] == {
        "which": {"reason": ["not_framed"]},
        "why": "测试",
        "counts": {"discarded": 2},
    }
    assert "没有符合条件的死信" in run(world, "discard", "--by", "运维", "--why", "测试", "--reason", "defect")
    assert "处理过" not in run(world, "list", "--state", "discarded")


def test_a_hundred_thousand_letters_are_counted_paged_and_discarded_by_slice(world, con):
    world.feed(junk(world, MARKET))
    columns = "topic_id, topic, unit, partition, key, value, headers, received_at, reason, detail, state"
    world.query(
        f'INSERT INTO ingest.dead_letter ({columns}, schema_id, "offset") SELECT {columns}, n % 20, n'
        " FROM ingest.dead_letter, generate_series(1000000, 1099999) n"
    )
    started = time.monotonic()
    assert sum(c["letters"] for c in deadletters.count_dead_letters(con, unit=MARKET)) == 100_001
    assert len(ids(con, limit=200, after=ids(con)[-1])) == 200
    assert deadletters.discard(con, who="运维", why="测试", schema_id=7) == 5000
    # A second or so here; what reads the whole table for each letter would take hours.
    assert time.monotonic() - started < 30
    seen, after = 0, 0
    while page := ids(con, limit=20_000, after=after):
        seen, after = seen + len(page), page[-1]
    assert seen == 100_001
    assert deadletters.discard(con, who="运维", why="测试", schema_id=[7, 8], dry_run=False) == 10_000
    assert len(ids(con, state="discarded", limit=100_000)) == 10_000
    assert (
        world.one("SELECT count(*) FROM exchange.receipt WHERE note LIKE '中心放弃了%' AND unit = 'market'")[0]
        >= 10_000
    )
    world.query("DELETE FROM ingest.dead_letter")
