"""A push's results as Great Expectations' own, and as its Data Docs: who may see values, and where the page is.

Here belongs the way from a push to a page. What was counted is found in ``assets.push_evidence``; the page is rendered in
``quality.data_docs``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from assets.build import Context
from assets.push_evidence import entry_of, ledger_evidence, masked_evidence
from lake.ledger import Push
from quality.data_docs import page
from quality.plan import compile_entry
from quality.results import results

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

#: Where people reach the data bureau's page; ``citylake up`` says so itself.
PAGE_URL = "CITYLAKE_PAGE_URL"
DEFAULT_PAGE = "http://127.0.0.1:8641"


def docs_path(resource: str, push: str | None = None) -> str:
    """Where the page of a push is on the data bureau's page; without one, of the newest that was judged."""
    return f"/resources/{quote(resource)}/data-docs" + (f"?push={quote(push)}" if push else "")


def docs_url(resource: str, push: str | None = None) -> str:
    """The same as an address that can be opened from elsewhere, such as Dagster's pages."""
    return os.environ.get(PAGE_URL, DEFAULT_PAGE).rstrip("/") + docs_path(resource, push)


def push_results(context: Context, push: Push, *, values: bool = False) -> ExpectationSuiteValidationResult:
    """Great Expectations' result of a push. ``values``: with nulls and masked failing values, for which its landed bytes
    are read again; else only what the ledger counts. Raises ``EntryGoneError``."""
    plan = compile_entry(entry_of(context, push))
    evidence = masked_evidence(context, push) if values else ledger_evidence(push)
    return results(plan, evidence, push.received_at)


def docs_page(
    context: Context,
    push: Push,
    *,
    values: bool = False,
    links: tuple[tuple[str, str], ...] = (),
    stylesheet: str = "",
    english: bool = False,
) -> str:
    """The Data Docs page of a push; ``values`` (masked) are for the bureau alone."""
    entry = entry_of(context, push)
    title = entry.title.en if english else entry.title.zh
    return page(
        push_results(context, push, values=values),
        f"{title} · {push.data_date} · {push.id}",
        values=values,
        links=links,
        stylesheet=stylesheet,
        english=english,
        columns={name: column.title for name, column in entry.columns.items()},
    )
