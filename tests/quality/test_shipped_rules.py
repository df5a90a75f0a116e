"""Every rule in a shipped YAML can fail: one row that breaks it, and that row put right."""

from __future__ import annotations

import pytest

from catalog.load import load
from quality.plan import compile_entry
from quality.split import split
from tests.quality.conftest import MAN, WOMAN, raw

CATALOGUE = load()
EARLY, LATE = "2020-01-01", "2021-01-01"
LICENCE = "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0"
BORN = {"resident_id": WOMAN, "birth_date": "1949-12-31"}

#: Resource, rule, a row that breaks the rule, and what puts it right.
CASES: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    ("household_register", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("household_register", "sex.sex_as_in_id", {"resident_id": WOMAN, "sex": "1"}, {"sex": "2"}),
    ("household_register", "registered_on.registered_after_birth", {"registered_on": EARLY, "birth_date": LATE}, {"registered_on": LATE}),
    ("identity_card", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("identity_card", "sex.sex_as_in_id", {"resident_id": MAN, "sex": "2"}, {"sex": "1"}),
    ("identity_card", "valid_to.ends_after_it_begins", {"valid_from": EARLY, "valid_to": EARLY}, {"valid_to": LATE}),
    ("identity_card", "valid_from.valid_after_birth", {"valid_from": EARLY, "birth_date": LATE}, {"birth_date": EARLY}),
    ("residence_permit", "valid_to.ends_after_issue", {"issued_on": LATE, "valid_to": EARLY}, {"issued_on": "2019-01-01"}),
    ("marriage", "row.two_people", {"man_id": MAN, "woman_id": MAN}, {"woman_id": WOMAN}),
    ("cremation", "cremated_on.cremated_after_death", {"cremated_on": EARLY, "died_on": LATE}, {"died_on": EARLY}),
    ("low_income_household", "household_size.plausible_size", {"household_size": "0"}, {"household_size": "1"}),
    ("division", "valid_to.ends_after_it_begins", {"valid_from": LATE, "valid_to": EARLY}, {"valid_to": LATE}),
    ("division", "row.not_its_own_parent", {"code": "441802", "parent_code": "441802"}, {"parent_code": "441800"}),
    ("birth_certificate", "issued_on.issued_after_birth", {"issued_on": EARLY, "birth_date": LATE}, {"issued_on": LATE}),
    ("birth_certificate", "row.two_parents", {"mother_id": WOMAN, "father_id": WOMAN}, {"father_id": MAN}),
    ("death_certificate", "sex.sex_as_in_id", {"resident_id": WOMAN, "sex": "1"}, {"sex": "9"}),
    ("death_certificate", "issued_on.issued_after_death", {"issued_on": EARLY, "death_date": LATE}, {"death_date": EARLY}),
    ("school_enrolment", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("school_enrolment", "sex.sex_as_in_id", {"resident_id": WOMAN, "sex": "1"}, {"sex": "2"}),
    ("school_enrolment", "enrolled_on.enrolled_after_birth", {"enrolled_on": EARLY, "birth_date": EARLY}, {"enrolled_on": LATE}),
    ("school_enrolment", "row.guardian_is_another", {"resident_id": WOMAN, "guardian_id": WOMAN}, {"guardian_id": MAN}),
    ("disability_certificate", "valid_to.ends_after_issue", {"issued_on": LATE, "valid_to": LATE}, {"issued_on": EARLY}),
    ("subsidy_payment", "amount.something_paid", {"amount": "0"}, {"amount": "0.01"}),
    ("pension_payment", "amount.something_paid", {"amount": "-1"}, {"amount": "1"}),
    ("business_registration", "cancelled_on.cancelled_after_established", {"established_on": LATE, "cancelled_on": EARLY}, {"cancelled_on": LATE}),
    ("business_registration", "cancelled_on.cancelled_on_a_day", {"status": "注销"}, {"cancelled_on": LATE}),
    ("business_registration", "cancelled_on.in_existence_not_cancelled", {"status": "存续", "cancelled_on": LATE}, {"status": "吊销"}),
    ("tax_registration", "employees.employees_not_negative", {"employees": "-1"}, {"employees": "0"}),
    ("administrative_licence", "valid_to.ends_after_it_begins", {"valid_from": LATE, "valid_to": EARLY}, {"valid_to": LATE}),
    ("electronic_licence", "valid_to.ends_after_it_begins", {"valid_from": LATE, "valid_to": EARLY}, {"valid_to": LATE}),
    ("electronic_licence", "version.versions_from_one", {"version": "0"}, {"version": "1"}),
    ("electronic_licence", "row.replaces_another", {"licence_id": LICENCE, "previous_licence_id": LICENCE}, {"previous_licence_id": "1.2"}),
    ("licence_type", "validity_years.plausible_validity", {"validity_years": "101"}, {"validity_years": "5"}),
    ("credit_record", "removed_on.removed_after_listed", {"listed_on": LATE, "removed_on": EARLY}, {"removed_on": LATE}),
    ("real_estate_title", "share.plausible_share", {"share": "1.5"}, {"share": "0.5"}),
    ("building", "floors.plausible_floors", {"floors": "0"}, {"floors": "33"}),
]  # fmt: skip


def fails(resource: str, rule: str, row: dict[str, str]) -> bool:
    """Whether the rule fails on one raw row, all other cells being empty."""
    counts = split(raw(row), compile_entry(CATALOGUE.entry(resource))).counts
    return bool(counts.collect()[rule].item())


def test_the_cases_name_every_shipped_rule() -> None:
    shipped = {
        (declared.code, rule.code)
        for declared in CATALOGUE.entries.values()
        for rule in compile_entry(declared).rules[-len(declared.rules) :]
        if declared.rules
    }
    assert {(resource, rule) for resource, rule, *_ in CASES} == shipped


@pytest.mark.parametrize(("resource", "rule", "broken", "right"), CASES)
def test_a_shipped_rule_fails_on_its_broken_row_only(
    resource: str, rule: str, broken: dict[str, str], right: dict[str, str]
) -> None:
    assert fails(resource, rule, broken)
    assert not fails(resource, rule, broken | right)
    assert not fails(resource, rule, dict.fromkeys(broken, ""))
