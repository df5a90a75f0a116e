"""The base databases: how many entities, how much of each field is known, where departments disagree, how they grew.

Here belong the addresses; the numbers are made in ``pipelines.dashboard.profiles``. Counts only, but for the conflicts
themselves, whose values the bureau alone is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import polars as pl
from fastapi import APIRouter
from fastapi.responses import Response

from catalog.model import Title
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.charts import Bar
from pipelines.dashboard.counties import year_ago
from pipelines.dashboard.profiles import (
    LAND,
    LICENCE,
    Growth,
    contradictions,
    in_force,
    kind,
    land_growth,
    profile,
    tables_of,
)
from pipelines.dashboard.rendering import PAGE_ROWS, number, page, page_at, rows_address
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor
from quality.clock import today

router = APIRouter()


@router.get("/bases")
def bases(visit: Visitor) -> Response:
    """All base databases."""
    visit.require_city()
    known, declared, day = visit.site.board.worked_out, visit.site.declared, today()
    profiles = {
        code: known(
            f"profile {code}",
            tables_of(code),
            partial(profile, declared=declared, base=base, today=day),
        )
        for code, base in declared.bases.items()
    }
    kinds = {
        name: known(
            f"kind {name}",
            [("base", name), ("base", f"{name}_history")],
            partial(kind, declared=declared, name=name, today=day),
        )
        for name in (*LAND, LICENCE)
    }
    places = known(
        "growth of land",
        [("base", f"{name}_history") for name in LAND],
        partial(land_growth, declared=declared, today=day),
    )
    licences = known("in force", [("base", LICENCE)], partial(in_force, today=day))
    findings = known(
        "contradictions",
        [("base", "spatial_finding"), ("base", f"{LICENCE}_finding")],
        partial(contradictions, declared=declared),
    )
    largest = sorted(profiles.items(), key=lambda item: -(item[1].entities if item[1] else 0))
    return page(
        visit,
        "bases.html",
        bases={code: declared.bases[code] for code, _ in largest},
        profiles=profiles,
        bars={code: _bars(visit, f"base.{code}", found.growth) for code, found in profiles.items() if found},
        land=[found for name in LAND if (found := kinds[name])],
        land_bars=_bars(visit, "", places),
        licence=kinds[LICENCE],
        in_force=licences[-1] if licences else None,
        licence_bars=_bars(visit, f"base.{LICENCE}", licences),
        findings=findings,
        others=_others(visit, {*profiles, *kinds}),
        titles=_titles(visit),
        year_ago=year_ago(day),
    )


@router.get("/bases/{code}/conflicts")
def conflicts(
    visit: Visitor, code: str, kept: str = "", other: str = "", field: str = "", at: int = 1
) -> Response:
    """The rows behind a number of conflicts: where the value of one department was kept and another's passed over, of one
    ``field`` or of all. The values are shown to the bureau alone; that somebody looked is recorded."""
    visit.require_city()
    context, declared = visit.site.context, visit.site.declared.bases
    table = ("base", f"{code}_conflict")
    if code not in declared or not context.lake.exists(*table) or field not in ("", *declared[code].fields):
        raise DeniedError(404, NOT_FOUND)
    told = [
        {entry.code for entry in context.catalogue.of_department(visit.require_department(department))}
        if department
        else set(context.catalogue.entries)
        for department in (kept, other)
    ]
    found = context.lake.scan(*table).filter(
        pl.col("kept_resource").is_in(list(told[0])),
        pl.col("resource").is_in(list(told[1])),
        *([pl.col("field") == field] if field else []),
    )
    total = int(found.select(pl.len()).collect().item())
    at, pages = page_at(at, total)
    order = (declared[code].id_column, "field", "resource")
    visit.site.accounts.record(
        visit.account.name, Act.VIEW_CONFLICTS, " ".join(filter(None, (code, kept, other, field)))
    )
    return page(
        visit,
        "conflicts.html",
        base=declared[code],
        rows=found.sort(order).slice((at - 1) * PAGE_ROWS, PAGE_ROWS).collect().to_dicts(),
        total=total,
        at=at,
        pages=pages,
        chosen={"kept": kept, "other": other, "field": field},
        shows_values=visit.decides,
    )


def _titles(visit: Visit) -> dict[str, Title]:
    """What each base table is."""
    return {name: title for (layer, name), title in visit.site.titles.items() if layer == "base"}


def _others(visit: Visit, shown: Iterable[str]) -> dict[Title, dict[str, int]]:
    """The tables that have no numbers of their own above, by what they are together, in the order in which they are built."""
    lake, together = visit.site.context.lake, dict[Title, dict[str, int]]()
    there = {name for name in lake.names("base") if not name.endswith("_ids")} - {*shown}
    for name, title in _titles(visit).items():
        if name in there:
            together.setdefault(title, {})[name] = _rows(visit, name)
    return together


def _rows(visit: Visit, name: str) -> int:
    """A base table's rows: opening forty tables would be most of what the page takes."""
    return visit.site.board.worked_out(
        f"rows {name}", [("base", name)], lambda context: context.lake.rows("base", name)
    )


def _bars(visit: Visit, table: str, grown: Iterable[Growth]) -> list[Bar]:
    """One bar for each month: what was known before it, and what is new in it; it leads to the rows, where they may be seen."""
    before, new = visit.t("此前", "before"), visit.t("新增", "new")
    return [
        Bar(
            f"{each.month:%Y-%m}",
            (
                (
                    "accepted",
                    each.known - each.new,
                    f"{each.month:%Y-%m} {before} {number(each.known - each.new)}",
                ),
                ("new", each.new, f"{each.month:%Y-%m} {new} {number(each.new)}"),
            ),
            rows_address(table, each.where) if table and visit.sees_rows(table) else "",
        )
        for each in grown
    ]
