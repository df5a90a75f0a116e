"""Departments' tokens: made once, shown once, kept as a hash, compared in constant time.

Here belong making and verifying. Where a token travels (a header, never a URL) is the gateway's business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

from lake.ledger import Ledger

PREFIX = "clk"


def create(ledger: Ledger, department: str, valid: timedelta) -> str:
    """A new token for a department: ``clk_<id>_<secret>`` with 256 random bits. It cannot be shown again."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    ledger.add_token(token_id, department, _hash(secret), datetime.now(UTC) + valid)
    return f"{PREFIX}_{token_id}_{secret}"


def department_of(ledger: Ledger, token: str) -> str | None:
    """The department a token belongs to; None where it is unknown, expired or revoked."""
    prefix, _, rest = token.partition("_")
    token_id, _, secret = rest.partition("_")
    row = ledger.token(token_id) if prefix == PREFIX and secret else None
    # the comparison is made in any case, so that an unknown id answers no faster than a wrong secret
    matches = hmac.compare_digest(_hash(secret), row["hash"] if row else "")
    if row is None or not matches or row["revoked_at"] or row["expires_at"] <= datetime.now(UTC):
        return None
    return str(row["department"])


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash: they cannot be guessed, only stolen
    return hashlib.sha256(secret.encode()).hexdigest()
