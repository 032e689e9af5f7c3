"""One unit's configuration: the file `<home>/units/<unit>.toml` that the center hands to a department."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from credit_schemas.home import find_home, write_private
from credit_schemas.sealing import BadKey, PublicKey
from credit_schemas.topics import intake_topic, receipts_topic

from .errors import NoSettings, SettingsError, why

# As long as the digest of the Kafka key needs: 128 bits cannot be searched.
SALT_BYTES = 16

_WRONG = {
    "missing": "缺少这一项",
    "extra_forbidden": "不认识这一项，请检查拼写",
    "string_type": "应当是文字（加引号）",
    "string_too_short": "不能为空",
    "list_type": "应当是列表，例如 ['10.0.0.1:9093']",
    "too_short": "不能为空",
    "literal_error": "不是可选的值",
    "model_type": "应当是一个小节，例如 [kafka]",
}


class KafkaLogin(BaseModel):
    """Where Kafka is and who we are there. A password stands in the file, or in the environment variable named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bootstrap: list[str] = Field(min_length=1)
    username: str = Field(min_length=1)
    password: SecretStr | None = None
    password_env: str | None = None
    cafile: Path | None = None
    security_protocol: Literal["SASL_SSL"] = "SASL_SSL"
    mechanism: Literal["SCRAM-SHA-512"] = "SCRAM-SHA-512"

    @field_validator("bootstrap", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("bootstrap")
    @classmethod
    def _with_port(cls, value: list[str]) -> list[str]:
        for server in value:
            if not server.rpartition(":")[0] or not server.rpartition(":")[2].isdecimal():
                raise ValueError("每个地址都要写成 主机:端口")
        return value

    @model_validator(mode="after")
    def _has_password(self) -> KafkaLogin:
        if (self.password is None) == (self.password_env is None):
            raise ValueError("password 和 password_env 要写一个，也只能写一个")
        if self.password_env and not os.environ.get(self.password_env):
            raise ValueError(f"password_env 指的环境变量 {self.password_env} 没有设置")
        return self

    def client_config(self) -> dict[str, Any]:
        """Connection settings of any kafka-python client."""
        password = self.password.get_secret_value() if self.password else os.environ[self.password_env or ""]
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
            "ssl_cafile": str(self.cafile) if self.cafile else None,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": password,
        }


class UnitSettings(BaseModel):
    """What a producer of one unit must know. Frozen; shows no secret when printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    county: str
    center_key: str
    salt: SecretStr
    spool: Path
    # Where sealed attachments wait to be collected by the center: often a mounted share.
    attachments: Path
    kafka: KafkaLogin

    @field_validator("center_key")
    @classmethod
    def _a_key(cls, value: str) -> str:
        try:
            return str(PublicKey.parse(value))
        except BadKey as wrong:
            raise ValueError(wrong.reason) from None

    @field_validator("salt")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        try:
            if len(bytes.fromhex(value.get_secret_value())) >= SALT_BYTES:
                return value
        except ValueError:
            pass
        raise ValueError(f"应当是至少 {2 * SALT_BYTES} 位的十六进制数")

    @model_validator(mode="after")
    def _names(self) -> UnitSettings:
        try:
            intake_topic(self.county, self.unit)
        except ValueError:
            raise ValueError("unit 应当是单位代码（如 market），county 应当是 6 位区划代码") from None
        return self

    @property
    def public_key(self) -> PublicKey:
        """The center's key that personal numbers are sealed for."""
        return PublicKey.parse(self.center_key)

    @property
    def key_salt(self) -> bytes:
        """The unit's own salt: Kafka keys and digests of different units cannot be compared."""
        return bytes.fromhex(self.salt.get_secret_value())

    @property
    def intake(self) -> str:
        """The topic this unit writes."""
        return intake_topic(self.county, self.unit)

    @property
    def receipts(self) -> str:
        """The topic this unit reads."""
        return receipts_topic(self.county, self.unit)


def unit_config_path(unit: str, home: Path | None = None) -> Path:
    """Where the configuration of a unit (by code) is looked for."""
    return (home or find_home()) / "units" / f"{unit}.toml"


