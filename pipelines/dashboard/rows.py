"""The rows behind a number: which rows of a table an address names, and how much of them is shown.

Here belong the conditions and the columns. A condition by value is possible only where the value itself is shown, so that no
address, and no record of who looked, holds a personal value. Cells stand under their element's default mask; a column that
nothing declares, and one whose mask needs a recipient's key, is left out. Who may look at all is decided in ``visits``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.base import history, spatial_findings, states
from assets.build import TableName
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.model import SharingType, Title
from lake.tables import Lake
from masking.columns import SourceColumn, declared_tables
from masking.compile import keyless
from quality.clock import CITY_TIME

#: What no column of a base table says, but what is kept beside it: when an entity was first spoken of, and how often
#: departments, or the checks of places and licences, say otherwise.
FIRST, FINDINGS = "first_known", "findings"
_CONFLICT, _FINDING, _EVENT = "_conflict", "_finding", "_event"
#: Columns of our own that hold no value of anybody's.
OWN: Mapping[str, Title] = {
    FIRST: Title(zh="首次获知", en="first known"),
    FINDINGS: Title(zh="不一致和问题数", en="conflicts, findings"),
    "sources": Title(zh="来源数", en="sources"),
    "source": Title(zh="来源", en="source"),
    "resource": Title(zh="数据资源", en="resource"),
    "geometry_source": Title(zh="图形来源", en="source of the shape"),
    "department": Title(zh="部门", en="department"),
    "finding": Title(zh="问题", en="finding"),
    "reason_zh": Title(zh="说明", en="in Chinese"),
    "reason_en": Title(zh="英文说明", en="in English"),
    "event": Title(zh="事件", en="event"),
    "method": Title(zh="关联方式", en="linked by"),
    "source_push": Title(zh="推送", en="push"),
    "_push": Title(zh="推送", en="push"),
    "source_row": Title(zh="行号", en="row"),
    "_row": Title(zh="行号", en="row"),
    "_data_date": Title(zh="数据日期", en="data date"),
    states.FROM: Title(zh="录入时间", en="recorded from"),
    states.TO: Title(zh="被取代时间", en="recorded to"),
}
PUSHES = ("source_push", "_push")


class ConditionError(ValueError):
    """An address names a condition that cannot be."""


@dataclass(frozen=True)
class Test:
    """What a condition asks of a column: in words, as an expression, and whether it compares values."""

    words: Title
    holds: Callable[[pl.Expr, str], pl.Expr]
    by_value: bool = True


def _day(value: str) -> pl.Expr:
    return pl.lit(date.fromisoformat(value))


TESTS: Mapping[str, Test] = {
    "known": Test(Title(zh="有值", en="is known"), lambda column, _: column.is_not_null(), by_value=False),
    "unknown": Test(Title(zh="没有值", en="is unknown"), lambda column, _: column.is_null(), by_value=False),
    "is": Test(Title(zh="为", en="is"), lambda column, value: column.cast(pl.String) == value),
    "least": Test(Title(zh="不少于", en="is at least"), lambda column, value: column >= int(value)),
    "in": Test(Title(zh="属于区划", en="lies in"), lambda column, value: column.str.starts_with(value)),
    "outside": Test(
        Title(zh="不属于区划", en="lies outside"),
        lambda column, value: ~column.str.head(6).is_in(value.split(",")).fill_null(value=False),
    ),
    "by": Test(Title(zh="不晚于", en="is by"), lambda column, value: column <= _day(value)),
    "since": Test(Title(zh="不早于", en="is since"), lambda column, value: column >= _day(value)),
    "still": Test(
        Title(zh="为空或不早于", en="is open, or since"),
        lambda column, value: column.is_null() | (column >= _day(value)),
    ),
}


@dataclass(frozen=True)
class Condition:
    """One condition of an address: ``mobile:known``, ``sources:least:2``, ``residence_division:in:441802``."""

    column: str
    test: str
    value: str = ""


def read_condition(text: str) -> Condition:
    """The condition that an address spells; raises :class:`ConditionError`."""
    column, _, rest = text.partition(":")
    test, _, value = rest.partition(":")
    if test not in TESTS or TESTS[test].by_value is not bool(value):
        raise ConditionError(text)
    return Condition(column, test, value)


@dataclass(frozen=True)
class Declared:
    """What the catalogue says of tables: their columns, the base databases, and which columns tell base rows apart."""

    columns: Mapping[TableName, Mapping[str, SourceColumn]]
    bases: Mapping[str, Base]
    keys: Mapping[str, Sequence[str]]

    def of(self, table: TableName) -> Mapping[str, SourceColumn]:
        """The declared columns of a table; a history has those of its table."""
        return self.columns.get((table[0], table[1].removesuffix(states.SUFFIX)), {})

    def handles(self, table: TableName) -> frozenset[str]:
        """The columns by which a base row is named: ids of entities, and the key of the table or of what it tells of."""
        name = table[1]
        for suffix in (states.SUFFIX, _FINDING, _EVENT):
            name = name.removesuffix(suffix)
        keys = ("record",) if table[1] == spatial_findings.TABLE else self.keys.get(name, ())
        keys = keys if table[0] == "base" else ()
        return frozenset({*keys, *(base.id_column for base in self.bases.values())})


def read_declared(catalogue: Catalogue) -> Declared:
    """What a catalogue declares of tables."""
    return Declared(declared_tables(catalogue), load_bases(catalogue), history.keyed_tables(catalogue))


@dataclass(frozen=True)
class Shown:
    """A table as it is shown: its columns' titles in order, and the masks of those that have one."""

    titles: Mapping[str, Title]
    masks: Mapping[str, Callable[[pl.Expr], pl.Expr]]
    #: The columns of which a condition may name a value: shown as they are stored, a county, or a day.
    plain: frozenset[str]
    divisions: frozenset[str]
    days: frozenset[str]


