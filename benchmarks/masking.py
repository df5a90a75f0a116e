"""Masking against copying, keyed pseudonyms and FF1 against one call for each value, k, l and t against one count.

Here belong the table, the product over it and the sides. A product's columns are masked by the same expressions as in
``assets.shared``; the floor writes the same table unmasked. ``ff3``, ``pyffx`` and ``pycanon`` are in
``benchmarks.peers``; they are given samples.
"""

from __future__ import annotations

import hmac
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from benchmarks.harness import Comparison, Peer
from benchmarks.push import ENTRY as PAYMENTS
from benchmarks.push import blocks
from catalog.model import Entry
from masking import methods, resident_tokens
from masking.columns import standard_columns
from masking.compile import SUBJECT, product_rows
from masking.keys import recipient_key
from masking.product import Product
from masking.risk import diversity, measure

ROWS = 2_000_000
#: Two seconds' worth where a million pseudonyms are asked for a second: half of one goes into loading numba and its code.
PSEUDONYMS = 2_000_000
#: One second's worth where a quarter of a million are.
TOKENS = 250_000
PEER_SAMPLE = 20_000
KEY = recipient_key(bytes(range(32)), "benchmark")

_KEPT = (
    "payment_no",
    "resident_id",
    "name",
    "mobile",
    "birth_date",
    "division_code",
    "address",
    "sex",
    "benefit",
    "amount",
)
_ADDED = {
    "guardian_id": {"title": "监护人公民身份号码", "element": "resident_id"},
    "bank_account": {"title": "银行账号", "element": "bank_account"},
}
ENTRY = Entry.model_validate(
    PAYMENTS.model_dump(mode="json")
    | {
        "code": "benefit_account",
        "columns": {name: PAYMENTS.columns[name].model_dump(mode="json") for name in _KEPT} | _ADDED,
        "rules": [],
    }
)
SOURCES = standard_columns(ENTRY)

#: 2 pseudonyms, 4 partly hidden, 3 generalised, 3 as they are.
PRODUCT = Product.model_validate(
    {
        "code": "benefit_account",
        "title": {"zh": "待遇发放账户（脱敏）", "en": "Benefit accounts, masked"},
        "description": "测速用",
        "publisher": "finance",
        "source": {"layer": "standard", "table": "benefit_account"},
        "target": {"kind": "sharing", "type": "conditional"},
        "recipient": "analyst",
        "purpose": "测速",
        "basis": "测速",
        "approvals": [{"department": "finance", "document": "测速", "date": "2026-01-01"}],
        "secrecy_review": {"department": "data_bureau", "document": "测速", "date": "2026-01-01"},
        "subject": "resident_id",
        "columns": {
            "payment_no": {"method": "pseudonym"},
            "resident_id": {"method": "pseudonym"},
            "name": {"method": "partial", "parameters": {"left": 1, "right": 0}},
            "mobile": {"method": "partial", "parameters": {"left": 3, "right": 4}},
            "guardian_id": {"method": "partial", "parameters": {"left": 4, "right": 4}},
            "bank_account": {"method": "partial", "parameters": {"left": 6, "right": 0}},
            "birth_date": {"method": "generalise_date", "parameters": {"to": "year"}},
            "division_code": {"method": "generalise_division", "parameters": {"to": "county"}},
            "address": {"method": "generalise_address", "parameters": {"to": "town"}},
            "sex": {"method": "keep"},
            "benefit": {"method": "keep"},
            "amount": {"method": "keep"},
        },
    }
)
#: What k, l and t are measured over: 8 counties × 12 decades of birth × 2 sexes × 6 benefits.
QUASI = ("county", "decade", "sex", "benefit")


def prepare_table(folder: Path) -> None:
    """Two million payments with every column typed as ``standard`` has it."""
    folder.joinpath("parts").mkdir()
    for number, block in enumerate(blocks(ROWS, 0)):
        rows = block.with_columns(
            pl.col("birth_date").str.to_date(),
            pl.col("amount").cast(pl.Decimal(18, 2)),
            pl.col("resident_id").shift(1).alias("guardian_id"),
            ("6228" + pl.col("payment_no").str.slice(2)).alias("bank_account"),
        )
        rows.select(*ENTRY.columns).write_parquet(folder / "parts" / f"{number}.parquet")
    pl.scan_parquet(folder / "parts" / "*.parquet").sink_parquet(folder / "table.parquet")


def mask_table(folder: Path) -> None:
    """The product's rows, masked and written."""
    rows = product_rows(PRODUCT, SOURCES, pl.scan_parquet(folder / "table.parquet"), KEY)
    rows.drop(SUBJECT).sink_parquet(_fresh(folder) / "part.parquet")


