"""Whether a licence that somebody shows is genuine and in force: by its identifier, or by the digest of its file.

Here belongs the answer, without a personal value in it: who holds the licence is for whoever sees the holder to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from cryptography.hazmat.primitives import hashes

from assets.base.licence_life import IN_ORDER, State, state_on
from assets.build import Context
from catalog.elements.identifiers import LICENCE_ID
from catalog.errors import MendableError
from catalog.model import Title

_CHUNK = 1 << 20


class NothingToVerifyError(MendableError, ValueError):
    """Neither an identifier nor a file was given, or both."""

    def __init__(self) -> None:
        super().__init__(
            "请给出证照标识、--digest 或 --file 中的一个 give one of: an identifier, --digest, --file"
        )


@dataclass(frozen=True)
class Answer:
    """Whether the licence is good on the day, why, and what the register says of it (no holder)."""

    good: bool
    reason: Title
    licence: dict[str, object]


def file_digest(path: Path) -> str:
    """The SM3 digest (GB/T 32905) of a file, in lower-case hexadecimal."""
    digest = hashes.Hash(hashes.SM3())
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.finalize().hex()


def verify(
    context: Context, day: date, *, identifier: str | None = None, digest: str | None = None
) -> Answer:
    """What the register says of an identifier, or of a file with this digest, on a day."""
    if (identifier is None) == (digest is None):
        raise NothingToVerifyError
    if identifier is not None:
        problem = _malformed(identifier)
        if problem:
            return Answer(False, problem, {})
        column, wanted = "licence_id", _standard(identifier)
    else:
        column, wanted = "file_digest", str(digest).strip().lower()
    licences = context.lake.scan("base", "licence")
    chains = licences.join(licences.filter(pl.col(column) == wanted), on="chain_id", how="semi").sort(
        IN_ORDER
    )
    rows = chains.with_columns(state_on(day).alias("state_on")).filter(pl.col(column) == wanted).collect()
    if rows.is_empty():
        return Answer(False, _UNKNOWN[column], {})
    # versions may share a file: the newest is what it was issued for last
    row = rows.row(-1, named=True)
    shown = {name: row[name] for name in _SHOWN}
    return Answer(row["state_on"] == State.VALID, _REASONS[State(row["state_on"])], shown)


_SHOWN = (
    "licence_id",
    "type_name",
    "issuer",
    "issued_on",
    "valid_from",
    "valid_to",
    "version",
    "is_current",
    "state_on",
)
_UNKNOWN = {
    "licence_id": Title(
        zh="标识格式正确，但登记中没有此证照", en="well formed, but no such licence is registered"
    ),
    "file_digest": Title(
        zh="登记中没有与此文件摘要相同的证照：文件可能被改动",
        en="no licence has a file of this digest: it may have been altered",
    ),
}
_REASONS = {
    State.VALID: Title(zh="有效", en="valid"),
    State.NOT_YET: Title(zh="尚未生效", en="not yet in force"),
    State.SUSPENDED: Title(zh="已暂停", en="suspended"),
    State.REVOKED: Title(zh="已撤销", en="revoked"),
    State.WITHDRAWN: Title(zh="已吊销", en="withdrawn"),
    State.CANCELLED: Title(zh="已注销", en="cancelled"),
    State.EXPIRED: Title(zh="已过有效期", en="expired"),
    State.SUPERSEDED: Title(zh="已换发新版本", en="superseded by a newer version"),
}


def _standard(identifier: str) -> str:
    return str(pl.select(LICENCE_ID.standardise(pl.lit(identifier))).item())


def _malformed(identifier: str) -> Title | None:
    """The reason why no issuer can have given such an identifier."""
    value = pl.DataFrame({"value": [_standard(identifier)]})
    for check in LICENCE_ID.checks:
        if not value.select(check.passes(pl.col("value"))).item():
            return check.reason
    return None
