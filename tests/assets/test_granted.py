"""A role's grant names tables and columns that exist."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assets.granted import grant_faults
from catalog.load import Catalogue, default_root
from masking.roles import ROLES_FILE


def granted(root: Path, shipped: Catalogue, old: str, new: str) -> Catalogue:
    """The shipped catalogue with one thing changed in its roles."""
    shutil.copytree(
        default_root(), root, ignore=shutil.ignore_patterns("*.py", "__pycache__"), dirs_exist_ok=True
    )
    text = (root / ROLES_FILE).read_text(encoding="utf-8")
    assert old in text
    (root / ROLES_FILE).write_text(text.replace(old, new), encoding="utf-8")
    return replace(shipped, root=root)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"theme.*"', '"theme.*", base.persons', "analyst.tables.2"),
        ('"theme.*"', '"standard.*"', "analyst.tables.1"),
        ("base.person.resident_id:", "base.person.resident_no:", "analyst.masks.base.person.resident_no"),
        ("base.person.resident_id:", "base.persons.resident_id:", "analyst.masks.base.persons.resident_id"),
    ],
)
def test_what_a_grant_names_must_exist(
    tmp_path: Path, shipped: Catalogue, old: str, new: str, field: str
) -> None:
    catalogue = granted(tmp_path, shipped, old, new)
    (fault,) = grant_faults(catalogue, ["one_person_one_file"])
    assert (fault.file, fault.field) == (ROLES_FILE, field)
    text = (tmp_path / ROLES_FILE).read_text(encoding="utf-8").splitlines()
    assert new.rsplit(", ", maxsplit=1)[-1].rstrip(":").strip("[]") in text[fault.line - 1]


def test_a_theme_of_its_own_may_be_granted(tmp_path: Path, shipped: Catalogue) -> None:
    catalogue = granted(tmp_path, shipped, '"theme.*"', "theme.elderly")
    assert grant_faults(catalogue, ["elderly"]) == []
    assert [fault.field for fault in grant_faults(catalogue, [])] == ["analyst.tables.1"]
