"""Which pairs of records are worth comparing: those that share a key, as long as few enough share it.

Here belong the keys, declared or derived from the kinds of columns, and their joining. A key that too many records
share (a common name alone) says nothing and would give most of the work, so its pairs are left to the other keys:
the number of pairs grows with the number of records, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import polars as pl

from assets.base.spellings import MANY
from catalog.linkage_model import FORMS, Estimation, Kind, LinkageModel

ID = "_id"
PAIR = ("join_key_l", "join_key_r")
Rule = tuple[str, ...]
"""The columns of forms that together make one key, as :func:`form_column` names them."""

#: Kinds that never make a key alone: too few values, or of the family and not of the person.
_COARSE = (Kind.SEX, Kind.CATEGORY, Kind.NUMBER, Kind.PERSON_NAMES)
#: Keys of which a record has many are bounded more tightly.
_MANY_SHARE = 10


def form_column(model: LinkageModel, name: str, form: str) -> str:
    """The column of a prepared frame that holds a form of a compared column."""
    return f"c{list(model.columns).index(name)}_{form}"


def rules(model: LinkageModel) -> list[Rule]:
    """The declared keys, or those derived: each telling form alone, and each pair of columns."""
    if model.blocking:
        return [
            tuple(form_column(model, *model.part(text)) for text in declared) for declared in model.blocking
        ]
    return list(dict.fromkeys(_derived(model)))


def _derived(model: LinkageModel) -> Iterator[Rule]:
    for name, column in model.columns.items():
        if column.kind not in _COARSE:
            for form in FORMS[column.kind]:
                if form not in ("near", "first", "year", "day", "start", "end"):
                    yield (form_column(model, name, form),)
    for (one, first), (other, second) in combinations(model.columns.items(), 2):
        if Kind.SEX not in (first.kind, second.kind):
            yield (
                form_column(model, one, _pairing(first.kind)),
                form_column(model, other, _pairing(second.kind)),
            )


def _pairing(kind: Kind) -> str:
    return "sound" if kind is Kind.PERSON_NAME else FORMS[kind][0]


def candidates(model: LinkageModel, left: pl.DataFrame, right: pl.DataFrame | None) -> pl.DataFrame:
    """Pairs of ids to compare, each once; of one frame with itself where there is no ``right``."""
    other = left if right is None else right
    if left.height * other.height <= model.compare_all * (2 if right is None else 1):
        pairs = left.select(pl.col(ID).alias(PAIR[0])).join(
            other.select(pl.col(ID).alias(PAIR[1])), how="cross"
        )
        return pairs.filter(_ordered(right))
    found = [_sharing(rule, left, right, _bound(model, rule)) for rule in rules(model)]
    return pl.concat(found).unique().sort(*PAIR).collect(engine="streaming")


def _bound(model: LinkageModel, rule: Rule) -> int:
    many = any(column.endswith(MANY) for column in rule)
    return max(1, model.block_pairs // (_MANY_SHARE if many and len(rule) == 1 else 1))


def _sharing(rule: Rule, left: pl.DataFrame, right: pl.DataFrame | None, bound: int) -> pl.LazyFrame:
    """The pairs that share a key of which no more than ``bound`` pairs have the same value."""
    keys = _keyed(rule, left)
    others = keys if right is None else _keyed(rule, right)
    counts = keys.group_by("key").len("_l").join(others.group_by("key").len("_r"), on="key")
    few = counts.filter(pl.col("_l").cast(pl.Int64) * pl.col("_r") <= bound * (2 if right is None else 1))
    ours = keys.join(few, on="key", how="semi").rename({ID: PAIR[0]})
    theirs = others.join(few, on="key", how="semi").rename({ID: PAIR[1]})
    return ours.join(theirs, on="key").filter(_ordered(right)).select(*PAIR)


def _ordered(right: pl.DataFrame | None) -> pl.Expr:
    return pl.col(PAIR[0]) < pl.col(PAIR[1]) if right is None else pl.lit(value=True)


def _keyed(rule: Rule, frame: pl.DataFrame) -> pl.LazyFrame:
    """Id and key of each record that has one; several lines where a form has several values."""
    rows = frame.lazy().select(ID, *rule)
    for column in rule:
        if frame.schema[column] == pl.List(pl.String):
            rows = rows.explode(column, empty_as_null=True)
    return rows.drop_nulls().select(ID, pl.struct(rule).hash(seed=7).alias("key")).unique()


def random_pairs(ids: pl.Series, estimation: Estimation) -> pl.DataFrame:
    """Pairs of ids drawn at random, with which the chance of agreeing by accident is measured; from both sides
    together, so that a few rows against many people are measured by the many.

    As many as there are records, at least: the more people, the less a match is likely beforehand, and the finer must be
    known what seldom happens by chance. Of fewer pairs, a level never seen among them would count for too little."""
    number = max(estimation.u_pairs, ids.len())
    drawn = {
        name: ids.sample(number, with_replacement=True, seed=estimation.seed + place)
        for place, name in enumerate(PAIR)
    }
    return pl.DataFrame(drawn).filter(pl.col(PAIR[0]) < pl.col(PAIR[1])).unique(maintain_order=True)
