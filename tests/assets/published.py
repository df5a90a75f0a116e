"""A small city with its roles' files, published once for the tests that only look at it."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from assets import analyst, base, operations, shared, theme
from assets.build import Context
from catalog.elements.base import Mask
from catalog.load import Catalogue
from catalog.model import SharingType
from lake.home import Home
from lake.tables import Lake
from masking.columns import SourceColumn
from masking.policy import Policy
from tests.assets.city_of_canaries import plant


def publish(root: Path, catalogue: Catalogue) -> Context:
    """The canaries' city with every table, product and file of views."""
    home = Home.open(root)
    context = Context(home, Lake(home.lake), catalogue)
    plant(context)
    parts = (base.builds, theme.builds, shared.builds, operations.builds, analyst.builds)
    for build in [build for part in parts for build in part(catalogue)]:
        build.run(context)
    return context


def copied(city: Context, root: Path) -> Context:
    """The same city elsewhere; its files of views still point at the first one, until they are built again."""
    shutil.copytree(city.home.root, root)
    home = Home.open(root)
    return Context(home, Lake(home.lake), city.catalogue)


def ask(file: Path, sql: str) -> list[tuple[object, ...]]:
    """What a new connection answers."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def tighten(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on nobody may see the columns of this name."""
    original = Policy.type_after

    def type_after(self: Policy, column: SourceColumn, mask: Mask, towards: str) -> SharingType:
        return SharingType.NONE if column.name == name else original(self, column, mask, towards)

    monkeypatch.setattr(Policy, "type_after", type_after)
