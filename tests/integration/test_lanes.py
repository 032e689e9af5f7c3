"""What goes by columns and what goes row by row comes to the same: every table, cell by cell."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from credit_consumer.bulk.lane import Prepared
from credit_consumer.run import consume
from events import Event, World, build_world
from unit.rows import PENALTY, PERSON_PENALTY

UNITS = ["market", "edu", "reform"]
# What is compared, and the columns that every load makes anew.
TABLES = (
    ("landing.event", "loaded_at changed_xid"),
    # How often a record is marked depends on the batches, the newest mark does not.
    ("(SELECT dataset, unit, record_no, max(revision) AS revision FROM exchange.mark GROUP BY 1, 2, 3)", ""),
    ("exchange.receipt", "receipt_id at"),
    ("ingest.waiting", "settled_at"),
    ("ingest.dead_letter", "dead_letter_id first_seen last_seen"),
    ("ingest.not_reportable", ""),
    ("core.former_key", "since"),
    ("core.record_act", "loaded_at"),
    ("core.person", "person_id first_seen sealed as_written"),
    ("core.subject", "subject_id first_seen"),
    ("core.subject_name", ""),
    ("core.subject_registration", ""),
)
SMALL = {"max_poll_records": 120}  # several batches
EMPTIED = (
    "landing.event, exchange.receipt, exchange.mark, core.former_key, ingest.waiting, core.record_act,"
    " ingest.dead_letter, ingest.not_reportable, core.subject_name, core.subject_registration, core.subject,"
    " core.person"
)


@pytest.fixture(scope="module")
def world(make_county, postgres_server, tmp_path_factory):
    made = build_world(make_county, postgres_server, tmp_path_factory.mktemp("center"), UNITS)
    yield made
    made.close()


@pytest.fixture
def taken(monkeypatch, caplog) -> Iterator[list[int]]:
    """How many rows each batch took by columns; none met a defect."""
    rows: list[int] = []
    load = Prepared.load

    def counted(self: Prepared, cur: Any) -> Any:
        loaded = load(self, cur)
        rows.append(loaded[0])
        return loaded

    monkeypatch.setattr(Prepared, "load", counted)
    yield rows
    assert "defect" not in caplog.text


def both_ways(world: World, events: Iterable[Event]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What comes of the same log by columns wherever that is possible, and row by row."""
    world.consume()
    before = world.query("SELECT topic_id::text, next_offset FROM ingest.position")
    world.publish(events, portal=True)
    held = []
    for least in (1, 0):
        tables = ", ".join(f"core.{d.table}" for d in world.center.catalogue.datasets.values())
        world.query(f"TRUNCATE {EMPTIED}, {tables} CASCADE")
        for topic_id, offset in before:
            world.query("UPDATE ingest.position SET next_offset = %s WHERE topic_id = %s", [offset, topic_id])
        consume(
            world.settings.model_copy(update={"bulk_from": least}), center=world.center, until_idle=1.0, kafka=SMALL
        )
        held.append(contents(world))
    return held[0], held[1]


def contents(world: World) -> dict[str, list[str]]:
    """Every table without what a second load makes anew: moments; and numbers as what they stand for."""
    names: dict[str, dict[int, str]] = {"person_id": {}, "subject_id": {}}
    for kind in ("person", "subject"):
        found = world.query(f"SELECT {kind}_id, encode(lookup, 'hex') FROM core.{kind}")
        names[f"{kind}_id"].update(tuple(r) for r in found)
    held: dict[str, list[str]] = {}
    tables = [*TABLES, *((f"core.{d.table}", "") for d in world.center.catalogue.datasets.values())]
    for table, anew in tables:
        rows = []
        for (row,) in world.query(f"SELECT to_jsonb(t) FROM {table} t"):
            for column in list(row):
                kind = "person_id" if column.endswith("_person") else column
                if column in anew.split():
                    del row[column]
                elif kind in names:
                    row[column] = names[kind].get(row[column])
            rows.append(json.dumps(row, sort_keys=True, ensure_ascii=False))
        held[table] = sorted(rows)
    return held


