"""The ids of entities, for ever: minted once for each identifier, written in a ledger, and read back from it; and which
entities a steward found to be one.

Here belong the ledger ``base.<database>_ids`` and the minting, the ledger ``base.<database>_merges`` of what stewards said
of two entities, and the redirects that follow from it. Both ledgers are only ever appended to: a rebuild, a new master
key, a merge or its undoing changes no id that was given. An id tells nothing of the identifier to whoever lacks the key.
Which rows are one entity is ``golden``'s business.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from assets.base.decisions import DecisionError, Verdict, stated
from assets.base.together import kind_of, least_of_connected, together
from assets.build import Context
from catalog.base_model import Base, load_bases
from lake.keys import master_key
from lake.locks import writing
from lake.tables import Commit
from masking.keys import recipient_key
from masking.methods import pseudonym

KIND, IDENTIFIER, GIVEN_AT = "identifier_kind", "identifier", "given_at"
#: In a pair of entities the other one; in a redirect the one that stands for both.
OTHER, KEPT_ID = "other_id", "kept_id"
_INSTANT = pl.Datetime("us", "UTC")


def ledger_name(base: Base) -> str:
    """The name of the database's ledger of ids."""
    return f"{base.code}_ids"


def merges_name(base: Base) -> str:
    """The name of the ledger of what stewards said of two entities."""
    return f"{base.code}_merges"


def redirect_name(base: Base) -> str:
    """The name of the table of ids that another one stands for."""
    return f"{base.code}_redirect"


def ledger_schema(base: Base) -> pl.Schema:
    """Id, the kind of identifier it was given to, the identifier, and when."""
    texts = dict.fromkeys((base.id_column, KIND, IDENTIFIER), pl.String())
    return pl.Schema({**texts, GIVEN_AT: _INSTANT})


def merges_schema(base: Base) -> pl.Schema:
    """Two entities, what was said of them, by whom, why and when."""
    texts = dict.fromkeys((base.id_column, OTHER, "verdict", "steward", "reason"), pl.String())
    return pl.Schema({**texts, "decided_at": _INSTANT})


def redirect_schema(base: Base) -> pl.Schema:
    """The id that gave way, the one that stands for it, and since when; ``split_at`` where that was undone."""
    texts = dict.fromkeys((base.id_column, KEPT_ID), pl.String())
    return pl.Schema({**texts, "merged_at": _INSTANT, "split_at": _INSTANT})


def redirect_key(base: Base) -> tuple[str, ...]:
    """The columns that tell redirects apart."""
    return (base.id_column, KEPT_ID, "merged_at")


def given_ids(context: Context, base: Base) -> pl.LazyFrame:
    """Every id ever given: the key it was given to (``together``) under the identifier's name, the id, and when."""
    ledger = stated(context, ledger_name(base), ledger_schema(base))
    when = GIVEN_AT if GIVEN_AT in ledger.collect_schema() else pl.lit(None, _INSTANT).alias(GIVEN_AT)
    return ledger.select(pl.col(IDENTIFIER).alias(base.identifier), base.id_column, when)


def known_ids(context: Context, base: Base) -> pl.LazyFrame:
    """Each identifier, and the id of whose it is: of merged entities the one that stands for them."""
    given = given_ids(context, base).select(base.identifier, base.id_column)
    return standing(base, given, redirects(context, base))


def standing(base: Base, given: pl.LazyFrame, gone: pl.DataFrame) -> pl.LazyFrame:
    """Ids, each that has ``gone`` replaced by the one that stands for it."""
    if gone.is_empty():
        return given
    return given.with_columns(pl.col(base.id_column).replace(gone[base.id_column], gone[KEPT_ID]))


