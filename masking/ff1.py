"""FF1 (NIST SP 800-38G): a permutation of all numeral strings of one length, chosen by a key.

Here belongs the algorithm only, over whole arrays at once: a round is one pass of the block cipher in ECB mode over
one block for each value. What is made a numeral string, and what the result may be mistaken for, is in ``methods``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

Numerals = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]

ROUNDS = 10
BLOCK = 16
#: SP 800-38G requires it: fewer values than this are found by trying them all.
SMALLEST_DOMAIN = 1_000_000
#: Half a string must fit a number with a byte to spare, for the remainder of a longer one.
LARGEST_HALF = 2**56
#: Values enciphered at a time: a batch stays in the processor's cache.
BATCH = 16_384


@dataclass(frozen=True)
class FF1:
    """FF1 for strings of ``length`` numerals below ``radix``, under one cipher's key and one tweak.

    Raises :class:`ValueError` for a domain that is too small to hide in, or too large for the arithmetic here."""

    cipher: BlockCipherAlgorithm = field(repr=False)
    radix: int
    length: int
    tweak: bytes = b""

    def __post_init__(self) -> None:
        if self.radix**self.length < SMALLEST_DOMAIN:
            msg = f"{self.radix}^{self.length} values are fewer than {SMALLEST_DOMAIN:,}: encipher more numerals at once"
            raise ValueError(msg)
        if self.radix**self._right > LARGEST_HALF:
            msg = f"{self.length} numerals of radix {self.radix} are more than two 56-bit halves can hold"
            raise ValueError(msg)

    def encrypt(self, numerals: Numerals) -> Numerals:
        """Each row enciphered."""
        return self._in_batches(numerals, decrypt=False)

    def decrypt(self, numerals: Numerals) -> Numerals:
        """Each row as it was before :meth:`encrypt`."""
        return self._in_batches(numerals, decrypt=True)

    @property
    def _left(self) -> int:
        return self.length // 2

    @property
    def _right(self) -> int:
        return self.length - self._left

    def _in_batches(self, numerals: Numerals, *, decrypt: bool) -> Numerals:
        result = np.empty_like(numerals)
        for start in range(0, len(numerals), BATCH):
            batch = slice(start, start + BATCH)
            left, right = (
                self._number(numerals[batch, : self._left]),
                self._number(numerals[batch, self._left :]),
            )
            left, right = self._backwards(left, right) if decrypt else self._forwards(left, right)
            result[batch, : self._left] = self._written(left, self._left)
            result[batch, self._left :] = self._written(right, self._right)
        return result

    def _forwards(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        for number, modulus in enumerate(self._moduli()):
            left, right = right, (left + self._mixed(number, right, modulus)) % modulus
        return left, right

    def _backwards(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        for number, modulus in reversed(list(enumerate(self._moduli()))):
            left, right = (right + modulus - self._mixed(number, left, modulus)) % modulus, left
        return left, right

    def _moduli(self) -> Iterator[np.uint64]:
        for number in range(ROUNDS):
            yield np.uint64(self.radix ** (self._right if number % 2 else self._left))

    def _mixed(self, number: int, half: Numbers, modulus: np.uint64) -> Numbers:
        """The round's pseudorandom number for each value, reduced: steps 6 i to 6 v of the standard."""
        width = self._half_bytes
        blocks = np.tile(self._chained(number), (len(half), 1))
        blocks[:, BLOCK - width :] ^= half.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
        enciphered = np.frombuffer(self._ecb(blocks.tobytes()), dtype=np.uint8).reshape(-1, BLOCK)
        used = 4 * -(-width // 4) + 4
        return _remainder(enciphered[:, :used], modulus)

    @property
    def _half_bytes(self) -> int:
        largest: int = self.radix**self._right - 1
        return (largest.bit_length() + 7) // 8

    def _chained(self, number: int) -> Numerals:
        """The last block before the value is mixed into it: everything else is the same for all values."""
        length, tweak, width = self.length, self.tweak, self._half_bytes
        head = b"\x01\x02\x01" + self.radix.to_bytes(3, "big") + bytes([ROUNDS, self._left % 256])
        head += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        body = tweak + bytes(-(len(tweak) + width + 1) % BLOCK) + bytes([number]) + bytes(width)
        state = bytes(BLOCK)
        blocks = [(head + body)[start : start + BLOCK] for start in range(0, len(head + body), BLOCK)]
        for block in blocks[:-1]:
            state = self._ecb(_xor(state, block))
        return np.frombuffer(_xor(state, blocks[-1]), dtype=np.uint8)

    def _ecb(self, blocks: bytes) -> bytes:
        # each block stands for itself here: FF1 builds its own chain out of single enciphered blocks
        return Cipher(self.cipher, ECB()).encryptor().update(blocks)  # noqa: S305

    def _number(self, numerals: Numerals) -> Numbers:
        number = np.zeros(len(numerals), dtype=np.uint64)
        for place in range(numerals.shape[1]):
            number = number * np.uint64(self.radix) + numerals[:, place]
        return number

    def _written(self, numbers: Numbers, places: int) -> Numerals:
        numerals = np.empty((len(numbers), places), dtype=np.uint8)
        for place in reversed(range(places)):
            numbers, numerals[:, place] = np.divmod(numbers, np.uint64(self.radix))
        return numerals


def _remainder(number: Numerals, modulus: np.uint64) -> Numbers:
    """Rows of bytes, each a number written from the left, modulo a number below 2^56."""
    if number.shape[1] == 8:
        return np.ascontiguousarray(number).view(">u8").ravel().astype(np.uint64) % modulus
    rest = np.zeros(len(number), dtype=np.uint64)
    for place in range(number.shape[1]):
        rest = (rest * np.uint64(256) + number[:, place]) % modulus
    return rest


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))
