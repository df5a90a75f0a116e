"""The operational ledger: which pushes were received, and what became of each; decisions; tokens' hashes.

Here belong the tables and every statement on them, through SQLAlchemy: a SQLite file in the home by default, any
PostgreSQL by ``CITYLAKE_OPERATIONS_URL``. What a push contains is not known here. Rows are added and settled, never
deleted; decisions are only ever appended.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from catalog.errors import MendableError
from catalog.model import Title, Way
from lake.home import Home

SCHEMA_VERSION = 6
#: What brings each older version of the state to the next: additions only.
_UPGRADES = {
    1: "ALTER TABLE pushes ADD COLUMN notes JSON",
    2: "ALTER TABLE pushes ADD COLUMN same_as VARCHAR(40)",
    3: "ALTER TABLE pushes ADD COLUMN findings JSON",
    4: "ALTER TABLE pushes ADD COLUMN entry_digest VARCHAR(64)",
    5: "CREATE INDEX IF NOT EXISTS pushes_of_content ON pushes (resource, digest)",
}
#: How databases say that there is no room; the second is the file through which SQLite's connections see each other.
_SQLITE_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
_POSTGRESQL_FULL = "53100"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class PushState(StrEnum):
    """Where a push stands. Refused: the file could not be taken. Held: a person must decide. Purged: its bytes and rows
    were destroyed, and this is all that is left of it."""

    RECEIVED = "received"
    APPLIED = "applied"
    HELD = "held"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    PURGED = "purged"

    @property
    def title(self) -> str:  # type: ignore[override]  # the word on screens, not str.title
        """The screens' word for it."""
        return {
            "received": "已接收",
            "applied": "已入库",
            "held": "待定",
            "refused": "已退回",
            "withdrawn": "已撤回",
            "purged": "已清除",
        }[self.value]


class LedgerError(MendableError):
    """Base of what the ledger refuses."""


class IdempotencyConflictError(LedgerError):
    """The same key came with other bytes."""

    def __init__(self, key_of: str) -> None:
        super().__init__(
            f"幂等键已用于另一份内容（{key_of}），请换用新的幂等键 · this idempotency key was used for other bytes "
            f"({key_of}): choose a new key"
        )


class UnknownPushError(LedgerError):
    """No push has this id."""

    def __init__(self, push_id: str) -> None:
        super().__init__(f"没有编号为 {push_id} 的推送 · there is no push {push_id}")


class NewerStateError(LedgerError):
    """The home was written by a newer citylake."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"this home's state has version {found}, this citylake knows {SCHEMA_VERSION}: install the newer citylake"
        )


@dataclass(frozen=True)
class Push:
    """One delivery and its receipt. ``id`` sorts by time; ``sequence`` is the order of registration; ``same_as`` names
    the earlier push that said all of it already, and under which its refused rows stand. ``failures`` counts rows by
    rule; ``findings`` says of each rule over the push as a whole whether it is met (None: it could not be judged).
    ``entry_version`` and ``entry_digest`` are those of the entry under which it was read, until then of that it came under."""

    id: str
    resource: str
    department: str
    way: Way
    filename: str
    format: str
    size: int
    digest: str
    data_date: date
    received_at: datetime
    entry_version: int
    idempotency_key: str | None = None
    sequence: int = 0
    state: PushState = PushState.RECEIVED
    rows: int | None = None
    accepted: int | None = None
    rejected: int | None = None
    version: int | None = None
    reason_zh: str | None = None
    reason_en: str | None = None
    settled_at: datetime | None = None
    failures: Mapping[str, int] | None = None
    notes: Sequence[str] | None = None
    same_as: str | None = None
    findings: Mapping[str, Mapping[str, Any]] | None = None
    entry_digest: str | None = None

    @property
    def refusals(self) -> str:
        """The push under whose id this one's refused rows stand in quarantine."""
        return self.same_as or self.id

    @property
    def unchanged(self) -> bool:
        """A reading of an exchange table that found nothing new: it moves the clocks, and brings no bytes or rows."""
        return self.size == 0


