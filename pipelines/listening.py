"""How a server of ours listens: on loopback, beyond it only with TLS, and without a line for each request.

Here belongs what the gateway, the page and the query server have in common; what they answer is in their own packages.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from catalog.errors import MendableError


class ExposedError(MendableError, RuntimeError):
    """Beyond loopback a server listens only with TLS; names it."""

    def __init__(self, what: str, host: str) -> None:
        super().__init__(
            f"the {what} does not listen on {host} without TLS: give --tls-certificate and --tls-key, or use 127.0.0.1"
        )


def serve(
    what: str,
    make: Callable[[], FastAPI],
    *,
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    **limits: Any,
) -> None:
    """Make an application and serve it until interrupted; ``limits`` are uvicorn's.

    Raises :class:`ExposedError`, before anything is made, for another address than loopback without TLS."""
    require_guarded(what, host, certificate, key)
    uvicorn.run(
        make(),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        access_log=False,
        server_header=False,
        log_level="warning",
        **limits,
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
