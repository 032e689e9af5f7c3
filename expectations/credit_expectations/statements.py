"""The SQL of this room that is no check (those are in `sql/`). Names of tables come from our own schema files."""

# ruff: noqa: S608 - no value is ever spliced in, only names from our schema files, checked by `dataset.NAME`
from __future__ import annotations

# --- the run ---------------------------------------------------------------------------------------------------

# One run at a time: the scope tables hold one run's scope. Any number that no other part of the program uses.
LOCK_KEY = 410_0007
LOCK = f"SELECT pg_advisory_lock({LOCK_KEY})"
LOCK_TIMEOUT = "SET lock_timeout = %s"
OPEN_RUN = "INSERT INTO quality.run (as_of) VALUES (%s) RETURNING run_id"
# Whoever holds the lock is the only run: any other that says `running` has died.
BURY_DEAD_RUNS = "UPDATE quality.run SET state = 'failed', finished_at = now() WHERE state = 'running'"
FAIL_RUN = "UPDATE quality.run SET state = 'failed', finished_at = now() WHERE run_id = %s"
CLOSE_RUN = (
    "UPDATE quality.run SET state = 'done', finished_at = now(), slices = %s, marks = %s, failures = %s"
    " WHERE run_id = %s"
)
# Exactly the marks that were read; a mark that was deleted meanwhile needs no stamp.
STAMP = (
    "UPDATE exchange.mark m SET checked_run = %s FROM quality.scope_mark s"
    " WHERE m.mark_id = s.mark_id AND m.checked_run IS NULL"
)
REMEMBER_SLICES = (
    "INSERT INTO quality.slice (dataset, unit, rejected, run_id)"
    " SELECT dataset, unit, rejected, %s FROM quality.scope_slice"
    " ON CONFLICT (dataset, unit) DO UPDATE SET rejected = excluded.rejected, run_id = excluded.run_id"
)

# --- the scope -------------------------------------------------------------------------------------------------

CLEAR_SCOPE = ("DELETE FROM quality.scope_mark", "DELETE FROM quality.scope_record", "DELETE FROM quality.scope_slice")
TAKE_MARKS = (
    "INSERT INTO quality.scope_mark SELECT mark_id FROM exchange.mark WHERE checked_run IS NULL AND dataset = ANY(%s)"
)
SCOPE_MARKED_RECORDS = (
    "INSERT INTO quality.scope_record (dataset, record_no, unit)"
    " SELECT DISTINCT m.dataset, m.record_no, m.unit FROM exchange.mark m JOIN quality.scope_mark USING (mark_id)"
    " ON CONFLICT DO NOTHING"
)
SCOPE_SLICES_OF_RECORDS = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.scope_record"
    " ON CONFLICT DO NOTHING"
)
_REFUSED = "SELECT dataset, unit, count(*) AS rejected FROM landing.event WHERE state = 'rejected' GROUP BY 1, 2"
SCOPE_REFUSED = (
    f"INSERT INTO quality.scope_slice (dataset, unit) SELECT e.dataset, e.unit FROM ({_REFUSED}) e"
    " LEFT JOIN quality.slice s USING (dataset, unit)"
    " WHERE e.dataset = ANY(%s) AND e.rejected <> coalesce(s.rejected, 0) ON CONFLICT DO NOTHING"
)
SCOPE_HELD = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT DISTINCT dataset, unit FROM quality.open_hold"
    " WHERE dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
# The records that hold a slice, a person having closed their work items or not.
SCOPE_HELD_RECORDS = (
    "INSERT INTO quality.scope_record (dataset, record_no, unit)"
    " SELECT DISTINCT w.dataset, w.record_no, w.unit FROM quality.work_item w JOIN quality.open_hold h USING (hold_id)"
    " WHERE w.record_no IS NOT NULL AND w.gone_at IS NULL AND w.dataset = ANY(%s) ON CONFLICT DO NOTHING"
)
ADD_SLICE = "INSERT INTO quality.scope_slice (dataset, unit) VALUES (%s, %s) ON CONFLICT DO NOTHING"
FIRST_OF_DAY = "SELECT NOT EXISTS (SELECT FROM quality.run WHERE state = 'done' AND as_of = %s)"
SCOPE_KNOWN = (
    "INSERT INTO quality.scope_slice (dataset, unit) SELECT dataset, unit FROM quality.slice WHERE dataset = ANY(%s)"
    " ON CONFLICT DO NOTHING"
)
COUNT_REFUSED = (
    f"UPDATE quality.scope_slice t SET rejected = e.rejected FROM ({_REFUSED}) e"
    " WHERE t.dataset = e.dataset AND t.unit = e.unit"
)
READ_SLICES = "SELECT dataset, unit FROM quality.scope_slice"
READ_SLICES_WITH_RECORDS = "SELECT DISTINCT dataset, unit FROM quality.scope_record"


