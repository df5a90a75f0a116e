"""What holds for every data element, whatever the cells."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.elements import ELEMENTS, Element
from catalog.elements.base import NULL_WORDS, Already, Shortcut, clean
from tests.catalog.elements.rows import AWKWARD, standardised

EVERY = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
#: Elements and companions that take the shortcut, each with a name.
SHORTCUTS: dict[str, Shortcut] = {
    f"{element.code}{suffix}": standardise
    for element in ELEMENTS.values()
    for suffix, standardise in (
        ("", element.standardise),
        *((companion.suffix, companion.standardise) for companion in element.companions),
    )
    if isinstance(standardise, Shortcut)
}
#: Pieces of real cells; texts made of them come near to every pattern, where any text comes near to none.
PIECES = (
    *"0123456789XxZ-/.,:;+*()（）[]【】〓·•・' \t\0\u3000\u200b\ufeff年月日时分秒转亿万元圆整¥￥$男女汉族市路号",
    *("２０", "Ｘ", "e\u0301", "\u0301", "´", "٣", "㎡", "½", "ﬁ", "İ", "ß", "2020-01-05", "2020/1/5", "20200105", "2024年6月"),
    *("10:20:30", "T", "+0800", "+86", "0086", "138", "00138000", "441802", "19870615", "001", "013", "E+17", "1,000", ".5"),
    *("1.2.156.3005.2.", "91441802617971616D", "11010519491231002X", "人民币", "港元", "平方米", "性", "清远", *NULL_WORDS),
)  # fmt: skip
CELLS = st.lists(
    st.none() | st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=40
)


@EVERY
def test_awkward_cells_make_values_of_the_elements_type_and_nothing_makes_none(element: Element) -> None:
    values = standardised(element, list(AWKWARD))
    assert values.dtype == element.dtype
    nothing = pl.Series(AWKWARD, dtype=pl.String).to_frame("cell").select(clean(pl.col("cell")).is_null())
    assert nothing.to_series().sum() > 2 * len(NULL_WORDS)
    assert values.filter(nothing.to_series()).is_null().all()


@EVERY
def test_every_check_answers_for_every_value(element: Element) -> None:
    values = standardised(element, list(AWKWARD)).alias("value").to_frame()
    for check in element.checks:
        answers = values.select(check.passes(pl.col("value"))).to_series()
        assert answers.dtype == pl.Boolean
        assert answers.filter(values["value"].is_not_null()).null_count() == 0, check.code


@EVERY
@settings(max_examples=15, deadline=None)
@given(cells=CELLS)
def test_a_cells_value_depends_on_no_other_cell(element: Element, cells: list[str | None]) -> None:
    values = standardised(element, cells).to_list()
    assert standardised(element, ["x", *reversed(cells), *cells]).to_list()[1:] == [
        *reversed(values),
        *values,
    ]


@pytest.mark.parametrize("shortcut", SHORTCUTS.values(), ids=SHORTCUTS)
@settings(max_examples=60, deadline=None)
@given(cells=CELLS)
@example(cells=list(AWKWARD))
@example(
    cells=["1３８00138000", "44180２", "013820013800", "-5", "1e3", "2020- 1-05", "+020-01-05", " 202-01-05"]
)
def test_the_shortcut_gives_what_the_thorough_way_gives(shortcut: Shortcut, cells: list[str | None]) -> None:
    frame = pl.DataFrame({"cell": pl.Series(cells, dtype=pl.String)})
    through = replace(shortcut, known=lambda raw: pl.when(pl.lit(value=False)).then(raw))
    both = frame.with_columns(short=shortcut(pl.col("cell")), long=through(pl.col("cell")))
    assert both.filter(pl.col("short").ne_missing(pl.col("long"))).rows() == []


def test_the_thorough_way_is_taken_for_what_is_not_known_and_for_nothing_else() -> None:
    seen: list[str] = []

    def thorough(raw: pl.Expr) -> pl.Expr:
        return raw.map_batches(
            lambda cells: (seen.extend(cells), cells.clear(len(cells)))[1], return_dtype=pl.String
        )

    watched = Shortcut(Already("^1$"), thorough, pl.String())
    frame = pl.DataFrame({"cell": ["1", "2", None, "1", "2", "3"]})
    assert frame.select(watched(pl.col("cell"))).to_series().to_list() == ["1", None, None, "1", None, None]
    assert sorted(seen) == ["2", "2", "3"]
