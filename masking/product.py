"""Masked products: what one YAML declares, and everything that forbids one.

Here belong the shape of ``catalog/masking/<product>.yaml``, reading them, and :func:`check_products`, which
refuses a product before any row is read: a column still tighter than the target after its mask, an approval
that is not on record, a recipient without a grant. How rows are masked is in ``compile``; group sizes are
measured in ``risk``. Source: Arts. 24, 36 and 37.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from catalog.elements.base import Mask
from catalog.load import Catalogue, Fault, Place, read_yaml, validate
from catalog.model import Code, Declaration, SharingType, Text, Title
from masking.columns import SourceColumn, declared_tables, read_lineage
from masking.methods import METHODS, kind
from masking.policy import Kind, Policy, load_policy
from masking.roles import ALL_INSTITUTIONS, PUBLIC, Role, load_roles

Tables = Mapping[tuple[str, str], Mapping[str, SourceColumn]]
"""(layer, table) → its declared columns, by name."""
Form = Literal["rows", "groups"]
#: Beside the groups' columns, in a product of groups.
COUNT_COLUMN = "subjects"


class TableRef(Declaration):
    """The table a product is made from."""

    layer: Literal["standard", "base", "theme"]
    table: Code


class Target(Declaration):
    """What the product is to be: a sharing or an opening type."""

    kind: Kind
    type: SharingType


class Approval(Declaration):
    """A source department's recorded yes."""

    department: Code
    document: Text
    date: datetime.date


class ProductColumn(Declaration):
    """One column of the product. Without ``method`` the element's default mask is taken."""

    from_: Code | None = Field(None, alias="from", description="the source's column, where the name differs")
    method: Code | None = None
    parameters: Mapping[str, Any] = {}
    not_quasi: Text | None = Field(None, description="the reviewed reason why it identifies nobody")
    coarsest: Text | None = Field(
        None, description="how coarse `to` may become by itself where too many rows would have to be left out"
    )


class Product(Declaration):
    """A masked table: from what, how, to whom, why, and who agreed. Its code is the file's stem."""

    code: Code
    title: Title
    description: Text
    publisher: Code = Field(description="the department in whose catalogue it stands")
    source: TableRef
    target: Target
    recipient: Code = Field(description="a role, or all_institutions, or public")
    purpose: Text
    basis: Text
    approvals: tuple[Approval, ...] = Field(min_length=1)
    secrecy_review: Approval
    form: Form = "rows"
    subject: Code | None = Field(
        None, description="the source's column that tells one person or organisation from another"
    )
    not_personal: Text | None = Field(
        None, description="the reviewed reason why there are no subjects to protect"
    )
    k: int | None = Field(None, ge=1, description="more than the policy asks")
    rows: Mapping[Code, tuple[Text, ...]] = Field(
        {}, description="only rows whose column has one of these values"
    )
    columns: Mapping[Code, ProductColumn] = Field(min_length=1)

    @property
    def layer(self) -> str:
        """Where it is published: ``shared`` or ``open``."""
        return "shared" if self.target.kind == "sharing" else "open"

    def source_name(self, column: str) -> str:
        """The source's name of one of the product's columns."""
        return self.columns[column].from_ or column

    def mask(self, column: str, source: SourceColumn) -> Mask:
        """The declared mask, else the element's default."""
        declared = self.columns[column]
        return Mask(declared.method, declared.parameters) if declared.method else source.mask

    def quasi_identifiers(self, sources: Mapping[str, SourceColumn]) -> list[str]:
        """Every column that is not redacted, not a pseudonym, and not excused by a reviewed line."""
        return [
            name
            for name, declared in self.columns.items()
            if not METHODS[self.mask(name, sources[self.source_name(name)]).method].token
            and not declared.not_quasi
        ]


@dataclass(frozen=True)
class Declared:
    """A product with where each of its fields stands."""

    product: Product
    place: Place


@dataclass(frozen=True)
class Masking:
    """All that the catalogue says of masking: the policy, the products, the roles."""

    policy: Policy
    products: Mapping[str, Declared]
    roles: Mapping[str, Role]
    tables: Tables
    """the columns of every table that a product is made from"""

    def key_version(self, recipient: str) -> int:
        """The version of the recipient's key: raising it in the declaration rotates all its pseudonyms."""
        role = self.roles.get(recipient)
        return role.key_version if role else self.policy.key_versions.get(recipient, 1)

    def by_itself(self, product: Product) -> bool:
        """Whether the product has a key of its own: its recipient's grant asks for one per product."""
        role = self.roles.get(product.recipient)
        return role is not None and role.key_per_product


Themes = Callable[[Catalogue, Policy, Collection[str]], Tables]
"""Finds the columns of themes by their codes, from SQL that this package does not know."""


