"""The demo city's answers, kept from the pipeline, against what the pipeline found out for itself.

Every department's delivery is landed and applied as it is, dirt and all; then people, organisations and findings are
counted against what the city's maker wrote down.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl
import pytest

from assets import base, theme
from assets.build import Context
from assets.standard import apply_waiting
from catalog.base_model import load_bases
from catalog.load import load
from demo import city as demo_city
from demo import exports
from demo.city import City
from demo.exports import Delivery
from lake.landing import file_chunks, receive
from lake.ledger import PushState, open_ledger
from tests.assets.small_lake import build_all, open_lake

TODAY = date(2026, 11, 23)
PEOPLE = 2_000


@dataclass(frozen=True)
class Told:
    """The city as it is, what its departments delivered, and the lake that was built from that alone."""

    truth: City
    sent: list[Delivery]
    context: Context

    def table(self, layer: str, name: str) -> pl.DataFrame:
        return self.context.lake.scan(layer, name).collect()

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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    context = open_lake(folder / "home", load())
    truth = demo_city.build(PEOPLE, seed=11, today=TODAY)
    sent = list(exports.deliveries(truth, context.catalogue, folder / "outbox"))
    for delivery in sent:
        land(context, delivery)
    for resource in {delivery.resource for delivery in sent}:
        for outcome in apply_waiting(context, resource):
            assert outcome.state is PushState.APPLIED, outcome.reason
    build_all(context, [*base.builds(context.catalogue), *theme.builds(context.catalogue)])
    return Told(truth, sent, context)


def test_every_spoilt_row_is_quarantined_and_no_other(told: Told) -> None:
    """Row by row: what the maker spoilt, at the place where it was spoilt."""
    pushes = {push.id: push for push in open_ledger(told.context.home).in_state(PushState.APPLIED)}
    assert len(pushes) == len(told.sent)
    by_delivery = {(push.resource, push.filename): push.id for push in pushes.values()}
    counted = 0
    for delivery in told.sent:
        push = by_delivery[delivery.resource, delivery.path.name if delivery.path else "table.parquet"]
        spoilt = set(delivery.soiled.log.filter("rejected")["row"])
        found = (
            told.table("quarantine", delivery.resource) if spoilt else pl.DataFrame({"_push": [], "_row": []})
        )
        assert set(found.filter(pl.col("_push") == push)["_row"]) == spoilt, delivery.resource
        assert pushes[push].rows == len(delivery.soiled.rows)
        assert pushes[push].accepted == len(delivery.soiled.rows) - len(spoilt)
        counted += len(spoilt)
    assert counted > 100, "there was dirt to be found"


def test_everybody_of_whom_a_usable_row_came_is_a_person_and_nobody_else(told: Told) -> None:
    people = told.table("base", "person")
    declared = load_bases(told.context.catalogue)["person"]
    named = {
        number
        for source in declared.sources.values()
        if source.resource not in exports.MISSING
        for number in told.usable(source.resource)[source.identifier]
    }
    assert people["resident_id"].is_unique().all()
    assert set(people["resident_id"]) == named
    assert named <= set(told.truth.people["resident_id"])
    assert len(named) > 0.99 * PEOPLE


def test_what_is_known_of_a_person_is_true(told: Told) -> None:
    """Where the golden record says something that the truth knows too, it says the same."""
    both = told.table("base", "person").join(
        told.truth.people, on="resident_id", validate="1:1", suffix="_in_truth"
    )
    for field in ("name", "birth_date", "sex", "death_date"):
        known = both.filter(pl.col(field).is_not_null())
        assert known.height
        assert known[field].equals(known[f"{field}_in_truth"], check_names=False), field
    assert both["name"].null_count() == 0


def test_every_registered_organisation_is_a_legal_entity_and_nothing_else(told: Told) -> None:
    declared = load_bases(told.context.catalogue)["legal_entity"]
    named = {
        code
        for source in declared.sources.values()
        for code in told.usable(source.resource)[source.identifier]
    }
    assert set(told.table("base", "legal_entity")["credit_code"]) == named
    assert named <= set(told.truth.organisations["credit_code"])
    assert told.context.lake.rows("theme", "enterprise_360") == len(named)


def paid_wrongly(told: Told) -> Mapping[str, str]:
    """Payment number → finding, reckoned from the truth: of usable payments to those whose death somebody reported."""
    reported = {
        number
        for resource in ("death_certificate", "cremation")
        for number in told.usable(resource)["resident_id"]
    }
    died = told.truth.people.filter(pl.col("resident_id").is_in(list(reported))).select(
        "resident_id", "death_date"
    )
    pensions = told.usable("pension_payment").select(
        "payment_no",
        "resident_id",
        kind=pl.lit("养老金"),
        month=(pl.col("pay_month") + "-01").str.to_date(),
    )
    subsidies = told.usable("subsidy_payment").select(
        "payment_no", "resident_id", kind="subsidy_kind", month=pl.col("paid_on").dt.truncate("1mo")
    )
    payments = pl.concat([pensions, subsidies]).join(died, on="resident_id", how="left")
    dead = pl.col("death_date") < pl.col("month")
    twice = pl.len().over("resident_id", "kind", "month") > 1
    found = payments.with_columns(
        finding=pl.when(dead).then(pl.lit("死亡后仍发放")).when(twice).then(pl.lit("同月重复发放"))
    ).filter(pl.col("finding").is_not_null())
    return dict(found.select("payment_no", "finding").iter_rows())


def test_who_is_paid_though_dead_or_twice_is_found_to_the_payment(told: Told) -> None:
    rows = told.table("theme", "subsidy_check").select("payment_no", "finding").rows()
    expected = paid_wrongly(told)
    assert dict(rows) == expected
    assert len(rows) == len(expected)
    assert set(expected.values()) == {"死亡后仍发放", "同月重复发放"}, "the city has both kinds"


def test_every_golden_value_stands_in_the_row_it_is_said_to_be_from(told: Told) -> None:
    """From the person by the crosswalk to the rows of the resource named: the value is in one of them."""
    catalogue = told.context.catalogue
    declared = load_bases(catalogue)["person"]
    people, crosswalk = told.table("base", "person"), told.table("base", "person_crosswalk")
    traced = 0
    for field, made in declared.fields.items():
        said = people.filter(pl.col(field).is_not_null()).select(
            "person_id", field, resource=f"{field}_source"
        )
        stands = pl.concat(
            [
                crosswalk.filter(resource=declared.resource(reference))
                .join(told.table("standard", declared.resource(reference)), on=["_push", "_row"])
                .select("person_id", "resource", pl.col(declared.split(reference)[1]).alias(field))
                for reference in made.sources
            ]
        )
        assert said.join(stands, on=["person_id", "resource", field], how="anti").is_empty(), field
        traced += said.height
    assert traced > 10 * PEOPLE


def test_licences_are_the_citys_with_their_chains(told: Told) -> None:
    held = told.table("base", "licence")
    truth = told.truth.licences.join(told.usable("electronic_licence").select("licence_id"), on="licence_id")
    assert set(held["licence_id"]) == set(truth["licence_id"])
    current = held.filter("is_current")
    assert current["chain_id"].is_unique().all()
    assert held["chain_id"].n_unique() == truth["chain"].n_unique()
    newest = truth.group_by("chain").agg(pl.col("licence_id").sort_by("version").last())
    assert set(current["licence_id"]) == set(newest["licence_id"])
