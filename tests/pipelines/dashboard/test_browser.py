"""The page in a real browser: its journeys, its sizes, its languages, and that it never breaks its own rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import axe_core_python
import pytest

from assets.build import Context
from assets.operations import record_periods
from assets.standard import apply_waiting, make_tables
from lake.ledger import Push, open_ledger
from lake.promises import open_promises
from tests.pipelines.dashboard.browser import Browser, opened
from tests.pipelines.dashboard.town import PASSWORD, cremation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
PAGES = (
    "/",
    "/resources",
    "/pushes",
    "/periods",
    "/departments/civil_affairs/excuses",
    "/departments/civil_affairs/notice",
    "/bases",
    "/map",
    "/map?of=building&measure=conflicts",
    "/rows/standard.cremation",
    "/catalogue",
    "/bulletin",
    "/acts",
    "/resources/cremation",
    "/departments/civil_affairs",
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


def test_every_page_fits_a_phone_a_laptop_and_a_wall_in_both_languages(
    browser: Browser, address: str, push: Callable[..., Push]
) -> None:
    push("cremation", *(cremation(serial) for serial in range(3)), cremation(3, name=""))
    log_in(browser, address, "zhang")
    for width, height in ((390, 844), (1366, 768), (3840, 2160)):
        browser.size(width, height)
        for language in ("zh", "en"):
            for page in PAGES:
                browser.go(f"{address}{page}{'&' if '?' in page else '?'}lang={language}")
                overflow = browser.ask("document.documentElement.scrollWidth - innerWidth")
                assert overflow <= 0, (page, language, width, overflow)
                assert browser.ask("document.querySelectorAll('h1').length") == 1, page
    assert browser.complaints == []


def test_axe_finds_nothing_serious(
    browser: Browser, address: str, city: Context, push: Callable[..., Push]
) -> None:
    """axe-core, from its package, on every page that somebody of the bureau or of a department sees."""
    refused = push("cremation", *(cremation(serial) for serial in range(3)), cremation(3, name=""))
    promises = open_promises(city.home)
    promises.begin("marriage", date(2025, 1, 6), reason="归集协议", by="zhang")
    promises.excuse("civil_affairs", "marriage", date(2025, 1, 6), date(2025, 2, 1), reason="停电", by="li")
    record_periods(city, resources=["marriage"])
    axe = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    browser.go(f"{address}/login")
    assert serious(browser, axe) == []
    upload, receipt = "/resources/cremation/upload", f"/receipts/{refused.id}"
    for name, pages in (("zhang", (*PAGES, receipt)), ("li", (PAGES[-1], upload, "/account"))):
        browser.call("Network.clearBrowserCookies")
        log_in(browser, address, name)
        for width in (390, 1366):
            browser.size(width, 900)
            for page in pages:
                browser.go(f"{address}{page}")
                assert serious(browser, axe) == [], (page, width)


def serious(browser: Browser, axe: str) -> list[str]:
    """What axe finds in the page, where it is serious or worse: the rule, and the first element that breaks it."""
    browser.ask(f"{axe};0")
    found = browser.ask("axe.run().then(all => all.violations)")
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def test_the_page_is_used_by_keyboard_alone(browser: Browser, address: str) -> None:
    """Logging in, and from the first page past its navigation to the main part."""
    browser.go(f"{address}/login")
    browser.ask("document.querySelector('[name=name]').focus()")
    browser.call("Input.insertText", text="zhang")
    browser.press("Tab")
    browser.call("Input.insertText", text=PASSWORD)
    browser.press("Enter")
    browser.wait("document.readyState === 'complete' && location.pathname === '/'")
    browser.press("Tab")
    assert browser.ask("document.activeElement.className") == "skip"
    browser.press("Enter")
    browser.wait("document.activeElement.id === 'main'")
    browser.press("Tab")
    assert browser.ask("document.activeElement.className").startswith("tile")
    browser.press("Enter")
    browser.wait("location.search.startsWith('?state=')")


def test_a_slow_page_says_that_it_loads_and_a_download_does_not(browser: Browser, address: str) -> None:
    log_in(browser, address, "zhang")
    browser.go(f"{address}/departments/civil_affairs")
    # the page stays, as it does while the next one is on its way
    browser.ask("addEventListener('click', event => event.preventDefault())")
    said = "document.querySelector('.loading').textContent"
    browser.ask("document.querySelector('nav a').click()")
    browser.wait(f"{said} === '正在加载…' && document.body.getAttribute('aria-busy') === 'true'")
    browser.wait(f"{said}.startsWith('仍在加载')")
    browser.ask("dispatchEvent(new Event('pageshow'))")
    assert browser.ask(said) == ""
    browser.ask("document.querySelector('a[download]').click()")
    browser.ask("new Promise(done => setTimeout(done, 400))")
    assert browser.ask(said) == ""
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
