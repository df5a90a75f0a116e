"""The Dagster graph: it loads, its keys are known, and every run that a sensor may ask for can be made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.build import Context
from catalog.load import Catalogue
from catalog.model import Title, Way
from lake.home import Home
from lake.landing import receive
from lake.ledger import PushState, open_ledger
from pipelines.definitions import assemble, open_context

SNAPSHOT = Path(__file__).with_name("asset_keys.txt")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> Context:
    return open_context(Home.open(tmp_path_factory.mktemp("city")), catalogue)


@pytest.fixture(scope="module")
def definitions(city: Context) -> dg.Definitions:
    return assemble(city)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def keys_of(definitions: dg.Definitions) -> list[str]:
    return sorted(key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys())


def test_they_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_the_asset_keys_are_these(definitions: dg.Definitions) -> None:
    """A table that is renamed or goes is seen in review. After a wanted change: ``make keys``."""
    assert keys_of(definitions) == SNAPSHOT.read_text(encoding="utf-8").splitlines()


def test_every_table_has_group_kind_owner_and_description(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name == key.path[0], key
        assert node.kinds, key
        assert node.owners, key
        assert "·" in (node.description or ""), f"{key}: both languages"


def test_every_resource_that_promises_a_date_has_a_freshness_policy(
    definitions: dg.Definitions, catalogue: Catalogue
) -> None:
    graph = definitions.resolve_asset_graph()
    for entry in catalogue.entries.values():
        policy = graph.get(dg.AssetKey(["landing", entry.code])).freshness_policy
        assert (policy is None) == (entry.frequency.value == "irregular"), entry.code


def test_a_push_of_any_resource_starts_a_run_that_can_be_made(
    city: Context, definitions: dg.Definitions, catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    sensor = next(s for s in definitions.sensors or () if s.name == "waiting_pushes")
    assert isinstance(sensor, dg.SensorDefinition)
    job = definitions.resolve_implicit_global_asset_job_def()
    ledger = open_ledger(city.home)
    for entry in catalogue.entries.values():
        push = receive(
            city.home,
            ledger,
            entry,
            [b"x"],
            way=Way.FILE,
            filename=f"{entry.code}.csv",
            data_format="csv",
            data_date=date(2026, 1, 1),
        )
        with dg.build_sensor_context(instance=instance) as tick:
            request = sensor(tick)
        assert isinstance(request, dg.RunRequest)
        selection = list(request.asset_selection or ())
        assert dg.AssetKey(["standard", entry.code]) in selection
        assert not {key.path[0] for key in selection} & {"shared", "open", "role"}, (
            "masked copies go in batches"
        )
        job.get_subset(asset_selection=set(selection))
        ledger.settle(push.id, PushState.REFUSED, reason=Title(zh="试", en="a trial"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(assemble(open_context(Home.open(folder))))
    SNAPSHOT.write_text("\n".join(keys) + "\n", encoding="utf-8")
