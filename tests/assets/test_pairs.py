"""The paired test: of two cities that differ in nothing but one column that is not shared, everybody but the bureau gets the
same bytes, save where a reviewed line of the policy allows a difference.

It finds what no canary can: a value that shows in an order of rows, a count, a file's size or a choice of rows. Of columns
with a handful of values, which can hold no canary, it is the only attack. The outputs are each made in an empty folder, so
that nothing is the same for having been left alone.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from assets import analyst, base, shared, theme
from assets.build import Build, Context
from catalog.load import Catalogue, load
from catalog.model import Entry, SharingType
from lake.home import Home
from lake.tables import Lake
from masking.methods import Method
from tests.assets.city_of_canaries import FEW_VALUES, plant

pytestmark = pytest.mark.slow

Output = tuple[str, str]
#: What people without a grant for conditional data can read.
WITHOUT_A_GRANT = ("open", "shared.subsidy_by_county")


class City(NamedTuple):
    """The planted lake, a copy with the outputs, the recipes of what others read, and these outputs by name."""

    root: Path
    first: Path
    catalogue: Catalogue
    recipes: list[Build]
    outputs: Mapping[Output, str]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    catalogue = load()
    everything = [*shared.builds(catalogue), *analyst.builds(catalogue)]
    recipes = [build for build in everything if ("ops", "bureau_views") not in build.makes]
    root = tmp_path_factory.mktemp("city")
    context = at(root, catalogue)
    plant(context)
    for build in [*base.builds(catalogue), *theme.builds(catalogue)]:
        build.run(context)
    first = tmp_path_factory.mktemp("first") / "home"
    shutil.copytree(root, first)
    return City(root, first, catalogue, recipes, outputs(at(first, catalogue), recipes))


def at(root: Path, catalogue: Catalogue) -> Context:
    home = Home.open(root)
    return Context(home, Lake(home.lake), catalogue)


def outputs(context: Context, recipes: list[Build]) -> dict[Output, str]:
    """All that others read, made now: of each table its files' bytes and what its log says, of the file of views its SQL."""
    for build in recipes:
        build.run(context)
    lake, said = context.lake.root, dict[Output, str]()
    for log in sorted(lake.glob("**/_delta_log")):
        layer = log.parent.parent.relative_to(lake).as_posix()
        if layer.split("/")[0] in ("open", "shared", "role", "ops"):
            contents = sorted(file.read_bytes().hex() for file in log.parent.glob("*.parquet"))
            said[layer, log.parent.name] = "\n".join([*contents, *_told(log)])
    with duckdb.connect(str(context.home.analyst), read_only=True) as connection:
        views = connection.execute("SELECT sql, comment FROM duckdb_views() WHERE NOT internal").fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    names = re.sub(r"[0-9a-f-]{32,}\.parquet", "*.parquet", repr([sorted(views), sorted(columns, key=repr)]))
    return said | {("file", "analyst"): names.replace(str(context.home.root), "")}


#: What of a log is another every time: when and under which name a file was written, by which table.
_OF_THE_MOMENT = {"path", "modificationTime", "deletionTimestamp", "id", "createdTime", "lastUpdated"}


def _told(log: Path) -> Iterator[str]:
    """What a table's log says, its checkpoint too, but for names and times."""
    assert list(log.glob("*.json")), "a log without entries would tell nothing"
    lines = [json.loads(line) for file in log.glob("*.json") for line in file.read_text("utf-8").splitlines()]
    for file in log.glob("*.parquet"):
        actions = pq.read_table(file).to_pylist()
        lines += [{kind: what for kind, what in line.items() if what is not None} for line in actions]
    told = [
        {kind: {name: _in_order(value) for name, value in what.items() if name not in _OF_THE_MOMENT}}
        for line in lines
        for kind, what in line.items()
        if kind != "commitInfo"
    ]
    yield from sorted(json.dumps(each, ensure_ascii=False, sort_keys=True, default=str) for each in told)


def _in_order(value: object) -> object:
    """A map that a checkpoint holds as pairs, in whatever order."""
    return sorted(value, key=repr) if isinstance(value, list) else value


def other(city: City, root: Path, changes: Mapping[str, list[pl.Expr]]) -> tuple[Context, dict[Output, str]]:
    """The outputs of the same city but for these columns, by resource."""
    shutil.copytree(city.root, root)
    context = at(root, city.catalogue)
    for resource, changed in changes.items():
        rows = context.lake.scan("standard", resource).collect()
        shutil.rmtree(context.lake.path("standard", resource))
        new = rows.with_columns(changed)
        assert not new.equals(rows)
        context.lake.append("standard", resource, new)
    touched = {("standard", resource) for resource in changes}
    for build in [*base.builds(city.catalogue), *theme.builds(city.catalogue)]:
        if touched.intersection(build.reads):
            build.run(context)
            touched.update(build.makes)
    return context, outputs(context, city.recipes)


