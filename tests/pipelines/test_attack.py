"""The attack on the way in: canaries in values, headers, file names and bad rows of real pushes, sought in whatever the
pipeline leaves for others than the bureau and the sender: Dagster's storage and logs, progress, answers and logs of
the gateway, tables of ``ops``, products, role copies, the analyst's file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import NamedTuple

import dagster as dg
import httpx
import polars as pl
import pytest

from catalog.load import load
from catalog.model import Entry, Way
from lake import tokens
from lake.home import Home
from lake.landing import receive
from lake.ledger import Ledger, open_ledger
from pipelines.definitions import assemble, open_context
from pipelines.gateway import app
from pipelines.instance import instance
from pipelines.running import run, select
from tests.assets.city_of_canaries import Canary, canaries_of, found, readable_bytes, rows_of

#: The tightest of every kind: not shared at all, by column, conditional; of five departments.
PUSHED = ("death_certificate", "pension_payment", "household_register", "subsidy_payment", "cremation")
WAS = date(2026, 1, 5)
pytestmark = pytest.mark.slow


class Attacked(NamedTuple):
    """The home after the pushes, what was planted, and what everybody was told."""

    home: Home
    canaries: list[Canary]
    told: str


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    home, catalogue = Home.open(tmp_path_factory.mktemp("attacked")), load()
    ledger, canaries = open_ledger(home), []
    for number, code in enumerate(PUSHED):
        entry = catalogue.entry(code)
        rows = rows_of(catalogue, entry, number)
        canaries += [*canaries_of(entry, rows), *_deliver(home, ledger, entry, rows)]
    with listening() as lines:
        materialise(home, lines, "standard", "base", "shared", "open", "role", "ops")
        lines.extend(asyncio.run(answers_to_another(home)))
    return Attacked(home, canaries, "\n".join(lines))


def materialise(home: Home, lines: list[str], *words: str) -> None:
    """Run these assets, and keep the progress that is told."""
    definitions = assemble(open_context(home))
    run(home, definitions, select(definitions, words), lines.append)


def _deliver(home: Home, ledger: Ledger, entry: Entry, rows: pl.DataFrame) -> list[Canary]:
    """Push the rows, one that must be refused, under a header and a file name that tell something of their own."""
    spoken = {
        place: Canary(entry.code, place, f"暗{place}{entry.code}暗", in_role_tables=False)
        for place in ("列名", "文件名", "错行", "错号")
    }
    table = rows.select(pl.col(name).cast(pl.String) for name in entry.columns)
    bad = table.head(1).with_columns(
        # a key that is no key refuses the row; every other text of it is a canary of its own
        pl.lit(spoken["错号" if name in entry.delivery.key else "错行"].value).alias(name)
        for name in entry.columns
    )
    pushed = pl.concat([table, bad]).with_columns(pl.lit("额外").alias(spoken["列名"].value))
    receive(
        home,
        ledger,
        entry,
        [pushed.write_csv().encode()],
        way=Way.FILE,
        filename=f"{spoken['文件名'].value}.csv",
        data_format="csv",
        data_date=WAS,
    )
    return list(spoken.values())


@contextmanager
def listening() -> Iterator[list[str]]:
    """Whatever any logger says meanwhile."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    ear, root = Ear(logging.INFO), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


async def answers_to_another(home: Home) -> list[str]:
    """What the gateway says to a department that asks for another's pushes, and pushes what is not its own."""
    catalogue, ledger = load(), open_ledger(home)
    bearer = {"Authorization": f"Bearer {tokens.create(ledger, 'education', timedelta(hours=1), None)}"}
    said = []
    transport = httpx.ASGITransport(app.create_app(home, catalogue), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=bearer) as client:
        for push in [push for code in PUSHED for push in ledger.history(code)]:
            asked = [
                await client.get(f"/v1/receipts/{push.id}"),
                await client.get(f"/v1/receipts/{push.id}/reasons"),
                await client.get(f"/v1/resources/{push.resource}"),
                await client.get(f"/v1/resources/{push.resource}/template"),
                await client.post(f"/v1/receipts/{push.id}/withdrawal", json={"reason": "not mine"}),
                await client.post(
                    f"/v1/resources/{push.resource}/pushes?data_date=2026-01-05", content=b"a\n1\n"
                ),
            ]
            said += [f"{answer.headers}\n{answer.text}" for answer in asked]
    return said


def seen_by_others(home: Home) -> bytes:
    """What the files say that are nobody's own: Dagster's, logs, and the tables that others than the bureau read."""
    lake = home.lake
    open_to_some = [lake / "open", lake / "shared", lake / "role", lake / "ops", home.analyst]
    return readable_bytes([home.dagster, home.root / "logs", *open_to_some])


def test_canaries_stand_where_they_were_pushed(attacked: Attacked) -> None:
    """The search works, and every row and name came in."""
    planted = [canary.value for canary in attacked.canaries]
    bureau = readable_bytes([attacked.home.landing, attacked.home.lake / "standard"])
    assert {canary.value for canary in found(attacked.canaries, bureau)} == set(planted)
    assert len(planted) > 60


def test_nothing_of_a_push_is_left_where_others_look(attacked: Attacked) -> None:
    hidden = [canary for canary in attacked.canaries if not canary.in_role_tables]
    assert found(hidden, seen_by_others(attacked.home)) == []
    # what a role may see stands in its tables, and in nothing that is told
    assert (
        found(attacked.canaries, readable_bytes([attacked.home.dagster, attacked.home.root / "logs"])) == []
    )
    assert found(attacked.canaries, attacked.told.encode()) == []


def test_a_gateway_that_tells_everybody_is_found(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack can fail: a department that may ask for another's receipt learns the file's name and reasons."""
    monkeypatch.setattr(app, "_own_push", lambda home, push_id, _: open_ledger(home).get(push_id))
    assert found(attacked.canaries, "\n".join(asyncio.run(answers_to_another(attacked.home))).encode())


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
