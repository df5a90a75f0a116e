"""A home to which every confidential resource was pushed with canaries in values, headers, file names and refused rows,
and what everybody but the bureau is told of it.

Here belong the pushes and the asking: of the gateway, the page, the query server, ``citylake quality``. What must not be
among the answers is in ``test_attack``.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, timedelta
from itertools import chain
from typing import Any, NamedTuple

import duckdb
import httpx
import polars as pl
import shapely
from fastapi import FastAPI
from fastapi.routing import APIRoute

from assets.build import Context
from catalog.base_model import load_bases
from catalog.model import Entry, Way
from lake import tokens
from lake.home import Home
from lake.landing import receive
from lake.ledger import Ledger, open_ledger
from pipelines import data_docs
from pipelines.dashboard import app as dashboard
from pipelines.dashboard.accounts import Role, open_accounts
from pipelines.definitions import assemble
from pipelines.gateway import app as gateway
from pipelines.remote import app as remote
from pipelines.remote.readers import open_readers
from pipelines.running import run, select
from tests.assets.city_of_canaries import Canary, canaries_of, confidential, rows_of
from tests.assets.readable import arrow_bytes, readable_bytes, unpacked

WAS = date(2026, 1, 5)
PASSWORD = "correct horse battery staple"
#: A department without a confidential resource: nothing of what was planted is its own.
OUTSIDER = "establishment_office"


class Attacked(NamedTuple):
    """The home after the pushes, what was planted, and what was said aloud meanwhile."""

    context: Context
    canaries: list[Canary]
    said: str

    @property
    def home(self) -> Home:
        """Where everything lies."""
        return self.context.home


def attack(context: Context) -> Attacked:
    """Push every confidential resource, and run everything that is made from it."""
    home, ledger, canaries = context.home, open_ledger(context.home), list[Canary]()
    for entry in confidential(context.catalogue):
        rows = rows_of(context.catalogue, entry)
        canaries += [*canaries_of(entry, rows), *_deliver(home, ledger, entry, rows)]
    canaries.append(_deliver_unreadable(home, ledger, confidential(context.catalogue)[0]))
    accounts = open_accounts(home)
    accounts.create("outsider", Role.DEPARTMENT, OUTSIDER, PASSWORD)
    accounts.create("insider", Role.DEPARTMENT, "civil_affairs", PASSWORD)
    accounts.create("auditor", Role.AUDITOR, None, PASSWORD)
    with listening() as lines:
        definitions = assemble(context)
        wanted = ("standard", "quarantine", "base", "theme", "shared", "open", "role", "ops")
        summary = run(home, definitions, select(definitions, wanted), lines.append)
    assert summary.success, summary.failed
    return Attacked(context, canaries, "\n".join(lines))


def _deliver(home: Home, ledger: Ledger, entry: Entry, rows: pl.DataFrame) -> list[Canary]:
    """Push the rows, one that must be refused, under a header and a file name that tell something of their own."""
    spoken = {
        place: Canary(entry.code, place, f"暗{place}{entry.code}暗", in_role_tables=False)
        for place in ("列名", "文件名", "错行", "错号")
    }
    table = rows.select(_written(rows, name) for name in entry.columns)
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


def _deliver_unreadable(home: Home, ledger: Ledger, entry: Entry) -> Canary:
    """Push a zip that must be refused whole, for a file that is called something of its own."""
    name, content = Canary(entry.code, "包内文件名", "暗包内文件名暗", in_role_tables=False), io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name.value}.csv", "no header of anything\n")
    archived = [content.getvalue()]
    receive(home, ledger, entry, archived, way=Way.FILE, filename="x.zip", data_format="zip", data_date=WAS)
    return name


def _written(rows: pl.DataFrame, name: str) -> pl.Series:
    """A column as a department writes it: shapes as text."""
    if rows.schema[name] != pl.Binary:
        return rows[name].cast(pl.String)
    shapes = shapely.from_wkb(rows[name].to_list())
    return pl.Series(name, [shapely.to_wkt(shape, rounding_precision=-1) for shape in shapes])


@contextmanager
def listening() -> Iterator[list[str]]:
    """Whatever any logger says meanwhile, with the traces of errors."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    ear, root = Ear(logging.INFO), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


def files_of_others(home: Home) -> bytes:
    """What the files say that are not the bureau's: Dagster's, logs, and the tables that others read."""
    open_to_some = [home.lake / layer for layer in ("open", "shared", "role", "ops")]
    return readable_bytes([home.dagster, home.root / "logs", *open_to_some, home.analyst])


def told_by_the_gateway(attacked: Attacked) -> bytes:
    """The gateway's answers, and what it logs, when a department asks for others' pushes and pushes what is not its own."""
    return asyncio.run(_asked_of_the_gateway(attacked.context))


