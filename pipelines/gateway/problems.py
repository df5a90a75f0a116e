"""Errors as ``application/problem+json`` (RFC 9457), in both languages, with what to do next.

Here belongs their shape only; each is raised where it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from catalog.model import Title

TITLES = {
    400: Title(zh="请求有误", en="bad request"),
    401: Title(zh="令牌无效", en="no valid token"),
    403: Title(zh="没有权限", en="not yours"),
    404: Title(zh="不存在", en="not found"),
    405: Title(zh="方法不允许", en="method not allowed"),
    408: Title(zh="传输超时", en="too slow"),
    409: Title(zh="与现状冲突", en="conflict"),
    413: Title(zh="内容过大", en="too large"),
    415: Title(zh="格式不支持", en="unsupported format"),
    422: Title(zh="无法接收", en="cannot be taken"),
    429: Title(zh="请求过多", en="too many requests"),
    431: Title(zh="请求头过大", en="head too large"),
    500: Title(zh="平台出错", en="an error of ours"),
    503: Title(zh="平台繁忙", en="busy"),
    507: Title(zh="存储空间不足", en="no room"),
}


class Problem(Exception):  # noqa: N818 - the standard's word
    """An answer that is not what was asked for: its status, why, in both languages, and in how many seconds to try
    again, where that helps."""

    def __init__(self, status: int, detail: Title, retry_after: int | None = None) -> None:
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        super().__init__(detail.en)


def answer(status: int, detail: Title, retry_after: int | None = None) -> JSONResponse:
    """The problem as a response."""
    title = TITLES.get(status, Title(zh="出错", en="error"))
    body = {
        "type": "about:blank",
        "status": status,
        "title": f"{title.zh} · {title.en}",
        "detail": detail.zh,
        "detail_en": detail.en,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answer_with_problems(app: FastAPI) -> None:
    """Let every failure of an application be a problem."""
    handlers: dict[type[Exception], Callable[[Request, Exception], Any]] = {
        Problem: on_problem,
        HTTPException: on_http_error,
        RequestValidationError: on_invalid,
        Exception: on_bug,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def on_problem(_: Request, error: Exception) -> JSONResponse:
    """Handler for :class:`Problem`."""
    if not isinstance(error, Problem):
        raise error
    return answer(error.status, error.detail, error.retry_after)


async def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """Handler for what the framework refuses: unknown addresses and methods."""
    if not isinstance(error, HTTPException):
        raise error
    title = TITLES.get(error.status_code, Title(zh="出错", en="error"))
    return answer(error.status_code, title)


async def on_invalid(_: Request, error: Exception) -> JSONResponse:
    """Handler for parameters of the wrong kind: names them, never quotes what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    names = ", ".join(".".join(str(part) for part in item["loc"]) for item in error.errors())
    return answer(422, Title(zh=f"参数有误：{names}", en=f"parameters of the wrong kind: {names}"))


async def on_bug(_: Request, __: Exception) -> JSONResponse:
    """Handler for what nobody foresaw; the server logs it, the answer says nothing of it.

    The server closes the connection after it, so the answer says that too: else a client sends its next request into a
    connection that is being closed."""
    told = answer(
        500,
        Title(
            zh="平台内部错误，推送未登记，请稍后重试",
            en="an error of ours; nothing was registered: try again",
        ),
    )
    told.headers["Connection"] = "close"
    return told
