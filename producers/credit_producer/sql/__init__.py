"""Databases as sources: a table or query in, the same rows as from a file out, only what is new or changed.

    settings = read_source(Path("frxzcf.toml"))
    with CheckedTable(settings, dataset, context, "market", catalogue) as rows:
        for outcome in rows: …

Needs SQLAlchemy (`credit-producer[sql]`) and the driver of the database. Reads only; the address of the database with
its password comes from the environment, never from a file.
"""

from .errors import SourceError
from .settings import SourceSettings, read_source
from .table import CheckedTable

__all__ = ["CheckedTable", "SourceError", "SourceSettings", "read_source"]
