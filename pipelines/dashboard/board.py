"""What the pages show, held in memory: every resource's state, all pushes, the record of periods.

Here belongs the keeping up to date: the ledger is followed by what changed in it, a table is read again when it has a new
version, and a resource is judged again when it had a push or a new day began. A page never waits for more than that.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import polars as pl

from assets.build import Context, TableName
from assets.escalation import Case, case_of
from assets.operations import (
    PERIOD_SCHEMA,
    PERIODS,
    Duties,
    ResourceState,
    duties_of,
    judged_anew,
    latest_periods,
    rows_of,
    state_of,
)
from lake.ledger import Push, PushState, open_ledger
from lake.promises import Excuse, Measure, open_promises
from pipelines.dashboard.timeliness import Record, record_of
from quality.clock import CITY_TIME, today

#: A picture younger than this is shown as it is.
FRESH_SECONDS = 3.0
#: Transactions may become visible after the instant they wrote down.
_OVERLAP = timedelta(minutes=2)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Picture:
    """The city at one instant."""

    at: datetime
    states: Mapping[str, ResourceState]
    pushes: Mapping[str, Sequence[Push]]
    newest_first: Sequence[Push]
    #: What was recorded last of each period, and the same counted by month.
    periods: pl.DataFrame
    record: Record
    duties: Duties
    excuses: Sequence[Excuse]

    @property
    def today(self) -> date:
        """The city's date."""
        return self.at.astimezone(CITY_TIME).date()

    def cut(self, departments: Collection[str]) -> Picture:
        """The same of some departments alone."""
        states = {code: state for code, state in self.states.items() if state.department in departments}
        periods = self.periods.filter(pl.col("department").is_in(list(departments)))
        return replace(
            self,
            states=states,
            pushes={code: self.pushes[code] for code in states},
            newest_first=[push for push in self.newest_first if push.department in departments],
            periods=periods,
            record=record_of(periods),
            excuses=[excuse for excuse in self.excuses if excuse.department in departments],
        )

    def shows_as(self, other: Picture) -> bool:
        """Whether the other shows the same, be it at another instant."""
        mine = (self.states, self.newest_first, self.periods, self.excuses, self.duties)
        theirs = (other.states, other.newest_first, other.periods, other.excuses, other.duties)
        return all(one is another for one, another in zip(mine, theirs, strict=True))

    def states_of(self, department: str | None) -> list[ResourceState]:
        """A department's resources (None: all), in code order."""
        return [state for state in self.states.values() if department in (None, state.department)]

    def pushes_of(self, department: str | None) -> Sequence[Push]:
        """A department's pushes (None: all), newest first."""
        if department is None:
            return self.newest_first
        return _newest_first(
            {state.resource: self.pushes[state.resource] for state in self.states_of(department)}
        )

    def pushes_on(self, day: date, department: str | None) -> list[Push]:
        """What was received on a day, newest first."""
        found = []
        for push in self.newest_first:
            received = push.received_at.astimezone(CITY_TIME).date()
            if received < day:
                break
            if received == day and department in (None, push.department):
                found.append(push)
        return found

    def case(self, department: str, measures: Sequence[Measure]) -> Case:
        """How far a department's case has come, with what was done about it (newest first)."""
        states = self.states_of(department)
        return case_of(department, states, self.excuses, measures, self.duties.terms, self.today)

    def held(self, department: str | None) -> list[Push]:
        """Pushes that wait for a person, oldest first."""
        waiting = (
            push
            for state in self.states_of(department)
            for push in self.pushes[state.resource]
            if push.state is PushState.HELD
        )
        return sorted(waiting, key=lambda push: push.sequence)


