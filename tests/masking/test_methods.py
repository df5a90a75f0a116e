"""Each mask: what it shows, and that it shows no more, on null, empty, one character, Chinese and long
values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import methods
from masking.keys import recipient_key
from masking.methods import METHODS, Stronger

KEY = recipient_key(bytes(range(32)), "analyst")
OTHER = recipient_key(bytes(range(32)), "auditor")
VALUE = pl.col("v")


def run(values: list[Any], mask: pl.Expr, dtype: Any = None) -> list[Any]:
    return pl.DataFrame({"v": pl.Series(values, dtype=dtype)}).select(mask.alias("v"))["v"].to_list()


def text(value: str | None, mask: pl.Expr) -> Any:
    return run([value], mask, pl.String)[0]


EVERY_TEXT_MASK: dict[str, Callable[[], pl.Expr]] = {
    "redact": lambda: methods.redact(VALUE),
    "partial": lambda: methods.partial(VALUE, 4, 4),
    "organisations_only": lambda: methods.organisations_only(VALUE),
    "generalise_division": lambda: methods.generalise_division(VALUE),
    "generalise_address": lambda: methods.generalise_address(VALUE),
    "generalise_date": lambda: methods.generalise_date(VALUE, pl.String()),
    "classify": lambda: methods.classify(VALUE, {"肿瘤": ["癌"]}),
    "scrub": lambda: methods.scrub(VALUE),
    "pseudonym": lambda: methods.pseudonym(VALUE, KEY, "subject"),
}


@pytest.mark.parametrize("name", EVERY_TEXT_MASK)
def test_null_stays_null_and_odd_values_pass(name: str) -> None:
    values = [None, "", "张", "１", "欧阳·阿卜杜拉", "x" * 100_000]
    masked = run(values, EVERY_TEXT_MASK[name](), pl.String)
    assert masked[0] is None
    assert len(masked) == len(values)


@pytest.mark.parametrize("name", EVERY_TEXT_MASK)
def test_a_column_without_rows_or_values_passes(name: str) -> None:
    assert run([], EVERY_TEXT_MASK[name](), pl.String) == []
    assert run([None, None], EVERY_TEXT_MASK[name](), pl.String) == [None, None]


class TestPartial:
    @pytest.mark.parametrize(
        ("value", "left", "right", "shown"),
        [
            ("441802199001011234", 4, 4, "4418**********1234"),
            ("13812345678", 3, 4, "138****5678"),
            ("张三", 1, 0, "张*"),
            ("欧阳修远", 1, 0, "欧*"),
            ("张", 1, 0, "*"),
            ("", 1, 0, "*"),
            ("12345678", 4, 4, "*"),
            ("12345678901", 4, 4, "*"),
            ("6228480402564890018", 6, 0, "622848*"),
        ],
    )
    def test_examples(self, value: str, left: int, right: int, shown: str) -> None:
        assert text(value, methods.partial(VALUE, left, right)) == shown

    @given(st.text(max_size=40), st.integers(0, 6), st.integers(0, 6))
    def test_never_more_than_declared(self, value: str, left: int, right: int) -> None:
        shown = text(value, methods.partial(VALUE, left, right))
        kept = shown.strip("*") if "*" not in value else None
        assert "*" in shown
        if shown != "*":
            assert shown.startswith(value[:left])
            assert shown.endswith(value[len(value) - right :] if right else "*")
            assert len(value) > left + right
        if kept is not None:
            assert len(kept.replace("*", "")) <= left + right

    @given(st.text(min_size=2, max_size=40), st.text(min_size=2, max_size=40))
    def test_names_of_any_length_look_alike(self, first: str, second: str) -> None:
        same_head = first[0] + second[1:]
        mask = methods.partial(VALUE, 1, 0)
        assert text(first, mask) == text(same_head, mask)


class TestPseudonym:
    def test_form(self) -> None:
        token = text("441802199001011234", methods.pseudonym(VALUE, KEY, "subject"))
        assert token.startswith("p1")
        assert len(token) == 34
        assert int(token[2:], 16) >= 0

    @given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=30))
    def test_equal_if_and_only_if_the_values_are(self, values: list[str | None]) -> None:
        tokens = run(values, methods.pseudonym(VALUE, KEY, "subject"), pl.String)
        again = run(values[::-1], methods.pseudonym(VALUE, KEY, "subject"), pl.String)[::-1]
        assert tokens == again
        assert len(set(tokens)) == len(set(values))
        assert [token is None for token in tokens] == [value is None for value in values]

    @given(st.text(max_size=20))
    def test_recipients_versions_and_domains_cannot_be_joined(self, value: str) -> None:
        second = recipient_key(bytes(range(32)), "analyst", 2)
        tokens = {
            text(value, methods.pseudonym(VALUE, key, domain))
            for key in (KEY, OTHER, second)
            for domain in ("subject", "identifier")
        }
        assert len({token[2:] for token in tokens}) == 6

    def test_numbers(self) -> None:
        assert run([7, None], methods.pseudonym(VALUE, KEY, "_row"))[1] is None


class TestDates:
    DAYS = (date(2000, 2, 29), date(1930, 1, 1), date(2026, 1, 2), None)

    @pytest.mark.parametrize(
        ("to", "shown"),
        [
            ("month", ["2000-02", "1930-01", "2026-01", None]),
            ("quarter", ["2000Q1", "1930Q1", "2026Q1", None]),
            ("year", ["2000", "1930", "2026", None]),
            ("age_band", ["20-29", "90+", None, None]),
        ],
    )
    def test_steps(self, to: str, shown: list[str | None]) -> None:
        mask = methods.generalise_date(VALUE, pl.Date(), to=to, at=date(2026, 1, 1))
        assert run(list(self.DAYS), mask, pl.Date) == shown

    def test_an_age_changes_on_the_birthday(self) -> None:
        births = [date(1996, 1, 1), date(1996, 1, 2)]
        assert run(births, methods.generalise_date(VALUE, pl.Date(), to="age_band", at=date(2026, 1, 1))) == [
            "30-39",
            "20-29",
        ]

    def test_an_instant_is_reckoned_in_shanghai(self) -> None:
        instant = datetime(2025, 12, 31, 16, 0, tzinfo=UTC)
        dtype = pl.Datetime("us", "UTC")
        assert run([instant], methods.generalise_date(VALUE, dtype, to="month"), dtype) == ["2026-01"]

    def test_a_month_is_read(self) -> None:
        assert run(["2026-05", "何时"], methods.generalise_date(VALUE, pl.String(), to="quarter")) == [
            "2026Q2",
            None,
        ]

    def test_an_age_without_its_day_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`at`"):
            methods.generalise_date(VALUE, pl.Date(), to="age_band")

    def test_one_entity_is_shifted_alike_and_within_bounds(self) -> None:
        frame = pl.DataFrame(
            {"v": [date(2020, 1, 1), date(2021, 1, 1), date(2020, 1, 1)], "who": ["a", "a", "b"]}
        )
        shifted = frame.select(methods.date_shift(VALUE, pl.col("who"), KEY, 30).alias("v"))["v"].to_list()
        moves = [(new - old).days for new, old in zip(shifted, frame["v"], strict=True)]
        assert moves[0] == moves[1]
        assert all(-30 <= move <= 30 for move in moves)


@pytest.mark.parametrize(
    ("address", "county", "town"),
    [
        ("广东省清远市清城区东城街道长埔村12号", "广东省清远市清城区", "广东省清远市清城区东城街道"),
        (
            "清远市连山壮族瑶族自治县吉田镇政府路1号",
            "清远市连山壮族瑶族自治县",
            "清远市连山壮族瑶族自治县吉田镇",
        ),
        ("英德市大湾镇新村", "英德市", "英德市大湾镇"),
        ("幸福路小镇花园3栋", None, None),
        ("12号", None, None),
    ],
)
def test_addresses_are_cut_behind_their_unit(address: str, county: str | None, town: str | None) -> None:
    assert text(address, methods.generalise_address(VALUE, to="county")) == county
    assert text(address, methods.generalise_address(VALUE, to="town")) == town


@given(st.text(alphabet="清远市区县镇乡街道路村号12广东省", max_size=40))
def test_an_address_shows_only_its_beginning_and_no_number(address: str) -> None:
    shown = text(address, methods.generalise_address(VALUE, to="town"))
    assert shown is None or (address.startswith(shown) and not any(sign in shown for sign in "路村号12"))


@pytest.mark.parametrize(
    ("code", "to", "shown"),
    [
        ("441802001002", "county", "441802"),
        ("441802", "county", "441802"),
        ("441802", "city", "441800"),
        ("441802", "province", "440000"),
        ("441802001", "town", "441802001"),
        ("441802", "town", None),
        ("44", "county", None),
    ],
)
def test_divisions_are_cut_to_their_level(code: str, to: str, shown: str | None) -> None:
    assert text(code, methods.generalise_division(VALUE, to=to)) == shown


def test_bands() -> None:
    amounts = [Decimal("999.99"), Decimal("1000.00"), Decimal("50000.00"), None, Decimal("-0.01")]
    assert run(amounts, methods.band(VALUE, 1000, 50_000), pl.Decimal(18, 2)) == [
        "[0, 1000)",
        "[1000, 2000)",
        ">=50000",
        None,
        "[-1000, 0)",
    ]


@given(st.floats(-1e6, 1e6), st.sampled_from([0.01, 0.1, 1.0]))
def test_a_grid_moves_a_coordinate_to_its_cell(value: float, degrees: float) -> None:
    (shown,) = run([value], methods.grid(VALUE, degrees), pl.Float64)
    assert abs(shown - value) <= degrees / 2 + 1e-6
    assert run([shown], methods.grid(VALUE, degrees), pl.Float64) == pytest.approx([shown])


def test_rounding_and_top_coding() -> None:
    assert run([4.0, -4.0, None], methods.round_to(VALUE, 10)) == [0.0, 0.0, None]
    assert str(run([-4.0], methods.round_to(VALUE, 10))[0]) == "0.0"
    assert run([99.0, 100.0, 1e9, None], methods.top_code(VALUE, 100)) == [99.0, 100.0, 100.0, None]


@pytest.mark.parametrize(
    "secret",
    [
        "441802199001011234",
        "44180219900101123X",
        "４４１８０２１９９００１０１１２３４",
        "4418 0219 9001 0112 34",
        "13812345678",
        "138-1234-5678",
        "一三八一二三四五六七八",
        "6228480402564890018",
        "91441802617971616D",
        "zhang@example.cn",
    ],
)
@pytest.mark.parametrize("sentence", ["{}", "请联系{}谢谢", "号码:{},住址"])
def test_numbers_are_scrubbed_from_text(secret: str, sentence: str) -> None:
    shown = text(sentence.format(secret), methods.scrub(VALUE))
    assert secret not in shown
    assert sum(sign.isdigit() for sign in shown) <= 1
    assert "***" in shown


def test_scrubbing_leaves_ordinary_text() -> None:
    assert text("于2024-06-05许可经营3年", methods.scrub(VALUE)) == "于2024-06-05许可经营3年"


def test_only_declared_classes_come_out() -> None:
    mask = methods.classify(VALUE, {"肿瘤": ["癌", "瘤"], "循环": ["心"]})
    assert run(["肺癌", "心梗", "心脏肿瘤", "张三的病", None], mask) == ["肿瘤", "循环", "肿瘤", "其他", None]


def test_persons_are_removed_and_organisations_kept() -> None:
    values = [
        "91441802617971616D",
        "441802199001011234",
        "11010519491231002X",
        "张三",
        "123456789012345678",
        None,
    ]
    assert run(values, methods.organisations_only(VALUE)) == ["91441802617971616D", *[None] * 5]


def test_redaction_keeps_the_type() -> None:
    frame = pl.DataFrame({"v": [date(2020, 1, 1)]}).select(methods.redact(VALUE))
    assert frame.schema == {"v": pl.Date}
    assert frame["v"].to_list() == [None]


class TestRegistry:
    def test_every_method_tells_what_an_attacker_learns(self) -> None:
        assert all("ttacker" in (method.function.__doc__ or "") for method in METHODS.values())

    def test_no_unkeyed_hash_is_offered(self) -> None:
        assert not any("hash" in name for name in METHODS)

    @pytest.mark.parametrize(
        ("method", "parameters", "minimum", "enough"),
        [
            ("partial", {"left": 4, "right": 4}, {"left": 4, "right": 4}, True),
            ("partial", {"left": 5, "right": 4}, {"left": 4, "right": 4}, False),
            ("partial", {"left": 4}, {"left": 4, "right": 0}, True),
            ("generalise_date", {"to": "year"}, {"to": "month"}, True),
            ("generalise_date", {"to": "month"}, {"to": "year"}, False),
            ("band", {"width": 1000}, {"width": 1000, "top": 5}, False),
            ("band", {"width": 2000, "top": 5}, {"width": 1000, "top": 5}, True),
            ("scrub", {}, {"names": 1}, False),
        ],
    )
    def test_strength(self, method: str, parameters: Any, minimum: Any, enough: bool) -> None:
        assert METHODS[method].at_least(parameters, minimum) is enough

    @pytest.mark.parametrize(
        ("method", "parameters", "problem"),
        [
            ("partial", {"lft": 4}, "no parameter 'lft'"),
            ("band", {}, "needs 'width'"),
            ("band", {"width": "wide"}, "is a number"),
            ("generalise_date", {"to": "day"}, "one of month"),
            ("pseudonym", {"key": "mine"}, "no parameter 'key'"),
        ],
    )
    def test_wrong_parameters_are_named(self, method: str, parameters: Any, problem: str) -> None:
        assert any(problem in found for found in METHODS[method].problems(parameters))

    def test_strengths_name_parameters_that_exist(self) -> None:
        for method in METHODS.values():
            known = method.function.__code__.co_varnames
            assert set(method.strength) <= set(known)
            assert all(isinstance(order, tuple | Stronger) for order in method.strength.values())


class TestNoise:
    VALUES = tuple(float(number) for number in range(0, 40_000, 10))

    def noisy(self, key: Any = KEY, scale: float = 100, who: str = "w") -> pl.Series:
        frame = pl.DataFrame({"v": self.VALUES, "who": [f"{who}{row}" for row in range(len(self.VALUES))]})
        return frame.select(methods.noise(VALUE, pl.col("who"), key, scale).alias("v"))["v"]

    def test_it_is_laplace_of_the_stated_scale(self) -> None:
        off = (self.noisy() - pl.Series(self.VALUES)).abs()
        # of the absolute value the mean is the scale, the median ln 2 of it; 4,000 draws of a fixed key
        assert off.mean() == pytest.approx(100, rel=0.05)
        assert off.median() == pytest.approx(69.3, rel=0.08)
        assert (off > 300).mean() == pytest.approx(0.05, abs=0.015)

    def test_it_is_the_same_every_time_for_one_entity_and_another_for_each_and_each_key(self) -> None:
        assert self.noisy().equals(self.noisy())
        assert (self.noisy() == self.noisy(who="other")).sum() < 20
        assert (self.noisy() == self.noisy(key=OTHER)).sum() < 20

    def test_null_stays_null(self) -> None:
        frame = pl.DataFrame(
            {"v": [None, 1.0], "who": ["a", None]}, schema={"v": pl.Float64, "who": pl.String}
        )
        assert frame.select(methods.noise(VALUE, pl.col("who"), KEY, 1.0))["v"].to_list() == [None, None]
