"""Building a base database: its golden records, ids, crosswalk, conflicts and worklist, as far as anything has changed.

Here belongs what is built when, and the writing. An entity is touched where a row about it came, went or changed, or a
steward decided on it; only touched entities are built again, and their rows exchanged. Building all gives the same
tables row for row. How a record is made is in ``golden``, what has changed in ``changes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl
import polars.selectors as cs

from assets.base import changes
from assets.base.bands import bands
from assets.base.crosswalk import Since, crosswalk_name, past_name
from assets.base.decisions import Verdict
from assets.base.golden import (
    BY_IDENTIFIER,
    KEY,
    OTHERWISE,
    Chosen,
    conflict_key,
    conflicts,
    contested,
    crosswalk,
    few,
    golden_records,
    one_per_entity,
    with_shown_identifier,
)
from assets.base.identity import (
    OTHER,
    give_ids,
    given_ids,
    known_ids,
    leads,
    ledger_name,
    merges_name,
    redirect_key,
    redirect_name,
    redirect_table,
    redirects,
    standing,
)
from assets.base.linkage_residue import (
    RECORD,
    decisions_name,
    find,
    latest_decisions,
    worklist_name,
    worklist_schema,
)
from assets.base.states import FROM
from assets.base.together import SHARED, keys_of, named, shared_rows, together
from assets.build import Build, Built, Context, TableName
from catalog.base_model import Base, load_bases
from catalog.linkage_model import LinkageModel, reviewed_models
from catalog.load import Catalogue
from catalog.relation_model import Relation, load_relations
from lake.hashes import ROW_HASH
from lake.locks import writing
from lake.parts import Part, write_part
from lake.tables import Commit

_PLACED = ["resource", "_push", "_row"]


def builds(catalogue: Catalogue) -> list[Build]:
    """One recipe for each declared base database: golden records, ids, crosswalk and conflicts together."""
    bases = load_bases(catalogue)
    relations, models = load_relations(catalogue, bases), reviewed_models(catalogue.root)
    return [_build(base, relations, models.get(code)) for code, base in bases.items()]


def _build(base: Base, relations: Mapping[str, Relation], model: LinkageModel | None) -> Build:
    compared = [name for column in model.columns for name in model.sources(column, "right")] if model else []
    related = {resource for name in compared if name in relations for resource in relations[name].resources()}
    return Build(
        makes=tuple(_made(base)),
        reads=tuple(("standard", name) for name in sorted({*_resources(base), *related})),
        title=base.title,
        description="每个主体一行，每个字段都注明来源；编号表保证编号终身不变；关联表说明哪些来源行自何时起属于哪个主体，"
        "不再如此的移入关联历史表；"
        "冲突表列出部门之间不一致的取值；待办表列出须人工判断归属的来源行；归并表说明哪些编号已由另一编号代替。\n\n"
        "One row per entity with the source of every field; its id for ever; which source rows are which entity, since "
        "when, and which were until when; where "
        "departments disagree; which rows a steward must place; which ids another one stands for.",
        owner="data_bureau",
        run=lambda context: build(context, base),
    )


def _made(base: Base) -> list[TableName]:
    names = (base.code, ledger_name(base), crosswalk_name(base), past_name(base), f"{base.code}_conflict")
    return [("base", name) for name in (*names, worklist_name(base), redirect_name(base))]


def _resources(base: Base) -> list[str]:
    return sorted({source.resource for source in base.sources.values()})


def build(context: Context, base: Base, *, whole: bool = False, at: datetime | None = None) -> Built:
    """Bring the tables up to date with their sources; ``whole`` builds everybody anew, touched or not. ``at`` is when that
    is recorded to be (None: now)."""
    model = reviewed_models(context.catalogue.root).get(base.code)
    read = [("standard", name) for name in _resources(base)]
    read += [("base", decisions_name(base)), ("base", merges_name(base))]
    now = changes.taken(context, changes.declared_digest(context, base, model), read)
    only = None if whole else _touched(context, base, now)
    everyone = named(context, base) if only is None else only.alias(base.identifier).to_frame().lazy()
    commits = {("base", ledger_name(base)): give_ids(context, base, everyone)}
    chosen = Chosen(only, leads(context, base), _forgiven(context, base))
    ids = None  # the ids whose rows the tables exchange; None: all rows are made anew
    if only is not None:
        chosen, ids = _with_ids(context, base, few(context, base, chosen), only)
    records, differing = _tables(context, base, ids)
    placed = _crosswalk(context, base, ids, at or datetime.now(UTC))
    others = []
    for band in bands(context, base, chosen):
        golden = _golden(context, base, band)
        records.add(golden.lazy().drop(KEY, cs.starts_with(OTHERWISE)))
        differing.add(conflicts(base, golden.lazy()))
        others.append(contested(context, base, golden.lazy(), band))
        del golden
        rows = crosswalk(context, base, band)
        placed.add(rows.join(others[-1].lazy(), on=_PLACED, how="anti") if others[-1].height else rows)
    commits["base", base.code] = records.commit()
    commits["base", f"{base.code}_conflict"] = differing.commit()
    residue = find(context, base, context.lake.scan("base", base.code))
    placed.add_linked(residue.links.lazy())
    commits["base", crosswalk_name(base)] = placed.commit()
    commits["base", past_name(base)] = context.lake.unchanged("base", past_name(base))
    shared = shared_rows(context, base, known_ids(context, base))
    asked = [_asked(context, base, pl.concat(others), BY_IDENTIFIER), _asked(context, base, shared, SHARED)]
    waiting = pl.concat([residue.worklist, _still_contested(context, base, ids), *asked])
    redirected = redirect_table(context, base)
    for name, rows_, key in (
        (worklist_name(base), waiting, [*_PLACED, base.id_column]),
        (redirect_name(base), redirected, redirect_key(base)),
    ):
        with writing(context.home, f"base.{name}"):
            commits["base", name] = context.lake.publish("base", name, rows_, key=key)
    changes.note(context, base.code, now.with_made(context, _made(base)))
    return Built(
        commits,
        {
            "entities": commits["base", base.code].rows,
            "built anew": "all" if ids is None else ids.len(),
            "conflicts": commits["base", f"{base.code}_conflict"].rows,
            "rows without identifier": residue.residue,
            "linked": residue.links.height,
            "for a steward": waiting.height,
        },
    )


def _tables(context: Context, base: Base, ids: pl.Series | None) -> tuple[_Table, _Table]:
    """Records and conflicts, in the order of ids."""
    return (
        _Table(context, base.code, [base.id_column], ids),
        _Table(context, f"{base.code}_conflict", conflict_key(base), ids),
    )


def _crosswalk(context: Context, base: Base, ids: pl.Series | None, at: datetime) -> _Crosswalk:
    key, since = [base.id_column, *_PLACED], Since(base, at, [])
    return _Crosswalk(context, crosswalk_name(base), key, ids, since=since)


@dataclass
class _Table:
    """A table that is made band by band: all of it (``ids`` is None), or the rows of these entities."""

    context: Context
    name: str
    key: Sequence[str]
    ids: pl.Series | None
    parts: list[Part] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.LazyFrame) -> None:
        """The rows of a band: written into the table's folder, or kept where they are few."""
        if self.ids is None:
            self.parts.append(write_part(rows.sort(self.key), self.context.lake.path("base", self.name)))
            rows = rows.clear()
        self.frames.append(rows.collect(engine="streaming"))

    def commit(self) -> Commit:
        """Make the table equal what was added, in one commit."""
        lake, rows = self.context.lake, pl.concat(self.frames)
        with writing(self.context.home, f"base.{self.name}"):
            if self.ids is None:
                return lake.publish_parts("base", self.name, self.parts, rows.schema)
            return lake.exchange("base", self.name, rows, whose=self.ids, key=self.key[0])


