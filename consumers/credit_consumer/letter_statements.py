"""The SQL of dead letters. `{filter}` is made of the fixed conditions of `deadletters`, values are parameters."""

from __future__ import annotations

# Attempts of a letter that is new are 1: that tells it from one that is here already.
ADD = (
    'INSERT INTO ingest.dead_letter AS t (topic_id, topic, unit, partition, "offset", key, value, headers,'
    " received_at, schema_id, reason, detail, state) VALUES %s"
    ' ON CONFLICT (topic_id, partition, "offset") DO UPDATE SET attempts = t.attempts + 1, last_seen = now(),'
    " reason = excluded.reason, detail = excluded.detail,"
    " state = CASE WHEN t.state = 'discarded' THEN t.state ELSE excluded.state END"
    ' RETURNING topic_id::text, partition, "offset", attempts'
)

_SHOWN = (
    'dead_letter_id, topic, unit, partition, "offset", received_at, schema_id, reason, detail, state, attempts,'
    " first_seen, last_seen, closed_by, closed_why"
)
LIST = (
    f"SELECT {_SHOWN} FROM ingest.dead_letter WHERE {{filter}} AND dead_letter_id > %(after)s"  # noqa: S608
    " ORDER BY dead_letter_id LIMIT %(limit)s"
)
SHOW = f"SELECT {_SHOWN}, topic_id::text, key, value, headers FROM ingest.dead_letter WHERE dead_letter_id = %s"  # noqa: S608
COUNT = (
    "SELECT unit, reason, schema_id, state, count(*) AS letters, min(received_at) AS first_received,"
    " max(received_at) AS last_received, max(attempts) AS attempts FROM ingest.dead_letter WHERE {filter}"
    " GROUP BY unit, reason, schema_id, state ORDER BY unit, reason, schema_id NULLS FIRST, state"
)

# A topic that was deleted and made anew has another id: the letters of the earlier one are the older.
PARTITIONS = (
    "SELECT topic_id::text, partition FROM (SELECT DISTINCT topic_id, partition FROM ingest.dead_letter WHERE {filter})"
    " d JOIN ingest.topic t USING (topic_id) ORDER BY t.first_seen, topic_id, partition"
)
TAKE = (
    'SELECT dead_letter_id, topic, topic_id, unit, partition, "offset", received_at, schema_id, reason, key, value,'
    " headers FROM ingest.dead_letter WHERE {filter} AND topic_id = %(topic_id)s AND partition = %(partition)s"
    ' AND "offset" > %(after)s ORDER BY "offset" LIMIT %(limit)s FOR UPDATE'
)
THROUGH = (
    "UPDATE ingest.dead_letter SET state = 'replayed', closed_by = %s, closed_why = %s, attempts = attempts + 1,"
    " last_seen = now() WHERE dead_letter_id = ANY(%s)"
)
DISCARD = (
    "UPDATE ingest.dead_letter SET state = 'discarded', closed_by = %(who)s, closed_why = %(why)s, last_seen = now()"
    " WHERE dead_letter_id IN (SELECT dead_letter_id FROM ingest.dead_letter WHERE {filter}"
    " ORDER BY dead_letter_id LIMIT %(limit)s FOR UPDATE)"
    ' RETURNING unit, reason, schema_id, topic, partition, "offset", headers, detail'
)
AUDIT = "INSERT INTO audit.act (actor, act, about, detail) VALUES (%s, %s, 'ingest.dead_letter', %s)"
