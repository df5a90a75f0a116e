"""A request's body, on its way to disk: through a bounded queue, at a decent pace, and never all in memory.

Here belongs the bridge between the event loop, which receives, and the thread that lands. A body that stops, crawls or
breaks off ends the landing, and leaves nothing.
"""

from __future__ import annotations

import asyncio
import errno
import queue
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from catalog.model import Title
from lake.landing import PushRefusedError, TooLargeError
from lake.ledger import IdempotencyConflictError
from pipelines.gateway import limits
from pipelines.gateway.problems import Problem

Landed = TypeVar("Landed")

_CHUNKS_AHEAD = 32
_TOO_SLOW = Title(
    zh="传输中断或过慢，请重新推送（可用同一幂等键）",
    en="the body stopped or crawled: push again, with the same idempotency key",
)
_DISK_FULL = Title(
    zh="平台存储空间不足，请联系数据局", en="the platform's disk is full: tell the data bureau"
)


async def land_body(request: Request, pool: Executor, land: Callable[[Iterator[bytes]], Landed]) -> Landed:
    """Feed the body to ``land``, which runs in a thread of ``pool``; raises :class:`Problem`."""
    pipe: queue.Queue[bytes | Problem | None] = queue.Queue(maxsize=_CHUNKS_AHEAD)
    landing = asyncio.get_running_loop().run_in_executor(pool, land, _drained(pipe))
    last: Problem | None = None
    try:
        async for chunk in _paced(request):
            if chunk and not await _offer(pipe, chunk, landing):
                break
    except Problem as problem:
        last = problem
    except ClientDisconnect:
        last = Problem(408, _TOO_SLOW)
    await _offer(pipe, last, landing)
    return await _outcome(landing)


def require_room(request: Request, folder: Path, most: int) -> None:
    """Refuse before the first byte what cannot be taken: too large by its own account, or no room on the disk."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        limit = f"{most >> 20:,} MB"
        raise Problem(
            413, Title(zh=f"超过大小限制 {limit}，请分批推送", en=f"larger than {limit}: push in parts")
        )
    if shutil.disk_usage(folder).free < limits.MIN_FREE_BYTES:
        raise Problem(507, _DISK_FULL)


def _drained(pipe: queue.Queue[Any]) -> Iterator[bytes]:
    """What comes through the pipe, in the landing thread. Should the request be dropped without a word, the silence
    ends it: no thread waits for ever."""
    while True:
        try:
            item = pipe.get(timeout=limits.SILENCE_SECONDS * 2)
        except queue.Empty:
            raise Problem(408, _TOO_SLOW) from None
        if item is None:
            return
        if isinstance(item, Problem):
            raise item
        yield item


async def _paced(request: Request) -> AsyncIterator[bytes]:
    stream, began, received = request.stream().__aiter__(), time.monotonic(), 0
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), limits.SILENCE_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Problem(408, _TOO_SLOW) from None
        received += len(chunk)
        elapsed = time.monotonic() - began
        if elapsed > limits.PATIENCE_SECONDS and received < elapsed * limits.MIN_BYTES_PER_SECOND:
            raise Problem(408, _TOO_SLOW)
        yield chunk


async def _offer(pipe: queue.Queue[Any], item: bytes | Problem | None, landing: asyncio.Future[Any]) -> bool:
    """Put one item, waiting without blocking the loop; False where the landing is over already (refused)."""
    while not landing.done():
        try:
            pipe.put_nowait(item)
        except queue.Full:
            await asyncio.sleep(0.002)
        else:
            return True
    return False


async def _outcome(landing: asyncio.Future[Landed]) -> Landed:
    with _as_problems():
        return await landing


def landing_problems(land: Callable[[], Landed]) -> Landed:
    """What ``land`` returns; what it refuses is a :class:`Problem`."""
    with _as_problems():
        return land()


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except TooLargeError as error:
        raise Problem(413, error.reason) from None
    except PushRefusedError as error:
        raise Problem(422, error.reason) from None
    except IdempotencyConflictError as error:
        zh, _, en = str(error).partition(" · ")
        raise Problem(409, Title(zh=zh, en=en)) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Problem(507, _DISK_FULL) from None
        raise
