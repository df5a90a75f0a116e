"""``POST /v1/query``: SQL in, Arrow or CSV out, for whoever has a reader's token.

Here belong the address, the limits and the stopping of what takes too long. What a query may touch is in ``worker``,
who may ask is in ``readers``.
"""

import json
import os
import pwd
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from assets.analyst import role_file
from assets.shared import load_lawful
from catalog.load import Catalogue, load
from catalog.model import Title
from lake.home import Home
from masking.roles import Role
from pipelines.gateway.bearer import bearing
from pipelines.gateway.problems import Problem, answer_with_problems
from pipelines.listening import serve
from pipelines.remote.readers import Reader, Readers, open_readers
from pipelines.remote.worker import MISTAKE
from quality.clock import today

ARROW, CSV = "application/vnd.apache.arrow.stream", "text/csv"
CHUNK = 1 << 18


@dataclass(frozen=True)
class Limits:
    """What one query may take, and how many may run at once."""

    seconds: float = 60.0
    memory_mb: int = 1_024
    threads: int = 2
    answer_bytes: int = 1 << 30
    at_once: int = 4


class Query(BaseModel):
    """One SELECT; ``parameters`` fill its ``?``, so that no value need stand in the text (and in the record of it)."""

    sql: str = Field(max_length=100_000)
    parameters: list[str | int | float | bool | None] = Field(default=[], max_length=1_000)
    format: str = Field(default="arrow", pattern="^(arrow|csv)$")


def create_app(home: Home, catalogue: Catalogue, limits: Limits | None = None) -> FastAPI:
    """The server's addresses over one home."""
    bounds = limits or Limits()
    roles, readers = load_lawful(catalogue).roles, open_readers(home)
    running = threading.BoundedSemaphore(bounds.at_once)
    app = FastAPI(title="citylake 远程查询 remote queries", docs_url=None, redoc_url=None)
    answer_with_problems(app)

    @app.get("/healthz", summary="Whether the server is up.")
    def healthz() -> dict[str, str]:
        return {"state": "up"}

    @app.post("/v1/query", summary="Run one SELECT over the role's tables; Arrow or CSV.")
    def query(asked: Query, reader: Annotated[Reader, Depends(_reader(readers))]) -> StreamingResponse:
        file = _file_of(home, roles, reader)
        if not running.acquire(blocking=False):
            raise Problem(
                503, Title(zh="查询过多，请稍后再试", en="too many queries: try again later"), retry_after=5
            )
        number = readers.begin(reader, asked.sql)
        answer = None
        try:
            answer = _Answer(file, asked, bounds)
            first = answer.first()
        except BaseException as error:
            running.release()
            outcome = "refused" if isinstance(error, Problem) else "broken"
            readers.finish(number, outcome, 0, answer.seconds if answer else 0)
            raise

        def body() -> Iterator[bytes]:
            outcome = "stopped"
            try:
                yield first
                yield from answer.rest()
                outcome = "answered"
            finally:
                answer.close()
                running.release()
                readers.finish(number, outcome, answer.sent, answer.seconds)

        return StreamingResponse(body(), media_type=CSV if asked.format == "csv" else ARROW)

    return app


class _Answer:
    """A worker at work: its output, until it ends, takes too long or says too much."""

    def __init__(self, file: Path, asked: Query, limits: Limits) -> None:
        self.sent = 0
        self._limits = limits
        self._started = time.monotonic()
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "pipelines.remote.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # nothing of ours: no secret, and no address of anything
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        self._late = False
        self._alarm = threading.Timer(limits.seconds, self._stop)
        self._alarm.start()
        request = {
            "file": str(file),
            "sql": asked.sql,
            "parameters": asked.parameters,
            "format": asked.format,
            "memory_mb": limits.memory_mb,
            "threads": limits.threads,
            "user": _query_user(),
        }
        with _piped(self._worker.stdin) as pipe:
            pipe.write(json.dumps(request).encode())

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._started

    def first(self) -> bytes:
        """The first bytes; raises :class:`Problem` where there are none because the query cannot be answered."""
        chunk = self._read()
        if not chunk:
            raise self._problem()
        return chunk

    def rest(self) -> Iterator[bytes]:
        """The other bytes; a broken answer ends the connection, so that nobody takes it for a whole one."""
        while chunk := self._read():
            yield chunk
        if self._worker.wait() != 0:
            msg = "the worker ended before its answer did"
            raise ConnectionAbortedError(msg)

    def close(self) -> None:
        """End the worker, if it has not ended."""
        self._alarm.cancel()
        self._worker.kill()
        self._worker.wait()
        for pipe in (self._worker.stdout, self._worker.stderr):
            if pipe:
                pipe.close()

    def _read(self) -> bytes:
        chunk = self._worker.stdout.read1(CHUNK) if self._worker.stdout else b""  # type: ignore[attr-defined]
        self.sent += len(chunk)
        if self.sent > self._limits.answer_bytes:
            self._worker.kill()
        return bytes(chunk)

    def _stop(self) -> None:
        self._late = True
        self._worker.kill()

    def _problem(self) -> Problem:
        with _piped(self._worker.stderr) as pipe:
            why = pipe.read(10_000).decode(errors="replace").strip()
        code = self._worker.wait()
        self.close()
        if code == MISTAKE:
            return Problem(400, Title(zh=f"查询有误：{why}", en=why))
        if self._late:
            limit = f"{self._limits.seconds:g}"
            return Problem(
                408,
                Title(
                    zh=f"查询超过{limit}秒，已停止；请缩小范围",
                    en=f"stopped after {limit} s: ask for less",
                ),
            )
        return Problem(
            507,
            Title(
                zh="查询超出内存限制，请缩小范围", en="the query took more memory than it may: ask for less"
            ),
        )


def _piped(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        msg = "the worker has no pipe"
        raise RuntimeError(msg)
    return pipe


def _query_user() -> tuple[int, int] | None:
    """Whom the workers run as: ``CITYLAKE_QUERY_USER``, where the server runs as root and can become another."""
    name = os.environ.get("CITYLAKE_QUERY_USER")
    if not name or os.geteuid() != 0:
        return None
    account = pwd.getpwnam(name)
    return account.pw_uid, account.pw_gid


def _reader(readers: Readers) -> Callable[..., Reader]:
    """A dependency that finds out which reader asks; 401 where none does."""
    return bearing(
        readers.of,
        "查询令牌 a reader's token",
        Title(
            zh="请在 Authorization 头中提供有效的查询令牌（Bearer）",
            en="send a valid reader's token: Authorization: Bearer …",
        ),
    )


def _file_of(home: Home, roles: Mapping[str, Role], reader: Reader) -> Path:
    """The role's file; 403 once its grant is over, 404 where it has not been built."""
    role = roles.get(reader.role)
    if role is None or not role.runs_on(today()):
        raise Problem(
            403,
            Title(zh="该角色的授权已到期或已取消", en="the grant of this role is over: ask the data bureau"),
        )
    file = role_file(home, reader.role)
    if not file.exists():
        raise Problem(404, Title(zh="该角色的数据尚未生成", en="the role's tables have not been built yet"))
    return file


def run(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve until interrupted; raises ``ExposedError`` for another address than loopback without TLS."""
    serve(
        "query server",
        lambda: create_app(home, load()),
        host=host,
        port=port,
        certificate=tls_certificate,
        key=tls_key,
    )