def differing(city: City, others: Mapping[Output, str]) -> set[str]:
    assert others.keys() == city.outputs.keys()
    return {".".join(name) for name, said in city.outputs.items() if others[name] != said}


def not_shared(catalogue: Catalogue) -> list[str]:
    return [
        f"{entry.code}.{name}"
        for entry in catalogue.entries.values()
        for name in entry.columns
        if entry.sharing_of(name) is SharingType.NONE
    ]


#: Another value of the same reviewed class: the same bank's other account, another cause in the same class, another tax in the
#: same band.
SECRET = {
    "death_certificate.cause": pl.lit("明文死因"),
    "housing_fund.balance": pl.lit("98765.43").cast(pl.Decimal(18, 2)),
    "low_income_household.bank_account": pl.lit("6228480400000123455"),
    "pension_payment.bank_account": pl.lit("6228480400000678909"),
    "subsidy_payment.bank_account": pl.lit("6228480400000987656"),
    "tax_registration.annual_tax": pl.lit("10999.32").cast(pl.Decimal(18, 2)),
}


def test_every_column_that_is_not_shared_has_its_pair() -> None:
    assert sorted(not_shared(load())) == sorted(SECRET)


@pytest.mark.parametrize("column", SECRET)
def test_nobody_but_the_bureau_can_tell_the_two_cities_apart(city: City, tmp_path: Path, column: str) -> None:
    resource, name = column.split(".")
    _, others = other(city, tmp_path / "home", {resource: [SECRET[column].alias(name)]})
    assert differing(city, others) == set()


#: What the reviewed lines let through: the class of a cause (``classify``), the bank of an account (``partial``), the band of
#: a tax (``band``).
ALLOWED = {
    "death_certificate.cause": (pl.lit("肺癌"), "shared.death_cause", "cause"),
    "pension_payment.bank_account": (pl.lit("9558800400000678909"), "shared.pension_account", "bank"),
    "tax_registration.annual_tax": (
        pl.lit("87654.32").cast(pl.Decimal(18, 2)),
        "role/analyst.base__legal_entity",
        "annual_tax",
    ),
}


@pytest.mark.parametrize("column", ALLOWED)
def test_a_reviewed_line_lets_one_column_differ(city: City, tmp_path: Path, column: str) -> None:
    resource, name = column.split(".")
    value, product, masked = ALLOWED[column]
    context, others = other(city, tmp_path / "home", {resource: [value.alias(name)]})
    # a table's history says in earlier states what the table says, and its timeline on which days
    assert differing(city, others) - {f"{product}_history", f"{product}_timeline"} == {product}
    frames = [
        each.lake.scan(*product.split(".")).collect() for each in (at(city.first, city.catalogue), context)
    ]
    assert frames[0].drop(masked).equals(frames[1].drop(masked))
    assert set(frames[0][masked].drop_nulls()).isdisjoint(frames[1][masked].drop_nulls())


def _other_word(entry: Entry) -> list[pl.Expr]:
    """The conditional columns of a handful of values, each with another of them."""
    found = []
    for name, column in entry.columns.items():
        if entry.sharing_of(name) is SharingType.CONDITIONAL:
            if column.values:
                found.append(pl.lit(column.values[1]).alias(name))
            elif column.element in FEW_VALUES:
                found.append(pl.lit("2").alias(name))
    return found


def test_without_a_grant_nobody_can_tell_words_apart(city: City, tmp_path: Path) -> None:
    """All columns of a few values at once, save the kind of a subsidy, whose class a reviewed line lets through."""
    changes = {
        entry.code: changed for entry in city.catalogue.entries.values() if (changed := _other_word(entry))
    }
    assert sum(map(len, changes.values())) == 28
    # its only one, beside its division
    del changes["subsidy_payment"]
    _, others = other(city, tmp_path / "home", changes)
    seen = {name for name in differing(city, others) if name.startswith(WITHOUT_A_GRANT)}
    assert seen == set()
    # a role with a grant sees some of them: the pair can tell
    assert differing(city, others)


def test_a_broken_mask_tells_the_two_cities_apart(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack can fail: where accounts are hidden by nothing, the pair differs."""
    original = Method.expression

    def expression(self: Method, column: str, parameters: Mapping[str, object], **given: object) -> pl.Expr:
        return pl.col(column) if self.name == "partial" else original(self, column, parameters, **given)

    monkeypatch.setattr(Method, "expression", expression)
    broken = city._replace(outputs=other(city, tmp_path / "one", {})[1])
    secret = SECRET["pension_payment.bank_account"].alias("bank_account")
    _, others = other(city, tmp_path / "two", {"pension_payment": [secret]})
    assert differing(broken, others) == {"shared.pension_account"}
