"""Linkage measured on the demo city's truth: rows without an identifier against everybody, beside plain Splink.

Here belong the making of a hard residue (no identifier, and each row soiled as exports soil it), the two sides, and
their precision, recall and F1, printed. Organisations likewise, without any code: each trunk has branches at its own address, and
some of the branches are strangers. Plain Splink is what its tutorial does: names and dates as they are, its own
comparisons, blocking, training and a threshold of one half. ``CITYLAKE_BENCH_PEOPLE`` makes it smaller; the residue is
a twentieth of the people.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.base.linkage import LINK, link
from benchmarks.harness import Comparison
from catalog.linkage_model import LinkageModel, reviewed_models
from demo import organisations as demo_organisations
from demo import people as demo_people

PEOPLE = int(os.environ.get("CITYLAKE_BENCH_PEOPLE", "2000000"))
RESIDUE = PEOPLE // 20
TODAY = date(2024, 12, 1)
COLUMNS = ("name", "birth_date", "sex", "mobile", "residence_address")
#: Homophones, variant and traditional characters, as clerks type and fonts convert them.
SLIPS = {
    "伟": "玮", "强": "強", "国": "國", "华": "華", "杰": "傑", "丽": "麗", "静": "静", "红": "虹", "燕": "艳",
    "陈": "陳", "张": "張", "刘": "劉", "黄": "黃", "志": "智", "明": "铭", "芳": "方", "敏": "闵", "军": "君",
}  # fmt: skip


def prepare(folder: Path, people: int = PEOPLE, residue: int = RESIDUE) -> None:
    """The identified population, and a residue of people of it and strangers, with the truth apart."""
    everyone = demo_people.build(people + residue // 5, np.random.default_rng(11), TODAY).select(
        pl.format("P{}", "person").alias("person_id"),
        "name",
        pl.col("birth_date").dt.strftime("%Y-%m-%d"),
        "sex",
        "mobile",
        pl.col("address").alias("residence_address"),
    )
    known = everyone.head(people)
    chosen = pl.concat([known.sample(residue * 4 // 5, seed=3), everyone.tail(residue // 5)])
    soiled = _soiled(chosen.sample(fraction=1, shuffle=True, seed=5), np.random.default_rng(7))
    known.write_parquet(folder / "people.parquet")
    numbered = soiled.with_row_index("row").with_columns(pl.format("R{}", "row").alias("row"))
    numbered.drop("person_id").rename({"row": "person_id"}).write_parquet(folder / "residue.parquet")
    truth = numbered.select("row", "person_id").join(known.select("person_id"), on="person_id", how="semi")
    truth.write_parquet(folder / "truth.parquet")


def _soiled(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Slips in names, dates and numbers, and cells left empty; strangers are soiled like the others."""

    def chance(share: float) -> pl.Series:
        return pl.Series(rng.random(rows.height) < share)

    date_text, mobile = pl.col("birth_date"), pl.col("mobile")
    slipped = pl.col("name").str.replace_many(list(SLIPS), list(SLIPS.values()))
    swapped = date_text.str.replace(r"^(\d{4})-(\d\d)-(\d\d)$", "${1}-${3}-${2}")
    mistyped = date_text.str.slice(0, 9) + ((date_text.str.tail(1).cast(pl.Int64) + 1) % 10).cast(pl.String)
    other = pl.Series((rng.integers(10**8, 10**9, rows.height) + 10_000_000_000).astype(str))
    return rows.with_columns(
        pl.when(chance(0.25)).then(slipped).otherwise("name").alias("name"),
        pl.when(chance(0.03))
        .then(swapped)
        .when(chance(0.03))
        .then(mistyped)
        .otherwise(date_text)
        .alias("birth_date"),
        pl.when(chance(0.05)).then(None).otherwise("sex").alias("sex"),
        pl.when(chance(0.3)).then(None).when(chance(0.15)).then(other).otherwise(mobile).alias("mobile"),
        pl.when(chance(0.2))
        .then(None)
        .otherwise(pl.col("residence_address").str.replace("广东省", ""))
        .alias("residence_address"),
    )


