"""Each identifier on literal cells: what becomes of them, and which checks they fail."""

from __future__ import annotations

import polars as pl
import pytest

from catalog.elements import ELEMENTS
from catalog.elements.identifiers import (
    IDENTIFIERS,
    birth_date_of,
    is_person,
    organisation_code_of,
    sex_of,
)
from tests.catalog.elements.rows import failed, standard

PERSON, COMPANY = "11010519491231002X", "91441802617971616D"
LICENCES = (
    "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
    "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
)


@pytest.mark.parametrize(
    ("code", "cell", "value"),
    [
        ("resident_id", PERSON, PERSON),
        ("resident_id", " 110105 19491231\u3000002x ", PERSON),
        ("resident_id", "１１０１０５１９４９１２３１００２Ｘ", PERSON),
        ("resident_id", "'11010519491231002X", PERSON),
        ("resident_id", "110105491231002", PERSON),
        ("resident_id", "无", None),
        ("credit_code", "９１４４１８０２６１７９７１６１６ｄ", COMPANY),
        ("credit_code", "`91441802 617971616D", COMPANY),
        ("organisation_code", "61797161-6", "617971616"),
        ("organisation_code", "--", None),
        ("registration_no", " 441800000012345 ", "441800000012345"),
        ("subject_code", PERSON.lower(), PERSON),
        ("subject_code", COMPANY.lower(), COMPANY),
        ("licence_id", LICENCES[1].lower(), LICENCES[1]),
        ("licence_type_code", "11100000000013338w009", "11100000000013338W009"),
        ("division_code", "441802000000", "441802"),
        ("division_code", "441802006000", "441802006"),
        ("division_code", "441802006001", "441802006001"),
        ("division_code", "441802006", "441802006"),
        ("division_code", "４４１８０２", "441802"),
        ("travel_document", " e-1234 5678 ", "E12345678"),
        ("identifier", " No. 12 ", "No.12"),
        ("bank_account", "6222-0210 0100 0000 001", "6222021001000000001"),
        ("mobile", "+86 138-0013-8000", "13800138000"),
        ("mobile", "008613800138000", "13800138000"),
        ("mobile", "013800138000", "13800138000"),
        ("mobile", "1３８00138000", "13800138000"),
        ("phone", "(0763)3366123转8", "07633366123-8"),
        ("phone", "0763‐3366123", "0763-3366123"),
        ("phone", "+86-13800138000", "13800138000"),
        ("phone", "NULL", None),
    ],
)
def test_a_cell_becomes_its_standard_form(code: str, cell: str, value: str | None) -> None:
    assert standard(code, cell) == [value]


@pytest.mark.parametrize(
    ("code", "cell", "failures"),
    [
        ("resident_id", PERSON, set()),
        # a county abolished in 2012 is on its people's cards for life; Hong Kong; the new card of foreign residents
        ("resident_id", "441827198706150012", set()),
        ("resident_id", "810000198706150017", set()),
        ("resident_id", "911344198706150014", set()),
        ("resident_id", "101105194912310029", {"division"}),
        ("resident_id", "110105194902300020", {"birth_date"}),
        ("resident_id", "110105194912310021", {"check_digit"}),
        ("resident_id", "11010519491231002", {"check_digit"}),
        ("resident_id", "4.41802E+17", {"check_digit", "not_a_float", "birth_date", "division"}),
        ("credit_code", COMPANY, set()),
        ("credit_code", "91441802617971616E", {"check_digit"}),
        ("credit_code", "91441802617971616I", {"check_digit"}),
        ("credit_code", "9.14418E+17", {"check_digit", "not_a_float", "organisation_code"}),
        ("organisation_code", "617971616", set()),
        ("organisation_code", "617971617", {"check_digit"}),
        ("registration_no", "110108000000016", set()),
        ("registration_no", "110108000000017", {"check_digit"}),
        ("subject_code", PERSON, set()),
        ("subject_code", COMPANY, set()),
        ("subject_code", "110108000000016", {"check_digit"}),
        *(("licence_id", licence, set()) for licence in LICENCES),
        # an interface manual's own example carries a wrong check character
        (
            "licence_id",
            "1.2.156.3005.2.11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M",
            {"check_digit"},
        ),
        ("licence_id", "11100000000013338W011", {"shape", "check_digit"}),
        ("licence_type_code", "11100000000013338W009", set()),
        ("licence_type_code", "11100000000013338W", {"shape"}),
        ("division_code", "441802", set()),
        ("division_code", "4418020", {"shape"}),
        ("division_code", "991802", {"province"}),
        *(("travel_document", number, set()) for number in ("E12345678", "H0123456701", "01234567")),
        ("travel_document", "E1234", {"shape"}),
        ("travel_document", "PASSPORT", {"shape"}),
        ("identifier", "QY-2024-001", set()),
        ("identifier", "2.02401E+11", {"not_a_float"}),
        ("identifier", "x" * 65, {"length"}),
        ("bank_account", "622202100100000", set()),
        ("bank_account", "62220", {"shape"}),
        ("mobile", "13800138000", set()),
        ("mobile", "12800138000", {"shape"}),
        ("mobile", "13800000000", {"filler"}),
        ("phone", "0763-3366123", set()),
        ("phone", "110", {"shape"}),
    ],
)
def test_a_cell_fails_the_checks_it_should(code: str, cell: str, failures: set[str]) -> None:
    assert failed(code, cell) == failures


def test_every_identifier_has_examples_here() -> None:
    covered = {
        marker.args[1][index][0]
        for test in (test_a_cell_becomes_its_standard_form, test_a_cell_fails_the_checks_it_should)
        for marker in test.pytestmark  # type: ignore[attr-defined]
        for index in range(len(marker.args[1]))
    }
    assert covered == {element.code for element in IDENTIFIERS} <= set(ELEMENTS)


def test_what_stands_inside_a_number_can_be_read_off() -> None:
    row = pl.select(
        born=birth_date_of(pl.lit(PERSON)),
        sex=sex_of(pl.lit(PERSON)),
        organisation=organisation_code_of(pl.lit(COMPANY)),
        person=is_person(pl.lit(PERSON)),
        company=is_person(pl.lit(COMPANY)),
        none=sex_of(pl.lit("1" * 16)),
    ).row(0, named=True)
    assert row.pop("born").isoformat() == "1949-12-31"
    assert row == {"sex": "2", "organisation": "617971616", "person": True, "company": False, "none": None}
