"""The gateway's addresses: push, receipt, reasons, what a resource expects.

Here belongs the translation between HTTP and landing. A body streams to disk through a bounded queue, so that
memory stays small however large or slow it is; the receipt is sent only when landing and ledger are durable.
"""

import asyncio
import csv
import io
import ipaddress
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import uvicorn
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from assets.ingest.deliveries import today
from catalog.load import Catalogue, UnknownResourceError, load
from catalog.model import Entry, Title, Way
from lake import tokens
from lake.home import Home
from lake.landing import DigestError, PushRefusedError, TooLargeError, receive
from lake.ledger import IdempotencyConflictError, Push, UnknownPushError, open_ledger
from lake.tables import Lake
from pipelines.gateway.problems import Problem, on_http_error, on_invalid, on_problem

MAX_BYTES = 4 * 1024**3
#: A department may have so many pushes under way at once.
MAX_CONCURRENT = 8
#: A body that brings nothing for so long is given up.
SILENCE_SECONDS = 30.0
FORMATS = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/geo+json": "geojson",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrows",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
ENCODINGS = {"": "", "identity": "", "gzip": ".gz", "zstd": ".zst"}


def create_app(home: Home, catalogue: Catalogue) -> FastAPI:
    """The gateway over one home; every write needs a department's token."""
    app = FastAPI(
        title="citylake 公共数据接口对接",
        version="1",
        description="部门推送公共数据：每次推送都有回执。Departments push; every push gets a receipt.",
        # the interactive page would load scripts from elsewhere: /docs is served from our own bytes instead
        docs_url=None,
        redoc_url=None,
    )
    for kind, handler in ((Problem, on_problem), (HTTPException, on_http_error), (RequestValidationError, on_invalid)):
        app.add_exception_handler(kind, handler)
    _routes(app, home, catalogue, _Slots())
    return app


class _Slots:
    """How many pushes each department has under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def take(self, department: str) -> None:
        with self._lock:
            if self._used.get(department, 0) >= MAX_CONCURRENT:
                raise Problem(
                    429,
                    Title(zh=f"同时进行的推送不能超过{MAX_CONCURRENT}个，请稍后再试", en=f"at most {MAX_CONCURRENT} pushes at once: try again later"),
                )
            self._used[department] = self._used.get(department, 0) + 1

    def give_back(self, department: str) -> None:
        with self._lock:
            self._used[department] -= 1


def _routes(app: FastAPI, home: Home, catalogue: Catalogue, slots: _Slots) -> None:
    def department(authorization: Annotated[str | None, Header()] = None) -> str:
        scheme, _, token = (authorization or "").partition(" ")
        found = tokens.department_of(open_ledger(home), token.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise Problem(
                401,
                Title(zh="请在 Authorization 头中提供有效的部门令牌（Bearer）", en="send a valid department token: Authorization: Bearer …"),
            )
        return found

    Department = Annotated[str, Depends(department)]  # noqa: N806 - a type

    @app.get("/healthz", tags=["状态 health"])
    def healthz() -> dict[str, str]:
        """Whether the gateway is up."""
        return {"status": "ok"}

    @app.post("/v1/resources/{code}/pushes", status_code=201, tags=["推送 push"])
    async def push(
        code: str,
        request: Request,
        sender: Department,
        data_date: Annotated[date | None, Query(description="数据日期 what date the data speaks for")] = None,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
        x_content_sha256: Annotated[str | None, Header(pattern="^[0-9a-fA-F]{64}$")] = None,
    ) -> JSONResponse:
        """Push one file's bytes; 201 with the receipt once they are durable."""
        entry = _own(catalogue, code, sender)
        if Way.API not in entry.delivery.ways and Way.FILE not in entry.delivery.ways:
            raise Problem(422, Title(zh="该资源只按库表推送", en="this resource comes by table only"))
        data_format, filename = _format(request, code)
        slots.take(sender)
        try:
            receipt = await _land(
                request,
                lambda chunks: receive(
                    home,
                    open_ledger(home),
                    entry,
                    chunks,
                    way=Way.API,
                    filename=filename,
                    data_format=data_format,
                    data_date=data_date or today(),
                    idempotency_key=idempotency_key,
                    expected_digest=x_content_sha256,
                    max_bytes=MAX_BYTES,
                ),
            )
        finally:
            slots.give_back(sender)
        return JSONResponse(_receipt(receipt), 201, {"Location": f"/v1/receipts/{receipt.id}"})

    @app.get("/v1/receipts/{push_id}", tags=["回执 receipt"])
    def receipt(push_id: str, sender: Department) -> dict[str, Any]:
        """What became of a push: received, applied, held or refused, with row counts."""
        return _receipt(_own_push(home, push_id, sender))

    @app.get("/v1/receipts/{push_id}/reasons", tags=["回执 receipt"])
    def reasons(push_id: str, sender: Department) -> Response:
        """The rows of a push that are in quarantine, with every reason, as NDJSON."""
        own = _own_push(home, push_id, sender)
        return Response(_quarantined(Lake(home.lake), own), media_type="application/x-ndjson")

    @app.get("/v1/resources/{code}", tags=["目录 catalogue"])
    def resource(code: str, sender: Department) -> dict[str, Any]:
        """What a push of this resource must look like."""
        return _expected(_own(catalogue, code, sender))

    @app.get("/v1/resources/{code}/template", tags=["目录 catalogue"])
    def template(
        code: str, sender: Department, as_format: Annotated[str, Query(alias="format", pattern="^(csv|xlsx)$")] = "csv"
    ) -> Response:
        """An empty file with the resource's headers, to fill."""
        return _template(_own(catalogue, code, sender), as_format)


