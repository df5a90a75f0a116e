"""A push of 2 million rows × 12 columns, from landing to standard and quarantine, against Polars' CSV → Parquet.

Here belong the file, its entry and the two sides. Ours is the product's own path: read, standardise, judge each row,
look for repeated keys, hash, write both parts, commit them in Delta, settle the push. Receiving the bytes is not in it,
since the floor does not do that either. The floor scans the same file to the types that the standard table has and
writes Parquet; cells it cannot read become null. dlt loads the same file into Delta as it is, and checks nothing: once
by its own reader of CSV files (to Arrow), once fed with Arrow that PyArrow reads, which is quicker.
``CITYLAKE_BENCH_ROWS`` (2,000,000) makes the file smaller.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl

from assets.build import Context
from assets.ingest import operations
from assets.standard import Outcome, apply, make_tables
from benchmarks.harness import Comparison, Peer
from catalog.load import Catalogue, default_root
from catalog.model import Entry, Way
from demo import people
from demo.dirt import FULL_WIDTH
from lake.home import Home
from lake.landing import file_chunks, receive
from lake.ledger import Ledger, Push, PushState, open_ledger
from lake.tables import Lake
from quality.plan import Plan, compile_entry, content_schema

ROWS = int(os.environ.get("CITYLAKE_BENCH_ROWS", "2000000"))
#: People are made in blocks, so that also a file of twenty million rows is made in little memory.
BLOCK = 500_000
TODAY = date(2026, 1, 1)
DIRTY = 0.01
VERY_DIRTY = 0.3
BENEFITS = ("高龄津贴", "耕地地力保护补贴", "残疾人两项补贴", "低保金", "孤儿基本生活费", "农机购置补贴")

ENTRY = Entry.model_validate(
    {
        "code": "benefit_payment",
        "title": {"zh": "待遇发放信息", "en": "Benefit payments"},
        "abstract": "发放流水，含领取人、住址和联系电话",
        "catalogue_code": "304001/000099",
        "category": "财政",
        "data_form": "file",
        "departments": {"collects": "finance", "verifies": "finance", "provides": "finance"},
        "sharing": {"type": "conditional", "basis": "《中华人民共和国预算法》", "conditions": "履行法定职责"},
        "opening": {"type": "none", "ground": "33-3", "basis": "涉及个人隐私，数据主体未同意开放"},
        "frequency": "monthly",
        "delivery": {"ways": ["file"], "mode": "append", "key": ["payment_no"]},
        "columns": {
            "payment_no": {"title": "发放流水号", "element": "identifier", "required": True},
            "resident_id": {"title": "公民身份号码", "element": "resident_id", "required": True},
            "name": {"title": "姓名", "element": "person_name", "required": True},
            "sex": {"title": "性别", "element": "sex", "required": True},
            "birth_date": {"title": "出生日期", "element": "date", "required": True},
            "ethnicity": {"title": "民族", "element": "ethnicity"},
            "mobile": {"title": "联系电话", "element": "mobile"},
            "address": {"title": "住址", "element": "address"},
            "division_code": {"title": "行政区划代码", "element": "division_code", "required": True},
            "benefit": {
                "title": "待遇项目",
                "element": "category",
                "required": True,
                "values": list(BENEFITS),
            },
            "amount": {"title": "发放金额", "element": "amount", "required": True},
            "paid_on": {"title": "发放日期", "element": "date", "required": True},
        },
        "rules": [
            {
                "name": "as_in_id",
                "expectation": "expect_column_to_match_resident_id",
                "arguments": {"column": "birth_date", "id_column": "resident_id", "part": "birth_date"},
                "severity": "warn",
                "dimension": "consistency",
                "reason": {
                    "zh": "出生日期与公民身份号码不一致",
                    "en": "the birth date is not that of the resident id",
                },
            }
        ],
    }
)

#: Column → what is wrong with a cell, each kind as likely as the others. The last four kinds reject the row.
DIRT: tuple[tuple[str, pl.Expr], ...] = (
    ("resident_id", pl.col("resident_id").str.replace_many(list(FULL_WIDTH), list(FULL_WIDTH.values()))),
    ("resident_id", pl.col("resident_id").str.to_lowercase() + " "),
    ("name", pl.col("name").str.slice(0, 1) + "　" + pl.col("name").str.slice(1)),
    ("sex", pl.when(pl.col("sex") == "1").then(pl.lit("男性")).otherwise(pl.lit("F"))),
    ("birth_date", pl.col("birth_date").str.replace_all("-", "/", literal=True)),
    ("mobile", "+86 " + pl.col("mobile")),
    ("address", pl.lit("NULL")),
    ("amount", '"' + pl.col("amount").str.replace(r"^(\d+)(\d{3})\.", "${1},${2}.") + '元"'),
    ("paid_on", pl.col("paid_on").str.replace(r"^(\d+)-0?(\d+)-0?(\d+)$", "${1}年${2}月${3}日")),
    (
        "resident_id",
        pl.col("resident_id").str.replace(r".$", "")
        + pl.when(pl.col("resident_id").str.ends_with("1")).then(pl.lit("2")).otherwise(pl.lit("1")),
    ),
    ("name", pl.lit("")),
    ("birth_date", pl.lit("不详")),
    ("benefit", pl.lit("其他")),
)


def blocks(rows: int, dirty: float) -> Iterator[pl.DataFrame]:
    """The file's rows as text, ``dirty`` of them with one bad cell each; the same in every run."""
    for start in range(0, rows, BLOCK):
        rng = np.random.default_rng([start, rows])
        yield _soiled(_payments(start, min(BLOCK, rows - start), rng), dirty, rng)


