"""What a file's bytes are: compression, format by content, and the text encoding.

Here belongs everything before the first cell: magic numbers, decompression with a bound, transcoding to UTF-8 in
bounded memory. Cells are read in ``readers.py`` and ``delimited.py``.
"""

from __future__ import annotations

import codecs
import gzip
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import zstandard

from catalog.model import Title

#: A compressed push may not grow beyond this, nor by more than this factor: what does is a bomb.
MAX_PLAIN_BYTES = 20 * 1024**3
MAX_GROWTH = 200
_CHUNK = 1 << 20
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow"), (b"PK\x03\x04", "spreadsheet"), (b"\xd0\xcf\x11\xe0", "spreadsheet"))
_SUFFIXES = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".xlsx": "spreadsheet",
    ".xls": "spreadsheet",
    ".json": "json",
    ".geojson": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".txt": "delimited",
}
_BINARY = {"parquet", "arrow", "spreadsheet"}


class UnreadableError(Exception):
    """The file cannot be read; ``reason`` says why and what to do, and never quotes a value."""

    def __init__(self, reason: Title) -> None:
        self.reason = reason
        super().__init__(f"{reason.zh} · {reason.en}")


def refuse(zh: str, en: str) -> UnreadableError:
    """An :class:`UnreadableError` from its two sentences."""
    return UnreadableError(Title(zh=zh, en=en))


def detect(path: Path, name: str) -> str:
    """The format by content; a name that says otherwise is refused, since one of the two is wrong."""
    with path.open("rb") as file:
        head = file.read(4096)
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() not in (".gz", ".zst")]
    named = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if (named in _BINARY and named != found) or (found in _BINARY and named not in (found, None)):
        raise refuse(
            f"文件内容与扩展名 {suffixes[-1]} 不符，请重新导出或改正扩展名", f"the content is not what the name's ending {suffixes[-1]} says"
        )
    if found:
        return found
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{", b"[")):
        return named if named in ("json", "ndjson") else _json_kind(text)
    if named in ("json", "ndjson"):
        raise refuse("文件不是 JSON，请检查后重新推送", "the file is not JSON: check it and push again")
    if b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse("无法识别的二进制文件，请用 CSV、XLSX、JSON、Parquet 或 GeoJSON", "an unknown binary file: use CSV, XLSX, JSON, Parquet or GeoJSON")
    return "delimited"


def _json_kind(text: bytes) -> str:
    """Lines of objects where the first line is one whole object and another follows."""
    first, _, rest = text.partition(b"\n")
    return "ndjson" if first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{") else "json"


def plain_file(path: Path, work: Path) -> Path:
    """The file itself, or a decompressed copy in ``work``; bombs and broken archives are refused."""
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return _decompressed(path, work, lambda: cast(IO[bytes], gzip.open(path, "rb")))
    if head == b"\x28\xb5\x2f\xfd":
        return _decompressed(path, work, lambda: cast(IO[bytes], zstandard.open(path, "rb")))
    return path


def _decompressed(path: Path, work: Path, open_stream: Callable[[], IO[bytes]]) -> Path:
    target = scratch(work, path.name)
    limit = min(MAX_PLAIN_BYTES, max(path.stat().st_size * MAX_GROWTH, 64 * _CHUNK))
    written = 0
    try:
        with open_stream() as source, target.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > limit:
                    target.unlink()
                    raise refuse("压缩文件解压后过大，请拆分后推送", "the compressed file grows too large: push it in parts")
                sink.write(chunk)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        target.unlink(missing_ok=True)
        raise refuse("压缩文件已损坏或不完整，请重新推送", "the compressed file is broken or cut short: push it again") from error
    return target


def utf8_file(path: Path, work: Path) -> Path:
    """The file itself where it is UTF-8 without a mark, else a transcoded copy in ``work``."""
    encoding = _encoding(path)
    if encoding == "utf-8":
        return path
    target = scratch(work, path.name)
    try:
        with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as sink:
            while text := source.read(_CHUNK):
                sink.write(text)
    except UnicodeError as error:
        target.unlink(missing_ok=True)
        raise refuse(
            "文字编码无法识别，请另存为 UTF-8 或 GB18030 后推送", "the text's encoding is unknown: save as UTF-8 or GB18030"
        ) from error
    return target


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8" if _decodes(path) else "gb18030"


def _decodes(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def scratch(work: Path, name: str) -> Path:
    """A new file name in the scratch folder, which is emptied between runs."""
    folder = work / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{uuid.uuid4().hex}-{name[-60:]}"
