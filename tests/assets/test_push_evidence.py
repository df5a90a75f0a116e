"""A push is shown by the rules by which it was judged, whatever the catalogue says since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assets.push_evidence import entry_of, masked_evidence
from assets.stewardship import publish_stewardship
from catalog.load import Catalogue
from catalog.model import Entry
from lake.entries import EntryGoneError
from pipelines.verdicts import verdict
from tests.assets.office import CODE, Office, office


@pytest.fixture
def edited(tmp_path: Path, shipped: Catalogue) -> Office:
    """A push with a word that is not allowed; since then the word has another name, and nothing says which are allowed."""
    here = office(tmp_path, shipped, "upsert")
    here.push([(1, "a"), (2, "?")])
    document = here.entry.model_dump(mode="json")
    columns = {"no": document["columns"]["no"], "term": document["columns"]["word"] | {"values": []}}
    entry = Entry.model_validate(document | {"version": 2, "columns": columns})
    catalogue = Catalogue(**{**vars(here.context.catalogue), "entries": {CODE: entry}})
    return Office(replace(here.context, catalogue=catalogue), here.ledger, entry)


def test_a_push_is_shown_by_the_rules_of_its_time(edited: Office) -> None:
    [push] = edited.ledger.history(CODE)
    assert entry_of(edited.context, push).version == 1
    shown = masked_evidence(edited.context, push)
    assert (shown.failures["word.values"], shown.nulls["word"]) == (1, 0)
    [failed] = verdict(edited.context, edited.entry).failed
    assert (failed.rule, failed.rows) == ("word.values", 1)


def test_no_rule_is_said_to_be_met_that_there_was_not(edited: Office) -> None:
    publish_stewardship(edited.context)
    told = dict(edited.context.lake.scan("ops", "rule").select("rule", "met").collect().iter_rows())
    assert told["word.values"] is False
    assert not any(rule.startswith("term.") for rule in told)


def test_of_an_entry_that_is_not_understood_nothing_is_said(edited: Office) -> None:
    [push] = edited.ledger.history(CODE)
    with edited.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET content = '{}'")
    with pytest.raises(EntryGoneError):
        masked_evidence(edited.context, push)
    publish_stewardship(edited.context)
    assert edited.context.lake.rows("ops", "rule") == 0
