"""Talking to Kafka: is it there at all, and what does an error of kafka-python mean for the person who reads it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from kafka import errors as kafka_errors
from kafka.record import util

from .errors import NotAllowed, PublishError, Refused, SlowChecksum, Unanswered, Unreachable, Untrusted, why
from .settings import KafkaLogin

# Connect and TLS take 0.1 s in a county network; 5 s is a line nobody can work over.
PROBE_S = 5.0
# First metadata with SCRAM takes 0.2 s. A wrong password is told apart from silence by time alone: this long.
CONNECT_MS = 15_000


def assert_fast_checksum() -> None:
    """Raises SlowChecksum when kafka-python would fall back to its checksum in Python."""
    if util.crc32c_c is None:
        raise SlowChecksum


def probe(login: KafkaLogin, waiting: int = 0) -> None:
    """Connect to a broker and see its certificate, before kafka-python tries for half a minute in silence.

    Raises:
        Unreachable: no server of the list accepts a connection.
        Untrusted: the first that does shows a certificate `cafile` does not vouch for.
    `waiting` goes into the error: how many events are waiting to be sent.
    """
    reason = ""
    for server in login.bootstrap:
        host, _, port = server.rpartition(":")
        try:
            raw = socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S)
        except OSError as error:
            reason = _reason(error)
            continue
        with raw:
            try:
                context = ssl.create_default_context(cafile=str(login.cafile) if login.cafile else None)
                context.wrap_socket(raw, server_hostname=host.strip("[]")).close()
            except ssl.SSLCertVerificationError as error:
                raise Untrusted(server, error.verify_message, waiting) from None
            except OSError as error:  # ssl.SSLError is one, too: no TLS at that port, or hung up
                reason = f"对方不是加密的 Kafka 端口（{type(error).__name__}）"
                continue
        return
    raise Unreachable(login.bootstrap, reason, waiting)


def translate(error: BaseException, login: KafkaLogin, topic: str, seconds: float, waiting: int = 0) -> PublishError:
    """What an error of kafka-python means. `seconds` is how long was waited."""
    if isinstance(error, kafka_errors.AuthorizationError):
        return NotAllowed(login.username, topic, waiting)
    if isinstance(error, kafka_errors.SaslAuthenticationFailedError):
        return Unanswered(login.bootstrap, login.username, seconds, waiting)
    if isinstance(error, kafka_errors.KafkaTimeoutError | kafka_errors.KafkaConnectionError):
        try:
            probe(login, waiting)
        except PublishError as found:
            return found
        return Unanswered(login.bootstrap, login.username, seconds, waiting)
    kind = type(error).__name__
    return Refused(kind, waiting, retriable=bool(getattr(error, "retriable", False)))


def client_settings(login: KafkaLogin, name: str) -> Mapping[str, Any]:
    """Settings shared by producer and consumer."""
    return {**login.client_config(), "client_id": name, "bootstrap_timeout_ms": CONNECT_MS, "metrics_enabled": False}


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"{PROBE_S:g} 秒内没有回应"
    if isinstance(error, socket.gaierror):
        return "找不到这个主机名"
    return why(error)
