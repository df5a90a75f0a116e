"""``docs/bureau.md`` says what is so: its pages are the page's, its numbers the program's."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
from fastapi.routing import APIRoute

from catalog.model import Frequency
from pipelines.dashboard import accounts
from pipelines.dashboard.app import PAGES
from pipelines.dashboard.pages.data_docs import STYLE_PATH
from quality.terms import DUE_WORKING_DAYS

DOCUMENT = Path(__file__).parents[3] / "docs" / "bureau.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
#: Not pages: what forms and scripts ask for.
BEHIND = {"/login", "/receipts/{push_id}/state", "/catalogue.xlsx", STYLE_PATH}


def test_every_page_is_described_and_every_page_described_is_there() -> None:
    every = [route for module in PAGES for route in module.router.routes if isinstance(route, APIRoute)]
    routes = [route for route in every if "GET" in route.methods]
    table = TEXT.split("## Pages")[1].split("\n## ")[0]
    described = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    assert described == {route.path for route in routes} - BEHIND


def test_its_numbers_are_the_programs() -> None:
    table = TEXT.split("| due on working day |")[1].split("\n\n")[0]
    due = {
        name.strip().replace("-", "_"): int(days)
        for names, days in re.findall(r"^\| ([a-z, -]+?) \| (\d+) \|", table, re.MULTILINE)
        for name in names.split(",")
    }
    assert due == {frequency.value: days for frequency, days in DUE_WORKING_DAYS.items()}
    assert set(due) == {frequency.value for frequency in Frequency} - {"irregular"}
    said = " ".join(TEXT.split())
    assert f"at least {accounts.MIN_PASSWORD} characters" in said
    assert f"lock the account for {accounts.LOCK_SECONDS // 60} minutes" in said
    assert f"after {accounts.SESSION_SECONDS // 3600} hours" in said
    assert accounts.MAX_FAILURES == 5
    assert accounts.IDLE_SECONDS == 3600


def test_its_query_runs_on_the_record_of_periods() -> None:
    """Two of three periods on time, of which one was first recorded as missed."""
    query = re.search(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    assert query
    recorded = [
        ("marriage", 1, "missed", 1),
        ("marriage", 1, "on_time", 2),
        ("marriage", 2, "on_time", 1),
        ("marriage", 3, "late", 1),
    ]
    rows = [
        {
            "resource": resource,
            "department": "civil_affairs",
            "period_end": date(2026, 10, day),
            "due": date(2026, 10, day + 1),
            "verdict": verdict,
            "recorded_at": datetime(2026, 10, 20 + said, tzinfo=UTC),
        }
        for resource, day, verdict, said in recorded
    ]
    table = pl.DataFrame(rows).cast({"recorded_at": pl.Datetime("us", "UTC")}).to_arrow()
    with duckdb.connect() as connection:
        connection.execute("create schema ops")
        connection.register("recorded", table)
        connection.execute("create table ops.period as from recorded")
        assert connection.execute(query[1]).fetchall() == [("civil_affairs", 2, 3)]


def test_its_picture_is_there() -> None:
    for name in re.findall(r'src="([^"]+)"', TEXT):
        assert (DOCUMENT.parent / name).is_file()
