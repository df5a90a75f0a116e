"""The README's main command, as a newcomer runs it: a city in a temporary home, from the outside only.

Everything here goes through the ``citylake`` command, the gateway's port and the files on disk.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from catalog.elements.check_digits import resident_check
from pipelines.services import free_port

pytestmark = pytest.mark.e2e
PEOPLE = 1_000
PATIENCE_SECONDS = 900


class Citylake:
    """The command line over one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "CITYLAKE_HOME": str(home), "COLUMNS": "160"}
        self.command = [str(Path(sys.executable).with_name("citylake"))]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        assert not done.stderr, f"{arguments} complains: {done.stderr}"
        return done.stdout

    def sql(self, query: str, *options: str) -> pl.DataFrame:
        return pl.read_csv(io.StringIO(self.run("sql", query, "--format", "csv", *options)))

    def truth(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.home / "demo/truth" / f"{name}.parquet")


@pytest.fixture(scope="module")
def citylake() -> Iterator[Citylake]:
    # not among pytest's own folders, which it closes: the exchange database may run as another user
    with tempfile.TemporaryDirectory(prefix="citylake-") as folder:
        yield Citylake(Path(folder) / "home")


@pytest.fixture(scope="module")
def told(citylake: Citylake) -> str:
    """What the demo printed."""
    return citylake.run("demo", "--people", str(PEOPLE))


def test_it_ends_with_numbers_and_three_commands_to_try(told: str) -> None:
    closing = told[told.index("4/4") :]
    assert re.search(r"person [\d,]+", closing)
    assert re.search(r"enterprise_360 [\d,]+", closing)
    assert len(re.findall(r"^  citylake ", closing, re.MULTILINE)) == 3


def test_every_row_delivered_is_in_standard_or_in_quarantine(citylake: Citylake, told: str) -> None:
    expected = citylake.truth("expected").sort("resource")
    states = {state["resource"]: state for state in json.loads(citylake.run("status", "--json"))}
    for resource, delivered, quarantined in expected.iter_rows():
        state = states[resource]
        assert state["rows_standard"] + state["rows_quarantined"] == delivered, resource
        assert state["rows_quarantined"] == quarantined, resource


def test_status_lists_every_resource_with_its_state(citylake: Citylake, told: str) -> None:
    states = json.loads(citylake.run("status", "--json"))
    listed = json.loads(citylake.run("catalogue", "list", "--json"))
    assert [state["resource"] for state in states] == [entry["resource"] for entry in listed]
    known = {"on_time", "due_soon", "late", "never", "held", "irregular"}
    assert {state["state"] for state in states} <= known
    assert {"on_time", "never"} <= {state["state"] for state in states}


@pytest.mark.parametrize(
    ("table", "identifier", "truth", "source"),
    [
        ("base.person", "resident_id", "people", "household_register"),
        ("base.legal_entity", "credit_code", "organisations", "business_registration"),
        ("base.licence", "licence_id", "licences", "electronic_licence"),
    ],
)
def test_base_databases_hold_whom_the_truth_holds(
    citylake: Citylake, told: str, table: str, identifier: str, truth: str, source: str
) -> None:
    """Nobody who does not exist, and all but those whose rows were spoilt."""
    # guests are not the city's people: they have no number, or one of Hong Kong's
    own = f"{identifier} is not null and {identifier} not like '810000%'"
    asked = f"select {identifier} || '' as id from {table} where {own}"
    found = citylake.sql(asked, "--bureau")["id"]
    real = citylake.truth(truth)[identifier].drop_nulls()
    assert found.is_unique().all()
    assert not set(map(str, found)) - set(real), f"{table} holds some who are not in the truth"
    spoilt = citylake.truth("expected").filter(resource=source)["quarantined"].item()
    assert real.n_unique() - len(found) <= spoilt
    assert citylake.sql(f"select count(*) as n from {table}")["n"][0] >= len(found), "the analyst sees it too"


