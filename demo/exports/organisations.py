"""What departments say of organisations: registrations, licences, penalties, credit.

Here belongs one function for each resource about organisations and licences, and how each is sent.
"""

from __future__ import annotations

import polars as pl

from demo import licences
from demo.city import City
from demo.exports.drawing import days_ago, on_some
from demo.exports.sending import by_api, by_table, in_file
from demo.successions import ABSORBED, SPLIT_OFF

#: Words that no enterprise's name has today.
_FORMER_WORDS = ("宏图", "永盛", "顺景", "联丰")
_IS_BRANCH = pl.col("body").is_not_null()


def _represented(city: City, kind: str) -> pl.DataFrame:
    persons = city.people.select(
        representative="person", legal_representative="name", legal_representative_id="resident_id"
    )
    return city.organisations.filter(pl.col("kind") == kind).join(
        persons, on="representative", how="left", maintain_order="left"
    )


def business_registration(city: City) -> pl.DataFrame:
    """All enterprises, with capital written as registers write it. Of some that were absorbed the cancellation is still missing."""
    firms = _cancelled(city, _represented(city, "企业"))
    shapes = ("{}(万元人民币)", "{}万人民币", "{}(万美元)", "{}万港元", "{}")
    shape = city.rng("capital").choice(len(shapes), len(firms), p=[0.8, 0.12, 0.03, 0.03, 0.02])
    capital = [
        shapes[index].format(f"{amount:,}" if index == 0 else amount)
        for index, amount in zip(shape, firms["capital"], strict=True)
    ]
    return firms.select(
        "credit_code",
        pl.col("name").alias("org_name"),
        pl.when(_IS_BRANCH)
        .then(pl.lit("有限责任公司分公司"))
        .otherwise(pl.lit("有限责任公司"))
        .alias("kind"),
        # a branch has no capital of its own
        pl.when(~_IS_BRANCH).then(pl.Series(capital)).alias("capital"),
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
        "cancelled_for",
    )


def _cancelled(city: City, firms: pl.DataFrame) -> pl.DataFrame:
    """The enterprises with why they were cancelled; every tenth that was absorbed is not cancelled yet."""
    went = city.successions.filter(pl.col("kind") != SPLIT_OFF)
    why = went.select(organisation="predecessor", how="kind").unique("organisation")
    rng = city.rng("cancellations")
    forgotten = (pl.col("how") == ABSORBED) & pl.Series(rng.random(len(firms)) < 0.1)
    other = pl.Series(rng.choice(["决议解散", "营业期限届满", "其他"], len(firms), p=[0.85, 0.1, 0.05]))
    known = firms.join(why, on="organisation", how="left", maintain_order="left").with_columns(
        pl.when(~forgotten.fill_null(value=False)).then("cancelled_on").alias("cancelled_on")
    )
    reason = pl.when(pl.col("how").is_not_null()).then(pl.lit("合并或者分立")).otherwise(other)
    return known.with_columns(
        pl.when(pl.col("cancelled_on").is_not_null()).then(reason).alias("cancelled_for")
    )


def merger_division(city: City) -> pl.DataFrame:
    """Who took over from whom, registered after the 45 days that it has to be announced."""
    bodies = city.organisations.select("organisation", "credit_code", "name")
    days = pl.Series(city.rng("mergers").integers(46, 90, len(city.successions)))
    rows = city.successions
    for end in ("predecessor", "successor"):
        named = bodies.rename({"organisation": end, "credit_code": f"{end}_code", "name": f"{end}_name"})
        rows = rows.join(named, on=end, how="left", maintain_order="left")
    return rows.select(
        "predecessor_code",
        "predecessor_name",
        "successor_code",
        "successor_name",
        "kind",
        "registered_on",
        (pl.col("registered_on") - pl.duration(days=pl.lit(days))).alias("announced_on"),
    )


