"""What agreement is worth: m, u and the prior of a linkage model, estimated from counted patterns of agreement.

Here belongs the arithmetic, on small frames of patterns; comparing records is ``linkage``'s work. u is counted among
random pairs. m and the prior come from expectation maximisation over the compared pairs, with u held and the expected
m as prior knowledge, so that few records never lead it astray; pairs that share no key count as no matches. (Splink's
own training blocks on whole columns one at a time, and has no prior: on a few hundred records it often diverges.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog.linkage_model import LEVELS, LinkageModel

Probabilities = tuple[float, ...]
"""By level, worst first: the order of Splink's gamma values from 0."""

_TINY = 1e-9
#: m that moves less than this in a round has settled.
_STILL = 1e-4
#: A level below equality is at most so many times as frequent among matches as expected: what is alike but never
#: equal (shops of one chain, siblings) forms a class of its own, which is not that of matches.
_DRIFT = 2.0


@dataclass(frozen=True)
class Parameters:
    """m and u of each compared column by level, and the share of matches among all pairs."""

    m: Mapping[str, Probabilities]
    u: Mapping[str, Probabilities]
    prior: float


def expected(model: LinkageModel) -> dict[str, Probabilities]:
    """What is declared or expected of true matches, by level, worst first."""
    return {
        name: _fixed(list(LEVELS[column.kind]), list(LEVELS[column.kind].values()), column.m)
        for name, column in model.columns.items()
    }


def _fixed(levels: Sequence[str], shares: Sequence[float], declared: Mapping[str, float]) -> Probabilities:
    """Best-first shares with the declared ones in place, the others scaled to what these leave; worst first."""
    free = sum(share for level, share in zip(levels, shares, strict=True) if level not in declared)
    room = max(1 - sum(declared.values()), _TINY)
    whole = [
        declared.get(level, share * room / max(free, _TINY))
        for level, share in zip(levels, shares, strict=True)
    ]
    return tuple(max(share, _TINY) for share in reversed(whole))


def by_accident(
    model: LinkageModel, patterns: pl.DataFrame, exact: Mapping[str, float]
) -> dict[str, Probabilities]:
    """u: how often each level is seen among random pairs; equality, which is too rare to be seen there, is
    calculated from the frequencies of values (``exact``) where these are given."""
    found = {}
    for index, (name, column) in enumerate(model.columns.items()):
        levels = list(LEVELS[column.kind])
        seen = _counts(patterns, index, len(levels), patterns["n"].to_numpy().astype(float)) + 0.5
        if name in exact:
            seen[-1] = 0.0
        shares = seen / seen.sum()
        if name in exact:
            shares *= 1 - exact[name]
            shares[-1] = exact[name]
        found[name] = _fixed(levels, [float(share) for share in shares[::-1]], column.u)
    return found


def _counts(
    patterns: pl.DataFrame, index: int, levels: int, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The weight of each level of a column, worst first; a missing value (-1) counts nowhere."""
    gamma = patterns[f"gamma_c{index}"].to_numpy()
    known = gamma >= 0
    return np.bincount(gamma[known], weights=weights[known], minlength=levels).astype(np.float64)


def maximise(
    model: LinkageModel,
    best: pl.DataFrame,
    everything: pl.DataFrame,
    start: Parameters,
    pairs: float,
    most: float,
) -> Parameters:
    """Expectation maximisation of m over the patterns of ``best`` pairs, then of the prior over ``everything``
    compared, out of ``pairs`` pairs in all, of which no more than ``most`` can be matches.

    m is learned from each record's best pair only: else shops of one chain, or families under one roof, which are
    many and alike, would be taken for what matches look like."""
    now = start
    for _ in range(model.estimation.rounds):
        match = _matches(model, best, now)
        prior = model.prior or _share(match.sum(), pairs, most)
        following = Parameters(_updated(model, best, match), now.u, prior)
        moved = max(abs(a - b) for name in now.m for a, b in zip(now.m[name], following.m[name], strict=True))
        now = following
        if moved < _STILL:
            break
    for _ in range(0 if model.prior else model.estimation.rounds):
        now = Parameters(now.m, now.u, _share(_matches(model, everything, now).sum(), pairs, most))
    return now


def _matches(model: LinkageModel, patterns: pl.DataFrame, now: Parameters) -> npt.NDArray[np.float64]:
    """How many of each pattern's pairs are matches, as far as is known now."""
    bits = np.log2(now.prior / (1 - now.prior)) + weight(model, patterns, now)
    counts: npt.NDArray[np.float64] = patterns["n"].to_numpy().astype(np.float64)
    return posterior(bits) * counts


def _share(matches: float, pairs: float, most: float) -> float:
    return float(np.clip(matches, 0.1, most) / pairs)


def _updated(
    model: LinkageModel, patterns: pl.DataFrame, match: npt.NDArray[np.float64]
) -> dict[str, Probabilities]:
    found = {}
    for index, (name, start) in enumerate(expected(model).items()):
        column = model.columns[name]
        levels = list(LEVELS[column.kind])
        seen = _counts(patterns, index, len(levels), match) + model.estimation.trust * np.array(start)
        bounded = np.minimum(seen / seen.sum(), _DRIFT * np.array(start))
        bounded[-1] = max(1 - bounded[:-1].sum(), start[-1] / _DRIFT)
        found[name] = _fixed(levels, [float(share) for share in bounded[::-1]], column.m)
    return found


def weight(model: LinkageModel, compared: pl.DataFrame, parameters: Parameters) -> npt.NDArray[np.float64]:
    """The match weight of each pattern or pair in bits, without the prior; a missing value weighs nothing.

    Where a pair's shared value is known to be rare (``rarity_``), its own frequency stands for u, as Splink does."""
    total = np.zeros(compared.height)
    for index, name in enumerate(model.columns):
        m, u = np.array(parameters.m[name]), np.array(parameters.u[name])
        gamma = compared[f"gamma_c{index}"].to_numpy()
        total += np.where(gamma >= 0, np.log2(m / u)[np.maximum(gamma, 0)], 0.0)
        if f"rarity_c{index}" in compared.columns:
            rarity = compared[f"rarity_c{index}"].to_numpy().astype(float)
            total += np.where(rarity > 0, rarity + np.log2(u[-1]), 0.0)
    return total


def counted(compared: pl.DataFrame) -> pl.DataFrame:
    """How many pairs agree on which levels."""
    gammas = [name for name in compared.columns if name.startswith("gamma_")]
    return compared.group_by(gammas).len("n").sort(gammas)


def posterior(bits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability from bits of evidence, prior included."""
    return 1 / (1 + np.exp2(np.clip(-bits, -500, 500)))
