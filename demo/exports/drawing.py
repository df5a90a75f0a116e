"""Draws that several exports make: who is alive, a share of the rows, days, accounts, numbers.

Here belongs nothing that knows a resource.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from demo.city import City

BANK = "6230"


def alive(city: City) -> pl.DataFrame:
    return city.people.filter(pl.col("death_date").is_null())


def between(city: City, low: float, high: float) -> pl.DataFrame:
    """Living people by age."""
    age = pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25
    return alive(city).filter((age >= low) & (age < high))


def on_some(frame: pl.DataFrame, rng: np.random.Generator, share: float) -> pl.DataFrame:
    """A random share of the rows, in order."""
    return frame.filter(pl.Series(rng.random(len(frame)) < share))


def days_ago(rng: np.random.Generator, count: int, today: date, low: int, high: int) -> pl.Series:
    return pl.Series(np.datetime64(today, "D") - rng.integers(low, high, count) * np.timedelta64(1, "D"))


def account(frame: pl.DataFrame) -> pl.Expr:
    return pl.format(BANK + "{}", (pl.col("person") * 104_729 + 13).cast(pl.String).str.zfill(15))


def other_mobile(city: City, frame: pl.DataFrame, purpose: str) -> pl.Series:
    """Most departments have the person's number; some have an older one, some none."""
    rng = city.rng(purpose)
    old = ("13" + pl.Series(rng.integers(10**8, 10**9, len(frame))).cast(pl.String)).to_numpy()
    pick = rng.random(len(frame))
    mobile = np.where(pick < 0.12, old, frame["mobile"].to_numpy())
    return pl.Series(mobile).set(pl.Series(pick > 0.9), None)


def sex_word(name: str = "sex") -> pl.Expr:
    return pl.when(pl.col(name) == "1").then(pl.lit("男")).otherwise(pl.lit("女"))
