"""Database systems that front-end exchange databases run on, behind one small interface.

Here belong connecting, passwords and the reading of one table in one snapshot, in bounded memory, without ever writing.
What is made of a table is in ``exchange.py``. PostgreSQL is read through ADBC; every other system through SQLAlchemy,
where a new one costs its driver package and perhaps one line in :data:`_DRIVERS`.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import adbc_driver_postgresql.dbapi as postgres
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from assets.ingest.table import as_text
from catalog.errors import MendableError
from catalog.model import Title

BATCH_ROWS = 50_000
#: A scheme as it is written → SQLAlchemy's driver. Tried here: MySQL and MariaDB. Not tried, since they cannot run here:
#: Oracle (package oracledb), Dameng (dmPython and dmSQLAlchemy); KingbaseES speaks PostgreSQL's protocol.
_DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "oracle": "oracle+oracledb",
    "dm": "dm+dmPython",
}
_POSTGRESQL = ("postgresql", "postgres", "kingbase")
_PASSWORD_IN_QUERY = re.compile(r"[?&](password|passwd|pwd)=", re.IGNORECASE)
_KINDS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "int": int,
    "Decimal": Decimal,
    "str": str,
}


class ExchangeError(MendableError, RuntimeError):
    """The exchange database, or one table of it, cannot be read; says what to check, never the password or a value."""

    def __init__(self, reason: Title) -> None:
        self.reason = reason
        super().__init__(f"{reason.zh} · {reason.en}")


@dataclass(frozen=True)
class Mark:
    """How far a table has been read: the highest value of its watermark column, with its Python type's name."""

    kind: str
    text: str

    @classmethod
    def of(cls, value: object) -> Mark:
        """The mark of a value as a driver gives it."""
        kind = type(value).__name__
        return cls(kind if kind in _KINDS else "str", str(value))

    @property
    def value(self) -> Any:
        """The value as a driver takes it."""
        return _KINDS[self.kind](self.text)


@dataclass(frozen=True)
class Part:
    """Some of a table's rows, and the highest watermark among them."""

    rows: pa.RecordBatch
    highest: Mark | None = None


class Database(Protocol):
    """One exchange database, connected."""

    def tables(self, departments: Collection[str]) -> set[tuple[str, str]]:
        """(department, resource) of every table in the departments' schemas."""

    def read(
        self, department: str, resource: str, watermark: str | None = None, since: Mark | None = None
    ) -> Iterator[Part]:
        """A table's rows in one snapshot, in one part at least; with a watermark column in its order, from the mark
        on, the row with just that value included. Raises :class:`ExchangeError`."""


@contextmanager
def connected(url: str) -> Iterator[Database]:
    """The database at ``url``, which holds no password. Raises :class:`ExchangeError`."""
    _refuse_password(url)
    scheme = url.partition(":")[0]
    database = _PostgreSQL if scheme in _POSTGRESQL else _BySqlAlchemy
    with database.connected(url) as found:
        yield found


@contextmanager
def postgresql(url: str) -> Iterator[Any]:
    """A plain ADBC connection, which may write: what a department's own job has. Raises :class:`ExchangeError`."""
    _refuse_password(url)
    try:
        connection = postgres.connect(re.sub(r"^\w+:", "postgresql:", url))
    except postgres.Error:
        raise _unreachable(url) from None
    with connection:
        yield connection


def _refuse_password(url: str) -> None:
    try:
        password = sa.make_url(url).password
    except sa.exc.ArgumentError:
        raise ExchangeError(
            Title(
                zh="CITYLAKE_EXCHANGE_URL 不是数据库地址，应如 postgresql://用户@主机:5432/库名",
                en="CITYLAKE_EXCHANGE_URL is no database address, as postgresql://user@host:5432/database is",
            )
        ) from None
    if password or _PASSWORD_IN_QUERY.search(url):
        raise ExchangeError(
            Title(
                zh="CITYLAKE_EXCHANGE_URL 中不能写密码，请放在 PGPASSWORD、MYSQL_PWD 或权限为 0600 的 PGPASSFILE 中",
                en="CITYLAKE_EXCHANGE_URL must hold no password: use PGPASSWORD, MYSQL_PWD, or a PGPASSFILE of mode 0600",
            )
        )


def _unreachable(url: str) -> ExchangeError:
    host = sa.make_url(url).host or "localhost"
    return ExchangeError(
        Title(
            zh=f"前置交换库（{host}）无法连接，请检查 CITYLAKE_EXCHANGE_URL 和密码",
            en=f"the exchange database at {host} does not answer: check CITYLAKE_EXCHANGE_URL and the password",
        )
    )


def _no_driver(scheme: str, package: str) -> ExchangeError:
    return ExchangeError(
        Title(
            zh=f"读取 {scheme} 数据库需要安装驱动包 {package}，见 docs/ingest.md",
            en=f"to read {scheme} databases install the driver package {package}: see docs/ingest.md",
        )
    )


def _broken_off(department: str, resource: str, error: Exception) -> ExchangeError:
    return ExchangeError(
        Title(
            zh=f"读取前置交换库的表 {department}.{resource} 中断，下次再读",
            en=f"reading the exchange table {department}.{resource} broke off ({type(error).__name__}): it will be "
            "read again",
        )
    )


