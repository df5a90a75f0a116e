"""One push judged again for who must look at it: how many nulls, and the first failing values, under their default masks.

Here belongs reading the landed push once more, by the entry by which it was read then; nothing is written. What a push was found
to be when it was applied stands in the ledger, and decides; this only shows it. Who may see masked values is the caller's to
decide.
"""

from __future__ import annotations

from assets.build import Context
from assets.ingest.decoding import scratch_folder
from assets.ingest.operations import prepared
from assets.ingest.readers import read
from assets.surroundings import other_tables
from catalog.elements import ELEMENTS
from catalog.model import Entry
from lake.entries import Entries
from lake.landing import landed_file
from lake.ledger import Push
from masking.compile import keyless
from quality.evidence import Evidence, Finding, Show, read_evidence
from quality.split import split


def entry_of(context: Context, push: Push) -> Entry:
    """The entry by whose rules the push was judged, which need not be the catalogue's of today; raises ``EntryGoneError``."""
    now = context.catalogue.entries.get(push.resource)
    return Entries(context.home, context.lake).of([push], now)[push.id]


def ledger_evidence(push: Push) -> Evidence:
    """What the ledger keeps of a push: counts, and the numbers of the rules over it as a whole."""
    return Evidence(push.rows or 0, push.failures or {}, findings=findings_of(push))


def findings_of(push: Push) -> dict[str, Finding]:
    """What became of the rules over a push as a whole."""
    return {code: Finding(**found) for code, found in (push.findings or {}).items()}


def masked_evidence(context: Context, push: Push) -> Evidence:
    """The same with nulls and masked failing values, from the push's landed bytes."""
    entry = entry_of(context, push)
    with scratch_folder(context.home.work) as work:
        raw, plan = prepared(entry, read(landed_file(context.home, push), entry, work=work).frame)
        parts = split(raw, plan, default_masks(entry), other_tables(context.lake, entry))
        found = read_evidence(parts.evidence.collect(engine="streaming").row(0, named=True))
    kept = ledger_evidence(push)
    return Evidence(kept.rows, kept.failures, found.nulls, found.considered, found.values, kept.findings)


def default_masks(entry: Entry) -> Show:
    """Of each column the default mask of its element, where that needs no recipient's key; the other columns are only
    counted."""
    elements = {name: ELEMENTS[column.element] for name, column in entry.columns.items()}
    shown = {name: keyless(element.mask, element.dtype) for name, element in elements.items()}
    return {name: mask for name, mask in shown.items() if mask}
