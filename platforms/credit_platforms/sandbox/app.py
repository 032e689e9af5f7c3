"""The sandbox's web application: protocol v1 of docs/sandbox-protocol.md over one store."""

import asyncio
import logging
import sqlite3
import traceback
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from credit_platforms.sandbox import auth, envelope
from credit_platforms.sandbox.errors import AuthRefused, RequestRefused, SandboxError, Unavailable
from credit_platforms.sandbox.personas import Persona
from credit_platforms.sandbox.store import Store
from credit_platforms.sandbox.switches import Switches, changed
from credit_platforms.sandbox.tables import Tables

log = logging.getLogger("credit_platforms.sandbox")

T = TypeVar("T")

DEFAULT_PAGE: Final = 200
MAX_PAGE: Final = 1000
"""1000 live copies are about 300 kB of answer."""
RETRY_AFTER_SECONDS: Final = "5"
JUDGE_RETRY_SECONDS: Final = 1.0
_CUT_SECONDS: Final = 0.05
"""Lets the event loop carry out an aborted connection before the (then unsendable) answer is handed over."""

Cut = Callable[[tuple[str, int]], None]


class Platform:
    """The running platform: who it plays, its store and the one thread that may use it, its switches."""

    def __init__(self, persona: Persona, store: Store, clients: Mapping[str, auth.Client], cut: Cut) -> None:
        self.persona = persona
        self.store = store
        self.clients = clients
        self.cut = cut
        self.switches = Switches()
        self.requests: Counter[str] = Counter()
        self._waiting_changed = asyncio.Event()
        # One thread: SQLite has one writer anyway, and nobody waits on a lock while holding the event loop.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` on the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def batch_waits(self) -> None:
        """Tell `judge_waiting` that a batch was put aside to be judged later."""
        self._waiting_changed.set()

    async def judge_waiting(self) -> None:
        """Judge batches as they become due, until cancelled."""
        while True:
            self._waiting_changed.clear()
            due_at = await self.run(self.store.next_due)
            seconds = None if due_at is None else max(0.0, due_at - _now().timestamp())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting_changed.wait(), seconds)
            try:
                await self.run(lambda: self.store.judge_next(self.switches, _now()))
            except sqlite3.Error as e:
                # Disk full or file locked: the batch stays waiting and is tried again.
                log.error("a waiting batch could not be judged: %s", type(e).__name__)  # noqa: TRY400
                await asyncio.sleep(JUDGE_RETRY_SECONDS)

    def close(self) -> None:
        """Let the store's thread finish and close the store."""
        self._thread.shutdown(wait=True)
        self.store.close()


