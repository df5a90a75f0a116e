"""Resident ids as tokens of the same form: 18 characters, a right check character, and nobody's number.

Here belongs the way from an id to 14 digits (division 6, day of birth 5, sequence 3), through FF1 over SM4, and back.
A token begins with ``000``: no division code of GB/T 2260 does, so no token can be a living person's id.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from catalog.elements.check_digits import resident_check
from catalog.elements.identifiers import RESIDENT_SHAPE
from masking.ff1 import FF1
from masking.keys import RecipientKey, hmac_sm3

#: What no issued number begins with.
NEVER_ISSUED = "000"
_DIGITS = 14
_FIRST_DAY = pl.date(1850, 1, 1)
_DAYS = 100_000
_TOKEN_SHAPE = r"^000[0-9]{14}[0-9X]$"  # noqa: S105 - the shape of a token, not a secret


def tokens(ids: pl.Series, key: RecipientKey) -> pl.Series:
    """A token for each resident id; null where there is no id with a real date of birth."""
    table = pl.DataFrame({"id": ids}).with_columns(
        pl.col("id").str.slice(6, 8).str.to_date("%Y%m%d", strict=False).alias("born")
    )
    # a year before 1850, or after the five digits end, has no number: such an id is hidden whole
    day = (pl.col("born") - _FIRST_DAY).dt.total_days()
    usable = pl.col("id").str.contains(RESIDENT_SHAPE) & day.is_between(0, _DAYS - 1)
    digits = table.select(
        pl.when(usable).then(
            pl.col("id").str.slice(0, 6) + day.cast(pl.String).str.zfill(5) + pl.col("id").str.slice(14, 3)
        )
    ).to_series()
    body = NEVER_ISSUED + _over_known(digits, key, decrypt=False)
    return (body + resident_check(body)).alias(ids.name)


def originals(given: pl.Series, key: RecipientKey) -> pl.Series:
    """The ids behind tokens made with this key; null for what is no token. Only the key's holder can do this."""
    digits = pl.select(
        pl.when(given.str.contains(_TOKEN_SHAPE)).then(given.str.slice(3, _DIGITS))
    ).to_series()
    found = pl.DataFrame({"digits": _over_known(digits, key, decrypt=True)}).select(
        pl.col("digits").str.slice(0, 6)
        + (_FIRST_DAY + pl.duration(days=pl.col("digits").str.slice(6, 5).cast(pl.Int64))).dt.strftime(
            "%Y%m%d"
        )
        + pl.col("digits").str.slice(11, 3)
    )
    body = found.to_series()
    return (body + resident_check(body)).alias(given.name)


def _over_known(digits: pl.Series, key: RecipientKey, *, decrypt: bool) -> pl.Series:
    """The digit strings enciphered or deciphered; null stays null."""
    joined = "".join(digits.fill_null("0" * _DIGITS).to_list()).encode()
    numerals = np.frombuffer(joined, dtype=np.uint8).reshape(-1, _DIGITS) - ord("0")
    ff1 = FF1(SM4(hmac_sm3(key.secret, b"resident tokens")[:16]), radix=10, length=_DIGITS)
    changed = (ff1.decrypt(numerals) if decrypt else ff1.encrypt(numerals)) + np.uint8(ord("0"))
    texts = pl.Series(changed.view(f"S{_DIGITS}").ravel().tolist(), dtype=pl.Binary).cast(pl.String)
    return pl.select(pl.when(digits.is_not_null()).then(texts)).to_series()
