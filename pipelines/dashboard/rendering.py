"""Templates: what each of them may use, and the way from a visit to an HTML answer.

Here belong the template environment, formats of numbers and instants, and the language switch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from catalog.load import Catalogue
from catalog.model import Title
from lake.answers import MAX_REASON
from pipelines.dashboard import charts, words
from pipelines.dashboard.lineage import drawing
from pipelines.dashboard.visits import CSRF_FIELD, LANGUAGE_COOKIE, LANGUAGES, Visit, language_of, site_of
from quality.clock import CITY_TIME

#: Rows on a page of a long table.
PAGE_ROWS = 50
STATIC = files("pipelines.dashboard") / "static"


def page(visit: Visit, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page for somebody who is logged in."""
    facts |= {
        "visit": visit,
        "account": visit.account,
        "csrf": visit.session.csrf,
        "csrf_field": CSRF_FIELD,
        "picture": visit.picture(),
    }
    return outside(visit.request, template, status=status, **facts)


def outside(request: Request, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page that needs no login, or whose facts are complete."""
    language = language_of(request)
    catalogue = site_of(request).context.catalogue
    always: dict[str, Any] = {
        "language": language,
        "other_address": _in_other_language(request, language),
        "path": request.url.path,
        "departments": catalogue.departments,
        "entries": catalogue.entries,
    }
    facts = {"visit": None, "account": None} | facts | _helpers(language, catalogue) | always
    response = HTMLResponse(_environment().get_template(template).render(facts), status)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=365 * 86400,
            httponly=True,
            samesite="strict",
            secure=site_of(request).secure,
        )
    return response


def _in_other_language(request: Request, language: str) -> str:
    """The same address in the other language; the first page, where there is nothing to get at the same address."""
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    if request.method != "GET":
        return f"/?lang={other}"
    asked = request.url.include_query_params(lang=other)
    return f"{asked.path}?{asked.query}"


def _helpers(language: str, catalogue: Catalogue) -> dict[str, Callable[..., str]]:
    # a county's department is told from the city's of the same kind by the county's name alone
    of_counties = {each.title.zh for each in catalogue.departments.values() if each.level == "county"}

    def t(zh: str, en: str) -> str:
        return en if language == "en" else zh

    def title(value: Title) -> str:
        return t(value.zh, value.en)

    return {
        "t": t,
        "title": title,
        "short": lambda value: title(value) if value.zh in of_counties else words.short(value, language),
        "word": lambda value: words.word(value, language),
        "opening_word": lambda value: title(words.OPENING[value]),
        "lineage": lambda nodes: drawing(
            nodes, language, t("由该资源构建的表", "tables built from the resource")
        ),
    }


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "share": share,
        "instant": instant,
        "clock": clock,
        "size": size,
    }
    environment.globals |= {
        "charts": charts,
        "asset": asset,
        "rows_address": rows_address,
        "reason_length": MAX_REASON,
    }
    return environment


@lru_cache(maxsize=32)
def asset(name: str) -> str:
    """A style's or script's address, which changes with its content."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def rows_address(table: str, where: Sequence[str] = ()) -> str:
    """Where the rows of a table are shown for which conditions hold (see :mod:`pipelines.dashboard.rows`)."""
    return f"/rows/{table}" + "".join(
        f"{'&' if place else '?'}where={quote(text)}" for place, text in enumerate(where)
    )


def page_at(asked: int, total: int) -> tuple[int, int]:
    """The page that is shown where this one is asked for, of how many: each has :data:`PAGE_ROWS` of ``total`` rows."""
    pages = max(1, -(-total // PAGE_ROWS))
    return min(max(asked, 1), pages), pages


def number(value: int | None) -> str:
    """``12,345``; a dash where there is none."""
    return "–" if value is None else f"{value:,}"


def share(value: float | None, digits: int = 1) -> str:
    """``98.7%``; a dash where nothing was assessed. All that is not whole stays below 100 %."""
    if value is None:
        return "–"
    if value == 1:
        return "100%"
    most = 100 - 10**-digits
    return f"{min(value * 100, most):.{digits}f}%"


def instant(value: datetime | None) -> str:
    """``2026-11-24 09:30``, in the city's time."""
    return value.astimezone(CITY_TIME).strftime("%Y-%m-%d %H:%M") if value else "–"


def clock(value: datetime | None) -> str:
    """``09:30``, in the city's time."""
    return value.astimezone(CITY_TIME).strftime("%H:%M") if value else "–"


def size(value: int) -> str:
    """``1.2 MB``."""
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024  # type: ignore[assignment] # shown with one digit
    return f"{value:.1f} GB"
