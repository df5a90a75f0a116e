"""What a linkage model file may say: shorthand, defaults, and every fault with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.base_model import load_bases
from catalog.linkage_model import (
    FORMS,
    LEVELS,
    Kind,
    Unique,
    UnknownModelError,
    load_model,
    reviewed_faults,
    reviewed_models,
)
from catalog.load import CatalogueError, load
from catalog.relation_model import load_relations


def written(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_alone_make_a_model(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, "columns: {姓名: person_name, dob: {kind: date, right: birthday}}"))
    assert model.columns["姓名"].kind is Kind.PERSON_NAME
    assert model.columns["姓名"].by_frequency()
    assert model.sources("dob", "left") == ("dob",)
    assert model.sources("dob", "right") == ("birthday",)
    assert model.key_of("left") is None
    assert model.unique is Unique.NEITHER
    assert model.blocking == ()


def test_a_key_may_differ_between_the_files(tmp_path: Path) -> None:
    model = load_model(
        written(tmp_path, "key: {left: a, right: b}\ncolumns: {x: {kind: text, from: [c, d]}}")
    )
    assert (model.key_of("left"), model.key_of("right")) == ("a", "b")
    assert model.sources("x", "left") == ("c", "d")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("columns: {a: person_name}\ntreshold: {}", "model.yaml:2 treshold: Extra inputs are not permitted"),
        ("columns:\n  a: {kind: name}", "model.yaml:2 columns.a.kind"),
        ("columns:\n  a: {kind: sex, m: {near: 0.1}}", "near is no level of sex → use exact, else"),
        ("columns:\n  a: {kind: sex, m: {exact: 0.9, else: 0.4}}", "sum to more than 1"),
        ("columns: {a: sex}\nblocking: [[b]]", "b names no compared column → use a"),
        ("columns: {a: date}\nblocking:\n  - [a.sound]", "model.yaml:3 blocking.0: sound is no form of date"),
        ("columns:\n  a: {kind: phone, implied_by: b}", "a resident id says nothing of a phone"),
        (
            "columns:\n  a: {kind: person_names, frequency: true}",
            "model.yaml:2 columns.a.frequency: sets of names",
        ),
        ("columns: {a: date}\nthresholds: {review: 0.9, link: 0.8}", "review is above link"),
        ("columns: {}", "at least 1 item"),
        ("key: a", "model.yaml:1 columns: Field required"),
    ],
)
def test_every_fault_names_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        load_model(written(tmp_path, text))
    assert told in str(refused.value)


def test_a_missing_file_says_where_models_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"catalog/linkage holds"):
        load_model(tmp_path / "none.yaml")


def test_the_reviewed_models_name_fields_of_their_base_database() -> None:
    catalogue = load()
    bases, models = load_bases(catalogue), reviewed_models(catalogue.root)
    assert set(models) == {"person", "legal_entity"}
    for code, model in models.items():
        base = bases[code]
        own = {name for name, column in model.columns.items() if not column.right}
        assert own <= {base.identifier, *base.fields}
        assert model.key_of("right") == base.id_column
        assert model.unique is Unique.RIGHT


def test_the_reviewed_models_are_checked_against_bases_and_relations(tmp_path: Path) -> None:
    catalogue = load()
    bases = load_bases(catalogue)
    relations = load_relations(catalogue, bases)
    assert reviewed_faults(catalogue, bases, relations) == []
    root = tmp_path / "catalog"
    (root / "linkage").mkdir(parents=True)
    (root / "linkage" / "person.yaml").write_text(
        "columns:\n"
        "  name: person_name\n"
        "  nickname: person_name\n"
        "  kin: {kind: person_names, left: [marriage_man.bride], right: [shareholder]}\n"
        "  more: {kind: person_names, left: [name, marriage_man.woman_name], right: [name, spouse]}\n",
        encoding="utf-8",
    )
    (root / "linkage" / "animal.yaml").write_text("columns: {name: text}\n", encoding="utf-8")
    told = "\n".join(map(str, reviewed_faults(replace(catalogue, root=root), bases, relations)))
    assert "linkage/animal.yaml:1 : animal is no base database" in told
    assert (
        "person.yaml:3 columns.nickname: nickname is no field of base.person, and no column of a source"
        in told
    )
    assert "person.yaml:3 columns.nickname: nickname is no field of base.person, and no relation" in told
    assert "person.yaml:4 columns.kin: marriage_man.bride is no field" in told
    assert "person.yaml:4 columns.kin: shareholder is no field of base.person, and no relation" in told
    assert "person.yaml:5" not in told


def test_every_kind_has_levels_that_sum_to_one_and_forms() -> None:
    for kind in Kind:
        assert sum(LEVELS[kind].values()) == pytest.approx(1)
        assert next(iter(LEVELS[kind])) == "exact"
        assert [*LEVELS[kind]][-1] == "else"
        assert "exact" in FORMS[kind]


DOCUMENT = Path(__file__).parents[2] / "docs" / "identity.md"


@pytest.mark.parametrize(
    "example",
    re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL),
)
def test_the_documents_examples_are_models(tmp_path: Path, example: str) -> None:
    assert load_model(written(tmp_path, example)).columns


def test_the_document_lists_every_kind_with_its_levels_and_forms() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([\w, ]+) \| ([`\w, ]+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = {kind: (levels.split(", "), forms.replace("`", "").split(", ")) for kind, levels, forms in rows}
    assert listed == {kind.value: ([*LEVELS[kind]], [*FORMS[kind]]) for kind in Kind}