def load_masking(catalogue: Catalogue, themes: Themes | None = None) -> tuple[Masking | None, list[Fault]]:
    """Read policy, roles and products, and judge them; with any fault in the policy there is no masking at
    all. Without ``themes`` a product of a theme is refused."""
    faults: list[Fault] = []
    policy = load_policy(catalogue.root, faults)
    roles = load_roles(catalogue.root, faults, catalogue.departments)
    faults += read_lineage(catalogue)[1]
    products = _load_products(catalogue.root, faults)
    if policy is None:
        return None, faults
    tables = dict(declared_tables(catalogue))
    sources = {declared.product.source for declared in products.values()}
    asked = {source.table for source in sources if source.layer == "theme"}
    if asked and themes:
        tables |= themes(catalogue, policy, asked)
    faults += check_products(catalogue, list(products.values()), policy, roles, tables)
    return Masking(policy, products, roles, tables), faults


def masking_faults(catalogue: Catalogue, themes: Themes | None = None) -> list[Fault]:
    """Everything wrong with policy, roles and products."""
    return load_masking(catalogue, themes)[1]


def _load_products(root: Path, faults: list[Fault]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for path in sorted((root / "masking").glob("*.yaml")):
        if path.stem == "policy":
            continue
        document, place = read_yaml(path, root, faults)
        product = (
            validate(Product, {"code": path.stem, **document}, place, faults)
            if document is not None
            else None
        )
        if product:
            found[product.code] = Declared(product, place)
    return found


def check_products(
    catalogue: Catalogue,
    products: Sequence[Declared],
    policy: Policy,
    roles: Mapping[str, Role],
    tables: Tables,
) -> list[Fault]:
    """Every fault of every product; a product without one may be published."""
    return [fault for declared in products for fault in _faults(catalogue, declared, tables, policy, roles)]


def _faults(
    catalogue: Catalogue,
    declared: Declared,
    tables: Tables,
    policy: Policy,
    roles: Mapping[str, Role],
) -> Iterator[Fault]:
    product, place = declared.product, declared.place
    sources = tables.get((product.source.layer, product.source.table))
    if sources is None:
        name = f"{product.source.layer}.{product.source.table}"
        yield Fault(
            place.file,
            place.line(("source",)),
            "source",
            f"the catalogue has no table {name}",
            "`citylake catalogue list` shows all; of themes only those with a `subject` may be published",
        )
        return
    for name in product.columns:
        yield from _column_faults(name, declared, sources, policy)
    yield from _row_faults(declared, sources)
    yield from _subject_faults(declared, sources, policy)
    yield from _approval_faults(catalogue, declared, sources)
    yield from _recipient_faults(declared, roles)


def _column_faults(
    name: str, declared: Declared, sources: Mapping[str, SourceColumn], policy: Policy
) -> Iterator[Fault]:
    product, place = declared.product, declared.place
    path = ("columns", name)
    line, label = place.line(path), ".".join(path)
    source = sources.get(product.source_name(name))
    if source is None:
        yield Fault(
            place.file,
            line,
            label,
            f"the source has no column {product.source_name(name)}",
            f"one of {', '.join(sources)}",
        )
        return
    mask = product.mask(name, source)
    method = METHODS.get(mask.method)
    if method is None:
        hint = "an unkeyed hash is undone by trying every number; " if "hash" in mask.method else ""
        yield Fault(
            place.file,
            line,
            label,
            f"no masking method {mask.method!r}",
            f"{hint}one of {', '.join(METHODS)}",
            "Art. 24",
        )
        return
    problems = method.problems(mask.parameters) + _coarsest_problems(product.columns[name])
    if mask.method == "partial" and product.columns[name].not_quasi:
        problems.append("a partly hidden value always counts as a quasi-identifier: take `not_quasi` away")
    if mask.parameters.get("by") is not None and mask.parameters["by"] not in sources:
        problems.append(f"{mask.method}.by names no column of the source")
    yield from (Fault(place.file, line, label, problem, "see masking/methods.py") for problem in problems)
    if kind(source.dtype) not in method.takes and not source.system:
        yield Fault(
            place.file,
            line,
            label,
            f"{mask.method} does not work on {source.element}",
            f"it takes {', '.join(method.takes)}",
        )
    elif not problems:
        yield from _type_faults((label, line), declared, source, mask, policy)


def _coarsest_problems(column: ProductColumn) -> list[str]:
    """What is wrong with how far a column may be generalised; empty where nothing is."""
    if column.coarsest is None:
        return []
    method, to = METHODS.get(column.method or ""), column.parameters.get("to")
    order = method.strength.get("to") if method else None
    # an age band needs a day on which ages are reckoned, so no other step leads there
    choices = [choice for choice in order if choice != "age_band"] if isinstance(order, tuple) else []
    if to in choices and column.coarsest in choices[choices.index(to) + 1 :]:
        return []
    return [f"coarsest {column.coarsest!r} is no step beyond `to: {to}` of {column.method}"]


def _type_faults(
    place: tuple[str, int], declared: Declared, source: SourceColumn, mask: Mask, policy: Policy
) -> Iterator[Fault]:
    label, line = place
    target = declared.product.target
    after = policy.type_after(source, mask, target.kind)
    if after.rank >= target.type.rank:
        return
    ground = f", ground {source.opening_ground}" if target.kind == "opening" and source.opening_ground else ""
    remedies = policy.remedies(source, target.type, target.kind)
    article = "Art. 24" if target.kind == "sharing" else "Art. 36"
    yield Fault(
        declared.place.file,
        line,
        label,
        f"{source.name} ({source.element}, grade {source.grade.value}) "
        f"is {source.type_towards(target.kind)}{ground}; "
        f"after {mask.method} it is {after}, and the product is to be {target.type}",
        f"use {' or '.join(remedies)}, or leave the column out"
        if remedies
        else "no mask lifts it: leave the column out",
        article,
    )


def _row_faults(declared: Declared, sources: Mapping[str, SourceColumn]) -> Iterator[Fault]:
    """A choice of rows tells the chosen values: only columns that may be seen unmasked may choose."""
    product, place = declared.product, declared.place
    for name in product.rows:
        line = place.line(("rows", name))
        if name not in sources:
            yield Fault(
                place.file,
                line,
                f"rows.{name}",
                f"the source has no column {name}",
                f"one of {', '.join(sources)}",
            )
        elif sources[name].type_towards(product.target.kind).rank < product.target.type.rank:
            yield Fault(
                place.file,
                line,
                f"rows.{name}",
                f"choosing rows by {name} tells its value, which is tighter than the target",
                "choose by a column that the recipient may see as it is",
                "Art. 24",
            )


def _subject_faults(
    declared: Declared, sources: Mapping[str, SourceColumn], policy: Policy
) -> Iterator[Fault]:
    product, place = declared.product, declared.place
    if (product.subject is None) == (product.not_personal is None):
        yield Fault(
            place.file,
            place.line(("subject",)),
            "subject",
            "state either whom a row is about, or why about nobody",
            "name the column in `subject`, or give the reviewed reason in `not_personal`",
            "GB/T 37964",
        )
    elif product.subject and product.subject not in sources:
        yield Fault(
            place.file,
            place.line(("subject",)),
            "subject",
            f"the source has no column {product.subject}",
            f"one of {', '.join(sources)}",
        )
    if product.form == "groups" and product.subject is None:
        yield Fault(
            place.file,
            place.line(("form",)),
            "form",
            "groups are counted in subjects",
            "name the subject, or publish rows",
        )
    if product.target.type is SharingType.NONE:
        yield Fault(
            place.file,
            place.line(("target",)),
            "target.type",
            "a product that nobody may have",
            "conditional or unconditional",
        )
        return
    least = policy.threshold(product.target.kind, product.target.type).k
    if product.k is not None and product.k < least:
        yield Fault(
            place.file,
            place.line(("k",)),
            "k",
            f"{product.k} is below the policy's {least}",
            f"at least {least}, or leave it out",
        )


def columns_used(product: Product) -> Iterator[str]:
    """The source's columns that show, that choose rows, or by which values are moved."""
    yield from map(product.source_name, product.columns)
    yield from product.rows
    yield from (
        str(column.parameters["by"]) for column in product.columns.values() if "by" in column.parameters
    )


def _approval_faults(
    catalogue: Catalogue, declared: Declared, sources: Mapping[str, SourceColumn]
) -> Iterator[Fault]:
    product, place = declared.product, declared.place
    used = [sources[name] for name in columns_used(product) if name in sources]
    departments = {department for column in used for department in column.departments}
    approved = {approval.department for approval in product.approvals}
    for missing in sorted(departments - approved):
        yield Fault(
            place.file,
            place.line(("approvals",)),
            "approvals",
            f"{missing} is a source and its approval is not on record",
            "record its document and date",
            "Art. 24" if product.layer == "shared" else "Art. 37",
        )
    unknown = sorted(({product.publisher} | approved) - set(catalogue.departments))
    if unknown:
        yield Fault(
            place.file,
            place.line(("approvals",)),
            "approvals",
            f"no department {', '.join(unknown)}",
            "see departments.yaml",
        )
    if product.layer == "open" and product.publisher != "data_bureau" and departments != {product.publisher}:
        yield Fault(
            place.file,
            place.line(("publisher",)),
            "publisher",
            f"{product.publisher} opens data of {', '.join(sorted(departments - {product.publisher}))}",
            "an institution opens only what it is the source of; several departments' data stands in "
            "the bureau's catalogue",
            "Art. 37",
        )


def _recipient_faults(declared: Declared, roles: Mapping[str, Role]) -> Iterator[Fault]:
    product, place = declared.product, declared.place
    target, line = product.target, place.line(("recipient",))
    if target.kind == "opening":
        allowed = {PUBLIC}
    elif target.type is SharingType.UNCONDITIONAL:
        allowed = {ALL_INSTITUTIONS, *roles}
    else:
        allowed = set(roles)
    if product.recipient not in allowed:
        yield Fault(
            place.file,
            line,
            "recipient",
            f"{product.recipient} cannot receive a product for {target.kind} that is {target.type}",
            f"one of {', '.join(sorted(allowed))}",
            "Art. 24" if target.kind == "sharing" else "Art. 38",
        )
