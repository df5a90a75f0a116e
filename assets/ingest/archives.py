"""Zip files: what a department packed, unpacked safely into the scratch folder.

Here belong the limits (members, bytes, names that point elsewhere) and the order of what was found. What is in a
member is read by the other modules; a member's own name is never used as a path.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from assets.ingest import decoding
from assets.ingest.decoding import UnreadableError, refuse, scratch

MAX_MEMBERS = 1_000
_SMALLEST_LIMIT = 64 * 1024**2
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_ELSEWHERE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0")
#: What operating systems put beside the files one meant to pack.
_LITTER = re.compile(r"(^|/)(__MACOSX/|\.|~\$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Member:
    """One file of the archive: the name it has there, and where its bytes are now. Members whose names differ only in
    the ending lie side by side under one stem, as the parts of a shapefile must."""

    name: str
    path: Path


def unpacked(path: Path, work: Path) -> tuple[Member, ...]:
    """The archive's files in the order of their names. Raises :class:`UnreadableError`."""
    folder = scratch(work, "zip")
    folder.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _judged(archive.infolist())
            return tuple(_extracted(archive, members, folder, _limit(path)))
    except _BROKEN as error:
        raise refuse(
            "压缩包已损坏或不完整，请重新打包后推送",
            "the zip file is broken or cut short: pack and push it again",
        ) from error


def _limit(path: Path) -> int:
    return min(decoding.MAX_PLAIN_BYTES, max(path.stat().st_size * decoding.MAX_GROWTH, _SMALLEST_LIMIT))


def _judged(infos: list[zipfile.ZipInfo]) -> list[tuple[str, zipfile.ZipInfo]]:
    """(name, member) of the files, in order; refused where the archive is not what an honest export looks like."""
    if len(infos) > MAX_MEMBERS:
        raise refuse(
            f"压缩包中的文件超过 {MAX_MEMBERS} 个，请分批推送",
            f"more than {MAX_MEMBERS} files in the zip: push in parts",
        )
    files: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _name(info)
        if _ELSEWHERE.search(name):
            raise refuse(
                "压缩包中有指向包外的文件名（绝对路径或 ..），请只打包数据文件",
                "the zip holds a name that points outside it (absolute, or with ..): pack the data files only",
            )
        if info.flag_bits & _ENCRYPTED:
            raise refuse("压缩包有密码，请取消密码后推送", "the zip has a password: remove it and push again")
        name = name.replace("\\", "/")
        if info.is_dir() or name.endswith("/") or _LITTER.search(name):
            continue
        if name.casefold() in files:
            raise refuse(
                "压缩包中有同名文件，请保留一份", "the zip holds two files of one name: keep one of them"
            )
        files[name.casefold()] = info
    return [(_name(files[key]).replace("\\", "/"), files[key]) for key in sorted(files)]


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: without the mark for UTF-8, Chinese systems write it in GB18030."""
    if info.flag_bits & _UTF8_NAME:
        return info.filename
    try:
        return info.orig_filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename


def _extracted(
    archive: zipfile.ZipFile, members: list[tuple[str, zipfile.ZipInfo]], folder: Path, limit: int
) -> Iterator[Member]:
    stems: dict[str, int] = {}
    left = limit
    for name, info in members:
        place = PurePosixPath(name)
        stem, suffixes = _parted(place.name)
        number = stems.setdefault(f"{place.parent}/{stem}".casefold(), len(stems))
        target = folder / f"{number:04d}{suffixes}"
        with archive.open(info) as source, target.open("xb") as sink:
            while piece := source.read(_CHUNK):
                left -= len(piece)
                if left < 0:
                    raise _too_large()
                sink.write(piece)
        yield Member(name, target)


def _parted(name: str) -> tuple[str, str]:
    """A file's stem, and its ending in lower case (both endings of ``a.csv.gz``), fit to be used as a path."""
    ending = PurePosixPath(name).suffix
    stem = name.removesuffix(ending)
    if ending.lower() in (".gz", ".zst"):
        inner = PurePosixPath(stem).suffix
        stem, ending = stem.removesuffix(inner), inner + ending
    return stem, "".join(_SUFFIX.findall(ending)).lower()


def _too_large() -> UnreadableError:
    return refuse("压缩包解压后过大，请拆分后推送", "the zip grows too large when unpacked: push it in parts")
