"""What people open in DuckDB: one file of views for each role over tables masked for it, and one for the
bureau.

Here belongs making them. A view is no mask: whoever opens the file can read the Parquet under it, so a role's
views point only at tables in the role's own folder, whose every stored column the role may see. What it may
see is decided by ``masking``. A file is built aside and replaced in one step; superseded Parquet files go
after that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import polars as pl

from assets import as_of, base, shared
from assets.base import history, life
from assets.base.crosswalk import crosswalk_name, past_name
from assets.base.states import SUFFIX
from assets.base.timeline import TIMELINE, timeline_name
from assets.build import Build, Built, Context, TableName
from assets.operations import FRESHNESS, ROW_COUNTS, SCORE_ROWS, SHARES
from assets.shared import key_of, load_lawful
from assets.snapshots import hold, read_files
from assets.theme import themes
from assets.theme.themes import read_themes
from assets.theme.types import column_types
from assets.view_file import View, replace_file
from assets.view_words import VIEWS_SUFFIX, comment, of_column, of_mask, of_ops, of_product
from catalog.base_model import Base, load_bases
from catalog.load import Catalogue
from catalog.model import SharingType, Title
from lake.home import Home
from lake.locks import writing
from lake.tables import Commit, Lake
from masking.columns import declared_tables
from masking.compile import RoleColumn, in_county, masked, places, role_columns
from masking.counts import without_small
from masking.lineage import Tables
from masking.methods import METHODS
from masking.policy import Policy
from masking.product import Masking
from masking.roles import ALL_INSTITUTIONS, Role
from quality.clock import today

CATALOGUE: TableName = ("ops", "catalogue")
#: Layers whose tables a role may have a masked copy of.
ROLE_LAYERS = ("base", "theme")
BUREAU_LAYERS = ("standard", "quarantine", "base", "theme", "shared", "open", "ops")
ROLE_FOLDER_MODE = 0o750

HOW_TO_ASK = {
    SharingType.UNCONDITIONAL: "无条件共享：通过一网共享平台按需申请并获取（第二十四条）",
    SharingType.CONDITIONAL: "有条件共享：通过一网共享平台向数源部门提出申请，两个工作日内答复（第二十四条）",
    SharingType.NONE: "不予共享：可向数源部门提出核实、比对需求（第二十四条）",
}


def builds(catalogue: Catalogue) -> list[Build]:
    """The catalogue as a table, each role's masked tables with its file, and the bureau's file over
    everything."""
    masking, declared = load_lawful(catalogue), declared_tables(catalogue)
    upstream = [*base.builds(catalogue), *themes.builds(catalogue), *shared.builds(catalogue)]
    titles = {table: build.title for build in upstream for table in build.makes}
    shown = [*titles, CATALOGUE]
    roles = [_role_build(code, role, masking, titles, declared) for code, role in masking.roles.items()]
    arrived = [(layer, code) for layer in ("standard", "quarantine") for code in catalogue.entries]
    return [_catalogue_build(), *roles, _bureau_build([*arrived, *shown], titles, declared)]


def _catalogue_build() -> Build:
    return Build(
        makes=(CATALOGUE,),
        reads=(),
        title=Title(zh="公共数据资源目录", en="The catalogue, as a table"),
        description="每个信息项一行，含看不到的：共享类型、开放属性、数源部门和如何申请。\n\n"
        "Every column, also those not visible, and how to ask.",
        owner="data_bureau",
        run=build_catalogue,
    )


def _role_build(
    code: str, role: Role, masking: Masking, titles: Mapping[TableName, Title], declared: Tables
) -> Build:
    tables = [table for table in titles if table[0] in ROLE_LAYERS and role.covers(*table)]
    return Build(
        makes=(
            _views_of(code),
            *((f"role/{code}", stored_name(table)) for table in (*tables, FRESHNESS)),
        ),
        reads=(*tables, *(table for table in titles if table[0] == "shared"), CATALOGUE, FRESHNESS),
        title=role.title,
        description=f"为该角色脱敏的表和 {code}.duckdb。{role.purpose}（{role.approval}，至 {role.ends}）\n\n"
        "Tables masked for the role, and its DuckDB file.",
        owner="data_bureau",
        run=lambda context: build_role(context, code, masking, titles, declared),
        kinds=("duckdb", "deltalake"),
    )


def _bureau_build(shown: Sequence[TableName], titles: Mapping[TableName, Title], declared: Tables) -> Build:
    return Build(
        makes=(_views_of("bureau"),),
        reads=tuple(shown),
        title=Title(zh="数据局视图", en="The bureau's DuckDB file"),
        description="bureau.duckdb：全部表的视图。Views over every full table.",
        owner="data_bureau",
        run=lambda context: build_bureau(context, titles, declared),
        kinds=("duckdb",),
    )


def stored_name(table: TableName) -> str:
    """The name of a masked copy inside its role's folder."""
    return f"{table[0]}__{table[1]}"


