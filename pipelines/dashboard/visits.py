"""Who asks, in which language, and whether they may: from the cookies of a request to a :class:`Visit`.

Here belong permissions and the guards of forms. A department sees its own, an officer of a county's bureau that county's
departments; what is another's is as unknown to them as what does not exist. Pages read :meth:`Visit.picture`, which is cut
to that, and so cannot show more by forgetting a filter. Every state-changing request carries its session's token and comes from our own pages.
"""

from __future__ import annotations

import gc
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import parse_qsl, urlsplit

import polars as pl
from fastapi import Depends, Request

from assets.build import Build, Context, TableName
from assets.recipes import all_builds
from assets.shared import load_lawful
from catalog.errors import MendableError
from catalog.load import UnknownResourceError
from catalog.model import Entry, Title
from lake.ledger import Push, UnknownPushError, open_ledger
from masking.product import Masking
from pipelines.dashboard.accounts import Account, Accounts, Role, Session
from pipelines.dashboard.board import Board, Picture
from pipelines.dashboard.rows import Declared, read_declared

SESSION_COOKIE = "citylake_session"
LANGUAGE_COOKIE = "citylake_language"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
LANGUAGES = ("zh", "en")
#: Where an address names the county that its page is cut to.
COUNTY_FIELD = "county"
_MAX_FORM = 64 * 1024


class LoginRequiredError(Exception):
    """Nobody is logged in."""


class PasswordChangeRequiredError(Exception):
    """The account still has the password it was made with."""


class DeniedError(Exception):
    """Not shown: its status, and why, in both languages."""

    def __init__(self, status: int, reason: Title) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason.en)

    @classmethod
    def of(cls, status: int, error: MendableError) -> Self:
        """The same reason as an error's whose message is told in both languages, or in one."""
        zh, _, en = str(error).partition(" · ")
        return cls(status, Title(zh=zh, en=en or zh))


NOT_FOUND = Title(
    zh="没有这个页面，或者它不属于贵部门", en="there is no such page, or it is not your department's"
)
_FORGED = Title(
    zh="表单已过期或不是从本页面提交，请返回重试",
    en="the form is out of date or was not sent from here: go back and try again",
)


@dataclass(frozen=True)
class Site:
    """All that the pages work with."""

    context: Context
    accounts: Accounts
    board: Board
    secure: bool = False

    @cached_property
    def builds(self) -> list[Build]:
        """The recipes of all tables: what is built from what."""
        return all_builds(self.context.catalogue)

    @cached_property
    def titles(self) -> Mapping[TableName, Title]:
        """What each table is called."""
        return {table: build.title for build in self.builds for table in build.makes}

    @cached_property
    def declared(self) -> Declared:
        """What the catalogue says of tables and their columns."""
        return read_declared(self.context.catalogue)

    @cached_property
    def masking(self) -> Masking:
        """Roles and products: who may see what."""
        return load_lawful(self.context.catalogue)

    def warm(self) -> None:
        """Do now what the first visitors would otherwise wait for."""
        self.board.picture()
        _ = self.builds, self.declared, self.masking
        # years of pushes live as long as the process: looking through them for garbage would hold up a visitor
        gc.collect()
        gc.freeze()


