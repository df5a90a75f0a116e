"""Masked products and role tables under attack: nothing that is not shared is anywhere, and the search would
find it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets import analyst, as_of, base, product_risk, releases, shared, theme
from assets.build import Build, Built, Context
from catalog.load import Catalogue
from catalog.model import SharingType
from lake import changes
from lake.home import Home
from lake.tables import Lake
from masking import compile as masking_compile
from masking import methods
from masking.columns import SourceColumn, declared_tables
from masking.methods import Method
from masking.policy import Policy
from masking.product import Masking
from masking.roles import Role
from tests.assets.city_of_canaries import SUBJECTS, Canary, plant, resident_ids
from tests.assets.readable import forms, found, readable_bytes

PUBLIC_FOLDERS = ("open", "shared/subsidy_by_county")
"""What people without a grant for conditional data can read."""
ROLE_FOLDERS = ("role", "shared", "ops")


@pytest.fixture(scope="module")
def recipes(catalogue: Catalogue) -> list[Build]:
    """Products and the analyst's file, as the declarations have them before anything is broken."""
    bureau = ("ops", "bureau_views")
    builds = [*shared.builds(catalogue), *analyst.builds(catalogue)]
    return [build for build in builds if bureau not in build.makes]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> tuple[Path, list[Canary]]:
    """The planted lake up to the themes, made once."""
    context = at(tmp_path_factory.mktemp("city"), catalogue)
    canaries = plant(context)
    run(context, [*base.builds(catalogue), *theme.builds(catalogue)])
    return context.home.root, canaries


@pytest.fixture
def context(tmp_path: Path, city: tuple[Path, list[Canary]], catalogue: Catalogue) -> Context:
    """A copy of the planted lake that a test may publish from."""
    shutil.copytree(city[0], tmp_path / "home")
    return at(tmp_path / "home", catalogue)


def at(root: Path, catalogue: Catalogue) -> Context:
    home = Home.open(root)
    return Context(home, Lake(home.lake), catalogue)


def run(context: Context, builds: list[Build]) -> Mapping[tuple[str, str], Built]:
    return {build.makes[0]: build.run(context) for build in builds}


def leaks(context: Context, canaries: list[Canary]) -> list[Canary]:
    """Canaries that anybody but the bureau can read and must not."""
    lake = context.lake.root
    anybody = readable_bytes(lake / folder for folder in PUBLIC_FOLDERS)
    # a table of the bureau's file names its columns and holds no value; it is searched with the rest
    analysts = readable_bytes([*(lake / folder for folder in ROLE_FOLDERS), context.home.analyst])
    return found(canaries, anybody) + found([one for one in canaries if not one.in_role_tables], analysts)


def test_canaries_are_found_where_they_were_planted(city: tuple[Path, list[Canary]]) -> None:
    """The search itself works: in the full tables every canary stands."""
    root, canaries = city
    assert len(canaries) > 100
    assert {canary.value for canary in found(canaries, readable_bytes([root / "lake/standard"]))} == {
        canary.value for canary in canaries
    }


def test_a_canary_is_found_encoded_and_hashed() -> None:
    canary = Canary("any", "any", "441802198706157018", in_role_tables=False)
    for form in forms(canary.value):
        assert found([canary], b"before " + form + b" after") == [canary]
    assert found([canary], b"4418**********7018") == []


def test_nothing_leaks(context: Context, recipes: list[Build], city: tuple[Path, list[Canary]]) -> None:
    built = run(context, recipes)
    assert all(context.lake.rows(*table) for table in built), built
    assert context.lake.scan("open", "business_environment").collect()["entities"].min() >= SUBJECTS
    assert context.lake.rows("role/analyst", "base__person") == SUBJECTS
    assert leaks(context, city[1]) == []


