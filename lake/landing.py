"""Landing: take a push's bytes in, durably, exactly as they come, and only then register it.

Here belongs the order that makes a receipt a promise: bytes to a temporary file, its fsync, an atomic rename into
``landing/<resource>/<push id>/``, the folders' fsync, the ledger. What is in the bytes is not looked at, beyond there being
any. Nothing here is ever edited.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from catalog.errors import MendableError
from catalog.model import Entry, Title, Way
from lake.home import Home
from lake.ledger import (
    IdempotencyConflictError,
    Ledger,
    Push,
    UnknownPushError,
    new_push_id,
    same_or_conflict,
)
from lake.purges import is_purged
from quality.clock import today

MAX_BYTES = 20 * 1024**3
_UNSAFE = re.compile(r"[^\w.\-（）()]+")


class PushRefusedError(MendableError):
    """A push that cannot be taken in: nothing of it is kept. ``reason`` says why and what to do, in both languages."""

    def __init__(self, reason: Title) -> None:
        self.reason = reason
        super().__init__(f"{reason.zh} · {reason.en}")


class TooLargeError(PushRefusedError):
    """More bytes than allowed; the rest was not read."""


class DigestError(PushRefusedError):
    """The bytes are not those the department says it sent."""


class PurgedError(PushRefusedError):
    """The bytes are those of a push that was purged: whoever offers them keeps no copy here."""


#: A push for a day to come would overrule every true one until that day.
FUTURE = Title(
    zh="数据日期晚于今天，请检查年份和月份", en="the data date is after today: check its year and month"
)
#: Sent again by a second press of the button, it would all be there once more.
PURGED = Title(
    zh="这份内容已由数据局清除，不再接收；如属误清除，请重新导出后推送，或联系数据局",
    en="the bureau had this very content destroyed, and it is not taken again: ask the bureau",
)
EMPTY = Title(
    zh="文件没有内容（0字节）。本期没有数据时，请推送只有表头的文件（零报告）",
    en="the file has zero bytes; with nothing to report, push a file with a header only",
)


def receive(
    home: Home,
    ledger: Ledger,
    entry: Entry,
    chunks: Iterable[bytes],
    *,
    way: Way,
    filename: str,
    data_format: str,
    data_date: date,
    idempotency_key: str | None = None,
    expected_digest: str | None = None,
    max_bytes: int = MAX_BYTES,
    department: str | None = None,
) -> Push:
    """Land one push and register it; returns its receipt, or the earlier one where the key has been used for the
    same bytes. Raises :class:`PushRefusedError` (nothing kept) and ``IdempotencyConflictError``."""
    if data_date > today():
        raise PushRefusedError(FUTURE)
    push_id = new_push_id()
    staging = home.work / "incoming" / push_id
    staging.mkdir(parents=True, mode=0o700)
    try:
        name = safe_name(filename)
        size, digest = _write(staging / name, chunks, max_bytes)
        _judge(digest, expected_digest)
        if is_purged(home, digest):
            raise PurgedError(PURGED)
        push = Push(
            id=push_id,
            resource=entry.code,
            department=department or entry.department,
            way=way,
            filename=name,
            format=data_format,
            size=size,
            digest=digest,
            data_date=data_date,
            received_at=datetime.now(UTC),
            entry_version=entry.version,
            idempotency_key=idempotency_key,
        )
        twin = ledger.by_key(push.department, entry.code, idempotency_key) if idempotency_key else None
        if twin:
            return same_or_conflict(twin, push)
        return _register(ledger, push, _put(staging, home.landing / entry.code / push_id))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _register(ledger: Ledger, push: Push, folder: Path) -> Push:
    """The ledger comes last: a crash before it leaves bytes without a receipt (see :func:`sweep`), never the reverse."""
    try:
        registered = ledger.register(push)
    except (IdempotencyConflictError, OSError):
        # a ledger that says so, for want of room too, has registered nothing
        shutil.rmtree(folder)
        raise
    if registered.id != push.id:
        shutil.rmtree(folder)
    return registered


def landed_file(home: Home, push: Push) -> Path:
    """Where a push's bytes lie."""
    return home.landing / push.resource / push.id / push.filename


def file_chunks(path: Path, size: int = 1 << 20) -> Iterable[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def bounded(chunks: Iterable[bytes], max_bytes: int, too_large: Title) -> Iterator[bytes]:
    """A body as it comes; raises :class:`TooLargeError` once it is over the limit, :class:`PushRefusedError` at its end
    where there was nothing."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError(too_large)
        yield chunk
    if size == 0:
        raise PushRefusedError(EMPTY)


def format_of(filename: str) -> str:
    """What a file's name says of its format: its suffix, without the dot."""
    return Path(filename).suffix.lstrip(".").lower()[:16] or "unknown"


def safe_name(filename: str) -> str:
    """The last part of a name, without anything a file system or a terminal could misread, at most 200 bytes."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", filename))[-1]
    clean = _UNSAFE.sub("_", last).strip("._") or "push"
    stem, dot, suffix = clean.rpartition(".")
    return _cut(stem, 150) + dot + _cut(suffix, 50) if dot else _cut(clean, 200)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def sweep(home: Home, ledger: Ledger, older_than: timedelta = timedelta(hours=24)) -> list[Path]:
    """Remove what a killed receiver left: unfinished uploads, and folders in landing that no push is registered for,
    and so no receipt was given for. Younger ones may belong to a receiver that is at work, and stay."""
    left = [folder for folder in (home.work / "incoming").glob("p*") if _age(folder) > older_than]
    for folder in home.landing.glob("*/p*"):
        if _age(folder) > older_than:
            try:
                ledger.get(folder.name)
            except UnknownPushError:
                left.append(folder)
    for folder in left:
        shutil.rmtree(folder)
    return left


def _age(folder: Path) -> timedelta:
    return timedelta(seconds=time.time() - folder.stat().st_mtime)


def _write(path: Path, chunks: Iterable[bytes], max_bytes: int) -> tuple[int, str]:
    limit = f"{max_bytes / 1024**2:,.0f} MB"
    too_large = Title(
        zh=f"超过大小限制 {limit}，请分批推送", en=f"larger than the limit of {limit}: push in parts"
    )
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in bounded(chunks, max_bytes, too_large):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _judge(digest: str, expected: str | None) -> None:
    if expected is not None and expected.lower() != digest:
        raise DigestError(
            Title(
                zh="校验和与收到的内容不符，传输可能中断，请重新推送",
                en="the checksum is not that of the bytes received: send again",
            )
        )


def _put(staging: Path, target: Path) -> Path:
    """Move the finished folder into landing, and make the move itself durable."""
    for folder in (target.parent.parent, target.parent):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync(folder.parent)
    _sync(staging)
    staging.rename(target)
    _sync(target.parent)
    return target


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
