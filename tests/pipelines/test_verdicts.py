"""``citylake quality``: the ledger's counts as failed rules, a trend, and Great Expectations' own result."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from assets.build import Context
from assets.push_evidence import ledger_evidence
from catalog.load import load
from catalog.model import Dimension, Entry, Way
from lake.landing import receive
from lake.ledger import Ledger, PushState, open_ledger
from pipelines.verdicts import as_record, newest_judged, tables, verdict
from quality.plan import compile_entry
from quality.results import results
from tests.assets.small_lake import open_lake


@pytest.fixture(scope="module")
def entry() -> Entry:
    return load().entry("marriage")


@pytest.fixture
def city(tmp_path: Path) -> Context:
    return open_lake(tmp_path, load())


@pytest.fixture
def ledger(city: Context, entry: Entry) -> Ledger:
    """Three pushes: one clean, one refused (which was never judged), one with bad rows."""
    home, ledger = city.home, open_ledger(city.home)
    counts = {
        1: (PushState.APPLIED, 100, 100, 0, {}),
        2: (PushState.REFUSED, 0, 0, 0, {}),
        3: (PushState.APPLIED, 100, 90, 10, {"man_id.required": 4, "kind.values": 6, "registry.length": 1}),
    }
    for day, (state, rows, accepted, rejected, failures) in counts.items():
        push = receive(
            home,
            ledger,
            entry,
            [b"x"],
            way=Way.API,
            filename="push.csv",
            data_format="csv",
            data_date=date(2026, 1, day),
        )
        ledger.settle(push.id, state, rows=rows, accepted=accepted, rejected=rejected, failures=failures)
    return ledger


def test_the_last_judged_push_is_told_rule_by_rule_the_worst_first(
    city: Context, ledger: Ledger, entry: Entry
) -> None:
    found = verdict(city, entry)
    assert [(rule.rule, rule.rows, rule.severity.value) for rule in found.failed] == [
        ("kind.values", 6, "reject"),
        ("man_id.required", 4, "reject"),
        ("registry.length", 1, "warn"),
    ]
    assert all(rule.reason_zh and rule.reason_en for rule in found.failed)


def test_the_trend_holds_what_was_judged_and_its_scores(city: Context, ledger: Ledger, entry: Entry) -> None:
    first, last = verdict(city, entry).trend
    assert (first.passed, last.passed) == (1.0, 0.9)
    required = sum(rule.dimension is Dimension.COMPLETENESS for rule in compile_entry(entry).rules)
    assert last.dimensions[Dimension.COMPLETENESS] == pytest.approx(1 - 0.04 / required)
    assert last.dimensions[Dimension.TIMELINESS] is None, "not assessed is not full marks"
    assert [push.data_date for push in verdict(city, entry, pushes=1).trend] == [date(2026, 1, 3)]


def test_it_can_be_written_as_json_and_as_tables(city: Context, ledger: Ledger, entry: Entry) -> None:
    found = verdict(city, entry)
    record = json.loads(json.dumps(as_record(found)))
    assert record["trend"][1]["rejected"] == 10
    assert [table.row_count for table in tables(found)] == [3, 2]


def test_it_becomes_great_expectations_own_result(ledger: Ledger, entry: Entry) -> None:
    newest = newest_judged(ledger, entry)
    assert newest is not None
    found = results(compile_entry(entry), ledger_evidence(newest))
    assert not found.success
    assert found.statistics["unsuccessful_expectations"] == 3
    [failed] = [
        one
        for one in found.results
        if one.expectation_config.kwargs.get("column") == "kind" and not one.success
    ]
    assert failed.result["unexpected_count"] == 6
    assert failed.result["unexpected_percent"] == pytest.approx(6.0)


def test_a_resource_that_never_pushed_has_no_verdict(city: Context, entry: Entry) -> None:
    assert verdict(city, entry).trend == []
    assert newest_judged(open_ledger(city.home), entry) is None
