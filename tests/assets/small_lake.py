"""A lake of a few rows, written by hand: what the tests of base and theme tables build from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from assets.base import life
from assets.base.inputs import SYSTEM_SCHEMA
from assets.build import Build, Built, Context
from catalog.base_model import load_bases
from catalog.elements.check_digits import resident_check
from catalog.load import Catalogue
from lake.home import Home
from lake.tables import Lake
from quality.plan import content_schema

Row = Mapping[str, Any]


def open_lake(root: Path, catalogue: Catalogue) -> Context:
    """An empty lake under ``root``."""
    home = Home.open(root)
    return Context(home, Lake(home.lake), catalogue)


def resident(serial: int, born: str = "19870615", division: str = "441802") -> str:
    """A valid resident id."""
    body = f"{division}{born}{serial:03d}"
    return body + str(resident_check(pl.Series([body]))[0])


def put(
    context: Context, resource: str, *rows: Row, push: str = "p1", on: date = date(2026, 1, 1), hour: int = 1
) -> None:
    """Add rows to a resource's standard table as one push; what a row does not name is null."""
    entry = context.catalogue.entry(resource)
    schema = {**content_schema(entry), **SYSTEM_SCHEMA}
    stamps = {"_push": push, "_data_date": on, "_received_at": datetime(2026, 1, 2, hour, tzinfo=UTC)}
    full = [
        {name: row.get(name) for name in schema}
        | stamps
        | {"_row": number, "_row_hash": number, "_warnings": []}
        for number, row in enumerate(rows, start=1)
    ]
    unknown = {name for row in rows for name in row} - set(schema)
    if unknown:
        msg = f"{resource} has no {unknown}"
        raise KeyError(msg)
    context.lake.append("standard", resource, pl.DataFrame(full, schema=schema), transaction=push)


def build_all(context: Context, builds: list[Build], *names: str) -> dict[tuple[str, str], Built]:
    """Run the recipes that make these tables (all where none is named), in their order."""
    wanted = [build for build in builds if not names or any(name in names for _, name in build.makes)]
    return {build.makes[0]: build.run(context) for build in wanted}


def one(context: Context, layer: str, name: str, **where: Any) -> dict[str, Any]:
    """The only row of a table with these values."""
    rows = context.lake.scan(layer, name).filter(**where).collect()
    return rows.row(0, named=True) if rows.height == 1 else {"rows": rows.height}


def asking(context: Context, code: str) -> Callable[[str, date], set[str]]:
    """What asks a base database that is built who was in a state on a day: ``ask("alive", day)`` gives identifiers."""
    base = load_bases(context.catalogue)[code]
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA base")
    for name in (code, life.event_name(base)):
        connection.register("rows", context.lake.scan("base", name).collect().to_arrow())
        connection.execute(f"CREATE TABLE base.{name} AS FROM rows")
    for macro in life.macros(context):
        if macro.startswith(f"CREATE MACRO base.{code}_"):
            connection.execute(macro)

    def ask(state: str, day: date) -> set[str]:
        asked = f"SELECT {base.identifier} FROM base.{code}_{state}_on(?::DATE)"
        return {found for (found,) in connection.execute(asked, [day]).fetchall()}

    return ask
