"""E-licences of the demo city: types, and licences in version chains, with valid check characters.

Here belongs the truth about licences, and what their files look like. Identifiers follow GB/T 36904: root, type, issuer, serial, version, check.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from cryptography.hazmat.primitives import hashes

from catalog.elements.check_digits import BASE36

ROOT = "1.2.156.3005.2"
#: What is printed on a licence, and under which words.
_PRINTED = {
    "licence_id": "电子证照标识",
    "licence_no": "证照编号",
    "holder_name": "持证主体",
    "holder_code": "持证主体代码",
    "issuer": "颁发机构",
    "issued_on": "颁发日期",
    "valid_from": "有效期自",
    "valid_to": "有效期至",
}
_DAY = np.timedelta64(1, "D")
#: type name → managing authority, its credit code, sequence, holder kind, years valid, share.
TYPES = {
    "营业执照": ("国家市场监督管理总局", "11100000MB0143028R", "001", "法人和非法人组织", 0, 0.45),
    "食品经营许可证": ("国家市场监督管理总局", "11100000MB0143028R", "002", "法人和非法人组织", 5, 0.15),
    "机动车驾驶证": ("公安部", "11100000000013338W", "011", "自然人", 6, 0.25),
    "残疾人证": ("中国残疾人联合会", "13100000000018307L", "003", "自然人", 10, 0.05),
    "居住证": ("公安部", "11100000000013338W", "012", "自然人", 1, 0.10),
}
ISSUERS = {
    "国家市场监督管理总局": ("清远市市场监督管理局", "114418000072160076"),
    "公安部": ("清远市公安局", "1144180000721700XH"),
    "中国残疾人联合会": ("清远市残疾人联合会", "13441800007218002Y"),
}


def types() -> pl.DataFrame:
    """The licence types, as the entry ``licence_type`` has them."""
    rows = [
        (code + number, name, authority, code, kind, years or None)
        for name, (authority, code, number, kind, years, _) in TYPES.items()
    ]
    names = [
        "type_code",
        "type_name",
        "managing_authority",
        "managing_authority_code",
        "holder_kind",
        "validity_years",
    ]
    return pl.DataFrame(rows, schema=names, orient="row")


def build(
    people: pl.DataFrame, organisations: pl.DataFrame, rng: np.random.Generator, today: date
) -> pl.DataFrame:
    """Licences, newest version of each chain last. Columns as the entry ``electronic_licence``, with ``chain`` and ``holder_row``."""
    count = max(400, len(people) // 8)
    name = rng.choice(list(TYPES), count, p=[spec[-1] for spec in TYPES.values()])
    versions = np.where(rng.random(count) < 0.2, 2, 1)
    chain = np.repeat(np.arange(count), versions)
    version = np.concatenate([np.arange(1, n + 1) for n in versions])
    adults = people.filter(pl.col("birth_date") < date(today.year - 18, 1, 1))
    kind = (
        pl.Series(name)
        .replace_strict(list(TYPES), [spec[3] for spec in TYPES.values()], return_dtype=pl.String)
        .to_numpy()
    )
    holder_row = np.where(
        kind == "自然人",
        rng.choice(adults["person"].to_numpy(), count),
        rng.integers(0, len(organisations), count),
    )
    first = np.datetime64(today, "D") - rng.integers(30, 2500, count) * _DAY
    frame = pl.DataFrame(
        {
            "chain": chain,
            "version": version,
            "type_name": name[chain],
            "holder_kind": kind[chain],
            "holder_row": holder_row[chain],
        }
    ).with_columns(pl.Series("_first", first[chain]), pl.Series("_newest", version == versions[chain]))
    return _described(frame, people, organisations, rng, today)


def _described(
    frame: pl.DataFrame,
    people: pl.DataFrame,
    organisations: pl.DataFrame,
    rng: np.random.Generator,
    today: date,
) -> pl.DataFrame:
    persons = people.select(holder_row="person", p_name="name", p_code="resident_id", p_county="county")
    bodies = organisations.select(
        holder_row="organisation", o_name="name", o_code="credit_code", o_county="county"
    )
    specs = pl.DataFrame(
        [(n, s[1] + s[2], *ISSUERS[s[0]], s[4]) for n, s in TYPES.items()],
        schema=["type_name", "type_code", "issuer", "issuer_code", "years"],
        orient="row",
    )
    natural = pl.col("holder_kind") == "自然人"
    joined = frame
    for other in (
        persons.with_columns(pl.col("holder_row").cast(pl.Int64)),
        bodies.with_columns(pl.col("holder_row").cast(pl.Int64)),
    ):
        joined = joined.join(other, on="holder_row", how="left", maintain_order="left")
    joined = joined.join(specs, on="type_name", how="left", maintain_order="left")
    issued = (
        (pl.col("_first") + pl.duration(days=(pl.col("version") - 1) * 200))
        .clip(upper_bound=pl.lit(today))
        .cast(pl.Date)
    )
    lost = pl.Series(rng.random(len(frame)) < 0.03) & pl.col("_newest")
    how = rng.spawn(1)[0]
    word = pl.Series(how.choice(["注销", "撤销", "吊销"], len(frame), p=[0.6, 0.25, 0.15]))
    ended = issued + (pl.lit(today) - issued) * pl.Series(how.random(len(frame)))
    described = joined.with_columns(
        pl.when(natural).then("p_name").otherwise("o_name").alias("holder_name"),
        pl.when(natural).then("p_code").otherwise("o_code").alias("holder_code"),
        pl.when(natural)
        .then(pl.lit("公民身份号码"))
        .otherwise(pl.lit("统一社会信用代码"))
        .alias("holder_code_kind"),
        pl.when(natural).then("p_county").otherwise("o_county").alias("division_code"),
        issued.alias("issued_on"),
        issued.alias("valid_from"),
        pl.when(pl.col("years") > 0).then(issued.dt.offset_by(pl.format("{}y", "years"))).alias("valid_to"),
        pl.format("粤清证{}号", pl.col("chain").cast(pl.String).str.zfill(8)).alias("licence_no"),
        pl.when(~pl.col("_newest"))
        .then(pl.lit("失效"))
        .when(lost)
        .then(word)
        .otherwise(pl.lit("有效"))
        .alias("state"),
        pl.when(lost).then(ended.cast(pl.Date)).alias("state_since"),
    )
    serial = pl.col("chain").cast(pl.String).str.zfill(9)
    described = described.with_columns(_identifier(described, serial, pl.col("version")).alias("licence_id"))
    previous = pl.col("licence_id").shift(1).over("chain")
    digests = pl.Series([_digest(text) for text in files(described)], dtype=pl.String)
    return described.with_columns(previous.alias("previous_licence_id"), digests.alias("file_digest")).drop(
        "_first", "_newest", "p_name", "p_code", "p_county", "o_name", "o_code", "o_county", "years"
    )


def files(licences: pl.DataFrame) -> pl.Series:
    """The text of each licence's file: what stands in it is made of the licence's own fields, so that it is always the same."""
    lines = [
        pl.format("{}：{}", pl.lit(title), pl.col(name).cast(pl.String).fill_null("长期"))
        for name, title in _PRINTED.items()
    ]
    return licences.select(pl.concat_str("type_name", *lines, separator="\n") + "\n").to_series()


def _digest(text: str) -> str:
    """The SM3 digest (GB/T 32905) of a file of this text, as registers write it."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(text.encode())
    return digest.finalize().hex().upper()


