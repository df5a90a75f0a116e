"""Coarser generalisation: as few steps as are needed, no further than declared, and said."""

from __future__ import annotations

from datetime import date

import polars as pl

from catalog.load import load
from masking.coarsening import coarsened, differences
from masking.columns import declared_tables
from masking.compile import product_rows
from masking.keys import recipient_key
from masking.policy import Threshold
from masking.product import Product, load_masking

KEY = recipient_key(bytes(range(32)), "all_institutions")
SOURCES = declared_tables(load())["standard", "subsidy_payment"]


def product(**coarsest: str) -> Product:
    """The shipped product of subsidies: by county and quarter (or, where stated, by county and month)."""
    masking, _ = load_masking(load())
    assert masking is not None
    shipped = masking.products["subsidy_by_county"].product
    columns = {
        name: column.model_copy(update={"coarsest": coarsest.get(name)})
        for name, column in shipped.columns.items()
    }
    return shipped.model_copy(update={"columns": columns})


def payments(*paid_on: date) -> pl.LazyFrame:
    """Three people paid on each of these days, in two counties by turns."""
    rows = [
        {"resident_id": f"{number}-{person}", "paid_on": day, "division_code": f"44180{number % 2}001"}
        for number, day in enumerate(paid_on)
        for person in range(3)
    ]
    blank = {
        name: pl.lit(None, column.dtype).alias(name)
        for name, column in SOURCES.items()
        if name not in rows[0]
    }
    return pl.LazyFrame(rows).with_columns(blank.values())


def published(declared: Product, rows: pl.LazyFrame, k: int) -> Product:
    threshold = Threshold(k=k, max_loss=0.2)
    return coarsened(declared, SOURCES, threshold, lambda each: product_rows(each, SOURCES, rows, KEY))


QUARTERS = payments(*(date(2025, month, 1) for month in (1, 1, 4, 4, 7, 7)))


def test_large_groups_stay_as_fine_as_declared() -> None:
    declared = product(quarter="year", county="city")
    assert published(declared, QUARTERS, k=3) == declared
    assert differences(declared, declared) == {}


def test_small_groups_make_it_one_step_coarser_where_that_suffices() -> None:
    declared = product(quarter="year", county="city")
    assert differences(declared, published(declared, QUARTERS, k=9)) == {"quarter": ("quarter", "year")}
    assert differences(declared, published(declared, QUARTERS, k=6)) == {"county": ("county", "city")}


def test_and_several_steps_where_it_does_not() -> None:
    declared = product(quarter="year", county="province")
    assert differences(declared, published(declared, QUARTERS, k=18)) == {
        "quarter": ("quarter", "year"),
        "county": ("county", "city"),
    }


def test_no_further_than_declared() -> None:
    declared = product(quarter="year")
    assert differences(declared, published(declared, QUARTERS, k=18)) == {"quarter": ("quarter", "year")}
    assert published(product(), QUARTERS, k=18) == product()
