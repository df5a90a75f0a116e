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
from catalog.base_model import Base, load_bases
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

    def refused_for_their_number(self, declared: Base) -> pl.DataFrame:
        """Where the rows are that were refused because of the identifier of whom they are of."""
        found = []
        for source in declared.sources.values():
            if self.context.lake.exists("quarantine", source.resource):
                column = pl.element().struct.field("column")
                because = pl.col("reasons").list.eval(column == source.identifier).list.any()
                found.append(
                    self.table("quarantine", source.resource).filter(because).select("_push", "_row")
                )
        return pl.concat(found).unique()

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


def whose_rows_are(told: Told, declared: Base) -> pl.DataFrame:
    """Of each delivered row that names a person of the source's: where it is, and who it truly is of."""
    pushes = open_ledger(told.context.home).in_state(PushState.APPLIED)
    by_delivery = {(push.resource, push.filename): push.id for push in pushes}
    found = []
    for source in declared.sources.values():
        clean = exports.EXPORTS[source.resource].export(told.truth)
        parts = clean.partition_by("_part", as_dict=True) if "_part" in clean.columns else {("",): clean}
        sent = [delivery for delivery in told.sent if delivery.resource == source.resource]
        for (_, rows), delivery in zip(sorted(parts.items()), sent, strict=True):
            push = by_delivery[source.resource, delivery.path.name if delivery.path else "table.parquet"]
            row = pl.int_range(1, pl.len() + 1).alias("_row")
            found.append(rows.select(row, resident_id=source.identifier, _push=pl.lit(push)))
    return pl.concat(found).unique()


def test_every_row_is_given_to_whom_it_is_of(told: Told) -> None:
    """By identifier all and exactly; what was linked without one nearly all, and to nobody else."""
    declared = load_bases(told.context.catalogue)["person"]
    true = whose_rows_are(told, declared)
    ids = told.table("base", "person_ids").select("person_id", resident_id="identifier")
    given = told.table("base", "person_crosswalk").join(ids, on="person_id")
    right = given.join(true, on=["_push", "_row", "resident_id"], how="semi")
    both = pl.concat([given.group_by("method").len("given"), right.group_by("method").len("given")])
    counted = {
        method: group["given"].to_list() for (method,), group in both.group_by("method", maintain_order=True)
    }
    rows, hits = counted["identifier"]
    accepted = true.join(given.filter(method="identifier"), on=["_push", "_row"], how="semi")
    assert rows == hits == accepted.height, "no wrong merge among identified rows"
    linked, true_links = counted["linkage"]
    reasons = told.refused_for_their_number(declared)
    placeable = true.join(reasons, on=["_push", "_row"], how="semi").join(ids, on="resident_id", how="semi")
    assert placeable.height > 30
    assert true_links == linked
    assert true_links >= 0.9 * placeable.height


def test_the_golden_record_is_truer_than_any_department_and_than_their_majority(told: Told) -> None:
    """Over all people and the fields of which the truth is known; to say nothing is not to be right."""
    declared = load_bases(told.context.catalogue)["person"]
    known = {"name": "name", "sex": "sex", "birth_date": "birth_date", "death_date": "death_date"}
    known |= {"mobile": "mobile", "household_address": "address", "ethnicity": "ethnicity"}
    people = told.table("base", "person").join(
        told.truth.people.select(
            "resident_id", *(pl.col(true).alias(f"true:{field}") for field, true in known.items())
        ),
        on="resident_id",
    )
    right: dict[str, list[float]] = {"golden": [], "majority": []}
    alone: dict[str, list[float]] = {}
    for field in known:
        said = {
            source: one_each(told, declared, source, column)
            for source, column in map(declared.split, declared.fields[field].sources)
        }
        for source, rows in said.items():
            alone.setdefault(source, []).append(share_right(people, rows, field))
        everything = pl.concat(said.values()).filter(pl.col("value").is_not_null())
        right["majority"].append(share_right_by_vote(people, everything, field))
        golden = people.select("resident_id", value=pl.col(field))
        right["golden"].append(share_right(people, golden, field))
    ours, majority = (sum(right[who]) for who in ("golden", "majority"))
    # of telephone numbers most are claimed by as many as another: the declared order of trust tells where a vote guesses
    assert ours > majority
    assert all(mine >= theirs for mine, theirs in zip(right["golden"], right["majority"], strict=True))
    assert ours > 0.95 * len(known)
    for source, shares in alone.items():
        assert ours > sum(shares), source


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
