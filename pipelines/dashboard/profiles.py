"""The base databases in numbers: how many entities, how much of each field is known, what contradicts what, how they grew.

Here belongs the counting over tables; golden records and findings are made in ``assets.base``. Every number comes with the
conditions under which its rows are shown (see ``rows``). Counts only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from assets.base import licence_life, spatial_findings
from assets.base.golden import SOURCE_SUFFIX
from assets.build import Context, TableName
from catalog.base_model import Base
from catalog.load import Catalogue
from catalog.model import Title
from masking.columns import SourceColumn
from pipelines.dashboard.counties import year_ago
from pipelines.dashboard.rows import FIRST, Declared, first_known
from pipelines.dashboard.timeliness import months_back

#: The tables of the two base databases that no survivorship declares: what exists of them is shown.
LAND = ("division", "parcel", "building", "place", "hazard_zone", "protected_area", "address")
LICENCE = "licence"
#: A row has a position where one of these is known, and a division likewise.
POSITION, DIVISION = ("geometry", "longitude"), ("division_code", "code")
_MONTHS = 24
_YEAR = 12


@dataclass(frozen=True)
class Coverage:
    """A field: the share of entities in which it is known, and what share of those each resource gave."""

    field: str
    title: Title
    share: float
    sources: Mapping[str, float]


@dataclass(frozen=True)
class Growth:
    """The entities known by the end of a month, those of them that are new in it, and the rows that are meant."""

    month: date
    known: int
    new: int
    where: tuple[str, ...]


@dataclass(frozen=True)
class Contradiction:
    """One kind of finding: whose rows it is about, whose word they contradict (None: their own), how often."""

    department: str
    against: str | None
    title: Title
    count: int
    table: str
    where: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """A declared base database in numbers. ``pairs``: (department kept, department passed over) → conflicts."""

    entities: int
    by_sources: Mapping[int, int]
    coverage: Sequence[Coverage]
    conflicts: int
    by_field: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    growth: Sequence[Growth]


@dataclass(frozen=True)
class Kind:
    """One table of another base database: its rows, of how many a position and a division are known (None: it has no such
    column), how much of its fields, how many were first known within twelve months, and who sent how many."""

    table: str
    rows: int
    position: tuple[str, float] | None
    division: tuple[str, float] | None
    coverage: Sequence[Coverage]
    new: int | None
    sources: Mapping[str, int]

    @property
    def known(self) -> Mapping[str, float]:
        """The share in which each field is known."""
        return {each.field: each.share for each in self.coverage}

    @property
    def mean(self) -> float | None:
        """The mean share over the fields."""
        return sum(each.share for each in self.coverage) / len(self.coverage) if self.coverage else None


def profile(context: Context, declared: Declared, base: Base, today: date) -> Profile | None:
    """A declared base database's numbers; None where it has not been built."""
    lake, code = context.lake, base.code
    if not lake.exists("base", code):
        return None
    golden = lake.scan("base", code)
    entities, by_sources = _by_sources(golden)
    # a resource may have left the catalogue since
    known = pl.col("kept_resource", "resource").is_in(list(context.catalogue.entries))
    conflicts = lake.scan("base", f"{code}_conflict").filter(pl.all_horizontal(known))
    disagreements = conflicts.group_by("field", "kept_resource", "resource").len().collect()
    pairs: dict[tuple[str, str], int] = {}
    for _, kept, other, count in disagreements.iter_rows():
        pair = (context.catalogue.entry(kept).department, context.catalogue.entry(other).department)
        pairs[pair] = pairs.get(pair, 0) + count
    by_field = disagreements.group_by("field").agg(pl.col("len").sum()).sort("len", "field", descending=True)
    return Profile(
        entities,
        by_sources,
        _golden_coverage(golden, context.catalogue, declared.columns["base", code], base, entities),
        int(disagreements["len"].sum()),
        dict(by_field.iter_rows()),
        dict(sorted(pairs.items(), key=lambda item: -item[1])),
        growth(first_known(lake, declared, code), today),
    )


def tables_of(code: str) -> list[TableName]:
    """What :func:`profile` reads."""
    return [("base", name) for name in (code, f"{code}_conflict", f"{code}_crosswalk")]


def _by_sources(golden: pl.LazyFrame) -> tuple[int, dict[int, int]]:
    """How many entities there are, and how many are known to one resource, to two, and so on."""
    counted = golden.group_by("sources").len().sort("sources").collect()
    return int(counted["len"].sum()), dict(counted.iter_rows())


def _golden_coverage(
    golden: pl.LazyFrame,
    catalogue: Catalogue,
    columns: Mapping[str, SourceColumn],
    base: Base,
    entities: int,
) -> list[Coverage]:
    known = (
        golden.select(pl.col(name).is_not_null().sum() for name in base.fields).collect().row(0, named=True)
    )
    origins = [name + SOURCE_SUFFIX for name in base.fields]
    told = pl.collect_all([golden.group_by(pl.col(origin).alias("resource")).len() for origin in origins])
    found = []
    for name, frame in zip(base.fields, told, strict=True):
        gave = frame.filter(pl.col("resource").is_in(list(catalogue.entries))).sort("len", descending=True)
        shares = {resource: count / max(1, known[name]) for resource, count in gave.iter_rows()}
        found.append(Coverage(name, columns[name].title, known[name] / max(1, entities), shares))
    return found


