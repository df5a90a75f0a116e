"""The masks: one function each, from a column to its masked values, as Polars expressions over whole columns.

Here belongs what a mask does, and what somebody who sees its output still learns. Which mask is enough for
which column is a reviewed table (``policy.yaml``), and what is left when masks are combined is measured in
``risk``. Null stays null under every mask. An unkeyed hash is no mask and is not offered: an 18-digit number
is found by trying them all. Source of the methods: GB/T 37964-2019, annex A.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from types import MappingProxyType
from typing import Any

import polars as pl

from catalog.elements.identifiers import CREDIT_SHAPE, RESIDENT_SHAPE
from catalog.model import Title
from masking import resident_tokens
from masking.keys import RecipientKey
from masking.names_in_text import CUT, without_names

STAR = "*"
#: A longer hidden part shows no more stars than this: no code is as long.
MOST_STARS = 64
PSEUDONYM_HEX_DIGITS = 32

_LEVELS = {"province": 2, "city": 4, "county": 6, "town": 9}
_DIGIT_RUNS = r"(?:\d[ \-]?){9,}[\dXx]|\d{7,}[Xx]?|[〇零一二三四五六七八九幺]{7,}"
_CODES = r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}"
_MAIL = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}"


def keep(value: pl.Expr) -> pl.Expr:
    """The value as it is. An attacker learns it; it lifts nothing."""
    return value


def redact(value: pl.Expr) -> pl.Expr:
    """Null in every row. An attacker learns only that the column exists."""
    return pl.when(pl.lit(value=False)).then(value)


def partial(value: pl.Expr, left: int = 0, right: int = 0) -> pl.Expr:
    """``left`` and ``right`` characters with stars between: ``4418**********1234``, ``138****5678``, ``张*``.

    With nothing kept on the right one star stands for all, so that a name's length is not told; a value that
    would have fewer than four characters hidden (one, for a name) is hidden whole. An attacker learns what is
    kept: of a resident id's 4 + 4 the province, the city and a check on any guess. Together with a name's
    first character and an age band, nearly half of a city's people are unique.
    """
    length = value.str.len_chars()
    if right == 0:
        return pl.when(length > left).then(value.str.slice(0, left) + STAR).otherwise(_starred(value))
    hidden = length.cast(pl.Int64) - (left + right)
    stars = pl.lit(STAR * MOST_STARS).str.slice(0, hidden.clip(0))
    shown = value.str.slice(0, left) + stars + value.str.slice(-right)
    return pl.when(hidden >= 4).then(shown).otherwise(_starred(value))


def _starred(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_not_null()).then(pl.lit(STAR))


def organisations_only(value: pl.Expr) -> pl.Expr:
    """Credit codes as they are; what has the shape of a person's number, or of neither, is null.

    An attacker learns the organisations, which are public, and that the other rows concern persons."""
    person = value.str.contains(RESIDENT_SHAPE)
    return pl.when(value.str.contains(CREDIT_SHAPE) & ~person).then(value)


def generalise_date(
    value: pl.Expr, dtype: pl.DataType, to: str = "year", at: date | None = None, width: int = 10
) -> pl.Expr:
    """A date, an instant or a ``YYYY-MM`` text → ``2024-06``, ``2024Q2``, ``2024``, or an age band ``30-39``.

    Ages are reckoned on the day ``at``, never on the day of the run, and stop at 90. An attacker learns the
    month, quarter, year or band; an event that was alone in it is found by whoever knows of it."""
    day = _day(value, dtype)
    if to == "month":
        return day.dt.strftime("%Y-%m")
    if to == "quarter":
        return day.dt.year().cast(pl.String) + "Q" + day.dt.quarter().cast(pl.String)
    if to == "age_band":
        if at is None:
            msg = "generalise_date to age_band needs `at`, the day on which ages are reckoned"
            raise ValueError(msg)
        return _age_band(day, at, width)
    return day.dt.year().cast(pl.String)


def _day(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The calendar day in Asia/Shanghai (a ``YYYY-MM`` text's first)."""
    if dtype == pl.String:
        return (value + "-01").str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Datetime):
        return (value.dt.convert_time_zone("Asia/Shanghai") if dtype.time_zone else value).dt.date()
    return value


def _age_band(birth: pl.Expr, at: date, width: int) -> pl.Expr:
    had_birthday = (birth.dt.month() * 100 + birth.dt.day()) <= at.month * 100 + at.day
    age = pl.lit(at.year) - birth.dt.year() - pl.when(had_birthday).then(0).otherwise(1)
    low = age // width * width
    band = low.cast(pl.String) + "-" + (low + width - 1).cast(pl.String)
    return pl.when(age >= 90).then(pl.lit("90+")).when(age >= 0).then(band)


