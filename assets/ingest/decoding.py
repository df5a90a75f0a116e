"""What a file's bytes are: compression, format by content, and the text encoding.

Here belongs everything before the first cell: magic numbers, decompression with a bound, transcoding to UTF-8 in
bounded memory. Cells are read in ``readers.py`` and ``delimited.py``.
"""

from __future__ import annotations

import codecs
import fcntl
import gzip
import os
import re
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from catalog.errors import MendableError
from catalog.model import Title

#: A compressed push may not grow beyond this, nor by more than this factor: what does is a bomb.
MAX_PLAIN_BYTES = 20 * 1024**3
MAX_GROWTH = 200
#: A text of which more than this share cannot be decoded is refused whole.
MAX_UNREADABLE = 0.01
REPLACEMENT = "\ufffd"
MAX_WINDOW = 128 * 1024**2
_CHUNK = 1 << 20
_ZSTD_PIECE = 1 << 12
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"SQLite format 3\0", "geopackage"),
    (b"\xd0\xcf\x11\xe0", "spreadsheet"),
)
_SUFFIXES = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".xlsx": "spreadsheet",
    ".xls": "spreadsheet",
    ".xlsm": "spreadsheet",
    ".xlsb": "spreadsheet",
    ".ods": "spreadsheet",
    ".et": "spreadsheet",
    ".html": "html",
    ".htm": "html",
    ".zip": "zip",
    ".gpkg": "geopackage",
    ".json": "json",
    ".geojson": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".txt": "delimited",
}
_CJK = re.compile("[\u0800-\U0010ffff]")
#: How a page begins that a system calls a spreadsheet.
_HTML_START = re.compile(
    rb"(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|meta|body|style|table)\b", re.I | re.S
)
_JSON_START = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\]]|\[\s*$")


class UnreadableError(MendableError):
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
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None) or _kind_of_text(head)
    if found == "zip" and _is_workbook(path, name):
        found = "spreadsheet"
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() not in (".gz", ".zst")]
    named = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if named and _family(named) != _family(found) and (named, found) != ("spreadsheet", "html"):
        raise refuse(
            f"文件内容与扩展名 {suffixes[-1]} 不符，请重新导出或改正扩展名",
            f"the content is not what the name's ending {suffixes[-1]} says: export again, or mend the ending",
        )
    return named if named and found == "json" else found


def _is_workbook(path: Path, name: str) -> bool:
    """A workbook is a zip too, and its parts tell. A broken one is taken for what its name says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(part.startswith("xl/") or part == "content.xml" for part in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return not name.lower().endswith(".zip")


def is_data(name: str) -> bool:
    """Whether a file's name promises data that can be read."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() not in (".gz", ".zst")]
    return bool(suffixes) and (suffixes[-1] in _SUFFIXES or suffixes[-1] == ".shp")


def _family(kind: str) -> str:
    """JSON and NDJSON are told apart by the name alone: one line of NDJSON is also JSON."""
    return "json" if kind == "ndjson" else kind


