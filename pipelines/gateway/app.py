"""The gateway's addresses: push, receipt, reasons, what a resource expects.

Here belongs who may ask what, and the way from HTTP to landing and back. A body's way to disk is in ``bodies.py``, the
answers are in ``answers.py``. A receipt is sent only when landing and ledger are durable.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assets.ingest.nothing import report_nothing
from assets.replay import WithdrawalError, take_back
from catalog.load import Catalogue, UnknownResourceError, load
from catalog.model import Entry, Title, Way
from lake import tokens
from lake.answers import MAX_REASON
from lake.home import Home
from lake.landing import receive, sweep
from lake.ledger import Push, UnknownPushError, open_ledger
from lake.tables import Lake
from pipelines.gateway import answers, limits
from pipelines.gateway.bearer import bearing
from pipelines.gateway.bodies import land_body, landing_problems, require_room
from pipelines.gateway.problems import Problem, answer_with_problems
from pipelines.gateway.rehearsals import Rehearsals
from pipelines.listening import serve
from quality.clock import today

FORMATS = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/geo+json": "geojson",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrows",
    answers.XLSX: "xlsx",
    "application/vnd.ms-excel": "xls",
    "application/geopackage+sqlite3": "gpkg",
    "application/zip": "zip",
}
ENCODINGS = {"": "", "identity": "", "gzip": ".gz", "zstd": ".zst"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in FORMATS},
    }
}


class Withdrawal(BaseModel):
    """Why a department takes a push back."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=2, max_length=MAX_REASON),
        Field(description="撤回理由，永久留存 why; kept for ever"),
    ]


class Nothing(BaseModel):
    """Who of the department says that there is nothing to report."""

    model_config = ConfigDict(extra="forbid")
    by: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=2, max_length=64),
        Field(description="签署人，永久留存 who signs; kept for ever"),
    ]


def create_app(home: Home, catalogue: Catalogue) -> FastAPI:
    """The gateway over one home; everything but its own health and pages needs a department's token."""
    app = FastAPI(
        title="citylake 公共数据接口对接",
        version="1",
        description="部门推送公共数据：每次推送都有回执。Departments push; every push gets a receipt.",
        # the framework's interactive page would load scripts from elsewhere
        docs_url=None,
        redoc_url=None,
    )
    answer_with_problems(app)
    app.include_router(_open_addresses(app))
    app.include_router(_push_addresses(home, catalogue))
    app.include_router(_reading_addresses(home, catalogue))
    return app


def _open_addresses(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", tags=["状态 health"])
    def healthz() -> dict[str, str]:
        """Whether the gateway is up."""
        return {"status": "ok"}

    @router.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(answers.page(app.openapi(), str(request.base_url)))

    return router


def _push_addresses(home: Home, catalogue: Catalogue) -> APIRouter:
    router, slots = APIRouter(), limits.Slots()
    # landings have threads of their own, so that slow bodies never keep a receipt waiting
    pool = ThreadPoolExecutor(limits.MAX_CONCURRENT_TOTAL, "landing")
    rehearsals = Rehearsals(home, pool)

    @router.post("/v1/resources/{code}/pushes", status_code=201, tags=["推送 push"], openapi_extra=_BODY)
    async def push(
        code: str,
        request: Request,
        sender: Annotated[tokens.Bearer, Depends(_bearer(home))],
        *,
        data_date: Annotated[date | None, Query(description="数据日期 what date the data speaks for")] = None,
        dry_run: Annotated[
            bool, Query(description="试推：只检查，不保存 judge the body, keep nothing")
        ] = False,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
        x_content_sha256: Annotated[str | None, Header(pattern="^[0-9a-fA-F]{64}$")] = None,
    ) -> JSONResponse:
        """Push one file's bytes; 201 with the receipt once they are durable, 200 with the verdict of a dry run."""
        entry = _own(catalogue, code, sender)
        if not sender.may_push(code):
            raise _not_for(code)
        if entry.delivery.ways == (Way.TABLE,):
            raise Problem(422, Title(zh="该资源只按库表推送", en="this resource comes by table only"))
        data_format, filename = _format(request, code)
        allowed = catalogue.departments[entry.department].limits
        require_room(request, home.root, allowed.bytes)
        if dry_run:
            with slots.taken(entry.department, allowed):
                return JSONResponse(await rehearsals.judge(request, code, filename, data_date))

        def land(chunks: Iterator[bytes]) -> Push:
            return receive(
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
                max_bytes=allowed.bytes,
            )

        with slots.taken(entry.department, allowed):
            landed = await land_body(request, pool, land)
        return JSONResponse(answers.receipt(landed), 201, {"Location": f"/v1/receipts/{landed.id}"})

    @router.post("/v1/resources/{code}/nothing", status_code=201, tags=["推送 push"])
    def nothing(
        code: str,
        said: Nothing,
        sender: Annotated[tokens.Bearer, Depends(_bearer(home))],
        data_date: Annotated[date | None, Query(description="数据日期 for what date")] = None,
    ) -> JSONResponse:
        """零报告：本期没有数据。Sign that there is nothing to report; it satisfies the period as a push does."""
        entry = _own(catalogue, code, sender)
        if not sender.may_push(code):
            raise _not_for(code)
        with slots.taken(entry.department, catalogue.departments[entry.department].limits):
            landed = landing_problems(
                lambda: report_nothing(
                    home,
                    open_ledger(home),
                    entry,
                    data_date or today(),
                    way=Way.API,
                    by=said.by,
                    department=sender.department,
                )
            )
        return JSONResponse(answers.receipt(landed), 201, {"Location": f"/v1/receipts/{landed.id}"})

    return router


def _reading_addresses(home: Home, catalogue: Catalogue) -> APIRouter:
    router = APIRouter()
    Sender = Annotated[tokens.Bearer, Depends(_bearer(home))]  # noqa: N806 - a type

    @router.get("/v1/receipts/{push_id}", tags=["回执 receipt"])
    def receipt(push_id: str, sender: Sender) -> dict[str, Any]:
        """What became of a push: received, applied, held or refused, with row counts."""
        return answers.receipt(_own_push(home, push_id, sender))

    @router.get("/v1/receipts/{push_id}/reasons", tags=["回执 receipt"])
    def reasons(
        push_id: str,
        sender: Sender,
        as_format: Annotated[Literal["ndjson", "csv"], Query(alias="format")] = "ndjson",
    ) -> StreamingResponse:
        """The rows of a push that are in quarantine, with every reason, as NDJSON or CSV."""
        own = _own_push(home, push_id, sender)
        records = answers.quarantined(Lake(home.lake), own)
        lines = answers.as_ndjson(records) if as_format == "ndjson" else answers.as_csv(records)
        media = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}[as_format]
        return StreamingResponse(
            lines, media_type=media, headers=_attachment(f"{own.id}-reasons.{as_format}")
        )

    @router.post(
        "/v1/receipts/{push_id}/withdrawal",
        tags=["回执 receipt"],
        responses={202: {"description": "数据局确认后撤回 asked of the bureau"}},
    )
    def withdrawal(push_id: str, sender: Sender, said: Withdrawal) -> JSONResponse:
        """Take a push back: at once (200) while its rows are in no table; else the bureau is asked (202)."""
        own = _own_push(home, push_id, sender)
        if not sender.may_push(own.resource):
            raise _not_for(own.resource)
        try:
            done = take_back(home, own, reason=said.reason, by=sender.department)
        except WithdrawalError as error:
            zh, _, en = str(error).partition(" · ")
            raise Problem(409, Title(zh=zh, en=en)) from None
        told = answers.receipt(open_ledger(home).get(push_id))
        return JSONResponse(told | {"withdrawal": "done" if done else "asked"}, 200 if done else 202)

    @router.get("/v1/resources/{code}", tags=["目录 catalogue"])
    def resource(code: str, sender: Sender) -> dict[str, Any]:
        """What a push of this resource must look like, and within which bounds the department may push."""
        entry = _own(catalogue, code, sender)
        return answers.expected(entry, FORMATS, catalogue.departments[entry.department].limits)

    @router.get("/v1/resources/{code}/template", tags=["目录 catalogue"])
    def template(
        code: str, sender: Sender, as_format: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "csv"
    ) -> Response:
        """An empty file with the resource's headers, to fill."""
        return template_file(code, as_format, sender)

    @router.get("/v1/resources/{code}/template.{as_format}", tags=["目录 catalogue"])
    def template_file(code: str, as_format: Literal["csv", "xlsx"], sender: Sender) -> Response:
        """An empty file with the resource's headers, to fill: by the file's own address."""
        entry = _own(catalogue, code, sender)
        headers = _attachment(f"{entry.code}.{as_format}")
        if as_format == "csv":
            return Response(
                answers.csv_template(entry), media_type="text/csv; charset=utf-8", headers=headers
            )
        return Response(answers.xlsx_template(entry), media_type=answers.XLSX, headers=headers)

    return router