def generalise_division(value: pl.Expr, to: str = "county") -> pl.Expr:
    """A division code cut to its province, city or county, in six digits (town: in nine).

    An attacker learns the area. A small county holds about 100,000 people, a small town a few thousand."""
    head = value.str.slice(0, _LEVELS[to])
    return pl.when(value.str.len_chars() >= _LEVELS[to]).then(head.str.pad_end(6, "0"))


def generalise_address(value: pl.Expr, to: str = "town") -> pl.Expr:
    """An address cut behind its town or county; null where no such unit is found at its beginning.

    An attacker learns the unit. Road, village and house are gone; a unit's name is only taken where it stands
    before any road, so that a house called 某某镇 is not mistaken for one."""
    word = r"[\p{Han}&&[^路街巷弄号村道省市县区镇乡]]"
    province = rf"(?:{word}{{2,8}}(?:省|自治区))?"
    city = rf"(?:{word}{{2,8}}市)?"
    county = rf"(?:{word}{{1,12}}(?:自治县|县|市|区))"
    town = rf"(?:{word}{{1,12}}(?:街道|镇|乡))"
    shapes = {
        "county": f"^({province}{city}{county})",
        "town": f"^({province}{city}{county}?{town})",
    }
    return value.str.extract(shapes[to])


def band(value: pl.Expr, width: float, top: float | None = None) -> pl.Expr:
    """A number's band, ``[1000, 2000)``; from ``top`` on a single one, ``>=50000``.

    An attacker learns the number to the band's width; without ``top`` the few largest stand alone."""
    number = value.cast(pl.Float64)
    low = (number / width).floor() * width
    text = "[" + _figure(low) + ", " + _figure(low + width) + ")"
    return text if top is None else pl.when(number >= top).then(pl.lit(f">={top:g}")).otherwise(text)


def _figure(number: pl.Expr) -> pl.Expr:
    """A number as people write it: no fraction where it has none."""
    whole = number.cast(pl.Int64, strict=False)
    return pl.when(number == whole).then(whole.cast(pl.String)).otherwise(number.cast(pl.String))


def round_to(value: pl.Expr, step: float) -> pl.Expr:
    """A number rounded to a multiple of ``step``, as Float64. An attacker learns it to half a step."""
    # adding zero makes -0.0 a plain 0.0
    return (value.cast(pl.Float64) / step).round() * step + 0.0


def top_code(value: pl.Expr, top: float) -> pl.Expr:
    """Numbers above ``top`` become ``top``. An attacker learns all others exactly: it protects the largest
    only."""
    number = value.cast(pl.Float64)
    return pl.when(number > top).then(pl.lit(float(top))).otherwise(number)


def grid(value: pl.Expr, degrees: float) -> pl.Expr:
    """A coordinate moved to the middle of its cell of ``degrees`` (0.01° is about 1.1 km from north to
    south).

    An attacker learns the cell; in the countryside one may hold a single house."""
    return (((value / degrees).floor() + 0.5) * degrees).round(6)


def scrub(value: pl.Expr) -> pl.Expr:
    """Free text with numbers of seven digits and more, credit codes, mail addresses, and names that a role or a
    title announces, cut out.

    Digits count also with blanks or hyphens between them, and as Chinese numerals. Names that nothing announces,
    addresses and whatever a sentence tells stay: an attacker reads them. Scrubbing alone therefore lifts nothing to
    unconditional."""
    text = without_names(value.str.normalize("NFKC").str.replace_all(_MAIL, CUT))
    return text.str.replace_all(_CODES, CUT).str.replace_all(_DIGIT_RUNS, CUT)


def classify(value: pl.Expr, classes: Mapping[str, Sequence[str]], other: str = "其他") -> pl.Expr:
    """A category or free text → the first declared class one of whose words occurs in it, else ``other``.

    Nothing but the declared classes can come out. An attacker learns the class; a class of few people
    identifies."""
    result: pl.Expr = pl.when(value.is_not_null()).then(pl.lit(other))
    for name, words in reversed(list(classes.items())):
        found = value.str.contains_any(list(words))
        result = pl.when(found).then(pl.lit(name)).otherwise(result)
    return result


def pseudonym(value: pl.Expr, key: RecipientKey, domain: str) -> pl.Expr:
    """A token for each distinct value: ``p1`` (the key's version) and 128 bits of HMAC-SM3 in hexadecimal.

    Equal values of one ``domain`` have equal tokens for one recipient, different ones for another. Without
    the key an attacker cannot test a guess, but learns which rows belong together, and how many: rare
    patterns identify."""
    return value.cast(pl.String).map_batches(
        lambda texts: _tokens(texts, key, domain), return_dtype=pl.String, is_elementwise=True
    )


