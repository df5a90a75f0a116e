"""A purge runs on the word of two officers who have proved who they are, alone, and is finished by the daemon else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets import purge
from catalog.load import load
from lake.home import Home
from lake.ledger import PushState
from lake.purges import PurgeError, Purges
from pipelines import purging
from pipelines.dashboard.accounts import Role, new_account, open_accounts
from tests.assets.office import Office, office

PASSWORD = "correct horse battery staple"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(purge, "all_builds", lambda _: [])
    here = office(tmp_path, replace(load(), root=tmp_path), "upsert")
    here.push([(1, "a")])
    return here


def test_an_officer_is_of_the_bureau_and_has_a_password_of_his_own(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    accounts = open_accounts(home)
    accounts.create("zhang", Role.BUREAU, None, PASSWORD)
    accounts.create("li", Role.DEPARTMENT, "police", PASSWORD)
    first = new_account(home, "wang", Role.BUREAU, None)
    assert purging.officer(home, "zhang", PASSWORD) == "zhang"
    for name, password in (
        ("zhang", "wrong password 1"),
        ("li", PASSWORD),
        ("nobody", PASSWORD),
        ("wang", first),
    ):
        with pytest.raises(PurgeError):
            purging.officer(home, name, password)


def test_a_purge_is_a_run_of_its_own_and_waits_for_no_other(here: Office) -> None:
    push = here.ledger.history("sample")[0]
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patched:
        patched.setattr(purging, "instance", lambda _: instance)
        purge.request(here.context, push.id, reason="wrong", by="zhang")
        busy = instance.create_run_for_job(
            purging.purge_job(here.context), status=dg.DagsterRunStatus.STARTED
        )
        with pytest.raises(PurgeError, match="under way"):
            purging.confirm(here.context, push.id, by="li", say=lambda _: None)
        assert Purges(here.context.home).unfinished() == []
        instance.delete_run(busy.run_id)
        assert purging.confirm(here.context, push.id, by="li", say=lambda _: None).done_at
        assert [run.job_name for run in instance.get_runs()] == ["purge"]
    assert here.ledger.get(push.id).state is PushState.PURGED


def test_the_daemon_finishes_what_was_agreed_to(here: Office) -> None:
    push = here.ledger.history("sample")[0]
    sensor = purging.purge_sensor(here.context)
    with dg.DagsterInstance.ephemeral() as instance:
        purge.request(here.context, push.id, reason="wrong", by="zhang")
        told = [sensor.evaluate_tick(dg.build_sensor_context(instance)).run_requests]
        Purges(here.context.home).confirm(push.id, by="li")
        told.append(sensor.evaluate_tick(dg.build_sensor_context(instance)).run_requests)
        assert [len(requests) for requests in told] == [0, 1]
        assert purging.purge_job(here.context).execute_in_process(instance=instance).success
        assert not sensor.evaluate_tick(dg.build_sensor_context(instance)).run_requests
    assert here.words() == []
