"""Probabilistic linkage: two frames (or one with itself) and a declared model → pairs of records with a probability.

Here belong the preparation of records, the compilation of a model to Splink's settings, and the decision on each
pair. Splink compares and scores in DuckDB; which pairs are compared is decided in ``linkage_blocking``, what agreement
is worth in ``linkage_estimate``. Files and base tables are read and written elsewhere. No value of a record is logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl

from assets.base.linkage_blocking import ID, PAIR, candidates, form_column, random_pairs, rules
from assets.base.linkage_estimate import (
    Parameters,
    by_accident,
    counted,
    expected,
    maximise,
    posterior,
    weight,
)
from assets.base.spellings import APART, implied, shaped, tidied
from catalog.elements.base import clean
from catalog.errors import MendableError
from catalog.linkage_model import LEVELS, ComparedColumn, Kind, LinkageModel, Unique

if TYPE_CHECKING:
    from splink import Linker

PAIRS = pl.Schema(
    {"left": pl.String(), "right": pl.String(), "probability": pl.Float64(), "decision": pl.String()}
)
LINK, REVIEW = "link", "review"
#: Memory and threads of the comparing engine: it takes all of both where it is not told.
_ENGINE: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "3GB"}


#: So many random pairs are compared at a time: memory does not grow with their number.
_SLICE = 250_000


class LinkageError(MendableError, ValueError):
    """The records cannot be linked by this model; says which column is at fault."""


@dataclass(frozen=True)
class Linked:
    """The pairs from the review threshold on, best first; how many were compared; and what agreement was worth."""

    pairs: pl.DataFrame
    compared: int
    parameters: Parameters


def link(model: LinkageModel, left: pl.DataFrame, right: pl.DataFrame | None = None) -> Linked:
    """Link records of ``left`` to records of ``right``, or of ``left`` among themselves."""
    ours = prepare(model, left, "left", 0)
    theirs = None if right is None else prepare(model, right, "right", left.height)
    pairs = candidates(model, ours, theirs)
    everyone = ours if theirs is None else pl.concat([ours, theirs])
    if pairs.is_empty():
        return Linked(pl.DataFrame(schema=PAIRS), 0, Parameters(expected(model), {}, model.prior or 0.0))
    by_chance = _by_chance(model, everyone)
    with duckdb.connect(config=_ENGINE) as connection:
        compared = _Engine(model, everyone, connection).compare(pairs)
    parameters = _estimate(model, by_chance, compared, ours, theirs)
    weights = pl.Series("weight", weight(model, compared, parameters))
    scored = compared.select(*PAIR, weights, _sufficient(model).alias("sufficient"))
    probable = _exclusive(model, scored, parameters.prior)
    return Linked(_decided(model, probable, left, left if right is None else right), pairs.height, parameters)


def _by_chance(model: LinkageModel, everyone: pl.DataFrame) -> pl.DataFrame:
    """How many random pairs agree on which levels, a slice of them at a time; how rare a value is does not matter here."""
    even = {name: column.model_copy(update={"frequency": False}) for name, column in model.columns.items()}
    pairs = random_pairs(everyone[ID], model.estimation)
    counts = []
    for part in pairs.iter_slices(_SLICE):
        with duckdb.connect(config=_ENGINE) as connection:
            engine = _Engine(model.model_copy(update={"columns": even}), everyone, connection)
            counts.append(counted(engine.compare(part)))
    return pl.concat(counts).group_by(pl.exclude("n")).agg(pl.col("n").sum()).sort(pl.exclude("n"))


def prepare(model: LinkageModel, frame: pl.DataFrame, side: str, first_id: int) -> pl.DataFrame:
    """Ids and all forms of the compared columns that are needed, under short names."""
    needed = _needed(model)
    numbered = pl.int_range(first_id, first_id + frame.height, dtype=pl.Int64, eager=True).alias(ID)
    made = [
        _formed(
            frame.select(_read(model, name, frame, side).alias("value")), column.kind, f"c{index}", needed
        )
        for index, (name, column) in enumerate(model.columns.items())
    ]
    return pl.concat([numbered.to_frame(), *made], how="horizontal")


def _formed(values: pl.DataFrame, kind: Kind, base: str, needed: set[str]) -> pl.DataFrame:
    """The needed forms of a column, row by row; of values that many records share they are made once."""
    distinct = values.unique()
    shared = distinct.height * 2 < values.height
    tidy = (distinct if shared else values).with_columns(tidied(kind, pl.col("value")).alias("tidy"))
    forms = {f"{base}_{form}": made for form, made in shaped(kind, pl.col("tidy")).items()}
    wanted = [made.alias(name) for name, made in forms.items() if name in needed]
    # in two steps: what all forms of a column are made of is made once
    formed = tidy.lazy().select("value", *wanted).collect()
    if shared:
        formed = values.join(formed, on="value", how="left", nulls_equal=True, maintain_order="left")
    return formed.drop("value")


def _read(model: LinkageModel, name: str, frame: pl.DataFrame, side: str) -> pl.Expr:
    """A compared column as text, joined of what it is read from; null where all of that is, and nothing else implies it."""
    sources, column = model.sources(name, side), model.columns[name]
    needed = [*sources, *([column.implied_by] if column.implied_by else [])]
    missing = [source for source in needed if source not in frame.columns]
    if missing:
        msg = (
            f"the {side} records have no column {missing[0]!r}, which {name!r} is read from: name the right one "
            f"under columns.{name}.{side}; they have {', '.join(frame.columns)}"
        )
        raise LinkageError(msg)
    texts = [pl.col(source).cast(pl.String) for source in sources]
    apart = APART if column.kind is Kind.PERSON_NAMES else " "
    if column.shape:
        text = pl.coalesce(pl.when(one.str.contains(column.shape)).then(one) for one in map(clean, texts))
    else:
        text = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=apart, ignore_nulls=True)
    if column.implied_by is None:
        return text
    said = clean(text)
    return pl.coalesce(said, implied(column.kind, pl.when(said.is_null()).then(pl.col(column.implied_by))))


def _needed(model: LinkageModel) -> set[str]:
    """The forms that comparing and blocking use: the others need not be made."""
    compared = {
        f"c{index}_{form}"
        for index, column in enumerate(model.columns.values())
        for condition in (_EXACT, *CONDITIONS[column.kind].values())
        for form in re.findall(r"\$_([a-z]+)_[lr]\b", condition)
    }
    return compared.union(*rules(model))


def _estimate(
    model: LinkageModel,
    by_chance: pl.DataFrame,
    compared: pl.DataFrame,
    left: pl.DataFrame,
    right: pl.DataFrame | None,
) -> Parameters:
    other = left if right is None else right
    total = float(left.height * other.height) if right is not None else left.height * (left.height - 1) / 2
    # sets of names agree where they share one: often enough to be counted
    single = [name for name, column in model.columns.items() if column.kind is not Kind.PERSON_NAMES]
    exact = {name: _chance_of_equality(model, name, left, other) for name in single}
    prior = model.prior or min(left.height, other.height) / 2 / max(total, 1.0)
    start = Parameters(expected(model), by_accident(model, by_chance, exact), min(prior, 0.5))
    if not model.estimation.rounds:
        return start
    most = {
        Unique.NEITHER: total / 2,
        Unique.RIGHT: min(left.height, total / 2),
        Unique.BOTH: min(left.height, other.height, total / 2),
    }[model.unique]
    return maximise(model, counted(_best(model, compared, start)), counted(compared), start, total, most)


def _best(model: LinkageModel, compared: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """The pairs that are the one best of their record on one side at least."""
    weights = pl.Series("weight", weight(model, compared, parameters))
    first = pl.col("weight") == pl.col("weight").max()
    alone = [(first.over(side)) & (first.sum().over(side) == 1) for side in PAIR]
    return compared.with_columns(weights).filter(pl.any_horizontal(alone))


def _chance_of_equality(model: LinkageModel, name: str, left: pl.DataFrame, right: pl.DataFrame) -> float:
    """How often a value of one side equals one of the other by accident: the sum over values of both frequencies."""
    column = form_column(model, name, "exact")
    one, other = (frame.select(column).drop_nulls() for frame in (left, right))
    if one.is_empty() or other.is_empty():
        return 0.5
    shares = one.group_by(column).len("l").join(other.group_by(column).len("r"), on=column)
    both = float(shares.select((pl.col("l").cast(pl.Float64) * pl.col("r")).sum()).item())
    if left is right:
        both -= one.height  # a record does not meet itself
    floor = 1 / max((one.height + other.height) ** 2, 10)
    return float(np.clip(both / (one.height * other.height), floor, 0.999))


def _sufficient(model: LinkageModel) -> pl.Expr:
    """Whether a pair agrees in enough to be linked at all: some pairs are alike in everything and yet two (a shop, and
    the body it belongs to, at one address since one day)."""
    columns = list(model.columns)

    def agrees(name: str, level: str) -> pl.Expr:
        levels = list(LEVELS[model.columns[name].kind])
        return pl.col(f"gamma_c{columns.index(name)}") >= len(levels) - 1 - levels.index(level)

    sets = [pl.all_horizontal(agrees(*item) for item in needed.items()) for needed in model.link_needs]
    return pl.any_horizontal(sets) if sets else pl.lit(value=True)


def _exclusive(model: LinkageModel, scored: pl.DataFrame, prior: float) -> pl.DataFrame:
    """Probabilities of pairs; where a side holds an entity once only, those of one record exclude each other.

    Two equally likely twins share the probability, and neither is linked."""
    bits = pl.Series(scored["weight"].to_numpy() + np.log2(prior / (1 - prior)))
    odds = scored.with_columns(bits.clip(-200, 200).alias("bits")).with_columns(
        pl.lit(2.0).pow("bits").alias("odds")
    )
    sides = {Unique.NEITHER: [], Unique.RIGHT: [PAIR[0]], Unique.BOTH: list(PAIR)}[model.unique]
    alone = pl.Series("alone", posterior(bits.to_numpy()))
    rivals = [pl.col("odds") / (1 + pl.col("odds").sum().over(side)) for side in sides]
    likely = pl.min_horizontal("alone", *rivals).round(9)
    return odds.with_columns(alone).with_columns(likely.alias("probability"))


def _decided(
    model: LinkageModel, probable: pl.DataFrame, left: pl.DataFrame, right: pl.DataFrame
) -> pl.DataFrame:
    """Pairs of keys from the review threshold on, and what becomes of each."""
    keys = [_keys(model, left, "left"), _keys(model, right, "right")]
    first = 0 if left is right else left.height
    limits = model.thresholds
    kept = probable.filter(pl.col("probability") >= limits.review)
    return kept.select(
        keys[0].gather(kept[PAIR[0]]).alias("left"),
        keys[1].gather(kept[PAIR[1]] - first).alias("right"),
        "probability",
        pl.when((pl.col("probability") >= limits.link) & pl.col("sufficient"))
        .then(pl.lit(LINK))
        .otherwise(pl.lit(REVIEW))
        .alias("decision"),
    ).sort("probability", "left", "right", descending=[True, False, False])


def _keys(model: LinkageModel, frame: pl.DataFrame, side: str) -> pl.Series:
    name = model.key_of(side)
    if name is None:
        return pl.int_range(1, frame.height + 1, eager=True).cast(pl.String)
    if name not in frame.columns:
        msg = f"the {side} records have no key column {name!r}: name it under key; they have {', '.join(frame.columns)}"
        raise LinkageError(msg)
    return frame[name].cast(pl.String)


class _Engine:
    """Splink on a DuckDB connection: compares pairs of records, and knows how frequent values are."""

    def __init__(
        self, model: LinkageModel, everyone: pl.DataFrame, connection: duckdb.DuckDBPyConnection
    ) -> None:
        from splink import DuckDBAPI

        self.model = model
        self.everyone = everyone
        self.connection = connection
        self.api = DuckDBAPI(connection)
        self.frequencies = {
            form: self.api.register(_shares(everyone[form]).to_arrow(compat_level=pl.CompatLevel.oldest()))
            for form in _by_frequency(model)
        }

    def compare(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """For each pair the level of each column (``gamma_``, 0 worst, -1 missing), and how rare a value is that both
        have (``rarity_``: minus the log of its frequency; 0 where they differ)."""
        # Splink tells weights and not levels: let each level weigh another whole number of bits (missing: none)
        levels = {name: range(len(m)) for name, m in expected(self.model).items()}
        told = {name: tuple(2.0 ** -(level + 2) for level in held) for name, held in levels.items()}
        even = {name: (0.5,) * len(held) for name, held in levels.items()}
        gammas, rarities = zip(*map(self._told, range(len(levels)), self.model.columns.values()), strict=True)
        table = self._predicted(pairs, Parameters(told, even, 0.5))
        told_columns = ", ".join((f"{ID}_l AS {PAIR[0]}", f"{ID}_r AS {PAIR[1]}", *gammas, *rarities))
        return self._fetched(f"SELECT {told_columns} FROM {table} ORDER BY ALL")  # noqa: S608 (names of ours)

    def _told(self, index: int, column: ComparedColumn) -> tuple[str, str]:
        gamma = f"(-round(mw_c{index}) - 1)::TINYINT AS gamma_c{index}"
        if not column.by_frequency():
            return gamma, f"0::FLOAT AS rarity_c{index}"
        top = -(len(LEVELS[column.kind]))
        return gamma, f"if(round(mw_c{index}) = {top}, mw_tf_adj_c{index} + 1, 0)::FLOAT AS rarity_c{index}"

    def _predicted(self, pairs: pl.DataFrame, parameters: Parameters) -> str:
        linker = self._linker(pairs, parameters)
        table = pairs.select(pl.lit("0").alias("match_key"), *PAIR).to_arrow()
        blocked = self.api.register(table)
        linker.table_management.register_blocked_pairs_for_predict(blocked)
        return str(linker.inference.predict(warning_mode="never").physical_name)

    def _linker(self, pairs: pl.DataFrame, parameters: Parameters) -> Linker:
        """Of the records in these pairs alone, with the frequencies of values among all."""
        from splink import Linker

        meant = pl.concat([pairs[side] for side in PAIR]).unique().alias(ID).to_frame()
        records = self.everyone.join(meant, on=ID, how="semi").to_arrow(compat_level=pl.CompatLevel.oldest())
        linker = Linker(
            self.api.register(records),
            settings(self.model, parameters),
            log_level=None,
            validate_settings=False,
        )
        for form, frequency in self.frequencies.items():
            linker.table_management.register_term_frequency_lookup(frequency, form)
        return linker

    def _fetched(self, sql: str) -> pl.DataFrame:
        return pl.DataFrame(self.connection.execute(sql).to_arrow_table())


def _by_frequency(model: LinkageModel) -> list[str]:
    """The forms on which agreement counts by how rare the value is."""
    columns = enumerate(model.columns.values())
    return [f"c{index}_exact" for index, column in columns if column.by_frequency()]


def _shares(values: pl.Series) -> pl.DataFrame:
    """Each value's share of all that there are, as Splink names it."""
    known = values.drop_nulls().to_frame()
    return known.group_by(values.name).agg((pl.len() / known.height).alias(f"tf_{values.name}"))


