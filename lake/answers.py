"""What somebody states for good reason, and another answers once: a department's excuse, its objection to an entry.

Here belong the reason, the one answer and the list of both. Which tables there are, and what is stated in them, is in
``promises`` and ``objections``.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from catalog.errors import MendableError

MAX_REASON = 1000


def reasoned(reason: str, refused: type[MendableError]) -> str:
    """The reason without blanks around it; raises ``refused`` where there is none, or too long a one."""
    if not reason.strip() or len(reason) > MAX_REASON:
        msg = (
            f"请写明理由（{MAX_REASON} 字以内），它会永久留存 · give the reason, in at most {MAX_REASON} characters: it is "
            "kept for ever"
        )
        raise refused(msg)
    return reason.strip()


def answer_once(engine: sa.Engine, answer: sa.Insert, refusal: MendableError) -> None:
    """Record an answer, once and for ever; raises ``refusal`` where there is nothing to answer, or an answer already."""
    try:
        with engine.begin() as connection:
            connection.execute(answer)
    except sa.exc.IntegrityError:
        raise refusal from None


def with_answers(
    engine: sa.Engine, stated: sa.Table, answers: sa.Table, link: str, **only: str | None
) -> Sequence[sa.RowMapping]:
    """What was stated, newest first, each with its answer (``link`` is the answer's column that names what it answers); of
    each column in ``only`` that is not None, the rows with this value."""
    joined = sa.outerjoin(stated, answers, stated.c.id == answers.c[link])
    answer = [column for column in answers.columns if column.name != link]
    query = sa.select(stated, *answer).select_from(joined).order_by(stated.c.id.desc())
    for name, value in only.items():
        if value is not None:
            query = query.where(stated.c[name] == value)
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()
