"""In and out: login, logout, the change of a password.

Here belong the addresses that begin and end a session. Checking passwords is ``accounts``' work.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from catalog.model import Title
from pipelines.dashboard.accounts import SESSION_SECONDS, AccountError, Act, LockedError
from pipelines.dashboard.rendering import outside, page
from pipelines.dashboard.visits import (
    CSRF_FIELD,
    SESSION_COOKIE,
    Form,
    Site,
    Visit,
    Visitor,
    require_posted,
    require_token,
    site_of,
    visitor_to_change,
)
from pipelines.dashboard.words import ACTS

router = APIRouter()
#: Before a session there is no token of it: a cookie that only we can read back takes its place.
LOGIN_COOKIE = "citylake_login"
_WRONG = Title(zh="账号或密码不正确", en="wrong name or password")


@router.get("/login")
def login_form(request: Request) -> Response:
    """The login form."""
    return _form(request)


@router.post("/login")
def login(request: Request, form: Form) -> Response:
    """Begin a session, and go on to the page that was asked for."""
    require_token(form.get(CSRF_FIELD, ""), request.cookies.get(LOGIN_COOKIE, ""))
    site, name = site_of(request), form.get("name", "").strip()
    try:
        account = site.accounts.verify(name, form.get("password", ""))
    except LockedError as error:
        site.accounts.record(name, Act.LOGIN_LOCKED, "")
        return _form(request, error.reason, status=429)
    if account is None:
        site.accounts.record(site.accounts.known(name), Act.LOGIN_FAILED, "")
        return _form(request, _WRONG, status=401)
    site.accounts.record(account.name, Act.LOGIN, "")
    response = RedirectResponse(local(form.get("next", "/")), 303)
    _give_session(response, site, site.accounts.begin(account))
    response.delete_cookie(LOGIN_COOKIE)
    return response


@router.post("/logout")
def logout(visit: Annotated[Visit, Depends(visitor_to_change)], form: Form) -> Response:
    """End the session."""
    require_posted(visit, form)
    visit.site.accounts.end(visit.request.cookies[SESSION_COOKIE])
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.get("/account")
def account_form(visit: Annotated[Visit, Depends(visitor_to_change)]) -> Response:
    """One's own account, and the form for another password."""
    return page(visit, "account.html", fault=None)


@router.post("/account")
def change_password(visit: Annotated[Visit, Depends(visitor_to_change)], form: Form) -> Response:
    """Change the password; every other session of the account ends."""
    require_posted(visit, form)
    accounts = visit.site.accounts
    try:
        if form.get("new", "") != form.get("again", ""):
            raise AccountError("两次输入的新密码不一致", "the new password was not typed the same twice")
        accounts.change_password(visit.account, form.get("old", ""), form.get("new", ""))
    except AccountError as error:
        return page(visit, "account.html", status=422, fault=error.reason)
    accounts.record(visit.account.name, Act.PASSWORD_CHANGED, "")
    response = RedirectResponse("/", 303)
    _give_session(response, visit.site, accounts.begin(visit.account))
    return response


@router.get("/acts")
def acts(visit: Visitor) -> Response:
    """Who did what on the page."""
    visit.require_city()
    return page(visit, "acts.html", acts=visit.site.accounts.acts(), words=ACTS)


def local(address: str) -> str:
    """The address, where it is one of ours; else the first page."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours else "/"


def _form(request: Request, fault: Title | None = None, status: int = 200) -> Response:
    token = request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
    response = outside(
        request,
        "login.html",
        status=status,
        csrf=token,
        csrf_field=CSRF_FIELD,
        fault=fault,
        next=local(request.query_params.get("next", "/")),
        nobody=not site_of(request).accounts.names(),
    )
    response.set_cookie(
        LOGIN_COOKIE, token, max_age=3600, httponly=True, samesite="strict", secure=site_of(request).secure
    )
    return response


def _give_session(response: Response, site: Site, token: str) -> None:
    response.set_cookie(
        SESSION_COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=site.secure
    )
