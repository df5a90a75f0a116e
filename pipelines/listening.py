"""How a server of ours listens: on loopback, beyond it only with TLS, and without a line for each request.

Here belongs what the gateway, the page and the query server have in common; what they answer is in their own packages.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from catalog.errors import MendableError
from catalog.model import Title
from pipelines.gateway.problems import answer

#: The head of a request has to be there so soon, and may have so many bytes.
HEAD_SECONDS = 15.0
MAX_HEAD_BYTES = 64 * 1024
#: One address may hold so many connections open.
MAX_CONNECTIONS = 256


#: What a client is told that is given up before it has asked for anything.
_ENDINGS = {
    400: Title(zh="收到的不是有效的 HTTP 请求", en="this is no valid HTTP request"),
    408: Title(zh="请求头未在规定时间内到齐", en="the head of the request did not come in time"),
    431: Title(zh="请求头超过 64 KB", en="the head of the request is larger than 64 KB"),
    503: Title(zh="同一地址的连接过多，请复用连接", en="too many connections from one address: reuse them"),
}


class ExposedError(MendableError, RuntimeError):
    """Beyond loopback a server listens only with TLS; names it."""

    def __init__(self, what: str, host: str) -> None:
        super().__init__(
            f"the {what} does not listen on {host} without TLS: give --tls-certificate and --tls-key, or use 127.0.0.1"
        )


class GuardedProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # which of two it is, uvicorn finds out
    """HTTP as uvicorn speaks it, to those who come to the point: it sets no bound to the head of a request itself, neither in
    time nor in bytes, and a client that never ends one would hold a connection, or fill memory, before anybody asks for a token."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        mine = [other for other in self.connections if other.client and other.client[0] == self._address]
        if self._address and len(mine) > MAX_CONNECTIONS:
            self._end(503)
        else:
            self._wait()

    def on_headers_complete(self) -> None:
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        rest_of_a_body = self._in_body
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            return
        # what was refused before its body was read is still on its way, and no head; but it may not take for ever
        if not rest_of_a_body:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(431)
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _address(self) -> str | None:
        return self.client[0] if self.client else None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_SECONDS, self._end, 408)

    def _stop_waiting(self) -> None:
        self._head_bytes = 0
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def send_400_response(self, msg: str) -> None:
        self._end(400)

    def _end(self, status: int) -> None:
        begun = self._head_bytes > 0 or status != 408
        self._stop_waiting()
        if not self.transport.is_closing():
            # an idle connection is closed without a word: an answer would be taken for that to the next request
            if begun:
                self.transport.write(_as_bytes(answer(status, _ENDINGS[status])))
            self.transport.close()


def _as_bytes(told: JSONResponse) -> bytes:
    """An answer to what is no request yet, as it goes over the wire."""
    lines = [f"HTTP/1.1 {told.status_code} {HTTPStatus(told.status_code).phrase}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in told.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(told.body)


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
        http=GuardedProtocol,
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
