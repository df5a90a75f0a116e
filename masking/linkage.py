"""The linkage attack: who is found again by joining a masked table with what is known of everybody.

Here belongs the attack as an attacker would run it. The masks are no secret, only keys are: so whoever has a register
of people (names, birth dates, areas) masks the register the same way, joins, and where one person of the register fits
one person of the table alone, names them. What the attacker is given here is the base database itself, the best
register there is: a real attacker has less. Nothing found leaves this module but numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from catalog.base_model import Base
from masking.columns import SourceColumn
from masking.compile import SUBJECT, masked
from masking.keys import RecipientKey
from masking.methods import METHODS
from masking.product import Product

#: Whom a row of the register is about: told to nobody, only to count how many guesses are right.
PERSON = "_person"
#: Elements that mean the same of a person whoever states them; a date or an amount may be any.
SAME_OF_A_PERSON = frozenset({"person_name", "sex", "ethnicity", "division_code", "address", "mobile"})


@dataclass(frozen=True)
class Linkage:
    """What the attack found, in people."""

    known: tuple[str, ...]
    """the product's columns by which the register was joined"""
    subjects: int
    """people in the attacked table"""
    named: int
    """people whom the attacker names: with what is known, alone in the table and alone in the register"""
    right: int
    """of those, named rightly"""
    journalist_risk: float
    """the best chance that a guess among those alike in the register is right, for anybody in the table"""
    average_risk: float
    """the same for everybody in the table, on average"""

    @property
    def share(self) -> float:
        """The share of the table's people who are found again."""
        return self.right / self.subjects if self.subjects else 0.0


def base_of(product: Product, bases: Collection[Base]) -> Base | None:
    """The base database that knows the product's subjects by the same identifier; None where none does."""
    for base in bases:
        identified = {(source.resource, source.identifier) for source in base.sources.values()}
        if (product.source.table, product.subject) in {*identified, (base.code, base.identifier)}:
            return base
    return None


def known_columns(
    product: Product, base: Base, sources: Mapping[str, SourceColumn], golden: Mapping[str, SourceColumn]
) -> dict[str, str]:
    """The product's columns that an attacker with the base database knows of everybody, with its field there.

    A product over a resource shares a column where survivorship takes a field from it, or where both say the same
    of a person, such as where they live. ``golden`` are the base's declared columns. Pseudonyms are not among
    them: an attacker has no key, and so cannot mask the register's ids alike."""
    fields = _by_survivorship(product, base)
    # the last field of an element: where people live rather than where they are registered
    alike = {
        golden[field].element: field for field in base.fields if golden[field].element in SAME_OF_A_PERSON
    }
    found = {}
    for name in product.columns:
        source = product.source_name(name)
        mask = product.mask(name, sources[source])
        field = fields.get(source) or alike.get(sources[source].element)
        if field and not METHODS[mask.method].token and "by" not in mask.parameters:
            found[name] = field
    return found


def _by_survivorship(product: Product, base: Base) -> dict[str, str]:
    """The source's columns that golden fields are taken from (a base table's are its fields)."""
    if product.source.layer == "base":
        return {name: name for name in base.fields}
    return {
        column: field
        for field, declared in reversed(base.fields.items())
        for source, column in map(base.split, declared.sources)
        if base.sources[source].resource == product.source.table
    }


def masked_register(
    product: Product,
    base: Base,
    people: pl.LazyFrame,
    sources: Mapping[str, SourceColumn],
    key: RecipientKey,
    known: Mapping[str, str],
) -> pl.LazyFrame:
    """Everybody, with the ``known`` columns masked as the product masks them, and :data:`PERSON`."""
    fields = {product.source_name(name): field for name, field in known.items()}
    renamed = people.select(
        pl.col(base.identifier).alias(PERSON), *(pl.col(field).alias(name) for name, field in fields.items())
    )
    return renamed.select(
        PERSON,
        *(
            masked(source, product.mask(name, source), key).alias(name)
            for name in known
            for source in [sources[product.source_name(name)]]
        ),
    )


def attack(rows: pl.LazyFrame, register: pl.LazyFrame, known: Sequence[str]) -> Linkage:
    """Join the published ``rows`` (with their :data:`SUBJECT`) to the masked ``register`` by the ``known`` columns."""
    table = rows.select(SUBJECT, *known).drop_nulls(SUBJECT).unique()
    in_table = table.group_by(known).agg(pl.len().alias("_in_table"))
    in_register = register.group_by(known).agg(pl.col(PERSON).n_unique().alias("_alike"))
    # joined by person too, since a list of all who are alike beside each row would be rows times people
    there = register.select(
        pl.col(PERSON).alias(SUBJECT), *known, pl.lit(value=True).alias("_there")
    ).unique()
    found = (
        table.join(in_table, on=known, nulls_equal=True)
        .join(in_register, on=known, how="left", nulls_equal=True)
        .join(there, on=[SUBJECT, *known], how="left", nulls_equal=True)
        .select(
            SUBJECT,
            ((pl.col("_in_table") == 1) & (pl.col("_alike") == 1)).fill_null(value=False).alias("_named"),
            pl.col("_there").fill_null(value=False),
            "_alike",
        )
        .with_columns(pl.when("_there").then(1 / pl.col("_alike")).otherwise(0.0).alias("_chance"))
        # somebody with several rows is found by the row that gives most away
        .group_by(SUBJECT)
        .agg(
            pl.col("_named").any(),
            (pl.col("_named") & pl.col("_there")).any().alias("_right"),
            pl.col("_chance").max(),
        )
        .collect(engine="streaming")
    )
    return Linkage(
        known=tuple(known),
        subjects=found.height,
        named=int(found["_named"].sum()),
        right=int(found["_right"].sum()),
        journalist_risk=round(float(found["_chance"].max() or 0.0), 4),  # type: ignore[arg-type]
        average_risk=round(float(found["_chance"].mean() or 0.0), 6),  # type: ignore[arg-type]
    )
