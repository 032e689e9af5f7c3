"""A warehouse with very many penalties stored, made by the server itself: as loading and checking leave them.

Every row of every table stands for an event of its own: landing, core, receipt, checked mark, subject with its name,
position; some units keep a ledger, and it is complete. Texts have the lengths of real ones.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import psycopg2

from credit_schemas.catalogue import load_catalogue
from credit_schemas.dataset import Dataset
from credit_warehouse.tables import columns
from quality_rows import TODAY, Warehouse

UNITS = [u for u in load_catalogue().county.units if u.uscc][:40]
# Units that keep a ledger: one in thirteen.
LEDGERS = [u.code for u in UNITS[:3]]
CHUNK = 250_000
# Arrivals are spread over this many days before the day.
DAYS = 330
# Of one subject so many decisions.
PER_SUBJECT = 10
FACT = (
    "当事人于2026年{n}月在其经营场所销售超过保质期的预包装食品，货值金额不足一万元，未造成危害后果。执法人员现场检查时，货架上"
    "陈列待售的饼干、饮料等共计十二件已超过标注的保质期，当事人不能提供进货查验记录，事实清楚，证据确凿。"
)
BASIS = (
    "《中华人民共和国食品安全法》第三十四条第十项、第一百二十四条第一款第五项；《中华人民共和国行政处罚法》第三十三条"
)

# A UUIDv7 of row n: its arrival in the first 48 bits, n in the rest.
_ID = (
    "(lpad(to_hex((extract(epoch FROM r.at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')"
    " || '{variant}' || lpad(to_hex(n), 15, '0'))::uuid"
)
_ROWS = """
WITH r AS MATERIALIZED (
    SELECT n, u.code AS unit, u.uscc, u.topic_id,
           %(first)s::timestamptz
           + (n - %(from_all)s) * (%(last)s::timestamptz - %(first)s::timestamptz) / %(of_all)s AS at,
           '示〔2026〕' || n || '号' AS number
    FROM generate_series(%(start)s::bigint, %(end)s::bigint) n
    JOIN unnest(%(units)s::text[], %(usccs)s::text[], %(topics)s::uuid[]) WITH ORDINALITY u (code, uscc, topic_id, i)
      ON u.i = 1 + n %% %(n_units)s
), rows AS MATERIALIZED (
    SELECT r.*, {id} AS id, at::date AS day, at::date - 3 AS decided,
           1 + n / {per_subject} %% (SELECT max(subject_id) FROM core.subject) AS subject_id
    FROM r
), landed AS (
    INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", key, value,
                               produced_at, received_at, state, record_no, revision, authority_code, document_no,
                               decision_date, content_digest)
    SELECT id, unit, %(dataset)s, 'report', 1002, topic_id, 0, n, decode(md5(n::text), 'hex'),
           decode(repeat(md5(n::text), %(value_repeats)s), 'hex'), at, at, 'accepted', id, 1, uscc, number, decided,
           decode(md5(n::text) || md5(number), 'hex')
    FROM rows
), told AS (
    INSERT INTO exchange.receipt (receipt_id, unit, ce_id, record_no, dataset, status, revision, at, published_at)
    SELECT id, unit, id, id, %(dataset)s, 'loaded', 1, at, at FROM rows
), marked AS (
    INSERT INTO exchange.mark (dataset, unit, record_no, revision, marked_at, checked_run)
    SELECT %(dataset)s, unit, id, 1, at, %(checked)s FROM rows
)
INSERT INTO core.{table} ({columns}) SELECT {values} FROM rows
"""


def fill(world: Warehouse, rows: int) -> None:
    """Store `rows` penalties of forty units, and a ledger line for each of those units that keep one."""
    for unit in UNITS:
        with world.cursor() as cur:
            world._arrive(cur, unit.code, 0)
    with world.cursor() as cur:
        cur.execute("INSERT INTO quality.run (as_of, state, finished_at) VALUES (%s, 'done', now())", [yesterday()])
        indexes = _drop_indexes(cur)
        cur.execute(
            "INSERT INTO core.subject (kind, lookup, code)"
            " SELECT 'code', decode(md5(n::text), 'hex'), '91410421' || lpad(to_hex(n), 10, '0')"
            " FROM generate_series(1, %s::bigint + 1) n",
            [rows // PER_SUBJECT],
        )
        cur.execute(
            "INSERT INTO core.subject_name (subject_id, name, unit, first_seen, last_seen)"
            " SELECT s.subject_id, '示例县示例商贸' || s.subject_id || '号有限公司', u.unit, %s, %s FROM core.subject s"
            " CROSS JOIN LATERAL (SELECT DISTINCT (%s::text[])[1 + n %% %s] AS unit FROM generate_series("
            " greatest((s.subject_id - 1) * %s, 1), s.subject_id * %s - 1) n) u",
            [yesterday(), yesterday(), [u.code for u in UNITS], len(UNITS), PER_SUBJECT, PER_SUBJECT],
        )
    first = TODAY - timedelta(DAYS)
    for start in range(1, rows + 1, CHUNK):
        spread = {"from_all": 1, "of_all": rows, "first": first, "last": yesterday()}
        end = min(start + CHUNK - 1, rows)
        report(world, "penalty", UNITS, start, end, spread, checked=1)
    _ledger(world, rows)
    with world.cursor() as cur:
        cur.execute("SET maintenance_work_mem = '512MB'")
        for definition in indexes:
            cur.execute(definition)
        _positions(cur)
    settle(world)


def add_slice(world: Warehouse, stored: int, rows: int, number: int) -> None:
    """New, unchecked: `rows` penalties of the units with a ledger, the ledger lines they need, some refusals."""
    units = [u for u in UNITS if u.code in LEDGERS]
    start = stored + 1 + number * rows * 2
    spread = {"from_all": start, "of_all": rows, "first": TODAY, "last": f"{TODAY} 00:10"}
    report(world, "penalty", units, start, start + rows - 1, spread, checked=None)
    report(world, "ledger", units, start, start + rows - 1, spread, checked=None)
    with world.cursor() as cur:
        cur.execute(
            'INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
            " produced_at, received_at, state, authority_code, document_no, decision_date, problems)"
            ' SELECT gen_random_uuid(), unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
            " produced_at, received_at, 'rejected', authority_code, document_no || '-1', decision_date,"
            ' \'[{"rule": "required"}]\' FROM landing.event WHERE document_no = ANY(%s) AND unit = ANY(%s)'
            " AND dataset = 'penalty' AND decision_date = %s",
            [[f"示〔2026〕{n}号" for n in range(start, start + rows, 50)], LEDGERS, TODAY - timedelta(3)],
        )
        _positions(cur, LEDGERS)


def report(
    world: Warehouse, dataset: str, units: list[Any], start: int, end: int, spread: dict[str, Any], checked: int | None
) -> None:
    """Accepted reports of rows `start` to `end`."""
    definition = load_catalogue().datasets[dataset]
    values = _values(definition)
    query = _ROWS.format(
        id=_ID.format(variant={"penalty": "8", "ledger": "9"}[dataset]), per_subject=PER_SUBJECT,
        table=definition.table, columns=", ".join(values), values=", ".join(values.values()),
    )  # fmt: skip
    with world.cursor() as cur:
        cur.execute("SET session_replication_role = replica")  # no foreign keys checked row by row: all are there
        cur.execute(
            query,
            spread
            | {
                "start": start, "end": end, "dataset": dataset, "checked": checked,
                "units": [u.code for u in units], "usccs": [u.uscc for u in units],
                "topics": [world.topics[u.code] for u in units], "n_units": len(units),
                "value_repeats": 24 if dataset == "penalty" else 6,
            },
        )  # fmt: skip


def _values(dataset: Dataset) -> dict[str, str]:
    """An expression for each column of the dataset's table."""
    governing = {
        "record_no": "id", "revision": "1", "state": "'active'", "unit": "unit",
        "natural_key": "decode(replace(id::text, '-', '') || md5(n::text), 'hex')",
        "content_digest": "decode(md5(n::text) || md5(number), 'hex')", "received_at": "at", "received_on": "day",
        "revised_at": "at", "due_on": "decided + 9", "due_provisional": "false", "last_ce_id": "id",
        "withdrawn": "false", "disputed": "false", "published": "true",
    }  # fmt: skip
    if dataset.id == "ledger":
        roles = {"kind": "'行政处罚'"}
    else:
        governing |= {"subject_id": "subject_id"}
        roles = {
            "subject.name": "'示例县示例商贸' || subject_id || '号有限公司'",
            "subject.category": "'法人及非法人组织'", "subject.code": "'91410421' || lpad(to_hex(subject_id), 10, '0')",
            "representative.name": "'张' || n % 100", "offence.kind": "'食品违法行为'",
            "offence.fact": f"'{FACT}' || n", "legal_basis": f"'{BASIS}'",
            "kind": "CASE WHEN n % 3 = 0 THEN '警告' ELSE '罚款' END", "content": "'罚款' || n % 100000 || '元'",
            "amount.fine": "n % 10000000", "validity.to": "decided + 365",
        }  # fmt: skip
    roles |= {
        "document.no": "number", "decision.date": "decided", "authority.code": "uscc", "source.code": "uscc",
        "authority.name": "'示例单位'", "source.name": "'示例单位'",
    }  # fmt: skip
    named = {dataset.by_role[role].column.lower(): value for role, value in roles.items() if role in dataset.by_role}
    # A percent sign would be a parameter to psycopg2.
    return {c: v.replace("%", "%%") for c, v in {**governing, **named}.items() if c in columns(dataset)}


