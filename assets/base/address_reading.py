"""A written address taken apart: province, city, county, town, village, locality, road, where beside it, number, building,
room.

Here belongs reading text against the division table, as expressions over whole columns. Each part is cut off the front
of what the part before left, so that nothing of an address is lost: what no part takes is ``detail``, what stands in
brackets ``note``. Where an address lies, and its id, are ``address``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from assets.base.other_cities import elsewhere
from assets.base.spellings import simplified
from catalog.elements.values import ETHNIC_GROUPS

#: GB/T 2260's first two digits.
PROVINCES = {
    "11": "北京市",
    "12": "天津市",
    "13": "河北省",
    "14": "山西省",
    "15": "内蒙古自治区",
    "21": "辽宁省",
    "22": "吉林省",
    "23": "黑龙江省",
    "31": "上海市",
    "32": "江苏省",
    "33": "浙江省",
    "34": "安徽省",
    "35": "福建省",
    "36": "江西省",
    "37": "山东省",
    "41": "河南省",
    "42": "湖北省",
    "43": "湖南省",
    "44": "广东省",
    "45": "广西壮族自治区",
    "46": "海南省",
    "50": "重庆市",
    "51": "四川省",
    "52": "贵州省",
    "53": "云南省",
    "54": "西藏自治区",
    "61": "陕西省",
    "62": "甘肃省",
    "63": "青海省",
    "64": "宁夏回族自治区",
    "65": "新疆维吾尔自治区",
    "71": "台湾省",
    "81": "香港特别行政区",
    "82": "澳门特别行政区",
}
#: How a division's name is written, the surest first: with the word for what it is, with a word it once had, as the town
#: that a village was the seat of, or bare, of a town or of a village.
FULL, FORMER, SEAT, BARE, BARE_VILLAGE = range(5)
#: So many texts must agree on what the tables leave out before it is believed.
AGREEING = 2
#: Digits of a division code by level.
DIGITS = {"city": 4, "county": 6, "town": 9, "village": 12}
#: The parts behind the divisions, in the order in which they are written.
DETAILS = ("locality", "road", "beside", "number", "building", "room", "detail")
PARTS = ("province", "city", "county", "town", "village", *DETAILS)

_ETHNIC = rf"(?:(?:{'|'.join(ETHNIC_GROUPS)})族)+(?:自治)?"
_TOWN = ("街道办事处", "街道办", "街道", "街办", "镇", "乡")
_VILLAGE = (
    "村民委员会",
    "村委会",
    "村委",
    "村",
    "社区居民委员会",
    "社区居委会",
    "社区",
    "居民委员会",
    "居委会",
    "居委",
)
#: A bare name before one of these is part of a road's or a house's name, and no division: 连州大道, 清远大厦.
_NO_DIVISION = (
    r"^(?:[东西南北中新老旧前后横上下一二三四五六七八九十0-9]{0,2}(?:大道|大街|公路|路|街|巷|道|桥)|门|.?[0-9]+号|"
    r"大厦|大楼|花园|广场|小区|新村|宾馆|酒店|市场|商场|公园|\p{Han}?苑|湖|里|岗|学校|小学|中学|医院|人家|国际|豪庭|[城站])"
)
_ZONE = r"^(高新技术产业开发区|高新区|经济开发区|开发区|新城区|新城|新区)"
_WORD = r"[\p{Han}()&&[^路街巷号栋幢座]]"
_LOCALITY = (
    rf"^((?:(?:{_WORD}{{0,3}}?)[东西南北]?[A-Z]?[0-9]+(?:[-、][0-9]+)?号小?区|{_WORD}{{0,12}}?(?:工业园区|产业园区|工业园|产业园|科技园|物流园|开发区|试验区|工业区|工业小区|工业城|"
    r"管理区|高新区|新城区|新城|新区|城区|园区|圩镇|墟镇|集镇|镇区|圩|社区|村民小组|村小组|经济合作社|合作社|[一二三四五六七八九十0-9]+[组队]|大队|"
    r"街道办事处|街道办|街道|村委会|居委会|村委|居委|新村|村|寨|围|塱|林场|农场|茶场|城[东西南北]))+)"
)
#: A quarter with a word for it, and a road behind it: 阳光小区|康乐路.
_QUARTER_BEFORE_ROAD = r"^([^路街巷道]{1,7}(?:小区|片区)|[^路街巷道]{1,6}街区).{2,}"
#: What is left of 人民中路 or 阳光小区中路 behind what is before it is no road.
NO_ROAD = r"^[东西南北中前后上下左右新老横一二三四五六七八九十]{0,2}(?:大道|大街|[路街巷道])"
#: What stands here makes a road, a gate or a school of what was taken for a locality: 城北|门路, 环城东|路, 原三村|小学.
_STILL_ROAD = r"^(?:门|[前中一二三四五六七八九十]?(?:路|街|大道)|小学|中学|学校|幼儿园|卫生院|卫生站)"
_ROAD = (
    r"^((?:(?:[GSXY]?[0-9]{1,3}(?:国道|省道|县道|乡道|线)|[\p{Han}&&[^号栋幢座层旁]]{1,9}?(?:大道|大街|公路|马路|铁路|路|街|巷))"
    r"(?:[东西南北中]?段|[东西南北中]?[一二三四五六七八九十]?[路街巷]|[东西南北中])?){1,2})"
)
#: A public square counts as a road where a number follows that is no shop's or house's.
_SQUARE = r"^(\p{Han}{0,6}(?:站|码头|人民|文化|市民|体育)广场)[0-9]+(?:-[0-9]+)?号(?:$|[^楼铺栋幢座])"
#: Where along a road, or at which of its crossings; what follows may be a word of its own: 路|口腔医院, 国道|边防站.
_BESIDE = (
    r"^((?:以?[东南西北]{1,2}[侧面边]?)?(?:交叉路口|交叉口|交汇处|交界处|交叉处|路口|斜?对面|附近|旁边|旁|边|侧|口)"
    r"(?:[东南西北]{1,2}[侧面边])?|以?[东南西北]{1,2}[侧面边])"
)
_NO_SIDE = r"^(?:腔|岸|味|福|防|检|贸)"
_NTH = "(?:[一二三四五六七八九十]+|[0-9]+)"
_NUMBER = (
    rf"^((?:自编|地段)?[A-Z]?[0-9]+(?:[-、,，/之][A-Z]?[0-9]+)*[甲乙丙丁A-Z]?号(?:之{_NTH}(?:[、,]之?{_NTH})*)?"
    r"(?:[、,和及][0-9]+(?:-[0-9]+)?号)*|[0-9]+(?:-[0-9]+)*$)"
)
#: A number before one of these is part of a house's or a quarter's name: 6号|楼, 3号|区.
_NO_NUMBER = r"^(?:楼|区|小区|地块)"
_BUILDING = (
    r"^(.*(?:[0-9A-Z一二三四五六七八九十甲乙丙丁][栋幢座]|[A-Z]楼|号楼|#楼|大厦|大楼|公寓楼|商住楼|综合楼|办公楼|宿舍楼|教学楼|主楼|侧楼|副楼|宾馆|酒店|饭店|广场|中心|花园|小区|公寓|"
    r"商场|商城|市场|豪庭|豪苑|豪园|名居|名苑|名城|名庭|雅苑|雅居|世家|华庭|家园|庄园|新城|苑|轩|庭|阁|府|邸|厂房|车间|仓库|宿舍|小学|中学|学校|幼儿园|"
    r"卫生院|卫生站|[0-9]号区))"
)
_ROOM = (
    r"^((?:[0-9A-Z首负底地下东西南北面侧甲乙丙丁、,，至之\-~第自编全部分半及和一二三四五六七八九十]*"
    r"(?:夹层|层|楼|室|房屋|房|号|商铺|铺位|铺面|铺|门店|门面|卡|单元|单位|梯|座|间|档|位|#))+(?:[A-Z]?[0-9]{1,4}(?:-[0-9]{1,4})*$)?|[A-Z]?[0-9]{2,4}(?:-[0-9]{1,4})*$|[A-Z][0-9]-[0-9]{1,4}$)"
)
#: Another city, and what only sounds like one: 新城市花园, 超市旁.
_ELSEWHERE = r"^\p{Han}{2,3}(?:市[^场]|自治州|地区)"
_NO_CITY = r"^\p{Han}{0,2}[城超夜门都集早菜花股闹]市"
#: A direction belongs to the road only before a number or at the end: 大道西56号, but 路|西湖小区, 路|东侧.
_STILL_DIRECTION = r"^(?:[0-9A-Z]|$)"


@dataclass(frozen=True)
class Gazetteer:
    """The names of a city's divisions in every form that addresses write them, by what they must stand in.

    ``forms`` has ``scope`` (the code of the enclosing division, empty where nothing need be stated before), ``form``,
    ``code`` and ``rank``, how much of a guess it is (see :data:`FULL`). ``names`` are the official names."""

    forms: pl.DataFrame
    names: dict[str, str]

    @property
    def cities(self) -> tuple[str, ...]:
        """The codes (four digits) of the cities that the table covers."""
        return tuple(sorted({code[: DIGITS["city"]] for code in self.names}))


def gazetteer(divisions: pl.DataFrame) -> Gazetteer:
    """From the division table's ``code``, ``name`` and ``level``; two divisions of one name in one scope are left out."""
    rows: list[tuple[str, str, str, int]] = [
        ("province", form, code, rank)
        for code, name in PROVINCES.items()
        for form, rank in _forms(name, "province")
    ]
    names: dict[str, str] = {}
    known = divisions.filter(pl.col("level").is_in(list(DIGITS)), pl.col("name").is_not_null())
    for code, name, level in known.select("code", "name", "level").iter_rows():
        short = code[: DIGITS[level]]
        names[short] = name
        for scope in _scopes(short, level):
            # with nothing before it, a village's name alone says too little
            rows += [
                (scope, form, short, rank)
                for form, rank in _forms(name, level)
                if scope or level != "village" or rank == FULL
            ]
    frame = pl.DataFrame(rows, schema=["scope", "form", "code", "rank"], orient="row")
    frame = frame.with_columns(plain(pl.col("form"))).unique()
    # the surer reading of a text counts; what is then still ambiguous says nothing
    meant = frame.filter(pl.col("rank") == pl.col("rank").min().over("scope", "form"))
    certain = meant.filter(pl.col("code").n_unique().over("scope", "form") == 1)
    return Gazetteer(certain.unique(["scope", "form"]), names)