def registration_change(city: City) -> pl.DataFrame:
    """A few enterprises had another name, address, representative, capital or scope before."""
    firms = _represented(city, "企业").filter(~_IS_BRANCH)
    rng = city.rng("changes")
    former = pl.Series(rng.choice(_FORMER_WORDS, len(firms)))
    others = city.people["name"][rng.integers(0, len(city.people), len(firms)).tolist()]
    capital = pl.format("{}万元人民币", "capital")
    was: dict[str, tuple[float, pl.Expr, pl.Expr]] = {
        "名称": (0.03, pl.lit("清远市") + former + pl.col("name").str.slice(5), pl.col("name")),
        "住所": (0.05, pl.col("address").str.replace(r"(\d+)号", "9${1}号"), pl.col("address")),
        "法定代表人": (0.04, pl.lit(others), pl.col("legal_representative")),
        "注册资本": (0.02, pl.format("{}万元人民币", pl.col("capital") * 2), capital),
        "经营范围": (0.02, pl.format("{}销售", "trade"), pl.format("{}销售、加工", "trade")),
    }
    lasted = pl.col("cancelled_on").fill_null(city.today) - pl.col("established_on")
    rows = [
        firms.select(
            "credit_code",
            pl.col("name").alias("org_name"),
            pl.lit(item).alias("item"),
            before.alias("before"),
            after.alias("after"),
            (pl.col("established_on") + lasted * pl.Series(rng.random(len(firms))))
            .cast(pl.Date)
            .alias("changed_on"),
        ).filter(pl.Series(rng.random(len(firms)) < share))
        for item, (share, before, after) in was.items()
    ]
    return pl.concat(rows)


def shareholder(city: City) -> pl.DataFrame:
    """The representative of each enterprise holds the most; of every fifth another enterprise holds a share, too."""
    firms = _represented(city, "企业").filter(~_IS_BRANCH)
    rng = city.rng("shareholders")
    chosen = on_some(firms, rng, 0.2)
    other: pl.DataFrame = firms[rng.integers(0, len(firms), len(chosen)).tolist()]
    owners = firms.with_columns(holder_name="legal_representative", holder_code="legal_representative_id")
    bodies = chosen.with_columns(holder_name=other["name"], holder_code=other["credit_code"])
    held = _held(bodies, "2", "法人股东", 0.2).filter(pl.col("credit_code") != pl.col("holder_code"))
    return pl.concat([_held(owners, "1", "自然人股东", 0.8), held])


def _held(firms: pl.DataFrame, number: str, kind: str, share: float) -> pl.DataFrame:
    """The share that each firm's ``holder_name`` has of it."""
    return firms.select(
        "credit_code",
        pl.lit(number).alias("holder_no"),
        pl.col("name").alias("org_name"),
        "holder_name",
        pl.lit(kind).alias("holder_kind"),
        "holder_code",
        (pl.col("capital") * share).alias("subscribed"),
        pl.col("established_on").alias("subscribed_on"),
        pl.col("cancelled_on").alias("left_on"),
    )


def tax_registration(city: City) -> pl.DataFrame:
    """Most enterprises; every tenth has moved without telling the registry."""
    firms = on_some(_represented(city, "企业"), city.rng("tax"), 0.92)
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
    decided = days_ago(rng, len(holders), city.today, 5, 700)
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
    parties = on_some(city.organisations, rng, 0.08)
    decided = days_ago(rng, len(parties), city.today, 5, 700)
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


def produce_inspection(city: City) -> pl.DataFrame:
    """Samples of one county's produce: its department answers for that county only."""
    rng = city.rng("produce")
    firms = city.organisations.filter(pl.col("county") == "441881")
    sampled = on_some(pl.concat([firms] * 3), rng, 0.5)
    return sampled.with_row_index("n").select(
        pl.format("YDNC{}", pl.col("n").cast(pl.String).str.zfill(6)).alias("sample_no"),
        pl.col("name").alias("producer_name"),
        pl.col("credit_code").alias("producer_code"),
        pl.Series(rng.choice(["茶叶", "蔬菜", "水果", "稻米"], len(sampled))).alias("product"),
        pl.col("county").alias("division_code"),
        days_ago(rng, len(sampled), city.today, 3, 120).alias("sampled_on"),
        pl.Series(rng.choice(["合格", "不合格"], len(sampled), p=[0.96, 0.04])).alias("result"),
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


def licence_type(city: City) -> pl.DataFrame:
    """The five licence types of the demo."""
    return licences.types()


def electronic_licence(city: City) -> pl.DataFrame:
    """Every version of every licence."""
    return city.licences.drop("chain", "holder_kind", "holder_row")


SENT = (
    in_file(business_registration, "（GB18030）.csv"),
    in_file(merger_division, ".xlsx"),
    by_api(registration_change),
    in_file(shareholder, ".csv"),
    by_table(tax_registration),
    in_file(nonprofit_organisation, ".xlsx"),
    in_file(public_institution, ".xlsx"),
    by_api(administrative_licence),
    by_api(administrative_penalty),
    in_file(produce_inspection, ".csv"),
    in_file(credit_record, ".csv"),
    in_file(licence_type, ".xlsx"),
    by_api(electronic_licence),
)
