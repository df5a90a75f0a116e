"""One demo city: all its truth, made from a seed.

Here belongs the putting together. What is true of people and their moves, organisations and their successors, land and licences
is in their modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from demo import land, licences, moves, organisations, people, successions


@dataclass(frozen=True)
class City:
    """The truth, and the day it is true on. ``seed`` also drives the departments' dirt."""

    seed: int
    today: date
    people: pl.DataFrame
    moves: pl.DataFrame
    organisations: pl.DataFrame
    successions: pl.DataFrame
    land: land.Land
    licences: pl.DataFrame

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, so that one export's dirt does not move another's."""
        return np.random.default_rng([self.seed, *purpose.encode()])


def build(count: int, seed: int, today: date) -> City:
    """A city of ``count`` people; equal arguments give equal cities."""
    persons = people.build(count, np.random.default_rng([seed, 1]), today)
    adults = persons.filter(
        (pl.col("birth_date") < date(today.year - 20, 1, 1)) & pl.col("death_date").is_null()
    )
    bodies = organisations.build(max(300, count // 14), adults, np.random.default_rng([seed, 2]), today)
    bodies, taken_over = successions.build(bodies, np.random.default_rng([seed, 5]))
    moved = moves.build(persons, np.random.default_rng([seed, 6]), today)
    places = land.build(count, np.random.default_rng([seed, 3]))
    chains = licences.build(persons, bodies, np.random.default_rng([seed, 4]), today)
    return City(seed, today, persons, moved, bodies, taken_over, places, chains)
