"""What whoever kept the last release sees in the next: no change that fewer than k subjects share."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masking.compile import SUBJECT
from masking.differences import patterns, settled_by_group, settled_by_subject, settled_counts
from masking.product import COUNT_COLUMN

K = 3
#: Each person's county, and nothing where somebody is not in the release.
City = dict[str, str | None]


def release(city: City) -> pl.DataFrame:
    """Pseudonym, county, and whose row it is."""
    rows = [(f"p{who}", where, who) for who, where in city.items() if where]
    return pl.DataFrame(rows, schema=dict.fromkeys(("person", "county", SUBJECT), pl.String), orient="row")


def people(where: str, *who: int) -> City:
    return {str(number): where for number in who}


OLD = people("a", 1, 2, 3, 4, 5, 6) | people("b", 11, 12, 13, 14)


def settle(new: City, old: City = OLD, beside: pl.DataFrame | None = None) -> tuple[City, int]:
    held = release(old).drop(SUBJECT)
    found = settled_by_subject(release(new), held, "person", ["county"], K, beside)
    assert found.rows.columns == held.columns
    return {token[1:]: county for token, county in found.rows.rows()}, found.waiting


@pytest.mark.parametrize(
    ("change", "waiting"),
    [
        ({}, 0),
        # one person moves: found by whoever knows that somebody moved
        (people("b", 1), 1),
        (people("b", 1, 2, 3), 0),
        # three move and two go: those two are alike in nothing else
        (people("b", 1, 2, 3) | {"11": None, "12": None}, 2),
        # four of six move together: of the two left behind it would be known that they stayed
        (people("b", 1, 2, 3, 4), 4),
        (people("b", 1, 2, 3, 4, 5, 6), 0),
        # two come
        (people("a", 7, 8), 2),
        (people("a", 7, 8, 9), 0),
        # three come to a county that two others leave for: these wait, and all is large enough
        (people("c", 7, 8, 9) | people("c", 1, 2), 2),
        # all go
        (dict.fromkeys(OLD), 0),
        # one of those who go goes as the others do, one goes alone
        ({"1": None, "2": None, "3": None, "11": None}, 1),
    ],
)
def test_a_change_that_fewer_than_k_share_waits(change: City, waiting: int) -> None:
    shown, waits = settle(OLD | change)
    assert waits == waiting
    expected = {who: where for who, where in (OLD | change).items() if where}
    assert sum(shown.get(who) != expected.get(who) for who in {*shown, *expected}) == waiting


def test_what_else_the_recipient_holds_tells_who_is_alike() -> None:
    """Three move together, of whom another product of the recipient's says that one is of another kind."""
    kinds = pl.DataFrame({"person": [f"p{who}" for who in OLD], "_other": ["x"] + ["y"] * (len(OLD) - 1)})
    assert settle(OLD | people("b", 1, 2, 3))[1] == 0
    assert settle(OLD | people("b", 1, 2, 3), beside=kinds)[1] == 3


def test_a_group_that_would_become_small_keeps_whoever_leaves_it() -> None:
    held = pl.DataFrame({"person": ["p1", "p1", "p2", "p2", "p3", "p3", "p4"], "county": [*"abababa"]})
    rows = [("p1", "b"), ("p2", "b"), ("p3", "b"), ("p4", "a")]
    new = pl.DataFrame(rows, schema=["person", "county"], orient="row").with_columns(
        pl.col("person").alias(SUBJECT)
    )
    found = settled_by_subject(new, held, "person", ["county"], K)
    assert found.waiting == 3
    assert sorted(found.rows.rows()) == sorted(held.rows())


cities = st.dictionaries(st.integers(0, 25).map(str), st.sampled_from(["a", "b", "c", None]))


@settings(max_examples=40)
@given(cities, cities)
def test_nobodys_change_stands_alone(old: City, new: City) -> None:
    old, new = _large(old), _large(new)
    shown, _ = settle(new, old)
    changes = Counter((old.get(who), shown.get(who)) for who in {*old, *shown})
    left = {before for (before, after) in changes if before != after}
    for (before, after), number in changes.items():
        assert number >= K or (before == after and before not in left), changes
    assert min(Counter(shown.values()).values(), default=K) >= K
    assert all(shown.get(who) in (old.get(who), new.get(who)) for who in {*old, *new})


def _large(city: City) -> City:
    """As a release is: without groups of fewer than k."""
    sizes = Counter(city.values())
    return {who: where for who, where in city.items() if where and sizes[where] >= K}


def test_rows_about_nobody_come_at_once() -> None:
    new = pl.concat(
        [release(OLD), pl.DataFrame([(None, "z", None)], schema=release(OLD).schema, orient="row")]
    )
    found = settled_by_subject(new, release(OLD).drop(SUBJECT), "person", ["county"], K)
    assert (None, "z") in found.rows.rows()


def test_one_product_stands_beside_another_by_what_identifies() -> None:
    rows = pl.DataFrame({"person": ["p1", "p1", "p2", "p2", None], "county": [*"ababa"], "note": [*"12345"]})
    seen = patterns(rows, "person", ["county"], "_other")
    assert seen.columns == ["person", "_other"]
    assert seen["_other"].n_unique() == 1


def test_without_a_pseudonym_a_group_keeps_its_rows_until_k_came_or_went() -> None:
    old = release(OLD).drop("person")
    held = old.drop(SUBJECT)

    def shown(new: pl.DataFrame) -> tuple[Counter[str], int]:
        found = settled_by_group(new, held, ["county"], K)
        return Counter(found.rows["county"]), found.waiting

    assert shown(old) == (Counter(a=6, b=4), 0)
    assert shown(old[1:]) == (Counter(a=6, b=4), 1)
    assert shown(old[3:]) == (Counter(a=3, b=4), 0)
    more = release(OLD | people("a", 7, 8, 9) | people("b", 15)).drop("person")
    assert shown(more) == (Counter(a=9, b=4), 1)
    # one person's three new rows are one person's
    rows = pl.concat([old, pl.DataFrame([("a", "7")] * 3, schema=old.schema, orient="row")])
    assert shown(rows) == (Counter(a=6, b=4), 1)


def test_a_count_stays_until_it_has_changed_by_k() -> None:
    def counts(**groups: int) -> pl.DataFrame:
        return pl.DataFrame({"county": list(groups), COUNT_COLUMN: list(groups.values())})

    def shown(**new: int) -> tuple[dict[str, int], int]:
        found = settled_counts(counts(**new), counts(a=5, b=7), K)
        return dict(found.rows.rows()), found.waiting

    assert shown(a=5, b=7) == ({"a": 5, "b": 7}, 0)
    assert shown(a=7, b=10) == ({"a": 5, "b": 10}, 1)
    assert shown(b=7) == ({"b": 7}, 0)
    assert shown(a=5, b=7, c=3) == ({"a": 5, "b": 7, "c": 3}, 0)
