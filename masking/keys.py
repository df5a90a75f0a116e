"""Keys: one for each recipient and version, or for each of a recipient's products, derived from the master key.

Here belongs the derivation only. Where the master key is kept is ``lake.keys``' business; what a key is used
for is in ``methods``. A key never appears in a representation, a log or an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from catalog.errors import MendableError

MASTER_KEY_BYTES = 32


class WeakKeyError(MendableError, ValueError):
    """The master key is shorter than the hash it feeds."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"the master key has {length} bytes, {MASTER_KEY_BYTES} are needed: restore or replace it"
        )


@dataclass(frozen=True)
class RecipientKey:
    """The secret of one recipient: its copies join with each other, and with nobody else's."""

    recipient: str
    version: int
    secret: bytes = field(repr=False)


def recipient_key(
    master: bytes, recipient: str, version: int = 1, product: str | None = None
) -> RecipientKey:
    """Derive the recipient's key: one block of SP 800-108's counter mode over HMAC-SM3 (256 bits).

    The recipient's name, the version and (where its grant asks for a key per product) the product are the context,
    told apart by a zero byte that none contains. Raises :class:`WeakKeyError`."""
    if len(master) < MASTER_KEY_BYTES:
        raise WeakKeyError(len(master))
    context = b"\x00".join(part.encode() for part in (recipient, str(version), product) if part is not None)
    message = b"\x00\x00\x00\x01" + b"citylake masking" + b"\x00" + context + b"\x00\x00\x01\x00"
    return RecipientKey(recipient, version, hmac_sm3(master, message))


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    """HMAC (RFC 2104) over SM3 (GB/T 32905): 32 bytes."""
    mac = HMAC(key, SM3())
    mac.update(message)
    return mac.finalize()
