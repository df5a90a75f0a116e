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
#: What the register calls a version whose time is over, for whatever reason.
OLD = "失效"
#: The order of chains. Versions with one number are told apart by their identifiers, so that it is always the same.
IN_ORDER = ("chain_id", "version", "licence_id")
#: A chain's place and a day (of 32 bits, from the least one) in one integer.
_CHAIN, _DAY_ZERO = 1 << 32, 1 << 31
#: How the credit code of an individual's business (个体工商户) begins.
_INDIVIDUALS = "92"


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
    "effective": Title(zh="生效", en="takes effect"),
    "resumed": Title(zh="恢复", en="resumed"),
    "暂停": Title(zh="暂停", en="suspended"),
    "撤销": Title(zh="撤销", en="revoked"),
    "吊销": Title(zh="吊销", en="withdrawn as a penalty"),
    "注销": Title(zh="注销", en="cancelled"),
    OLD: Title(zh="失效", en="no longer valid"),
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
    "versions_disordered": Title(
        zh="本版本启用早于上一版本", en="this version begins before the one that it follows"
    ),
    "version_missing": Title(zh="版本链不连续：缺少上一版本", en="the version before this one is missing"),
    "version_differs": Title(
        zh="所报版本与证照标识中的版本号不一致", en="another version than the identifier has"
    ),
    "holder_changed": Title(
        zh="持证主体与本证照上一版本的不是同一主体，也不是其承继者",
        en="another holder than the version before has, and no successor of that one",
    ),
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


def with_spans(licences: pl.LazyFrame, today: date) -> pl.LazyFrame:
    """Licences, in the order of their chains, with the days between which each version was in force: ``in_force_from`` and ``in_force_to`` (its last day,
    null while none is known; before the first for one that never was).

    A version ends with its validity, the day before a later one begins, or by its state. A halt without a day is taken
    to have been always so: nobody is to rely on a licence whose end is not told. A last version that is called 失效
    without a day ended with its validity where that is over ``today``, else on a day that is not told, either."""
    begins = pl.max_horizontal(pl.coalesce("valid_from", "issued_on"), "issued_on")
    began = licences.sort(IN_ORDER).with_columns(begins.alias("in_force_from"))
    later = _later_begins()
    untold = _untold(later, today)
    told = pl.when(pl.col("state").is_in([*HALTED, OLD])).then(pl.col("state_since").dt.offset_by("-1d"))
    ends = pl.min_horizontal("valid_to", later.dt.offset_by("-1d"), told)
    never = pl.col("in_force_from").dt.offset_by("-1d")
    return began.with_columns(pl.when(untold).then(never).otherwise(ends).alias("in_force_to"))


