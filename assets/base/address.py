"""The address base table (地址): one row and one id for each address, however departments write it, and where it lies.

Here belong gathering the addresses of every resource, the ids, and the two tables: ``base.address``, and
``base.address_spelling``, which leads from each text that a department wrote to the address it means. How text is taken
apart is in ``address_reading``, where an address lies in ``geocoding``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from assets.base.address_reading import PARTS, gazetteer, knowing_its_city, read
from assets.base.geocoding import PRECISIONS, located, references, with_inferred_divisions
from assets.base.inputs import standard
from assets.build import Build, Built, Context
from catalog.load import Catalogue
from catalog.model import Title
from lake.keys import master_key
from lake.locks import writing
from lake.tables import Commit
from masking.keys import recipient_key
from masking.methods import pseudonym

LEDGER = "address_ids"
#: Which text an id was given to, and when: of a text, and of an id, the last row counts.
_IDS = pl.Schema({"address_id": pl.String(), "address": pl.String(), "given_at": pl.Datetime("us", "UTC")})
_REGISTERED = ("name", "kind", "address", "division_code", "longitude", "latitude")
_COLUMNS = (
    "address_id",
    "address",
    *PARTS,
    "division_code",
    "division_basis",
    "outside",
    "longitude",
    "latitude",
    "precision",
    "radius_m",
    "spellings",
    "mentions",
    "source",
    "source_column",
    "source_push",
    "source_row",
)
_SPELLING = (
    "written",
    "address_id",
    "note",
    "mentions",
    "source",
    "source_column",
    "source_push",
    "source_row",
)


def builds(catalogue: Catalogue) -> list[Build]:
    """Addresses and their spellings."""
    return [
        Build(
            makes=(("base", "address"), ("base", "address_spelling"), ("base", LEDGER)),
            reads=(
                *(("standard", resource) for resource in sorted(dict(address_columns(catalogue)))),
                *(("base", table) for table in ("division", "place", "building")),
            ),
            title=Title(zh="地址", en="Addresses"),
            description="各部门写法不同的同一地址为一行：省市县镇村、道路、门牌、楼栋、房间，坐标及其精度。\n\n"
            "One row for each address: its parts, its position, and how exact that is.",
            owner="natural_resources",
            run=build,
        )
    ]


def address_columns(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Every (resource, column) of the catalogue that holds an address."""
    return [
        (entry.code, name)
        for entry in catalogue.entries.values()
        for name, column in entry.columns.items()
        if column.element == "address"
    ]


def build(context: Context) -> Built:
    """Make the tables equal what departments write now; ids once given stay in the ledger."""
    written = _written(context)
    divisions = context.lake.scan("base", "division").collect()
    places = knowing_its_city(gazetteer(divisions), written["written"])
    known = references(_registered(context), divisions, places)
    parts = with_inferred_divisions(read(written["written"], places), known.roads, places)
    spelled = written.join(parts.filter(pl.col("address").is_not_null()), on="written", maintain_order="left")
    ledger = _give_ids(context, spelled.select("written", "address", "mentions"))
    held = _standing(context.lake.scan("base", LEDGER).collect())
    spelled = spelled.join(held, on="address", maintain_order="left")
    addresses = located(_merged(spelled), known).select(_COLUMNS)
    tables = {
        "address": (addresses, ["address_id"]),
        "address_spelling": (spelled.select(_SPELLING), ["written"]),
    }
    commits = {("base", LEDGER): ledger}
    for name, (rows, key) in tables.items():
        with writing(context.home, f"base.{name}"):
            commits["base", name] = context.lake.publish("base", name, rows, key=key)
    return Built(commits, _notes(addresses))


def _merged(spelled: pl.DataFrame) -> pl.DataFrame:
    """One row for each address: its parts, and where it was seen first."""
    first = [name for name in spelled.columns if name not in ("address_id", "mentions", "written", "note")]
    return spelled.group_by("address_id", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("spellings"), pl.col("mentions").sum(), pl.col(first).first()
    )


def _give_ids(context: Context, spelled: pl.DataFrame) -> Commit:
    """Write ids into the ledger for those addresses that have none: the one that the same spellings had, where they are read
    otherwise now than they were, else a new one."""
    with writing(context.home, f"base.{LEDGER}"):
        context.lake.create("base", LEDGER, _IDS)
        ledger = context.lake.scan("base", LEDGER).collect()
        held = _standing(ledger)
        lacking = spelled.join(held, on="address", how="anti")
        kept = _kept(context, lacking, held.join(spelled, on="address", how="semi"))
        new = lacking.select("address").unique().join(kept, on="address", how="anti")
        rows = pl.concat([kept, _minted(context, new, ledger)])
        now = pl.lit(datetime.now(UTC), _IDS["given_at"]).alias("given_at")
        return context.lake.append("base", LEDGER, rows.sort("address_id").with_columns(now))