def leads(context: Context, base: Base) -> pl.DataFrame:
    """The identifiers of entities that gave way, and (``lead``) that of the entity that stands for each."""
    gone = redirects(context, base)
    if gone.is_empty():
        return pl.DataFrame(schema=dict.fromkeys((base.identifier, "lead"), pl.String()))
    given = given_ids(context, base)
    lead = given.select(pl.col(base.id_column).alias(KEPT_ID), pl.col(base.identifier).alias("lead"))
    pairs = given.join(gone.lazy(), on=base.id_column).join(lead, on=KEPT_ID)
    return pairs.select(base.identifier, "lead").sort(base.identifier).collect()


def redirects(context: Context, base: Base) -> pl.DataFrame:
    """Each id that gave way and the one that stands for it: of the entities that stewards joined, or whose identifiers one
    row names together, pair by pair, the one whose id was given first. A steward's word stands above a row's."""
    said = _in_force(context, base)
    pair = [base.id_column, OTHER]
    told = _told_by_rows(context, base).join(said, on=pair, how="anti")
    return _components(
        context, base, pl.concat([said.filter(verdict=Verdict.SAME).select(pair), told.select(pair)])
    )


def _told_by_rows(context: Context, base: Base) -> pl.DataFrame:
    """The entities whose identifiers one row names together: the younger id, the older (``other_id``), and since when."""
    pairs = together(context, base).filter(~pl.col("shared"))
    schema = {base.id_column: pl.String(), OTHER: pl.String(), "merged_at": _INSTANT}
    if pairs.is_empty():
        return pl.DataFrame(schema=schema)
    either = pl.concat([pairs["one"], pairs["other"]]).unique()
    given = given_ids(context, base).filter(pl.col(base.identifier).is_in(either.implode()))
    aged = given.sort(GIVEN_AT, base.id_column, nulls_last=False).with_row_index("rank").collect()
    found = pairs
    for end in ("one", "other"):
        ids = aged.select(
            pl.col(base.identifier).alias(end), pl.col(base.id_column, "rank").name.prefix(f"{end}:")
        )
        found = found.join(ids, on=end)
    younger = pl.col("one:rank") > pl.col("other:rank")
    one, other = pl.col(f"one:{base.id_column}"), pl.col(f"other:{base.id_column}")
    ends = found.select(
        pl.when(younger).then(one).otherwise(other).alias(base.id_column),
        pl.when(younger).then(other).otherwise(one).alias(OTHER),
        pl.col("since").alias("merged_at"),
    )
    return ends.group_by(base.id_column, OTHER).agg(pl.col("merged_at").min()).match_to_schema(schema)


def _components(context: Context, base: Base, pairs: pl.DataFrame) -> pl.DataFrame:
    """Each id of connected pairs, but the oldest of its component, and that oldest."""
    if pairs.is_empty():
        return pl.DataFrame(schema=dict.fromkeys((base.id_column, KEPT_ID), pl.String()))
    there = pairs.select(a=base.id_column, b=OTHER)
    ways = pl.concat([there, there.select(a="b", b="a")])
    ages = given_ids(context, base).join(
        ways.select(pl.col("a").alias(base.id_column)).lazy(), on=base.id_column, how="semi"
    )
    ranked = ages.sort(GIVEN_AT, base.id_column, nulls_last=False).collect().with_row_index("rank")
    rank = ranked.select(a=base.id_column, rank=pl.col("rank").cast(pl.Int64))
    rank = least_of_connected(ways, rank)
    oldest = ranked.select(pl.col("rank").cast(pl.Int64), pl.col(base.id_column).alias(KEPT_ID))
    found = rank.join(oldest, on="rank").select(pl.col("a").alias(base.id_column), KEPT_ID)
    return found.filter(pl.col(base.id_column) != pl.col(KEPT_ID)).sort(base.id_column)


def _in_force(context: Context, base: Base) -> pl.DataFrame:
    """What was said last of each pair of entities."""
    said = stated(context, merges_name(base), merges_schema(base)).sort("decided_at").collect()
    return said.unique([base.id_column, OTHER], keep="last", maintain_order=True)


