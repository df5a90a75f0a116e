"""Each rule of the law and of the contract: one broken entry yields exactly its fault, with place, article and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.check import ACROSS, RULES, check
from catalog.load import load
from pipelines.checks import faults_of
from tests.catalog.small import DEPARTMENTS_FILE, FIRMS, PERSONS, broken, line_of, write

#: What is replaced by what; where the fault is told (a text of its line, the field); its article, problem, remedy.
Case = tuple[str, str, str, str, str, str, str, str]
OWN_SHARING = "name: {title: 姓名, element: person_name, grade: 3, sharing: "
NAME = "name: {title: 姓名, element: person_name, grade: 3}"
CASES: list[Case] = [
    # Arts. 13, 14: sharing
    (PERSONS, "  type: conditional\n  basis: 户口登记条例\n  conditions: 仅限履行职责\n", "  type: none\n", "  type: none", "sharing", "Art. 14", "not shared, without a legal basis", "name the law"),
    (PERSONS, "  basis: 户口登记条例\n", "", "  type: conditional", "sharing", "Art. 14", "conditional, without a basis", "`basis`"),
    (PERSONS, "  conditions: 仅限履行职责\n", "", "  type: conditional", "sharing", "Art. 14", "conditional, without conditions", "`conditions`"),
    (PERSONS, NAME, OWN_SHARING + "{type: none}}", "  name:", "columns.name.sharing", "Art. 14", "not shared, without a legal basis", "name the law"),
    (FIRMS, "  type: unconditional\n", "  type: unconditional\n  conditions: 仅限\n", "  type: unconditional", "sharing", "Art. 13", "unconditional, yet with conditions", "remove `conditions`"),
    (PERSONS, "  scope: 本市机构\n", "", "  type: conditional", "sharing", "Art. 11", "no sharing scope", "`scope`"),
    # Arts. 33 to 35: opening
    (PERSONS, "ground: 33-3, ", "", "opening:", "opening", "Art. 33", "no ground is no ground", "33-1"),
    (PERSONS, "ground: 33-3", "ground: 34-1", "opening:", "opening", "Art. 33", "34-1 is no ground", "33-1"),
    (PERSONS, "type: none, ground: 33-3", "type: conditional, ground: 33-3", "opening:", "opening", "Art. 34", "33-3 is no ground", "34-1"),
    (PERSONS, ", basis: 涉及个人隐私", "", "opening:", "opening", "Art. 33", "no document", "`basis`"),
    (FIRMS, "opening: {type: unconditional}", "opening: {type: unconditional, ground: 33-3}", "opening:", "opening", "Art. 35", "yet with a ground", "remove `ground`"),
    (FIRMS, "name: {title: 名称,", "name: {sharing: {type: none, basis: 依法}, title: 名称,", "  firm_name:", "columns.firm_name", "Arts. 13, 33", "not shared, yet opened", "`none`"),
    # Art. 10: grades
    (FIRMS, "organisation_name, grade: 1", "organisation_name, opening: {type: none, ground: 33-3, basis: 隐私}, grade: 4", "  firm_name:", "columns.firm_name.grade", "Art. 10", "grade 4, yet is shared unconditionally", "`sharing`"),
    (FIRMS, "organisation_name, grade: 1", "organisation_name, sharing: {type: conditional, basis: 依法, conditions: 仅限}, grade: 4", "  firm_name:", "columns.firm_name.grade", "Art. 10", "grade 4, yet is opened", "`opening`"),
    (PERSONS, "required: true, grade: 4", "required: true, grade: 3", "  resident_id:", "columns.resident_id.grade", "Art. 10", "at least grade 4", "raise"),
    # Art. 11: what is catalogued
    (PERSONS, "verifies: police", "verifies: polcie", "departments:", "departments.verifies", "Art. 11", "no department 'polcie'", "departments.yaml"),
    (PERSONS, "101001/000001", "102001/000001", "catalogue_code", "catalogue_code", "Art. 11", "also the code of", "number it anew"),
    # Art. 15: one item, one source
    (PERSONS, NAME, NAME[:-1] + ", item: firm.name}", "  name:", "columns.name.item", "Art. 15", "already", "remove `item`"),
    # the contract
    (PERSONS, "element: date", "element: dtae", "  birth_date:", "columns.birth_date.element", "", "no data element 'dtae'", "date"),
    (PERSONS, ", values: [正常, 注销]", "", "  status:", "columns.status", "", "a category has `values`", "add or remove"),
    (PERSONS, NAME, NAME[:-1] + ", values: [甲]}", "  name:", "columns.name", "", "a category has `values`", "add or remove"),
    (PERSONS, NAME, NAME[:-1] + ", aliases: [状态]}", "  status:", "columns.status", "", "the header '状态' also means name", "unique"),
    (FIRMS, "coordinate_system: cgcs2000\n", "", "  credit_code:", "columns", "", "no coordinate system", "`coordinate_system`"),
    (PERSONS, "columns:\n", "coordinate_system: wgs84\ncolumns:\n", "coordinate_system", "coordinate_system", "", "but no coordinates", "remove"),
    (DEPARTMENTS_FILE, "owner: police", "level: county, owner: police", "police:", "police.level", "", "441800 is none", "`division`"),
    (DEPARTMENTS_FILE, "owner: police", "division: '441881', owner: police", "police:", "police.division", "", "441881 is a county", "`level: county`"),
    (DEPARTMENTS_FILE, "owner: police", "bureau: nobody, owner: police", "police:", "police.bureau", "", "no department 'nobody'", "departments.yaml"),
    (PERSONS, "id_column: resident_id,", "row_condition: {type: or, conditions: [{type: nullity, column: {name: stauts}, is_null: true}]}, id_column: resident_id,", "- name:", "rules.0", "", "names no column: stauts", "correct the name"),
    (PERSONS, "id_column: resident_id", "id_column: id", "- name:", "rules.0", "", "names no column: id", "correct the name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "field", "article", "problem", "remedy"),
    CASES,
    ids=[f"{case[5] or 'contract'}: {case[6]}" for case in CASES],
)
def test_a_broken_entry_yields_exactly_its_fault(
    tmp_path: Path,
    file: str,
    old: str,
    new: str,
    at: str,
    field: str,
    article: str,
    problem: str,
    remedy: str,
) -> None:
    faults = check(load(broken(tmp_path, file, old, new)))
    assert len(faults) == 1, "\n".join(map(str, faults))
    (fault,) = faults
    assert (fault.file, fault.field, fault.article) == (file, field, article)
    assert fault.line == line_of(tmp_path, file, at)
    assert problem in fault.problem
    assert remedy in fault.remedy


def test_the_unbroken_catalogue_has_no_fault(tmp_path: Path) -> None:
    assert check(load(write(tmp_path))) == []


def test_faults_of_several_entries_are_told_together_in_file_order(tmp_path: Path) -> None:
    broken(tmp_path, PERSONS, "  scope: 本市机构\n", "")
    firms = (tmp_path / FIRMS).read_text(encoding="utf-8").replace("  scope: 本市机构\n", "")
    (tmp_path / FIRMS).write_text(firms, encoding="utf-8")
    assert [fault.file for fault in check(load(tmp_path))] == [FIRMS, PERSONS]


def test_a_fault_reads_as_one_line_that_an_editor_can_follow(tmp_path: Path) -> None:
    (fault,) = check(load(broken(tmp_path, PERSONS, "ground: 33-3", "ground: 34-1")))
    assert str(fault).startswith(
        f"{PERSONS}:12 opening: 34-1 is no ground for it [Art. 33] → use one of 33-1"
    )


def test_every_rule_of_the_law_is_broken_by_some_case(tmp_path: Path) -> None:
    """A rule that no case breaks might as well not be there. (A reserved name is refused by the model: see test_load.)"""
    breaks = set()
    for number, (file, old, new, *_) in enumerate(CASES):
        catalogue = load(broken(tmp_path / str(number), file, old, new))
        breaks |= {
            rule.__name__
            for rule in RULES
            if any(list(rule(catalogue, declared)) for declared in catalogue.entries.values())
        }
        breaks |= {across.__name__ for across in ACROSS if list(across(catalogue))}
    assert {rule.__name__ for rule in (*RULES, *ACROSS)} - breaks == {"_reserved"}


def test_the_shipped_catalogue_has_no_fault_of_any_kind() -> None:
    assert [str(fault) for fault in faults_of(load())] == []
