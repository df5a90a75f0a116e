"""Every rule in a shipped YAML can fail: one row that breaks it, and that row put right."""

from __future__ import annotations

import polars as pl
import pytest

from catalog.load import load
from quality.changes import Before
from quality.plan import Plan, compile_entry, raw_name
from quality.sets import findings, questions
from quality.split import split
from tests.quality.conftest import MAN, WOMAN, raw

CATALOGUE = load()
EARLY, LATE = "2020-01-01", "2021-01-01"
LICENCE = "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0"
ENTERPRISE = "91441800MA4UX0LE4T"
BORN = {"resident_id": WOMAN, "birth_date": "1949-12-31"}

#: Resource, rule, a row that breaks the rule, and what puts it right.
CASES: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    ("household_register", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("household_register", "sex.sex_as_in_id", {"resident_id": WOMAN, "sex": "1"}, {"sex": "2"}),
    ("household_register", "registered_on.registered_after_birth", {"registered_on": EARLY, "birth_date": LATE}, {"registered_on": LATE}),
    ("household_register", "left_on.in_register_not_left", {"status": "正常", "left_on": LATE}, {"status": "迁出"}),
    ("household_move", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("household_move", "moved_on.moved_after_birth", {"moved_on": EARLY, "birth_date": LATE}, {"moved_on": LATE}),
    ("household_move", "row.moved_somewhere_else", {"from_division": "441802", "to_division": "441802"}, {"to_division": "440103"}),
    ("identity_card", "birth_date.born_as_in_id", BORN | {"birth_date": "1950-01-01"}, BORN),
    ("identity_card", "sex.sex_as_in_id", {"resident_id": MAN, "sex": "2"}, {"sex": "1"}),
    ("identity_card", "valid_to.ends_after_it_begins", {"valid_from": EARLY, "valid_to": EARLY}, {"valid_to": LATE}),
    ("identity_card", "valid_from.valid_after_birth", {"valid_from": EARLY, "birth_date": LATE}, {"birth_date": EARLY}),
    ("residence_permit", "valid_to.ends_after_issue", {"issued_on": LATE, "valid_to": EARLY}, {"issued_on": "2019-01-01"}),
    ("overseas_resident", "leaves_on.leaves_after_registering", {"registered_on": LATE, "leaves_on": EARLY}, {"leaves_on": LATE}),
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
    ("business_registration", "business_scope.no_lost_characters", {"business_scope": "零售〓。"}, {"business_scope": "零售。"}),
    ("business_registration", "org_name.name_without_lost_characters", {"org_name": "下\ue000镇粮所"}, {"org_name": "下太镇粮所"}),
    ("business_registration", "address.address_without_lost_characters", {"address": "下\ue000镇"}, {"address": "下太镇"}),
    ("business_registration", "credit_code.code_of_market_regulation", {"credit_code": "12441803X"}, {"credit_code": "91441803X"}),
    ("business_registration", "capital.capital_of_a_thousand", {"capital": "0.03万人民币"}, {"capital": "0.1万人民币"}),
    ("business_registration", "address.address_in_the_province", {"address": "江苏省苏州市朱家湾街8号"}, {"address": "英德市江苏省路8号"}),
    ("business_registration", "cancelled_on.in_existence_not_cancelled", {"status": "存续", "cancelled_on": LATE}, {"status": "吊销"}),
    ("business_registration", "cancelled_for.no_reason_without_cancellation", {"status": "存续", "cancelled_for": "破产"}, {"status": "注销"}),
    ("merger_division", "row.two_enterprises", {"predecessor_code": ENTERPRISE, "successor_code": ENTERPRISE}, {"successor_code": "91441802617971616D"}),
    ("merger_division", "registered_on.registered_after_announcement", {"registered_on": EARLY, "announced_on": LATE}, {"registered_on": LATE}),
    ("merger_division", "predecessor_code.predecessor_registered", {"predecessor_code": "91441802617971616D"}, {"predecessor_code": ENTERPRISE}),
    ("merger_division", "successor_code.successor_registered", {"successor_code": "91441802617971616D"}, {"successor_code": ENTERPRISE}),
    ("registration_change", "row.something_changed", {"before": "甲", "after": "甲"}, {"before": "乙"}),
    ("registration_change", "credit_code.enterprise_registered", {"credit_code": "91441802617971616D"}, {"credit_code": ENTERPRISE}),
    ("shareholder", "subscribed.subscribed_not_negative", {"subscribed": "-1"}, {"subscribed": "0"}),
    ("tax_registration", "employees.employees_not_negative", {"employees": "-1"}, {"employees": "0"}),
    ("administrative_licence", "valid_to.ends_after_it_begins", {"valid_from": LATE, "valid_to": EARLY}, {"valid_to": LATE}),
    ("electronic_licence", "valid_to.ends_after_it_begins", {"valid_from": LATE, "valid_to": EARLY}, {"valid_to": LATE}),
    ("electronic_licence", "version.versions_from_one", {"version": "0"}, {"version": "1"}),
    ("electronic_licence", "row.replaces_another", {"licence_id": LICENCE, "previous_licence_id": LICENCE}, {"previous_licence_id": "1.2"}),
    ("household_register", "division_code.division_exists", {"division_code": "441899"}, {"division_code": "441802"}),
    ("electronic_licence", "file_digest.digest_is_sm3", {"file_digest": "0A"}, {"file_digest": "0A" * 32}),
    ("electronic_licence", "type_code.type_exists", {"type_code": "11100000000013338W001"}, {"type_code": "11100000000013338W009"}),
    ("electronic_licence", "holder_code.holder_exists", {"holder_code": WOMAN}, {"holder_code": MAN}),
    ("licence_type", "validity_years.plausible_validity", {"validity_years": "101"}, {"validity_years": "5"}),
    ("credit_record", "removed_on.removed_after_listed", {"listed_on": LATE, "removed_on": EARLY}, {"removed_on": LATE}),
    ("real_estate_title", "share.plausible_share", {"share": "1.5"}, {"share": "0.5"}),
    ("building", "floors.plausible_floors", {"floors": "0"}, {"floors": "33"}),
]  # fmt: skip


#: What other resources hold, for rules between tables: one row each.
TABLES = {
    "division": pl.LazyFrame({"code": ["441802"]}),
    "licence_type": pl.LazyFrame({"type_code": ["11100000000013338W009"]}),
    **{name: pl.LazyFrame({"resident_id": [MAN]}) for name in ("household_register", "residence_permit")},
    **{
        name: pl.LazyFrame({"credit_code": [ENTERPRISE]})
        for name in ("business_registration", "nonprofit_organisation", "public_institution")
    },
}
#: Resource, rule, one cell of the rows that break it, and of rows that meet it; before, the cell was as in those.
SET_CASES: list[tuple[str, str, list[str], list[str]]] = [
    ("school_enrolment", "table.as_many_as_last_time", ["一年级"] * 50, ["一年级"] * 90),
    ("school_enrolment", "guardian_mobile.guardians_can_be_called", ["13812345678", ""], ["13812345678"]),
    ("school_enrolment", "school_grade.grades_as_before", ["一年级"] * 2000, ["一年级", "二年级"] * 1000),
    ("point_of_interest", "kind.kinds_as_before", ["学校"] * 2000, ["学校", "医院"] * 1000),
    ("subsidy_payment", "amount.plausible_total", ["1500000000", "600000000"], ["150", "60"]),
    ("pension_payment", "amount.plausible_median", ["180000", "200000", "300"], ["1800", "2000", "300000"]),
    ("division", "level.every_level", ["city", "county"], ["town", "city", "county"]),
]


def fails(resource: str, rule: str, row: dict[str, str]) -> bool:
    """Whether the rule fails on one raw row, all other cells being empty."""
    counts = split(raw(row), compile_entry(CATALOGUE.entry(resource)), tables=TABLES).counts
    return bool(counts.collect()[rule].item())


def met(resource: str, rule: str, cells: list[str], before: list[str]) -> bool | None:
    """Whether the rule is met by rows of which one column says something, after others."""
    plan = compile_entry(CATALOGUE.entry(resource))
    (stated,) = [each for each in plan.sets if each.code == rule]
    column = stated.column or "school_grade"
    asked = questions(plan, Before(_standardised(plan, column, before), 100))
    parts = split(raw(*({column: cell} for cell in cells or [""])), plan, asked=asked)
    return findings(plan, asked, parts.sets.collect().row(0, named=True), {}, len(cells))[rule].met


def _standardised(plan: Plan, column: str, cells: list[str]) -> pl.LazyFrame:
    """The cells as the standard table holds them."""
    names = {
        name: pl.Series(cells if name == column else [None] * len(cells), dtype=pl.String)
        for name in plan.entry.columns
    }
    named = pl.LazyFrame({raw_name(name): texts for name, texts in names.items()})
    return named.with_columns(plan.standardise)


#: It takes two rows to break it.
REPEATED = ("business_registration", "registration_no.registration_no_once")


def test_the_cases_name_every_shipped_rule() -> None:
    shipped = {
        (declared.code, rule.code)
        for declared in CATALOGUE.entries.values()
        for rule in compile_entry(declared).rules
        if rule.code.partition(".")[2] in {stated.name for stated in declared.rules}
    }
    assert {(resource, rule) for resource, rule, *_ in CASES} | {REPEATED} == shipped
    over_sets = {
        (entry.code, rule.code) for entry in CATALOGUE.entries.values() for rule in compile_entry(entry).sets
    }
    assert {(resource, rule) for resource, rule, *_ in SET_CASES} == over_sets


@pytest.mark.parametrize(("resource", "rule", "broken", "right"), CASES)
def test_a_shipped_rule_fails_on_its_broken_row_only(
    resource: str, rule: str, broken: dict[str, str], right: dict[str, str]
) -> None:
    assert fails(resource, rule, broken)
    assert not fails(resource, rule, broken | right)
    assert not fails(resource, rule, dict.fromkeys(broken, ""))


def test_a_number_that_should_be_there_once_fails_in_each_of_its_rows() -> None:
    resource, rule = REPEATED
    rows = [
        {"registration_no": number}
        for number in ("441800000000011", "441800000000011", "441800000000022", "")
    ]
    counts = split(raw(*rows), compile_entry(CATALOGUE.entry(resource))).counts
    assert counts.collect()[rule].item() == 2


@pytest.mark.parametrize(("resource", "rule", "broken", "right"), SET_CASES)
def test_a_shipped_rule_over_a_push_fails_on_its_broken_rows_only(
    resource: str, rule: str, broken: list[str], right: list[str]
) -> None:
    assert met(resource, rule, broken, right) is False
    assert met(resource, rule, right, right) is True
    assert met(resource, rule, [], right) is None, "nothing to report is no fault"
