"""The base databases: how many entities, how much of each field is known, where departments disagree, how they grew.

Here belongs the gathering of these numbers; golden records are made in ``assets.base``. Counts only, but for the conflicts
themselves, whose values the bureau alone is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from fastapi import APIRouter
from fastapi.responses import Response

from assets.base.golden import SOURCE_SUFFIX
from assets.build import Context, TableName
from catalog.base_model import Base, load_bases
from catalog.model import Title
from pipelines.dashboard.charts import Bar
from pipelines.dashboard.rendering import number, page
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Visit, Visitor

router = APIRouter()
_MONTHS = 24
PAGE_ROWS = 50


@dataclass(frozen=True)
class Coverage:
    """A field: the share of entities in which it is known, and what share of those each resource gave."""

    field: str
    title: str
    share: float
    sources: Mapping[str, float]


@dataclass(frozen=True)
class Profile:
    """A base database in numbers. ``pairs``: (department kept, department passed over) → conflicts."""

    entities: int
    by_sources: Mapping[int, int]
    coverage: Sequence[Coverage]
    conflicts: int
    by_field: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    growth: Sequence[tuple[str, int]]


@router.get("/bases")
def bases(visit: Visitor) -> Response:
    """All base databases."""
    visit.require_city()
    lake = visit.site.context.lake
    declared = load_bases(visit.site.context.catalogue)
    own = {table for base in declared.values() for table in _tables(base)}
    others = [name for name in lake.names("base") if ("base", name) not in own and not name.endswith("_ids")]
    return page(
        visit,
        "bases.html",
        bases=declared,
        profiles={code: _profile(visit, base) for code, base in declared.items()},
        bars={code: _growth_bars(visit, _profile(visit, base)) for code, base in declared.items()},
        others=_by_title(visit, {name: lake.rows("base", name) for name in others}),
    )


@router.get("/bases/{code}/conflicts")
def conflicts(visit: Visitor, code: str, kept: str = "", other: str = "", at: int = 1) -> Response:
    """The rows behind a number of conflicts: where the value of one department was kept and another's passed over. The
    values are shown to the bureau alone; that somebody looked is recorded."""
    visit.require_city()
    context, declared = visit.site.context, load_bases(visit.site.context.catalogue)
    table = ("base", f"{code}_conflict")
    if code not in declared or not context.lake.exists(*table):
        raise DeniedError(404, NOT_FOUND)
    told = [
        {entry.code for entry in context.catalogue.of_department(visit.require_department(department))}
        if department
        else set(context.catalogue.entries)
        for department in (kept, other)
    ]
    found = context.lake.scan(*table).filter(
        pl.col("kept_resource").is_in(list(told[0])), pl.col("resource").is_in(list(told[1]))
    )
    total = int(found.select(pl.len()).collect().item())
    pages = max(1, -(-total // PAGE_ROWS))
    at = min(max(at, 1), pages)
    order = (declared[code].id_column, "field", "resource")
    visit.site.accounts.record(visit.account.name, "view_conflicts", f"{code} {kept} {other}".strip())
    return page(
        visit,
        "conflicts.html",
        base=declared[code],
        rows=found.sort(order).slice((at - 1) * PAGE_ROWS, PAGE_ROWS).collect().to_dicts(),
        total=total,
        at=at,
        pages=pages,
        chosen={"kept": kept, "other": other},
        shows_values=visit.decides,
    )


def _by_title(visit: Visit, rows: Mapping[str, int]) -> dict[Title, dict[str, int]]:
    """Tables by what they are together, in the order in which they are built."""
    together: dict[Title, dict[str, int]] = {}
    for build in visit.site.builds:
        for layer, name in build.makes:
            if layer == "base" and name in rows:
                together.setdefault(build.title, {})[name] = rows[name]
    return together


def profile(context: Context, base: Base) -> Profile | None:
    """A base database's numbers; None where it has not been built."""
    lake, code = context.lake, base.code
    if not lake.exists("base", code):
        return None
    golden = lake.scan("base", code)
    entities, by_sources = _by_sources(golden)
    disagreements = (
        lake.scan("base", f"{code}_conflict").group_by("field", "kept_resource", "resource").len().collect()
    )
    pairs: dict[tuple[str, str], int] = {}
    for _, kept, other, count in disagreements.iter_rows():
        pair = (context.catalogue.entry(kept).department, context.catalogue.entry(other).department)
        pairs[pair] = pairs.get(pair, 0) + count
    by_field = disagreements.group_by("field").agg(pl.col("len").sum()).sort("len", descending=True)
    return Profile(
        entities,
        by_sources,
        _coverage(golden, base, entities),
        int(disagreements["len"].sum()),
        dict(by_field.iter_rows()),
        dict(sorted(pairs.items(), key=lambda item: -item[1])),
        _growth(lake.scan("base", f"{code}_crosswalk"), base),
    )


def _profile(visit: Visit, base: Base) -> Profile | None:
    return visit.site.board.worked_out(
        f"profile {base.code}", _tables(base), lambda context: profile(context, base)
    )


def _tables(base: Base) -> list[TableName]:
    return [("base", name) for name in (base.code, f"{base.code}_conflict", f"{base.code}_crosswalk")]


def _by_sources(golden: pl.LazyFrame) -> tuple[int, dict[int, int]]:
    """How many entities there are, and how many are known to one resource, to two, and so on."""
    counted = golden.group_by("sources").len().sort("sources").collect()
    return int(counted["len"].sum()), dict(counted.iter_rows())


def _coverage(golden: pl.LazyFrame, base: Base, entities: int) -> list[Coverage]:
    found = []
    known = (
        golden.select(pl.col(name).is_not_null().sum() for name in base.fields).collect().row(0, named=True)
    )
    origins = [name + SOURCE_SUFFIX for name in base.fields]
    told = pl.collect_all([golden.group_by(pl.col(origin).alias("resource")).len() for origin in origins])
    for name, frame in zip(base.fields, told, strict=True):
        gave = frame.drop_nulls("resource").sort("len", descending=True)
        shares = {resource: count / max(1, known[name]) for resource, count in gave.iter_rows()}
        found.append(Coverage(name, base.fields[name].title, known[name] / max(1, entities), shares))
    return found


def _growth(crosswalk: pl.LazyFrame, base: Base) -> list[tuple[str, int]]:
    """Entities known by the end of each month, by the first data date that speaks of them."""
    first = crosswalk.group_by(base.id_column).agg(
        pl.col("_data_date").min().dt.strftime("%Y-%m").alias("month")
    )
    by_month = first.group_by("month").len().sort("month").select("month", pl.col("len").cum_sum())
    return list(by_month.collect().iter_rows())[-_MONTHS:]


def _growth_bars(visit: Visit, found: Profile | None) -> list[Bar]:
    said = visit.t("主体", "entities")
    return [
        Bar(month, (("accepted", count, f"{month} {number(count)} {said}"),))
        for month, count in (found.growth if found else ())
    ]
