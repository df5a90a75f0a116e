"""100,000 addresses standardised and geocoded, beside cpca, and beside one regular expression over each row in Python.

Here belong the making of the addresses and two of the sides. Ours takes them apart to the room against the division table, finds
a point for each and says how exact it is; cpca finds province, city and county, in ``.venv-bench``; the expression finds what
looks like a division, a road and a number, and checks nothing. Neither does what ours does, so they stand side by side without an aim.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from assets.base.address_reading import gazetteer, read
from assets.base.geocoding import located, references, with_inferred_divisions
from benchmarks.harness import Comparison, Peer
from demo.places import ROADS, divisions, towns

ADDRESSES, PLACES = 100_000, 20_000
ENDINGS = ("", "2栋301房", "首层（仅限办公）", "汇景名居Ｂ幢２层01号", "之一")


#: What scripts are seen to use.
_PARTS = re.compile(
    r"(\w{2,5}?省)?(\w{2,3}?市)?(\w{2,9}?[区县市])?(\w{2,6}?(?:镇|乡|街道))?(\w{1,8}?(?:大道|路|街|巷))?([0-9]+号)?(.*)"
)


def prepare(folder: Path, addresses: int = ADDRESSES, places: int = PLACES) -> None:
    """Addresses as people write them, all different: parts left out, full width, Chinese numbers; and a register of places."""
    rng = np.random.default_rng(3)
    town = towns()
    picked = town[rng.integers(len(town), size=addresses).tolist()]
    number = pl.Series(rng.integers(1, 400, addresses)).cast(pl.String)
    heads = pl.Series(rng.choice(["广东省清远市", "清远市", "清远", ""], addresses))
    rows = picked.select(
        pl.concat_str(
            heads,
            "county_name",
            pl.when(pl.Series(rng.random(addresses) < 0.8)).then("town_name").otherwise(pl.lit("")),
            pl.Series(rng.choice(ROADS, addresses)),
            pl.lit("路"),
            number,
            pl.lit("号"),
            pl.Series(rng.choice(ENDINGS, addresses)),
            pl.int_range(addresses).cast(pl.String),
        ).alias("written")
    )
    rows.write_parquet(folder / "addresses.parquet")
    at = town[rng.integers(len(town), size=places).tolist()]
    register = at.select(
        pl.concat_str(pl.Series(rng.choice(ROADS, places)), pl.lit("路")).alias("name"),
        pl.lit("道路").alias("kind"),
        pl.lit(None, pl.String).alias("address"),
        pl.col("town").alias("division_code"),
        pl.Series("longitude", rng.uniform(112, 114, places)),
        pl.Series("latitude", rng.uniform(23.5, 25, places)),
    )
    register.write_parquet(folder / "places.parquet")


def ours(folder: Path) -> None:
    """Every part of each address, its division, and a point with its precision."""
    written = pl.read_parquet(folder / "addresses.parquet")["written"]
    box = (pl.lit(None, pl.Float64).alias(side) for side in ("west", "south", "east", "north"))
    table = divisions().with_columns(*box)
    places = gazetteer(table)
    known = references(pl.read_parquet(folder / "places.parquet"), table, places)
    found = located(with_inferred_divisions(read(written, places), known.roads, places), known)
    found.write_parquet(folder / "ours.parquet")


def by_expression(folder: Path) -> None:
    """What a script would do: the parts that one expression finds, row by row."""
    rows = [
        _PARTS.match(text).groups()  # type: ignore[union-attr]
        for text in pl.read_parquet(folder / "addresses.parquet")["written"].to_list()
    ]
    names = ["province", "city", "county", "town", "road", "number", "rest"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(folder / "expression.parquet")


COMPARISONS = (
    Comparison("addresses-cpca", "cpca", None, ours, Peer("cpca", "transform"), prepare, group="addresses"),
    Comparison(
        "addresses-expression",
        "one regular expression, row by row",
        None,
        ours,
        by_expression,
        prepare,
        group="addresses",
    ),
)
