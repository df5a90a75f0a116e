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
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from catalog.model import Entry, Title, Way
from lake.home import Home
from lake.ledger import Ledger, Push, UnknownPushError, new_push_id, same_or_conflict

MAX_BYTES = 20 * 1024**3
_UNSAFE = re.compile(r"[^\w.\-（）()]+")


class PushRefusedError(Exception):
    """A push that cannot be taken in: nothing of it is kept. ``reason`` says why and what to do, in both languages."""

    def __init__(self, reason: Title) -> None:
        self.reason = reason
        super().__init__(f"{reason.zh} · {reason.en}")


class TooLargeError(PushRefusedError):
    """More bytes than allowed; the rest was not read."""


class DigestError(PushRefusedError):
    """The bytes are not those the department says it sent."""


EMPTY = Title(zh="文件没有内容（0字节）。本期没有数据时，请推送只有表头的文件（零报告）", en="the file has zero bytes; with nothing to report, push a file with a header only")


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
    push_id = new_push_id()
    staging = home.work / "incoming" / push_id
    staging.mkdir(parents=True, mode=0o700)
    try:
        name = safe_name(filename)
        size, digest = _write(staging / name, chunks, max_bytes)
        _judge(size, digest, expected_digest)
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
        _put(staging, home.landing / entry.code / push_id)
        # from here on nothing is removed: a crash leaves bytes without a receipt (see sweep), never the reverse
        registered = ledger.register(push)
        if registered.id != push_id:
            shutil.rmtree(home.landing / entry.code / push_id)
        return registered
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def landed_file(home: Home, push: Push) -> Path:
    """Where a push's bytes lie."""
    return home.landing / push.resource / push.id / push.filename


def file_chunks(path: Path, size: int = 1 << 20) -> Iterable[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def safe_name(filename: str) -> str:
    """The last part of a name, without anything a file system or a terminal could misread, at most 120 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", filename))[-1]
    clean = _UNSAFE.sub("_", last).strip("._") or "push"
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:100]}{dot}{suffix[:16]}" if dot else clean[:100]


def sweep(home: Home, ledger: Ledger) -> list[Path]:
    """Remove what a killed receiver left: folders in landing that no push is registered for, and so no receipt was
    given for. Only for when no receiver runs: one may be between its rename and its registration."""
    orphans = []
    for folder in home.landing.glob("*/p*"):
        try:
            ledger.get(folder.name)
        except UnknownPushError:
            shutil.rmtree(folder)
            orphans.append(folder)
    return orphans


def _write(path: Path, chunks: Iterable[bytes], max_bytes: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                limit = f"{max_bytes / 1024**2:,.0f} MB"
                raise TooLargeError(Title(zh=f"超过大小限制 {limit}，请分批推送", en=f"larger than the limit of {limit}: push in parts"))
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _judge(size: int, digest: str, expected: str | None) -> None:
    if size == 0:
        raise PushRefusedError(EMPTY)
    if expected is not None and expected.lower() != digest:
        raise DigestError(
            Title(zh="校验和与收到的内容不符，传输可能中断，请重新推送", en="the checksum is not that of the bytes received: send again")
        )


def _put(staging: Path, target: Path) -> None:
    """Move the finished folder into landing, and make the move itself durable."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sync(staging)
    staging.rename(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
