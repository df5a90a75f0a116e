"""Identifiers: resident ids, credit codes, licence ids and the other codes that entities are joined by.

Here belong their standardisation, shape and checks, as expressions over whole columns; the arithmetic of check
digits is in ``check_digits.py``. Sources: GB 11643, GB 32100, GB 11714, GS 15-2006, GB/T 36904, GB/T 2260.
"""

from __future__ import annotations

import polars as pl

from catalog.elements import check_digits
from catalog.elements.base import Already, Check, Element, Mask, Shortcut, clean, squeeze, tidy, unspaced
from catalog.model import Dimension, Grade, Severity, Title

LICENCE_ROOT = "1.2.156.3005.2."
#: The first two digits of GB/T 2260 codes, and 81-83 for residents of Hong Kong, Macao and Taiwan. An unknown one
#: only warns: abolished codes are on people's cards for life.
PROVINCES = (
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37"),
    *("41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65"),
    *("71", "81", "82", "83"),
)
RESIDENT_SHAPE = "^[0-9]{17}[0-9X]$"
#: What every code's cleaning leaves as it is: a digit is asked for, so that no word for «nothing» is among them.
PLAIN_CODE = "^[A-Z]*[0-9][0-9A-Z]*$"
CREDIT_SHAPE = f"^[{check_digits.CREDIT_ALPHABET}]{{18}}$"

_with_century = check_digits.over(check_digits.with_century, pl.String)
_passes_resident = check_digits.over(check_digits.passes_resident, pl.Boolean)
_passes_credit = check_digits.over(check_digits.passes_credit, pl.Boolean)
_passes_organisation = check_digits.over(check_digits.passes_organisation, pl.Boolean)
_mod_11_10 = check_digits.over(check_digits.passes_mod_11_10, pl.Boolean)
_mod_37_36 = check_digits.over(check_digits.passes_mod_37_36, pl.Boolean)


def standard_resident_id(raw: pl.Expr) -> pl.Expr:
    """18 characters: blanks gone, ``x`` in upper case, an old 15-digit number completed (19 + check)."""
    return _with_century(upper_code(raw))


def upper_code(raw: pl.Expr) -> pl.Expr:
    """A code without blanks, and without the quote that spreadsheets put before text, in upper case."""
    return clean(_unquoted(raw))


def without_hyphens(raw: pl.Expr) -> pl.Expr:
    """:func:`upper_code`, with the hyphens gone that some write between groups."""
    return clean(tidy(_unquoted(raw)).str.replace_all("-", "", literal=True))


def _unquoted(raw: pl.Expr) -> pl.Expr:
    return unspaced(raw).str.to_uppercase().str.strip_chars("'‘’`")


def standard_division_code(raw: pl.Expr) -> pl.Expr:
    """Statistical codes come padded with zeros to 12 digits; the shortest form that names the level is the standard one."""
    return squeeze(raw).str.replace(r"^([0-9]{6})0{6}$", "${1}").str.replace(r"^([0-9]{9})000$", "${1}")


def birth_date_of(resident_id: pl.Expr) -> pl.Expr:
    """The birth date inside a standardised resident id, as Date; null where there is none."""
    return resident_id.str.slice(6, 8).str.to_date("%Y%m%d", strict=False, cache=False)


def sex_of(resident_id: pl.Expr) -> pl.Expr:
    """The sex inside a standardised resident id, as GB/T 2261.1 code: odd sequence ``1`` male, even ``2`` female."""
    odd = resident_id.str.slice(16, 1).cast(pl.Int8, strict=False) % 2 == 1
    return pl.when(odd).then(pl.lit("1")).when(~odd).then(pl.lit("2"))


def organisation_code_of(credit_code: pl.Expr) -> pl.Expr:
    """Characters 9-17 of a credit code: the organisation code it carries (GB 11714)."""
    return credit_code.str.slice(8, 9)


def resident_checks_out(value: pl.Expr) -> pl.Expr:
    """Shape and check character of a standardised resident id; False where there is none."""
    return _passes_resident(value)


def credit_checks_out(value: pl.Expr) -> pl.Expr:
    """Alphabet, length and check character of a standardised credit code; False where there is none."""
    return _passes_credit(value)


