"""The forms a value is compared in: one for equality, others for sound, nearness and blocking.

Here belongs how a column of each kind is standardised for comparison, as expressions over text. A form forgives what
exports do to a value (variant characters, blanks, brackets, legal suffixes); nothing made here is ever published as
somebody's name. What agreement on a form is worth is ``linkage``'s business.
"""

from __future__ import annotations

import string
from collections.abc import Callable

import polars as pl

from catalog.elements.base import clean
from catalog.elements.identifiers import (
    birth_date_of,
    is_person,
    organisation_code_of,
    sex_of,
    standard_resident_id,
)
from catalog.elements.values import measure, standard_date, standard_sex
from catalog.linkage_model import Kind

#: A form is text, but these are lists: a record has several keys, of which any may agree.
MANY = ("near", "grams")
#: What stands between the names of several people.
APART = "、"
_HAN = r"\p{Han}"
#: Legal forms at the end of a name, the longest first; the same body is written with and without them.
_LEGAL_FORMS = (
    r"(?:集团股份有限公司|股份有限公司|有限责任公司|集团有限公司|股份合作公司|农民专业合作社|专业合作社|"
    r"有限公司|合伙企业|个体工商户|个人独资企业|普通合伙|有限合伙|股份公司|集团公司|合作社|公司|"
    r"incorporated|corporation|limited|company|inc|corp|llc|ltd|plc|gmbh|co)$"
)
#: Legal forms anywhere: some registers leave them out before a branch as well.
_LEGAL_WORDS = r"集团股份有限公司|股份有限公司|有限责任公司|集团有限公司|有限公司|股份|集团|公司"
_PLACES = r"^((?:中国|广东省?|清远市?|清城区?|清新[区县]?|英德市?|连州市?|佛冈县?|阳山县?|连山(?:壮族瑶族自治)?县?|连南(?:瑶族自治)?县?)+)"
#: What stands behind the body it belongs to: shops, stations and branches are entities of their own.
_BRANCH = (
    r"(?:公司|行|局|社|厂|店|集团|院|校)([^公司]{1,14}?(?:"
    r"分公司|支公司|分行|支行|分店|门店|商店|综合店|分厂|分社|分院|分校|分部|分理处|支局|支社|支部|门市部|营业部|服务部|经营部|生产部|"
    r"办事处|储蓄所|营业所|购销站|收购站|加油站|服务站|服务中心|营业厅|专卖店|销售点|供应点|[^\x00-\x7f]点))$"
)
_LONGEST_NAME = 8
#: The alphabets of :func:`coded`, disjoint, so that halves of two characters never match each other.
_FIRST = string.ascii_uppercase + "!#$%&()*+,-./:;<=>?@[]^_{|}~"
_SECOND = string.ascii_lowercase + string.digits


def forms(kind: Kind, raw: pl.Expr) -> dict[str, pl.Expr]:
    """The forms of a column of text: ``exact`` always, and those that its kind is compared or blocked by."""
    return shaped(kind, tidied(kind, raw))


def tidied(kind: Kind, raw: pl.Expr) -> pl.Expr:
    """The first step of :func:`forms`, of which all of them are made: worth doing once for a column, not for each."""
    return folded(raw) if kind in _FOLDED else clean(raw)


def shaped(kind: Kind, text: pl.Expr) -> dict[str, pl.Expr]:
    """The forms of a column that is :func:`tidied`."""
    return _FORMS[kind](text)


def implied(kind: Kind, resident_id: pl.Expr) -> pl.Expr:
    """What a resident id says of its holder's birth or sex (GB 11643); null of one that is not valid, as a slip may be in
    just these digits."""
    number = standard_resident_id(resident_id)
    said = birth_date_of(number).dt.strftime("%Y-%m-%d") if kind is Kind.DATE else sex_of(number)
    return pl.when(is_person(number)).then(said)


def folded(raw: pl.Expr) -> pl.Expr:
    """Lower case, half width, without accents, traditional and variant characters as simplified ones; null where the
    text is a word for «nothing»."""
    text = clean(raw).str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    return _rewritten(text, _simplified)


def simplified(text: pl.Expr) -> pl.Expr:
    """Traditional characters as simplified ones, and no other: what GB 2312 has (乾, 於, 著) is written so on purpose."""

    def apply(cells: pl.Series) -> pl.Series:
        text = cells.drop_nulls().str.join("").item() or ""
        if _in_gb2312(text):
            return cells
        found = sorted(one for one in set(text) if not _in_gb2312(one))
        meant = dict(zip(found, _simplified(found), strict=True)) if found else {}
        turned = {one: plain for one, plain in meant.items() if one != plain}
        return cells.str.replace_many(list(turned), list(turned.values())) if turned else cells

    return text.map_batches(apply, return_dtype=pl.String, is_elementwise=True)


def _in_gb2312(text: str) -> bool:
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def sound(text: pl.Expr) -> pl.Expr:
    """Pinyin without tones of folded text, a blank behind each syllable; other letters stay."""
    return _rewritten(text, _pinyin).str.strip_chars()


