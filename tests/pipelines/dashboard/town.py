"""The people and rows of the page's tests."""

from __future__ import annotations

import re

import httpx
import polars as pl

from catalog.elements.check_digits import resident_check
from pipelines.dashboard.accounts import Role

PASSWORD = "correct horse battery staple"
ACCOUNTS = {
    "zhang": (Role.BUREAU, None),
    "sun": (Role.BUREAU, None),
    "li": (Role.DEPARTMENT, "civil_affairs"),
    "wang": (Role.DEPARTMENT, "police"),
    "shen": (Role.AUDITOR, None),
}


def token(client: httpx.Client, address: str) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(address).text)
    assert found
    return found[1]


def cremation(serial: int, **cells: str) -> dict[str, str]:
    """A good row of civil affairs' resource ``cremation``, but for what ``cells`` say."""
    good = {
        "cremation_no": f"H{serial:06d}",
        "resident_id": resident(serial),
        "name": "张三",
        "cremated_on": "2026-01-03",
        "funeral_home": "清远市殡仪馆",
    }
    return good | cells


def resident(serial: int) -> str:
    """A valid resident id of nobody."""
    body = f"44180219500101{serial:03d}"
    return body + str(resident_check(pl.Series([body]))[0])