def role_file(home: Home, role: str) -> Path:
    """The DuckDB file of a role: ``analyst.duckdb`` for the role ``analyst``."""
    return home.root / f"{role}.duckdb"


def build_catalogue(context: Context) -> Built:
    """Publish ``ops.catalogue``: one row for each column of each resource."""
    rows = [
        {
            "resource": entry.code,
            "resource_title": entry.title.zh,
            "category": entry.category,
            "department": context.catalogue.departments[entry.department].title.zh,
            "frequency": entry.frequency.title,
            "column": name,
            "column_title": column.title,
            "element": column.element,
            "grade": column.grade.value,
            "sharing": entry.sharing_of(name).title,
            "opening": entry.opening_of(name).title.replace("共享", "开放"),
            "conditions": (column.sharing or entry.sharing).conditions,
            "basis": (column.sharing or entry.sharing).basis,
            "how_to_ask": HOW_TO_ASK[entry.sharing_of(name)],
        }
        for entry in context.catalogue.entries.values()
        for name, column in entry.columns.items()
    ]
    frame = pl.DataFrame(
        rows, schema_overrides={"conditions": pl.String, "basis": pl.String}, infer_schema_length=None
    )
    with writing(context.home, "ops.catalogue"):
        commit = context.lake.publish(*CATALOGUE, frame, key=["resource", "column"])
    return Built({CATALOGUE: commit}, {"resources": len(context.catalogue.entries), "columns": frame.height})


def build_role(
    context: Context, code: str, masking: Masking, titles: Mapping[TableName, Title], declared: Tables
) -> Built:
    """Make the role's masked tables and its file; after the grant's last day remove both."""
    role = masking.roles[code]
    folder = context.lake.root / "role" / code
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(ROLE_FOLDER_MODE)
    if not role.runs_on(today()):
        return _end(context, code, titles)
    known = known_columns(context, declared, masking.policy)
    commits: dict[TableName, Commit] = {}
    views, seen, macros = [], list[dict[str, str]](), list[str]()
    for table in titles:
        if table[0] not in ROLE_LAYERS or not role.covers(*table) or not context.lake.exists(*table):
            continue
        # a history and a timeline are seen as the table itself is
        of, whose = _past_of(context, table)
        subject = ("base", of) if of else table
        columns = role_columns(
            role, masking.policy, subject, known.get(subject, {}), schema_of(context.lake, table)
        )
        # to a role of one county a table shows nothing that does not say in which county each row is
        if not columns or (role.division and not places(columns)):
            continue
        commits[f"role/{code}", stored_name(table)] = _mask_table(context, code, masking, table, columns)
        views.append(_role_view(context, code, table, titles[table], columns))
        seen += [_described(table, column, role) for column in columns]
        if of:
            seen += _described_days(table, role, as_of.VALID if whose else as_of.DAYS)
            macros.append(as_of.role_valid_macro(whose) if whose else as_of.role_macro(of))
    views += [
        _full_view(context, table, titles[table], of_product(masking, table[1]))
        for table in _products_for(context, masking, code, titles)
    ]
    if context.lake.exists(*CATALOGUE):
        views.append(_ops_view(context, CATALOGUE))
    if context.lake.exists(*FRESHNESS):
        stored = (f"role/{code}", stored_name(FRESHNESS))
        commits[stored] = _publish_freshness(
            context, stored, masking.policy.threshold("sharing", role.sees).k
        )
        shown = _full_view(context, stored, *of_ops(FRESHNESS[1]))
        views.append(replace(shown, schema=FRESHNESS[0], name=FRESHNESS[1]))
    tightened = _tightened(context, code, seen)
    commits[_views_of(code)] = _publish_views(context, code, seen)
    views.append(_ops_view(context, _views_of(code)))
    hold(context.home, role_file(context.home, code))
    replace_file(role_file(context.home, code), views, context.home.work, macros)
    read = read_files(context.home)
    _forget_superseded(context, code, commits, () if tightened else read)
    forget_products(context, read)
    return Built(commits, {"views": len(views), "columns": len(seen)})


