"""The gate: what may not leave now, as conditions on `exchange.delivery AS d`.

An `end` is never stopped: a copy that must go, goes, whatever quality says of the slice.
"""

# A failed check holds the slice (unit x dataset x destination) until the failure is gone or a named person lets it go;
# what "held" means is said in one place (migration 0007).
HELD = "quality.is_held(d.unit, d.dataset, d.destination)"
# A record that changed after it was checked is what quality has not seen.
UNCHECKED = "EXISTS (SELECT 1 FROM exchange.mark u WHERE u.record_no = d.record_no AND u.checked_run IS NULL)"
OPEN = f"(NOT {HELD} AND NOT {UNCHECKED})"
