"""Who of the demo city moved in from elsewhere, moved away, or came back, and when.

Here belongs the truth about it. What the police tell of it is in ``exports``.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from demo.people import OTHER_ORIGINS

IN, OUT = "迁入", "迁出"
_DAY = np.timedelta64(1, "D")
_ADULT_DAYS = 18 * 366
#: The share of grown-up members of households who moved away in the last ten years, and of these who came back.
_AWAY, _BACK = 0.02, 0.4


def build(people: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """The moves in the order of their days, one row each: ``person`` (row number), ``kind``, ``moved_on``, ``from_division``,
    ``to_division``. Whose number was given elsewhere moved in; of the others some went, and some of these came back."""
    foreign = pl.col("resident_id").str.slice(0, 6).is_in(OTHER_ORIGINS)
    came = _came(people.filter(foreign), rng, today)
    grown = pl.col("birth_date") < pl.lit(today) - pl.duration(days=_ADULT_DAYS + 400)
    staying = people.filter(~foreign & grown & pl.col("death_date").is_null() & (pl.col("role") != "户主"))
    left = _left(staying.filter(pl.Series(rng.random(len(staying)) < _AWAY)), rng, today)
    return pl.concat([came, left, _returned(left, rng, today)]).sort("moved_on", "person", "kind")


def _came(people: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """On any day of their lives but the first and the last."""
    end = people["death_date"].fill_null(today).to_numpy()
    days = (end - people["birth_date"].to_numpy()).astype("timedelta64[D]").astype("int64")
    moved = (
        people["birth_date"].to_numpy() + (rng.random(len(people)) * (days - 1) + 1).astype("int64") * _DAY
    )
    return _moves(people, IN, moved, people["resident_id"].str.slice(0, 6), people["town"])


def _left(people: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """In the last ten years, once grown up."""
    grown = people["birth_date"].to_numpy() + _ADULT_DAYS * _DAY
    first = np.maximum(grown, np.datetime64(today, "D") - 3650 * _DAY)
    days = (np.datetime64(today, "D") - first).astype("timedelta64[D]").astype("int64")
    moved = first + (rng.random(len(people)) * (days - 2)).astype("int64") * _DAY
    return _moves(people, OUT, moved, people["town"], pl.Series(rng.choice(OTHER_ORIGINS, len(people))))


def _returned(left: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """Some months or years later, where that is not yet to come."""
    back = left.filter(pl.Series(rng.random(len(left)) < _BACK))
    back = back.with_columns(
        pl.lit(IN).alias("kind"),
        pl.col("moved_on") + pl.duration(days=pl.lit(pl.Series(rng.integers(60, 1500, len(back))))),
        pl.col("to_division").alias("from_division"),
        pl.col("from_division").alias("to_division"),
    )
    return back.filter(pl.col("moved_on") < today)


def _moves(
    people: pl.DataFrame, kind: str, on: np.ndarray, left: pl.Series, reached: pl.Series
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "person": people["person"],
            "kind": pl.Series([kind] * len(people), dtype=pl.String),
            "moved_on": pl.Series(on).cast(pl.Date),
            "from_division": left,
            "to_division": reached,
        }
    )
