"""Errors of forwarding. Each carries its data and says by `retriable` whether trying again can help.

None of them holds what was sent: a request body has personal numbers in clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class PlatformError(Exception):
    """Base of everything this package raises on purpose."""

    retriable = False


class UnknownDestination(PlatformError):
    """The county folder has no such destination."""

    def __init__(self, destination: str, known: Iterable[str]) -> None:
        self.destination = destination
        self.known = sorted(known)
        super().__init__(
            f"没有名为“{destination}”的上报去向；可用的有：{'、'.join(self.known) or '（无）'}。"
            "上报去向由县目录的 destinations 文件夹里的文件定义。"
        )


class InsecureAddress(PlatformError):
    """Personal numbers would cross the network readable."""

    def __init__(self, destination: str, url: str) -> None:
        self.destination, self.url = destination, url
        super().__init__(
            f"{destination} 的地址 {url} 不是 https：证件号码会在网络上明文传输，没有发送。"
            "请改用 https 地址；确在内部专网且已另行加密的，"
            f"可设置 CREDIT_DESTINATION_{destination.upper()}_ALLOW_HTTP=true。"
        )


class DestinationBusy(PlatformError):
    """Another run talks to this destination; two must not interleave."""

    retriable = True

    def __init__(self, destination: str) -> None:
        self.destination = destination
        super().__init__(f"另一个任务正在向 {destination} 上报或对账，本次没有开始；请等它结束后再试。")


class TransportError(PlatformError):
    """A request got no usable answer; `reason` names the cause without quoting what was sent."""

    retriable = True

    def __init__(self, destination: str, reason: str) -> None:
        self.destination, self.reason = destination, reason
        super().__init__(f"{destination} 没有给出可用的答复（{reason}）；稍后会再试。")


class UnknownTable(PlatformError):
    """The destination says that it has no such table; nothing else is said of the destination."""

    def __init__(self, destination: str, table: str) -> None:
        self.destination, self.table = destination, table
        super().__init__(
            f"{destination} 没有 {table} 这张表；请与对方约定表名，写进去向文件 [datasets.…] 的 table，"
            "或以 enabled = false 不报这个数据集。"
        )


class AccessRefused(PlatformError):
    """The destination does not accept our signature, or does not let us do this."""

    def __init__(self, destination: str, code: str, message: str) -> None:
        self.destination, self.code = destination, code
        super().__init__(
            f"{destination} 拒绝了本县的身份（{code} {message}）；没有发送。"
            "请核对客户端编号、密钥和本机时间，改好后重新运行。"
        )


class ForwardStopped(PlatformError):
    """A run ended before its work was done; `counts` says how far it came."""

    retriable = True

    def __init__(self, destination: str, counts: Mapping[str, Any], text: str) -> None:
        self.destination = destination
        self.counts = dict(counts)
        super().__init__(text)


class Interrupted(ForwardStopped):
    """Part of the rows went out, then the destination stopped answering; the rest stays due."""

    def __init__(self, destination: str, counts: Mapping[str, Any], reason: str) -> None:
        super().__init__(
            destination,
            counts,
            f"向 {destination} 上报中断（{reason}）：本次送达 {counts['sent']} 条，待报 {counts['remaining']} 条，"
            f"已发出但结果待查 {counts['awaiting']} 条；都不会丢失，下次运行先查询，再接着上报。",
        )


class NothingMoved(ForwardStopped):
    """Rows were due and none went out: not a success, whatever the cause."""

    def __init__(self, destination: str, counts: Mapping[str, Any], reason: str) -> None:
        super().__init__(
            destination,
            counts,
            f"有 {counts['due']} 条应报 {destination}，一条也没有送达（{reason}）；数据仍然待报，下次运行会再试。",
        )
