"""Connections to the warehouse, each as the role of its service."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import connection, make_dsn

from .roles import role_name
from .settings import Settings

# A service that waits for the database longer than this is better off reporting it and trying again.
CONNECT_TIMEOUT_S = 10


def dsn(settings: Settings, service: str) -> str:
    """The libpq DSN of a service (`owner`, `consumer`, `relay`, `quality`, `forward`, `reader`)."""
    return make_dsn(
        host=settings.database_host,
        port=settings.database_port,
        dbname=settings.database_name,
        user=role_name(service),
        password=settings.database_password(service),
        sslmode=settings.database_sslmode,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=f"credit {service}",
    )


def connect(settings: Settings, service: str) -> connection:
    """A new connection as the role of a service; the caller closes it."""
    return psycopg2.connect(dsn(settings, service))
