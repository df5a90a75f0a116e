"""The demo city's answers, kept from the pipeline, against what the pipeline found out for itself.

Every department's delivery is landed and applied as it is, dirt and all; then people, organisations and findings are
counted against what the city's maker wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets import base, theme
from assets.base.licence_verification import file_digest, verify
from benchmarks.truth import Told, crosswalk_by_method, deliver, golden_by_field
from catalog.base_model import load_bases
from demo import exports, licences
from demo.exports import people
from lake.ledger import PushState, open_ledger
from tests.assets.small_lake import asking, build_all

TODAY = date(2026, 11, 23)
PEOPLE = 2_000


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    told = deliver(tmp_path_factory.mktemp("told"), PEOPLE, TODAY)
    context = told.context
    build_all(context, [*base.builds(context.catalogue), *theme.builds(context.catalogue)])
    return told


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
        for number in told.usable(source.resource)[source.identifier].drop_nulls()
    }
    assert people["resident_id"].drop_nulls().is_unique().all()
    assert set(people["resident_id"].drop_nulls()) == named
    overseas = told.usable("overseas_resident")
    assert named <= {*told.truth.people["resident_id"], *overseas["resident_id"].drop_nulls()}
    # whoever lodges twice is one, though a tenth have another passport by then and a third a number
    lodged = told.table("base", "person_crosswalk").filter(resource="overseas_resident")
    whose = lodged.join(told.table("standard", "overseas_resident"), on=["_push", "_row"])
    whose = whose.with_columns(guest=pl.col("lodging_no").str.head(-1))
    assert whose.group_by("guest").agg(pl.col("person_id").n_unique())["person_id"].max() == 1
    assert whose["person_id"].n_unique() == whose["guest"].n_unique()
    assert len(named) > 0.99 * PEOPLE


def test_what_is_known_of_a_person_is_true(told: Told) -> None:
    """Where the golden record says something that the truth knows too, it says the same."""
    known = told.table("base", "person").filter(pl.col("resident_id").is_not_null())
    both = known.join(told.truth.people, on="resident_id", validate="1:1", suffix="_in_truth")
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


def test_who_holds_shares_of_what_is_true(told: Told) -> None:
    """Each usable row whose two ends are known, and nothing else; persons and organisations apart."""
    rows = told.usable("shareholder").select(
        "credit_code", "holder_code", "holder_kind", "subscribed_on", "left_on"
    )
    firms = told.table("base", "legal_entity_ids").select("legal_entity_id", credit_code="identifier")
    people = told.table("base", "person_ids").select("person_id", holder_code="identifier")
    holders = firms.select(holder_id="legal_entity_id", holder_code="credit_code")
    for table, known in (("shareholder", people), ("corporate_shareholder", holders)):
        true = (
            rows.join(firms, on="credit_code")
            .join(known, on="holder_code")
            .drop("credit_code", "holder_code")
        )
        held = told.table("base", table).rename(
            {"kind": "holder_kind", "valid_from": "subscribed_on", "valid_to": "left_on"}
        )
        assert_frame_equal(
            held.select(true.columns),
            true,
            check_row_order=False,
            check_dtypes=False,
            check_column_order=False,
        )
        assert held.height > 30


def test_each_branch_is_found_with_its_body(told: Told) -> None:
    """By their names alone, which the usable rows give rightly; of others nothing is said."""
    ids = dict(told.table("base", "legal_entity_ids").select("legal_entity_id", "identifier").iter_rows())
    codes = dict(told.truth.organisations.select("organisation", "credit_code").iter_rows())
    registered = told.usable("business_registration").select("credit_code", "org_name")
    branches = told.truth.organisations.filter(pl.col("body").is_not_null()).join(
        registered, left_on=["credit_code", "name"], right_on=["credit_code", "org_name"], how="semi"
    )
    bodies = set(registered["credit_code"])
    true = {
        (branch, codes[body])
        for branch, body in branches.select("credit_code", "body").iter_rows()
        if codes[body] in bodies
    }
    found = told.table("base", "branch").select("branch_id", "body_id")
    assert {(ids[branch], ids[body]) for branch, body in found.iter_rows()} == true
    assert len(true) > 5


def test_who_took_over_from_whom_is_true_and_who_went_is_active_no_more(told: Told) -> None:
    """Also of those whom the register forgot to cancel."""
    codes = dict(told.truth.organisations.select("organisation", "credit_code").iter_rows())
    ids = dict(told.table("base", "legal_entity_ids").select("legal_entity_id", "identifier").iter_rows())
    usable = told.usable("merger_division").select(
        "predecessor_code", "successor_code", "kind", "registered_on"
    )
    registered = set(ids.values())
    true = {row for row in usable.iter_rows() if {row[0], row[1]} <= registered}
    found = told.table("base", "successor").select("predecessor_id", "successor_id", "kind", "valid_from")
    assert {(ids[one], ids[other], *rest) for one, other, *rest in found.iter_rows()} == true
    assert {kind for *_, kind, _ in true} == {"吸收合并", "新设合并", "存续分立", "解散分立"}
    ask = asking(told.context, "legal_entity")
    firms = told.truth.organisations.join(
        told.usable("business_registration").select("credit_code"), on="credit_code"
    )
    for one, kind, day in told.truth.successions.select("predecessor", "kind", "registered_on").iter_rows():
        if codes[one] in set(usable["predecessor_code"]) & set(firms["credit_code"]):
            assert codes[one] in ask("active", day - timedelta(days=1))
            assert (codes[one] in ask("active", day)) == (kind == "存续分立")
    gone = firms.filter(pl.col("cancelled_on") <= TODAY)["credit_code"]
    assert set(gone) & ask("active", TODAY) <= set(codes.values()) - set(usable["predecessor_code"])


def in_the_register(told: Told, day: date) -> set[str]:
    """Whom the truth holds to be registered on a day, of all people."""
    moves = told.truth.moves.join(told.truth.people.select("person", "resident_id"), on="person")
    before = moves.filter(pl.col("moved_on") <= day).unique("person", keep="last", maintain_order=True)
    after = moves.filter(pl.col("moved_on") > day).unique("person", keep="first", maintain_order=True)
    away = {*before.filter(kind="迁出")["person"], *after.filter(kind="迁入")["person"]}
    away -= set(before.filter(kind="迁入")["person"])
    here = told.truth.people.filter(
        pl.col("birth_date") <= day, ~(pl.col("death_date") <= day).fill_null(value=False)
    )
    return set(here.filter(~pl.col("person").is_in(list(away)))["resident_id"])


def test_who_was_resident_on_a_day_is_true_before_and_after_moves(told: Told) -> None:
    """Of those whose rows are all usable, whose death, if they are dead, somebody reported, and who have no permit."""
    usable = {
        name: told.usable(name)["resident_id"].to_list()
        for name in (
            "household_register",
            "household_move",
            "death_certificate",
            "cremation",
            "residence_permit",
        )
    }
    moved = people.household_move(told.truth)["resident_id"].to_list()
    judged = set(usable["household_register"]) - set(usable["residence_permit"])
    judged -= {number for number in moved if moved.count(number) != usable["household_move"].count(number)}
    dead = set(told.truth.people.filter(pl.col("death_date").is_not_null())["resident_id"])
    judged -= dead - {*usable["death_certificate"], *usable["cremation"]}
    ask = asking(told.context, "person")
    for day in (TODAY, date(2024, 2, 29), date(2020, 7, 1), date(2012, 1, 1), date(1995, 6, 1)):
        assert ask("resident", day) & judged == in_the_register(told, day) & judged, day
    assert len(judged) > 0.8 * PEOPLE
    assert len(set(moved) & judged) > 50


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


def test_a_licence_is_verified_by_its_file(told: Told, tmp_path: Path) -> None:
    """The files that the demo leaves to try: one that is good, the same with a byte changed, and a revoked one."""
    licences.write_samples(told.usable("electronic_licence"), tmp_path, TODAY)
    genuine, altered, revoked = (
        verify(told.context, TODAY, digest=file_digest(tmp_path / f"{name}.txt"))
        for name in ("genuine", "altered", "revoked")
    )
    assert (genuine.good, altered.good, revoked.good) == (True, False, False)
    assert (altered.licence, revoked.reason.en) == ({}, "revoked")
    held = told.table("base", "licence")
    assert held["file_digest"].null_count() == 0
    assert held["file_digest"].is_unique().all()


def test_every_row_is_given_to_whom_it_is_of(told: Told) -> None:
    """By identifier all and exactly; what was linked without one nearly all, and to nobody else."""
    counted = {row["method"]: row for row in crosswalk_by_method(told).iter_rows(named=True)}
    identified, linked = counted["identifier"], counted["linkage"]
    assert identified["given"] == identified["right"] == identified["of"], (
        "no wrong merge among identified rows"
    )
    assert linked["of"] > 30
    assert linked["right"] == linked["given"]
    assert linked["right"] >= 0.9 * linked["of"]


def test_the_golden_record_is_truer_than_any_department_and_than_their_majority(told: Told) -> None:
    """Over all people and the fields of which the truth is known; to say nothing is not to be right."""
    shares = golden_by_field(told)
    ours, majority = shares["golden"].sum(), shares["majority"].sum()
    # of telephone numbers most are claimed by as many as another: the declared order of trust tells where a vote guesses
    assert ours > majority
    assert (shares["golden"] >= shares["majority"]).all()
    assert ours > 0.95 * shares.height
    departments = shares.drop("field", "golden", "majority")
    assert departments.width > 5
    for source in departments:
        assert ours > source.sum(), source.name
