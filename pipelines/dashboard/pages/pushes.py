"""Pushes: the list of all, and each receipt with what became of it, row by row.

Here belong their addresses, the download of refused rows, and the decisions on a push: a held one, and one of which nothing shall be left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from assets import purge
from catalog.model import Title
from lake.ledger import LedgerError, Push, PushState, open_ledger
from lake.purges import PurgeError, Purges
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.refusals import SHOWN_ROWS, failing, refusals
from pipelines.dashboard.rendering import PAGE_ROWS, page, page_at
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Form, Visit, Visitor, require_posted
from pipelines.gateway import answers
from quality.clock import CITY_TIME

router = APIRouter()
_NO_REASON = Title(zh="请写明理由，它会永久留存", en="give the reason: it is kept for ever")


@router.get("/pushes")
def pushes(
    visit: Visitor, state: str = "", department: str = "", resource: str = "", day: str = "", at: int = 1
) -> Response:
    """All pushes, newest first, a page at a time: those in a state, of a department, of a resource, received on a day or in
    a month (``2026-10``)."""
    if department:
        visit.require_department(department)
    if resource:
        visit.require_entry(resource)
    if state and state not in list(PushState):
        raise DeniedError(404, NOT_FOUND)
    found = visit.picture().pushes_of(visit.department or department or None)
    if state:
        wanted = PushState(state)
        found = [push for push in found if push.state is wanted]
    if resource:
        found = [push for push in found if push.resource == resource]
    if day:
        found = [push for push in found if _received_on(push).startswith(day)]
    at, pages = page_at(at, len(found))
    return page(
        visit,
        "pushes.html",
        pushes=found[(at - 1) * PAGE_ROWS : at * PAGE_ROWS],
        total=len(found),
        at=at,
        pages=pages,
        chosen=state,
        chosen_department=department,
        chosen_resource=resource,
        chosen_day=day,
        states=list(PushState),
    )


@router.get("/receipts/{push_id}")
def receipt(visit: Visitor, push_id: str) -> Response:
    """What became of one push."""
    push = visit.require_push(push_id)
    entry = visit.require_listed(push.resource)
    shows_cells = visit.sees_values(push.department)
    return page(
        visit,
        "receipt.html",
        push=push,
        entry=entry,
        stone=Purges(visit.site.context.home).known(push.id) if visit.decides else None,
        signatures=open_ledger(visit.site.context.home).decisions("sign", push.id),
        failing=failing(entry, push.failures, push.findings),
        refusals=refusals(visit.site.context.lake, push, with_cells=shows_cells),
        shows_cells=shows_cells,
        shown_rows=SHOWN_ROWS,
        waited=int((datetime.now(UTC) - push.received_at).total_seconds()),
    )


@router.get("/receipts/{push_id}/state")
def state(visit: Visitor, push_id: str) -> dict[str, str]:
    """Where the push stands: what a page that follows it asks for."""
    return {"state": visit.require_push(push_id).state.value}


@router.get("/receipts/{push_id}/refused.csv")
def refused(visit: Visitor, push_id: str) -> Response:
    """Every refused row with every reason, to correct and push again; whoever may not see values gets none."""
    push = visit.require_push(push_id)
    visit.site.accounts.record(visit.account.name, Act.DOWNLOAD_REFUSED, push.id)
    records = answers.quarantined(visit.site.context.lake, push)
    shown = records if visit.sees_values(push.department) else _without_cells(records)
    name = f"{push.resource}-{push.data_date}-{push.id[-6:]}-refused.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(answers.as_csv(shown), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/receipts/{push_id}/accept")
def accept(visit: Visitor, push_id: str, form: Form) -> Response:
    """The bureau lets a held push in, with a reason."""
    return _decided(visit, push_id, form, open_ledger(visit.site.context.home).accept_hold, Act.ACCEPT_HOLD)


@router.post("/receipts/{push_id}/refuse")
def refuse(visit: Visitor, push_id: str, form: Form) -> Response:
    """The bureau sends a held push back, with a reason; the data stay as they were."""
    return _decided(visit, push_id, form, open_ledger(visit.site.context.home).refuse_hold, Act.REFUSE_HOLD)


@router.post("/receipts/{push_id}/purge")
def ask_purge(visit: Visitor, push_id: str, form: Form) -> Response:
    """An officer asks that nothing of a push be left; another must confirm."""

    def ask(push_id: str, *, reason: str, by: str) -> None:
        secret = form.get("state_secret") == "on"
        purge.request(visit.site.context, push_id, reason=reason, by=by, state_secret=secret)

    return _decided(visit, push_id, form, ask, Act.PURGE_REQUEST)


@router.post("/receipts/{push_id}/purge/confirm")
def confirm_purge(visit: Visitor, push_id: str, form: Form) -> Response:
    """Another officer agrees: the next run destroys it (see ``pipelines.purging``)."""

    def confirm(push_id: str, *, reason: str, by: str) -> None:
        Purges(visit.site.context.home).confirm(push_id, by=by)

    return _decided(visit, push_id, {**form, "reason": "confirmed"}, confirm, Act.PURGE_CONFIRM)


def _decided(visit: Visit, push_id: str, form: Form, decide: Callable[..., None], act: Act) -> Response:
    require_posted(visit, form)
    visit.require_decision()
    push, reason = visit.require_push(push_id), form.get("reason", "").strip()
    if not reason:
        raise DeniedError(422, _NO_REASON)
    try:
        decide(push.id, reason=reason, by=visit.account.name)
    except (LedgerError, PurgeError) as error:
        raise DeniedError.of(409, error) from None
    visit.site.accounts.record(visit.account.name, act, push.id)
    visit.site.board.picture(now=True)
    return RedirectResponse(f"/receipts/{push.id}", 303)


def _received_on(push: Push) -> str:
    return push.received_at.astimezone(CITY_TIME).date().isoformat()


def _without_cells(records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        yield record | {"cells": ""}
