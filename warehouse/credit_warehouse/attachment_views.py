"""Views on the attachments that records name, over every dataset with a column of role `attachments`.

Made with the tables of the datasets, because which datasets name files is data.
"""

from __future__ import annotations

from collections.abc import Iterable

from credit_schemas.attachments import JOINED_BY, PARTED_BY, ROLE
from credit_schemas.dataset import Dataset

# An attachment as the door writes it; what is anything else was refused by the consumer.
_PART = rf"^[^|]+\{PARTED_BY}[A-Za-z0-9_-]{{43}}\{PARTED_BY}[1-9][0-9]{{0,11}}$"
_NONE = (
    "SELECT ''::text AS dataset, NULL::uuid AS record_no, 0 AS revision, ''::text AS state, ''::text AS unit,"
    " NULL::timestamptz AS revised_at, ''::text AS name, NULL::bytea AS digest, 0::bigint AS size WHERE false"
)
_READERS = "credit_attachments, credit_quality, credit_reader"


def attachment_views(datasets: Iterable[Dataset]) -> list[str]:
    """The DDL of `quality.named_attachment` and `quality.missing_attachment`; safe to repeat."""
    selects = [_named(d.table, column.lower()) for d in datasets if (column := d.column(ROLE))]
    return [
        f"CREATE OR REPLACE VIEW quality.named_attachment AS {' UNION ALL '.join([_NONE, *selects])}",
        "COMMENT ON VIEW quality.named_attachment IS '记录里写明的附件：文件名、摘要、大小'",
        "CREATE OR REPLACE VIEW quality.missing_attachment AS"
        " SELECT n.dataset, n.unit, n.record_no, n.revision, n.name, encode(n.digest, 'hex') AS digest, n.size,"
        " n.revised_at AS since FROM quality.named_attachment n WHERE n.state IN ('active', 'disputed')"
        " AND NOT EXISTS (SELECT 1 FROM core.attachment a WHERE a.digest = n.digest AND a.gone_at IS NULL)",
        "COMMENT ON VIEW quality.missing_attachment IS '记录里写明、还没有交来的附件'",
        f"GRANT SELECT ON quality.named_attachment, quality.missing_attachment TO {_READERS}",
    ]


def _named(table: str, column: str) -> str:
    part = f"split_part(p, '{PARTED_BY}', %d)"
    # base64url without padding, in PostgreSQL's alphabet. The CASE keeps the planner from decoding what does not fit.
    digest = f"decode(translate({part % 2}, '-_', '+/') || '=', 'base64')"
    return (
        f"SELECT '{table}', record_no, revision, state, unit, revised_at, {part % 1},"
        f" CASE WHEN p ~ '{_PART}' THEN {digest} END, CASE WHEN p ~ '{_PART}' THEN {part % 3}::bigint END"
        f" FROM core.{table}, string_to_table({column}, '{JOINED_BY}') AS p WHERE p ~ '{_PART}'"
    )
