"""Tokens open what they were made for, until they end; what is stored opens nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lake import tokens
from lake.home import Home
from lake.ledger import Ledger, open_ledger

DAY = timedelta(days=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(Home.open(tmp_path))


def id_of(token: str) -> str:
    return token.split("_")[1]


def test_a_token_names_its_department_and_resources(ledger: Ledger) -> None:
    everything = tokens.bearer_of(ledger, tokens.create(ledger, "police", DAY))
    one = tokens.bearer_of(ledger, tokens.create(ledger, "police", DAY, ["identity_card"]))
    assert everything == tokens.Bearer("police")
    assert everything.may_push("household_register")
    assert one is not None
    assert one.may_push("identity_card")
    assert not one.may_push("household_register")


def test_only_a_hash_is_stored(ledger: Ledger, tmp_path: Path) -> None:
    token = tokens.create(ledger, "police", DAY)
    secret = token.split("_", 2)[2]
    assert len(secret) >= 43
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("operations.db*"))
    assert secret.encode() not in stored
    assert "hash" not in ledger.tokens("police")[0]


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: "", lambda t: "clk_", lambda t: "clk__x"]
)
def test_anything_else_opens_nothing(ledger: Ledger, change: object) -> None:
    assert tokens.bearer_of(ledger, change(tokens.create(ledger, "police", DAY))) is None  # type: ignore[operator]


def test_one_departments_secret_does_not_open_anothers_id(ledger: Ledger) -> None:
    one, other = tokens.create(ledger, "police", DAY), tokens.create(ledger, "tax", DAY)
    assert tokens.bearer_of(ledger, f"clk_{id_of(one)}_{other.split('_', 2)[2]}") is None


def test_tokens_expire_and_are_revoked(ledger: Ledger) -> None:
    assert tokens.bearer_of(ledger, tokens.create(ledger, "police", timedelta(seconds=-1))) is None
    token = tokens.create(ledger, "police", DAY)
    tokens.revoke(ledger, id_of(token))
    assert tokens.bearer_of(ledger, token) is None
    for unknown in (id_of(token), "0"):
        with pytest.raises(tokens.UnknownTokenError):
            tokens.revoke(ledger, unknown)


def test_rotation_gives_time_to_change_over(ledger: Ledger) -> None:
    old = tokens.create(ledger, "police", DAY, ["identity_card"])
    new = tokens.rotate(ledger, id_of(old), DAY)
    assert (
        tokens.bearer_of(ledger, old)
        == tokens.bearer_of(ledger, new)
        == tokens.Bearer("police", ["identity_card"])
    )
    tokens.revoke(ledger, id_of(old))
    assert tokens.bearer_of(ledger, old) is None
    assert tokens.bearer_of(ledger, new) is not None
    with pytest.raises(tokens.UnknownTokenError):
        tokens.rotate(ledger, id_of(old), DAY)
