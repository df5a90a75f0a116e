"""Delivering by hand: ``citylake push``, ``citylake catalogue propose`` and ``citylake token create``.

Here belongs what the command line needs of ingest; the receiving itself is ``lake.landing``'s.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

from assets.ingest.decoding import scratch_folder
from assets.ingest.deliveries import today
from assets.ingest.proposing import Proposal, code_of, propose
from catalog.errors import MendableError
from catalog.load import Catalogue, load
from catalog.model import Way
from lake import tokens
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import Push, open_ledger


class UnknownDepartmentError(MendableError, LookupError):
    """No department has this code."""


class ResourceCodeError(MendableError, ValueError):
    """The code cannot name a new resource."""

    def __init__(self, code: str) -> None:
        super().__init__(
            f"资源代码 {code} 不可用，请用未用过的小写字母、数字和下划线 · {code} cannot name a new resource: use small "
            "letters, digits and underscores that no other resource has"
        )


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


def propose_entry(home: Home, path: Path, code: str | None, department: str) -> Proposal:
    """Draft an entry from a file; raises :class:`UnknownDepartmentError`, :class:`ResourceCodeError`, and
    ``UnreadableError`` for the file."""
    catalogue = load()
    if code and (code in catalogue.entries or not re.fullmatch(r"[a-z][a-z0-9_]{1,62}", code)):
        raise ResourceCodeError(code)
    if department:
        _require_department(catalogue, department)
    with scratch_folder(home.work) as work:
        return propose(path, catalogue, work, code=code or code_of(path), department=department)


def new_token(home: Home, department: str, days: int) -> str:
    """A token for a department of the catalogue; raises :class:`UnknownDepartmentError`."""
    _require_department(load(), department)
    return tokens.create(open_ledger(home), department, timedelta(days=days))


def _require_department(catalogue: Catalogue, department: str) -> None:
    if department not in catalogue.departments:
        msg = f"no department {department!r}; the catalogue has {', '.join(catalogue.departments)}"
        raise UnknownDepartmentError(msg)
