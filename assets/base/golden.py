"""Golden records: a base declaration compiled to one lazy plan of joins and ``coalesce``.

Here belong what person and legal entity share: the rows of each source brought to one per entity, the golden
record with the source of every field, the crosswalk, the conflicts, and rows that are contested: under one's identifier,
but another's. Joins and coalesce in survivorship order, not GROUP BY: a fifth of the time. What is built when is
``database``'s business; ids are given in ``identity``; why a value was chosen is told by ``explain``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType

import polars as pl

from assets.base.identity import known_ids
from assets.base.inputs import standard
from assets.base.together import is_own, whose
from assets.build import Context
from catalog.base_model import Base, Survivorship
from catalog.load import Catalogue
from lake.hashes import ROW_HASH

SOURCE_SUFFIX = "_source"
#: The column of whose a chosen row is.
WHOSE = "whose:"
_WHERE = ("_push", "_row", "_data_date")
#: From the oldest to the latest row: what was received later was said later.
_AGE = ("_data_date", "_received_at", "_push", "_row")
#: The columns of what sources say otherwise begin so, while records are made.
OTHERWISE = "otherwise:"
#: The column of a golden record's key: by it rows are joined, while its identifier is what is shown of it.
KEY = "key:"
_NUMBER = "number:"
#: How the crosswalk knows whose a row is, where the row says it by its identifier.
BY_IDENTIFIER = "identifier"


@dataclass(frozen=True)
class Chosen:
    """Whose rows are read. ``only``: the identifiers (None: all). ``leads``: identifiers of entities that gave way in a
    merge, and that of the one that stands for each. ``forgiven``: by resource the hashes of contested rows which a
    steward said are the entity's all the same. ``held``: by source the rows themselves, where they were read already, and
    ``ids`` the ids of whom they may be."""

    only: pl.Series | None
    leads: pl.DataFrame
    forgiven: Mapping[str, Sequence[int]]
    held: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    ids: pl.LazyFrame | None = None

    def known_ids(self, context: Context, base: Base) -> pl.LazyFrame:
        """Each identifier and the id of whose it is, at least of the chosen."""
        return known_ids(context, base) if self.ids is None else self.ids

    def rows(self, context: Context, base: Base, name: str) -> pl.LazyFrame:
        """A source's rows with an identifier, and the key of whom they are."""
        if name in self.held:
            return self.held[name]
        source = base.sources[name]
        key = whose(base, source)
        rows = standard(context, source.resource).filter(key.is_not_null())
        if self.only is not None:
            # no join: a reader that filters as it reads never makes the other rows
            rows = rows.filter(key.is_in(self.only.implode()))
        if self.leads.height:
            key = key.replace(self.leads[base.identifier], self.leads["lead"])
        return rows.with_columns(key.alias(WHOSE))


def few(context: Context, base: Base, chosen: Chosen) -> Chosen:
    """The rows of a few entities, in memory: they are asked for several times."""
    asked = [chosen.rows(context, base, name).select(needed_columns(base, name)) for name in base.sources]
    # side by side: of each source few columns are read, one after another
    held = zip(base.sources, pl.collect_all(asked), strict=True)
    return replace(chosen, held={name: said.lazy() for name, said in held})


def latest_last(base: Base, name: str) -> tuple[str, ...]:
    """The columns by which a source's rows about one entity are ordered, the one that speaks last."""
    latest_by = base.sources[name].latest_by
    return (latest_by, *_AGE) if latest_by else _AGE


def needed_columns(base: Base, name: str) -> list[str]:
    """The columns of a source's chosen rows from which all that is said of entities is made."""
    used = [column for of, column in _references(base) if of == name]
    source = base.sources[name].identifier
    return list(dict.fromkeys([WHOSE, source, *latest_last(base, name), ROW_HASH, *sorted(used)]))


