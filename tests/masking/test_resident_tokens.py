"""Format-preserving tokens: an id's form, nobody's number, and back again only with the key."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.elements.check_digits import passes_resident, resident_check
from masking.keys import recipient_key
from masking.methods import METHODS
from masking.resident_tokens import originals, tokens

KEY = recipient_key(bytes(range(32)), "analyst")
OTHER = recipient_key(bytes(range(32)), "auditor")


def resident(division: int, born: date, sequence: int) -> str:
    body = f"{division}{born:%Y%m%d}{sequence:03d}"
    return body + str(resident_check(pl.Series([body]))[0])


RESIDENTS = st.builds(
    resident, st.integers(110000, 830000), st.dates(date(1850, 1, 1), date(2100, 1, 1)), st.integers(0, 999)
)


@given(st.lists(RESIDENTS, min_size=1, max_size=20, unique=True))
def test_only_the_key_turns_a_token_back(ids: list[str]) -> None:
    given = pl.Series("id", ids)
    made = tokens(given, KEY)
    assert passes_resident(made).all()
    assert made.str.starts_with("000").all()
    assert made.n_unique() == len(ids)
    assert originals(made, KEY).to_list() == ids
    assert set(originals(made, OTHER).to_list()).isdisjoint(ids)
    assert set(tokens(given, OTHER)).isdisjoint(made)


def test_what_is_no_resident_id_is_hidden() -> None:
    odd = [None, "", "张三", "440182199913011234", "441802184912311234", "91441802617971616D", "1" * 1000]
    assert tokens(pl.Series(odd, dtype=pl.String), KEY).to_list() == [None] * len(odd)
    assert originals(pl.Series([None, "", odd[3]], dtype=pl.String), KEY).to_list() == [None] * 3


def test_an_empty_column_passes() -> None:
    assert tokens(pl.Series([], dtype=pl.String), KEY).to_list() == []


@pytest.mark.parametrize("missing_first", [True, False])
def test_the_method_keeps_rows_in_place(missing_first: bool) -> None:
    known = resident(441802, date(1987, 6, 15), 123)
    values = [None, known] if missing_first else [known, None]
    expression = METHODS["format_preserving"].expression(
        "v", {}, key=KEY, dtype=pl.String(), domain="subject"
    )
    masked = pl.DataFrame({"v": values}).select(expression).to_series().to_list()
    assert [value is None for value in masked] == [value is None for value in values]
    assert METHODS["format_preserving"].reversible