def assert_same(by_columns: dict[str, list[str]], by_rows: dict[str, list[str]]) -> None:
    for table, rows in by_rows.items():
        assert by_columns[table] == rows, table


def examples(world: World) -> list[Event]:
    """The examples of every dataset, several times with another document number, some of them again and corrected."""
    rng = random.Random(7)
    events = []
    for dataset in world.center.catalogue.datasets.values():
        number = dataset.column("document.no")
        for example in dataset.examples:
            for n in range(4):
                row = dict(example) | ({number: f"示例〔2026〕{n}号"} if number else {})
                key = f"own-{n}" if n == 3 else None
                events.append(world.event(rng.choice(UNITS), row, dataset=dataset.id, source_key=key))
    return events


def test_every_dataset_comes_to_the_same_by_columns_and_row_by_row(world, taken):
    assert_same(*both_ways(world, examples(world)))
    assert sum(taken) > 100


def penalty(n: int, **cells: Any) -> dict[str, Any]:
    return {**(PERSON_PENALTY if n % 5 == 4 else PENALTY), "CF_WSH": f"示市监处罚〔2026〕{n}号", **cells}


def test_rows_about_one_record_keep_their_order(world, taken):
    """Repeats, corrections, acts and what waits, before and after the plain report they are about."""
    events = []
    for n in range(40):
        unit = UNITS[n % 2]
        first = world.event(unit, penalty(n), source_key=f"k{n}" if n % 3 == 0 else None)
        number = {"AC_JLBH": str(first.ce_id)}
        more = {
            1: [world.act(unit, "revoke", **number)],
            2: [world.event(unit, penalty(n, CF_NR="罚款500元，已缴"))],
            3: [first],
            4: [
                world.act(
                    "reform",
                    "repair",
                    AC_WSH=penalty(n)["CF_WSH"],
                    AC_BSDW=world.center.catalogue.county.units.get(unit).name,
                )
            ],
            5: [
                world.event(unit, penalty(n, CF_NR="罚款700元"), act="correct", target={"record_no": str(first.ce_id)})
            ],
            6: [world.event(unit, penalty(n + 1000), source_key="k6"), world.event(unit, penalty(n), source_key="k6")],
        }.get(n % 7, [])
        events += [*more, first] if n % 2 else [first, *more]
    assert_same(*both_ways(world, events))
    assert sum(taken) > 0


def test_rows_in_doubt_come_to_what_the_row_says(world, taken):
    """Warnings, defects, hostile cells, sealed numbers that do not open, and good rows between them."""
    odd = [
        {"CF_XDR_MC": "示例*商贸"},
        {"CF_NR_FK": "0.07"},
        {"CF_WSH": " 示市监处罚（2026）77号"},
        {"CF_WSH": "示市监處罰［２０２６］78号"},
        {"CF_SY": "当事人11010519491231002X"},
        {"BZ": "\u3000"},
        {"BZ": "a\tb"},
        {"CF_JDRQ": "2030-01-01"},
        {"CF_YXQ": "9999-12-31"},
        {"CF_XDR_SHXYM": "91320100748204660A"},
        {"CF_CFJGDM": "11410421005459000Q"},
        {"CF_XDR_LB": "个体工商户", "CF_XDR_SHXYM": "00000000000000000X"},
        {"CF_CFLB": "警告；罚款"},
        {"EXT_SM": "是"},
        {"CF_GSJZQ": "2027-05-06"},
    ]
    events = []
    for n, cells in enumerate([*odd, *odd]):
        events += [
            world.event("market", penalty(100 + n, **cells)),
            world.event("market", penalty(200 + n)),
            world.event("market", penalty(300 + n), source_key=" k " if n % 2 else "11010519491231002X"),
            world.event("market", {**PERSON_PENALTY, "CF_WSH": f"{n}号"}, sealed_for="edu"),
            world.event("market", penalty(400 + n), said_unit="edu"),
            world.event("market", penalty(500 + n), county="410422"),
        ]
    assert_same(*both_ways(world, events))
    assert sum(taken) > 20
