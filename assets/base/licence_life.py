"""The life of an e-licence: what state it is in on a day, what happened to it when, and what cannot be so.

Here belong the reckoning over rows of ``base.licence`` (one for each version), as lazy frames. Whose a licence is, is
``licence``'s business; what a well-formed identifier is, its element's.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import polars as pl

from catalog.model import Title

#: What the register calls a licence that is in force; every other word ends or halts it.
IN_FORCE = "有效"
#: Of these the register does not know an end.
HALTED = ("暂停", "撤销", "吊销", "注销")
_OLD = "失效"


class State(StrEnum):
    """What a licence version is on a day."""

    NOT_YET = "未生效"
    VALID = "有效"
    SUSPENDED = "暂停"
    REVOKED = "撤销"
    WITHDRAWN = "吊销"
    CANCELLED = "注销"
    EXPIRED = "过期"
    SUPERSEDED = "已换发"


#: Events by what the register says, in both languages.
EVENTS = {
    "issued": Title(zh="核发", en="issued"),
    "renewed": Title(zh="换发", en="renewed"),
    "暂停": Title(zh="暂停", en="suspended"),
    "撤销": Title(zh="撤销", en="revoked"),
    "吊销": Title(zh="吊销", en="withdrawn as a penalty"),
    "注销": Title(zh="注销", en="cancelled"),
    "expired": Title(zh="到期", en="expired"),
}

FINDINGS = {
    "holder_dead": Title(
        zh="持证人已死亡，证照仍为有效状态", en="the holder has died, and the licence is valid"
    ),
    "holder_cancelled": Title(
        zh="持证主体已注销或吊销，证照仍为有效状态", en="the holder is cancelled, and the licence is valid"
    ),
    "versions_overlap": Title(
        zh="下一版本启用时本版本仍为有效状态", en="still valid when the next version begins"
    ),
    "versions_gap": Title(
        zh="版本之间有间断：上一版本到期后才换发", en="the next version begins after this one ran out"
    ),
    "version_missing": Title(zh="版本链不连续：缺少上一版本", en="the version before this one is missing"),
    "unknown_issuer": Title(
        zh="颁发机构不在机构登记、证照类型目录和数源部门中",
        en="no register, licence type or department is the issuer",
    ),
    "unknown_type": Title(
        zh="证照类型不在证照类型目录中", en="the catalogue of types does not know the type"
    ),
    "valid_beyond_end": Title(zh="已过有效期，状态仍为有效", en="past its last day, and still called valid"),
}
#: What a finding is held against: the field of a base database that says otherwise.
AGAINST = {
    "holder_dead": ("person", "death_date"),
    "holder_cancelled": ("legal_entity", "cancelled_on"),
    "unknown_issuer": ("legal_entity", "name"),
}


def with_spans(licences: pl.LazyFrame) -> pl.LazyFrame:
    """Licences with the days between which each version was in force: ``in_force_from`` and ``in_force_to`` (its last day,
    null while none is known). A version ends with its validity, the day before the next one begins, or by its state."""
    begins = pl.max_horizontal(pl.coalesce("valid_from", "issued_on"), "issued_on")
    ordered = licences.sort("chain_id", "version").with_columns(begins.alias("in_force_from"))
    following = pl.col("in_force_from").shift(-1).over("chain_id", order_by="version")
    halted = pl.when(pl.col("state").is_in(HALTED)).then(pl.col("state_since"))
    ends = pl.min_horizontal("valid_to", following.dt.offset_by("-1d"), halted.dt.offset_by("-1d"))
    return ordered.with_columns(ends.alias("in_force_to"))


def state_on(day: date) -> pl.Expr:
    """What a version of :func:`with_spans` was on a day. A halt without a day is taken to have been always so: nobody is to
    rely on a licence whose end is not told."""
    on = pl.lit(day)
    last = pl.col("version") == pl.col("version").max().over("chain_id")
    halted = pl.col("state").is_in(HALTED) & (pl.col("state_since").is_null() | (pl.col("state_since") <= on))
    return (
        pl.when(pl.col("in_force_from") > on)
        .then(pl.lit(State.NOT_YET))
        .when(halted)
        .then("state")
        .when(pl.col("valid_to") < on)
        .then(pl.lit(State.EXPIRED))
        .when(
            (pl.col("in_force_to") < on)
            | ((pl.col("state") == _OLD) & ~last & pl.col("in_force_to").is_null())
        )
        .then(pl.lit(State.SUPERSEDED))
        .when((pl.col("state") == _OLD) & last)
        .then(pl.lit(State.EXPIRED))
        .otherwise(pl.lit(State.VALID))
    )


def licences_on(licences: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The version of each chain that speaks on a day, with its ``state_on``: the newest that had begun."""
    begun = (
        with_spans(licences)
        .with_columns(state_on(day).alias("state_on"))
        .filter(pl.col("in_force_from") <= day)
    )
    return begun.filter(pl.col("version") == pl.col("version").max().over("chain_id"))


