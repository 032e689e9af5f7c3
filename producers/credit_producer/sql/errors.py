"""Errors of database sources. A driver's own words are never shown: they quote addresses, passwords and values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ProducerError, SettingsError


class SourceError(ProducerError):
    """A database source cannot be read; `code` for programs, `message` for the person."""

    def __init__(self, code: str, message: str, *, retriable: bool = False) -> None:
        self.code = code
        self.message = message
        self.retriable = retriable
        super().__init__(message)


class BadDescription(SettingsError):
    """The file that describes a source is wrong; `defects` holds (key, what is wrong)."""

    def __init__(self, path: Path, defects: Sequence[tuple[str, str]]) -> None:
        self.path = path
        self.defects = tuple(defects)
        listing = "；".join(f"{key}：{text}" if key else text for key, text in self.defects)
        ProducerError.__init__(self, f"来源说明 {path} 不能用：{listing}。请对照部门接入指南第七节改正后重试。")


def not_installed() -> SourceError:
    """SQLAlchemy is missing."""
    return SourceError(
        "no_sqlalchemy", "读数据库要装 SQLAlchemy：pip install 'credit-producer[sql]'，以及所用数据库的驱动。"
    )


def no_driver(module: str) -> SourceError:
    """The driver the address names is missing."""
    return SourceError("no_driver", f"没有安装数据库驱动 {module}；请运行 pip install {module}，或改用已安装的驱动。")


def broken(kind: str, doing: str) -> SourceError:
    """The database failed in the middle of something."""
    return SourceError(
        "database",
        f"{doing}时数据库出错（{kind}）。请检查网络、账号的权限和表名列名，然后重试；已经存入暂存库的行不会丢，也不会重复。",
        retriable=True,
    )
