"""A push as the ledger holds it, for tests that look at one without sending it.

Here belongs the record only; what receives bytes, and makes such a record of them, is in the tests' ``conftest`` files.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from catalog.model import Way
from lake.ledger import Push

_PLAIN = Push(
    id="p1",
    resource="marriage",
    department="civil_affairs",
    way=Way.FILE,
    filename="a.csv",
    format="csv",
    size=1,
    digest="0" * 64,
    data_date=date(2026, 1, 5),
    received_at=datetime(2026, 1, 5, 4, tzinfo=UTC),
    entry_version=1,
)


def a_push(**fields: Any) -> Push:
    """A file of marriages that was received and not looked at yet, but for these fields."""
    return replace(_PLAIN, **fields)
