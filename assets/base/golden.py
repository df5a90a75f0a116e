"""Golden records: a base declaration compiled to one lazy plan of joins and ``coalesce`` in survivorship order.

Here belong what person and legal entity share: the rows of each source brought to one per entity, the golden record
with the source of every field, the crosswalk, and the conflicts. Joins and coalesce, not GROUP BY: a fifth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import polars as pl

from assets.base.inputs import standard
from assets.build import Build, Built, Context
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from lake.keys import master_key
from lake.locks import writing
from masking.keys import recipient_key
from masking.methods import pseudonym

SOURCE_SUFFIX = "_source"
_WHERE = ("_push", "_row", "_data_date")


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each declared base database: the golden records, the crosswalk and the conflicts together."""
    return [_build(base) for base in load_bases(catalogue).values()]


def _build(base: Base) -> Build:
    return Build(
        makes=(("base", base.code), ("base", f"{base.code}_crosswalk"), ("base", f"{base.code}_conflict")),
        reads=tuple(
            ("standard", name) for name in sorted({source.resource for source in base.sources.values()})
        ),
        title=base.title,
        description="每个主体一行，每个字段都注明来源；关联表说明哪些来源行属于哪个主体；冲突表列出部门之间不一致的取值。\n\n"
        "One row per entity with the source of every field; which source rows are which entity; where departments disagree.",
        owner="data_bureau",
        run=lambda context: build(context, base),
    )


def build(context: Context, base: Base) -> Built:
    """Make the three tables equal what the sources say now; equal content makes no new version."""
    sources = {name: one_per_entity(context, base, name) for name in base.sources}
    golden = golden_records(context, base, sources).collect(engine="streaming")
    tables = {
        base.code: (golden.lazy(), [base.id_column]),
        f"{base.code}_crosswalk": (crosswalk(context, base), ["resource", "_push", "_row", base.id_column]),
        f"{base.code}_conflict": (conflicts(base, context, sources), [base.id_column, "field", "resource"]),
    }
    commits = {}
    for name, (rows, key) in tables.items():
        with writing(context.home, f"base.{name}"):
            commits["base", name] = context.lake.publish("base", name, rows, key=key)
    return Built(
        commits, {"entities": golden.height, "conflicts": commits["base", f"{base.code}_conflict"].rows}
    )


def entity_id(context: Context, base: Base, identifier: pl.Expr) -> pl.Expr:
    """An entity's id: for ever the same for one identifier, and telling nothing of it to whoever lacks the key."""
    key = recipient_key(master_key(context.home), f"base.{base.code}")
    return (pl.lit(base.prefix) + pseudonym(identifier, key, base.identifier).str.slice(2, 24)).alias(
        base.id_column
    )


def one_per_entity(context: Context, base: Base, name: str) -> pl.LazyFrame:
    """A source's rows brought to one per entity, the latest: ``identifier`` and the columns that some field uses."""
    source = base.sources[name]
    used = sorted({column for of, column in _references(base) if of == name})
    rows = standard(context, source.resource).filter(pl.col(source.identifier).is_not_null())
    latest = rows.sort(*_WHERE[2::-1]).unique(source.identifier, keep="last", maintain_order=False)
    return latest.select(
        pl.col(source.identifier).alias(base.identifier),
        pl.lit(value=True).alias(f"{name}:seen"),
        *(pl.col(column).alias(f"{name}.{column}") for column in used),
    )


def golden_records(context: Context, base: Base, sources: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """One row per identifier seen in any source, each field by its survivorship, each with the resource it came from."""
    everyone = pl.concat([rows.select(base.identifier) for rows in sources.values()]).unique()
    joined = reduce(
        lambda left, right: left.join(right, on=base.identifier, how="left"), sources.values(), everyone
    )
    seen = [pl.col(f"{name}:seen") for name in sources]
    return joined.select(
        entity_id(context, base, pl.col(base.identifier)),
        base.identifier,
        *(column for name in base.fields for column in _field(base, name)),
        pl.sum_horizontal(expression.fill_null(value=False).cast(pl.Int32) for expression in seen).alias(
            "sources"
        ),
    )


def _field(base: Base, name: str) -> tuple[pl.Expr, pl.Expr]:
    """A field's value, and the resource that gave it."""
    references = base.fields[name].sources
    value = pl.coalesce([pl.col(reference) for reference in references]).alias(name)
    origin = pl.coalesce(
        [
            pl.when(pl.col(reference).is_not_null()).then(
                pl.lit(base.sources[base.split(reference)[0]].resource)
            )
            for reference in references
        ]
    )
    return value, origin.alias(name + SOURCE_SUFFIX)


def crosswalk(context: Context, base: Base) -> pl.LazyFrame:
    """Every source row with an identifier, and whose it is: resource, push, row, id, and how we know."""
    parts = [
        standard(context, source.resource)
        .filter(pl.col(source.identifier).is_not_null())
        .select(
            pl.lit(source.resource).alias("resource"),
            *_WHERE,
            pl.col(source.identifier).alias(base.identifier),
        )
        for source in base.sources.values()
    ]
    rows = pl.concat(parts)
    return rows.select(
        entity_id(context, base, pl.col(base.identifier)),
        "resource",
        *_WHERE,
        pl.lit("identifier").alias("method"),
        pl.lit(1.0).alias("probability"),
    )


def conflicts(base: Base, context: Context, sources: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Where a source says otherwise than the word that counts: id, field, the two resources and their values as text."""
    shape = pl.LazyFrame(
        schema=dict.fromkeys(
            (base.id_column, "field", "kept_resource", "kept", "resource", "value"), pl.String
        )
    )
    parts = [shape]
    for name, declared in base.fields.items():
        if not declared.compare:
            continue
        first, *others = declared.sources
        for other in others:
            parts.append(_differences(base, context, name, first, other, sources))
    return pl.concat(parts).unique([base.id_column, "field", "resource"], keep="first", maintain_order=True)


def _differences(
    base: Base, context: Context, field: str, first: str, other: str, sources: Mapping[str, pl.LazyFrame]
) -> pl.LazyFrame:
    (one, _), (two, _) = base.split(first), base.split(other)
    both = (
        sources[one]
        .select(base.identifier, first)
        .join(sources[two].select(base.identifier, other), on=base.identifier)
    )
    return both.filter(pl.col(first) != pl.col(other)).select(
        entity_id(context, base, pl.col(base.identifier)),
        pl.lit(field).alias("field"),
        pl.lit(base.sources[one].resource).alias("kept_resource"),
        pl.col(first).cast(pl.String).alias("kept"),
        pl.lit(base.sources[two].resource).alias("resource"),
        pl.col(other).cast(pl.String).alias("value"),
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
