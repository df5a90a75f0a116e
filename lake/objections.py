"""What departments contest in the catalogue (对目录条目的异议), and what the bureau answered.

Here belong the tables and every statement on them; rows are only ever added. An answer changes no entry: that is done in
the entry's YAML, by whoever keeps the catalogue, and the objection stays as the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from catalog.errors import MendableError
from lake.answers import answer_once, reasoned, with_answers
from lake.home import Home
from lake.ledger import UtcDateTime, open_tables


class ObjectionError(MendableError, ValueError):
    """An objection, or an answer to one, that cannot be."""


@dataclass(frozen=True)
class Objection:
    """What a department contests in an entry, and what the bureau said to it (``upheld`` None: nothing yet)."""

    id: int
    resource: str
    entry_version: int
    department: str
    reason: str
    by: str
    at: datetime
    upheld: bool | None = None
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None


_metadata = sa.MetaData()
_objections = sa.Table(
    "objections",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("resource", sa.String(64), nullable=False, index=True),
    sa.Column("entry_version", sa.Integer, nullable=False),
    sa.Column("department", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
_answers = sa.Table(
    "objection_answers",
    _metadata,
    # one for each objection, for ever
    sa.Column("objection", sa.Integer, sa.ForeignKey("objections.id"), primary_key=True, autoincrement=False),
    sa.Column("upheld", sa.Boolean, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("answered_by", sa.String(128), nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
)


class Objections:
    """All statements on these tables; every public method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def contest(self, resource: str, entry_version: int, department: str, *, reason: str, by: str) -> int:
        """Record what a department contests in an entry; returns its number. Raises :class:`ObjectionError`."""
        facts = {
            "resource": resource,
            "entry_version": entry_version,
            "department": department,
            "reason": reasoned(reason, ObjectionError),
            "by": by,
            "at": datetime.now(UTC),
        }
        with self.engine.begin() as connection:
            row = connection.execute(sa.insert(_objections).values(facts))
            return row.inserted_primary_key[0] if row.inserted_primary_key else 0

    def answer(self, objection: int, *, upheld: bool, reason: str, by: str) -> None:
        """Record what the bureau says to an objection, once and for ever. Raises :class:`ObjectionError`."""
        said = {
            "upheld": upheld,
            "answer": reasoned(reason, ObjectionError),
            "answered_by": by,
            "answered_at": datetime.now(UTC),
        }
        msg = "没有这份异议，或已经答复过 · there is no such objection, or it has been answered"
        answer = sa.insert(_answers).values(objection=objection, **said)
        answer_once(self.engine, answer, ObjectionError(msg))

    def all(self, resource: str | None = None) -> list[Objection]:
        """The objections (to one entry), newest first, each with its answer."""
        rows = with_answers(self.engine, _objections, _answers, "objection", resource=resource)
        return [Objection(**row) for row in rows]


def open_objections(home: Home) -> Objections:
    """The objections of this home; their tables are made on first use."""
    return Objections(open_tables(home, _metadata))
