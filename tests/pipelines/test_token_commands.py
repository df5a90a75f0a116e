"""Tokens by the command line: for some of a department's resources only, exchanged without interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lake import tokens
from lake.home import Home
from lake.ledger import LedgerError, open_ledger
from pipelines.cli import app
from pipelines.delivering import new_token


def test_a_token_is_for_the_resources_named_and_so_is_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYLAKE_HOME", str(tmp_path))
    command = ["token", "create", "civil_affairs", "--resource", "cremation"]
    first = CliRunner().invoke(app, command).stdout.strip()
    second = CliRunner().invoke(app, ["token", "rotate", first.split("_")[1]]).stdout.strip()
    ledger = open_ledger(Home.open(tmp_path))
    for token in (first, second):
        bearer = tokens.bearer_of(ledger, token)
        assert bearer
        assert (bearer.may_push("cremation"), bearer.may_push("marriage")) == (True, False)


def test_a_token_is_made_for_no_resource_of_another(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="not the source of household_register"):
        new_token(Home.open(tmp_path), "civil_affairs", 30, ["cremation", "household_register"])
