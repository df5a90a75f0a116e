"""The city's policy on lateness: read from its file, and ours where it says nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from catalog.load import CatalogueError, default_root
from catalog.model import Frequency
from quality.freshness import Received, State, due_day, judge
from quality.terms import DUE_WORKING_DAYS, TERMS_FILE, Policy, Terms, load_terms


def test_the_shipped_policy_says_what_we_propose(tmp_path: Path) -> None:
    assert load_terms(default_root()).policy == Policy(due_working_days=DUE_WORKING_DAYS)
    assert load_terms(tmp_path) == Terms()


def test_a_city_may_give_more_time(tmp_path: Path) -> None:
    (tmp_path / TERMS_FILE).write_text("due_working_days: {monthly: 8}\ndue_soon_days: 0\n", encoding="utf-8")
    terms = load_terms(tmp_path)
    assert due_day(Frequency.MONTHLY, date(2025, 6, 30)) == date(2025, 7, 7)
    assert due_day(Frequency.MONTHLY, date(2025, 6, 30), terms) == date(2025, 7, 10)
    assert due_day(Frequency.DAILY, date(2025, 6, 30), terms) == date(2025, 7, 1)
    received = [Received(datetime(2025, 6, 3, 4, tzinfo=UTC), date(2025, 5, 31))]
    noon = datetime(2025, 7, 9, 4, tzinfo=UTC)
    assert judge(Frequency.MONTHLY, received, noon).state is State.LATE
    assert judge(Frequency.MONTHLY, received, noon, terms).state is State.ON_TIME


@pytest.mark.parametrize(
    "text",
    [
        "due_working_days: {monthly: 0}",
        "due_working_days: {now_and_then: 3}",
        "days_to_correct: 0",
        "grace: 3",
    ],
)
def test_a_wrong_policy_is_refused_by_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / TERMS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=rf"{TERMS_FILE}:1"):
        load_terms(tmp_path)
