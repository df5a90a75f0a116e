"""Persons of the demo city: households with parents, children and grandparents, each with a valid resident id.

Here belongs the truth about people, made with array operations so that four million are no trouble. What departments
know of them, and get wrong, is in ``exports.py``.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from catalog.elements.check_digits import resident_check
from demo.places import ABOLISHED, COUNTIES, ROADS, towns

SURNAMES = [
    "王",
    "李",
    "张",
    "刘",
    "陈",
    "杨",
    "黄",
    "赵",
    "吴",
    "周",
    "徐",
    "孙",
    "马",
    "朱",
    "胡",
    "郭",
    "何",
    "林",
    "高",
    "罗",
    "郑",
    "梁",
    "谢",
    "宋",
    "唐",
    "许",
    "邓",
    "冯",
    "曾",
    "欧阳",
    "司徒",
    "房",
    "唐",
    "盘",
    "沈",
    "莫",
    "韦",
]
GIVEN_MALE = [
    "伟",
    "强",
    "磊",
    "军",
    "勇",
    "涛",
    "明",
    "超",
    "辉",
    "刚",
    "平",
    "波",
    "斌",
    "鑫",
    "浩",
    "亮",
    "建国",
    "志强",
    "国华",
    "文杰",
    "子轩",
    "浩然",
    "俊杰",
    "家豪",
    "志明",
    "海涛",
    "永康",
    "宇航",
]
GIVEN_FEMALE = [
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "艳",
    "娟",
    "霞",
    "玲",
    "燕",
    "萍",
    "红",
    "桂英",
    "秀英",
    "丽华",
    "淑珍",
    "美玲",
    "晓燕",
    "雨欣",
    "梓涵",
    "诗琪",
    "思颖",
    "婷婷",
    "佩珊",
    "嘉欣",
    "惠敏",
]
MINORITY_NAMES = ("阿依古丽·买买提", "古丽娜尔·艾山", "艾力·吐尔逊", "帕提古丽·热合曼")
OTHER_ORIGINS = ("430103", "450103", "440103", "510104", "360102", "440402")
_ROLES = ("户主", "配偶", "子女", "子女", "长辈")
_DAY = np.timedelta64(1, "D")


def build(people: int, rng: np.random.Generator, today: date) -> pl.DataFrame:
    """The persons, in household order. Columns: ``person`` (row number), ``household``, ``role``, ``resident_id``, ``name``, ``sex``,
    ``ethnicity``, ``birth_date``, ``county``, ``town``, ``address``, ``mobile``, ``death_date``, ``mother``, ``father``, ``spouse`` (row
    numbers or null)."""
    frame = _households(people, rng)
    frame = frame.with_columns(_births(frame, rng, today), _sexes(frame, rng))
    frame = _homes(frame, rng)
    frame = frame.with_columns(
        _ids(frame, rng), _names(frame, rng), _mobiles(frame), _deaths(frame, rng, today)
    )
    return _families(frame)


def _households(people: int, rng: np.random.Generator) -> pl.DataFrame:
    sizes = rng.choice([1, 2, 3, 4, 5], size=people, p=[0.2, 0.25, 0.3, 0.17, 0.08])
    count = int(np.searchsorted(np.cumsum(sizes), people)) + 1
    household = np.repeat(np.arange(count), sizes[:count])[:people]
    starts = np.r_[0, np.cumsum(sizes[:count])][:count]
    place = np.arange(people) - starts[household]
    return pl.DataFrame({"person": np.arange(people), "household": household, "place": place}).with_columns(
        pl.col("place").replace_strict(range(5), _ROLES, return_dtype=pl.String).alias("role")
    )


def _births(frame: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.Series:
    """Head 22 to 80 years old; spouse within four years; children 22 to 34 years younger than the head, but born: in the
    last three years where they would not be yet."""
    households = int(frame["household"].max() or 0) + 1  # type: ignore[arg-type]
    head_age = rng.triangular(22, 42, 85, households)[frame["household"].to_numpy()]
    place, n = frame["place"].to_numpy(), len(frame)
    age = np.select(
        [place == 0, place == 1, place == 2, place == 3],
        [
            head_age,
            head_age + rng.uniform(-4, 4, n),
            head_age - rng.uniform(22, 28, n),
            head_age - rng.uniform(28, 34, n),
        ],
        head_age + rng.uniform(22, 30, n),
    )
    age = np.where(age < 0.1, rng.spawn(1)[0].uniform(0.1, 3, n), age)
    days = (np.minimum(age, 104) * 365.25).astype("int64")
    return pl.Series("birth_date", np.datetime64(today, "D") - days * _DAY)


def _sexes(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    households = int(frame["household"].max() or 0) + 1  # type: ignore[arg-type]
    head = rng.integers(1, 3, households)[frame["household"].to_numpy()]
    place = frame["place"].to_numpy()
    own = np.where(place == 0, head, np.where(place == 1, 3 - head, rng.integers(1, 3, len(frame))))
    return pl.Series("sex", own.astype(str))


def _homes(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    households = int(frame["household"].max() or 0) + 1  # type: ignore[arg-type]
    shares = np.array([share for _, _, share in COUNTIES.values()])
    county = rng.choice(list(COUNTIES), households, p=shares / shares.sum())
    town = towns()
    pick = rng.random(households)
    lookup = pl.DataFrame({"household": np.arange(households), "county": county, "_pick": pick})
    sizes = town.group_by("county").len("_n")
    places = town.with_columns(pl.int_range(pl.len()).over("county").cast(pl.Int64).alias("_index"))
    homes = (
        lookup.join(sizes, on="county")
        .with_columns((pl.col("_pick") * pl.col("_n")).floor().cast(pl.Int64).alias("_index"))
        .join(places, on=["county", "_index"])
        .with_columns(
            pl.concat_str(
                pl.lit("广东省清远市"),
                "county_name",
                "town_name",
                pl.Series(rng.choice(ROADS, households)),
                pl.lit("路"),
                pl.Series(rng.integers(1, 300, households).astype(str)),
                pl.lit("号"),
                pl.Series(rng.integers(1, 20, households).astype(str)),
                pl.lit("栋"),
                pl.Series(
                    (rng.integers(1, 30, households) * 100 + rng.integers(1, 5, households)).astype(str)
                ),
                pl.lit("房"),
            ).alias("address"),
            pl.format("4418{}", pl.col("household").cast(pl.String).str.zfill(9)).alias("household_no"),
            pl.Series(
                "ethnicity",
                np.where(
                    np.isin(county, ["441825", "441826"]) & (rng.random(households) < 0.6), "瑶族", "汉族"
                ),
            ),
        )
    )
    return frame.join(
        homes.select("household", "county", "town", "address", "household_no", "ethnicity"),
        on="household",
        maintain_order="left",
    )


def _ids(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    """Division at first registration, birth date, a sequence unique within both (odd: male), and the check.

    Raises :class:`OverflowError` where more people than there are sequences were born in one place on one day."""
    year = pl.col("birth_date").dt.year()
    division = pl.col("county")
    for current, (old, until) in ABOLISHED.items():
        division = (
            pl.when((pl.col("county") == current) & (year < until)).then(pl.lit(old)).otherwise(division)
        )
    moved = pl.Series(rng.random(len(frame)) < 0.1)
    origin = pl.Series(rng.choice(OTHER_ORIGINS, len(frame)))
    body = frame.select(
        pl.when(moved & pl.col("role").is_in(["户主", "配偶"]))
        .then(origin)
        .otherwise(division)
        .alias("division"),
        pl.col("birth_date").dt.strftime("%Y%m%d").alias("birth"),
        "sex",
    )
    nth = pl.int_range(pl.len()).over("division", "birth", "sex")
    sequence = body.select(nth * 2 + (pl.col("sex") == "1").cast(pl.Int64)).to_series()
    if (sequence > 999).any():
        msg = (
            "more than 500 people of one sex were born in one division on one day: too many for resident ids"
        )
        raise OverflowError(msg)
    first = body.select(pl.concat_str("division", "birth", sequence.cast(pl.String).str.zfill(3))).to_series()
    return (first + resident_check(first)).alias("resident_id")


def _names(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    """Children carry the head's family name; a few persons have a name with a separator."""
    n, households = len(frame), int(frame["household"].max() or 0) + 1  # type: ignore[arg-type]
    weights = 1 / (np.arange(len(SURNAMES)) + 3)
    family = rng.choice(SURNAMES, households, p=weights / weights.sum())[frame["household"].to_numpy()]
    own = rng.choice(SURNAMES, n, p=weights / weights.sum())
    surname = np.where(frame["place"].to_numpy() == 1, own, family)
    given = np.where(frame["sex"].to_numpy() == "1", rng.choice(GIVEN_MALE, n), rng.choice(GIVEN_FEMALE, n))
    second = np.where(
        rng.random(n) < 0.35,
        np.where(
            frame["sex"].to_numpy() == "1", rng.choice(GIVEN_MALE[:16], n), rng.choice(GIVEN_FEMALE[:12], n)
        ),
        "",
    )
    full = np.char.add(np.char.add(surname, given), np.where(np.char.str_len(given) == 1, second, ""))
    return pl.Series("name", np.where(rng.random(n) < 0.003, rng.choice(MINORITY_NAMES, n), full))