def prepare_organisations(folder: Path, count: int = RESIDUE) -> None:
    """Enterprises and their branches, of which a fifth is in no base; and names, dates and addresses of some of them as a
    list of cancelled ones has them."""
    rng = np.random.default_rng(13)
    adults = demo_people.build(5000, np.random.default_rng(11), TODAY)
    trunks = demo_organisations.build(count, adults, rng, TODAY).filter(kind="企业")
    trunks = trunks.join(
        adults.select(representative="person", legal_representative="name"), on="representative"
    )
    opened = trunks.filter(pl.Series(rng.random(trunks.height) < 0.3))
    branches = [
        opened.with_columns(
            pl.col("name") + ending,
            pl.col("established_on").dt.offset_by(f"{number * 40}d"),
            # half of them stand where their body stands
            pl.when(pl.Series(rng.random(opened.height) < 0.5))
            .then("address")
            .otherwise(pl.col("address").str.replace(r"\d+号", f"{number * 7}号"))
            .alias("address"),
        )
        for number, ending in enumerate(("第一分公司", "第二分公司", "清城门市部"))
    ]
    everyone = pl.concat([trunks, *branches]).select(
        pl.int_range(pl.len()).alias("n"),
        pl.format("L{}", pl.int_range(pl.len())).alias("legal_entity_id"),
        "name",
        pl.col("established_on").dt.strftime("%Y-%m-%d"),
        "legal_representative",
        "address",
        pl.format("0763-3{}", (pl.col("organisation") % 1_000_000).cast(pl.String).str.zfill(6)).alias(
            "phone"
        ),
    )
    stranger = pl.Series(rng.random(everyone.height) < 0.2)
    chosen = everyone.filter(pl.Series(rng.random(everyone.height) < 0.2))
    everyone.filter(~stranger).drop("n").write_parquet(folder / "people.parquet")
    rows = _soiled_organisations(chosen, rng).with_columns(row=pl.format("R{}", "n"))
    rows.drop("n", "legal_entity_id").rename({"row": "legal_entity_id"}).write_parquet(
        folder / "residue.parquet"
    )
    known = everyone.filter(~stranger).select("legal_entity_id")
    truth = rows.join(known, on="legal_entity_id", how="semi").select("row", person_id="legal_entity_id")
    truth.write_parquet(folder / "truth.parquet")


