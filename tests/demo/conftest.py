"""What the tests of the demo city share: one small city and its deliveries, made once."""

from __future__ import annotations

from datetime import date

import pytest

from catalog.load import Catalogue
from demo import city, exports
from demo.city import City
from demo.exports import Delivery

TODAY = date(2026, 11, 23)


@pytest.fixture(scope="session")
def small_city() -> City:
    return city.build(6_000, seed=7, today=TODAY)


@pytest.fixture(scope="session")
def sent(small_city: City, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> list[Delivery]:
    return list(exports.deliveries(small_city, catalogue, tmp_path_factory.mktemp("outbox")))
