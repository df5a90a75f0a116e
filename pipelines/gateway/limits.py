"""What one department may ask of the gateway at once, so that it never keeps the others waiting.

Here belong the numbers and their bookkeeping, for one gateway process. Nothing is kept over a restart.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.model import Title
from pipelines.gateway.problems import Problem

#: The largest body of one push.
MAX_BYTES = 4 * 1024**3
#: A department may have so many pushes under way at once, and all departments together so many.
MAX_CONCURRENT = 8
MAX_CONCURRENT_TOTAL = 64
#: A department may begin so many pushes in a minute.
MAX_PER_MINUTE = 1_200
#: A body that brings nothing for so long is given up.
SILENCE_SECONDS = 30.0
#: After this long, a body must have brought so many bytes a second on average.
PATIENCE_SECONDS = 60.0
MIN_BYTES_PER_SECOND = 1_024
#: Nothing is taken in where the disk has less than this left.
MIN_FREE_BYTES = 256 * 1024**2


@dataclass
class _Department:
    running: int = 0
    begun: deque[float] = field(default_factory=deque)


class Slots:
    """Counts pushes under way and begun, by department."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._departments: dict[str, _Department] = {}

    @contextmanager
    def taken(self, department: str) -> Iterator[None]:
        """Hold one slot; raises a 429 or 503 :class:`Problem` where there is none."""
        with self._lock:
            mine = self._departments.setdefault(department, _Department())
            self._judge(mine)
            mine.running += 1
            mine.begun.append(time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                mine.running -= 1

    def _judge(self, mine: _Department) -> None:
        while mine.begun and mine.begun[0] < time.monotonic() - 60:
            mine.begun.popleft()
        if mine.running >= MAX_CONCURRENT:
            raise Problem(
                429,
                Title(
                    zh=f"同时进行的推送不能超过{MAX_CONCURRENT}个，请稍后再试",
                    en=f"at most {MAX_CONCURRENT} pushes at once: try again later",
                ),
                retry_after=5,
            )
        if len(mine.begun) >= MAX_PER_MINUTE:
            raise Problem(
                429,
                Title(
                    zh=f"每分钟推送不能超过{MAX_PER_MINUTE}次，请合并后再推送",
                    en=f"at most {MAX_PER_MINUTE} pushes a minute: push more rows at once",
                ),
                retry_after=60,
            )
        if sum(each.running for each in self._departments.values()) >= MAX_CONCURRENT_TOTAL:
            raise Problem(
                503,
                Title(zh="平台繁忙，请稍后再试", en="the gateway is busy: try again later"),
                retry_after=10,
            )
