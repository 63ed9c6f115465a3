"""The geometry of a chart of hours or days, in percent: the template draws it, the stylesheet colours it.

No viewBox: text keeps its size at every width. The numbers are those of the table under the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from markupsafe import Markup

from dashboard.billing.reports.usage_series import SlotRow

BAR_SHARE = 0.72
TICKS = 4
LABELS = 8
# Longer series of hours are labelled with their days, at noon.
TWO_DAYS = 48
MIDDAY = 12
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the scale: its value and its height."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of one series in a bar; `series` counts from 1, as the colours do. The others have one of their own."""

    series: int
    x: float
    y: float
    width: float
    height: float
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A level line from `x1` to `x2`."""

    x1: float
    x2: float
    y: float

    @property
    def drawn(self) -> Markup:
        """Its attributes in one piece, as `Bar.drawn`."""
        ends = f'x1="{self.x1}%" x2="{self.x2}%" y1="{self.y}%" y2="{self.y}%"'
        return Markup(ends)  # noqa: S704 (numbers of our own)


@dataclass(frozen=True, slots=True)
class Bar:
    """One slot: where it can be hit, its middle, its segments from the ground up, and the height of the slot before.

    A page has hundreds of shapes: they are written in one piece, because each value that a template puts in costs as
    much as the rest of the shape.
    """

    row: SlotRow
    hit_x: float
    hit_width: float
    middle: float
    segments: tuple[Segment, ...]
    previous: Mark | None
    is_labelled: bool

    @property
    def drawn(self) -> Markup:
        """Where it can be hit, and over that its segments."""
        shapes = [f'<rect class="hit" x="{self.hit_x}%" width="{self.hit_width}%" height="100%"/>']
        for part in self.segments:
            colour = "o" if part.is_other else part.series
            shapes.append(
                f'<rect class="s{colour}" x="{part.x}%" y="{part.y}%" width="{part.width}%" height="{part.height}%"'
                ' rx="1.5"/>'
            )
        return Markup("".join(shapes))  # noqa: S704 (numbers of our own)


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole chart."""

    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


def build_chart(rows: Sequence[SlotRow], *, others: int | None = None) -> Chart:
    """The chart of a report's slots. What went before is a line across the bar, also where the bar is still to come.

    `others` is which value of a row, from 1, is what all smaller series come to.
    """
    top = scale_top(max((max(row.total, row.previous or 0) for row in rows), default=0))
    step = 100 / max(len(rows), 1)
    every = max(ceil(len(rows) / LABELS), 1)
    are_days_of_hours = len(rows) > TWO_DAYS and rows[1].start - rows[0].start == HOUR
    bars = []
    for n, row in enumerate(rows):
        x, width = round(n * step + step * (1 - BAR_SHARE) / 2, 3), round(step * BAR_SHARE, 3)
        height = round(row.previous * 100 / top, 3) if row.previous else None
        bars.append(
            Bar(
                row=row,
                hit_x=round(n * step, 3),
                hit_width=round(step, 3),
                middle=round(n * step + step / 2, 2),
                segments=_stack(row.values, top, x, width, others),
                previous=Mark(x, round(x + width, 3), round(100 - height, 3)) if height else None,
                is_labelled=row.start.hour == MIDDAY if are_days_of_hours else n % every == every // 2,
            )
        )
    ticks = tuple(Tick(top * n // TICKS, round(100 - 100 * n / TICKS, 2)) for n in range(TICKS + 1))
    return Chart(ticks=ticks, bars=tuple(bars))


def scale_top(highest: int) -> int:
    """The top of the scale: four equal whole steps that hold `highest` and leave little room above it.

    A step is 1, 1.5, 2, 2.5, 3, 4 or 5 times a power of ten.
    """
    step = 1
    while True:
        for factor in (1, 1.5, 2, 2.5, 3, 4, 5):
            size = step * factor
            if size == int(size) and size * TICKS >= highest:
                return int(size) * TICKS
        step *= 10


def _stack(values: tuple[int, ...], top: int, x: float, width: float, others: int | None) -> tuple[Segment, ...]:
    segments, ground = [], 100.0
    for n, value in enumerate(values, 1):
        if value > 0:
            height = value * 100 / top
            ground -= height
            segments.append(Segment(n, x, round(ground, 3), width, round(height, 3), is_other=n == others))
    return tuple(segments)
