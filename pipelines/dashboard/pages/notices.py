"""The notice to a late department 催报通知: drafted from what is owed, signed and sent by an officer, never twice unseen.

Here belong the draft and the record that it was sent, or that the matter was reported when its last day had passed (Art. 49).
Deadlines are judged in ``quality.freshness``, the case in ``assets.escalation``.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from assets.escalation import Stage
from catalog.model import Title
from lake.promises import Step, open_promises
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import page
from pipelines.dashboard.timeliness import due_in, months_back
from pipelines.dashboard.visits import DeniedError, Form, Visitor, require_posted
from quality.calendar import UnknownYearError

router = APIRouter()
_MONTHS = 3
_NOTHING_OWED = Title(
    zh="该部门没有欠报，或尚未到这一步", en="nothing is owed, or the case has not come so far"
)


@router.get("/departments/{code}/notice")
def notice(visit: Visitor, code: str) -> Response:
    """The draft, to be printed and signed."""
    visit.require_overseer()
    visit.require_department(code)
    picture = visit.picture()
    measures = open_promises(visit.site.context.home).measures(code)
    recent = months_back(picture.today, _MONTHS)
    missed = {
        state.resource: sum(due_in(picture.record, [state.resource], month).missed for month in recent)
        for state in picture.states_of(code)
    }
    try:
        correct_by = picture.duties.terms.correct_by(picture.today)
    except UnknownYearError:
        correct_by = None
    return page(
        visit,
        "notice.html",
        code=code,
        case=picture.case(code, measures),
        missed={resource: count for resource, count in missed.items() if count},
        correct_by=correct_by,
        days=picture.duties.terms.policy.days_to_correct,
        measures=measures,
    )


@router.post("/departments/{code}/notice")
def sent(visit: Visitor, code: str, form: Form) -> Response:
    """Record that an officer signed and sent the notice; once its last day has passed, that the matter was reported."""
    require_posted(visit, form)
    visit.require_decision()
    visit.require_department(code)
    picture, promises = visit.picture(now=True), open_promises(visit.site.context.home)
    case = picture.case(code, promises.measures(code))
    owed, by = [state.resource for state in case.owed], visit.account.name
    if form.get("step") == Step.REPORTED.value and case.stage is Stage.REPORT_DUE:
        promises.take(Step.REPORTED, code, owed, correct_by=case.correct_by, by=by)
        visit.site.accounts.record(by, Act.REPORTED, code)
    elif form.get("step") == Step.NOTICE.value and owed:
        correct_by = picture.duties.terms.correct_by(picture.today)
        promises.take(Step.NOTICE, code, owed, correct_by=correct_by, by=by)
        visit.site.accounts.record(by, Act.NOTICE_SENT, code)
    else:
        raise DeniedError(409, _NOTHING_OWED)
    return RedirectResponse(f"/departments/{code}/notice", 303)
