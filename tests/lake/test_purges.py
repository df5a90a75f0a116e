"""Two persons, one reason, once: what may stand on a tombstone and who may have it set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lake.home import Home
from lake.purges import PurgeError, Purges, Step, is_purged, set_stone
from tests.pushes import a_push

PUSH = a_push(resource="sample", department="police", size=9, digest="ab12")


@pytest.fixture
def purges(tmp_path: Path) -> Purges:
    return Purges(Home.open(tmp_path))


def test_one_asks_another_confirms_and_what_went_is_kept(purges: Purges) -> None:
    asked = purges.ask(PUSH, reason="court order 2026-17", by="zhang")
    assert (asked.step, asked.digest, asked.size, asked.asked_by) == (Step.ASKED, "ab12", 9, "zhang")
    assert purges.confirm("p1", by="li").step is Step.CONFIRMED
    assert [stone.push for stone in purges.unfinished()] == ["p1"]
    done = purges.done("p1", {"files": 2})
    assert (done.step, done.removed, done.confirmed_by) == (Step.DONE, {"files": 2}, "li")
    assert purges.done("p1", {"files": 0}) == done, "what went is written down once"
    assert purges.unfinished() == []


def test_nobody_confirms_what_he_asked_for(purges: Purges) -> None:
    purges.ask(PUSH, reason="wrong city", by="zhang")
    with pytest.raises(PurgeError, match="another person"):
        purges.confirm("p1", by="zhang")
    assert purges.unfinished() == []


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001, "孙某某 441802198706157014", "call 13800138000"])
def test_a_reason_is_given_and_names_nobody(purges: Purges, reason: str) -> None:
    with pytest.raises(PurgeError):
        purges.ask(PUSH, reason=reason, by="zhang")
    assert purges.all() == []


def test_nothing_is_confirmed_that_nobody_asked_for_and_nothing_asked_twice(purges: Purges) -> None:
    with pytest.raises(PurgeError, match="nobody asked"):
        purges.confirm("p1", by="li")
    purges.ask(PUSH, reason="wrong", by="zhang")
    with pytest.raises(PurgeError, match="has been asked for"):
        purges.ask(PUSH, reason="wrong", by="wang")
    with pytest.raises(PurgeError, match="who it is"):
        purges.confirm("p1", by=" ")


def test_confirming_again_is_as_once_and_after_the_end_nobody_elses(purges: Purges) -> None:
    purges.ask(PUSH, reason="wrong", by="zhang")
    first = purges.confirm("p1", by="li")
    assert purges.confirm("p1", by="li") == first
    assert purges.confirm("p1", by="wang").confirmed_by == "li", "whoever resumes it is not who agreed"
    purges.done("p1", {})
    assert purges.confirm("p1", by="li").step is Step.DONE
    with pytest.raises(PurgeError, match="has been purged"):
        purges.confirm("p1", by="wang")


def test_a_stone_in_landing_names_who_and_why_and_no_value(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    stone = Purges(home).ask(PUSH, reason="wrong", by="zhang")
    assert not is_purged(home, "ab12")
    set_stone(home, Purges(home).confirm("p1", by="li"))
    assert is_purged(home, "ab12")
    told = json.loads((home.landing / ".purged" / "ab12").read_text(encoding="utf-8"))
    assert told["asked_by"], told["confirmed_by"] == ("zhang", "li")
    assert told["reason"] == stone.reason
    assert "a.csv" not in json.dumps(told)
