"""The base databases measured on the demo city's truth: the crosswalk by method, the golden record by field.

Here belong what departments deliver of a city, landed and applied as it is, dirt and all, and the counting of what was
built from that alone against what the city's maker wrote down. ``python -m benchmarks.truth 200000`` prints both.
"""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from assets.base import database
from assets.build import Context
from assets.standard import apply_waiting
from catalog.base_model import Base, Source, load_bases
from catalog.load import load
from demo import city as demo_city
from demo import exports
from demo.city import City
from demo.exports import Delivery
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import PushState, open_ledger
from lake.tables import Lake

TODAY = date(2026, 11, 23)
#: Of which fields the truth is known, and under which name.
KNOWN = {
    "name": "name",
    "sex": "sex",
    "ethnicity": "ethnicity",
    "birth_date": "birth_date",
    "death_date": "death_date",
    "mobile": "mobile",
    "household_address": "address",
}


@dataclass(frozen=True)
class Told:
    """The city as it is, what its departments delivered, and the lake that was built from that alone."""

    truth: City
    sent: list[Delivery]
    context: Context

    def table(self, layer: str, name: str) -> pl.DataFrame:
        return self.context.lake.scan(layer, name).collect()

    def refused_for_their_number(self, declared: Base) -> pl.DataFrame:
        """Where the rows are that were refused because of the identifier of whom they are of, and by which source that is."""
        found = []
        for name, source in declared.sources.items():
            if self.context.lake.exists("quarantine", source.resource):
                column = pl.element().struct.field("column")
                because = pl.col("reasons").list.eval(column == source.identifier).list.any()
                rows = self.table("quarantine", source.resource).filter(because)
                found.append(rows.select("_push", "_row", pl.lit(name).alias("source")))
        return pl.concat(found)

    def usable(self, resource: str) -> pl.DataFrame:
        """The rows of an export as they were before they were soiled, without those whose dirt spoils them."""
        log = [delivery.soiled.log for delivery in self.sent if delivery.resource == resource]
        clean = exports.EXPORTS[resource].export(self.truth)
        parts = (
            clean.partition_by("_part", as_dict=True, include_key=False)
            if "_part" in clean.columns
            else {("",): clean}
        )
        return pl.concat(
            rows.with_row_index("row", 1)
            .with_columns(pl.col("row").cast(pl.Int64))
            .join(spoilt.filter("rejected"), on="row", how="anti")
            for (_, rows), spoilt in zip(sorted(parts.items()), log, strict=True)
        )


def deliver(folder: Path, people: int, today: date = TODAY) -> Told:
    """A city, and the lake in which its departments' deliveries are applied; nothing is built yet."""
    home = Home.open(folder / "home")
    context = Context(home, Lake(home.lake), load())
    truth = demo_city.build(people, seed=11, today=today)
    sent = []
    for delivery in exports.deliveries(truth, context.catalogue, folder / "outbox"):
        land(context, delivery)
        # of two million people the rows of all deliveries together would not fit into memory
        soiled = replace(delivery.soiled, rows=delivery.soiled.rows.select(pl.first()))
        sent.append(replace(delivery, table=None, soiled=soiled))
    for resource in {delivery.resource for delivery in sent}:
        for outcome in apply_waiting(context, resource):
            if outcome.state is not PushState.APPLIED:
                raise RuntimeError(outcome.reason)
    return Told(truth, sent, context)


def land(context: Context, delivery: Delivery) -> None:
    """A file as it is; a table as a file of its rows."""
    body = io.BytesIO()
    if delivery.table is not None:
        delivery.table.write_parquet(body)
    receive(
        context.home,
        open_ledger(context.home),
        context.catalogue.entry(delivery.resource),
        file_chunks(delivery.path) if delivery.path else [body.getvalue()],
        way=delivery.way,
        filename=delivery.path.name if delivery.path else "table.parquet",
        data_format="",
        data_date=delivery.data_date,
    )


def whose_rows_are(told: Told, declared: Base) -> pl.DataFrame:
    """Of each delivered row that names a person of the source's: where it is, and who it truly is of.

    Not of sources that know people by several identifiers: who those are is told by ``tests/assets/test_demo_truth``."""
    pushes = open_ledger(told.context.home).in_state(PushState.APPLIED)
    by_delivery = {(push.resource, push.filename): push.id for push in pushes}
    found = []
    for name, source in _by_number(declared).items():
        clean = exports.EXPORTS[source.resource].export(told.truth)
        parts = clean.partition_by("_part", as_dict=True) if "_part" in clean.columns else {("",): clean}
        sent = [delivery for delivery in told.sent if delivery.resource == source.resource]
        for (_, rows), delivery in zip(sorted(parts.items()), sent, strict=True):
            push = by_delivery[source.resource, delivery.path.name if delivery.path else "table.parquet"]
            row = pl.int_range(1, pl.len() + 1).alias("_row")
            found.append(
                rows.select(row, resident_id=source.identifier, _push=pl.lit(push), source=pl.lit(name))
            )
    return pl.concat(found).unique()


