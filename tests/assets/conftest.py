"""What the tests of tables share: the shipped catalogue, read once, and an empty lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.build import Context
from catalog.load import Catalogue
from tests.assets.small_lake import open_lake


@pytest.fixture(scope="session")
def shipped(catalogue: Catalogue) -> Catalogue:
    return catalogue


@pytest.fixture
def empty_lake(tmp_path: Path, shipped: Catalogue) -> Context:
    return open_lake(tmp_path / "home", shipped)
