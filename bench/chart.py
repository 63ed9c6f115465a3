"""`python -m bench.chart LINES SVG`: the figures of a run as a picture, each beside what it should reach."""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

ROW, LABEL, WIDTH, TOP = 34, 190, 760, 44
BAR = WIDTH - LABEL - 150
FULL = 2.0  # a bar at its end is twice as good as it should be
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1c1f26 } .quiet { fill: #5f6673 }
  .bar { fill: #3d63dd } .short { fill: #c2521b } .ground { fill: #e9ebf0 } .reach { stroke: #1c1f26; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #eceef3 } .quiet { fill: #a4abb9 } .bar { fill: #7c9bff } .short { fill: #f08c52 }
    .ground { fill: #2a2e37 } .reach { stroke: #eceef3 } }
"""


def draw(figures: list[dict[str, Any]]) -> str:
    """The picture: one row a figure that has something to reach."""
    rows = [figure for figure in figures if "reach" in figure]
    height = TOP + ROW * len(rows) + 10
    size = f'width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Figures"><style>{STYLE}</style>',
        f'<text class="quiet" x="{LABEL + BAR / FULL}" y="24" text-anchor="middle">to reach</text>',
    ]
    parts += [line for n, figure in enumerate(rows) for line in _row(figure, TOP + ROW * n)]
    reach_x = LABEL + BAR / FULL
    parts.append(f'<line class="reach" x1="{reach_x}" x2="{reach_x}" y1="{TOP - 12}" y2="{height - 12}"/></svg>')
    return "\n".join(parts) + "\n"


def _row(figure: dict[str, Any], y: int) -> list[str]:
    """Name, bar and words. Where less is better the bar shows how many times better it is."""
    value, reach = figure["value"], figure["reach"]
    share = (reach / value if figure["less_is_better"] else value / reach) if value else 0
    length = round(BAR * min(share, FULL) / FULL, 1)
    kind = "bar" if figure["reached"] else "short"
    words = f"{_number(value)} {figure['unit']} ({_number(reach)})"
    return [
        f'<text x="0" y="{y + 14}">{escape(figure["name"])}</text>',
        f'<rect class="ground" x="{LABEL}" y="{y}" width="{BAR}" height="20" rx="3"/>',
        f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length}" height="20" rx="3"/>',
        f'<text x="{LABEL + BAR + 8}" y="{y + 14}">{escape(words)}</text>',
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Read the lines of `python -m bench --output`, write the picture."""
    source, target = map(Path, sys.argv[1:3])
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    target.write_text(draw([line for line in lines if "name" in line]))


if __name__ == "__main__":
    main()
