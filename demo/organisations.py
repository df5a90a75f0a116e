"""Organisations of the demo city: enterprises, non-profits and public institutions, with valid credit codes.

Here belongs the truth about organisations. What departments know of them, and get wrong, is in ``exports.py``.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from catalog.elements.check_digits import CREDIT_ALPHABET, credit_check, organisation_check
from demo.places import COUNTIES, ROADS, towns

_TRADES = [
    "食品",
    "建材",
    "物流",
    "陶瓷",
    "电子",
    "农业科技",
    "旅游",
    "餐饮",
    "机械",
    "服装",
    "医药",
    "装饰",
    "五金",
    "信息技术",
]
_WORDS = [
    "鸿运",
    "恒达",
    "兴隆",
    "北江",
    "凤城",
    "粤北",
    "华盛",
    "瑞丰",
    "金源",
    "百顺",
    "宏发",
    "天成",
    "永泰",
    "新联",
    "盛世",
    "南岭",
]
_ENDINGS = ("有限公司", "有限责任公司", "商行", "合作社", "股份有限公司")
_DAY = np.timedelta64(1, "D")
#: Of all enterprises so many are branches of another.
_BRANCHES = 0.04
_NUMERALS = "一二三四五六七八九十"
#: kind → first two characters of the credit code (authority and category), share of all organisations.
KINDS = {"企业": ("91", 0.86), "社会组织": ("52", 0.06), "事业单位": ("12", 0.08)}


def build(count: int, adults: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """The organisations. Columns: ``organisation`` (row number), ``kind``, ``credit_code``, ``name``, ``county``, ``town``, ``address``,
    ``established_on``, ``cancelled_on``, ``capital`` (万元), ``representative`` (a person's row number), ``trade``, ``employees``,
    ``body`` (the row number of the organisation that it is a branch of, or null)."""
    kind = rng.choice(list(KINDS), count, p=[share for _, share in KINDS.values()])
    county = rng.choice(list(COUNTIES), count, p=np.array([share for _, _, share in COUNTIES.values()]))
    age = (rng.exponential(9, count) * 365 + 20).astype("int64").clip(20, 45 * 365)
    established = np.datetime64(today, "D") - age * _DAY
    cancelled = rng.random(count) < 0.06
    ended = established + (age * rng.uniform(0.3, 0.98, count)).astype("int64") * _DAY
    frame = pl.DataFrame(
        {
            "organisation": np.arange(count),
            "kind": kind,
            "county": county,
            "trade": rng.choice(_TRADES, count),
            "established_on": pl.Series(established),
            "cancelled_on": pl.Series(ended).set(pl.Series(~cancelled), None),
            "capital": rng.choice([3, 10, 50, 100, 200, 500, 1000, 5000], count),
            "representative": rng.choice(adults["person"].to_numpy(), count),
            "employees": np.minimum((rng.pareto(1.2, count) * 4).astype("int64") + 1, 3000),
        }
    )
    return frame.with_columns(_codes(frame), _names(frame, rng)).pipe(_addresses, rng).pipe(_branches, rng)


def _branches(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Some enterprises made branches of a living company that was established before: they bear its name before their own,
    with the place and a numeral (某公司英德第一分公司)."""
    firms = frame.filter(pl.col("kind") == "企业").sort("established_on", "organisation")
    chosen = pl.Series(rng.random(len(firms)) < _BRANCHES)
    companies = firms.filter(
        ~chosen & pl.col("name").str.ends_with("公司") & pl.col("cancelled_on").is_null()
    )
    branches = firms.filter(chosen)
    older = np.searchsorted(companies["established_on"].to_numpy(), branches["established_on"].to_numpy())
    body = companies[(rng.random(len(branches)) * older).astype("int64").tolist()]
    named = branches.select("organisation", "county", body=body["organisation"], of=body["name"]).filter(
        pl.Series(older > 0)
    )
    place = pl.col("county").replace_strict({code: name[:2] for code, (name, *_) in COUNTIES.items()})
    numeral = pl.int_range(pl.len()).over("body", "county") % len(_NUMERALS)
    named = named.select(
        "organisation",
        "body",
        branch=pl.format("{}{}第{}分公司", "of", place, numeral.replace_strict(dict(enumerate(_NUMERALS)))),
    )
    joined = frame.join(named, on="organisation", how="left", maintain_order="left")
    return joined.with_columns(name=pl.coalesce("branch", "name")).drop("branch")


def _codes(frame: pl.DataFrame) -> pl.Series:
    """Authority and category, registering division, a numbered organisation code with its check, and the check."""
    prefix = frame["kind"].replace_strict(
        list(KINDS), [code for code, _ in KINDS.values()], return_dtype=pl.String
    )
    number = frame["organisation"].to_numpy().astype("int64") * 37 + 1_000_003
    letters = np.array(list(CREDIT_ALPHABET))
    digits = [letters[(number // 31**power) % 31] for power in range(5, -1, -1)]
    body = digits[0]
    for digit in digits[1:]:
        body = np.char.add(body, digit)
    organisation = pl.Series(np.char.add("MA", body))
    first = prefix + frame["county"] + organisation + organisation_check(organisation)
    return (first + credit_check(first)).alias("credit_code")


def _names(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    n = len(frame)
    place = frame["county"].replace_strict(
        list(COUNTIES), [name for name, _, _ in COUNTIES.values()], return_dtype=pl.String
    )
    number = pl.Series(frame["organisation"]).cast(pl.String)
    company = (
        "清远市"
        + pl.Series(rng.choice(_WORDS, n))
        + number
        + frame["trade"]
        + pl.Series(rng.choice(_ENDINGS, n))
    )
    association = place + frame["trade"] + "协会" + number
    institution = place + "第" + number + "服务中心"
    return frame.select(
        pl.when(pl.col("kind") == "企业")
        .then(company)
        .when(pl.col("kind") == "社会组织")
        .then(association)
        .otherwise(institution)
        .alias("name")
    ).to_series()


def _addresses(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    n = len(frame)
    town = towns().with_columns(
        pl.int_range(pl.len()).over("county").cast(pl.Int64).alias("_index"),
        pl.len().over("county").cast(pl.Int64).alias("_n"),
    )
    sizes = town.select("county", "_n").unique()
    return (
        frame.with_columns(pl.Series("_pick", rng.random(n)))
        .join(sizes, on="county", how="left", maintain_order="left")
        .with_columns((pl.col("_pick") * pl.col("_n")).floor().cast(pl.Int64).alias("_index"))
        .join(town.drop("_n"), on=["county", "_index"], how="left", maintain_order="left")
        .with_columns(
            pl.concat_str(
                pl.lit("清远市"),
                "county_name",
                "town_name",
                pl.Series(rng.choice(ROADS, n)),
                pl.lit("路"),
                pl.Series(rng.integers(1, 400, n).astype(str)),
                pl.lit("号"),
            ).alias("address")
        )
        .drop("_pick", "_n", "_index", "county_name", "town_name")
    )
