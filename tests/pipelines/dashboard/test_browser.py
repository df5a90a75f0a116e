"""The page in a real browser: its journeys, its sizes, its languages, and that it never breaks its own rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from assets.build import Context
from assets.standard import apply_waiting, make_tables
from lake.ledger import Push, open_ledger
from tests.pipelines.dashboard.browser import Browser, opened
from tests.pipelines.dashboard.town import PASSWORD, cremation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
PAGES = (
    "/",
    "/pushes",
    "/bases",
    "/map",
    "/catalogue",
    "/bulletin",
    "/acts",
    "/departments/civil_affairs",
    "/resources/cremation",
)


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(CHROMIUM or "", tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def log_in(browser: Browser, address: str, name: str) -> None:
    browser.go(f"{address}/login")
    browser.ask(
        f"document.querySelector('[name=name]').value = {name!r};"
        f"document.querySelector('[name=password]').value = {PASSWORD!r};"
        "document.querySelector('form button.main').click()"
    )
    browser.wait("document.readyState === 'complete' && location.pathname !== '/login'")


def test_every_page_fits_a_laptop_and_a_wall_in_both_languages(
    browser: Browser, address: str, push: Callable[..., Push]
) -> None:
    push("cremation", *(cremation(serial) for serial in range(3)), cremation(3, name=""))
    log_in(browser, address, "zhang")
    for width, height in ((1366, 768), (3840, 2160)):
        browser.size(width, height)
        for language in ("zh", "en"):
            for page in PAGES:
                browser.go(f"{address}{page}?lang={language}")
                overflow = browser.ask("document.documentElement.scrollWidth - innerWidth")
                assert overflow <= 0, (page, language, width, overflow)
                assert browser.ask("document.querySelectorAll('h1').length") == 1, page
    assert browser.complaints == []


def test_a_file_is_uploaded_followed_and_its_refused_rows_are_read(
    browser: Browser, address: str, city: Context, tmp_path: Path
) -> None:
    entry = city.catalogue.entry("cremation")
    rows = [*(cremation(serial) for serial in range(3)), cremation(3, name="")]
    file = tmp_path / "火化.csv"
    lines = [",".join(column.title for column in entry.columns.values())]
    lines += [",".join(row.get(name, "") for name in entry.columns) for row in rows]
    file.write_text("\n".join(lines), encoding="utf-8")
    log_in(browser, address, "li")
    browser.wait("location.pathname === '/departments/civil_affairs'")
    browser.go(f"{address}/resources/cremation/upload")
    browser.ask("document.querySelector('[name=data_date]').value = '2026-01-05'")
    browser.choose_file("[name=file]", file)
    browser.wait("document.querySelector('.drop-file').textContent.startsWith('火化.csv')")
    browser.ask("document.querySelector('#upload button[value=check]').click()")
    browser.wait("document.activeElement.id === 'rehearsal'")
    assert "“姓名”为必填项，不能为空" in browser.ask("document.getElementById('rehearsal').innerText")
    assert not open_ledger(city.home).history("cremation")
    browser.ask("document.querySelector('#upload button.main').click()")
    browser.wait("location.pathname.startsWith('/receipts/') && document.readyState === 'complete'")
    push = open_ledger(city.home).waiting("cremation")[0]
    assert (push.filename, push.data_date) == ("火化.csv", date(2026, 1, 5))
    make_tables(city, entry)
    apply_waiting(city, "cremation")
    browser.wait("document.body.innerText.includes('“姓名”为必填项，不能为空')")
    assert browser.complaints == []


def test_the_keyboard_alone_reaches_the_content(browser: Browser, address: str) -> None:
    log_in(browser, address, "zhang")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.ask("document.activeElement.getAttribute('href')") == "#main"
    assert browser.ask("document.activeElement.getBoundingClientRect().left >= 0")
