"""Where a destination is and how we prove who we are: settings, never part of the county folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from credit_warehouse.settings import ENV_FILE, SettingMissing, Settings

from .destinations import Destination
from .errors import InsecureAddress

PREFIX = "CREDIT_DESTINATION_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Access(BaseSettings):
    """The settings CREDIT_DESTINATION_<ID>_…: url, secret, client, cafile, allow_http."""

    model_config = SettingsConfigDict(extra="ignore")

    url: str = ""
    secret: SecretStr | None = None
    client: str = ""
    cafile: Path | None = None
    allow_http: bool = False

    @property
    def key(self) -> bytes:
        """The signing key; `load_access` made sure that there is one."""
        return self.secret.get_secret_value().encode() if self.secret else b""


def load_access(destination: Destination, settings: Settings) -> Access:
    """The access settings of a destination, from the environment or `center.env`; the file's values fill the gaps.

    Raises:
        SettingMissing: No address or no secret.
        InsecureAddress: The address is plain HTTP to another machine.
    """
    prefix = f"{PREFIX}{destination.id.upper()}_"
    # Prefix and file differ by destination and run folder; pydantic-settings takes both as keywords unknown to mypy.
    given = Access(  # type: ignore[call-arg]
        _env_prefix=prefix, _env_file=settings.home / ENV_FILE, _secrets_dir=settings.secrets
    )
    url = given.url or destination.url
    if not url:
        raise SettingMissing(f"{prefix}url")
    if not given.secret or not given.secret.get_secret_value():
        raise SettingMissing(f"{prefix}secret")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK and not given.allow_http:
        raise InsecureAddress(destination.id, url)
    return given.model_copy(update={"url": url.rstrip("/"), "client": given.client or destination.client})
