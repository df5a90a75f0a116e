"""Products are refused before any row is read: each way in which one could leak or be unlawful, one at a
time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.theme.types import grouped_columns
from catalog.load import load
from masking.methods import METHODS
from masking.policy import load_policy
from masking.product import ProductColumn, columns_used, load_masking

if TYPE_CHECKING:
    from tests.masking.conftest import Declarations

PENSION = "masking/pension_account.yaml"
SUBSIDY = "masking/subsidy_by_county.yaml"
LICENCE = "masking/administrative_licence.yaml"


def test_the_shipped_products_are_lawful() -> None:
    masking, faults = load_masking(load(), grouped_columns)
    assert faults == []
    assert masking is not None
    assert len(masking.products) >= 3
    assert {declared.product.target.kind for declared in masking.products.values()} == {"sharing", "opening"}


def test_the_message_names_column_type_masks_that_would_do_and_the_article(
    declarations: Declarations,
) -> None:
    declarations.change(PENSION, lambda product: product["columns"].update(bank_account={"method": "keep"}))
    (fault,) = declarations.faults()
    assert fault.file == PENSION
    assert fault.field == "columns.bank_account"
    assert fault.line > 1
    assert "bank_account, grade 4) is none" in fault.problem
    assert "redact" in fault.remedy
    assert "partial {'left': 6, 'right': 0}" in fault.remedy
    assert fault.article == "Art. 24"


def column(file: str, name: str, **declared: Any) -> tuple[str, Any, str]:
    def change(product: dict[str, Any]) -> None:
        product["columns"][name] = declared

    return file, change, f"columns.{name}"


def field(file: str, name: str, value: Any, blamed: str | None = None) -> tuple[str, Any, str]:
    def change(product: dict[str, Any]) -> None:
        product.pop(name, None)
        if value is not None:
            product[name] = value

    return file, change, blamed or name


REFUSED = {
    "coarser than the method goes": column(PENSION, "pay_month", method="generalise_date", parameters={"to": "month"}, coarsest="decade"),
    "coarsest finer than declared": column(SUBSIDY, "quarter", **{"from": "paid_on"}, method="generalise_date", parameters={"to": "year"}, coarsest="month"),
    "coarsest of a mask without steps": column(PENSION, "bank", **{"from": "bank_account"}, method="partial", parameters={"left": 6, "right": 0}, coarsest="year"),
    "not shared, kept": column(PENSION, "bank_account", method="keep"),
    "not shared, weak mask": column(PENSION, "bank", **{"from": "bank_account"}, method="partial", parameters={"left": 6, "right": 4}),
    "conditional, kept in an unconditional product": column(SUBSIDY, "amount", method="keep"),
    "conditional, mask below its minimum": column(SUBSIDY, "paid_on", method="generalise_division"),
    "a band without a top": column(SUBSIDY, "amount", method="band", parameters={"width": 1000}),
    "a pseudonym of a person does not lift to unconditional": column(SUBSIDY, "resident_id", method="pseudonym"),
    "a partial id does not lift to unconditional": column(SUBSIDY, "resident_id", method="partial", parameters={"left": 4}),
    "scrubbing does not lift to unconditional": column(SUBSIDY, "subsidy", **{"from": "subsidy_kind"}, method="scrub"),
    "a system column": (*column(PENSION, "push", **{"from": "_push"}, method="pseudonym")[:2], "columns.push.from"),
    "a row number in an open product": (*column(LICENCE, "row", **{"from": "_row"}, method="keep")[:2], "columns.row.from"),
    "an unkeyed hash": column(PENSION, "hash", **{"from": "resident_id"}, method="sha256_hash"),
    "an unknown column": column(PENSION, "nothing", method="keep"),
    "a method for another kind of value": column(PENSION, "name", method="band", parameters={"width": 5}),
    "a misspelt parameter": column(PENSION, "name", method="partial", parameters={"lft": 1}),
    "privacy opened by keeping": column(LICENCE, "holder_code", method="keep"),
    "a reversible mask for everybody": column(SUBSIDY, "paid_on", method="date_shift", parameters={"by": "resident_id", "days": 30}),
    "a shift by an unknown column": column(PENSION, "name", method="date_shift", parameters={"by": "nobody", "days": 30}),
    "a partly hidden value excused": column(PENSION, "bank", **{"from": "bank_account"}, method="partial", parameters={"left": 6, "right": 0}, not_quasi="x"),
    "rows chosen by what may not be seen": field(PENSION, "rows", {"bank_account": ["6222"]}, "rows.bank_account"),
    "rows chosen by no column": field(PENSION, "rows", {"colour": ["red"]}, "rows.colour"),
    "no source department's approval": field(
        PENSION, "approvals", [{"department": "police", "document": "x", "date": "2026-01-01"}], "approvals"
    ),
    "no subject and no reason": field(PENSION, "subject", None),
    "an unknown subject": field(PENSION, "subject", "colour"),
    "k below the policy": field(SUBSIDY, "k", 2),
    "an unknown recipient": field(PENSION, "recipient", "neighbour"),
    "conditional data for everybody": field(PENSION, "recipient", "all_institutions"),
    "an open product for one role": field(LICENCE, "recipient", "analyst"),
    "another department's data opened": field(LICENCE, "publisher", "police"),
    "a table that is not catalogued": field(PENSION, "source", {"layer": "standard", "table": "diary"}),
    "a target that nobody may have": field(PENSION, "target", {"kind": "sharing", "type": "none"}, "target.type"),
    "groups without a subject": field(LICENCE, "form", "groups"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(declarations: Declarations, case: str) -> None:
    file, change, blamed = REFUSED[case]
    declarations.change(file, change)
    faults = [fault for fault in declarations.faults() if fault.file == file]
    assert [fault.field for fault in faults if fault.field == blamed], faults
    assert all(fault.remedy for fault in faults)


def test_what_only_chooses_rows_or_moves_values_is_used_too(declarations: Declarations) -> None:
    """Its source department must have agreed, though the column does not show."""
    masking, _ = load_masking(declarations.load(), grouped_columns)
    assert masking is not None
    moved = {"from": "pay_month", "method": "date_shift", "parameters": {"by": "name", "days": 30}}
    product = masking.products["pension_account"].product.model_copy(
        update={"rows": {"amount": ("1",)}, "columns": {"when": ProductColumn.model_validate(moved)}}
    )
    assert [*columns_used(product)] == ["pay_month", "amount", "name"]


def line(**declared: Any) -> Any:
    def change(policy: dict[str, Any]) -> None:
        policy["lifts"].append({"from": "none", "to": "conditional", "why": "test", **declared})

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (line(method="keep"), "cannot lift its own type"),
        (line(method="date_shift", **{"from": "conditional", "to": "unconditional"}), "can be undone"),
        (line(method="date_shift", towards=["opening"]), "can be undone"),
        (line(method="sm3"), "no method"),
        (line(method="redact", elements=["soul"]), "no element soul"),
        (line(method="redact", **{"from": "conditional"}), "is no lift"),
        (line(method="partial", at_least={"middle": 3}), "no strength in 'middle'"),
        (line(method="generalise_date", at_least={"to": "day"}), "one of month"),
        (lambda policy: policy["thresholds"].pop("opening"), "none for conditional, unconditional"),
        (lambda policy: policy.pop("reviewed"), "Field required"),
    ],
)
def test_a_policy_that_could_not_be_meant_is_refused(
    declarations: Declarations, change: Any, problem: str
) -> None:
    declarations.change("masking/policy.yaml", change)
    masking, faults = load_masking(declarations.load(), grouped_columns)
    assert masking is None
    assert any(problem in fault.problem for fault in faults), faults


def test_without_a_policy_nothing_is_published(declarations: Declarations) -> None:
    (declarations.root / "masking/policy.yaml").unlink()
    masking, faults = load_masking(declarations.load(), grouped_columns)
    assert masking is None
    assert "no masking policy" in faults[0].problem


@pytest.mark.parametrize("ground", ["33-1", "33-2", "33-4", "33-5", None])
def test_masking_lifts_no_other_ground_than_privacy(declarations: Declarations, ground: str | None) -> None:
    def other_ground(entry: dict[str, Any]) -> None:
        entry["columns"]["holder_code"]["opening"] = {"type": "none", "ground": ground, "basis": "某法"}

    declarations.change("resources/data_bureau/administrative_licence.yaml", other_ground)
    (fault,) = declarations.faults()
    assert fault.field == "columns.holder_code"
    assert "no mask lifts it" in fault.remedy


def test_a_tightened_column_stops_the_product_that_shows_it(declarations: Declarations) -> None:
    def tighten(entry: dict[str, Any]) -> None:
        entry["columns"]["division_code"]["sharing"] = {"type": "none", "basis": "某法"}

    declarations.change("resources/finance/subsidy_payment.yaml", tighten)
    assert [fault.field for fault in declarations.faults()] == ["columns.county"]


def test_a_role_cannot_see_what_is_not_shared(declarations: Declarations) -> None:
    declarations.change("roles.yaml", lambda roles: roles["analyst"].update(sees="none"))
    assert any("not shared" in fault.problem for fault in declarations.faults())


def test_a_roles_unit_is_a_department(declarations: Declarations) -> None:
    declarations.change("roles.yaml", lambda roles: roles["analyst"].update(unit="nobody"))
    (fault,) = declarations.faults()
    assert (fault.file, fault.field, fault.article) == ("roles.yaml", "analyst.unit", "Art. 25")
    assert "nobody" in fault.problem


def test_a_roles_mask_must_exist(declarations: Declarations) -> None:
    declarations.change(
        "roles.yaml", lambda roles: roles["analyst"]["masks"].update({"base.person.name": {"method": "blur"}})
    )
    assert any("blur" in fault.problem for fault in declarations.faults())


def test_reversible_methods_lift_to_conditional_at_most() -> None:
    policy = load_policy(load().root, [])
    assert policy is not None
    for lift in policy.lifts:
        if METHODS[lift.method].reversible:
            assert lift.to.value == "conditional"
            assert lift.towards == ("sharing",)