async def _asked_of_the_gateway(context: Context) -> bytes:
    ledger = open_ledger(context.home)
    bearer = {"Authorization": f"Bearer {tokens.create(ledger, OUTSIDER, timedelta(hours=1), None)}"}
    answers = list[httpx.Response]()
    with listening() as lines:
        async with _client(gateway.create_app(context.home, context.catalogue), bearer) as client:
            for push in chain.from_iterable(
                ledger.history(entry.code) for entry in confidential(context.catalogue)
            ):
                pushes = f"/v1/resources/{push.resource}/pushes?data_date=2026-01-05"
                answers += [
                    await client.get(f"/v1/receipts/{push.id}"),
                    await client.get(f"/v1/receipts/{push.id}/reasons"),
                    await client.get(f"/v1/resources/{push.resource}"),
                    await client.get(f"/v1/resources/{push.resource}/template"),
                    await client.get(f"/v1/resources/{push.resource}/template.xlsx"),
                    await client.post(f"/v1/receipts/{push.id}/withdrawal", json={"reason": "not mine"}),
                    await client.post(pushes, content=b"a\n1\n"),
                    await client.post(f"{pushes}&dry_run=1", content=b"a\n1\n"),
                ]
    return _said(answers) + "\n".join(lines).encode()


def shown_by_the_page(context: Context, name: str) -> bytes:
    """Every page and download of the dashboard, as one person sees them, for every department, resource and push."""
    return asyncio.run(_asked_of_the_page(context, name))


async def _asked_of_the_page(context: Context, name: str) -> bytes:
    with listening() as lines:
        async with _client(dashboard.create_app(context)) as client:
            form = {"csrf": _token((await client.get("/login")).text), "name": name, "password": PASSWORD}
            assert (await client.post("/login", data=form)).status_code == 303
            answers = [await client.get(address) for address in addresses(context)]
    assert sum(answer.status_code == 200 for answer in answers) > 10
    return _said(answers) + "\n".join(lines).encode()


def addresses(context: Context) -> Iterator[str]:
    """Every address of the page that can be read, filled with everything that it may be filled with."""
    catalogue, ledger = context.catalogue, open_ledger(context.home)
    resources = [entry.code for entry in confidential(catalogue)]
    pushes = [push.id for code in resources for push in ledger.history(code)]
    fillings = {
        "/departments/{code}": catalogue.departments,
        "/resources/{code}": resources,
        "/receipts/{push_id}": pushes,
        "/bases/{code}": list(load_bases(catalogue)),
        "/rows/{table}": [
            *(f"standard.{code}" for code in resources),
            *(f"base.{name}" for name in context.lake.names("base")),
        ],
    }
    for route in chain.from_iterable(module.router.routes for module in dashboard.PAGES):
        if (
            not isinstance(route, APIRoute)
            or "GET" not in route.methods
            or route.path in ("/login", "/account")
        ):
            continue
        parameter = re.search(r"\{\w+\}", route.path)
        if parameter is None:
            yield route.path
            continue
        # an address of another kind is an error here, so that none goes unattacked
        (filled,) = (values for start, values in fillings.items() if route.path.startswith(start))
        yield from (route.path.replace(parameter[0], value) for value in filled)


def _token(form: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', form)
    assert found
    return found[1]


def answered_remotely(context: Context) -> bytes:
    """All views of the role's file, asked for over the network in both formats, and the answers to what may not be asked."""
    return asyncio.run(_asked_of_the_query_server(context))


async def _asked_of_the_query_server(context: Context) -> bytes:
    home = context.home
    bearer = {"Authorization": f"Bearer {open_readers(home).create('chen', 'analyst', timedelta(hours=1))}"}
    with duckdb.connect(str(home.analyst), read_only=True) as connection:
        views = connection.execute(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    selects = [f'SELECT * FROM "{schema}"."{view}"' for schema, view in views]
    forbidden = [
        f"SELECT * FROM read_parquet('{home.lake}/standard/*/*.parquet')",
        f"SELECT * FROM read_text('{home.lake}/standard/death_certificate/_delta_log/*.json')",
        f"ATTACH '{home.bureau}' AS bureau",
    ]
    said = list[bytes]()
    async with _client(remote.create_app(home, context.catalogue), bearer) as client:
        for number, sql in enumerate(selects + forbidden):
            # each format for half of the views: a process is started for every query
            how = "csv" if number % 2 else "arrow"
            answer = await client.post("/v1/query", json={"sql": sql, "format": how})
            assert answer.is_success == (sql in selects), answer.text
            said.append(
                arrow_bytes(answer.content) if answer.is_success and how == "arrow" else answer.content
            )
    return b"\n".join(said)


def data_docs_for_departments(context: Context) -> bytes:
    """Great Expectations' pages of every push, as they are shown outside the bureau."""
    ledger, resources = open_ledger(context.home), confidential(context.catalogue)
    pushes = [push for entry in resources for push in ledger.history(entry.code)]
    return "\n".join(data_docs.docs_page(context, push) for push in pushes).encode()


@asynccontextmanager
async def _client(app: FastAPI, headers: dict[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport: Any = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=300
    ) as client:
        yield client


def _said(answers: list[httpx.Response]) -> bytes:
    return b"\n".join(str(answer.headers).encode() + b"\n" + unpacked(answer.content) for answer in answers)
