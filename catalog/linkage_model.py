"""What a linkage model declares: the columns two records are compared by, how, and when they are one entity.

Here belong the shape of ``linkage/<database>.yaml`` (or of any model file), its reading, the faults in it, and what is
expected of true matches where nothing is declared. Comparing and estimating is the work of ``assets.base.linkage``.
Source: Fellegi and Sunter (1969): m is how often a level of agreement is seen among records of one entity, u how
often among records of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from catalog.base_model import Base
from catalog.errors import MendableError
from catalog.load import Catalogue, CatalogueError, Fault, Place, default_root, read_yaml, validate
from catalog.model import Declaration, Text, Title
from catalog.relation_model import Relation

Share = Annotated[float, Field(gt=0, lt=1)]


class Kind(StrEnum):
    """What a column holds: this decides how it is standardised, compared and blocked on."""

    PERSON_NAME = "person_name"
    PERSON_NAMES = "person_names"
    ORGANISATION_NAME = "organisation_name"
    DATE = "date"
    ADDRESS = "address"
    PHONE = "phone"
    SEX = "sex"
    CODE = "code"
    CREDIT_CODE = "credit_code"
    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"


#: The levels of agreement of each kind, best first, and how often each is expected among true matches. Estimation
#: starts from these and leaves them only as far as the data shows.
LEVELS: Mapping[Kind, Mapping[str, float]] = {
    Kind.PERSON_NAME: {"exact": 0.8, "sound": 0.06, "near": 0.07, "similar": 0.03, "else": 0.04},
    Kind.PERSON_NAMES: {"exact": 0.7, "sound": 0.05, "else": 0.25},
    Kind.ORGANISATION_NAME: {
        "exact": 0.52,
        "core": 0.2,
        "branch": 0.002,
        "contained": 0.1,
        "similar": 0.08,
        "alike": 0.05,
        "else": 0.048,
    },
    Kind.DATE: {"exact": 0.88, "swapped": 0.02, "near": 0.05, "part": 0.02, "else": 0.03},
    Kind.ADDRESS: {"exact": 0.4, "similar": 0.25, "number": 0.1, "alike": 0.1, "else": 0.15},
    Kind.PHONE: {"exact": 0.75, "near": 0.05, "else": 0.2},
    Kind.SEX: {"exact": 0.98, "else": 0.02},
    Kind.CODE: {"exact": 0.88, "near": 0.07, "two": 0.02, "else": 0.03},
    Kind.CREDIT_CODE: {"exact": 0.83, "near": 0.07, "inside": 0.05, "two": 0.02, "else": 0.03},
    Kind.NUMBER: {"exact": 0.65, "close": 0.1, "alike": 0.1, "else": 0.15},
    Kind.CATEGORY: {"exact": 0.85, "else": 0.15},
    Kind.TEXT: {"exact": 0.5, "similar": 0.2, "alike": 0.15, "else": 0.15},
}
#: The forms of a column that a blocking key may name (``name.sound``); the first is meant by the bare column name.
FORMS: Mapping[Kind, tuple[str, ...]] = {
    Kind.PERSON_NAME: ("exact", "sound", "near", "first"),
    Kind.PERSON_NAMES: ("exact", "sound"),
    Kind.ORGANISATION_NAME: ("core", "exact", "stem", "grams"),
    Kind.DATE: ("exact", "year", "day"),
    Kind.ADDRESS: ("exact", "numbers", "grams"),
    Kind.PHONE: ("exact", "tail"),
    Kind.SEX: ("exact",),
    Kind.CODE: ("exact", "head", "start", "end"),
    Kind.CREDIT_CODE: ("exact", "head", "start", "end", "organisation"),
    Kind.NUMBER: ("exact",),
    Kind.CATEGORY: ("exact",),
    Kind.TEXT: ("exact", "grams"),
}
#: Kinds whose values differ so much in frequency that agreeing on a rare one tells more.
_FREQUENCIES = {
    Kind.PERSON_NAME,
    Kind.ORGANISATION_NAME,
    Kind.ADDRESS,
    Kind.CATEGORY,
    Kind.TEXT,
    Kind.PHONE,
    Kind.CODE,
    Kind.CREDIT_CODE,
    Kind.NUMBER,
}


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _of_kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Names = Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1)]


class Unique(StrEnum):
    """Which sides hold an entity once at most; a record then links to one of that side, or to none."""

    NEITHER = "neither"
    RIGHT = "right"
    BOTH = "both"


class ComparedColumn(Declaration):
    """A compared column. ``from`` names what it is read from (several are joined by a blank; default: its own name),
    ``left`` and ``right`` where the two files differ in that. Of what has a ``shape`` (a pattern) only such values are read, of
    several columns the first such: an old registration number stands in any column for codes. Of a date or sex that is
    missing, ``implied_by`` names the column with a resident id, which says both where it is valid. ``m`` and ``u`` fix probabilities by level; what they
    leave out is estimated. ``frequency``: agreement on a rare value tells more (default by kind)."""

    kind: Kind
    source: Names | None = Field(default=None, alias="from")
    left: Names | None = None
    right: Names | None = None
    shape: Text | None = None
    implied_by: Text | None = None
    frequency: bool | None = None
    m: dict[Text, Share] = Field(default_factory=dict)
    u: dict[Text, Share] = Field(default_factory=dict)

    def by_frequency(self) -> bool:
        """Whether the frequency of a value counts."""
        return self.kind in _FREQUENCIES if self.frequency is None else self.frequency


class Key(Declaration):
    """The key columns where the two files name them differently."""

    left: Text
    right: Text


class Thresholds(Declaration):
    """From ``link`` a pair is one entity; from ``review`` a steward decides; below, nothing is said."""

    review: Share = 0.5
    link: Share = 0.9


class Estimation(Declaration):
    """How m, u and the prior are found: ``u_pairs`` random pairs at least for u, and one for each record; expectation maximisation for m and the prior
    (``rounds: 0`` keeps what is declared or expected). ``trust`` is how many matches the expected m weigh as."""

    u_pairs: int = Field(default=100_000, ge=1_000)
    rounds: int = Field(default=25, ge=0, le=200)
    trust: float = Field(default=30, gt=0)
    seed: int = 2024


class LinkageModel(Declaration):
    """One linkage. ``key`` is the column that names a record (default: its row number).

    ``blocking`` lists keys on which two records must agree to be compared at all (``[name.sound, birth_date.year]``);
    a key value that would give more than ``block_pairs`` pairs is passed over, so that blocking stays bounded. Without
    it keys are derived from the kinds, and all pairs are compared of files up to ``compare_all`` pairs. ``prior`` is
    the share of matches among all pairs, estimated where it is not given. ``link_needs`` lists what a link must have at
    least, whatever its probability: one of these sets of levels of agreement; a pair that has none is for review."""

    title: Title | None = None
    key: Text | Key | None = None
    columns: dict[Text, Annotated[ComparedColumn, BeforeValidator(_of_kind)]] = Field(min_length=1)
    blocking: tuple[Names, ...] = ()
    block_pairs: int = Field(default=5_000, ge=1)
    compare_all: int = Field(default=400_000, ge=0)
    unique: Unique = Unique.NEITHER
    prior: Share | None = None
    thresholds: Thresholds = Thresholds()
    link_needs: tuple[dict[Text, Text], ...] = ()
    estimation: Estimation = Estimation()

    def sources(self, name: str, side: str) -> tuple[str, ...]:
        """The columns of the ``left`` or ``right`` file that a compared column is read from."""
        column = self.columns[name]
        own: tuple[str, ...] | None = column.left if side == "left" else column.right
        return own or column.source or (name,)

    def key_of(self, side: str) -> str | None:
        """The key column of the ``left`` or ``right`` file."""
        if isinstance(self.key, Key):
            return self.key.left if side == "left" else self.key.right
        return self.key

    def part(self, text: str) -> tuple[str, str]:
        """A blocking key's part, ``name`` or ``name.form`` → (column, form)."""
        name, _, form = text.rpartition(".")
        if text in self.columns or name not in self.columns:
            return text, FORMS[self.columns[text].kind][0] if text in self.columns else ""
        return name, form