def redirect_table(context: Context, base: Base) -> pl.DataFrame:
    """Every merge there has been: those in force, and those that were undone (``split_at``)."""
    said = stated(context, merges_name(base), merges_schema(base)).filter(verdict=Verdict.SAME).collect()
    merged = said.group_by(base.id_column, OTHER).agg(merged_at=pl.col("decided_at").max())
    told = _told_by_rows(context, base).join(merged, on=[base.id_column, OTHER], how="anti")
    merged = pl.concat([merged, told])
    either = pl.concat(
        [merged.select(pl.col(end).alias(base.id_column), "merged_at") for end in (base.id_column, OTHER)]
    )
    since = either.group_by(base.id_column).agg(pl.col("merged_at").max())
    standing = redirects(context, base).join(since, on=base.id_column)
    undone = merged.join(
        _in_force(context, base).filter(pl.col("verdict") != Verdict.SAME), on=[base.id_column, OTHER]
    )
    schema = redirect_schema(base)
    return pl.concat(
        [
            standing.with_columns(split_at=pl.lit(None, _INSTANT)).select(schema.names()),
            undone.rename({OTHER: KEPT_ID, "decided_at": "split_at"}).select(schema.names()),
        ]
    ).match_to_schema(schema)


def judge_pair(
    context: Context, base: Base, one: str, other: str, verdict: str, steward: str, reason: str
) -> None:
    """Append what a steward says of two entities: ``same`` makes the younger id a redirect to the older, ``different`` or
    ``unsure`` after it undoes that. Raises :class:`DecisionError`."""
    if verdict not in list(Verdict):
        msg = f"{verdict!r} is no verdict: say {', '.join(Verdict)}"
        raise DecisionError(msg)
    known = given_ids(context, base).filter(pl.col(base.id_column).is_in([one, other]))
    ids = (
        known.sort(GIVEN_AT, base.id_column, nulls_last=False)
        .collect()[base.id_column]
        .unique(maintain_order=True)
    )
    missing = sorted({one, other} - set(ids))
    if missing or one == other:
        what = f"no entity {missing[0]}" if missing else f"{one} is named twice"
        msg = f"{what}: take both ids from base.{base.code} or base.{redirect_name(base)}"
        raise DecisionError(msg)
    older, younger = ids.to_list()
    row = (younger, older, verdict, steward, reason, datetime.now(UTC))
    with writing(context.home, f"base.{merges_name(base)}"):
        said = pl.DataFrame([row], schema=merges_schema(base), orient="row")
        context.lake.append("base", merges_name(base), said)


def judge(context: Context, name: str, one: str, other: str, verdict: str, steward: str, reason: str) -> None:
    """:func:`judge_pair` in the base database of this name; raises :class:`DecisionError`."""
    bases = load_bases(context.catalogue)
    if name not in bases:
        msg = f"base.{name} has no entities to merge; there are {', '.join(bases)}"
        raise DecisionError(msg)
    judge_pair(context, bases[name], one, other, verdict, steward, reason)


def give_ids(context: Context, base: Base, identifiers: pl.LazyFrame) -> Commit:
    """Write ids into the ledger for those of ``identifiers`` (one column, the database's) that have none."""
    with writing(context.home, f"base.{ledger_name(base)}"):
        new = identifiers.join(given_ids(context, base), on=base.identifier, how="anti").select(
            mint(context, base).alias(base.id_column),
            kind_of(base, pl.col(base.identifier)).alias(KIND),
            pl.col(base.identifier).alias(IDENTIFIER),
            pl.lit(datetime.now(UTC), _INSTANT).alias(GIVEN_AT),
        )
        return context.lake.append("base", ledger_name(base), new.sort(base.id_column))


def mint(context: Context, base: Base) -> pl.Expr:
    """A new id from the database's identifier: the prefix and 96 bits of a MAC under the home's key.

    Two people among ten million share one with a probability below 10⁻¹⁴, and the ledger would show it."""
    key = recipient_key(master_key(context.home), f"base.{base.code}")
    token = pseudonym(pl.col(base.identifier), key, base.identifier)
    return pl.lit(base.prefix) + token.str.slice(2, 24)
