"""One query in a process of its own: ``python -m pipelines.remote.worker`` reads a request and writes the answer.

Here belongs the cage. ``read_only`` alone is none: a SELECT may read any file the process can. So the connection may
open only the files that the role's own views name, loads no extension, reaches no network, writes nowhere, and its
settings are locked; the process has no environment, no more memory than its limit, and, started by root, another user.
It imports DuckDB and nothing of ours.

Exit code 0: the answer stands on stdout. 2: the query is at fault, and stderr says why. Anything else is a bug.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from typing import Any

MISTAKE = 2
ROWS_PER_BATCH = 10_000
#: Beside DuckDB's own limit: what Arrow and Python take, and a limit that holds whatever DuckDB counts.
MEMORY_BESIDE = 1 << 30
_PARQUET = re.compile(r"'((?:[^']|'')+\.parquet)'")


def main() -> int:
    """Run the request on stdin: ``file``, ``sql``, ``parameters``, ``format``, ``memory_mb``, ``threads``, ``user``."""
    request = json.load(sys.stdin)
    # before anything else may touch a file
    if request.get("user"):
        uid, gid = request["user"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    memory = int(request["memory_mb"]) << 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import duckdb

    try:
        connection = caged(request["file"], request["memory_mb"], request["threads"])
        resource.setrlimit(resource.RLIMIT_DATA, (memory + MEMORY_BESIDE, memory + MEMORY_BESIDE))
        send(select(connection, request["sql"], request["parameters"]), request["format"])
    except (duckdb.Error, MistakeError) as error:
        sys.stderr.write(str(error))
        return MISTAKE
    return 0


class MistakeError(ValueError):
    """A query that is not one SELECT."""


def caged(file: str, memory_mb: int, threads: int) -> Any:
    """A connection to the role's file that can read what its views name, and nothing else."""
    import duckdb

    limits: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": "",
        "memory_limit": f"{memory_mb}MB",
        "threads": threads,
    }
    connection = duckdb.connect(file, read_only=True, config=limits)
    views = connection.execute("select sql from duckdb_views() where not internal").fetchall()
    paths = sorted({path for (sql,) in views for path in _PARQUET.findall(sql)})
    connection.execute(f"set allowed_paths = [{', '.join(_quoted(path) for path in paths)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def select(connection: Any, sql: str, parameters: list[Any]) -> Any:
    """The result of one SELECT; raises :class:`MistakeError` for anything else."""
    import duckdb

    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        msg = "one SELECT, please: this server only reads · 只能执行一条 SELECT 查询"
        raise MistakeError(msg)
    return connection.execute(statements[0], parameters or None).to_arrow_reader(ROWS_PER_BATCH)


def send(result: Any, how: str) -> None:
    """Write the batches to stdout as they come, so that a large answer needs little memory."""
    import pyarrow as pa
    from pyarrow import csv

    schema = result.schema if how != "csv" else pa.schema([_told_as_text(field) for field in result.schema])
    with pa.PythonFile(sys.stdout.buffer, "w") as out:
        make = csv.CSVWriter if how == "csv" else pa.ipc.new_stream
        with make(out, schema) as writer:
            for batch in result:
                writer.write_batch(batch if schema == result.schema else _flat(batch, schema))


def _told_as_text(field: Any) -> Any:
    """A CSV has no lists and no records: they are told as JSON."""
    import pyarrow as pa

    return field.with_type(pa.string()) if pa.types.is_nested(field.type) else field


def _flat(batch: Any, schema: Any) -> Any:
    import pyarrow as pa

    def told(value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, default=str)

    columns = [
        pa.array(map(told, column.to_pylist()), pa.string()) if pa.types.is_nested(column.type) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, schema=schema)


def _quoted(path: str) -> str:
    return f"'{path}'"


if __name__ == "__main__":
    sys.exit(main())
