"""The record of periods 周期台账: the rows behind every number on timeliness.

Here belong its address and filters; what became of a period was decided when its due day was over.
"""

from __future__ import annotations

import re
from datetime import date

import polars as pl
from fastapi import APIRouter
from fastapi.responses import Response

from pipelines.dashboard.rendering import PAGE_ROWS, page, page_at
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visitor
from quality.freshness import Verdict

router = APIRouter()


@router.get("/periods")
def periods(
    visit: Visitor,
    department: str = "",
    resource: str = "",
    month: str = "",
    verdict: str = "",
    at: int = 1,
) -> Response:
    """What became of each period: of a department, a resource, those due in a month (``2026-10``)."""
    mine = visit.department or department
    if department:
        visit.require_department(department)
    if resource:
        visit.require_entry(resource)
    unknown = verdict and verdict not in list(Verdict)
    if unknown or (month and not re.fullmatch(r"20\d{2}-(0[1-9]|1[0-2])", month)):
        raise DeniedError(404, NOT_FOUND)
    wanted = [
        *([pl.col("department") == mine] if mine else []),
        *([pl.col("resource") == resource] if resource else []),
        *([pl.col("verdict") == verdict] if verdict else []),
        *([pl.col("due").dt.truncate("1mo") == date.fromisoformat(f"{month}-01")] if month else []),
    ]
    picture = visit.picture()
    found = picture.periods.filter(*wanted)
    at, pages = page_at(at, found.height)
    return page(
        visit,
        "periods.html",
        rows=found.slice((at - 1) * PAGE_ROWS, PAGE_ROWS).to_dicts(),
        total=found.height,
        at=at,
        pages=pages,
        chosen={"department": mine, "resource": resource, "month": month, "verdict": verdict},
        verdicts={each.value: each for each in Verdict},
        resources=[
            entry for entry in visit.site.context.catalogue.entries.values() if mine in ("", entry.department)
        ],
    )