def _scopes(code: str, level: str) -> Sequence[str]:
    """Within what a division's name may stand: a village may follow its town, its county, or nothing."""
    if level == "city":
        return ("city",)
    if level == "county":
        return ("",)
    return ("", *(code[:digits] for digits in (DIGITS["county"], DIGITS["town"]) if digits < DIGITS[level]))


def _forms(name: str, level: str) -> Iterator[tuple[str, int]]:
    """Every form of a division's name, and its rank."""
    yield name, FULL
    if level == "province":
        yield _cut(name, r"(?:壮族|回族|维吾尔)?(?:自治区|省|市|特别行政区)$"), BARE
    elif level == "city":
        yield _cut(name, r"市$"), BARE
    elif level == "county":
        stem = _cut(name, rf"(?:{_ETHNIC})?[县市区]$") if len(name) > 2 else name
        # 清新县 became 清新区, and its people still write the old name
        yield from ((stem + kind, FORMER) for kind in "县市区")
        yield stem, BARE
    elif level == "town":
        whole = _cut(name, r"^\p{Han}{2,3}市(?:国营)?")
        stem = _cut(whole, rf"(?:{_ETHNIC})?(?:街道办事处|街道|镇|乡)$")
        yield whole, FULL
        yield from ((stem + kind, FORMER) for kind in _TOWN if stem != whole)
        yield from ((form, BARE) for form in (stem, stem + "街") if len(stem) > 1 and stem != whole)
    else:
        stem = _cut(name, r"(?:村民委员会|村委会|(?:社区)?居民委员会|(?:社区)?居委会|社区|村)$")
        yield from ((stem + kind, FULL) for kind in _VILLAGE)
        if len(stem) > 1:
            # the seat of a town that was merged into another keeps its name as a village; 管理区 is what villages were
            yield from ((stem + kind, SEAT) for kind in ("镇", "乡", "管理区"))
            yield stem, BARE_VILLAGE


