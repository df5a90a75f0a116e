"""Relations between entities as tables: who is whose parent, spouse, member, representative or branch, and since when.

Here belongs the making of ``base.<relation>`` from its declaration. Both ends are ids of entities; a row whose ends are
not both known tells nothing here. What a relation is read from is said in ``catalog/relations``.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.base.identity import known_ids, ledger_name
from assets.base.inputs import standard
from assets.base.spellings import body_name
from assets.build import Build, Built, Context
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.relation_model import Relation, RelationSource, load_relations
from lake.locks import writing

_PLACE = ("resource", "_push", "_row")
_SHARED = "beside:"


def builds(catalogue: Catalogue) -> list[Build]:
    """A table for each declared relation."""
    bases = load_bases(catalogue)
    return [_build(bases, relation) for relation in load_relations(catalogue, bases).values()]


def _build(bases: Mapping[str, Base], relation: Relation) -> Build:
    read = dict.fromkeys(
        ("base", name) for code in relation.ends.values() for name in (code, ledger_name(bases[code]))
    )
    return Build(
        makes=(("base", relation.code),),
        reads=(*(("standard", resource) for resource in relation.resources()), *read),
        title=relation.title,
        description=relation.description,
        owner="data_bureau",
        run=lambda context: build(context, bases, relation),
    )


def build(context: Context, bases: Mapping[str, Base], relation: Relation) -> Built:
    """Make the table equal what the sources say now."""
    table = ("base", relation.code)
    rows = related(context, bases, relation)
    with writing(context.home, ".".join(table)):
        commit = context.lake.publish(*table, rows, key=key(relation))
    return Built({table: commit}, {"relations": commit.rows})


def key(relation: Relation) -> list[str]:
    """The columns that tell a relation's rows apart."""
    return [*relation.ends, "kind", "valid_from", *_PLACE]


def related(context: Context, bases: Mapping[str, Base], relation: Relation) -> pl.LazyFrame:
    """Each pair of ends, what the relation is called, from when to when it holds, and the row that tells it."""
    rows = pl.concat([_of_source(context, bases, relation, source) for source in relation.sources.values()])
    if relation.for_life:
        rows = _until_an_end_is_over(context, bases, relation, rows)
    one, other = relation.ends
    return rows.filter(pl.col(one) != pl.col(other)).unique(key(relation))


def _of_source(
    context: Context, bases: Mapping[str, Base], relation: Relation, source: RelationSource
) -> pl.LazyFrame:
    rows = standard(context, source.resource).select(
        *dict.fromkeys(source.columns()), "_push", "_row", pl.lit(source.resource).alias("resource")
    )
    # who has an identifier is found first: the other end may be sought beside him
    for column in sorted(source.ends, key=lambda column: source.ends[column].identifier is None):
        rows = _with_end(context, bases[relation.ends[column]], rows, column, relation, source)
    over = pl.all_horizontal(
        pl.lit(value=True), *(pl.col(name) == value for name, value in source.ends_where.items())
    )
    stated = rows.select(
        *relation.ends,
        (pl.col(source.kind_from) if source.kind_from else pl.lit(source.kind)).alias("kind"),
        _day(source.valid_from).alias("valid_from"),
        _day(source.valid_to).alias("valid_to"),
        *_PLACE,
        (over if source.ends_where else pl.lit(value=False)).fill_null(value=False).alias("over"),
    )
    return _closed(relation, stated) if source.ends_where else stated.drop("over")


def _day(column: str | None) -> pl.Expr:
    return pl.col(column).cast(pl.Date) if column else pl.lit(None, pl.Date)


def _with_end(
    context: Context,
    base: Base,
    rows: pl.LazyFrame,
    column: str,
    relation: Relation,
    source: RelationSource,
) -> pl.LazyFrame:
    """The rows with the id of one end under its name; those of whom there is none, or not only one, are left out."""
    end = source.ends[column]
    if end.identifier:
        ids = known_ids(context, base).rename({base.identifier: end.identifier, base.id_column: column})
        return rows.join(ids, on=end.identifier)
    said = {field: pl.col(name) for field, name in end.match.items()}
    if end.body:
        said[end.body] = body_name(said[end.body])
    rows = rows.with_columns(value.alias(f"match:{field}") for field, value in said.items())
    on = [f"match:{field}" for field in said]
    everybody = context.lake.scan("base", base.code)
    known = everybody.filter(**end.where) if end.where else everybody
    candidates = known.select(
        pl.col(base.id_column).alias(column),
        *(pl.col(field).alias(f"match:{field}") for field in said),
        *([pl.col(end.beside).alias(_SHARED)] if end.beside else []),
    )
    if end.beside:
        other = next(name for name in source.ends if name != column)
        homes = context.lake.scan("base", relation.ends[other]).select(
            pl.col(base.id_column).alias(other), pl.col(end.beside).alias(_SHARED)
        )
        rows, on = rows.join(homes, on=other), [*on, _SHARED]
    found = rows.join(candidates, on=on)
    alone = found.filter(pl.len().over(*_PLACE) == 1)
    return alone.drop(*on)


def _closed(relation: Relation, stated: pl.LazyFrame) -> pl.LazyFrame:
    """What began, until the first row after it that says it is over; and what is over of which nobody told the
    beginning."""
    pair = [*relation.ends]
    begun = stated.filter(~pl.col("over")).drop("over")
    ended = stated.filter("over").select(*pair, "kind", *_PLACE, ended=pl.col("valid_from"))
    ends = begun.join(ended.select(*pair, "ended"), on=pair).filter(pl.col("ended") >= pl.col("valid_from"))
    first = ends.group_by(*pair, *_PLACE).agg(pl.col("ended").min())
    closed = begun.join(first, on=[*pair, *_PLACE], how="left").with_columns(
        pl.min_horizontal("valid_to", "ended").alias("valid_to")
    )
    unknown = ended.join(begun, on=pair, how="anti").with_columns(
        pl.lit(None, pl.Date).alias("valid_from"), pl.col("ended").alias("valid_to")
    )
    columns = begun.collect_schema().names()
    return pl.concat([closed.select(columns), unknown.select(columns)])


def _until_an_end_is_over(
    context: Context, bases: Mapping[str, Base], relation: Relation, rows: pl.LazyFrame
) -> pl.LazyFrame:
    """The relation no longer than the life of either end."""
    for column, code in relation.ends.items():
        over_with = bases[code].over_with
        if over_with:
            lives = context.lake.scan("base", code).select(
                pl.col(bases[code].id_column).alias(column), pl.col(over_with).alias("over")
            )
            rows = rows.join(lives, on=column, how="left").with_columns(
                pl.min_horizontal("valid_to", "over").alias("valid_to")
            )
            rows = rows.drop("over")
    return rows
