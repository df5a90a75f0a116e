"""The attack on the way in: canaries in values, headers, file names and refused rows of every confidential resource, sought
in whatever others than the bureau can read or ask for: Dagster's storage and logs, progress, the gateway's answers and
logs, every page and worklist of the dashboard, Data Docs, answers to remote queries, tables of ``ops``, products, role
copies, the analyst's file."""

from __future__ import annotations

import logging
from collections import Counter

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.build import Context
from catalog.load import load
from lake.home import Home
from lake.ledger import PushState, open_ledger
from lake.tables import Lake
from pipelines import data_docs
from pipelines.cli import app
from pipelines.dashboard import visits
from pipelines.gateway import app as gateway
from pipelines.instance import instance
from pipelines.remote import app as remote
from tests.assets.city_of_canaries import Canary, confidential
from tests.assets.readable import found, readable_bytes
from tests.pipelines.way_in import (
    Attacked,
    answered_remotely,
    attack,
    data_docs_for_departments,
    files_of_others,
    listening,
    shown_by_the_page,
    told_by_the_gateway,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    home = Home.open(tmp_path_factory.mktemp("attacked"))
    return attack(Context(home, Lake(home.lake), load()))


def hidden(attacked: Attacked) -> list[Canary]:
    """What not even a role may see."""
    return [canary for canary in attacked.canaries if not canary.in_role_tables]


def test_canaries_stand_where_they_were_pushed(attacked: Attacked) -> None:
    """The search works, and every row and name came in."""
    context, names = attacked.context, {"列名", "文件名", "包内文件名"}
    landed = readable_bytes([context.home.landing, context.home.root / "operations.db"])
    kept = readable_bytes(context.lake.root / layer for layer in ("standard", "quarantine"))
    for canaries, where in (
        ([canary for canary in attacked.canaries if canary.column in names], landed),
        ([canary for canary in attacked.canaries if canary.column not in names], kept),
    ):
        assert found(canaries, where) == canaries
    for entry in confidential(context.catalogue):
        history = open_ledger(context.home).history(entry.code)
        (push,) = [push for push in history if push.state is not PushState.REFUSED]
        assert (push.state, push.rejected) == (PushState.APPLIED, 1), entry.code
        assert push.accepted == context.lake.rows("standard", entry.code)


def test_nothing_of_a_push_is_left_in_others_files(attacked: Attacked) -> None:
    assert found(hidden(attacked), files_of_others(attacked.home)) == []
    # what a role may see stands in its tables, and in nothing that is told
    assert (
        found(attacked.canaries, readable_bytes([attacked.home.dagster, attacked.home.root / "logs"])) == []
    )
    assert found(attacked.canaries, attacked.said.encode()) == []


def test_the_gateway_tells_another_department_nothing(attacked: Attacked) -> None:
    assert found(attacked.canaries, told_by_the_gateway(attacked)) == []


@pytest.mark.parametrize("name", ["outsider", "auditor"])
def test_the_page_shows_others_nothing(attacked: Attacked, name: str) -> None:
    shown = shown_by_the_page(attacked.context, name)
    assert found(attacked.canaries, shown) == []
    # an auditor reads why the zip was refused, without what its files are called
    assert ("按名称排序的第 1 个文件".encode() in shown) is (name == "auditor")


def test_a_department_finds_its_own_rows_in_its_worklist_and_nobody_elses(attacked: Attacked) -> None:
    mine = {entry.code for entry in attacked.context.catalogue.of_department("civil_affairs")}
    seen = found(attacked.canaries, shown_by_the_page(attacked.context, "insider"))
    assert {canary.resource for canary in seen if canary.column == "错行"} == mine & {
        canary.resource for canary in attacked.canaries
    }
    own = {canary.value for canary in attacked.canaries if canary.resource in mine}
    assert [canary for canary in seen if canary.value not in own] == []


def test_data_docs_beyond_the_bureau_hold_no_value(attacked: Attacked) -> None:
    assert found(attacked.canaries, data_docs_for_departments(attacked.context)) == []


def test_remote_answers_hold_what_the_role_may_see(attacked: Attacked) -> None:
    answers = answered_remotely(attacked.context)
    assert found(hidden(attacked), answers) == []
    assert found(attacked.canaries, answers), (
        "a role sees conditional values as they are where its masks keep them"
    )


def test_a_page_that_shows_everybody_is_found(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits.Visit, "sees_values", lambda *_: True)
    monkeypatch.setattr(visits.Visit, "require_department", lambda _, code: code)
    seen = found(attacked.canaries, shown_by_the_page(attacked.context, "outsider"))
    assert {canary.resource for canary in seen} == {canary.resource for canary in attacked.canaries}


def test_an_auditor_who_is_shown_values_is_found(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits.Visit, "sees_values", lambda *_: True)
    assert found(attacked.canaries, shown_by_the_page(attacked.context, "auditor"))


def test_a_query_server_over_the_bureaus_file_is_found(
    attacked: Attacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "role_file", lambda home, _: home.bureau)
    assert found(hidden(attacked), answered_remotely(attacked.context))


def test_data_docs_that_name_a_file_are_found(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(canary for canary in attacked.canaries if canary.column == "文件名")
    page = data_docs.page
    monkeypatch.setattr(
        data_docs, "page", lambda found, heading, **how: page(found, f"{heading} {name.value}.csv", **how)
    )
    docs = data_docs_for_departments(attacked.context)
    assert found(attacked.canaries, docs) == [name]


def test_a_log_that_quotes_a_row_is_found(attacked: Attacked) -> None:
    bad = next(canary for canary in attacked.canaries if canary.column == "错行")
    with listening() as lines:
        logging.getLogger("assets.standard").warning("refused: %s", bad.value)
    assert found(attacked.canaries, "\n".join(lines).encode()) == [bad]


def test_dagsters_storage_is_read_as_it_is_written(attacked: Attacked) -> None:
    """A value in a step's metadata would be found in the database that Dagster keeps."""
    bad = next(canary for canary in attacked.canaries if canary.column == "文件名")
    event = dg.AssetMaterialization("leak", metadata={"file": bad.value})
    instance(attacked.home).report_runless_asset_event(event)
    assert bad in found(attacked.canaries, readable_bytes([attacked.home.dagster]))


def test_a_gateway_that_tells_everybody_is_found(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A department that may ask for another's receipt learns the file's name and reasons (and takes pushes back)."""
    monkeypatch.setattr(gateway, "_own_push", lambda home, push_id, _: open_ledger(home).get(push_id))
    assert found(attacked.canaries, told_by_the_gateway(attacked))


def test_what_a_withdrawn_push_brought_is_in_no_copy_when_the_command_ends(
    attacked: Attacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last, since it changes the city. A role was shown some of the resource's values as they are."""
    home = attacked.home
    seen = Counter(canary.resource for canary in found(attacked.canaries, files_of_others(home)))
    [(resource, _)] = seen.most_common(1)
    history = open_ledger(home).history(resource)
    (push,) = [push for push in history if push.state is PushState.APPLIED]
    monkeypatch.setenv("CITYLAKE_HOME", str(home.root))
    done = CliRunner().invoke(app, ["withdraw", push.id, "--reason", "wrong file", "--by", "chen"])
    assert done.exit_code == 0, done.output
    copies = [home.lake / layer for layer in ("open", "shared", "role", "ops")]
    assert (
        found([canary for canary in attacked.canaries if canary.resource == resource], readable_bytes(copies))
        == []
    )