def _soiled_organisations(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    def some(share: float, made: pl.Expr, name: str) -> pl.Expr:
        return pl.when(pl.Series(rng.random(rows.height) < share)).then(made).otherwise(name).alias(name)

    shorter = pl.col("name").str.replace("有限责任公司|股份有限公司|有限公司", "公司")
    nothing = pl.lit(None, pl.String)
    return (
        rows.with_columns(some(0.1, shorter, "name"))
        .with_columns(some(0.1, pl.col("name").str.replace("^清远市", "清远(市)"), "name"))
        .with_columns(some(0.1, pl.col("name").str.replace_many(list(SLIPS), list(SLIPS.values())), "name"))
        .with_columns(
            some(0.2, nothing, "established_on"),
            some(0.2, pl.concat_str(pl.lit("广东省"), "address"), "address"),
            some(0.4, nothing, "legal_representative"),
            some(0.5, nothing, "phone"),
        )
        .with_columns(some(0.2, nothing, "address"))
    )


def organisation_model() -> LinkageModel:
    """The reviewed model of legal entities without any code."""
    reviewed = reviewed_models()["legal_entity"]
    codes = ("credit_code", "registration_no")
    return reviewed.model_copy(
        update={
            "columns": {name: column for name, column in reviewed.columns.items() if name not in codes},
            "blocking": tuple(
                rule for rule in reviewed.blocking if not any(part.startswith(codes) for part in rule)
            ),
            "link_needs": tuple(needed for needed in reviewed.link_needs if not set(needed) & set(codes)),
        }
    )


def organisations(folder: Path) -> None:
    """The declared model of legal entities."""
    found = link(organisation_model(), *_sides(folder))
    _tell("citylake, organisations", found.pairs.filter(decision=LINK), folder)


def splink_of_organisations(folder: Path) -> None:
    """Splink as its tutorial has it."""
    import splink.comparison_library as cl

    comparisons = [
        cl.JaroWinklerAtThresholds("name"),
        cl.DateOfBirthComparison("established_on", input_is_string=True),
        cl.NameComparison("legal_representative"),
        cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        cl.JaroWinklerAtThresholds("address"),
    ]
    pairs = _by_splink(folder, "legal_entity_id", comparisons, ("name", "established_on", "phone"))
    _tell("Splink, organisations", pairs, folder)


def model() -> LinkageModel:
    """The reviewed person model without the identifier, which these rows lack altogether."""
    reviewed = reviewed_models()["person"]
    blocking = tuple(rule for rule in reviewed.blocking if not any("resident_id" in part for part in rule))
    alone = {"implied_by": None}
    columns = {name: reviewed.columns[name].model_copy(update=alone) for name in COLUMNS}
    return reviewed.model_copy(update={"columns": columns, "blocking": blocking})


def ours(folder: Path) -> None:
    """The declared model, as the base build uses it; its links alone count, not what is left for a steward."""
    found = link(model(), *_sides(folder))
    _tell("citylake", found.pairs.filter(decision=LINK), folder)


def plain_splink(folder: Path) -> None:
    """Splink as its tutorial has it."""
    import splink.comparison_library as cl

    comparisons = [
        cl.NameComparison("name"),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
        cl.ExactMatch("sex"),
        cl.ExactMatch("mobile").configure(term_frequency_adjustments=True),
        cl.JaroWinklerAtThresholds("residence_address"),
    ]
    _tell("Splink", _by_splink(folder, "person_id", comparisons, ("name", "birth_date", "mobile")), folder)


def _by_splink(folder: Path, key: str, comparisons: list[Any], blocking: tuple[str, ...]) -> pl.DataFrame:
    """Splink's pairs: a name and a day tell enough to train it, whatever else it blocks by."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    api = DuckDBAPI()
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name=key,
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on(column) for column in blocking],
    )
    linker = Linker([api.register(side.to_arrow()) for side in _sides(folder)], settings, log_level=None)
    training, telling = linker.training, blocking[:2]
    training.estimate_probability_two_random_records_match([block_on(*telling)], recall=0.7)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for column in telling:
        training.estimate_parameters_using_expectation_maximisation(block_on(column))
    predicted = linker.inference.predict(threshold_match_probability=0.5, warning_mode="never")
    ends = pl.concat_list(f"{key}_l", f"{key}_r").list.sort(descending=True)
    left, right = ends.list.get(0).alias("left"), ends.list.get(1).alias("right")
    return pl.DataFrame(predicted.as_pyarrow_table()).select(left, right)


def _sides(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.read_parquet(folder / "residue.parquet"), pl.read_parquet(folder / "people.parquet")


def _tell(name: str, pairs: pl.DataFrame, folder: Path) -> None:
    measured = quality(pairs, pl.read_parquet(folder / "truth.parquet"))
    print(f"{name}: {json.dumps(measured)}", flush=True)


def quality(pairs: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """Precision, recall and F1 of ``left``/``right`` pairs against ``row``/``person_id``."""
    true = truth.rename({"row": "left", "person_id": "right"})
    hits = pairs.unique(["left", "right"]).join(true, on=["left", "right"], how="semi").height
    precision, recall = hits / max(pairs.height, 1), hits / max(true.height, 1)
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
    }


COMPARISONS = (
    Comparison("linkage", "plain Splink", aim=1.0, ours=ours, other=plain_splink, prepare=prepare, runs=1),
    Comparison(
        "linkage-organisations",
        "plain Splink",
        aim=1.0,
        ours=organisations,
        other=splink_of_organisations,
        prepare=prepare_organisations,
        runs=1,
    ),
)