@dataclass(frozen=True)
class Visit:
    """One request by somebody who is logged in."""

    request: Request
    site: Site
    session: Session
    language: str

    @property
    def account(self) -> Account:
        """Whose request it is."""
        return self.session.account

    @property
    def department(self) -> str | None:
        """The only department that this account sees; None: all."""
        return self.account.department

    @property
    def decides(self) -> bool:
        """Whether this account may decide on held pushes."""
        return self.account.role is Role.BUREAU

    @property
    def oversees(self) -> bool:
        """Whether this account sees several departments: those of a county, or all."""
        return self.account.role is not Role.DEPARTMENT

    @property
    def sees_city(self) -> bool:
        """Whether this account sees every department."""
        return self.oversees and self.account.division is None

    @cached_property
    def counties(self) -> Sequence[str]:
        """The counties that this visit may be cut to."""
        known = self.site.context.catalogue.departments.values()
        return sorted({each.division for each in known if each.level == "county"}) if self.sees_city else []

    @cached_property
    def county(self) -> str:
        """The county that the visit is cut to: the account's, else the one in the address; empty: the whole city."""
        asked = self.request.query_params.get(COUNTY_FIELD, "")
        if self.account.division or not asked:
            return self.account.division or ""
        if asked not in self.counties:
            raise DeniedError(404, NOT_FOUND)
        return asked

    @cached_property
    def departments(self) -> frozenset[str]:
        """The departments whose operation this visit shows."""
        known = self.site.context.catalogue.departments
        if self.department is not None:
            return frozenset({self.department})
        if not self.county:
            return frozenset(known)
        return frozenset(code for code, each in known.items() if each.division == self.county)

    def county_name(self, code: str) -> str:
        """What a division is called, once the base database has it; else its code."""
        names = self.site.board.worked_out("division names", [("base", "division")], _division_names)
        return names.get(code, code)

    def picture(self, *, now: bool = False) -> Picture:
        """The city as it is, cut to what this visit shows (``now``: looked at anew)."""
        whole = self.site.board.picture(now=now)
        return whole if self.sees_city and not self.county else self.site.board.picture_of(self.departments)

    def sees_values(self, department: str) -> bool:
        """Whether refused cells are shown whole: to the department that sent them and to the bureau."""
        return self.account.role is Role.BUREAU or self.department == department

    def sees_rows(self, table: str) -> bool:
        """Whether rows of a table, ``base.person``, are shown: the city's to the bureau of the city, a resource's to whoever
        sees its values. Nobody else has a use for them."""
        layer, _, name = table.partition(".")
        entry = self.site.context.catalogue.entries.get(name)
        if layer == "base":
            return self.decides and self.sees_city
        return (
            layer == "standard"
            and entry is not None
            and entry.department in self.departments
            and self.sees_values(entry.department)
        )

    def t(self, zh: str, en: str) -> str:
        """The words of the visit's language."""
        return en if self.language == "en" else zh

    def title(self, title: Title) -> str:
        """A title in the visit's language."""
        return self.t(title.zh, title.en)

    def require_department(self, code: str) -> str:
        """The department's code, where it exists and may be seen; raises :class:`DeniedError`."""
        if code not in self.departments:
            raise DeniedError(404, NOT_FOUND)
        return code

    def require_entry(self, code: str) -> Entry:
        """The resource, where it exists and its operation may be seen; raises :class:`DeniedError`."""
        entry = self.require_listed(code)
        self.require_department(entry.department)
        return entry

    def require_listed(self, code: str) -> Entry:
        """The catalogue entry, which everybody may read; raises :class:`DeniedError`."""
        try:
            return self.site.context.catalogue.entry(code)
        except UnknownResourceError:
            raise DeniedError(404, NOT_FOUND) from None

    def require_push(self, push_id: str) -> Push:
        """The push, where it exists and is of a department that may be seen; raises :class:`DeniedError`."""
        try:
            push = open_ledger(self.site.context.home).get(push_id)
        except UnknownPushError:
            raise DeniedError(404, NOT_FOUND) from None
        self.require_department(push.department)
        return push

    def require_overseer(self) -> None:
        """Refuse departments: the page is over several of them."""
        if not self.oversees:
            raise DeniedError(404, NOT_FOUND)

    def require_city(self) -> None:
        """Refuse departments and the officers of a county: the page is over the whole city."""
        if not self.sees_city:
            raise DeniedError(404, NOT_FOUND)

    def require_decision(self) -> None:
        """Refuse everybody but the bureau."""
        if not self.decides:
            raise DeniedError(
                403, Title(zh="只有数据局可以做此决定", en="only the data bureau decides on this")
            )


def _division_names(context: Context) -> dict[str, str]:
    if not context.lake.exists("base", "division"):
        return {}
    rows = context.lake.scan("base", "division").filter(pl.col("code").str.len_chars() == 6)
    return dict(rows.select("code", "name").collect().iter_rows())


def site_of(request: Request) -> Site:
    """The site that answers this request."""
    site: Site = request.app.state.site
    return site


def language_of(request: Request) -> str:
    """The language asked for in the address, else the one chosen before, else Chinese."""
    wanted = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def visitor_to_change(request: Request) -> Visit:
    """Who asks, also where the first password has not been changed yet."""
    site = site_of(request)
    token = request.cookies.get(SESSION_COOKIE)
    session = site.accounts.session(token) if token else None
    if session is None:
        raise LoginRequiredError
    return Visit(request, site, session, language_of(request))


def visitor(visit: Annotated[Visit, Depends(visitor_to_change)]) -> Visit:
    """Who asks; raises :class:`LoginRequiredError`."""
    if visit.account.must_change:
        raise PasswordChangeRequiredError
    return visit


Visitor = Annotated[Visit, Depends(visitor)]


def require_same_origin(request: Request) -> None:
    """Refuse a request that another site made a browser send."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise DeniedError(403, _FORGED)
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise DeniedError(403, _FORGED)


def require_token(given: str, expected: str) -> None:
    """Refuse a form without its token."""
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise DeniedError(403, _FORGED)


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a small form; of a repeated one the last."""
    require_same_origin(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM:
            raise DeniedError(413, Title(zh="表单过大", en="the form is too large"))
    return dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


Form = Annotated[Mapping[str, str], Depends(read_form)]


def require_posted(visit: Visit, form: Mapping[str, str]) -> None:
    """Refuse a form that does not carry its session's token."""
    require_token(form.get(CSRF_FIELD, ""), visit.session.csrf)


def require_sent(visit: Visit) -> None:
    """Refuse an upload that does not carry its session's token in a header."""
    require_same_origin(visit.request)
    require_token(visit.request.headers.get(CSRF_HEADER, ""), visit.session.csrf)
