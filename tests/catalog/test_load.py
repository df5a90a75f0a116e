"""Reading declarations: every fault at once, each with its file and line, before anything is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.load import Catalogue, CatalogueError, Fault, Place, UnknownResourceError, load
from tests.catalog.small import FIRMS, PERSONS, broken, line_of, write


def faults(root: Path) -> list[Fault]:
    with pytest.raises(CatalogueError) as refused:
        load(root)
    return refused.value.faults


def test_a_catalogue_is_read_by_file_stem_with_its_departments(tmp_path: Path) -> None:
    catalogue = load(write(tmp_path))
    assert list(catalogue.entries) == ["firm", "person"]
    assert set(catalogue.departments) == {"police", "market"}
    assert catalogue.entry("person").department == "police"
    assert [declared.code for declared in catalogue.of_department("market")] == ["firm"]
    assert [declared.code for declared in catalogue.of_division("441800")] == ["firm", "person"]
    assert catalogue.of_division("441881") == []
    assert catalogue.source_of_item == {
        "firm.name": ("firm", "firm_name"),
        "person.resident_id": ("person", "resident_id"),
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "field", "told"),
    [
        (PERSONS, "frequency: daily", "frequency: dayly", "frequency", "frequency", "'daily'"),
        (PERSONS, "abstract: 户籍登记\n", "", "title:", "abstract", "Field required"),
        (PERSONS, "abstract: 户籍登记", "abstact: 户籍登记\nabstract: 户籍登记", "abstact", "abstact", "Extra inputs"),
        (PERSONS, "101001/000001", "101001-1", "catalogue_code", "catalogue_code", "pattern"),
        (PERSONS, "grade: 2", "grade: 9", "  status:", "columns.status.grade", "4"),
        (PERSONS, "  name: {", "  _row: {", "  _row:", "columns._row.[key]", "pattern"),
        (PERSONS, "key: [resident_id]", "key: [id]", "title:", "", "names no column of this entry: id"),
        (PERSONS, "key: [resident_id]", "key: [name]", "title:", "", "must be required: name"),
        (PERSONS, "key: [resident_id]", "key: []", "  ways:", "delivery", "needs a key"),
        (PERSONS, "expect_column_to_match_resident_id", "must_match", "must_match", "rules.0.expectation", "pattern"),
        ("departments.yaml", "market@city.example", "market", "market:", "owner", "pattern"),
    ],
)  # fmt: skip
def test_a_malformed_field_is_told_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, at: str, field: str, told: str
) -> None:
    (fault,) = faults(broken(tmp_path, file, old, new))
    assert (fault.file, fault.field) == (file, field)
    assert told in fault.problem
    assert fault.line == line_of(tmp_path, file, at)
    assert fault.remedy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: {zh: 户籍", "not readable as YAML"),
        ("- a\n- b\n", "holds no mapping"),
        ("", "holds no mapping"),
        ("title: 甲\nsince: [2027-13-31]\n", "no such value"),
        ("title: {zh: 甲, en: a}\ntitle: {zh: 乙, en: b}\n", "stands twice"),
    ],
)
def test_a_file_that_is_no_declaration_is_told(tmp_path: Path, text: str, told: str) -> None:
    (write(tmp_path) / PERSONS).write_text(text, encoding="utf-8")
    (fault,) = faults(tmp_path)
    assert fault.file == PERSONS
    assert told in fault.problem


def test_a_file_in_another_encoding_is_told_to_be_saved_as_utf8(tmp_path: Path) -> None:
    (write(tmp_path) / PERSONS).write_bytes("title: 户籍".encode("gb18030"))
    (fault,) = faults(tmp_path)
    assert "UTF-8" in fault.remedy


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    broken(tmp_path, PERSONS, "frequency: daily", "frequency: dayly")
    firms = tmp_path / FIRMS
    firms.write_text(
        firms.read_text(encoding="utf-8").replace("mode: upsert", "mode: merge"), encoding="utf-8"
    )
    told = faults(tmp_path)
    assert [(fault.file, fault.field) for fault in told] == [(FIRMS, "delivery.mode"), (PERSONS, "frequency")]
    with pytest.raises(CatalogueError, match=r"(?s)firm\.yaml.*person\.yaml"):
        load(tmp_path)


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    twin = write(tmp_path) / "resources/market/person.yaml"
    twin.write_text((tmp_path / PERSONS).read_text(encoding="utf-8"), encoding="utf-8")
    (fault,) = faults(tmp_path)
    assert (fault.file, fault.field) == (PERSONS, "code")
    assert "resources/market/person.yaml" in fault.problem


def test_an_unknown_resource_suggests_near_names(tmp_path: Path) -> None:
    catalogue: Catalogue = load(write(tmp_path))
    with pytest.raises(UnknownResourceError, match="did you mean person"):
        catalogue.entry("persons")
    with pytest.raises(UnknownResourceError, match="citylake catalogue list"):
        catalogue.entry("xyz")


def test_a_fields_line_is_that_of_the_nearest_field_that_exists() -> None:
    place = Place("a.yaml", {(): 1, ("columns",): 7, ("columns", "name"): 9})
    assert place.line(("columns", "name", "grade")) == 9
    assert place.line(("columns", "sex", "grade")) == 7
    assert place.line(("opening",)) == 1
