"""Group sizes: counted in subjects, over every quasi-identifier, with null as a value like any other."""

from __future__ import annotations

from collections import Counter, defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.compile import SUBJECT
from masking.policy import Threshold
from masking.risk import Held, diversity, joined, measure, only_large_groups, told_apart


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
        assert again.smallest == risk.published_smallest
        assert again.groups == risk.published_groups
        assert risk.prosecutor_risk == pytest.approx(1 / again.smallest)
        assert 0 < risk.average_risk <= risk.prosecutor_risk


Record = tuple[str | None, str | None, str | None]
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["x", "y", "z", None]),
        st.sampled_from("123456789"),
    ),
    min_size=1,
    max_size=60,
)


def by_hand(records: list[Record]) -> tuple[int, float]:
    """l and t of the band given the county, as their definitions say them."""
    everybody = Counter(band for _, band, _ in records)
    groups = defaultdict(list)
    for county, band, _ in records:
        groups[county].append(band)
    distances = [
        sum(abs(bands.count(band) / len(bands) - count / len(records)) for band, count in everybody.items())
        / 2
        for bands in groups.values()
    ]
    return min(len(set(bands)) for bands in groups.values()), max(distances)


@given(RECORDS)
def test_l_and_t_are_what_their_definitions_say(records: list[Record]) -> None:
    found = diversity(rows(*records), ["county", "band"], "band")
    fewest, farthest = by_hand(records)
    assert found.fewest_values == fewest
    assert found.farthest == pytest.approx(farthest, abs=1e-4)
    assert found.groups == len({county for county, _, _ in records})


def test_a_group_of_one_value_tells_it_of_all_its_people() -> None:
    table = rows(("a", "x", "1"), ("a", "x", "2"), ("a", "x", "2"), ("b", "x", "3"), ("b", "y", "4"))
    found = diversity(table, ["county", "band"], "band")
    assert (found.fewest_values, found.known_subjects) == (1, 2)


def test_k_alone_tells_nothing_of_what_a_group_has_in_common() -> None:
    """Ten people alike in everything are 10-anonymous, and everybody knows what they have."""
    table = rows(
        *[("a", "x", str(number)) for number in range(10)], *[("b", "y", str(n)) for n in range(10, 20)]
    )
    assert measure(table, ["county", "band"], 10)[0].suppressed_rows == 0
    found = diversity(table, ["county", "band"], "band")
    assert (found.fewest_values, found.known_subjects, found.farthest) == (1, 20, 0.5)


def test_a_single_column_is_one_group_and_an_empty_table_none() -> None:
    assert diversity(rows(("a", "x", "1"), ("b", "x", "2")), ["county"], "county").groups == 1
    assert diversity(rows(), ["county", "band"], "band").groups == 0


QUASI = ["county", "band"]


def test_two_products_together_tell_more_than_each() -> None:
    """Two people alike in each of two tables by themselves, and alone once the tables are joined."""
    first = rows(("a", "x", "1"), ("a", "x", "2"), ("b", "x", "3"), ("b", "x", "4"))
    second = rows(("a", "x", "1"), ("b", "x", "2"), ("a", "x", "3"), ("b", "x", "4"))
    assert joined([(first, QUASI)]).smallest == joined([(second, QUASI)]).smallest == 2
    both = joined([(first, QUASI), (second, QUASI)])
    assert (both.subjects, both.smallest, both.unique_subjects) == (4, 1, 4)


def test_several_rows_of_a_person_are_one_pattern() -> None:
    months = rows(
        ("a", "x", "1"), ("a", "y", "1"), ("a", "x", "2"), ("a", "y", "2"), ("a", "x", "3"), ("a", "x", "3")
    )
    assert measure(months, QUASI, 2)[0].suppressed_rows == 0
    found = joined([(months, QUASI)])
    assert (found.subjects, found.smallest, found.unique_subjects) == (3, 1, 1)


def test_who_is_in_one_product_only_differs_from_who_is_in_both() -> None:
    found = joined([(rows(("a", "x", "1"), ("a", "x", "2")), QUASI), (rows(("a", "x", "1")), QUASI)])
    assert (found.subjects, found.smallest, found.unique_subjects) == (2, 1, 2)


def test_nothing_held_is_nobody() -> None:
    assert joined([(rows(), QUASI)]).subjects == 0
    assert joined([(rows(("a", "x", "1"), ("b", "y", "2")), [])]).smallest == 2


def test_who_is_hidden_in_each_table_and_alone_in_both_is_left_out_of_both() -> None:
    pension = rows(
        *[("a", "x", str(person)) for person in range(4)], *[("b", "x", str(p)) for p in range(4, 7)]
    )
    cause = rows(*[("c", "y", str(person)) for person in (1, 2, 3, 4, 5, 6)])
    held = [Held(table, QUASI, 3) for table in (pension, cause)]
    # 0 alone is in one table only; the three of (a, x) that are left are alike in both, as are those of (b, x)
    assert told_apart(held)[SUBJECT].to_list() == ["0"]


def test_leaving_one_out_leaves_out_who_is_no_longer_hidden() -> None:
    one = rows(*[("a", "x", str(person)) for person in range(3)])
    other = rows(*[("c", "y", str(person)) for person in range(2)], ("d", "y", "3"), ("d", "y", "4"))
    assert told_apart([Held(one, QUASI, 2), Held(other, QUASI, 2)])[SUBJECT].to_list() == ["2"]
    assert sorted(told_apart([Held(one, QUASI, 3), Held(other, QUASI, 2)])[SUBJECT]) == [
        "0",
        "1",
        "2",
        "3",
        "4",
    ]


SMALL_TABLE = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("0123456789")), max_size=30
)


@given(SMALL_TABLE, SMALL_TABLE, st.integers(2, 4))
def test_nobody_is_left_who_is_told_apart(
    one: list[tuple[str, str, str]], other: list[tuple[str, str, str]], k: int
) -> None:
    held = [Held(rows(*one), QUASI, k), Held(rows(*other), QUASI, k)]
    left_out = told_apart(held)
    published = [(table.published(left_out), QUASI) for table in held]
    together = joined(published)
    assert together.subjects == 0 or together.smallest >= k
    for table, quasi in published:
        alone = measure(table, quasi, k)[0]
        assert alone.rows == 0 or alone.smallest >= k


def test_the_policy_may_ask_for_refusal_instead() -> None:
    table = rows(*[("a", "x", str(person)) for person in range(9)])
    risk, _ = measure(table, QUASI, 2, pl.DataFrame({SUBJECT: ["0"]}))
    assert (risk.told_apart, risk.suppressed_rows) == (1, 1)
    assert risk.refusal(Threshold(k=2, max_loss=0.2)) is None
    assert "all that the recipient holds" in str(
        risk.refusal(Threshold(k=2, max_loss=0.2, together="refuse"))
    )
