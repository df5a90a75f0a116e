"""The names of everybody's relatives, as a declared relation tells them: evidence of whose a row is that names one.

Here belongs only their gathering. A relation is asked for its pairs as they stand now, not for its table: that is made
after the base database. What sharing a relative is worth, and that it never makes a link, the linkage model says.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from assets.base.relation import related
from assets.base.spellings import APART
from assets.build import Context
from catalog.base_model import Base, load_bases
from catalog.relation_model import load_relations

#: More under one head than this are a dormitory or a factory, and no family: they say nothing of each other.
_FAMILY = 20
#: The numbers of a relation's two ends.
_ENDS = ("one", "two")


def relatives(context: Context, base: Base, relation: str, people: pl.DataFrame) -> pl.Series:
    """For each of ``people`` (the database's id and ``name``) the names of those who stand in the relation with them, or
    beside them with the same other end, parted as ``spellings`` expects; null where there is nobody."""
    bases = load_bases(context.catalogue)
    declared = load_relations(context.catalogue, bases)[relation]
    numbers = people.lazy().select(base.id_column).with_row_index("n")
    tied = related(context, bases, declared).select(*declared.ends)
    for column, end in zip(declared.ends, _ENDS, strict=True):
        tied = tied.join(numbers.rename({base.id_column: column, "n": end}), on=column)
    pairs = pl.concat(_kin(tied.select(_ENDS).unique().collect(engine="streaming").lazy())).unique()
    named = people.lazy().select("name").with_row_index("other").drop_nulls()
    names = pairs.join(named, on="other").group_by("n").agg(pl.col("name").unique().sort())
    texts = names.select("n", pl.col("name").list.join(APART))
    whole = numbers.select("n").join(texts, on="n", how="left", maintain_order="left")
    return whole.collect(engine="streaming")["name"]


def _kin(ends: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """From the pairs of a relation: who is tied to whom, in both directions, and who to the same other end."""
    families = ends.filter(*(pl.len().over(end) <= _FAMILY for end in _ENDS))
    for mine, others in (_ENDS, _ENDS[::-1]):
        yield families.select(n=mine, other=others)
        beside = families.join(families, on=others).select(n=mine, other=f"{mine}_right")
        yield beside.filter(pl.col("n") != pl.col("other"))