def _cut(text: str, pattern: str) -> str:
    return str(pl.select(pl.lit(text).str.replace(pattern, "")).item())


def read(written: pl.Series, places: Gazetteer) -> pl.DataFrame:
    """One row for each text: ``written``, :data:`PARTS`, ``note``, ``division_code``, ``outside``, ``address``.

    ``outside`` is true where the text names another city. ``address`` is the standard text: equal for the same
    place however it was written. Parts that are not there are null."""
    frame = _without_notes(pl.DataFrame({"written": written}))
    frame = _divisions(_undoubled(frame, places), places)
    frame = _without_quarter(reduce(_next_part, _STEPS, frame)).rename({"rest": "detail"})
    frame = frame.with_columns(
        (pl.col("_zone") + pl.col("locality")).alias("locality"),
        _nth(pl.col("number")).alias("number"),
    )
    frame = frame.with_columns(_filled(part) for part in DETAILS)
    return names_of(frame, places)


def names_of(frame: pl.DataFrame, places: Gazetteer) -> pl.DataFrame:
    """With the official names of the divisions that ``division_code`` says, and the standard ``address``."""
    named = frame.with_columns(_official(places, level) for level in DIGITS).with_columns(
        pl.col("division_code").str.head(2).replace_strict(PROVINCES, default=None).alias("province")
    )
    others = [name for name in ("division_basis",) if name in frame.columns]
    return named.select(
        "written",
        *PARTS,
        "note",
        "division_code",
        *others,
        "outside",
        _filled("address", pl.concat_str(PARTS, ignore_nulls=True)),
    )


