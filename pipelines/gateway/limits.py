"""What one department may ask of the gateway at once, so that it never keeps the others waiting.

Here belong the bookkeeping, for one gateway process, and the numbers that are nobody's own. A department's own stand in
``departments.yaml``. Nothing is kept over a restart.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.model import Limits, Title
from pipelines.gateway.problems import Problem

#: All departments together may have so many pushes under way at once.
MAX_CONCURRENT_TOTAL = 64
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
    def taken(self, department: str, allowed: Limits) -> Iterator[None]:
        """Hold one slot; raises a 429 or 503 :class:`Problem` where there is none."""
        with self._lock:
            mine = self._departments.setdefault(department, _Department())
            self._judge(mine, allowed)
            mine.running += 1
            mine.begun.append(time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                mine.running -= 1

    def _judge(self, mine: _Department, allowed: Limits) -> None:
        while mine.begun and mine.begun[0] < time.monotonic() - 60:
            mine.begun.popleft()
        if mine.running >= allowed.at_once:
            raise Problem(
                429,
                Title(
                    zh=f"同时进行的推送不能超过{allowed.at_once}个，请稍后再试",
                    en=f"at most {allowed.at_once} pushes at once: try again later",
                ),
                retry_after=5,
            )
        if len(mine.begun) >= allowed.a_minute:
            raise Problem(
                429,
                Title(
                    zh=f"每分钟推送不能超过{allowed.a_minute}次，请合并后再推送",
                    en=f"at most {allowed.a_minute} pushes a minute: push more rows at once",
                ),
                retry_after=60,
            )
        if sum(each.running for each in self._departments.values()) >= MAX_CONCURRENT_TOTAL:
            raise Problem(
                503,
                Title(zh="平台繁忙，请稍后再试", en="the gateway is busy: try again later"),
                retry_after=10,
            )
