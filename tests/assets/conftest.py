"""What the tests of tables share: the shipped catalogue, an empty lake, and a published city to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.build import Context
from catalog.load import Catalogue
from tests.assets.published import publish
from tests.assets.small_lake import open_lake


@pytest.fixture(scope="session")
def shipped(catalogue: Catalogue) -> Catalogue:
    return catalogue


@pytest.fixture
def empty_lake(tmp_path: Path, shipped: Catalogue) -> Context:
    return open_lake(tmp_path / "home", shipped)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> Context:
    """A small city with all its files of views. A test that changes anything takes a copy."""
    return publish(tmp_path_factory.mktemp("city"), catalogue)