def idle(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The method does nothing."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = Method.expression

        def expression(self: Method, column: str, parameters: Any, **given: Any) -> pl.Expr:
            return pl.col(column) if self.name == name else original(self, column, parameters, **given)

        monkeypatch.setattr(Method, "expression", expression)

    return patch


def unkeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pseudonyms without their key."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash

    def unkeyed_hash(text: str) -> bytes:
        hashed = Hash(SM3())
        hashed.update(text.encode())
        return hashed.finalize()

    def macs(texts: pl.Series, *_: Any) -> pl.Series:
        return texts.map_elements(unkeyed_hash, return_dtype=pl.Binary)

    monkeypatch.setattr(methods, "_macs", macs)


def lifting_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy says yes to every mask, and every role sees values as they are."""
    monkeypatch.setattr(Policy, "type_after", lambda *_: SharingType.UNCONDITIONAL)
    monkeypatch.setattr(Role, "mask", lambda *_: methods_mask("keep"))


def methods_mask(name: str) -> Any:
    from catalog.elements.base import Mask

    return Mask(name)


def keeping_for_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles get no masks, though the policy still judges."""
    monkeypatch.setattr(Role, "mask", lambda *_: methods_mask("keep"))


def everything_unconditional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every column of every table is taken for unconditional."""
    monkeypatch.setattr(SourceColumn, "sharing", SharingType.UNCONDITIONAL, raising=False)
    original = masking_compile.role_columns

    def loosened(
        role: Role, policy: Policy, table: Any, columns: Mapping[str, SourceColumn], schema: pl.Schema
    ) -> Any:
        from dataclasses import replace

        loose = {name: replace(column, sharing=SharingType.UNCONDITIONAL) for name, column in columns.items()}
        return original(role, policy, table, loose, schema)

    monkeypatch.setattr(analyst, "role_columns", loosened)


def unknown_columns_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that nobody declared is taken for a harmless one."""
    original = masking_compile.role_columns

    def lenient(
        role: Role, policy: Policy, table: Any, columns: Mapping[str, SourceColumn], schema: pl.Schema
    ) -> Any:
        from dataclasses import replace

        harmless = (
            replace(next(iter(columns.values())), sharing=SharingType.UNCONDITIONAL) if columns else None
        )
        # what is nested no mask could take, and a timeline's own days are shown beside its columns anyhow
        flat = [name for name, dtype in schema.items() if not dtype.is_nested() and name not in as_of.VALID]
        known = {name: columns.get(name) or replace(harmless, name=name) for name in flat} if harmless else {}
        return original(role, policy, table, known, schema)

    monkeypatch.setattr(analyst, "role_columns", lenient)


def views_over_full_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role's views point at the full tables, save histories, which macros read by other names than the full ones."""
    original = analyst._role_view

    def view(context: Context, code: str, table: Any, title: Any, columns: Any) -> analyst.View:
        if as_of.table_of(table[1]):
            return original(context, code, table, title, columns)
        return analyst._full_view(context, table, title, {})

    monkeypatch.setattr(analyst, "_role_view", view)


BREAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    **{
        f"{name} does nothing": idle(name)
        for name in (
            "redact",
            "partial",
            "pseudonym",
            "generalise_date",
            "generalise_address",
            "band",
            "classify",
        )
    },
    "pseudonyms without a key": unkeyed,
    "a policy that lifts everything": lifting_everything,
    "roles without masks": keeping_for_roles,
    "types read too loosely": everything_unconditional,
    "unknown columns shown": unknown_columns_shown,
    "views over the full tables": views_over_full_tables,
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BREAKS)
def test_a_break_is_found(
    context: Context,
    recipes: list[Build],
    city: tuple[Path, list[Canary]],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    """The attack can fail: each deliberate break of the masking is seen by it."""
    BREAKS[case](monkeypatch)
    run(context, recipes)
    assert leaks(context, city[1])


def test_a_second_run_changes_nothing(context: Context, recipes: list[Build]) -> None:
    run(context, recipes)
    for built in run(context, recipes).values():
        assert not [name for name, commit in built.commits.items() if commit.changed]


def test_superseded_values_are_gone_with_their_files_and_statistics(
    context: Context, recipes: list[Build]
) -> None:
    """A row withdrawn from the source is gone from the product's folder too: files, log and checkpoint."""
    run(context, recipes)
    source = context.lake.scan("standard", "administrative_licence").collect()
    secret = "撤回的许可决定"
    context.lake.publish(
        "standard",
        "administrative_licence",
        source.with_columns(pl.lit(secret).alias("content")),
        key=["decision_no"],
    )
    run(context, recipes)
    assert secret.encode() in readable_bytes([context.lake.root / "open"])
    context.lake.publish("standard", "administrative_licence", source, key=["decision_no"])
    run(context, recipes)
    assert secret.encode() not in readable_bytes([context.lake.root / "open"])


def test_a_product_with_small_groups_is_emptied_and_says_why(context: Context, recipes: list[Build]) -> None:
    run(context, recipes)
    assert context.lake.rows("shared", "death_cause") == SUBJECTS
    rows = context.lake.scan("standard", "death_certificate").collect()
    scattered = rows.with_columns(pl.date(1950 + pl.int_range(pl.len()), 1, 1).alias("death_date"))
    context.lake.publish("standard", "death_certificate", scattered, key=["certificate_no"])
    built = run(context, recipes)["shared", "death_cause"]
    assert context.lake.rows("shared", "death_cause") == 0
    assert "fewer than 3 subjects" in str(built.notes["not published"])


def test_a_product_follows_its_source_and_keeps_the_files_that_stay_the_same(
    context: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PIECE_ROWS", 2)
    lake, pension = context.lake, ("shared", "pension_account")

    def published() -> tuple[set[str], pl.DataFrame]:
        run(context, [build for build in recipes if pension in build.makes])
        return {path.name for path in lake.files(*pension)}, lake.scan(*pension).sort(
            "person", "pay_month"
        ).collect()

    files, before = published()
    rows = lake.scan("standard", "pension_payment").collect()
    # the group stays large enough without three of its people
    changed = rows.filter(~pl.col("resident_id").is_in(resident_ids()[:3]))
    lake.publish("standard", "pension_payment", changed, key=["payment_no"])
    files_after, after = published()
    assert after.equals(before.filter(pl.col("person").is_in(after["person"].implode())))
    assert after.height == before.height - 3
    assert len(files) > len(files - files_after) > 0
    shutil.rmtree(lake.path(*pension))
    assert published()[1].equals(after)


def test_a_change_of_fewer_than_k_waits_and_a_withdrawal_does_not(
    context: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people's change shows in no release until a third changes; a row that was taken back goes at once."""
    lake, pension = context.lake, ("shared", "pension_account")
    rows = lake.scan("standard", "pension_payment").collect()

    def released(without: int) -> tuple[int, object]:
        left = rows.filter(~pl.col("resident_id").is_in(resident_ids()[:without]))
        lake.publish("standard", "pension_payment", left, key=["payment_no"])
        built = run(context, [build for build in recipes if pension in build.makes])[pension]
        return lake.rows(*pension), built.notes.get("waiting")

    assert released(without=0) == (SUBJECTS, None)
    assert released(without=2) == (
        SUBJECTS,
        "changes of 2 subjects, until 3 change alike",
    )
    product_risk.builds(context.catalogue)[0].run(context)
    measured = lake.scan(*product_risk.PRODUCT_RISK).filter(pl.col("product") == ".".join(pension)).collect()
    assert measured.select("waiting", "k").row(0) == (2, SUBJECTS)
    assert released(without=3) == (SUBJECTS - 3, None)
    assert released(without=4)[0] == SUBJECTS - 3
    monkeypatch.setattr(releases, "_withdrawn_since", lambda *_: True)
    assert released(without=4) == (SUBJECTS - 4, None)


def test_a_raised_key_version_rewrites_every_pseudonym(
    context: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(context, recipes)
    products = [("shared", "pension_account"), ("shared", "death_cause"), ("role/analyst", "base__person")]
    names = ["person", "person", "resident_id"]
    before = {
        pseudonym
        for table, name in zip(products, names, strict=True)
        for pseudonym in _column(context, table, name)
    }
    monkeypatch.setattr(Masking, "key_version", lambda *_: 2)
    run(context, recipes)
    sets = [_column(context, table, name) for table, name in zip(products, names, strict=True)]
    assert sets[0] == sets[1] == sets[2]
    assert all(pseudonym.startswith("p2") for pseudonym in sets[0])
    left = readable_bytes([context.lake.root / "shared", context.lake.root / "role"])
    assert not [pseudonym for pseudonym in before if pseudonym.encode() in left]


def _column(context: Context, table: tuple[str, str], name: str) -> set[str]:
    return set(context.lake.scan(*table).collect()[name])


def test_people_whom_two_products_together_tell_apart_are_left_out_of_both(
    context: Context, recipes: list[Build]
) -> None:
    people = resident_ids()

    def set_apart(resource: str, column: str, value: pl.Expr, whom: list[str], key: str) -> None:
        rows = context.lake.scan("standard", resource).collect()
        marked = pl.when(pl.col("resident_id").is_in(whom)).then(value).otherwise(column).alias(column)
        context.lake.publish("standard", resource, rows.with_columns(marked), key=[key])

    # half died in another year, three of twelve draw a pension in another county: each is enough people by itself
    set_apart("death_certificate", "death_date", pl.date(1950, 1, 1), people[:6], "certificate_no")
    set_apart("pension_payment", "division_code", pl.lit("441823001"), people[4:7], "payment_no")
    built = run(context, recipes)
    for product in ("death_cause", "pension_account"):
        assert built["shared", product].notes["subjects told apart by all the recipient holds"] == 3
        assert context.lake.rows("shared", product) == SUBJECTS - 3
    lake = context.lake
    assert set(lake.scan("shared", "death_cause").collect()["person"]) == set(
        lake.scan("shared", "pension_account").collect()["person"]
    )


def test_one_recipients_tables_join_and_two_recipients_do_not(context: Context, recipes: list[Build]) -> None:
    run(context, recipes)
    lake = context.lake
    pension = set(lake.scan("shared", "pension_account").collect()["person"])
    deaths = set(lake.scan("shared", "death_cause").collect()["person"])
    people = set(lake.scan("role/analyst", "base__person").collect()["resident_id"])
    assert pension == deaths == people
    assert len(pension) == SUBJECTS
    masking = shared.load_lawful(context.catalogue)
    keys = {
        shared.key_of(context, masking, name).secret for name in ("analyst", "all_institutions", "public")
    }
    assert len(keys) == 3


def test_with_a_key_per_product_not_even_the_recipient_joins_two(
    context: Context, recipes: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Masking, "by_itself", lambda *_: True)
    products = [("shared", "pension_account"), ("shared", "death_cause")]
    run(context, [build for build in recipes if {*products}.intersection(build.makes)])
    pensions, deaths = (_column(context, table, "person") for table in products)
    assert len(pensions) == len(deaths) == SUBJECTS
    assert pensions.isdisjoint(deaths)
    masking, tables = shared.load_lawful(context.catalogue), declared_tables(context.catalogue)
    product = masking.products["death_cause"].product
    assert shared.held_together(product, masking, tables) == [product]


def test_the_order_of_rows_tells_nothing(context: Context, recipes: list[Build]) -> None:
    """Turning the source round changes nothing in what is published."""
    run(context, recipes)
    before = {
        name: context.lake.scan(*name).collect()
        for name in (("shared", "pension_account"), ("role/analyst", "base__person"))
    }
    for resource, key in (("pension_payment", "payment_no"), ("household_register", "resident_id")):
        rows = context.lake.scan("standard", resource).collect().sort(key, descending=True)
        shutil.rmtree(context.lake.path("standard", resource))
        context.lake.append("standard", resource, rows)
    run(context, base.builds(context.catalogue))
    run(context, recipes)
    for name, frame in before.items():
        assert context.lake.scan(*name).collect().equals(frame)


def test_groups_below_k_are_not_counted(context: Context, recipes: list[Build]) -> None:
    built = run(context, recipes)["shared", "subsidy_by_county"]
    table = context.lake.scan("shared", "subsidy_by_county").collect()
    assert table["subjects"].to_list() == [SUBJECTS]
    assert built.notes["rows left out"] == 0
