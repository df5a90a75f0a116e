"""What was decided on quarantined rows: released or dismissed by a steward, corrected by a later push.

Here belong the table and the statements on it. It is only ever appended to, save by a purge, and knows a row by its push, its number and a
hash of its content, so that what was decided outlives a rebuild and a row that is sent again. What a ruling means for
tables is ``assets.quarantine``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from lake.home import Home
from lake.ledger import UtcDateTime, open_tables


class RulingKind(StrEnum):
    """What became of a row."""

    RELEASED = "released"
    DISMISSED = "dismissed"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class Ruling:
    """One decision on one row. ``by`` is a person, or the push that corrected the row."""

    resource: str
    push: str
    row: int
    content: int
    kind: RulingKind
    reason: str
    by: str
    at: datetime


_metadata = sa.MetaData()
_rulings = sa.Table(
    "rulings",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("resource", sa.String(64), nullable=False, index=True),
    sa.Column("push", sa.String(40), nullable=False),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("content", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)


class Rulings:
    """The rulings of one home."""

    def __init__(self, home: Home) -> None:
        self._engine = open_tables(home, _metadata)

    def add(self, rulings: Sequence[Ruling]) -> None:
        """Append rulings, all of them or none."""
        if rulings:
            records = [{**vars(ruling), "kind": ruling.kind.value} for ruling in rulings]
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_rulings), records)

    def of(self, resource: str) -> list[Ruling]:
        """Every ruling on rows of a resource, in the order made."""
        shown = [column for column in _rulings.columns if column.name != "id"]
        query = sa.select(*shown).where(_rulings.c.resource == resource).order_by(_rulings.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [Ruling(**{**row, "kind": RulingKind(row["kind"])}) for row in rows]

    def strike(self, push_id: str) -> int:
        """Remove the rulings on rows of a purged push, which know them by their content; says how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(_rulings).where(_rulings.c.push == push_id)).rowcount

    def count(self, resource: str) -> int:
        """How many there are: enough to see that one was added."""
        query = sa.select(sa.func.count()).where(_rulings.c.resource == resource)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()
