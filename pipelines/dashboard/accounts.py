"""Who may log in to the page: accounts, passwords, sessions, and the record of what each did.

Here belong the tables of accounts in the operational database, and every statement on them. Passwords are kept as
Argon2id hashes, session tokens as SHA-256; neither can be read back. What a role may see is decided in ``visits``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from catalog.errors import MendableError
from catalog.load import load
from catalog.model import Title
from lake.home import Home
from lake.ledger import open_tables

MIN_PASSWORD = 12
MAX_PASSWORD = 256
#: A session ends after so long without a request, and after so long in any case.
IDLE_SECONDS = 60 * 60
SESSION_SECONDS = 12 * 60 * 60
#: After so many wrong passwords in a row an account waits, for each further one again.
MAX_FAILURES = 5
LOCK_SECONDS = 15 * 60


class Role(StrEnum):
    """What somebody is to the page. The bureau decides, a department sees its own, an auditor reads and decides nothing."""

    BUREAU = "bureau"
    DEPARTMENT = "department"
    AUDITOR = "auditor"


class Act(StrEnum):
    """What somebody did on the page, as the record of acts keeps it."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGIN_LOCKED = "login_locked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # an act, no password
    UPLOAD = "upload"
    ACCEPT_HOLD = "accept_hold"
    NOTICE_SENT = "notice_sent"
    REPORTED = "reported"
    EXCUSE = "excuse"
    RULE_EXCUSE = "rule_excuse"
    VIEW_CONFLICTS = "view_conflicts"
    CONTEST = "contest"
    ANSWER_OBJECTION = "answer_objection"
    ROTATE_TOKEN = "rotate_token"  # noqa: S105 # an act, no token
    REFUSE_HOLD = "refuse_hold"
    RELEASE_ROW = "release_row"
    DISMISS_ROW = "dismiss_row"
    DATA_DOCS_VALUES = "data_docs_values"
    DOWNLOAD_WORKLIST = "download_worklist"
    DOWNLOAD_REFUSED = "download_refused"
    DOWNLOAD_CATALOGUE = "download_catalogue"
    REPORT_NOTHING = "report_nothing"
    PURGE_REQUEST = "purge_request"
    PURGE_CONFIRM = "purge_confirm"
    VIEW_ROWS = "view_rows"