def coded(text: pl.Expr) -> pl.Expr:
    """Each character beyond ASCII as two ASCII ones: DuckDB's text distances count bytes, of which a Chinese character
    has three, two of them shared with thousands of others. Written so, two bytes are one character in any script."""
    return _rewritten(text, _two_bytes)


def _rewritten(text: pl.Expr, rewrite: Callable[[list[str]], list[str]]) -> pl.Expr:
    """Text with each character beyond ASCII rewritten; only those that occur are looked up."""

    def apply(cells: pl.Series) -> pl.Series:
        joined = cells.drop_nulls().unique().str.extract_all(r"[^\x00-\x7f]").explode(empty_as_null=True)
        characters = joined.drop_nulls().unique().sort().to_list()
        return cells.str.replace_many(characters, rewrite(characters)) if characters else cells

    return text.map_batches(apply, return_dtype=pl.String, is_elementwise=True)


def _simplified(characters: list[str]) -> list[str]:
    """As OpenCC writes them in simplified Chinese."""
    from opencc import OpenCC

    return list(OpenCC("t2s").convert("\n".join(characters)).split("\n"))


def _pinyin(characters: list[str]) -> list[str]:
    """The most usual syllable of each. One reading for each: a homophone must sound the same in both records, whether
    or not the reading is right for a name."""
    from pypinyin import lazy_pinyin

    return [lazy_pinyin(character)[0] + " " for character in characters]