def create_app(persona: Persona, store: Store, clients: Mapping[str, auth.Client], cut: Cut) -> FastAPI:
    """The application.

    Args:
        persona: whom the platform plays.
        store: open store of that persona; closed when the application shuts down.
        clients: client id → client (`auth.load_clients`).
        cut: closes the connection of a peer (host, port) without an answer; needed by `drop_response`.
    """
    platform = Platform(persona, store, clients, cut)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        judging = asyncio.create_task(platform.judge_waiting())
        yield
        judging.cancel()
        with suppress(asyncio.CancelledError):
            await judging
        platform.close()

    # No generated pages: they would be reachable without a signature.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        """FastAPI's own refusals (unknown path, wrong method) in the form of ours."""
        refusal = RequestRefused(
            "E1203", "unknown path or method", "没有这个接口，请核对地址和方法", status=error.status_code
        )
        return _refusal(refusal)

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            _check_door(platform, request)
            response = await go_on(request)
        except SandboxError as e:
            response = _refusal(e)
        except Exception as e:
            # Where and which kind, without the text: the text of an exception may quote what was sent.
            log.error("%s in\n%s", type(e).__name__, "".join(traceback.format_tb(e.__traceback__)))  # noqa: TRY400
            response = _refusal(SandboxError("E5002", "internal failure", "平台内部错误，请先查询结果再决定是否重发"))
        platform.requests[str(response.status_code)] += 1
        return response

    async def signed(request: Request) -> auth.Client:
        now = _now()
        target = request.scope["raw_path"].decode("latin-1")
        if request.scope["query_string"]:
            target += "?" + request.scope["query_string"].decode("latin-1")
        body = await request.body()
        proof = auth.prove(clients, request.headers, request.method, target, body, now)
        client = proof.client
        await platform.run(lambda: store.use_nonce(client.id, proof.nonce, proof.expires_at, now))
        return client

    async def reporter(client: Annotated[auth.Client, Depends(signed)]) -> auth.Client:
        if client.role != "report":
            raise AuthRefused("E1006", "role", "这个客户端不是报送客户端，不能报送或查询数据", status=403)
        return client

    async def admin(client: Annotated[auth.Client, Depends(signed)]) -> auth.Client:
        if client.role != "admin":
            raise AuthRefused("E1006", "role", "这个客户端不是管理客户端，不能使用管理接口", status=403)
        return client

    Reporter = Annotated[auth.Client, Depends(reporter)]  # noqa: N806 - a type

    @app.get("/health")
    async def health() -> dict[str, object]:
        return {"status": "ok", "persona": persona.id, "name": persona.name}

    @app.post("/v1/batches", status_code=202)
    async def post_batch(request: Request, client: Reporter) -> Response:
        batch = envelope.parse(await request.body(), request.headers.get("idempotency-key"), store.tables)
        switches = platform.switches
        new = await platform.run(lambda: store.receive(client.id, batch, switches, _now()))
        log.info("batch %s of %s: %d rows, new=%s", batch.batch_id, client.id, len(batch.rows), new)
        if new and switches.slow_ms:
            platform.batch_waits()
        if switches.drop_response and request.client is not None:
            platform.cut((request.client.host, request.client.port))
            await asyncio.sleep(_CUT_SECONDS)
        if switches.unavailable_after_apply:
            raise _unavailable()
        return JSONResponse({"batch_id": batch.batch_id, "state": "received"}, status_code=202)

    @app.get("/v1/batches/{batch_id}")
    async def get_batch(batch_id: str, client: Reporter) -> dict[str, object]:
        number = _uuid(batch_id)
        receipt = await platform.run(lambda: store.batch(client.id, number))
        if platform.switches.duplicate_delivery:
            receipt["rows"] = [row for row in receipt["rows"] for _ in range(2)]  # type: ignore[attr-defined]
        return receipt

    @app.get("/v1/records")
    async def list_records(request: Request, client: Reporter) -> dict[str, object]:
        table_id, after, limit = _page_of(request.query_params, store.tables)
        records = await platform.run(lambda: store.live_records(client.id, table_id, after, limit))
        return {"records": records, "next": records[-1]["record_no"] if len(records) == limit else None}

    @app.get("/v1/records/{record_no}")
    async def get_record(record_no: str, client: Reporter) -> dict[str, object]:
        number = _uuid(record_no)
        return await platform.run(lambda: store.record(client.id, number))

    @app.get("/v1/admin/switches", dependencies=[Depends(admin)])
    async def get_switches() -> dict[str, object]:
        return platform.switches.as_json()

    @app.put("/v1/admin/switches", dependencies=[Depends(admin)])
    async def put_switches(request: Request) -> dict[str, object]:
        platform.switches = changed(platform.switches, await _json_of(request))
        log.info("switches: %s", platform.switches)
        return platform.switches.as_json()

    @app.delete("/v1/admin/switches", dependencies=[Depends(admin)])
    async def reset_switches() -> dict[str, object]:
        platform.switches = Switches()
        return platform.switches.as_json()

    @app.post("/v1/admin/records/{client_id}/{record_no}/end", dependencies=[Depends(admin)])
    async def end_by_hand(client_id: str, record_no: str) -> dict[str, object]:
        number = _uuid(record_no)
        await platform.run(lambda: store.end_by_hand(client_id, number, _now()))
        log.info("a copy of %s was ended by hand", client_id)
        return await platform.run(lambda: store.record(client_id, number))

    @app.get("/v1/admin/stats", dependencies=[Depends(admin)])
    async def stats() -> dict[str, object]:
        counts = await platform.run(store.counts)
        return {**counts, "answers": dict(sorted(platform.requests.items()))}

    return app


def _now() -> datetime:
    return datetime.now(UTC)


def _check_door(platform: Platform, request: Request) -> None:
    """What is refused before anybody is asked who they are."""
    path = request.url.path
    if platform.switches.unavailable and path != "/health" and not path.startswith("/v1/admin/"):
        raise _unavailable()
    if request.method in ("POST", "PUT"):
        length = request.headers.get("content-length")
        if length is None:
            raise RequestRefused("E1105", "length required", "须带 Content-Length 请求头", status=411)
        if int(length) > envelope.MAX_BODY_BYTES:
            raise RequestRefused("E1104", "body too large", "请求体过大，请减少每批行数", status=413)


def _page_of(query: Mapping[str, str], tables: Tables) -> tuple[str, str, int]:
    """(table, after, limit) of a page request."""
    table_id = query.get("table", "")
    after = query.get("after", "")
    limit = query.get("limit", str(DEFAULT_PAGE))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MAX_PAGE:
        text = f"limit 须为 1 至 {MAX_PAGE} 的整数，after 须为上一页的 next 或不带"
        raise RequestRefused("E1107", "bad query", text)
    if table_id not in tables:
        raise envelope.unknown_table()
    return table_id, after, int(limit)


def _uuid(text: str) -> str:
    """Canonical form of a UUID; other text stays as it is and will be unknown."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text


async def _json_of(request: Request) -> object:
    try:
        return await request.json()
    except (ValueError, RecursionError) as e:
        raise RequestRefused("E1101", "malformed body", "请求体不是 JSON") from e


def _unavailable() -> Unavailable:
    return Unavailable("E5001", "unavailable", "平台暂停服务，请稍后再试；已发出的批次请先查询结果，不要直接重发")


def _refusal(error: SandboxError) -> JSONResponse:
    content = {"code": error.code, "error": error.slug, "message": error.message}
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if error.retriable else None
    return JSONResponse(content, status_code=error.status, headers=headers)
