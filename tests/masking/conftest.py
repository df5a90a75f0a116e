"""A catalogue that a test may break: a copy of the shipped one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.theme.types import grouped_columns
from catalog.load import Catalogue, Fault, default_root, load
from masking.product import load_masking

Change = Callable[[dict[str, Any]], None]


class Declarations:
    """The shipped declarations in a folder of their own, to be changed one at a time."""

    def __init__(self, root: Path, shipped: Catalogue) -> None:
        self.root = root
        self.shipped = shipped
        self.resources_changed = False

    def load(self) -> Catalogue:
        """The catalogue of this folder; the resources are read again only where one was changed."""
        return load(self.root) if self.resources_changed else replace(self.shipped, root=self.root)

    def change(self, file: str, change: Change) -> None:
        path = self.root / file
        self.resources_changed |= file.startswith("resources/")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    def faults(self) -> list[Fault]:
        return load_masking(self.load(), grouped_columns)[1]


@pytest.fixture(scope="session")
def shipped(catalogue: Catalogue) -> Catalogue:
    return catalogue


@pytest.fixture
def declarations(tmp_path: Path, shipped: Catalogue) -> Declarations:
    shutil.copytree(
        default_root(), tmp_path / "catalog", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    return Declarations(tmp_path / "catalog", shipped)
