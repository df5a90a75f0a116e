"""What is recorded about promises is only added to, and an excuse is ruled on once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lake.home import Home
from lake.promises import ExcuseError, Promises, Step, excuse_of, open_promises

DAY = date(2026, 1, 5)


@pytest.fixture
def promises(tmp_path: Path) -> Promises:
    return open_promises(Home.open(tmp_path))


def give(promises: Promises, first: date = DAY, last: date = DAY) -> int:
    return promises.excuse("health", "birth_certificate", first, last, reason="停电", by="li")


def test_an_excuse_waits_until_it_is_ruled_on_and_is_ruled_on_once(promises: Promises) -> None:
    number = give(promises)
    (waiting,) = promises.excuses("health")
    assert (waiting.id, waiting.accepted, waiting.reason) == (number, None, "停电")
    promises.rule(number, accepted=False, reason="证据不足", by="zhang")
    (ruled,) = promises.excuses()
    assert (ruled.accepted, ruled.ruling, ruled.ruled_by) == (False, "证据不足", "zhang")
    with pytest.raises(ExcuseError, match="ruled on"):
        promises.rule(number, accepted=True, reason="改判", by="zhang")
    assert promises.excuses() == [ruled]
    assert promises.excuses("police") == []


def test_nothing_is_said_without_a_reason_or_of_no_excuse(promises: Promises) -> None:
    with pytest.raises(ExcuseError, match="reason"):
        promises.excuse("health", "birth_certificate", DAY, DAY, reason="  ", by="li")
    with pytest.raises(ExcuseError, match="before the first"):
        give(promises, DAY, date(2026, 1, 4))
    with pytest.raises(ExcuseError, match="no such excuse"):
        promises.rule(99, accepted=True, reason="?", by="zhang")
    with pytest.raises(ExcuseError, match="reason"):
        promises.rule(give(promises), accepted=True, reason="", by="zhang")


def test_of_several_excuses_for_a_deadline_the_accepted_one_speaks(promises: Promises) -> None:
    refused, accepted = give(promises), give(promises, DAY, date(2026, 1, 9))
    promises.rule(refused, accepted=False, reason="不足", by="zhang")
    promises.rule(accepted, accepted=True, reason="已核实", by="zhang")
    found = excuse_of(promises.excuses(), "birth_certificate", DAY)
    assert found is not None
    assert found.id == accepted
    assert excuse_of(promises.excuses(), "birth_certificate", date(2026, 1, 12)) is None
    assert excuse_of(promises.excuses(), "death_certificate", DAY) is None
    assert excuse_of(promises.excuses(), "birth_certificate", None) is None


def test_measures_are_told_newest_first(promises: Promises) -> None:
    promises.take(Step.NOTICE, "health", ["birth_certificate"], correct_by=DAY, by="zhang")
    promises.take(Step.REPORTED, "health", ["birth_certificate"], correct_by=None, by="zhang")
    assert [measure.step for measure in promises.measures("health")] == [Step.REPORTED, Step.NOTICE]
    assert promises.measures()[1].correct_by == DAY
    assert promises.measures()[1].resources == ["birth_certificate"]
    assert promises.measures("police") == []
