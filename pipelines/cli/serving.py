"""Commands that run the city: the demo, the services, the assets and their upkeep.

Here belongs the reading of arguments; what runs is in ``pipelines.services``, ``pipelines.running`` and beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lake.home import Home
from pipelines.cli.output import group, say

app = group()

Host = Annotated[str, typer.Option(help="the address to listen on")]
Certificate = Annotated[Path | None, typer.Option(help="PEM file; needed beyond loopback")]
CertificateKey = Annotated[Path | None, typer.Option(help="PEM file of the certificate's key")]


@app.command()
def demo(
    people: Annotated[int, typer.Option(min=1000, help="how many people live in the demo city")] = 20_000,
    seed: Annotated[int, typer.Option(help="the same seed makes the same city")] = 2024,
) -> None:
    """Build a synthetic city end to end: pushes by API, table and file, all layers, all checks.

    Example: citylake demo --people 20000
    """
    from pipelines.demonstration import demonstrate

    raise typer.Exit(demonstrate(Home.open(), people, seed, say))


@app.command()
def up(
    gateway_port: Annotated[int, typer.Option(help="where departments push to")] = 8640,
    page_port: Annotated[int, typer.Option(help="where the data bureau's page is")] = 8641,
    dagster_port: Annotated[int, typer.Option(help="where Dagster's pages are")] = 3640,
) -> None:
    """Start the gateway, the data bureau's page, Dagster's webserver and its daemon on loopback; one Ctrl-C stops all.

    Example: citylake up
    """
    from pipelines.services import supervise

    raise typer.Exit(supervise(Home.open(), gateway_port, dagster_port, page_port, say))


@app.command(hidden=True)
def gateway(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8640,
    tls_certificate: Certificate = None,
    tls_key: CertificateKey = None,
) -> None:
    """Run the gateway alone; beyond loopback it listens only with TLS.

    Example: citylake gateway --host 0.0.0.0 --tls-certificate cert.pem --tls-key key.pem
    """
    from pipelines.gateway.app import run

    run(Home.open(), host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)


@app.command(hidden=True)
def dashboard(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8641,
    name: Annotated[
        list[str] | None, typer.Option(help="host name it is reached by, besides loopback")
    ] = None,
    tls_certificate: Certificate = None,
    tls_key: CertificateKey = None,
) -> None:
    """Run the data bureau's page alone; beyond loopback it listens only with TLS.

    Example: citylake dashboard --host 0.0.0.0 --name board.city.example --tls-certificate cert.pem --tls-key key.pem
    """
    from pipelines.dashboard.app import run
    from pipelines.definitions import open_context

    run(
        open_context(),
        host=host,
        port=port,
        names=name or [],
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )


@app.command()
def remote(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8642,
    tls_certificate: Certificate = None,
    tls_key: CertificateKey = None,
) -> None:
    """Answer SQL over the network, read-only, for readers with a token; beyond loopback only with TLS.

    Example: citylake remote --port 8642
    """
    from pipelines.remote.app import run

    say(f"远程查询 remote queries  http{'s' if tls_certificate else ''}://{host}:{port}/v1/query")
    run(Home.open(), host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)


@app.command()
def materialize(
    selection: Annotated[
        list[str] | None, typer.Argument(help="layers or layer/table, + for what follows; default all")
    ] = None,
) -> None:
    """Run assets now, in this process; the run is seen in Dagster's UI like any other.

    Example: citylake materialize standard/marriage+
    """
    from pipelines.definitions import assemble, open_context
    from pipelines.running import run, select

    home = Home.open()
    definitions = assemble(open_context(home))
    summary = run(home, definitions, select(definitions, selection or []), say)
    say(
        f"运行 run {summary.run_id}: {len(summary.made)} 张表 tables, {len(summary.failed)} 步失败 steps failed"
    )
    for step, why in summary.failed.items():
        say(f"失败 failed {step}: {why}")
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def tidy(
    selection: Annotated[
        list[str] | None, typer.Argument(help="layers or layer/table; default every full table")
    ] = None,
) -> None:
    """Fold small files, write checkpoints, remove what has been superseded for a week.

    Example: citylake tidy standard
    """
    from pipelines.definitions import open_context
    from pipelines.upkeep import tidy_tables

    for done in tidy_tables(open_context(), selection or []):
        say(
            f"{done.table}: {done.folded} 个文件并为 files into {done.into}, "
            f"删除旧文件 removed {done.removed}{', checkpoint' if done.checkpointed else ''}"
        )


@app.command()
def upgrade() -> None:
    """Bring the home's state to this version of citylake; refuses a home that is newer.

    Example: citylake upgrade
    """
    from lake.ledger import migrate

    say(migrate(Home.open()))
