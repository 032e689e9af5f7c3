"""The warehouse table of a dataset, made from its schema file: a new dataset or column needs no SQL of its own.

Every `core.<dataset>` begins with the same governing columns; then come the dataset's columns under their national
codes in lower case. A sealed number becomes a reference to `core.person`.
"""

from __future__ import annotations

from collections.abc import Iterable

from credit_schemas.dataset import SCOPES, Dataset, Field

from .attachment_views import attachment_views

# record_no is the ce_id of the record's first report: it survives a restored database, because re-sending the event
# gives the record the same number again. received_at is the first accepted arrival (the clock of 迟报率).
GOVERNING: tuple[tuple[str, str], ...] = (
    ("record_no", "uuid PRIMARY KEY"),
    ("revision", "integer NOT NULL"),
    ("state", "text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disputed', 'ended', 'withdrawn'))"),
    ("unit", "text NOT NULL"),
    ("source_key", "text"),
    ("natural_key", "bytea NOT NULL UNIQUE"),
    ("content_digest", "bytea NOT NULL"),
    ("subject_id", "bigint REFERENCES core.subject"),
    ("received_at", "timestamptz NOT NULL"),
    ("received_on", "date NOT NULL"),
    ("revised_at", "timestamptz NOT NULL"),
    ("due_on", "date"),
    ("due_provisional", "boolean NOT NULL DEFAULT false"),
    ("publicity_ends", "date"),
    ("last_ce_id", "uuid NOT NULL"),
    # What acts did to it; `state` follows from these (credit_consumer.standing).
    ("withdrawn", "boolean NOT NULL DEFAULT false"),
    ("ended_why", "text CHECK (ended_why IN ('revoked', 'repaired', 'upheld'))"),
    ("disputed", "boolean NOT NULL DEFAULT false"),
    ("closed_by", "text"),
    ("acted_at", "timestamptz"),
    # False for what the law keeps off public sites (STANDARDS 3.4); the platforms above receive it all the same.
    ("published", "boolean NOT NULL DEFAULT true"),
)
_TYPES = {"date": "date", "amount": "bigint", "integer": "bigint"}


def column_name(f: Field) -> str:
    """The warehouse column of a field: the national code in lower case, `_person` behind a sealed number's."""
    return f.column.lower() + ("_person" if f.sealed else "")


def column_type(f: Field) -> str:
    """The SQL type: date, bigint for amounts (分) and counts, a reference for sealed numbers, text for the rest."""
    return "bigint REFERENCES core.person" if f.sealed else _TYPES.get(f.form, "text")


def columns(dataset: Dataset) -> list[str]:
    """All columns of the dataset's table in order."""
    return [name for name, _ in GOVERNING] + [column_name(f) for f in dataset.fields]


def table_statements(dataset: Dataset) -> list[str]:
    """The DDL of a dataset's table; safe to repeat, and adds the columns a newer schema version brings."""
    table = f"core.{dataset.table}"
    governing = ",\n  ".join(f"{name} {kind}" for name, kind in GOVERNING)
    made = [f"CREATE TABLE IF NOT EXISTS {table} (\n  {governing}\n)"]
    # Also for a table that an earlier version made: it lacks what came since.
    wanted = [*GOVERNING, *((column_name(f), column_type(f)) for f in dataset.fields)]
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in wanted)
    made.append(f"ALTER TABLE {table} {added}")
    made += [
        f"CREATE UNIQUE INDEX IF NOT EXISTS {dataset.table}_source_key ON {table} (unit, source_key)"
        " WHERE source_key IS NOT NULL",
        f"CREATE INDEX IF NOT EXISTS {dataset.table}_subject ON {table} (subject_id)",
    ]
    decided, number = dataset.column("decision.date"), dataset.column("document.no")
    if decided:
        made.append(f"CREATE INDEX IF NOT EXISTS {dataset.table}_unit_day ON {table} (unit, {decided.lower()})")
    authority, kind = dataset.column("authority.code"), dataset.column("kind")
    if dataset.kind == "denominator" and authority and kind and decided:
        # A ledger: from which day to which an authority keeps it, and which lines came due.
        made += [
            f"CREATE INDEX IF NOT EXISTS {dataset.table}_authority_day ON {table}"
            f" ({authority.lower()}, {kind.lower()}, {decided.lower()})",
            f"CREATE INDEX IF NOT EXISTS {dataset.table}_due ON {table} (due_on)",
        ]
    if number:
        made.append(f"CREATE INDEX IF NOT EXISTS {dataset.table}_document ON {table} ({number.lower()})")
    made += [f"COMMENT ON TABLE {table} IS {_quoted(dataset.cn)}"]
    made += [f"COMMENT ON COLUMN {table}.{column_name(f)} IS {_quoted(f.cn)}" for f in dataset.fields]
    made += [
        f"GRANT SELECT, INSERT, UPDATE ON {table} TO credit_consumer",
        f"GRANT SELECT ON {table} TO credit_quality, credit_forward, credit_reader",
    ]
    return made


def public_view(dataset: Dataset) -> list[str]:
    """A view without personal numbers and county columns, natural persons' names masked: what readers may publish.

    Only a dataset whose scope is 社会公开 has one.
    """
    category = dataset.column("subject.category")
    shown = []
    for f in dataset.fields:
        name = f.column.lower()
        if f.role == "subject.name" and category:
            shown.append(
                f"CASE WHEN {category.lower()} = '自然人' THEN left({name}, 1) || repeat('*', length({name}) - 1)"
                f" ELSE {name} END AS {name}"
            )
        elif not f.personal and not f.extension:
            shown.append(name)
    view = f"quality.public_{dataset.table}"
    if dataset.scope != SCOPES[0]:
        return [f"DROP VIEW IF EXISTS {view}"]
    # Dropped first: CREATE OR REPLACE cannot change the order of columns when a schema version brings new ones.
    return [
        f"DROP VIEW IF EXISTS {view}",
        f"CREATE VIEW {view} AS SELECT record_no, revision, state, unit, received_on, due_on, publicity_ends,"
        f" {', '.join(shown)} FROM core.{dataset.table} WHERE state IN ('active', 'disputed') AND published",
        f"GRANT SELECT ON {view} TO credit_reader, credit_quality",
    ]


def statements(datasets: Iterable[Dataset]) -> list[str]:
    """The DDL of all datasets' tables and views."""
    found = list(datasets)
    return [s for d in found for s in (*table_statements(d), *public_view(d))] + attachment_views(found)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