def format_preserving(value: pl.Expr, key: RecipientKey) -> pl.Expr:
    """A token in a resident id's form for each resident id: 18 characters with a right check character.

    It begins with ``000``, so that it is nobody's number. FF1 over SM4: whoever holds the key turns it back into
    the id. An attacker without it learns what a pseudonym tells, which rows belong together, and how many. What
    is no resident id with a real date of birth is null."""
    return value.map_batches(
        lambda ids: resident_tokens.tokens(ids, key), return_dtype=pl.String, is_elementwise=True
    )


def date_shift(value: pl.Expr, by: pl.Expr, key: RecipientKey, days: int) -> pl.Expr:
    """Dates moved by up to ``days`` either way, all of one entity (``by``) by the same secret number of days.

    Intervals between an entity's events stay exact: an attacker who knows one date of it knows all."""
    shifts = by.cast(pl.String).map_batches(
        lambda entities: _shifts(entities, key, days), return_dtype=pl.Int64, is_elementwise=True
    )
    return value + pl.duration(days=shifts)


def noise(value: pl.Expr, by: pl.Expr, key: RecipientKey, scale: float) -> pl.Expr:
    """A number with Laplace noise of this ``scale`` added, to two decimals: off by more than three scales once in 20.

    The noise is decided by the key, the entity (``by``) and the value, so that releases cannot be averaged: the same value of the
    same entity is always off by the same. An attacker learns the number to a few scales, and sums over many
    entities nearly exactly; one who knows a number of somebody learns that noise only. Who is far from all others stays so."""
    drawn = pl.concat_str(by.cast(pl.String), value.cast(pl.String), separator="\x00").map_batches(
        lambda texts: _laplace(texts, key), return_dtype=pl.Float64, is_elementwise=True
    )
    return (value.cast(pl.Float64) + scale * drawn).round(2) + 0.0


def _laplace(texts: pl.Series, key: RecipientKey) -> pl.Series:
    """A number for each text, from the Laplace distribution of scale 1 around 0."""
    # 52 bits and a half: neither end is reached, where the logarithm has none
    drawn = _numbers(texts, key, "noise") // 2**12
    place = (drawn.cast(pl.Float64) + 0.5) / 2**52 - 0.5
    return -place.sign() * (1 - 2 * place.abs()).log()


