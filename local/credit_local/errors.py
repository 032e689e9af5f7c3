"""Errors of the embedded stack: one small tree, messages in Chinese for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class LocalError(Exception):
    """Base of every error this package raises; `retriable` says whether trying again may help."""

    retriable = False


class ProgramMissingError(LocalError):
    """A program of the operating system is needed and not installed."""

    def __init__(self, programs: Sequence[str], packages: Sequence[str], purpose: str) -> None:
        self.programs = tuple(programs)
        self.packages = tuple(packages)
        self.purpose = purpose
        super().__init__(
            f"{purpose}需要 {'、'.join(programs)}，本机没有找到。请先安装：apt install {' '.join(packages)}，然后重试。"
        )


class BrokerFilesError(LocalError):
    """The Kafka program files could not be fetched, or what was fetched is not what we know."""

    retriable = True

    def __init__(self, reason: str, log: Path | None = None) -> None:
        self.reason = reason
        self.log = log
        where = f"详细记录：{log}。" if log else ""
        super().__init__(f"Kafka 程序文件没有准备好：{reason}。请检查网络或 Maven 镜像设置后重试。{where}")


class PortTakenError(LocalError):
    """A port kept in the state file is now used by another program."""

    retriable = True

    def __init__(self, service: str, port: int) -> None:
        self.service = service
        self.port = port
        super().__init__(f"{service} 原来使用的端口 {port} 已被其他程序占用。请先停止占用它的程序，然后重试。")


class ServiceStartError(LocalError):
    """A server process ended, or was not ready in time."""

    retriable = True

    def __init__(self, service: str, reason: str, log: Path, last_lines: Sequence[str] = ()) -> None:
        self.service = service
        self.reason = reason
        self.log = log
        self.last_lines = tuple(last_lines)
        tail = "".join(f"\n    {line}" for line in self.last_lines)
        super().__init__(f"{service} 没有启动成功：{reason}。日志：{log}{tail}")


class StateDamagedError(LocalError):
    """A state file exists and cannot be read; halting is safer than making new passwords over old data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"状态文件 {path} 已损坏，无法读取。如果不需要原有数据，请删除它所在的文件夹后重新启动；"
            "否则请从备份恢复该文件。"
        )


class UnknownLoginError(LocalError):
    """No password is kept for this database login."""

    def __init__(self, user: str) -> None:
        self.user = user
        super().__init__(f"没有为数据库用户“{user}”保存密码。请先用 ensure_login 建立该用户。")
