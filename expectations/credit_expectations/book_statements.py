"""The SQL of the books (`books.py`). Names of tables and columns come from our own schema files."""

# ruff: noqa: S608 - no value is ever spliced in, only names from our schema files, checked by `dataset.NAME`
from __future__ import annotations

# Whatever a run reads to decide what it looks at is of one moment.
ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
SUMMARIZE = "SELECT landing.summarize_changes()"
# A snapshot says something only in the cluster it was taken in: a dump read into another one begins the books anew.
_CLUSTER = "(SELECT system_identifier FROM pg_control_system())"
STATE = (
    f"SELECT snapshot::text, full_due OR cluster <> {_CLUSTER} OR txid_snapshot_xmax(snapshot) >"
    " txid_snapshot_xmax(txid_current_snapshot()), txid_snapshot_xmin(snapshot) FROM quality.books"
)
ADVANCE = (
    f"INSERT INTO quality.books (snapshot, cluster, full_due) VALUES (txid_current_snapshot(), {_CLUSTER}, %s)"
    " ON CONFLICT (one) DO UPDATE SET snapshot = excluded.snapshot, cluster = excluded.cluster, kept_at = now(),"
    " full_due = excluded.full_due"
)
# Looked at: what was pending, ledger lines due by this day, the days a ledger covers.
CLOSE = (
    "UPDATE quality.books SET due_to = CASE WHEN %(whole)s THEN %(day)s ELSE greatest(due_to, %(day)s) END,"
    " full_due = full_due AND NOT %(whole)s, full_at = CASE WHEN %(whole)s THEN now() ELSE full_at END"
)
NOTHING_PENDING = "DELETE FROM quality.pending_event"
COVERAGE_SEEN = (
    "UPDATE quality.coverage SET seen_first = first, seen_last = last"
    " WHERE (seen_first, seen_last) IS DISTINCT FROM (first, last)"
)

# --- what is new -----------------------------------------------------------------------------------------------

# A usual run goes from few rows to those that belong to them. The planner knows neither how few they are (the tables of
# the scope were filled a moment ago) nor that what it asks for is in memory, and would read whole tables until they are
# very large. No JIT: costs mean nothing with ways forbidden, and compiling takes longer than these queries.
WAYS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
BY_INDEX = "; ".join(f"SET LOCAL {name} = {value}" for name, value in WAYS.items())
ANY_WAY = "; ".join(f"SET LOCAL {name} = DEFAULT" for name in WAYS)
CLEAR_NEW = "TRUNCATE quality.new_event"
TAKE_NEW = """
INSERT INTO quality.new_event
SELECT e.ce_id, e.dataset, e.unit, e.act, e.state, e.record_no, e.ce_id = e.record_no AND e.state = 'accepted',
       e.state = 'rejected' AND coalesce(e.problems @> '[{"rule": "record.other_unit"}]', false),
       e.authority_code, e.document_no, e.decision_date, (e.received_at AT TIME ZONE %(zone)s)::date,
       EXISTS (SELECT FROM quality.waiting_event w WHERE w.ce_id = e.ce_id)
FROM landing.event e
WHERE e.changed_xid >= %(xmin)s AND NOT txid_visible_in_snapshot(e.changed_xid, %(snapshot)s::txid_snapshot)
"""
SETTLED = (
    "DELETE FROM quality.waiting_event w USING quality.new_event n WHERE n.ce_id = w.ce_id AND n.state <> 'waiting'"
)
WAITS = (
    "INSERT INTO quality.waiting_event SELECT ce_id FROM quality.new_event WHERE state = 'waiting'"
    " ON CONFLICT DO NOTHING"
)
PENDING = (
    "INSERT INTO quality.pending_event (ce_id, dataset, unit, act, state, record_no, born, stranger, authority_code,"
    " document_no, decision_date) SELECT ce_id, dataset, unit, act, state, record_no, born, stranger, authority_code,"
    " document_no, decision_date FROM quality.new_event WHERE state IN ('accepted', 'rejected')"
    " ON CONFLICT (ce_id) DO UPDATE SET state = excluded.state, record_no = excluded.record_no"
)
BORN_DATASETS = "SELECT DISTINCT dataset FROM quality.new_event WHERE born"
_INTO_SLICES = "INSERT INTO quality.slice_book AS b (dataset, unit, landed)"
_INTO_DAYS = "INSERT INTO quality.day_book AS b (dataset, unit, day, arrived)"
_ADD_LANDED = " GROUP BY 1, 2 ON CONFLICT (dataset, unit) DO UPDATE SET landed = b.landed + excluded.landed"
_ADD_ARRIVED = " GROUP BY 1, 2, 3 ON CONFLICT (dataset, unit, day) DO UPDATE SET arrived = b.arrived + excluded.arrived"
COUNT_NEW = (
    f"{_INTO_SLICES} SELECT dataset, unit, count(*) FROM quality.new_event WHERE NOT again{_ADD_LANDED}",
    f"{_INTO_DAYS} SELECT dataset, unit, received_on, count(*) FROM quality.new_event WHERE NOT again{_ADD_ARRIVED}",
)