def settings(model: LinkageModel, parameters: Parameters) -> dict[str, Any]:
    """The model as Splink's settings, which its charts and its own tools read as well."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": ID,
        "comparisons": [
            _comparison(model, index, name, parameters) for index, name in enumerate(model.columns)
        ],
        "blocking_rules_to_generate_predictions": [],
        "probability_two_random_records_match": parameters.prior,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
    }


def _comparison(model: LinkageModel, index: int, name: str, parameters: Parameters) -> dict[str, Any]:
    column = model.columns[name]
    base = f"c{index}"
    conditions = CONDITIONS[column.kind]
    levels: list[dict[str, Any]] = [
        {"sql_condition": f"{base}_exact_l IS NULL OR {base}_exact_r IS NULL", "is_null_level": True}
    ]
    best_first = zip(LEVELS[column.kind], parameters.m[name][::-1], parameters.u[name][::-1], strict=True)
    for label, m, u in best_first:
        condition = conditions.get(label, "ELSE").replace("$", base)
        level = {
            "sql_condition": condition,
            "m_probability": m,
            "u_probability": u,
            "label_for_charts": label,
        }
        if label == "exact" and column.by_frequency():
            level["tf_adjustment_column"] = f"{base}_exact"
        levels.append(level)
    return {"output_column_name": base, "comparison_description": name, "comparison_levels": levels}


_EXACT = "$_exact_l = $_exact_r"
_JARO = "jaro_winkler_similarity($_coded_l, $_coded_r)"
_SLIPS = "jaro_winkler_similarity($_exact_l, $_exact_r) >= 0.75 AND damerau_levenshtein($_exact_l, $_exact_r)"
_APART = "abs($_value_l - $_value_r)"
_LARGER = "greatest(abs($_value_l), abs($_value_r))"
_SAME_BRANCH = "$_branch_l = $_branch_r"
_CONTAINED = "least(length($_core_l), length($_core_r)) > 2 AND (contains($_core_l, $_core_r) OR contains($_core_r, $_core_l))"
_SAME_STEM = "$_stem_l = $_stem_r"
_SAME_PLACE = "(ends_with($_place_l, $_place_r) OR ends_with($_place_r, $_place_l))"
#: The condition of each level, ``$`` for the column; the last level, ``else``, has none. A Chinese character is two
#: bytes of the coded form: one slip in it is a distance of two.
CONDITIONS: Mapping[Kind, Mapping[str, str]] = {
    Kind.PERSON_NAME: {
        "exact": _EXACT,
        "sound": "$_sound_l = $_sound_r",
        "near": f"{_JARO} >= 0.92 OR ($_chinese_l AND $_chinese_r AND levenshtein($_coded_l, $_coded_r) <= 2)",
        "similar": f"{_JARO} >= 0.8",
    },
    Kind.PERSON_NAMES: {
        "exact": "list_has_any($_exact_l, $_exact_r)",
        "sound": "list_has_any($_sound_l, $_sound_r)",
    },
    Kind.ORGANISATION_NAME: {
        "exact": _EXACT,
        "core": f"({_SAME_STEM} OR (($_core_l = $_core_r OR $_sound_l = $_sound_r) AND {_SAME_BRANCH})) AND {_SAME_PLACE}",
        "branch": f"NOT ({_SAME_BRANCH}) AND {_JARO} >= 0.8",
        "contained": f"{_SAME_BRANCH} AND {_CONTAINED}",
        "similar": f"{_SAME_BRANCH} AND {_JARO} >= 0.92",
        "alike": f"{_JARO} >= 0.8",
    },
    Kind.DATE: {
        "exact": _EXACT,
        "swapped": "$_exact_l = $_year_r || substr($_day_r, 3, 2) || substr($_day_r, 1, 2)",
        "near": f"length($_exact_l) = 8 AND {_SLIPS} <= 1",
        "part": f"$_day_l = $_day_r OR ({_SLIPS} <= 2) OR (length($_exact_l) <> length($_exact_r) AND $_year_l = $_year_r)",
    },
    Kind.ADDRESS: {
        "exact": _EXACT,
        "similar": f"{_JARO} >= 0.96",
        "number": f"$_numbers_l = $_numbers_r AND {_JARO} >= 0.75",
        "alike": f"{_JARO} >= 0.88",
    },
    Kind.PHONE: {"exact": _EXACT, "near": f"$_tail_l = $_tail_r OR ({_SLIPS} <= 1)"},
    Kind.SEX: {"exact": _EXACT},
    Kind.CODE: {"exact": _EXACT, "near": f"{_SLIPS} <= 1", "two": f"{_SLIPS} <= 2"},
    Kind.CREDIT_CODE: {
        "exact": _EXACT,
        "near": f"{_SLIPS} <= 1",
        "inside": "$_organisation_l = $_organisation_r",
        "two": f"{_SLIPS} <= 2",
    },
    Kind.NUMBER: {
        "exact": _EXACT,
        "close": f"{_APART} <= 0.01 * {_LARGER}",
        "alike": f"{_APART} <= 0.1 * {_LARGER}",
    },
    Kind.CATEGORY: {"exact": _EXACT},
    Kind.TEXT: {"exact": _EXACT, "similar": f"{_JARO} >= 0.92", "alike": f"{_JARO} >= 0.8"},
}
