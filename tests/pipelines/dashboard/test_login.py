"""In and out of the page, and what OWASP asks of both."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from assets.build import Context
from pipelines.dashboard import accounts as rules
from pipelines.dashboard.accounts import (
    AccountError,
    LockedError,
    Role,
    hashed,
    matches,
    new_account,
    open_accounts,
)
from pipelines.dashboard.pages.login import local
from pipelines.dashboard.visits import SESSION_COOKIE
from tests.pipelines.dashboard.town import PASSWORD, token

Login = Callable[[str], httpx.Client]
PAGES = (
    "/",
    "/departments/police",
    "/resources/cremation",
    "/resources",
    "/pushes",
    "/bases",
    "/bases/person/conflicts",
    "/map",
    "/catalogue",
    "/bulletin",
)


@pytest.mark.parametrize("page", [*PAGES, "/catalogue.xlsx", "/receipts/p1", "/acts", "/account"])
def test_nothing_is_shown_without_a_login(visitor: httpx.Client, page: str) -> None:
    answer = visitor.get(page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")


def test_a_right_password_opens_the_page_that_was_asked_for(visitor: httpx.Client) -> None:
    form = {"csrf": token(visitor, "/login"), "name": "zhang", "password": PASSWORD, "next": "/bulletin"}
    answer = visitor.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/bulletin")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert visitor.get("/bulletin").status_code == 200


@pytest.mark.parametrize(("name", "password"), [("zhang", "wrong password!"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    visitor: httpx.Client, name: str, password: str
) -> None:
    form = {"csrf": token(visitor, "/login"), "name": name, "password": password}
    answer = visitor.post("/login", data=form)
    assert answer.status_code == 401
    assert "账号或密码不正确" in answer.text
    assert SESSION_COOKIE not in visitor.cookies


def test_an_account_waits_after_five_wrong_passwords_in_a_row(app: object, city: Context) -> None:
    accounts = open_accounts(city.home)
    for _ in range(rules.MAX_FAILURES):
        assert accounts.verify("li", "wrong password!") is None
    with pytest.raises(LockedError):
        accounts.verify("li", PASSWORD)
    assert accounts.verify("wang", PASSWORD) is not None


def test_a_login_without_the_forms_token_or_from_elsewhere_is_refused(visitor: httpx.Client) -> None:
    form = {"name": "zhang", "password": PASSWORD}
    assert visitor.post("/login", data=form).status_code == 403
    form["csrf"] = token(visitor, "/login")
    for header in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert visitor.post("/login", data=form, headers=header).status_code == 403


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb"]
)
def test_a_login_never_leads_away(elsewhere: str) -> None:
    assert local(elsewhere) == "/"
    assert local("/departments/police?a=b") == "/departments/police?a=b"


def test_logging_out_ends_the_session_itself(login: Login, visitor: httpx.Client) -> None:
    client = login("zhang")
    stolen = client.cookies[SESSION_COOKIE]
    assert client.post("/logout", data={}).status_code == 403
    assert client.post("/logout", data={"csrf": token(client, "/account")}).status_code == 303
    visitor.cookies.set(SESSION_COOKIE, stolen)
    assert visitor.get("/").status_code == 303


@pytest.mark.parametrize("limit", ["IDLE_SECONDS", "SESSION_SECONDS"])
def test_a_session_ends_by_itself(login: Login, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    client = login("zhang")
    assert client.get("/").status_code == 200
    monkeypatch.setattr(rules, limit, 0)
    assert client.get("/").status_code == 303


def test_a_first_password_must_be_changed_before_anything_is_shown(
    visitor: httpx.Client, city: Context
) -> None:
    first = new_account(city.home, "zhao", Role.DEPARTMENT, "health")
    visitor.post("/login", data={"csrf": token(visitor, "/login"), "name": "zhao", "password": first})
    assert visitor.get("/departments/health").headers["location"] == "/account"
    csrf = token(visitor, "/account")
    change = {"csrf": csrf, "old": first, "new": "a longer password", "again": "a longer passwurd"}
    assert visitor.post("/account", data=change).status_code == 422
    before = visitor.cookies[SESSION_COOKIE]
    assert visitor.post("/account", data=change | {"again": "a longer password"}).status_code == 303
    assert visitor.cookies[SESSION_COOKIE] != before
    assert visitor.get("/departments/health").status_code == 200


def test_a_disabled_account_is_out_at_once(login: Login, city: Context) -> None:
    client = login("li")
    open_accounts(city.home).disable("li")
    assert client.get("/departments/civil_affairs").status_code == 303
    assert open_accounts(city.home).verify("li", PASSWORD) is None


@pytest.mark.parametrize(
    ("name", "role", "department", "password"),
    [
        ("liu", Role.DEPARTMENT, None, PASSWORD),
        ("liu", Role.BUREAU, "police", PASSWORD),
        ("liu", Role.BUREAU, None, "short"),
        ("liu", Role.BUREAU, None, "aaaaaaaaaaaaaaaa"),
        ("liu", Role.BUREAU, None, "this is liu's own"),
        ("liu", Role.BUREAU, None, "long " * 100),
        (" liu", Role.BUREAU, None, PASSWORD),
        ("", Role.BUREAU, None, PASSWORD),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    city: Context, name: str, role: Role, department: str | None, password: str
) -> None:
    with pytest.raises(AccountError):
        open_accounts(city.home).create(name, role, department, password)


def test_a_department_that_is_not_in_the_catalogue_gets_no_account(city: Context) -> None:
    with pytest.raises(AccountError, match="civil_affairs"):
        new_account(city.home, "liu", Role.DEPARTMENT, "ministry_of_magic")


def test_passwords_and_tokens_are_not_in_the_database(login: Login, city: Context) -> None:
    client = login("zhang")
    kept = b"".join(path.read_bytes() for path in city.home.root.glob("operations.db*"))
    assert PASSWORD.encode() not in kept
    assert client.cookies[SESSION_COOKIE].encode() not in kept
    assert b"$argon2id$" in kept


def test_a_password_is_salted_and_only_it_matches() -> None:
    one, other = hashed(PASSWORD), hashed(PASSWORD)
    assert one != other
    assert matches(PASSWORD, one)
    assert not matches(PASSWORD + " ", one)


@pytest.mark.parametrize("page", ["/login", "/", "/nowhere", "/static/page.css"])
def test_every_answer_forbids_what_the_page_does_not_need(visitor: httpx.Client, page: str) -> None:
    headers = visitor.get(page).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == ("private, max-age=3600" if "static" in page else "no-store")


def test_only_our_own_host_names_are_answered(visitor: httpx.Client) -> None:
    assert visitor.get("/login", headers={"Host": "rebound.example"}).status_code == 400


def test_what_people_do_is_written_down(login: Login, city: Context, visitor: httpx.Client) -> None:
    client = login("zhang")
    visitor.post(
        "/login", data={"csrf": token(visitor, "/login"), "name": "li", "password": "wrong password!"}
    )
    visitor.post("/login", data={"csrf": token(visitor, "/login"), "name": PASSWORD, "password": "li"})
    client.get("/catalogue.xlsx")
    acts = [(act["account"], act["act"]) for act in open_accounts(city.home).acts()]
    assert acts == [
        ("zhang", "download_catalogue"),
        ("–", "login_failed"),  # somebody typed a password where the name belongs
        ("li", "login_failed"),
        ("zhang", "login"),
    ]
    shown = client.get("/acts").text
    assert "登录失败" in shown
    assert "导出目录" in shown
