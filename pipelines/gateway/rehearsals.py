"""A dry run (``?dry_run=1``): the body judged as if it were pushed, by another process, and thrown away.

Here belongs the way of a body to that process and of its verdict back. The gateway itself never parses what departments
send: a file that crashes a parser crashes only its own rehearsal.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import Request

from assets.ingest.decoding import scratch_folder
from catalog.model import Title
from lake.home import Home
from lake.landing import bounded
from pipelines.gateway.bodies import land_body
from pipelines.gateway.problems import Problem

#: Judging takes memory and cores: only so many at once, whichever departments ask.
MAX_AT_ONCE = 2
#: A body larger than this, or judged for longer, is for a real push.
MAX_BYTES = 512 * 1024**2
PATIENCE_SECONDS = 300.0
_TOO_MUCH = Title(
    zh="文件过大，不能试推，请直接推送并查看回执",
    en="too large for a dry run: push it, and look at the receipt",
)


class Rehearsals:
    """The dry runs of one gateway process."""

    def __init__(self, home: Home, pool: Executor) -> None:
        self._home, self._pool = home, pool
        self._free = asyncio.Semaphore(MAX_AT_ONCE)

    async def judge(
        self, request: Request, resource: str, filename: str, data_date: date | None
    ) -> dict[str, Any]:
        """What would become of the body; raises :class:`Problem`."""
        async with (
            rehearsed(request, self._home, self._pool, filename, MAX_BYTES, _TOO_MUCH) as path,
            self._free,
        ):
            return await self._verdict(path, resource, data_date)

    async def _verdict(self, path: Path, resource: str, data_date: date | None) -> dict[str, Any]:
        day = [f"--data-date={data_date}"] if data_date else []
        command = [
            "-m",
            "pipelines.cli",
            "push",
            str(path),
            f"--resource={resource}",
            *day,
            "--dry-run",
            "--json",
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"CITYLAKE_HOME": str(self._home.root)},
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        except TimeoutError:
            raise Problem(413, _TOO_MUCH) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            msg = f"a dry run of {resource} ended with code {process.returncode}"
            raise RuntimeError(msg)
        verdict: dict[str, Any] = json.loads(said)
        return verdict


@asynccontextmanager
async def rehearsed(
    request: Request, home: Home, pool: Executor, filename: str, max_bytes: int, too_large: Title
) -> AsyncIterator[Path]:
    """The body as a file that is gone with the block; raises :class:`Problem` for what a push would be refused for."""
    with scratch_folder(home.work) as folder:

        def write(chunks: Iterator[bytes]) -> Path:
            path = folder / filename
            with path.open("xb") as file:
                file.writelines(bounded(chunks, max_bytes, too_large))
            return path

        yield await land_body(request, pool, write)