_LINKED = pl.col("method") != BY_IDENTIFIER


@dataclass
class _Crosswalk(_Table):
    """The crosswalk. Each row keeps when it was first recorded as it is; those that are no more are kept apart. Its linked
    rows are made anew each time, whosever they are."""

    since: Since = field(kw_only=True)
    _up_to: str = ""

    def add(self, rows: pl.LazyFrame) -> None:
        """The identified rows of a band. The bands come in the order of ids: those held between two are compared, too."""
        if self.ids is None:
            if (held := self._held()) is None:
                rows = self.since.begun(rows)
            elif (band := rows.collect(engine="streaming")).height:
                last = str(band[self.key[0]].max())
                between = pl.col(self.key[0]).is_between(pl.lit(self._up_to), pl.lit(last), closed="right")
                rows = self.since.settle(band, held.filter(~_LINKED, between).collect()).lazy()
                self._up_to = last
            else:
                rows = self.since.begun(rows)
        super().add(rows)

    def add_linked(self, rows: pl.LazyFrame) -> None:
        """All linked rows, once the bands are through."""
        if self.ids is None:
            held = self._held()
            if held is None:
                rows = self.since.begun(rows)
            else:
                rows = self.since.settle(rows.collect(), held.filter(_LINKED).collect()).lazy()
                after = held.filter(~_LINKED, pl.col(self.key[0]) > self._up_to).collect()
                self.since.settle(after.clear(), after)
            self.since.keep(self.context)
        super().add(rows)

    def commit(self) -> Commit:
        """Make the table equal what was added, in one commit; what that ends is written down before."""
        if self.ids is None:
            return super().commit()
        lake, rows = self.context.lake, pl.concat(self.frames)
        with writing(self.context.home, f"base.{self.name}"):
            return lake.exchange(
                "base",
                self.name,
                rows,
                whose=self.ids,
                also=_LINKED,
                key=self.key[0],
                settle=self._settled,
            )

    def _settled(self, rows: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
        settled = self.since.settle(rows, leaving)
        self.since.keep(self.context)
        return settled

    def _held(self) -> pl.LazyFrame | None:
        """The rows there are, where they say since when; None where nothing is to be compared."""
        if not self.context.lake.exists("base", self.name):
            return None
        held = self.context.lake.scan("base", self.name)
        return held if FROM in held.collect_schema() else None


def _golden(context: Context, base: Base, band: Chosen) -> pl.DataFrame:
    """The records of a band's entities."""
    sources = {name: one_per_entity(context, base, name, band) for name in base.sources}
    everyone = pl.concat([rows.select(base.identifier) for rows in sources.values()]).unique()
    ids = (
        band.known_ids(context, base)
        .join(everyone, on=base.identifier, how="semi")
        .collect(engine="streaming")
    )
    golden = golden_records(context.catalogue, base, ids, sources, band.forgiven).collect(engine="streaming")
    return with_shown_identifier(context, base, golden, band)


def _touched(context: Context, base: Base, now: changes.Note) -> pl.Series | None:
    """The identifiers whose rows are read again; None where that is everybody's."""
    then = changes.noted(context, base.code)
    if then is None or then.declared != now.declared or not then.stand(context, _made(base)):
        return None

    def of(resource: str) -> pl.Series | None:
        sources = [source for source in base.sources.values() if source.resource == resource]
        keys = [key for source in sources for key in keys_of(base, source)]
        return changes.touched(context.lake, then, ("standard", resource), keys)

    # half of it is sorting, which takes one processor each
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(of, _resources(base)))
    known = [some for some in found if some is not None]
    if len(known) < len(found):
        return None
    return _with_their_others(context, base, pl.concat([*known, _decided(context, base, then, now)]).unique())


