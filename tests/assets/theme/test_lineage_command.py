"""``citylake lineage`` and Dagster's column lineage: where columns come from, and the types that follow."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from assets import theme
from assets.build import Context
from catalog.load import load
from catalog.model import SharingType
from lake.home import Home
from pipelines.cli import app
from pipelines.definitions import open_context
from pipelines.lineage import (
    UnknownColumnError,
    UnknownTableError,
    as_table,
    as_tree,
    dagster_lineage,
    known_tables,
    lineage_of,
)
from tests.assets.small_lake import build_all


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return open_context(Home.open(tmp_path_factory.mktemp("home")), load())


def test_every_theme_and_base_can_be_traced_to_what_is_declared(context: Context) -> None:
    tables = known_tables(context.catalogue)
    assert len(tables) > 5
    for name in tables:
        layer, _, code = name.partition(".")
        lineage = lineage_of(context, (layer, code))
        origins = {origin for column in lineage.columns.values() for origin in column.origins} | {
            *lineage.rows
        }
        assert origins
        for source_layer, table, column in origins:
            assert column in lineage.declared[source_layer, table], (name, table, column)


def test_a_column_is_as_tight_as_what_it_comes_from_and_what_its_rows_are_chosen_by(context: Context) -> None:
    lineage = lineage_of(context, ("theme", "enterprise_360"))
    established = lineage.columns["established_on"]
    assert established.origins == (("base", "legal_entity", "established_on"),)
    assert lineage.declared["base", "legal_entity"]["established_on"].sharing is SharingType.UNCONDITIONAL
    # a join with what is shared conditionally chooses its rows
    assert ("standard", "social_insurance", "status") in lineage.rows


def test_a_field_names_its_sources_in_the_order_of_trust(context: Context) -> None:
    birth = lineage_of(context, ("base", "person")).columns["birth_date"]
    assert [table for _, table, _ in birth.origins][:3] == [
        "household_register",
        "identity_card",
        "school_enrolment",
    ]


def test_one_column_is_a_tree_with_each_origins_type(context: Context) -> None:
    console = Console(width=200, record=True)
    console.print(as_tree(lineage_of(context, ("theme", "subsidy_check")), "finding"))
    text = console.export_text()
    assert "base.person.death_date · 有条件共享" in text
    assert "rows chosen by" in text


def test_a_looser_number_names_the_line_of_the_policy_that_says_so(context: Context) -> None:
    lineage = lineage_of(context, ("theme", "business_environment"))
    policy = (context.catalogue.root / "masking/policy.yaml").read_text(encoding="utf-8").splitlines()
    lines = lineage.columns["active"].loosened_by
    assert len(lines) == 2
    for said in lines:
        place, _, why = said.partition(" ")[0], *said.rpartition(" · ")[1:]
        assert why in policy[int(place.removeprefix("masking/policy.yaml:")) - 1]
    console = Console(width=200, record=True)
    console.print(as_tree(lineage, "active"))
    console.print(as_table(lineage))
    text = console.export_text()
    assert text.count("masking/policy.yaml:") == 4
    assert "always made whole: which groups may be seen follows from all of them" in text
    assert not lineage_of(context, ("theme", "enterprise_360")).columns["licences"].loosened_by


def test_dagster_is_told_each_columns_dependencies(context: Context) -> None:
    metadata = dagster_lineage(context, ("theme", "living_alone_elderly"))["dagster/column_lineage"]
    assert isinstance(metadata, dg.TableColumnLineage)
    assert metadata.deps_by_column["low_income"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey(["base", "person"]), column_name="low_income_benefit")
    ]
    assert dagster_lineage(context, ("ops", "freshness")) == {}


def test_dagster_shows_beside_each_column_where_it_comes_from(tmp_path: Path) -> None:
    city = open_context(Home.open(tmp_path), load())
    build_all(city, theme.builds(city.catalogue), "living_alone_elderly")
    shown = dagster_lineage(city, ("theme", "living_alone_elderly"))["dagster/column_schema"]
    assert isinstance(shown, dg.TableSchema)
    (column,) = [column for column in shown.columns if column.name == "low_income"]
    assert column.type == "Boolean"
    assert str(column.description).endswith("← base.person.low_income_benefit")
    assert "有条件共享" in str(column.description)


def test_what_is_unknown_is_said_with_what_is_known(context: Context) -> None:
    with pytest.raises(UnknownTableError, match=r"base\.person"):
        lineage_of(context, ("theme", "nothing"))
    with pytest.raises(UnknownColumnError, match="finding"):
        as_tree(lineage_of(context, ("theme", "subsidy_check")), "nothing")


def test_the_command_prints_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYLAKE_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, ["lineage", "theme.enterprise_360"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "established_on" in result.output
    assert "made anew by: legal_entity_id" in result.output
    assert "有条件共享" in result.output