def _past_of(context: Context, table: TableName) -> tuple[str | None, Base | None]:
    """The base table of which this is the history or the timeline, and of a timeline whose; (None, None) of any other."""
    layer, name = table
    if layer != "base":
        return None, None
    # asked of every table, thrice: only for what may be a timeline are the base databases read
    if name.endswith(TIMELINE) and (whose := as_of.timeline_of(name, load_bases(context.catalogue))):
        return whose.code, whose
    return as_of.table_of(name), None


def known_columns(context: Context, declared: Tables, policy: Policy) -> Tables:
    """What is declared of the columns of standard and base tables, and derived of the themes built from
    them."""
    tables = dict(declared)
    themes, _ = read_themes(context.catalogue)
    for theme in themes:
        code = theme.header.code
        if context.lake.exists("theme", code):
            shape = schema_of(context.lake, ("theme", code))
            tables["theme", code] = column_types(theme, shape, tables, policy).columns
    return tables


def schema_of(lake: Lake, table: TableName) -> pl.Schema:
    """The stored columns of a table."""
    return lake.scan(*table).collect_schema()


def _mask_table(
    context: Context, code: str, masking: Masking, table: TableName, columns: Sequence[RoleColumn]
) -> Commit:
    key, stored = key_of(context, masking, code), context.lake.scan(*table)
    # rows lie in an order that only visible values decide: the source's order would tell what is hidden
    order = sorted((seen.column.name for seen in columns), key=lambda name: not _is_token(name, columns))
    of, whose = _past_of(context, table)
    if of is None:
        rows = stored.select(masked(seen.column, seen.mask, key) for seen in columns)
    elif whose:
        states = context.lake.scan("base", whose.code + SUFFIX)
        rows, order = as_of.masked_periods(states, whose, columns, key), [*order, *as_of.VALID]
    else:
        entity = history.keyed_tables(context.catalogue)[of]
        rows, order = as_of.masked_states(stored, entity, columns, key), [*order, *as_of.DAYS]
    name = stored_name(table)
    with writing(context.home, f"role.{code}.{name}"):
        return context.lake.publish(
            f"role/{code}",
            name,
            rows.filter(in_county(masking.roles[code], columns)).sort(order, nulls_last=True),
            key=order,
            statistics=[seen.column.name for seen in columns if seen.mask.method == "keep"],
        )


def _is_token(name: str, columns: Sequence[RoleColumn]) -> bool:
    return any(seen.column.name == name and seen.mask.method == "pseudonym" for seen in columns)


def _role_view(
    context: Context, code: str, table: TableName, title: Title, columns: Sequence[RoleColumn]
) -> View:
    stored = (f"role/{code}", stored_name(table))
    comments = {seen.column.name: comment(of_column(seen.column)) + of_mask(seen.mask) for seen in columns}
    shape = schema_of(context.lake, stored)
    days = {**as_of.DAYS, **(as_of.VALID if _past_of(context, table)[1] else {})}
    comments |= {name: comment(title) for name, title in days.items() if name in shape}
    return View(*table, context.lake.files(*stored), shape, comment(title), comments)