def _mobiles(frame: pl.DataFrame) -> pl.Series:
    """Numbers that are nobody's: 19 and nine digits of the person's row, scrambled."""
    number = (frame["person"].to_numpy().astype("int64") * 7919 + 104729) % 1_000_000_000
    return ("19" + pl.Series(number).cast(pl.String).str.zfill(9)).alias("mobile")


def _deaths(frame: pl.DataFrame, rng: np.random.Generator, today: date) -> pl.Series:
    """Deaths of the last three years, likelier with age; the dead stay in the frame."""
    age = (np.datetime64(today, "D") - frame["birth_date"].to_numpy().astype("datetime64[D]")).astype(
        int
    ) / 365.25
    chance = np.select([age > 80, age > 70, age > 50], [0.25, 0.08, 0.01], 0.001)
    died = rng.random(len(frame)) < chance
    since = np.minimum(rng.integers(30, 3 * 365, len(frame)), np.maximum(age * 365.25 - 1, 1).astype(int))
    days = np.datetime64(today, "D") - since * _DAY
    return pl.Series("death_date", days).set(pl.Series(~died), None)


def _families(frame: pl.DataFrame) -> pl.DataFrame:
    """Row numbers of mother, father and spouse, from the places in the household."""
    head = frame.filter(pl.col("place") == 0).select("household", _head="person", _head_sex="sex")
    mate = frame.filter(pl.col("place") == 1).select("household", _mate="person")
    joined = frame.join(head, on="household", how="left", maintain_order="left").join(
        mate, on="household", how="left", maintain_order="left"
    )
    child, man = pl.col("place").is_in([2, 3]), pl.col("_head_sex") == "1"
    return joined.with_columns(
        pl.when(child).then(pl.when(man).then("_mate").otherwise("_head")).alias("mother"),
        pl.when(child).then(pl.when(man).then("_head").otherwise("_mate")).alias("father"),
        pl.when(pl.col("place") == 0).then("_mate").when(pl.col("place") == 1).then("_head").alias("spouse"),
    ).drop("_head", "_head_sex", "_mate", "place")