def write_samples(licences: pl.DataFrame, folder: Path, today: date) -> None:
    """Three files to try verification on: ``genuine.txt`` of a licence in force, ``altered.txt``, the same but for one byte, and
    ``revoked.txt`` of a revoked one; a city too small to have such a licence gets none."""
    folder.mkdir(parents=True, exist_ok=True)
    lasting = pl.col("valid_to").is_null() | (pl.col("valid_to") > today)
    chosen = {
        "genuine": licences.filter(lasting, pl.col("state") == "有效"),
        "revoked": licences.filter(pl.col("state") == "撤销"),
    }
    for name, rows in chosen.items():
        for text in files(rows.head(1)):
            (folder / f"{name}.txt").write_bytes(text.encode())
    genuine = folder / "genuine.txt"
    if genuine.exists():
        content = genuine.read_bytes()
        (folder / "altered.txt").write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def _identifier(frame: pl.DataFrame, serial: pl.Expr, version: pl.Expr) -> pl.Series:
    parts = frame.select(
        "type_code",
        "issuer_code",
        serial.alias("serial"),
        version.cast(pl.String).str.zfill(3).alias("version"),
    )
    check = mod_37_36(parts.select(pl.concat_str(pl.all())).to_series())
    dotted = parts.select(pl.concat_str(pl.lit(ROOT), *parts.columns, separator=".")).to_series()
    return dotted + "." + check


def mod_37_36(texts: pl.Series) -> pl.Series:
    """The ISO/IEC 7064 MOD 37,36 check character of texts that are all of one length."""
    width = len(texts[0]) if len(texts) else 0
    table = np.full(256, -1)
    table[np.frombuffer(BASE36.encode(), dtype=np.uint8)] = np.arange(36)
    values = table[np.frombuffer("".join(texts).encode(), dtype=np.uint8).reshape(len(texts), width)]
    check = np.full(len(texts), 18)
    for column in range(values.shape[1]):
        check = (np.where(check == 0, 36, check) * 2 % 37 + values[:, column]) % 36
    final = (1 - np.where(check == 0, 36, check) * 2 % 37) % 36
    return pl.Series(np.array(list(BASE36))[final])
