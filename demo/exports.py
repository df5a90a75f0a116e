"""What each department would send: its share of the truth, in its own words and file format, with its own dirt.

Here belong the exports, one function for each resource, and the writing of them as files. Frames are text under the
entry's column names; ``deliveries`` soils them, gives them headers and formats, and says how they travel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from catalog.load import Catalogue
from catalog.model import Entry, Way
from demo import licences, places
from demo.city import City
from demo.dirt import Soiled, soil

#: Never delivered in the demo: the bureau's page must show a department that does not answer.
MISSING = ("credit_record",)
#: Delivered, but with data of long ago.
STALE = {"public_institution": 400, "low_income_household": 75}
#: Promised for so many days already, unlike all others, which promise from their first push on: what was due meanwhile is late
#: or missed in a demo that has just begun.
PROMISED = {"credit_record": 60, "public_institution": 430, "low_income_household": 130}
#: What a department says to that, for the bureau to decide.
EXCUSES = {"low_income_household": "县级低保系统九月起迁移，名册须人工核对，预计下月补报"}
BANK = "6230"


@dataclass(frozen=True)
class Delivery:
    """One thing a department sends: a file at ``path``, or rows for its exchange table; and the truth about it."""

    resource: str
    department: str
    way: Way
    data_date: date
    path: Path | None
    table: pl.DataFrame | None
    soiled: Soiled

    @property
    def idempotency_key(self) -> str:
        """What a department's own job would use: the resource, the period, and which export of it this is."""
        export = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16] if self.path else "table"
        return f"{self.resource}-{self.data_date.isoformat()}-{export}"


Export = Callable[[City], pl.DataFrame]


def deliveries(city: City, catalogue: Catalogue, folder: Path) -> Iterator[Delivery]:
    """Every department's deliveries, files written into ``folder``; pension payments come in three monthly files."""
    folder.mkdir(parents=True, exist_ok=True)
    for code, export in EXPORTS.items():
        if code in MISSING:
            continue
        entry = catalogue.entry(code)
        frame = export(city)
        days = STALE.get(code, 0)
        parts = (
            frame.partition_by("_part", as_dict=True, include_key=False)
            if "_part" in frame.columns
            else {("",): frame}
        )
        for (part,), rows in sorted(parts.items()):
            soiled = soil(entry, _text(rows), city.rng(f"{code}{part}"))
            yield _delivery(entry, soiled, folder, city.today - timedelta(days=days), str(part))


def _delivery(entry: Entry, soiled: Soiled, folder: Path, day: date, part: str) -> Delivery:
    way = WAYS[entry.code]
    # the day it speaks for is in its name: a drop folder has nowhere else to say it
    name = f"{entry.title.zh}{part}_{day:%Y%m%d}{FORMATS[entry.code]}" if way is not Way.TABLE else None
    path = folder / name if name else None
    if path:
        WRITERS[FORMATS[entry.code]](soiled.rows, entry, path)
    table = soiled.rows if way is Way.TABLE else None
    return Delivery(entry.code, entry.department, way, day, path, table, soiled)


def _text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.all().cast(pl.String))


def _on(frame: pl.DataFrame, rng: np.random.Generator, share: float) -> pl.DataFrame:
    """A random share of the rows, in order."""
    return frame.filter(pl.Series(rng.random(len(frame)) < share))


def _alive(city: City) -> pl.DataFrame:
    return city.people.filter(pl.col("death_date").is_null())


def _between(city: City, low: float, high: float) -> pl.DataFrame:
    """Living people by age."""
    age = pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25
    return _alive(city).filter((age >= low) & (age < high))


def _days(rng: np.random.Generator, count: int, today: date, low: int, high: int) -> pl.Series:
    return pl.Series(np.datetime64(today, "D") - rng.integers(low, high, count) * np.timedelta64(1, "D"))


def _account(frame: pl.DataFrame) -> pl.Expr:
    return pl.format(BANK + "{}", (pl.col("person") * 104_729 + 13).cast(pl.String).str.zfill(15))


def _other_mobile(city: City, frame: pl.DataFrame, purpose: str) -> pl.Series:
    """Most departments have the person's number; some have an older one, some none."""
    rng = city.rng(purpose)
    old = ("13" + pl.Series(rng.integers(10**8, 10**9, len(frame))).cast(pl.String)).to_numpy()
    pick = rng.random(len(frame))
    mobile = np.where(pick < 0.12, old, frame["mobile"].to_numpy())
    return pl.Series(mobile).set(pl.Series(pick > 0.9), None)


