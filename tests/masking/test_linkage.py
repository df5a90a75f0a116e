"""The linkage attack: it names whom it can, counts what is right, and finds nobody among enough who are alike."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.theme.types import grouped_columns
from catalog.base_model import load_bases
from catalog.load import Catalogue
from masking.columns import declared_tables
from masking.compile import SUBJECT
from masking.keys import recipient_key
from masking.linkage import PERSON, attack, base_of, known_columns, masked_register
from masking.product import load_masking
from masking.risk import measure, only_large_groups

KEY = recipient_key(bytes(range(32)), "analyst")


def table(*records: tuple[str | None, str | None, str]) -> pl.LazyFrame:
    schema = {"county": pl.String, "band": pl.String, SUBJECT: pl.String}
    return pl.LazyFrame(records, schema=schema, orient="row")


def people(*records: tuple[str | None, str | None, str]) -> pl.LazyFrame:
    return table(*records).rename({SUBJECT: PERSON})


CITY = people(("a", "x", "1"), ("a", "y", "2"), ("a", "y", "3"), ("b", "x", "4"), ("b", None, "5"))
KNOWN = ("county", "band")


def test_who_is_alone_in_both_is_found() -> None:
    found = attack(table(("a", "x", "1"), ("a", "y", "2"), ("b", "x", "4")), CITY, KNOWN)
    assert (found.subjects, found.named, found.right) == (3, 2, 2)
    assert found.share == pytest.approx(2 / 3)
    assert found.journalist_risk == 1
    assert found.average_risk == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-6)


def test_a_wrong_guess_is_counted_as_named_and_not_as_right() -> None:
    found = attack(table(("a", "x", "9")), CITY, KNOWN)
    assert (found.named, found.right, found.journalist_risk) == (1, 0, 0)


def test_who_is_in_no_register_is_not_named() -> None:
    assert attack(table(("c", "x", "9")), CITY, KNOWN).named == 0


def test_a_missing_value_can_be_known_too() -> None:
    assert attack(table(("b", None, "5")), CITY, KNOWN).right == 1


def test_several_rows_of_one_person_are_one_person() -> None:
    found = attack(table(("a", "y", "2"), ("a", "y", "2"), ("a", "x", "2")), CITY, KNOWN)
    assert (found.subjects, found.named, found.right) == (1, 1, 0)


def test_an_empty_table_finds_nobody() -> None:
    found = attack(table(), CITY, KNOWN)
    assert (found.subjects, found.share, found.journalist_risk, found.average_risk) == (0, 0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=60))
def test_nobody_is_found_where_groups_have_two(values: list[tuple[str, str]]) -> None:
    everybody = [(county, band, str(number)) for number, (county, band) in enumerate(values)]
    whole = table(*everybody)
    _, large = measure(whole, KNOWN, 2)
    kept = only_large_groups(whole, KNOWN, large)
    assert attack(kept, people(*everybody), KNOWN).named == 0
    alone = {pair for pair in values if values.count(pair) == 1}
    assert attack(whole, people(*everybody), KNOWN).right == len(alone)


def test_the_register_is_masked_as_the_product_is(shipped: Catalogue) -> None:
    masking, faults = load_masking(shipped, grouped_columns)
    assert masking is not None
    assert not faults
    product = masking.products["death_cause"].product
    sources = declared_tables(shipped)["standard", "death_certificate"]
    base = base_of(product, load_bases(shipped).values())
    assert base is not None
    known = known_columns(product, base, sources, declared_tables(shipped)["base", "person"])
    assert known == {"year": "death_date"}
    everybody = pl.LazyFrame({"resident_id": ["1", "2"], "death_date": [None, date(2024, 5, 6)]})
    rows = masked_register(product, base, everybody, sources, KEY, known).collect()
    assert rows.to_dict(as_series=False) == {PERSON: ["1", "2"], "year": [None, "2024"]}


@pytest.mark.parametrize(
    ("code", "known"),
    [("pension_account", {"county": "residence_division"}), ("death_cause", {"year": "death_date"})],
)
def test_an_attacker_knows_where_people_live_and_joins_by_no_pseudonym(
    shipped: Catalogue, code: str, known: dict[str, str]
) -> None:
    """Where somebody lives is known whoever paid them; what day they were paid is not, though it is a date."""
    masking, _ = load_masking(shipped, grouped_columns)
    assert masking is not None
    product = masking.products[code].product
    tables = declared_tables(shipped)
    base = base_of(product, load_bases(shipped).values())
    assert base is not None
    sources = tables[product.source.layer, product.source.table]
    assert known_columns(product, base, sources, tables["base", base.code]) == known


def test_a_product_about_nobody_knows_no_base(shipped: Catalogue) -> None:
    masking, _ = load_masking(shipped, grouped_columns)
    assert masking is not None
    assert base_of(masking.products["administrative_licence"].product, load_bases(shipped).values()) is None
