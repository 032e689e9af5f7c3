"""One run against one destination: what it needs, and the lock that keeps two runs from interleaving."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from psycopg2.extensions import connection

from credit_schemas.catalogue import load_catalogue
from credit_schemas.county import load_county
from credit_warehouse.connect import connect
from credit_warehouse.contract import require_step
from credit_warehouse.keys import load_keys
from credit_warehouse.settings import SettingMissing, Settings, load_settings

from .access import load_access
from .destinations import Destination, load_destinations
from .errors import DestinationBusy, UnknownDestination
from .rendering import Digests, Renderer
from .transports import TRANSPORTS, Transport

# A killed run's lock goes when PostgreSQL notices that its connection is gone: at once on one machine.
LOCK_PATIENCE_S = 5.0
LOCK = "SELECT pg_try_advisory_lock(hashtext('credit forward'), hashtext(%s))"


@dataclass(frozen=True)
class Session:
    """One run against one destination; its connection works in short transactions."""

    destination: Destination
    enabled: tuple[str, ...]
    con: connection
    transport: Transport
    digests: Digests
    renderers: Mapping[str, Renderer]
    as_of: date


@contextmanager
def open_session(name: str, as_of: date | None, settings: Settings | None) -> Iterator[Session]:
    """Everything a run needs, under the destination's lock.

    Raises:
        UnknownDestination, SettingMissing, InsecureAddress: What is missing is named.
        DestinationBusy: Another run has the lock.
        OutOfStep: This program and the database are not of one age.
    """
    settings = settings or load_settings()
    county = load_county()
    known = load_destinations(county)
    if name not in known:
        raise UnknownDestination(name, known)
    destination = known[name]
    access = load_access(destination, settings)
    if settings.keys is None:
        raise SettingMissing("credit_keys")
    keys = load_keys(settings.keys)
    today = as_of or datetime.now(county.zone).date()
    with (
        closing(connect(settings, "forward")) as con,
        closing(TRANSPORTS[destination.transport](destination, access)) as transport,
    ):
        _lock(con, name)
        require_step(con, load_catalogue().datasets.values())
        yield Session(
            destination=destination,
            enabled=tuple(sorted(d.id for d in known.values() if d.enabled)),
            con=con,
            transport=transport,
            digests=Digests(keys.lookup_secret),
            renderers={d: Renderer(destination, r, keys, transport, today) for d, r in destination.routes.items()},
            as_of=today,
        )


def _lock(con: connection, name: str) -> None:
    """Take the destination's lock for as long as this connection lives."""
    patience = time.monotonic() + LOCK_PATIENCE_S
    while True:
        with con, con.cursor() as cur:
            cur.execute(LOCK, [name])
            row = cur.fetchone()
        if row and row[0]:
            return
        if time.monotonic() > patience:
            raise DestinationBusy(name)
        time.sleep(0.2)
