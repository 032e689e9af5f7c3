"""Test helper: a warehouse filled as the consumer would fill it, row by row and without Kafka.

Every arrival moves its unit's position, lands, and (accepted) makes or revises a record and its mark, so that clean
data is clean for every expectation.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import parse_dsn
from psycopg2.extras import Json, execute_values

from credit_local.postgres import PostgresServer
from credit_schemas.catalogue import load_catalogue
from credit_schemas.uuid7 import uuid7
from credit_warehouse.migrate import migrate
from credit_warehouse.roles import SERVICES, create_roles
from credit_warehouse.settings import Settings
from credit_warehouse.tables import column_name, columns
from emptying import empty, records

# Roles belong to the whole cluster, so every test module gives them the same passwords.
PASSWORDS = {service: f"pw-{service}" for service in ("owner", *SERVICES)}
TODAY = date(2026, 11, 24)
COMPANY = "91410421MA0000007D"

_numbers = itertools.count(1)

PENALTY = {
    "subject.name": "示例县示例商贸有限公司",
    "subject.category": "法人及非法人组织",
    "subject.code": COMPANY,
    "representative.name": "张三",
    "offence.kind": "食品违法行为",
    "offence.fact": "销售超过保质期的食品",
    "legal_basis": "《中华人民共和国食品安全法》第一百二十四条第一款",
    "kind": "罚款",
    "content": "罚款500元",
    "amount.fine": 50_000,
    "validity.to": date(2027, 5, 6),
    "authority.name": "示例单位",
    "source.name": "示例单位",
}
LICENCE = {
    "subject.name": "示例县示例商贸有限公司",
    "subject.category": "法人及非法人组织",
    "subject.code": COMPANY,
    "document.name": "准予行政许可决定书",
    "kind": "普通",
    "content": "食品经营",
    "validity.from": date(2026, 5, 6),
    "validity.to": date(2031, 5, 5),
    "authority.name": "示例单位",
    "status": "1",
}
LEDGER = {"authority.name": "示例单位", "kind": "行政处罚"}
CLEAN: dict[str, dict[str, Any]] = {"penalty": PENALTY, "licence": LICENCE, "ledger": LEDGER}


@dataclass
class Warehouse:
    """A migrated database and a way to fill it."""

    dsn: str
    settings: Settings
    topics: dict[str, str] = field(default_factory=dict)
    subjects: dict[tuple[str, str], int] = field(default_factory=dict)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor of the super user in one transaction."""
        with closing(psycopg2.connect(self.dsn)) as con, con, con.cursor() as cur:
            yield cur

    def all(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.cursor() as cur:
            cur.execute(query, parameters or None)
            return cur.fetchall() if cur.description else []

    def one(self, query: str, *parameters: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.all(query, *parameters)
        return row[0]

    def clear(self) -> None:
        """Forget everything."""
        ingest = [f"ingest.{t}" for t in ("position", "gap", "dead_letter", "not_reportable", "topic")]
        exchange = [f"exchange.{t}" for t in ("mark", "receipt", "delivery")]
        quality = [f"quality.{t}" for t in ("work_item", "hold", "result", "latest", "slice", "run")]
        quality += [f"quality.{t}_book" for t in ("slice", "day", "mix")]
        quality += [f"quality.{t}" for t in ("books", "coverage", "waiting_event", "pending_event")]
        empty(self.dsn, [*ingest, "landing.event", *exchange, *quality, *records(), "audit.act"])
        self.topics.clear()
        self.subjects.clear()

    def report(self, unit: str = "market", dataset: str = "penalty", **changes: Any) -> str:
        """One accepted report; returns its record number. Keywords as `report_many`'s rows."""
        return self.report_many([changes], unit, dataset)[0]

    def report_many(self, rows: list[dict[str, Any]], unit: str = "market", dataset: str = "penalty") -> list[str]:
        """Accepted reports of one unit.

        A row may have `values` (role to value), `decided`, `number`, `received` (a day), `checked` (True: its mark was
        stamped before), `subject` (kind of subject, default `code`).
        """
        definition = load_catalogue().datasets[dataset]
        authority = load_catalogue().county.units.get(unit).uscc
        events, records, marks = [], [], []
        with self.cursor() as cur:
            topic, offset = self._arrive(cur, unit, len(rows))
            for i, row in enumerate(rows):
                number = row.get("number") or f"示〔2026〕{next(_numbers)}号"
                decided = row.get("decided", TODAY - timedelta(days=3))
                received = datetime.combine(row.get("received", TODAY), time(4))  # UTC: noon in the county
                values = {**CLEAN[dataset], "document.no": number, "decision.date": decided}
                values |= {"authority.code": authority, "source.code": authority, **row.get("values", {})}
                record_no = str(uuid7())
                events.append(
                    (
                        *(record_no, unit, dataset, "report", 1, topic, 0, offset + i, b"", received, received),
                        *("accepted", record_no, 1, values.get("authority.code"), number, decided, None),
                    )
                )
                subject = self._subject(cur, unit, values, row.get("subject", "code"), received.date())
                head = (record_no, 1, "active", unit, None, secrets.token_bytes(32), secrets.token_bytes(32), subject)
                head += (received, received.date(), received, decided + timedelta(days=9), False)
                head += (row.get("publicity_ends"), record_no, False, None, False, None, None, True)
                cells = [values.get(f.role) for f in definition.fields]
                records.append((*head, *cells))
                marks.append((dataset, unit, record_no, 1, row.get("checked")))
            self._land(cur, events)
            into = sql.SQL("INSERT INTO core.{} ({}) VALUES %s").format(
                sql.Identifier(definition.table), sql.SQL(", ").join(map(sql.Identifier, columns(definition)))
            )
            execute_values(cur, into.as_string(cur), records, page_size=2000)
            new = [m[:4] for m in marks if not m[4]]
            if new:
                execute_values(cur, "INSERT INTO exchange.mark (dataset, unit, record_no, revision) VALUES %s", new)
        return [e[0] for e in events]

    def revise(self, record_no: str, dataset: str = "penalty", **values: Any) -> None:
        """An accepted correction: role (dots as `__`) to the new value."""
        definition = load_catalogue().datasets[dataset]
        changed = {column_name(definition.by_role[r.replace("__", ".")]): v for r, v in values.items()}
        with self.cursor() as cur:
            cur.execute(
                sql.SQL("SELECT unit, revision + 1 FROM core.{} WHERE record_no = %s").format(sql.Identifier(dataset)),
                [record_no],
            )
            unit, revision = cur.fetchone()
            sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in [*changed, "revision"])
            key = [definition.column(role) for role in ("authority.code", "document.no", "decision.date")]
            cur.execute(
                sql.SQL("UPDATE core.{} SET {} WHERE record_no = %s RETURNING {}").format(
                    sql.Identifier(dataset), sets, sql.SQL(", ").join(sql.Identifier(str(k).lower()) for k in key)
                ),
                [*changed.values(), revision, record_no],
            )
            self._follow(cur, unit, dataset, "report", record_no, revision, cur.fetchone())

    def withdraw(self, record_no: str, dataset: str = "penalty") -> None:
        """The unit takes its record back."""
        with self.cursor() as cur:
            cur.execute(
                sql.SQL(
                    "UPDATE core.{} SET state = 'withdrawn', withdrawn = true, revision = revision + 1"
                    " WHERE record_no = %s RETURNING unit, revision"
                ).format(sql.Identifier(dataset)),
                [record_no],
            )
            unit, revision = cur.fetchone()
            self._follow(cur, unit, dataset, "withdraw", record_no, revision, (None, None, None))

    def _follow(
        self, cur: Any, unit: str, dataset: str, act: str, record_no: str, revision: int, key: tuple[Any, ...]
    ) -> None:
        """A further accepted event of a record, and the mark of it."""
        topic, offset = self._arrive(cur, unit, 1)
        now = datetime.combine(TODAY, time(5))
        event = (str(uuid7()), unit, dataset, act, 1, topic, 0, offset, b"", now, now, "accepted", record_no, revision)
        self._land(cur, [(*event, *key, None)])
        cur.execute(
            "INSERT INTO exchange.mark (dataset, unit, record_no, revision) VALUES (%s, %s, %s, %s)",
            [dataset, unit, record_no, revision],
        )

    def refuse(
        self, unit: str = "market", dataset: str = "penalty", *, rule: str = "required", number: str = "示〔2026〕0号",
        decided: date = TODAY - timedelta(days=3), authority: str = "",
    ) -> None:  # fmt: skip
        """One rejected report."""
        authority = authority or load_catalogue().county.units.get(unit).uscc
        now = datetime.combine(TODAY, time(4))
        problems = Json([{"column": "", "rule": rule, "severity": "reject", "message": "不收"}])
        with self.cursor() as cur:
            topic, offset = self._arrive(cur, unit, 1)
            event = (str(uuid7()), unit, dataset, "report", 1, topic, 0, offset, b"", now, now, "rejected")
            self._land(cur, [(*event, None, None, authority, number, decided, problems)])

    def names(self, unit: str, code: str, name: str) -> None:
        """Another name a unit has given to a code."""
        with self.cursor() as cur:
            self._subject(cur, unit, {"subject.code": code, "subject.name": name}, "code", TODAY)

    def unchecked(self) -> int:
        """How many marks no run has stamped."""
        return self.one("SELECT count(*) FROM exchange.mark WHERE checked_run IS NULL")

    def failing(self, rule: str) -> list[tuple[str, str, str]]:
        """(unit, dataset, destination) of the last results of a rule that are failures."""
        return self.all(
            "SELECT unit, dataset, destination FROM quality.latest_result WHERE rule_id = %s AND NOT success"
            " ORDER BY 1, 2, 3",
            rule,
        )

    def items(self, rule: str) -> list[tuple[Any, ...]]:
        """(unit, record_no, reference) of the open work items of a rule."""
        return self.all(
            "SELECT unit, record_no::text, reference FROM quality.open_work_item WHERE rule_id = %s ORDER BY 1, 2, 3",
            rule,
        )

    def _arrive(self, cur: Any, unit: str, n: int) -> tuple[str, int]:
        if unit not in self.topics:
            self.topics[unit] = str(uuid7())
            cur.execute(
                "INSERT INTO ingest.topic (topic_id, name, unit) VALUES (%s, %s, %s)",
                [self.topics[unit], f"credit.410421.intake.{unit}", unit],
            )
            cur.execute("INSERT INTO ingest.position VALUES (%s, 0, 0)", [self.topics[unit]])
        cur.execute(
            "UPDATE ingest.position SET next_offset = next_offset + %s WHERE topic_id = %s RETURNING next_offset - %s",
            [n, self.topics[unit], n],
        )
        return self.topics[unit], cur.fetchone()[0]

    def _land(self, cur: Any, events: list[tuple[Any, ...]]) -> None:
        execute_values(
            cur,
            'INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
            " produced_at, received_at, state, record_no, revision, authority_code, document_no, decision_date,"
            " problems) VALUES %s",
            events,
            page_size=2000,
        )

    def _subject(self, cur: Any, unit: str, values: dict[str, Any], kind: str, day: date) -> int | None:
        code, name = values.get("subject.code"), values.get("subject.name")
        if not code:
            return None
        key = (kind, code if kind == "code" else secrets.token_hex(8))
        if key not in self.subjects:
            cur.execute(
                "INSERT INTO core.subject (kind, lookup, code) VALUES (%s, %s, %s) RETURNING subject_id",
                [kind, secrets.token_bytes(32), code if kind == "code" else None],
            )
            self.subjects[key] = cur.fetchone()[0]
        cur.execute(
            "INSERT INTO core.subject_name VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [self.subjects[key], name, unit, day, day],
        )
        return self.subjects[key]


@contextmanager
def running_warehouse(server: PostgresServer, name: str, folder: Path) -> Iterator[Warehouse]:
    """A migrated database of this name; dropped at the end."""
    create_roles(server.superuser_dsn, name, PASSWORDS)
    address = parse_dsn(server.superuser_dsn)
    settings = Settings(
        home=folder,
        database_host=address["host"],
        database_port=int(address["port"]),
        database_name=name,
        **{f"database_password_{s}": p for s, p in PASSWORDS.items()},
    )
    owner = f"postgresql://credit_owner:{PASSWORDS['owner']}@{address['host']}:{address['port']}/{name}"
    migrate(owner, load_catalogue().datasets.values(), TODAY)
    try:
        yield Warehouse(server.dsn(name), settings)
    finally:
        server.drop_database(name)