def _kind_of_text(head: bytes) -> str:
    wide = _utf16(head)
    if wide:
        head = head[: len(head) // 2 * 2].decode(wide, "replace").encode()
    elif head.count(0) * 20 > len(head):
        raise refuse(
            "无法识别的二进制文件，请用 CSV、XLSX、JSON、Parquet 或 GeoJSON",
            "an unknown binary file: use CSV, XLSX, JSON, Parquet or GeoJSON",
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _HTML_START.match(text):
        return "html"
    return _json_kind(text) if _JSON_START.match(text) else "delimited"


def _json_kind(text: bytes) -> str:
    """Lines of objects where the first line is one whole object and another follows."""
    first, _, rest = text.partition(b"\n")
    return "ndjson" if first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{") else "json"


def plain_file(path: Path, work: Path) -> Path:
    """The file itself, or a decompressed copy in ``work``; bombs and broken archives are refused."""
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return _decompressed(path, work, _gunzipped)
    if head == b"\x28\xb5\x2f\xfd":
        return _decompressed(path, work, _unzstd)
    return path


def _decompressed(path: Path, work: Path, pieces: Callable[[Path], Iterator[bytes]]) -> Path:
    target = scratch(work, path.name)
    limit = min(MAX_PLAIN_BYTES, max(path.stat().st_size * MAX_GROWTH, 64 * _CHUNK))
    written = 0
    try:
        with target.open("wb") as sink:
            for piece in pieces(path):
                written += len(piece)
                if written > limit:
                    raise refuse(
                        "压缩文件解压后过大，请拆分后推送",
                        "the compressed file grows too large: push it in parts",
                    )
                sink.write(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        target.unlink()
        raise refuse(
            "压缩文件已损坏或不完整，请重新推送", "the compressed file is broken or cut short: push it again"
        ) from error
    except UnreadableError:
        target.unlink()
        raise
    return target


def _gunzipped(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as source:
        while piece := source.read(_CHUNK):
            yield piece


def _unzstd(path: Path) -> Iterator[bytes]:
    """All frames of the file. zstandard's own reader ends quietly where the last one is cut short, so each frame is
    fed by hand, in pieces so small that even a bomb's stay in memory. Raises EOFError for a frame without its end."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    frame, rest = decompressor.decompressobj(), b""
    with path.open("rb") as source:
        while piece := rest or source.read(_ZSTD_PIECE):
            if frame.eof:
                frame = decompressor.decompressobj()
            yield frame.decompress(piece)
            rest = frame.unused_data
    if not frame.eof:
        raise EOFError


@dataclass(frozen=True)
class Text:
    """A file in UTF-8: ``certain`` where all its bytes have been decoded, ``broken`` where some could not be, and
    stand as U+FFFD."""

    path: Path
    certain: bool = True
    broken: bool = False


def utf8_text(path: Path, work: Path) -> Text:
    """The file itself where its first megabyte is UTF-8 (a mark at its start is left), else a transcoded copy."""
    with path.open("rb") as file:
        head = file.read(_CHUNK)
    if _utf16(head) is None and _decodes(head):
        return Text(path, certain=len(head) < _CHUNK)
    return transcoded(path, work)


def transcoded(path: Path, work: Path) -> Text:
    """A copy in UTF-8 without a mark. Of the encodings departments use the first that fits wholly; where none does,
    the one that fits best, if nearly all of the text is readable."""
    with path.open("rb") as file:
        head = file.read(_CHUNK)
    wide = _utf16(head)
    for encoding in (
        [wide] if wide else ["utf-8-sig", "gb18030"] if _decodes(head) else ["gb18030", "utf-8-sig"]
    ):
        try:
            return Text(_copied(path, work, encoding, "strict"))
        except UnicodeError:
            continue
    return Text(_copied(path, work, _best_encoding(path), "replace"), broken=True)


def utf8_file(path: Path, work: Path) -> Path:
    """The file itself where it is UTF-8 without a mark, else a transcoded copy in ``work``; never with characters
    replaced."""
    text = utf8_text(path, work)
    if not text.certain or _has_mark(text.path):
        text = transcoded(path, work)
    if text.broken:
        raise _unknown_encoding()
    return text.path


def _unknown_encoding() -> UnreadableError:
    return refuse(
        "文字编码无法识别，请另存为 UTF-8 或 GB18030 后推送",
        "the text's encoding is unknown: save as UTF-8 or GB18030",
    )


def _copied(path: Path, work: Path, encoding: str, errors: str) -> Path:
    target = scratch(work, path.name)
    try:
        with (
            path.open(encoding=encoding, errors=errors, newline="") as source,
            target.open("w", encoding="utf-8", errors="replace", newline="") as sink,
        ):
            while text := source.read(_CHUNK):
                sink.write(text)
    except UnicodeError:
        target.unlink()
        raise
    return target


def _best_encoding(path: Path) -> str:
    """UTF-8 or GB18030, whichever leaves fewer characters unread; refused where that is more than one in a hundred."""
    bad = {encoding: _unreadable_share(path, encoding) for encoding in ("utf-8", "gb18030")}
    best = min(bad, key=lambda encoding: bad[encoding])
    if bad[best] > MAX_UNREADABLE:
        raise _unknown_encoding()
    return best


def _unreadable_share(path: Path, encoding: str) -> float:
    total, unread = 1, 0
    with path.open(encoding=encoding, errors="replace", newline="") as source:
        while text := source.read(_CHUNK):
            total += len(text)
            unread += text.count(REPLACEMENT)
    return unread / total


def _utf16(head: bytes) -> str | None:
    """UTF-16 by its mark, or by the zero bytes of its Latin characters."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    low, high = head[1:4096:2].count(0), head[:4096:2].count(0)
    if max(low, high) * 10 < min(len(head), 4096) or min(low, high):
        return None
    return "utf-16-le" if low else "utf-16-be"


def _has_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == codecs.BOM_UTF8


def _decodes(head: bytes) -> bool:
    """Whether the bytes begin a UTF-8 text; the last character may be cut off by the end of a full chunk.

    Some GB18030 words are also UTF-8 (联通 is the famous one), but then as letters of the Near East: a text whose
    only letters beyond ASCII are those is GB18030."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < _CHUNK)
        if text.isascii() or _CJK.search(text):
            return True
        codecs.getincrementaldecoder("gb2312")().decode(head)
    except UnicodeDecodeError as error:
        return error.encoding != "utf-8"
    return False


@contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """A folder for the copies that reading one push needs, gone with all that is in it when the push is done."""
    folder = work / "scratch" / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o700)
    # held while we live: what a killed process left is told from what is in use
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep_scratch(work: Path) -> int:
    """Remove the scratch folders of processes that are no more; returns how many."""
    gone = 0
    for folder in (work / "scratch").glob("*"):
        # one that has just been made may not be held yet
        if time.time() - folder.stat().st_mtime < 1:
            continue
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
    return gone


def scratch(work: Path, name: str) -> Path:
    """A new file name in the scratch folder ``work``."""
    return work / f"{uuid.uuid4().hex}-{name[-60:]}"
