"""Who may query over the network, in which role, and the record of what each asked.

Here belong the two tables in the operational database and every statement on them. A reader's token is kept as a hash;
what the role may see is decided by its grant (``catalog/roles.yaml``). The record is only ever appended to and finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from catalog.errors import MendableError
from lake.home import Home
from lake.ledger import open_tables
from lake.tokens import genuine, mint

PREFIX = "clq"
_metadata = sa.MetaData()
_readers = sa.Table(
    "readers",
    _metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    # Unix seconds: compared, never shown
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("revoked", sa.Boolean, nullable=False),
)
_queries = sa.Table(
    "queries",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("reader", sa.String(16), nullable=False, index=True),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("seconds", sa.Double),
)


class ReaderError(MendableError, ValueError):
    """A reader that cannot be, or is not; says what to do."""


@dataclass(frozen=True)
class Reader:
    """Somebody who may query, in one role."""

    id: str
    person: str
    role: str


class Readers:
    """All statements on readers and their queries."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def create(self, person: str, role: str, valid: timedelta) -> str:
        """A new token, ``clq_<id>_<secret>`` with 256 random bits. It cannot be shown again."""
        if not 1 <= len(person) <= 64 or not person.isprintable():
            msg = "a reader's account has 1 to 64 printable characters"
            raise ReaderError(msg)
        minted = mint(PREFIX)
        expires = (datetime.now(UTC) + valid).timestamp()
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(_readers).values(
                    id=minted.id,
                    person=person,
                    role=role,
                    hash=minted.hash,
                    expires_at=expires,
                    revoked=False,
                )
            )
        return minted.token

    def revoke(self, person: str) -> int:
        """End all of somebody's tokens; raises :class:`ReaderError` where there is none."""
        live = (_readers.c.person == person) & ~_readers.c.revoked
        with self.engine.begin() as connection:
            ended = connection.execute(sa.update(_readers).where(live).values(revoked=True)).rowcount
        if not ended:
            msg = f"{person} has no live token: `citylake reader audit` shows who asked what"
            raise ReaderError(msg)
        return ended

    def of(self, token: str) -> Reader | None:
        """Whose token this is; None where it is unknown, expired or revoked."""
        row = genuine(token, PREFIX, self._row)
        if row is None or row["revoked"] or row["expires_at"] <= datetime.now(UTC).timestamp():
            return None
        return Reader(row["id"], row["person"], row["role"])

    def begin(self, reader: Reader, sql: str) -> int:
        """Record a query before it runs: one that takes the server down is in the record too."""
        with self.engine.begin() as connection:
            done = connection.execute(
                sa.insert(_queries).values(
                    at=datetime.now(UTC).timestamp(),
                    reader=reader.id,
                    person=reader.person,
                    role=reader.role,
                    sql=sql,
                    outcome="running",
                )
            )
            return int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0

    def finish(self, query: int, outcome: str, size: int, seconds: float) -> None:
        """How it ended: ``answered``, ``refused``, ``stopped`` or ``broken``; bytes sent, seconds taken."""
        values = {"outcome": outcome, "bytes": size, "seconds": seconds}
        with self.engine.begin() as connection:
            connection.execute(sa.update(_queries).where(_queries.c.id == query).values(values))

    def audit(self, limit: int = 100) -> list[Mapping[str, Any]]:
        """The newest queries first: when, who, in which role, what, and how it ended."""
        query = sa.select(_queries).order_by(_queries.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _row(self, reader_id: str) -> sa.RowMapping | None:
        with self.engine.connect() as connection:
            return (
                connection.execute(sa.select(_readers).where(_readers.c.id == reader_id)).mappings().first()
            )


def open_readers(home: Home) -> Readers:
    """The readers of this home; their tables are made on first use."""
    return Readers(open_tables(home, _metadata))