class UnknownModelError(MendableError, LookupError):
    """There is no such model file."""


def load_model(path: Path) -> LinkageModel:
    """Read a model file; raises :class:`CatalogueError` with all its faults, and where they stand."""
    if not path.is_file():
        msg = f"{path}: no such model file; catalog/linkage holds the reviewed ones, docs/identity.md tells how to write one"
        raise UnknownModelError(msg)
    faults: list[Fault] = []
    document, place = read_yaml(path, path.parent, faults)
    model = validate(LinkageModel, document, place, faults) if document is not None else None
    if model:
        faults += _faults(model, place)
    if model is None or faults:
        raise CatalogueError(faults)
    return model


def reviewed_models(root: Path | None = None) -> dict[str, LinkageModel]:
    """The models shipped with the catalogue, by base database."""
    folder = (root or default_root()) / "linkage"
    return {path.stem: load_model(path) for path in sorted(folder.glob("*.yaml"))}


def reviewed_faults(
    catalogue: Catalogue, bases: Mapping[str, Base], relations: Mapping[str, Relation]
) -> list[Fault]:
    """Every fault of the models shipped with the catalogue, also against the base databases that they link to."""
    faults: list[Fault] = []
    for path in sorted((catalogue.root / "linkage").glob("*.yaml")):
        document, place = read_yaml(path, catalogue.root, faults)
        model = validate(LinkageModel, document, place, faults) if document is not None else None
        if model:
            faults += _faults(model, place)
            faults += _foreign(catalogue, bases, relations, path.stem, model, place)
    return faults


