"""The scores: what was not assessed has none, and nothing is gained by sending less, whatever is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.model import Dimension
from quality.plan import Plan, compile_entry
from quality.score import (
    SETTLED,
    Counts,
    Slot,
    department_scores,
    fewest_rows,
    needed_columns,
    on_record,
    overall,
    push_scores,
    resource_scores,
    scored_rules,
    total,
)
from quality.split import split
from tests.quality.conftest import entry

PLAN = compile_entry(entry())
COLUMNS = list(PLAN.entry.columns)
#: Good and bad cells of every kind; an empty one is neither.
CELLS = [
    None,
    "",
    "不详",
    "441802198706150019",
    "441802198706150017",
    "张三",
    "2020-02-30",
    "1987-06-15",
    "1",
    "12.5",
    "X",
]
ROWS = st.lists(st.fixed_dictionaries({name: st.sampled_from(CELLS) for name in COLUMNS}), max_size=8)
SHARES = st.one_of(st.none(), st.floats(0, 1))
PUSHES = st.fixed_dictionaries(dict.fromkeys(Dimension, SHARES))


def expected(plan: Plan, earlier: list[Counts], own: Counts) -> dict[str, float]:
    """What is on record before a push: the first is measured by itself."""
    return on_record(plan, earlier or [own])[-1]


def counts(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str] = tuple(COLUMNS)) -> Counts:
    """What the engine counts of these rows, of which only some columns are sent."""
    schema = pl.Schema({**dict.fromkeys(columns, pl.String()), "_row": pl.Int64()})
    frame = pl.LazyFrame(
        [{**{name: row[name] for name in columns}, "_row": n} for n, row in enumerate(rows, 1)], schema=schema
    )
    found = split(frame, PLAN)
    failed, met = (part.collect().row(0, named=True) for part in (found.counts, found.met))
    return Counts(
        len(rows),
        {rule.code: failed[rule.code] or 0 for rule in PLAN.rules},
        {k: v or 0 for k, v in met.items()},
    )


def no_higher(less: Mapping[Dimension, float | None], more: Mapping[Dimension, float | None]) -> bool:
    """Whether no score is higher, nor the total, nor any there that was not."""
    pairs = [(less[dimension], more[dimension]) for dimension in Dimension] + [(total(less), total(more))]
    return all(low is None or (high is not None and low <= high + 1e-12) for low, high in pairs)


@settings(max_examples=60, deadline=None)
@given(before=ROWS, rows=ROWS, data=st.data())
def test_leaving_out_rows_or_columns_or_emptying_cells_never_raises_a_score(
    before: list[dict[str, str | None]], rows: list[dict[str, str | None]], data: st.DataObject
) -> None:
    kept = [row for row in rows if data.draw(st.booleans())]
    columns = [name for name in COLUMNS if data.draw(st.booleans())] or COLUMNS[:1]
    emptied = [
        {name: cell if data.draw(st.booleans()) else None for name, cell in row.items()} for row in kept
    ]
    whole, less = counts(rows), counts(emptied, columns)
    on_record = expected(PLAN, [counts(before)], whole)
    assert on_record == expected(PLAN, [counts(before)], less)
    assert no_higher(push_scores(PLAN, less, on_record), push_scores(PLAN, whole, on_record))


@given(data=st.data(), periods=st.lists(st.lists(PUSHES, max_size=3), max_size=15), agreement=SHARES)
def test_leaving_out_pushes_never_raises_a_score_of_the_resource(
    data: st.DataObject, periods: list[list[dict[Dimension, float | None]]], agreement: float | None
) -> None:
    assessed = [d for d in Dimension if d not in (Dimension.TIMELINESS, Dimension.ACCESSIBILITY)]
    whole = [Slot(on_time=bool(pushes), came=bool(pushes), pushes=pushes) for pushes in periods]
    left = [[push for push in pushes if data.draw(st.booleans())] for pushes in periods]
    less = [Slot(on_time=bool(pushes), came=bool(pushes), pushes=pushes) for pushes in left]
    assert no_higher(resource_scores(assessed, less, agreement), resource_scores(assessed, whole, agreement))


UPSERT = PLAN
SNAPSHOT = compile_entry(entry(delivery={"ways": ["file"], "mode": "snapshot", "key": ["resident_id"]}))
SIZES = st.lists(st.integers(0, 50), min_size=1, max_size=30)


def sent(good: int, bad: int = 0) -> Counts:
    """A push of so many rows that meet every rule, and so many that fail every rule."""
    codes = [rule.code for rule in PLAN.rules]
    return Counts(good + bad, dict.fromkeys(codes, bad), dict.fromkeys(codes, good))


@pytest.mark.parametrize("plan", [UPSERT, SNAPSHOT])
@given(sizes=SIZES)
def test_what_is_on_record_never_falls_once_it_is_settled(plan: Plan, sizes: list[int]) -> None:
    records = on_record(plan, [sent(size) for size in sizes])
    settled = records if plan is SNAPSHOT else records[SETTLED - 1 :]
    assert all(was[code] <= now[code] for was, now in pairwise(settled) for code in was)
    assert all(max(record.values()) <= max(sizes[: n + 1]) for n, record in enumerate(records))


@pytest.mark.parametrize("plan", [UPSERT, SNAPSHOT])
@pytest.mark.parametrize("less", [[sent(50)], [sent(0)], [sent(50), sent(0)], [sent(0, 50), sent(50)]])
def test_leaving_the_bad_rows_out_for_years_raises_no_score(plan: Plan, less: list[Counts]) -> None:
    """Of a hundred rows half are bad: without them, with nothing, or with the good and the bad apart."""
    history = [*[sent(50, 50)] * SETTLED, *less * 60]
    records = on_record(plan, history)
    scores = [push_scores(plan, now, record) for now, record in zip(history[1:], records, strict=False)]
    assert all(score is None or score <= 0.5 for each in scores for score in each.values())


def test_the_first_load_of_a_register_is_not_what_each_day_is_measured_by() -> None:
    history = [sent(100_000), sent(90_000), *[sent(20)] * 4]
    record = on_record(UPSERT, history)[-1]
    assert push_scores(UPSERT, sent(20), record)[Dimension.COMPLETENESS] == 1


def test_a_bad_cell_weighs_as_much_as_an_absent_one() -> None:
    good = dict.fromkeys(COLUMNS) | {"resident_id": "441802198706150017"}
    for rule in scored_rules(PLAN):
        if rule.column == "resident_id":
            bad, absent = (
                counts([good, good | {"resident_id": "无"}]),
                counts([good, good | {"resident_id": None}]),
            )
            assert bad.met_of(rule) >= absent.met_of(rule)
    assert counts([]).met_of(scored_rules(PLAN)[0]) == 0


def test_a_dimension_is_the_mean_of_its_rules_over_what_is_on_record() -> None:
    required = [rule.code for rule in PLAN.rules if rule.dimension is Dimension.COMPLETENESS]
    before, own = Counts(100, {}), Counts(90, {required[0]: 10})
    found = push_scores(PLAN, own, expected(PLAN, [before], own))
    assert found[Dimension.COMPLETENESS] == pytest.approx((0.8 + 0.9 * (len(required) - 1)) / len(required))
    assert found[Dimension.TIMELINESS] is None


def test_the_fewest_rows_that_a_score_tells_of_are_those_of_one_rule_met_or_lacking() -> None:
    """That two rules lack the same row is not told of two."""
    required = [rule.code for rule in PLAN.rules if rule.dimension is Dimension.COMPLETENESS]
    before = Counts(100, {})

    def fewest(rows: int, **failures: int) -> float | None:
        own = Counts(rows, failures)
        return fewest_rows(PLAN, own, expected(PLAN, [before], own))[Dimension.COMPLETENESS]

    assert len(required) > 1
    assert fewest(100) == 100, "whole: it tells of all of them"
    assert fewest(100, **dict.fromkeys(required, 1)) == 1
    assert fewest(100, **{required[0]: 7}) == 7
    assert fewest(4) == 4, "that came"
    assert fewest(98) == 2, "that did not come"
    assert fewest_rows(PLAN, before, expected(PLAN, [], before))[Dimension.TIMELINESS] is None


def test_nothing_on_record_gives_no_score() -> None:
    nothing = Counts(0, {})
    assert set(fewest_rows(PLAN, nothing, expected(PLAN, [], nothing)).values()) == {None}
    assert set(push_scores(PLAN, nothing, expected(PLAN, [], nothing)).values()) == {None}
    assert total(dict.fromkeys(Dimension)) is None
    assert overall(PLAN, 0, 0) is None
    assert overall(PLAN, 8, 6) == 0.75


def test_a_period_for_which_nothing_came_counts_nothing() -> None:
    push = dict.fromkeys(Dimension, 1.0)
    slots = [Slot(on_time=True, came=True, pushes=[push]), Slot(on_time=False, came=False, pushes=[])]
    found = resource_scores([Dimension.CONFORMITY], slots, None)
    assert (found[Dimension.CONFORMITY], found[Dimension.TIMELINESS], found[Dimension.ACCESSIBILITY]) == (
        0.5,
        0.5,
        0.5,
    )
    assert found[Dimension.ACCURACY] is None
    assert department_scores([found, found])[Dimension.CONFORMITY] == 0.5


def test_consistency_is_of_rules_and_of_agreement_with_other_departments() -> None:
    push = dict.fromkeys(Dimension, 1.0)
    slots = [Slot(on_time=True, came=True, pushes=[push])]
    assert resource_scores([Dimension.CONSISTENCY], slots, 0.5)[Dimension.CONSISTENCY] == 0.75
    assert resource_scores([], slots, 0.5)[Dimension.CONSISTENCY] == 0.5


def test_a_condition_names_columns_that_a_rule_needs() -> None:
    condition = {"type": "comparison", "column": {"name": "status"}, "operator": "==", "parameter": "注销"}
    both = {"type": "and", "conditions": [condition, condition | {"column": {"name": "kind"}}]}
    rule = scored_rules(PLAN)[0]
    asking = type(rule)(
        **(
            vars(rule)
            | {
                "expectation": "expect_column_values_to_not_be_null",
                "arguments": {"column": "a", "row_condition": both},
            }
        )
    )
    assert needed_columns(asking) == ["status", "kind"]
