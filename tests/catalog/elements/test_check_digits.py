"""Check digits against python-stdnum where it is right, and against identifiers that were really issued."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2, mod_11_10, mod_37_36

from catalog.elements import check_digits
from catalog.elements.check_digits import BASE36, CREDIT_ALPHABET, DIGITS

Function = Callable[[pl.Series], pl.Series]
LICENCES = Path(__file__).parents[4] / "shared" / "data" / "elicence" / "licence_identifiers.csv"
#: Texts of the right length and alphabet, of nearly so, and any others.
NEARLY = st.text(st.sampled_from([*BASE36, "x", "０", "中", "\0", "-"]), max_size=24)


def one(function: Function, text: str | None) -> object:
    """A function of the module on a single text."""
    return function(pl.Series([text], dtype=pl.String))[0]


def right(function: Function, body: str, alphabet: str) -> list[str]:
    """The characters of the alphabet that pass as the last one, behind ``body``."""
    passes = function(pl.Series([body + last for last in alphabet]))
    return [last for last, holds in zip(alphabet, passes, strict=True) if holds]


@settings(deadline=None)
@given(body=st.text(DIGITS, min_size=17, max_size=17))
def test_resident_check_is_mod_11_2(body: str) -> None:
    check = mod_11_2.calc_check_digit(body)
    assert one(check_digits.resident_check, body) == check
    assert right(check_digits.passes_resident, body, BASE36) == [check]


@settings(deadline=None)
@given(body=st.text(CREDIT_ALPHABET, min_size=17, max_size=17))
def test_credit_check_is_that_of_stdnum(body: str) -> None:
    check = uscc.calc_check_digit(body)
    assert one(check_digits.credit_check, body) == check
    assert right(check_digits.passes_credit, body, CREDIT_ALPHABET) == [check]


@settings(deadline=None)
@given(body=st.text(BASE36, min_size=8, max_size=8))
def test_organisation_check_is_the_weighted_sum_of_gb_11714(body: str) -> None:
    total = sum(
        weight * int(character, 36) for weight, character in zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True)
    )
    check = {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
    assert one(check_digits.organisation_check, body) == check
    assert right(check_digits.passes_organisation, body, BASE36) == [check]


@settings(deadline=None)
@given(body=st.text(DIGITS, min_size=1, max_size=14))
def test_registration_check_is_mod_11_10(body: str) -> None:
    check = mod_11_10.calc_check_digit(body)
    assert right(check_digits.passes_mod_11_10, body, DIGITS) == [check]


@settings(deadline=None)
@given(body=st.text(BASE36, min_size=1, max_size=90))
def test_licence_check_is_mod_37_36(body: str) -> None:
    check = mod_37_36.calc_check_digit(body)
    assert right(check_digits.passes_mod_37_36, body, BASE36) == [check]


@settings(deadline=None)
@given(texts=st.lists(st.none() | NEARLY | st.text(max_size=24), max_size=30))
def test_whatever_stands_beside_it_a_text_is_judged_alone(texts: list[str | None]) -> None:
    series = pl.Series(texts, dtype=pl.String)
    for function in (
        check_digits.resident_check,
        check_digits.credit_check,
        check_digits.organisation_check,
        check_digits.passes_resident,
        check_digits.passes_credit,
        check_digits.passes_organisation,
        check_digits.passes_mod_11_10,
        check_digits.passes_mod_37_36,
    ):
        values = function(series).to_list()
        assert function(series.reverse()).to_list() == values[::-1]
        assert values[:3] == [one(function, text) for text in texts[:3]]


@pytest.mark.parametrize(
    "text", [None, "", "1", "中", "０" * 18, "1" * 17, "1" * 19, "1" * 10_000, "中" * 18, "\0" * 18]
)
def test_what_has_not_the_shape_never_passes(text: str | None) -> None:
    passes = (
        check_digits.passes_resident,
        check_digits.passes_credit,
        check_digits.passes_organisation,
    )
    assert [one(function, text) for function in passes] == [False, False, False]


def test_an_old_number_gets_its_century_and_check_and_others_stay() -> None:
    texts = pl.Series(
        ["110105491231002", "11010519491231002X", None, "", "12345678901234五", "441802870615001"]
    )
    done = check_digits.with_century(texts).to_list()
    assert done[:5] == ["11010519491231002X", "11010519491231002X", None, "", "12345678901234五"]
    assert done[5] == "44180219870615001" + mod_11_2.calc_check_digit("44180219870615001")


@pytest.mark.real
@pytest.mark.skipif(
    not LICENCES.exists(), reason="the published licence identifiers are not beside the project"
)
def test_published_licence_identifiers_are_judged_as_published() -> None:
    published = pl.read_csv(LICENCES)
    bodies = (
        published["identifier"].str.strip_prefix("1.2.156.3005.2.").str.replace_all(".", "", literal=True)
    )
    assert check_digits.passes_mod_37_36(bodies).to_list() == (published["expected"] == "valid").to_list()
    assert set(published["expected"] == "valid") == {True, False}
