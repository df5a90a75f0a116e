"""Alerts: a held push reaches the webhook, with codes and counts only, and a deaf webhook stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog.load import load
from catalog.model import Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import PushState, open_ledger
from pipelines.alerts import alert
from pipelines.definitions import assemble, open_context
from tests.pipelines import loopback

NAME = "试推送人"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The messages that a local webhook got."""
    with loopback.webhook() as (address, got):
        monkeypatch.setenv("CITYLAKE_WEBHOOK_URL", address)
        yield got


def test_a_held_push_is_told_without_a_value_out_of_a_row(
    tmp_path: Path, webhook: list[dict[str, Any]]
) -> None:
    home, entry = Home.open(tmp_path), load().entry("cremation")
    ledger = open_ledger(home)
    header = ",".join(entry.columns)
    row = ",".join(NAME if name == "name" else "?" for name in entry.columns)
    push = receive(
        home,
        ledger,
        entry,
        [f"{header}\n{row}\n".encode()],
        way=Way.FILE,
        filename="bad.csv",
        data_format="csv",
        data_date=date(2026, 1, 1),
    )
    job = assemble(open_context(home)).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        keys = [dg.AssetKey(["standard", entry.code]), dg.AssetKey(["quarantine", entry.code])]
        # the held push is all there is of it: what builds on it waits, so the run ends as failed
        run = job.execute_in_process(asset_selection=keys, instance=instance, raise_on_error=False)
        assert not run.success
    assert ledger.get(push.id).state is PushState.HELD
    assert webhook == [{"event": "push held", "resource": entry.code, "push": push.id, "rows": 1}]
    assert NAME not in json.dumps(webhook, ensure_ascii=False)


def test_without_a_webhook_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYLAKE_WEBHOOK_URL", raising=False)
    assert not alert("run failed", run="r")


def test_a_webhook_that_does_not_answer_is_logged_without_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CITYLAKE_WEBHOOK_URL", "http://127.0.0.1:9/secret-token")
    assert not alert("run failed", run="r")
    assert "run failed" in caplog.text
    assert "secret-token" not in caplog.text
