"""The first page: how many resources are on time, late, held; the board of departments; what changed today.

Here belongs the gathering of its facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from assets.escalation import Case, Stage
from assets.operations import ResourceState
from lake.ledger import PushState
from lake.promises import Measure, open_promises
from pipelines.dashboard.board import Picture
from pipelines.dashboard.pages.objections import open_ones
from pipelines.dashboard.rendering import page
from pipelines.dashboard.timeliness import Tally, due_in
from pipelines.dashboard.visits import Visitor
from quality.freshness import State

router = APIRouter()
#: What needs somebody, the worst first.
WORST_FIRST = (State.LATE, State.HELD, State.NEVER, State.DUE_SOON)
_SHOWN_TODAY = 10


@dataclass(frozen=True)
class Row:
    """A department on the board: its resources, the worst first, and this month's timeliness."""

    department: str
    states: Sequence[ResourceState]
    month: Tally
    quality: float | None


@router.get("/")
def overview(visit: Visitor, state: State | None = None, *, failing: bool = False) -> Response:
    """The bureau's first page, with all resources or those that stand somewhere; a department is sent to its own."""
    if visit.department is not None:
        return RedirectResponse(f"/departments/{visit.department}", 303)
    picture = visit.picture()
    states = picture.states_of(None)
    counts = Counter(each.state for each in states)
    today = picture.pushes_on(picture.today, None)
    return page(
        visit,
        "overview.html",
        counts={each: counts[each] for each in State},
        total=len(states),
        chosen=state,
        failing=failing,
        failing_count=sum(each.failing for each in states),
        rows=board_rows(picture, state, failing=failing),
        attention=attention(states),
        cases=open_cases(picture, open_promises(visit.site.context.home).measures()),
        excuses=[excuse for excuse in picture.excuses if excuse.accepted is None],
        objections=open_ones(visit),
        today=today[:_SHOWN_TODAY],
        today_count=len(today),
        today_rows=sum(push.accepted or 0 for push in today),
        today_refused=sum(1 for push in today if push.state is PushState.REFUSED),
        rows_standard=sum(each.rows_standard for each in states),
        rows_quarantined=sum(each.rows_quarantined for each in states),
        quality=mean_quality(states),
    )


def board_rows(picture: Picture, only: State | None = None, *, failing: bool = False) -> list[Row]:
    """The departments with resources (that stand at ``only``, that fail), in the order of how bad things are."""
    rows = []
    for department in {state.department: None for state in picture.states.values()}:
        mine = picture.states_of(department)
        shown = sorted(
            (each for each in mine if only in (None, each.state) and (each.failing or not failing)),
            key=lambda state: _rank(state.state),
        )
        month = due_in(picture.record, [state.resource for state in mine], picture.today)
        if shown:
            rows.append(Row(department, shown, month, mean_quality(mine)))
    return sorted(rows, key=lambda row: (_rank(row.states[0].state), -len(row.states), row.department))


def open_cases(picture: Picture, measures: Sequence[Measure]) -> list[Case]:
    """Cases of late departments in which the bureau is to do something, the furthest first."""
    cases = [
        picture.case(department, [done for done in measures if done.department == department])
        for department in {state.department: None for state in picture.states.values()}
    ]
    waiting = [case for case in cases if case.stage in (Stage.REPORT_DUE, Stage.NOTICE_DUE)]
    return sorted(waiting, key=lambda case: case.stage is not Stage.REPORT_DUE)


def attention(states: Sequence[ResourceState]) -> list[ResourceState]:
    """Resources that need somebody, the worst first."""
    needing = [
        state for state in states if state.state in WORST_FIRST or state.failing or state.stale_content
    ]
    return sorted(needing, key=lambda state: (_rank(state.state), -state.working_days_late))


def mean_quality(states: Sequence[ResourceState]) -> float | None:
    """The mean share of rows that passed, over the resources assessed."""
    known = [state.quality for state in states if state.quality is not None]
    return sum(known) / len(known) if known else None


def _rank(state: State) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)