class AccountError(MendableError, ValueError):
    """An account or a password that cannot be; ``reason`` says why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        self.reason = Title(zh=zh, en=en)
        super().__init__(f"{zh} · {en}")


class LockedError(AccountError):
    """Too many wrong passwords: the account waits."""

    def __init__(self, seconds: float) -> None:
        minutes = max(1, round(seconds / 60))
        super().__init__(
            f"密码连续输错，请在 {minutes} 分钟后再试",
            f"too many wrong passwords: try again in {minutes} min",
        )


@dataclass(frozen=True)
class Account:
    """Somebody who may log in; ``department`` only for that role. A ``division`` cuts an officer's or an auditor's view to
    the departments of one county; None: the whole city."""

    name: str
    role: Role
    department: str | None
    must_change: bool = False
    division: str | None = None


@dataclass(frozen=True)
class Session:
    """One login: whose, and the token that every form of it must carry."""

    account: Account
    csrf: str


_metadata = sa.MetaData()
_accounts = sa.Table(
    "accounts",
    _metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("department", sa.String(64)),
    sa.Column("password", sa.String(255), nullable=False),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    # instants are Unix seconds in these tables: they are compared far more often than shown
    sa.Column("locked_until", sa.Double, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
)
# a table of its own: homes whose accounts were made before counties had officers need no migration
_divisions = sa.Table(
    "account_divisions",
    _metadata,
    sa.Column("account", sa.String(64), primary_key=True),
    sa.Column("division", sa.String(6), nullable=False),
)
_sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(64), nullable=False, index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("began", sa.Double, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)
_acts = sa.Table(
    "page_acts",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("act", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
)


class Accounts:
    """All statements on accounts, sessions and acts; every public method is one transaction or two."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def create(
        self,
        name: str,
        role: Role,
        department: str | None,
        password: str,
        *,
        division: str | None = None,
        must_change: bool = False,
    ) -> None:
        """Make an account, or give an existing one this role and password (which ends its sessions)."""
        if not name or len(name) > 64 or not name.isprintable() or name != name.strip():
            raise AccountError("账号须为1至64个可见字符", "a name has 1 to 64 printable characters")
        if (role is Role.DEPARTMENT) != (department is not None):
            raise AccountError(
                "部门角色须注明部门，其他角色不得注明",
                "the department role, and no other, names a department",
            )
        if division is not None and role is Role.DEPARTMENT:
            raise AccountError(
                "部门账号按部门划定范围，不得另注县区",
                "a department's account is cut by its department already: it names no county",
            )
        require_good(password, name)
        values = {
            "role": role.value,
            "department": department,
            "password": hashed(password),
            "must_change": must_change,
            "failures": 0,
            "locked_until": 0.0,
            "disabled": False,
        }
        with self.engine.begin() as connection:
            known = sa.update(_accounts).where(_accounts.c.name == name).values(values)
            if not connection.execute(known).rowcount:
                connection.execute(sa.insert(_accounts).values(name=name, **values))
            connection.execute(sa.delete(_divisions).where(_divisions.c.account == name))
            if division is not None:
                connection.execute(sa.insert(_divisions).values(account=name, division=division))
            connection.execute(sa.delete(_sessions).where(_sessions.c.account == name))

    def disable(self, name: str) -> None:
        """Let an account in no more, and end its sessions; raises :class:`AccountError` where there is none."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(_sessions).where(_sessions.c.account == name))
            known = sa.update(_accounts).where(_accounts.c.name == name).values(disabled=True)
            if not connection.execute(known).rowcount:
                raise AccountError(
                    f"没有账号 {name}，用 citylake user list 查看",
                    f"no account {name}: `citylake user list` shows all",
                )

    def names(self) -> list[Account]:
        """Everybody who may log in, in name order."""
        query = _with_division().where(~_accounts.c.disabled).order_by(_accounts.c.name)
        with self.engine.connect() as connection:
            return [_account(row) for row in connection.execute(query).mappings()]

    def verify(self, name: str, password: str) -> Account | None:
        """The account, where the password is its; a wrong one is counted. Raises :class:`LockedError`.

        An unknown name takes as long as a wrong password, so that names cannot be found out."""
        now = time.time()
        with self.engine.connect() as connection:
            query = _with_division().where((_accounts.c.name == name) & ~_accounts.c.disabled)
            row = connection.execute(query).mappings().first()
        if row and row["locked_until"] > now:
            raise LockedError(row["locked_until"] - now)
        right = matches(password, row["password"] if row else _nobodys_password())
        if row is None:
            return None
        failures = 0 if right else row["failures"] + 1
        locked = now + LOCK_SECONDS if failures >= MAX_FAILURES else 0.0
        with self.engine.begin() as connection:
            known = sa.update(_accounts).where(_accounts.c.name == name)
            connection.execute(known.values(failures=failures, locked_until=locked))
        return _account(row) if right else None

    def change_password(self, account: Account, old: str, new: str) -> None:
        """Replace a password, and end every session of the account; raises :class:`AccountError`."""
        if self.verify(account.name, old) is None:
            raise AccountError("原密码不正确", "the old password is not right")
        if old == new:
            raise AccountError("新密码不能与原密码相同", "the new password must differ from the old one")
        self.create(account.name, account.role, account.department, new, division=account.division)

    def begin(self, account: Account) -> str:
        """Open a session; returns its token, which is kept nowhere."""
        token, now = secrets.token_urlsafe(32), time.time()
        values = {
            "hash": _digest(token),
            "account": account.name,
            "csrf": secrets.token_urlsafe(32),
            "began": now,
            "seen": now,
        }
        with self.engine.begin() as connection:
            connection.execute(sa.delete(_sessions).where(_sessions.c.began < now - SESSION_SECONDS))
            connection.execute(sa.insert(_sessions).values(values))
        return token

    def session(self, token: str) -> Session | None:
        """The live session of this token; being asked for keeps it alive."""
        now = time.time()
        live = (
            (_sessions.c.hash == _digest(token))
            & (_sessions.c.began > now - SESSION_SECONDS)
            & (_sessions.c.seen > now - IDLE_SECONDS)
        )
        mine = _sessions.c.account == _accounts.c.name
        query = _with_division(_sessions.c.csrf, _sessions.c.seen).where(mine)
        with self.engine.connect() as connection:
            row = connection.execute(query.where(live & ~_accounts.c.disabled)).mappings().first()
        if row is None:
            return None
        if row["seen"] < now - 60:  # a write for every request would make readers wait for each other
            with self.engine.begin() as connection:
                connection.execute(sa.update(_sessions).where(live).values(seen=now))
        return Session(_account(row), row["csrf"])

    def end(self, token: str) -> None:
        """Close a session."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(_sessions).where(_sessions.c.hash == _digest(token)))

    def known(self, name: str) -> str:
        """The name, where it is an account's; else a dash: people type passwords into the wrong field."""
        with self.engine.connect() as connection:
            query = sa.select(_accounts.c.name).where(_accounts.c.name == name)
            return connection.execute(query).scalar() or "–"

    def record(self, account: str, act: Act, subject: str) -> None:
        """Write down that somebody did something: logins, uploads, downloads, decisions. Never edited."""
        with self.engine.begin() as connection:
            values = {"at": time.time(), "account": account[:64], "act": act.value, "subject": subject[:255]}
            connection.execute(sa.insert(_acts).values(values))

    def acts(self, limit: int = 200) -> list[dict[str, Any]]:
        """The latest acts, newest first: at, account, act, subject."""
        with self.engine.connect() as connection:
            query = sa.select(_acts).order_by(_acts.c.id.desc()).limit(limit)
            rows = connection.execute(query).mappings()
            return [{**row, "at": datetime.fromtimestamp(row["at"], UTC)} for row in rows]

    def latest_act(self, act: Act, subject: str) -> dict[str, Any] | None:
        """The newest act of this kind on a subject; None where there was none."""
        where = (_acts.c.act == act.value) & (_acts.c.subject == subject)
        with self.engine.connect() as connection:
            query = sa.select(_acts).where(where).order_by(_acts.c.id.desc()).limit(1)
            row = connection.execute(query).mappings().first()
            return {**row, "at": datetime.fromtimestamp(row["at"], UTC)} if row else None


