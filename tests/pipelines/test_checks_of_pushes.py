"""What Dagster's checks say of a push, and that a held one blocks what follows from it and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.build import Context
from catalog.load import Catalogue
from catalog.model import Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import open_ledger
from lake.tables import Lake
from pipelines.graph import DATA_DOCS, standard_asset
from tests.quality.conftest import MAN, WOMAN

CODE = "pension_payment"
HEADER = "payment_no,resident_id,name,pay_month,amount,division_code"


@pytest.fixture
def city(tmp_path: Path, catalogue: Catalogue) -> Context:
    home = Home.open(tmp_path)
    return Context(home, Lake(home.lake), catalogue)


def deliver(city: Context, *amounts: int) -> None:
    people = (
        f"{number},{(WOMAN, MAN)[number % 2]},李雷,2026-01,{amount}," for number, amount in enumerate(amounts)
    )
    receive(
        city.home,
        open_ledger(city.home),
        city.catalogue.entry(CODE),
        ["\n".join([HEADER, *people]).encode()],
        way=Way.FILE,
        filename="pensions.csv",
        data_format="csv",
        data_date=date(2026, 1, 31),
    )


def run(city: Context, *others: str) -> tuple[Any, list[str]]:
    """One run over the resource (and others), and a table that is built from it; what was made."""

    @dg.asset(name="built", key_prefix="base", deps=[dg.AssetKey(["standard", CODE])])
    def built() -> None:
        """Something that is made of the resource."""

    steps = [standard_asset(city, city.catalogue.entry(code)) for code in (CODE, *others)]
    result = dg.materialize(
        [*steps, built],
        selection=dg.AssetSelection.assets(*(key for step in [*steps, built] for key in step.keys)),
        raise_on_error=False,
    )
    return result, ["/".join(event.asset_key.path) for event in result.get_asset_materialization_events()]


def checks(result: Any) -> dict[str, Any]:
    return {
        each.check_name: each
        for each in result.get_asset_check_evaluations()
        if each.asset_key.path == ["standard", CODE]
    }


def test_a_push_that_is_let_in_warns_of_its_bad_rows_and_blocks_nothing(city: Context) -> None:
    deliver(city, 1800, 2000, -1)
    result, made = run(city)
    accuracy = checks(result)["accuracy"]
    assert (accuracy.passed, accuracy.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert accuracy.metadata["failed rules"].value == {"amount.not_negative": 1, "amount.something_paid": 1}
    assert result.success
    assert "base/built" in made
    docs = f"http://127.0.0.1:8641/resources/{CODE}/data-docs?push="
    made_of = next(
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key.path == ["standard", CODE]
    )
    for metadata in (accuracy.metadata, made_of):
        assert str(metadata[DATA_DOCS].value).startswith(docs)


def test_a_held_push_blocks_what_is_built_from_its_resource_and_says_by_which_rule(city: Context) -> None:
    deliver(city, 180000, 200000)
    result, made = run(city)
    found = checks(result)
    assert (found["accuracy"].passed, found["accuracy"].severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert list(found["accuracy"].metadata["unmet by the push"].value) == ["amount.plausible_median"]
    assert "中位数" in found["push"].metadata["reasons"].value
    assert not result.success
    assert "base/built" not in made
    assert city.lake.rows("standard", CODE) == 0


def test_a_held_push_does_not_stop_the_good_ones_of_other_resources(city: Context) -> None:
    deliver(city, 180000, 200000)
    result, made = run(city, "subsidy_payment")
    assert checks(result)["push"].severity is dg.AssetCheckSeverity.WARN
    assert result.success
    assert "base/built" in made
