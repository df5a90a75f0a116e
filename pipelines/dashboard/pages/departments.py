"""A department's page: its resources, its timeliness, its quality, what is in quarantine, its receipts.

Here belongs the gathering of its facts.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from fastapi import APIRouter
from fastapi.responses import Response

from assets.scores import DEPARTMENT, SCORES, latest_scores
from catalog.model import Dimension
from lake.ledger import open_ledger
from lake.promises import open_promises
from pipelines.dashboard.charts import Bar
from pipelines.dashboard.pages.overview import mean_quality
from pipelines.dashboard.pages.uploads import may_push
from pipelines.dashboard.pages.worklists import tally_of
from pipelines.dashboard.rendering import page
from pipelines.dashboard.timeliness import Tally, by_month, sum_of
from pipelines.dashboard.visits import Visit, Visitor
from quality.clock import CITY_TIME
from quality.freshness import State

router = APIRouter()
_RECEIPTS = 15


@router.get("/departments/{code}")
def department(visit: Visitor, code: str) -> Response:
    """One department."""
    visit.require_department(code)
    picture, catalogue = visit.picture(), visit.site.context.catalogue
    states = picture.states_of(code)
    counts = Counter(state.state for state in states)
    entries = catalogue.of_department(code)
    months = by_month(picture.record, [entry.code for entry in entries], picture.today)
    waiting = [found for entry in entries if (found := tally_of(visit, entry)).open]
    return page(
        visit,
        "department.html",
        code=code,
        department=catalogue.departments[code],
        states=states,
        counts={state: counts[state] for state in State if counts[state]},
        bars=[month_bar(visit, month, months[month], f"department={code}") for month in months],
        year=sum_of(months.values()),
        dimensions=recorded_dimensions(visit, code),
        by_resource={state.resource: state.dimensions for state in states},
        quality=mean_quality(states),
        waiting=sorted(waiting, key=lambda item: item.since),
        days_since=lambda instant: days_since(instant, picture.today),
        receipts=picture.pushes_of(code)[:_RECEIPTS],
        held=picture.held(code),
        case=picture.case(code, open_promises(visit.site.context.home).measures(code)),
        waiting_excuses=sum(e.department == code and e.accepted is None for e in picture.excuses),
        tokens=open_ledger(visit.site.context.home).tokens(code),
        now=picture.at,
        may_push={entry.code: may_push(visit, entry) for entry in entries},
    )


def days_since(instant: datetime, today: date) -> int:
    """Days from an instant to the city's today."""
    return (today - instant.astimezone(CITY_TIME).date()).days


def month_bar(visit: Visit, month: date, counted: Tally, of: str) -> Bar:
    """A month's periods as one stacked bar, which leads to them; ``of`` is what they are of, as an address says it."""
    label = f"{month.year}-{month.month:02d}"
    words = (
        ("on_time", counted.on_time, visit.t("按时", "on time")),
        ("late", counted.late, visit.t("逾期", "late")),
        ("missed", counted.missed, visit.t("缺报", "missed")),
        ("excused", counted.excused, visit.t("说明获准", "excused")),
    )
    return Bar(
        label,
        tuple((kind, count, f"{label} {said} {count}") for kind, count, said in words),
        f"/periods?{of}&month={label}",
    )


def recorded_dimensions(visit: Visit, code: str) -> dict[Dimension, float | None]:
    """The department's newest recorded score in each quality dimension."""
    recorded = visit.site.board.worked_out(
        "scores", [SCORES], lambda context: latest_scores(context.lake).filter(level=DEPARTMENT)
    )
    found = dict(recorded.filter(department=code).select("dimension", "score").iter_rows())
    return {dimension: found.get(dimension.value) for dimension in Dimension}
