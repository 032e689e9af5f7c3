"""The center's settings, from the environment (prefix CREDIT_) or from `center.env` in the run folder.

Each service needs only its own password; a setting that a service does not use may be absent. A password may also
be a file of its own in the folder CREDIT_SECRETS (container secrets), named as the setting in small letters.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from credit_schemas.home import find_home

ENV_FILE = "center.env"
SECRETS = "CREDIT_SECRETS"


class SettingMissing(Exception):
    """A setting this service needs is not there."""

    retriable = False

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"缺少设置 {name.upper()}；请在环境变量或运行目录的 {ENV_FILE} 中填写。")


class Settings(BaseSettings):
    """Where the servers are and how this service logs in."""

    model_config = SettingsConfigDict(env_prefix="CREDIT_", extra="ignore")

    home: Path = Path(".credit")
    secrets: Path | None = None
    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_name: str = "credit"
    database_sslmode: str = "prefer"
    database_password_owner: SecretStr | None = None
    database_password_consumer: SecretStr | None = None
    database_password_relay: SecretStr | None = None
    database_password_quality: SecretStr | None = None
    database_password_forward: SecretStr | None = None
    database_password_reader: SecretStr | None = None
    database_password_attachments: SecretStr | None = None

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_cafile: Path | None = None
    kafka_password_consumer: SecretStr | None = None
    kafka_password_relay: SecretStr | None = None
    kafka_password_airflow: SecretStr | None = None

    # Center keys: center-*.pem (private keys that open sealed numbers), lookup.key and at-rest-*.key (32 bytes).
    keys: Path | None = None
    # Where attachments are kept encrypted (`<home>/attachments` without it), and where units hand them over, a folder
    # for each unit (`in` below it).
    attachments: Path | None = None
    attachments_in: Path | None = None
    # A test stack may trust the producer's clock, so that past days can be played; every figure then says so.
    trust_producer_time: bool = False
    # From how many plain rows of one dataset in a batch the loader takes them together, by columns: below it that costs
    # more than it saves. 0: never, every event goes row by row (ten times slower, and the same comes of it).
    bulk_from: int = 200

    def database_password(self, service: str) -> str:
        """The password of a service's role. Raises SettingMissing."""
        secret: SecretStr | None = getattr(self, f"database_password_{service}")
        if secret is None:
            raise SettingMissing(f"credit_database_password_{service}")
        return secret.get_secret_value()

    def kafka_client(self, service: str) -> dict[str, object]:
        """kafka-python settings of a center service (`consumer`, `relay`, `airflow`). Raises SettingMissing."""
        secret: SecretStr | None = getattr(self, f"kafka_password_{service}")
        if secret is None:
            raise SettingMissing(f"credit_kafka_password_{service}")
        return {
            "bootstrap_servers": self.kafka_bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.kafka_cafile) if self.kafka_cafile else None,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": f"center.{service}",
            "sasl_plain_password": secret.get_secret_value(),
        }


@cache
def load_settings() -> Settings:
    """The settings of this process: environment first, then `center.env` of the run folder."""
    home = find_home()
    # The values come from the environment; pydantic-settings takes the file as a keyword that mypy does not know.
    return Settings(_env_file=home / ENV_FILE, _secrets_dir=secrets_folder(), home=home)  # type: ignore[call-arg]


def secrets_folder() -> Path | None:
    """The folder of secret files that the environment names."""
    named = os.environ.get(SECRETS)
    return Path(named) if named else None
