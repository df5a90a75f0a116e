"""How many people somebody who has two releases of a product would see to have changed."""

from __future__ import annotations

import polars as pl
import pytest

from assets.releases import changed_counts, changed_subjects
from masking.compile import SUBJECT
from masking.product import COUNT_COLUMN


def release(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Pseudonym, county, and whose row it is."""
    return pl.DataFrame(rows, schema=["person", "county", SUBJECT], orient="row")


OLD = release(("p1", "a", "1"), ("p2", "a", "2"), ("p3", "b", "3"), ("p3", "b", "3"))


@pytest.mark.parametrize(
    ("new", "changed"),
    [
        (OLD, 0),
        (OLD.reverse(), 0),
        (release(("p1", "b", "1"), *OLD.rows()[1:]), 1),
        # one of two equal rows is gone
        (release(*OLD.rows()[:3]), 1),
        (release(*OLD.rows(), ("p4", "a", "4"), ("p4", "b", "4")), 1),
        (release(*OLD.rows()[2:], ("p4", "a", "4")), 3),
        (OLD.clear(), 3),
    ],
)
def test_subjects_are_told_by_their_pseudonym(new: pl.DataFrame, changed: int) -> None:
    assert changed_subjects(new, OLD.drop(SUBJECT), "person") == changed


def test_without_a_pseudonym_those_whose_rows_came_are_counted() -> None:
    held = OLD.drop("person", SUBJECT)
    came = release(*OLD.rows(), ("p4", "a", "4"), ("p4", "a", "4")).drop("person")
    assert changed_subjects(came, held) == 1
    assert changed_subjects(OLD.drop("person")[1:], held) == 1
    assert changed_subjects(OLD.drop("person"), held) == 0


def test_counts_are_compared_group_by_group() -> None:
    def counts(**groups: int) -> pl.DataFrame:
        return pl.DataFrame({"county": list(groups), COUNT_COLUMN: list(groups.values())})

    assert changed_counts(counts(a=5, b=7), counts(a=5, b=7)) == 0
    assert changed_counts(counts(a=6, b=6), counts(a=5, b=7)) == 2
    assert changed_counts(counts(a=5), counts(a=5, b=7)) == 7
    assert changed_counts(counts(a=5, b=7), counts(a=5)) == 7
