"""``citylake status``: where each resource stands, as a table for people and as records for programs.

Here belongs the rendering; the states are gathered in ``assets.operations``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from rich.table import Table

from assets.operations import ResourceState
from assets.quarantine import Tally
from quality.clock import CITY_TIME
from quality.freshness import State

COLOURS = {
    State.ON_TIME: "green",
    State.DUE_SOON: "yellow",
    State.LATE: "red",
    State.NEVER: "red",
    State.HELD: "magenta",
}


def as_records(states: list[ResourceState], tallies: Mapping[str, Tally]) -> list[dict[str, Any]]:
    """The states as JSON holds them, with how the quarantined rows stand: instants in UTC, dates as ISO text."""
    return [
        {name: _plain(value) for name, value in vars(state).items()}
        | {"quarantine": _counts(tallies.get(state.resource))}
        for state in states
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _counts(tally: Tally | None) -> dict[str, Any] | None:
    if tally is None:
        return None
    names = ("open", "closed", "released", "dismissed", "since", "median_days")
    return {name: _plain(getattr(tally, name)) for name in names}


def status_table(states: list[ResourceState], tallies: Mapping[str, Tally]) -> Table:
    """The states as people read them."""
    table = Table(header_style="bold")
    for heading in ("资源 resource", "状态 state", "数据日期", "应报 due", "最近推送"):
        table.add_column(heading, no_wrap=True)
    for heading in ("标准", "问题", "待处理", "合格率"):
        table.add_column(heading, justify="right", no_wrap=True)
    for state in states:
        table.add_row(*_cells(state, tallies.get(state.resource)))
    return table


def _cells(state: ResourceState, tally: Tally | None) -> list[str]:
    late = f" {state.working_days_late}天" if state.working_days_late else ""
    unknown = "" if state.calendar_known else "日历未公布"
    return [
        state.resource,
        f"[{COLOURS.get(state.state, 'white')}]{state.state.title}{late}[/]",
        str(state.data_date or ""),
        state.next_due.isoformat() if state.next_due else unknown,
        state.last_push.astimezone(CITY_TIME).strftime("%m-%d %H:%M") if state.last_push else "",
        f"{state.rows_standard:,}",
        f"{state.rows_quarantined:,}",
        f"{tally.open:,}" if tally else "",
        f"{state.quality:.1%}" if state.quality is not None else "",
    ]
