"""Errors of the producer: one small tree, messages in Chinese for the person who has to act.

No message quotes a password or a value of a record.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from pathlib import Path

KEPT = "数据保存在本机暂存库里，没有丢失；问题解决后运行 credit-producer resend（或再次 send），会自动补发。"


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.ENOTDIR: "路径中间有一段不是文件夹",
    errno.EISDIR: "这是一个文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "磁盘是只读的",
    errno.ENOSPC: "磁盘满了",
    errno.EHOSTUNREACH: "到不了这台主机",
    errno.ENETUNREACH: "网络不通",
    errno.ECONNREFUSED: "对方没有开放这个端口",
    errno.ECONNRESET: "对方断开了连接",
    errno.ETIMEDOUT: "没有回应",
}
_SQLITE_REASONS = {
    sqlite3.SQLITE_FULL: "磁盘满了",
    sqlite3.SQLITE_READONLY: "文件是只读的",
    sqlite3.SQLITE_CANTOPEN: "打不开文件",
    sqlite3.SQLITE_BUSY: "另一个程序占用太久",
    sqlite3.SQLITE_IOERR: "磁盘读写出错",
}


def why(error: OSError | sqlite3.Error) -> str:
    """The cause of a system error in a few Chinese words; its name where we have none."""
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code (sqlite.org/rescode.html).
        return _SQLITE_REASONS.get(error.sqlite_errorcode & 0xFF, error.sqlite_errorname)
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


class ProducerError(Exception):
    """Base of every error this package raises; `retriable` says whether trying again may help."""

    retriable = False


class SettingsError(ProducerError):
    """A unit's configuration file is missing or wrong. `defects` holds (key, what is wrong)."""

    def __init__(self, path: Path, defects: Sequence[tuple[str, str]]) -> None:
        self.path = path
        self.defects = tuple(defects)
        listing = "；".join(f"{key}：{text}" if key else text for key, text in self.defects)
        super().__init__(f"配置文件 {path} 不能用：{listing}。请改正后重试，或向大数据中心重新索取。")


class NoSettings(SettingsError):
    """There is no configuration file for the unit."""

    def __init__(self, path: Path, hint: str = "") -> None:
        self.path = path
        self.defects = (("", "没有这个文件"),)
        ProducerError.__init__(
            self,
            f"没有找到配置文件 {path}。请把大数据中心发的配置文件放到这里，或用 --config 指明它在哪里。{hint}",
        )


class SpoolError(ProducerError):
    """The spool on this machine cannot be used."""


class SpoolBusy(SpoolError):
    """Another program of this machine is sending from the same spool."""

    retriable = True

    def __init__(self, path: Path, pid: str) -> None:
        self.path = path
        self.pid = pid
        who = f"（进程 {pid}）" if pid else ""
        super().__init__(f"另一个程序{who}正在用暂存库 {path} 发送。请等它结束，或先停止它，然后重试。")


class SpoolDamaged(SpoolError):
    """The spool file is no database, or one of another program or a newer release."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"暂存库 {path} 打不开：{reason}。请不要删除它，里面可能有还没送达的数据；请联系大数据中心处理。"
        )


class SpoolUnusable(SpoolError):
    """The disk is full, the folder is read-only, or another process keeps the spool locked for too long."""

    retriable = True

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"暂存库 {path} 现在不能用：{reason}。请检查磁盘空间和文件夹权限，然后重试；已经存入的数据没有丢失。"
        )


class PublishError(ProducerError):
    """Events could not be handed to Kafka; they stay in the spool. `waiting` counts them."""

    retriable = True

    def __init__(self, text: str, waiting: int = 0) -> None:
        self.text = text
        self.waiting = waiting
        super().__init__(f"{text}{f'有 {waiting} 条还没有送出；' if waiting else ''}{KEPT}")


class Unreachable(PublishError):
    """No broker answers the telephone at all."""

    def __init__(self, servers: Sequence[str], reason: str, waiting: int = 0) -> None:
        self.servers = tuple(servers)
        self.reason = reason
        super().__init__(
            f"连不上数据中心的 Kafka（{'、'.join(servers)}）：{reason}。请检查网络，以及配置文件里的 kafka.bootstrap。",
            waiting,
        )


class Untrusted(PublishError):
    """The broker's certificate is not the one we were told to trust."""

    retriable = False

    def __init__(self, server: str, reason: str, waiting: int = 0) -> None:
        self.server = server
        self.reason = reason
        super().__init__(
            f"Kafka（{server}）的证书不可信：{reason}。请检查配置文件里的 kafka.cafile 是不是大数据中心发的最新证书。",
            waiting,
        )


class Unanswered(PublishError):
    """Connected, but no answer in time. With SCRAM this is also all one sees of a wrong password (TRAPS, Kafka)."""

    def __init__(self, servers: Sequence[str], username: str, seconds: float, waiting: int = 0) -> None:
        self.servers = tuple(servers)
        self.username = username
        super().__init__(
            f"Kafka（{'、'.join(servers)}）连得上，但 {seconds:g} 秒没有应答：多半是用户名“{username}”或口令不对"
            "（请核对配置文件里的 kafka.username 和 kafka.password），也可能是服务器太忙。",
            waiting,
        )


class NotAllowed(PublishError):
    """The login may not use the topic."""

    retriable = False

    def __init__(self, username: str, topic: str, waiting: int = 0) -> None:
        self.username = username
        self.topic = topic
        super().__init__(
            f"用户“{username}”没有使用主题“{topic}”的权限：每个单位只能写自己的主题。"
            "请核对配置文件里的 unit 和 kafka.username；都对的话请联系大数据中心开通。",
            waiting,
        )


class Refused(PublishError):
    """Kafka refused for another reason; `kind` is the name of its error."""

    def __init__(self, kind: str, waiting: int = 0, *, retriable: bool = True) -> None:
        self.kind = kind
        self.retriable = retriable
        super().__init__(f"Kafka 没有收下数据（{kind}）。请稍后重试；仍然不行请把这个名称告诉大数据中心。", waiting)


class SlowChecksum(ProducerError):
    """The compiled checksum is missing: every record would cost twenty times as much (TRAPS, Kafka)."""

    def __init__(self) -> None:
        super().__init__(
            "缺少编译好的 crc32c 模块，收发会慢得无法使用。请重新安装：pip install 'kafka-python[crc32c]'。"
        )


class BadTarget(ProducerError):
    """An act does not say clearly which record it is about, or why."""


class AttachmentError(ProducerError):
    """A file that goes with a report could not be handed over; the row was not sent either."""


class AttachmentChanged(AttachmentError):
    """A file changed between its check and its sealing: the event would name another content."""

    retriable = True

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"附件“{name}”在检查之后被改动了，没有发送。请保存并关闭它，再发一次；已发送的行不会重复。")


class CannotHandOver(AttachmentError):
    """The hand-over folder (often a mounted share) cannot be written."""

    retriable = True

    def __init__(self, folder: Path, error: OSError) -> None:
        self.folder = folder
        super().__init__(
            f"附件放不进交接文件夹 {folder}：{why(error)}。请检查网络盘是否连上、有没有写入权限，再发一次；"
            "已发送的行不会重复。"
        )
