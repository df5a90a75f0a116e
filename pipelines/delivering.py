"""Delivering by hand: ``citylake push`` and ``citylake token create``.

Here belongs what the command line needs of ingest; the receiving itself is ``lake.landing``'s.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from assets.ingest.deliveries import today
from catalog.errors import MendableError
from catalog.load import load
from catalog.model import Way
from lake import tokens
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import Push, open_ledger


class UnknownDepartmentError(MendableError, LookupError):
    """No department has this code."""


def deliver_file(home: Home, path: Path, resource: str, data_date: date | None, key: str | None) -> Push:
    """Land a file as its department's push; raises what ``receive`` raises, and for an unknown resource."""
    return receive(
        home,
        open_ledger(home),
        load().entry(resource),
        file_chunks(path),
        way=Way.FILE,
        filename=path.name,
        data_format=path.suffix.lstrip(".").lower()[:16] or "unknown",
        data_date=data_date or today(),
        idempotency_key=key,
    )


def new_token(home: Home, department: str, days: int) -> str:
    """A token for a department of the catalogue; raises :class:`UnknownDepartmentError`."""
    known = load().departments
    if department not in known:
        msg = f"no department {department!r}; the catalogue has {', '.join(known)}"
        raise UnknownDepartmentError(msg)
    return tokens.create(open_ledger(home), department, timedelta(days=days))
