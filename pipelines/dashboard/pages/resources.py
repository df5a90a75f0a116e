"""A resource's page: its catalogue entry for everybody, its pushes and trends for those who may see its operation.

Here belongs the gathering of its facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from assets.operations import ResourceState
from catalog.elements import ELEMENTS
from catalog.model import Entry, Title
from lake.ledger import Push, PushState
from masking.product import Masking
from pipelines.dashboard.charts import Bar, Point
from pipelines.dashboard.lineage import Node, descendants
from pipelines.dashboard.pages.departments import month_bar
from pipelines.dashboard.pages.objections import objections_to
from pipelines.dashboard.pages.uploads import may_push
from pipelines.dashboard.refusals import failing
from pipelines.dashboard.rendering import number, page, share
from pipelines.dashboard.timeliness import by_month, sum_of
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor

router = APIRouter()
_CHARTED = 30
_LISTED = 30


@dataclass(frozen=True)
class Reader:
    """Who may see something of a resource: who, what, under which conditions, until when."""

    who: Title
    what: str
    conditions: str
    until: str


@dataclass(frozen=True)
class Change:
    """A push that came under another version of the entry, or whose file the reader remarked on otherwise than the push
    before: which version that had, which remarks (columns missing, unknown, renamed) are new, and which are gone."""

    push: Push
    before: int
    came: Sequence[str]
    went: Sequence[str]


@dataclass(frozen=True)
class Order:
    """One way to list resources: what it is called, and by what they are put in order."""

    title: Title
    key: Callable[[ResourceState], Any]


ORDERS: Mapping[str, Order] = {
    "department": Order(Title(zh="部门", en="Department"), lambda each: (each.department, each.resource)),
    "late": Order(Title(zh="逾期天数", en="Days late"), lambda each: -each.working_days_late),
    "age": Order(Title(zh="数据陈旧", en="Oldest data"), lambda each: -(each.data_age_days or 0)),
    "rows": Order(Title(zh="标准区行数", en="Rows"), lambda each: -each.rows_standard),
    "quarantined": Order(Title(zh="问题数据", en="Quarantine"), lambda each: -each.rows_quarantined),
    "quality": Order(
        Title(zh="合格率最低", en="Lowest quality"), lambda each: 2 if each.quality is None else each.quality
    ),
}


@router.get("/resources")
def resources(visit: Visitor, by: str = "department", department: str = "") -> Response:
    """The resources behind the numbers of the first page, in one table."""
    visit.require_overseer()
    if by not in ORDERS:
        raise DeniedError(404, NOT_FOUND)
    if department:
        visit.require_department(department)
    return page(
        visit,
        "resources.html",
        states=sorted(visit.picture().states_of(department or None), key=ORDERS[by].key),
        by=by,
        orders={code: order.title for code, order in ORDERS.items()},
        chosen_department=department,
    )


@router.get("/resources/{code}")
def resource(visit: Visitor, code: str) -> Response:
    """One resource."""
    entry = visit.require_listed(code)
    operated = entry.department in visit.departments
    return page(
        visit,
        "resource.html",
        entry=entry,
        elements=ELEMENTS,
        operated=operated,
        may_push=may_push(visit, entry),
        objections=objections_to(visit, entry),
        may_contest=visit.department is not None,
        **(_operation(visit, entry) if operated else {}),
    )


def _operation(visit: Visit, entry: Entry) -> dict[str, Any]:
    """What only the department itself and those who see all are shown."""
    picture = visit.picture()
    pushes = picture.pushes[entry.code]
    applied = [push for push in pushes if push.state is PushState.APPLIED]
    months = by_month(picture.record, [entry.code], picture.today)
    nodes = descendants(visit.site.builds, entry.code, entry.title)
    return {
        "shows_cells": visit.sees_values(entry.department),
        "state": picture.states[entry.code],
        "pushes": list(reversed(pushes))[:_LISTED],
        "push_count": len(pushes),
        "changes": schema_changes(applied)[:_LISTED],
        "refused_in": next((push.id for push in reversed(applied) if push.rejected), None),
        "row_bars": [_row_bar(visit, push) for push in applied[-_CHARTED:]],
        "quality_points": [_quality_point(push) for push in applied[-_CHARTED:]],
        "failing": failing(entry, applied[-1].failures, applied[-1].findings)[:12] if applied else [],
        "last_rows": applied[-1].rows if applied else 0,
        "last_id": applied[-1].id if applied else "",
        "bars": [
            month_bar(visit, month, counted, f"resource={entry.code}") for month, counted in months.items()
        ],
        "year": sum_of(months.values()),
        "nodes": nodes,
        "readers": readers(visit.site.masking, nodes),
    }


def readers(masking: Masking, nodes: Sequence[Node]) -> list[Reader]:
    """The roles whose grants reach a table built from the resource, and the products made of it."""
    built = [(node.layer, node.name.rpartition("/")[2]) for node in nodes]
    found = []
    for role in masking.roles.values():
        seen = [f"{layer}.{table}" for layer, table in built if role.covers(layer, table)]
        if seen:
            found.append(Reader(role.title, ", ".join(seen), role.purpose, role.ends.isoformat()))
    for declared in masking.products.values():
        product = declared.product
        if (product.source.layer, product.source.table) in built:
            found.append(
                Reader(product.title, f"{product.source.layer}.{product.source.table}", product.purpose, "")
            )
    return found


def schema_changes(applied: Sequence[Push]) -> list[Change]:
    """Where entry version or headers differ from the push before, newest first."""
    changes = []
    for before, push in pairwise(applied):
        had, has = set(before.notes or ()), set(push.notes or ())
        if before.entry_version != push.entry_version or had != has:
            changes.append(Change(push, before.entry_version, sorted(has - had), sorted(had - has)))
    return changes[::-1]


def _row_bar(visit: Visit, push: Push) -> Bar:
    accepted, refused = push.accepted or 0, push.rejected or 0
    day = push.data_date.isoformat()
    return Bar(
        push.data_date.strftime("%m-%d"),
        (
            ("accepted", accepted, f"{day} {visit.t('入库', 'accepted')} {number(accepted)}"),
            ("rejected", refused, f"{day} {visit.t('问题', 'refused')} {number(refused)}"),
        ),
        f"/receipts/{push.id}",
    )


def _quality_point(push: Push) -> Point:
    passed = push.accepted / push.rows if push.rows and push.accepted is not None else None
    return Point(
        push.data_date.strftime("%m-%d"), passed, f"{push.data_date} {share(passed)}", f"/receipts/{push.id}"
    )
