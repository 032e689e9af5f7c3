"""Who is asking: the signature of a request, its age and its nonce.

The signature covers method, target, time, nonce and body, so nothing of a request can be changed or sent again
by somebody who saw it pass. HMAC-SM3 is used as public bodies are asked to use the national algorithms; it comes
from OpenSSL 3 through hashlib.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from credit_platforms.sandbox.errors import AuthRefused, ConfigError

WINDOW: Final = timedelta(minutes=5)
"""How far the sender's clock may be off. Longer would only make the list of seen nonces longer."""
MIN_KEY_CHARS: Final = 32
"""A key of 32 random hex digits has 128 bits, as much as SM3 is worth as a MAC."""

_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)

Role = Literal["report", "admin"]


@dataclass(frozen=True)
class Client:
    """One caller: `report` sends and asks, `admin` turns the switches."""

    id: str
    key: bytes
    role: Role


@dataclass(frozen=True)
class Proof:
    """A request whose signature is right; whether its nonce is new is for the store to say."""

    client: Client
    nonce: str
    expires_at: float
    """Unix time from which on the time check alone refuses a repetition."""


def load_clients(path: Path) -> dict[str, Client]:
    """Read the clients file: ``{"clients": [{"id": …, "key": …, "role": "report"|"admin"}]}``.

    The key is text; its UTF-8 bytes are the HMAC key.

    Raises:
        ConfigError: the file cannot be read, or an entry is not usable (the key is never quoted).
    """
    try:
        entries = json.loads(path.read_text("utf-8"))["clients"]
        clients = [Client(e["id"], e["key"].encode(), e["role"]) for e in entries]
    except OSError as e:
        raise ConfigError(f"读不到客户端文件 {path}：{e.strerror}") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        example = '{"clients": [{"id": "…", "key": "…", "role": "report"}]}'
        raise ConfigError(f"客户端文件 {path} 的格式不对，应为 {example}") from e
    for place, client in enumerate(clients, start=1):
        if not client.id or len(client.key) < MIN_KEY_CHARS or client.role not in ("report", "admin"):
            raise ConfigError(
                f"客户端文件 {path} 第 {place} 项不可用：id 不能为空，key 至少 {MIN_KEY_CHARS} 个字符，"
                "role 为 report 或 admin"
            )
    if len({c.id for c in clients}) < len(clients):
        raise ConfigError(f"客户端文件 {path} 中有重复的 id")
    return {c.id: c for c in clients}


def signature(key: bytes, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Hex HMAC-SM3 over ``METHOD\\nTARGET\\nTIMESTAMP\\nNONCE\\nSHA256-hex-of-body``.

    `target` is path and query exactly as they stand in the request line.
    """
    text = "\n".join((method, target, timestamp, nonce, hashlib.sha256(body).hexdigest()))
    return hmac.new(key, text.encode(), "sm3").hexdigest()


def prove(
    clients: Mapping[str, Client],
    headers: Mapping[str, str],
    method: str,
    target: str,
    body: bytes,
    now: datetime,
) -> Proof:
    """Check headers, age and signature of a request.

    Raises:
        AuthRefused: E1001 header missing or malformed, E1002 unknown client, E1003 time, E1004 signature.
    """
    sent = [headers.get(name, "") for name in ("x-client", "x-timestamp", "x-nonce", "x-signature")]
    client_id, timestamp, nonce, given = sent
    if not all(sent) or not _NONCE.fullmatch(nonce):
        raise AuthRefused(
            "E1001",
            "missing or malformed header",
            "须带 X-Client、X-Timestamp、X-Nonce（16 至 64 个字母、数字、- 或 _）和 X-Signature 请求头",
        )
    client = clients.get(client_id)
    if client is None:
        raise AuthRefused("E1002", "unknown client", "没有登记这个客户端，请核对 X-Client")
    sent_at = _utc(timestamp)
    if sent_at is None or abs(now - sent_at) > WINDOW:
        raise AuthRefused(
            "E1003",
            "timestamp outside the window",
            "X-Timestamp 须为 ISO 8601 的 UTC 时间，与平台时间相差不超过 5 分钟，请校准本机时钟",
        )
    expected = signature(client.key, method, target, timestamp, nonce, body)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise AuthRefused("E1004", "bad signature", "签名不对，请核对密钥和签名原文")
    return Proof(client, nonce, (sent_at + WINDOW).timestamp())


def _utc(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.utcoffset() != timedelta(0):
        return None
    return moment.astimezone(UTC)
