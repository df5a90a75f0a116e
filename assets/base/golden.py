"""Golden records: a base declaration compiled to one lazy plan of joins and ``coalesce``.

Here belong what person and legal entity share: the rows of each source brought to one per entity, the golden
record with the source of every field, the crosswalk, and the conflicts. Joins and coalesce in survivorship order,
not GROUP BY: a fifth of the time. Ids are given in ``identity``; why a value was chosen is told by ``explain``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import polars as pl

from assets.base.identity import give_ids, known_ids, ledger_name
from assets.base.inputs import standard
from assets.base.linkage_residue import find, worklist_name
from assets.build import Build, Built, Context
from catalog.base_model import Base, Survivorship, load_bases
from catalog.load import Catalogue
from lake.locks import writing

SOURCE_SUFFIX = "_source"
_WHERE = ("_push", "_row", "_data_date")
#: From the oldest to the latest row: what was received later was said later.
_AGE = ("_data_date", "_received_at", "_push", "_row")
_CONFLICTS = "conflicts:"


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each declared base database: golden records, ids, crosswalk and conflicts together."""
    return [_build(base) for base in load_bases(catalogue).values()]


def _build(base: Base) -> Build:
    return Build(
        makes=tuple(
            ("base", name)
            for name in (
                base.code,
                ledger_name(base),
                f"{base.code}_crosswalk",
                f"{base.code}_conflict",
                worklist_name(base),
            )
        ),
        reads=tuple(
            ("standard", name) for name in sorted({source.resource for source in base.sources.values()})
        ),
        title=base.title,
        description="每个主体一行，每个字段都注明来源；编号表保证编号终身不变；关联表说明哪些来源行属于哪个主体；"
        "冲突表列出部门之间不一致的取值；"
        "待办表列出须人工判断归属的来源行。\n\nOne row per entity with the source of every field; its id for ever; "
        "which source rows are which entity; where departments disagree; which rows a steward must place.",
        owner="data_bureau",
        run=lambda context: build(context, base),
    )


def build(context: Context, base: Base) -> Built:
    """Make the tables equal what the sources say now; equal content makes no new version."""
    sources = {name: one_per_entity(context, base, name) for name in base.sources}
    everyone = pl.concat([rows.select(base.identifier) for rows in sources.values()]).unique()
    commits = {("base", ledger_name(base)): give_ids(context, base, everyone)}
    ids = known_ids(context, base).join(everyone, on=base.identifier, how="semi")
    golden = golden_records(context.catalogue, base, ids, sources).collect(engine="streaming")
    residue = find(context, base, golden)
    tables = {
        base.code: (golden.lazy().drop(_CONFLICTS), [base.id_column]),
        f"{base.code}_crosswalk": (
            pl.concat([crosswalk(context, base), residue.links.lazy()]),
            ["resource", "_push", "_row", base.id_column],
        ),
        f"{base.code}_conflict": (
            conflicts(base, golden.lazy()),
            [base.id_column, "field", "resource", "value"],
        ),
        worklist_name(base): (residue.worklist.lazy(), ["resource", "_push", "_row", base.id_column]),
    }
    for name, (rows, key) in tables.items():
        with writing(context.home, f"base.{name}"):
            commits["base", name] = context.lake.publish("base", name, rows, key=key)
    return Built(
        commits,
        {
            "entities": golden.height,
            "conflicts": commits["base", f"{base.code}_conflict"].rows,
            "rows without identifier": residue.residue,
            "linked": residue.links.height,
            "for a steward": residue.worklist.height,
        },
    )


def latest_last(base: Base, name: str) -> tuple[str, ...]:
    """The columns by which a source's rows about one entity are ordered, the one that speaks last."""
    latest_by = base.sources[name].latest_by
    return (latest_by, *_AGE) if latest_by else _AGE


def one_per_entity(context: Context, base: Base, name: str) -> pl.LazyFrame:
    """A source's rows brought to one per entity, the latest: identifier, data date, and what some field uses."""
    source = base.sources[name]
    used = sorted({column for of, column in _references(base) if of == name})
    rows = standard(context, source.resource).filter(pl.col(source.identifier).is_not_null())
    if context.catalogue.entry(source.resource).delivery.key != (source.identifier,):
        rows = rows.sort(*latest_last(base, name)).unique(
            source.identifier, keep="last", maintain_order=False
        )
    return rows.select(
        pl.col(source.identifier).alias(base.identifier),
        pl.col("_data_date").alias(_said_on(name)),
        *(pl.col(column).alias(f"{name}.{column}") for column in used),
    )


