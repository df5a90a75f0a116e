"""The page's process: its pages, its guards, and how it is served.

Here belongs the putting together. It listens on loopback; beyond it only with TLS.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from assets.build import Context
from catalog.model import Title
from pipelines.dashboard.accounts import open_accounts
from pipelines.dashboard.board import Board
from pipelines.dashboard.pages import (
    bases,
    bulletin,
    catalogue,
    city_map,
    data_docs,
    departments,
    excuses,
    login,
    notices,
    objections,
    overview,
    periods,
    pushes,
    rehearsals,
    resources,
    rows,
    tokens,
    uploads,
    worklists,
)
from pipelines.dashboard.rendering import STATIC, outside
from pipelines.dashboard.shield import Shield
from pipelines.dashboard.visits import (
    CSRF_HEADER,
    NOT_FOUND,
    DeniedError,
    LoginRequiredError,
    PasswordChangeRequiredError,
    Site,
    language_of,
)
from pipelines.gateway.problems import Problem
from pipelines.listening import serve

log = logging.getLogger("citylake.dashboard")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
PAGES = (
    login,
    overview,
    departments,
    resources,
    pushes,
    uploads,
    bases,
    catalogue,
    city_map,
    bulletin,
    notices,
    excuses,
    objections,
    periods,
    tokens,
    rehearsals,
    worklists,
    data_docs,
    rows,
)
_INVALID = Title(zh="地址中的参数不正确", en="a parameter in the address is not right")
_BUG = Title(
    zh="页面出错，已记入日志，请稍后重试", en="an error of ours, which has been logged: try again later"
)


def create_app(context: Context, *, names: Sequence[str] = (), secure: bool = False) -> FastAPI:
    """The page over one home; ``names`` are the host names it answers to besides loopback's."""
    app = FastAPI(title="citylake 数据局看板", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = Site(context, open_accounts(context.home), Board(context), secure)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, *names])
    app.add_middleware(Shield, secure=secure)
    app.mount("/static", StaticFiles(directory=str(STATIC)), "static")
    for module in PAGES:
        app.include_router(module.router)
    app.add_api_route("/healthz", lambda: PlainTextResponse("ok"))
    _answer_failures(app)
    return app


def _answer_failures(app: FastAPI) -> None:
    """What is shown in place of a page."""

    @app.exception_handler(LoginRequiredError)
    def login_required(request: Request, _: Exception) -> Response:
        if request.method != "GET" or request.headers.get(CSRF_HEADER):
            return _failure(request, 401, Title(zh="请重新登录", en="log in again"))
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked)}", 303)

    @app.exception_handler(PasswordChangeRequiredError)
    def change_required(_: Request, __: Exception) -> Response:
        return RedirectResponse("/account", 303)

    @app.exception_handler(DeniedError)
    def denied(request: Request, error: DeniedError) -> Response:
        return _failure(request, error.status, error.reason)

    @app.exception_handler(Problem)
    def refused(request: Request, error: Problem) -> Response:
        return _failure(request, error.status, error.detail)

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        return _failure(request, error.status_code, NOT_FOUND)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, _: Exception) -> Response:
        return _failure(request, 422, _INVALID)

    @app.exception_handler(Exception)
    def bug(request: Request, _: Exception) -> Response:
        return _failure(request, 500, _BUG)


def _failure(request: Request, status: int, reason: Title) -> Response:
    """A page for people; for our own script, which names itself by the token's header, the words alone."""
    if request.headers.get(CSRF_HEADER):
        said = reason.en if language_of(request) == "en" else reason.zh
        return JSONResponse({"reason": said}, status)
    return outside(request, "failure.html", status=status, failed=status, reason=reason)


def run(
    context: Context,
    *,
    host: str = "127.0.0.1",
    port: int = 8641,
    names: Sequence[str] = (),
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve until interrupted; raises ``ExposedError`` for another address than loopback without TLS."""

    def make() -> FastAPI:
        app = create_app(context, names=names, secure=bool(tls_certificate))
        app.state.site.warm()
        return app

    serve("page", make, host=host, port=port, certificate=tls_certificate, key=tls_key)