def copy_table(folder: Path) -> None:
    """The same table as it is."""
    pl.scan_parquet(folder / "table.parquet").sink_parquet(_fresh(folder) / "part.parquet")


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def prepare_ids(folder: Path) -> None:
    """Different resident ids."""
    rng = np.random.default_rng(1)
    serial = rng.permutation(PSEUDONYMS)
    day = pl.Series(serial // 1000).cast(pl.Int32) * 20
    ids = pl.select(
        "441802"
        + (pl.date(1940, 1, 1) + pl.duration(days=day)).dt.strftime("%Y%m%d")
        + pl.Series(serial % 1000).cast(pl.String).str.zfill(3)
        + "X"
    ).to_series()
    ids.alias("id").to_frame().write_parquet(folder / "ids.parquet")


def _ids(folder: Path, rows: int) -> pl.Series:
    return pl.read_parquet(folder / "ids.parquet", n_rows=rows)["id"]


def pseudonyms(folder: Path) -> None:
    """The product's method on different values."""
    ids = _ids(folder, PSEUDONYMS).to_frame()
    made = ids.select(methods.pseudonym(pl.col("id"), KEY, "subject"))
    assert made["id"].n_unique() == PSEUDONYMS


def pseudonyms_by_hmac(folder: Path) -> None:
    """The standard library's HMAC-SM3, one call for each value."""
    made = [
        hmac.digest(KEY.secret, b"subject\x00" + value.encode(), "sm3").hex()[:32]
        for value in _ids(folder, PSEUDONYMS)
    ]
    assert len(set(made)) == PSEUDONYMS


def format_preserving(folder: Path) -> None:
    """Resident ids to tokens of the same form."""
    made = resident_tokens.tokens(_ids(folder, TOKENS), KEY)
    assert made.null_count() == 0


def format_preserving_sample(folder: Path) -> None:
    """As many as the peers, which go value by value, are given."""
    made = resident_tokens.tokens(_ids(folder, PEER_SAMPLE), KEY)
    assert made.null_count() == 0


def ff1_by_value(folder: Path) -> None:
    """FF1 as the standard writes it, in whole numbers of Python: ten cipher calls for each value."""
    # each block stands for itself in FF1
    encrypt = Cipher(SM4(KEY.secret[:16]), ECB()).encryptor().update  # noqa: S305
    head = encrypt(b"\x01\x02\x01\x00\x00\x0a\x0a\x07" + (14).to_bytes(4, "big") + bytes(4))
    start, modulus = int.from_bytes(head, "big"), 10**7
    for value in _ids(folder, TOKENS):
        left, right = int(value[:7]), int(value[7:14])
        for number in range(10):
            block = start ^ (number << 24 | right)
            mixed = int.from_bytes(encrypt(block.to_bytes(16, "big"))[:8], "big")
            left, right = right, (left + mixed) % modulus


def prepare_groups(folder: Path) -> None:
    """Two million masked rows: county, decade of birth, sex and benefit, about somebody."""
    frames = [
        block.select(
            pl.col("division_code").str.slice(0, 6).alias("county"),
            pl.col("birth_date").str.slice(0, 3).alias("decade"),
            "sex",
            "benefit",
            pl.col("resident_id").alias(SUBJECT),
        )
        for block in blocks(ROWS, 0)
    ]
    pl.concat(frames).write_parquet(folder / "groups.parquet")


def risk(folder: Path) -> None:
    """k over all columns, l and t of one given the others."""
    rows = pl.scan_parquet(folder / "groups.parquet")
    found, _ = measure(rows, QUASI, 5)
    assert found.rows == ROWS
    assert diversity(rows, QUASI, "benefit").fewest_values > 0


def count_groups(folder: Path) -> None:
    """The rows of each group, and the people, once."""
    rows = pl.scan_parquet(folder / "groups.parquet")
    counted = rows.group_by(QUASI).agg(pl.len(), pl.col(SUBJECT).n_unique().alias("subjects"))
    assert counted.collect(engine="streaming")["len"].sum() == ROWS


COMPARISONS = (
    Comparison("mask", "the same table copied", 6, mask_table, copy_table, prepare_table, values=ROWS),
    # hmac.digest makes 0.4 million a second of one core where a million are asked for
    Comparison(
        "pseudonym",
        "hmac.digest, value by value",
        0.4,
        pseudonyms,
        pseudonyms_by_hmac,
        prepare_ids,
        values=PSEUDONYMS,
    ),
    # value by value makes 130,000 a second where 250,000 are asked for
    Comparison("ff1", "FF1 value by value", 0.5, format_preserving, ff1_by_value, prepare_ids, values=TOKENS),
    Comparison("risk", "one count of the groups", 3, risk, count_groups, prepare_groups),
    Comparison(
        "ff1_ff3", "ff3, 20,000 values", 0.1, format_preserving_sample, Peer("ff3", "encrypt"), prepare_ids
    ),
    Comparison(
        "ff1_pyffx",
        "pyffx, 20,000 values",
        0.1,
        format_preserving_sample,
        Peer("pyffx", "encrypt"),
        prepare_ids,
    ),
    # twenty times the rows: side by side
    Comparison(
        "risk_pycanon", "pycanon, 100,000 rows", None, risk, Peer("pycanon", "measure"), prepare_groups
    ),
)