def organisation_checks_out(value: pl.Expr) -> pl.Expr:
    """Shape and check character of a 9-character organisation code; False where there is none."""
    return _passes_organisation(value)


def is_person(value: pl.Expr) -> pl.Expr:
    """Whether a subject code has the shape of a resident id (17 digits; a credit code's 9th to 17th may be digits
    too, but it never begins a valid birth date where a resident id does)."""
    return (
        value.str.contains(RESIDENT_SHAPE) & birth_date_of(value).is_not_null() & resident_checks_out(value)
    )


#: What a spreadsheet leaves of a long number: its first digits. The others cannot be had back.
NOT_A_FLOAT = Check(
    "not_a_float",
    lambda value: ~value.str.contains(r"(?i)^[0-9](\.[0-9]+)?E\+[0-9]+$"),
    Title(
        zh="编号被电子表格转成了科学计数，位数已丢失，请以文本格式重新导出",
        en="a spreadsheet made the number a float and lost digits: export it as text",
    ),
    dimension=Dimension.ACCURACY,
)

RESIDENT_ID = Element(
    "resident_id",
    Title(zh="公民身份号码", en="resident identity number"),
    pl.String(),
    Grade.HIGHLY_SENSITIVE,
    Mask("partial", {"left": 4, "right": 4}),
    Shortcut(Already(RESIDENT_SHAPE), standard_resident_id, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "check_digit",
            resident_checks_out,
            Title(
                zh="不是有效的公民身份号码（位数或校验码不对），请核对证件后重报",
                en="not a valid resident id (length or check digit): check the document",
            ),
        ),
        Check(
            "birth_date",
            lambda value: (
                birth_date_of(value)
                .is_between(pl.date(1850, 1, 1), pl.date(2100, 1, 1))
                .fill_null(value=False)
            ),
            Title(
                zh="号码中的出生日期不存在，请核对证件后重报",
                en="the birth date inside the number does not exist: check the document",
            ),
            dimension=Dimension.ACCURACY,
        ),
        Check(
            "division",
            lambda value: value.str.slice(0, 2).is_in(PROVINCES) | value.str.starts_with("9"),
            Title(zh="号码前两位不是已知的省级行政区划代码", en="the first two digits are no known province"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
)

CREDIT_CODE = Element(
    "credit_code",
    Title(zh="统一社会信用代码", en="unified social credit code"),
    pl.String(),
    Grade.PUBLIC,
    Mask("keep"),
    Shortcut(Already(PLAIN_CODE), upper_code, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "check_digit",
            credit_checks_out,
            Title(
                zh="不是有效的统一社会信用代码（18位、字符集或校验码不对），请核对营业执照",
                en="not a valid credit code (length, alphabet or check): see the certificate",
            ),
        ),
        Check(
            "organisation_code",
            lambda value: organisation_checks_out(organisation_code_of(value)),
            Title(
                zh="代码中第9至17位的组织机构代码校验不通过",
                en="the organisation code inside fails its own check",
            ),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
)

ORGANISATION_CODE = Element(
    "organisation_code",
    Title(zh="组织机构代码", en="organisation code"),
    pl.String(),
    Grade.PUBLIC,
    Mask("keep"),
    Shortcut(Already(PLAIN_CODE), without_hyphens, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "check_digit",
            lambda value: value.str.contains(r"^[0-9A-Z]{8}[0-9X]$") & organisation_checks_out(value),
            Title(
                zh="不是有效的组织机构代码（9位或校验码不对）",
                en="not a valid organisation code (length or check)",
            ),
        ),
    ),
)

REGISTRATION_NO = Element(
    "registration_no",
    Title(zh="工商注册号", en="registration number before 2015"),
    pl.String(),
    Grade.PUBLIC,
    Mask("keep"),
    Shortcut(Already(PLAIN_CODE), upper_code, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "check_digit",
            lambda value: value.str.contains(r"^[0-9]{15}$") & _mod_11_10(value),
            Title(zh="注册号不是15位数字或校验码不对", en="not 15 digits, or its check digit is wrong"),
            # older numbers follow older rules: one that fails identifies nothing, but harms nothing either
            severity=Severity.WARN,
        ),
    ),
)

SUBJECT_CODE = Element(
    "subject_code",
    Title(zh="主体代码", en="resident id or credit code"),
    pl.String(),
    Grade.HIGHLY_SENSITIVE,
    Mask("partial", {"left": 4, "right": 4}),
    Shortcut(Already(f"{RESIDENT_SHAPE}|{CREDIT_SHAPE}"), standard_resident_id, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "check_digit",
            # the date is asked for too: a company's old 15-digit registration number would else be taken for a person
            lambda value: is_person(value) | credit_checks_out(value),
            Title(
                zh="既不是有效的公民身份号码，也不是有效的统一社会信用代码",
                en="neither a valid resident id nor a valid credit code",
            ),
        ),
    ),
)