def _foreign(
    catalogue: Catalogue,
    bases: Mapping[str, Base],
    relations: Mapping[str, Relation],
    code: str,
    model: LinkageModel,
    place: Place,
) -> Iterator[Fault]:
    """What a base database's model names that is not there: a field, a source's column, a relation of its entities."""
    base = bases.get(code)
    if base is None:
        yield Fault(place.file, 1, "", f"{code} is no base database", f"use {', '.join(bases)}")
        return
    fields = {base.identifier, *base.fields}
    for name in model.columns:
        line, path = place.line(("columns", name)), f"columns.{name}"
        for reference in model.sources(name, "left"):
            owner, _, read = reference.rpartition(".")
            entry = catalogue.entries.get(base.sources[owner].resource) if owner in base.sources else None
            if reference not in fields and (entry is None or read not in entry.columns):
                what = f"{reference} is no field of base.{code}, and no column of a source"
                yield Fault(place.file, line, path, what, "correct the name, or name it under left")
        for reference in model.sources(name, "right"):
            relation = relations.get(reference)
            if reference not in fields and (relation is None or set(relation.ends.values()) != {code}):
                what = f"{reference} is no field of base.{code}, and no relation of its entities"
                yield Fault(place.file, line, path, what, "correct the name, or name it under right")


def _faults(model: LinkageModel, place: Place) -> Iterator[Fault]:
    yield from _column_faults(model, place)
    for index, rule in enumerate(model.blocking):
        for text in rule:
            name, form = model.part(text)
            line, field = place.line(("blocking", str(index))), f"blocking.{index}"
            if name not in model.columns:
                what = f"{text} names no compared column"
                yield Fault(place.file, line, field, what, f"use {', '.join(model.columns)}")
            elif form not in FORMS[model.columns[name].kind]:
                what = f"{form} is no form of {model.columns[name].kind}"
                yield Fault(
                    place.file, line, field, what, f"use {', '.join(FORMS[model.columns[name].kind])}"
                )
    for index, needed in enumerate(model.link_needs):
        line = place.line(("link_needs", str(index)))
        for name, level in needed.items():
            known = model.columns.get(name)
            if known is None or level not in LEVELS[known.kind]:
                what = f"{name}: {level} is no level of a compared column"
                use = ", ".join(LEVELS[known.kind] if known else model.columns)
                yield Fault(place.file, line, f"link_needs.{index}", what, f"use {use}")
    if model.thresholds.review > model.thresholds.link:
        line = place.line(("thresholds",))
        yield Fault(place.file, line, "thresholds", "review is above link", "lower review")


def _column_faults(model: LinkageModel, place: Place) -> Iterator[Fault]:
    for name, column in model.columns.items():
        levels = ", ".join(LEVELS[column.kind])
        for which, declared in (("m", column.m), ("u", column.u)):
            path = ("columns", name, which)
            for level in sorted(set(declared) - set(LEVELS[column.kind])):
                what = f"{level} is no level of {column.kind}"
                yield Fault(place.file, place.line((*path, level)), ".".join(path), what, f"use {levels}")
            if sum(declared.values()) > 1:
                what = "the probabilities sum to more than 1"
                yield Fault(place.file, place.line(path), ".".join(path), what, "lower them")
        if column.implied_by and column.kind not in (Kind.DATE, Kind.SEX):
            path = ("columns", name, "implied_by")
            what = f"a resident id says nothing of a {column.kind}"
            yield Fault(place.file, place.line(path), ".".join(path), what, "use it for date or sex")
        if column.frequency and column.kind is Kind.PERSON_NAMES:
            path = ("columns", name, "frequency")
            what = "sets of names have no frequency"
            yield Fault(place.file, place.line(path), ".".join(path), what, "leave it out")
