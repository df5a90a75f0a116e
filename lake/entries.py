"""Catalogue entries as they were: each version under which a push was ever read, so that it can be read so again.

Here belong the table and the statements on it; rows are only ever added. An entry is known by a digest of its content,
since its version is a number that a person may forget to raise. What an entry means is the catalogue's.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import sqlalchemy as sa
from pydantic import ValidationError

from catalog.errors import MendableError
from catalog.model import Entry
from lake.home import Home
from lake.ledger import Push, UtcDateTime, open_tables


class EntryGoneError(MendableError, LookupError):
    """The entry under which a push was read cannot be read itself any more."""

    def __init__(self, push: Push) -> None:
        super().__init__(
            f"推送 {push.id} 当时所用的目录（版本 {push.entry_version}）已无法识别 · the entry under which push {push.id} was read "
            f"(version {push.entry_version}) is not understood by this citylake: see `citylake replay {push.resource} "
            "--as-current`"
        )


_metadata = sa.MetaData()
_entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
)


class Entries:
    """The entries of one home, as they were when pushes were read by them."""

    def __init__(self, home: Home) -> None:
        self._engine = open_tables(home, _metadata)

    def keep(self, entry: Entry) -> str:
        """Write the entry down where it is not yet; returns its digest."""
        return _keep(self._engine, entry.code, entry.version, _content(entry))

    def of(self, push: Push, now: Entry | None) -> Entry:
        """The entry under which the push was read; ``now``, where that was before entries were kept (None: the catalogue
        has none any more).

        Raises :class:`EntryGoneError`."""
        if now and (push.entry_digest is None or push.entry_digest == digest_of(now)):
            return now
        with self._engine.connect() as connection:
            query = sa.select(_entries.c.content).where(_entries.c.digest == push.entry_digest)
            content = connection.execute(query).scalar()
        try:
            return Entry.model_validate_json(content or "")
        except ValidationError:
            raise EntryGoneError(push) from None


@lru_cache(maxsize=1024)
def _keep(engine: sa.Engine, resource: str, version: int, content: str) -> str:
    """Once in a process for each entry: every push asks."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    with engine.connect() as connection:
        known = connection.execute(sa.select(_entries.c.digest).where(_entries.c.digest == digest)).scalar()
    if known is None:
        row = {"digest": digest, "resource": resource, "version": version, "content": content}
        # another process may be faster
        with suppress(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(sa.insert(_entries).values(**row, since=datetime.now(UTC)))
    return digest


def digest_of(entry: Entry) -> str:
    """The entry's content as a digest; what a later citylake adds to entries, unless it is said, changes none."""
    return hashlib.sha256(_content(entry).encode()).hexdigest()


def _content(entry: Entry) -> str:
    return json.dumps(entry.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)
