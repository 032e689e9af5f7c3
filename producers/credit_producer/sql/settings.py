"""The TOML file that describes a database source.

[database]
url_env = "MARKET_DB_URL"        # the environment variable with the address; never the address itself

[source]
table = "dbo.frxzcf"             # or: query = "SELECT …", then with a name
key = "ID"                       # what identifies a row for life; several: ["ND", "XH"]
watermark = "SJC"                # optional: grows whenever a row is added or changed
import_map = "2015"              # optional: the columns are those of an older standard

[columns]                        # optional: database column = column code or Chinese name
AJBH = "CF_WSH"

[constants]                      # optional: what every row has
CF_XDR_LB = "自然人"
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import why
from ..settings import toml_place
from .errors import BadDescription

NAME = re.compile(r"[\w.-]{1,60}")
_SELECT = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)
# Words that would be a secret in the file; told apart from a mere slip.
_SECRET = re.compile(r"url|dsn|password|passwd|pwd|user|口令|密码", re.IGNORECASE)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Database(_Section):
    """Where the database is: the environment says so."""

    url_env: str = Field(min_length=1)

    @property
    def url(self) -> str:
        """The address, with whatever secret is in it. Raises KeyError when the variable is not set."""
        return os.environ[self.url_env]


class Read(_Section):
    """What is read of it."""

    table: str | None = None
    query: str | None = None
    name: str = ""
    key: list[str] = Field(min_length=1)
    watermark: str | None = None
    # Days (numbers: units) before the watermark that are read once more: who wrote later may have begun earlier.
    overlap: int | None = Field(default=None, ge=0)
    import_map: str | None = None

    @field_validator("key", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("query")
    @classmethod
    def _one_select(cls, value: str | None) -> str | None:
        if value is None:
            return None
        text = value.strip().rstrip(";").rstrip()
        if not _SELECT.match(text) or ";" in text:
            raise ValueError("应当是一条 SELECT 语句（可以用 WITH 开头），里面不能有分号")
        return text

    @model_validator(mode="before")
    @classmethod
    def _named(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            if (raw.get("table") is None) == (raw.get("query") is None):
                raise ValueError("table 和 query 要写一个，也只能写一个")
            if raw.get("query") is not None and not raw.get("name"):
                raise ValueError("用 query 时要写 name（这个来源的名称，以后不要改）")
            raw = {**raw, "name": raw.get("name") or str(raw.get("table")).rpartition(".")[2]}
        return raw

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("名称用字母、数字、汉字、下划线、点和短横线，最多 60 个字")
        return value

    @property
    def shown(self) -> str:
        """What a person calls the source."""
        return self.table or self.name


class SourceSettings(_Section):
    """A database source."""

    database: Database
    source: Read
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Changes when anything changes that decides which rows are read, and as what."""
        decides = self.model_dump_json(exclude={"database": True, "source": {"overlap"}})
        return hashlib.sha256(decides.encode()).hexdigest()[:16]


_WRONG = {
    "missing": "缺少这一项",
    "string_type": "应当是文字（加引号）",
    "string_too_short": "不能为空",
    "too_short": "不能为空",
    "list_type": "应当是列名，或列名的列表",
    "int_type": "应当是整数",
    "greater_than_equal": "不能是负数",
    "model_type": "应当是一个小节，例如 [source]",
    "dict_type": "应当是一个小节，例如 [columns]",
}


def read_source(path: Path) -> SourceSettings:
    """Read the description of a source.

    Raises:
        BadDescription: naming the file and every key at fault; what stands in the file is not quoted.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDescription(path, [("", f"读不出来：{why(error)}")]) from None
    except UnicodeDecodeError:
        raise BadDescription(path, [("", "不是 UTF-8 编码")]) from None
    except tomllib.TOMLDecodeError as error:
        said = f"不是正确的 TOML（{toml_place(error)}）；中文的列名要加引号"
        raise BadDescription(path, [("", said)]) from None
    try:
        settings = SourceSettings.model_validate(raw)
    except ValidationError as error:
        raise BadDescription(path, [_defect(e) for e in error.errors(include_input=False, include_url=False)]) from None
    if not os.environ.get(settings.database.url_env):
        raise BadDescription(path, [("database.url_env", f"环境变量 {settings.database.url_env} 没有设置")])
    return settings


def _defect(error: Any) -> tuple[str, str]:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        return key, str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        if _SECRET.search(str(error["loc"][-1])):
            return key, "不要把数据库地址和口令写在文件里：放进环境变量，在 database.url_env 写变量的名称"
        return key, "不认识这一项，请检查拼写"
    return key, _WRONG.get(error["type"], "格式不对")
