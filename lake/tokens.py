"""Tokens: made once, shown once, kept as a hash, compared in constant time.

Here belong the secrets of whatever kind of token, and making, verifying and ending those of departments. Where a token travels (a header, never a URL) is the gateway's business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lake.ledger import Ledger, LedgerError

PREFIX = "clk"
#: How long an old token still opens after its successor was made, so that a department can change over.
ROTATION_GRACE = timedelta(days=7)
_NO_HASH = "0" * 64
Row = Mapping[Any, Any]


class UnknownTokenError(LedgerError):
    """No live token has this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"没有有效的令牌 {token_id[:16]} · there is no live token {token_id[:16]}")


@dataclass(frozen=True)
class Bearer:
    """Who holds a token: a department, and the resources it may push (None: all of its own)."""

    department: str
    resources: Collection[str] | None = None

    def may_push(self, resource: str) -> bool:
        """Whether the token is for this resource, if it is the department's."""
        return self.resources is None or resource in self.resources


@dataclass(frozen=True)
class Minted:
    """A new token: its id, the token itself (``<prefix>_<id>_<secret>``, 256 random bits), and the hash to keep."""

    id: str
    token: str
    hash: str


def mint(prefix: str) -> Minted:
    """A token that nobody can guess."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return Minted(token_id, f"{prefix}_{token_id}_{secret}", _hash(secret))


def genuine(token: str, prefix: str, row_of: Callable[[str], Row | None]) -> Row | None:
    """The row kept of a token, found by its id, where its hash is the secret's; whether it is over, the row says.

    Compared in any case and in constant time, so that an unknown id answers no faster than a wrong secret."""
    made_with, _, rest = token.partition("_")
    token_id, _, secret = rest.partition("_")
    row = row_of(token_id) if made_with == prefix and secret else None
    matches = hmac.compare_digest(_hash(secret), row["hash"] if row else _NO_HASH)
    return row if matches else None


def create(ledger: Ledger, department: str, valid: timedelta, resources: Sequence[str] | None = None) -> str:
    """A new token for a department: ``clk_<id>_<secret>`` with 256 random bits. It cannot be shown again."""
    minted = mint(PREFIX)
    ledger.add_token(minted.id, department, minted.hash, datetime.now(UTC) + valid, resources)
    return minted.token


def bearer_of(ledger: Ledger, token: str) -> Bearer | None:
    """Who holds a token; None where it is unknown, expired or revoked."""
    row = genuine(token, PREFIX, ledger.token)
    if row is None or _is_over(row["expires_at"]) or _is_over(row["revoked_at"]):
        return None
    return Bearer(row["department"], row["resources"])


def revoke(ledger: Ledger, token_id: str) -> None:
    """The token opens nothing from now on; raises :class:`UnknownTokenError`."""
    if not ledger.end_token(token_id, datetime.now(UTC)):
        raise UnknownTokenError(token_id)


def rotate(ledger: Ledger, token_id: str, valid: timedelta, grace: timedelta = ROTATION_GRACE) -> str:
    """A new token for the same department and resources; the old one opens for ``grace`` more.

    Raises :class:`UnknownTokenError`, also for a token that is over: it must be made anew, by decision."""
    row = ledger.token(token_id)
    if (
        row is None
        or _is_over(row["expires_at"])
        or not ledger.end_token(token_id, datetime.now(UTC) + grace)
    ):
        raise UnknownTokenError(token_id)
    return create(ledger, row["department"], valid, row["resources"])


def _is_over(moment: datetime | None) -> bool:
    return moment is not None and moment <= datetime.now(UTC)


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash: they cannot be guessed, only stolen
    return hashlib.sha256(secret.encode()).hexdigest()
