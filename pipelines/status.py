"""``citylake status``: where each resource stands, from the ledger, the lake and the calendar.

Here belongs the gathering and the table. What makes a push late is decided in ``quality.freshness``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rich.table import Table

from catalog.load import load
from catalog.model import Entry
from lake.home import Home
from lake.ledger import Ledger, PushState, open_ledger
from lake.tables import Lake
from quality.freshness import CITY_TIME, Freshness, Received, State, judge
from quality.plan import compile_entry
from quality.score import overall, scores

COLOURS = {State.ON_TIME: "green", State.DUE_SOON: "yellow", State.LATE: "red", State.NEVER: "red", State.HELD: "magenta"}


@dataclass(frozen=True)
class ResourceState:
    """One resource: its newest push, its freshness, its rows, and its newest push's quality."""

    resource: str
    title: str
    department: str
    frequency: str
    state: State
    last_push: datetime | None
    last_push_state: PushState | None
    data_date: date | None
    next_due: date | None
    working_days_late: int
    data_age_days: int | None
    calendar_known: bool
    rows_standard: int
    rows_quarantined: int
    quality: float | None
    dimensions: dict[str, float | None]


def resource_states(home: Home, department: str | None = None, now: datetime | None = None) -> list[ResourceState]:
    """Every resource (of one department), in code order."""
    catalogue, ledger, lake = load(), open_ledger(home), Lake(home.lake)
    entries = catalogue.of_department(department) if department else list(catalogue.entries.values())
    return [_state(entry, ledger, lake, now or datetime.now(UTC)) for entry in entries]


def _state(entry: Entry, ledger: Ledger, lake: Lake, now: datetime) -> ResourceState:
    pushes = ledger.history(entry.code)
    counted = [push for push in pushes if push.state in (PushState.APPLIED, PushState.HELD, PushState.RECEIVED)]
    fresh: Freshness = judge(
        entry.frequency,
        [Received(push.received_at, push.data_date, push.state is PushState.HELD) for push in counted],
        now,
    )
    applied = [push for push in pushes if push.state is PushState.APPLIED]
    judged = applied[-1] if applied else None
    plan = compile_entry(entry)
    rows = judged.rows or 0 if judged else 0
    by_dimension = scores(plan, rows, (judged.failures if judged else None) or {})
    last = pushes[-1] if pushes else None
    return ResourceState(
        resource=entry.code,
        title=entry.title.zh,
        department=entry.department,
        frequency=entry.frequency.value,
        state=fresh.state,
        last_push=last.received_at if last else None,
        last_push_state=last.state if last else None,
        data_date=max((push.data_date for push in counted), default=None),
        next_due=fresh.next_due,
        working_days_late=fresh.working_days_late,
        data_age_days=fresh.data_age_days,
        calendar_known=fresh.calendar_known,
        rows_standard=lake.rows("standard", entry.code),
        rows_quarantined=lake.rows("quarantine", entry.code),
        quality=overall(plan, rows, judged.accepted if judged else None),
        dimensions={dimension.value: value for dimension, value in by_dimension.items()},
    )


def as_records(states: list[ResourceState]) -> list[dict[str, Any]]:
    """The states as JSON holds them: instants in UTC, dates as ISO text."""
    return [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in vars(state).items()} for state in states
    ]


def status_table(states: list[ResourceState]) -> Table:
    """The states as people read them."""
    table = Table(header_style="bold")
    for heading in ("资源 resource", "名称", "状态 state", "数据日期", "下次应报 due", "最近推送"):
        table.add_column(heading, no_wrap=True)
    for heading in ("标准 rows", "问题 bad", "合格率"):
        table.add_column(heading, justify="right")
    for state in states:
        late = f" {state.working_days_late} 个工作日" if state.working_days_late else ""
        colour = COLOURS.get(state.state, "white")
        due = state.next_due.isoformat() if state.next_due else "" if state.calendar_known else "日历未公布"
        table.add_row(
            state.resource,
            state.title,
            f"[{colour}]{state.state.title}{late}[/]",
            str(state.data_date or ""),
            due,
            state.last_push.astimezone(CITY_TIME).strftime("%m-%d %H:%M") if state.last_push else "",
            f"{state.rows_standard:,}",
            f"{state.rows_quarantined:,}",
            f"{state.quality:.1%}" if state.quality is not None else "",
        )
    return table
