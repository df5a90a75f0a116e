"""15 and 40 expectations over 2 million rows: ours, the same by hand as one Polars scan, on pandas, and by two peers.

Here belong the table, the expectations, and beside each the expression somebody would write who needs no results but numbers.
Reading the Parquet file is in all three. Great Expectations is imported before the clock starts: it is paid once by a
process, not by a validation. Ours and pandas return Great Expectations' results; the hand-written scan returns counts. The peers read the same list from
a file and state it in their own words (``benchmarks/peers``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Comparison, Peer
from quality.expectations import great_expectations
from quality.results import validate

ROWS = 2_000_000
BLOCK = 500_000
TABLE, LIST = "payments.parquet", "checks.json"
KINDS = ("高龄津贴", "耕地地力保护补贴", "残疾人两项补贴", "低保金")
STATES = ("正常", "暂停", "终止")

great_expectations()
value = pl.col


def _absent(name: str) -> pl.Expr:
    return value(name).is_null().sum()


#: Type, arguments, and the same by hand. The first 15 are the short suite.
CHECKS: tuple[tuple[str, dict[str, Any], pl.Expr], ...] = (
    ("expect_column_values_to_not_be_null", {"column": "resident_id"}, _absent("resident_id")),
    ("expect_column_values_to_not_be_null", {"column": "name"}, _absent("name")),
    ("expect_column_values_to_not_be_null", {"column": "amount"}, _absent("amount")),
    ("expect_column_values_to_match_regex", {"column": "resident_id", "regex": "^[0-9]{17}[0-9X]$"}, (~value("resident_id").str.contains("^[0-9]{17}[0-9X]$")).sum()),
    ("expect_column_value_lengths_to_equal", {"column": "resident_id", "value": 18}, (value("resident_id").str.len_chars() != 18).sum()),
    ("expect_column_value_lengths_to_be_between", {"column": "name", "min_value": 2, "max_value": 20}, (~value("name").str.len_chars().is_between(2, 20)).sum()),
    ("expect_column_values_to_be_in_set", {"column": "sex", "value_set": ["1", "2"]}, (~value("sex").is_in(["1", "2"])).sum()),
    ("expect_column_values_to_be_in_set", {"column": "kind", "value_set": list(KINDS)}, (~value("kind").is_in(KINDS)).sum()),
    ("expect_column_values_to_match_regex", {"column": "mobile", "regex": "^1[3-9][0-9]{9}$"}, (~value("mobile").str.contains("^1[3-9][0-9]{9}$")).sum()),
    ("expect_column_values_to_match_regex", {"column": "division", "regex": "^4418[0-9]{2}$"}, (~value("division").str.contains("^4418[0-9]{2}$")).sum()),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0, "max_value": 100_000}, (~value("amount").is_between(0, 100_000)).sum()),
    ("expect_column_values_to_be_between", {"column": "level", "min_value": 1, "max_value": 9}, (~value("level").is_between(1, 9)).sum()),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "ended", "column_B": "began", "or_equal": True, "ignore_row_if": "either_value_is_missing"}, (value("ended") < value("began")).sum()),
    ("expect_column_values_to_be_unique", {"column": "payment_no"}, pl.len() - value("payment_no").n_unique()),
    ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 1, "max_value": 50_000}, value("amount").mean()),
    # the long suite
    ("expect_column_values_to_not_be_null", {"column": "payment_no"}, _absent("payment_no")),
    ("expect_column_values_to_not_be_null", {"column": "sex"}, _absent("sex")),
    ("expect_column_values_to_not_be_null", {"column": "kind"}, _absent("kind")),
    ("expect_column_values_to_not_be_null", {"column": "division"}, _absent("division")),
    ("expect_column_values_to_not_be_null", {"column": "began"}, _absent("began")),
    ("expect_column_values_to_not_be_null", {"column": "mobile", "mostly": 0.9}, _absent("mobile")),
    ("expect_column_values_to_be_in_set", {"column": "state", "value_set": list(STATES)}, (~value("state").is_in(STATES)).sum()),
    ("expect_column_values_to_not_be_in_set", {"column": "name", "value_set": ["测试", "无名氏"]}, value("name").is_in(["测试", "无名氏"]).sum()),
    ("expect_column_values_to_not_match_regex", {"column": "name", "regex": "[0-9?*]"}, value("name").str.contains("[0-9?*]").sum()),
    ("expect_column_values_to_not_match_regex", {"column": "mobile", "regex": "0{8}"}, value("mobile").str.contains("0{8}").sum()),
    ("expect_column_values_to_match_regex", {"column": "payment_no", "regex": "^P[0-9]{9}$"}, (~value("payment_no").str.contains("^P[0-9]{9}$")).sum()),
    ("expect_column_values_to_match_regex_list", {"column": "resident_id", "regex_list": ["^4418", "^4401"]}, (~(value("resident_id").str.contains("^4418") | value("resident_id").str.contains("^4401"))).sum()),
    ("expect_column_value_lengths_to_equal", {"column": "mobile", "value": 11}, (value("mobile").str.len_chars() != 11).sum()),
    ("expect_column_value_lengths_to_equal", {"column": "division", "value": 6}, (value("division").str.len_chars() != 6).sum()),
    ("expect_column_value_lengths_to_equal", {"column": "payment_no", "value": 10}, (value("payment_no").str.len_chars() != 10).sum()),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0, "strict_min": True, "mostly": 0.99}, (value("amount") <= 0).sum()),
    ("expect_column_values_to_be_between", {"column": "share", "min_value": 0, "max_value": 1}, (~value("share").is_between(0, 1)).sum()),
    ("expect_column_values_to_be_between", {"column": "level", "max_value": 5, "mostly": 0.5}, (value("level") > 5).sum()),
    ("expect_column_pair_values_to_be_equal", {"column_A": "sex", "column_B": "sex_again"}, (value("sex") != value("sex_again")).sum()),
    ("expect_column_max_to_be_between", {"column": "amount", "max_value": 100_000}, value("amount").max()),
    ("expect_column_min_to_be_between", {"column": "level", "min_value": 1}, value("level").min()),
    ("expect_column_sum_to_be_between", {"column": "amount", "min_value": 1}, value("amount").sum()),
    ("expect_column_stdev_to_be_between", {"column": "share", "min_value": 0.1}, value("share").std()),
    ("expect_column_unique_value_count_to_be_between", {"column": "kind", "max_value": 4}, value("kind").n_unique()),
    ("expect_table_row_count_to_be_between", {"min_value": 1_000_000}, pl.len()),
)  # fmt: skip


def prepare_15(folder: Path) -> None:
    """The table, for the short suite."""
    _prepare(folder, 15)


def prepare_40(folder: Path) -> None:
    """The table, for the long suite."""
    _prepare(folder, 40)


def _prepare(folder: Path, count: int) -> None:
    """The table, with one bad value or null in a hundred or so, and how many of the checks to run on it."""
    stated = [[kind, arguments] for kind, arguments, _ in CHECKS[:count]]
    (folder / LIST).write_text(json.dumps(stated, ensure_ascii=False), encoding="utf-8")
    rng = np.random.default_rng(2026)
    blocks = [_block(rng, start) for start in range(0, ROWS, BLOCK)]
    pl.concat(blocks).write_parquet(folder / TABLE)


def _block(rng: np.random.Generator, start: int) -> pl.DataFrame:
    def numbers(low: int, high: int) -> pl.Series:
        return pl.Series(rng.integers(low, high, BLOCK))

    bad = pl.Series(rng.random(BLOCK) < 0.01)
    sex = numbers(1, 3).cast(pl.String)
    began = pl.Series(
        np.datetime64("2015-01-01", "us") + rng.integers(0, 3000, BLOCK) * np.timedelta64(1, "D")
    )
    frame = pl.DataFrame(
        {
            "payment_no": "P" + pl.Series(range(start, start + BLOCK)).cast(pl.String).str.zfill(9),
            "resident_id": "4418021990" + numbers(0, 10**8).cast(pl.String).str.zfill(8),
            "name": pl.Series(rng.choice(["李雷", "韩梅梅", "欧阳修", "王五", "张三"], BLOCK)),
            "sex": sex,
            "sex_again": sex,
            "mobile": "13" + numbers(0, 10**9).cast(pl.String).str.zfill(9),
            "division": "4418" + numbers(10, 99).cast(pl.String),
            "kind": pl.Series(rng.choice(KINDS, BLOCK)),
            "state": pl.Series(rng.choice(STATES, BLOCK)),
            "amount": numbers(1, 9_000_000) / 100,
            "share": pl.Series(rng.random(BLOCK)),
            "level": numbers(1, 10),
            "began": began,
            "ended": began.dt.offset_by("1y"),
        }
    )
    return frame.with_columns(
        pl.when(bad).then(None).otherwise("mobile").alias("mobile"),
        pl.when(bad.shift(1, fill_value=False))
        .then(pl.lit("无"))
        .otherwise("resident_id")
        .alias("resident_id"),
        pl.when(bad.shift(2, fill_value=False)).then(-1.0).otherwise("amount").alias("amount"),
    )


def _checks(folder: Path) -> tuple[tuple[str, dict[str, Any], pl.Expr], ...]:
    return CHECKS[: len(json.loads((folder / LIST).read_text(encoding="utf-8")))]


def _suite(folder: Path) -> Any:
    registry = great_expectations("great_expectations.expectations.registry")
    made = [registry.get_expectation_impl(kind)(**arguments) for kind, arguments, _ in _checks(folder)]
    return great_expectations().ExpectationSuite(name="payments", expectations=made)


def ours(folder: Path) -> None:
    """Any Great Expectations suite over a lazy frame."""
    result = validate(pl.scan_parquet(folder / TABLE), _suite(folder))
    assert result.statistics["evaluated_expectations"] == len(_checks(folder))


def by_hand(folder: Path) -> None:
    """One scan of expressions written for this table."""
    counted = [expression.alias(str(number)) for number, (*_, expression) in enumerate(_checks(folder))]
    assert pl.scan_parquet(folder / TABLE).select(counted).collect(engine="streaming").width == len(counted)


def on_pandas(folder: Path) -> None:
    """Great Expectations' own pandas engine."""
    import pandas as pd

    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("city").add_dataframe_asset("payments")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        {"dataframe": pd.read_parquet(folder / TABLE)}
    )
    result = batch.validate(_suite(folder))
    assert result.statistics["evaluated_expectations"] == len(_checks(folder))


HAND, PANDAS = "the same by hand, one Polars scan", "Great Expectations on pandas"
PANDERA, POINTBLANK = "pandera, Polars backend", "pointblank on Polars"
COMPARISONS = (
    Comparison("expectations-15", HAND, 1.3, ours, by_hand, prepare_15, alike=True),
    Comparison("expectations-40", HAND, 1.3, ours, by_hand, prepare_40, alike=True),
    Comparison("expectations-15-pandas", PANDAS, 1 / 15, ours, on_pandas, prepare_15, memory_aim=0.5),
    Comparison("expectations-40-pandas", PANDAS, 1 / 15, ours, on_pandas, prepare_40, memory_aim=0.5),
    Comparison("expectations-15-pandera", PANDERA, None, ours, Peer("pandera", "validate"), prepare_15),
    Comparison("expectations-40-pandera", PANDERA, None, ours, Peer("pandera", "validate"), prepare_40),
    Comparison(
        "expectations-15-pointblank", POINTBLANK, None, ours, Peer("pointblank", "validate"), prepare_15
    ),
    Comparison(
        "expectations-40-pointblank", POINTBLANK, None, ours, Peer("pointblank", "validate"), prepare_40
    ),
)
