"""Catalogue entries as they were: each version under which a push was ever read, so that it can be read so again.

Here belong the table and the statements on it; rows are only ever added. An entry is known by a digest of its content,
since its version is a number that a person may forget to raise; the commits of a push carry sixty bits of it, so that the
tables themselves say under which entry their rows were read. What an entry means is the catalogue's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import sqlalchemy as sa
from pydantic import ValidationError

from catalog.errors import MendableError
from catalog.model import Entry
from lake.changes import Under
from lake.home import Home
from lake.ledger import Push, UtcDateTime, open_tables
from lake.tables import Lake


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

    def __init__(self, home: Home, lake: Lake) -> None:
        self._engine, self._lake = open_tables(home, _metadata), lake

    def keep(self, entry: Entry) -> str:
        """Write the entry down where it is not yet; returns its digest."""
        return _keep(self._engine, entry.code, entry.version, _content(entry))

    def of(self, pushes: Sequence[Push], now: Entry | None) -> dict[str, Entry]:
        """By push id the entry under which it was read (see :meth:`digests`); ``now``, where that is not known (None: the
        catalogue has none any more). Raises :class:`EntryGoneError`."""
        by_digest: dict[str | None, Entry] = {digest_of(now): now, None: now} if now else {}
        digests = self.digests(pushes)
        for push in pushes:
            if digests[push.id] not in by_digest:
                by_digest[digests[push.id]] = self._read(digests[push.id], push)
        return {push.id: by_digest[digests[push.id]] for push in pushes}

    def digests(self, pushes: Sequence[Push]) -> dict[str, str | None]:
        """By push id the digest of the entry under which it was read: as its commits say, else as the ledger does; None
        where that was before entries were kept."""
        committed = self._committed(pushes)
        return {push.id: committed.get(push.id, push.entry_digest) for push in pushes}

    def begun(self, push: Push) -> Entry | None:
        """The entry under which a push that is not settled has been committed to one table at least, so that it is finished
        by the same whatever was edited since; None where nothing of it has. Raises :class:`EntryGoneError`."""
        digest = self._committed([push]).get(push.id)
        return None if digest is None else self._read(digest, push)

    def _committed(self, pushes: Sequence[Push]) -> dict[str, str]:
        """By push id the digest that the commits of each push carry; where the two tables differ, the standard table's."""
        numbers: dict[str, int] = {}
        for resource in {push.resource for push in pushes}:
            ids = [push.id for push in pushes if push.resource == resource]
            for layer in ("quarantine", "standard"):
                numbers |= self._lake.numbers(layer, resource, ids)
        if not numbers:
            return {}
        with self._engine.connect() as connection:
            known = {
                _number(digest): digest
                for digest in connection.execute(sa.select(_entries.c.digest)).scalars()
            }
        return {push_id: known[number] for push_id, number in numbers.items() if number in known}

    def _read(self, digest: str | None, push: Push) -> Entry:
        with self._engine.connect() as connection:
            query = sa.select(_entries.c.content).where(_entries.c.digest == digest)
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


def under(entry: Entry) -> Under:
    """What the commits of a push that is read by this entry say of it."""
    digest = digest_of(entry)
    words = {"citylake.entry_version": str(entry.version), "citylake.entry_digest": digest}
    return Under(_number(digest), words)


def _number(digest: str) -> int:
    """A digest as far as it goes into the number of an application transaction."""
    return int(digest[:15], 16)


def digest_of(entry: Entry) -> str:
    """The entry's content as a digest; what a later citylake adds to entries, unless it is said, changes none."""
    return hashlib.sha256(_content(entry).encode()).hexdigest()


def _content(entry: Entry) -> str:
    return json.dumps(entry.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)