def _decided(context: Context, base: Base, then: changes.Note, now: changes.Note) -> pl.Series:
    """The identifiers of entities in a ledger of decisions that has grown."""
    ids = [pl.Series([], dtype=pl.String)]
    for name, columns in (
        (decisions_name(base), [base.id_column]),
        (merges_name(base), [base.id_column, OTHER]),
    ):
        if not changes.same(then, now, ("base", name)):
            said = context.lake.scan("base", name).select(columns).collect()
            ids += [said[column] for column in columns]
    named = pl.concat(ids).unique()
    given = given_ids(context, base).filter(pl.col(base.id_column).is_in(named.implode()))
    return given.select(base.identifier).collect().to_series()


def _with_their_others(context: Context, base: Base, identifiers: pl.Series) -> pl.Series:
    """The identifiers, and all others that are, or were, of the same entities, or are named together with them."""
    merged = leads(context, base).select(one="lead", other=base.identifier)
    ties = pl.concat([merged, together(context, base).select("one", "other")])
    found, more = identifiers, pl.Series([], dtype=pl.String)
    while found.len() > more.len():
        more = found
        near = ties.filter(pl.col("one").is_in(more.implode()) | pl.col("other").is_in(more.implode()))
        found = pl.concat([more, near["one"], near["other"]]).unique()
    return found


def _with_ids(context: Context, base: Base, chosen: Chosen, only: pl.Series) -> tuple[Chosen, pl.Series]:
    """The chosen with the ids of whom they are, and every id that their identifiers have, or had before a merge."""
    given = given_ids(context, base).filter(pl.col(base.identifier).is_in(only.implode()))
    held = given.select(base.identifier, base.id_column).collect().lazy()
    known = standing(base, held, redirects(context, base))
    ids = pl.concat([table.select(base.id_column) for table in (held, known)]).unique().collect().to_series()
    return replace(chosen, ids=known), ids


def _forgiven(context: Context, base: Base) -> dict[str, list[int]]:
    """By resource, the hashes of contested rows that a steward gave to the entity all the same."""
    same = latest_decisions(context, base).filter(verdict=Verdict.SAME)
    return {str(resource): rows[RECORD].to_list() for (resource,), rows in same.group_by("resource")}


def _asked(context: Context, base: Base, others: pl.DataFrame, method: str) -> pl.DataFrame:
    """Contested rows as the worklist has them, without those on which a steward already decided."""
    said = latest_decisions(context, base).select(RECORD, "resource", base.id_column, "verdict")
    open_ = others.rename({ROW_HASH: RECORD}).join(said, on=[RECORD, "resource", base.id_column], how="left")
    waiting = open_.filter(
        ~pl.col("verdict").is_in([Verdict.SAME, Verdict.DIFFERENT], nulls_equal=True)
    ).with_columns(pl.lit(method).alias("method"), pl.lit(None, pl.Float64).alias("probability"))
    return waiting.select(pl.col(name).cast(dtype) for name, dtype in worklist_schema(base).items())


def _still_contested(context: Context, base: Base, ids: pl.Series | None) -> pl.DataFrame:
    """The contested rows of entities that are not built anew."""
    if ids is None:
        return pl.DataFrame(schema=worklist_schema(base))
    held = context.lake.scan("base", worklist_name(base)).filter(method=BY_IDENTIFIER)
    return held.filter(~pl.col(base.id_column).is_in(ids.implode())).collect()