async def _land(request: Request, land: Any) -> Push:
    """Feed the body to ``land`` (which runs in a thread and writes to disk) through a queue of a few chunks."""
    pipe: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=4)

    def chunks() -> Iterator[bytes]:
        while (item := pipe.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    landing = asyncio.ensure_future(run_in_threadpool(land, chunks()))
    try:
        async for chunk in _body(request):
            if chunk and not await _offer(pipe, chunk, landing):
                break
        await _offer(pipe, None, landing)
    except (Problem, Exception) as error:  # noqa: BLE001 - whatever ends the body ends the landing too
        await _offer(pipe, error, landing)
    return await _outcome(landing)


async def _body(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream().__aiter__()
    while True:
        try:
            yield await asyncio.wait_for(stream.__anext__(), SILENCE_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Problem(
                408, Title(zh="传输中断，请重新推送（可用同一幂等键）", en="the body stopped coming: push again, with the same idempotency key")
            ) from None


async def _offer(pipe: queue.Queue[Any], item: bytes | BaseException | None, landing: asyncio.Future[Push]) -> bool:
    """Put one item, waiting without blocking the loop; False where the landing is over already (refused)."""
    while not landing.done():
        try:
            pipe.put_nowait(item)
        except queue.Full:
            await asyncio.sleep(0.002)
        else:
            return True
    return False


async def _outcome(landing: asyncio.Future[Push]) -> Push:
    try:
        return await landing
    except TooLargeError as error:
        raise Problem(413, error.reason) from None
    except (DigestError, PushRefusedError) as error:
        raise Problem(422, error.reason) from None
    except IdempotencyConflictError as error:
        zh, _, en = str(error).partition(" · ")
        raise Problem(409, Title(zh=zh, en=en)) from None


def _own(catalogue: Catalogue, code: str, sender: str) -> Entry:
    try:
        entry = catalogue.entry(code)
    except UnknownResourceError:
        raise Problem(404, Title(zh=f"目录中没有数据资源 {code[:80]}", en=f"no resource {code[:80]} in the catalogue")) from None
    if entry.department != sender:
        raise Problem(403, Title(zh=f"{code} 的数源部门不是贵部门", en=f"your department is not the source of {code}"))
    return entry


def _own_push(home: Home, push_id: str, sender: str) -> Push:
    unknown = Problem(404, Title(zh="没有这份回执", en="no such receipt"))
    try:
        push = open_ledger(home).get(push_id)
    except UnknownPushError:
        raise unknown from None
    # another department's receipt is as unknown as one that does not exist
    if push.department != sender:
        raise unknown
    return push


def _format(request: Request, code: str) -> tuple[str, str]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if media not in FORMATS or encoding not in ENCODINGS:
        raise Problem(
            415,
            Title(zh=f"请用以下 Content-Type 之一：{'、'.join(FORMATS)}", en=f"use one of these content types: {', '.join(FORMATS)}; gzip or zstd"),
        )
    return FORMATS[media], f"{code}.{FORMATS[media]}{ENCODINGS[encoding]}"


def _receipt(push: Push) -> dict[str, Any]:
    return {
        "receipt": push.id,
        "resource": push.resource,
        "state": push.state.value,
        "state_zh": push.state.title,
        "data_date": push.data_date.isoformat(),
        "received_at": push.received_at.isoformat(),
        "bytes": push.size,
        "sha256": push.digest,
        "rows": push.rows,
        "accepted": push.accepted,
        "quarantined": push.rejected,
        "reason": push.reason_zh,
        "reason_en": push.reason_en,
        "failures": dict(push.failures or {}),
    }


def _quarantined(lake: Lake, push: Push) -> str:
    if not lake.exists("quarantine", push.resource):
        return ""
    rows = lake.scan("quarantine", push.resource).filter(pl.col("_push") == push.id)
    return rows.select("_row", "cells", "reasons").sort("_row").collect().write_ndjson()


def _expected(entry: Entry) -> dict[str, Any]:
    return {
        "resource": entry.code,
        "title": entry.title.zh,
        "title_en": entry.title.en,
        "frequency": entry.frequency.value,
        "mode": entry.delivery.mode.value,
        "key": list(entry.delivery.key),
        "ways": [way.value for way in entry.delivery.ways],
        "content_types": list(FORMATS),
        "columns": [
            {
                "name": name,
                "title": column.title,
                "element": column.element,
                "required": column.required,
                "values": list(column.values),
                "headers": list(entry.header_names(name)),
            }
            for name, column in entry.columns.items()
        ],
    }


def _template(entry: Entry, as_format: str) -> Response:
    titles = [column.title for column in entry.columns.values()]
    disposition = {"Content-Disposition": f'attachment; filename="{entry.code}.{as_format}"'}
    if as_format == "csv":
        text = io.StringIO()
        csv.writer(text).writerow(titles)
        # the mark makes spreadsheets read it as UTF-8
        return Response("\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8", headers=disposition)
    book = io.BytesIO()
    pl.DataFrame({title: pl.Series([], dtype=pl.String) for title in titles}).write_excel(book, worksheet=entry.title.zh[:31])
    return Response(book.getvalue(), media_type=next(k for k, v in FORMATS.items() if v == "xlsx"), headers=disposition)


class ExposedError(RuntimeError):
    """Beyond loopback the gateway listens only with TLS."""


def run(
    home: Home, *, host: str = "127.0.0.1", port: int = 8640, tls_certificate: Path | None = None, tls_key: Path | None = None
) -> None:
    """Serve until interrupted; raises :class:`ExposedError` for another address than loopback without TLS."""
    loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    if not loopback and not (tls_certificate and tls_key):
        msg = f"the gateway does not listen on {host} without TLS: give --tls-certificate and --tls-key, or use 127.0.0.1"
        raise ExposedError(msg)
    uvicorn.run(
        create_app(home, load()),
        host=host,
        port=port,
        ssl_certfile=tls_certificate,
        ssl_keyfile=tls_key,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=16384,
        log_level="warning",
    )
