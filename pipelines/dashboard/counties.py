"""What counties are compared by: of whom (persons, organisations, licences, places), and what of them.

Here belong the counting by county and the address of the rows behind each number; the drawing is in ``pages.city_map``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.base.golden import SOURCE_SUFFIX
from assets.build import Context, TableName
from catalog.model import Title
from pipelines.dashboard.rendering import number, share
from pipelines.dashboard.rows import FINDINGS, FIRST, Declared, findings_of, first_known
from pipelines.dashboard.timeliness import months_back


@dataclass(frozen=True)
class Subject:
    """What is counted: a base table, and its column that says in which division each row is."""

    title: Title
    table: str
    column: str

    @property
    def county(self) -> pl.Expr:
        """The county of a row; empty where it has none."""
        return pl.col(self.column).str.slice(0, 6).fill_null("").alias("county")

    def beside(self) -> list[TableName]:
        """The tables that a measure of it may read."""
        kept = ("", "_crosswalk", "_history", "_conflict", "_finding")
        return [*(("base", self.table + each) for each in kept), ("base", "spatial_finding")]


SUBJECTS: Mapping[str, Subject] = {
    "person": Subject(
        Title(zh="自然人（按居住地）", en="Persons, by residence"), "person", "residence_division"
    ),
    "legal_entity": Subject(Title(zh="法人和非法人组织", en="Organisations"), "legal_entity", "division"),
    "licence": Subject(Title(zh="电子证照", en="Licences"), "licence", "division_code"),
    "parcel": Subject(Title(zh="宗地", en="Parcels"), "parcel", "division_code"),
    "building": Subject(Title(zh="房屋建筑", en="Buildings"), "building", "division_code"),
    "place": Subject(Title(zh="地名和兴趣点", en="Places"), "place", "division_code"),
}
ByCounty = Mapping[str, float]


@dataclass(frozen=True)
class Measure:
    """What is told of a subject: its number for each county, how it is read, and the conditions on the rows behind it besides
    the county. ``per_km2`` makes it a density; ``adds_up`` is false of what has no sum over counties."""

    title: Title
    count: Callable[[Context, Declared, Subject, date], ByCounty]
    shown: Callable[[float], str]
    where: Callable[[date], tuple[str, ...]] = lambda _: ()
    per_km2: bool = False
    adds_up: bool = True


def shown_count(value: float) -> str:
    """A number of whole things."""
    return number(round(value))


def shown_rate(value: float) -> str:
    """A number of things for each of something."""
    return f"{value:,.1f}"


def year_ago(today: date) -> date:
    """The first day of the twelve months that end with this one."""
    return months_back(today, 12)[0]


def count_by_county(context: Context, _: Declared, of: Subject, __: date) -> ByCounty:
    """How many there are in each county."""
    return _answer(context.lake.scan("base", of.table).group_by(of.county).len())


def coverage_by_county(context: Context, declared: Declared, of: Subject, _: date) -> ByCounty:
    """The share of fields that are known, over the rows of each county: of a golden record its fields, of another table the
    columns that departments deliver."""
    rows = context.lake.scan("base", of.table)
    schema = rows.collect_schema()
    golden = [name for name in schema if f"{name}{SOURCE_SUFFIX}" in schema]
    handles = declared.handles(("base", of.table))
    fields = golden or [
        name for name in declared.of(("base", of.table)) if name in schema and name not in handles
    ]
    known = pl.mean_horizontal(pl.col(name).is_not_null().cast(pl.Float64) for name in fields)
    return _answer(rows.group_by(of.county).agg(known.mean()))


def findings_by_county(context: Context, declared: Declared, of: Subject, _: date) -> ByCounty:
    """How often departments, or checks, say otherwise, for each thousand rows of a county."""
    found = findings_of(context.lake, declared, of.table)
    if found is None:
        return {}
    key = [name for name in found.collect_schema() if name != FINDINGS]
    rows = context.lake.scan("base", of.table).select(*key, of.county)
    joined = rows.join(found, on=key, how="left").group_by("county")
    return _answer(joined.agg(pl.col(FINDINGS).sum() * 1000 / pl.len()))


def growth_by_county(context: Context, declared: Declared, of: Subject, today: date) -> ByCounty:
    """How many of each county were first known within twelve months."""
    first = first_known(context.lake, declared, of.table)
    if first is None:
        return {}
    new = first.filter(pl.col(FIRST) >= year_ago(today))
    key = [name for name in new.collect_schema() if name != FIRST]
    rows = context.lake.scan("base", of.table).select(*key, of.county)
    return _answer(rows.join(new, on=key, how="semi").group_by("county").len())


def _answer(grouped: pl.LazyFrame) -> dict[str, float]:
    return dict(grouped.collect().iter_rows())


MEASURES: Mapping[str, Measure] = {
    "count": Measure(Title(zh="数量", en="Number"), count_by_county, shown_count),
    "density": Measure(Title(zh="每平方公里", en="Per km²"), count_by_county, shown_rate, per_km2=True),
    "coverage": Measure(Title(zh="字段覆盖率", en="Fields known"), coverage_by_county, share, adds_up=False),
    "conflicts": Measure(
        Title(zh="每千条不一致和问题", en="Conflicts per 1,000"),
        findings_by_county,
        shown_rate,
        lambda _: (f"{FINDINGS}:least:1",),
        adds_up=False,
    ),
    "growth": Measure(
        Title(zh="近12个月新增", en="New in 12 months"),
        growth_by_county,
        shown_count,
        lambda today: (f"{FIRST}:since:{year_ago(today)}",),
    ),
}