def _sex_word(name: str = "sex") -> pl.Expr:
    return pl.when(pl.col(name) == "1").then(pl.lit("男")).otherwise(pl.lit("女"))


def household_register(city: City) -> pl.DataFrame:
    """Everybody; of the dead a tenth is still listed as alive: nobody told the police."""
    told = pl.Series(city.rng("told").random(len(city.people)) < 0.9)
    relation = (
        pl.when(pl.col("role") == "子女")
        .then(pl.when(pl.col("sex") == "1").then(pl.lit("子")).otherwise(pl.lit("女")))
        .when(pl.col("role") == "长辈")
        .then(pl.when(pl.col("sex") == "1").then(pl.lit("父亲")).otherwise(pl.lit("母亲")))
        .otherwise("role")
    )
    return city.people.select(
        "resident_id",
        "name",
        _sex_word().alias("sex"),
        "ethnicity",
        "birth_date",
        "household_no",
        relation.alias("relation_to_head"),
        pl.col("town").alias("division_code"),
        "address",
        pl.when(pl.col("death_date").is_not_null() & told)
        .then(pl.lit("注销"))
        .otherwise(pl.lit("正常"))
        .alias("status"),
        pl.max_horizontal("birth_date", pl.lit(date(1985, 1, 1))).alias("registered_on"),
        pl.lit(f"{city.today} 03:00:00").alias("updated_at"),
    )


def identity_card(city: City) -> pl.DataFrame:
    """Cards of those over 16; a fifth has had an earlier one."""
    holders = _between(city, 16, 200)
    issued = _days(city.rng("card"), len(holders), city.today, 10, 3000)
    county = pl.col("county").replace_strict(
        list(places.COUNTIES), [name for name, _, _ in places.COUNTIES.values()], return_dtype=pl.String
    )
    return holders.select(
        "resident_id",
        "name",
        _sex_word().alias("sex"),
        "ethnicity",
        "birth_date",
        "address",
        pl.format("清远市公安局{}分局", county).alias("issuer"),
        issued.alias("valid_from"),
        issued.dt.offset_by("10y").alias("valid_to"),
    )


