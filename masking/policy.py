"""The reviewed table: which mask lifts which column from one type to the next, and how large a group must be.

Here belong reading ``catalog/masking/policy.yaml``, finding what is wrong with it, and asking it. The
judgement is in the YAML, signed and dated, never in code. What it may not say at all is here: no reversible
mask lifts to unconditional or towards the public, ``keep`` lifts nothing, and a k-anonymity alone lifts
nothing (it is no mask). Source: Arts. 24 and 36; GB/T 37964-2019.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from catalog.elements import ELEMENTS
from catalog.elements.base import Mask
from catalog.load import Fault, Place, read_yaml, validate
from catalog.model import Code, Declaration, Grade, SharingType, Text
from masking.columns import SourceColumn
from masking.methods import METHODS, kind

Kind = Literal["sharing", "opening"]
POLICY_FILE = "masking/policy.yaml"
Aggregate = Literal["count", "sum", "avg"]
"""What may be told of a group. A minimum, a maximum, any value or a list is a value of somebody's, and never lifts."""


class Review(Declaration):
    """Who judged, when, and in which document."""

    by: Text
    date: datetime.date
    document: Text


class Lift(Declaration):
    """One line of the table: a method, at least this strong, takes these elements from one type to
    another."""

    method: Code
    elements: tuple[Code, ...] = Field((), description="empty: any element")
    grade_up_to: Grade = Grade.HIGHLY_SENSITIVE
    at_least: Mapping[str, Any] = {}
    from_: SharingType = Field(alias="from")
    to: SharingType
    towards: tuple[Kind, ...] = ("sharing",)
    why: Text

    def applies(self, column: SourceColumn, mask: Mask, towards: str) -> bool:
        """Whether this line speaks for the column under this mask."""
        return (
            self.method == mask.method
            and towards in self.towards
            and (not self.elements or column.element in self.elements)
            and column.grade <= self.grade_up_to
            and METHODS[self.method].at_least(mask.parameters, self.at_least)
        )


class AggregateLift(Declaration):
    """One line for what is counted: these functions over these elements, in groups this large, are of another type
    than the values.

    Whatever chooses rows (WHERE, JOIN, GROUP BY) tells a number of rows, so it asks for a line for ``count``."""

    functions: tuple[Aggregate, ...] = Field(min_length=1)
    elements: tuple[Code, ...] = Field(min_length=1)
    grade_up_to: Grade = Grade.HIGHLY_SENSITIVE
    from_: SharingType = Field(alias="from")
    to: SharingType
    towards: tuple[Kind, ...] = Field(("sharing",), min_length=1)
    subjects: int = Field(ge=2, description="the smallest group, and number in a group, in distinct subjects")
    largest_share: float | None = Field(
        None, gt=0, lt=1, description="of a sum or average, what one subject may have at most"
    )
    why: Text

    def applies(self, column: SourceColumn, function: str, towards: str) -> bool:
        """Whether this line speaks for the column under this function."""
        return (
            function in self.functions
            and towards in self.towards
            and column.element in self.elements
            and column.grade <= self.grade_up_to
            and column.type_towards(towards) is self.from_
        )


class Threshold(Declaration):
    """How many subjects must be alike in all quasi-identifiers, and what share of rows may be lost to reach
    it."""

    k: int = Field(ge=1)
    max_loss: float = Field(ge=0, le=1)
    together: Literal["suppress", "refuse"] = Field(
        "suppress",
        description="whoever is told apart by all that one recipient holds together is left out, or nothing is published",
    )


class Policy(Declaration):
    """The whole table with its review."""

    reviewed: Review
    maskable_grounds: tuple[Text, ...] = Field(description="opening grounds that masking may lift (Art. 33)")
    thresholds: Mapping[Kind, Mapping[SharingType, Threshold]]
    key_versions: Mapping[Code, int] = Field({}, description="of recipients that are no role")
    lifts: tuple[Lift, ...]
    aggregates: tuple[AggregateLift, ...] = ()

    def type_after(self, column: SourceColumn, mask: Mask, towards: str) -> SharingType:
        """The column's type once masked: the loosest that a line allows, never tighter than its own."""
        own = column.type_towards(towards)
        if towards == "opening" and own is not SharingType.UNCONDITIONAL and not self._maskable(column):
            return own
        lifted = [line.to for line in self.lifts if line.from_ is own and line.applies(column, mask, towards)]
        return max([own, *lifted], key=lambda step: step.rank)

    def line_for(self, column: SourceColumn, function: str, towards: Kind) -> AggregateLift | None:
        """The line that lifts the column furthest where it is only counted (or summed); None where none does."""
        if towards == "opening" and not self._maskable(column):
            return None
        lines = [line for line in self.aggregates if line.applies(column, function, towards)]
        return max(lines, key=lambda line: (line.to.rank, -line.subjects), default=None)

    def _maskable(self, column: SourceColumn) -> bool:
        return column.system or column.opening_ground in self.maskable_grounds

    def remedies(self, column: SourceColumn, target: SharingType, towards: str) -> list[str]:
        """The masks that would bring the column to the target, as a declaration would write them."""
        if towards == "opening" and not self._maskable(column):
            return []
        own = column.type_towards(towards)
        return [
            line.method + (f" {dict(line.at_least)}" if line.at_least else "")
            for line in self.lifts
            if line.from_ is own
            and line.to.rank >= target.rank
            and kind(column.dtype) in METHODS[line.method].takes
            and line.applies(column, Mask(line.method, line.at_least), towards)
        ]

    def threshold(self, towards: Kind, target: SharingType) -> Threshold:
        """The group size asked of a product with this target."""
        return self.thresholds[towards][target]


