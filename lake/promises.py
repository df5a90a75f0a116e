"""What is recorded about promised updates besides the pushes: since when they count, excuses, our outages, and what
followed.

Here belong the tables and every statement on them; rows are only ever added, so that a department's case can be told years later.
When a push is late is decided in ``quality.freshness``, what follows from an excuse in ``assets.operations``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from catalog.errors import MendableError
from lake.answers import answer_once, reasoned, with_answers
from lake.home import Home
from lake.ledger import UtcDateTime, open_tables

MOST_OUTAGE_DAYS = 366


class ExcuseError(MendableError, ValueError):
    """An excuse, or a ruling on one, that cannot be."""


class OutageError(MendableError, ValueError):
    """An outage that cannot be."""


class Step(StrEnum):
    """What the bureau did about a department that is late, in the order of Art. 49."""

    NOTICE = "notice"
    REPORTED = "reported"


@dataclass(frozen=True)
class Excuse:
    """Why a department could not push what was due between two days, and what the bureau said to it (None: nothing yet)."""

    id: int
    department: str
    resource: str
    due_from: date
    due_to: date
    reason: str
    by: str
    at: datetime
    accepted: bool | None = None
    ruling: str | None = None
    ruled_by: str | None = None
    ruled_at: datetime | None = None

    def covers(self, resource: str, due: date | None) -> bool:
        """Whether it speaks of this deadline."""
        return due is not None and resource == self.resource and self.due_from <= due <= self.due_to


@dataclass(frozen=True)
class Outage:
    """Days on which we could not receive: they count against nobody."""

    first: date
    last: date
    reason: str
    by: str
    at: datetime

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=place) for place in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Measure:
    """A notice that was sent, or a report that was made: of which resources, and by when they are to be corrected."""

    step: Step
    department: str
    resources: Sequence[str]
    correct_by: date | None
    by: str
    at: datetime


_metadata = sa.MetaData()
_starts = sa.Table(
    "promise_starts",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
_excuses = sa.Table(
    "excuses",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("department", sa.String(64), nullable=False, index=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("due_from", sa.Date, nullable=False),
    sa.Column("due_to", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
_rulings = sa.Table(
    "excuse_rulings",
    _metadata,
    # one for each excuse, for ever
    sa.Column("excuse", sa.Integer, sa.ForeignKey("excuses.id"), primary_key=True, autoincrement=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("ruling", sa.Text, nullable=False),
    sa.Column("ruled_by", sa.String(128), nullable=False),
    sa.Column("ruled_at", UtcDateTime, nullable=False),
)
_outages = sa.Table(
    "outages",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
_measures = sa.Table(
    "late_measures",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("department", sa.String(64), nullable=False, index=True),
    sa.Column("resources", sa.JSON, nullable=False),
    sa.Column("correct_by", sa.Date),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


class Promises:
    """All statements on these tables; every public method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def begin(self, resource: str, since: date, *, reason: str, by: str) -> None:
        """Record that a resource's updates are promised since a day; of several records the last one holds."""
        self._add(_starts, resource=resource, since=since, reason=reason, by=by)

    def starts(self) -> dict[str, date]:
        """Since when each resource's updates are promised, where that was recorded."""
        query = sa.select(_starts.c.resource, _starts.c.since).order_by(_starts.c.id)
        with self.engine.connect() as connection:
            return {row.resource: row.since for row in connection.execute(query)}

    def outage(self, first: date, last: date, *, reason: str, by: str) -> None:
        """Record that we could not receive from one day to another, for ever. Raises :class:`OutageError`."""
        if not 0 <= (last - first).days < MOST_OUTAGE_DAYS:
            msg = (
                f"停机须为 1 至 {MOST_OUTAGE_DAYS} 天，止日不早于起日 · an outage has 1 to {MOST_OUTAGE_DAYS} days, and its "
                "last is not before its first"
            )
            raise OutageError(msg)
        self._add(_outages, first=first, last=last, reason=reasoned(reason, OutageError), by=by)

    def outages(self) -> list[Outage]:
        """Every outage recorded, newest first."""
        columns = [column for column in _outages.columns if column.name != "id"]
        query = sa.select(*columns).order_by(_outages.c.first.desc(), _outages.c.id.desc())
        with self.engine.connect() as connection:
            return [Outage(**row) for row in connection.execute(query).mappings()]

    def excuse(
        self, department: str, resource: str, due_from: date, due_to: date, *, reason: str, by: str
    ) -> int:
        """Record why a department could not push; returns the excuse's number. Raises :class:`ExcuseError`."""
        if due_to < due_from:
            msg = "结束日早于开始日 · the last day lies before the first"
            raise ExcuseError(msg)
        facts = {"department": department, "resource": resource, "due_from": due_from, "due_to": due_to}
        return self._add(_excuses, **facts, reason=reasoned(reason, ExcuseError), by=by)

    def rule(self, excuse: int, *, accepted: bool, reason: str, by: str) -> None:
        """Record what the bureau says to an excuse, once and for ever. Raises :class:`ExcuseError`."""
        ruling = reasoned(reason, ExcuseError)
        said = {"accepted": accepted, "ruling": ruling, "ruled_by": by, "ruled_at": datetime.now(UTC)}
        msg = "没有这份说明，或已经答复过 · there is no such excuse, or it has been ruled on"
        answer_once(self.engine, sa.insert(_rulings).values(excuse=excuse, **said), ExcuseError(msg))

    def excuses(self, department: str | None = None) -> list[Excuse]:
        """The excuses (of one department), newest first, each with its ruling."""
        rows = with_answers(self.engine, _excuses, _rulings, "excuse", department=department)
        return [Excuse(**row) for row in rows]

    def take(
        self, step: Step, department: str, resources: Sequence[str], *, correct_by: date | None, by: str
    ) -> None:
        """Record a notice that an officer sent, or a report to the government."""
        facts = {"department": department, "resources": list(resources), "correct_by": correct_by}
        self._add(_measures, step=step.value, **facts, by=by)

    def measures(self, department: str | None = None) -> list[Measure]:
        """What was done about late departments (about one), newest first."""
        columns = [column for column in _measures.columns if column.name != "id"]
        query = sa.select(*columns).order_by(_measures.c.id.desc())
        if department is not None:
            query = query.where(_measures.c.department == department)
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [Measure(**{**row, "step": Step(row["step"])}) for row in rows]

    def _add(self, table: sa.Table, **values: Any) -> int:
        with self.engine.begin() as connection:
            row = connection.execute(sa.insert(table).values(**values, at=datetime.now(UTC)))
            return row.inserted_primary_key[0] if row.inserted_primary_key else 0


def open_promises(home: Home) -> Promises:
    """The promises of this home; their tables are made on first use."""
    return Promises(open_tables(home, _metadata))


def excuse_of(excuses: Sequence[Excuse], resource: str, due: date | None) -> Excuse | None:
    """What is said of a deadline: an accepted excuse before one that waits, and that before one refused."""
    about = [excuse for excuse in excuses if excuse.covers(resource, due)]
    rank: Mapping[bool | None, int] = {True: 0, None: 1, False: 2}
    return min(about, key=lambda excuse: rank[excuse.accepted], default=None)