def licence_body(value: pl.Expr) -> pl.Expr:
    """Type, issuer, serial, version and check of a licence id, joined without dots: what its check runs over."""
    return value.str.strip_prefix(LICENCE_ROOT).str.replace_all(".", "", literal=True)


LICENCE_ID = Element(
    "licence_id",
    Title(zh="电子证照标识", en="e-licence identifier"),
    pl.String(),
    Grade.LOW,
    Mask("pseudonym"),
    Shortcut(Already(r"^1\.2\.[0-9A-Z.]+$"), upper_code, pl.String()),
    (
        Check(
            "shape",
            lambda value: value.str.contains(
                r"^1\.2\.156\.3005\.2\.[0-9A-Z]{21}\.[0-9A-Z]{6,18}\.[0-9A-Z]{1,32}\.[0-9]{3}\.[0-9A-Z]$"
            ),
            Title(
                zh="电子证照标识的结构不符合 GB/T 36904（根、类型、机构、流水号、版本、校验）",
                en="not of the structure of GB/T 36904",
            ),
        ),
        Check(
            "check_digit",
            lambda value: _mod_37_36(licence_body(value)),
            Title(zh="电子证照标识的校验码不对，请核对", en="the licence id's check character is wrong"),
        ),
    ),
)

TRAVEL_DOCUMENT = Element(
    "travel_document",
    Title(zh="出入境证件号码", en="number of a passport or travel permit"),
    pl.String(),
    Grade.HIGHLY_SENSITIVE,
    Mask("pseudonym"),
    Shortcut(Already(PLAIN_CODE), without_hyphens, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "shape",
            # the longest number of ICAO 9303's nine and of permits: H or M, eight digits, and two for its issue
            lambda value: value.str.contains(r"^[A-Z0-9]{6,12}$") & value.str.contains("[0-9]"),
            Title(
                zh="证件号码应为6至12位字母和数字，请核对证件",
                en="6 to 12 letters and digits: check the document",
            ),
        ),
    ),
)

LICENCE_TYPE_CODE = Element(
    "licence_type_code",
    Title(zh="电子证照类型代码", en="e-licence type code"),
    pl.String(),
    Grade.PUBLIC,
    Mask("keep"),
    Shortcut(Already(PLAIN_CODE), upper_code, pl.String()),
    (
        Check(
            "shape",
            lambda value: value.str.contains(r"^[0-9A-Z]{18}[0-9]{3}$"),
            Title(
                zh="证照类型代码应为21位：机构统一社会信用代码加3位顺序号",
                en="21 characters: the authority's credit code and a sequence of 3",
            ),
        ),
    ),
)