def _standing(ledger: pl.DataFrame) -> pl.DataFrame:
    """The texts that have an id now, and the ids: one for one."""
    ordered = ledger.sort("given_at", "address_id", "address", nulls_last=False).with_row_index("place")
    last = (pl.col("place") == pl.col("place").max().over(column) for column in ("address", "address_id"))
    return ordered.filter(*last).select("address_id", "address")


def _kept(context: Context, lacking: pl.DataFrame, claimed: pl.DataFrame) -> pl.DataFrame:
    """For addresses without an id the one that most mentions of their spellings had until now, if no other text still has it."""
    empty = pl.DataFrame(schema={name: _IDS[name] for name in ("address_id", "address")})
    if not context.lake.exists("base", "address_spelling"):
        return empty
    before = context.lake.scan("base", "address_spelling").select("written", "address_id").collect()
    votes = (
        lacking.join(before, on="written")
        .join(claimed, on="address_id", how="anti")
        .group_by("address_id", "address")
        .agg(pl.col("mentions").sum())
        .sort("mentions", "address_id", "address", descending=[True, False, False])
    )
    chosen = votes.unique("address", keep="first", maintain_order=True)
    return chosen.unique("address_id", keep="first", maintain_order=True).select(empty.columns)


def _minted(context: Context, new: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """New ids, made of the standard text under the home's key: they tell nothing to who lacks the key.

    A text whose own id went on to another one is numbered."""
    key = recipient_key(master_key(context.home), "base.address")

    def id_of(text: pl.Expr) -> pl.Expr:
        return pl.lit("D") + pseudonym(text, key, "address").str.slice(2, 24)

    times = ledger.group_by("address").agg(pl.len().alias("times"))
    first = new.join(times, on="address", how="left").with_columns(
        id_of(pl.col("address")).alias("address_id")
    )
    gone = pl.col("address_id").is_in(ledger["address_id"].implode())
    numbered = pl.format("{}#{}", "address", pl.col("times").fill_null(0) + 1)
    return first.select(
        pl.when(gone).then(id_of(numbered)).otherwise("address_id").alias("address_id"), "address"
    )


def _notes(addresses: pl.DataFrame) -> dict[str, int | float]:
    """How many addresses there are, and the share of them known to each precision or better."""
    if addresses.is_empty():
        return {"addresses": 0}
    reached: dict[str, int | float] = {}
    for place, precision in enumerate(PRECISIONS):
        there = addresses.filter(pl.col("precision").is_in(PRECISIONS[: place + 1])).height
        reached[f"share_{precision}"] = round(there / addresses.height, 4)
    return {"addresses": addresses.height, **reached}


def _written(context: Context) -> pl.DataFrame:
    """Each distinct text, how often it is there, and the first place in the catalogue's order that has it."""
    scans = [
        standard(context, resource)
        .filter(pl.col(column).is_not_null())
        .group_by(pl.col(column).alias("written"))
        .agg(
            pl.len().cast(pl.Int64).alias("mentions"),
            pl.col("_push", "_row").sort_by("_push", "_row").first(),
        )
        .with_columns(
            pl.lit(order).alias("_order"),
            pl.lit(resource).alias("source"),
            pl.lit(column).alias("source_column"),
        )
        for order, (resource, column) in enumerate(address_columns(context.catalogue))
    ]
    found = pl.concat(scans).collect(engine="streaming").sort("written", "_order")
    return found.group_by("written", maintain_order=True).agg(
        pl.col("mentions").sum(),
        pl.col("source", "source_column").first(),
        pl.col("_push").first().alias("source_push"),
        pl.col("_row").first().alias("source_row"),
    )


def _registered(context: Context) -> pl.DataFrame:
    """Place names, points of interest and buildings: what has a name or an address, and a point."""
    tables = [context.lake.scan("base", name) for name in ("place", "building")]
    kinds = [pl.col("kind"), pl.lit("房屋建筑").alias("kind")]
    rows = [
        table.select(kind, *(name for name in _REGISTERED if name != "kind")).select(_REGISTERED)
        for table, kind in zip(tables, kinds, strict=True)
    ]
    return pl.concat(rows).collect(engine="streaming")
