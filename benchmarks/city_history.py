"""A city with a past: years of pushes in the ledger, most on time, some late, some missed, none of them with real bytes.

Here belongs the inventing only; what is measured over it stands in ``pages.py``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from assets.build import Context
from catalog.load import Catalogue
from catalog.model import Entry, Frequency
from lake.ledger import PushState, open_ledger
from quality.calendar import UnknownYearError, working_day_after
from quality.clock import CITY_TIME
from quality.freshness import due_day, period_end, period_start
from quality.plan import compile_entry


def write_history(context: Context, since: date, until: date, seed: int = 7) -> int:
    """Register and settle what every resource would have pushed between two days; returns how many pushes that was."""
    ledger, chance = open_ledger(context.home), random.Random(seed)  # noqa: S311 # invented data
    rows = [
        row for entry in context.catalogue.entries.values() for row in _pushes(entry, since, until, chance)
    ]
    rows.sort(key=lambda row: row["received_at"])
    pushes = sa.Table("pushes", sa.MetaData(), autoload_with=ledger.engine)
    with ledger.engine.begin() as connection:
        for start in range(0, len(rows), 5000):
            connection.execute(sa.insert(pushes), rows[start : start + 5000])
    return len(rows)


def widened(catalogue: Catalogue, count: int) -> Catalogue:
    """The catalogue with so many resources: copies of its own under further codes."""
    entries, own = dict(catalogue.entries), list(catalogue.entries.values())
    for number in range(count - len(own)):
        entry = own[number % len(own)]
        code = f"{entry.code}_{number // len(own) + 2}"
        entries[code] = entry.model_copy(update={"code": code})
    return Catalogue(catalogue.root, catalogue.departments, entries, catalogue.places)


def _pushes(entry: Entry, since: date, until: date, chance: random.Random) -> Iterator[dict[str, Any]]:
    """One department's diligence is not another's: what it misses and how clean it is follow from its name."""
    if entry.frequency is Frequency.IRREGULAR:
        return
    diligence = random.Random(entry.department)  # noqa: S311 # invented data
    missing, slow = diligence.choice((0.0, 0.01, 0.05)), diligence.choice((0.02, 0.08, 0.2))
    rules, rows = [rule.code for rule in compile_entry(entry).rules], chance.randint(300, 40_000)
    start = period_start(entry.frequency, since)
    while start <= until:
        end = period_end(entry.frequency, start)
        received = _received(entry, end, chance, late=chance.random() < slow)
        if received and received.date() <= until and chance.random() >= missing:
            yield _row(entry, end, received, int(rows * chance.uniform(0.97, 1.03)), rules, chance)
        start = end + timedelta(days=1)


def _received(entry: Entry, end: date, chance: random.Random, *, late: bool) -> datetime | None:
    try:
        due = due_day(entry.frequency, end)
        day = working_day_after(due, chance.randint(1, 6)) if late else due
    except UnknownYearError:
        return None
    clock = time(chance.randint(8, 17), chance.randint(0, 59), tzinfo=CITY_TIME)
    return datetime.combine(day, clock)


def _row(
    entry: Entry, data_date: date, received: datetime, rows: int, rules: list[str], chance: random.Random
) -> dict[str, Any]:
    bad = int(rows * min(0.2, chance.expovariate(90)))
    stamp = received.astimezone(UTC)
    moment = f"{int(stamp.timestamp() * 1000):013d}"
    refused = chance.random() < 0.01
    failures = {rule: max(1, bad // 3) for rule in chance.sample(rules, min(3, len(rules)))} if bad else {}
    return {
        "id": f"p{moment}{chance.getrandbits(40):011X}",
        "resource": entry.code,
        "department": entry.department,
        "way": entry.delivery.ways[0].value,
        "filename": f"{entry.code}-{data_date}.csv",
        "format": "csv",
        "size": rows * 90,
        "digest": "0" * 64,
        "data_date": data_date,
        "received_at": stamp.isoformat(timespec="microseconds"),
        "entry_version": entry.version,
        "state": (PushState.REFUSED if refused else PushState.APPLIED).value,
        "rows": 0 if refused else rows,
        "accepted": 0 if refused else rows - bad,
        "rejected": 0 if refused else bad,
        "reason_zh": "表头与目录不符，请使用模板重新填报" if refused else None,
        "reason_en": "the headers are not the entry's: use its template" if refused else None,
        "settled_at": (stamp + timedelta(seconds=40)).isoformat(timespec="microseconds"),
        "failures": {} if refused else failures,
    }
