"""``citylake lineage``, and the column lineage that Dagster shows: where each column of a table comes from.

Here belong looking a table's lineage up and showing it. It is traced in ``masking.lineage`` (themes, from their SQL) and
declared in the catalogue (base databases, by survivorship).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import dagster as dg
import polars as pl
from rich.console import RenderableType
from rich.table import Column as Heading
from rich.table import Table
from rich.tree import Tree

from assets.build import Context, TableName
from assets.theme.locality import NotLocalError
from assets.theme.themes import Theme, read_theme, theme_locality
from assets.theme.types import column_types
from catalog.base_model import load_bases
from catalog.errors import MendableError
from catalog.load import Catalogue, read_yaml
from masking.columns import SourceColumn
from masking.groups import Loosened
from masking.lineage import Origin, Tables, trace
from masking.policy import POLICY_FILE, AggregateLift, Policy, load_policy


class UnknownTableError(MendableError, LookupError):
    """No table of that name whose columns have a lineage."""

    def __init__(self, table: str, known: Sequence[str]) -> None:
        super().__init__(f"{table} has no column lineage: one of {', '.join(known)}")


class UnknownColumnError(MendableError, LookupError):
    """The table has no such column."""

    def __init__(self, column: str, known: Sequence[str]) -> None:
        super().__init__(f"no column {column}: one of {', '.join(known)}")


@dataclass(frozen=True)
class Column:
    """One column: the stored columns its values come from, its derived types (None: shown to the bureau only), and the
    lines of the policy that made them looser than those, in words."""

    name: str
    title: str
    origins: tuple[Origin, ...]
    derived: SourceColumn | None
    loosened_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableLineage:
    """A table's columns, what its rows are chosen by, and what is declared of all those; of a theme, in words, by which key
    its rows are made anew alone."""

    table: TableName
    columns: Mapping[str, Column]
    rows: tuple[Origin, ...]
    declared: Tables
    made_anew: str = ""


def lineage_of(context: Context, table: TableName) -> TableLineage:
    """The lineage of a theme or base table; raises :class:`UnknownTableError`."""
    declared = context.declared
    theme_file = Path(str(files("assets.theme"))) / f"{table[1]}.sql"
    if table[0] == "theme" and theme_file.exists():
        return _of_theme(context, theme_file, declared)
    origins = _survivorship(context.catalogue, table[1]) if table[0] == "base" else {}
    if not origins:
        raise UnknownTableError(".".join(table), known_tables(context.catalogue))
    known = declared[table]
    columns = {
        name: Column(name, known[name].title.zh, tuple(sources), known[name])
        for name, sources in origins.items()
    }
    return TableLineage(table, columns, (), declared)


def known_tables(catalogue: Catalogue) -> list[str]:
    """The tables whose columns have a lineage."""
    themes = sorted(path.stem for path in Path(str(files("assets.theme"))).glob("*.sql"))
    return [*(f"base.{code}" for code in load_bases(catalogue)), *(f"theme.{code}" for code in themes)]


def _of_theme(context: Context, path: Path, declared: Tables) -> TableLineage:
    theme = read_theme(path, context.catalogue, [])
    if theme is None:
        raise UnknownTableError(f"theme.{path.stem}", known_tables(context.catalogue))
    inputs = {table: declared[table] for table in theme.reads if table in declared}
    traced = trace(theme.sql, inputs)
    table = ("theme", path.stem)
    titles = theme.header.columns
    # a theme that is not built yet has no types of its own: text is what the masks are strictest with
    shape = (
        context.lake.scan(*table).collect_schema()
        if context.lake.exists(*table)
        else pl.Schema(dict.fromkeys(titles, pl.String()))
    )
    policy = load_policy(context.catalogue.root, [])
    types = column_types(theme, shape, declared, policy) if policy else Loosened({})
    said = _policy_lines(context.catalogue, policy) if policy and types.lines else {}
    columns = {
        name: Column(
            name,
            titles.get(name, name),
            origins,
            types.columns.get(name),
            tuple(said[line] for line in types.lines_of.get(name, ())),
        )
        for name, origins in traced.columns.items()
    }
    return TableLineage(table, columns, traced.rows, declared, _made_anew(theme, declared))


def _made_anew(theme: Theme, declared: Tables) -> str:
    try:
        local = theme_locality(theme, declared)
    except NotLocalError as error:
        return f"每次整表重建 always made whole: {error}"
    whole = f"；这些表未变时 while these do not change: {', '.join(map('.'.join, sorted(local.whole)))}"
    return f"按此键增量更新 made anew by: {local.key}{whole if local.whole else ''}"


def _policy_lines(catalogue: Catalogue, policy: Policy) -> dict[AggregateLift, str]:
    """What each line says of groups, with where it stands."""
    _, place = read_yaml(catalogue.root / POLICY_FILE, catalogue.root, [])
    return {
        line: f"{place.file}:{place.line(('aggregates', str(number)))} {' '.join(line.functions)}({' '.join(line.elements)}): "
        f"{line.from_.title} → {line.to.title} ({' '.join(line.towards)})，"
        f"至少 {line.subjects} 个主体 at least {line.subjects} subjects · {line.why}"
        for number, line in enumerate(policy.aggregates)
    }


def _survivorship(catalogue: Catalogue, code: str) -> dict[str, list[Origin]]:
    """Each field's sources in the order of trust; empty for a table that survivorship does not declare."""
    base = load_bases(catalogue).get(code)
    if base is None:
        return {}
    identifiers = [("standard", source.resource, source.identifier) for source in base.sources.values()]
    found = {base.identifier: list(dict.fromkeys(identifiers))}
    for name, declared in base.fields.items():
        split = (base.split(reference) for reference in declared.sources)
        sources = [("standard", base.sources[source].resource, column) for source, column in split]
        found[name] = list(dict.fromkeys(sources))
    return found


