"""A department's push tokens: which are live, and changing one for another without interrupting its pushes.

Here belong the addresses. Tokens are made and compared in ``lake.tokens``; the first is handed out by the bureau.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import Response

from lake import tokens
from lake.ledger import open_ledger
from pipelines.dashboard.accounts import Act
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import NOT_FOUND, DeniedError, Form, Visitor, require_posted

router = APIRouter()
VALID = timedelta(days=180)


@router.post("/tokens/{token_id}/rotate")
def rotate(visit: Visitor, token_id: str, form: Form) -> Response:
    """Show a new token once; the old one opens for a week more."""
    require_posted(visit, form)
    ledger = open_ledger(visit.site.context.home)
    row = ledger.token(token_id)
    # the bureau hands tokens out, but does not hold a department's
    if row is None or visit.department is None or row["department"] != visit.department:
        raise DeniedError(404, NOT_FOUND)
    try:
        fresh = tokens.rotate(ledger, token_id, VALID)
    except tokens.UnknownTokenError as error:
        raise DeniedError.of(409, error) from None
    visit.site.accounts.record(visit.account.name, Act.ROTATE_TOKEN, token_id)
    return page(visit, "token.html", fresh=fresh, grace=tokens.ROTATION_GRACE.days, valid=VALID.days)
