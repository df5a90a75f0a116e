"""Each product's risk: measured on what is published, attacked with the truth of the demo city, told without a value."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from assets import base, product_risk, shared
from assets.build import Context
from catalog.base_model import load_bases
from catalog.load import load
from demo import people
from lake.home import Home
from lake.tables import Lake
from masking.columns import declared_tables
from masking.compile import SUBJECT, product_rows
from masking.keys import recipient_key
from masking.linkage import Linkage, attack, known_columns, masked_register
from masking.product import Product
from masking.report import as_row, assess, rendered
from tests.assets.city_of_canaries import SUBJECTS, Canary, plant
from tests.assets.readable import found, readable_bytes

KEY = recipient_key(bytes(range(32)), "analyst")
#: A register as an institution might ask for it: too much, before groups are measured.
REGISTER = Product.model_validate(
    {
        "code": "people",
        "title": {"zh": "人口信息（脱敏）", "en": "People, masked"},
        "description": "测试",
        "publisher": "data_bureau",
        "source": {"layer": "base", "table": "person"},
        "target": {"kind": "sharing", "type": "conditional"},
        "recipient": "analyst",
        "purpose": "测试",
        "basis": "测试",
        "approvals": [{"department": "police", "document": "测试", "date": "2026-01-01"}],
        "secrecy_review": {"department": "data_bureau", "document": "测试", "date": "2026-01-01"},
        "subject": "resident_id",
        "columns": {
            "person": {"from": "resident_id", "method": "pseudonym"},
            "name": {"method": "partial", "parameters": {"left": 1, "right": 0}},
            "sex": {"method": "keep"},
            "born": {"from": "birth_date", "method": "generalise_date", "parameters": {"to": "year"}},
            "county": {
                "from": "household_division",
                "method": "generalise_division",
                "parameters": {"to": "county"},
            },
        },
    }
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, list[Canary]]:
    """A city of canaries up to its products and their risk."""
    home, catalogue = Home.open(tmp_path_factory.mktemp("city")), load()
    context = Context(home, Lake(home.lake), catalogue)
    canaries = plant(context)
    for build in [*base.builds(catalogue), *shared.builds(catalogue), *product_risk.builds(catalogue)]:
        build.run(context)
    return context, canaries


def linked(k: int) -> tuple[Linkage, dict[str, object], str]:
    """The product over 3,000 people of the demo city, at a threshold of ``k``, attacked with everybody's public fields."""
    catalogue = load()
    sources = declared_tables(catalogue)["base", "person"]
    person = load_bases(catalogue)["person"]
    truth = people.build(3000, np.random.default_rng(5), date(2026, 1, 1)).select(
        "resident_id", "name", "sex", "birth_date", pl.col("town").alias("household_division")
    )
    masking = shared.load_lawful(catalogue)
    threshold = masking.policy.threshold("sharing", REGISTER.target.type).model_copy(
        update={"k": k, "max_loss": 1.0}
    )
    rows = product_rows(REGISTER, sources, truth.lazy(), KEY)
    report, kept = assess(REGISTER, sources, masking.policy, threshold, rows)
    known = known_columns(REGISTER, person, sources, sources)
    register = masked_register(REGISTER, person, truth.lazy(), sources, KEY, known)
    report = replace(report, linkage=attack(kept, register, list(known)))
    assert report.linkage is not None
    subjects = kept.select(pl.col(SUBJECT).n_unique()).collect().item()
    assert report.linkage.subjects == subjects
    return report.linkage, as_row(report), rendered(report)


def test_without_a_threshold_people_are_found_by_their_public_fields() -> None:
    """A surname, a sex, a year of birth and a county name more than a third of the city, every one of them rightly."""
    linkage, row, text = linked(k=1)
    assert linkage.subjects == 3000
    assert set(linkage.known) == {"name", "sex", "born", "county"}
    assert linkage.named == linkage.right == row["reidentified"] == row["unique_before"]
    assert linkage.share > 1 / 3
    assert linkage.journalist_risk == 1
    assert f"准确识别 {linkage.right:,} 人" in text


def test_with_the_policys_threshold_nobody_is_found() -> None:
    linkage, row, text = linked(k=3)
    assert 0 < linkage.subjects < 3000
    assert (linkage.named, linkage.right) == (0, 0)
    assert linkage.journalist_risk <= 1 / 3 + 1e-4
    assert row["k"] == 3
    assert row["rows_left_out"] == 3000 - linkage.subjects
    assert "准确识别 0 人" in text


def test_every_product_has_a_row_and_a_report(planted: tuple[Context, list[Canary]]) -> None:
    context, _ = planted
    masking = shared.load_lawful(context.catalogue)
    table = context.lake.scan(*product_risk.PRODUCT_RISK).collect()
    assert set(table["product"]) == {
        f"{declared.product.layer}.{code}" for code, declared in masking.products.items()
    }
    folder = product_risk.reports_folder(context.home)
    assert {path.stem for path in folder.iterdir()} == set(masking.products)
    for row in table.iter_rows(named=True):
        if row["about_nobody"]:
            assert row["k"] is None
        else:
            assert row["subjects"] == row["k"] == SUBJECTS
            assert row["published"]
    deaths = table.row(by_predicate=pl.col("product") == "shared.death_cause", named=True)
    assert (deaths["joined_by"], deaths["named"]) == ("year", 0)


def test_a_report_names_no_value(planted: tuple[Context, list[Canary]]) -> None:
    context, canaries = planted
    texts = [product_risk.reports_folder(context.home), context.lake.path(*product_risk.PRODUCT_RISK)]
    read = b"".join(path.read_bytes() for path in texts[0].iterdir()) + readable_bytes(texts[1:])
    assert "链接攻击".encode() in read
    assert found(canaries, read) == []


def test_a_report_is_closed_to_others(planted: tuple[Context, list[Canary]]) -> None:
    for path in product_risk.reports_folder(planted[0].home).iterdir():
        assert path.stat().st_mode & 0o007 == 0


def test_an_old_report_goes_with_its_product(planted: tuple[Context, list[Canary]]) -> None:
    context, _ = planted
    stale = product_risk.reports_folder(context.home) / "withdrawn.md"
    stale.write_text("# 已撤回\n", encoding="utf-8")
    version = context.lake.version(*product_risk.PRODUCT_RISK)
    product_risk.builds(context.catalogue)[0].run(context)
    assert not stale.exists()
    assert context.lake.version(*product_risk.PRODUCT_RISK) == version
