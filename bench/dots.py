"""A picture of figures with their intervals: one line a row, one dot a series; SVG, for light and dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Points = dict[str, dict[str, tuple[float, float]]]  # row: series: mean and half of its interval, as shares of 1

LEFT, RIGHT, TOP, LINE, WIDTH = 150, 20, 64, 34, 760
COLOURS = ("#7a8699", "#3b82f6", "#f59e0b", "#10b981")  # told apart in grey and by colour-blind readers as well
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.axis{stroke:#bbb}.zero{stroke:#222}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#555}.zero{stroke:#ddd}}"
)


def drawn(points: Points, title: str) -> str:
    """Draw means and intervals, in points of a hundred."""
    ends = [100 * (mean + sign * half) for each in points.values() for mean, half in each.values() for sign in (-1, 1)]
    low, high = int(min(*ends, 0)) - 1, int(max(*ends, 0)) + 2
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    height = TOP + LINE * len(points) + 30
    parts = [*legend(title, list(next(iter(points.values())))), *axis(low, high, scale, height)]
    for number, (row, of_row) in enumerate(points.items()):
        top = TOP + LINE * number
        parts.append(f'<text x="{LEFT - 10}" y="{top + 21}" text-anchor="end">{escape(row)}</text>')
        for series, (mean, half) in enumerate(of_row.values()):
            parts += dot(LEFT + (100 * mean - low) * scale, 100 * half * scale, top + 8 + 6 * series, COLOURS[series])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return f"{head}<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"


def legend(title: str, series: list[str]) -> Iterator[str]:
    yield f'<text x="10" y="20" font-weight="600">{escape(title)}</text>'
    for number, name in enumerate(series):
        x = 16 + number * (WIDTH - 20) // len(series)
        yield f'<circle cx="{x}" cy="40" r="4" fill="{COLOURS[number]}"/><text x="{x + 9}" y="44">{escape(name)}</text>'


def axis(low: int, high: int, scale: float, height: int) -> Iterator[str]:
    for value in range(low, high + 1):
        if value % (5 if high - low > 12 else 2) == 0:
            x = LEFT + (value - low) * scale
            kind = "axis" if value else "zero"
            yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 22}"/>'
            yield f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{f"{value:+d}" if value else 0}</text>'


def dot(x: float, half: float, y: float, colour: str) -> Iterator[str]:
    yield f'<line x1="{x - half:.1f}" x2="{x + half:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="2"/>'
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
