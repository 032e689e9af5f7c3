"""A deployment on servers of its own (docker-compose.yml, or any broker and database): what `credit up` does at home.

Everything comes from settings: environment variables, or files in the folder CREDIT_SECRETS.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg2
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from psycopg2.extensions import make_dsn
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from credit_platforms.destinations import destination_ids
from credit_schemas.catalogue import load_catalogue
from credit_schemas.home import write_private
from credit_warehouse.connect import CONNECT_TIMEOUT_S
from credit_warehouse.roles import SERVICES
from credit_warehouse.settings import ENV_FILE, SettingMissing, Settings, secrets_folder

from .airflow_settings import KAFKA_CONNECTION, environment, kafka_connection
from .errors import LocalError
from .provisioning import (
    Handout,
    ensure_owned_database,
    handed_out_passwords,
    new_password,
    prepare_broker,
    prepare_database,
)

# The services that log in at the broker; the portal gets its login when it is deployed.
KAFKA_SERVICES = ("consumer", "relay", "airflow")
AIRFLOW_PORT = 8080
CA_NAME = "ca.pem"
# A wrong password shows only as silence: kafka-python would wait for 30 s. A busy broker answers within two.
KAFKA_ANSWER_MS = 10_000

Say = Callable[[str], None]


class Unreachable(LocalError):
    """A server of the deployment does not answer, or does not let its administrator in."""

    retriable = True

    def __init__(self, server: str, address: str, why: str) -> None:
        self.server, self.address = server, address
        reason = why.strip().splitlines()[0] if why.strip() else "没有说明"
        super().__init__(
            f"{server}（{address}）连不上或不能登录：{reason}。请检查地址、证书和管理员口令，确认它在运行，然后重试。"
        )


class DeploySettings(BaseSettings):
    """What only the preparation and Airflow need, beside the center's settings."""

    model_config = SettingsConfigDict(env_prefix="CREDIT_", extra="ignore")

    database_admin_user: str = "postgres"
    database_admin_password: SecretStr | None = None
    kafka_admin_user: str = "admin"
    kafka_admin_password: SecretStr | None = None
    kafka_replication: int = 1
    # Where departments reach the broker, when it is not where the center does.
    unit_bootstrap: str = ""

    dags: Path | None = None
    airflow_database: str = "airflow"
    airflow_database_password: SecretStr | None = None
    airflow_fernet_key: SecretStr | None = None
    airflow_jwt_secret: SecretStr | None = None
    airflow_secret_key: SecretStr | None = None
    airflow_admin_user: str = "admin"
    airflow_admin_password: SecretStr | None = None
    # Where the services of Airflow reach its API, and where people do.
    airflow_api: str = f"http://127.0.0.1:{AIRFLOW_PORT}"
    airflow_url: str = f"http://127.0.0.1:{AIRFLOW_PORT}"

    def secret(self, name: str) -> str:
        """The value of a secret setting. Raises SettingMissing."""
        value: SecretStr | None = getattr(self, name)
        if value is None or not value.get_secret_value():
            raise SettingMissing(f"credit_{name}")
        return value.get_secret_value()


def load_deploy_settings(settings: Settings) -> DeploySettings:
    """From the environment, `center.env` and the secrets folder."""
    # pydantic-settings takes the two as keywords that mypy does not know.
    return DeploySettings(_env_file=settings.home / ENV_FILE, _secrets_dir=secrets_folder())  # type: ignore[call-arg]


def prepare(settings: Settings, deploy: DeploySettings, say: Say) -> None:
    """Database, keys, broker, units' configurations and (where it has a password) Airflow; may be repeated.

    Raises:
        SettingMissing: a password is not set.
        Unreachable: a server does not answer, or does not know the administrator.
        ProvisionError: the broker refused a part.
        SettingsError: a unit's configuration of an earlier run cannot be read.
        LocalError: Airflow's metadata could not be made.
    """
    catalogue = load_catalogue()
    superuser = _superuser_dsn(settings, deploy)
    try:
        applied = prepare_database(superuser, settings, catalogue, date.today())
    except psycopg2.OperationalError as error:
        raise Unreachable("数据库", f"{settings.database_host}:{settings.database_port}", str(error)) from error
    say(f"数据库：角色已建立，执行升级 {len(applied)} 项。")
    units = settings.home / "units"
    handout = Handout(settings.home, deploy.unit_bootstrap or settings.kafka_bootstrap, _ca_for_units(settings, units))
    passwords = handed_out_passwords(catalogue, settings.home)
    for service in KAFKA_SERVICES:
        passwords[f"center.{service}"] = str(settings.kafka_client(service)["sasl_plain_password"])
    try:
        with closing(KafkaAdminClient(**_admin_client(settings, deploy))) as admin:
            report = prepare_broker(
                admin,
                catalogue,
                passwords,
                handout,
                settings.keys or settings.home / "keys",
                replication=deploy.kafka_replication,
                trust_producer_time=settings.trust_producer_time,
            )
    except KafkaError as error:
        raise Unreachable("Kafka", settings.kafka_bootstrap, type(error).__name__) from error
    say(
        f"Kafka：新建主题 {len(report.created)} 个，补充权限 {report.rights_added} 条，"
        f"设置账号 {len(report.users)} 个。"
    )
    say(f"单位配置：{units}，共 {len(list(catalogue.county.units))} 个；连同 {CA_NAME} 分别交给各单位。")
    if deploy.airflow_database_password is None:
        say("Airflow：没有设置 CREDIT_AIRFLOW_DATABASE_PASSWORD，跳过。")
        return
    ensure_owned_database(superuser, deploy.airflow_database, deploy.secret("airflow_database_password"))
    _prepare_airflow(settings, deploy)
    say(f"Airflow：元数据库已就绪，用户 {deploy.airflow_admin_user}。")


