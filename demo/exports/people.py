"""What departments say of people: registers, certificates, insurance, payments.

Here belongs one function for each resource about people, and how each is sent.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from catalog.elements.check_digits import resident_check
from demo import places
from demo.city import City
from demo.exports.drawing import account, alive, between, days_ago, on_some, other_mobile, sex_word
from demo.exports.sending import by_api, by_table, in_file
from demo.moves import IN, OUT

#: From when on the register holds moves: older ones show in the day of registration alone.
FIRST_MOVE = date(2005, 1, 1)
#: Given names of people from abroad.
_LATIN = ("ANNE", "JOHN", "MARIE", "PETER", "LAURA", "DAVID")


def household_register(city: City) -> pl.DataFrame:
    """Everybody, also who has moved away; of the dead a tenth is still listed as alive: nobody told the police."""
    told = pl.Series(city.rng("told").random(len(city.people)) < 0.9)
    relation = (
        pl.when(pl.col("role") == "子女")
        .then(pl.when(pl.col("sex") == "1").then(pl.lit("子")).otherwise(pl.lit("女")))
        .when(pl.col("role") == "长辈")
        .then(pl.when(pl.col("sex") == "1").then(pl.lit("父亲")).otherwise(pl.lit("母亲")))
        .otherwise("role")
    )
    last = city.moves.unique("person", keep="last", maintain_order=True)
    everybody = city.people.join(
        last.select("person", "moved_on", last="kind"), on="person", how="left", maintain_order="left"
    )
    begun = pl.when(pl.col("last") == IN).then("moved_on").otherwise(pl.lit(date(1985, 1, 1)))
    return everybody.select(
        "resident_id",
        "name",
        sex_word().alias("sex"),
        "ethnicity",
        "birth_date",
        "household_no",
        relation.alias("relation_to_head"),
        pl.col("town").alias("division_code"),
        "address",
        pl.when(pl.col("death_date").is_not_null() & told)
        .then(pl.lit("注销"))
        .when(pl.col("last") == OUT)
        .then(pl.lit("迁出"))
        .otherwise(pl.lit("正常"))
        .alias("status"),
        pl.max_horizontal("birth_date", begun).alias("registered_on"),
        pl.when(pl.col("death_date").is_not_null() & told)
        .then(pl.col("death_date").dt.offset_by("20d"))
        .when(pl.col("last") == OUT)
        .then("moved_on")
        .alias("left_on"),
        pl.lit(f"{city.today} 03:00:00").alias("updated_at"),
    )


def household_move(city: City) -> pl.DataFrame:
    """Moves in and out since there is a computer that counts them."""
    nth = pl.int_range(pl.len()).over("person")
    moves = city.moves.with_columns(nth.alias("nth")).filter(pl.col("moved_on") >= FIRST_MOVE)
    return moves.join(city.people, on="person", maintain_order="left").select(
        pl.format("QY4418{}{}", pl.col("person").cast(pl.String).str.zfill(9), "nth").alias("move_no"),
        "resident_id",
        "name",
        "birth_date",
        "kind",
        "moved_on",
        "from_division",
        "to_division",
    )


def identity_card(city: City) -> pl.DataFrame:
    """Cards of those over 16; a fifth has had an earlier one."""
    holders = between(city, 16, 200)
    issued = days_ago(city.rng("card"), len(holders), city.today, 10, 3000)
    county = pl.col("county").replace_strict(
        list(places.COUNTIES), [name for name, _, _ in places.COUNTIES.values()], return_dtype=pl.String
    )
    return holders.select(
        "resident_id",
        "name",
        sex_word().alias("sex"),
        "ethnicity",
        "birth_date",
        "address",
        pl.format("清远市公安局{}分局", county).alias("issuer"),
        issued.alias("valid_from"),
        issued.dt.offset_by("10y").alias("valid_to"),
    )


def residence_permit(city: City) -> pl.DataFrame:
    """People from elsewhere who live here."""
    guests = on_some(between(city, 18, 65), city.rng("permit"), 0.06)
    issued = days_ago(city.rng("permit-day"), len(guests), city.today, 10, 360)
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


def overseas_resident(city: City) -> pl.DataFrame:
    """People from abroad and from Hong Kong, each lodging twice: the second time a third shows the card that he has been given
    meanwhile, and some of those with a permit a new passport."""
    rng = city.rng("overseas")
    count = max(20, len(city.people) // 400)
    here: pl.DataFrame = alive(city)[rng.integers(0, len(alive(city)), count).tolist()].with_row_index("n")
    abroad = pl.Series(rng.random(count) < 0.5)
    born = pl.Series(np.datetime64("1950-01-01") + rng.integers(0, 18_000, count) * np.timedelta64(1, "D"))
    number = pl.col("n").cast(pl.String)
    body = pl.format(
        "810000{}{}", born.dt.strftime("%Y%m%d"), (pl.col("n") % 1000).cast(pl.String).str.zfill(3)
    )
    guests = here.select(
        "n",
        pl.when(abroad)
        .then(pl.format("{} SMITH", pl.Series(rng.choice(_LATIN, count))))
        .otherwise("name")
        .alias("name"),
        sex_word().alias("sex"),
        born.alias("birth_date"),
        pl.when(abroad).then(pl.lit("加拿大")).otherwise(pl.lit("中国香港")).alias("nationality"),
        pl.format("E{}", number.str.zfill(8)).alias("passport_no"),
        pl.when(~abroad).then(pl.format("H{}", number.str.zfill(8))).alias("travel_permit_no"),
        pl.when(pl.Series(rng.random(count) < 0.33))
        .then(body + body.map_batches(resident_check))
        .alias("resident_id"),
        pl.col("town").alias("division_code"),
        "address",
        pl.Series(rng.random(count) < 0.2).alias("renewed"),
    )
    first = guests.with_columns(pl.lit(None, pl.String).alias("resident_id"), pl.lit(1).alias("time"))
    again = (
        pl.when(~pl.col("renewed") | pl.col("travel_permit_no").is_null())
        .then("passport_no")
        .otherwise(pl.format("K{}", number.str.zfill(8)))
    )
    both = pl.concat([first, guests.with_columns(again.alias("passport_no"), pl.lit(2).alias("time"))])
    on = pl.lit(city.today) - pl.duration(days=800 - 300 * pl.col("time") + pl.col("n") % 100)
    return both.select(
        pl.format("ZS4418{}{}", number.str.zfill(8), "time").alias("lodging_no"),
        "name", "sex", "birth_date", "nationality", "passport_no", "travel_permit_no", "resident_id", "division_code", "address",
        on.alias("registered_on"),
        on.dt.offset_by("6mo").alias("leaves_on"),
    )  # fmt: skip


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
        sex_word().alias("sex"),
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
    dead = on_some(city.people.filter(pl.col("death_date").is_not_null()), city.rng("death"), 0.95)
    causes = ("心血管疾病", "恶性肿瘤", "呼吸系统疾病", "意外伤害", "其他疾病")
    return dead.select(
        pl.format("D4418{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("certificate_no"),
        "resident_id",
        "name",
        sex_word().alias("sex"),
        "death_date",
        pl.lit("医疗卫生机构").alias("death_place"),
        pl.Series(city.rng("cause").choice(causes, len(dead))).alias("cause"),
        pl.col("death_date").dt.offset_by("1d").alias("issued_on"),
    )


def cremation(city: City) -> pl.DataFrame:
    """Most of the dead, a few days later."""
    dead = on_some(city.people.filter(pl.col("death_date").is_not_null()), city.rng("cremation"), 0.8)
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
        days_ago(rng, len(poor), city.today, 90, 1500).alias("approved_on"),
        pl.col("town").alias("division_code"),
        "address",
        "mobile",
        account(poor).alias("bank_account"),
    )


def _employed(city: City) -> pl.DataFrame:
    """Working people with their employer."""
    workers = on_some(between(city, 20, 60), city.rng("work"), 0.6)
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
        days_ago(rng, len(both), city.today, 100, 5000).alias("joined_on"),
        pl.Series(rng.integers(45, 250, len(both)) * 100).alias("contribution_base"),
        pl.Series(rng.choice(["正常参保", "暂停参保"], len(both), p=[0.93, 0.07])).alias("status"),
        other_mobile(city, both, "insurance-mobile").alias("mobile"),
    )


def pension_payment(city: City) -> pl.DataFrame:
    """Three months' payments to those over 60; some of the dead are still paid, a few of the living twice."""
    age = pl.lit(city.today).sub("birth_date").dt.total_days() / 365.25
    old = on_some(city.people.filter(age > 60), city.rng("pension"), 0.8)
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
        account(paid).alias("bank_account"),
        pl.col("county").alias("division_code"),
        pl.col("pay_month").alias("_part"),
    )


