"""SM3, HMAC-SM3, CMAC and the keys derived with it: published vectors, and what a recipient's key must not tell."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SM3, Hash

from masking.keys import WeakKeyError, hmac_sm3, recipient_key

MASTER = bytes(range(32))


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # GB/T 32905-2016, annex A
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_agrees_with_the_standard(message: bytes, digest: str) -> None:
    sm3 = Hash(SM3())
    sm3.update(message)
    assert sm3.finalize().hex() == digest


@pytest.mark.parametrize(
    ("key", "message", "mac"),
    [  # GM/T 0042-2015, annex D.3
        (
            bytes(range(1, 33)),
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2,
            "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a",
        ),
        (
            bytes(range(1, 38)),
            b"\xcd" * 50,
            "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae",
        ),
        (b"\x0b" * 32, b"Hi There", "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882",
        ),
    ],
)
def test_hmac_sm3_agrees_with_the_standard(key: bytes, message: bytes, mac: str) -> None:
    assert hmac_sm3(key, message).hex() == mac


@pytest.mark.parametrize(
    ("message", "mac"),
    [  # GB/T 15852.1-2020, annex B.6
        (b"This is the test message for mac", "692c437100f3b5ee"),
        (b"This is the test message ", "4738a6c760b280fc"),
    ],
)
def test_cmac_over_sm4_agrees_with_the_standard(message: bytes, mac: str) -> None:
    """Nothing here is a CMAC today. Where one takes HMAC-SM3's place, the library under it is known to be right."""
    cmac = CMAC(SM4(bytes.fromhex("0123456789abcdeffedcba9876543210")))
    cmac.update(message)
    assert cmac.finalize()[:8].hex() == mac


def test_keys_differ_by_recipient_version_and_master() -> None:
    keys = {
        recipient_key(master, recipient, version).secret
        for master in (MASTER, MASTER[::-1])
        for recipient in ("analyst", "analyst1", "")
        for version in (1, 2, 11)
    }
    assert len(keys) == 18
    assert all(len(key) == 32 for key in keys)


def test_a_product_may_have_a_key_of_its_own() -> None:
    keys = {
        recipient_key(MASTER, "analyst", 1, product).secret for product in (None, "", "deaths", "pensions")
    }
    assert len(keys) == 4
    assert recipient_key(MASTER, "analyst", 1, None) == recipient_key(MASTER, "analyst", 1)


def test_a_key_is_the_same_every_time() -> None:
    assert recipient_key(MASTER, "analyst") == recipient_key(MASTER, "analyst")


def test_a_key_is_not_shown() -> None:
    key = recipient_key(MASTER, "analyst")
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_a_short_master_key_is_refused_without_being_shown() -> None:
    with pytest.raises(WeakKeyError, match="31 bytes") as refusal:
        recipient_key(b"x" * 31, "analyst")
    assert "xxx" not in str(refusal.value)