def _described(table: TableName, seen: RoleColumn, role: Role) -> dict[str, str]:
    method = METHODS[seen.mask.method]
    cut = f"，仅 {role.division}" if role.division and places([seen]) else ""
    return {
        "schema": table[0],
        "view": table[1],
        "column": seen.column.name,
        "title": seen.column.title.zh,
        "mask": method.title.zh + cut,
        "sharing": seen.type.title,
    }


def _described_days(table: TableName, role: Role, days: Mapping[str, Title]) -> list[dict[str, str]]:
    """The two columns that only a history has, or a timeline."""
    shared = {"schema": table[0], "view": table[1], "sharing": role.sees.title}
    return [shared | {"column": name, "title": title.zh, "mask": "按日"} for name, title in days.items()]


def _publish_freshness(context: Context, stored: TableName, k: int) -> Commit:
    """How fresh every resource is, with small counts written as such: also of resources that the role may not see."""
    rows = without_small(context.lake.scan(*FRESHNESS), ROW_COUNTS, SHARES, SCORE_ROWS, k)
    with writing(context.home, ".".join(stored).replace("/", ".")):
        return context.lake.publish(*stored, rows, key=["resource"])


def _views_of(code: str) -> TableName:
    """The table that says what a role's file shows, or the bureau's."""
    return "ops", code + VIEWS_SUFFIX


def _publish_views(context: Context, code: str, seen: Sequence[Mapping[str, str]]) -> Commit:
    names = ("schema", "view", "column", "title", "mask", "sharing")
    frame = pl.DataFrame(list(seen), schema=dict.fromkeys(names, pl.String))
    return context.lake.publish(*_views_of(code), frame, key=["schema", "view", "column"])


def _products_for(
    context: Context, masking: Masking, code: str, titles: Mapping[TableName, Title]
) -> list[TableName]:
    """The shared products that the role, or every institution, may have."""
    return [
        table
        for table in titles
        if table[0] == "shared"
        and context.lake.exists(*table)
        and masking.products[table[1]].product.recipient in {code, ALL_INSTITUTIONS}
    ]


def _full_view(
    context: Context, table: TableName, title: Title | None, columns: Mapping[str, str] = MappingProxyType({})
) -> View:
    """A view of a table as it is stored; ``columns`` are the comments of those that have one."""
    shape = schema_of(context.lake, table)
    comments = {name: comment for name, comment in columns.items() if name in shape}
    return View(*table, context.lake.files(*table), shape, comment(title), comments)


def _ops_view(context: Context, table: TableName, title: Title | None = None) -> View:
    known, columns = of_ops(table[1])
    return _full_view(context, table, known or title, columns)


def build_bureau(context: Context, titles: Mapping[TableName, Title], declared: Tables) -> Built:
    """Make ``bureau.duckdb``: every table that exists, as it is stored, and a list of its columns."""
    own = _views_of("bureau")
    present = [
        (layer, name) for layer in BUREAU_LAYERS for name in context.lake.names(layer) if (layer, name) != own
    ]
    comments = _column_comments(context, declared)
    views = [
        _ops_view(context, table, titles.get(table))
        if table[0] == "ops"
        else _full_view(
            context, table, titles.get(table) or _entry_title(context, table), comments.get(table, {})
        )
        for table in present
    ]
    rows = [
        {"schema": view.schema, "view": view.name, "column": column, "title": view.columns.get(column)}
        for view in views
        for column in view.shape
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("schema", "view", "column", "title"), pl.String))
    commit = context.lake.publish(*own, frame, key=["schema", "view", "column"])
    views.append(_ops_view(context, own))
    macros = [*_day_macros(context, present), *life.macros(context)]
    hold(context.home, context.home.bureau)
    replace_file(context.home.bureau, views, context.home.work, macros)
    forget_products(context, read_files(context.home))
    return Built({own: commit}, {"views": len(views)})


