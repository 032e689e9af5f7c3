"""What a county needs on a broker and in a database: used by the embedded stack and by a deployment alike.

Everything here may be repeated, and nothing is ever removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg2
from kafka.admin import KafkaAdminClient
from psycopg2 import sql

from credit_consumer.topics import ProvisionReport, provision
from credit_producer.settings import read_settings, unit_config_path, write_unit_config
from credit_schemas import topics as names
from credit_schemas.catalogue import Catalogue
from credit_warehouse.connect import dsn
from credit_warehouse.keys import create_keys, load_keys
from credit_warehouse.migrate import migrate
from credit_warehouse.roles import SERVICES, create_roles
from credit_warehouse.settings import Settings

# Bytes of a generated password: 192 bits cannot be guessed, and URL-safe characters need no quoting anywhere.
PASSWORD_BYTES = 24


@dataclass(frozen=True)
class Handout:
    """What every unit's configuration says alike.

    Attributes:
        home: the configurations are `<home>/units/<unit>.toml`.
        bootstrap: where departments reach the broker.
        cafile: the certificate to trust; a relative path is relative to the configuration's folder; None for
            one that every machine trusts.
        spools: folder of the units' spools; None leaves the place to the department's machine.
        attachments: folder in which every unit has one to hand attachments over; None as for spools.
    """

    home: Path
    bootstrap: str
    cafile: Path | None
    spools: Path | None = None
    attachments: Path | None = None


def new_password() -> str:
    """A password nobody has to type."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def prepare_database(superuser_dsn: str, settings: Settings, catalogue: Catalogue, today: date) -> list[str]:
    """Roles with the passwords of `settings`, the database, its tables; returns the migrations applied now.

    Raises:
        SettingMissing: a service has no password.
        psycopg2.Error: the server refused.
    """
    passwords = {service: settings.database_password(service) for service in ("owner", *SERVICES)}
    create_roles(superuser_dsn, settings.database_name, passwords)
    return migrate(dsn(settings, "owner"), catalogue.datasets.values(), today)


def ensure_owned_database(superuser_dsn: str, name: str, password: str) -> None:
    """A database that belongs to the login of the same name: for a program that keeps its own tables (Airflow)."""
    with closing(psycopg2.connect(superuser_dsn)) as con:
        con.autocommit = True  # CREATE DATABASE cannot stand in a transaction
        with con.cursor() as cur:
            cur.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
            verb, role = sql.SQL("ALTER" if cur.fetchone() else "CREATE"), sql.Identifier(name)
            cur.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, sql.Literal(password)))
            cur.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not cur.fetchone():
                cur.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(role, role)
                )
            cur.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))


def unit_principals(catalogue: Catalogue) -> dict[str, str]:
    """Unit code to Kafka user name, of all units of the county."""
    return {unit.code: names.unit_principal(unit.code) for unit in catalogue.county.units}


def handed_out_passwords(catalogue: Catalogue, home: Path) -> dict[str, str]:
    """Password by unit principal: the one in the unit's configuration, else a new one.

    The configuration a department holds must stay valid, however often the center prepares again.

    Raises:
        SettingsError: a configuration that exists cannot be read; it is mended or removed by a person.
    """
    return {
        principal: _handed_out(unit_config_path(unit, home)) or new_password()
        for unit, principal in unit_principals(catalogue).items()
    }


def prepare_broker(
    admin: KafkaAdminClient,
    catalogue: Catalogue,
    passwords: Mapping[str, str],
    handout: Handout,
    keys: Path,
    *,
    replication: int = 1,
    trust_producer_time: bool = False,
) -> ProvisionReport:
    """Topics, rights and users of the county, the center's keys if absent, and each unit's configuration.

    Args:
        admin: a client logged in as super user.
        passwords: password by principal; every unit's, and those of the services that shall log in.
        keys: folder of the center's keys.
        replication: copies of each topic; 3 on a cluster.

    Raises:
        ProvisionError: the broker refused something.
        KafkaError: the broker cannot be reached, or the login is wrong.
        KeysMissing: the folder holds some of its keys only.
    """
    county, principals = catalogue.county, unit_principals(catalogue)
    create_keys(keys)
    # Configurations first: a password set at the broker and then lost could not be handed out.
    center_key = str(load_keys(keys).center[-1].public)
    for unit, principal in principals.items():
        write_unit_config(
            unit_config_path(unit, handout.home),
            unit=unit,
            county=county.code,
            bootstrap=handout.bootstrap.split(","),
            username=principal,
            password=passwords[principal],
            center_key=center_key,
            cafile=handout.cafile,
            spool=handout.spools / f"{unit}.sqlite" if handout.spools else None,
            attachments=handout.attachments / unit if handout.attachments else None,
        )
    return provision(
        admin,
        county.code,
        principals,
        passwords,
        replication=replication,
        trust_producer_time=trust_producer_time,
    )


def _handed_out(path: Path) -> str | None:
    return str(read_settings(path).kafka.client_config()["sasl_plain_password"]) if path.exists() else None