def test_the_analyst_finds_the_divisions(citylake: Citylake, told: str) -> None:
    by_level = citylake.sql("select level, count(*) as n from base.division group by level order by level")
    assert by_level["n"].sum() > 0


def test_the_analysts_file_holds_no_resident_id(citylake: Citylake, told: str) -> None:
    ids = citylake.truth("people")["resident_id"].head(50)
    shown = citylake.run("sql", "select * from base.person", "--format", "csv")
    assert not [number for number in ids if number in shown]


def test_licences_are_verified_by_their_files(citylake: Citylake, told: str) -> None:
    """The two that every city leaves to try: one in force, and the same with one byte changed."""
    genuine, altered = (citylake.home / "demo/licences" / f"{name}.txt" for name in ("genuine", "altered"))
    differing = [a != b for a, b in zip(genuine.read_bytes(), altered.read_bytes(), strict=True)]
    assert sum(differing) == 1
    assert "✓ 有效" in citylake.run("licence", "verify", "--file", str(genuine))
    with pytest.raises(AssertionError, match="文件可能被改动"):
        citylake.run("licence", "verify", "--file", str(altered))


@pytest.mark.slow
def test_a_second_demo_works_and_changes_nothing(citylake: Citylake, told: str) -> None:
    query = "select count(*) as n, sum(hash(person_id)) as ids from base.person"
    before = citylake.sql(query, "--bureau")
    again = citylake.run("demo", "--people", str(PEOPLE))
    assert "4/4" in again
    assert "25 个新推送" not in again
    assert citylake.sql(query, "--bureau").equals(before)


@pytest.fixture
def services(citylake: Citylake, told: str) -> Iterator[tuple[str, str]]:
    """The gateway's and Dagster's addresses, while ``citylake up`` runs."""
    gateway, page, dagster = free_port(), free_port(), free_port()
    ports = {"--gateway-port": gateway, "--page-port": page, "--dagster-port": dagster}
    process = subprocess.Popen(
        [*citylake.command, "up", *(str(word) for option in ports.items() for word in option)],
        env=citylake.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        assert process.poll() is None, "citylake up ended by itself"
        yield f"http://127.0.0.1:{gateway}", f"http://127.0.0.1:{dagster}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.stdout.close()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{gateway}/healthz")


@pytest.mark.slow
def test_a_push_through_the_gateway_reaches_the_base_database_by_itself(
    citylake: Citylake, services: tuple[str, str]
) -> None:
    gateway, dagster = services
    assert httpx.get(f"{dagster}/server_info").is_success
    token = citylake.run("token", "create", "civil_affairs").split()
    bearer = next(word for word in token if len(word) > 30)
    man, woman = (resident(serial) for serial in (998, 999))
    row = {
        "certificate_no": "J441802-2026-999999",
        "kind": "结婚",
        "man_id": man,
        "man_name": "试一",
        "woman_id": woman,
        "woman_name": "试二",
        "registered_on": "2024-05-20",
    }
    answer = httpx.post(
        f"{gateway}/v1/resources/marriage/pushes",
        content=json.dumps(row).encode(),
        params={"data_date": "2024-05-20"},
        headers={
            "Authorization": f"Bearer {bearer}",
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": "one",
        },
    )
    assert answer.status_code == 201
    receipt = answer.json()["receipt"]
    query = f"select count(*) as n from base.person where resident_id in ('{man}', '{woman}')"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while citylake.sql(query, "--bureau")["n"][0] < 2:
        assert time.monotonic() < deadline, "the push did not reach base.person"
        time.sleep(2)
    told = httpx.get(f"{gateway}/v1/receipts/{receipt}", headers={"Authorization": f"Bearer {bearer}"}).json()
    assert (told["state"], told["rows"], told["accepted"]) == ("applied", 1, 1)


def resident(serial: int) -> str:
    body = f"44180219010101{serial:03d}"
    return body + str(resident_check(pl.Series([body]))[0])
