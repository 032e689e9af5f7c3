"""Transport `http`: signed requests, as docs/sandbox-protocol.md words them.

What may be tried again: every GET; a POST only while nothing of it has left (no connection). Whatever happens after
that (timeout, cut line, 5xx) leaves the outcome unknown, and a GET by `batch_id` settles it. No error keeps the
exception of the HTTP library: that one holds the request, body included.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from credit_schemas.personal import discreet

from ..errors import AccessRefused, TransportError, UnknownTable
from .answers import BatchAnswer, Copy, Fault, Receipt, Row, Verdict

if TYPE_CHECKING:
    from ..access import Access
    from ..destinations import Destination

PAGE = 1000  # the protocol's largest page
# What is kept of an error answer: whatever stands before the platform may answer with a page.
LONGEST_CODE, LONGEST_WORDS = 40, 500
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
# Raised before a byte of the request has left; only these make a POST safe to repeat.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


# Says nothing of what became of the batch: 409, this id is known there, so something did arrive; 408, 425 and 429 come
# from whatever stands before the platform.
ASK = (408, 409, 425, 429)


class _Again(Exception):
    """A safe request that may be tried again; `after` is what the destination asked to wait, in seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason)


class HttpTransport:
    """One destination over HTTP; not shared between threads."""

    def __init__(self, destination: Destination, access: Access) -> None:
        self._destination, self._access = destination, access
        sending = destination.sending
        self._http = httpx.Client(
            base_url=access.url,
            timeout=httpx.Timeout(sending.answer_timeout_s, connect=sending.connect_timeout_s),
            verify=ssl.create_default_context(cafile=str(access.cafile)) if access.cafile else True,
            # A proxy named in the environment would read the numbers of natural persons.
            trust_env=False,
        )

    def encode(self, batch_id: UUID, table: str, rows: Sequence[Row]) -> bytes:
        """The JSON body of a batch."""
        listed = [
            {"op": r.op, "record_no": r.record_no, "revision": r.revision, "reason": r.reason, "data": r.data}
            | ({"mark": r.mark} if r.mark else {})
            for r in rows
        ]
        return _json({"batch_id": str(batch_id), "table": table, "rows": listed})

    def send(self, batch_id: UUID, body: bytes) -> Receipt:
        """POST a batch. Raises TransportError while nothing has left, AccessRefused on 401 and 403."""

        def post() -> httpx.Response:
            headers = {"Idempotency-Key": str(batch_id), "Content-Type": "application/json"}
            try:
                return self._request("POST", "/v1/batches", body, headers)
            except NOT_SENT as e:
                raise _Again(type(e).__name__) from None

        try:
            answer = self._retrying(post)
        except httpx.HTTPError as e:
            reason = type(e).__name__
        else:
            if answer.status_code == 202:
                return Receipt("received", "", "")
            code, message = _refusal(answer)
            if answer.status_code in ASK or answer.status_code >= 500 or answer.is_success:
                return Receipt("unknown", code, message)
            return Receipt("refused", code, message)
        return Receipt("unknown", "", reason)

    def batch(self, batch_id: UUID) -> BatchAnswer | None:
        """GET the verdicts on a batch."""
        found = self._get(f"/v1/batches/{batch_id}", "E1201")
        if found is None:
            return None
        with self._understood():
            verdicts = {v.record_no: v for v in map(_verdict, found["rows"])}  # a row may come twice
            return BatchAnswer(found["state"] == "done", tuple(verdicts.values()))

    def record(self, record_no: str) -> Copy | None:
        """GET one copy."""
        found = self._get(f"/v1/records/{record_no}", "E1202")
        if found is None:
            return None
        with self._understood():
            return _copy(found)

    def copies(self, table: str) -> Iterator[Copy]:
        """GET the live copies of a table, page by page."""
        after = ""
        while True:
            page = self._get(f"/v1/records?table={quote(table)}&after={quote(after)}&limit={PAGE}", "", table)
            if page is None:
                return
            with self._understood():
                copies, after = [_copy(r) for r in page["records"]], page["next"] or ""
            yield from copies
            if not after:
                return

    def digest(self, data: Mapping[str, str], mark: str | None = None) -> str:
        """SHA-256 of the canonical JSON of the filled columns, and of the mark under "#mark"."""
        filled = {k: v for k, v in data.items() if v}
        return hashlib.sha256(_json({**filled, "#mark": mark} if mark else filled)).hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """An answer of another shape than agreed is no answer."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError):
            raise TransportError(self._destination.id, "答复的内容不合约定") from None

    def _get(self, target: str, absent: str, table: str = "") -> dict[str, Any] | None:
        """The JSON answer to a GET; None for the 404 whose code is `absent`. Raises UnknownTable for `table`."""

        def get() -> httpx.Response:
            try:
                answer = self._request("GET", target)
            except httpx.HTTPError as e:
                raise _Again(type(e).__name__) from None
            if answer.status_code >= 500:
                raise _Again(f"HTTP {answer.status_code}", _retry_after(answer))
            return answer

        answer = self._retrying(get)
        code, _ = ("", "") if answer.is_success else _refusal(answer)
        if answer.status_code == 404 and code == absent:
            return None
        if table and code in self._destination.unknown_table:
            raise UnknownTable(self._destination.id, table)
        try:
            found = answer.json() if answer.is_success else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransportError(self._destination.id, f"HTTP {answer.status_code} {code}".strip())
        return found

    def _retrying(self, call: Any) -> httpx.Response:
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_attempt(self._destination.sending.attempts),
            wait=_wait,
            reraise=True,
        )
        try:
            answer: httpx.Response = retrying(call)
        except _Again as e:
            reason = e.reason
        else:
            if answer.status_code in (401, 403):
                raise AccessRefused(self._destination.id, *_refusal(answer))
            return answer
        raise TransportError(self._destination.id, reason)

    def _request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One signed request; every attempt has its own nonce and time, because a used nonce is refused."""
        nonce = uuid4().hex
        timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        signed = {
            "X-Client": self._access.client,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": signature(self._access.key, method, target, timestamp, nonce, body),
        }
        # `target` is signed as it stands in the request line, so it is ready-made rather than built from params.
        return self._http.request(method, target, content=body or None, headers={**signed, **(headers or {})})


def signature(key: bytes, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> str:
    """HMAC-SM3 over the five lines of the protocol, in hexadecimal."""
    text = f"{method}\n{target}\n{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(key, text.encode(), "sm3").hexdigest()


_exponential = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _Again) else 0.0
    return max(min(asked, LONGEST_WAIT_S), _exponential(state))


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _refusal(answer: httpx.Response) -> tuple[str, str]:
    """Code and words of an error answer, as they may be kept and shown; a proxy's page has neither."""
    try:
        found = answer.json()
        code, message = str(found["code"]), str(found.get("message") or found.get("error") or "")
        return discreet(code)[:LONGEST_CODE], discreet(message)[:LONGEST_WORDS]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {answer.status_code}", answer.reason_phrase


def _verdict(raw: dict[str, Any]) -> Verdict:
    faults = tuple(Fault(f["code"], f.get("column") or "", f["message"]) for f in raw.get("problems") or ())
    return Verdict(
        str(UUID(raw["record_no"])),
        int(raw["revision"]),
        raw["result"] == "accepted",
        raw["code"],
        raw["message"],
        faults,
        raw.get("external_no"),
    )


def _copy(raw: dict[str, Any]) -> Copy:
    number = str(UUID(raw["record_no"]))
    return Copy(number, raw["state"] == "live", int(raw["revision"]), raw.get("digest"), raw.get("external_no"))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
