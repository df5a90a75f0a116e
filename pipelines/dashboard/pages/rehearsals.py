"""Check only 试推: a file from a browser judged fully, its refused rows shown, and nothing of it kept.

Here belong the address and the scratch file; the judging is ``assets.standard``'s.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from assets.standard import rehearse
from catalog.model import Entry, Title, Way
from lake.landing import EMPTY, PushRefusedError, TooLargeError, safe_name
from lake.ledger import Push, new_push_id
from pipelines.dashboard.pages.uploads import require_source
from pipelines.dashboard.refusals import SHOWN_ROWS, failing, in_words
from pipelines.dashboard.rendering import page
from pipelines.dashboard.visits import Visitor, require_sent
from pipelines.gateway import limits
from pipelines.gateway.bodies import land_body, require_room

router = APIRouter()
#: Judging takes memory and both cores: few at once, and none of the landings' threads.
_pool = ThreadPoolExecutor(2, "rehearsal")
_slots = limits.Slots()


@router.post("/resources/{code}/rehearsals")
async def check(
    visit: Visitor, code: str, data_date: date, x_filename: Annotated[str, Header(max_length=1000)]
) -> Response:
    """What would become of the file were it pushed now, as a piece of page."""
    require_sent(visit)
    entry = visit.require_entry(code)
    require_source(visit, entry)
    home = visit.site.context.home
    require_room(visit.request, home.root)
    push = _push_of(entry, data_date, safe_name(unquote(x_filename)))
    folder = home.work / "rehearsals" / push.id
    folder.mkdir(parents=True, mode=0o700)
    path = folder / push.filename
    try:
        with _slots.taken(entry.department):
            push = await land_body(visit.request, _pool, lambda chunks: _written(path, chunks, push))
            rehearsal = await run_in_threadpool(rehearse, visit.site.context, path, push)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return await run_in_threadpool(
        page,
        visit,
        "rehearsal.html",
        entry=entry,
        outcome=rehearsal.outcome,
        notes=rehearsal.notes,
        failing=failing(entry, rehearsal.outcome.failures),
        refusals=in_words(rehearsal.refused.head(SHOWN_ROWS).lazy(), with_cells=True),
        shown_rows=SHOWN_ROWS,
    )


def _push_of(entry: Entry, data_date: date, filename: str) -> Push:
    """A push that is registered nowhere."""
    return Push(
        id=new_push_id(),
        resource=entry.code,
        department=entry.department,
        way=Way.FILE,
        filename=filename,
        format=filename.rpartition(".")[2].lower()[:16] or "unknown",
        size=0,
        digest="",
        data_date=data_date,
        received_at=datetime.now(UTC),
        entry_version=entry.version,
    )


def _written(path: Path, chunks: Iterator[bytes], push: Push) -> Push:
    size, digest = 0, hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > limits.MAX_BYTES:
                raise TooLargeError(Title(zh="文件过大，请分批检查", en="too large: check it in parts"))
            digest.update(chunk)
            file.write(chunk)
    if not size:
        raise PushRefusedError(EMPTY)
    return replace(push, size=size, digest=digest.hexdigest())