class Board:
    """Keeps the newest :class:`Picture`, and what pages have worked out from tables, until those change."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self._cuts: dict[frozenset[str], tuple[Picture, Picture]] = {}
        self._looked = 0.0
        self._counted: tuple[str, pl.DataFrame, Record] = ("", pl.DataFrame(schema=PERIOD_SCHEMA), {})
        self._worked_out: dict[tuple[str, tuple[object, ...]], Any] = {}

    def picture(self, *, now: bool = False) -> Picture:
        """The city as it is, at most :data:`FRESH_SECONDS` ago (``now``: looked at anew)."""
        with self._lock:
            if self._picture is None or now or time.monotonic() - self._looked > FRESH_SECONDS:
                self._picture = self._look(self._picture)
                self._looked = time.monotonic()
            return self._picture

    def picture_of(self, departments: frozenset[str]) -> Picture:
        """The newest picture of some departments alone, cut once."""
        whole = self.picture()
        of, cut = self._cuts.get(departments, (None, whole))
        if of is whole:
            return cut
        same = of is not None and of.shows_as(whole)
        cut = replace(cut, at=whole.at) if same else whole.cut(departments)
        self._cuts[departments] = (whole, cut)
        return cut

    def worked_out(
        self, name: str, tables: Sequence[TableName], compute: Callable[[Context], Value]
    ) -> Value:
        """``compute``'s answer, worked out once for each version of the tables it reads, and each day."""
        versions = (today(), *(self._version(table) for table in tables))
        with self._lock:
            if (name, versions) in self._worked_out:
                kept: Value = self._worked_out[name, versions]
                return kept
        value = compute(self.context)
        with self._lock:
            self._worked_out = {key: old for key, old in self._worked_out.items() if key[0] != name}
            self._worked_out[name, versions] = value
        return value

    def _look(self, before: Picture | None) -> Picture:
        at = datetime.now(UTC)
        if before is None:
            return self._first_look(at)
        changed, promises = self._changed(before), open_promises(self.context.home)
        (periods, record), excuses = self._recorded(), promises.excuses()
        duties = self._duties(before, at)
        if (
            not changed
            and duties is before.duties
            and periods is before.periods
            and excuses == before.excuses
        ):
            return replace(before, at=at)
        pushes, states = {**before.pushes, **changed}, before.states
        if duties is not before.duties:
            # a night's turn judges every resource, but nothing of it that a day does not change
            states = {
                code: judged_anew(state, self.context.catalogue.entry(code), pushes[code], at, duties)
                for code, state in states.items()
            }
        news = {code: self._state(code, mine, at, duties) for code, mine in changed.items()}
        return Picture(
            at,
            {**states, **news},
            pushes,
            _newest_first(pushes) if changed else before.newest_first,
            periods,
            record,
            duties,
            excuses,
        )

    def _first_look(self, at: datetime) -> Picture:
        ledger, duties = open_ledger(self.context.home), duties_of(self.context)
        pushes = {code: ledger.history(code) for code in self.context.catalogue.entries}
        states = {code: self._state(code, mine, at, duties) for code, mine in pushes.items()}
        excuses = open_promises(self.context.home).excuses()
        return Picture(at, states, pushes, _newest_first(pushes), *self._recorded(), duties, excuses)

    def _duties(self, before: Picture, at: datetime) -> Duties:
        """The duties by which states are to be judged: those of the picture, as long as they and the day are the same."""
        known, promises = before.duties, open_promises(self.context.home)
        if before.today == at.astimezone(CITY_TIME).date() and known.opened is not None:
            promised = (promises.starts(), promises.outages())
            if promised == (known.starts, known.outages):
                return known
        return duties_of(self.context)

    def _state(self, code: str, pushes: Sequence[Push], at: datetime, duties: Duties) -> ResourceState:
        entry = self.context.catalogue.entry(code)
        return state_of(entry, pushes, rows_of(self.context.lake, code), at, duties)

    def _changed(self, before: Picture) -> dict[str, list[Push]]:
        """The pushes, old and new, of each resource that had a push received, settled or decided on since."""
        ledger = open_ledger(self.context.home)
        touched = (
            *ledger.changed_since(before.at - _OVERLAP),
            *ledger.waiting(),
            *ledger.in_state(PushState.HELD),
        )
        by_resource: dict[str, dict[str, Push]] = defaultdict(dict)
        for push in touched:
            if push.resource in before.pushes:
                by_resource[push.resource][push.id] = push
        changed = {}
        for code, news in by_resource.items():
            merged = {push.id: push for push in before.pushes[code]} | news
            if list(merged.values()) != list(before.pushes[code]):
                changed[code] = sorted(merged.values(), key=lambda push: push.sequence)
        return changed

    def _recorded(self) -> tuple[pl.DataFrame, Record]:
        version = self._version(PERIODS)
        if version != self._counted[0]:
            # as lists of periods are shown: a sort for each visitor would take longer than all the rest of a page
            periods = latest_periods(self.context.lake).sort("due", "resource", descending=[True, False])
            self._counted = (version, periods, record_of(periods))
        return self._counted[1:]

    def _version(self, table: TableName) -> str:
        """The newest entry of a table's log: enough to see that something changed, and much faster than opening it."""
        log = self.context.lake.path(*table) / "_delta_log"
        return max((entry.name for entry in log.glob("*.json")), default="")


def _newest_first(pushes: Mapping[str, Sequence[Push]]) -> list[Push]:
    every = (push for mine in pushes.values() for push in mine)
    return sorted(every, key=lambda push: push.sequence, reverse=True)