def dagster_lineage(context: Context, table: TableName) -> dict[str, dg.TableColumnLineage | dg.TableSchema]:
    """The metadata by which Dagster shows where a table's columns come from; empty for tables without a lineage.

    Only Dagster's paid edition draws ``dagster/column_lineage``; every edition shows what stands beside a column's name."""
    try:
        lineage = lineage_of(context, table)
    except UnknownTableError:
        return {}
    deps = {
        column.name: [
            dg.TableColumnDep(asset_key=dg.AssetKey([layer, name]), column_name=source)
            for layer, name, source in column.origins
            if layer
        ]
        for column in lineage.columns.values()
    }
    schema = context.lake.scan(*table).collect_schema() if context.lake.exists(*table) else {}
    shown = dg.TableSchema(
        columns=[
            dg.TableColumn(name, str(dtype), description=_described(lineage.columns.get(name)))
            for name, dtype in schema.items()
        ]
    )
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
        "dagster/column_schema": shown,
    }


def _described(column: Column | None) -> str | None:
    """A column's title, types and sources, in a line."""
    if column is None:
        return None
    sources = ", ".join(".".join(origin) for origin in column.origins if origin[0])
    return f"{column.title} · {_said(column.derived)} · ← {sources or '行数、常量 count'}"


def as_table(lineage: TableLineage) -> RenderableType:
    """All columns: title, where from, derived sharing and opening type, grade, element."""
    shown = Table(
        *(
            # a name cut short could not be asked for
            Heading(title, overflow="fold")
            for title in (
                "列 column",
                "名称",
                "来源 from",
                "共享 sharing",
                "开放 opening",
                "分级 grade",
                "数据元 element",
            )
        ),
        title=".".join(lineage.table),
        caption="\n".join(_caption(lineage)),
        caption_justify="left",
        header_style="bold",
    )
    for column in lineage.columns.values():
        shown.add_row(column.name, column.title, _listed(column.origins), *_types(column.derived))
    return shown


def _caption(lineage: TableLineage) -> Iterator[str]:
    """What holds for all columns, and the policy's lines that some rest on."""
    if lineage.made_anew:
        yield lineage.made_anew
    if lineage.rows:
        yield f"行由这些列决定 rows chosen by: {_listed(lineage.rows)}"
    lines = dict.fromkeys(line for column in lineage.columns.values() for line in column.loosened_by)
    if lines:
        yield "分组计数放宽依据 loosened, as numbers of groups, by:"
        yield from lines


def as_tree(lineage: TableLineage, name: str) -> RenderableType:
    """One column: everything behind it, with the type of each; raises :class:`UnknownColumnError`."""
    if name not in lineage.columns:
        raise UnknownColumnError(name, list(lineage.columns))
    column = lineage.columns[name]
    tree = Tree(f"[bold]{'.'.join(lineage.table)}.{name}[/bold] {column.title} · {_said(column.derived)}")
    _branch(tree, "值来自 values from", column.origins, lineage.declared)
    _branch(tree, "行由此决定 rows chosen by", lineage.rows, lineage.declared)
    if column.loosened_by:
        branch = tree.add("分组计数放宽依据 loosened, as numbers of groups, by")
        for line in column.loosened_by:
            branch.add(line)
    return tree


def _branch(tree: Tree, title: str, origins: Sequence[Origin], declared: Tables) -> None:
    if not origins:
        return
    branch = tree.add(title)
    for layer, table, column in origins:
        source = declared.get((layer, table), {}).get(column)
        owner = f" · {' '.join(sorted(source.departments))}" if source else ""
        branch.add(f"{layer}.{table}.{column} · {_said(source)}{owner}")


def _listed(origins: Sequence[Origin]) -> str:
    return "\n".join(".".join(filter(None, origin)) for origin in origins) or "行数、常量 count"


def _types(column: SourceColumn | None) -> tuple[str, str, str, str]:
    if column is None:
        return "仅数据局 bureau only", "", "", ""
    return (
        column.sharing.title,
        column.opening.title.replace("共享", "开放"),
        str(column.grade.value),
        column.element,
    )


def _said(column: SourceColumn | None) -> str:
    sharing, opening, grade, element = _types(column)
    return f"{sharing}，{opening}，{grade} 级，{element}" if opening else sharing