def school_enrolment(city: City) -> pl.DataFrame:
    """Children of 6 to 15, with a guardian."""
    pupils = between(city, 6, 15)
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
        sex_word().alias("sex"),
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
    holders = on_some(alive(city), city.rng("disability"), 0.02)
    rng = city.rng("disability-kind")
    issued = days_ago(rng, len(holders), city.today, 30, 3000)
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
    farmers = on_some(farmers, rng, 0.3).with_columns(
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
        account(paid).alias("bank_account"),
    )


def housing_fund(city: City) -> pl.DataFrame:
    """Half of the employed."""
    workers = on_some(_employed(city), city.rng("fund"), 0.5)
    rng = city.rng("fund-amount")
    return workers.select(
        pl.format("GJJ{}", pl.col("person").cast(pl.String).str.zfill(9)).alias("account_no"),
        "resident_id",
        "name",
        "employer_code",
        "employer_name",
        pl.Series(rng.integers(2, 40, len(workers)) * 100).alias("monthly_deposit"),
        pl.Series(rng.integers(10, 2000, len(workers)) * 100).alias("balance"),
        days_ago(rng, len(workers), city.today, 100, 4000).alias("opened_on"),
        pl.Series(rng.choice(["正常", "封存"], len(workers), p=[0.9, 0.1])).alias("status"),
        other_mobile(city, workers, "fund-mobile").alias("mobile"),
    )


def medical_insurance(city: City) -> pl.DataFrame:
    """Almost everyone alive, and some who are not."""
    insured = on_some(city.people, city.rng("medical"), 0.93)
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
        other_mobile(city, insured, "medical-mobile").alias("mobile"),
        pl.lit("正常").alias("status"),
        days_ago(rng, len(insured), city.today, 100, 4000).alias("started_on"),
    )


SENT = (
    by_table(household_register),
    by_table(household_move),
    by_table(identity_card),
    by_table(residence_permit),
    by_table(overseas_resident),
    by_api(marriage),
    by_api(birth_certificate),
    by_api(death_certificate),
    in_file(cremation, ".csv"),
    in_file(low_income_household, "（GB18030）.csv"),
    by_table(social_insurance),
    in_file(pension_payment, ".csv"),
    in_file(school_enrolment, ".xlsx"),
    in_file(disability_certificate, ".csv"),
    by_api(subsidy_payment),
    by_table(housing_fund),
    by_table(medical_insurance),
)