def airflow_environment(settings: Settings, deploy: DeploySettings) -> dict[str, str]:
    """The whole environment of an Airflow service of the deployment. Raises SettingMissing."""
    if deploy.dags is None:
        raise SettingMissing("credit_dags")
    # The name the services know each other by must not be asked of a proxy.
    direct = f"127.0.0.1,localhost,{urlsplit(deploy.airflow_api).hostname}"
    login = settings.kafka_client("airflow")
    return environment(
        settings.home / "airflow",
        database_dsn=_airflow_dsn(settings, deploy),
        dags_folder=deploy.dags,
        port=AIRFLOW_PORT,
        secrets={name: deploy.secret(f"airflow_{name}") for name in ("fernet_key", "jwt_secret", "secret_key")},
        extra={
            KAFKA_CONNECTION: kafka_connection(
                settings.kafka_bootstrap,
                str(login["sasl_plain_username"]),
                str(login["sasl_plain_password"]),
                settings.kafka_cafile or "",
            ),
            # In its container; which addresses of the host lead here is docker-compose.yml's business.
            "AIRFLOW__API__HOST": "0.0.0.0",  # noqa: S104
            "AIRFLOW__API__BASE_URL": deploy.airflow_url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{deploy.airflow_api}/execution/",
            "NO_PROXY": direct,
            "no_proxy": direct,
        },
    )


def write_secrets(folder: Path) -> list[str]:
    """Make each missing secret file of the deployment (mode 0600); returns the names of those made now.

    A destination's key is given by the platform above: its file is made empty, to be filled in.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name, make in secret_files().items():
        if not (folder / name).exists():
            write_private(folder / name, make())
            made.append(name)
    return made


def secret_files() -> Mapping[str, Callable[[], str]]:
    """Name of each secret file to what makes its first content."""
    database = [f"credit_database_password_{service}" for service in ("owner", *SERVICES)]
    kafka = [f"credit_kafka_password_{service}" for service in KAFKA_SERVICES]
    plain = [
        "credit_database_admin_password",
        "credit_kafka_admin_password",
        "credit_kafka_controller_password",
        "credit_airflow_database_password",
        "credit_airflow_admin_password",
    ]
    return {
        **dict.fromkeys([*plain, *database, *kafka], new_password),
        "credit_airflow_fernet_key": lambda: urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "credit_airflow_jwt_secret": lambda: secrets.token_hex(64),  # HS512: as long as its hash
        "credit_airflow_secret_key": lambda: secrets.token_hex(32),
        **{f"credit_destination_{destination}_secret": str for destination in destination_ids()},
    }


def _superuser_dsn(settings: Settings, deploy: DeploySettings) -> str:
    return make_dsn(
        host=settings.database_host,
        port=settings.database_port,
        dbname="postgres",
        user=deploy.database_admin_user,
        password=deploy.secret("database_admin_password"),
        sslmode=settings.database_sslmode,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name="credit prepare",
    )


def _admin_client(settings: Settings, deploy: DeploySettings) -> dict[str, object]:
    return {
        **settings.kafka_client("consumer"),
        "sasl_plain_username": deploy.kafka_admin_user,
        "sasl_plain_password": deploy.secret("kafka_admin_password"),
        "bootstrap_timeout_ms": KAFKA_ANSWER_MS,
    }


def _ca_for_units(settings: Settings, units: Path) -> Path | None:
    """Put the certificate beside the configurations, which name it without a folder: both are handed out."""
    if settings.kafka_cafile is None:
        return None
    units.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(settings.kafka_cafile, units / CA_NAME)
    return Path(CA_NAME)


def _airflow_dsn(settings: Settings, deploy: DeploySettings) -> str:
    password = quote(deploy.secret("airflow_database_password"), safe="")
    place = f"{settings.database_host}:{settings.database_port}/{deploy.airflow_database}"
    login = f"{deploy.airflow_database}:{password}"
    return f"postgresql+psycopg2://{login}@{place}?sslmode={settings.database_sslmode}"


def _prepare_airflow(settings: Settings, deploy: DeploySettings) -> None:
    folder = settings.home / "airflow"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = {
        **airflow_environment(settings, deploy),
        "CREDIT_AIRFLOW_USER": deploy.airflow_admin_user,
        "CREDIT_AIRFLOW_PASSWORD": deploy.secret("airflow_admin_password"),
        "CREDIT_AIRFLOW_POOLS": ",".join(f"destination_{destination}" for destination in destination_ids()),
    }
    done = subprocess.run([sys.executable, "-m", f"{__package__}.airflow_prepare"], env=env, cwd=folder)
    if done.returncode:
        raise LocalError(f"Airflow 的元数据库没有准备好（退出码 {done.returncode}）；原因见上面的输出。")
