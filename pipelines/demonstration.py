"""``citylake demo``: a synthetic city's departments deliver by API, table and file, and everything is built.

Here belongs the order of the demonstration and its closing words. It uses what a real city uses: the gateway process
with tokens, the exchange database, the drop folder, Dagster runs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import polars as pl

from assets.build import Context
from assets.ingest.deliveries import collect
from assets.ingest.exchange import connect, put
from catalog.model import Way
from demo import city, exports, licences, truth
from demo.exports import Delivery
from lake import tokens
from lake.home import Home
from lake.ledger import PushState, open_ledger
from lake.promises import open_promises
from pipelines.definitions import assemble, open_context
from pipelines.running import RunSummary, run, select
from pipelines.services import free_port, gateway_service, running, wait_until_up
from quality.clock import today

Say = Callable[[str], None]
MEDIA = {".ndjson": "application/x-ndjson", ".csv": "text/csv", ".json": "application/json"}


def demonstrate(home: Home, people: int, seed: int, say: Say) -> int:
    """Build the demo city in ``home``; returns the exit code. A second run delivers again and changes nothing."""
    started = time.monotonic()
    context = open_context(home)
    say(f"1/4 生成示范城市：{people:,} 人 · making a city of {people:,} people")
    made = city.build(people, seed, today())
    outbox = home.root / "demo"
    shutil.rmtree(outbox, ignore_errors=True)
    sent = list(exports.deliveries(made, context.catalogue, outbox / "outbox"))
    truth.write(made, sent, outbox / "truth")
    licences.write_samples(_registered(made.licences, sent), outbox / "licences", today())
    say("2/4 各部门推送：接口、库表、文件 · departments deliver by API, table and file")
    _deliver(context, sent, say)
    _promise(context)
    say("3/4 检查、入库、整合、脱敏 · checking, building, masking")
    definitions = assemble(context)
    summary = run(home, definitions, select(definitions, []), lambda text: say(f"    {text}"))
    say(f"4/4 完成，用时 {time.monotonic() - started:.0f} 秒 · done\n")
    _show(context, summary, say)
    return 0 if summary.success else 1


def _registered(all_licences: pl.DataFrame, sent: Sequence[Delivery]) -> pl.DataFrame:
    """The licences whose row will not be refused: the register knows their files."""
    (soiled,) = [delivery.soiled for delivery in sent if delivery.resource == "electronic_licence"]
    refused = soiled.log.filter("rejected")["row"].implode()
    return all_licences.filter(~pl.int_range(1, pl.len() + 1).is_in(refused))


def _deliver(context: Context, sent: Sequence[Delivery], say: Say) -> None:
    by_api = [delivery for delivery in sent if delivery.way is Way.API]
    by_table = [delivery for delivery in sent if delivery.way is Way.TABLE]
    by_file = [delivery for delivery in sent if delivery.way is Way.FILE]
    _push_by_api(context, by_api)
    say(f"    {len(by_api)} 个接口推送 by API")
    _write_tables(context, by_table)
    _drop_files(context, by_file)
    collected = collect(context.home, context.catalogue, settle_seconds=0)
    say(
        f"    {len(by_table)} 张库表 tables, {len(by_file)} 个文件 files: {len(collected.pushes)} 个新推送 new pushes"
    )


def _promise(context: Context) -> None:
    """Three resources were promised for longer than they have come, and one department says why; a second run adds nothing."""
    promises, office = open_promises(context.home), "demo"
    known = promises.starts()
    for code, days in exports.PROMISED.items():
        if code not in known:
            since = today() - timedelta(days=days)
            promises.begin(code, since, reason="归集协议（示范） agreement of the demo", by=office)
            if code in exports.EXCUSES:
                department = context.catalogue.entry(code).department
                promises.excuse(department, code, since, today(), reason=exports.EXCUSES[code], by=office)


def _push_by_api(context: Context, sent: Sequence[Delivery]) -> None:
    """Start a gateway, and push to it over HTTP as each department with a token of its own."""
    ledger = open_ledger(context.home)
    department_tokens = {
        name: tokens.create(ledger, name, timedelta(days=1))
        for name in {delivery.department for delivery in sent}
    }
    service = gateway_service(free_port())
    with running(context.home, [service]) as (process,):
        wait_until_up(context.home, service, process)
        base = (service.url or "").removesuffix("/healthz")
        with httpx.Client(base_url=base, timeout=120) as client:
            for delivery in sent:
                if delivery.path:
                    _push(client, delivery, delivery.path, department_tokens[delivery.department])


def _push(client: httpx.Client, delivery: Delivery, path: Path, token: str) -> None:
    client.post(
        f"/v1/resources/{delivery.resource}/pushes",
        content=path.read_bytes(),
        params={"data_date": delivery.data_date.isoformat()},
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": MEDIA[path.suffix],
            "Idempotency-Key": delivery.idempotency_key,
        },
    ).raise_for_status()


def _write_tables(context: Context, sent: Sequence[Delivery]) -> None:
    with connect(context.home) as connection:
        for delivery in sent:
            if delivery.table is not None:
                put(connection, delivery.department, delivery.resource, delivery.table)


def _drop_files(context: Context, sent: Sequence[Delivery]) -> None:
    for delivery in sent:
        if delivery.path:
            folder = context.home.drop / delivery.department / delivery.resource
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(delivery.path, folder / delivery.path.name)


def _show(context: Context, summary: RunSummary, say: Say) -> None:
    """What was built, in numbers, and what to try next."""
    lake, ledger = context.lake, open_ledger(context.home)
    counts = {
        layer: sum(lake.rows(layer, name) for name in lake.names(layer))
        for layer in ("standard", "quarantine")
    }
    states = {state: len(ledger.in_state(state)) for state in PushState}
    say(
        f"推送 pushes      {_listed({state.title + ' ' + state.value: n for state, n in states.items() if n})}"
    )
    say(f"标准区 standard  {counts['standard']:>9,} 行 rows in {len(lake.names('standard'))} 张表 tables")
    say(f"问题数据 bad     {counts['quarantine']:>9,} 行 rows, each with its reasons")
    for layer, title in (
        ("base", "基础库 base"),
        ("theme", "主题库 theme"),
        ("shared", "共享 shared"),
        ("open", "开放 open"),
    ):
        say(f"{title:<12} {_listed({name: lake.rows(layer, name) for name in lake.names(layer)})}")
    if summary.failed:
        say("\n".join(f"失败 failed {step}: {why}" for step, why in summary.failed.items()))
    say(
        "\n接下来 next:\n"
        '  citylake sql "select finding, count(*) n, sum(amount) yuan from theme.subsidy_check group by all" --bureau\n'
        "  citylake status\n"
        "  citylake up        # 打开 Dagster: http://127.0.0.1:3640\n"
        "(在仓库目录中 in a checkout: .venv/bin/citylake …, or make up)"
    )


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())
