"""The person base from five departments: 6.4 million rows to 2 million persons, and one row in a hundred changed.

Here belong the departments' standard tables, made without a city so that they take little memory, and the sides. Ours is
the product's own build: golden records, ids, crosswalk, conflicts, worklist. The floor reads what it reads and writes
what it writes, and does nothing between. ``CITYLAKE_BENCH_PEOPLE`` makes it smaller.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from assets.base import database
from assets.build import Context
from assets.standard import SYSTEM_SCHEMA
from benchmarks.harness import Comparison
from catalog.base_model import load_bases
from catalog.elements.check_digits import resident_check
from catalog.load import load
from lake.hashes import ROW_HASH, row_hash
from lake.home import Home
from lake.parts import write_part
from lake.tables import Lake
from quality.plan import content_schema

PEOPLE = int(os.environ.get("CITYLAKE_BENCH_PEOPLE", "2000000"))
#: The share of the people that each department knows; together 3.2 rows a person.
SHARES = {
    "household_register": 1.0,
    "identity_card": 0.8,
    "medical_insurance": 0.75,
    "social_insurance": 0.4,
    "housing_fund": 0.25,
}
CHANGED = 0.01
SURNAMES, GIVEN = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗",
    "伟强磊军勇涛明超辉刚平波斌鑫浩亮芳娜敏静丽艳娟霞玲燕萍红",
)
_START = date(1940, 1, 1)
_TEXT_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sex": ("1", "2"),
    "ethnicity": ("汉族", "瑶族"),
    "relation_to_head": ("户主", "配偶", "子", "女"),
    "status": ("正常",),
    "scheme": ("职工", "城乡居民"),
    "insurance_kind": ("养老保险",),
    "division_code": ("441802001", "441803002", "441881100"),
    "issuer": ("清远市公安局清城分局",),
}


def prepare(folder: Path) -> None:
    """The five standard tables."""
    context = _open(folder)
    for resource, share in SHARES.items():
        context.lake.append("standard", resource, _rows(context, resource, _known(share), push="p1"))


def prepare_changed(folder: Path) -> None:
    """The base built from them, and then a push from each department that changes a hundredth of its rows."""
    prepare(folder)
    _build(folder)
    context = _open(folder)
    for resource, share in SHARES.items():
        few = _known(share).filter(pl.col("n").hash(seed=9) % 100 < CHANGED * 100)
        rows = _rows(context, resource, few, push="p2").with_columns(pl.col("name").str.replace("^.", "欧"))
        key = list(context.catalogue.entry(resource).delivery.key)
        context.lake.change("standard", resource, _stamped(context, resource, rows).collect(), key=key)
    shutil.copytree(folder / "lake", folder / "lake-as-changed")
    shutil.copytree(context.home.work / "built", folder / "built-as-changed")


def _known(share: float) -> pl.LazyFrame:
    """The numbers of the people that a department knows."""
    return pl.LazyFrame({"n": pl.int_range(PEOPLE, eager=True)}).filter(
        pl.col("n").hash(seed=5) % 100 < share * 100
    )


def _rows(context: Context, resource: str, people: pl.LazyFrame, push: str) -> pl.LazyFrame:
    """A department's standard rows about these people; what it says of one depends on his number alone."""
    born = pl.lit(_START) + pl.duration(days=pl.col("n") * 7919 % 29_000)
    body = pl.format(
        "441802{}{}",
        born.dt.strftime("%Y%m%d"),
        (pl.col("n") // 29_000 * 7 % 1000).cast(pl.String).str.zfill(3),
    )
    made = {
        "resident_id": body + body.map_batches(resident_check, return_dtype=pl.String, is_elementwise=True),
        "name": _pick(tuple(SURNAMES), 1) + _pick(tuple(GIVEN), 2) + _pick(tuple(GIVEN), 3),
        "birth_date": born,
        "household_no": pl.format("4418{}", (pl.col("n") // 3).cast(pl.String).str.zfill(9)),
        "account_no": pl.format("GJJ{}", pl.col("n").cast(pl.String).str.zfill(12)),
        "address": pl.format("广东省清远市清城区人民路{}号{}房", pl.col("n") % 300, pl.col("n") // 3),
        "mobile": pl.format("19{}", (pl.col("n") * 104_729 % 1_000_000_000).cast(pl.String).str.zfill(9)),
        "employer_name": pl.format("清远市第{}有限公司", pl.col("n") % 5000),
        **{name: _pick(choices, 4) for name, choices in _TEXT_CHOICES.items()},
    }
    schema = content_schema(context.catalogue.entry(resource))
    rows = people.select(
        made.get(name, pl.lit(date(2020, 1, 1)) if dtype == pl.Date else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    ).with_columns(pl.lit(push).alias("_push"))
    return _stamped(context, resource, rows)


def _pick(choices: tuple[str, ...], salt: int) -> pl.Expr:
    drawn = (pl.col("n").hash(seed=salt) % len(choices)).cast(pl.Int64)
    return drawn.replace_strict(range(len(choices)), choices, return_dtype=pl.String)


def _stamped(context: Context, resource: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """With the system's columns."""
    schema = content_schema(context.catalogue.entry(resource))
    stamps = {
        "_push": pl.col("_push"),
        "_row": pl.int_range(1, pl.len() + 1),
        "_data_date": pl.lit(date(2026, 1, 1)),
        "_received_at": pl.lit(datetime(2026, 1, 2, tzinfo=UTC)),
        ROW_HASH: row_hash(list(schema), schema),
    }
    return rows.select(
        *schema,
        *(stamps.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in SYSTEM_SCHEMA.items()),
    )


def _open(folder: Path) -> Context:
    home = Home.open(folder)
    return Context(home, Lake(home.lake), load())


def _build(folder: Path) -> None:
    context = _open(folder)
    database.build(context, load_bases(context.catalogue)["person"])


def full(folder: Path) -> None:
    """The base, made from nothing."""
    shutil.rmtree(folder / "lake" / "base", ignore_errors=True)
    _build(folder)


def floor(folder: Path) -> None:
    """Every source read, and every table of the base written once more; it must have been built before."""
    context = _open(folder)
    for resource in SHARES:
        context.lake.scan("standard", resource).collect(engine="streaming")
    for name in context.lake.names("base"):
        write_part(context.lake.scan("base", name), folder / "floor")
    shutil.rmtree(folder / "floor")


def changed(folder: Path) -> None:
    """The base brought up to date with what changed."""
    _restore(folder)
    _build(folder)


def rebuilt(folder: Path) -> None:
    """The same base made from nothing, from the changed sources."""
    _restore(folder)
    full(folder)


def _restore(folder: Path) -> None:
    shutil.rmtree(folder / "lake")
    shutil.copytree(folder / "lake-as-changed", folder / "lake", copy_function=os.link)
    shutil.copytree(folder / "built-as-changed", Home.open(folder).work / "built", dirs_exist_ok=True)


COMPARISONS = (
    Comparison(
        "base",
        "reading the sources, writing the result",
        aim=6.0,
        ours=full,
        other=floor,
        prepare=prepare,
        runs=1,
    ),
    Comparison(
        "base-changed",
        "the full build",
        aim=0.25,
        ours=changed,
        other=rebuilt,
        prepare=prepare_changed,
        runs=1,
        alike=True,
    ),
)