def _tokens(texts: pl.Series, key: RecipientKey, domain: str) -> pl.Series:
    codes = _macs(texts, key, domain).bin.slice(0, PSEUDONYM_HEX_DIGITS // 2)
    return f"p{key.version}" + codes.bin.encode("hex")


def _shifts(entities: pl.Series, key: RecipientKey, days: int) -> pl.Series:
    return (_numbers(entities, key, "date shift") % (2 * days + 1)).cast(pl.Int64) - days


def _numbers(texts: pl.Series, key: RecipientKey, domain: str) -> pl.Series:
    """64 bits for each text."""
    return _macs(texts, key, domain).bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big")


def _macs(texts: pl.Series, key: RecipientKey, domain: str) -> pl.Series:
    """HMAC-SM3 of ``domain``, a zero byte and each text: no domain's codes are another's."""
    # it loads numba, which only who masks has to wait for
    from masking import sm3

    return sm3.macs(key.secret, domain.encode() + b"\x00", texts)


class Stronger(Enum):
    """Which way a number among a method's parameters makes the mask stronger."""

    LESS = "less"
    MORE = "more"


Strength = Stronger | tuple[str, ...]
"""A number's direction, or a text's choices from the weakest to the strongest."""

#: What a method's function is given by the compiler; everything else in its signature is a declared
#: parameter.
_GIVEN = ("value", "dtype", "key", "domain")


@dataclass(frozen=True)
class Method:
    """A mask as declarations name it, with what the checks must know of it.

    ``takes`` are the kinds of values it works on; ``token`` says that its output is no quasi-identifier
    (nothing, or a pseudonym); ``reversible`` that somebody with the key, or with one known value, can undo
    it."""

    name: str
    title: Title
    function: Callable[..., pl.Expr]
    takes: tuple[str, ...] = ("text", "temporal", "number", "binary")
    strength: Mapping[str, Strength] = field(default_factory=dict)
    token: bool = False
    reversible: bool = False

    def problems(self, parameters: Mapping[str, Any]) -> list[str]:
        """What is wrong with the parameters of a declaration, in words; empty where nothing is."""
        signature = {
            name: p for name, p in inspect.signature(self.function).parameters.items() if name not in _GIVEN
        }
        found = [f"{self.name} has no parameter {name!r}" for name in parameters if name not in signature]
        found += [
            f"{self.name} needs {name!r}"
            for name, p in signature.items()
            if p.default is inspect.Parameter.empty and name not in parameters
        ]
        return found + self.unordered(
            {name: value for name, value in parameters.items() if name in self.strength}
        )

    def unordered(self, parameters: Mapping[str, Any]) -> list[str]:
        """Parameters whose strength cannot be compared: unknown ones, and values outside their choices."""
        found = []
        for name, value in parameters.items():
            order = self.strength.get(name)
            if order is None:
                found.append(f"{self.name} has no strength in {name!r}")
            elif isinstance(order, tuple) and value not in order:
                found.append(f"{self.name}.{name} is one of {', '.join(order)}, not {value!r}")
            elif isinstance(order, Stronger) and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                found.append(f"{self.name}.{name} is a number, not {value!r}")
        return found

    def at_least(self, parameters: Mapping[str, Any], minimum: Mapping[str, Any]) -> bool:
        """Whether a mask with these parameters is as strong as ``minimum`` asks, in every parameter it
        names."""
        defaults = {name: p.default for name, p in inspect.signature(self.function).parameters.items()}
        return all(
            self._as_strong(name, parameters.get(name, defaults.get(name)), least)
            for name, least in minimum.items()
        )

    def _as_strong(self, name: str, value: Any, least: Any) -> bool:
        order = self.strength.get(name)
        if order is None or value is None:
            return False
        if isinstance(order, tuple):
            return order.index(value) >= order.index(least)
        return bool(value <= least if order is Stronger.LESS else value >= least)

    def expression(self, column: str, parameters: Mapping[str, Any], **given: Any) -> pl.Expr:
        """The masked column; ``given`` holds its dtype, and the recipient's key and the pseudonyms'
        domain."""
        wanted = inspect.signature(self.function).parameters
        fixed = {name: given[name] for name in ("dtype", "key", "domain") if name in wanted}
        declared = {name: pl.col(value) if name == "by" else value for name, value in parameters.items()}
        return self.function(pl.col(column), **fixed, **declared)


_LESS, _MORE = Stronger.LESS, Stronger.MORE

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("keep", Title(zh="保留原值", en="kept"), keep),
            Method("redact", Title(zh="全部隐去", en="redacted"), redact, token=True),
            Method(
                "partial",
                Title(zh="部分遮盖", en="partly hidden"),
                partial,
                ("text",),
                {"left": _LESS, "right": _LESS},
            ),
            Method(
                "organisations_only",
                Title(zh="仅保留机构代码", en="organisations only"),
                organisations_only,
                ("text",),
            ),
            Method(
                "generalise_date",
                Title(zh="日期概化", en="generalised date"),
                generalise_date,
                ("temporal", "text"),
                {"to": ("month", "quarter", "year", "age_band"), "width": _MORE},
            ),
            Method(
                "generalise_division",
                Title(zh="区划概化", en="generalised division"),
                generalise_division,
                ("text",),
                {"to": ("town", "county", "city", "province")},
            ),
            Method(
                "generalise_address",
                Title(zh="地址概化", en="generalised address"),
                generalise_address,
                ("text",),
                {"to": ("town", "county")},
            ),
            Method(
                "band", Title(zh="数值分段", en="banded"), band, ("number",), {"width": _MORE, "top": _LESS}
            ),
            Method("round", Title(zh="数值取整", en="rounded"), round_to, ("number",), {"step": _MORE}),
            Method("top_code", Title(zh="封顶", en="top-coded"), top_code, ("number",), {"top": _LESS}),
            Method(
                "grid", Title(zh="坐标网格化", en="moved to a grid"), grid, ("number",), {"degrees": _MORE}
            ),
            Method("classify", Title(zh="归类", en="classified"), classify, ("text",)),
            Method("scrub", Title(zh="文本清洗", en="scrubbed text"), scrub, ("text",)),
            Method(
                "pseudonym", Title(zh="假名", en="keyed pseudonym"), pseudonym, ("text", "number"), token=True
            ),
            Method(
                "format_preserving",
                Title(zh="保留格式加密", en="format-preserving token"),
                format_preserving,
                ("text",),
                token=True,
                reversible=True,
            ),
            Method("noise", Title(zh="加噪", en="noise added"), noise, ("number",), {"scale": _MORE}),
            Method(
                "date_shift",
                Title(zh="日期平移", en="shifted dates"),
                date_shift,
                ("temporal",),
                {"days": _MORE},
                reversible=True,
            ),
        )
    }
)


def kind(dtype: pl.DataType) -> str:
    """The kind of values a column holds, as :attr:`Method.takes` names them."""
    if dtype.is_temporal():
        return "temporal"
    if dtype.is_numeric():
        return "number"
    return "binary" if dtype == pl.Binary else "text"