def residence_permit(city: City) -> pl.DataFrame:
    """People from elsewhere who live here."""
    guests = _on(_between(city, 18, 65), city.rng("permit"), 0.06)
    issued = _days(city.rng("permit-day"), len(guests), city.today, 10, 360)
    return guests.select(
        pl.format("JZ4418{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("permit_no"),
        "resident_id",
        "name",
        pl.col("town").alias("division_code"),
        pl.col("address").str.replace(r"\d+号", "88号").alias("address"),
        "mobile",
        issued.alias("issued_on"),
        issued.dt.offset_by("1y").alias("valid_to"),
    )


def marriage(city: City) -> pl.DataFrame:
    """Couples of a household; a few are divorced since."""
    heads = city.people.filter(pl.col("spouse").is_not_null() & (pl.col("role") == "户主"))
    mates = city.people.select(
        spouse="person", mate_id="resident_id", mate_name="name", mate_birth="birth_date"
    )
    rng = city.rng("marriage")
    couples = heads.join(mates, on="spouse", maintain_order="left")
    man = pl.col("sex") == "1"
    married = (
        pl.max_horizontal("birth_date", "mate_birth")
        .dt.offset_by("23y")
        .clip(upper_bound=pl.lit(city.today - timedelta(days=5)))
    )
    return couples.select(
        pl.format("J4418{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("certificate_no"),
        pl.Series(np.where(rng.random(len(couples)) < 0.05, "离婚", "结婚")).alias("kind"),
        pl.when(man).then("resident_id").otherwise("mate_id").alias("man_id"),
        pl.when(man).then("name").otherwise("mate_name").alias("man_name"),
        pl.when(man).then("mate_id").otherwise("resident_id").alias("woman_id"),
        pl.when(man).then("mate_name").otherwise("name").alias("woman_name"),
        married.alias("registered_on"),
        pl.lit("清远市民政局婚姻登记处").alias("registry"),
        pl.col("county").alias("division_code"),
    )


def birth_certificate(city: City) -> pl.DataFrame:
    """Children of the last eight years whose mother is known."""
    parents = city.people.select("person", parent_id="resident_id", parent_name="name")
    children = city.people.filter(
        (pl.col("birth_date") > city.today - timedelta(days=8 * 365)) & pl.col("mother").is_not_null()
    )
    joined = children.join(
        parents.rename({"person": "mother", "parent_id": "mother_id", "parent_name": "mother_name"}),
        on="mother",
        maintain_order="left",
    )
    joined = joined.join(
        parents.rename({"person": "father", "parent_id": "father_id", "parent_name": "father_name"}),
        on="father",
        how="left",
        maintain_order="left",
    )
    return joined.select(
        pl.format("U44{}", pl.col("person").cast(pl.String).str.zfill(8)).alias("certificate_no"),
        pl.col("name").alias("child_name"),
        _sex_word().alias("sex"),
        "birth_date",
        "mother_id",
        "mother_name",
        "father_id",
        "father_name",
        pl.lit("清远市妇幼保健院").alias("hospital"),
        pl.col("birth_date").dt.offset_by("3d").clip(upper_bound=pl.lit(city.today)).alias("issued_on"),
    )


def death_certificate(city: City) -> pl.DataFrame:
    """Nearly all the dead: some died where no certificate was written."""
    dead = _on(city.people.filter(pl.col("death_date").is_not_null()), city.rng("death"), 0.95)
    causes = ("心血管疾病", "恶性肿瘤", "呼吸系统疾病", "意外伤害", "其他疾病")
    return dead.select(
        pl.format("D4418{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("certificate_no"),
        "resident_id",
        "name",
        _sex_word().alias("sex"),
        "death_date",
        pl.lit("医疗卫生机构").alias("death_place"),
        pl.Series(city.rng("cause").choice(causes, len(dead))).alias("cause"),
        pl.col("death_date").dt.offset_by("1d").alias("issued_on"),
    )


def cremation(city: City) -> pl.DataFrame:
    """Most of the dead, a few days later."""
    dead = _on(city.people.filter(pl.col("death_date").is_not_null()), city.rng("cremation"), 0.8)
    return dead.select(
        pl.format("HH{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("cremation_no"),
        "resident_id",
        "name",
        pl.col("death_date").alias("died_on"),
        pl.col("death_date").dt.offset_by("3d").alias("cremated_on"),
        pl.lit("清远市殡仪馆").alias("funeral_home"),
    )


def low_income_household(city: City) -> pl.DataFrame:
    """One household in forty."""
    poor = city.people.filter((pl.col("household") % 40 == 7) & pl.col("death_date").is_null())
    rng = city.rng("low-income")
    return poor.select(
        pl.format("DB4418{}", pl.col("household").cast(pl.String).str.zfill(8)).alias("case_no"),
        "resident_id",
        "name",
        pl.len().over("household").alias("household_size"),
        pl.Series(rng.integers(0, 1200, len(poor))).alias("monthly_income"),
        pl.Series(rng.integers(300, 900, len(poor))).alias("benefit"),
        _days(rng, len(poor), city.today, 90, 1500).alias("approved_on"),
        pl.col("town").alias("division_code"),
        "address",
        "mobile",
        _account(poor).alias("bank_account"),
    )


def _employed(city: City) -> pl.DataFrame:
    """Working people with their employer."""
    workers = _on(_between(city, 20, 60), city.rng("work"), 0.6)
    active = city.organisations.filter(pl.col("cancelled_on").is_null())
    weight = active["employees"].to_numpy() / active["employees"].sum()
    pick = city.rng("employer").choice(len(active), len(workers), p=weight)
    employer: pl.DataFrame = active[pick.tolist()].select(employer_code="credit_code", employer_name="name")
    return pl.concat([workers, employer], how="horizontal")


def social_insurance(city: City) -> pl.DataFrame:
    """Two kinds of insurance for everyone employed."""
    workers = _employed(city)
    rng = city.rng("insurance")
    both = pl.concat(
        [workers.with_columns(pl.lit(kind).alias("insurance_kind")) for kind in ("养老保险", "失业保险")]
    )
    return both.select(
        "resident_id",
        "name",
        "insurance_kind",
        "employer_code",
        "employer_name",
        _days(rng, len(both), city.today, 100, 5000).alias("joined_on"),
        pl.Series(rng.integers(45, 250, len(both)) * 100).alias("contribution_base"),
        pl.Series(rng.choice(["正常参保", "暂停参保"], len(both), p=[0.93, 0.07])).alias("status"),
        _other_mobile(city, both, "insurance-mobile").alias("mobile"),
    )


def pension_payment(city: City) -> pl.DataFrame:
    """Three months' payments to those over 60; some of the dead are still paid, a few of the living twice."""
    age = pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25
    old = _on(city.people.filter(age > 60), city.rng("pension"), 0.8)
    rng = city.rng("pension-dead")
    old = old.filter(pl.col("death_date").is_null() | pl.Series(rng.random(len(old)) < 0.12))
    this_month = city.today.year * 12 + city.today.month - 1
    months = [f"{number // 12}-{number % 12 + 1:02d}" for number in range(this_month - 3, this_month)]
    paid = pl.concat([old.with_columns(pl.lit(month).alias("pay_month")) for month in months])
    twice = paid.filter(pl.Series(rng.random(len(paid)) < 0.002)).with_columns(pl.lit("B").alias("again"))
    paid = pl.concat([paid.with_columns(pl.lit("A").alias("again")), twice])
    return paid.select(
        pl.format(
            "YL{}{}{}",
            pl.col("pay_month").str.replace("-", ""),
            "again",
            pl.col("person").cast(pl.String).str.zfill(9),
        ).alias("payment_no"),
        "resident_id",
        "name",
        "pay_month",
        ((pl.col("person") * 31 % 2500) + 900).alias("amount"),
        _account(paid).alias("bank_account"),
        pl.col("county").alias("division_code"),
        pl.col("pay_month").alias("_part"),
    )


def school_enrolment(city: City) -> pl.DataFrame:
    """Children of 6 to 15, with a guardian."""
    pupils = _between(city, 6, 15)
    parents = city.people.select(
        mother="person", guardian_id="resident_id", guardian_name="name", guardian_mobile="mobile"
    )
    grades = ["一年级", "二年级", "三年级", "四年级", "五年级", "六年级", "七年级", "八年级", "九年级"]
    age = (pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25).floor().cast(pl.Int64) - 6
    town = places.towns().select("town", "town_name")
    joined = pupils.join(parents, on="mother", how="left", maintain_order="left").join(
        town, on="town", how="left", maintain_order="left"
    )
    return joined.select(
        pl.format("G{}", "resident_id").alias("student_no"),
        "resident_id",
        "name",
        _sex_word().alias("sex"),
        "birth_date",
        pl.format("{}中心学校", "town_name").alias("school_name"),
        pl.format("3{}", "town").alias("school_code"),
        age.clip(0, 8).replace_strict(range(9), grades, return_dtype=pl.String).alias("school_grade"),
        pl.lit(city.today.replace(month=9, day=1).replace(year=city.today.year - 1)).alias("enrolled_on"),
        "guardian_id",
        "guardian_name",
        "guardian_mobile",
        "address",
    )


def disability_certificate(city: City) -> pl.DataFrame:
    """One person in fifty."""
    holders = _on(_alive(city), city.rng("disability"), 0.02)
    rng = city.rng("disability-kind")
    issued = _days(rng, len(holders), city.today, 30, 3000)
    return holders.select(
        pl.format("{}{}", "resident_id", pl.Series(rng.integers(11, 75, len(holders))).cast(pl.String)).alias(
            "certificate_no"
        ),
        "resident_id",
        "name",
        pl.Series(rng.choice(["视力", "听力", "言语", "肢体", "智力", "精神", "多重"], len(holders))).alias(
            "disability_kind"
        ),
        pl.Series(rng.choice(["一级", "二级", "三级", "四级"], len(holders))).alias("disability_level"),
        issued.alias("issued_on"),
        issued.dt.offset_by("10y").alias("valid_to"),
        "mobile",
        "address",
    )


def subsidy_payment(city: City) -> pl.DataFrame:
    """Last month's subsidies: to the old, farmers, the disabled; some to the dead, some twice."""
    rng = city.rng("subsidy")
    age = pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25
    old = city.people.filter(age > 79).with_columns(
        pl.lit("高龄津贴").alias("subsidy_kind"), pl.lit("清远市民政局").alias("paying_department")
    )
    farmers = city.people.filter(
        (pl.col("role") == "户主") & pl.col("town").str.slice(6, 1).is_in(["1", "2"])
    )
    farmers = _on(farmers, rng, 0.3).with_columns(
        pl.lit("耕地地力保护补贴").alias("subsidy_kind"),
        pl.lit("清远市农业农村局").alias("paying_department"),
    )
    paid = pl.concat([old, farmers])
    paid = paid.filter(pl.col("death_date").is_null() | pl.Series(rng.random(len(paid)) < 0.15))
    twice = paid.filter(pl.Series(rng.random(len(paid)) < 0.004)).with_columns(pl.lit("B").alias("again"))
    paid = pl.concat([paid.with_columns(pl.lit("A").alias("again")), twice])
    last_month = city.today.replace(day=1) - timedelta(days=6)
    return paid.select(
        pl.format(
            "BT{}{}{}{}",
            pl.lit(f"{last_month:%Y%m}"),
            pl.col("subsidy_kind").str.slice(0, 1),
            "again",
            pl.col("person").cast(pl.String).str.zfill(9),
        ).alias("payment_no"),
        "resident_id",
        "name",
        "subsidy_kind",
        ((pl.col("person") * 17 % 400) + 50).alias("amount"),
        pl.lit(last_month).alias("paid_on"),
        "paying_department",
        pl.col("town").alias("division_code"),
        _account(paid).alias("bank_account"),
    )


def housing_fund(city: City) -> pl.DataFrame:
    """Half of the employed."""
    workers = _on(_employed(city), city.rng("fund"), 0.5)
    rng = city.rng("fund-amount")
    return workers.select(
        pl.format("GJJ{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("account_no"),
        "resident_id",
        "name",
        "employer_code",
        "employer_name",
        pl.Series(rng.integers(2, 40, len(workers)) * 100).alias("monthly_deposit"),
        pl.Series(rng.integers(10, 2000, len(workers)) * 100).alias("balance"),
        _days(rng, len(workers), city.today, 100, 4000).alias("opened_on"),
        pl.Series(rng.choice(["正常", "封存"], len(workers), p=[0.9, 0.1])).alias("status"),
        _other_mobile(city, workers, "fund-mobile").alias("mobile"),
    )


def medical_insurance(city: City) -> pl.DataFrame:
    """Almost everyone alive, and some who are not."""
    insured = _on(city.people, city.rng("medical"), 0.93)
    rng = city.rng("medical-kind")
    insured = insured.filter(pl.col("death_date").is_null() | pl.Series(rng.random(len(insured)) < 0.3))
    moved = pl.Series(rng.random(len(insured)) < 0.05)
    return insured.select(
        "resident_id",
        "name",
        pl.Series(rng.choice(["职工", "城乡居民"], len(insured), p=[0.3, 0.7])).alias("scheme"),
        pl.col("town").alias("division_code"),
        pl.when(moved)
        .then(pl.col("address").str.replace(r"\d+号", "1号"))
        .otherwise("address")
        .alias("address"),
        _other_mobile(city, insured, "medical-mobile").alias("mobile"),
        pl.lit("正常").alias("status"),
        _days(rng, len(insured), city.today, 100, 4000).alias("started_on"),
    )


def _represented(city: City, kind: str) -> pl.DataFrame:
    persons = city.people.select(
        representative="person", legal_representative="name", legal_representative_id="resident_id"
    )
    return city.organisations.filter(pl.col("kind") == kind).join(
        persons, on="representative", how="left", maintain_order="left"
    )


def business_registration(city: City) -> pl.DataFrame:
    """All enterprises, with capital written as registers write it."""
    firms = _represented(city, "企业")
    shapes = ("{}(万元人民币)", "{}万人民币", "{}(万美元)", "{}万港元", "{}")
    shape = city.rng("capital").choice(len(shapes), len(firms), p=[0.8, 0.12, 0.03, 0.03, 0.02])
    capital = [
        shapes[index].format(f"{amount:,}" if index == 0 else amount)
        for index, amount in zip(shape, firms["capital"], strict=True)
    ]
    return firms.select(
        "credit_code",
        pl.col("name").alias("org_name"),
        pl.lit("有限责任公司").alias("kind"),
        pl.Series(capital).alias("capital"),
        pl.col("established_on"),
        pl.format("{}销售、加工；依法须经批准的项目，经批准后方可开展经营活动", "trade").alias(
            "business_scope"
        ),
        pl.lit("广东").alias("province"),
        pl.lit("清远").alias("city"),
        "address",
        pl.col("county").alias("division_code"),
        "legal_representative",
        "legal_representative_id",
        pl.when(pl.col("cancelled_on").is_not_null())
        .then(pl.lit("注销"))
        .otherwise(pl.lit("存续"))
        .alias("status"),
        "cancelled_on",
    )


def tax_registration(city: City) -> pl.DataFrame:
    """Most enterprises; every tenth has moved without telling the registry."""
    firms = _on(_represented(city, "企业"), city.rng("tax"), 0.92)
    rng = city.rng("tax-facts")
    moved = pl.Series(rng.random(len(firms)) < 0.1)
    return firms.select(
        "credit_code",
        pl.col("name").alias("taxpayer_name"),
        pl.Series(rng.choice(["一般纳税人", "小规模纳税人"], len(firms), p=[0.3, 0.7])).alias(
            "taxpayer_kind"
        ),
        pl.when(pl.col("cancelled_on").is_not_null())
        .then(pl.lit("注销"))
        .otherwise(pl.Series(rng.choice(["正常", "非正常户"], len(firms), p=[0.96, 0.04])))
        .alias("tax_status"),
        pl.col("trade").alias("industry"),
        "legal_representative",
        "legal_representative_id",
        pl.when(moved).then(pl.format("{}二楼", "address")).otherwise("address").alias("address"),
        pl.format("0763-3{}", (pl.col("organisation") % 1_000_000).cast(pl.String).str.zfill(6)).alias(
            "phone"
        ),
        "employees",
        (pl.col("employees") * 1234).alias("annual_tax"),
        pl.col("established_on")
        .dt.offset_by("10d")
        .clip(upper_bound=pl.lit(city.today))
        .alias("registered_on"),
    )


def nonprofit_organisation(city: City) -> pl.DataFrame:
    """All social organisations."""
    return _represented(city, "社会组织").select(
        "credit_code",
        pl.col("name").alias("org_name"),
        pl.lit("社会团体").alias("kind"),
        "legal_representative",
        pl.format("{}万元", "capital").alias("capital"),
        "address",
        pl.lit("行业交流、培训、咨询").alias("business_scope"),
        pl.lit("清远市民政局").alias("supervisor"),
        pl.col("established_on").alias("registered_on"),
        pl.when(pl.col("cancelled_on").is_not_null())
        .then(pl.lit("注销"))
        .otherwise(pl.lit("正常"))
        .alias("status"),
    )


def public_institution(city: City) -> pl.DataFrame:
    """All public institutions."""
    return _represented(city, "事业单位").select(
        "credit_code",
        pl.col("name").alias("org_name"),
        pl.lit("事业单位").alias("kind"),
        "legal_representative",
        pl.lit("清远市人民政府").alias("organiser"),
        pl.format("{}万元", "capital").alias("capital"),
        "address",
        pl.lit("提供公共服务").alias("duties"),
        pl.col("established_on").alias("registered_on"),
        pl.lit("正常").alias("status"),
    )


def administrative_licence(city: City) -> pl.DataFrame:
    """Decisions of the last two years."""
    rng = city.rng("decisions")
    holders: pl.DataFrame = city.organisations[
        rng.integers(0, len(city.organisations), max(200, len(city.organisations) // 2)).tolist()
    ]
    decided = _days(rng, len(holders), city.today, 5, 700)
    return holders.with_row_index("n").select(
        pl.format("清许准字〔{}〕{}号", decided.dt.year(), pl.col("n").cast(pl.String).str.zfill(6)).alias(
            "decision_no"
        ),
        pl.format("{}经营许可", "trade").alias("licence_name"),
        pl.col("name").alias("holder_name"),
        pl.col("credit_code").alias("holder_code"),
        pl.lit("准予许可").alias("content"),
        decided.alias("decided_on"),
        decided.alias("valid_from"),
        decided.dt.offset_by("5y").alias("valid_to"),
        pl.lit("清远市行政审批窗口").alias("authority"),
    )


def administrative_penalty(city: City) -> pl.DataFrame:
    """Penalties of the last two years."""
    rng = city.rng("penalties")
    parties = _on(city.organisations, rng, 0.08)
    decided = _days(rng, len(parties), city.today, 5, 700)
    return parties.with_row_index("n").select(
        pl.format("清罚决字〔{}〕{}号", decided.dt.year(), pl.col("n").cast(pl.String).str.zfill(6)).alias(
            "decision_no"
        ),
        pl.col("name").alias("party_name"),
        pl.col("credit_code").alias("party_code"),
        pl.lit("未按规定公示年度报告").alias("violation"),
        pl.lit("《企业信息公示暂行条例》").alias("basis"),
        pl.Series(rng.choice(["警告", "罚款"], len(parties))).alias("penalty_kind"),
        pl.Series(rng.integers(1, 50, len(parties)) * 1000).alias("amount"),
        decided.alias("decided_on"),
        pl.lit("清远市市场监督管理局").alias("authority"),
    )


def credit_record(city: City) -> pl.DataFrame:
    """Never delivered in the demo (see :data:`MISSING`): the department is behind with it."""
    bodies = city.organisations.head(50)
    return bodies.select(
        pl.format("XY{}", "organisation").alias("record_no"),
        pl.col("name").alias("party_name"),
        pl.col("credit_code").alias("party_code"),
        pl.lit("守信激励").alias("record_kind"),
        pl.lit("纳税信用良好").alias("reason"),
        pl.lit(city.today).alias("listed_on"),
        pl.lit("清远市发展和改革局").alias("authority"),
    )


def real_estate_title(city: City) -> pl.DataFrame:
    """Homes owned by heads of household, on parcels of their town where there is one."""
    owners = _on(
        city.people.filter((pl.col("role") == "户主") & pl.col("death_date").is_null()),
        city.rng("title"),
        0.55,
    )
    rng = city.rng("title-facts")
    parcel = city.land.parcels["parcel_no"].gather(rng.integers(0, len(city.land.parcels), len(owners)))
    return owners.with_columns(parcel.alias("parcel_no")).select(
        pl.format("粤（2024）清远市不动产权第{}号", pl.col("person").cast(pl.String).str.zfill(7)).alias(
            "title_no"
        ),
        pl.format("{}F{}", "parcel_no", pl.col("person").cast(pl.String).str.zfill(8)).alias("unit_no"),
        pl.col("name").alias("owner_name"),
        pl.col("resident_id").alias("owner_code"),
        pl.lit("个人").alias("owner_kind"),
        pl.lit("1").alias("share"),
        pl.lit("住宅").alias("use"),
        pl.Series(rng.integers(45, 180, len(owners))).alias("area"),
        "address",
        pl.col("town").alias("division_code"),
        "parcel_no",
        _days(rng, len(owners), city.today, 30, 5000).alias("registered_on"),
        pl.lit("现势").alias("status"),
    )


def land_parcel(city: City) -> pl.DataFrame:
    """Rectangles, with the area as the cadastre declares it."""
    parcels = city.land.parcels
    metres = (
        parcels["width"]
        * 111_320
        * np.cos(np.radians(parcels["latitude"].to_numpy()))
        * parcels["height"]
        * 110_800
    )
    corners = zip(parcels["longitude"], parcels["latitude"], parcels["width"], parcels["height"], strict=True)
    rings = [[[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]] for x, y, w, h in corners]
    shapes = [json.dumps({"type": "Polygon", "coordinates": [ring]}) for ring in rings]
    return parcels.select(
        "parcel_no",
        "use",
        metres.round(1).alias("area"),
        pl.col("town").alias("division_code"),
        pl.lit(None, pl.String).alias("address"),
        pl.Series(shapes).alias("geometry"),
    )


def division(city: City) -> pl.DataFrame:
    """The real counties and towns, with invented villages."""
    return places.divisions()


def division_boundary(city: City) -> pl.DataFrame:
    """County polygons in GCJ-02."""
    rows = [
        (
            code,
            places.COUNTIES[code][0],
            json.dumps(
                {"type": "Polygon", "coordinates": [[list(point) for point in shape.exterior.coords]]}
            ),
        )
        for code, shape in places.county_shapes().items()
    ]
    return pl.DataFrame(rows, schema=["code", "name", "geometry"], orient="row")


def place_name(city: City) -> pl.DataFrame:
    """Villages, roads and doors, in CGCS2000."""
    return city.land.places.select(
        pl.format("DM{}", pl.col("number").cast(pl.String).str.zfill(8)).alias("place_no"),
        pl.format("{}路{}号", "road", pl.col("number") % 300 + 1).alias("name"),
        pl.lit("门牌").alias("kind"),
        pl.col("town").alias("division_code"),
        pl.format("广东省清远市{}路{}号", "road", pl.col("number") % 300 + 1).alias("address"),
        "longitude",
        "latitude",
    )


def point_of_interest(city: City) -> pl.DataFrame:
    """Points of a purchased web map, in GCJ-02."""
    points = city.land.pois
    longitude, latitude = places.to_gcj02(points["longitude"].to_numpy(), points["latitude"].to_numpy())
    return points.select(
        pl.format("B0{}", pl.col("number").cast(pl.String).str.zfill(8)).alias("poi_id"),
        pl.format("{}{}{}", "road", "kind", "number").alias("name"),
        "kind",
        pl.format("{}路", "road").alias("address"),
        pl.Series(longitude.round(6)).alias("longitude"),
        pl.Series(latitude.round(6)).alias("latitude"),
    )


def building(city: City) -> pl.DataFrame:
    """Buildings, in WGS 84."""
    return city.land.buildings.select(
        "building_no",
        pl.format("{}楼", "building_no").alias("name"),
        "parcel_no",
        "use",
        "floors",
        "built_year",
        pl.col("town").alias("division_code"),
        pl.lit(None, pl.String).alias("address"),
        "longitude",
        "latitude",
    )


def licence_type(city: City) -> pl.DataFrame:
    """The five licence types of the demo."""
    return licences.types()


def electronic_licence(city: City) -> pl.DataFrame:
    """Every version of every licence."""
    return city.licences.drop("chain", "holder_kind", "holder_row")


def _csv(encoding: str) -> Callable[[pl.DataFrame, Entry, Path], None]:
    def write(rows: pl.DataFrame, entry: Entry, path: Path) -> None:
        path.write_bytes(_titled(rows, entry).write_csv(quote_style="necessary").encode(encoding))

    return write


def _titled(rows: pl.DataFrame, entry: Entry) -> pl.DataFrame:
    return rows.rename({name: entry.columns[name].title for name in rows.columns})


def _xlsx(rows: pl.DataFrame, entry: Entry, path: Path) -> None:
    """A spreadsheet as officers make it: a title above the header, everything as text."""
    import xlsxwriter

    titled = _titled(rows, entry)
    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet(entry.title.zh[:31])
        sheet.write_string(0, 0, f"清远市{entry.title.zh}")
        for column, title in enumerate(titled.columns):
            sheet.write_string(1, column, title)
        for number, row in enumerate(titled.iter_rows(), start=2):
            for column, cell in enumerate(row):
                if cell is not None:
                    sheet.write_string(number, column, cell)


def _ndjson(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    rows.write_ndjson(path)


def _parquet(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    rows.write_parquet(path)


def _geojson(rows: pl.DataFrame, _: Entry, path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {k: v for k, v in row.items() if k != "geometry"},
            "geometry": json.loads(row["geometry"]),
        }
        for row in rows.iter_rows(named=True)
    ]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), encoding="utf-8"
    )


EXPORTS: Mapping[str, Export] = {
    function.__name__: function
    for function in (
        division, division_boundary, household_register, identity_card, residence_permit, marriage, birth_certificate,
        death_certificate, cremation, low_income_household, social_insurance, pension_payment, school_enrolment,
        disability_certificate, subsidy_payment, housing_fund, medical_insurance, business_registration, tax_registration,
        nonprofit_organisation, public_institution, administrative_licence, administrative_penalty, credit_record,
        land_parcel, building, place_name, point_of_interest, real_estate_title, licence_type, electronic_licence,
    )
}  # fmt: skip
_TABLES = (
    "household_register",
    "identity_card",
    "residence_permit",
    "social_insurance",
    "housing_fund",
    "medical_insurance",
    "tax_registration",
    "real_estate_title",
)
_APIS = (
    "marriage",
    "birth_certificate",
    "death_certificate",
    "subsidy_payment",
    "administrative_licence",
    "administrative_penalty",
    "electronic_licence",
)
WAYS: Mapping[str, Way] = {
    code: Way.TABLE if code in _TABLES else Way.API if code in _APIS else Way.FILE for code in EXPORTS
}
WRITERS: Mapping[str, Callable[[pl.DataFrame, Entry, Path], None]] = {
    ".csv": _csv("utf-8-sig"),
    "（GB18030）.csv": _csv("gb18030"),
    ".xlsx": _xlsx,
    ".ndjson": _ndjson,
    ".parquet": _parquet,
    ".geojson": _geojson,
}
_NAMED = {
    "low_income_household": "（GB18030）.csv",
    "business_registration": "（GB18030）.csv",
    "school_enrolment": ".xlsx",
    "licence_type": ".xlsx",
    "nonprofit_organisation": ".xlsx",
    "public_institution": ".xlsx",
    "land_parcel": ".geojson",
    "division_boundary": ".geojson",
    "place_name": ".parquet",
    "building": ".ndjson",
}
FORMATS: Mapping[str, str] = {
    code: ".ndjson" if WAYS[code] is Way.API else _NAMED.get(code, ".csv") for code in EXPORTS
}
