"""Which enterprises of the demo city merged or were divided, and when.

Here belongs the truth about it: who took over from whom. Whoever went with a merger or a division went on that day. What the
registry tells of it is in ``exports``.
"""

from __future__ import annotations

import numpy as np
import polars as pl

ABSORBED, FOUNDED, SPLIT_OFF, DIVIDED = "吸收合并", "新设合并", "存续分立", "解散分立"
#: Of each kind but the first there are so many for a hundred cancelled enterprises; of the first three times as many.
_SHARE = 0.08


def build(organisations: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The organisations, with the days on which some began or ended put right, and one row for each pair: ``predecessor``,
    ``successor`` (row numbers of organisations), ``kind``, ``registered_on``."""
    whole = (pl.col("kind") == "企业") & pl.col("body").is_null()  # a branch goes with its body
    firms = organisations.filter(whole).sort("established_on", "organisation")
    living = firms.filter(pl.col("cancelled_on").is_null())
    gone: pl.DataFrame = firms.filter(pl.col("cancelled_on").is_not_null()).sample(
        fraction=1, shuffle=True, seed=int(rng.integers(2**31))
    )
    n = max(1, int(len(gone) * _SHARE))
    divided = _divided(gone[:n], living, rng)
    unused = living.filter(~pl.col("organisation").is_in(divided["successor"].implode()))
    founded = _founded(gone[n : 2 * n], gone[2 * n : 3 * n], unused, rng)
    unused = unused.filter(~pl.col("organisation").is_in(founded["successor"].implode()))
    split_off = _after(unused.sample(n, seed=int(rng.integers(2**31))), unused, rng, SPLIT_OFF)
    absorbed = _absorbed(gone[3 * n : 6 * n], living, rng)
    pairs = pl.concat([absorbed, founded, split_off, divided])
    return _put_right(organisations, pairs), pairs.sort("registered_on", "predecessor", "successor")


def _absorbed(gone: pl.DataFrame, living: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Each by one that had been established before, on the day it was cancelled."""
    older = np.searchsorted(living["established_on"].to_numpy(), gone["cancelled_on"].to_numpy())
    pick = (rng.random(len(gone)) * older).astype("int64")
    taken = _pairs(gone, living[pick.tolist()], ABSORBED).with_columns(registered_on=gone["cancelled_on"])
    return taken.filter(pl.Series(older > 0))


def _after(
    gone: pl.DataFrame, living: pl.DataFrame, rng: np.random.Generator, kind: str, room: int = 0
) -> pl.DataFrame:
    """Each beside one that was established later, on that day; nobody is founded twice. ``room``: so many still younger."""
    days = living["established_on"].to_numpy()
    first = np.searchsorted(days, gone["established_on"].to_numpy(), side="right")
    left = len(living) - room - first
    pick = np.minimum(first + (rng.random(len(gone)) * left).astype("int64"), len(living) - 1)
    pairs = _pairs(gone, living[pick.tolist()], kind).filter(pl.Series(left > 0))
    return pairs.unique("successor", keep="first", maintain_order=True)


def _founded(
    one: pl.DataFrame, other: pl.DataFrame, living: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """Two become a new one, which is founded on that day."""
    both = one.with_columns(other=other["organisation"], since=other["established_on"])
    both = both.with_columns(established_on=pl.max_horizontal("established_on", "since"))
    first = _after(both, living, rng, FOUNDED)
    partner = both.select(predecessor="organisation", other="other")
    second = first.join(partner, on="predecessor", maintain_order="left").with_columns(predecessor="other")
    return pl.concat([first, second.drop("other")])


def _divided(gone: pl.DataFrame, living: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """One becomes two new ones: one drawn, and the next younger, which was founded with it."""
    first = _after(gone, living, rng, DIVIDED, room=1)
    ranked = living.select(successor="organisation", younger=pl.col("organisation").shift(-1))
    second = first.join(ranked, on="successor", maintain_order="left").with_columns(successor="younger")
    alone = ~second["successor"].is_in(first["successor"].implode())
    return pl.concat([first.filter(alone), second.filter(alone).drop("younger")])


def _pairs(gone: pl.DataFrame, taking: pl.DataFrame, kind: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "predecessor": gone["organisation"],
            "successor": taking["organisation"],
            "kind": pl.Series([kind] * len(gone), dtype=pl.String),
            "registered_on": taking["established_on"],
        }
    )


def _put_right(organisations: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Who was dissolved by it ended on the day; who was founded by it began then."""
    went = pairs.filter(pl.col("kind") != SPLIT_OFF).select(organisation="predecessor", went="registered_on")
    came = pairs.filter(pl.col("kind") != ABSORBED).select(organisation="successor", came="registered_on")
    joined = organisations
    for days in (went.unique("organisation"), came.unique("organisation")):
        joined = joined.join(days, on="organisation", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("went", "cancelled_on").alias("cancelled_on"),
        pl.coalesce("came", "established_on").alias("established_on"),
    ).drop("went", "came")
