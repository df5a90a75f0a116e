"""Zips: every data file of one is read as a table; none can write outside, grow without end, or hide a fault."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.ingest import archives, decoding
from assets.ingest.archives import unpacked
from assets.ingest.decoding import UnreadableError
from assets.ingest.readers import Reading

Read = Callable[..., Reading]
CSV = "身份号码,姓名,金额\n44180219900101001X,张三,1.5\n".encode()
MORE = "姓名,身份号码,备注\n李四,441802199001010028,迁入\n".encode("gb18030")


def packed(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def refused(reading: Read, content: bytes, name: str = "push.zip") -> str:
    with pytest.raises(UnreadableError) as caught:
        reading(content, name).frame.collect()
    assert caught.value.reason.zh
    return caught.value.reason.en


def names(reading: Reading) -> list[Any]:
    return reading.frame.select("_row", "name").collect().rows()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_one_file_in_a_zip(reading: Read, method: int) -> None:
    assert names(reading(packed({"资料/人员.csv": CSV}, method), "push.zip")) == [(1, "张三")]


def test_files_of_several_formats_and_encodings_are_one_table(reading: Read) -> None:
    content = packed({"2.txt": MORE, "1.csv": CSV, "__MACOSX/._1.csv": b"\0\1", "说明.docx": b"PK"})
    found = reading(content, "push.zip")
    assert names(found) == [(1, "张三")]
    assert found.frame.collect().height == 1, "the second file names less of the entry"
    assert any("1 files without this header" in note for note in found.notes)
    assert any("1 other files" in note for note in found.notes)


def test_files_of_one_header_follow_each_other(reading: Read) -> None:
    second = CSV.replace("张三".encode(), "李四".encode())
    found = reading(packed({"b.csv": second, "a.csv": CSV}), "push.zip")
    assert names(found) == [(1, "张三"), (2, "李四")]
    assert any("2 files joined" in note for note in found.notes)


def test_a_text_that_is_no_table_is_left_and_a_table_that_cannot_be_read_is_not(reading: Read) -> None:
    readme = "请先阅读".encode()
    assert names(reading(packed({"a.csv": CSV, "读我.txt": readme}), "push.zip")) == [(1, "张三")]
    assert "file 2 of the zip" in refused(reading, packed({"a.csv": CSV, "b.csv": readme}))


def test_names_written_in_gb18030_without_the_mark(reading: Read) -> None:
    """Python writes UTF-8 with the mark: it is taken off, as Windows in Chinese never set it."""
    name = "说明.txt".encode("gb18030")
    content = packed({"x" * len(name): b"nothing", "b.csv": b"nothing"}).replace(b"x" * len(name), name)
    members = {"说明.txt", "b.csv"}
    assert "file 1 of the zip" in refused(reading, content)
    assert {archives._name(info) for info in zipfile.ZipFile(io.BytesIO(content)).infolist()} == members


@pytest.mark.parametrize(
    "name",
    ["../a.csv", "a/../../b.csv", "/etc/a.csv", "\\a.csv", "C:\\a.csv", "c:a.csv", "..\\a.csv", "a/.."],
)
def test_names_that_point_elsewhere_refuse_the_zip(reading: Read, name: str, tmp_path: Path) -> None:
    assert "points outside" in refused(reading, packed({"good.csv": CSV, name: CSV}))
    assert not [path for path in tmp_path.parent.rglob("a.csv") if path.is_relative_to(tmp_path)]


def test_dots_in_a_name_are_no_way_out(reading: Read) -> None:
    assert names(reading(packed({"2024..06/a..b.csv": CSV}), "push.zip")) == [(1, "张三")]


def test_a_zip_with_a_password(reading: Read) -> None:
    content = bytearray(packed({"a.csv": CSV}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    assert "password" in refused(reading, bytes(content))


def test_bombs(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_SMALLEST_LIMIT", 1 << 20)
    monkeypatch.setattr(decoding, "MAX_GROWTH", 2)
    assert "too large" in refused(reading, packed({"a.csv": b"0" * (2 << 20)}))
    assert "too large" in refused(reading, packed({f"{n}.csv": b"0" * (1 << 18) for n in range(8)}))
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert "more than 3 files" in refused(reading, packed({f"{n}.csv": CSV for n in range(4)}))


def test_a_size_that_lies(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what comes out, not what the archive says."""
    content = bytearray(packed({"a.csv": b"0" * (2 << 20)}))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(mark) + place
        content[at : at + 4] = struct.pack("<I", 10)
    assert "broken" in refused(reading, bytes(content))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no file of data"),
        ({"a.pdf": b"%PDF"}, "no file of data"),
        ({"b.zip": packed({"a.csv": CSV})}, "a zip inside a zip"),
        ({"a.csv": CSV, "A.CSV": CSV}, "two files of one name"),
        ({"张三.csv": b""}, "file 1 of the zip"),
        ({"a.xlsx": CSV}, "not what the name"),
    ],
)
def test_what_no_honest_export_holds(reading: Read, files: dict[str, bytes], says: str) -> None:
    assert says in refused(reading, packed(files))


def test_a_zip_is_no_csv_whatever_it_is_called(reading: Read) -> None:
    assert "not what the name" in refused(reading, packed({"a.csv": CSV}), "push.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
        ).map(lambda name: name + ".csv"),
        st.sampled_from([CSV, MORE, b"", b"\0" * 50]),
        max_size=4,
    )
)
def test_no_name_is_written_outside_the_scratch_folder(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    (folder / "push.zip").write_bytes(packed(files))
    work = folder / "work"
    work.mkdir()
    try:
        members = unpacked(folder / "push.zip", work)
    except UnreadableError as refusal:
        assert refusal.reason.en
    else:
        assert all(member.path.is_relative_to(work) for member in members)
    assert sorted(path.name for path in folder.iterdir()) == ["push.zip", "work"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 10_000),
    dropped=st.integers(0, 40),
    junk=st.binary(max_size=30),
    kind=st.sampled_from(["csv", "zip"]),
)
def test_damaged_zips_are_refused_or_read(
    reading: Read, start: int, dropped: int, junk: bytes, kind: str
) -> None:
    whole = packed({"a.csv": CSV * 20, "b.txt": MORE})
    place = start % len(whole)
    content = whole[:place] + junk + whole[place + dropped :]
    try:
        reading(content, f"push.{kind}").frame.collect()
    except UnreadableError as refusal:
        assert refusal.reason.zh