def _by_number(declared: Base) -> dict[str, Source]:
    """The sources that know people by their number alone."""
    return {name: source for name, source in declared.sources.items() if not source.other_identifiers}


def crosswalk_by_method(told: Told) -> pl.DataFrame:
    """By method how many rows were given to persons, how many of them rightly, and of how many that could be.

    An identified row can be placed where it was accepted; one without a valid number, where its person is known."""
    declared = load_bases(told.context.catalogue)["person"]
    true = whose_rows_are(told, declared)
    ids = told.table("base", "person_ids").select("person_id", resident_id="identifier")
    resources = [source.resource for source in _by_number(declared).values()]
    given = told.table("base", "person_crosswalk").filter(pl.col("resource").is_in(resources))
    given = given.join(ids, on="person_id")
    right = given.join(true, on=["_push", "_row", "resident_id"], how="semi")
    counted = given.group_by("method").len("given")
    counted = counted.join(right.group_by("method").len("right"), on="method", how="left")
    accepted = true.join(given.filter(method="identifier"), on=["_push", "_row"], how="semi")
    refused = true.join(told.refused_for_their_number(declared), on=["_push", "_row", "source"], how="semi")
    placeable = refused.join(ids, on="resident_id", how="semi")
    of = pl.DataFrame({"method": ["identifier", "linkage"], "of": [accepted.height, placeable.height]})
    return counted.join(of, on="method", how="left").sort("method").fill_null(0)


def golden_by_field(told: Told) -> pl.DataFrame:
    """For each field of which the truth is known the share of all people of whom it is said rightly: by the golden record,
    by most voices, and by each source alone."""
    declared = load_bases(told.context.catalogue)["person"]
    true = (pl.col(true).alias(f"true:{field}") for field, true in KNOWN.items())
    people = told.table("base", "person").join(
        told.truth.people.select("resident_id", *true), on="resident_id"
    )
    shares = []
    for field in KNOWN:
        said = {
            source: one_each(told, declared, source, column)
            for source, column in map(declared.split, declared.fields[field].sources)
        }
        everything = pl.concat(said.values()).filter(pl.col("value").is_not_null())
        golden = people.select("resident_id", value=pl.col(field))
        shares.append(
            {
                "field": field,
                "golden": share_right(people, golden, field),
                "majority": share_right_by_vote(people, everything, field),
                **{source: share_right(people, rows, field) for source, rows in said.items()},
            }
        )
    return pl.DataFrame(shares, infer_schema_length=None).fill_null(0.0)


def one_each(told: Told, base: Base, source: str, column: str) -> pl.DataFrame:
    """What a source says of each person last."""
    held = base.sources[source]
    if not told.context.lake.exists("standard", held.resource):
        return pl.DataFrame(schema={"resident_id": pl.String, "value": pl.String})
    rows = told.table("standard", held.resource).sort("_data_date", "_push", "_row")
    said = rows.select(resident_id=held.identifier, value=pl.col(column).cast(pl.String))
    return said.unique("resident_id", keep="last", maintain_order=True)


def share_right_by_vote(people: pl.DataFrame, said: pl.DataFrame, field: str) -> float:
    """The share that is right by most voices; of equally many one is drawn, which is right as often as it is one of them."""
    votes = said.group_by("resident_id", "value").len()
    first = votes.filter(pl.col("len") == pl.col("len").max().over("resident_id"))
    true = people.select("resident_id", true=pl.col(f"true:{field}").cast(pl.String))
    chance = first.select("resident_id", "value", chance=1 / pl.len().over("resident_id"))
    both = true.join(chance, on="resident_id", how="left").filter(pl.col("true").eq_missing(pl.col("value")))
    return float(both["chance"].fill_null(1).sum() / people.height)


def share_right(people: pl.DataFrame, said: pl.DataFrame, field: str) -> float:
    """The share of people of whom this is said rightly; of who lives, saying no day of death is right."""
    both = people.select("resident_id", true=pl.col(f"true:{field}").cast(pl.String)).join(
        said.select("resident_id", pl.col("value").cast(pl.String)), on="resident_id", how="left"
    )
    return float((both["true"].eq_missing(both["value"])).mean() or 0)  # type: ignore[arg-type]


def main(people: int) -> None:
    """Deliver, build and print."""
    with tempfile.TemporaryDirectory() as folder:
        told = deliver(Path(folder), people)
        for declared in load_bases(told.context.catalogue).values():
            database.build(told.context, declared)
        with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_width_chars=200, float_precision=4):
            print(crosswalk_by_method(told))
            print(
                golden_by_field(told).select(
                    "field",
                    "golden",
                    "majority",
                    best=pl.max_horizontal(pl.exclude("field", "golden", "majority")),
                )
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