def _ledger(world: Warehouse, rows: int) -> None:
    """A ledger line for each decision of the units that keep one: numbers and days as of the decisions themselves."""
    definition = load_catalogue().datasets["ledger"]
    penalty = {role: f.column.lower() for role, f in load_catalogue().datasets["penalty"].by_role.items()}
    values = _values(definition)
    with world.cursor() as cur:
        cur.execute("SET session_replication_role = replica")
        cur.execute(
            f"WITH rows AS MATERIALIZED (SELECT row_number() OVER () + %s AS n, c.unit,"
            f" c.{penalty['authority.code']} AS uscc, t.topic_id, c.received_at AS at, c.received_on AS day,"
            f" c.{penalty['document.no']} AS number, c.{penalty['decision.date']} AS decided,"
            " overlay(c.record_no::text PLACING '9' FROM 20 FOR 1)::uuid AS id"
            f" FROM core.penalty c JOIN ingest.topic t USING (unit) WHERE c.unit = ANY(%s)), landed AS ("
            ' INSERT INTO landing.event (ce_id, unit, dataset, act, schema_id, topic_id, partition, "offset", value,'
            " produced_at, received_at, state, record_no, revision, authority_code, document_no, decision_date)"
            " SELECT id, unit, 'ledger', 'report', 1003, topic_id, 0, n, decode(repeat(md5(n::text), 6), 'hex'), at,"
            " at, 'accepted', id, 1, uscc, number, decided FROM rows)"
            f" INSERT INTO core.ledger ({', '.join(values)}) SELECT {', '.join(values.values())} FROM rows",
            [rows * 2, LEDGERS],
        )