def events(licences: pl.LazyFrame, today: date) -> pl.LazyFrame:
    """One row for each thing that happened: issue, renewal, suspension, revocation, cancellation, running out."""
    spans = with_spans(licences)
    first = pl.col("version") == pl.col("version").min().over("chain_id")
    begun = spans.with_columns(
        pl.when(first).then(pl.lit("issued")).otherwise(pl.lit("renewed")).alias("event"),
        pl.col("issued_on").alias("on"),
    )
    halted = spans.filter(pl.col("state").is_in(HALTED)).with_columns(
        pl.col("state").alias("event"), pl.col("state_since").alias("on")
    )
    renewed = pl.col("in_force_from").shift(-1).over("chain_id", order_by="version")
    out = pl.col("valid_to").dt.offset_by("1d")
    over = spans.filter(
        pl.col("valid_to") < today, renewed.is_null() | (renewed > out), ~pl.col("state").is_in(HALTED)
    ).with_columns(pl.lit("expired").alias("event"), out.alias("on"))
    codes = {code: title.en for code, title in EVENTS.items()}
    chinese = {code: title.zh for code, title in EVENTS.items()}
    return pl.concat([begun, halted, over]).select(
        "licence_id",
        "chain_id",
        "version",
        pl.col("event").replace_strict(chinese, return_dtype=pl.String).alias("event"),
        pl.col("event").replace_strict(codes, return_dtype=pl.String).alias("event_en"),
        pl.col("on").alias("happened_on"),
        "person_id",
        "legal_entity_id",
        "issuer_code",
        "source",
        "source_push",
        "source_row",
    )


def findings(
    licences: pl.LazyFrame,
    persons: pl.LazyFrame,
    entities: pl.LazyFrame,
    types: pl.LazyFrame,
    issuers: pl.LazyFrame,
    today: date,
) -> pl.LazyFrame:
    """What cannot be so, one row for each licence and kind of fault; of an issuer or type that nobody knows one row, with the
    first licence of it. ``licences`` says how many it concerns.

    ``persons`` have ``person_id`` and ``death_date``; ``entities`` ``legal_entity_id``, ``status`` and ``cancelled_on``;
    ``types`` ``type_code``; ``issuers`` the ``issuer_code`` of all who are known."""
    spans = with_spans(licences).with_columns(state_on(today).alias("state_on"))
    valid = (pl.col("state") == IN_FORCE) & (pl.col("state_on") == State.VALID)
    begins, version = pl.col("in_force_from"), pl.col("version")
    next_begins = begins.shift(-1).over("chain_id", order_by="version")
    before = version.shift(1).over("chain_id", order_by="version")
    missing = (before.is_null() & (version > 1)) | (before.is_not_null() & (version - before != 1))
    dead = spans.join(persons.filter(pl.col("death_date") <= today), on="person_id", how="semi")
    closed = entities.filter(pl.col("cancelled_on").is_not_null() | pl.col("status").is_in(["注销", "吊销"]))
    found = {
        "holder_dead": dead.filter(valid),
        "holder_cancelled": spans.filter(valid).join(closed, on="legal_entity_id", how="semi"),
        "versions_overlap": spans.filter((pl.col("state") == IN_FORCE) & next_begins.is_not_null()),
        "versions_gap": spans.filter(next_begins > pl.col("valid_to").dt.offset_by("1d")),
        "version_missing": spans.filter(missing),
        "unknown_issuer": _first_of(
            spans.join(issuers.drop_nulls(), on="issuer_code", how="anti"), "issuer_code"
        ),
        "unknown_type": _first_of(spans.join(types, on="type_code", how="anti"), "type_code"),
        "valid_beyond_end": spans.filter((pl.col("state") == IN_FORCE) & (pl.col("valid_to") < today)),
    }
    return pl.concat(
        rows.select(
            "licence_id",
            "chain_id",
            pl.lit(code).alias("finding"),
            pl.lit(FINDINGS[code].zh).alias("reason_zh"),
            pl.lit(FINDINGS[code].en).alias("reason_en"),
            "type_code",
            "issuer_code",
            _count(rows).alias("licences"),
            "source",
            "source_push",
            "source_row",
        )
        for code, rows in found.items()
    )


def _first_of(rows: pl.LazyFrame, by: str) -> pl.LazyFrame:
    """The first licence of each issuer or type, with how many there are."""
    counted = rows.with_columns(pl.len().over(by).cast(pl.Int64).alias("_licences"))
    return counted.sort("licence_id").unique(by, keep="first", maintain_order=True)


def _count(rows: pl.LazyFrame) -> pl.Expr:
    return pl.col("_licences") if "_licences" in rows.collect_schema() else pl.lit(1, pl.Int64)