def _filled(name: str, text: pl.Expr | None = None) -> pl.Expr:
    text = pl.col(name) if text is None else text
    return pl.when(text.str.len_bytes() > 0).then(text).alias(name)


def _without_notes(frame: pl.DataFrame) -> pl.DataFrame:
    """``rest``: half width, simplified, without blanks and brackets, numbers as digits; ``note``: the brackets."""
    text = (
        pl.col("written").str.normalize("NFKC").str.replace_all(r"[\s。;:〓*\"'“”]+", "").str.to_uppercase()
    )
    # (清远) within a name stays; what says something beside the address is longer, or stands at the end
    remark = r"\((?:[^()]|\([^()]*\)){3,}\)|\([^()]*\)$"
    rest = pl.col("_text").str.replace_all(remark, "")
    frame = frame.with_columns(text.alias("_text")).with_columns(
        rest.alias("rest"), _filled("note", pl.col("_text").str.extract_all(remark).list.join(""))
    )
    # behind a number it is no digit more: 之3首层
    return frame.with_columns(plain(pl.col("rest")).str.replace_all("(^|[^0-9])首层", "${1}1层")).drop(
        "_text"
    )


def plain(text: pl.Expr) -> pl.Expr:
    """One spelling of characters and numbers: simplified; 二十三号, 二〇三房 and 一至三层 with digits, 3# as 3号, 12号至16号 and
    12~16号 as 12-16号, 12号之1号 as 12号之一."""
    numbers = simplified(text).map_batches(_with_digits, return_dtype=pl.String, is_elementwise=True)
    return (
        numbers.str.replace_all("([0-9A-Z])#", "${1}号")
        .str.replace_all("([0-9])号[-~—–―至]([0-9]+号)", "${1}-${2}")
        .str.replace_all("([0-9])[~—–―至]([0-9])", "${1}-${2}")
        .str.replace_all("号之([一二三四五六七八九十]+|[0-9]{1,2})号", "号之${1}")
    )