def _day_macros(context: Context, present: Collection[TableName]) -> list[str]:
    """The macros that ask a day: of every history, and of each base database's timeline and crosswalk."""
    macros = [
        as_of.full_macro(table, schema_of(context.lake, ("base", name)))
        for layer, name in present
        if layer == "base" and (table := as_of.table_of(name)) is not None
    ]
    for held in load_bases(context.catalogue).values():
        if {("base", held.code), ("base", timeline_name(held))} <= set(present):
            macros.append(as_of.valid_macro(held))
        if ("base", past_name(held)) in present:
            macros.append(as_of.crosswalk_macro(held))
    return macros


def _column_comments(context: Context, declared: Tables) -> dict[TableName, Mapping[str, str]]:
    """What every declared column of a full table is called, and in the tables that tell when: the days and instants."""
    found: dict[TableName, Mapping[str, str]] = {
        table: {name: comment(of_column(column)) for name, column in columns.items()}
        for table, columns in declared.items()
    }
    recorded, valid = (
        {name: comment(title) for name, title in titles.items()} for titles in (as_of.RECORDED, as_of.VALID)
    )
    for table in history.keyed_tables(context.catalogue):
        found["base", table + SUFFIX] = {**found.get(("base", table), {}), **recorded}
    for held in load_bases(context.catalogue).values():
        found["base", timeline_name(held)] = {**found["base", held.code], **valid}
        for name in (crosswalk_name(held), past_name(held)):
            found["base", name] = {**_crosswalk_comments(found["base", held.code], held), **recorded}
    headers = [theme.header for theme in read_themes(context.catalogue)[0]]
    return found | {("theme", header.code): header.columns for header in headers}


def _crosswalk_comments(record: Mapping[str, str], base: Base) -> dict[str, str]:
    titles = {
        "resource": Title(zh="数据资源", en="resource"),
        "_push": Title(zh="推送", en="push"),
        "_row": Title(zh="行号", en="row"),
        "_data_date": Title(zh="数据日期", en="data date"),
        "method": Title(zh="关联方式", en="how it is known whose the row is"),
        "probability": Title(zh="概率", en="probability"),
    }
    return {
        base.id_column: record[base.id_column],
        **{name: comment(title) for name, title in titles.items()},
    }


def _entry_title(context: Context, table: TableName) -> Title | None:
    entry = context.catalogue.entries.get(table[1])
    return entry.title if entry and table[0] in ("standard", "quarantine") else None


def _tightened(context: Context, code: str, seen: Sequence[Mapping[str, str]]) -> bool:
    """Whether the role saw something before that it no longer sees, or not so any more."""
    own = _views_of(code)
    before = context.lake.scan(*own).collect().to_dicts() if context.lake.exists(*own) else []
    return any(column not in seen for column in before)


def _forget_superseded(
    context: Context, code: str, commits: Mapping[TableName, Commit], keep: Collection[Path]
) -> None:
    """Old files of masked tables go once the new file is in place (save those to ``keep``, which open connections
    read); so do tables that the role no longer sees."""
    layer = f"role/{code}"
    for name in context.lake.names(layer):
        if (layer, name) in commits:
            context.lake.forget(layer, name, keep)
        else:
            context.lake.drop(layer, name)


def forget_products(context: Context, keep: Collection[Path]) -> None:
    """Old files of products go once no file of views points at them any more: whichever is replaced last lets them go."""
    for layer in ("shared", "open"):
        for name in context.lake.names(layer):
            with writing(context.home, f"{layer}.{name}"):
                context.lake.forget(layer, name, keep)


def _end(context: Context, code: str, titles: Mapping[TableName, Title]) -> Built:
    """The grant is over: the file goes first, then the tables."""
    role_file(context.home, code).unlink(missing_ok=True)
    for name in context.lake.names(f"role/{code}"):
        context.lake.drop(f"role/{code}", name)
    commit = _publish_views(context, code, [])
    return Built({_views_of(code): commit}, {"ended": f"{code}: the grant is over, nothing is shown"})
