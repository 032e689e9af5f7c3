"""What only a person can do: copies that a destination cannot end, copies of records we do not know, unknown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from .destinations import Destination
from .rendering import Source

KIND = "delivery"
OPEN = (
    "INSERT INTO quality.work_item (kind, unit, dataset, destination, rule_id, record_no, what, mend)"
    " VALUES %s"
    " ON CONFLICT DO NOTHING"
)
OPEN_TYPES = "(%s, %s, %s, %s, %s, %s::uuid, %s, %s)"
CLOSE = (
    "UPDATE quality.work_item SET closed_at = now(), closed_by = %s"
    " WHERE closed_at IS NULL AND rule_id = %s AND record_no = ANY(%s::uuid[])"
)
CLOSE_OTHERS = (
    "UPDATE quality.work_item SET closed_at = now(), closed_by = %s"
    " WHERE closed_at IS NULL AND rule_id = %s AND dataset = %s AND record_no <> ALL(%s::uuid[])"
)
CLOSE_DATASET = (
    "UPDATE quality.work_item SET closed_at = now(), closed_by = %s"
    " WHERE closed_at IS NULL AND rule_id = %s AND dataset = %s"
)
PROGRAM = "credit reconcile"


def cannot_end_rule(destination: str) -> str:
    """The rule id of work items about copies that must be ended by hand."""
    return f"delivery.{destination}.cannot_end"


def extra_rule(destination: str) -> str:
    """The rule id of work items about copies of records that the warehouse does not have."""
    return f"delivery.{destination}.extra"


def open_cannot_end(cur: cursor, destination: Destination, dataset: str, sources: Iterable[Source]) -> None:
    """Ask a person to have these copies ended; once per record."""
    what = f"这条记录已不应公示和共享，但{destination.name}不支持撤回，副本仍在。"
    mend = f"请与{destination.name}联系，人工终止这条记录；对账确认副本不在后，本事项自动关闭。"
    rule = cannot_end_rule(destination.id)
    _open(cur, [(KIND, s.unit, dataset, destination.id, rule, s.record_no, what, mend) for s in sources])


def list_extra(cur: cursor, destination: Destination, dataset: str, record_nos: Sequence[str]) -> None:
    """Tell a person of the copies whose record is not in the warehouse, once per record; close what is no more so."""
    what = f"{destination.name}持有这条记录的副本，数据仓库里却没有这条记录。"
    mend = "如数据库刚从备份恢复，请先让报送单位重发；重发后仍没有的，请核实后与对方联系终止。"
    rule = extra_rule(destination.id)
    _open(cur, [(KIND, "", dataset, destination.id, rule, n, what, mend) for n in record_nos])
    cur.execute(CLOSE_OTHERS, [PROGRAM, rule, dataset, list(record_nos)])


def unknown_table_rule(destination: str) -> str:
    """The rule id of work items about datasets whose table a destination does not have."""
    return f"delivery.{destination}.unknown_table"


def open_unknown_table(cur: cursor, destination: Destination, dataset: str, table: str) -> None:
    """Ask a person to agree with the destination on a table; once per dataset."""
    what = f"{destination.name}没有 {table} 这张表，这个数据集的记录都没有报送。"
    mend = (
        "请与对方约定表名，写进去向文件 [datasets.…] 的 table；不向它报这个数据集的，写 enabled = false。"
        "对方有了这张表以后，下一次对账时本事项自动关闭。"
    )
    _open(cur, [(KIND, "", dataset, destination.id, unknown_table_rule(destination.id), None, what, mend)])


def close_unknown_table(cur: cursor, destination: Destination, dataset: str) -> None:
    """The destination has the table: close the work item, where there is one."""
    cur.execute(CLOSE_DATASET, [PROGRAM, unknown_table_rule(destination.id), dataset])


def close(cur: cursor, rule: str, record_nos: Iterable[str]) -> None:
    """Close the work items of a rule on these records, where there are any."""
    cur.execute(CLOSE, [PROGRAM, rule, list(record_nos)])


def _open(cur: cursor, rows: Sequence[tuple[str | None, ...]]) -> None:
    if rows:
        execute_values(cur, OPEN, rows, template=OPEN_TYPES, page_size=len(rows))