def _payments(start: int, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    persons = people.build(rows, rng, TODAY)
    days = np.datetime64(TODAY, "D") - rng.integers(1, 365, rows).astype("timedelta64[D]")
    return persons.select(
        pl.format("QY2025{}", (pl.col("person") + start).cast(pl.String).str.zfill(9)).alias("payment_no"),
        "resident_id",
        "name",
        "sex",
        pl.col("birth_date").cast(pl.String),
        "ethnicity",
        "mobile",
        "address",
        pl.col("town").alias("division_code"),
        pl.Series("benefit", rng.choice(BENEFITS, rows)),
        pl.Series("amount", rng.integers(5_000, 500_000, rows) / 100).cast(pl.Decimal(18, 2)).cast(pl.String),
        pl.Series("paid_on", days).cast(pl.String),
    )


def _soiled(rows: pl.DataFrame, dirty: float, rng: np.random.Generator) -> pl.DataFrame:
    kind = np.where(rng.random(len(rows)) < dirty, rng.integers(0, len(DIRT), len(rows)), -1)
    marked = rows.with_columns(pl.Series("_kind", kind))
    for number, (column, soiled) in enumerate(DIRT):
        marked = marked.with_columns(
            pl.when(pl.col("_kind") == number).then(soiled).otherwise(column).alias(column)
        )
    return marked.drop("_kind")


def write_csv(path: Path, rows: int, dirty: float) -> None:
    """The file as a department would send it, with the catalogue's titles as headers."""
    with path.open("wb") as file:
        file.write((",".join(column.title for column in ENTRY.columns.values()) + "\n").encode())
        for block in blocks(rows, dirty):
            block.write_csv(file, include_header=False, quote_style="never")


def land(folder: Path, rows: int, dirty: float) -> None:
    """A home with the file received and registered, waiting to be applied."""
    source = folder / "push.csv"
    write_csv(source, rows, dirty)
    home = Home.open(folder / "home")
    receive(
        home,
        open_ledger(home),
        ENTRY,
        file_chunks(source),
        way=Way.FILE,
        filename=source.name,
        data_format="delimited",
        data_date=TODAY,
    )


def prepare(folder: Path) -> None:
    """Two million rows, one in a hundred with a bad cell."""
    land(folder, ROWS, DIRTY)


def prepare_dirty(folder: Path) -> None:
    """A fifth of the rows, three in ten with a bad cell."""
    land(folder, ROWS // 5, VERY_DIRTY)


def prepare_large(folder: Path) -> None:
    """Twenty million rows: memory must not grow with them."""
    land(folder, 10 * ROWS, DIRTY)


def ours(folder: Path) -> None:
    """landing → standard + quarantine, committed; each run into tables of its own."""
    outcome = _applied(folder)
    assert outcome.accepted + outcome.rejected == outcome.rows > outcome.rejected > 0


def _applied(folder: Path) -> Outcome:
    home = Home.open(folder / "home")
    ledger = open_ledger(home)
    [push] = ledger.history(ENTRY.code)
    return applied(home, ENTRY, ledger, push, tables=fresh(folder))


def applied(home: Home, entry: Entry, ledger: Ledger, push: Push, tables: Path | None = None) -> Outcome:
    """Apply a push that waits, into the home's tables or those of another folder, and look whether it is all there."""
    catalogue = Catalogue(default_root(), {}, {entry.code: entry}, {})
    context = Context(home, Lake(tables or home.lake), catalogue)
    make_tables(context, entry)
    outcome = apply(context, ledger, push)
    assert outcome.state is PushState.APPLIED
    assert context.lake.rows("standard", entry.code) == outcome.accepted
    return outcome


def floor(folder: Path) -> None:
    """Polars alone: the same file, typed, to Parquet."""
    titles = (column.title for column in ENTRY.columns.values())
    schema = pl.Schema(dict(zip(titles, content_schema(ENTRY).dtypes(), strict=True)))
    scan = pl.scan_csv(folder / "push.csv", schema=schema, ignore_errors=True)
    scan.sink_parquet(fresh(folder) / "part.parquet")


def unchecked(folder: Path) -> None:
    """Ours with a plan of one rule, that the number be there: the same reading, standardising, hashing and writing."""

    def with_one_rule(entry: Entry) -> Plan:
        plan = compile_entry(entry)
        first = plan.rules[0].code
        return replace(plan, rules=plan.rules[:1], failing={first: plan.failing[first]}, sets=())

    with mock.patch.object(operations, "compile_entry", with_one_rule):
        outcome = _applied(folder)
    assert outcome.accepted == outcome.rows > 0


def fresh(folder: Path) -> Path:
    """A folder in it that no other run has."""
    return Path(tempfile.mkdtemp(dir=folder))


COMPARISONS = (
    Comparison("push", "Polars CSV → Parquet", 2.5, ours, floor, prepare),
    Comparison("push_dirty", "Polars CSV → Parquet", 5, ours, floor, prepare_dirty),
    Comparison("push_checks", "the same push without checks", 1.6, ours, unchecked, prepare, alike=True),
    Comparison("push_dlt", "dlt → Delta, unchecked", 1 / 3, ours, Peer("dlt", "load"), prepare),
    Comparison("push_dlt_fed", "dlt fed by PyArrow → Delta", 1 / 3, ours, Peer("dlt", "load_fed"), prepare),
    Comparison("push_20m", "Polars CSV → Parquet", None, ours, floor, prepare_large, peak_aim=6_000),
)
