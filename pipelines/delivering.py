"""Delivering by hand: ``citylake push``, ``citylake catalogue propose`` and ``citylake token create``.

Here belongs what the command line needs of ingest; the receiving itself is ``lake.landing``'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.build import Context
from assets.ingest.decoding import scratch_folder
from assets.ingest.nothing import report_nothing
from assets.ingest.proposing import Proposal, code_of, propose
from assets.shared import load_lawful
from assets.standard import Rehearsal, rehearse
from catalog.errors import MendableError
from catalog.load import Catalogue, load
from catalog.model import Way
from lake import tokens
from lake.home import Home
from lake.landing import file_chunks, format_of, receive
from lake.ledger import LedgerError, Push, open_ledger
from lake.tables import Lake
from pipelines.remote.readers import ReaderError, open_readers
from quality.clock import today


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
        data_format=format_of(path.name),
        data_date=data_date or today(),
        idempotency_key=key,
    )


def sign_nothing(home: Home, resource: str, data_date: date | None, by: str) -> Push:
    """Land a signed report of nothing; raises ``PushRefusedError`` where the resource takes none."""
    entry, day = load().entry(resource), data_date or today()
    department = entry.department
    return report_nothing(home, open_ledger(home), entry, day, way=Way.FILE, by=by, department=department)


def rehearse_file(home: Home, path: Path, resource: str, data_date: date | None) -> Rehearsal:
    """Judge a file as if it were pushed now; nothing is landed, registered or written."""
    catalogue = load()
    context = Context(home, Lake(home.lake), catalogue)
    return rehearse(context, catalogue.entry(resource), path, data_date or today())


def as_report(rehearsal: Rehearsal) -> dict[str, Any]:
    """A rehearsal for programs: what would become of the push, and the refused rows with their reasons."""
    outcome = rehearsal.outcome
    rows = rehearsal.refused.select(pl.col("_row").alias("row"), "reasons").to_dicts()
    return {
        "dry_run": True,
        "resource": outcome.push.resource,
        "state": outcome.state.value,
        "state_zh": outcome.state.title,
        "rows": outcome.rows,
        "accepted": outcome.accepted,
        "quarantined": outcome.rejected,
        "reason": outcome.reason.zh if outcome.reason else None,
        "reason_en": outcome.reason.en if outcome.reason else None,
        "failures": {rule: count for rule, count in outcome.failures.items() if count},
        "notes": list(rehearsal.notes),
        "refused": rows,
    }


def propose_entry(home: Home, path: Path, code: str | None, department: str) -> Proposal:
    """Draft an entry from a file; raises :class:`UnknownDepartmentError`, :class:`ResourceCodeError`, and
    ``UnreadableError`` for the file."""
    catalogue = load()
    if code and (code in catalogue.entries or not re.fullmatch(r"[a-z][a-z0-9_]{1,62}", code)):
        raise ResourceCodeError(code)
    if department:
        require_department(catalogue, department)
    with scratch_folder(home.work) as work:
        return propose(path, catalogue, work, code=code or code_of(path), department=department)


def new_token(home: Home, department: str, days: int, resources: Sequence[str] = ()) -> str:
    """A token for a department of the catalogue, and for some of its resources (none named: all that it has or will have).

    Raises :class:`UnknownDepartmentError`, and ``LedgerError`` for a resource that is another's."""
    catalogue = load()
    require_department(catalogue, department)
    own = {entry.code for entry in catalogue.of_department(department)}
    others = [code for code in resources if code not in own]
    if others:
        msg = (
            f"{department} 不是 {'、'.join(others)} 的数源部门，其资源为 {'、'.join(sorted(own)) or '无'} · {department} is not "
            f"the source of {', '.join(others)}"
        )
        raise LedgerError(msg)
    return tokens.create(open_ledger(home), department, timedelta(days=days), list(resources) or None)


def require_department(catalogue: Catalogue, department: str) -> None:
    """Raise :class:`UnknownDepartmentError` for a code that no department has."""
    if department not in catalogue.departments:
        msg = f"no department {department!r}; the catalogue has {', '.join(catalogue.departments)}"
        raise UnknownDepartmentError(msg)


def require_division(catalogue: Catalogue, division: str) -> None:
    """Raise :class:`UnknownDepartmentError` for a division in which the catalogue has no department."""
    known = sorted({each.division for each in catalogue.departments.values()})
    if division not in known:
        msg = f"no department of division {division!r}; departments.yaml has some of {', '.join(known)}"
        raise UnknownDepartmentError(msg)


def new_reader(home: Home, person: str, role: str, days: int) -> str:
    """A token for somebody in a role; raises ``ReaderError`` for a role that is not granted, or not any more."""
    granted = load_lawful(load()).roles
    if role not in granted or not granted[role].runs_on(today()):
        now = ", ".join(code for code, grant in granted.items() if grant.runs_on(today())) or "none"
        msg = f"the role {role!r} is not granted now; granted are: {now}"
        raise ReaderError(msg)
    return open_readers(home).create(person, role, timedelta(days=days))
