"""Telling a department that it is late: once for each deadline it missed, by webhook and by mail, where they are set; and
telling the bureau, once, when the last day of a notice has passed without correction.

Here belong the message, its sending, and the record of what was told. What is late is decided in ``quality.freshness``. A message
holds titles, dates and counts, never a value out of a row. The formal notice (Art. 49) is drafted on the page and signed
by a person.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage
from itertools import groupby
from urllib.parse import SplitResult, urlsplit

import sqlalchemy as sa

from assets.build import Context
from assets.escalation import Stage, case_of
from assets.operations import ResourceState, duties_of, resource_states
from catalog.model import Department
from lake.ledger import open_tables
from lake.promises import Excuse, excuse_of, open_promises
from pipelines.alerts import alert
from quality.clock import CITY_TIME

log = logging.getLogger("citylake.reminders")
SMTP_SECONDS = 20
#: What the record of the told calls a notice, before its department: no resource is named so.
_NOTICE = "notice:"

_metadata = sa.MetaData()
_reminders = sa.Table(
    "reminders",
    _metadata,
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("due", sa.Date, primary_key=True),
    sa.Column("told_at", sa.String(32), nullable=False),
)


@dataclass(frozen=True)
class Told:
    """A department that was told now, and the resources it was told of."""

    department: str
    resources: tuple[str, ...]


def remind(context: Context, now: datetime | None = None) -> list[Told]:
    """Tell every department of deadlines it has missed, was not told of and has not excused yet; a message that nobody
    took is tried again the next time."""
    at = now or datetime.now(UTC)
    late = [state for state in resource_states(context, now=at) if state.working_days_late]
    engine = open_tables(context.home, _metadata)
    told, excuses = _told(engine), open_promises(context.home).excuses()
    new = [
        state for state in late if (state.resource, state.next_due) not in told and not _heard(excuses, state)
    ]
    done = []
    for department, states in _by_department(new):
        if _send(context.catalogue.departments[department], states):
            _record(engine, [(state.resource, state.next_due) for state in states], at)
            done.append(Told(department, tuple(state.resource for state in states)))
    return done


def overdue_corrections(context: Context, now: datetime | None = None) -> list[str]:
    """Tell the bureau, once for each notice, of departments that let the notice's last day pass and still owe what it
    names (Art. 49); returns their codes."""
    at = now or datetime.now(UTC)
    today, promises = at.astimezone(CITY_TIME).date(), open_promises(context.home)
    excuses, measures = promises.excuses(), promises.measures()
    terms = duties_of(context).terms
    engine = open_tables(context.home, _metadata)
    told, done = _told(engine), []
    for department, states in _by_department(resource_states(context, now=at)):
        mine = [measure for measure in measures if measure.department == department]
        case = case_of(department, states, excuses, mine, terms, today)
        subject = (f"{_NOTICE}{department}", case.correct_by)
        if case.stage is not Stage.REPORT_DUE or subject in told:
            continue
        resources = ", ".join(state.resource for state in case.owed)
        if alert("correction overdue", department=department, resources=resources):
            _record(engine, [subject], at)
            done.append(department)
    return done


def message_to(department: Department, states: Sequence[ResourceState]) -> EmailMessage:
    """The mail to a department's address, in both languages."""
    message = EmailMessage()
    message["Subject"] = f"公共数据逾期提醒：{len(states)} 个数据资源 · {len(states)} resources are late"
    message["From"] = os.environ.get("CITYLAKE_MAIL_FROM") or "citylake@localhost"
    message["To"] = department.owner
    lines = [
        f"- {state.title}（{state.resource}）：应报 due {state.next_due}，逾期 {state.working_days_late} 个工作日 "
        f"working days late"
        for state in states
    ]
    message.set_content(
        f"{department.title.zh}：\n\n以下公共数据资源已超过承诺的更新期限，请尽快推送：\n"
        f"These resources are past the deadline that their update frequency promises; please push them:\n\n"
        + "\n".join(lines)
    )
    return message


def _send(department: Department, states: Sequence[ResourceState]) -> bool:
    """Whether at least one way took the message."""
    resources = ", ".join(state.resource for state in states)
    days = max(state.working_days_late for state in states)
    by_webhook = alert("late", department=department.code, resources=resources, working_days_late=days)
    return _mail(message_to(department, states)) or by_webhook


def _mail(message: EmailMessage) -> bool:
    """Send through ``CITYLAKE_SMTP_URL`` (``smtp://host:25``, ``smtps://user@host``; the password is in
    ``CITYLAKE_SMTP_PASSWORD``); False where none is set or it does not take the mail."""
    url = urlsplit(os.environ.get("CITYLAKE_SMTP_URL") or "")
    if not url.hostname:
        return False
    try:
        with _connected(url) as server:
            if url.username:
                server.login(url.username, os.environ.get("CITYLAKE_SMTP_PASSWORD", ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        log.warning("the mail server did not take a reminder: %s", type(error).__name__)
        return False
    return True


@contextmanager
def _connected(url: SplitResult) -> Iterator[smtplib.SMTP]:
    """A connection to the mail server; encrypted to a name that is checked wherever a password is sent."""
    host, port, checked = url.hostname or "", url.port or 0, ssl.create_default_context()
    if url.scheme == "smtps":
        opened: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_SECONDS, context=checked)
    else:
        opened = smtplib.SMTP(host, port, timeout=SMTP_SECONDS)
    with opened as server:
        if url.username and url.scheme != "smtps":
            server.starttls(context=checked)
        yield server


def _by_department(states: Iterable[ResourceState]) -> list[tuple[str, list[ResourceState]]]:
    ordered = sorted(states, key=lambda state: (state.department, state.resource))
    return [(department, list(each)) for department, each in groupby(ordered, lambda state: state.department)]


def _told(engine: sa.Engine) -> set[tuple[str, object]]:
    with engine.connect() as connection:
        return {(row.resource, row.due) for row in connection.execute(sa.select(_reminders))}


def _heard(excuses: Sequence[Excuse], state: ResourceState) -> bool:
    """Whether the department has spoken of this deadline already, and was not turned down."""
    excuse = excuse_of(excuses, state.resource, state.next_due)
    return excuse is not None and excuse.accepted is not False


def _record(engine: sa.Engine, subjects: Sequence[tuple[str, date | None]], at: datetime) -> None:
    rows = [
        {"resource": subject, "due": due, "told_at": at.isoformat(timespec="seconds")}
        for subject, due in subjects
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(_reminders), rows)
