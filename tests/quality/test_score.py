"""The scores: what share met the rules; nothing assessed is no score, and sending less raises none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import Dimension
from quality.plan import compile_entry
from quality.score import overall, scores
from tests.quality.conftest import entry

PLAN = compile_entry(entry())
CODES = [rule.code for rule in PLAN.rules]


def test_a_dimension_is_the_mean_of_its_rules() -> None:
    found = scores(PLAN, 100, {"resident_id.required": 10, "name.required": 30})
    assert found[Dimension.COMPLETENESS] == pytest.approx((0.9 + 0.7) / 2)
    assert found[Dimension.CONFORMITY] == 1


def test_what_was_not_assessed_has_no_score() -> None:
    assert set(scores(PLAN, 0, {}).values()) == {None}
    assert scores(PLAN, 5, {})[Dimension.ACCESSIBILITY] is None
    assert overall(PLAN, 0, 0) is None
    assert overall(PLAN, 5, None) is None


def test_the_overall_score_is_the_share_of_accepted_rows() -> None:
    assert overall(PLAN, 8, 6) == 0.75


@given(rows=st.integers(1, 10**9), data=st.data())
def test_every_score_is_a_share_and_more_failures_never_raise_one(rows: int, data: st.DataObject) -> None:
    failures = data.draw(st.dictionaries(st.sampled_from(CODES), st.integers(0, rows)))
    worse = {code: data.draw(st.integers(failures.get(code, 0), rows)) for code in CODES}
    before, after = scores(PLAN, rows, failures), scores(PLAN, rows, worse)
    for dimension in Dimension:
        high, low = before[dimension], after[dimension]
        assert (high is None) == (low is None)
        assert high is None or low is None or 0 <= low <= high <= 1
