"""The dirt: at its stated rates, each soiled row written down, and found by the rules, no more and no less."""

from __future__ import annotations

import math

import polars as pl
import pytest

from catalog.load import Catalogue
from demo import dirt
from demo.exports import Delivery
from quality.plan import compile_entry
from quality.split import split


def spoil(kind: str, text: str) -> str:
    soil = next(k.soil for k in dirt.KINDS if k.code == kind)
    return str(pl.DataFrame({"cell": [text]}).select(soil(pl.col("cell"))).item())


@pytest.mark.parametrize(
    ("kind", "clean", "soiled"),
    [
        ("short_id", "44180219871231002X", "441802871231002"),
        ("short_id", "441802200112310023", "441802200112310023"),
        ("lower_x", "44180219871231002X", "44180219871231002x"),
        ("full_width", "13800138000", "１３８００１３８０００"),
        ("blanks", "王小明", " 王小 明"),
        ("dots", "艾力·吐尔逊", "艾力•吐尔逊"),
        ("wrong_check", "44180219871231002X", "441802198712310021"),
        ("spelling", "2024-03-09", "2024年03月09日"),
        ("bad_date", "2024-03-09", "不详"),
        ("missing", "王小明", ""),
    ],
)
def test_each_kind_does_what_it_says(kind: str, clean: str, soiled: str) -> None:
    assert spoil(kind, clean) == soiled


def test_every_rejected_row_is_found_and_no_other(sent: list[Delivery], catalogue: Catalogue) -> None:
    for delivery in sent:
        raw = delivery.soiled.rows.lazy().with_row_index("_row", offset=1).cast({"_row": pl.Int64})
        parts = split(raw, compile_entry(catalogue.entry(delivery.resource)))
        found = set(parts.rejected.select("_row").collect()["_row"])
        log = delivery.soiled.log.filter(pl.col("rejected") & (pl.col("kind") != "duplicate"))
        assert found == set(log["row"]), delivery.resource


def test_repeated_keys_are_those_written_down(sent: list[Delivery], catalogue: Catalogue) -> None:
    for delivery in sent:
        entry = catalogue.entry(delivery.resource)
        raw = delivery.soiled.rows.lazy().with_row_index("_row", offset=1).cast({"_row": pl.Int64})
        keys = split(raw, compile_entry(entry)).accepted.select(entry.delivery.key).collect()
        repeats = delivery.soiled.log.filter(pl.col("kind") == "duplicate").height
        assert keys.height - keys.n_unique() == repeats, delivery.resource


@pytest.mark.parametrize(
    "kind", [k for k in dirt.KINDS if not k.rejects and k.rate < 0.3], ids=lambda k: k.code
)
def test_rates_are_near_the_stated_ones(kind: dirt.Dirt, sent: list[Delivery], catalogue: Catalogue) -> None:
    """Never more than stated, up to chance: a kind changes only cells that it can change."""
    for delivery in sent:
        rows = delivery.soiled.rows.height
        for (column,), hits in delivery.soiled.log.filter(kind=kind.code).group_by("column"):
            bound = rows * kind.rate
            assert hits.height <= bound + 5 * math.sqrt(bound) + 3, (delivery.resource, column)