# --- everything, counted again -----------------------------------------------------------------------------------

CLEAR_SAID = "TRUNCATE quality.scope_book"
SAID = """
INSERT INTO quality.scope_book (dataset, unit, what, booked)
SELECT dataset, unit, 'landing', landed FROM quality.slice_book
UNION ALL
SELECT dataset, unit, 'core', sum(records) FROM quality.day_book GROUP BY dataset, unit HAVING sum(records) > 0
"""
FORGET = (
    *("DELETE FROM quality.slice_book", "DELETE FROM quality.day_book", "DELETE FROM quality.mix_book"),
    *("DELETE FROM quality.coverage", "DELETE FROM quality.waiting_event"),
)
ALL_WAITING = "INSERT INTO quality.waiting_event SELECT ce_id FROM landing.event WHERE state = 'waiting'"
COUNT_LANDED = (
    f"{_INTO_DAYS} SELECT dataset, unit, (received_at AT TIME ZONE %(zone)s)::date, count(*) FROM landing.event"
    f"{_ADD_ARRIVED}",
    f"{_INTO_SLICES} SELECT dataset, unit, sum(arrived) FROM quality.day_book{_ADD_LANDED}",
)
COUNTED = """
INSERT INTO quality.scope_book AS b (dataset, unit, what, counted)
SELECT dataset, unit, 'landing', landed FROM quality.slice_book
UNION ALL
SELECT dataset, unit, 'core', sum(records) FROM quality.day_book GROUP BY dataset, unit HAVING sum(records) > 0
ON CONFLICT (dataset, unit, what) DO UPDATE SET counted = excluded.counted
"""

# --- of records, new ones or all -----------------------------------------------------------------------------------

_NEW = " JOIN quality.new_event n ON n.record_no = c.record_no AND n.born AND n.dataset = %(dataset)s"


def count_records(table: str, only_new: bool) -> str:
    """Records per unit and day into the day book, with those that have a code or lack one."""
    return (
        "INSERT INTO quality.day_book AS b (dataset, unit, day, records, identified, codeless)"
        " SELECT %(dataset)s, c.unit, c.received_on, count(*),"
        " count(*) FILTER (WHERE s.kind <> 'person' AND c.state <> 'withdrawn'),"
        " count(*) FILTER (WHERE s.kind = 'scoped' AND c.state <> 'withdrawn')"
        f" FROM core.{table} c{_NEW if only_new else ''} LEFT JOIN core.subject s USING (subject_id) GROUP BY 2, 3"
        " ON CONFLICT (dataset, unit, day) DO UPDATE SET records = b.records + excluded.records,"
        " identified = b.identified + excluded.identified, codeless = b.codeless + excluded.codeless"
    )


def count_values(table: str, column: str, only_new: bool) -> str:
    """Values of a role's column per unit and day into the mix book."""
    return (
        "INSERT INTO quality.mix_book AS b (dataset, unit, role, day, value, records)"
        " SELECT %(dataset)s, c.unit, %(role)s, c.received_on, split_part(v, '-', 1), count(*)"
        f" FROM core.{table} c{_NEW if only_new else ''}"
        f" CROSS JOIN LATERAL regexp_split_to_table(c.{column}, '[；;]') v"
        " GROUP BY 2, 4, 5 ON CONFLICT (dataset, unit, role, day, value)"
        " DO UPDATE SET records = b.records + excluded.records"
    )