def load_policy(root: Path, faults: list[Fault]) -> Policy | None:
    """Read and judge the policy; what is wrong with it is added to ``faults``, and then there is none."""
    path = root / POLICY_FILE
    if not path.exists():
        faults.append(
            Fault(
                POLICY_FILE,
                1,
                "",
                "there is no masking policy",
                "restore the file: nothing is published without",
            )
        )
        return None
    document, place = read_yaml(path, root, faults)
    policy = validate(Policy, document, place, faults) if document is not None else None
    if policy is None:
        return None
    wrong = list(_policy_faults(policy, place))
    faults += wrong
    return None if wrong else policy


def _policy_faults(policy: Policy, place: Place) -> Iterator[Fault]:
    for index, line in enumerate(policy.lifts):
        path = ("lifts", str(index))

        def fault(problem: str, remedy: str, path: tuple[str, ...] = path) -> Fault:
            return Fault(place.file, place.line(path), ".".join(path), problem, remedy, "Arts. 24, 36")

        method = METHODS.get(line.method)
        if method is None:
            yield fault(f"no method {line.method!r}", f"one of {', '.join(METHODS)}")
            continue
        unknown = [code for code in line.elements if code not in ELEMENTS]
        if unknown:
            yield fault(f"no element {', '.join(unknown)}", "see catalog/elements")
        if line.method == "keep":
            yield fault("a value kept as it is cannot lift its own type", "remove the line, or name a mask")
        if method.reversible and (line.to is SharingType.UNCONDITIONAL or "opening" in line.towards):
            yield fault(
                f"{line.method} can be undone, so it never lifts to unconditional or open",
                "lift to conditional at most",
            )
        if line.to.rank <= line.from_.rank:
            yield fault(f"{line.from_} to {line.to} is no lift", "correct `from` and `to`")
        for problem in method.unordered(line.at_least):
            yield fault(
                problem, f"what can be asked of {line.method}: {', '.join(method.strength) or 'nothing'}"
            )
    yield from _aggregate_faults(policy, place)
    for towards in ("sharing", "opening"):
        missing = {SharingType.CONDITIONAL, SharingType.UNCONDITIONAL} - set(
            policy.thresholds.get(towards, {})
        )
        if missing:
            yield Fault(
                place.file,
                place.line(("thresholds",)),
                f"thresholds.{towards}",
                f"none for {', '.join(sorted(missing))}",
                "state k and max_loss",
            )


def _aggregate_faults(policy: Policy, place: Place) -> Iterator[Fault]:
    for index, line in enumerate(policy.aggregates):
        path = ("aggregates", str(index))

        def fault(problem: str, remedy: str, path: tuple[str, ...] = path) -> Fault:
            return Fault(place.file, place.line(path), ".".join(path), problem, remedy, "Arts. 24, 36")

        unknown = [code for code in line.elements if code not in ELEMENTS]
        if unknown:
            yield fault(f"no element {', '.join(unknown)}", "see catalog/elements")
        if line.to.rank <= line.from_.rank:
            yield fault(f"{line.from_} to {line.to} is no lift", "correct `from` and `to`")
        least = max(
            (
                threshold.k
                for towards in line.towards
                if (threshold := policy.thresholds.get(towards, {}).get(line.to))
            ),
            default=0,
        )
        if line.subjects < least:
            yield fault(f"groups of {line.subjects} are below the threshold of {least}", f"at least {least}")
        if line.largest_share is None and {"sum", "avg"} & {*line.functions}:
            yield fault(
                "a sum of many may be one subject's alone",
                "state `largest_share`, what one subject may have of it at most",
            )
