"""``ops.freshness``: what it says of a resource, and that nobody else learns from it of a few rows."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from assets.operations import ROW_COUNTS, SCORE_ROWS, SHARES, Duties, freshness_rows, state_of
from catalog.load import Catalogue
from lake.ledger import Push, PushState
from masking.counts import without_small
from quality.plan import compile_entry
from quality.terms import Terms
from tests.pushes import a_push

NOW = datetime(2026, 1, 6, tzinfo=UTC)
#: What stands in the tables: far more than any push below brought.
MANY = (1_000_000, 500)


def applied(rows: int, refused: int, failures: dict[str, int] | None = None) -> Push:
    return a_push(
        state=PushState.APPLIED, rows=rows, accepted=rows - refused, rejected=refused, failures=failures or {}
    )


def shown(catalogue: Catalogue, *pushes: Push) -> dict[str, object]:
    """What a role is told of the resource that these pushes made."""
    state = state_of(catalogue.entry("marriage"), pushes, MANY, NOW, Duties(Terms(), {}, None))
    rows = freshness_rows([state])
    return without_small(rows.lazy(), ROW_COUNTS, SHARES, SCORE_ROWS, k=3).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("rows", "refused", "quality"),
    [
        (4, 1, None),
        (4, 2, None),
        (2, 0, None),
        (1_000, 2, None),
        (1_000, 998, None),
        (1_000, 3, 0.997),
        (6, 3, 0.5),
    ],
)
def test_the_share_of_a_small_push_to_a_large_table_is_not_told(
    catalogue: Catalogue, rows: int, refused: int, quality: float | None
) -> None:
    """A million rows in the table hide nothing of a push whose number of rows can be known: 0.75 of four is three."""
    told = shown(catalogue, applied(rows, refused))
    assert told["quality"] == quality
    assert (told["rows_standard"], told["rows_quarantined"]) == ("1000000", "500")
    assert SCORE_ROWS not in told


def test_nor_is_a_score_that_one_row_makes(catalogue: Catalogue) -> None:
    """Each dimension by the rules that are its own; what was expected is what earlier pushes brought."""
    rules = {rule.dimension.value: rule.code for rule in compile_entry(catalogue.entry("marriage")).rules}
    failures = {rules["completeness"]: 1, rules["accuracy"]: 40}
    told = shown(catalogue, applied(1_000, 41, failures))
    assert told["completeness"] is None
    assert isinstance(told["accuracy"], float)
    fewer = shown(catalogue, *[applied(1_000, 0)] * 5, applied(999, 0))
    assert fewer["completeness"] is None, "one row did not come"


def test_the_bureau_is_told_all_and_of_how_many(catalogue: Catalogue) -> None:
    state = state_of(catalogue.entry("marriage"), [applied(4, 1)], MANY, NOW, Duties(Terms(), {}, None))
    (row,) = freshness_rows([state]).to_dicts()
    assert (row["quality"], row[SCORE_ROWS]["quality"]) == (0.75, 1)
    empty = freshness_rows(
        [state_of(catalogue.entry("marriage"), [], (0, 0), NOW, Duties(Terms(), {}, None))]
    )
    assert empty[SCORE_ROWS].struct.unnest().null_count().sum_horizontal().item() == len(SHARES)
    assert isinstance(empty.schema[SCORE_ROWS], pl.Struct)