def _drop_indexes(cur: Any) -> list[str]:
    """Drop what can be made again afterwards in less time; returns how."""
    cur.execute(
        "SELECT indexdef, format('%I.%I', schemaname, indexname) FROM pg_indexes WHERE (schemaname, tablename)"
        " IN (('landing', 'event'), ('core', 'penalty'), ('core', 'ledger'), ('exchange', 'receipt'),"
        " ('exchange', 'mark'), ('core', 'subject'), ('core', 'subject_name'))"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    found = cur.fetchall()
    for _, name in found:
        cur.execute(f"DROP INDEX {name}")
    return [definition.replace(" ON ONLY ", " ON ") for definition, _ in found]


def _positions(cur: Any, units: list[str] | None = None) -> None:
    """Read just as far as what has landed."""
    cur.execute(
        "UPDATE ingest.position p SET next_offset = n.rows FROM (SELECT topic_id, count(*) AS rows FROM landing.event"
        " GROUP BY 1) n JOIN ingest.topic t USING (topic_id) WHERE p.topic_id = n.topic_id"
        " AND (%s::text[] IS NULL OR t.unit = ANY(%s))",
        [units, units],
    )


def settle(world: Warehouse) -> None:
    """As autovacuum and the checkpointer leave it in time, so that no run pays for what was stored before."""
    con = psycopg2.connect(world.dsn)
    con.autocommit = True
    with con.cursor() as cur:
        cur.execute("VACUUM ANALYZE")
        cur.execute("CHECKPOINT")
    con.close()


def yesterday() -> date:
    """The last day of what is stored."""
    return TODAY - timedelta(1)