def shown(lake: Lake, declared: Declared, table: TableName) -> Shown:
    """Which columns of a stored table are shown, and how."""
    columns, handles = declared.of(table), declared.handles(table)
    titles, masks, plain = dict[str, Title](), dict[str, Callable[[pl.Expr], pl.Expr]](), {FIRST, FINDINGS}
    for name, dtype in lake.scan(*table).collect_schema().items():
        own = columns.get(name)
        if name in OWN or name in handles:
            titles[name] = OWN.get(name) or (own.title if own else Title(zh=name, en=name))
            plain |= {name} & set(OWN)
        elif own and not own.system and _is_hidden(own):
            continue
        elif own and not own.system:
            mask = keyless(own.mask, dtype)
            if mask is None:
                continue
            titles[name] = own.title
            if own.mask.method == "keep":
                plain.add(name)
            else:
                masks[name] = mask
    of = {name: columns[name].element for name in masks}
    divisions, days = (
        frozenset(name for name in of if of[name] == element) for element in ("division_code", "date")
    )
    beside = {name: OWN[name] for name in BESIDE}
    return Shown(titles | beside, masks, frozenset(plain), divisions, days)


def _is_hidden(column: SourceColumn) -> bool:
    """Cut out of free text is what looks like a number or announces a name: a bare name stays, so the whole text does not."""
    free = column.mask.method == "scrub" and column.sharing is not SharingType.UNCONDITIONAL
    return free or column.mask.method == "redact"


def chosen(
    lake: Lake, declared: Declared, table: TableName, what: Shown, conditions: Sequence[Condition]
) -> pl.LazyFrame:
    """The rows for which all conditions hold, unmasked; raises :class:`ConditionError`."""
    rows = lake.scan(*table)
    for name in {condition.column for condition in conditions} & set(BESIDE):
        more = BESIDE[name](lake, declared, table[1]) if table[0] == "base" else None
        if more is None:
            raise ConditionError(name)
        key = [column for column in more.collect_schema() if column != name]
        rows = rows.join(more, on=key, how="left", nulls_equal=True)
    schema = rows.collect_schema()
    for condition in conditions:
        if condition.column not in schema or not _may_ask(condition, what):
            raise ConditionError(condition.column)
        try:
            rows = rows.filter(TESTS[condition.test].holds(pl.col(condition.column), condition.value))
        except ValueError:
            raise ConditionError(condition.value) from None
    return rows


def _may_ask(condition: Condition, what: Shown) -> bool:
    if not TESTS[condition.test].by_value:
        return True
    counties = condition.value.split(",") if condition.test in ("in", "outside") else []
    county = bool(counties) and all(each.isdigit() and len(each) <= 6 for each in counties)
    day = condition.test in ("by", "since", "still")
    return condition.column in what.plain | (what.divisions if county else what.days if day else set())


def masked(rows: pl.LazyFrame, what: Shown) -> pl.LazyFrame:
    """The shown columns of rows, each under its mask."""
    here = rows.collect_schema()
    return rows.select(
        what.masks[column](pl.col(column)).alias(column) if column in what.masks else pl.col(column)
        for column in what.titles
        if column in here
    )


def first_known(lake: Lake, declared: Declared, name: str) -> pl.LazyFrame | None:
    """The key of each entity of a base table, and the day it was first spoken of: the data date of the first push that
    does, else the day on which it was first recorded; None where neither is kept."""
    base, key = declared.bases.get(name), declared.keys.get(name)
    if base and lake.exists("base", f"{name}_crosswalk"):
        dates = lake.scan("base", f"{name}_crosswalk").group_by(base.id_column)
        return dates.agg(pl.col("_data_date").min().alias(FIRST))
    if key and lake.exists("base", name + states.SUFFIX):
        recorded = pl.col(states.FROM).min().dt.convert_time_zone(str(CITY_TIME)).dt.date()
        return lake.scan("base", name + states.SUFFIX).group_by(key).agg(recorded.alias(FIRST))
    return None


def findings_of(lake: Lake, declared: Declared, name: str) -> pl.LazyFrame | None:
    """What tells the rows of a base table apart, and how many findings each has; None where none are kept of it."""
    base = declared.bases.get(name)
    if base:
        told, key = name + _CONFLICT, [base.id_column]
    elif lake.exists("base", name + _FINDING):
        told, key = name + _FINDING, list(declared.keys.get(name, ()))
    else:
        told, key = spatial_findings.TABLE, ["source_push", "source_row"]
    if not key or not lake.exists("base", told):
        return None
    return lake.scan("base", told).drop_nulls(key).group_by(key).agg(pl.len().alias(FINDINGS))


BESIDE: Mapping[str, Callable[[Lake, Declared, str], pl.LazyFrame | None]] = {
    FIRST: first_known,
    FINDINGS: findings_of,
}