def _two_bytes(characters: list[str]) -> list[str]:
    codes = [ord(character) for character in characters]
    return [_FIRST[code % len(_FIRST)] + _SECOND[code * 7919 // len(_FIRST) % len(_SECOND)] for code in codes]


def _filled(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.len_bytes() > 0).then(text)


def _letters(text: pl.Expr) -> pl.Expr:
    return _filled(text.str.replace_all(r"[^\p{L}\p{N}]", ""))


def _words(text: pl.Expr) -> pl.Expr:
    """Words in alphabetical order: first and family name may be exchanged."""
    return _filled(text.str.extract_all(r"[\p{L}\p{N}]+").list.sort().list.join(" "))


def _grams(text: pl.Expr, words: pl.Expr) -> pl.Expr:
    """What is rare enough to look records up by: words of Latin text, three neighbouring characters of Chinese."""
    three = pl.concat_list(
        text.str.slice(start).str.extract_all(rf"{_HAN}{{3}}").fill_null([]) for start in range(3)
    )
    whole = words.str.extract_all(r"[a-z0-9]{3,}").fill_null([])
    return pl.concat_list(three, whole).list.unique()


def _near(text: pl.Expr) -> pl.Expr:
    """The text, and each text with one character left out: two share one where they differ by one slip."""
    cuts = [
        pl.when((text.str.len_chars() > place) & (text.str.len_chars() <= _LONGEST_NAME)).then(
            text.str.slice(0, place) + text.str.slice(place + 1)
        )
        for place in range(_LONGEST_NAME)
    ]
    return pl.when(text.is_not_null()).then(pl.concat_list(text, *cuts).list.drop_nulls().list.unique())


def _person_name(text: pl.Expr) -> dict[str, pl.Expr]:
    chinese = text.str.contains(_HAN)
    name = pl.when(chinese).then(_letters(text)).otherwise(_words(text))
    return {
        "exact": name,
        "sound": pl.when(chinese).then(sound(name)).otherwise(name.str.replace_all(" ", "")),
        "near": _near(pl.when(chinese).then(name)),
        "coded": coded(name),
        "chinese": chinese,
        "first": pl.when(chinese).then(name.str.slice(0, 1)).otherwise(name.str.slice(0, 4)),
    }


def _person_names(text: pl.Expr) -> dict[str, pl.Expr]:
    """The set of names in a cell. A comma parts Chinese names; in Latin script it stands within one, and the words of a name
    are put in order, one by one, which is slow and so done there only."""
    chinese = text.str.contains(_HAN)
    letters = (
        pl.when(chinese)
        .then(text.str.replace_all(r"[,;|/]", APART))
        .str.replace_all(rf"[^\p{{L}}\p{{N}}{APART}]", "")
    )
    latin = pl.when(~chinese).then(text).str.extract_all(rf"[^{APART};|/]+").list.eval(_words(pl.element()))
    names = pl.coalesce(letters.str.extract_all(rf"[^{APART}]+"), latin.list.drop_nulls())
    exact = pl.when(names.list.len() > 0).then(names.list.sort())
    sounds = sound(exact.list.join(APART)).str.replace_all(" ", "", literal=True).str.split(APART)
    return {"exact": exact, "sound": sounds}


def body_name(name: pl.Expr) -> pl.Expr:
    """The part of an organisation's name before its branch (某公司 of 某公司第一分公司); null where it names none."""
    branch = name.str.extract(_BRANCH)
    return _filled(name.str.head(name.str.len_chars() - branch.str.len_chars()))


def _organisation_name(text: pl.Expr) -> dict[str, pl.Expr]:
    words = text.str.replace_all(r"[.'’]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    name = _letters(words)
    branch = name.str.extract(_BRANCH)
    trunk = pl.when(branch.is_not_null()).then(name.str.head(name.str.len_chars() - branch.str.len_chars()))
    bare = _bare(pl.coalesce(trunk, pl.when(text.str.contains(_HAN)).then(name).otherwise(words)))
    core = pl.coalesce(_letters(bare), name)
    return {
        "exact": name,
        "core": core,
        "stem": _filled(name.str.replace(_PLACES, "").str.replace_all(_LEGAL_WORDS, "")),
        "branch": pl.when(name.is_not_null()).then(branch.fill_null("")),
        "place": pl.when(name.is_not_null()).then(
            name.str.extract(_PLACES).str.replace_all("[省市区县]", "").fill_null("")
        ),
        "sound": sound(core),
        "coded": coded(pl.coalesce(_filled(bare), words)),
        "grams": _grams(core, words),
    }


def _bare(name: pl.Expr) -> pl.Expr:
    """The name without the place before it and the legal form behind it."""
    return name.str.replace(_PLACES, "").str.replace(_LEGAL_FORMS, "").str.strip_chars()


def _date(raw: pl.Expr) -> dict[str, pl.Expr]:
    tidy = clean(raw).str.replace(r"\.0+$", "")
    behind = tidy.str.extract_groups(r"^([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})$")
    turned = pl.concat_str(
        behind.struct.field("3"), behind.struct.field("2").str.zfill(2), behind.struct.field("1").str.zfill(2)
    )
    # a date that does not exist is still evidence: one slip away from the true one
    digits = tidy.str.extract(r"^([12][0-9]{7}|[12][0-9]{3})$")
    day = pl.coalesce(standard_date(tidy).dt.strftime("%Y%m%d"), turned, digits)
    return {"exact": day, "year": day.str.slice(0, 4), "day": _filled(day.str.slice(4))}


def _address(text: pl.Expr) -> dict[str, pl.Expr]:
    words = text.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    address = _letters(words)
    return {
        "exact": address,
        "numbers": _filled(address.str.extract_all(r"[0-9]+").list.join("-")),
        "coded": coded(words.str.replace(r"^(?:广东省)?(?:清远市)?", "")),
        "grams": _grams(address, words),
    }


def _phone(raw: pl.Expr) -> dict[str, pl.Expr]:
    digits = clean(raw).str.replace_all(r"[^0-9]", "").str.replace(r"^(?:00)?86(1[0-9]{10})$", "${1}")
    number = pl.when(digits.str.len_bytes() >= 5).then(digits)
    return {"exact": number, "tail": number.str.tail(7)}


def _sex(raw: pl.Expr) -> dict[str, pl.Expr]:
    code = standard_sex(raw)
    return {"exact": pl.when(code.is_in(["1", "2"])).then(code)}


def _code(raw: pl.Expr) -> dict[str, pl.Expr]:
    """``head`` leaves the last (check) character out; ``start`` and ``end`` are its halves: a slip spoils one only."""
    code = _filled(clean(raw).str.to_uppercase().str.replace_all(r"[^0-9A-Z]", ""))
    long, half = code.str.len_bytes() > 8, code.str.len_bytes() // 2
    return {
        "exact": code,
        "head": pl.when(long).then(code.str.head(code.str.len_bytes() - 1)),
        "start": pl.when(long).then(code.str.head(half)),
        "end": pl.when(long).then(code.str.tail(half)),
    }


def _credit_code(raw: pl.Expr) -> dict[str, pl.Expr]:
    """``organisation`` is the organisation code inside it (GB 11714), or what is written where only that is known."""
    made = _code(raw)
    code = made["exact"]
    inside = pl.when(code.str.len_bytes() == 18).then(organisation_code_of(code))
    return {**made, "organisation": pl.coalesce(inside, pl.when(code.str.len_bytes() == 9).then(code))}


def _number(raw: pl.Expr) -> dict[str, pl.Expr]:
    value = measure(raw)
    return {"exact": value.cast(pl.String), "value": value}


def _category(text: pl.Expr) -> dict[str, pl.Expr]:
    return {"exact": _letters(text)}


def _text(text: pl.Expr) -> dict[str, pl.Expr]:
    words = text.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    letters = _letters(words)
    return {
        "exact": letters,
        "coded": coded(words),
        "grams": _grams(letters, words),
    }


_FOLDED = (
    Kind.PERSON_NAME,
    Kind.PERSON_NAMES,
    Kind.ORGANISATION_NAME,
    Kind.ADDRESS,
    Kind.CATEGORY,
    Kind.TEXT,
)
_FORMS: dict[Kind, Callable[[pl.Expr], dict[str, pl.Expr]]] = {
    Kind.PERSON_NAME: _person_name,
    Kind.PERSON_NAMES: _person_names,
    Kind.ORGANISATION_NAME: _organisation_name,
    Kind.DATE: _date,
    Kind.ADDRESS: _address,
    Kind.PHONE: _phone,
    Kind.SEX: _sex,
    Kind.CODE: _code,
    Kind.CREDIT_CODE: _credit_code,
    Kind.NUMBER: _number,
    Kind.CATEGORY: _category,
    Kind.TEXT: _text,
}
