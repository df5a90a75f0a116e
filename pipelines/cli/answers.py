"""Commands that answer questions: states, quality, SQL, why a value was chosen, where a column comes from.

Here belongs the printing of answers as tables or JSON; they are found in ``assets`` and ``pipelines``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from lake.home import Home
from pipelines.cli.output import console, group, say, wide_console
from pipelines.query import Format, query, render

app = group()


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    department: Annotated[str | None, typer.Option(help="only this department's resources")] = None,
    division: Annotated[
        str | None, typer.Option(help="only resources of departments of this county (its division code)")
    ] = None,
) -> None:
    """Each resource: last push, next due day, state, rows in standard and quarantine and still to be corrected, quality.

    Example: citylake status --json
    """
    from assets.operations import resource_states
    from assets.stewardship import tallies_of
    from pipelines.definitions import open_context
    from pipelines.delivering import require_department, require_division
    from pipelines.status import as_records, status_table

    context = open_context()
    if department:
        require_department(context.catalogue, department)
    states = resource_states(context, department)
    if division:
        require_division(context.catalogue, division)
        there = {entry.code for entry in context.catalogue.of_division(division)}
        states = [state for state in states if state.resource in there]
    tallies = {each.resource: each for each in tallies_of(context, department)}
    if as_json:
        sys.stdout.write(json.dumps(as_records(states, tallies), ensure_ascii=False, indent=1) + "\n")
    else:
        wide_console().print(status_table(states, tallies))


@app.command()
def quality(
    resource: Annotated[str, typer.Argument(help="the resource's code")],
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    gx: Annotated[
        bool, typer.Option("--gx", help="the last push as Great Expectations' own validation result (JSON)")
    ] = False,
    docs: Annotated[
        Path | None, typer.Option(help="write the last push's Great Expectations Data Docs page here (HTML)")
    ] = None,
    values: Annotated[
        bool,
        typer.Option("--values", help="with --gx or --docs: failing values too, masked; the bureau's alone"),
    ] = False,
    pushes: Annotated[int, typer.Option(help="how many of the newest pushes")] = 12,
) -> None:
    """What the last push of a resource met, rule by rule, and the trend of its scores.

    Example: citylake quality household_register
    """
    from lake.ledger import open_ledger
    from pipelines.data_docs import docs_page, push_results
    from pipelines.definitions import open_context
    from pipelines.verdicts import as_record, newest_judged, tables, verdict

    context = open_context()
    entry = context.catalogue.entry(resource)
    newest = newest_judged(open_ledger(context.home), entry) if gx or docs else None
    if newest and docs:
        docs.write_text(docs_page(context, newest, values=values), encoding="utf-8")
        say(f"Data Docs: {docs}")
    if newest and gx:
        record = push_results(context, newest, values=values).to_json_dict()  # type: ignore[no-untyped-call]
        sys.stdout.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    if newest:
        return
    judged = verdict(context, entry, pushes)
    if as_json:
        sys.stdout.write(json.dumps(as_record(judged), ensure_ascii=False, indent=1) + "\n")
        return
    say(
        f"{entry.title.zh} · {entry.title.en}: {judged.rules} 条规则 rules, {len(judged.trend)} 次推送 pushes"
    )
    for table in tables(judged) if judged.trend else ():
        wide_console().print(table)
    if judged.unjudged:
        say(f"未评估 not judged, nothing to compare with: {', '.join(judged.unjudged)}")


@app.command()
def disagreements(
    department: Annotated[str, typer.Argument(help="the department's code")],
    output: Annotated[Format, typer.Option("--format", help="table, csv or json")] = Format.TABLE,
) -> None:
    """What a department says of a person or organisation that another one says otherwise: its own values only.

    Example: citylake disagreements hrss --format csv
    """
    import polars as pl

    from assets.scores import own_sides
    from pipelines.definitions import open_context
    from pipelines.delivering import require_department

    context = open_context()
    require_department(context.catalogue, department)
    found: pl.DataFrame = own_sides(context, department)
    sys.stdout.write(render(found.columns, found.rows(), output) + "\n")


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(metavar="QUERY", help="one SQL query")],
    output: Annotated[Format, typer.Option("--format", help="table, csv or json")] = Format.TABLE,
    bureau: Annotated[
        bool, typer.Option("--bureau", help="the bureau's file, with full tables, instead of the analyst's")
    ] = False,
) -> None:
    """Ask the analyst's DuckDB file.

    Example: citylake sql "select count(*) from base.person"
    """
    home = Home.open()
    names, rows = query(home.bureau if bureau else home.analyst, statement)
    sys.stdout.write(render(names, rows, output) + "\n")


@app.command()
def geoparquet(
    table: Annotated[str, typer.Argument(help="base.division, base.parcel, base.address")],
    target: Annotated[Path, typer.Argument(metavar="FILE", help="where it goes")],
    bureau: Annotated[
        bool, typer.Option("--bureau", help="the bureau's file, with full tables, instead of the analyst's")
    ] = False,
) -> None:
    """Write a table of places as GeoParquet, in CGCS2000.

    Example: citylake geoparquet base.division divisions.parquet
    """
    from pipelines.geoparquet import write_geoparquet

    home = Home.open()
    rows = write_geoparquet(home.bureau if bureau else home.analyst, table, target)
    say(f"{table} → {target}: {rows:,} 行 rows")


@app.command()
def explain(
    table: Annotated[str, typer.Argument(help="base.person or base.legal_entity")],
    entity: Annotated[str, typer.Argument(metavar="ID", help="the entity's id")],
) -> None:
    """Where each value of one entity came from, what was passed over, and why.

    Example: citylake explain base.person P0000000001
    """
    from assets.base.explain import explain as explain_entity
    from pipelines.definitions import open_context

    context = open_context()
    rows = explain_entity(context, table.removeprefix("base."), entity)
    shown = Table(*rows[0], header_style="bold")
    for row in rows:
        shown.add_row(*(str(cell) if cell is not None else "" for cell in row.values()))
    console.print(shown)


@app.command()
def lineage(
    table: Annotated[str, typer.Argument(help="theme.enterprise_360, base.person")],
    column: Annotated[str | None, typer.Option(help="all that is behind this column")] = None,
) -> None:
    """Where each column comes from, and the sharing type, opening type and grade that follow.

    Example: citylake lineage theme.subsidy_check --column finding
    """
    from pipelines.definitions import open_context
    from pipelines.lineage import as_table, as_tree, lineage_of

    layer, _, name = table.partition(".")
    found = lineage_of(open_context(), (layer, name))
    shown = as_tree(found, column) if column else as_table(found)
    wide_console().print(shown)
