"""A department's worklist: its quarantined rows that wait, their reasons, the workbook, and the bureau's rulings on them.

Here belong the addresses. What a ruling does is in ``assets.quarantine``; the workbook is made in ``pipelines.worklists``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from assets.quarantine import RulingError, Tally, dismiss, release, tally, worklist
from catalog.model import Entry, Title
from lake.locks import TableBusyError
from lake.rulings import Rulings
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.refusals import Refusal, in_words
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import DeniedError, Form, Visit, Visitor, require_posted
from pipelines.worklists import XLSX, workbook
from quality.clock import today

router = APIRouter()
#: So many rows of each resource are shown; the workbook holds all.
SHOWN_ROWS = 50
_NOTHING = Title(zh="没有待处理的问题数据", en="nothing waits to be corrected")
_NOT_YOURS = Title(
    zh="只有本部门和数据局可以下载", en="only the department itself and the bureau may have it"
)


@dataclass(frozen=True)
class Waiting:
    """A row that waits: its push and number, since when, and its reasons."""

    push: str
    row: int
    since: datetime
    reasons: list[Refusal]


@router.get("/departments/{code}/worklist")
def listed(visit: Visitor, code: str) -> Response:
    """The rows that wait, resource by resource."""
    visit.require_department(code)
    catalogue = visit.site.context.catalogue
    shows_cells = visit.sees_values(code)
    tallies = {entry.code: tally_of(visit, entry) for entry in catalogue.of_department(code)}
    return page(
        visit,
        "worklist.html",
        code=code,
        department=catalogue.departments[code],
        tallies={name: found for name, found in tallies.items() if any_rows(found)},
        waiting={
            name: _waiting(visit, catalogue.entry(name), with_cells=shows_cells)
            for name, found in tallies.items()
            if found.open
        },
        shows_cells=shows_cells,
        shown_rows=SHOWN_ROWS,
    )


@router.get("/departments/{code}/worklist.xlsx")
def downloaded(visit: Visitor, code: str) -> Response:
    """The workbook: all rows that wait, to correct and push again. Who took it is recorded."""
    visit.require_department(code)
    if not visit.sees_values(code):
        raise DeniedError(403, _NOT_YOURS)
    content = workbook(visit.site.context, visit.site.context.catalogue.of_department(code))
    if content is None:
        raise DeniedError(404, _NOTHING)
    visit.site.accounts.record(visit.account.name, Act.DOWNLOAD_WORKLIST, code)
    name = f"{code}-{today():%Y%m%d}-worklist.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=XLSX, headers=headers)


@router.post("/quarantine/{push_id}/{row}/release")
def released(visit: Visitor, push_id: str, row: int, form: Form) -> Response:
    """The bureau lets a row in although it fails its rules."""
    return _ruled(visit, push_id, row, form, release, Act.RELEASE_ROW)


@router.post("/quarantine/{push_id}/{row}/dismiss")
def dismissed(visit: Visitor, push_id: str, row: int, form: Form) -> Response:
    """The bureau says that a row need not be corrected."""
    return _ruled(visit, push_id, row, form, dismiss, Act.DISMISS_ROW)


def tally_of(visit: Visit, entry: Entry) -> Tally:
    """How the resource's quarantined rows stand, worked out once for each version of its tables and each ruling."""
    tables = [("standard", entry.code), ("quarantine", entry.code)]
    ruled = Rulings(visit.site.context.home).count(entry.code)

    return visit.site.board.worked_out(
        f"tally {entry.code} {ruled}", tables, lambda context: tally(context, entry)
    )


def any_rows(found: Tally) -> bool:
    """Whether the resource ever had a quarantined row."""
    return bool(found.open or found.closed or found.released or found.dismissed)


def _ruled(
    visit: Visit, push_id: str, row: int, form: Form, ruling: Callable[..., None], act: Act
) -> Response:
    require_posted(visit, form)
    visit.require_decision()
    push = visit.require_push(push_id)
    try:
        ruling(visit.site.context, push.id, row, reason=form.get("reason", ""), by=visit.account.name)
    except (RulingError, TableBusyError) as error:
        raise DeniedError.of(409, error) from None
    visit.site.accounts.record(visit.account.name, act, f"{push.id}:{row}")
    return RedirectResponse(f"/departments/{push.department}/worklist", 303)


def _waiting(visit: Visit, entry: Entry, *, with_cells: bool) -> list[Waiting]:
    rows = worklist(visit.site.context, entry).head(SHOWN_ROWS)
    return [
        Waiting(
            record["_push"],
            record["_row"],
            record["since"],
            in_words(rows.slice(place, 1).lazy(), with_cells=with_cells),
        )
        for place, record in enumerate(rows.iter_rows(named=True))
    ]
