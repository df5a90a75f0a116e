"""The master key: read from the environment or from a file that nobody else can read, made where there is
none.

Here belongs its keeping only. What is derived from it is in ``masking.keys``. It is never logged or shown.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from catalog.errors import MendableError
from lake.home import Home
from masking.keys import MASTER_KEY_BYTES

VARIABLE = "CITYLAKE_MASTER_KEY"


class KeyFileError(MendableError, RuntimeError):
    """The master key cannot be used as it is kept; says what to do."""


def master_key(home: Home) -> bytes:
    """32 secret bytes: ``$CITYLAKE_MASTER_KEY`` (base64), else ``secrets/master.key``, made where absent.

    Raises :class:`KeyFileError` where others may read the file, or where the key is malformed."""
    text = os.environ.get(VARIABLE)
    if text is not None:
        return _decoded(text, f"${VARIABLE}")
    path = home.secrets / "master.key"
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        msg = f"others may read {path}: `chmod 600` it, and replace the key if somebody did"
        raise KeyFileError(msg)
    return _decoded(path.read_text(encoding="ascii"), str(path))


def _create(path: Path) -> None:
    """Write a new key whole or not at all: of two processes that start together one wins, and both use its
    key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process made it first
    finally:
        draft.unlink()


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        msg = f"{where} does not hold {MASTER_KEY_BYTES} bytes in base64: restore it from the backup"
        raise KeyFileError(msg)
    return key
