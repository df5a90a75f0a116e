"""What is built from a resource: the recipes that read it, those that read them, drawn from left to right.

Here belong the walk over recipes and the drawing; the recipes themselves say what they read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from assets.build import Build
from catalog.model import Title

#: The layers that are drawn; the bureau's and the roles' files show tables as they are, and are no step of their own.
STEPS = ("standard", "base", "theme", "shared", "open", "role")
_BOX, _GAP, _ROW, _HIGH = 168, 56, 46, 34


@dataclass(frozen=True)
class Node:
    """A recipe in the drawing: its name, its layer, its title, and the nodes it reads."""

    name: str
    layer: str
    title: Title
    reads: tuple[str, ...]


def descendants(builds: Sequence[Build], resource: str, title: Title) -> list[Node]:
    """The resource's standard table and everything built from it, each after what it reads."""
    made_by = {("standard", resource): f"standard/{resource}"}
    nodes = [Node(f"standard/{resource}", "standard", title, ())]
    for build in builds:
        layer, table = build.makes[0]
        step = layer.split("/", 1)[0]
        reads = tuple(dict.fromkeys(made_by[read] for read in build.reads if read in made_by))
        if step in STEPS and reads:
            name = f"{layer}/{table}"
            nodes.append(Node(name, step, build.title, reads))
            made_by |= dict.fromkeys(build.makes, name)
    return nodes


def drawing(nodes: Sequence[Node], language: str, label: str) -> Markup:
    """Boxes from left to right, each right of all it reads, with a curve for each reading."""
    places = _places(nodes)
    tall = max(y for _, y in places.values()) + _HIGH + 6
    wide = max(x for x, _ in places.values()) + _BOX + 4
    curves = [_curve(places[read], places[node.name]) for node in nodes for read in node.reads]
    boxes = [_box(node, places[node.name], language) for node in nodes]
    return Markup(
        '<svg class="lineage" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(wide, tall, wide, tall, label, Markup("").join([*curves, *boxes]))


def _places(nodes: Sequence[Node]) -> Mapping[str, tuple[int, int]]:
    depths: dict[str, int] = {}
    places, rows = {}, Counter[int]()
    for node in nodes:
        depth = depths[node.name] = 1 + max((depths[read] for read in node.reads), default=-1)
        places[node.name] = (2 + depth * (_BOX + _GAP), 4 + rows[depth] * _ROW)
        rows[depth] += 1
    return places


def _curve(start: tuple[int, int], end: tuple[int, int]) -> Markup:
    x, y, to_x, to_y = start[0] + _BOX, start[1] + _HIGH / 2, end[0], end[1] + _HIGH / 2
    bend = (x + to_x) / 2
    return Markup('<path class="edge" d="M{} {}C{} {} {} {} {} {}"/>').format(
        x, y, bend, y, bend, to_y, to_x, to_y
    )


def _box(node: Node, place: tuple[int, int], language: str) -> Markup:
    words = node.title.en if language == "en" else node.title.zh
    room = 24 if language == "en" else 12
    shown = words if len(words) <= room else words[: room - 1] + "…"
    return Markup(
        '<g class="node {}"><title>{} · {}</title><rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text x="{}" y="{}" text-anchor="middle">{}</text></g>'
    ).format(
        node.layer,
        node.name,
        words,
        place[0],
        place[1],
        _BOX,
        _HIGH,
        place[0] + _BOX / 2,
        place[1] + _HIGH / 2 + 4.5,
        shown,
    )