@dataclass(frozen=True)
class Decision:
    """What a person decided on a push, why, who, and when."""

    push: str
    reason: str
    by: str
    at: datetime


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Instants in UTC, also on SQLite, which knows no time zones."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


_metadata = sa.MetaData()
_pushes = sa.Table(
    "pushes",
    _metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("department", sa.String(64), nullable=False),
    sa.Column("way", sa.String(8), nullable=False),
    sa.Column("filename", sa.String(255), nullable=False),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("data_date", sa.Date, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("entry_version", sa.Integer, nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("rows", sa.BigInteger),
    sa.Column("accepted", sa.BigInteger),
    sa.Column("rejected", sa.BigInteger),
    sa.Column("version", sa.BigInteger),
    sa.Column("reason_zh", sa.Text),
    sa.Column("reason_en", sa.Text),
    sa.Column("settled_at", UtcDateTime),
    sa.Column("failures", sa.JSON),
    sa.Column("notes", sa.JSON),
    sa.Column("same_as", sa.String(40)),
    sa.Column("findings", sa.JSON),
    sa.Column("entry_digest", sa.String(64)),
    # a key belongs to one department and resource
    sa.UniqueConstraint("department", "resource", "idempotency_key", name="one_push_per_key"),
    sa.Index("pushes_waiting", "state", "resource"),
    sa.Index("pushes_of_resource", "resource", "data_date"),
    sa.Index("pushes_of_content", "resource", "digest"),
)
_decisions = sa.Table(
    "decisions",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("push", sa.String(40), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
_tokens = sa.Table(
    "tokens",
    _metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("department", sa.String(64), nullable=False),
    sa.Column("resources", sa.JSON),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)
_state_version = sa.Table("state_version", _metadata, sa.Column("version", sa.Integer, primary_key=True))


def new_push_id() -> str:
    """``p`` and 25 characters: nine of milliseconds, sixteen of 80 random bits, so that ids sort by time."""
    stamp, text = int(time.time() * 1000), ""
    for _ in range(9):
        stamp, digit = divmod(stamp, 32)
        text = _ALPHABET[digit] + text
    return "p" + text + "".join(secrets.choice(_ALPHABET) for _ in range(16))


class Ledger:
    """All statements on the operational database; every public method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def register(self, push: Push) -> Push:
        """Add a received push. The same key with the same bytes gives the push already there; with other bytes
        :class:`IdempotencyConflictError`."""
        try:
            with self.engine.begin() as connection:
                row = connection.execute(sa.insert(_pushes).values(_record(push)))
                return _replace_sequence(push, row.inserted_primary_key[0] if row.inserted_primary_key else 0)
        except sa.exc.IntegrityError:
            twin = self.by_key(push.department, push.resource, push.idempotency_key or "")
            if twin is None:
                raise
            return same_or_conflict(twin, push)

    def get(self, push_id: str) -> Push:
        """The push with this id; raises :class:`UnknownPushError`."""
        found = self._select(_pushes.c.id == push_id)
        if not found:
            raise UnknownPushError(push_id)
        return found[0]

    def by_key(self, department: str, resource: str, key: str) -> Push | None:
        """The push that a department sent for a resource under this idempotency key."""
        mine = (_pushes.c.department == department) & (_pushes.c.resource == resource)
        found = self._select(mine & (_pushes.c.idempotency_key == key))
        return found[0] if found else None

    def waiting(self, resource: str | None = None) -> list[Push]:
        """Received pushes not yet settled, in the order they came."""
        where = _pushes.c.state == PushState.RECEIVED.value
        return self._select(where if resource is None else where & (_pushes.c.resource == resource))

    def in_state(self, state: PushState) -> list[Push]:
        """Every push that stands there, in the order they came."""
        return self._select(_pushes.c.state == state.value)

    def history(self, resource: str) -> list[Push]:
        """Every push of a resource, in the order they came."""
        return self._select(_pushes.c.resource == resource)

    def opened(self) -> datetime | None:
        """When the first push of all was received."""
        with self.engine.connect() as connection:
            query = sa.select(_pushes.c.received_at).order_by(_pushes.c.sequence).limit(1)
            found: datetime | None = connection.execute(query).scalar()
            return found

    def changed_since(self, at: datetime) -> list[Push]:
        """Every push received or settled after an instant, in the order they came."""
        return self._select((_pushes.c.received_at > at) | (_pushes.c.settled_at > at))

    def latest(self, resource: str, way: Way | None = None) -> Push | None:
        """The resource's newest push (that came this way), whatever became of it."""
        mine = _pushes.c.resource == resource
        return self._first(mine & (_pushes.c.way == way.value) if way else mine, _pushes.c.sequence.desc())

    def applied_after(self, push: Push) -> list[Push]:
        """Applied pushes of the same resource that bring rows for a later date, or for the same date and came later."""
        mine = _standing(push.resource)
        # asked apart each is answered by an index; joined by OR, all pushes of the resource would be looked at
        later = self._select(mine & (_pushes.c.data_date > push.data_date))
        same_date = (_pushes.c.data_date == push.data_date) & (_pushes.c.sequence > push.sequence)
        return sorted([*later, *self._select(mine & same_date)], key=lambda found: found.sequence)

    def applied_before(self, push: Push) -> Push | None:
        """The applied push of the same resource that spoke just before this one, by data date and then by its coming."""
        earlier = (_pushes.c.data_date < push.data_date) | (
            (_pushes.c.data_date == push.data_date) & (_pushes.c.sequence < push.sequence)
        )
        order = (_pushes.c.data_date.desc(), _pushes.c.sequence.desc())
        return self._first(_standing(push.resource) & earlier, *order)

    def same_bytes(self, push: Push) -> Push | None:
        """The newest applied push of the same resource that brought the very same bytes before this one came."""
        mine = (
            _standing(push.resource)
            & (_pushes.c.digest == push.digest)
            & (_pushes.c.sequence < push.sequence)
        )
        return self._first(mine, _pushes.c.sequence.desc())

    def repeats_of(self, push_id: str) -> list[Push]:
        """The pushes that are recorded to say what this one said, in the order they came."""
        return self._select(_pushes.c.same_as == push_id)

    def point(self, push_id: str, same_as: str | None) -> None:
        """Record under which earlier push's id the refused rows of this one stand from now on."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(_pushes).where(_pushes.c.id == push_id).values(same_as=same_as))

    def settle(
        self,
        push_id: str,
        state: PushState,
        *,
        rows: int = 0,
        accepted: int = 0,
        rejected: int = 0,
        version: int | None = None,
        reason: Title | None = None,
        failures: Mapping[str, int] | None = None,
        notes: Sequence[str] = (),
        same_as: str | None = None,
        findings: Mapping[str, Mapping[str, Any]] | None = None,
        read_under: tuple[int, str] | None = None,
    ) -> None:
        """Record what became of a push, and the version and digest of the entry under which it was read. Settling it again with the same outcome changes nothing that matters."""
        values = {
            "state": state.value,
            "rows": rows,
            "accepted": accepted,
            "rejected": rejected,
            "version": version,
            "reason_zh": reason.zh if reason else None,
            "reason_en": reason.en if reason else None,
            "failures": {code: count for code, count in (failures or {}).items() if count},
            "notes": list(notes),
            "same_as": same_as,
            "findings": {code: dict(found) for code, found in (findings or {}).items()},
            "settled_at": datetime.now(UTC),
        }
        if read_under:
            values |= dict(zip(("entry_version", "entry_digest"), read_under, strict=True))
        with self.engine.begin() as connection:
            connection.execute(sa.update(_pushes).where(_pushes.c.id == push_id).values(values))

    def reread(self, pushes: Sequence[Push], version: int, digest: str, *, reason: str, by: str) -> None:
        """Pushes were read anew under another entry, and stand so from now on: recorded of each for ever."""
        decision = {"kind": "reread", "reason": reason, "by": by, "at": datetime.now(UTC)}
        with self.engine.begin() as connection:
            for push in pushes:
                said = {"entry_version": version, "entry_digest": digest}
                connection.execute(sa.insert(_decisions).values(push=push.id, **decision))
                connection.execute(sa.update(_pushes).where(_pushes.c.id == push.id).values(said))

    def accept_hold(self, push_id: str, *, reason: str, by: str) -> None:
        """A person lets a held push in: recorded for ever, and the push waits again."""
        if self.get(push_id).state is not PushState.HELD:
            msg = f"推送 {push_id} 不是待定状态 · push {push_id} is not held"
            raise LedgerError(msg)
        self._decide(push_id, "accept_hold", reason, by, PushState.RECEIVED, settled_at=None)

    def refuse_hold(self, push_id: str, *, reason: str, by: str) -> None:
        """A person sends a held push back: recorded for ever, and what stood before it stays."""
        if self.get(push_id).state is not PushState.HELD:
            msg = f"推送 {push_id} 不是待定状态 · push {push_id} is not held"
            raise LedgerError(msg)
        held = self.get(push_id)
        said = {
            "reason_zh": f"{held.reason_zh}。数据局退回：{reason}",
            "reason_en": f"{held.reason_en} Sent back: {reason}",
        }
        self._decide(
            push_id, "refuse_hold", reason, by, PushState.REFUSED, settled_at=datetime.now(UTC), **said
        )

    def withdraw(self, push_id: str, *, reason: str, by: str) -> None:
        """A department takes a push back: recorded for ever. Its rows are undone by ``assets.replay``."""
        self.get(push_id)
        self._decide(push_id, "withdraw", reason, by, PushState.WITHDRAWN, settled_at=datetime.now(UTC))

    def purge(self, push_id: str, *, reason: str, by: str) -> None:
        """Two persons have agreed that nothing of a push shall be left: recorded for ever. Said again, nothing is added;
        what follows for bytes and tables is ``assets.purge``'s."""
        if self.get(push_id).state is not PushState.PURGED:
            self._decide(push_id, "purge", reason, by, PushState.PURGED, settled_at=datetime.now(UTC))

    def scrub(self, push_id: str) -> None:
        """Clear what is said of a purged push's content: names, headers and sums in its row, and why people decided on it
        what they did before; also from the database's free pages."""
        cleared = dict.fromkeys(("idempotency_key", "reason_zh", "reason_en", "notes", "findings"))
        with self.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            row = sa.update(_pushes).where(_pushes.c.id == push_id)
            connection.execute(row.values(**cleared, filename="purged"))
            before = (_decisions.c.push == push_id) & (_decisions.c.kind != "purge")
            connection.execute(sa.update(_decisions).where(before).values(reason="purged"))
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def ask_withdrawal(self, push_id: str, *, reason: str, by: str) -> None:
        """A department asks to take back a push whose rows stand: recorded for ever, and the push stays as it is."""
        if not self.decisions("ask_withdrawal", push_id):
            with self.engine.begin() as connection:
                asked = {"push": push_id, "kind": "ask_withdrawal", "reason": reason, "by": by}
                connection.execute(sa.insert(_decisions).values(asked | {"at": datetime.now(UTC)}))

    def sign(self, push_id: str, *, reason: str, by: str) -> None:
        """A person stands for what a push says: recorded once for each push, and for ever."""
        if not self.decisions("sign", push_id):
            with self.engine.begin() as connection:
                signed = {
                    "push": push_id,
                    "kind": "sign",
                    "reason": reason,
                    "by": by,
                    "at": datetime.now(UTC),
                }
                connection.execute(sa.insert(_decisions).values(signed))

    def hold_accepted(self, push_id: str) -> bool:
        """Whether a person has let this push in."""
        return bool(self.decisions("accept_hold", push_id))

    def decisions(self, kind: str, push_id: str | None = None) -> list[Decision]:
        """Every decision of a kind (on one push), in the order they were made."""
        kept = [_decisions.c[name] for name in ("push", "reason", "by", "at")]
        query = sa.select(*kept).where(_decisions.c.kind == kind).order_by(_decisions.c.id)
        if push_id:
            query = query.where(_decisions.c.push == push_id)
        with self.engine.connect() as connection:
            return [Decision(**row) for row in connection.execute(query).mappings()]

    def add_token(
        self,
        token_id: str,
        department: str,
        token_hash: str,
        expires_at: datetime,
        resources: Sequence[str] | None = None,
    ) -> None:
        """Store a token's hash, and the resources it is for (None: all of the department's)."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(_tokens).values(
                    id=token_id,
                    department=department,
                    resources=None if resources is None else list(resources),
                    hash=token_hash,
                    created_at=datetime.now(UTC),
                    expires_at=expires_at,
                )
            )

    def token(self, token_id: str) -> Mapping[str, Any] | None:
        """A token's row: department, resources, hash, expires_at, revoked_at."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(_tokens).where(_tokens.c.id == token_id)).mappings().first()
            return dict(row) if row else None

    def tokens(self, department: str) -> list[Mapping[str, Any]]:
        """A department's tokens without their hashes, oldest first."""
        shown = [column for column in _tokens.columns if column.name != "hash"]
        query = sa.select(*shown).where(_tokens.c.department == department).order_by(_tokens.c.created_at)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def end_token(self, token_id: str, at: datetime) -> bool:
        """The token opens nothing from ``at`` on; False where there is none, or it has ended before."""
        live = (_tokens.c.id == token_id) & (_tokens.c.revoked_at.is_(None) | (_tokens.c.revoked_at > at))
        with self.engine.begin() as connection:
            return connection.execute(sa.update(_tokens).where(live).values(revoked_at=at)).rowcount > 0

    def _decide(
        self,
        push_id: str,
        kind: str,
        reason: str,
        by: str,
        state: PushState,
        *,
        settled_at: datetime | None,
        **more: str,
    ) -> None:
        """A decision and what it makes of the push, in one transaction."""
        decision = {"push": push_id, "kind": kind, "reason": reason, "by": by, "at": datetime.now(UTC)}
        settled = {"state": state.value, "settled_at": settled_at, **more}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(_decisions).values(decision))
            connection.execute(sa.update(_pushes).where(_pushes.c.id == push_id).values(settled))

    def _first(self, where: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]) -> Push | None:
        with self.engine.connect() as connection:
            query = sa.select(_pushes).where(where).order_by(*order).limit(1)
            row = connection.execute(query).mappings().first()
            return _push(row) if row else None

    def _select(self, where: sa.ColumnElement[bool]) -> list[Push]:
        with self.engine.connect() as connection:
            query = sa.select(_pushes).where(where).order_by(_pushes.c.sequence)
            return [_push(row) for row in connection.execute(query).mappings()]


def open_ledger(home: Home) -> Ledger:
    """The ledger of this home; its tables are made on first use. Raises :class:`NewerStateError`."""
    return _open(_url(home))


def open_tables(home: Home, metadata: sa.MetaData) -> sa.Engine:
    """The operational database with further tables beside the ledger's, which are made on first use."""
    return _with_tables(open_ledger(home).engine, metadata)


@lru_cache(maxsize=32)
def _with_tables(engine: sa.Engine, metadata: sa.MetaData) -> sa.Engine:
    with _alone(engine) as connection:
        metadata.create_all(connection)
    return engine


@lru_cache(maxsize=8)
def _open(url: str) -> Ledger:
    engine = sa.create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
    sa.event.listen(engine, "handle_error", _say_that_the_disk_is_full)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable_sqlite)
    with _alone(engine) as connection:
        if sa.inspect(connection).has_table(_state_version.name):
            found = (
                connection.execute(sa.select(sa.func.max(_state_version.c.version))).scalar()
                or SCHEMA_VERSION
            )
            if found > SCHEMA_VERSION:
                raise NewerStateError(found)
            for version in range(found, SCHEMA_VERSION):
                connection.exec_driver_sql(_UPGRADES[version])
                connection.execute(sa.insert(_state_version).values(version=version + 1))
        else:
            _metadata.create_all(connection)
            connection.execute(sa.insert(_state_version).values(version=SCHEMA_VERSION))
    return Ledger(engine)


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that no other process is in: two of them may open a new home at once."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(4418)"))
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def migrate(home: Home) -> str:
    """Bring the state to this version; says what it did."""
    before = _state_of(_url(home))
    open_ledger(home)
    if before in (None, SCHEMA_VERSION):
        return f"状态版本 state version {SCHEMA_VERSION}: 无需迁移 nothing to do"
    return f"状态版本 state version {before} → {SCHEMA_VERSION}: 已迁移 migrated"


