"""Objections 异议: a department contests a catalogue entry, the bureau answers, both for ever.

Here belong their addresses; they are shown on the entry's own page. What an entry says is changed in its YAML.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from catalog.model import Entry, Title
from lake.objections import Objection, ObjectionError, open_objections
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Form, Visit, Visitor, require_posted

router = APIRouter()
_DEPARTMENTS_ONLY = Title(zh="异议由部门提出", en="objections are made by departments")


@router.post("/resources/{code}/objections")
def contest(visit: Visitor, code: str, form: Form) -> Response:
    """Any department contests an entry: its own, or one whose items it holds to be its own (Art. 15)."""
    require_posted(visit, form)
    entry = visit.require_listed(code)
    if visit.department is None:
        raise DeniedError(403, _DEPARTMENTS_ONLY)
    objections, by = open_objections(visit.site.context.home), visit.account.name
    try:
        number = objections.contest(
            entry.code, entry.version, visit.department, reason=form.get("reason", ""), by=by
        )
    except ObjectionError as error:
        raise DeniedError.of(422, error) from None
    visit.site.accounts.record(by, Act.CONTEST, f"{entry.code} #{number}")
    return RedirectResponse(f"/resources/{entry.code}#objection-{number}", 303)


@router.post("/objections/{number}/answer")
def answer(visit: Visitor, number: int, form: Form) -> Response:
    """The bureau upholds an objection or not, with a reason."""
    require_posted(visit, form)
    visit.require_decision()
    objections = open_objections(visit.site.context.home)
    about = next((each for each in objections.all() if each.id == number), None)
    if about is None or form.get("upheld") not in ("yes", "no"):
        raise DeniedError(404, NOT_FOUND)
    if not _answers(visit, about):
        raise DeniedError(404, NOT_FOUND)
    try:
        objections.answer(
            number, upheld=form["upheld"] == "yes", reason=form.get("reason", ""), by=visit.account.name
        )
    except ObjectionError as error:
        raise DeniedError.of(409, error) from None
    visit.site.accounts.record(visit.account.name, Act.ANSWER_OBJECTION, f"{about.resource} #{number}")
    return RedirectResponse(f"/resources/{about.resource}#objection-{number}", 303)


def objections_to(visit: Visit, entry: Entry) -> Sequence[Objection]:
    """The objections to an entry that this visit shows: all of them to its department and to who oversees that; to
    another department its own."""
    found = open_objections(visit.site.context.home).all(entry.code)
    if entry.department in visit.departments:
        return found
    return [each for each in found if each.department in visit.departments]


def open_ones(visit: Visit) -> list[Objection]:
    """The objections that wait for this visit's answer."""
    found = open_objections(visit.site.context.home).all()
    return [each for each in found if each.upheld is None and _answers(visit, each)]


def _answers(visit: Visit, objection: Objection) -> bool:
    """Whether the entry contested is of a department that this visit oversees."""
    entry = visit.site.context.catalogue.entries.get(objection.resource)
    return visit.sees_city or (entry is not None and entry.department in visit.departments)
