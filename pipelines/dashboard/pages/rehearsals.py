"""Check only 试推: a file from a browser judged fully, its refused rows shown, and nothing of it kept.

Here belong the address and the scratch file; the judging is ``assets.standard``'s.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from assets.standard import rehearse
from catalog.model import Title
from lake.landing import safe_name
from pipelines.dashboard.pages.uploads import limits_of, require_source
from pipelines.dashboard.refusals import SHOWN_ROWS, failing, in_words
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import Visitor, require_sent
from pipelines.gateway import limits
from pipelines.gateway.bodies import require_room
from pipelines.gateway.rehearsals import rehearsed

router = APIRouter()
#: Judging takes memory and both cores: few at once, and none of the landings' threads.
_pool = ThreadPoolExecutor(2, "rehearsal")
_slots = limits.Slots()
_TOO_LARGE = Title(zh="文件过大，请分批检查", en="too large: check it in parts")


@router.post("/resources/{code}/rehearsals")
async def check(
    visit: Visitor, code: str, data_date: date, x_filename: Annotated[str, Header(max_length=1000)]
) -> Response:
    """What would become of the file were it pushed now, as a piece of page."""
    require_sent(visit)
    entry = visit.require_entry(code)
    require_source(visit, entry)
    context = visit.site.context
    allowed = limits_of(visit, entry)
    require_room(visit.request, context.home.root, allowed.bytes)
    sent = rehearsed(
        visit.request, context.home, _pool, safe_name(unquote(x_filename)), allowed.bytes, _TOO_LARGE
    )
    with _slots.taken(entry.department, allowed):
        async with sent as path:
            rehearsal = await run_in_threadpool(rehearse, context, entry, path, data_date)
    return await run_in_threadpool(
        page,
        visit,
        "rehearsal.html",
        entry=entry,
        outcome=rehearsal.outcome,
        notes=rehearsal.notes,
        failing=failing(
            entry,
            rehearsal.outcome.failures,
            {code: vars(found) for code, found in rehearsal.outcome.findings.items()},
        ),
        refusals=in_words(rehearsal.refused.head(SHOWN_ROWS).lazy(), with_cells=True),
        shown_rows=SHOWN_ROWS,
    )
