"""The SQL of persons and subjects; names of tables are constants, values are parameters."""

# ruff: noqa: S608 - nothing is spliced in but the constants of this file
from __future__ import annotations

# A list of digests as one text parameter: comma-separated hex, which the server splits again.
_HEX_LIST = "(SELECT decode(h, 'hex') FROM unnest(string_to_array(%s, ',')) h)"

PERSON_COLUMNS = ("lookup", "id_type", "sealed", "as_written", "key_version", "short")
SUBJECT_COLUMNS = ("lookup", "kind", "code", "registration_no", "person_id", "unit")
NAME_COLUMNS = ("subject_id", "name", "unit", "first_seen", "last_seen")
REGISTRATION_COLUMNS = ("subject_id", "registration_no", "unit", "first_seen", "last_seen")

# Temporary tables of a session: table of core, and the columns that are staged for it.
STAGED = {
    "person": PERSON_COLUMNS,
    "subject": SUBJECT_COLUMNS,
    "subject_name": NAME_COLUMNS,
    "subject_registration": REGISTRATION_COLUMNS,
}
CREATE_STAGES = tuple(
    f"CREATE TEMP TABLE IF NOT EXISTS stage_{table} ON COMMIT DELETE ROWS AS SELECT {', '.join(columns)}"
    f" FROM core.{table} WITH NO DATA"
    for table, columns in STAGED.items()
)
STAGES = tuple(f"pg_temp.stage_{table}" for table in STAGED)

# Of each known person: its id, and whether 15 digits and their digest are kept already.
PERSONS = (
    f"SELECT lookup, person_id, as_written IS NOT NULL, short IS NOT NULL FROM core.person WHERE lookup IN {_HEX_LIST}"
)
SUBJECT_IDS = f"SELECT lookup, subject_id FROM core.subject WHERE lookup IN {_HEX_LIST}"
# In the order of the lookups: two consumers that bring the same persons wait for each other, and never in a ring.
ADD_PERSONS = (
    f"INSERT INTO core.person ({', '.join(PERSON_COLUMNS)}) SELECT {', '.join(PERSON_COLUMNS)}"
    " FROM pg_temp.stage_person ORDER BY lookup ON CONFLICT (lookup) DO NOTHING"
)
COMPLETE_PERSONS = (
    "UPDATE core.person p SET as_written = coalesce(p.as_written, s.as_written), short = coalesce(p.short, s.short)"
    " FROM (SELECT p.person_id, s.as_written, s.short FROM core.person p JOIN pg_temp.stage_person s USING (lookup)"
    " ORDER BY lookup FOR UPDATE OF p) s WHERE p.person_id = s.person_id"
)
ADD_SUBJECTS = (
    f"INSERT INTO core.subject ({', '.join(SUBJECT_COLUMNS)}) SELECT {', '.join(SUBJECT_COLUMNS)}"
    " FROM pg_temp.stage_subject ORDER BY lookup ON CONFLICT (lookup) DO NOTHING RETURNING lookup, subject_id"
)


def _add_dated(table: str, columns: tuple[str, ...]) -> str:
    """Dated facts: the first and the last day that a unit said so. What is known already is not even locked."""
    key = ", ".join(columns[:3])
    return (
        f"INSERT INTO core.{table} AS t ({', '.join(columns)}) SELECT {', '.join(columns)}"
        f" FROM pg_temp.stage_{table} s WHERE NOT EXISTS (SELECT 1 FROM core.{table} k"
        f" WHERE {' AND '.join(f'k.{c} = s.{c}' for c in columns[:3])}"
        f" AND k.first_seen <= s.first_seen AND k.last_seen >= s.last_seen) ORDER BY {key}"
        f" ON CONFLICT ({key}) DO UPDATE SET first_seen = least(t.first_seen, excluded.first_seen),"
        " last_seen = greatest(t.last_seen, excluded.last_seen)"
        " WHERE t.first_seen > excluded.first_seen OR t.last_seen < excluded.last_seen"
    )


ADD_NAMES = _add_dated("subject_name", NAME_COLUMNS)
ADD_REGISTRATIONS = _add_dated("subject_registration", REGISTRATION_COLUMNS)
