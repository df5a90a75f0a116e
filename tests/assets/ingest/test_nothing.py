"""To have nothing to report is a push like any other: signed, with a receipt, once for each date, and of no row."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from assets.ingest.nothing import report_nothing
from assets.standard import apply_waiting
from catalog.load import Catalogue
from catalog.model import Entry, Way
from lake.landing import PushRefusedError
from lake.ledger import Push, PushState
from tests.assets.office import CODE, Office, office

DAY = date(2026, 2, 5)


def report(here: Office, day: date = DAY, by: str = "Li Ming") -> Push:
    return report_nothing(
        here.context.home, here.ledger, here.entry, day, way=Way.FILE, by=by, department=here.entry.department
    )


def test_it_is_signed_applied_and_changes_no_row(tmp_path: Path, shipped: Catalogue) -> None:
    here = office(tmp_path, shipped, "upsert")
    here.push([(1, "a")])
    push = report(here)
    apply_waiting(here.context, CODE)
    settled = here.ledger.get(push.id)
    assert (settled.state, settled.rows, settled.data_date) == (PushState.APPLIED, 0, DAY)
    assert here.words() == [(1, "a")]
    assert [signed.by for signed in here.ledger.decisions("sign", push.id)] == ["Li Ming"]


def test_pressed_twice_it_is_one_and_the_first_signature_stands(tmp_path: Path, shipped: Catalogue) -> None:
    here = office(tmp_path, shipped, "append")
    first, again, next_day = report(here), report(here, by="Wang"), report(here, date(2026, 2, 6))
    assert first.id == again.id != next_day.id
    assert [signed.by for signed in here.ledger.decisions("sign", first.id)] == ["Li Ming"]


@pytest.mark.parametrize(("mode", "empty_ok"), [("snapshot", True), ("upsert", False)])
def test_where_it_would_say_that_all_are_gone_or_is_not_taken_nothing_is_kept(
    tmp_path: Path, shipped: Catalogue, mode: str, empty_ok: bool
) -> None:
    here = office(tmp_path, shipped, mode)
    document = here.entry.model_dump(mode="json")
    delivery = document["delivery"] | {"empty_ok": empty_ok}
    strict = Office(here.context, here.ledger, Entry.model_validate(document | {"delivery": delivery}))
    with pytest.raises(PushRefusedError):
        report(strict)
    assert here.ledger.history(CODE) == []
