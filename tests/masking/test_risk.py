"""Group sizes: counted in subjects, over every quasi-identifier, with null as a value like any other."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.compile import SUBJECT
from masking.policy import Threshold
from masking.risk import measure, only_large_groups


def rows(*records: tuple[str | None, str | None, str | None]) -> pl.LazyFrame:
    return pl.LazyFrame(
        records, schema={"county": pl.String, "band": pl.String, SUBJECT: pl.String}, orient="row"
    )


def test_subjects_are_counted_and_not_rows() -> None:
    risk, large = measure(rows(*[("a", "x", "one")] * 5), ["county", "band"], 2)
    assert (risk.rows, risk.subjects, risk.smallest, risk.unique_subjects) == (5, 1, 1, 1)
    assert risk.suppressed_rows == 5
    assert large.is_empty()


def test_small_groups_are_left_out_and_the_loss_is_stated() -> None:
    table = rows(("a", "x", "1"), ("a", "x", "2"), ("a", "x", "3"), ("b", "x", "4"))
    risk, large = measure(table, ["county", "band"], 3)
    kept = only_large_groups(table, ["county", "band"], large).collect()
    assert kept["county"].to_list() == ["a"] * 3
    assert risk.loss == 0.25
    assert risk.refusal(Threshold(k=3, max_loss=0.25)) is None
    assert "1 of 4 rows (25%)" in str(risk.refusal(Threshold(k=3, max_loss=0.2)))


def test_null_is_a_value() -> None:
    table = rows((None, "x", "1"), (None, "x", "2"))
    _, large = measure(table, ["county", "band"], 2)
    assert only_large_groups(table, ["county", "band"], large).collect().height == 2


def test_a_missing_subject_is_nobody() -> None:
    risk, _ = measure(rows(("a", "x", None), ("a", "x", None), ("a", "x", "1")), ["county"], 2)
    assert risk.smallest == 1


def test_without_quasi_identifiers_all_are_one_group() -> None:
    table = rows(("a", "x", "1"), ("b", "y", "2"))
    risk, large = measure(table, [], 2)
    assert (risk.groups, risk.smallest) == (1, 2)
    assert only_large_groups(table, [], large).collect().height == 2


def test_an_empty_table_has_no_risk() -> None:
    risk, large = measure(rows(), ["county"], 3)
    assert (risk.rows, risk.loss, risk.smallest, risk.prosecutor_risk) == (0, 0.0, 0, 0.0)
    assert only_large_groups(rows(), ["county"], large).collect().is_empty()


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("123456789")), max_size=40
    )
)
def test_whatever_is_kept_has_k_subjects(records: list[tuple[str, str, str]]) -> None:
    table = rows(*records)
    risk, large = measure(table, ["county", "band"], 3)
    kept = only_large_groups(table, ["county", "band"], large).collect()
    assert kept.height == risk.rows - risk.suppressed_rows
    if kept.height:
        again, _ = measure(kept.lazy(), ["county", "band"], 3)
        assert again.smallest >= 3
        assert risk.prosecutor_risk == pytest.approx(1 / 3)
