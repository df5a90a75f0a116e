"""What the ingest tests share: a small entry, and reading a file's bytes in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.ingest.readers import Reading, read
from catalog.load import load
from catalog.model import Entry

REAL = Path(__file__).parents[3] / "../shared/data"


def make_entry(columns: dict[str, dict[str, Any]] | None = None, **fields: Any) -> Entry:
    """The cremation register, with these columns instead of its own."""
    declared = {
        "person_id": {
            "title": "身份号码",
            "element": "resident_id",
            "required": True,
            "aliases": ["公民身份号码"],
        },
        "name": {"title": "姓名", "element": "person_name", "required": True},
        "amount": {"title": "金额", "element": "amount"},
    }
    document = load().entry("cremation").model_dump(mode="json") | {
        "code": "sample",
        "columns": columns or declared,
        "rules": [],
        "delivery": {"ways": ["file", "api", "table"], "mode": "append"},
    }
    return Entry.model_validate(document | fields)


@pytest.fixture(scope="session")
def entry() -> Entry:
    return make_entry()


@pytest.fixture(scope="session")
def entry_of() -> Callable[..., Entry]:
    return make_entry


@pytest.fixture(scope="session")
def real_file() -> Callable[..., Path]:
    """A file of the real data; the test is skipped where there is none."""

    def find(*parts: str) -> Path:
        path = REAL.joinpath(*parts)
        if not path.exists():
            pytest.skip("the folder of real data is not beside the project")
        return path

    return find


@pytest.fixture
def reading(tmp_path: Path, entry: Entry) -> Callable[..., Reading]:
    """Read bytes under a file name, as the small entry or another one."""

    def read_bytes(content: bytes, name: str = "push.csv", of: Entry = entry) -> Reading:
        path = tmp_path / name
        path.write_bytes(content)
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return read(path, of, work=work)

    return read_bytes


@pytest.fixture
def rows(reading: Callable[..., Reading]) -> Callable[..., list[tuple[Any, ...]]]:
    """Read bytes and collect them: (row number, person_id, name, amount)."""

    def collect(content: bytes, name: str = "push.csv") -> list[tuple[Any, ...]]:
        frame = reading(content, name).frame.collect()
        wanted = [column for column in ("_row", "person_id", "name", "amount") if column in frame.columns]
        return frame.select(wanted).rows()

    return collect
