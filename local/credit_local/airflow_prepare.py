"""Make Airflow's metadata ready: tables of this version, roles, the one login.

Run as a program (`python -m credit_local.airflow_prepare`) with Airflow's environment plus
CREDIT_AIRFLOW_USER and CREDIT_AIRFLOW_PASSWORD, and perhaps CREDIT_AIRFLOW_POOLS (names, parted by commas); never
imported, because importing Airflow reads the environment once for the whole process.
"""

from __future__ import annotations

import os

from airflow.models.pool import Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils import db
from airflow.utils.providers_configuration_loader import providers_configuration_loaded


@providers_configuration_loaded
def prepare(user: str, password: str) -> None:
    """What `airflow db migrate`, `sync-perm` and `users create` do, with one import of Airflow; repeatable.

    An existing login gets this password: the state file may be newer than the database.
    """
    db.initdb()
    with get_application_builder() as builder:
        builder.add_permissions(update_perms=True)
        manager = builder.sm
        manager.sync_roles()
        known = manager.find_user(username=user)
        if known is not None:
            done = manager.reset_password(known.id, password)
        else:
            role = manager.find_role("Admin")
            # The address is required and unique; .invalid is reserved, so no mail can ever be sent.
            done = manager.add_user(user, "系统", "管理员", f"{user}@example.invalid", role, password)
    if not done:
        raise SystemExit("could not set the Airflow login")


def ensure_pools(names: list[str]) -> None:
    """Make each missing pool with one slot; a pool that exists keeps the size an operator gave it."""
    for name in names:
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots=1, description="", include_deferred=False)


if __name__ == "__main__":
    prepare(os.environ["CREDIT_AIRFLOW_USER"], os.environ["CREDIT_AIRFLOW_PASSWORD"])
    ensure_pools([name for name in os.environ.get("CREDIT_AIRFLOW_POOLS", "").split(",") if name])
