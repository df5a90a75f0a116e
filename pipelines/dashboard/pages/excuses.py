"""Excuses 逾期说明: a late department says why, the bureau accepts it or not, both for ever.

Here belong their addresses. What an accepted excuse changes is decided in ``assets.operations``.
"""

from __future__ import annotations

from datetime import date

import polars as pl
from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from assets.operations import record_periods
from catalog.model import Title
from lake.promises import ExcuseError, excuse_of, open_promises
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Form, Visit, Visitor, require_posted
from quality.freshness import Verdict

router = APIRouter()
_NOT_YOURS = Title(zh="只有数源部门可以说明", en="only the department itself gives an excuse")
_NO_DATES = Title(zh="请选择数据资源和应报日", en="choose a resource and the deadlines")
_LISTED = 60


@router.get("/departments/{code}/excuses")
def excuses(visit: Visitor, code: str) -> Response:
    """What a department did not deliver in time, what it said to that, and what the bureau answered."""
    visit.require_department(code)
    picture = visit.picture()
    said = [excuse for excuse in picture.excuses if excuse.department == code]
    lapses = picture.periods.filter(pl.col("department") == code, pl.col("verdict") != Verdict.ON_TIME.value)
    return page(
        visit,
        "excuses.html",
        code=code,
        case=picture.case(code, open_promises(visit.site.context.home).measures(code)),
        lapses=lapses.head(_LISTED).to_dicts(),
        lapse_count=lapses.height,
        verdicts={verdict.value: verdict for verdict in Verdict},
        said_of=lambda resource, due: excuse_of(said, resource, due),
        excuses=said,
        owing=_owing(visit, code, lapses),
        may_excuse=visit.department == code,
    )


@router.post("/departments/{code}/excuses")
def give(visit: Visitor, code: str, form: Form) -> Response:
    """The department says why."""
    require_posted(visit, form)
    visit.require_department(code)
    if visit.department != code:
        raise DeniedError(403, _NOT_YOURS)
    try:
        entry = visit.require_entry(form.get("resource", ""))
        first, last = (date.fromisoformat(form.get(name, "")) for name in ("due_from", "due_to"))
    except ValueError:
        raise DeniedError(422, _NO_DATES) from None
    reason, promises = form.get("reason", ""), open_promises(visit.site.context.home)
    try:
        number = promises.excuse(code, entry.code, first, last, reason=reason, by=visit.account.name)
    except ExcuseError as error:
        raise DeniedError.of(422, error) from None
    visit.site.accounts.record(visit.account.name, Act.EXCUSE, f"{entry.code} #{number}")
    visit.site.board.picture(now=True)
    return RedirectResponse(f"/departments/{code}/excuses", 303)


@router.post("/excuses/{number}/ruling")
def rule(visit: Visitor, number: int, form: Form) -> Response:
    """The bureau accepts an excuse or not, with a reason; the record of periods follows."""
    require_posted(visit, form)
    visit.require_decision()
    context = visit.site.context
    promises = open_promises(context.home)
    about = next((excuse for excuse in promises.excuses() if excuse.id == number), None)
    if about is None or form.get("accepted") not in ("yes", "no"):
        raise DeniedError(404, NOT_FOUND)
    visit.require_department(about.department)
    try:
        promises.rule(
            number,
            accepted=form["accepted"] == "yes",
            reason=form.get("reason", ""),
            by=visit.account.name,
        )
    except ExcuseError as error:
        raise DeniedError.of(409, error) from None
    visit.site.accounts.record(visit.account.name, Act.RULE_EXCUSE, f"{about.resource} #{number}")
    record_periods(context, resources=[about.resource])
    visit.site.board.picture(now=True)
    return RedirectResponse(f"/departments/{about.department}/excuses", 303)


def _owing(visit: Visit, code: str, lapses: pl.DataFrame) -> dict[str, tuple[date, date]]:
    """The department's resources that it may have to speak of, each with its first and last deadline missed."""
    missed = lapses.filter(pl.col("verdict") != Verdict.EXCUSED.value)
    spans = missed.group_by("resource").agg(first=pl.col("due").min(), last=pl.col("due").max())
    owing = {resource: (first, last) for resource, first, last in spans.iter_rows()}
    for state in visit.picture().states_of(code):
        if state.next_due and state.working_days_late:
            first, last = owing.get(state.resource, (state.next_due, state.next_due))
            owing[state.resource] = (min(first, state.next_due), max(last, state.next_due))
    return dict(sorted(owing.items()))
