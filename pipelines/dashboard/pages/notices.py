"""The notice to a late department 催报通知: drafted from what is owed, signed and sent by an officer, never twice unseen.

Here belong the draft and the record that it was sent. Deadlines are judged in ``quality.freshness``.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from pipelines.dashboard.rendering import page
from pipelines.dashboard.timeliness import due_in, months_back
from pipelines.dashboard.visits import Form, Visitor, require_posted
from quality.calendar import UnknownYearError, working_day_after
from quality.freshness import State

router = APIRouter()
#: How many working days a department is given to correct. Ours, not the Measures'.
DAYS_TO_CORRECT = 10
SENT = "notice_sent"
_MONTHS = 3


@router.get("/departments/{code}/notice")
def notice(visit: Visitor, code: str) -> Response:
    """The draft, to be printed and signed."""
    visit.require_all()
    visit.require_department(code)
    picture = visit.site.board.picture()
    states = picture.states_of(code)
    recent = months_back(picture.today, _MONTHS)
    missed = {
        state.resource: sum(due_in(picture.record, [state.resource], month).missed for month in recent)
        for state in states
    }
    try:
        correct_by = working_day_after(picture.today, DAYS_TO_CORRECT, visit.site.board.calendar)
    except UnknownYearError:
        correct_by = None
    return page(
        visit,
        "notice.html",
        code=code,
        owed=[state for state in states if state.state in (State.LATE, State.NEVER)],
        missed={resource: count for resource, count in missed.items() if count},
        correct_by=correct_by,
        days=DAYS_TO_CORRECT,
        sent=visit.site.accounts.latest_act(SENT, code),
    )


@router.post("/departments/{code}/notice")
def sent(visit: Visitor, code: str, form: Form) -> Response:
    """Record that an officer signed and sent it."""
    require_posted(visit, form)
    visit.require_decision()
    visit.site.accounts.record(visit.account.name, SENT, visit.require_department(code))
    return RedirectResponse(f"/departments/{code}/notice", 303)