def golden_records(
    catalogue: Catalogue, base: Base, ids: pl.LazyFrame, sources: Mapping[str, pl.LazyFrame]
) -> pl.LazyFrame:
    """One row per entity of ``ids``, each field by its survivorship and with the resource it came from.

    A last column lists what sources say otherwise; :func:`conflicts` makes a table of it."""
    joined = reduce(
        lambda left, right: left.join(right, on=base.identifier, how="left"), sources.values(), ids
    )
    seen = [pl.col(_said_on(name)).is_not_null().cast(pl.Int32) for name in sources]
    return joined.with_columns(
        *(column for name in base.fields for column in _field(catalogue, base, name)),
        pl.sum_horizontal(seen).alias("sources"),
    ).select(*golden_schema(catalogue, base), _disagreements(base))


def _said_on(source: str) -> str:
    """The data date of a source's row about an entity; null where it has none."""
    return f"{source}:said_on"


def _field(catalogue: Catalogue, base: Base, name: str) -> tuple[pl.Expr, pl.Expr]:
    """A field's value, and the resource that gave it."""
    declared = base.fields[name]
    statutory = base.statutory(catalogue, name)
    others = [reference for reference in declared.sources if reference not in statutory]
    speaks = {reference: pl.col(reference).is_not_null() for reference in statutory}
    speaks |= _believed(declared.rule, others)
    value = pl.coalesce([pl.when(when).then(pl.col(reference)) for reference, when in speaks.items()])
    origin = pl.coalesce(
        [pl.when(when).then(pl.lit(base.resource(reference))) for reference, when in speaks.items()]
    )
    return value.alias(name), origin.alias(name + SOURCE_SUFFIX)


def _believed(rule: Survivorship, references: Sequence[str]) -> dict[str, pl.Expr]:
    """Where each reference may speak; of several, the first in order does."""
    present = {reference: pl.col(reference).is_not_null() for reference in references}
    if rule is Survivorship.PRIORITY or len(references) < 2:
        return present
    weights = {
        reference: pl.when(present[reference]).then(_weight(rule, reference, references))
        for reference in references
    }
    best = pl.max_horizontal(weights.values())
    return {reference: (weight == best).fill_null(value=False) for reference, weight in weights.items()}


def _weight(rule: Survivorship, reference: str, references: Sequence[str]) -> pl.Expr:
    """What a reference's word weighs: the day it was said, or how many say the same."""
    if rule is Survivorship.LATEST:
        return pl.col(_said_on(reference.partition(".")[0]))
    same = [(pl.col(reference) == pl.col(other)).fill_null(value=False) for other in references]
    return pl.sum_horizontal(expression.cast(pl.Int32) for expression in same)


def _disagreements(base: Base) -> pl.Expr:
    """For each entity the list of what sources say otherwise, in the compared fields."""
    found = [
        pl.when(pl.col(reference) != pl.col(name)).then(
            pl.struct(
                pl.lit(name).alias("field"),
                pl.col(name + SOURCE_SUFFIX).alias("kept_resource"),
                pl.col(name).cast(pl.String).alias("kept"),
                pl.lit(base.resource(reference)).alias("resource"),
                pl.col(reference).cast(pl.String).alias("value"),
            )
        )
        for name, declared in base.fields.items()
        if declared.compare
        for reference in declared.sources
    ]
    return pl.concat_list(found).list.drop_nulls().alias(_CONFLICTS)


def conflicts(base: Base, golden: pl.LazyFrame) -> pl.LazyFrame:
    """Where a source says otherwise than the golden record: id, field, both resources, both values as text."""
    listed = golden.select(base.id_column, _CONFLICTS).filter(pl.col(_CONFLICTS).list.len() > 0)
    return listed.explode(_CONFLICTS).unnest(_CONFLICTS).unique(maintain_order=False)


def crosswalk(context: Context, base: Base) -> pl.LazyFrame:
    """Every source row with an identifier, and whose it is: id, resource, push, row, and how we know."""
    rows = pl.concat(
        [
            standard(context, source.resource).select(
                pl.lit(source.resource).alias("resource"),
                *_WHERE,
                pl.col(source.identifier).alias(base.identifier),
            )
            for source in base.sources.values()
        ]
    )
    return rows.join(known_ids(context, base), on=base.identifier).select(
        base.id_column,
        "resource",
        *_WHERE,
        pl.lit("identifier").alias("method"),
        pl.lit(1.0).alias("probability"),
    )


def _references(base: Base) -> list[tuple[str, str]]:
    return [base.split(reference) for declared in base.fields.values() for reference in declared.sources]


def golden_schema(catalogue: Catalogue, base: Base) -> dict[str, pl.DataType]:
    """Names and dtypes of a base database's golden record."""
    schema: dict[str, pl.DataType] = {base.id_column: pl.String(), base.identifier: pl.String()}
    for name, declared in base.fields.items():
        schema[name] = base.dtype(catalogue, declared.sources[0])
        schema[name + SOURCE_SUFFIX] = pl.String()
    return schema | {"sources": pl.Int32()}