def scope_all(table: str) -> str:
    """Every slice of a dataset that has a record."""
    return (
        "INSERT INTO quality.scope_slice (dataset, unit)"
        f" SELECT %s, unit FROM core.{table} GROUP BY unit ON CONFLICT DO NOTHING"
    )


def ledger_lines_in_scope(table: str, authority: str) -> str:
    """Authorities of the ledger lines in scope, and who sent them."""
    return (
        f"SELECT DISTINCT c.{authority}, c.unit FROM core.{table} c JOIN quality.scope_record r"
        " ON r.record_no = c.record_no WHERE r.dataset = %s"
    )


# --- results, holds, work items --------------------------------------------------------------------------------

ADD_RESULTS = (
    "INSERT INTO quality.result (run_id, rule_id, unit, dataset, destination, severity, success, checked, unexpected,"
    " observed) VALUES %s"
)
# Failures that are still there as far as is known, and whether a released hold covers them.
PRESENT_ITEMS = (
    "SELECT w.work_item_id, w.unit, w.record_no::text, w.reference, w.hold_id, h.released_at IS NOT NULL"
    " FROM quality.work_item w LEFT JOIN quality.hold h USING (hold_id)"
    " WHERE w.gone_at IS NULL AND w.rule_id = %s AND w.dataset = %s AND w.destination = %s AND w.unit = ANY(%s)"
)
RECORDS_IN_SCOPE = "SELECT record_no::text FROM quality.scope_record WHERE dataset = %s"
OPEN_HOLDS_OF = (
    "SELECT unit, hold_id FROM quality.open_hold WHERE rule_id = %s AND dataset = %s AND destination = %s"
    " AND unit = ANY(%s)"
)
OPEN_HOLD = (
    "INSERT INTO quality.hold (unit, dataset, destination, rule_id, run_id, why) VALUES (%s, %s, %s, %s, %s, %s)"
    " RETURNING hold_id"
)
CLOSE_HOLD = (
    "UPDATE quality.hold SET closed_at = now() WHERE hold_id = %s AND closed_at IS NULL AND released_at IS NULL"
)
ADD_ITEMS = (
    "INSERT INTO quality.work_item (run_id, hold_id, kind, unit, dataset, destination, rule_id, record_no, reference,"
    " what, mend) VALUES %s ON CONFLICT DO NOTHING RETURNING work_item_id"
)
ITEM_TYPES = "(%s, %s, %s, %s, %s, %s, %s, %s::uuid, %s, %s, %s)"
ATTACH_ITEMS = "UPDATE quality.work_item SET hold_id = %s WHERE work_item_id = ANY(%s)"
ITEMS_GONE = (
    "UPDATE quality.work_item SET gone_at = now(), closed_by = CASE WHEN closed_at IS NULL THEN %s ELSE closed_by END,"
    " closed_at = coalesce(closed_at, now()) WHERE work_item_id = ANY(%s)"
)

# --- the gate --------------------------------------------------------------------------------------------------

IS_HELD = "SELECT quality.is_held(%s, %s, %s)"
LIST_HOLDS = (
    "SELECT hold_id, unit, dataset, destination, rule_id, run_id, why, opened_at FROM quality.open_hold"
    " ORDER BY unit, dataset, destination, hold_id"
)
LIST_ITEMS = (
    "SELECT work_item_id, kind, unit, dataset, destination, rule_id, record_no::text AS record_no, reference, what,"
    " mend, hold_id, opened_at FROM quality.open_work_item"
    " WHERE (%(unit)s::text IS NULL OR unit = %(unit)s) AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)"
    " ORDER BY unit, dataset, rule_id, work_item_id LIMIT %(limit)s"
)
RELEASE = (
    "UPDATE quality.hold SET released_at = now(), released_by = %s, release_reason = %s"
    " WHERE hold_id = %s AND released_at IS NULL AND closed_at IS NULL"
    " RETURNING unit, dataset, destination, rule_id"
)
CLOSE_ITEM = (
    "UPDATE quality.work_item SET closed_at = now(), closed_by = %s WHERE work_item_id = %s AND closed_at IS NULL"
    " RETURNING unit, dataset, rule_id"
)
RECORD_ACT = "INSERT INTO audit.act (actor, act, about, detail) VALUES (%s, %s, %s, %s)"

# For the page ---------------------------------------------------------------------------------------------------------

LATEST_FAILURES = """
SELECT unit, dataset, destination, rule_id, severity, unexpected FROM quality.latest_result WHERE NOT success
ORDER BY severity, unit, dataset, rule_id, destination
"""
LATEST_RUNS = """
SELECT run_id, finished_at, slices, marks, failures FROM quality.run WHERE state = 'done' ORDER BY run_id DESC LIMIT %s
"""