def _url(home: Home) -> str:
    return os.environ.get("CITYLAKE_OPERATIONS_URL") or f"sqlite:///{home.operations}"


def _state_of(url: str) -> int | None:
    """The version that the state has, before anything is made or changed; None where there is none yet."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            there = sa.inspect(connection).has_table(_state_version.name)
            found: int | None = (
                connection.execute(sa.select(sa.func.max(_state_version.c.version))).scalar()
                if there
                else None
            )
            return found
    finally:
        engine.dispose()


def _durable_sqlite(connection: Any, _: object) -> None:
    """A receipt is a promise: WAL with full synchronisation keeps it through a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _standing(resource: str) -> sa.ColumnElement[bool]:
    """The pushes whose rows make up a resource: readings that found nothing new bring none."""
    applied = _pushes.c.state == PushState.APPLIED.value
    return (_pushes.c.resource == resource) & applied & (_pushes.c.size > 0)


def _say_that_the_disk_is_full(context: sa.engine.ExceptionContext) -> OSError | None:
    """A full disk in the words of the operating system, as of every other file, whichever database says so."""
    said = context.original_exception
    full = (
        getattr(said, "sqlite_errorname", None) in _SQLITE_FULL
        or getattr(said, "sqlstate", None) == _POSTGRESQL_FULL
    )
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None


def _record(push: Push) -> dict[str, Any]:
    record = {
        column.name: getattr(push, column.name) for column in _pushes.columns if column.name != "sequence"
    }
    return record | {"way": push.way.value, "state": push.state.value}


def _push(row: sa.RowMapping) -> Push:
    failures = row["failures"]
    return Push(
        **{
            **row,
            "way": Way(row["way"]),
            "state": PushState(row["state"]),
            "failures": json.loads(failures) if isinstance(failures, str) else failures,
        }
    )


def _replace_sequence(push: Push, sequence: int) -> Push:
    return Push(**{**push.__dict__, "sequence": sequence})


def same_or_conflict(twin: Push, push: Push) -> Push:
    """The earlier push of the same key, where it brought the same bytes; else :class:`IdempotencyConflictError`."""
    if twin.digest != push.digest:
        raise IdempotencyConflictError(f"{push.department}/{push.resource}")
    return twin


def newest(pushes: Sequence[Push]) -> Push | None:
    """The push that speaks for the latest date; of several, the one that came last."""
    return max(pushes, key=lambda push: (push.data_date, push.sequence), default=None)