class _PostgreSQL:
    """PostgreSQL and what speaks its protocol; its password is libpq's business (PGPASSWORD, PGPASSFILE)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def connected(cls, url: str) -> Iterator[_PostgreSQL]:
        with postgresql(url) as connection:
            yield cls(connection)

    def tables(self, departments: Collection[str]) -> set[tuple[str, str]]:
        """See :class:`Database`."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            )
            found = {(str(schema), str(name)) for schema, name in cursor.fetchall()}
        self._connection.rollback()
        return {(schema, name) for schema, name in found if schema in departments}

    def read(
        self, department: str, resource: str, watermark: str | None = None, since: Mark | None = None
    ) -> Iterator[Part]:
        """See :class:`Database`."""
        query = f'SELECT * FROM "{department}"."{resource}"'  # noqa: S608 - codes of the catalogue
        if watermark:
            column = '"' + watermark.replace('"', '""') + '"'
            # a text without a type takes the column's, whatever that is
            after = f" WHERE {column} >= '{since.text.replace(chr(39), chr(39) * 2)}'" if since else ""
            query += f"{after} ORDER BY {column}"
        try:
            self._connection.rollback()  # the snapshot begins here, not where somebody looked for tables
            with self._connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute(query)
                reader = cursor.fetch_record_batch()
                nothing = pa.RecordBatch.from_pylist([], schema=reader.schema)
                for rows in itertools.chain([nothing], reader):
                    yield Part(rows, _highest(rows, watermark) if watermark else None)
            self._connection.rollback()  # reading is over: hold no snapshot open in the department's database
        except (postgres.Error, pa.ArrowException, OSError) as error:
            raise _broken_off(department, resource, error) from None


def _highest(rows: pa.RecordBatch, watermark: str) -> Mark | None:
    """The last value that is there: rows come in its order."""
    values = pc.drop_null(rows.column(watermark))
    return Mark.of(values[-1].as_py()) if len(values) else None


class _BySqlAlchemy:
    """Any system that SQLAlchemy has a dialect for; a department's schema is what the system calls database or user."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    @contextmanager
    def connected(cls, url: str) -> Iterator[_BySqlAlchemy]:
        scheme, _, rest = url.partition(":")
        address = sa.make_url(f"{_DRIVERS.get(scheme, scheme)}:{rest}")
        address = address.set(password=_password(address))
        try:
            engine = sa.create_engine(address, poolclass=sa.NullPool)
            engine.connect().close()
        except ImportError as error:
            raise _no_driver(scheme, error.name or "") from None
        except (sa.exc.SQLAlchemyError, RuntimeError):
            raise _unreachable(url) from None
        yield cls(engine)

    def tables(self, departments: Collection[str]) -> set[tuple[str, str]]:
        """See :class:`Database`."""
        inspector = sa.inspect(self._engine)
        schemas = [schema for schema in inspector.get_schema_names() if schema in departments]
        return {(schema, name) for schema in schemas for name in inspector.get_table_names(schema)}

    def read(
        self, department: str, resource: str, watermark: str | None = None, since: Mark | None = None
    ) -> Iterator[Part]:
        """See :class:`Database`."""
        query = sa.select(sa.text("*")).select_from(sa.table(resource, schema=department))
        if watermark:
            column: sa.ColumnClause[Any] = sa.column(watermark)
            query = (query.where(column >= since.value) if since else query).order_by(column)
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                result = connection.execution_options(stream_results=True).execute(query)
                names = list(result.keys())
                for rows in itertools.chain([[]], result.partitions(BATCH_ROWS)):
                    yield _part(names, rows, watermark)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _broken_off(department, resource, error) from None


def _part(names: Sequence[str], rows: Sequence[sa.Row[Any]], watermark: str | None) -> Part:
    """Rows as text, since a driver's types may differ from one batch to the next."""
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    columns = [_series(name, values) for name, values in zip(names, cells, strict=True)]
    frame = pl.DataFrame(columns)
    texts = frame.select(as_text(name, dtype).alias(name) for name, dtype in frame.schema.items())
    table = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    marks = [value for value in cells[names.index(watermark)] if value is not None] if watermark else []
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    return Part(batches[0], Mark.of(marks[-1]) if marks else None)


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1 and kinds <= {str, int, float, bool, date, datetime, bytes}:
        return pl.Series(name, values)
    written = (
        format(value, "f") if isinstance(value, Decimal) else None if value is None else str(value)
        for value in values
    )
    return pl.Series(name, list(written), dtype=pl.String)


def _password(address: sa.URL) -> str | None:
    """From MYSQL_PWD, or from the file that PGPASSFILE names, in libpq's format: host:port:database:user:password."""
    if address.get_backend_name() in ("mysql", "mariadb") and "MYSQL_PWD" in os.environ:
        return os.environ["MYSQL_PWD"]
    path = Path(os.environ.get("PGPASSFILE", ""))
    if not path.is_file():
        return None
    if path.stat().st_mode & 0o077:
        raise ExchangeError(
            Title(zh="PGPASSFILE 的权限必须是 0600", en="the file that PGPASSFILE names must have mode 0600")
        )
    wanted = (address.host, str(address.port or ""), address.database or "", address.username)
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", line)]
        if len(fields) == 5 and all(
            field in ("*", want) for field, want in zip(fields, wanted, strict=False)
        ):
            return fields[4]
    return None
