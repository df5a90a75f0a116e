"""The monthly bulletin 通报: departments ranked by timeliness and by quality, and what is owed. Made to be printed.

Here belongs the gathering of its facts. It is a draft: an officer signs and sends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
from fastapi import APIRouter
from fastapi.responses import Response

from assets.scores import DEPARTMENT, SCORES, totals
from catalog.model import Title
from lake.ledger import PushState
from pipelines.dashboard.board import Picture
from pipelines.dashboard.rendering import page
from pipelines.dashboard.timeliness import Tally, due_in, months_back
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor
from quality.clock import CITY_TIME

router = APIRouter()
_MONTHS = 24


@dataclass(frozen=True)
class Standing:
    """A department in a month: its periods, the rows it sent and how many passed, its score as it was recorded at the end
    of the month, and its two ranks (None: nothing to rank)."""

    department: str
    periods: Tally
    pushes: int
    rows: int
    accepted: int
    score: float | None = None
    timely_rank: int | None = None
    quality_rank: int | None = None

    @property
    def quality(self) -> float | None:
        """The share of rows that passed."""
        return self.accepted / self.rows if self.rows else None


@router.get("/bulletin")
def bulletin(visit: Visitor, month: str = "") -> Response:
    """The bulletin of a month (of one county's departments); by default the last whole one, or this one where nothing was
    due before."""
    visit.require_overseer()
    picture = visit.picture()
    chosen = _month(month) if month else _last_with_periods(picture)
    # a held push has come, and what was never promised is not owed
    owed = [each for each in picture.states_of(None) if each.working_days_late]
    missed = {code: due_in(picture.record, [code], chosen).missed for code in picture.record}
    standings = ranked(picture, chosen, recorded_scores(visit, chosen))
    return page(
        visit,
        "bulletin.html",
        month=chosen,
        months=months_back(picture.today, _MONTHS)[::-1],
        standings=standings,
        whole=due_in(picture.record, picture.record, chosen),
        owed=sorted(owed, key=lambda each: -each.working_days_late),
        missed={code: count for code, count in _most_first(missed) if count},
        pushes=sum(each.pushes for each in standings),
        rows=sum(each.rows for each in standings),
        accepted=sum(each.accepted for each in standings),
        issuer=_issuer(visit),
    )


def _issuer(visit: Visit) -> Title | None:
    """Who signs: the bureau that the city's departments answer to, or the county's."""
    known, of_county = visit.site.context.catalogue.departments, bool(visit.county)
    bureaus = {
        known[code].bureau for code in visit.departments if (known[code].level == "county") is of_county
    }
    return next((known[bureau].title for bureau in sorted(bureaus) if bureau in known), None)


def recorded_scores(visit: Visit, month: date) -> dict[str, float | None]:
    """Each department's total as it stood when the month ended; where none was recorded yet, the first one."""
    recorded = visit.site.board.worked_out(
        "department totals", [SCORES], lambda context: totals(context.lake, DEPARTMENT)
    )
    before = recorded.filter(pl.col("recorded_at") < _ends(month)).unique("department", keep="last")
    first = recorded.unique("department", keep="first").join(before, on="department", how="anti")
    return dict(pl.concat([before, first]).select("department", "score").iter_rows())


def ranked(picture: Picture, month: date, scores: Mapping[str, float | None]) -> list[Standing]:
    """Every department with something due or sent in the month, by timeliness; equal shares have equal ranks."""
    found = [
        _standing(picture, code, month, scores.get(code))
        for code in {s.department: None for s in picture.states.values()}
    ]
    active = [each for each in found if each.periods.due or each.pushes]
    timely = _ranks(active, lambda each: each.periods.share)
    clean = _ranks(active, lambda each: each.score)
    standings = [
        Standing(**{**vars(each), "timely_rank": timely[place], "quality_rank": clean[place]})
        for place, each in enumerate(active)
    ]
    last = len(standings) + 1
    return sorted(standings, key=lambda each: (each.timely_rank or last, each.quality_rank or last))


def _ends(month: date) -> datetime:
    """The instant at which a month is over in the city."""
    following = (month + timedelta(days=31)).replace(day=1)
    return datetime.combine(following, time(), CITY_TIME).astimezone(UTC)


def _standing(picture: Picture, department: str, month: date, score: float | None) -> Standing:
    begins, ends = datetime.combine(month, time(), CITY_TIME).astimezone(UTC), _ends(month)
    resources = [state.resource for state in picture.states_of(department)]
    sent = [
        push
        for resource in resources
        for push in picture.pushes[resource]
        if begins <= push.received_at < ends
    ]
    applied = [push for push in sent if push.state is PushState.APPLIED]
    return Standing(
        department,
        due_in(picture.record, resources, month),
        len(sent),
        sum(push.rows or 0 for push in applied),
        sum(push.accepted or 0 for push in applied),
        score,
    )


def _ranks(standings: Sequence[Standing], of: Callable[[Standing], float | None]) -> list[int | None]:
    values = [of(each) for each in standings]
    return [
        None if value is None else 1 + sum(other > value for other in values if other is not None)
        for value in values
    ]


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _last_with_periods(picture: Picture) -> date:
    this = picture.today.replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    return last if due_in(picture.record, picture.record, last).due else this


def _month(text: str) -> date:
    if not re.fullmatch(r"20\d{2}-(0[1-9]|1[0-2])", text):
        raise DeniedError(404, NOT_FOUND)
    return date(int(text[:4]), int(text[5:]), 1)
