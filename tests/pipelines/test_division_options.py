"""What commands show of one county: the resources of its departments, and of no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from catalog.load import Catalogue, load
from pipelines.cli import app
from pipelines.delivering import UnknownDepartmentError


@pytest.fixture
def with_a_county(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """The shipped catalogue, in which civil affairs and the police are of Lianzhou's county-level city."""
    shipped = load()
    county = {
        code: shipped.departments[code].model_copy(update={"level": "county", "division": "441882"})
        for code in ("civil_affairs", "police")
    }
    catalogue = replace(shipped, departments={**shipped.departments, **county})
    monkeypatch.setattr("catalog.load.load", lambda *_: catalogue)
    return catalogue


def test_the_catalogue_is_cut_to_a_county(with_a_county: Catalogue) -> None:
    asked = ["catalogue", "list", "--json", "--division", "441882"]
    shown = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).output)
    assert {row["resource"] for row in shown} == {
        entry.code
        for department in ("civil_affairs", "police")
        for entry in with_a_county.of_department(department)
    }


def test_a_county_without_departments_is_refused_with_those_that_have_some(with_a_county: Catalogue) -> None:
    with pytest.raises(UnknownDepartmentError, match="441800, 441881, 441882"):
        CliRunner().invoke(app, ["catalogue", "list", "--division", "441823"], catch_exceptions=False)