#: What is counted with Chinese numbers; a road (人民二路) keeps its name.
_COUNTED = "(?:单元|[号栋幢座楼层室房梯卡组队])"
_NUMERAL = "[〇零一二三四五六七八九十百]+"
_COUNTING = f"{_NUMERAL}(?:[、,至和及-]{_NUMERAL})*{_COUNTED}"
_DIGITS = {word: digit for digit, word in enumerate("零一二三四五六七八九")} | {"〇": 0}


def _with_digits(texts: pl.Series) -> pl.Series:
    """Chinese numbers as digits where something is counted; only those that occur are reckoned."""
    found = texts.drop_nulls().unique().str.extract_all(_COUNTING).explode(empty_as_null=True).drop_nulls()
    words = sorted(found.unique().to_list(), key=lambda word: (-len(word), word))
    # one that is no number stays, and must be found as a whole: the 一楼 of 五一楼 is none
    return (
        texts.str.replace_many(words, [_counted(word) for word in words], leftmost=True) if words else texts
    )


def _counted(word: str) -> str:
    numbers = [_number(part) for part in re.findall(_NUMERAL, word)]
    if any(number is None for number in numbers):
        return word
    digits = iter(numbers)
    return re.sub(_NUMERAL, lambda _: str(next(digits)), word)


def _number(word: str) -> str | None:
    """二十三 → 23, 一百零五 → 105, 二〇三 → 203; None for what is no number, or may be a name (五一)."""
    if not set(word) & {"十", "百"}:
        named = len(word) == 2 and not set(word) & {"〇", "零"}
        return None if named else "".join(str(_DIGITS[digit]) for digit in word)
    match = re.fullmatch(
        r"(?:([一二三四五六七八九])百零?)?(?:([一二三四五六七八九])?(十))?([一二三四五六七八九])?", word
    )
    if match is None:
        return None
    hundreds, tens, ten, ones = match.groups()
    of_tens = (_DIGITS[tens] if tens else 1) if ten else 0
    return str(100 * _DIGITS[hundreds or "零"] + 10 * of_tens + _DIGITS[ones or "零"])


def _nth(number: pl.Expr) -> pl.Expr:
    """12号之1 as 12号之一; from a hundred on it is a room's number."""
    counted = number.str.contains("号之[0-9]{1,2}(?:[、,]|$)")
    return (
        pl.when(counted)
        .then(number.str.replace_many(list(_NTHS), list(_NTHS.values()), leftmost=True))
        .otherwise(number)
    )


