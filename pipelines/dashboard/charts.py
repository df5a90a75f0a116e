"""Charts as inline SVG: bars by month, lines over pushes, meters. No script draws them, and paper prints them.

Here belongs geometry from numbers. Colours are classes of the style sheet; each chart has a text for those who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 26


@dataclass(frozen=True)
class Bar:
    """One bar: its label, the parts stacked in it as (class, value, words for it), and the address of what it counts."""

    label: str
    parts: tuple[tuple[str, float, str], ...]
    address: str = ""

    @property
    def total(self) -> float:
        """The height of the whole bar."""
        return sum(value for _, value, _ in self.parts)


@dataclass(frozen=True)
class Point:
    """One point of a line: its label, its value (None: not assessed), the words for it, and the address of what it tells."""

    label: str
    value: float | None
    words: str
    address: str = ""


def meter(value: float | None, text: str, kind: str = "good") -> Markup:
    """A share as a thin bar of its width."""
    width = 0 if value is None else max(0.0, min(value, 1.0)) * 100
    return Markup(
        '<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" width="100" height="6"/><rect class="fill {}" width="{:.2f}" height="6"/></svg>'
    ).format(text, kind, width)


def stacked(bars: Sequence[Bar], text: str, *, whole: float | None = None) -> Markup:
    """Bars of stacked parts; ``whole`` makes them shares of that height."""
    most = whole or nice(max((bar.total for bar in bars), default=0))
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    thick = min(room * 0.64, 44)
    body = [_grid(0, most, share=whole == 1)]
    for place, bar in enumerate(bars):
        middle = _LEFT + room * (place + 0.5)
        body.append(_column(bar, middle, thick, most))
        body.append(_label(bar.label, middle, place, len(bars)))
    return _frame(body, text, leads=any(bar.address for bar in bars))


def line(points: Sequence[Point], text: str, *, share: bool = True) -> Markup:
    """A line through the points that were assessed, with a dot for each."""
    known = [point.value for point in points if point.value is not None]
    low, high = _share_range(known) if share else (0.0, nice(max(known, default=0)))
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(points))
    body = [_grid(low, high, share=share)]
    path: list[str] = []
    dots: list[Markup] = []
    for place, point in enumerate(points):
        middle = _LEFT + room * (place + 0.5)
        body.append(_label(point.label, middle, place, len(points)))
        if point.value is None:
            continue
        y = _height(point.value, low, high)
        path.append(f"{'L' if path else 'M'}{middle:.1f} {y:.1f}")
        dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>').format(
            middle, y, point.words
        )
        dots.append(_leading(dot, point.address, point.words))
    body.append(Markup('<path class="line" d="{}"/>').format(" ".join(path)))
    return _frame([*body, *dots], text, leads=any(point.address for point in points))


def nice(value: float) -> float:
    """The number at or above a value that an axis ends with: its quarters are round, and little room is wasted."""
    if value <= 4:
        return 4
    power = 10.0 ** (len(str(int(value))) - 1)
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value)


def _share_range(known: Sequence[float]) -> tuple[float, float]:
    """From a round share below the lowest to 100 %: small differences near the top must be seen."""
    lowest = min(known, default=0)
    return next((step for step in (0.98, 0.95, 0.9, 0.8, 0.5) if lowest > step + (1 - step) * 0.1), 0.0), 1.0


def _height(value: float, low: float, high: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / (high - low))


def _column(bar: Bar, middle: float, thick: float, most: float) -> Markup:
    y, parts = float(HEIGHT - _BOTTOM), []
    for kind, value, words in bar.parts:
        if not value:
            continue
        tall = (HEIGHT - _TOP - _BOTTOM) * value / most
        y -= tall
        parts.append(
            Markup(
                '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(kind, middle - thick / 2, y, thick, max(tall, 0.75), words)
        )
    words = ", ".join(words for _, value, words in bar.parts if value)
    return _leading(Markup("").join(parts), bar.address if parts else "", words)


def _leading(drawn: Markup, address: str, words: str) -> Markup:
    """A part of a drawing that leads somewhere, if it does."""
    return Markup('<a href="{}" aria-label="{}">{}</a>').format(address, words, drawn) if address else drawn


def _label(label: str, middle: float, place: int, count: int) -> Markup:
    """Every label where there is room for it, else some of them, and always the last."""
    every = max(1, -(-count // 9))
    if (count - 1 - place) % every:
        return Markup("")
    return Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
        middle, HEIGHT - 8, label
    )


def _grid(low: float, high: float, *, share: bool) -> Markup:
    lines = []
    for step in range(5):
        value = low + (high - low) * step / 4
        y = _height(value, low, high)
        words = f"{value * 100:.4g}%" if share else _compact(value)
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(_LEFT, WIDTH - _RIGHT, y, y, _LEFT - 6, y + 4, words)
        )
    return Markup("").join(lines)


def _compact(value: float) -> str:
    """``12万`` would need a language; thousands and millions are read in both."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def _frame(body: Sequence[Markup], text: str, *, leads: bool = False) -> Markup:
    """A drawing is one picture to who cannot see it, unless its parts lead somewhere."""
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, "group" if leads else "img", text, Markup("").join(body)
    )


def legend(items: Sequence[tuple[str, str]]) -> Markup:
    """What the colours of a chart mean: (class, words)."""
    return Markup('<p class="legend">{}</p>').format(
        Markup("").join(
            Markup('<span><i class="key {}"></i>{}</span>').format(kind, escape(words))
            for kind, words in items
        )
    )
