"""Identifiers of several kinds, and which of them one row names together: a passport beside the number of its holder.

Here belong the keys by which records are joined (the database's own identifier as it is, any other with its kind before
it), the pairs of them that rows tell to be one entity's, and those that cannot be: one passport beside two people. What
becomes of a pair (which id stands for both) is ``identity``'s business.
"""

from __future__ import annotations

import polars as pl

from assets.base.inputs import standard
from assets.build import Context
from catalog.base_model import Base, Source
from lake.hashes import ROW_HASH

#: How the worklist knows of a row whose identifier somebody else has, too.
SHARED = "shared_identifier"
_MARK = ":"
_WHERE = ("_push", "_row", "_data_date")


def keys_of(base: Base, source: Source) -> list[pl.Expr]:
    """The identifiers of a source's row as keys, in the order of trust; null where it has none of a kind."""
    columns = {base.identifier: source.identifier, **source.other_identifiers}
    kinds = [kind for kind in (base.identifier, *base.other_identifiers) if kind in columns]
    return [_key(base, kind, pl.col(columns[kind])) for kind in kinds]


def whose(base: Base, source: Source) -> pl.Expr:
    """The key of whom a source's row is: its most trusted identifier."""
    keys = keys_of(base, source)
    return keys[0] if len(keys) == 1 else pl.coalesce(keys)


def _key(base: Base, kind: str, value: pl.Expr) -> pl.Expr:
    return value if kind == base.identifier else pl.concat_str(pl.lit(kind + _MARK), value)


def kind_of(base: Base, key: pl.Expr) -> pl.Expr:
    """What kind of identifier a key is."""
    return key.str.extract(f"^([a-z_]+){_MARK}").fill_null(base.identifier)


def is_own(key: pl.Expr) -> pl.Expr:
    """Whether a key is the database's own identifier, and none of another kind."""
    return ~key.str.contains(_MARK, literal=True)


def named(context: Context, base: Base) -> pl.LazyFrame:
    """Every key that a source's row has, each once."""
    found = [
        standard(context, source.resource).select(key.alias(base.identifier)).drop_nulls()
        for source in base.sources.values()
        for key in keys_of(base, source)
    ]
    return pl.concat(found).unique()


def together(context: Context, base: Base) -> pl.DataFrame:
    """The keys that rows name together: the most trusted ``one`` of a row, each ``other``, since when, and whether it is
    ``shared``: it stands beside several, and what the rows say of these differs in every field that tells entities apart, or
    the pairs lead from it to two of the database's own identifiers, which are never joined by anybody but a steward."""
    rows = _rows(context, base)
    shape = {
        "one": pl.String(),
        "other": pl.String(),
        "since": pl.Datetime("us", "UTC"),
        "shared": pl.Boolean(),
    }
    if not rows:
        return pl.DataFrame(schema=shape)
    every = pl.concat(rows)
    several = [pl.col(name).drop_nulls().n_unique() > 1 for name in ("one", *base.apart)]
    shared = every.group_by("other").agg(pl.all_horizontal(several).alias("shared"))
    pairs = every.group_by("one", "other").agg(since=pl.col("_received_at").min())
    found = pairs.join(shared, on="other").sort("one", "other").collect()
    ways = pl.concat([found.select(a="one", b="other"), found.select(a="other", b="one")])
    keys = ways.select("a").unique().sort("a").with_columns(rank=pl.int_range(pl.len()))
    owned = least_of_connected(ways, keys).group_by("rank").agg("a", several=is_own(pl.col("a")).sum() > 1)
    crowded = owned.filter("several").explode("a")["a"]
    found = found.with_columns(pl.col("shared") | pl.col("other").is_in(crowded.implode()))
    return found.select(pl.col(name).cast(dtype) for name, dtype in shape.items())


def least_of_connected(ways: pl.DataFrame, rank: pl.DataFrame) -> pl.DataFrame:
    """Each ``a`` with the least ``rank`` of those that ways (``a``, ``b``, there and back) connect it with: it spreads until
    nothing moves, as often as the longest chain is long."""
    while True:
        near = ways.join(rank.rename({"a": "b"}), on="b").group_by("a").agg(near=pl.col("rank").min())
        spread = rank.join(near, on="a", how="left", maintain_order="left").select(
            "a", rank=pl.min_horizontal("rank", "near")
        )
        if spread.equals(rank):
            return rank
        rank = spread


def shared_rows(context: Context, base: Base, ids: pl.LazyFrame) -> pl.DataFrame:
    """The rows that name an identifier which is several people's: whose row it is, where it is, and its hash."""
    pairs = together(context, base).filter("shared")
    if pairs.is_empty():
        texts = dict.fromkeys((base.id_column, "resource", "_push"), pl.String())
        return pl.DataFrame(schema={**texts, "_row": pl.Int64, "_data_date": pl.Date, ROW_HASH: pl.Int64})
    columns = (base.id_column, "resource", *_WHERE, ROW_HASH)
    known = ids.select(pl.col(base.identifier).alias("one"), base.id_column)
    found = [
        rows.join(pairs.lazy(), on=["one", "other"]).join(known, on="one") for rows in _rows(context, base)
    ]
    return pl.concat([rows.select(columns) for rows in found]).unique().collect()


def _rows(context: Context, base: Base) -> list[pl.LazyFrame]:
    """The rows with several identifiers, one line for each but the most trusted."""
    found = []
    for name, source in base.sources.items():
        if source.other_identifiers:
            said = base.telling_apart().get(name, {})
            rows = standard(context, source.resource).select(
                pl.lit(source.resource).alias("resource"),
                *_WHERE,
                "_received_at",
                ROW_HASH,
                *(
                    (pl.col(said[field]) if said else pl.lit(None)).cast(pl.String).alias(field)
                    for field in base.apart
                ),
                whose(base, source).alias("one"),
                pl.concat_list(keys_of(base, source)).alias("other"),
            )
            found.append(rows.explode("other").filter(pl.col("other") != pl.col("one")))
    return found