def _word(number: int) -> str:
    digits = "零一二三四五六七八九"
    tens = ("" if number // 10 == 1 else digits[number // 10]) + "十" if number > 9 else ""
    return tens + (digits[number % 10] if number % 10 else "")


_NTHS = {f"之{number}": f"之{_word(number)}" for number in range(99, 0, -1)}


def _undoubled(frame: pl.DataFrame, places: Gazetteer) -> pl.DataFrame:
    """``rest`` without divisions that are written twice: the city's where a county follows, a county's where a town does."""
    city = "|".join(name for code, name in places.names.items() if len(code) == DIGITS["city"])
    counties = [plain_text(name) for code, name in places.names.items() if len(code) == DIGITS["county"]]
    if not city or not counties:
        return frame
    provinces = "|".join({PROVINCES[code[:2]] for code in places.names})
    outer = f"(?:(?:{provinces})?(?:{city}))"
    rest = pl.col("rest").str.replace(f"^(?:{provinces}|{city})+({outer}(?:{'|'.join(counties)}))", "${1}")
    # one alternative for each county, of whose groups all but one are empty
    twice = "|".join(
        f"{outer}?{county}{outer}?({county}\\p{{Han}}{{1,5}}(?:镇|乡|街道|街办))" for county in counties
    )
    rest = rest.str.replace(f"^(?:{twice})", "".join(f"${{{n}}}" for n in range(1, len(counties) + 1)))
    return frame.with_columns(rest)


def plain_text(text: str) -> str:
    """:func:`plain` of one text."""
    return str(pl.select(plain(pl.lit(text))).item())


def knowing_its_city(places: Gazetteer, written: pl.Series) -> Gazetteer:
    """The gazetteer with the name of its city, where the division table begins below it: the one that most of those texts say
    which name a city before the full name of one of the table's counties."""
    counties = [plain_text(name) for code, name in places.names.items() if len(code) == DIGITS["county"]]
    if not counties or len(places.cities) > 1 or places.cities[0] in places.names:
        return places
    stated = rf"^(?:\p{{Han}}{{2,3}}省)?(\p{{Han}}{{2,3}}市)(?:{'|'.join(counties)})"
    said = pl.select(simplified(pl.lit(written)).str.extract(stated)).to_series().drop_nulls()
    if said.is_empty():
        return places
    name, times = said.alias("name").value_counts(sort=True, name="times").row(0)
    if times < AGREEING or 2 * times <= len(said):
        return places
    (code,) = places.cities
    rows = [("city", form, code, rank) for form, rank in _forms(name, "city")]
    forms = pl.DataFrame(rows, schema=places.forms.schema, orient="row")
    return Gazetteer(pl.concat([places.forms, forms]), {**places.names, code: name})


def _divisions(frame: pl.DataFrame, places: Gazetteer) -> pl.DataFrame:
    """Cut the divisions off ``rest`` and say the finest of them as ``division_code`` (city codes with four digits)."""
    own = pl.col("_city").is_in(list(places.cities)).fill_null(False)
    frame = _take(frame, places, pl.lit("province"), "_province")
    frame = _take(frame, places, pl.lit("city"), "_city")
    at_home = own | pl.col("_city").is_null() & (
        pl.col("_province").is_null() | pl.col("_province").is_in([city[:2] for city in places.cities])
    )
    frame = _take(frame, places, pl.when(at_home).then(pl.lit("")), "_county", DIGITS["county"])
    rest = pl.col("rest")
    another = rest.str.contains(_ELSEWHERE) & ~rest.str.contains(_NO_CITY)
    bare = elsewhere(places.cities, places.forms.filter(scope="")["form"].to_list())
    abroad = (another | rest.str.contains(bare)) & pl.col("_city").is_null()
    frame = frame.with_columns(
        (~at_home | (abroad & pl.col("_county").is_null())).fill_null(False).alias("outside")
    )
    frame = _take_town(frame, places)
    # a village behind its town; the town itself may have been left out
    frame = _take(
        frame, places, pl.when(pl.col("_town").str.len_bytes() == DIGITS["town"]).then("_town"), "_village"
    )
    code = pl.coalesce("_village", "_town", "_county", "_city", pl.when("outside").then(None))
    return frame.with_columns(code.alias("division_code"))


def _take_town(frame: pl.DataFrame, places: Gazetteer) -> pl.DataFrame:
    """The town, or a village without its town; it may stand behind a zone that is no division: 高新区龙塘镇."""
    scope = pl.when(~pl.col("outside")).then(pl.col("_county").fill_null(""))
    frame = _take(frame, places, scope, "_town")
    zone = pl.when(pl.col("_town").is_null()).then(pl.col("rest").str.extract(_ZONE)).fill_null("")
    frame = frame.with_columns(zone.alias("_zone"), pl.col("rest").alias("_whole"))
    behind = frame.with_columns(pl.col("rest").str.slice(pl.col("_zone").str.len_chars()))
    taken = _take(behind, places, pl.when(pl.col("_zone") != "").then(scope), "_behind")
    found = pl.col("_behind").is_not_null()
    return taken.with_columns(
        pl.coalesce("_town", "_behind").alias("_town"),
        pl.when(found).then("_zone").otherwise(pl.lit("")).alias("_zone"),
        pl.when(found).then("rest").otherwise("_whole").alias("rest"),
    )


def _take(
    frame: pl.DataFrame, places: Gazetteer, scope: pl.Expr, name: str, digits: int | None = None
) -> pl.DataFrame:
    """Cut the longest form that stands at the beginning of ``rest`` within the scope, and name its code."""
    forms = places.forms
    if digits:
        forms = forms.filter(pl.col("code").str.len_bytes() == digits)
    elif name not in ("_province", "_city"):
        forms = forms.filter(pl.col("code").str.len_bytes() > DIGITS["county"])
    forms = forms.with_row_index("_form").with_columns(pl.col("form").str.len_chars().alias("_length"))
    frame = frame.with_columns(scope.alias("_scope"))
    groups = forms.with_columns((pl.col("rank") >= BARE).alias("_bare")).partition_by(
        "_length", "_bare", as_dict=True
    )
    lookups = [_lookup(same, length, bare) for (length, bare), same in sorted(groups.items(), key=_longest)]
    found = frame.with_columns(pl.coalesce(*lookups, pl.lit(None, pl.UInt32)).alias("_form"))
    joined = found.join(
        forms.select("_form", "code", "_length"), on="_form", how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.col("code").alias(name), pl.col("rest").str.slice(pl.col("_length").fill_null(0))
    ).drop("_form", "code", "_length", "_scope")


def _longest(group: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[int, bool]:
    (length, bare), _ = group
    return -int(str(length)), bool(bare)


def _lookup(forms: pl.DataFrame, length: object, bare: object) -> pl.Expr:
    count = int(str(length))
    rest = pl.col("rest")
    keys = forms.select(pl.concat_str("scope", pl.lit("|"), "form")).to_series()
    found = (pl.col("_scope") + "|" + rest.str.head(count)).replace_strict(
        keys, forms["_form"], default=None, return_dtype=pl.UInt32
    )
    return pl.when(~rest.str.slice(count).str.contains(_NO_DIVISION)).then(found) if bare else found


def _official(places: Gazetteer, level: str) -> pl.Expr:
    code = pl.col("division_code")
    digits = DIGITS[level]
    return (
        pl.when(code.str.len_bytes() >= digits)
        .then(code.str.head(digits).replace_strict(places.names, default=None, return_dtype=pl.String))
        .alias(level)
    )


_STEPS = (
    ("locality", _LOCALITY, _STILL_ROAD),
    ("road", _ROAD, None),
    ("beside", _BESIDE, _NO_SIDE),
    ("number", _NUMBER, _NO_NUMBER),
    ("building", _BUILDING, None),
    ("room", _ROOM, None),
)


def _next_part(frame: pl.DataFrame, step: tuple[str, str, str | None]) -> pl.DataFrame:
    """Cut a part off ``rest``; where ``unless`` matches what follows, the part is none: 6号|楼."""
    name, pattern, unless = step
    rest, part = pl.col("rest"), pl.col(name)
    behind = rest.str.slice(part.str.len_chars())
    found = rest.str.extract(pattern)
    if name == "road":
        found = pl.coalesce(rest.str.extract(_SQUARE), found)
    elif name == "beside":
        # beside what, if there is no road?
        found = pl.when(pl.col("road") != "").then(found)
    frame = frame.with_columns(found.fill_null("").alias(name))
    if unless:
        frame = frame.with_columns(
            pl.when(behind.str.contains(unless)).then(pl.lit("")).otherwise(part).alias(name)
        )
    if name == "road":
        stray = part.str.contains(r"[路街巷道][东西南北中]$") & ~behind.str.contains(_STILL_DIRECTION)
        frame = frame.with_columns(pl.when(stray).then(part.str.head(-1)).otherwise(part).alias(name))
    return frame.with_columns(behind)


def _without_quarter(frame: pl.DataFrame) -> pl.DataFrame:
    """``road`` without the quarter before it, which is (the end of) the locality."""
    road = pl.col("road")
    before = road.str.extract(_QUARTER_BEFORE_ROAD)
    certain = ~road.str.slice(before.str.len_chars()).str.contains(NO_ROAD)
    quarter = pl.when(certain).then(before).fill_null("")
    return frame.with_columns(
        (pl.col("locality") + quarter).alias("locality"),
        road.str.slice(quarter.str.len_chars()).alias("road"),
    )