def kind(context: Context, declared: Declared, name: str, today: date) -> Kind | None:
    """A table of a database without survivorship in numbers; None where it has not been built."""
    lake = context.lake
    if not lake.exists("base", name):
        return None
    rows = lake.scan("base", name)
    schema = rows.collect_schema()
    columns = _fields(declared, name, schema)
    asked = [column for column in schema if column in {*columns, *POSITION, *DIVISION}]
    known = rows.select(pl.col(column).is_not_null().mean() for column in asked).collect().row(0, named=True)
    shares = {column: share or 0.0 for column, share in known.items()}
    first = first_known(lake, declared, name)
    new = first.filter(pl.col(FIRST) >= year_ago(today)).select(pl.len()) if first is not None else None
    return Kind(
        name,
        lake.rows("base", name),
        next(((column, shares[column]) for column in POSITION if column in shares), None),
        next(((column, shares[column]) for column in DIVISION if column in shares), None),
        [Coverage(column, own.title, shares[column], {}) for column, own in columns.items()],
        int(new.collect().item()) if new is not None else None,
        dict(rows.group_by("source").len().sort("len", descending=True).drop_nulls().collect().iter_rows()),
    )


def _fields(declared: Declared, name: str, schema: pl.Schema) -> dict[str, SourceColumn]:
    """The stored columns that somebody delivers or that are worked out of it, but for the table's own key and the edges of
    its shape."""
    key = {*declared.keys.get(name, ())} - {*DIVISION}
    edges = {"longitude", "latitude"} if "geometry" in schema else set()
    return {
        column: own
        for column, own in declared.of(("base", name)).items()
        if column in schema and column not in key and own.element not in edges
    }


def growth(first: pl.LazyFrame | None, today: date) -> list[Growth]:
    """Entities known by the end of each month since the first, without a gap, the last :data:`_MONTHS` at most."""
    if first is None:
        return []
    by_month = dict(first.group_by(pl.col(FIRST).dt.truncate("1mo")).len().drop_nulls().collect().iter_rows())
    found, known = list[Growth](), 0
    shown = [month for month in months_back(today, _MONTHS) if by_month and month >= min(by_month)]
    known = sum(count for month, count in by_month.items() if shown and month < shown[0])
    for month in shown:
        known += by_month.get(month, 0)
        found.append(Growth(month, known, by_month.get(month, 0), (f"{FIRST}:by:{month_end(month)}",)))
    return found


def land_growth(context: Context, declared: Declared, today: date) -> list[Growth]:
    """The growth of all tables of places together."""
    first = [first_known(context.lake, declared, name) for name in LAND]
    days = [each.select(FIRST) for each in first if each is not None]
    return growth(pl.concat(days) if days else None, today)


def in_force(context: Context, today: date) -> list[Growth]:
    """The licences in force at the end of each of twelve months, and those that began in it."""
    if not context.lake.exists("base", LICENCE):
        return []
    rows = context.lake.scan("base", LICENCE)
    begins, ends = pl.col("in_force_from"), pl.col("in_force_to")
    days = [(month, min(month_end(month), today)) for month in months_back(today, _YEAR)]
    held = [(begins <= day) & (ends.is_null() | (ends >= day)) for _, day in days]
    counted = rows.select(
        *(each.sum().alias(f"{day}") for (_, day), each in zip(days, held, strict=True)),
        *(
            (each & (begins >= month)).sum().alias(f"new {day}")
            for (month, day), each in zip(days, held, strict=True)
        ),
    )
    numbers = counted.collect().row(0, named=True)
    return [
        Growth(
            month,
            numbers[f"{day}"],
            numbers[f"new {day}"],
            (f"in_force_from:by:{day}", f"in_force_to:still:{day}"),
        )
        for month, day in days
    ]


def contradictions(context: Context, declared: Declared) -> dict[str, list[Contradiction]]:
    """What the findings of places and of licences say of whom, against whom, by the table they stand in."""
    return {
        spatial_findings.TABLE: list(_spatial(context)),
        f"{LICENCE}_finding": list(_of_licences(context, declared)),
    }


def _spatial(context: Context) -> Iterator[Contradiction]:
    for resource, code, count in _counted(context, spatial_findings.TABLE, "resource"):
        title, against = spatial_findings.FINDINGS[code]
        where = (f"resource:is:{resource}", f"finding:is:{code}")
        owner = context.catalogue.entry(against).department if against else None
        yield Contradiction(
            context.catalogue.entry(resource).department,
            owner,
            title,
            count,
            f"base.{spatial_findings.TABLE}",
            where,
        )


def _of_licences(context: Context, declared: Declared) -> Iterator[Contradiction]:
    table = f"{LICENCE}_finding"
    for resource, code, count in _counted(context, table, "source"):
        where = (f"source:is:{resource}", f"finding:is:{code}")
        owner = None
        if code in licence_life.AGAINST:
            database, field = licence_life.AGAINST[code]
            base = declared.bases[database]
            # the statutory source speaks first
            source = base.split(base.fields[field].sources[0])[0]
            owner = context.catalogue.entry(base.sources[source].resource).department
        department = context.catalogue.entry(resource).department
        yield Contradiction(department, owner, licence_life.FINDINGS[code], count, f"base.{table}", where)


def _counted(context: Context, table: str, by: str) -> list[tuple[str, str, int]]:
    if not context.lake.exists("base", table):
        return []
    found = context.lake.scan("base", table).group_by(by, "finding").len()
    return found.sort("len", descending=True).collect().rows()


def month_end(month: date) -> date:
    """The last day of the month that begins on a day."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