DIVISION_CODE = Element(
    "division_code",
    Title(zh="行政区划代码", en="division code"),
    pl.String(),
    Grade.PUBLIC,
    Mask("generalise_division", {"to": "county"}),
    Shortcut(
        Already("^([0-9]{6}|[0-9]{9}([0-9][0-9][1-9]|[0-9][1-9][0-9]|[1-9][0-9][0-9])?)$"),
        standard_division_code,
        pl.String(),
    ),
    (
        NOT_A_FLOAT,
        Check(
            "shape",
            lambda value: value.str.contains(r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$"),
            Title(
                zh="行政区划代码应为2、4、6、9或12位数字", en="a division code has 2, 4, 6, 9 or 12 digits"
            ),
        ),
        Check(
            "province",
            lambda value: value.str.slice(0, 2).is_in(PROVINCES),
            Title(zh="行政区划代码前两位不是已知的省级代码", en="the first two digits are no known province"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
)

IDENTIFIER = Element(
    "identifier",
    Title(zh="业务编号", en="serial number of a department"),
    pl.String(),
    Grade.LOW,
    Mask("pseudonym"),
    Shortcut(Already(PLAIN_CODE), squeeze, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "length",
            lambda value: value.str.len_chars() <= 64,
            Title(zh="编号超过64个字符", en="longer than 64 characters"),
        ),
    ),
)

BANK_ACCOUNT = Element(
    "bank_account",
    Title(zh="银行账号", en="bank account"),
    pl.String(),
    Grade.HIGHLY_SENSITIVE,
    Mask("redact"),
    Shortcut(Already(r"^[0-9]+$"), without_hyphens, pl.String()),
    (
        NOT_A_FLOAT,
        Check(
            "shape",
            lambda value: value.str.contains(r"^[0-9]{10,30}$"),
            Title(zh="银行账号应为10至30位数字", en="a bank account has 10 to 30 digits"),
            severity=Severity.WARN,
        ),
    ),
)


def standard_mobile(raw: pl.Expr) -> pl.Expr:
    """11 digits: country code, a leading 0 and separators gone."""
    text = clean(unspaced(raw).str.replace_all(r"[-()]", ""))
    return text.str.replace(r"^(\+?86|0086)?0?(1[0-9]{10})$", "${2}")


def standard_phone(raw: pl.Expr) -> pl.Expr:
    """Country code and brackets gone, every dash a hyphen, the extension (转) behind one; a mobile as a mobile."""
    text = unspaced(raw).str.replace_all("[‐‑–—―]|转", "-").str.replace(r"^((\+86|0086)-?)+", "")
    return clean(text.str.replace_all(r"[()]", "").str.replace(r"^(86)?0?(1[3-9][0-9]{9})$", "${2}"))


MOBILE = Element(
    "mobile",
    Title(zh="移动电话", en="mobile phone"),
    pl.String(),
    Grade.SENSITIVE,
    Mask("partial", {"left": 3, "right": 4}),
    Shortcut(Already(r"^1[0-9]{10}$"), standard_mobile, pl.String()),
    (
        Check(
            "shape",
            lambda value: value.str.contains(r"^1[3-9][0-9]{9}$"),
            Title(zh="不是有效的手机号码，请核对", en="not a mobile number"),
            severity=Severity.WARN,
        ),
        Check(
            "filler",
            lambda value: ~value.str.contains(r"^1[0-9]{2}0{8}$|^1([3-9])[0-9]?(0{7,}|1{8,}|8{8,})$"),
            Title(zh="手机号码像是填充值", en="looks like a filler"),
            severity=Severity.WARN,
            dimension=Dimension.ACCURACY,
        ),
    ),
)

PHONE = Element(
    "phone",
    Title(zh="联系电话", en="phone"),
    pl.String(),
    Grade.SENSITIVE,
    Mask("partial", {"left": 3, "right": 2}),
    Shortcut(
        Already(r"^(1[3-9][0-9]{9}|0(10|2[0-9]|[3-9][0-9]{2})-?[2-9][0-9]{6,7})$"),
        standard_phone,
        pl.String(),
    ),
    (
        Check(
            "shape",
            lambda value: value.str.contains(
                r"^(1[3-9][0-9]{9}|(0[0-9]{2,3}-?)?[2-9][0-9]{6,7}(-[0-9]{1,6})?|400-?[0-9]{3}-?[0-9]{4}|1?[129][0-9]{4})$"
            ),
            Title(zh="不是有效的电话号码", en="not a phone number"),
            severity=Severity.WARN,
        ),
    ),
)

IDENTIFIERS = (
    RESIDENT_ID,
    CREDIT_CODE,
    ORGANISATION_CODE,
    REGISTRATION_NO,
    SUBJECT_CODE,
    LICENCE_ID,
    TRAVEL_DOCUMENT,
    LICENCE_TYPE_CODE,
    DIVISION_CODE,
    IDENTIFIER,
    BANK_ACCOUNT,
    MOBILE,
    PHONE,
)