def _bearer(home: Home) -> Callable[..., tokens.Bearer]:
    """A dependency that finds out which department asks; 401 where none does."""
    return bearing(
        lambda token: tokens.bearer_of(open_ledger(home), token),
        "部门令牌 a department's token",
        Title(
            zh="请在 Authorization 头中提供有效的部门令牌（Bearer）",
            en="send a valid department token: Authorization: Bearer …",
        ),
    )


def _own(catalogue: Catalogue, code: str, sender: tokens.Bearer) -> Entry:
    try:
        entry = catalogue.entry(code)
    except UnknownResourceError:
        raise Problem(
            404, Title(zh=f"目录中没有数据资源 {code[:80]}", en=f"no resource {code[:80]} in the catalogue")
        ) from None
    if entry.department != sender.department:
        raise Problem(
            403, Title(zh=f"{code} 的数源部门不是贵部门", en=f"your department is not the source of {code}")
        )
    return entry


def _not_for(code: str) -> Problem:
    return Problem(403, Title(zh=f"该令牌不能推送 {code}", en=f"this token is not for {code}"))


def _own_push(home: Home, push_id: str, sender: tokens.Bearer) -> Push:
    unknown = Problem(404, Title(zh="没有这份回执", en="no such receipt"))
    try:
        push = open_ledger(home).get(push_id)
    except UnknownPushError:
        raise unknown from None
    # another department's receipt is as unknown as one that does not exist
    if push.department != sender.department:
        raise unknown
    return push


def _format(request: Request, code: str) -> tuple[str, str]:
    """(format, file name) from the content type and encoding; bytes are kept as they come, compressed or not."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if media not in FORMATS or encoding not in ENCODINGS:
        raise Problem(
            415,
            Title(
                zh=f"请用以下 Content-Type 之一：{'、'.join(FORMATS)}；Content-Encoding 可为 gzip 或 zstd",
                en=f"use one of these content types: {', '.join(FORMATS)}; encoded as gzip or zstd, or not at all",
            ),
        )
    return FORMATS[media], f"{code}.{FORMATS[media]}{ENCODINGS[encoding]}"


def _attachment(filename: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{filename}"'}


def run(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = 8640,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve until interrupted; raises ``ExposedError`` for another address than loopback without TLS."""

    def make() -> FastAPI:
        sweep(home, open_ledger(home))
        return create_app(home, load())

    serve(
        "gateway",
        make,
        host=host,
        port=port,
        certificate=tls_certificate,
        key=tls_key,
        timeout_keep_alive=15,
    )
