"""The same four steps by columns: what a backlog mostly consists of goes together, everything else goes row by row.

A row takes this lane when nothing about it is unusual: a new record, reported in the current version of its schema,
without a rejecting problem, named by nobody else in the batch and unknown to the warehouse. Whatever is in doubt goes
the ordinary way (`credit_consumer.decode → check → normalise → load`), which decides from scratch. So a mistake here
can only be one of taking too much, and `tests/integration/test_lanes.py` compares what both lanes write.

`decode → check → normalise → load`, under the same names as the ordinary steps.
"""

import os

# One core is the database's while we are at work here; more threads of Polars only take turns with it, and cost memory.
# Read when Polars is first imported, hence here.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