def one_per_entity(context: Context, base: Base, name: str, chosen: Chosen) -> pl.LazyFrame:
    """A source's rows brought to one per entity, the latest: identifier, data date, and what some field uses."""
    source = base.sources[name]
    used = sorted({column for of, column in _references(base) if of == name})
    rows = chosen.rows(context, base, name)
    if context.catalogue.entry(source.resource).delivery.key != (source.identifier,) or chosen.leads.height:
        counted = [column for of, column in _references(base, Survivorship.MOST) if of == name]
        said = rows.group_by(WHOSE).agg(
            pl.col(column).drop_nulls().unique().alias(_all_of(column)) for column in counted
        )
        rows = rows.sort(*latest_last(base, name)).unique(WHOSE, keep="last", maintain_order=False)
        if counted:
            rows = rows.join(said, on=WHOSE, how="left")
            used += [_all_of(column) for column in counted]
    return rows.select(
        pl.col(WHOSE).alias(base.identifier),
        pl.col("_data_date").alias(_said_on(name)),
        *([pl.col(ROW_HASH).alias(_hash_of(name))] if name in base.telling_apart() else []),
        *(pl.col(column).alias(f"{name}.{column}") for column in used),
    )


def golden_records(
    catalogue: Catalogue,
    base: Base,
    ids: pl.DataFrame,
    sources: Mapping[str, pl.LazyFrame],
    forgiven: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> pl.LazyFrame:
    """One row per entity of ``ids``, each field by its survivorship and with the resource it came from.

    Last come columns of what sources say otherwise (:data:`OTHERWISE`); :func:`conflicts` makes a table of them."""
    joined = _joined(base, ids, sources)
    joined = _without_contested(catalogue, base, joined, sources, forgiven)
    several = frozenset(joined.collect_schema().names())
    seen = [pl.col(_said_on(name)).is_not_null().cast(pl.Int32) for name in sources]
    return joined.with_columns(
        *(column for name in base.fields for column in _field(catalogue, base, name, several)),
        pl.sum_horizontal(seen).alias("sources"),
    ).select(*golden_schema(catalogue, base), *_disagreements(base))


def telling_seed(identifiers: pl.Series) -> int:
    """A seed by which the hashes of these identifiers all differ: joining by such numbers is cheaper than by the texts."""
    return next(seed for seed in count() if identifiers.hash(seed=seed).is_unique().all())


def _joined(base: Base, ids: pl.DataFrame, sources: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """What every source says, beside the ids.

    Each source is joined with the ids alone, by numbers that stand for the identifiers, and the columns are then put side by
    side: a chain of joins would move all columns anew for each source."""
    number = pl.col(base.identifier).hash(seed=telling_seed(ids[base.identifier])).alias(_NUMBER)
    numbers = ids.lazy().select(number)
    parts = [ids.lazy()]
    for rows in sources.values():
        said = rows.with_columns(number).drop(base.identifier)
        parts.append(numbers.join(said, on=_NUMBER, how="left", maintain_order="left").drop(_NUMBER))
    return pl.concat(parts, how="horizontal").collect().lazy()


def _without_contested(
    catalogue: Catalogue,
    base: Base,
    joined: pl.LazyFrame,
    sources: Mapping[str, pl.LazyFrame],
    forgiven: Mapping[str, Sequence[int]],
) -> pl.LazyFrame:
    """Silence those sources whose row is another's: it differs in every field that tells entities apart."""
    speaking = {name: said for name, said in base.telling_apart().items() if name in sources}
    if len(speaking) < 2:
        return joined
    believed = [_field(catalogue, base, field)[0].alias(f"apart:{field}") for field in base.apart]
    silent = {
        name: _differs(base, {field: pl.col(f"{name}.{column}") for field, column in said.items()})
        & ~pl.col(_hash_of(name)).is_in(list(forgiven.get(base.sources[name].resource, ())))
        for name, said in speaking.items()
    }
    columns = joined.collect_schema().names()
    return joined.with_columns(believed).with_columns(
        pl.when(~when.fill_null(value=False)).then(pl.col(column)).alias(column)
        for name, when in silent.items()
        for column in columns
        if column == _said_on(name) or column.startswith(f"{name}.")
    )


def _differs(base: Base, said: Mapping[str, pl.Expr]) -> pl.Expr:
    """Whether what is said is another in every field that tells entities apart; what is empty tells nothing."""
    return pl.all_horizontal(
        (said[field] != pl.col(f"apart:{field}")).fill_null(value=False) for field in base.apart
    )


def _hash_of(source: str) -> str:
    return f"{source}:hash"


def _said_on(source: str) -> str:
    """The data date of a source's row about an entity; null where it has none."""
    return f"{source}:said_on"


def _all_of(reference: str) -> str:
    """The column of all that a source's rows say of an entity, where it has several: the latest row speaks, but where
    voices are counted, what another of its rows says too is a source's word."""
    return f"{reference}:all"


def _field(
    catalogue: Catalogue, base: Base, name: str, columns: Collection[str] = ()
) -> tuple[pl.Expr, pl.Expr]:
    """A field's value, and the resource that gave it; ``columns`` are those that there are."""
    declared = base.fields[name]
    statutory = base.statutory(catalogue, name)
    others = [reference for reference in declared.sources if reference not in statutory]
    speaks = {reference: pl.col(reference).is_not_null() for reference in statutory}
    speaks |= _believed(declared.rule, others, columns)
    value = pl.coalesce([pl.when(when).then(pl.col(reference)) for reference, when in speaks.items()])
    origin = pl.coalesce(
        [pl.when(when).then(pl.lit(base.resource(reference))) for reference, when in speaks.items()]
    )
    return value.alias(name), origin.alias(name + SOURCE_SUFFIX)


def _believed(rule: Survivorship, references: Sequence[str], columns: Collection[str]) -> dict[str, pl.Expr]:
    """Where each reference may speak; of several, the first in order does."""
    present = {reference: pl.col(reference).is_not_null() for reference in references}
    if rule is Survivorship.PRIORITY or len(references) < 2:
        return present
    weights = {
        reference: pl.when(present[reference]).then(_weight(rule, reference, references, columns))
        for reference in references
    }
    best = pl.max_horizontal(weights.values())
    return {reference: (weight == best).fill_null(value=False) for reference, weight in weights.items()}


def _weight(
    rule: Survivorship, reference: str, references: Sequence[str], columns: Collection[str]
) -> pl.Expr:
    """What a reference's word weighs: the day it was said, or how many say the same.

    The day is no vote's tie-break: a register that is sent anew each night is not therefore better informed."""
    if rule is Survivorship.LATEST:
        return pl.col(_said_on(reference.partition(".")[0]))
    same = [
        (
            pl.col(_all_of(other)).list.contains(pl.col(reference), nulls_equal=False)
            if _all_of(other) in columns
            else pl.col(reference) == pl.col(other)
        ).fill_null(value=False)
        for other in references
    ]
    return pl.sum_horizontal(expression.cast(pl.Int64) for expression in same)


def _disagreements(base: Base) -> list[pl.Expr]:
    """For each compared field what each of its sources says otherwise, as text; null where it says the same, or nothing.

    Columns, and no list of them: a list of structs takes two hundred times as long to make."""
    return [
        pl.when(pl.col(reference) != pl.col(name)).then(pl.col(reference).cast(pl.String)).alias(said)
        for said, name, reference in _compared(base)
    ]


def _compared(base: Base) -> list[tuple[str, str, str]]:
    """The column of a disagreement, the field, and the reference that may say otherwise."""
    return [
        (f"{OTHERWISE}{name}:{reference}", name, reference)
        for name, declared in base.fields.items()
        if declared.compare
        for reference in declared.sources
    ]


def conflicts(base: Base, golden: pl.LazyFrame) -> pl.LazyFrame:
    """Where a source says otherwise than the golden record: id, field, both resources, both values as text."""
    found = [
        golden.filter(pl.col(said).is_not_null()).select(
            base.id_column,
            pl.lit(name).alias("field"),
            pl.col(name + SOURCE_SUFFIX).alias("kept_resource"),
            pl.col(name).cast(pl.String).alias("kept"),
            pl.lit(base.resource(reference)).alias("resource"),
            pl.col(said).alias("value"),
        )
        for said, name, reference in _compared(base)
    ]
    texts = ("field", "kept_resource", "kept", "resource", "value")
    nobody = pl.LazyFrame(schema=dict.fromkeys((base.id_column, *texts), pl.String()))
    return pl.concat([nobody, *found]).unique(maintain_order=False)


def conflict_key(base: Base) -> tuple[str, ...]:
    """The columns that tell conflicts apart."""
    return (base.id_column, "field", "resource", "value")


def with_shown_identifier(context: Context, base: Base, golden: pl.DataFrame, chosen: Chosen) -> pl.DataFrame:
    """Golden records with their key apart (``KEY``), and the identifier that is shown: of merged entities that of the most
    trusted source, and none where the key is of another kind."""
    held = pl.col(base.identifier)
    golden = golden.with_columns(held.alias(KEY))
    if chosen.leads.height:
        shown = _shown_identifiers(context, base, chosen)
        golden = golden.with_columns(held.replace(shown["lead"], shown[base.identifier]))
    if base.other_identifiers:
        golden = golden.with_columns(pl.when(is_own(held)).then(held))
    return golden


def _shown_identifiers(context: Context, base: Base, chosen: Chosen) -> pl.DataFrame:
    """Of merged entities the identifier that the first source in order of trust has of them now, beside ``lead``, by
    which their rows were joined."""
    merged = pl.concat([chosen.leads["lead"], chosen.leads[base.identifier]])
    found = [
        chosen.rows(context, base, name)
        .filter(pl.col(source.identifier).is_in(merged.implode()))
        .sort(*latest_last(base, name))
        .group_by(pl.col(WHOSE).alias("lead"))
        .agg(pl.col(source.identifier).last().alias(base.identifier), pl.lit(order).alias("order"))
        for order, (name, source) in enumerate(base.sources.items())
    ]
    return pl.concat(found).sort("order").unique("lead", keep="first", maintain_order=True).collect()


def crosswalk(context: Context, base: Base, chosen: Chosen) -> pl.LazyFrame:
    """Every source row with an identifier, and whose it is: id, resource, push, row, and how we know."""
    rows = pl.concat(
        [
            chosen.rows(context, base, name).select(
                pl.lit(source.resource).alias("resource"), *_WHERE, pl.col(WHOSE).alias(base.identifier)
            )
            for name, source in base.sources.items()
        ]
    )
    return rows.join(chosen.known_ids(context, base), on=base.identifier).select(
        base.id_column,
        "resource",
        *_WHERE,
        pl.lit(BY_IDENTIFIER).alias("method"),
        pl.lit(1.0).alias("probability"),
    )


def contested(context: Context, base: Base, golden: pl.LazyFrame, chosen: Chosen) -> pl.DataFrame:
    """The rows under an entity's identifier that differ from its record in every field that tells entities apart: whose
    identifier it is, where the row is, and the hash of its content."""
    known = golden.select(
        base.id_column,
        pl.col(KEY).alias(base.identifier),
        *(pl.col(field).alias(f"apart:{field}") for field in base.apart),
    )
    found = [
        chosen.rows(context, base, name)
        .select(
            pl.col(WHOSE).alias(base.identifier),
            pl.lit(base.sources[name].resource).alias("resource"),
            *_WHERE,
            ROW_HASH,
            *(pl.col(column).alias(field) for field, column in said.items()),
        )
        .join(known, on=base.identifier)
        .filter(_differs(base, {field: pl.col(field) for field in base.apart}))
        .filter(~pl.col(ROW_HASH).is_in(list(chosen.forgiven.get(base.sources[name].resource, ()))))
        .select(base.id_column, "resource", *_WHERE, ROW_HASH)
        for name, said in base.telling_apart().items()
    ]
    shape = {base.id_column: pl.String(), "resource": pl.String(), "_push": pl.String(), "_row": pl.Int64()}
    if not base.apart or not found:
        return pl.DataFrame(schema={**shape, "_data_date": pl.Date(), ROW_HASH: pl.Int64()})
    return pl.concat(found).collect(engine="streaming")


def _references(base: Base, rule: Survivorship | None = None) -> list[tuple[str, str]]:
    """Source and column of all that fields are made of; where a ``rule`` is named, of the fields it decides."""
    return [
        base.split(reference)
        for declared in base.fields.values()
        if rule in (None, declared.rule)
        for reference in declared.sources
    ]


def golden_schema(catalogue: Catalogue, base: Base) -> dict[str, pl.DataType]:
    """Names and dtypes of a base database's golden record."""
    schema: dict[str, pl.DataType] = {base.id_column: pl.String(), base.identifier: pl.String()}
    for name, declared in base.fields.items():
        schema[name] = base.dtype(catalogue, declared.sources[0])
        schema[name + SOURCE_SUFFIX] = pl.String()
    return schema | {"sources": pl.Int32()}
