"""Where a server of ours may listen: on loopback, and beyond it only with TLS.

Here belongs that one rule, which the gateway and the page share.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from catalog.errors import MendableError


class ExposedError(MendableError, RuntimeError):
    """Beyond loopback a server listens only with TLS; names it."""

    def __init__(self, what: str, host: str) -> None:
        super().__init__(
            f"the {what} does not listen on {host} without TLS: give --tls-certificate and --tls-key, or use 127.0.0.1"
        )


def require_guarded(what: str, host: str, certificate: Path | None, key: Path | None) -> None:
    """Raise :class:`ExposedError` for another address than loopback without certificate and key."""
    if not _is_loopback(host) and not (certificate and key):
        raise ExposedError(what, host)


def _is_loopback(host: str) -> bool:
    """Only an address says where it is; another name than localhost may resolve to anything."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