def open_accounts(home: Home) -> Accounts:
    """The accounts of this home; their tables are made on first use."""
    return Accounts(open_tables(home, _metadata))


def new_account(
    home: Home, name: str, role: Role, department: str | None, division: str | None = None
) -> str:
    """Make an account with a password of chance, to be changed at the first login; returns the password."""
    known = load().departments
    if department is not None and department not in known:
        raise AccountError(
            f"目录中没有部门 {department}，可用：{'、'.join(known)}",
            f"no department {department!r}; the catalogue has {', '.join(known)}",
        )
    counties = sorted({each.division for each in known.values() if each.level == "county"})
    if division is not None and division not in counties:
        raise AccountError(
            f"目录中没有县区 {division} 的部门，可用：{'、'.join(counties) or '无'}",
            f"no department of county {division!r}; the catalogue has {', '.join(counties) or 'none'}",
        )
    password = secrets.token_urlsafe(12)
    open_accounts(home).create(name, role, department, password, division=division, must_change=True)
    return password


def require_good(password: str, name: str) -> None:
    """Refuse a password that is short, or is made of the account's name or of few characters."""
    if len(password) < MIN_PASSWORD:
        raise AccountError(
            f"密码至少 {MIN_PASSWORD} 个字符", f"a password has at least {MIN_PASSWORD} characters"
        )
    if len(password) > MAX_PASSWORD:
        raise AccountError(
            f"密码最多 {MAX_PASSWORD} 个字符", f"a password has at most {MAX_PASSWORD} characters"
        )
    if name.lower() in password.lower() or len(set(password)) < 6:
        raise AccountError(
            "密码不能包含账号，且不能只由几个字符重复组成",
            "a password holds neither the account's name nor only a few characters",
        )


def hashed(password: str) -> str:
    """Argon2id with what OWASP asks for: 19 MiB, two passes, one lane; salt and numbers are in the text."""
    derivation = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=19 * 1024)
    return derivation.derive_phc_encoded(password.encode())


def matches(password: str, stored: str) -> bool:
    """Whether the password is the one that was hashed."""
    try:
        Argon2id.verify_phc_encoded(password[:MAX_PASSWORD].encode(), stored)
    except InvalidKey:
        return False
    return True


@lru_cache(maxsize=1)
def _nobodys_password() -> str:
    return hashed(secrets.token_urlsafe(16))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _with_division(*more: sa.Column[Any]) -> sa.Select[Any]:
    """Accounts (and more columns), each with the county it is cut to."""
    division = sa.select(_divisions.c.division).where(_divisions.c.account == _accounts.c.name)
    return sa.select(_accounts, division.scalar_subquery().label("division"), *more)


def _account(row: sa.RowMapping) -> Account:
    return Account(row["name"], Role(row["role"]), row["department"], row["must_change"], row["division"])