def configured_units(home: Path | None = None) -> list[str]:
    """Codes of the units this machine holds a configuration of."""
    return sorted(path.stem for path in ((home or find_home()) / "units").glob("*.toml"))


def read_settings(path: Path) -> UnitSettings:
    """Read a configuration file; paths in it are relative to its folder; without them, the run folder has the places.

    Raises:
        NoSettings: there is no such file.
        SettingsError: naming the file and every key at fault.
    """
    path = path.expanduser().absolute()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoSettings(path, _which()) from None
    except OSError as error:
        raise SettingsError(path, [("", f"读不出来：{why(error)}")]) from None
    except UnicodeDecodeError:
        raise SettingsError(path, [("", "不是 UTF-8 编码")]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(path, [("", f"不是正确的 TOML（{toml_place(error)}）")]) from None
    _resolve(raw, path)
    try:
        settings = UnitSettings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(path, [_defect(e) for e in error.errors(include_input=False, include_url=False)]) from None
    if settings.kafka.cafile and not settings.kafka.cafile.is_file():
        raise SettingsError(path, [("kafka.cafile", f"没有证书文件 {settings.kafka.cafile}")])
    return settings


def write_unit_config(
    path: Path,
    *,
    unit: str,
    county: str,
    bootstrap: str | list[str],
    username: str,
    password: str,
    center_key: str,
    cafile: Path | None = None,
    salt: str | None = None,
    spool: Path | None = None,
    attachments: Path | None = None,
) -> UnitSettings:
    """Write the configuration the center hands to a unit (mode 0600, whole or not at all) and read it back.

    Without `salt` the file's own one is kept, else a new one is drawn: another salt would change the keys of all
    records the unit has ever sent.
    """
    if salt is None:
        try:
            salt = str(tomllib.loads(path.read_text(encoding="utf-8"))["salt"])
        except (OSError, ValueError, KeyError):
            salt = secrets.token_hex(SALT_BYTES)
    servers = bootstrap if isinstance(bootstrap, list) else [bootstrap]
    lines = [
        "# 报送单位的配置，由大数据中心生成。含有口令，请勿转发；不要改动 salt。",
        f"unit = {_toml(unit)}",
        f"county = {_toml(county)}",
        f"center_key = {_toml(center_key)}",
        f"salt = {_toml(salt)}",
        *([f"spool = {_toml(str(spool))}"] if spool else []),
        *([f"attachments = {_toml(str(attachments))}"] if attachments else []),
        "",
        "[kafka]",
        f"bootstrap = [{', '.join(_toml(s) for s in servers)}]",
        f"username = {_toml(username)}",
        f"password = {_toml(password)}",
        *([f"cafile = {_toml(str(cafile))}"] if cafile else []),
    ]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, "\n".join(lines) + "\n")
    return read_settings(path)


def _toml(text: str) -> str:
    # A JSON string is a TOML basic string, except that TOML also wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _resolve(raw: dict[str, Any], path: Path) -> None:
    kafka = raw.get("kafka")
    if isinstance(kafka, dict) and isinstance(kafka.get("cafile"), str):
        kafka["cafile"] = str(path.parent / Path(kafka["cafile"]).expanduser())
    unit = raw.get("unit", path.stem)
    for key, own in (("spool", f"spool/{unit}.sqlite"), ("attachments", f"attachments/out/{unit}")):
        if key not in raw:
            raw[key] = str(find_home() / own)
        elif isinstance(raw[key], str):
            raw[key] = str(path.parent / Path(raw[key]).expanduser())


def _defect(error: Any) -> tuple[str, str]:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        return key, str(error["ctx"]["error"])
    return key, _WRONG.get(error["type"], "格式不对")


def toml_place(error: tomllib.TOMLDecodeError) -> str:
    """Where a TOML file is wrong, in Chinese."""
    # Only the place: the parser's own words may quote a line with a password in it.
    found = str(error).rpartition("(at ")[2].rstrip(")")
    return found.replace("line ", "第 ").replace(", column ", " 行第 ") + " 列" if "line" in found else "文件末尾"


def _which() -> str:
    units = configured_units()
    return f"本机现有配置的单位：{'、'.join(units)}。" if units else ""
