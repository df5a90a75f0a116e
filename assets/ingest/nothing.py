"""A zero report (零报告): a person of the department signs that there is nothing to report for a period.

Here belong the push that it becomes, a header without rows, and the signature. That the period is then satisfied and no
row changes follows as for any push without rows.
"""

from __future__ import annotations

import csv
import io
from datetime import date

from catalog.model import Entry, Mode, Title, Way
from lake.home import Home
from lake.landing import PushRefusedError, receive
from lake.ledger import Ledger, Push

NOT_TAKEN = Title(
    zh="按目录规定，该资源不接受零报告，请推送数据", en="the entry accepts no zero report: push the data"
)
#: To say nothing of a whole register is to say that nothing is in it.
A_SNAPSHOT = Title(
    zh="该资源每次推送全量，零报告等于全部注销；确无数据时请推送只有表头的文件",
    en="each push of this resource is the whole of it: if all of it is gone, push a file with its header only",
)
SIGNATURE = "本期无数据 nothing to report"


def report_nothing(
    home: Home, ledger: Ledger, entry: Entry, data_date: date, *, way: Way, by: str, department: str
) -> Push:
    """Land and sign a report of nothing; returns its receipt, the earlier one where it was reported for this date before.

    Raises ``PushRefusedError`` where the entry takes none."""
    if not entry.delivery.empty_ok:
        raise PushRefusedError(NOT_TAKEN)
    if entry.delivery.mode is Mode.SNAPSHOT:
        raise PushRefusedError(A_SNAPSHOT)
    text = io.StringIO()
    csv.writer(text).writerow(entry.columns)
    push = receive(
        home,
        ledger,
        entry,
        [text.getvalue().encode()],
        way=way,
        filename=f"{entry.code}-nothing.csv",
        data_format="csv",
        data_date=data_date,
        # pressed twice it is one report; a column more or less is other bytes
        idempotency_key=f"nothing-{data_date}-{entry.version}-{len(entry.columns)}",
        department=department,
    )
    ledger.sign(push.id, reason=SIGNATURE, by=by)
    return push
