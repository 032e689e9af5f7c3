"""The SQL of this room that is no check (those are in `sql/`). Names of tables come from our own schema files."""

from __future__ import annotations

# --- the run ---------------------------------------------------------------------------------------------------

# One run at a time: the scope tables hold one run's scope. Any number that no other part of the program uses.
LOCK_KEY = 410_0007
LOCK = f"SELECT pg_advisory_lock({LOCK_KEY})"
LOCK_TIMEOUT = "SET lock_timeout = %s"
OPEN_RUN = "INSERT INTO quality.run (as_of, whole) VALUES (%s, %s) RETURNING run_id"
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
    "INSERT INTO quality.slice (dataset, unit, run_id) SELECT dataset, unit, %s FROM quality.scope_slice"
    " ON CONFLICT (dataset, unit) DO UPDATE SET run_id = excluded.run_id"
)

# --- results, holds, work items --------------------------------------------------------------------------------

ADD_RESULTS = (
    "INSERT INTO quality.result (run_id, rule_id, unit, dataset, destination, severity, success, checked, unexpected,"
    " observed) VALUES %s"
)
KEEP_LATEST = (
    "INSERT INTO quality.latest SELECT * FROM quality.result WHERE run_id = %s"
    " ON CONFLICT (rule_id, unit, dataset, destination) DO UPDATE SET run_id = excluded.run_id,"
    " severity = excluded.severity, success = excluded.success, checked = excluded.checked,"
    " unexpected = excluded.unexpected, observed = excluded.observed"
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
