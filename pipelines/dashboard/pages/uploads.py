"""A file from a browser: the page that takes it, its landing, and the template to fill where there is no export.

Here belong the addresses. The body goes to landing as the gateway's do; only a source department pushes its resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Annotated, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response

from assets.ingest.nothing import report_nothing
from catalog.model import Entry, Limits, Title, Way
from lake.landing import PushRefusedError, format_of, receive, safe_name
from lake.ledger import Push, open_ledger
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import DeniedError, Form, Visit, Visitor, require_posted, require_sent
from pipelines.gateway import answers, limits
from pipelines.gateway.bodies import land_body, require_room
from quality.clock import today

router = APIRouter()
_pool = ThreadPoolExecutor(8, "upload")  # what more comes at once waits
_slots = limits.Slots()
_NO_DATE = Title(zh="请填写数据日期", en="give the data date")
_NOT_YOURS = Title(zh="只有数源部门可以推送该资源", en="only the source department pushes this resource")


@router.get("/resources/{code}/upload")
def upload_form(visit: Visitor, code: str) -> Response:
    """Where a file is dropped."""
    entry = visit.require_entry(code)
    require_source(visit, entry)
    return page(visit, "upload.html", entry=entry, today=today(), most=limits_of(visit, entry).bytes)


@router.post("/resources/{code}/pushes")
async def upload(
    visit: Visitor,
    code: str,
    data_date: date,
    x_filename: Annotated[str, Header(max_length=1000)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JSONResponse:
    """Land the body as the department's push; 201 with the receipt's address once it is durable."""
    require_sent(visit)
    entry = visit.require_entry(code)
    require_source(visit, entry)
    home = visit.site.context.home
    allowed = limits_of(visit, entry)
    require_room(visit.request, home.root, allowed.bytes)
    name = safe_name(unquote(x_filename))

    def land(chunks: Iterator[bytes]) -> Push:
        return receive(
            home,
            open_ledger(home),
            entry,
            chunks,
            way=Way.FILE,
            filename=name,
            data_format=format_of(name),
            data_date=data_date,
            idempotency_key=idempotency_key,
            max_bytes=allowed.bytes,
        )

    with _slots.taken(entry.department, allowed):
        landed = await land_body(visit.request, _pool, land)
    await run_in_threadpool(visit.site.accounts.record, visit.account.name, Act.UPLOAD, landed.id)
    return JSONResponse({"receipt": landed.id, "address": f"/receipts/{landed.id}"}, 201)


@router.post("/resources/{code}/nothing")
def nothing(visit: Visitor, code: str, form: Form) -> Response:
    """Whoever is logged in signs that the department has nothing to report for a date (零报告)."""
    require_posted(visit, form)
    entry = visit.require_entry(code)
    require_source(visit, entry)
    try:
        day = date.fromisoformat(form.get("data_date", ""))
        landed = report_nothing(
            visit.site.context.home,
            open_ledger(visit.site.context.home),
            entry,
            day,
            way=Way.FILE,
            by=visit.account.name,
            department=entry.department,
        )
    except ValueError:
        raise DeniedError(422, _NO_DATE) from None
    except PushRefusedError as error:
        raise DeniedError(422, error.reason) from None
    visit.site.accounts.record(visit.account.name, Act.REPORT_NOTHING, landed.id)
    return RedirectResponse(f"/receipts/{landed.id}", 303)


@router.get("/resources/{code}/template")
def template(
    visit: Visitor, code: str, as_format: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "xlsx"
) -> Response:
    """An empty file with the resource's headers."""
    entry = visit.require_entry(code)
    content = answers.xlsx_template(entry) if as_format == "xlsx" else answers.csv_template(entry)
    media = answers.XLSX if as_format == "xlsx" else "text/csv; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{entry.code}.{as_format}"'}
    return Response(content, media_type=media, headers=headers)


def may_push(visit: Visit, entry: Entry) -> bool:
    """Whether this account pushes the resource: its source department, or the bureau where that is itself one."""
    if visit.department is not None:
        return visit.department == entry.department
    departments = visit.site.context.catalogue.departments
    bureaus = {department.bureau for department in departments.values()}
    # a county's officer pushes for the county's bureau, the city's for the city's
    of_county = departments[entry.department].level == "county"
    own = entry.department in visit.departments and of_county is (visit.account.division is not None)
    return visit.decides and entry.department in bureaus and own


def limits_of(visit: Visit, entry: Entry) -> Limits:
    """What the resource's department may ask at once."""
    return visit.site.context.catalogue.departments[entry.department].limits


def require_source(visit: Visit, entry: Entry) -> None:
    """Refuse who does not push the resource; raises :class:`DeniedError`."""
    if not may_push(visit, entry):
        raise DeniedError(403, _NOT_YOURS)