def _later_begins() -> pl.Expr:
    """The day on which the first of the later versions begins; one that was halted before it began never took over."""
    never_began = pl.col("state").is_in(HALTED) & (pl.col("state_since") < pl.col("in_force_from"))
    begins = pl.when(~never_began.fill_null(value=False)).then("in_force_from")
    # of the versions behind each, from the last one backwards, nulls bridged. With the chain's place in the upper bits, a
    # day of a later chain is never smaller: the reckoning begins anew at each chain without any group being made
    chain = pl.col("chain_id").rle_id().cast(pl.Int64)
    day = begins.to_physical().cast(pl.Int64) + _DAY_ZERO
    behind = (chain * _CHAIN + day).cum_min(reverse=True).backward_fill().shift(-1)
    later = (behind % _CHAIN - _DAY_ZERO).cast(pl.Int32).cast(pl.Date)
    return pl.when(behind // _CHAIN == chain).then(later)


def _beside(column: str, places: int) -> pl.Expr:
    """What the version so many places before (behind, where negative) has, in rows that are whole chains, in order; null
    beyond the chain's end."""
    same = pl.col("chain_id") == pl.col("chain_id").shift(places)
    return pl.when(same).then(pl.col(column).shift(places))


def _untold(later: pl.Expr, today: date) -> pl.Expr:
    """Whether a version is over since a day that nobody tells."""
    over = (pl.col("valid_to") < today).fill_null(value=False)
    old = (pl.col("state") == OLD) & later.is_null() & ~over
    return pl.col("state_since").is_null() & (pl.col("state").is_in(HALTED) | old)


def state_on(day: date) -> pl.Expr:
    """What a version of :func:`with_spans` was on a day: valid on the days of its span, and else the reason why not. Of
    rows that are whole chains, in order."""
    on = pl.lit(day)
    inside = (pl.col("in_force_from") <= on) & (
        pl.col("in_force_to").is_null() | (pl.col("in_force_to") >= on)
    )
    halted = pl.col("state").is_in(HALTED) & (pl.col("state_since").is_null() | (pl.col("state_since") <= on))
    return (
        pl.when(inside)
        .then(pl.lit(State.VALID))
        .when(halted)
        .then("state")
        .when(pl.col("in_force_from") > on)
        .then(pl.lit(State.NOT_YET))
        .when(pl.col("valid_to") < on)
        .then(pl.lit(State.EXPIRED))
        .when(_later_begins() <= on)
        .then(pl.lit(State.SUPERSEDED))
        .otherwise(pl.lit(State.EXPIRED))
    )


def licences_on(spans: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The version of each chain that speaks on a day, with its ``state_on``: the one in force, else the newest that had
    begun. ``spans`` are rows of :func:`with_spans`."""
    begun = spans.with_columns(state_on(day).alias("state_on")).filter(pl.col("in_force_from") <= day)
    speaks_last = begun.sort("chain_id", pl.col("state_on") == State.VALID, *IN_ORDER[1:])
    return speaks_last.unique("chain_id", keep="last", maintain_order=True)


def events(licences: pl.LazyFrame, today: date) -> pl.LazyFrame:
    """One row for each thing that happened: issue, renewal, taking effect (where that is later), suspension and its end,
    revocation, cancellation, running out. They tell the same days as the spans; of what has no day the day is null."""
    spans = with_spans(licences, today).with_columns(_later_begins().alias("_later"))
    first = pl.col("version") == pl.col("version").min().over("chain_id")
    since, begins, later = pl.col("state_since"), pl.col("in_force_from"), pl.col("_later")
    out = pl.col("valid_to").dt.offset_by("1d")
    halted = pl.col("state").is_in(HALTED)
    # of a version that was renewed, or ran out, before, the register's word for it tells nothing new
    ended = (pl.col("state") == OLD) & (
        pl.when(since.is_null())
        .then(_untold(later, today))
        .otherwise((later.is_null() | (since < later)) & (out.is_null() | (since < out)))
    )
    over = (
        (pl.col("valid_to") < today)
        & (later.is_null() | (later > out))
        & ~((halted | (pl.col("state") == OLD)) & ((since <= out) | (since.is_null() & halted))).fill_null(
            value=False
        )
    )
    happened = {
        "begun": spans.with_columns(
            pl.when(first).then(pl.lit("issued")).otherwise(pl.lit("renewed")).alias("event"),
            pl.col("issued_on").alias("on"),
        ),
        "effective": spans.filter(begins > pl.col("issued_on")).with_columns(begins.alias("on")),
        "resumed": spans.filter((pl.col("state") == IN_FORCE) & (since > begins)).with_columns(
            since.alias("on")
        ),
        "halted": spans.filter(halted | ended).with_columns(
            pl.col("state").alias("event"), since.alias("on")
        ),
        "expired": spans.filter(over).with_columns(out.alias("on")),
    }
    named = [
        rows if name in ("begun", "halted") else rows.with_columns(pl.lit(name).alias("event"))
        for name, rows in happened.items()
    ]
    codes = {code: title.en for code, title in EVENTS.items()}
    chinese = {code: title.zh for code, title in EVENTS.items()}
    return pl.concat(named, how="diagonal").select(
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
    successors: pl.LazyFrame,
    today: date,
) -> pl.LazyFrame:
    """What cannot be so, one row for each licence and kind of fault; of an issuer or type that nobody knows one row, with the
    first licence of it. ``licences`` says how many it concerns.

    ``persons`` have ``person_id`` and ``death_date``; ``entities`` ``legal_entity_id``, ``status`` and ``cancelled_on``;
    ``types`` ``type_code``; ``issuers`` the ``issuer_code`` of all who are known; ``successors``
    ``predecessor_id`` and ``successor_id`` of legal entities."""
    begins, version = pl.col("in_force_from"), pl.col("version")
    spans = with_spans(licences, today).with_columns(
        state_on(today).alias("state_on"),
        _beside("in_force_from", -1).alias("_next_begins"),
        _beside("in_force_from", 1).alias("_begun_before"),
        _beside("version", 1).alias("_before"),
    )
    # reckoned once: each kind of finding reads them
    spans = spans.collect(engine="streaming").lazy()
    next_begins, begun_before, before = map(pl.col, ("_next_begins", "_begun_before", "_before"))
    in_force, out = pl.col("state") == IN_FORCE, pl.col("valid_to").dt.offset_by("1d")
    valid = in_force & (pl.col("state_on") == State.VALID)
    missing = (before.is_null() & (version > 1)) | (version - before > 1)
    # what was halted before it ran out is followed by no renewal, but by a new beginning
    halted = (pl.col("state").is_in(HALTED) & (pl.col("state_since") < out)).fill_null(value=False)
    of_identifier = pl.col("licence_id").str.extract(r"\.(\d{3})\.[0-9A-Z]$").cast(pl.Int64, strict=False)
    dead = spans.join(persons.filter(pl.col("death_date") <= today), on="person_id", how="semi")
    closed = entities.filter((pl.col("cancelled_on") <= today) | pl.col("status").is_in(["注销", "吊销"]))
    found = {
        "holder_dead": dead.filter(valid),
        "holder_cancelled": spans.filter(valid).join(closed, on="legal_entity_id", how="semi"),
        "versions_overlap": spans.filter(
            in_force & (next_begins <= today) & (out.is_null() | (next_begins < out))
        ),
        "versions_gap": spans.filter((next_begins > out) & ~halted),
        "versions_disordered": spans.filter(begins < begun_before),
        "version_missing": spans.filter(missing),
        "version_differs": spans.filter(of_identifier != version),
        "holder_changed": _changed_holders(spans, successors),
        "unknown_issuer": _first_of(
            spans.join(issuers.drop_nulls(), on="issuer_code", how="anti"), "issuer_code"
        ),
        "unknown_type": _first_of(spans.join(types, on="type_code", how="anti"), "type_code"),
        "valid_beyond_end": spans.filter(in_force & (pl.col("valid_to") < today)),
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


def _changed_holders(spans: pl.LazyFrame, successors: pl.LazyFrame) -> pl.LazyFrame:
    """The versions whose holder is another entity than that of the last version before whose holder is known.

    Ids are compared, not names or codes: of a renamed company, and of entities that were found to be one, it is the same.
    Who took over from the holder before may hold its licences. An individual and an individual's business (个体工商户) are
    not told apart: the law has one answer for the other, and a register writes now one and now the other."""
    person, holder = pl.col("person_id").is_not_null(), pl.coalesce("person_id", "legal_entity_id")
    individual = person | pl.col("holder_code").str.starts_with(_INDIVIDUALS)
    known = spans.with_columns(_holder=holder, _person=person, _individual=individual)
    beside = known.filter(pl.col("_holder").is_not_null()).with_columns(
        _held_before=_beside("_holder", 1),
        _told_apart=~(pl.col("_individual") & _beside("_individual", 1))
        | (pl.col("_person") == _beside("_person", 1)),
    )
    changed = beside.filter(pl.col("_held_before") != pl.col("_holder"), "_told_apart")
    took_over = _all_successors(successors).select(_held_before="predecessor_id", _holder="successor_id")
    return changed.join(took_over.lazy(), on=["_held_before", "_holder"], how="anti")


def _all_successors(successors: pl.LazyFrame) -> pl.DataFrame:
    """Each organisation with its successors, and theirs."""
    pairs = successors.select("predecessor_id", "successor_id").unique().collect()
    found, known = pairs, 0
    while len(found) > known:
        known = len(found)
        further = found.join(pairs, left_on="successor_id", right_on="predecessor_id").select(
            "predecessor_id", successor_id="successor_id_right"
        )
        found = pl.concat([found, further]).unique()
    return found


def _first_of(rows: pl.LazyFrame, by: str) -> pl.LazyFrame:
    """The first licence of each issuer or type, with how many there are."""
    counted = rows.with_columns(pl.len().over(by).cast(pl.Int64).alias("_licences"))
    return counted.sort("licence_id").unique(by, keep="first", maintain_order=True)


def _count(rows: pl.LazyFrame) -> pl.Expr:
    return pl.col("_licences") if "_licences" in rows.collect_schema() else pl.lit(1, pl.Int64)
