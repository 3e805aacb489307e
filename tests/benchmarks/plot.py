"""A plot on logarithmic axes as SVG, readable on light and dark paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 48, 56
COLOURS = ("#1668b8", "#c2410c", "#2e7d32", "#7b3fa0")
MARKS = ("circle", "square", "diamond", "triangle")
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"))


class Line(NamedTuple):
    """One curve."""

    name: str
    points: Sequence[tuple[float, float]]


def write_plot(path: Path, title: str, x_words: str, y_words: str, lines: Sequence[Line]) -> None:
    """Points of 0 are drawn at the axis' least decade, as a logarithm has no place for them."""
    x_range = _decades([x for line in lines for x, _ in line.points])
    y_range = _decades([y for line in lines for _, y in line.points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
        *_grid(x_range, y_range),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_words)}</text>',
        f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_words)}</text>",
    ]
    for number, line in enumerate(lines):
        parts += _curve(number, line, x_range, y_range)
    parts.append("</svg>\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts), encoding="utf-8")


def _decades(values: Sequence[float]) -> tuple[int, int]:
    above = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
    if any(value <= 0 for value in values):
        low -= 1
    return low, max(high, low + 1)


def _x(value: float, decades: tuple[int, int]) -> float:
    return LEFT + _part(value, decades) * (WIDTH - LEFT - RIGHT)


def _y(value: float, decades: tuple[int, int]) -> float:
    return HEIGHT - BOTTOM - _part(value, decades) * (HEIGHT - TOP - BOTTOM)


def _part(value: float, decades: tuple[int, int]) -> float:
    low, high = decades
    return (max(low, math.log10(value) if value > 0 else low) - low) / (high - low)


def _grid(x_range: tuple[int, int], y_range: tuple[int, int]) -> list[str]:
    parts = []
    for power in range(x_range[0], x_range[1] + 1):
        x = _x(10.0**power, x_range)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(10.0**power)}</text>')
    for power in range(y_range[0], y_range[1] + 1):
        y = _y(10.0**power, y_range)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(10.0**power)}</text>')
    return parts


def _curve(number: int, line: Line, x_range: tuple[int, int], y_range: tuple[int, int]) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    points = [(_x(x, x_range), _y(y, y_range)) for x, y in line.points]
    way = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    key_y = TOP + 14 + 18 * number
    return [
        f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(_mark(number, x, y, colour) for x, y in points),
        _mark(number, LEFT + 16, key_y - 4, colour),
        f'<text x="{LEFT + 28}" y="{key_y}">{escape(line.name)}</text>',
    ]


def _mark(number: int, x: float, y: float, colour: str) -> str:
    """Each curve has a shape of its own: colour alone says nothing."""
    shape = MARKS[number % len(MARKS)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    corners = ((0, -5), (5, 0), (0, 5), (-5, 0)) if shape == "diamond" else ((0, -5), (5, 4), (-5, 4))
    way = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{way}" fill="{colour}"/>'


def _short(value: float) -> str:
    for unit, letter in _UNITS:
        if value >= unit * 0.999:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
