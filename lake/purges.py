"""Tombstones: which pushes two officers of the bureau had destroyed, who asked, who agreed, why, when, and what went.

Here belong the table and the statements on it, the two-person rule, and the stones in landing by which the same bytes
are known and refused when they are sent again. Rows are only ever added, and hold no value of the push. What is
destroyed, and in which order, is ``assets.purge``'s business.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from catalog.errors import MendableError
from lake.answers import reasoned
from lake.home import Home
from lake.ledger import Push, UtcDateTime, open_tables

#: A number this long is somebody's, and a tombstone holds no personal value.
_NUMBER = re.compile(r"\d{11,}[0-9Xx]?")


class PurgeError(MendableError, ValueError):
    """This purge cannot be asked for, or not be agreed to; says why."""


class Step(StrEnum):
    """How far a purge has come: asked by one person, agreed to by another, carried out."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    DONE = "done"


@dataclass(frozen=True)
class Tombstone:
    """What is known of a purge: facts of the push, who asked and why, who agreed, and what was removed."""

    push: str
    resource: str
    digest: str
    size: int
    rows: int | None
    data_date: str
    state_secret: bool
    reason: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    done_at: datetime | None = None
    removed: Mapping[str, int] = field(default_factory=dict)

    @property
    def step(self) -> Step:
        """How far it has come."""
        if self.done_at:
            return Step.DONE
        return Step.CONFIRMED if self.confirmed_at else Step.ASKED


_metadata = sa.MetaData()
_steps = sa.Table(
    "purges",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("push", sa.String(40), nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    # of the asking: what was to go, and why; of the last step: what went
    sa.Column("facts", sa.JSON, nullable=False),
    # once each, for ever: two who agree at one moment are one agreement
    sa.UniqueConstraint("push", "step", name="one_purge_per_push"),
)


class Purges:
    """The purges of one home; every public method is one transaction."""

    def __init__(self, home: Home) -> None:
        self._engine = open_tables(home, _metadata)

    def ask(self, push: Push, *, reason: str, by: str, state_secret: bool = False) -> Tombstone:
        """The first person asks; raises :class:`PurgeError` where that has been done, or the reason will not do."""
        facts = {
            "resource": push.resource,
            "digest": push.digest,
            "size": push.size,
            "rows": push.rows,
            "data_date": push.data_date.isoformat(),
            "state_secret": state_secret,
            "reason": _impersonal(reason),
        }
        self._add(push.id, Step.ASKED, by, facts)
        return self.of(push.id)

    def confirm(self, push_id: str, *, by: str) -> Tombstone:
        """The second person agrees, who must be another than the first; raises :class:`PurgeError`.

        Said again by whoever agreed, it is as if said once."""
        asked = self.of(push_id)
        if asked.asked_by == by:
            msg = f"清除须由两人办理：{by} 已提出申请，请由另一人确认 · {by} asked for it: another person must confirm"
            raise PurgeError(msg)
        if asked.step is Step.ASKED:
            self._add(push_id, Step.CONFIRMED, by, {})
        elif asked.confirmed_by != by and asked.step is Step.DONE:
            msg = f"推送 {push_id} 已清除 · push {push_id} has been purged"
            raise PurgeError(msg)
        return self.of(push_id)

    def done(self, push_id: str, removed: Mapping[str, int]) -> Tombstone:
        """All of it is gone; recording it again adds nothing."""
        stone = self.of(push_id)
        if stone.step is not Step.DONE:
            self._add(push_id, Step.DONE, stone.confirmed_by or "", dict(removed))
        return self.of(push_id)

    def of(self, push_id: str) -> Tombstone:
        """What is known of the purge of a push; raises :class:`PurgeError` where none was asked for."""
        found = self.known(push_id)
        if found is None:
            msg = (
                f"尚无人申请清除推送 {push_id}，请先由一人 citylake purge request · nobody asked to purge push {push_id}: "
                "one person asks with `citylake purge request`, another confirms"
            )
            raise PurgeError(msg)
        return found

    def known(self, push_id: str) -> Tombstone | None:
        """What is known of the purge of a push; None where none was asked for."""
        return next((stone for stone in self.all() if stone.push == push_id), None)

    def all(self) -> list[Tombstone]:
        """Every purge, in the order asked."""
        with self._engine.connect() as connection:
            steps = list(connection.execute(sa.select(_steps).order_by(_steps.c.id)).mappings())
        later = {(row["push"], row["step"]): row for row in steps}
        return [_stone(row, later) for row in steps if row["step"] == Step.ASKED]

    def unfinished(self) -> list[Tombstone]:
        """Those that were agreed to and are not yet carried out to the end."""
        return [stone for stone in self.all() if stone.step is Step.CONFIRMED]

    def _add(self, push_id: str, step: Step, by: str, facts: Mapping[str, Any]) -> None:
        if not by.strip():
            raise PurgeError("请写明由谁办理 · say who it is")
        values = {"push": push_id, "step": step.value, "by": by.strip(), "at": datetime.now(UTC)}
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_steps).values(**values, facts=dict(facts)))
        except sa.exc.IntegrityError:
            msg = f"推送 {push_id} 的清除已提出，请由另一人确认 · the purge of {push_id} has been asked for: see `citylake purge list`"
            raise PurgeError(msg) from None


def _stone(asked: sa.RowMapping, later: Mapping[tuple[str, str], sa.RowMapping]) -> Tombstone:
    confirmed = later.get((asked["push"], Step.CONFIRMED.value))
    done = later.get((asked["push"], Step.DONE.value))
    return Tombstone(
        push=asked["push"],
        **asked["facts"],
        asked_by=asked["by"],
        asked_at=asked["at"],
        confirmed_by=confirmed["by"] if confirmed else None,
        confirmed_at=confirmed["at"] if confirmed else None,
        done_at=done["at"] if done else None,
        removed=done["facts"] if done else {},
    )


def _impersonal(reason: str) -> str:
    """The reason; raises :class:`PurgeError` where there is none, or it names somebody."""
    if _NUMBER.search(reason):
        msg = "理由中不得写入证件号、电话等个人信息，它会永久留存 · the reason is kept for ever: name no identifier or telephone number in it"
        raise PurgeError(msg)
    return reasoned(reason, PurgeError)


def set_stone(home: Home, stone: Tombstone) -> None:
    """Put the tombstone into landing, durably: the same bytes are refused from now on, also by a restored ledger."""
    folder = home.tombstones
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    told = {name: value for name, value in vars(stone).items() if name not in ("done_at", "removed")}
    draft = folder / f"{stone.digest}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(told, file, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / stone.digest)


def is_purged(home: Home, digest: str) -> bool:
    """Whether a push of these bytes has been purged."""
    return (home.tombstones / digest).exists()
